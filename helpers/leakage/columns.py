"""How well some columns of a table predict: by trees, which see gaps, by sums and by products."""

import numpy as np
from scipy.special import gammaln
from scipy.stats import spearmanr
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

from helpers.leakage.predicting import (
    model_of_products,
    models_of,
    quiet,
    weights_of,
    wrong_in,
)
from helpers.leakage.tables import numbers_the_rows

MOST_ROWS = 1000
OF_PRODUCTS = 0.05  # the relative error of a product, but for rounding
FEWEST_OF_CLASS = 20  # rows that are drawn of each class, if there are so many
FEWEST_TIMES = 5  # that others must err as often as one row does
FEWEST_ROWS = 10  # of a table in which a column of values can be told from chance
BY_CHANCE = 0.001  # at most, that an honest column looks made of labels
MOST_COLUMNS = 200  # of which that is asked
SAME_ORDER = 0.9999  # as that of the target: the correlation of ranks
PAST = 0.9  # of the rows: the first of a series have no past value
FEWEST_UNITS, TOLD = 20, 0.25  # such as counties; and an error beside guessing's that is small
MANY_VALUES = 20  # more are measured, not counted or chosen
MOST_COMBINATIONS = 20  # of values, that tell the value of another column
EXACT = 1e-6  # of the error of guessing, where values were rounded
# For classes and for values: of the error of guessing, and how many times less than the others.
NEARLY = {True: (0.06, 10), False: (0.01, 50)}


