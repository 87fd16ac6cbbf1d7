"""What each process that grades needs, made ready in the one from which all are forked (`run`)."""

import gc
from contextlib import suppress

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.api import Gradebook
from nbgrader.coursedir import CourseDirectory

from grading import clean, feedback, one, walls  # noqa: F401 - what is imported here is forked


def make_ready():
    """Make pages of a notebook, a gradebook in memory and walls, for what is kept of that."""
    notebook = new_notebook(cells=[new_code_cell("1"), new_markdown_cell("*one*")])
    nbformat.validate(notebook)
    clean.exporter().from_notebook_node(notebook)
    clean.rendered(notebook.cells[0])
    pages = feedback.generator(coursedir=CourseDirectory())
    told = {"nbgrader": {"score": 0, "max_score": 0, "late_penalty": 0}}
    pages.exporter_class(config=pages.config).from_notebook_node(notebook, told)
    with Gradebook("sqlite://") as book:
        book.add_assignment("one")
        book.find_assignment("one")
    if walls.protection():
        walls.command({})


with suppress(Exception):  # who grades will meet it again, and say so
    make_ready()
gc.freeze()  # who is forked need not look for rubbish among all this
