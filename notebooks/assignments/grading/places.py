"""Where the cells of an assignment stand in a student's notebook, and where they should."""

import ast
import copy
import re
from contextlib import suppress

# What Python says of a text that is none of its own, or nested too deep.
UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
LONG = 100_000  # characters; nobody writes a longer answer, and it would fill the memory
# A line for IPython, or the part of one: `%time f()`, `x = !ls`, `?f`, `f?`.
MAGIC = re.compile(
    r"^([ \t]*(?:\w[\w, ]*= *)?)([%!?].*|[\w.*%]+\?\??[ \t]*(?:#.*)?)$", re.MULTILINE
)
SENTENCE = 5  # words; a shorter text in code is rather a name or a label than an answer
ELSEWHERE = "\n\n---\n\n*Nothing was written here. The student wrote in cells of their own:*\n\n"


def mark_of(cell):
    """Return the name that nbgrader gave a cell, None where it has none."""
    told = cell.metadata.get("nbgrader")
    mark = told.get("grade_id") if isinstance(told, dict) else None
    return mark if isinstance(mark, str) else None


def marks(notebook):
    """Return ``{name: cells}`` of the cells that nbgrader has marked."""
    found = {}
    for cell in notebook.cells:
        if mark_of(cell):
            found.setdefault(mark_of(cell), []).append(cell)
    return found


def clean(source):
    return "\n".join(line.rstrip() for line in source.strip().splitlines())


def is_answer(original):
    """Return whether code is to be written into a cell of the assignment."""
    return original.cell_type == "code" and original.metadata.nbgrader.solution


def standing_in(notebook, originals, remarks):
    """Return the notebook with marks for cells that hold an answer which an empty cell waits for.

    Whoever writes the answer into a new cell leaves the cell for it as it was, or deletes it. The
    last cell that defines the same functions and classes, and stands before what comes later in
    the assignment, gets the mark, and the empty one goes. The set returned holds the marks of
    answers that stand in the cell of an earlier one.
    """
    cells, found, earlier, within = list(notebook.cells), marks(notebook), set(), set()
    for mark, original in originals.items():
        empty = found.get(mark, [])
        if not is_answer(original):
            continue
        wanted = defined_in(original.source)
        own = [i for i, cell in enumerate(cells) if holds(cell, wanted, originals, earlier)]
        earlier.add(mark)
        if own and not any(is_filled(cell, original) for cell in empty):
            first = first_of_a_later_part(cells, originals, mark)
            chosen = max([i for i in own if i < first], default=own[-1])
            if is_own(cells[chosen], originals):
                cells[chosen] = copy.deepcopy(cells[chosen])
                cells[chosen].metadata["nbgrader"] = {"grade_id": mark}
            else:
                within.add(mark)
            cells = without(cells, empty, original)
            remarks.append(
                f"Answer cell {mark} is empty or gone, or does not define "
                f"{', '.join(sorted(wanted))}: another cell, which does, was taken for it."
            )
    changed = copy.copy(notebook)
    changed.cells = cells
    return changed, within


def is_filled(cell, original):
    """Return whether a cell for an answer has it: not comments or imports alone."""
    text, stub = (clean(re.sub(r"\s*#.*", "", each.source)) for each in (cell, original))
    names = defined_in(original.source)
    return text != stub and any(re.search(rf"\b{name}\b", text) for name in names)


def without(cells, waiting, original):
    """Return the cells without those that wait for an answer; imports in them stay, unmarked."""
    kept = []
    for cell in cells:
        if not any(cell is each for each in waiting):
            kept.append(cell)
        elif not defined_in(cell.source) & defined_in(original.source):
            kept.append(copy.deepcopy(cell))
            kept[-1].metadata.pop("nbgrader")
    return kept


def holds(cell, wanted, originals, earlier):
    """Return whether a new cell defines an answer, or that of an earlier one all of it."""
    defined = defined_in(cell.source) if cell.cell_type == "code" else set()
    if mark_of(cell) in earlier and differs(cell, originals[mark_of(cell)]):
        return bool(wanted) and wanted <= defined
    return is_own(cell, originals) and bool(wanted & defined)


def first_of_a_later_part(cells, originals, mark):
    """Return where what follows the next question begins."""
    names = list(originals)
    later = names[names.index(mark) + 1 :]
    while later and not originals[later[0]].metadata.nbgrader.solution:
        later.pop(0)
    return min([i for i, cell in enumerate(cells) if mark_of(cell) in later], default=len(cells))


def differs(cell, original):
    return clean(cell.source) != clean(original.source)


def is_own(cell, originals):
    return cell.cell_type == "code" and mark_of(cell) not in originals


