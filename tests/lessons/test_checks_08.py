"""Lessons 08 and 08b: each check passes the answer and no wrong one; guesses are balanced."""

import contextlib
import io
import re
import tempfile
from collections import Counter

import nbformat
import numpy as np
import pytest
import torch
from joblib import parallel_config
from sklearn.base import clone
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from torch import nn

from helpers import TorchClassifier, data, fused
from helpers.cluster import local_workers
from tests.lessons.test_notebooks import FOLDER

BEYOND, TOOLS = LESSONS = ["08_beyond_one_machine", "08b_other_tools"]
TRAVELS, SAME = "check_travelling(travelling_net)", "check_everywhere(same_everywhere)"
TRIED = "check_study(StudyClassifier())"
QUESTION, BUTTONS, ANSWER = r"\*\*Predict", r"^predict\(", r"The answer is \(([a-c])\)"


def cells_of(name):
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4).cells


def text_of(name):
    return "\n".join(cell.source for cell in cells_of(name))


def model_answers(name):
    parts = text_of(name).split("<summary>Answer</summary>\n\n```python\n")[1:]
    return [part.partition("```")[0] for part in parts]


def run_cells(name, texts, space):
    """Run the cells of a lesson that hold one of these texts, without what they begin or check."""
    space["__name__"] = "__main__"  # so that what they define is sent with its code
    for cell in cells_of(name):
        if cell.cell_type == "code" and any(text in cell.source for text in texts):
            code = re.split(r"(?m)^(?:predict\(|check_\w+\(|client =|for recipe)", cell.source)[0]
            exec(code, space)
    return space


def said(space, call, code):
    """Return what the check of a task says of an answer."""
    exec(code, space)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        returned = eval(call, space)
    return returned or printed.getvalue()


def once_right(space, call, code):
    """Check the right answer, the first time that it is asked for."""
    checked = space.setdefault("CHECKED", set())
    if call not in checked:
        assert said(space, call, code).startswith("passed: ")
        checked.add(call)


