"""The backend of `fused` keeps joblib's contract, whoever fails, waits or is given up."""

import contextlib
import gc
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
import weakref

import numpy as np
import pytest
from joblib import Parallel, delayed, effective_n_jobs
from joblib.parallel import TimeoutError
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import make_classification
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.feature_selection import RFECV
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from helpers import MLP, TorchClassifier, fused
from helpers.fusing.backend import TaskBackend, holds_foreign
from helpers.fusing.tasks import Abandoned, Task
from tests.fusing import HANG, Callback, no_task_is_left

X, y = make_classification(60, 5, random_state=0)
CLASSIFIER = TorchClassifier(epochs=2, random_state=0, module__hidden=3)


def fit(lr):
    loss = clone(CLASSIFIER).set_params(lr=lr).fit(X, y).history_[-1]["train_loss"]
    return round(loss, 10)


RATES = [0.01, 0.02, 0.03]
LOSSES = [fit(lr) for lr in RATES]


def fits(lrs=RATES, **options):
    return Parallel(**options)(delayed(fit)(lr) for lr in lrs)


def tasks():
    return [thread for thread in threading.enumerate() if isinstance(thread, Task)]


@pytest.mark.slow
def test_joblibs_own_tests_pass():
    command = [sys.executable, "-m", "pytest", "-p", "tests.fusing.joblibs_own", "-q"]
    command += ["-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", "."]
    command += ["--pyargs", "joblib.test.test_parallel"]
    # Those of processes are slow, and the last begins a thousand threads.
    command += ["-k", "not loky and not multiprocessing and not thread_bomb"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    assert run.returncode == 0, run.stdout
    assert int(run.stdout.rsplit(" passed", 1)[0].split()[-1]) > 50, run.stdout


@pytest.mark.parametrize("return_as", ["generator", "generator_unordered"])
def test_generators_train_together(return_as):
    with fused() as run:
        assert sorted(fits(return_as=return_as)) == sorted(LOSSES)
    assert run.batches == [3]


def test_a_generator_runs_no_further_than_it_is_asked():
    begun = []

    def begin(i):
        begun.append(i)
        return fit(RATES[i % 3])

    with fused(max_models=4):
        endless = Parallel(return_as="generator")(delayed(begin)(i) for i in itertools.count())
        assert begun == []
        assert [next(endless) for _ in range(4)] == [*LOSSES, LOSSES[0]]
        assert len(begun) < 10
        endless.close()
    assert no_task_is_left()


@pytest.mark.slow
def test_two_calls_open_at_one_level():
    with fused() as run:
        one, other = fits(return_as="generator"), fits(return_as="generator")
        assert next(other) == LOSSES[0]
        assert fits() == LOSSES
        assert [next(one), *other, *one] == [LOSSES[0], *LOSSES[1:], *LOSSES[1:]]
    assert run.batches == [3, 3, 3]


def test_a_generator_outlives_the_block():
    with fused():
        losses = fits(return_as="generator")
        first = next(losses)
    assert [first, *losses] == LOSSES
    assert no_task_is_left()


def test_a_generator_of_the_caller_is_consumed_in_a_task():
    with fused():
        losses = fits(return_as="generator")
        assert Parallel()(delayed(list)(losses) for losses in [losses]) == [LOSSES]


@pytest.mark.slow
@pytest.mark.parametrize("give_up", [lambda losses: losses.close(), lambda losses: None])
def test_a_generator_given_up_leaves_nothing(give_up):
    with fused(max_models=2) as run:
        losses = fits(return_as="generator")
        next(losses)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # joblib says that work was lost
            give_up(losses)
            del losses
            gc.collect()
        assert no_task_is_left()
        assert run.batches == [2]
        assert fits() == LOSSES


@pytest.mark.slow
def test_what_has_ended_is_freed():
    kept = []

    class Kept(MLP):
        def __init__(self, n_features, n_outputs):
            super().__init__(n_features, n_outputs)
            kept.append(weakref.ref(self))

    def fit_and_score(lr):
        return TorchClassifier(Kept, epochs=1, lr=lr).fit(X, y).score(X, y)

    with fused(max_models=2):
        scores = Parallel(return_as="generator")(delayed(fit_and_score)(lr) for lr in RATES * 4)
        for n_done, _ in enumerate(scores, start=1):
            gc.collect()
            # Two that wait, and no more than those begun; 3 networks are made for each fit.
            assert sum(ref() is not None for ref in kept) <= 2, n_done
            assert len(tasks()) <= 2
    assert len(kept) >= 12


def test_results_are_freed_as_they_are_let_go():
    with fused():
        fitted = Parallel(return_as="generator")(
            delayed(clone(CLASSIFIER).set_params(lr=lr).fit)(X, y) for lr in RATES
        )
        networks = []
        for clf in fitted:
            networks.append(weakref.ref(clf.module_))
            del clf
        gc.collect()
        assert [network() for network in networks] == [None] * 3


@pytest.mark.slow
def test_memory_of_failed_fits_is_freed():
    kept = []

    class Breaking(MLP):
        def __init__(self, n_features, n_outputs):
            super().__init__(n_features, n_outputs)
            kept.append(weakref.ref(self))

    clf = TorchClassifier(Breaking, epochs=1, lr=1e300, optimizer="sgd")
    with fused(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(ValueError):  # all of them have failed
            cross_val_score(clf, X, y, error_score=0.0)
        gc.collect()
        assert all(ref() is None for ref in kept)


# What takes too long -----------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("return_as", ["list", "generator", "generator_unordered"])
def test_timeout_fires(return_as):
    ended = threading.Event()
    with fused():
        with pytest.raises(TimeoutError):
            list(Parallel(timeout=0.1, return_as=return_as)([delayed(ended.wait)(HANG)]))
        assert fits() == LOSSES
        ended.set()
    assert no_task_is_left()


def test_timeout_is_not_promised_in_a_task():
    def nested():
        return fits(timeout=1e-9)

    with fused(), pytest.warns(UserWarning, match="TaskBackend.* does not support timeout"):
        assert Parallel()([delayed(nested)()]) == [LOSSES]


class Slow(ClassifierMixin, BaseEstimator):
    """Its fit goes on for long after the user has pressed Ctrl-C, and then wants a network."""

    released, outcomes = threading.Event(), []

    def fit(self, X, y):
        self.released.clear()
        os.kill(os.getpid(), signal.SIGINT)
        self.released.wait(HANG)
        try:
            clone(CLASSIFIER).fit(X, y)
        except BaseException as error:
            self.outcomes.append(type(error))
            raise
        return self


@pytest.mark.slow
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_an_interrupt_waits_for_nobody(ctrl_c, depth):
    Slow.outcomes.clear()
    estimator = Slow()
    for _ in range(depth - 1):
        estimator = GridSearchCV(estimator, {}, cv=2)
    with fused() as run:
        with pytest.raises(KeyboardInterrupt):
            cross_val_score(estimator, X, y, cv=2)
        while len(tasks()) > 1:  # those that were paused are ending
            time.sleep(0.01)
        (running,) = tasks()
        assert running.daemon
        assert fits() == LOSSES  # while it still runs
        n_trained = sum(run.batches)
        Slow.released.set()
        running.join(HANG)
        assert Slow.outcomes == [Abandoned]
        assert sum(run.batches) == n_trained
        assert fits() == LOSSES
    assert no_task_is_left()


def test_an_interrupt_beside_an_open_generator(ctrl_c):
    with fused():
        losses = fits(return_as="generator")
        first = next(losses)
        with pytest.raises(KeyboardInterrupt):
            cross_val_score(Slow(), X, y, cv=2)
        assert [first, *losses] == LOSSES
        Slow.released.set()
        assert no_task_is_left()


@pytest.mark.slow
def test_an_interrupt_raised_in_a_task():
    def interrupt():
        raise KeyboardInterrupt

    with fused():
        with pytest.raises(KeyboardInterrupt):
            Parallel()([delayed(fit)(0.01), delayed(interrupt)(), delayed(fit)(0.02)])
        assert no_task_is_left()
        assert fits() == LOSSES


def test_a_fit_that_stops_every_exception_is_not_waited_for_for_ever():
    ended = threading.Event()

    def stubborn():
        try:
            fit(0.01)
        except BaseException:
            ended.wait(HANG)

    def fail():
        raise ValueError("mine")

    with fused():
        with pytest.raises(ValueError, match="mine"):
            Parallel()([delayed(fail)(), delayed(stubborn)()])
        with pytest.raises(ValueError, match="mine"):
            Parallel()([delayed(Parallel())([delayed(stubborn)(), delayed(fail)()])])
        assert fits() == LOSSES
        ended.set()
    for task in tasks():
        task.join(HANG)


# Who fails ---------------------------------------------------------------------------------


class Broken:
    """A stderr whose other end is gone."""

    def write(self, text):
        raise BrokenPipeError("stderr is gone")

    def flush(self):
        pass


@pytest.mark.parametrize("nested", [False, True])
def test_a_broken_stderr_is_an_error_and_no_hang(monkeypatch, nested):
    def call():
        return fits(verbose=11)

    with fused():
        with monkeypatch.context() as patch, pytest.raises(BrokenPipeError):
            patch.setattr(sys, "stderr", Broken())
            Parallel()([delayed(call)()]) if nested else call()
        assert fits() == LOSSES
    assert no_task_is_left()


@pytest.mark.slow
@pytest.mark.parametrize("return_as", ["list", "generator", "generator_unordered"])
@pytest.mark.parametrize(
    "n_good, pre_dispatch", [(0, "all"), (2, "all"), (2, 1), (5, "2 * n_jobs")]
)
@pytest.mark.parametrize("nested", [False, True])
def test_an_error_in_the_iterator_is_raised(return_as, n_good, pre_dispatch, nested):
    def calls():
        for _ in range(n_good):
            yield delayed(fit)(0.01)
        raise ZeroDivisionError("my own")

    def call():
        return list(Parallel(return_as=return_as, pre_dispatch=pre_dispatch)(calls()))

    with fused():
        with pytest.raises(ZeroDivisionError, match="my own"):
            Parallel()([delayed(call)()]) if nested else call()
        assert no_task_is_left()
        assert fits() == LOSSES


@pytest.mark.slow
@pytest.mark.parametrize("nested", [False, True])
def test_the_iterator_may_fit_networks_itself(nested):
    def calls(n):
        for _ in range(n):
            yield delayed(fit)(0.01 if fit(0.02) and fits() == LOSSES else 0.0)

    def call():
        return Parallel(pre_dispatch=2)(calls(4))

    with fused():
        found = Parallel()([delayed(call)()])[0] if nested else call()
    assert found == [LOSSES[0]] * 4


@pytest.mark.slow
def test_a_recipe_may_fit_a_network_itself():
    def pretrained(n_features, n_outputs):
        fit(0.01)
        cross_val_score(CLASSIFIER, X, y, cv=2)
        return MLP(n_features, n_outputs)

    clf = TorchClassifier(pretrained, epochs=2, random_state=0)
    plain = cross_val_score(clf, X, y, cv=3)
    with fused():
        assert (cross_val_score(clf, X, y, cv=3) == plain).all()


class Searching(Callback):
    """Runs a search of its own in each epoch."""

    def act(self, estimator, epoch):
        cross_val_score(CLASSIFIER, X, y, cv=2)


@pytest.mark.slow
def test_a_callback_may_run_a_search():
    clf = clone(CLASSIFIER).set_callbacks(Searching())
    plain = cross_val_score(clf, X, y, cv=3)
    with fused():
        assert (cross_val_score(clf, X, y, cv=3) == plain).all()


@pytest.mark.slow
def test_an_error_of_the_engine_belongs_to_its_fits(monkeypatch):
    def fail_once(jobs, batches, told):
        monkeypatch.undo()
        raise MemoryError("no room")

    plain = cross_val_score(CLASSIFIER, X, y)
    with fused(max_models=3), pytest.warns(FitFailedWarning, match="no room"):
        monkeypatch.setattr("helpers.fusing.scheduler.train_together", fail_once)
        scores = cross_val_score(CLASSIFIER, X, y, error_score=-1.0)
        np.testing.assert_array_equal(scores, [-1, -1, -1, *plain[3:]])
        monkeypatch.setattr("helpers.fusing.scheduler.train_together", fail_once)
        with pytest.raises(MemoryError, match="no room"):
            cross_val_score(CLASSIFIER, X, y, error_score="raise")
    assert no_task_is_left()


# How it is called --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"n_jobs": 1},
        {"n_jobs": 2},
        {"n_jobs": -1},
        {"prefer": "processes"},
        {"prefer": "threads"},
        {"require": "sharedmem"},
        {"pre_dispatch": "all"},
        {"pre_dispatch": "3 * n_jobs"},
        {"batch_size": 2},
        {"verbose": 1},
    ],
)
def test_options_of_joblib_change_nothing(options):
    with fused() as run:
        assert fits(**options) == LOSSES
    assert run.batches == [3]


