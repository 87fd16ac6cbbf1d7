"""Columns in which each value is the mean label of the rows that hold it: target encoding."""

import math

import numpy as np

from helpers.leakage.columns import BY_CHANCE

MOST_COLUMNS = 200
MOST_CLASSES = 20
MOST_DECIMALS = 6
ROUNDING = 1e-6  # of the largest label


def mean_labels(table, y, classes):
    """Find columns whose values are mean labels, of the rows of this table, and of all of them.

    A mean may be rounded, and may be drawn towards that of all rows, as if a number of rows more
    had that one (`smooth` of scikit-learn's TargetEncoder). Means of other rows alone, such as
    those of the training rows, of other folds or of last year, do not fit, and are left alone.

    Parameters
    ----------
    table : ndarray of shape (n_rows, n_columns)
    y : ndarray of shape (n_rows,)
    classes : bool
        Whether labels are classes: then each class has a mean, the share of its rows.

    Returns
    -------
    list of int
    """
    if classes:
        names = np.unique(y)
        if len(names) > MOST_CLASSES:
            return []
        targets = [(y == name).astype(float) for name in names]
        # Classes that are numbers have a mean as well; of 0 and 1 it is the share of ones.
        targets += [y.astype(float)] if y.dtype.kind in "fiu" and len(names) > 2 else []
    else:
        targets = [y.astype(float)]
    return [
        number
        for number, column in enumerate(table[:, :MOST_COLUMNS].T)
        if any(_is_encoded(column, target) for target in targets)
    ]


def _is_encoded(column, y):
    """Say whether each value of a column is the mean of `y` over the rows that hold it."""
    there = np.isfinite(column)
    values, number, counts = np.unique(column[there], return_inverse=True, return_counts=True)
    if len(values) < 2 or 2 * len(values) > there.sum():
        return False
    of_all, variance, y = y.mean(), y.var(), y[there]
    means = np.bincount(number, y) / counts
    spread = np.sqrt(np.bincount(number, (y - means[number]) ** 2) / counts)
    allowed = rounding_of(values) + ROUNDING * np.abs(y).max()
    chance = _chance(y, counts, spread, allowed)
    away = counts * (values - means)
    if (np.abs(away) <= allowed * counts).all():
        return _is_no_chance(chance)
    # Pulled by some rows more that have the mean of all: so many everywhere, or, as TargetEncoder
    # decides by itself, the more the less the labels of a category are alike.
    pull = of_all - values
    pulls = pull, pull * spread**2 / max(variance, 1e-300)
    return any(_is_pulled(away, pull, counts, allowed, chance) for pull in pulls)


def _is_pulled(away, pull, counts, allowed, chance):
    """Say whether means are away from values by a multiple of a pull, the same for all values."""
    clear = np.abs(pull) > 100 * allowed
    smooth = (away[clear] / pull[clear]).min(initial=np.inf)
    if not 0 < smooth < np.inf:
        return False
    # Categories of one size and one mean share a value: each of them was pulled.
    times = np.ones(len(pull))
    times[clear] = np.round(away[clear] / (smooth * pull[clear]))
    smooth = (away @ (times * pull)) / ((times * pull) @ (times * pull))
    tolerance = allowed * (counts + times * smooth)
    by_multiples = 2 * tolerance / np.maximum(smooth * np.abs(pull), 1e-300)
    chance = np.clip(np.maximum(times * chance, by_multiples), 0, 1)
    left = np.abs(away - times * smooth * pull)
    return bool((left <= tolerance).all()) and _is_no_chance(chance)


def _is_no_chance(chance):
    """Say whether values fit that would hardly all do so by chance; one fits by our choice."""
    return bool(np.log(np.sort(chance)[1:]).sum() < math.log(BY_CHANCE))


def rounding_of(values):
    """Return half a unit of the last decimal of values that are rounded to one, or 0."""
    for decimals in range(MOST_DECIMALS + 1):
        if np.allclose(values, np.round(values, decimals), rtol=0, atol=1e-9):
            return 0.5001 * 10.0**-decimals
    return 0.0


def _chance(y, counts, spread, allowed):
    """Return how likely a mean of so many labels is to lie so near to a number: at most 1.

    As a normal distribution says where it is highest. Of few different labels only some means can
    be, which are a step of labels apart, divided by how many there are.
    """
    steps = np.diff(np.unique(y))
    apart = (steps.min() if len(steps) else 0.0) / counts
    density = np.sqrt(counts / (2 * np.pi)) / np.maximum(spread, 1e-300)
    return np.clip(np.maximum(2 * allowed, apart) * density, 1e-300, 1)
