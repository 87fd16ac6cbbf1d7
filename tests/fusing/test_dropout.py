"""Dropout under fused(): each network draws what it draws alone, whoever else is there."""

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, cross_val_predict
from torch import nn
from torch.nn import functional as F

from helpers import TorchClassifier, fused
from helpers.fusing import chance as chance_module
from helpers.fusing.chance import DROPOUTS, BatchedDropout, Chance
from helpers.jobs import Job
from helpers.training import dropout_seed

X, y = load_iris(return_X_y=True)
CLASSIFIER = TorchClassifier(
    epochs=4, batch_size=23, module__hidden=(8, 5), module__dropout=0.5, random_state=0
)
RATES = {"lr": [0.01, 0.03]}


def losses(rates, **options):
    """Return the cross-entropy of each candidate."""
    search = GridSearchCV(CLASSIFIER, {"lr": rates}, cv=4, scoring="neg_log_loss", refit=False)
    with fused(**options):
        return search.fit(X, y).cv_results_["mean_test_score"]


@pytest.mark.slow
def test_masks_do_not_depend_on_the_company():
    search = GridSearchCV(CLASSIFIER, {"lr": [0.01]}, cv=4, scoring="neg_log_loss", refit=False)
    plain = search.fit(X, y).cv_results_["mean_test_score"][0]
    for company in (losses([0.01]), losses([0.01, 0.03]), losses([0.01, 0.1], max_models=2)):
        assert company[0] == pytest.approx(plain, abs=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("cv", [5, 4])  # 150 rows: equal folds, unequal folds
@pytest.mark.parametrize("options", [{}, {"batch_size": None}, {"patience": 2}])
def test_predictions_are_those_of_the_loop(cv, options):
    clf = clone(CLASSIFIER).set_params(**options)
    plain = cross_val_predict(clf, X, y, cv=cv, method="predict_proba")
    with fused() as run:
        together = cross_val_predict(clf, X, y, cv=cv, method="predict_proba")
    assert run.batches == [cv]
    np.testing.assert_allclose(plain, together, rtol=0, atol=1e-10)


def fit(seed, lr, rows, calls):
    clf = clone(CLASSIFIER).set_params(random_state=seed, lr=lr)
    for _ in range(calls):
        clf.partial_fit(X[rows], y[rows], classes=[0, 1, 2])
    return clf.predict_proba(X) if calls else clf.fit(X[rows], y[rows]).predict_proba(X)


@pytest.mark.slow
@pytest.mark.parametrize("calls", [0, 2])
def test_networks_of_several_seeds_and_numbers_of_rows(calls):
    rng = np.random.default_rng(0)
    fits = [
        (seed, lr, rng.permutation(150)[:n], calls)
        for seed, lr, n in [(0, 0.01, 110), (0, 0.02, 110), (1, 0.01, 110), (2, 0.01, 111)]
    ]
    alone = [fit(*one) for one in fits]
    with fused() as run:
        together = Parallel()(delayed(fit)(*one) for one in fits)
    assert run.batches == [4] * max(calls, 1)
    np.testing.assert_allclose(alone, together, rtol=0, atol=1e-10)


def chance(n_rows, seeds):
    jobs = [
        Job(None, torch.zeros(n), None, torch.arange(n), None, None, 0, 0, 1, None, seed=seed)
        for n, seed in zip(n_rows, seeds, strict=True)
    ]
    drawn = Chance(jobs)
    drawn.begin_epoch(3)
    drawn.begin_step(torch.tensor(n_rows), max(n_rows))
    return drawn


SHAPES = {nn.Dropout1d: (4, 3), nn.Dropout2d: (4, 3, 2), nn.Dropout3d: (4, 3, 2, 2)}


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("kind", sorted(DROPOUTS, key=str))
def test_every_kind_of_dropout_is_torchs_own(kind, p):
    n_rows, seeds, layer = [6, 5, 6], [1, 1, 2], kind(p)
    batch = torch.randn(3, 6, *SHAPES.get(kind, (4,)), dtype=torch.float64)
    side_by_side = BatchedDropout(layer, {}, chance(n_rows, seeds))
    outputs = side_by_side(batch.movedim(1, -1)).movedim(-1, 1)
    for own, stacked, n, seed in zip(batch, outputs, n_rows, seeds, strict=True):
        with torch.random.fork_rng():
            torch.manual_seed(dropout_seed(seed, 3))
            torch.testing.assert_close(stacked[:n], layer(own[:n]), rtol=0, atol=1e-15)
    side_by_side.eval()
    assert side_by_side(batch) is batch


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("keep", [0.1, 0.5, 1 / 3])
@pytest.mark.parametrize("by_hand", [False, chance_module.bernoulli_compares()])
def test_masks_of_two_steps_are_torchs_own_in_both_ways_to_draw(monkeypatch, by_hand, keep, dtype):
    monkeypatch.setattr(chance_module, "bernoulli_compares", lambda: by_hand)
    drawn = chance([6, 5], [1, 2])
    steps = [drawn.masks((6, 7), keep, dtype) for _ in range(2)]
    for i, (n, seed) in enumerate([(6, 1), (5, 2)]):
        generator = torch.Generator().manual_seed(dropout_seed(seed, 3))
        for masks in steps:
            expected = torch.empty(n, 7, dtype=dtype).bernoulli_(keep, generator=generator)
            assert torch.equal(masks[i, :, :n], expected.T)


def test_equal_masks_are_drawn_once():
    same = chance([6, 6, 6], [1, 1, 1])
    assert same.masks((6, 4), 0.5, torch.float32).shape == (1, 4, 6)


def test_padding_where_rows_are_not_first_is_refused():
    with pytest.raises(RuntimeError, match="rows are not the first axis"):
        chance([6, 5], [1, 1]).masks((4, 6), 0.5, torch.float32)


class Noisy(nn.Module):
    """Draws in a way of its own."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.linear = nn.Linear(n_features, n_outputs)

    def forward(self, X):
        return self.linear(F.dropout(X, 0.3, self.training))


def test_a_network_that_draws_elsewhere_trains_alone():
    clf = TorchClassifier(Noisy, epochs=3, random_state=0)
    plain = cross_val_predict(clf, X, y, method="predict_proba")
    with fused() as run, pytest.warns(UserWarning, match="Noisy .* draws random numbers"):
        together = cross_val_predict(clf, X, y, method="predict_proba")
    assert run.batches == [1] * 5
    np.testing.assert_array_equal(plain, together)