@pytest.mark.slow
def test_options_that_make_fewer_wait():
    with fused() as run:
        assert fits(pre_dispatch=2) == LOSSES
    assert run.batches == [2, 1]
    with fused(max_models=1) as run:
        assert fits() == LOSSES
    assert run.batches == [1, 1, 1]
    with fused(), pytest.raises(ValueError, match="n_jobs == 0"):
        fits(n_jobs=0)


@pytest.mark.slow
def test_loky_can_be_asked_for():
    with fused() as run:
        assert fits(backend="loky", n_jobs=2) == LOSSES
    assert run.batches == []  # trained in other processes


@pytest.mark.slow
def test_a_parallel_is_used_again():
    parallel = Parallel()
    with fused():
        with Parallel() as managed:
            for _ in range(2):
                assert managed(delayed(fit)(lr) for lr in RATES) == LOSSES
            with pytest.raises(ZeroDivisionError):
                managed([delayed(fit)(0.01), delayed(divmod)(1, 0)])
            assert managed(delayed(fit)(lr) for lr in RATES) == LOSSES
        inside = Parallel()
        assert inside(delayed(fit)(lr) for lr in RATES) == LOSSES
    assert inside(delayed(fit)(lr) for lr in RATES) == LOSSES
    assert parallel(delayed(fit)(lr) for lr in RATES) == LOSSES