class Table:
    """Some columns, and how well they predict.

    `guessing` is the error of the best guess without columns: a share of rows, or 1 of R2. The
    model `products` is None if the target cannot be a product.
    """

    def __init__(self, X, y, classes, random_state):
        rows = sample_of(np.random.RandomState(random_state).permutation(len(X)), y, classes)
        self.X, self.y, self.classes, self.all_y = X[rows], y[rows], classes, y
        self.errors, self.begun, self.orders = {}, {}, {}
        if classes:
            self.y, counts = np.unique(self.y, return_inverse=True, return_counts=True)[1:]
            self.guessing = 1 - counts.max() / len(self.y)
            n_folds = max(2, min(5, counts.min()))
            self.folds = StratifiedKFold(n_folds, shuffle=True, random_state=random_state)
        else:
            self.y, self.guessing = self.y.astype(float), 1.0
            self.folds = KFold(5, shuffle=True, random_state=random_state)
        self.n_columns, self.one_row = X.shape[1], 1 / len(self.y) if classes else 0.0
        self.forest, self.linear = models_of(classes, random_state)
        self.products = None if classes else model_of_products(self.X, self.y)
        # The forest comes last: it takes longest, and may be stopped.
        self.models = [m for m in (self.products, self.linear, self.forest) if m is not None]

    def limit(self, size, of_others=1.0, alone=False):
        """Return the error up to which so many columns are nearly perfect, beside the others.

        If each column predicts alone, having no error is enough, although one more row is counted
        as wrong.
        """
        least, times = NEARLY[self.classes]
        limit = min(least, of_others / times) / size**1.5
        is_clear = (alone or size == 1) and of_others >= FEWEST_TIMES * self.no_error
        return max(limit, self.no_error) if is_clear else limit

    @property
    def no_error(self):
        """Return the least error that there is, a bit more for rounding: that of one row."""
        return 1.001 * self.one_row / self.guessing

    @property
    def is_large_enough(self):
        """Say whether a column without error would stand out, and would hardly be chance."""
        if not self.classes:
            return len(self.y) >= FEWEST_ROWS
        # Of all orders of the rows, the share in which classes lie apart; for each column.
        counts = np.bincount(self.y)
        by_chance = gammaln(len(counts) + 1) + gammaln(counts + 1).sum() - gammaln(len(self.y) + 1)
        is_chance = by_chance + np.log(self.n_columns) > np.log(BY_CHANCE)
        return bool(self.limit(1) >= self.no_error and not is_chance)

    def error(self, columns):
        """Return the error as a share of guessing's; of classes, with one more row wrong."""
        return min(self._beside_guessing(self.best_of(columns)[0]), 1.0)

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
        return 1 - self.best_of(columns)[0]

    def follows(self, column, others):
        """Say whether few values of others tell a column, as those of dummies tell the last."""
        numbers = self._numbers(others)
        values = np.unique(self.X[:, column], return_inverse=True)[1]
        n_pairs = len(np.unique(np.column_stack([numbers, values]), axis=0))
        return bool(values.any()) and n_pairs == numbers.max() + 1 <= MOST_COMBINATIONS

    def _numbers(self, columns):
        """Return a number for each row, the same for rows of the same values."""
        rows = np.nan_to_num(self.X[:, columns], nan=np.inf)
        return np.unique(rows, axis=0, return_inverse=True)[1].ravel()

    def are_most_measured(self, columns):
        """Say whether columns are more than half of a table's, and take many values each."""
        is_many = [len(np.unique(self.X[:, column])) > MANY_VALUES for column in columns]
        return all(is_many) and 2 * len(columns) > self.n_columns

    def are_exact(self, columns):
        """Say whether a sum or a product tells values but for rounding."""
        numbers = range(len(self.models) - 1)  # no forest is exact
        return bool(columns) and any(self._error(n, columns, EXACT) < EXACT for n in numbers)

    def is_a_series(self, columns):
        """Say whether columns are past values of a series, or its time: they tell what is slow.

        A time is in the order of values that only rise, but so is their rank, which is made of
        them: then past values must be in the table, too, or all rows in that order.
        """
        if self.classes:
            return False
        past = [column for column in range(self.n_columns) if self._is_past(column)]
        known = past or (np.diff(self.all_y) >= 0).all()
        return all(
            column in past
            or numbers_the_rows(self.X[:, column])
            and (known or self.order_with_y(column) < SAME_ORDER)
            for column in columns
        )

    def _is_past(self, column):
        values = self.X[:, column]
        if 2 * len(np.unique(self.all_y)) < len(self.all_y):
            return False  # of few values, as marks, another column may have the same ones
        return (np.isin(values, self.all_y) & (values != self.y)).mean() > PAST

    def order_with_y(self, column):
        """Return how far a column is in the order of values: 0, or 1 for one order or its turn."""
        with quiet():
            order = abs(spearmanr(self.X[:, column], self.y)[0])
        return 0.0 if np.isnan(order) else order  # a column of gaps, or of one value, has no order

    def recognises(self, columns):
        """Say whether columns tell of a row only what other rows of the same values have told.

        Whatever is written of a county or a person tells which one it is, and so its label.
        """
        numbers, n_rows = self._numbers(columns), len(self.y)
        fewest = max(FEWEST_UNITS, 2 * (self.y.max() + 1) if self.classes else 0)  # two of a class
        if not fewest <= numbers.max() + 1 <= n_rows / 2:
            return False
        # A gap, or a value of many rows, names no unit: each of its rows stands for itself.
        is_gap = np.isnan(self.X[:, columns]).any(axis=1)
        alone = is_gap | (np.bincount(numbers)[numbers] > n_rows / 10)
        numbers[alone] = numbers.max() + 1 + np.arange(alone.sum())
        unit = self.guessing if self.classes else self.y.var()
        return all(
            self._wrong_rows(model, columns, numbers).mean() >= TOLD * unit
            for model in (self.forest, self.linear)
        )

    def wrong_by_halves(self, columns):
        """Return two masks of rows: those that a linear model of every other column gets wrong."""
        halves = sorted(columns[::2]), sorted(columns[1::2])
        return [self._wrong_rows(self.linear, half) > 0 for half in halves]

    def given_to(self, model):
        """Return the rows and the target of a model: for products, logarithms of what is not 0."""
        if model is not self.products:
            return self.X, self.y
        rows = self.y != 0
        return self.X[rows], np.log(np.abs(self.y[rows]))

    def best_of(self, columns):
        """Return the share of wrong labels, or 1 - R2, of the best model, and its number."""
        best = np.inf, 0
        for number in range(len(self.models)):
            error = self._error(number, columns, self._beside_guessing(best[0]))
            best = (error, number) if error <= best[0] else best
        return best

    def _wrong(self, model, columns, groups=None):
        """Return `wrong_in` each fold, of a model of some columns."""
        X, y = self.given_to(model)
        with quiet():
            folds = list((self.folds if groups is None else GroupKFold(5)).split(X, y, groups))
        return wrong_in(model, X[:, columns], y, folds, self.classes)

    def _wrong_rows(self, model, columns, groups=None):
        """Return how wrong a model of some columns is in each row."""
        wrong = np.zeros(len(self.y))
        for test, of_rows in self._wrong(model, columns, groups):
            wrong[test] = of_rows
        return wrong

    def _error(self, number, columns, limit=np.inf):
        """Return the error of a model, or that of its first folds if they alone exceed a limit."""
        key, model = (number, *columns), self.models[number]
        if key in self.errors:
            return self.errors[key]
        y = self.given_to(model)[1]
        unit = 1.0 if self.classes else y.var()
        if key not in self.begun:
            self.begun[key] = np.zeros(len(y)), self._wrong(model, columns)
        errors, folds = self.begun[key]  # it goes on where a lower limit stopped it
        while not self._beside_guessing(error := float(errors.mean() / unit)) > limit:
            test, wrong = next(folds, (None, None))
            if test is None:
                break
            errors[test] = wrong
        else:
            return error
        self.errors[key] = error
        if model is self.products and errors.mean() > OF_PRODUCTS**2:
            self.errors[key] = 1.0  # it goes with them, as area with price, and is not made of them
        return self.errors[key]

    def ranked(self, columns):
        """Return columns by their weight in the best model, the weightiest first."""
        key = tuple(columns)
        if key not in self.orders:
            model = self.models[self.best_of(columns)[1]]
            X, y = self.given_to(model)
            with quiet():
                weights = weights_of(model.fit(X[:, columns], y), len(columns))
            self.orders[key] = [columns[i] for i in np.argsort(-weights, kind="stable")]
        return self.orders[key]


def sample_of(order, y, classes):
    """Return the first rows of an order, and so many of each class that it can be told."""
    rows = [order[:MOST_ROWS]]
    labels = np.unique(y) if classes else []
    if len(labels) <= MOST_ROWS / FEWEST_OF_CLASS:
        rows += [order[y[order] == label][:FEWEST_OF_CLASS] for label in labels]
    return np.unique(np.concatenate(rows))
