"""The self-study version of each assignment, run as by somebody alone: no grader, no kernel."""

import ast
import contextlib
import copy
import importlib
import io
import os
import re
import sys
import types

import nbformat
import pytest
from nbgrader.preprocessors import ClearHiddenTests, ClearSolutions

from tests import classroom

# isort: split
from grading import intake
from release import RIGHT, for_selfstudy

pytestmark = pytest.mark.timeout(classroom.HANG)

SOURCES = sorted((classroom.ASSIGNMENTS / "source").glob("*/*.ipynb"))
SPACE = "tests.a_selfstudy_notebook"  # pyproject.toml makes errors of its warnings


def answers(name):
    """Return wrong answers that lose each test with a folded cell; all if ALL_ANSWERS is set.

    Among them are the typical ones, and those that once passed. Each is a pair of the cells
    replaced and the points lost.
    """
    module = importlib.import_module(f"tests.answers.answers_{name}")
    if os.environ.get("ALL_ANSWERS"):
        return module.WRONG
    named = module.TYPICAL + getattr(module, "ONCE_PASSED", [])
    chosen = {who: module.WRONG[who] for who in named}
    for who, (replaced, lost) in module.WRONG.items():
        if not lost.keys() <= lost_with(chosen):
            chosen[who] = replaced, lost
    return chosen


def lost_with(chosen):
    """Return the tests in which these answers lose something."""
    return {mark for _, lost in chosen.values() for mark in lost}


def selfstudy(source):
    """Return the self-study version, as `release.write_all` makes it of an assignment."""
    release = nbformat.from_dict(copy.deepcopy(source))
    for step in (ClearSolutions(), ClearHiddenTests()):
        release, _ = step.preprocess(release, {})
    return for_selfstudy(source, release)