def defined_in(source):
    """Return the names of the functions and classes that a cell defines, or gives another name."""
    found, tree = set(), parsed(source)
    for line in tree.body if tree else ():
        if isinstance(line, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(line.name)
        elif isinstance(line, ast.Assign) and isinstance(line.value, ast.Name | ast.Lambda):
            found |= {target.id for target in line.targets if isinstance(target, ast.Name)}
    return found


def parsed(source):
    """Return the tree of a cell without its lines for IPython; None if too long, or no Python.

    IPython's own transformer would make texts of these lines, and texts are taken for sentences.
    """
    if len(source) > LONG:
        return None
    for text in (without_magics(source), MAGIC.sub(r"\g<1>0", source)):
        with suppress(*UNREADABLE):
            return ast.parse(text)
    return None


def without_magics(source):
    return "\n".join(line for line in source.splitlines() if line[:1] not in ("%", "!"))


def put_back(originals, cells, within, remarks):
    """Insert missing cells behind those that they follow; answers in code stay away.

    An empty answer would undo one that the student has written into another cell; `within` are the
    marks of those that stand in the cell of another answer.
    """
    place, defined = 0, set()
    for cell in cells:  # in the lines that were written into a test, perhaps
        defined |= defined_in(cell.source) if cell.cell_type == "code" else set()
    for mark, original in originals.items():
        here = [i for i, cell in enumerate(cells) if mark_of(cell) == mark]
        if here:
            place = here[0] + 1
        elif is_answer(original):
            if mark not in within and not defined_in(original.source) & defined:
                remarks.append(f"Answer cell {mark} was deleted: nothing stands in for it.")
        else:
            cells.insert(place, copy.deepcopy(original))
            place += 1
            remarks.append(f"Cell {mark} was deleted: put back as it was given out.")


def words_elsewhere(originals, cells, release, remarks):
    """Copy what the student wrote in cells of their own into each written answer that is empty.

    nbgrader then lets the answer wait for the teacher; an unchanged one has 0 points.
    """
    given = {line.strip() for cell in release.cells for line in cell.source.splitlines()} - {""}
    own = [words_in(cell) for cell in cells if mark_of(cell) not in originals]
    lines = [line for line in "\n\n".join(own).splitlines() if line.strip() not in given]
    written = "\n".join(lines).strip()
    for cell in cells if re.search(r"\w", written) else []:
        original = originals.get(mark_of(cell))
        if original and is_written(original) and not differs(cell, original):
            cell.source += ELSEWHERE + written
            remarks.append(
                f"Written answer `{mark_of(cell)}` is empty; the student wrote text in cells of "
                "their own: read it."
            )


def is_written(original):
    """Return whether words are to be written into a cell of the assignment."""
    return original.cell_type == "markdown" and original.metadata.nbgrader.solution


def words_in(cell):
    """Return a cell's text; of code the comments and sentences, all of it if it is no Python."""
    if cell.cell_type != "code":
        return cell.source
    source = cell.source if len(cell.source) <= LONG else ""
    if not (tree := parsed(source)):
        return source
    parts = list(ast.walk(tree))
    texts = [part.value for part in parts if isinstance(part, ast.Constant)]
    sentences = [text for text in texts if isinstance(text, str) and len(text.split()) >= SENTENCE]
    return "\n\n".join([*re.findall(r"#[# ]*(.*)", source), *sentences])


def in_their_places(cells, originals, remarks):
    """Return the cells with each test behind the answers, and what was given before them.

    Answers and the student's own cells keep the order in which the student has left them.
    """
    kinds = {mark: kind_of(original) for mark, original in originals.items()}
    ranks, moved = {mark: rank for rank, mark in enumerate(originals)}, []
    for mark in sorted(originals, key=lambda mark: kinds[mark] != "test"):  # tests before the rest
        rank, kind = ranks[mark], kinds[mark]
        marked = [(i, mark_of(each)) for i, each in enumerate(cells) if each.cell_type == "code"]
        here = [i for i, name in marked if name == mark]
        if kind == "answer" or not here:
            continue
        marked = [(i, ranks[name], kinds[name]) for i, name in marked if name in ranks]
        last = max([i for i, r, k in marked if r < rank and k in ("answer", kind)], default=-1)
        first = min([i for i, r, _ in marked if r > rank], default=len(cells))
        place = last if kind == "test" else max(first, last + 1)
        if kind == "test" and here[0] < place or kind == "given" and place < here[0]:
            cells.insert(place, cells.pop(here[0]))
            moved.append(mark)
    if moved:
        remarks.append(
            f"Its cells are not in their order: moved were {', '.join(moved)}, so that each test "
            "runs behind the answers that it may be about."
        )
    return cells


def kind_of(original):
    if is_answer(original):
        return "answer"
    return "test" if original.metadata.nbgrader.grade else "given"
