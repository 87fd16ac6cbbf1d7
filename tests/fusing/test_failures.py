"""Under `fused`, what fails fails alone, and an interrupt ends everything."""

import _thread
import io
import subprocess
import sys
import threading
import time
from contextlib import nullcontext, redirect_stdout, suppress
from itertools import product

import numpy as np
import pytest
from joblib import Parallel, delayed
from joblib.parallel import TimeoutError
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import make_classification
from sklearn.ensemble import StackingClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from helpers import TorchClassifier, fused
from helpers.fusing import grouping, tasks
from helpers.fusing.stack import Stack
from tests.fusing import no_task_is_left

X, y = make_classification(90, 6, n_informative=4, n_classes=3, random_state=0)
CLASSIFIER = TorchClassifier(epochs=5, batch_size=16, random_state=0, module__hidden=4)
PIPELINE = make_pipeline(StandardScaler(), CLASSIFIER)
RATES = {"torchclassifier__lr": [0.001, 0.01, 0.05]}


@pytest.mark.slow
def test_a_diverging_candidate_fails_alone():
    grid = {"lr": [0.01, 1e300], "optimizer": ["sgd"]}
    search = GridSearchCV(CLASSIFIER, grid, cv=3, error_score=-1.0)
    with fused() as run, pytest.warns(FitFailedWarning, match="Training diverged"):
        search.fit(X, y)
    assert run.batches == [6, 1]
    with pytest.warns(FitFailedWarning, match="Training diverged"):
        plain = clone(search).fit(X, y)
    np.testing.assert_array_equal(
        search.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"]
    )
    with fused(), pytest.raises(ValueError, match="Training diverged"):
        clone(search).set_params(error_score="raise").fit(X, y)
    assert no_task_is_left()


def test_an_error_in_the_trainer_reaches_the_caller(monkeypatch):
    def fail(*_):
        raise RuntimeError("the trainer failed")

    monkeypatch.setattr(Stack, "train_epoch", fail)
    monkeypatch.setattr(grouping, "train_alone", fail)  # which comes after
    with pytest.raises(RuntimeError, match="the trainer failed"), fused():
        cross_val_score(PIPELINE, X, y, error_score="raise")
    assert no_task_is_left()


def _interrupt(stack):
    raise KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.parametrize("nested", [False, True])
def test_keyboard_interrupt_ends_everything(monkeypatch, nested):
    monkeypatch.setattr(Stack, "train_epoch", _interrupt)
    search = GridSearchCV(PIPELINE, RATES)
    with pytest.raises(KeyboardInterrupt), fused():
        cross_val_score(search, X, y) if nested else search.fit(X, y)
    assert no_task_is_left()
    monkeypatch.undo()
    with fused() as run:
        search.fit(X, y)
    assert run.batches == [15, 1]


@pytest.mark.slow
def test_a_search_after_an_interrupted_one_in_the_same_block(monkeypatch):
    with fused() as run:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Stack, "train_epoch", _interrupt)
            cross_val_score(GridSearchCV(PIPELINE, RATES), X, y)
        run.batches.clear()
        cross_val_score(PIPELINE, X, y)
        assert run.batches == [5]
    assert no_task_is_left()


class Interrupting(LogisticRegression):
    """The user presses Ctrl-C while it runs."""

    def fit(self, X, y):
        _thread.interrupt_main()
        return super().fit(X, y)


def test_keyboard_interrupt_within_a_task(ctrl_c):
    grid = {"logisticregression": [LogisticRegression(), Interrupting(), PIPELINE[-1]]}
    search = GridSearchCV(make_pipeline(StandardScaler(), LogisticRegression()), grid)
    with pytest.raises(KeyboardInterrupt), fused():
        cross_val_score(search, X, y)
    assert no_task_is_left()


class Failing(ClassifierMixin, BaseEstimator):
    """Fails before, at or after the meeting, on every other fit."""

    def __init__(self, when="before", random_state=0):
        self.when, self.random_state = when, random_state

    def fit(self, X, y):
        fails = int(abs(X).sum() * 1e6) % 2
        if fails and self.when == "before":
            raise ValueError("before")
        lr = 1e300 if fails and self.when == "at" else 0.01
        self.clf_ = TorchClassifier(epochs=2, lr=lr, optimizer="sgd", random_state=0).fit(X, y)
        self.classes_ = self.clf_.classes_
        if fails and self.when == "after":
            raise ValueError("after")
        return self

    def predict(self, X):
        return self.clf_.predict(X)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_no_deadlock_whoever_raises():
    seen, constant = set(), lambda *_: 0.5
    for when, depth, error_score in product(("before", "at", "after"), (1, 2, 3), (0.0, "raise")):
        options = {"cv": 2, "error_score": error_score, "refit": False, "scoring": "accuracy"}
        estimator = Failing(when)
        if depth > 1:
            estimator = GridSearchCV(estimator, {"random_state": [0, 1]}, **options)
        if depth > 2:
            options["scoring"] = constant
            estimator = GridSearchCV(estimator, {"cv": [2, 3]}, **options)
        scoring = "accuracy" if depth == 1 else constant
        outcomes = []
        for block in (fused, nullcontext):
            try:
                with block():
                    cross_val_score(estimator, X, y, cv=4, error_score=error_score, scoring=scoring)
                outcomes.append("scores")
            except ValueError:
                outcomes.append("error")
        assert outcomes[0] == outcomes[1], (when, depth, error_score, outcomes)
        seen.update(outcomes)
        assert no_task_is_left()
    assert seen == {"scores", "error"}


