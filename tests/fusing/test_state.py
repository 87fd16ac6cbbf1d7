"""Nothing that a user has set for the whole process changes a fit, and no fit changes that."""

import functools
import os
import signal
import threading
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import make_classification
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import cross_val_score
from torch import nn

from helpers import TorchClassifier, fused, refit
from helpers.global_state import private_rng, seeded_globally
from tests.fusing import HANG, Callback

X, y = make_classification(60, 5, random_state=0)
CLASSIFIER = TorchClassifier(
    epochs=3, batch_size=16, random_state=0, module__hidden=4, module__dropout=0.5
)
CPU = torch.device("cpu")


class Making(nn.Module):
    """Makes tensors of its own, as a recurrent network makes its first state."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.linear = nn.Linear(n_features, n_outputs)

    def forward(self, X):
        return self.linear(X) + torch.zeros(1)


def set_dtype():
    torch.set_default_dtype(torch.float64)


def set_device():
    torch.set_default_device("meta")


def set_nothing():
    pass


def context(block):
    return set_nothing, block


SETTINGS = {
    "default dtype": (set_dtype, nullcontext),
    "default device": (set_device, nullcontext),
    "device context": context(lambda: torch.device("meta")),
    "autocast": context(lambda: torch.autocast("cpu", dtype=torch.bfloat16)),
    "no_grad": context(torch.no_grad),
    "inference_mode": context(torch.inference_mode),
    "enable_grad": context(torch.enable_grad),
    "deterministic": (lambda: torch.use_deterministic_algorithms(True), nullcontext),
    "anomaly": context(torch.autograd.detect_anomaly),
    "saved on cpu": context(torch.autograd.graph.save_on_cpu),
}


@pytest.fixture
def torch_put_back():
    yield
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)
    torch.use_deterministic_algorithms(False)


def state_of_torch():
    return (
        *(torch.get_default_dtype(), torch.empty(0).device, torch.is_grad_enabled()),
        *(torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu")),
        *(torch.are_deterministic_algorithms_enabled(), torch.is_anomaly_enabled()),
    )


def probabilities(clf, X):
    fitted = clone(clf).fit(X, y)
    for parameter in fitted.module_.parameters():
        assert parameter.requires_grad and not parameter.is_inference()
    once_more = clone(clf).fit(X, y).partial_fit(X, y)
    return np.hstack([fitted.predict_proba(X), once_more.predict_proba(X)])


def fit_twice(clf, dtype, block):
    with block():
        return Parallel()(delayed(probabilities)(clf, X.astype(dtype)) for _ in range(2))


fitted_undisturbed = functools.cache(fit_twice)  # for all settings at once


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Anomaly Detection")
@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("clf", [CLASSIFIER, TorchClassifier(Making, epochs=3, random_state=0)])
@pytest.mark.parametrize("block", [nullcontext, fused])
def test_settings_of_a_user_change_nothing(torch_put_back, setting, dtype, clf, block):
    expected = fitted_undisturbed(clf, dtype, block)
    set_it, surrounding = SETTINGS[setting]
    set_it()
    with surrounding():
        before = state_of_torch()
        found = fit_twice(clf, dtype, block)
        assert state_of_torch() == before
    np.testing.assert_array_equal(found, expected)
    assert found[0].dtype == dtype


def test_a_setting_survives_an_error(torch_put_back):
    torch.set_default_dtype(torch.float64)
    generator = torch.get_rng_state()
    with pytest.raises(ValueError, match="diverged"):
        clone(CLASSIFIER).set_params(lr=1e300, optimizer="sgd").fit(X, y)
    assert torch.get_default_dtype() == torch.float64
    assert torch.equal(torch.get_rng_state(), generator)


@pytest.mark.slow
def test_a_canary_waits_until_a_network_is_trained():
    """Here as events: one thread trains, a canary seeds the generator in the middle of it."""
    expected = clone(CLASSIFIER).fit(X, y).history_
    in_training, done = threading.Event(), threading.Event()

    def canary():
        in_training.wait(HANG)
        refit(SGDClassifier(random_state=0), X, y)
        done.set()

    class Beside(Callback):
        def act(self, estimator, epoch):
            if epoch == 1:
                in_training.set()
                # It must wait for us. An event that must not come can only be waited for so long.
                assert not done.wait(0.5)

    thread = threading.Thread(target=canary, daemon=True)
    thread.start()
    found = clone(CLASSIFIER).set_callbacks(Beside()).fit(X, y).history_
    thread.join(HANG)
    assert done.is_set()
    assert found == expected


@pytest.mark.slow
def test_a_canary_does_not_wait_for_itself():
    """What holds the generators while other threads fit would hang in both."""
    with fused():
        assert not refit(GridSearchLike(), X, y).leaked
    with seeded_globally(0):
        thread = threading.Thread(target=clone(CLASSIFIER).fit, args=(X, y), daemon=True)
        thread.start()
        thread.join(HANG)
        assert not thread.is_alive()


class GridSearchLike(ClassifierMixin, BaseEstimator):
    """Fits networks in other threads, as a search does."""

    def fit(self, X, y):
        self.scores_ = cross_val_score(CLASSIFIER, X, y, cv=2)
        self.clf_ = clone(CLASSIFIER).fit(X, y)
        self.classes_ = self.clf_.classes_
        return self

    def predict_proba(self, X):
        return self.clf_.predict_proba(X)


def test_generators_are_left_as_they_were():
    numpy_before, torch_before = np.random.get_state()[1].copy(), torch.get_rng_state()
    with seeded_globally(3):
        torch.manual_seed(3)
        expected = torch.rand(3)
    with seeded_globally(3):
        assert torch.equal(torch.rand(3), expected)
    refit(CLASSIFIER, X, y)
    assert np.array_equal(np.random.get_state()[1], numpy_before)
    assert torch.equal(torch.get_rng_state(), torch_before)


# Forked children ---------------------------------------------------------------------------

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def in_a_child(function, seconds=HANG):
    """Call a function in a forked child; return whether it returned True within some seconds."""
    if not (pid := os.fork()):
        code = 1
        try:
            # pytest-timeout answers this signal in Python, which waits until torch is done.
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(seconds)  # ends the child
            torch.set_num_threads(1)  # OpenMP's threads are not forked; torch's loaders do so too
            code = 0 if function() else 1
        finally:
            os._exit(code)
    try:
        return os.waitpid(pid, 0)[1] == 0
    except BaseException:  # it hangs so early that it has no alarm
        os.kill(pid, signal.SIGKILL)
        raise


PLAIN = clone(CLASSIFIER).set_params(module__dropout=0.0)  # no draws in training


def same_weights(clf=CLASSIFIER):
    return clone(clf).fit(X, y).history_ == HISTORY[clf]


def same_scores():
    return (cross_val_score(PLAIN, X, y) == SCORES).all()


def same_scores_in_a_block():
    with fused() as run:
        return same_scores() and run.batches == [5]


HISTORY = {clf: clone(clf).fit(X, y).history_ for clf in (CLASSIFIER, PLAIN)}
SCORES = cross_val_score(PLAIN, X, y)
IN_CHILDREN = [same_weights, same_scores, same_scores_in_a_block]


class Forking(ClassifierMixin, BaseEstimator):
    """Trains in a child, as a fit or a scorer does that uses multiprocessing."""

    def __init__(self, function=same_weights):
        self.function = function

    def fit(self, X, y):
        clone(CLASSIFIER).fit(X, y)  # pauses and goes on before it forks
        assert in_a_child(self.function)
        clone(CLASSIFIER).fit(X, y)
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.zeros(len(X), dtype=int)


@pytest.mark.slow
@needs_fork
@pytest.mark.parametrize("function", IN_CHILDREN)
def test_a_fork_in_a_task(function):
    with fused() as run:
        cross_val_score(Forking(function), X, y, cv=2, error_score="raise")
    assert run.batches == [2, 2]


def fit_one(seed):
    clone(PLAIN).set_params(random_state=seed).fit(X, y)
    return seed


@pytest.mark.slow
@needs_fork
@pytest.mark.parametrize("function", IN_CHILDREN)
def test_a_fork_beside_tasks(function):
    with fused():
        answers = Parallel(return_as="generator")(delayed(fit_one)(seed) for seed in range(3))
        first = next(answers)
        assert in_a_child(function)
        assert [first, *answers] == [0, 1, 2]


@pytest.mark.slow
@needs_fork
@pytest.mark.parametrize("function", IN_CHILDREN)
def test_a_fork_while_another_thread_trains(function):
    in_training, forked = threading.Event(), threading.Event()

    def train():
        with private_rng(CPU):
            torch.default_generator.manual_seed(123)
            torch.set_default_dtype(torch.float64)
            in_training.set()
            forked.wait(HANG)
            torch.set_default_dtype(torch.float32)

    before = torch.get_rng_state()
    thread = threading.Thread(target=train, daemon=True)
    thread.start()
    assert in_training.wait(HANG)

    def in_child():
        as_before = torch.equal(torch.get_rng_state(), before)
        return as_before and torch.get_default_dtype() == torch.float32 and function()

    try:
        assert in_a_child(in_child)
    finally:
        forked.set()
        thread.join(HANG)
    assert torch.equal(torch.get_rng_state(), before)


@needs_fork
def test_a_fork_within_training():
    """The child has what its parent had borrowed, and gives it back."""
    before = torch.get_rng_state()
    with private_rng(CPU):
        torch.default_generator.manual_seed(123)
        assert in_a_child(same_weights)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.slow
@needs_fork
def test_forks_while_dropout_is_drawn():
    """torch's generator has a lock of its own, which a child should not inherit.

    Without the wait for it, nine children of ten hang. With it, one in some thousand does.
    """
    stop = threading.Event()

    def draw():
        while not stop.is_set():
            torch.rand(10_000_000)  # holds the lock nearly always

    thread = threading.Thread(target=draw, daemon=True)
    thread.start()
    try:
        drew = [in_a_child(lambda: torch.rand(2).shape == (2,), seconds=60) for _ in range(8)]
        assert sum(drew) >= 4
    finally:
        stop.set()
        thread.join(HANG)
