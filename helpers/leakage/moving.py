"""Columns made of labels near a row that are no sums of them: changes, extremes, filled gaps."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

MOST_ROWS = 1000  # the first, which are enough where a rule is exact
FEWEST_VALUES = 20  # of a column: of few, rows may agree by chance
NEARLY_ALL = 0.9  # of the rows: others may be the first of a series
NOTED = 0.2  # of the rows at least hold their own label, where all other rows are filled in
STATISTICS = (
    np.max,
    np.min,
    np.median,
    np.std,
    lambda windows, axis: np.std(windows, axis=axis, ddof=1),
)


class Moving:
    """What may be made of a row's own label and of others.

    Parameters
    ----------
    y : ndarray
        Labels, in order.
    steps : int
        Rows before and after that a column may be made of.
    """

    def __init__(self, y, steps):
        self.y, self.steps = y[:MOST_ROWS].astype(float), steps
        self.made = [*self._statistics(), *self._changes()]

    def _statistics(self):
        """Yield what a window says, and how many rows after its first its row may be."""
        for width in range(2, self.steps + 1):
            windows = sliding_window_view(self.y, width)
            for statistic in STATISTICS:
                # Its row is the last, the middle or the first.
                yield statistic(windows, axis=1), width, {width - 1, width // 2, 0}

    def _changes(self):
        """Yield the change of a value from one row to another, as `_statistics` does."""
        with np.errstate(divide="ignore", invalid="ignore"):
            for k in range(1, self.steps):
                ratio = self.y[k:] / self.y[:-k]
                for change in (ratio, ratio - 1, np.log(ratio)):
                    yield change, k + 1, {k, 0}

    def holds_today(self, column):
        """Say whether a column is such a value, and not one of earlier rows alone."""
        column = column[:MOST_ROWS]
        if len(np.unique(column[~np.isnan(column)])) <= FEWEST_VALUES:
            return False
        for values, width, places in self.made:
            before = _unequal(column[width:], values[:-1])
            for place in places:
                unequal = _unequal(column[place : place + len(values)], values)
                if unequal < 1 - NEARLY_ALL and 4 * unequal < before:
                    return True
        return self._is_filled_in(column)

    def _is_filled_in(self, column):
        """Say whether a column holds its own label in some rows, and is filled in from them."""
        y, n = self.y, len(self.y)
        if 4 * len(np.unique(y)) < n:
            return False  # of few values many rows are equal
        noted = column == y
        if noted.mean() < NOTED or 4 * np.mean(column[1:] == y[:-1]) > noted.mean():
            return False
        rows = np.flatnonzero(noted)
        following = np.searchsorted(rows, np.arange(n)).clip(1, len(rows) - 1)
        filled = (column == y[rows[following]]) | (column == y[rows[following - 1]])
        middle = (column[:-2] + column[2:]) / 2
        filled[1:-1] |= np.abs(column[1:-1] - middle) < 1e-9 * np.abs(y).max()
        return bool(np.mean(noted | filled) > NEARLY_ALL)


def _unequal(column, values):
    """Return the share of rows, without gaps, in which a column is something else."""
    is_there = np.isfinite(column) & np.isfinite(values)
    if 2 * is_there.sum() < len(values):
        return 1.0
    difference = np.abs(column[is_there] - values[is_there])
    return float(np.mean(difference > 1e-9 * (1e-300 + np.abs(values[is_there]).max())))
