"""The checks of the tasks in lessons 04, 05 and 05b pass the right answer, and no wrong one."""

import pickle
import sys
from pathlib import Path

import pytest

from helpers import leakage
from tests.lessons.test_checks_02_03 import code_of, lesson, model_answers, prepared, said_to

FOLDER = Path(__file__).parents[2] / "notebooks"
REUSE = "04_fitted_model_reuse"
GALLERY = "05_leakage_gallery"
CATALOGUE = "05b_leakage_catalogue"
# By task: its lesson, the data that its check needs, and how the lesson calls it.
TASKS = {
    "canary": (REUSE, {"X", "y"}, "check_canary(known_before_training)"),
    "mended": (REUSE, {"X", "y", "fitted"}, "check_mended(MendedClassifier)"),
    "mine": (GALLERY, set(), "check_mine(mine)"),
    "plan": (GALLERY, {"visits", "ill", "patient"}, "check_plan(*plan())"),
    "kind": (CATALOGUE, {"gallery"}, "check_kind(imputing)"),
}


def once(canary):
    """Ask a canary the same only once, though most answers of `kind` and `plan` lead to it."""
    found = {}

    def asked(*given, **options):
        question = pickle.dumps((given, options))
        if question not in found:
            found[question] = canary(*given, **options)
        return found[question]

    return asked


ON_TABLES = ("shared_rows", "alike_rows", "shift", "too_good_feature")
ON_MODELS = ("purity", "refit", "carried_weights", "batch_mates", "same_answer")
ONCE = {name: once(getattr(leakage, name)) for name in ON_TABLES + ON_MODELS}


@pytest.fixture
def said(monkeypatch, capsys):
    """Return a function that defines an answer to a task and returns what the check says."""
    monkeypatch.syspath_prepend(FOLDER)  # for `leaks`

    def said(task, answer):
        name, names, call = TASKS[task]
        space = prepared(name, names)
        if task == "kind":
            for canary in ON_TABLES:
                monkeypatch.setattr(leakage, canary, ONCE[canary])
        if task == "plan":  # the check calls `audit`
            for canary in ONCE:
                monkeypatch.setattr(sys.modules["helpers.leakage.audit"], canary, ONCE[canary])
        if "fitted" in names:
            space["fitted"].fit(space["X"], space["y"])
        told = str(said_to(answer, call, space))
        return told + capsys.readouterr().out

    return said


def canary(*lines):
    body = "".join(f"    {line}\n" for line in lines)
    return f"def known_before_training(clf, X, y):\n{body}"


def mended(*lines, predict=True):
    body = "".join(f"        {line}\n" for line in lines)
    text = "import copy\nclass MendedClassifier(NaiveClassifier):\n"
    text += f"    def fit(self, X, y):\n{body}"
    if predict:
        text += "    def predict(self, X):\n"
        text += "        return self.network_(torch.as_tensor(X)).argmax(dim=1).numpy()\n"
    return text


def mine(*lines):
    body = "".join(f"    {line}\n" for line in lines)
    return f"def mine(X, y, train, test):\n{body}"


def plan(columns, cv):
    text = "from sklearn.model_selection import GroupKFold, KFold\n"
    return text + f"def plan():\n    return {columns!r}.split(), {cv}\n"


def imputing(seen, *lines):
    text = "import numpy as np\ndef imputing(X, y, train, test, seed, leaky):\n"
    text += f"    seen = {seen}\n" + "".join(f"    {line}\n" for line in lines)
    fit = "fit_two(SimpleImputer(strategy='median'), LogisticRegression(), X, y, seen, train)"
    return text + f"    return {fit}\n"


HONEST = "age pulse pressure sugar weight"
TWO = "make_pipeline(SelectKBest(k=5), LogisticRegression())"
BOTH = "np.union1d(train, test)"
UNTRAINED = "clf = clone(clf).set_params(epochs=0)"
COPY = "self.network_ = copy.deepcopy(self.network)"
RESET = "[layer.reset_parameters() for layer in self.network_[::2]]"
TRAIN = "NaiveClassifier(self.network_, epochs=self.epochs, lr=self.lr).fit(X, y)"

