"""From the notebooks of a student to one that nbgrader can grade, with remarks on the way."""

import ast
import copy
import difflib
import itertools
import os
import re

import nbformat

from grading import given_out
from grading.places import (
    UNREADABLE,
    clean,
    in_their_places,
    is_answer,
    kind_of,
    mark_of,
    marks,
    put_back,
    standing_in,
    without_magics,
    words_elsewhere,
)
from grading.unpack import NotGraded, members, read, unpack

HIDDEN_TEST = "### BEGIN HIDDEN TESTS"  # stands in `source/` only
SOLVED = (
    "It holds hidden tests, as only the course's own file in `source/` does, and that file holds "
    "the solutions too. Ask for the student's own notebook."
)
NAMED = 10  # files of one student that are named in a remark


def choose(files, release):
    """Return the name of the file to grade, the others' names, its notebook, and remarks on all.

    Raise `NotGraded` where there is none. Of several, the course's own file comes last; one that
    has been answered goes before one that has not, then what shares most marks, then what was saved
    last. Files that are no notebooks are named where nothing else is found.
    """
    names = within_their_folder(files)
    good, reasons, unread = candidates(names, release)
    if not good:
        none = ["No notebook was handed in. Ask for the .ipynb file."]
        raise NotGraded(" ".join(first([*reasons, *unread]) or none))
    good.sort(key=lambda each: each[0])
    *passed, (_, name, notebook, remarks, chosen) = good
    remarks = remarks + first(
        [f"Passed over: {reason.partition(' Ask for ')[0]}" for reason in reasons]
    )
    if passed:
        passed_over = ", ".join(first([each[1] for each in passed]))
        remarks.append(
            f"{len(good)} submissions: graded was {name} (one with answers comes first, "
            "then the best match, then the newest; the course's own file is last), and not "
            f"{passed_over}. Remove the one that should not count and run again."
        )
    inner = members(chosen) if name != names[chosen] else []
    others = [names[file] for file in files if file != chosen]
    others += [f"{names[chosen]}: {each}" for each in inner]
    return name, sorted(set(others) - {name}), notebook, remarks


def candidates(names, release):
    """Return the notebooks with their ranks, why some are none, and why files were not read.

    A notebook that shares less than half of its marks with the assignment is passed over.
    """
    good, reasons, unread = [], [], []
    for file, label in names.items():
        try:
            found = unpack(file)
        except NotGraded as error:
            unread.append(f"{label}: {error}")
            continue
        for each in found:
            name = f"{label}: {each.inner}" if each.inner else label
            try:
                notebook, said = read(each.data)
                shared = is_this(notebook, release)
                solved = any(HIDDEN_TEST in cell.source for cell in notebook.cells)
                rank = not solved, bool(answers(notebook, release)), shared, each.when, name
                good.append((rank, name, notebook, said + [SOLVED] * solved, file))
            except NotGraded as error:
                reasons.append(f"{name}: {error}")
    return good, reasons, unread


def within_their_folder(files):
    """Return ``{file: its name}``, with the folders in which not all of the files lie."""
    shared = os.path.commonpath([file.parent for file in files]) if files else ""
    return {file: os.path.relpath(file, shared) for file in files}


def first(said):
    """Return the first of many sentences, and how many more there are."""
    more = [f"And {len(said) - NAMED:,} more."] if len(said) > NAMED else []
    return said[:NAMED] + more


def is_this(notebook, release):
    """Return how many marks of the assignment are in the notebook; raise if less than half."""
    wanted = marks(release).keys()
    shared = len(marks(notebook).keys() & wanted)
    if shared >= len(wanted) / 2:
        return shared
    heading = re.search(r"^#+ (.+)$", "\n".join(c.source for c in notebook.cells), re.MULTILINE)
    title = f' Its first heading is "{heading[1][:60]}".' if heading else ""
    if not shared:
        raise NotGraded(
            "No cell of this assignment is in it: another assignment's notebook, or one "
            f"whose marks an editor has removed.{title} Ask for the notebook that was given out."
        )
    raise NotGraded(
        f"Only {shared} of the {len(wanted)} marked cells of this assignment are in it: another "
        f"assignment's notebook, or a part of one.{title} Ask for the whole notebook."
    )


def answers(notebook, release):
    """Return the texts of the cells in which the notebook differs from the one given out.

    That may have been an older version, which has other texts.
    """
    if notebook.metadata.get(given_out.DIGEST) == given_out.digest(notebook):
        return []
    given = {clean(cell.source) for cell in release.cells}
    return [text for text in (clean(cell.source) for cell in notebook.cells) if text not in given]


