"""How well some columns of a table predict: by trees, which see gaps, by sums and by products."""

import warnings

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler, scale

MOST_ROWS, MOST_COLUMNS = 1000, 200
N_TREES = 10
MOST_COMBINATIONS = 20  # of values, that tell the value of another column
# For classes and for values: of the error of guessing, and how many times less than the others.
NEARLY = {True: (0.06, 10), False: (0.01, 50)}


class Table:
    """Some columns, and how well they predict.

    Attributes
    ----------
    n_columns : int
    y : ndarray
    guessing : float
        The error of the best guess without columns: a share of rows, or 1 of R2.
    """

    def __init__(self, X, y, classes, random_state):
        rows = np.sort(np.random.RandomState(random_state).permutation(len(X))[:MOST_ROWS])
        self.X, self.y, self.classes, self.errors = X[rows], y[rows], classes, {}
        if classes:
            self.y, counts = np.unique(self.y, return_inverse=True, return_counts=True)[1:]
            self.guessing = 1 - counts.max() / len(self.y)
            n_folds = max(2, min(5, counts.min()))
            self.folds = StratifiedKFold(n_folds, shuffle=True, random_state=random_state)
        else:
            self.y, self.guessing = self.y.astype(float), 1.0
            self.folds = KFold(5, shuffle=True, random_state=random_state)
        self.n_columns = X.shape[1]
        self.one_row = 1 / len(self.y) if classes else 0.0
        self.models = _models(classes, random_state)
        if not classes and (self.y > 0).all():  # it may be a product, as price times quantity is
            self.models.append(_products())

    def limit(self, size, of_others=1.0):
        """Return the error up to which so many columns are nearly perfect, beside the others."""
        least, times = NEARLY[self.classes]
        return min(least, of_others / times) / size**1.5

    def error(self, columns):
        """Return the error as a share of guessing's; of classes, with one more row wrong."""
        return min((min(self.errors_of(columns)) + self.one_row) / self.guessing, 1.0)

    def score(self, columns):
        """Return the accuracy or R2 of the better model."""
        return 1 - min(self.errors_of(columns))

    def follows(self, column, others):
        """Say whether few values of others tell a column, as those of dummies tell the last."""
        rows = np.nan_to_num(self.X[:, others], nan=np.inf)
        numbers = np.unique(rows, axis=0, return_inverse=True)[1].ravel()
        values = np.unique(self.X[:, column], return_inverse=True)[1]
        n_pairs = len(np.unique(np.column_stack([numbers, values]), axis=0))
        return bool(values.any()) and n_pairs == numbers.max() + 1 <= MOST_COMBINATIONS

    def wrong_by_halves(self, columns):
        """Return two masks of rows: those that a linear model of every other column gets wrong."""
        halves = (sorted(columns[first::2]) for first in (0, 1))
        return [self._predicted(self.models[1], half) != self.y for half in halves]

    def errors_of(self, columns):
        """Return the share of wrong labels, or 1 - R2, of each model."""
        key = tuple(columns)
        if key not in self.errors:
            self.errors[key] = [self._error(model, list(columns)) for model in self.models]
        return self.errors[key]

    def _predicted(self, model, columns):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of rare classes, of columns without values
            return cross_val_predict(model, self.X[:, columns], self.y, cv=self.folds)

    def _error(self, model, columns):
        predicted = self._predicted(model, columns)
        if self.classes:
            return float((predicted != self.y).mean())
        return float(np.mean((predicted - self.y) ** 2) / self.y.var())


def ranked(table, columns):
    """Return columns by their weight in the better model, the weightiest first."""
    model = table.models[int(np.argmin(table.errors_of(columns)))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(table.X[:, columns], table.y)
    kept, last = model[0].kept_, model[-1]
    weights = np.zeros(len(columns))
    if hasattr(last, "feature_importances_"):
        weights[kept] = last.feature_importances_
    else:
        coefficients = getattr(last, "regressor_", last).coef_
        of_both = np.abs(np.atleast_2d(coefficients)).max(axis=0)  # of columns, then of gaps
        weights[kept] = of_both[: len(kept)]
        with_gaps = kept[model[-3].indicator_.features_]
        weights[with_gaps] = np.maximum(weights[with_gaps], of_both[len(kept) :])
    return [columns[i] for i in np.argsort(-weights, kind="stable")]


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


def _models(classes, seed):
    forest = RandomForestClassifier if classes else RandomForestRegressor
    return [
        # Each tree sees all columns, so that one among many noisy ones is not passed over.
        make_pipeline(
            MostCorrelated(classes), forest(N_TREES, max_features=None, random_state=seed)
        ),
        _linear(MostCorrelated(classes), LogisticRegression() if classes else LinearRegression()),
    ]


def _linear(*steps):
    gaps = SimpleImputer(strategy="median", keep_empty_features=True, add_indicator=True)
    *before, last = steps
    return make_pipeline(*before, gaps, StandardScaler(), last)


def _products():
    """Return a model of products and ratios of columns: it is linear in their logarithms."""
    target = TransformedTargetRegressor(LinearRegression(), func=np.log, inverse_func=np.exp)
    return _linear(MostCorrelated(False), FunctionTransformer(_logarithms), target)


def _logarithms(X):
    """Return the logarithm of each size; that of 0 is a gap."""
    sizes = np.abs(X)
    return np.log(np.where(sizes > 0, sizes, np.nan))
