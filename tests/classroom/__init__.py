"""A class of students for the tests: what each hands in, made from the version given out."""

import copy
import io
import json
import os
import subprocess
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).parents[2]
ASSIGNMENTS = ROOT / "notebooks" / "assignments"
HANG = 3600  # seconds for a test: only what hangs takes so long, on however busy a machine

sys.path.insert(0, str(ASSIGNMENTS))
import grade as grader  # noqa: E402
from grading import files  # noqa: E402


def marked(cell, name, **more):
    cell.metadata.nbgrader = {
        "grade_id": name,
        "schema_version": 3,
        "task": False,
        **{"grade": False, "solution": False, "locked": False, **more},
    }
    return cell


def small_source():
    """Return an assignment that runs in no time: double a number, and say why."""
    solution = "def double(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION\n"
    shown = "assert double(3) == 6, 'double(3) should be 6'\n"
    hidden = "### BEGIN HIDDEN TESTS\nassert double(-1) == -2\n### END HIDDEN TESTS"
    ours = (
        "from importlib.util import find_spec\n\n"
        "where = find_spec('helpers').submodule_search_locations\n"
        "assert where is not None and double(5) == 10, 'a helpers.py stands in for the package'"
    )
    why = "Why? *1 point for a reason.*\n\n### BEGIN SOLUTION\nBecause.\n### END SOLUTION"
    notebook = new_notebook(
        cells=[
            new_markdown_cell("# Double"),
            marked(new_code_cell("import math"), "setup", locked=True),
            marked(new_code_cell(solution), "double", solution=True),
            marked(new_code_cell(shown + hidden), "test_double", grade=True, locked=True, points=2),
            marked(new_markdown_cell(why), "why", grade=True, solution=True, points=1),
            marked(new_code_cell(ours), "test_helpers", grade=True, locked=True, points=1),
        ]
    )
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    return notebook


def small_release():
    """Return the version of it given out, near enough: without solution and hidden tests."""
    notebook = small_source()
    cell(notebook, "double").source = "def double(x):\n    raise NotImplementedError()"
    cell(notebook, "test_double").source = "assert double(3) == 6, 'double(3) should be 6'"
    cell(notebook, "why").source = "Why?\n\nYOUR ANSWER HERE"
    return notebook


def cell(notebook, name):
    (found,) = (c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == name)
    return found


def answered(release, **answers):
    """Return a copy of the version given out with answers in some of its cells."""
    notebook = copy.deepcopy(release)
    for name, source in answers.items():
        cell(notebook, name).source = source
    return notebook


def right(release, who="a student"):
    """Return the right answers, in words that nobody else has used."""
    why = f"It is twice, says {who}."
    return answered(release, double="def double(x):\n    return x + x", why=why)


def command(folder, assignment, course, *options):
    """The command that the teacher runs."""
    line = [ASSIGNMENTS / "grade.py", folder, assignment, "--course", course, *options]
    return [sys.executable, *map(str, line)]


def grade(*arguments):
    """Run the command that the teacher runs; no limit of time but that of the test."""
    return subprocess.run(command(*arguments), capture_output=True, text=True, env=environment())


def grade_here(*arguments):
    """Do the same in this process, which has all imported already."""
    with as_a_command() as (out, err):
        try:
            code = grader.main(command(*arguments)[2:])
        except SystemExit as ended:
            code = ended.code
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


@contextmanager
def as_a_command():
    """Let the grader run in this process with a command's environment and output."""
    with (
        mock.patch.dict(os.environ, environment()),
        redirect_stdout(io.StringIO()) as out,
        redirect_stderr(io.StringIO()) as err,
    ):
        yield out, err


@contextmanager
def busy_loops(count):
    """Have so many processes compute while the block runs; a dead test does not leave them."""
    code = "import os\nos.nice(5)\nparent = os.getppid()\nwhile os.getppid() == parent: pass"
    loops = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def already_tried(course, name):
    """Let the grader believe that it has tried the solution of this course, so that it does not."""
    stamp = course / ".graded" / f"{name}.source"
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(files.digest(files.inside(course / "source" / name)))


def environment():
    """The environment of a teacher who has installed the helpers from this repository."""
    path = [str(ROOT), os.environ["PYTHONPATH"]]
    return os.environ | {"PYTHONPATH": os.pathsep.join(path), "OMP_NUM_THREADS": "1"}


def dumps(notebook):
    return json.dumps(notebook)


def write(path, notebook):
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
