"""Leaks in the table: columns that follow from the label, or hold what comes later."""

import numpy as np
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import r2_score
from sklearn.tree import DecisionTreeClassifier

from . import draws
from .parts import in_columns, in_order


@in_columns("a proxy feature", "L2", draws.noise_with_proxy, lambda seed: LogisticRegression())
def proxy(X, leaky):
    return X if leaky else X[:, :-1]


def tree(seed):
    return DecisionTreeClassifier(max_depth=3, random_state=seed)


@in_columns("a column filled for one class", "L2", draws.noise_with_body, tree)
def filled_for_one_class(X, leaky):
    """Common: the number of the body, which the Titanic's table holds of the dead alone."""
    return X if leaky else X[:, :-1]


@in_columns("row order and ids", "L2", draws.noise_by_label, tree)
def number_of_the_row(X, leaky):
    """Common: patients' numbers told who was ill in the KDD Cup 2008 (Rosset et al., 2010)."""
    return X if leaky else X[:, 1:]


@in_columns(
    "source is the class", "L2", draws.noise_with_margins, lambda seed: LogisticRegression()
)
def source(X, leaky):
    """Common: X-rays that show their hospital (Zech et al., 2018; DeGrave et al., 2021)."""
    return X if leaky else X[:, :20]


SERIES = {"metric": r2_score, "chance": 0.0, "split": in_order}


def lags(values, numbers):
    """Return the values so many rows before each; before the first row, the first value."""
    before = np.r_[np.repeat(values[:1], max(numbers)), values]
    return np.column_stack([before[max(numbers) - k :][: len(values)] for k in numbers])


@in_columns(
    "rolling mean that includes today",
    "L2",
    draws.white_noise,
    lambda seed: LinearRegression(),
    **SERIES,
)
def rolling(X, leaky):
    """Common: in pandas, rolling(7).mean() without a shift."""
    first = 0 if leaky else 1
    # `lags` gives a column for each number of days: the value so many days before
    mean = lags(X[:, 0], range(first, first + 7)).mean(axis=1)
    return np.column_stack([lags(X[:, 0], range(1, 7)), mean])


@in_columns(
    "a series smoothed before the split",
    "L2",
    draws.white_noise,
    lambda seed: LinearRegression(),
    **SERIES,
)
def smoothed(X, leaky):
    """Common: in hydrology, wavelets that reach ahead (Quilty and Adamowski, 2018)."""
    days = range(-4, 5) if leaky else range(-4, 1)
    padded = np.r_[np.zeros(4), X[:, 0], np.zeros(4)]
    sums = np.zeros(len(X))
    for day in days:  # the nearer, the larger its weight
        sums += np.exp(-(day**2) / 2) * padded[4 + day :][: len(X)]
    return lags(sums, range(1, 5))