# Task, answer, and a piece of what the check must say.
WRONG = {
    "nothing": ("canary", canary("return None"), "you return None"),
    "trained in the folds": (
        "canary",
        canary("return cross_val_score(clone(clf), X, y).mean()"),
        "a rule: you return 0.9",
    ),
    "not cross-validated": (
        "canary",
        canary(UNTRAINED, "return clf.fit(X, y).score(X, y)"),
        "nearest row, coin flips: you return 1.0",
    ),
    "neither": (
        "canary",
        canary("return clone(clf).fit(X, y).score(X, y)"),
        "you return 1.0",
    ),
    "without a clone": (
        "canary",
        canary("return cross_val_score(clf.set_params(epochs=0), X, y).mean()"),
        "its epochs were 100, and are now 0",
    ),
    "a new network": (
        "canary",
        canary(
            "if hasattr(clf, 'network'): clf = NaiveClassifier(new_network())",
            UNTRAINED,
            "return cross_val_score(clf, X, y).mean()",
        ),
        "fitted before, coin flips: you return 0.",
    ),
    "always one half": ("canary", canary("return 0.5"), "fitted before"),
    "as it was": ("mended", mended("return super().fit(X, y)", predict=False), "purity raises"),
    "only a deep copy": ("mended", mended(COPY, TRAIN, "return self"), "carried_weights raises"),
    "reset where it is": (
        "mended",
        mended("self.network_ = self.network", RESET, TRAIN, "return self"),
        "purity raises",
    ),
    "not trained": ("mended", mended(COPY, RESET, "return self"), "does not learn"),
    "the old optimizer": (
        "mended",
        mended(COPY, RESET, "super().fit(X, y)", "return self"),
        "purity raises",
    ),
    "predicts with the argument": (
        "mended",
        mended(COPY, RESET, TRAIN, "return self", predict=False),
        "an alarm",
    ),
    "chosen on all rows": (
        "mine",
        mine(
            "select = SelectKBest(k=5).fit(X, y)",
            "clf = LogisticRegression().fit(select.transform(X[train]), y[train])",
            "return make_pipeline(select, clf)",
        ),
        "LEAK",
    ),
    "all of it on all rows": ("mine", mine(f"return {TWO}.fit(X, y)"), "LEAK"),
    "trained on the test rows": ("mine", mine(f"return {TWO}.fit(X[test], y[test])"), "LEAK"),
    "the best number of columns by test rows": (
        "mine",
        mine(
            "models = []",
            "for k in (1, 5, 20, 80):",
            "    model = make_pipeline(SelectKBest(k=k), LogisticRegression())",
            "    models.append(model.fit(X[train], y[train]))",
            "return max(models, key=lambda model: model.score(X[test], y[test]))",
        ),
        "LEAK",
    ),
    "learns nothing": (
        "mine",
        mine(
            "from sklearn.dummy import DummyClassifier",
            "return DummyClassifier().fit(X[train], y[train])",
        ),
        "it scores only",
    ),
    "only the split": ("plan", plan(f"{HONEST} ward_days", "GroupKFold(5)"), "'ward_days'"),
    "only the column": ("plan", plan(HONEST, "StratifiedKFold(5)"), "shared_groups"),
    "shuffled visits": (
        "plan",
        plan(HONEST, "KFold(5, shuffle=True, random_state=0)"),
        "shared_groups",
    ),
    "only the leaking column": ("plan", plan("ward_days", "GroupKFold(5)"), "on new patients it"),
    "the leaking column and a good one": (
        "plan",
        plan("sugar ward_days", "GroupKFold(5)"),
        "'ward_days'",
    ),
    "the good columns left out": ("plan", plan("age pulse weight", "GroupKFold(5)"), "0."),
    "always honest": ("kind", imputing("train"), "no alarm on the leaky version"),
    "always leaky": ("kind", imputing(BOTH), "an alarm on the honest version"),
    "the wrong way round": (
        "kind",
        imputing(f"train if leaky else {BOTH}"),
        "an alarm on the honest version",
    ),
    "only test rows": (
        "kind",
        imputing(f"{BOTH} if leaky else test"),
        "an alarm on the honest version",
    ),
    "labels turned round": (
        "kind",
        imputing(f"{BOTH} if leaky else train", "y = 1 - y"),
        "a score is only",
    ),
}


@pytest.mark.parametrize("task, answer, reason", WRONG.values(), ids=WRONG)
def test_a_wrong_answer_is_told_why(task, answer, reason, said):
    told = said(task, answer)
    assert "passed" not in told and reason in told


@pytest.mark.parametrize("task", TASKS)
def test_the_model_answer_passes(task, said):
    name = TASKS[task][0]
    of_lesson = [other for other in TASKS if TASKS[other][0] == name]
    answer = model_answers(name)[of_lesson.index(task)]
    assert said(task, answer).startswith("passed")


def test_another_right_canary_passes(said):
    restored = canary(
        "epochs = clf.epochs",
        "score = cross_val_score(clf.set_params(epochs=0), X, y, cv=3).mean()",
        "clf.set_params(epochs=epochs)",
        "return score",
    )
    assert said("canary", restored).startswith("passed")


def test_a_recipe_in_place_of_a_reset_passes(said):
    answer = mended("self.network_ = new_network()", TRAIN, "return self")
    assert said("mended", answer).startswith("passed")


@pytest.mark.parametrize(
    "cv", ["GroupKFold(3)", "StratifiedGroupKFold(5)", "GroupShuffleSplit(5, random_state=0)"]
)
def test_another_split_by_patients_passes(cv, said):
    answer = f"from sklearn.model_selection import {cv.partition('(')[0]}\n" + plan(HONEST, cv)
    assert said("plan", answer).startswith("passed")


@pytest.mark.parametrize("task", TASKS)
def test_the_check_called_here_is_that_of_the_lesson(task):
    name, _, call = TASKS[task]
    assert call in {source.splitlines()[-1] for source in code_of(lesson(name))}


@pytest.mark.parametrize("task", TASKS)
def test_at_least_four_wrong_answers_are_tried(task):
    assert sum(of == task for of, _, _ in WRONG.values()) >= 4