def solve(source, given_out, target):
    """Write the version given out with the course's own solution in it, as a student hands it in.

    The file `source` also holds the hidden tests. They would count as lines that a student has
    written into a test, and would run twice.
    """
    solution, notebook = (nbformat.read(file, as_version=4) for file in (source, given_out))
    solution = marks(solution)
    for cell in notebook.cells:
        if mark_of(cell) and cell.metadata.nbgrader.solution:
            cell.source = solution[mark_of(cell)][0].source
    nbformat.write(notebook, target)


def mend(notebook, release):
    """Return a copy of `release` with the student's cells in it, and remarks.

    Marks, kernel, format and read-only cells are the release's. The answers, and cells that the
    student has added, stand where the student put them.
    """
    originals = {mark: cells[0] for mark, cells in marks(release).items()}
    remarks, cells = [], []
    spec = notebook.metadata.get("kernelspec") or {}
    kernel = spec.get("name") if isinstance(spec, dict) else spec
    if kernel and kernel != release.metadata.kernelspec.name:
        remarks.append(f"Made for the kernel {str(kernel)[:40]!r}: run with the course's.")
    notebook, within = standing_in(notebook, originals, remarks)
    found, counts = marks(notebook), {}
    for cell in notebook.cells:
        mark = mark_of(cell)
        counts[mark] = counts.get(mark, 0) + 1
        if mark in originals and cell is the_one(found[mark], originals[mark]):
            cells += marked(cell, originals[mark], remarks)
        elif mark in originals and clean(cell.source) == clean(originals[mark].source):
            continue  # an empty copy would undo an answer that stands above it
        elif cell.cell_type == "code":
            cells.append(nbformat.v4.new_code_cell(cell.source))
        else:
            cells.append(with_pictures(nbformat.v4.new_markdown_cell(cell.source), cell))
    for mark in originals.keys() & counts.keys():
        if counts[mark] > 1:
            filled = is_answer(originals[mark])
            what = "what was filled in runs, in its order" if filled else "one copy counts"
            remarks.append(f"Cell {mark} stands there {counts[mark]} times: {what}.")
    put_back(originals, cells, within, remarks)
    words_elsewhere(originals, cells, release, remarks)
    mended = copy.deepcopy(release)
    mended.cells = in_their_places(cells, originals, remarks)
    return mended, remarks


def the_one(copies, original):
    """Return the last copy with an answer in it, of code the first; the last where none has."""
    answered = [cell for cell in copies if clean(cell.source) != clean(original.source)]
    if original.metadata.nbgrader.locked or not answered:
        return copies[-1]
    return answered[0 if is_answer(original) else -1]


def marked(cell, original, remarks):
    """Return the assignment's cell, and the lines that the student has written into it.

    They run before a test, which may be about them, and after what is given, which they may need.
    """
    mended, mark = copy.deepcopy(original), mark_of(original)
    if cell.cell_type != original.cell_type:
        remarks.append(f"Cell {mark} had become a {cell.cell_type} cell: changed back.")
    if not original.metadata.nbgrader.locked:
        mended.source = cell.source
        with_pictures(mended, cell)
    elif not same(cell.source, original.source):
        own = written_into(cell.source, original.source) if original.cell_type == "code" else ""
        given = kind_of(original) == "given"
        order = "before" if given else "after"
        remarks.append(
            f"Read-only cell {mark} was edited: restored"
            + (f", and run {order} the lines that were written into it." if own else ".")
        )
        into = {"written_into": "given" if given else "test"}
        lines = [nbformat.v4.new_code_cell(own, metadata=into)] if own else []
        return [mended, *lines] if given else [*lines, mended]
    return [mended]


def with_pictures(mended, cell):
    """Take along what was pasted into a cell of text."""
    if mended.cell_type == "markdown" and "attachments" in cell:
        mended.attachments = cell.attachments
    return mended


def same(one, other):
    """Return whether two cells do the same: spaces, comments and `%%time` make no difference."""
    if clean(one) == clean(other):
        return True
    try:
        one, other = (ast.dump(ast.parse(without_magics(text))) for text in (one, other))
        return one == other
    except UNREADABLE:
        return False


def written_into(source, original):
    """Return the student's lines in a cell of the assignment; the whole cell where they need it."""
    lines, known = ([line.rstrip() for line in text.splitlines()] for text in (source, original))
    compared = difflib.SequenceMatcher(None, known, lines, autojunk=False).get_opcodes()
    own = [lines[start:end] for what, _, _, start, end in compared if what != "equal"]
    own = "\n".join(itertools.chain(*own))
    try:
        return own if ast.parse(own).body else ""
    except UNREADABLE:
        return source
