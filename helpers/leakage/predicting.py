"""Models that say how well columns predict: trees, which see gaps, sums and products."""

import warnings
from contextlib import contextmanager

import numpy as np
from sklearn import config_context
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import FunctionTransformer, StandardScaler, scale
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

MOST_COLUMNS = 200
N_TREES = 10


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
    kept, last = model.steps[0].kept_, model.steps[-1]
    weights = np.zeros(n_columns)
    if isinstance(last, Forest):
        weights[kept] = last.weights()
    else:
        of_both = np.abs(np.atleast_2d(last.coef_)).max(axis=0)  # of columns, then of gaps
        weights[kept] = of_both[: len(kept)]
        with_gaps = kept[model.steps[-3].indicator_.features_]
        weights[with_gaps] = np.maximum(weights[with_gaps], of_both[len(kept) :])
    return weights


class Chain:
    """Steps, one after the other. For small tables a Pipeline's checks take longer than fits."""

    def __init__(self, *steps):
        self.steps = steps

    def fit(self, X, y):
        *before, last = self.steps
        for step in before:
            X = step.fit(X, y).transform(X)
        last.fit(X, y)
        return self

    def predict(self, X):
        *before, last = self.steps
        for step in before:
            X = step.transform(X)
        return last.predict(X)


class Forest:
    """The trees of scikit-learn's random forests, each of which sees all columns.

    They are drawn and say the same; a forest clones and checks each one, which takes longer than to
    grow it.
    """

    def __init__(self, classes, seed):
        self.classes, self.seed = classes, seed

    def fit(self, X, y):
        X, draw = X.astype(np.float32), np.random.RandomState(self.seed)
        with np.errstate(over="ignore"):
            has_gaps = not np.isfinite(X.sum())  # or values too large, which are refused
        kind = DecisionTreeClassifier if self.classes else DecisionTreeRegressor
        self.trees_, n = [], len(X)
        for _ in range(N_TREES):
            seed = draw.randint(np.iinfo(np.int32).max)
            times = np.bincount(np.random.RandomState(seed).randint(0, n, n), minlength=n)
            tree = kind(random_state=seed).fit(X, y, times, check_input=has_gaps)
            self.trees_.append(tree)

    def predict(self, X):
        X = X.astype(np.float32)
        if not self.classes:
            return sum(tree.predict(X, check_input=False) for tree in self.trees_) / N_TREES
        shares = sum(tree.predict_proba(X, check_input=False) for tree in self.trees_) / N_TREES
        return self.trees_[0].classes_[shares.argmax(axis=1)]

    def weights(self):
        grown = [tree for tree in self.trees_ if tree.get_n_leaves() > 1]
        if not grown:
            return 0.0
        weights = np.mean([tree.feature_importances_ for tree in grown], axis=0)
        return weights / weights.sum()


class MostCorrelated:
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
    linear = LogisticRegression() if classes else LinearRegression()
    return (
        Chain(MostCorrelated(classes), Forest(classes, seed)),
        _linear(MostCorrelated(classes), linear),
    )


def _linear(*steps):
    gaps = SimpleImputer(strategy="median", keep_empty_features=True, add_indicator=True)
    *before, last = steps
    return Chain(*before, gaps, StandardScaler(), last)


def may_be_a_product(y):
    """Tell whether values have one sign, but for some that are 0, as price times quantity has."""
    sizes = np.abs(y[y != 0])
    of_one_sign = abs(np.sign(y).sum()) == len(sizes)
    return of_one_sign and len(sizes) > max(10, len(y) / 2) and sizes.min() < sizes.max()


def model_of_products():
    """Return a model of products and ratios of columns: it is linear in their logarithms."""
    logarithms = FunctionTransformer(_logarithms)
    return _linear(MostCorrelated(False), logarithms, LinearRegression())


def _logarithms(X):
    """Return the logarithm of each size; that of 0 is a gap."""
    sizes = np.abs(X)
    return np.log(np.where(sizes > 0, sizes, np.nan))