@pytest.mark.slow
def test_calls_as_deep_as_one_likes():
    def deep(level):
        return Parallel()(delayed(deep)(level - 1) for _ in range(2)) if level else fit(0.01)

    with fused() as run:
        assert np.ravel(deep(4)).tolist() == [LOSSES[0]] * 16
    assert run.batches == [16]


# What is left to joblib --------------------------------------------------------------------


class Wrapping(ClassifierMixin, BaseEstimator):
    """Trains a network of which its parameters say nothing."""

    def fit(self, X, y):
        self.clf_ = clone(CLASSIFIER).fit(X, y)
        self.classes_ = self.clf_.classes_
        return self

    def predict(self, X):
        return self.clf_.predict(X)


@pytest.mark.parametrize(
    "estimator, foreign",
    [
        (RandomForestClassifier(), False),
        (GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}), False),
        (make_pipeline(Nystroem(), LogisticRegression()), False),
        (make_pipeline(Nystroem(), CLASSIFIER), True),
        (GridSearchCV(make_pipeline(Nystroem(), LogisticRegression()), {"x": [CLASSIFIER]}), True),
        (GridSearchCV(LogisticRegression(), [{"x": [1]}, {"x": (Wrapping(),)}]), True),
        (Wrapping(), True),
    ],
)
def test_what_may_train_networks(estimator, foreign):
    assert holds_foreign(estimator) == foreign


