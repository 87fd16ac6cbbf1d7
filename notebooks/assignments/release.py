"""Write what students get: `python notebooks/assignments/release.py`.

From each notebook in `source/` come two. `release/` is for a class: nbgrader takes out solutions
and hidden tests. `selfstudy/` is for a learner without a teacher: below each check is a folded cell
with the whole test, its hidden part too, and each question ends with a folded solution.
"""

import ast
import itertools
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from grading import given_out, gradebook, intake  # noqa: E402 isort: skip - before nbformat, see there
import nbformat  # noqa: E402
from nbformat.v4 import new_code_cell, new_markdown_cell  # noqa: E402

FOLDED = "<details><summary>A solution, for afterwards</summary>\n\n{}\n\n</details>"
ASKED = "*This check and more: run the folded cell below, or open it to see what it asks.{}*"
AGAIN, MORE = "# The check above, once more.", "# What else is asked."
RIGHT = "Right: your answer passes the check and the folded cell."
POINTS = " It prints your points. If you have all of them, your answer is right."
# How Jupyter, Jupyter Book and Colab are told to show a cell without its text.
WITHOUT_TEXT = {"jupyter": {"source_hidden": True}, "tags": ["hide-input"], "cellView": "form"}
# What the text says to a class, and to somebody alone. Each of these stands in every assignment.
ALONE = [
    (r"(\*\*\d+ minutes) · .*? answers?\.\*\*", r"\1.**"),
    (
        r"They show you part of what is tested; .* when your work is graded\.",
        "The folded cell after a check runs it again and asks more, partly on other data. Run "
        "both; after a change, run only the folded cell. Your answer is right if no check and no "
        "folded cell stops with an error. Each question ends with a folded solution.",
    ),
    (
        r"The last question asks for words: .*? by your text\.",
        "The last question asks for words. Double-click the cell that says `YOUR ANSWER HERE`, and "
        "replace these three words by your text. Then compare it with the folded solution, and "
        "count your points: the question says what each is given for.",
    ),
    (r"\n\nWhen your work is graded, each cell may use .*", ""),
    (r"Before you hand in: ", "At the end: "),
]
# The same for what only one assignment says.
ALONE_IN = {
    "02_estimator": [(r"more than you need for the points\.", "more than the checks above.")],
    "05_leakage_gallery": [
        (
            r"You see only the part that counts them\. The other part checks ",
            "The visible part only counts them. The folded cell checks ",
        ),
        (r" \(Use three cells, .* before you hand in\.\)", ""),
    ],
}


def write_all(course=HERE):
    """Write the release and the self-study version of every assignment.

    Returns
    -------
    written, kept : list of Path
        The self-study versions; and files in which somebody has worked on an older version, or
        that come from elsewhere.
    refused : list of str
        Which assignments cannot be given out, and why.
    """
    written, kept, refused = [], [], []
    for source in sorted((course / "source").glob("*/*.ipynb")):
        done = gradebook.release(course, source.parent.name)
        if not done["success"]:
            refused.append(f"{source.stem} cannot be given out: {done.get('refused') or done}")
            continue
        notebook = for_selfstudy(
            nbformat.read(source, as_version=4),
            nbformat.read(gradebook.as_given_out(course, source.stem), as_version=4),
        )
        target = course / "selfstudy" / source.stem / source.name
        kept += filter(None, [*done["kept"], given_out.write(notebook, target)])
        written.append(target)
    return written, kept, refused


def for_selfstudy(source, release):
    """Return `release` with what stands only in `source`, for somebody who works alone.

    Hidden tests become folded cells behind the visible ones, solutions are folded in at the end of
    each question: before the next heading or the last cell. Without nbgrader's marks the notebook
    cannot be handed in by mistake: the grader would say that it is not the assignment.
    """
    originals = {mark: cells[0] for mark, cells in intake.marks(source).items()}
    cells, solutions = [], []
    for cell in release.cells:
        if cell.source.startswith("## ") or cell is release.cells[-1]:
            cells += fold(solutions)
            solutions = []
        if cell.cell_type == "markdown":
            cell.source = to_one_alone(cell.source)
        cells.append(cell)
        if mark := intake.mark_of(cell):
            solutions += solution_of(originals[mark])
            cells += hidden_test_of(originals[mark])
        cell.metadata.pop("nbgrader", None)
    release.cells = cells + fold(solutions)
    for number, cell in enumerate(release.cells):
        cell.id = f"cell-{number}"
    return release


def to_one_alone(text):
    for to_a_class, alone in itertools.chain(ALONE, *ALONE_IN.values()):
        text = re.sub(to_a_class, alone, text)
    return text


def parts_of(cell, name):
    """Return what stands between nbgrader's marks in a cell, and what stands around them."""
    region = rf"[ ]*### BEGIN {name}\n(.*?)[ ]*### END {name}\n?"
    parts = re.findall(region, cell.source, flags=re.DOTALL)
    return "".join(parts).strip("\n"), re.sub(region, "", cell.source, flags=re.DOTALL).rstrip()


def solution_of(cell):
    part, _ = parts_of(cell, "SOLUTION")
    if not part:
        return []
    if cell.cell_type == "markdown":
        return [part]
    whole = re.sub(r"[ ]*### (BEGIN|END) SOLUTION\n?", "", cell.source).rstrip()
    return [f"```python\n{whole}\n```"]


def hidden_test_of(cell):
    """Return the cells that run a whole test, its hidden part too, and say that it is right.

    The visible part runs again, so that the answer is tried as it now is, not as it was when the
    check above has run.
    """
    part, visible = parts_of(cell, "HIDDEN TESTS")
    if not part:
        return []
    last, worth = ast.parse(part).body[-1], f"{cell.metadata.nbgrader.points:g}"
    gives_points = isinstance(last, ast.Expr) and ast.unparse(last).startswith("max(")
    if gives_points:
        lines = part.splitlines()
        before, value = lines[: last.lineno - 1], " ".join(lines[last.lineno - 1 :])
        part = "\n".join([*before, f"print({value}, 'of {worth} points.')"])
    else:
        part += f"\nprint({RIGHT!r})"
    said = new_markdown_cell(ASKED.format(POINTS if gives_points else ""))
    whole = f"{AGAIN}\n{visible}\n\n{MORE}\n{part}"
    return [said, new_code_cell(whole, metadata=dict(WITHOUT_TEXT))]


def fold(solutions):
    return [new_markdown_cell(FOLDED.format("\n\n".join(solutions)))] if solutions else []


if __name__ == "__main__":
    written, kept, refused = write_all()
    for path in written:
        print(path.relative_to(HERE.parents[1]))
    for path in kept:
        name = path.relative_to(HERE.parents[1])
        if path.stem == path.parent.name:
            print(f"{name} was kept: it is another version. For the new one, move it away.")
        else:
            print("Your work on an older version is now in", name)
    sys.exit("\n".join(refused) or 0)
