"""Models that say how well columns predict: trees, which see gaps, sums and products."""

import warnings
from contextlib import contextmanager

import numpy as np
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler, scale

MOST_COLUMNS = 200
N_TREES = 10
FEWEST_SIZES = 10  # fewer that are not 0 are too few to learn a product from


@contextmanager
def quiet():
    """Fit and predict without warnings of rare classes or of columns without values."""
    with warnings.catch_warnings(), config_context(skip_parameter_validation=True):
        warnings.simplefilter("ignore")
        yield


def wrong_in(model, X, y, folds, classes):
    """Yield, fold by fold, the test rows and how `wrong` a model is in each."""
    for train, test in folds:
        known, predicted = y[train], y[train][0]
        if (known != predicted).any():  # else a classifier may refuse
            with quiet():
                predicted = model.fit(X[train], known).predict(X[test])
        yield test, wrong(predicted, y[test], classes)


def wrong(predicted, y, classes):
    """Return whether labels are wrong, or the squares of what values miss."""
    return predicted != y if classes else (np.asarray(predicted, float) - y.astype(float)) ** 2


def weights_of(model, n_columns):
    kept, last = model[0].kept_, model[-1]
    weights = np.zeros(n_columns)
    if hasattr(last, "feature_importances_"):
        weights[kept] = last.feature_importances_
    else:
        of_both = np.abs(np.atleast_2d(last.coef_)).max(axis=0)  # of columns, then of gaps
        weights[kept] = of_both[: len(kept)]
        with_gaps = kept[model["simpleimputer"].indicator_.features_]
        weights[with_gaps] = np.maximum(weights[with_gaps], of_both[len(kept) :])
    return weights


class MostCorrelated(TransformerMixin, BaseEstimator):
    """Keeps up to 200 columns, by the correlation of their values or gaps with the target."""

    def __init__(self, classes):
        self.classes = classes

    def fit(self, X, y):
        self.kept_ = np.arange(X.shape[1])
        if X.shape[1] > MOST_COLUMNS:
            targets = scale(np.eye(y.max() + 1)[y] if self.classes else y[:, None])
            filled = SimpleImputer(keep_empty_features=True).fit_transform(X)
            parts = filled, np.isnan(X).astype(float)
            strength = [np.abs(scale(part).T @ targets).max(axis=1) for part in parts]
            strength = np.max(strength, axis=0)
            self.kept_ = np.sort(np.argsort(-strength, kind="stable")[:MOST_COLUMNS])
        return self

    def transform(self, X):
        return X[:, self.kept_]


def models_of(classes, seed):
    forest = RandomForestClassifier if classes else RandomForestRegressor
    return (
        # Each tree sees all columns, so that one among many noisy ones is not passed over.
        make_pipeline(
            MostCorrelated(classes), forest(N_TREES, max_features=None, random_state=seed)
        ),
        _linear(MostCorrelated(classes), LogisticRegression() if classes else LinearRegression()),
    )


def _linear(*steps):
    gaps = SimpleImputer(strategy="median", keep_empty_features=True, add_indicator=True)
    *before, last = steps
    return make_pipeline(*before, gaps, StandardScaler(), last)


def _may_be_a_product(X, y):
    """Tell whether values have one sign, but for some that are 0, as price times quantity has.

    Where most are 0, as claims are, a factor must tell them: it is 0, or a gap, in these rows only.
    An offer that few have taken tells what they pay, and not whether they do.
    """
    sizes = np.abs(y[y != 0])
    if len(sizes) <= FEWEST_SIZES or abs(np.sign(y).sum()) < len(sizes):
        return False
    if 2 * len(sizes) <= len(y):
        is_none = (X == 0) | np.isnan(X)
        factors = ~is_none[y != 0].any(axis=0)
        if not is_none[y == 0][:, factors].any(axis=1).all():
            return False
    return bool(sizes.min() < sizes.max())


def model_of_products(X, y):
    """Return a model of products and ratios of columns, or None if values cannot be one.

    It is linear in the logarithms of columns.
    """
    if not _may_be_a_product(X, y):
        return None
    logarithms = FunctionTransformer(_logarithms)
    return _linear(MostCorrelated(False), logarithms, LinearRegression())


def _logarithms(X):
    """Return the logarithm of each size; that of 0 is a gap."""
    sizes = np.abs(X)
    return np.log(np.where(sizes > 0, sizes, np.nan))