def folded_solutions(notebook):
    """Return the code of the folded solutions, in the order of the cells to fill in."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    folded = re.findall(r"<details><summary>A solution.*?</details>", text, re.DOTALL)
    return re.findall(r"^```python\n(.*?)\n```$", "\n".join(folded), re.DOTALL | re.MULTILINE)


def with_folded(notebook):
    """Return each cell of code, and the folded cell below it or an empty text."""
    pairs = []
    for cell in notebook.cells:
        if cell.cell_type == "code" and "cellView" in cell.metadata:
            pairs[-1] = pairs[-1][0], cell.source
        elif cell.cell_type == "code":
            pairs.append((cell.source, ""))
    return pairs


class Learner:
    """Somebody who runs the notebook from top to bottom, with the folded solutions filled in.

    Attributes
    ----------
    tests : dict of str to tuple
        Of each test the visible cell, the folded one, and what the test is worth.
    before : dict of str to dict
        What was defined when each test was reached.
    firsts : dict of str to tuple
        Of each answer its solution, and its first test.
    lost : dict of str to float
        The points that the solutions lose, by test.
    error : Exception or None
        What the last test that failed has raised.
    """

    def __init__(self, path):
        source, self.error = nbformat.read(path, as_version=4), None
        notebook = selfstudy(source)
        solutions = iter(folded_solutions(notebook))
        module = sys.modules[SPACE] = types.ModuleType(SPACE)  # else no class of it pickles
        self.space, self.tests, self.before, self.lost = module.__dict__, {}, {}, {}
        self.firsts, answer = {}, None
        originals = [cell for cell in source.cells if cell.cell_type == "code"]
        for original, (cell, folded) in zip(originals, with_folded(notebook), strict=True):
            mark, kind = intake.mark_of(original), original.metadata.nbgrader
            if kind.grade:
                self.tests[mark] = cell, folded, kind.points
                self.before[mark] = dict(self.space)
                if folded:
                    self.run(cell)
                self.lost |= self.lost_in(mark)
                self.firsts.setdefault(answer[0], (answer[1], mark))
            elif kind.solution:
                answer = mark, next(solutions)
                self.run(answer[1])
            else:
                self.run(cell)
        assert not list(solutions)

    def run(self, cell):
        """Run a cell and return what it prints."""
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(cell, self.space)
        return printed.getvalue()

    def lost_in(self, mark):
        """Run a test, in its folded cell if it has one, and return the points lost, if any."""
        visible, folded, worth = self.tests[mark]
        try:
            said = self.run(folded or visible)
        except Exception as error:
            self.error = error
            return {mark: worth}
        found = re.search(rf"([\d.]+) of {worth:g} points\.$", said)
        assert found or not folded or said.endswith(f"{RIGHT}\n"), said
        return {mark: worth - float(found[1])} if found and float(found[1]) < worth else {}

    def lost_by(self, answer, marks):
        """Return what somebody with this answer loses in these tests."""
        lost = {}
        for mark in marks:
            self.go_back(mark, answer)
            lost |= self.lost_in(mark)
        return lost

    def go_back(self, mark, answer):
        """Define what was defined when this test was reached, and this answer."""
        self.space.clear()
        self.space.update(self.before[mark])
        for cell in answer.values():
            self.run(cell)

    def told(self, mark, answer):
        """Return the error that the check of a test raises for this answer, without more, or ''."""
        self.go_back(mark, answer)
        try:
            self.run(self.tests[mark][0])
        except Exception as error:
            return repr(error)
        return ""


class Forgotten(ast.NodeTransformer):
    """Compute what a function returns, and do not return it; functions within it still do."""

    def visit_Return(self, node):
        return ast.Expr(node.value)

    def visit_FunctionDef(self, node):
        return node


def without_a_return(code):
    """Return the code once for each function or method that returns something, without that.

    Functions within others are the learner's own: no check can name them.
    """
    tree, found = ast.parse(code), {}
    places = [tree.body, *(each.body for each in tree.body if isinstance(each, ast.ClassDef))]
    for place in places:
        for number, each in enumerate(place):
            is_function = isinstance(each, ast.FunctionDef)
            if is_function and any(isinstance(n, ast.Return) for n in each.body):
                place[number] = Forgotten().generic_visit(copy.deepcopy(each))
                found[each.name] = ast.unparse(tree)
                place[number] = each
    return found


@pytest.fixture(scope="module", params=SOURCES, ids=lambda path: path.stem)
def learner(request):
    yield request.param.stem, Learner(request.param)
    del sys.modules[SPACE]


def test_the_folded_solutions_are_right_in_every_cell(learner):
    _, somebody = learner
    assert somebody.lost == {}, repr(somebody.error)


def test_each_wrong_answer_is_found_by_a_cell_that_somebody_alone_sees(learner):
    name, somebody = learner
    wrong = answers(name)
    found = {who: somebody.lost_by(replaced, lost) for who, (replaced, lost) in wrong.items()}
    assert found == {who: pytest.approx(lost) for who, (_, lost) in wrong.items()}
    assert {mark for mark, (_, folded, _) in somebody.tests.items() if folded} <= lost_with(wrong)


def test_each_wrong_answer_is_told_its_own_cause(learner):
    name, somebody = learner
    module = importlib.import_module(f"tests.answers.answers_{name}")
    for who, words in getattr(module, "SAID", {}).items():
        replaced, lost = module.WRONG[who]
        told = []
        for mark in lost:
            assert somebody.lost_by(replaced, [mark])
            told.append(str(somebody.error))
        assert any(words in error for error in told), f"{who}: {told}"


def test_a_check_looks_at_what_is_said_above_it(learner):
    name, somebody = learner
    module = importlib.import_module(f"tests.answers.answers_{name}")
    for who, mark in getattr(module, "SEEN", {}).items():
        told = somebody.told(mark, module.WRONG[who][0])
        assert told.startswith("AssertionError"), f"{who}: {told}"


def test_the_first_check_of_an_answer_names_a_forgotten_return(learner):
    name, somebody = learner
    for answer, (solution, first) in somebody.firsts.items():
        for function, code in without_a_return(solution).items():
            told = somebody.told(first, {answer: code})
            assert re.match("AssertionError.*[Rr]eturn", told), f"{function}: {told}"
