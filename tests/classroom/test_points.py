"""What decides the points of a cell, and what does not."""

import gc
import inspect
from fractions import Fraction
from unittest import mock

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_output
from nbgrader.utils import determine_grade
from torch.package import package_importer

from tests import classroom
from tests.classroom import marked

# isort: split
from grading import clean, intake, one, report, untouched
from grading.records import Outcome


def scored(source, *outputs, last="", points=2):
    cell = marked(new_code_cell(source), "test", grade=True, locked=True, points=points)
    cell.outputs = list(outputs)
    untouched.settle(cell, last)
    return determine_grade(cell)[0], cell.outputs


def value(text):
    return new_output("execute_result", {"text/plain": text}, execution_count=1)


ERROR = new_output("error", ename="AssertionError", evalue="no", traceback=[])
SAID = new_output("stream", name="stderr", text="100 %")


@pytest.mark.parametrize(
    "source, outputs, last, points",
    [
        ("assert True", [], "", 2),
        ("assert True", [SAID], "", 2),
        ("assert False", [SAID, ERROR], "", 0),
        ("assert False", [value("2.0"), ERROR], "2.0", 0),
        ("assert True\nmax(0, 1.5)", [value("1.5")], "1.5", 1.5),
        ("assert True\nmax(0, 0.5)", [value("0.5"), value("2.0")], "0.5", 0.5),
        ("assert True\nmax(0, 1.5)", [SAID], "1.5", 1.5),
        ("assert True\nx = 1", [value("0.5")], "0.5", 2),
        ("assert True\nshown", [value("3.5")], "3.5", 2),
        ("assert True\nshown", [value("inf")], "inf", 2),
        ("assert True\nshown", [value("nan")], "nan", 0),
        ("assert True\nshown", [value("-0.5")], "-0.5", 0),
        ("assert True\nshown", [value("a table")], "", 2),
    ],
)
def test_an_error_or_the_last_value_decides(source, outputs, last, points):
    copies = [nbformat.from_dict(output) for output in outputs]
    found, kept = scored(source, *copies, last=last)
    assert found == points
    assert len(kept) >= len(outputs)  # nothing is hidden from whoever reads the feedback
    assert all(output.get("name") != "stderr" for output in kept)


def test_what_the_tests_import_is_found_in_the_cells_of_the_assignment():
    source = classroom.small_source()
    source.cells.insert(0, new_code_cell("import antigravity"))  # a student's
    assert untouched.imported(source) == [
        "importlib.util",
        "importlib.util.find_spec",
        "math",
    ]


SYNTAX = "SyntaxError", "expected ':' (2210929289.py, line 3)"
TYPED = "StdinNotImplementedError", "raw_input was called, but this frontend does not support it"
WRONG, NAME_OF_IT = ("AssertionError", "double(3) should be 6"), ("NameError", "double")
FIRST = "The first error is in "
NOT_HERE = "ModuleNotFoundError", "No module named 'treble'"


@pytest.mark.parametrize(
    "errors, said",
    [
        ({}, ""),
        (
            {"double": SYNTAX},
            FIRST + "cell `double`: SyntaxError: expected ':' (line 3)",
        ),
        ({"double": SYNTAX, "own": WRONG}, FIRST + "cell `double`: SyntaxError"),
        (
            {"own": SYNTAX, "double": NAME_OF_IT, "test_double": WRONG},
            FIRST + "a cell added by the student: SyntaxError",
        ),
        ({"test_double": WRONG}, ""),
        ({"own": SYNTAX}, ""),
        (
            {"own": SYNTAX, "test_double": WRONG},
            FIRST + "a cell added by the student",
        ),
        ({"test_double": TYPED}, FIRST + "cell `test_double`: input() was called"),
        ({"double": NOT_HERE, "test_double": WRONG}, "Cell double needs what is not here"),
        (
            {"double": SYNTAX, "test_double": NAME_OF_IT, "test_helpers": NAME_OF_IT},
            "No test passed. The first error is in cell `double`: SyntaxError",
        ),
        (
            {"test_double": WRONG, "test_helpers": NAME_OF_IT},
            "No test passed. The first error is in cell `test_double`: AssertionError: double(3)",
        ),
    ],
)
def test_the_first_error_of_an_answer_is_named_with_its_cell(errors, said):
    notebook = classroom.small_source()
    notebook.cells.insert(0, new_code_cell("a try"))
    for cell in notebook.cells:
        name = intake.mark_of(cell) or "own"
        if name in errors:
            kind, text = errors[name]
            cell.outputs = [new_output("error", ename=kind, evalue=text, traceback=[])]
    remarks, limited = one.look(notebook)
    assert not limited and len(remarks) == bool(said)
    assert "".join(remarks).startswith(said)


def test_a_print_in_a_test_is_not_taken_for_the_first_error():
    notebook = classroom.small_source()
    print_in_it = new_code_cell("print(x)", metadata={"written_into": "test"})
    notebook.cells.insert(0, print_in_it)
    for cell, (kind, text) in ((notebook.cells[0], NAME_OF_IT), (notebook.cells[4], WRONG)):
        cell.outputs = [new_output("error", ename=kind, evalue=text, traceback=[])]
    assert one.look(notebook) == ([], False)


