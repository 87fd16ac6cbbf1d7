"""What the estimator says at its door: masked targets, rows twice in a split, huge numbers."""

import numpy as np
import pytest
from sklearn.model_selection import cross_val_predict

from helpers import TorchClassifier, TorchRegressor, fused

X, y = np.random.default_rng(0).normal(size=(60, 5)), np.arange(60) % 2
values = X[:, 0] - 2


def classifier(*args, **settings):
    return TorchClassifier(*args, **{"epochs": 3, "random_state": 0} | settings)


def regressor(*args, **settings):
    return TorchRegressor(*args, **{"epochs": 3, "random_state": 0} | settings)


# Targets and groups that are missing in part.

gaps = np.isin(np.arange(60), [7, 30])
MASKED = [
    lambda: classifier().fit(X, np.ma.array(y, mask=gaps)),
    lambda: classifier().fit(X, np.ma.array(y.astype(str), mask=gaps)),
    lambda: classifier().fit(X, np.ma.array(np.c_[y, y], mask=np.c_[0 * gaps, gaps])),
    lambda: regressor().fit(X, np.ma.array(values, mask=gaps)),
    lambda: regressor().partial_fit(X, np.ma.array(np.c_[y, y], mask=np.c_[gaps, gaps])),
    lambda: classifier(patience=1).fit(X, y, groups=np.ma.array(np.arange(60) // 6, mask=gaps)),
]


@pytest.mark.parametrize("ask", MASKED)
def test_values_under_a_mask_are_not_learned(ask):
    with pytest.raises(ValueError, match="^(y|groups) is a masked array.*the first in row 7"):
        ask()


def test_a_masked_array_without_gaps():
    given = regressor().fit(X, np.ma.array(values)).predict(X)
    np.testing.assert_array_equal(given, regressor().fit(X, values).predict(X))


# Rows that come twice in the part to train on, as in a bootstrap of as many rows as there are.


class OutOfBag:
    def split(self, X, y=None, groups=None):
        rows = np.random.default_rng(0).integers(0, len(X), len(X))
        yield rows, np.setdiff1d(np.arange(len(X)), rows)

    def get_n_splits(self, X=None, y=None, groups=None):
        return 1


@pytest.mark.parametrize("batch_size", [None, 7])
def test_a_bootstrap_does_not_train_on_the_rows_that_are_watched(batch_size):
    rows, watched = next(OutOfBag().split(X))
    moved = X.copy()
    moved[watched] += 100
    settings = {"patience": 9, "validation_fraction": OutOfBag(), "batch_size": batch_size}
    for make, target in ((classifier, y), (regressor, values)):
        first, second = (make(**settings).fit(rows, target) for rows in (X, moved))
        losses = [[row["train_loss"] for row in model.history_] for model in (first, second)]
        assert losses[0] == losses[1]
        assert first.history_ != second.history_
    once = classifier(epochs=1, lr=0.0, batch_size=batch_size).fit(X[rows], y[rows])
    twice = classifier(epochs=1, lr=0.0, **settings).fit(X, y)
    assert twice.history_[0]["train_loss"] == pytest.approx(once.history_[0]["train_loss"])


def test_a_bootstrap_under_fused_is_that_of_the_loop():
    model = classifier(patience=9, validation_fraction=OutOfBag())
    plain = cross_val_predict(model, X, y, method="predict_proba")
    with fused():
        given = cross_val_predict(model, X, y, method="predict_proba")
    np.testing.assert_allclose(given, plain, rtol=1e-6)