def search_without_torch():
    return GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, n_jobs=2)


@pytest.mark.slow
@pytest.mark.parametrize(
    "step",
    [
        lambda: RandomForestClassifier(5, random_state=0).fit(X, y).predict_proba(X),
        lambda: RandomForestClassifier(5, random_state=0, n_jobs=2).fit(X, y).predict_proba(X),
        lambda: Nystroem(n_components=5, random_state=0).fit_transform(X),
        lambda: cross_val_score(LogisticRegression(), X, y),
        pytest.param(  # in processes of loky
            lambda: search_without_torch().fit(X, y).best_score_, marks=pytest.mark.slow
        ),
        lambda: effective_n_jobs(None),
        lambda: effective_n_jobs(2),
    ],
)
def test_steps_without_networks_are_left_to_joblib(monkeypatch, step):
    def refuse(*args):
        raise AssertionError("became a task, or was cut into many parts")

    plain = step()
    with fused():
        in_a_task = Parallel()([delayed(step)()])[0]
        monkeypatch.setattr(TaskBackend, "submit", refuse)
        np.testing.assert_array_equal(step(), plain)
    np.testing.assert_array_equal(in_a_task, plain)


@pytest.mark.slow
@pytest.mark.parametrize("wrapped", [CLASSIFIER, Wrapping(), make_pipeline(Nystroem(), Wrapping())])
def test_bagging_and_rfecv_are_fused(wrapped):
    with fused() as run:
        BaggingClassifier(wrapped, 4, random_state=0).fit(X, y)
    assert run.batches == [4]
    importance = "importance_getter"
    selection = RFECV(
        wrapped, cv=3, step=4, **{importance: lambda fitted: np.arange(fitted_width(fitted))}
    )
    with fused() as run:
        if not hasattr(wrapped, "steps"):
            selection.fit(X, y)
            assert run.batches[0] == 3


def fitted_width(estimator):
    return getattr(estimator, "clf_", estimator).n_features_in_
