"""From what students hand in to notebooks that nbgrader can grade, with remarks on the way."""

import copy
import hashlib
import json
import os
import re

import nbformat

HEAVY = 10_000_000  # bytes; a submission without outputs has some 10,000


class NotGraded(Exception):
    """A submission cannot be graded; the message is the reason and the cure."""


def find(folder, assignment):
    """Return ``{student: files}`` and the files that belong to no student.

    Parameters
    ----------
    folder : pathlib.Path
        Holds a folder or a notebook for each student, named after the student. A notebook's name
        may also hold the assignment's, and a number that a browser adds: ``anna_01_split (2)``.
    assignment : str

    Returns
    -------
    students : dict of str to list of pathlib.Path
        Notebooks in the order of their names; none where a student's folder holds none.
    strays : list of pathlib.Path
    """
    students, strays = {}, []
    for entry in sorted(folder.iterdir()):
        if hidden(entry.name):
            continue
        if entry.is_dir():
            name, files = entry.name, list(inside(entry))
        else:
            name, files = re.sub(r" \(\d+\)$", "", entry.stem).replace(assignment, ""), [entry]
        student = re.sub(r"[^\w .@-]", "_", name).strip(" ._-")
        notebooks = [file for file in files if file.suffix == ".ipynb"]
        strays += [file for file in files if file.suffix != ".ipynb"]
        if not student:
            strays += notebooks
        elif notebooks or entry.is_dir():
            students.setdefault(student, []).extend(notebooks)
    return students, strays


def hidden(name):
    return name.startswith(".") or name == "__MACOSX"


def inside(folder):
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not hidden(name))
        yield from (folder / place / name for name in sorted(files) if not hidden(name))


def digest(files):
    """Return a text that changes whenever a name or a byte of `files` does."""
    contents = hashlib.sha256()
    for file in files:
        try:
            data = file.read_bytes()
        except OSError as error:
            data = repr(error).encode()
        contents.update(os.fsencode(file.name) + f" {len(data)} ".encode() + data)
    return contents.hexdigest()


