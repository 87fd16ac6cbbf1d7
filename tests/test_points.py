"""What decides the points of a cell, and what does not."""

import inspect

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_output
from nbgrader.utils import determine_grade
from torch.package import package_importer

from tests import classroom
from tests.classroom import marked

# isort: split
from grading import report, untouched
from grading.records import Outcome


def scored(source, *outputs, points=2):
    cell = marked(new_code_cell(source), "test", grade=True, locked=True, points=points)
    cell.outputs = list(outputs)
    untouched.settle(cell)
    return determine_grade(cell)[0], cell.outputs


def value(text):
    return new_output("execute_result", {"text/plain": text}, execution_count=1)


ERROR = new_output("error", ename="AssertionError", evalue="no", traceback=[])
SAID = new_output("stream", name="stderr", text="100 %")


@pytest.mark.parametrize(
    "source, outputs, points",
    [
        ("assert True", [], 2),
        ("assert True", [SAID], 2),
        ("assert False", [SAID, ERROR], 0),
        ("assert False", [value("2.0"), ERROR], 0),
        ("assert True\nmax(0, 1.5)", [value("1.5")], 1.5),
        ("assert True\nmax(0, 1.5)", [value("2.0"), value("0.5")], 0.5),
        ("assert True\nmax(0, 1.5)", [SAID, value("1.5")], 1.5),
        ("assert True\nx = 1", [value("0.5")], 2),
        ("assert True\nshown", [value("3.5")], 2),
        ("assert True\nshown", [value("a table")], 2),
    ],
)
def test_an_error_or_the_last_value_decides(source, outputs, points):
    copies = [nbformat.from_dict(output) for output in outputs]
    found, kept = scored(source, *copies)
    assert found == points
    assert len(kept) == len(outputs)  # nothing is hidden from whoever reads the feedback
    assert all(output.get("name") != "stderr" for output in kept)


def test_what_the_tests_import_is_found_in_the_cells_of_the_assignment():
    source = classroom.small_source()
    source.cells.insert(0, new_code_cell("import antigravity"))  # a student's
    assert untouched.imported(source) == [
        "importlib.util",
        "importlib.util.find_spec",
        "math",
    ]


def test_the_same_answers_of_two_students_are_named():
    outcomes = {
        name: Outcome(name, "", graded=True, answers=answers)
        for name, answers in [("a", "x"), ("b", "y"), ("c", "x"), ("d", ""), ("e", "")]
    }
    said = {name: outcome.remarks for name, outcome in report.with_twins(outcomes).items()}
    assert said["a"] == ["All its answers are, word by word, those of c."]
    assert said["c"] == ["All its answers are, word by word, those of a."]
    assert said["b"] == said["d"] == said["e"] == []
    assert outcomes["a"].remarks == []  # what is remembered does not depend on the others


def test_what_a_library_puts_around_a_function_is_no_trick():
    space = {"__name__": "grading"}
    exec((classroom.ASSIGNMENTS / "grading" / "pristine.py").read_text(encoding="utf-8"), space)
    own = package_importer._orig_getfile  # torch has put a function of its own in its place
    assert inspect.getfile is not own and space["wraps"](inspect.getfile, own)

    def _getfile(thing):
        return "seems right"

    assert not space["wraps"](_getfile, own)
    assert not space["wraps"](abs, own)
