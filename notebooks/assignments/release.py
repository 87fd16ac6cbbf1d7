"""Write what students get: `python notebooks/assignments/release.py`.

From each notebook in `source/` come two. `release/` is for a class: nbgrader takes out solutions
and hidden tests. `selfstudy/` is for a learner without a teacher: the same, with solution and
hidden tests folded under each question.
"""

import re
import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_markdown_cell

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from grading import intake, one  # noqa: E402

FOLDED = "<details><summary>{}</summary>\n\n{}\n\n</details>"
TITLES = {
    "SOLUTION": "A solution, for afterwards",
    "HIDDEN TESTS": "What a teacher's hidden tests ask as well",
}


def write_all(course=HERE):
    """Write the release and the self-study version of every assignment; return the latter."""
    written = []
    for source in sorted((course / "source").glob("*/*.ipynb")):
        done = one.release(course, source.stem)
        if not done["success"]:
            raise SystemExit(f"nbgrader cannot release {source.stem}: {done}")
        given_out = course / "release" / source.stem / source.name
        notebook = for_selfstudy(
            nbformat.read(source, as_version=4), nbformat.read(given_out, as_version=4)
        )
        target = course / "selfstudy" / source.stem / source.name
        target.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, target)
        written.append(target)
    return written


def for_selfstudy(source, release):
    """Return `release` with what stands only in `source` folded in at the end of each question.

    A question ends before the next heading or the last cell. Without nbgrader's marks the
    notebook cannot be handed in by mistake: the grader would say that it is not the assignment.
    """
    originals = {mark: cells[0] for mark, cells in intake.marks(source).items()}
    cells, folded = [], {}
    for cell in release.cells:
        if cell.source.startswith("## ") or cell is release.cells[-1]:
            cells += fold(folded)
            folded = {}
        if mark := intake.mark_of(cell):
            for name, text in hidden_parts(originals[mark]):
                folded.setdefault(name, []).append(text)
        cell.metadata.pop("nbgrader", None)
        cells.append(cell)
    release.cells = cells + fold(folded)
    for number, cell in enumerate(release.cells):
        cell.id = f"cell-{number}"
    return release


def hidden_parts(cell):
    """Return what nbgrader takes out of `cell`: pairs of a name and a text in Markdown."""
    found = []
    for name in TITLES:
        region = rf"[ ]*### BEGIN {name}\n(.*?)[ ]*### END {name}\n?"
        parts = re.findall(region, cell.source, flags=re.DOTALL)
        if not parts:
            continue
        text = "".join(parts).rstrip()
        if cell.cell_type == "code":
            if name == "SOLUTION":  # the whole cell: a body alone could not be run
                text = re.sub(region, r"\1", cell.source, flags=re.DOTALL).rstrip()
            text = f"```python\n{text}\n```"
        found.append((name, text))
    return found


def fold(folded):
    texts = [
        FOLDED.format(title, "\n\n".join(folded[name]))
        for name, title in TITLES.items()
        if name in folded
    ]
    return [new_markdown_cell("\n\n".join(texts))] if texts else []


if __name__ == "__main__":
    for path in write_all():
        print(path.relative_to(HERE.parents[1]))
