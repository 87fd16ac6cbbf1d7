"""How well some columns of a table predict: by trees, which see gaps, by sums and by products."""

import warnings
from contextlib import contextmanager

import numpy as np
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler, scale

MOST_ROWS, MOST_COLUMNS = 1000, 200
N_TREES = 10
OF_PRODUCTS = 0.05  # the relative error of a product, but for rounding
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
    forest, linear, products : Pipeline
        The models; the last is None if the target cannot be a product.
    """

    def __init__(self, X, y, classes, random_state):
        rows = np.sort(np.random.RandomState(random_state).permutation(len(X))[:MOST_ROWS])
        self.X, self.y, self.classes = X[rows], y[rows], classes
        self.errors, self.orders = {}, {}
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
        self.forest, self.linear = _models(classes, random_state)
        self.products = None if classes or not _may_be_a_product(self.y) else _products()

    def limit(self, size, of_others=1.0):
        """Return the error up to which so many columns are nearly perfect, beside the others."""
        least, times = NEARLY[self.classes]
        return min(least, of_others / times) / size**1.5

    def error(self, columns):
        """Return the error as a share of guessing's; of classes, with one more row wrong."""
        return min(self._beside_guessing(min(self.errors_of(columns))), 1.0)

    def is_error_within(self, limit, columns):
        """Say whether `error` is at most a limit below 1; that it is not, few folds may tell."""
        return any(
            self._beside_guessing(self._error(number, columns, limit)) <= limit
            for number in range(len(self.models))
        )

    def _beside_guessing(self, error):
        return (error + self.one_row) / self.guessing

    def score(self, columns):
        """Return the accuracy or R2 of the best model."""
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
        wrong = np.zeros((2, len(self.y)), dtype=bool)
        for first, mask in enumerate(wrong):
            for test, predicted in self._predicted(self.linear, sorted(columns[first::2])):
                mask[test] = predicted != self.y[test]
        return wrong

    @property
    def models(self):
        return [model for model in (self.forest, self.linear, self.products) if model is not None]

    def given_to(self, model):
        """Return the rows and the target of a model: for products, logarithms of what is not 0."""
        if model is not self.products:
            return self.X, self.y
        rows = self.y != 0
        return self.X[rows], np.log(np.abs(self.y[rows]))

    def errors_of(self, columns):
        """Return the share of wrong labels, or 1 - R2, of each model."""
        return [self._error(number, columns) for number in range(len(self.models))]

    def _predicted(self, model, columns):
        """Yield, fold by fold, the test rows and what a model predicts for them."""
        X, y = self.given_to(model)
        X = X[:, columns]
        with quiet():
            folds = list(self.folds.split(X, y))
        for train, test in folds:
            with quiet():
                predicted = clone(model).fit(X[train], y[train]).predict(X[test])
            yield test, predicted

    def _error(self, number, columns, limit=np.inf):
        """Return the error of a model, or that of its first folds if they alone exceed a limit."""
        key, model = (number, *columns), self.models[number]
        if key in self.errors:
            return self.errors[key]
        y = self.given_to(model)[1]
        errors, unit = np.zeros(len(y)), 1.0 if self.classes else y.var()
        for test, predicted in self._predicted(model, columns):
            wrong = predicted != y[test] if self.classes else (predicted - y[test]) ** 2
            errors[test] = wrong
            if self._beside_guessing(errors.mean() / unit) > limit:
                return float(errors.mean() / unit)
        self.errors[key] = float(errors.mean() / unit)
        if model is self.products and errors.mean() > OF_PRODUCTS**2:
            self.errors[key] = 1.0  # it goes with them, as area with price, and is not made of them
        return self.errors[key]

    def ranked(self, columns):
        """Return columns by their weight in the best model, the weightiest first."""
        key = tuple(columns)
        if key not in self.orders:
            model = self.models[int(np.argmin(self.errors_of(columns)))]
            X, y = self.given_to(model)
            with quiet():
                weights = _weights(model.fit(X[:, columns], y), len(columns))
            self.orders[key] = [columns[i] for i in np.argsort(-weights, kind="stable")]
        return self.orders[key]


@contextmanager
def quiet():
    """Fit and predict without warnings of rare classes or of columns without values."""
    with warnings.catch_warnings(), config_context(skip_parameter_validation=True):
        warnings.simplefilter("ignore")
        yield


def _weights(model, n_columns):
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


def _models(classes, seed):
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


def _may_be_a_product(y):
    """Tell whether values have one sign, but for some that are 0, as price times quantity has."""
    sizes = np.abs(y[y != 0])
    of_one_sign = abs(np.sign(y).sum()) == len(sizes)
    return of_one_sign and len(sizes) > max(10, len(y) / 2) and sizes.min() < sizes.max()


def _products():
    """Return a model of products and ratios of columns: it is linear in their logarithms."""
    logarithms = FunctionTransformer(_logarithms)
    return _linear(MostCorrelated(False), logarithms, LinearRegression())


def _logarithms(X):
    """Return the logarithm of each size; that of 0 is a gap."""
    sizes = np.abs(X)
    return np.log(np.where(sizes > 0, sizes, np.nan))
