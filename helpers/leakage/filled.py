"""Gaps that were filled in with a mean or a median: of all rows, or of the rows of a class."""

import numpy as np

from helpers.leakage.columns import BY_CHANCE

FEWEST_ROWS = 10
FEWEST_FILLED, TIMES = 5, 3  # rows with the value filled in; and so many times the next commonest
FEWEST_VALUES = 20  # beside a median
MOST_COLUMNS = 200
MOST_CLASSES = 20
ROUNDING, DOUBLE = 1e-5, 1e-8  # of a standard deviation: in single precision, and in double


def filled_by_class(table, y):
    """Find columns whose gaps were filled in class by class, so that the value tells the class.

    That is what `groupby(label).transform("mean")` leaves: in two classes or more, a value that
    comes often is the mean of all others of its class, or their median, and stands in no other
    class.

    Parameters
    ----------
    table : ndarray of shape (n_rows, n_columns)
    y : ndarray of shape (n_rows,)
        Classes.

    Returns
    -------
    list of int
    """
    classes = np.unique(y)
    if len(classes) > MOST_CLASSES:
        return []
    found = []
    for number, column in enumerate(table[:, :MOST_COLUMNS].T):
        values = {value for one in classes if (value := _filled_in(column, y == one)) is not None}
        if len(values) > 1:
            found.append(number)
    return found


def _filled_in(column, of_class):
    """Return the value with which gaps of a class were filled in, or None."""
    own, others = (column[rows & np.isfinite(column)] for rows in (of_class, ~of_class))
    values, counts = np.unique(own, return_counts=True)
    if len(own) < FEWEST_ROWS or counts.max() < FEWEST_FILLED:
        return None
    value = values[counts.argmax()]
    rest = own[own != value]
    if (others == value).any() or len(rest) < FEWEST_ROWS:
        return None
    if chance_of_filled(own) < BY_CHANCE:
        return float(value)
    # A usual dose, say, comes often as well, but then beside few others.
    second = np.sort(counts)[-2]
    stands_out = counts.max() >= TIMES * second and len(values) > FEWEST_VALUES
    low, high = np.sum(rest < value), np.sum(rest > value)
    return float(value) if stands_out and abs(low - high) <= second else None


def chance_of_filled(column):
    """Return how likely the commonest value is to be the mean of all others; 1 if it is not."""
    values, counts = np.unique(column[np.isfinite(column)], return_counts=True)
    most = values[counts.argmax()]
    rest = column[np.isfinite(column) & (column != most)]
    if counts.max() < 2 or len(rest) < FEWEST_ROWS or is_symmetric(rest):
        return 1.0
    is_single = (values == values.astype(np.float32)).all()
    allowed = (ROUNDING if is_single else DOUBLE) * rest.std()
    # How likely it is that a mean lies so near to a number: few values have only some means.
    apart = np.diff(values).min() / len(rest)
    by_chance = max(2 * allowed, apart) * np.sqrt(len(rest) / (2 * np.pi)) / rest.std()
    return by_chance if abs(most - rest.mean()) <= allowed else 1.0


def is_symmetric(values):
    """Say whether half of the values mirrors the other, as levels of an experiment are planned.

    So are even steps, and a table that holds each pair of rivals twice, in both orders.
    """
    pairs = np.sort(values) + np.sort(values)[::-1]
    return bool(np.ptp(pairs) <= 1e-9 * np.ptp(values))
