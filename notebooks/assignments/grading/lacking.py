"""What answers needed and was not here: a package, a file, a network, a window; and the cure."""

import re

from nbgrader.utils import is_grade

from grading.intake import mark_of

INSTALL = "Install it and run again, or read the answer."
NO_NAME = (
    "If a package or its version is missing, install it and run again; else the import is wrong."
)
NO_FILE = "A student's own files are not there when an answer runs: read the answer."
NO_PROGRAM = "If this is a program, install it and run again; if it is a file, read the answer."
NO_NETWORK = "Read the answer: bubblewrap allows no network. Without bubblewrap, run again."
NO_WINDOW = "No window opens here: read the answer, or take the line out of a copy and run again."
# The errors of an answer that may be right where its packages, its files or a network are.
ABSENT = dict.fromkeys(["ModuleNotFoundError", "PackageNotFoundError"], INSTALL)
ABSENT |= {"ImportError": NO_NAME, "FileNotFoundError": NO_FILE}
ABSENT |= dict.fromkeys(["ConnectionError", "URLError", "HTTPError", "gaierror"], NO_NETWORK)
PROGRAM = re.compile(r"'[\w+-]+'$")  # what is not found has neither a folder nor an ending
WINDOW = re.compile("Cannot load backend|Qt binding")  # matplotlib asks for one


def name_of(cell):
    return mark_of(cell) or "added by the student"


def needs(notebook):
    """Return remarks on what the cells needed and was not here."""
    return [
        f"Cell {name_of(cell)} needs what is not here ({error.ename}: {error.evalue[:100]}). "
        + cure_of(error)
        for cell in notebook.cells
        for error in errors_of(cell)
        if error.ename in ABSENT
    ]


def cure_of(error):
    if error.ename == "FileNotFoundError" and PROGRAM.search(error.evalue):
        return NO_PROGRAM
    return NO_WINDOW if WINDOW.search(error.evalue) else ABSENT[error.ename]


def may_come(notebook, protected):
    """Return whether another run may find what was not here; a student's own files it will not."""
    come = (INSTALL, NO_NAME, NO_PROGRAM, *([] if protected else [NO_NETWORK]))
    return any(said.endswith(come) for said in needs(notebook))


def most(notebook):
    """Return the points that all tests can give."""
    tests = (cell for cell in notebook.cells if is_grade(cell) and cell.cell_type == "code")
    return sum(cell.metadata.nbgrader.points for cell in tests)


def errors_of(cell):
    return [output for output in cell.get("outputs", []) if output.output_type == "error"]
