"""An assignment is written anew, and nobody's work in the older version is lost."""

import hashlib
import itertools
import json
import shutil

import nbformat

DIGEST = "given_out"  # the key, among a notebook's metadata, of its digest as it was given out


def write(notebook, path):
    """Write a notebook to give out; return where somebody's work in the older version is now.

    That is None if there was no work, or if the assignment is the same: then the work stays.
    """
    older = path.read_bytes() if path.exists() else None
    notebook.metadata[DIGEST] = digest(notebook)
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return None if older is None else keep(older, path)


def put_back(kept, place):
    """Put back into the folder `place` what nbgrader has removed from it; `kept` is a copy."""
    for file in kept.rglob("*"):
        target = place / file.relative_to(kept)
        if file.is_file() and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target)


def keep(older, path):
    """Keep the work in the bytes of an older notebook, whose place another has now.

    If both are the same assignment, the older one goes back to its place. Else it is put beside.
    """
    try:
        notebook = nbformat.reads(older.decode(), as_version=4)
        was, is_untouched = notebook.metadata.get(DIGEST), False
        is_untouched = was == digest(notebook)
    except Exception:  # whatever it is, it may be somebody's
        was, is_untouched = None, False
    if is_untouched:
        return None
    if was == nbformat.read(path, as_version=4).metadata[DIGEST]:
        path.write_bytes(older)
        return None
    names = (f"{path.stem} (your work {number}).ipynb" for number in itertools.count(1))
    beside = next(path.with_name(name) for name in names if not path.with_name(name).exists())
    beside.write_bytes(older)
    return beside


def digest(notebook):
    """Return what tells one version of an assignment from another: its cells, without outputs."""
    cells = [[cell.cell_type, cell.source] for cell in notebook.cells]
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()