# Guesses ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LESSONS)
def test_each_guess_has_buttons_and_an_answer_that_says_what_tempts(name):
    found = re.findall(f"(?m)({QUESTION})|({BUTTONS})|({ANSWER})", text_of(name))
    kinds = [[bool(part) for part in parts[:3]].index(True) for parts in found]
    assert kinds == [0, 1, 2] * (len(kinds) // 3) and kinds
    answers = re.split(ANSWER, text_of(name))[2::2]
    assert all("The tempting answer is" in answer.partition("\n\n")[0] for answer in answers)


@pytest.mark.parametrize("name", LESSONS)
def test_each_letter_is_right_equally_often(name):
    letters = Counter(re.findall(ANSWER, text_of(name)))
    assert set(letters) == set("abc") and len(set(letters.values())) == 1


# Lesson 08 --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def beyond():
    """What lesson 08 defines for its tasks, while two workers run: with one joblib asks none."""
    names = {"np": np, "torch": torch, "tempfile": tempfile, "clone": clone}
    names |= {"TorchClassifier": TorchClassifier, "cross_val_score": cross_val_score}
    needed = ["import parallel_config", "import os", "class Net(", "import cloudpickle"]
    needed += ["def check_travelling", "def check_everywhere"]
    with local_workers(2):
        yield run_cells(BEYOND, needed, names)


WITH = (
    '    with open(folder / "travels.txt", "a") as log:\n        print("a new network", file=log)\n'
)
TRAVELLING = {
    "no line": (WITH, "", "have left 0 lines"),
    "another file": ("travels.txt", "travelled.txt", "have left 0 lines"),
    "the file is begun anew": ('"a"', '"w"', "have left 1 lines"),
    "two lines a call": ("file=log)", "file=log)\n        print(file=log)", "2 calls, 4 more"),
    "another network": ("return Net(", "return torch.nn.Linear(", "returns a Linear"),
}


@pytest.mark.slow
@pytest.mark.parametrize("old, new, complaint", TRAVELLING.values(), ids=TRAVELLING)
def test_travelling_net(old, new, complaint, beyond):
    right = model_answers(BEYOND)[0]
    once_right(beyond, TRAVELS, right)
    assert old in right
    wrong = "import torch\n" + right.replace(old, new)
    answer = said(beyond, TRAVELS, wrong)
    assert answer.startswith("not yet") and complaint in answer


@pytest.mark.slow
def test_a_recipe_that_cannot_travel_is_told_before_a_search_waits_for_it(beyond):
    answer = said(beyond, TRAVELS, "travelling_net = logging_net")
    assert answer.startswith("not yet: it cannot travel.")


def test_joblib_accepts_the_line_that_the_lesson_advises():
    calls = re.findall(r"(?m)^with (parallel_config\(.*\)): \.\.\.$", text_of(BEYOND))
    assert calls
    for call in calls:
        with eval(call, {"parallel_config": parallel_config}):
            pass


AWAY = '    with parallel_config(backend="dask"):\n        there ='
EVERYWHERE = {
    "nothing leaves this process": (AWAY, "    if True:\n        there =", "AtHome"),
    "both on the workers": (
        "    here =",
        '    with parallel_config(backend="dask"):\n      here =',
        "",
    ),
    "always": ("bool(np.array_equal(here, there))", "True", "TorchClassifier"),
    "never": ("bool(np.array_equal(here, there))", "False", "TorchClassifier"),
    "nearly equal will do": (
        "np.array_equal(here, there)",
        "abs(here - there).max() < 1",
        "not True",
    ),
    "an array": ("bool(np.array_equal(here, there))", "here == there", "TorchClassifier"),
    "only whether there is a seed": (
        "bool(np.array_equal(here, there))",
        "estimator.random_state is not None",
        "AtHome",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("old, new, complaint", EVERYWHERE.values(), ids=EVERYWHERE)
def test_same_everywhere(old, new, complaint, beyond):
    right = model_answers(BEYOND)[1]
    once_right(beyond, SAME, right)
    assert old in right
    answer = said(beyond, SAME, right.replace(old, new, 1))
    assert answer.startswith("not yet") and complaint in answer


# Lesson 08b -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tools():
    """What lesson 08b defines for its task."""
    names = {"np": np, "nn": nn, "data": data, "fused": fused, "TorchClassifier": TorchClassifier}
    names["folds"] = KFold(5, shuffle=True, random_state=0)
    needed = ["data.coin_flips", "import optuna", "def run_study", "import BaseEstimator"]
    space = run_cells(TOOLS, [*needed, "def check_study"], names)
    space["run_study"] = once_a_table(space["run_study"])
    return space


def once_a_table(run_study):
    """Run a study of ten trials once a table: it has a seed, and most answers begin with the same.

    How many trials an answer has asked for, the check notes before.
    """
    studies = {}

    def studied(X, y, n_trials=30):
        asked = X.tobytes(), y.tobytes()
        if asked not in studies:
            studies[asked] = run_study(X, y, 10)
        return studies[asked]

    return studied


STUDY = {
    "five trials": ("n_trials=10", "n_trials=5", "ten trials"),
    "no study": ("run_study(X, y, n_trials=10)", "STUDY", "ten trials"),
    "on all coins": ("run_study(X, y,", "run_study(coins, sides,", "rows of that fit"),
    "trained on the coins at all times": (
        ".fit(X, y)",
        ".fit(coins, sides)",
        "where there is a rule",
    ),
    "labels of others": (".fit(X, y)", ".fit(X, y[::-1])", "where there is a rule"),
    "not trained on the rows": (".fit(X, y)", ".fit(X[::9], y[::9])", "where there is a rule"),
    "the answers turned round": (
        "self.best_.predict(X)",
        "1 - self.best_.predict(X)",
        "there is a rule",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("old, new, broken", STUDY.values(), ids=STUDY)
def test_study(old, new, broken, tools):
    right = model_answers(TOOLS)[0]
    if "STUDY" not in tools:
        assert "broken" not in said(tools, TRIED, right)
        rows, _ = next(StratifiedKFold(3).split(tools["coins"], tools["sides"]))  # as the check's
        tools["STUDY"] = tools["run_study"](tools["coins"][rows], tools["sides"][rows])
    assert old in right
    wrong = right.replace(old, new, 1)
    lines = said(tools, TRIED, wrong).splitlines()
    assert any(line.startswith("broken") and broken in line for line in lines)


def test_the_stub_of_the_study_is_told_what_is_missing(tools):
    stub = next(c.source for c in cells_of(TOOLS) if c.source.startswith("class StudyClassifier"))
    assert "broken one study of ten trials" in said(tools, TRIED, stub)
