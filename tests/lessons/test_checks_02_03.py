"""The checks of the lessons' tasks: the model answer passes, and wrong answers are told why.

A task is a cell of code with a stub, followed by a cell that ends in a call of its check. Here the
stub is replaced by an answer, right or wrong, and the check is run again. Of the cells before it
only imports, definitions and the data are run, since the experiments need not be.
"""

import ast
import functools
import re
import sys
import types
from pathlib import Path

import nbformat
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

from helpers import TorchClassifier

FOLDER = Path(__file__).parents[2] / "notebooks"
SPACE = "a_lesson_of_these_tests"


def lesson(name):
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def code_of(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def is_definition(node):
    return isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef))


def binds(node, names):
    """Whether a statement gives a value to one of these names."""
    targets = node.targets if isinstance(node, ast.Assign) else []
    inside = [inner for target in targets for inner in ast.walk(target)]
    return any(isinstance(inner, ast.Name) and inner.id in names for inner in inside)


def prepared(name, data):
    """Return what the lesson's cells have defined, and the assignments to names in `data`."""
    module = sys.modules.setdefault(SPACE, types.ModuleType(SPACE))  # else no class of it pickles
    space = module.__dict__
    space.update({"__name__": SPACE, "searched": searched})
    for source in code_of(lesson(name)):
        kept = [node for node in ast.parse(source).body if is_definition(node) or binds(node, data)]
        exec(compile(ast.Module(kept, type_ignores=[]), name, "exec"), space)
    return space


def said_to(answer, call, space):
    """Define an answer, call the check, and return what it says."""
    exec(answer, space)
    return eval(call, space)


def model_answers(name):
    """The folded answers of a lesson's tasks, in order."""
    text = "\n".join(cell.source for cell in lesson(name).cells if cell.cell_type == "markdown")
    answers = re.findall(r"<summary>Answer</summary>(.*?)</details>", text, re.DOTALL)
    blocks = [re.search(r"```python\n(.*?)```", answer, re.DOTALL) for answer in answers]
    return [block[1] for block in blocks if block]


DATA = {
    "02_estimator": {"X", "y", "X_train", "X_test", "y_train", "y_test", "scaler", "names"},
    "03_grid_search": {"GRID"},
}
CALLS = {
    "probabilities": ("02_estimator", "check_probabilities(MyClassifier(mlp, random_state=0))"),
    "careful": ("02_estimator", "check_careful(CarefulClassifier)"),
    "tied": ("03_grid_search", "check_tied(tied_with_best)"),
    "claim": ("03_grid_search", "check_claim(claim)"),
}


def probabilities(*lines):
    body = "".join(f"        {line}\n" for line in lines)
    return f"class MyClassifier(NetClassifier):\n    def predict_proba(self, X):\n{body}"


CHECKED = ("check_is_fitted(self)", "X = validate_data(self, X, reset=False, dtype=np.float64)")
OUTPUTS = "P = self.network_(torch.as_tensor(X))"


def careful(*lines, method="fit(self, X, y)", before=""):
    body = "".join(f"        {line}\n" for line in lines)
    return f"class CarefulClassifier(NetClassifier):\n{before}    def {method}:\n{body}"


ON_LR = 'raise ValueError(f"lr must not be negative, got {self.lr}.")'
IN_CONSTRUCTOR = """
    def __init__(self, module, epochs=100, lr=0.01, random_state=None):
        if lr < 0:
            raise ValueError(f"lr must not be negative, got {lr}.")
        super().__init__(module, epochs, lr, random_state)

"""
SPLIT = "X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=%s, random_state=0)"
FEW = "{'lr': [0.01, 0.1], 'epochs': [10], 'random_state': [0]}"
SEARCH = f"search = GridSearchCV(TorchClassifier(), {FEW}, cv=5)"


@functools.cache
def search_on(rows, labels):
    """Search on a table once, though three wrong answers begin with it."""
    X, y = np.array(rows), np.array(labels)
    return GridSearchCV(TorchClassifier(), sys.modules[SPACE].GRID, cv=5).fit(X, y)


def searched(X, y):
    return search_on(tuple(map(tuple, X.tolist())), tuple(y.tolist()))


def claim(*lines):
    body = "".join(f"    {line}\n" for line in lines)
    return f"def claim(X, y):\n{body}"


def tied(line, ddof=1):
    numbers = f"by_fold.mean(axis=1), by_fold.std(axis=1, ddof={ddof})"
    return f"def tied_with_best(by_fold):\n    mean, s = {numbers}\n    return {line}\n"


