"""An assignment is written anew, and nobody's work in the older version is lost."""

import hashlib
import itertools
import json
import os

import nbformat

DIGEST = "given_out"  # the key, among a notebook's metadata, of its digest as it was given out


def hand_over(made, place, pristine):
    """Put what nbgrader has made in the folder `made` into `place`; return what was kept there.

    `pristine` is the copy with which the grader compares. Until the end it is the version that was
    written here before.
    """
    notebook = nbformat.read(made / pristine.name, as_version=4)
    kept = [write(notebook, place / pristine.name, last=told(pristine)[1] or "")]
    for file in made.rglob("*"):
        target, content = place / file.relative_to(made), file.is_file() and file.read_bytes()
        if content is not False and file.name != pristine.name:
            changed = target.exists() and target.read_bytes() != content
            kept.append(put(content, target, keep=changed))
    put(nbformat.writes(notebook).encode(), pristine)
    return [path for path in kept if path]


def write(notebook, path, last=None):
    """Write a notebook to give out; return where somebody's work or notebook is now.

    That is None if there was none, or if the assignment is the same: then the work stays. Where
    `last` tells which version was written here before, a notebook of yet another version comes
    from elsewhere, from a teacher say: it stays too.
    """
    now = notebook.metadata[DIGEST] = digest(notebook)
    was, content = told(path)
    if was and last is not None and was not in (now, last):
        return path
    if was == now != content:
        return None
    worked = os.path.lexists(path) and (was is None or was != content)
    return put(nbformat.writes(notebook).encode(), path, keep=worked)


def put(content, path, keep=False):
    """Write a file whole or not at all; return where the older one is now, if it is to be kept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new, beside = path.with_name(f"{path.name}.new"), None
    new.write_bytes(content)
    if keep:
        names = (f"{path.stem} (your work {n}){path.suffix}" for n in itertools.count(1))
        beside = next(p for p in map(path.with_name, names) if not os.path.lexists(p))
        path.rename(beside)
    new.replace(path)
    return beside


def told(path):
    """Return of which version a notebook was when written, and is now; None where nobody knows."""
    try:
        notebook = nbformat.read(path, as_version=4)
        return notebook.metadata.get(DIGEST), digest(notebook)
    except Exception:  # whatever it is, it may be somebody's
        return None, None


def digest(notebook):
    """Return what tells one version of an assignment from another: its cells, without outputs."""
    cells = [[cell.cell_type, cell.source] for cell in notebook.cells]
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()
