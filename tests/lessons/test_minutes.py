"""The minutes that a lesson states are those of somebody who reads it for the first time."""

import re
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tests.lessons.test_notebooks import code_cells, draws, lines_of_code

FOLDER = Path(__file__).parents[2] / "notebooks"
LESSONS = sorted(path.stem for path in FOLDER.glob("0*.ipynb"))
MOST = 40


def minutes(notebook):
    """150 words a minute, 5 seconds a line of code, 20 seconds a guess, 20 seconds a figure."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    cells = [cell for _, cell in code_cells(notebook)]
    lines = sum(lines_of_code(cell) for cell in cells)
    guesses = text.count("**Predict")
    figures = sum(draws(cell) for cell in cells)
    return len(text.split()) / 150 + (5 * lines + 20 * guesses + 20 * figures) / 60


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_states_its_minutes_and_has_at_most_forty(name):
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    stated = int(re.search(r"\*\*(\d+) minutes\*\*", notebook.cells[0].source)[1])
    assert stated == pytest.approx(minutes(notebook), abs=0.75)
    assert stated <= MOST


def test_each_part_is_counted():
    picture = new_output("display_data", {"image/png": ""})
    cells = [
        new_markdown_cell("word " * 148 + "**Predict.** it"),
        new_code_cell("a = 1\n# why\nb = 2"),
        new_code_cell("plot()", outputs=[picture]),
    ]
    assert minutes(new_notebook(cells=cells)) == pytest.approx(1 + 15 / 60 + 20 / 60 + 20 / 60)
