"""An answer that needs what is not here: each has the cure that is true, and is tried again."""

import os
import shutil

import pytest
from nbformat.v4 import new_output

from tests import classroom
from tests.classroom import answered, right, write

# isort: split
from grading import lacking

pytestmark = pytest.mark.timeout(classroom.HANG)


def test_who_lost_points_as_something_was_not_here_is_tried_again(tmp_path, monkeypatch):
    course, packages = tmp_path / "course", tmp_path / "site-packages"
    packages.mkdir()
    write(course / "source" / "double" / "double.ipynb", classroom.small_source())
    shutil.copy(classroom.ASSIGNMENTS / "nbgrader_config.py", course)
    answer = "from doubling import double"
    write(tmp_path / "in" / "anna.ipynb", answered(right(classroom.small_release()), double=answer))
    beside = "def double(x):\n    return 2 * x\nimport no_package_of_ours"  # costs no point
    write(tmp_path / "in" / "ben.ipynb", answered(right(classroom.small_release()), double=beside))
    path = os.pathsep.join([str(classroom.ROOT), str(packages)])
    environment = classroom.environment() | {"PYTHONPATH": path}
    monkeypatch.setattr(classroom, "environment", lambda: environment)

    def said():
        done = classroom.grade(tmp_path / "in", "double", course)
        return done.stdout, (course / "grades.csv").read_text()

    printed, table = said()
    assert "/2 anna: graded" in printed and table.count("Install it and run again") == 2
    assert "double,anna,graded,0.0," in table and "double,ben,graded,3.0," in table
    (packages / "doubling.py").write_text("def double(x):\n    return 2 * x\n")
    printed, table = said()
    assert "1/1 anna: graded" in printed and "double,anna,graded,3.0," in table
    assert "1/1" not in said()[0]


@pytest.mark.parametrize(
    "name, text, cure",
    [
        ("ModuleNotFoundError", "No module named 'treble'", lacking.INSTALL),
        ("ImportError", "cannot import name 'KFolds' from 'sklearn'", lacking.NO_NAME),
        ("FileNotFoundError", "[Errno 2] No such file or directory: 'a.csv'", lacking.NO_FILE),
        ("FileNotFoundError", "[Errno 2] No such file or directory: 'dot'", lacking.NO_PROGRAM),
        ("URLError", "<urlopen error [Errno -3]>", lacking.NO_NETWORK),
        ("ImportError", "Cannot load backend 'TkAgg' which requires the", lacking.NO_WINDOW),
        ("ImportError", "Failed to import any of the following Qt binding", lacking.NO_WINDOW),
    ],
)
def test_what_no_installing_cures_has_a_cure_of_its_own(name, text, cure):
    notebook = classroom.small_source()
    cell = classroom.cell(notebook, "double")
    cell.outputs = [new_output("error", ename=name, evalue=text, traceback=[])]
    (said,) = lacking.needs(notebook)
    assert said.startswith(f"Cell double needs what is not here ({name}: ") and said.endswith(cure)
    can_be_installed = cure in (lacking.INSTALL, lacking.NO_NAME, lacking.NO_PROGRAM)
    assert ("nstall it" in cure) == lacking.may_come(notebook, True) == can_be_installed
    assert lacking.may_come(notebook, False) == (can_be_installed or cure == lacking.NO_NETWORK)