def read(file):
    """Return the notebook in `file`, in today's format, and remarks; raise `NotGraded`."""
    remarks = []
    try:
        data = file.read_bytes()
    except OSError as error:
        raise NotGraded(f"It cannot be opened ({error.strerror}). Ask for it again.") from error
    if not data.strip():
        raise NotGraded("The file is empty. Ask for it again: the upload may have failed.")
    if len(data) > HEAVY:
        remarks.append(f"{len(data) / 1e6:.0f} MB of outputs: dropped, as all outputs are.")
    encoding = json.detect_encoding(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text, encoding = data.decode("cp1252", errors="replace"), "Windows-1252"
    if encoding not in ("utf-8", "utf-8-sig"):
        remarks.append(f"Not UTF-8: read as {encoding}. Look at its accented letters.")
    try:
        old = json.loads(text)
        notebook = nbformat.convert(nbformat.reader.reads(text), 4)
        version = old["nbformat"], old["nbformat_minor"]
        _ = [(cell.cell_type, cell.source + "", cell.metadata) for cell in notebook.cells]
    except json.JSONDecodeError as error:
        raise NotGraded(
            f"Not a notebook: its JSON breaks off or is damaged in line {error.lineno}. Ask for "
            "the file again, saved from Jupyter (an upload may have cut it)."
        ) from error
    except Exception as error:
        raise NotGraded(
            f"JSON, but not a notebook ({type(error).__name__}: {error}). Ask for the .ipynb file."
        ) from error
    if version < (4, 5):
        remarks.append("An older notebook format, {}.{}: brought up to date.".format(*version))
    return notebook, remarks


def mark_of(cell):
    """Return the name that nbgrader gave a cell, None where it has none."""
    return dict(cell.metadata.get("nbgrader") or {}).get("grade_id")


def marks(notebook):
    """Return ``{name: cells}`` of the cells that nbgrader has marked."""
    found = {}
    for cell in notebook.cells:
        if mark_of(cell):
            found.setdefault(mark_of(cell), []).append(cell)
    return found


def choose(files, release):
    """Return the file to grade, its notebook and remarks on all; raise `NotGraded`.

    A notebook of another assignment is passed over. Of several for this one, the one saved last
    is taken.
    """
    good, remarks, reasons = [], [], []
    for file in files:
        try:
            notebook, said = read(file)
            if not marks(notebook).keys() & marks(release).keys():
                raise NotGraded(
                    "No cell of this assignment is in it: another assignment's notebook, or one "
                    "whose marks an editor has removed. Ask for the notebook that was given out."
                )
            good.append((file.stat().st_mtime, file, notebook, said))
        except NotGraded as error:
            reasons.append(f"{file.name}: {error}")
    if not good:
        reasons = reasons or ["No notebook was handed in. Ask for the .ipynb file."]
        raise NotGraded(" ".join(reasons))
    *others, (_, file, notebook, said) = sorted(good, key=lambda found: found[:2])
    remarks += said + [f"Passed over: {reason}" for reason in reasons]
    if others:
        names = ", ".join(str(found[1].name) for found in others)
        remarks.append(
            f"{len(good)} submissions: graded was {file.name}, saved last, and not {names}. "
            "Remove the one that should not count and run again."
        )
    return file, notebook, remarks


def mend(notebook, release):
    """Return a copy of `release` with the student's cells in it, and remarks.

    Marks, kernel, format and read-only cells are the release's. The answers, and cells that the
    student has added, stand where the student put them.
    """
    originals = {mark: cells[0] for mark, cells in marks(release).items()}
    found, remarks, cells = marks(notebook), [], []
    kernel = dict(notebook.metadata.get("kernelspec") or {}).get("name")
    if kernel != release.metadata.kernelspec.name:
        remarks.append(f"Made for the kernel {kernel!r}: run with the course's.")
    counts = {}
    for cell in notebook.cells:
        mark = mark_of(cell)
        counts[mark] = counts.get(mark, 0) + 1
        if mark in originals and cell is the_one(found[mark], originals[mark]):
            cells.append(marked(cell, originals[mark], remarks))
        elif cell.cell_type == "code":
            cells.append(nbformat.v4.new_code_cell(cell.source))
        elif cell.cell_type == "markdown":
            cells.append(nbformat.v4.new_markdown_cell(cell.source))
    for mark in originals.keys() & counts.keys():
        if counts[mark] > 1:
            remarks.append(f"Cell {mark} stands there {counts[mark]} times: one copy counts.")
    order = [mark for mark in map(mark_of, cells) if mark]
    if order != [mark for mark in originals if mark in found]:
        remarks.append("Its cells are not in their order: run as they stand.")
    put_back(originals, cells, remarks)
    mended = copy.deepcopy(release)
    mended.cells = cells
    return mended, remarks


def the_one(copies, original):
    """Return the last copy with an answer in it; the last of all where none has."""
    answered = [cell for cell in copies if cell.source.strip() != original.source.strip()]
    return (copies if original.metadata.nbgrader.locked else answered or copies)[-1]


def marked(cell, original, remarks):
    mended, mark = copy.deepcopy(original), mark_of(original)
    if cell.cell_type != original.cell_type:
        remarks.append(f"Cell {mark} had become a {cell.cell_type} cell: changed back.")
    if not original.metadata.nbgrader.locked:
        mended.source = cell.source
    elif cell.source.strip() != original.source.strip():
        remarks.append(f"Read-only cell {mark} was edited: restored.")
    return mended


def put_back(originals, cells, remarks):
    """Insert missing cells behind those that they follow; answers in code stay away.

    An empty answer would undo one that the student has written into another cell.
    """
    place = 0
    for mark, original in originals.items():
        here = [i for i, cell in enumerate(cells) if mark_of(cell) == mark]
        if here:
            place = here[0] + 1
        elif original.cell_type == "code" and original.metadata.nbgrader.solution:
            remarks.append(f"Answer cell {mark} was deleted: nothing stands in for it.")
        else:
            cells.insert(place, copy.deepcopy(original))
            place += 1
            remarks.append(f"Cell {mark} was deleted: put back as it was given out.")
