"""What answers needed and was not here: a package, a file, a network, a window; and the cure."""

import re

from nbgrader.utils import is_grade

from grading.intake import mark_of

INSTALL = "Install it and run again, or read the answer."
NO_FILE = (
    "A student's own files are not there when an answer runs: read the answer. If a program is "
    "missing, install it and run again."
)
NO_NETWORK = "Read the answer: bubblewrap allows no network. Without bubblewrap, run again."
NO_WINDOW = "No window opens here: read the answer, or take the line out of a copy and run again."
# The errors of an answer that may be right where its packages, its files or a network are.
ABSENT = dict.fromkeys(["ModuleNotFoundError", "ImportError", "PackageNotFoundError"], INSTALL)
ABSENT |= {"FileNotFoundError": NO_FILE}
ABSENT |= dict.fromkeys(["ConnectionError", "URLError", "HTTPError", "gaierror"], NO_NETWORK)
WINDOW = re.compile("Cannot load backend|Qt binding")  # matplotlib asks for one


def name_of(cell):
    return mark_of(cell) or "added by the student"


def needs(notebook):
    """Return remarks on what the cells needed and was not here."""
    return [
        f"Cell {name_of(cell)} needs what is not here ({error.ename}: {error.evalue[:100]}). "
        + (NO_WINDOW if WINDOW.search(error.evalue) else ABSENT[error.ename])
        for cell in notebook.cells
        for error in errors_of(cell)
        if error.ename in ABSENT
    ]


def most(notebook):
    """Return the points that all tests can give."""
    tests = (cell for cell in notebook.cells if is_grade(cell) and cell.cell_type == "code")
    return sum(cell.metadata.nbgrader.points for cell in tests)


def errors_of(cell):
    return [output for output in cell.get("outputs", []) if output.output_type == "error"]
