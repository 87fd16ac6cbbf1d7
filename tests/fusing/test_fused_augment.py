"""augment= under `fused()`: each network's own draws, of its own rows, as it has them alone."""

import random
import threading
import traceback
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.datasets import load_digits, make_classification
from sklearn.model_selection import GridSearchCV
from torch import nn

from helpers import TorchClassifier, TorchRegressor, fused
from helpers.fusing.functions import Watch

pytestmark = pytest.mark.slow  # some seconds, or many

X, y = make_classification(90, 5, n_informative=4, n_classes=3, n_redundant=0, random_state=0)
CLF = TorchClassifier(epochs=4, random_state=0, module__hidden=6)


def noisy(X):
    return X + 0.1 * torch.randn_like(X)


class Noise:
    """Noise of a strength, added in place; what it is shown is noted outside."""

    def __init__(self, strength):
        self.strength = strength

    def __call__(self, X):
        return X.add_(self.strength * torch.randn_like(X))


SHOWN = []


def noting(X):
    SHOWN.append(X.clone())
    return noisy(X)


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.module_.parameters()]).numpy()


# A stack of torch 2.6 adds up in another order than one network does: seen were 1.9e-12.
ROUNDING = 1e-11 if torch.__version__.startswith("2.6.") else 1e-12


def both_ways(models, rows=None):
    """Fit models alone and under `fused`; return those fitted there, the batches and warnings."""
    rows = rows or [slice(None)] * len(models)

    def fit(model, part):
        return clone(model).fit(X[part], y[part])

    def fit_all():
        return Parallel()(delayed(fit)(*one) for one in zip(models, rows, strict=True))

    alone = fit_all()
    with warnings.catch_warnings(record=True) as record, fused() as run:
        warnings.simplefilter("always")
        together = fit_all()
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(weights(other), weights(one), rtol=0, atol=ROUNDING)
        for of_one, of_other in zip(one.history_, other.history_, strict=True):
            assert of_one == pytest.approx(of_other, rel=1e-12)
    return together, run.batches, [str(warning.message) for warning in record]


def copies(model, **values):
    (name, several), *_ = values.items()
    return [clone(model).set_params(**{name: value}) for value in several]


@pytest.mark.parametrize("batch_size", [None, 16, 40])
@pytest.mark.parametrize(
    "seeds, parts",
    [
        ((0, 0, 0), [slice(0, 80)] * 3),
        ((0, 1, 2), [slice(0, 80)] * 3),
        ((0, 0, 1), [slice(0, 80), slice(0, 73), slice(5, 85)]),  # short ones are padded
        ((0, 0, 0), [slice(0, 74), slice(0, 80), slice(0, 76)]),
    ],
)
def test_each_network_has_its_own_draws_and_true_rows(batch_size, seeds, parts):
    for options in ({}, {"patience": 2}, {"module__dropout": 0.3}):
        clf = clone(CLF).set_params(augment=noisy, batch_size=batch_size, **options)
        _, batches, told = both_ways(copies(clf, random_state=seeds), parts)
        assert batches == [3]
        assert not told


def test_a_search_of_all_that_an_augmentation_meets():
    clf = clone(CLF).set_params(augment=noisy, optimizer="adamw")
    grid = {
        "augment": [None, noisy, Noise(0.1), Noise(0.3)],
        "lr": [0.01, 0.1],
        "epochs": [2, 4],
        "batch_size": [None, 32],
        "patience": [None, 2],
    }
    search = GridSearchCV(clf, grid, cv=3, scoring="neg_log_loss", refit=False)
    plain = search.fit(X, y).cv_results_["mean_test_score"]
    with fused() as run:
        found = search.fit(X, y).cv_results_["mean_test_score"]
    np.testing.assert_allclose(found, plain, rtol=0, atol=1e-12)
    assert sum(run.batches) == 192 and min(run.batches) == 12


def test_rows_are_augmented_once_for_those_that_share_them():
    for seeds, n_calls in (((0, 0, 0, 0), 1), ((0, 1, 0, 1), 2)):
        SHOWN.clear()
        with fused() as run:
            fits = copies(clone(CLF).set_params(augment=noting, batch_size=30), random_state=seeds)
            fits = [clf.set_params(lr=0.01 * i) for i, clf in enumerate(fits)]
            Parallel()(delayed(clf.fit)(X, y) for clf in fits)
        assert run.batches == [4]
        assert len(SHOWN) == n_calls * (4 * 3 + 1)  # of each epoch three steps, the first one twice


@pytest.mark.parametrize("batch_size", [None, 25])
def test_no_other_row_is_shown(batch_size):
    SHOWN.clear()
    rows = [slice(0, 60), slice(10, 68)]
    clf = clone(CLF).set_params(augment=noting, batch_size=batch_size, patience=3)
    with fused() as run:
        fits = copies(clf, random_state=(0, 1))
        fitted = Parallel()(
            delayed(one.fit)(X[part], y[part]) for one, part in zip(fits, rows, strict=True)
        )
    assert run.batches == [2]
    shown = [tuple(row) for step in SHOWN for row in step.tolist()]
    n_rows = 54 + 52  # a tenth of each is watched
    assert len(set(shown)) <= n_rows
    counts = [len(step) for step in SHOWN]
    size = batch_size or 60
    n_first = [min(size, 54), min(size, 52)]
    epochs = sum(clf.n_epochs_ * n for clf, n in zip(fitted, (54, 52), strict=True))
    assert sum(counts) == epochs + sum(n_first)