def test_the_same_answers_of_two_students_are_named():
    outcomes = {
        name: Outcome(name, "", graded=True, answers=answers)
        for name, answers in zip("abcdefghi", ["x", "y", "x", "", "", *"zzzz"], strict=True)
    }
    said = {name: outcome.remarks for name, outcome in report.with_twins(outcomes).items()}
    assert said["a"] == ["All its answers are, word by word, those of c."]
    assert said["c"] == ["All its answers are, word by word, those of a."]
    assert said["f"] == ["All its answers are, word by word, those of g, h, i."]
    assert said["b"] == said["d"] == said["e"] == []
    assert outcomes["a"].remarks == []  # what is remembered does not depend on the others


def test_what_a_spreadsheet_or_the_report_shows_is_one_line_of_text():
    outcome = Outcome("@anna", "", file="=HYPERLINK(1).ipynb", others=["a\nb"] * 30)
    outcome.handed_in_as = ["=1", "a\nb"]
    row = report.row_of("double", outcome, None)
    assert row["handed_in_as"] == "'=1, a b"
    assert row["student"] == "'@anna" and row["file"] == "'=HYPERLINK(1).ipynb"
    assert row["other_files"].endswith("a b, And 20 more.")
    said = report.entry(outcome, ["No: a\n- **ben** (b.ipynb)\n  - graded"])
    assert said.splitlines()[1:] == ["  - No: a - **ben** (b.ipynb) - graded"]


def test_no_name_of_a_file_is_a_picture_in_the_report(tmp_path):
    name = "![x](http:example.org).ipynb"
    outcome = Outcome("anna", "", file=name, others=[name], reason=f"\\{name} <img src=x>")
    report.write_report(tmp_path / "report.md", "double", {"anna": outcome}, "")
    page = clean.markdown2html({}, (tmp_path / "report.md").read_text())
    assert page.count("![x](http:example.org).ipynb") == 3
    assert (
        "&lt;img src=x&gt;" in page and "<img" not in page and page.count("<a ") == 3
    )  # of headings


def run_in_a_kernel(name):
    """Run a file of the grader's as it is run in a kernel; return what it defines."""
    space = {"__name__": "grading"}
    exec((classroom.ASSIGNMENTS / "grading" / name).read_text(encoding="utf-8"), space)
    return space


SAME = "def __eq__(self, other):\n        return True"
FORGED = """
class Seems(int):
    {}
    __hash__ = int.__hash__
    {}
"""


@pytest.fixture(scope="module")
def comparisons():
    any_of_all = type(mock.ANY)
    kept = {name: getattr(any_of_all, name) for name in ("__eq__", "__ne__")}
    made = run_in_a_kernel("seeming.py")["Comparisons"]()
    assert mock.ANY != 7 and mock.ANY == mock.ANY
    yield made
    for name, value in kept.items():
        setattr(any_of_all, name, value)


@pytest.mark.parametrize(
    "name, code",
    [
        ("Seems", FORGED.format("", SAME)),
        ("Seems", FORGED.format("__module__ = 'numpy'", SAME)),
        ("Seems", FORGED.format("__dataclass_fields__ = {}", SAME)),
        ("Seems", FORGED.format("__module__ = 'fractions'", "__eq__ = int.__ne__")),
        ("Seems", FORGED.replace("int)", "int, metaclass=Deaf)").format("", SAME)),
        ("MagicMock", "from unittest.mock import MagicMock\nx = MagicMock()"),
        ("Fraction", "from fractions import Fraction\nFraction.__eq__ = lambda a, b: True"),
    ],
)
def test_a_class_that_may_seem_right_is_named(name, code, comparisons, monkeypatch):
    class Deaf(type):
        __hash__ = None

        def __eq__(self, other):
            raise ValueError

        def __getattribute__(self, name):
            raise AttributeError(name)

    monkeypatch.setattr(Fraction, "__eq__", Fraction.__eq__)  # put back in the end
    space = {"__name__": "__main__", "Deaf": Deaf}
    assert f"class {name}" not in comparisons.odd()
    exec(code, space)
    assert f"class {name}" in comparisons.odd()
    del space, Deaf
    monkeypatch.undo()
    gc.collect()


def test_classes_of_libraries_and_of_data_are_not_named(comparisons):
    before = comparisons.odd()
    exec(
        "from dataclasses import dataclass\n@dataclass(order=True)\nclass Pair:\n    x: int\n"
        "from collections import namedtuple\nnamedtuple('P', 'a b')\n"
        "import enum\nclass Two(enum.IntEnum):\n    ONE = 1\n"
        "import wsgiref.headers, tomllib, numpy.ma, sympy",
        {"__name__": "__main__"},
    )
    assert comparisons.odd() == before


def test_what_a_library_puts_around_a_function_is_no_trick():
    space = run_in_a_kernel("pristine.py")
    own = package_importer._orig_getfile  # torch has put a function of its own in its place
    assert inspect.getfile is not own and space["wraps"](inspect.getfile, own)

    def _getfile(thing):
        return "seems right"

    assert not space["wraps"](_getfile, own)
    assert not space["wraps"](abs, own)
