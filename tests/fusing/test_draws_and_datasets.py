"""Draws, settings and Datasets that belong to one process, thread or fit."""

import threading
import warnings

import numpy as np
import pytest
import sklearn
import torch
from joblib import Parallel, delayed
from sklearn.datasets import make_classification

from helpers import TorchClassifier, fused, rows_of
from helpers.fusing import parts

pytestmark = pytest.mark.slow

X, y = make_classification(60, 4, random_state=0)
CLASSIFIER = TorchClassifier(epochs=2, random_state=0, module__hidden=4)


def in_a_loop(function, n=3):
    return Parallel()(delayed(function)() for _ in range(n))


def same_as_plain(function):
    """Call a function in the plain loop and under `fused`; a warning is an error."""
    np.random.seed(1)
    torch.manual_seed(1)
    plain = in_a_loop(function)
    np.random.seed(1)
    torch.manual_seed(1)
    with warnings.catch_warnings(), fused() as run:
        warnings.simplefilter("error")
        found = in_a_loop(function)
    assert run.batches == [3]
    return plain, found


# The process -------------------------------------------------------------------------------------


def seeded_before():
    np.random.seed(0)
    torch.manual_seed(0)
    CLASSIFIER.fit(X, y)
    return np.random.rand(), torch.rand(1).item()


def drawn_before():
    numbers = np.random.rand(), torch.rand(1).item()
    CLASSIFIER.fit(X, y)
    return numbers


def noise_drawn_before():
    numbers = np.random.normal(size=100_000).sum(), torch.rand(300_000).sum().item()
    CLASSIFIER.fit(X, y)
    return numbers


def drawn_after():
    CLASSIFIER.fit(X, y)
    return np.random.rand(), torch.rand(1).item()


DRAWING = [seeded_before, drawn_before, noise_drawn_before, drawn_after]


@pytest.mark.parametrize("function", DRAWING)
def test_draws_are_those_of_the_plain_loop(function):
    plain, found = same_as_plain(function)
    assert found == plain


def test_draws_in_another_order_are_told():
    def both():
        return np.random.rand(), CLASSIFIER.fit(X, y), np.random.rand()

    with fused(), pytest.warns(UserWarning, match="draws from numpy's global generator before"):
        in_a_loop(both)


def test_a_default_dtype_is_that_of_its_task():
    def double():
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            CLASSIFIER.fit(X, y)
            return torch.zeros(1).dtype
        finally:
            torch.set_default_dtype(before)

    plain, found = same_as_plain(double)
    assert found == plain and torch.get_default_dtype() == torch.float32


def test_scikit_learns_settings_are_those_of_the_caller():
    def setting():
        return CLASSIFIER.fit(X, y) and sklearn.get_config()["transform_output"]

    with sklearn.config_context(transform_output="pandas"):
        plain, found = same_as_plain(setting)
    assert found == plain == ["pandas"] * 3


# Datasets ----------------------------------------------------------------------------------------


class Centred(torch.utils.data.Dataset):
    mean = 0.0

    def __len__(self):
        return len(X)

    def __getitem__(self, i):
        return X[i] - self.mean


class Seeded(Centred):
    def __getitem__(self, i):
        torch.manual_seed(i)
        np.random.seed(i)
        return X[i] + 0.1 * torch.randn(4).numpy()


@pytest.mark.slow
def test_a_dataset_seeds_no_fit():
    clf = TorchClassifier(epochs=3, batch_size=16, module__dropout=0.5, random_state=0)
    rows = rows_of(Seeded())
    plain, found = same_as_plain(lambda: clf.fit(rows, y).predict_proba(X))
    np.testing.assert_allclose(found, plain, atol=1e-5)
    before = np.random.get_state()[2], torch.get_rng_state()
    clf.fit(rows, y)
    assert np.random.get_state()[2] == before[0] and torch.equal(torch.get_rng_state(), before[1])


def test_a_dataset_that_another_fit_has_set_is_an_error():
    dataset, means = Centred(), iter([0.0, 1.0])
    rows = rows_of(dataset)

    def fit():
        dataset.mean = next(means)
        return CLASSIFIER.fit(rows, y)

    with fused(), pytest.raises(ValueError, match="The Centred that a fit trains on, or its y"):
        in_a_loop(fit, 2)


def test_a_dataset_is_read_by_one_thread(monkeypatch):
    kinds = set()  # tasks, one at a time, read some rows to compare them

    class Watched(Centred):
        def __getitem__(self, i):
            kinds.add(type(threading.current_thread()))
            return X[i]

    rows = rows_of(Watched())
    monkeypatch.setattr(parts, "cpu_count", lambda: 2)
    monkeypatch.setattr(parts.Pace, "note", lambda pace, wall, cpu: pace.places)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    clf = TorchClassifier(epochs=3, batch_size=16, module__hidden=4, random_state=0)
    fits = [TorchClassifier(**clf.get_params()).set_params(lr=0.001 * i) for i in range(1, 65)]
    with fused() as run:
        Parallel()(delayed(fit.fit)(rows, y) for fit in fits)
    assert run.batches == [64]
    assert kinds and threading.Thread not in kinds


# What acts late ----------------------------------------------------------------------------------


class CountsWholeBatches(torch.nn.Linear):
    done = 0

    def forward(self, X):
        if self.training and len(X) == 16:
            self.done += 1
        return super().forward(X) / max(0.2, 1 - 0.2 * (self.done // 4))


def alone_as_plain(clf, reason, before=lambda: None):
    def scores():
        before()
        return in_a_loop(lambda: clf.fit(X, y).predict_proba(X), 2)

    plain = scores()
    with fused() as run, pytest.warns(UserWarning, match=reason):
        found = scores()
    np.testing.assert_array_equal(found, plain)
    assert set(run.batches) == {1}


def test_what_is_kept_for_whole_batches_is_seen():
    clf = TorchClassifier(CountsWholeBatches, batch_size=16, epochs=8, random_state=0)
    alone_as_plain(clf, "it keeps `done` between batches")


class Counter:
    def __init__(self):
        self.lock, self.n = threading.Lock(), 0


COUNTER = Counter()


class CountsBesideALock(torch.nn.Linear):
    def forward(self, X):
        COUNTER.n += self.training
        return super().forward(X) * (1 + COUNTER.n // 40)


def reset():
    COUNTER.n = 0


def test_a_counter_beside_a_lock_is_seen():
    clf = TorchClassifier(CountsBesideALock, batch_size=16, epochs=8, random_state=0)
    alone_as_plain(clf, "a variable outside of it, between batches", reset)