def test_networks_that_convolve_and_normalise():
    def convolving(n_features, n_outputs):
        return nn.Sequential(
            *(
                nn.Unflatten(1, (1, 8, 8)),
                nn.Conv2d(1, 4, 3, bias=False),
                nn.BatchNorm2d(4),
                nn.ReLU(),
            ),
            *(nn.Flatten(), nn.Linear(144, n_outputs)),
        )

    def shifted(X):
        return X.view(-1, 8, 8).roll(int(torch.randint(-1, 2, ())), -1).flatten(1)

    digits, labels = (array[:200] for array in load_digits(return_X_y=True))
    clf = TorchClassifier(convolving, epochs=3, batch_size=64, augment=shifted, random_state=0)
    search = GridSearchCV(clf, {"lr": [0.001, 0.01]}, cv=3, scoring="neg_log_loss", refit=False)
    plain = search.fit(digits / 16, labels).cv_results_["mean_test_score"]
    with fused() as run:
        found = search.fit(digits / 16, labels).cv_results_["mean_test_score"]
    np.testing.assert_allclose(found, plain, rtol=0, atol=1e-12)
    assert run.batches == [6]


def test_partial_fit_and_regressors():
    reg = TorchRegressor(augment=noisy, batch_size=20, random_state=0)
    fits = copies(reg, lr=(0.01, 0.02))
    for one in fits:
        for _ in range(3):
            one.partial_fit(X, y)

    def train(one):
        for _ in range(3):
            one.partial_fit(X, y)
        return one

    with fused() as run:
        together = Parallel()(delayed(train)(clone(one)) for one in fits)
    assert run.batches == [2, 2, 2]
    for one, other in zip(fits, together, strict=True):
        np.testing.assert_allclose(weights(other), weights(one), rtol=0, atol=1e-12)


def test_equal_content_is_one_stack_and_other_content_is_not():
    _, batches, told = both_ways([clone(CLF).set_params(augment=Noise(0.1)) for _ in range(3)])
    assert batches == [3]
    strengths = [lambda X, s=s: X + s * torch.rand_like(X) for s in (0.1, 0.1, 0.5, 0.5)]
    _, batches, told = both_ways(copies(CLF, augment=strengths))
    assert batches == [2, 2]
    assert not told


def test_one_that_cannot_be_compared_is_alone():
    class Locked(Noise):
        lock = property(lambda self: self.locks[0])

        def __deepcopy__(self, memo):
            return self

    locked = Locked(0.1)
    locked.locks = [threading.Lock()]
    _, batches, told = both_ways([clone(CLF).set_params(augment=locked) for _ in range(2)])
    assert batches == [1, 1]
    assert "its augment cannot be compared with that of another fit (TypeError" in told[0]
    assert len(told) == 1


def failing(X):
    return X / {}["no such key"]


def late(X):
    return X if len(X) > 20 else X[:1]


def random_of_numpy(X):
    return X + float(np.random.random())


@pytest.mark.parametrize(
    "augment, kind, words",
    [
        (failing, KeyError, "no such key"),
        (late, ValueError, r"shape \(10, 5\) and torch.float64"),
        (random_of_numpy, ValueError, "draws from numpy"),
    ],
)
def test_an_error_reaches_each_task_as_it_is(augment, kind, words):
    fits = copies(clone(CLF).set_params(batch_size=40), augment=(augment, noisy, augment))

    def fit(clf):
        try:
            return clf.fit(X, y)
        except Exception as error:
            return error

    with warnings.catch_warnings(), fused():
        warnings.simplefilter("ignore")
        first, fitted, last = Parallel()(delayed(fit)(clf) for clf in fits)
    np.testing.assert_array_equal(weights(fitted), weights(clone(fits[1]).fit(X, y)))
    for error in (first, last):
        with pytest.raises(kind, match=words):
            raise error
    frames = [frame.name for frame in traceback.extract_tb(first.__traceback__)]
    assert augment is not failing or frames[-1] == "failing"


class Totals(list):
    n_calls = 0


def test_what_a_function_is_given_beforehand_is_put_back_in_place():
    def noisy(rng, total, totals, X):
        total += X.sum()
        totals.append(total)
        totals.n_calls += 1
        return X * rng.random()

    rng, total, totals = random.Random(0), torch.zeros(1), Totals()
    watch = Watch(partial(noisy, rng, total, totals))
    watch.function(torch.ones(2))
    assert watch.changed()
    watch.restore()
    assert total.item() == totals.n_calls == len(totals) == 0
    assert rng.random() == random.Random(0).random()