# Task, answer, and a piece of what the check must say.
WRONG = {
    "no probabilities": (
        "probabilities",
        "class MyClassifier(NetClassifier):\n    pass",
        "missing",
    ),
    "logits": (
        "probabilities",
        probabilities(*CHECKED, OUTPUTS, "return P.detach().numpy()"),
        "sums to 1",
    ),
    "softmax over the rows": (
        "probabilities",
        probabilities(*CHECKED, OUTPUTS, "return P.softmax(dim=0).detach().numpy()"),
        "sums to 1",
    ),
    "a tensor": (
        "probabilities",
        probabilities(*CHECKED, OUTPUTS, "return P.softmax(dim=1).detach()"),
        "NumPy array",
    ),
    "one column": (
        "probabilities",
        probabilities(*CHECKED, OUTPUTS, "return P.softmax(dim=1)[:, 1].detach().numpy()"),
        "2 columns",
    ),
    "columns reversed": (
        "probabilities",
        probabilities(*CHECKED, OUTPUTS, "return P.softmax(dim=1).flip(1).detach().numpy()"),
        "do not fit the labels",
    ),
    "certain of everything": (
        "probabilities",
        probabilities("return (self.predict(X)[:, None] == self.classes_).astype(float)"),
        "do not fit the labels",
    ),
    "softmax twice": (
        "probabilities",
        probabilities(*CHECKED, OUTPUTS, "return P.softmax(dim=1).softmax(dim=1).detach().numpy()"),
        "do not fit the labels",
    ),
    "unfitted accepted": (
        "probabilities",
        probabilities(CHECKED[1], OUTPUTS, "return P.softmax(dim=1).detach().numpy()"),
        "estimators_unfitted",
    ),
    "width not checked": (
        "probabilities",
        probabilities(CHECKED[0], OUTPUTS, "return P.softmax(dim=1).detach().numpy()"),
        "n_features_in_after_fitting",
    ),
    "said in the constructor": (
        "careful",
        f"class CarefulClassifier(NetClassifier):\n{IN_CONSTRUCTOR}",
        "Invalid learning rate",
    ),
    "said in the constructor and in fit": (
        "careful",
        careful(f"if self.lr < 0: {ON_LR}", "return super().fit(X, y)", before=IN_CONSTRUCTOR),
        "do_not_raise_errors_in_init_or_set_params",
    ),
    "said in set_params": (
        "careful",
        careful(
            "super().set_params(**settings)",
            f"if not isinstance(self.lr, str) and self.lr is not None and self.lr < 0: {ON_LR}",
            "return self",
            method="set_params(self, **settings)",
        ),
        "set_params",
    ),
    "in torch's words": (
        "careful",
        "class CarefulClassifier(NetClassifier):\n    pass",
        "Invalid learning rate",
    ),
    "said too late": (
        "careful",
        careful("super().fit(X, y)", f"if self.lr < 0: {ON_LR}", "return self"),
        "Invalid learning rate",
    ),
    "an assertion": (
        "careful",
        careful("assert self.lr >= 0", "return super().fit(X, y)"),
        "AssertionError",
    ),
    "made positive": (
        "careful",
        careful("self.lr = abs(self.lr)", "return super().fit(X, y)"),
        "fit says: 0.",
    ),
    "zero refused": (
        "careful",
        careful(f"if self.lr <= 0: {ON_LR}", "return super().fit(X, y)"),
        "lr=0",
    ),
    "nothing returned": ("tied", tied("None"), "nothing yet"),
    "each one's own deviation": ("tied", tied("mean + s / np.sqrt(5) >= mean.max()"), "0.92"),
    "not divided": ("tied", tied("mean >= mean.max() - s[mean.argmax()]"), "0.92"),
    "divided by 5": ("tied", tied("mean >= mean.max() - s[mean.argmax()] / 5"), "0.92"),
    "deviation by ddof=0": ("tied", tied("mean >= mean.max() - s[1] / np.sqrt(5)", ddof=0), "0.92"),
    "smallest deviation": ("tied", tied("mean >= mean.max() - s.min() / np.sqrt(5)"), "0.92"),
    "only the best": ("tied", tied("mean == mean.max()"), "0.92"),
    "the last one's deviation": ("tied", tied("mean >= mean.max() - s[-1] / np.sqrt(5)"), "0.92"),
    "no claim": ("claim", claim("return None"), "nothing yet"),
    "best_score_": ("claim", claim("return searched(X, y).best_score_"), "more than"),
    "training rows": ("claim", claim("return searched(X, y).score(X, y)"), "more than"),
    "best of twelve test scores": (
        "claim",
        claim(
            SPLIT % 0.5,
            "from sklearn.model_selection import ParameterGrid",
            "settings = ParameterGrid(GRID)",
            "nets = [TorchClassifier(**s).fit(X_train, y_train) for s in settings]",
            "return max(net.score(X_test, y_test) for net in nets)",
        ),
        "more than",
    ),
    "search before the split": (
        "claim",
        claim(SPLIT % 0.5, "return searched(X, y).score(X_test, y_test)"),
        "more than",
    ),
    "always one half": ("claim", claim("return 0.5"), "only"),
}


@pytest.mark.parametrize("task, answer, reason", WRONG.values(), ids=WRONG)
def test_a_wrong_answer_is_told_why(task, answer, reason):
    name, call = CALLS[task]
    said = said_to(answer, call, prepared(name, DATA[name]))
    assert not said.startswith("passed") and reason in said


@pytest.mark.parametrize("task", CALLS)
def test_the_model_answer_passes(task):
    name, call = CALLS[task]
    tasks = [other for other, (lesson_name, _) in CALLS.items() if lesson_name == name]
    answer = model_answers(name)[tasks.index(task)]
    assert said_to(answer, call, prepared(name, DATA[name])).startswith("passed")


HONEST = {
    "a small test set": claim(
        SPLIT % 0.3, SEARCH, "return search.fit(X_train, y_train).score(X_test, y_test)"
    ),
}


@pytest.mark.parametrize("answer", HONEST.values(), ids=HONEST)
def test_another_honest_claim_passes(answer):
    name, call = CALLS["claim"]
    assert said_to(answer, call, prepared(name, DATA[name])).startswith("passed")


@pytest.mark.parametrize("name", DATA)
def test_the_checks_called_here_are_those_of_the_lesson(name):
    calls = {call for lesson_name, call in CALLS.values() if lesson_name == name}
    last_lines = {source.splitlines()[-1] for source in code_of(lesson(name))}
    assert calls <= last_lines


@pytest.mark.parametrize("task", CALLS)
def test_at_least_four_wrong_answers_are_tried(task):
    assert sum(of == task for of, _, _ in WRONG.values()) >= 4
