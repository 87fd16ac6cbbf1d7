"""What the estimator says at its door: masked targets, rows twice in a split, huge numbers."""

import numpy as np
import pytest

from helpers import TorchClassifier, TorchRegressor

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
