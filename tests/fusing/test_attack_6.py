"""Rows and codes that no network may see, code within torch's layers, and a loss that counts."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from torch import nn
from torch.nn import functional as F

from helpers import TorchClassifier, TorchRegressor, fused

DRAW = np.random.default_rng(0)


def cross_validated(clf, X, y, n_folds=4, **settings):
    """Return the scores of plain folds; nan where a fit fails."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(?s).*(fits failed|Scoring failed)")
        return cross_val_score(clf, X, y, cv=KFold(n_folds), error_score=np.nan, **settings)


# Rows that are left out --------------------------------------------------------------------------


def log_loss(outputs, y):
    return (outputs - y.log()).square()


@pytest.mark.parametrize(
    ("n_rows", "settings"), [(38, {}), (38, {"batch_size": 7}), (35, {"patience": 3})], ids=str
)
def test_padding_is_never_a_row_that_is_left_out(n_rows, settings):
    X = DRAW.normal(size=(n_rows, 3))
    y, weight = np.exp(X[:, 0]), np.ones(n_rows)
    y[0], weight[0] = 0, 0  # its loss is infinite, and 0 times infinity nan
    regressor = TorchRegressor(loss=log_loss, epochs=4, random_state=0, **settings)
    scoring = {"params": {"sample_weight": weight}, "scoring": "neg_median_absolute_error"}
    plain = cross_validated(regressor, X, y, **scoring)
    assert np.isfinite(plain).all()
    with fused() as run:
        found = cross_validated(regressor, X, y, **scoring)
    np.testing.assert_allclose(found, plain, rtol=0, atol=1e-10)
    assert run.batches == [4]