def test_fits_of_a_call_that_is_given_up_are_in_nobodys_way():
    """One of two fits of each inner call waits for its second training as the other fails."""

    def twice(fails):
        clone(CLASSIFIER).fit(X, y)
        if fails:
            raise RuntimeError("after the first training")
        clone(CLASSIFIER).fit(X, y)

    def score(seed):
        with suppress(RuntimeError):
            Parallel()(delayed(twice)(fails) for fails in (True, False))
        return clone(CLASSIFIER).set_params(random_state=seed).fit(X, y).score(X, y)

    with fused():
        scores = Parallel()(delayed(score)(seed) for seed in range(3))
    assert scores == [score(seed) for seed in range(3)]
    assert no_task_is_left()


@pytest.mark.slow
def test_a_batch_too_large_is_split(monkeypatch):
    init = Stack.__init__

    def fail(self, slots, sets):
        if len(slots) > 3:
            raise MemoryError
        init(self, slots, sets)

    monkeypatch.setattr(Stack, "__init__", fail)
    plain = cross_val_score(PIPELINE, X, y)
    with fused() as run, pytest.warns(UserWarning, match="5 networks do not fit"):
        together = cross_val_score(PIPELINE, X, y)
    assert run.batches == [2, 3]
    np.testing.assert_array_equal(plain, together)


class LocksItsFit(ClassifierMixin, BaseEstimator):
    """Holds a lock around a fit, as `functools.cached_property` does on Python 3.11."""

    lock = threading.RLock()

    def __init__(self, lr=0.1):
        self.lr = lr

    def fit(self, X, y):
        with self.lock:
            self.net_ = clone(CLASSIFIER).set_params(lr=self.lr).fit(X, y)
        self.classes_ = self.net_.classes_
        return self

    def predict(self, X):
        return self.net_.predict(X)


@pytest.mark.slow
@pytest.mark.parametrize("tool", ["search", "nested"])
def test_a_lock_held_around_a_fit_does_not_hang(monkeypatch, tool):
    monkeypatch.setattr(tasks, "STILL", 0.5)
    estimator = GridSearchCV(LocksItsFit(), {"lr": [0.01, 0.1]}, cv=3, error_score="raise")

    def score():
        if tool == "nested":
            return cross_val_score(estimator, X, y, cv=3, error_score="raise")
        return clone(estimator).fit(X, y).cv_results_["mean_test_score"]

    with fused() as run, pytest.warns(UserWarning, match="Hold no lock around a fit") as told:
        scores = score()
    assert len(told) == 1
    assert len(run.batches) == (6 if tool == "search" else 18) + (1 if tool == "search" else 3)
    np.testing.assert_array_equal(scores, score())
    assert no_task_is_left()


class LocksMany(LocksItsFit):
    """Holds a lock around several calls of joblib, one after the other."""

    def fit(self, X, y):
        net = clone(CLASSIFIER).set_params(lr=self.lr)
        stacked = StackingClassifier([("a", net), ("b", clone(net))], cv=2)
        with self.lock:
            self.net_ = stacked.fit(X, y)
        self.classes_ = self.net_.classes_
        return self


@pytest.mark.slow
def test_a_lock_around_several_calls_of_joblib_does_not_hang(monkeypatch):
    monkeypatch.setattr(tasks, "STILL", 0.5)
    plain = cross_val_score(LocksMany(), X, y, cv=3, error_score="raise")
    with fused(), pytest.warns(UserWarning, match="Hold no lock around a fit"):
        scores = cross_val_score(LocksMany(), X, y, cv=3, error_score="raise")
    np.testing.assert_array_equal(scores, plain)
    assert no_task_is_left()


class Lingers(LocksMany):
    """Has work left when it gives the lock back, while the next one takes it."""

    def fit(self, X, y):
        super().fit(X, y)
        time.sleep(1.5)
        return self


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:fused")
def test_one_that_has_got_its_lock_meanwhile_ends_its_turn_once(monkeypatch):
    monkeypatch.setattr(tasks, "STILL", 0.5)
    plain = cross_val_score(Lingers(), X, y, cv=3, error_score="raise")
    with fused():
        scores = cross_val_score(Lingers(), X, y, cv=3, error_score="raise")
    np.testing.assert_array_equal(scores, plain)
    assert no_task_is_left()


WAITS = {
    "works": lambda: sum(range(10**7)),
    "sleeps": lambda: time.sleep(1.2),
    "a process": lambda: subprocess.run([sys.executable, "-c", "import time; time.sleep(1.2)"]),
    "an event": lambda: threading.Event().wait(1.2),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WAITS)
def test_a_fit_that_waits_for_something_else_is_waited_for(monkeypatch, name):
    def wait(X):
        WAITS[name]()
        return X

    monkeypatch.setattr(tasks, "STILL", 0.5)
    with fused() as run:
        cross_val_score(make_pipeline(FunctionTransformer(wait), CLASSIFIER), X, y, cv=3)
    assert run.batches == [3]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:fused")
def test_a_fit_that_waits_for_a_lock_keeps_its_settings(monkeypatch):
    monkeypatch.setattr(tasks, "STILL", 0.3)

    def set_and_fit(i):
        with redirect_stdout(io.StringIO()) as text:
            print(f"begins {i}")
            LocksItsFit().fit(X, y)
        return text.getvalue()

    with fused():
        assert Parallel()(delayed(set_and_fit)(i) for i in range(3)) == [
            f"begins {i}\n" for i in range(3)
        ]
    assert no_task_is_left()


@pytest.mark.slow
def test_a_timeout_comes_though_a_fit_stands_still(monkeypatch):
    monkeypatch.setattr(tasks, "STILL", 0.1)
    ended = threading.Event()
    with fused(), pytest.raises(TimeoutError):
        Parallel(timeout=1)([delayed(clone(LocksItsFit()).fit)(X, y), delayed(ended.wait)()])
    ended.set()
    assert no_task_is_left()
