"""Columns made of labels near a row that are no sums of them, such as changes and extremes."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

MOST_ROWS = 1000  # the first, which are enough where a rule is exact
FEWEST_VALUES = 20  # of a column: of few, rows may agree by chance
FEWEST_ROWS = 20  # in which today's label decides
NEARLY_ALL = 0.9  # of the rows: others may be the first of a series
EXACT = 1e-6  # of the range of a column's middle half
STATISTICS = (
    np.max,
    np.min,
    np.median,
    np.std,
    lambda windows, axis: np.std(windows, axis=axis, ddof=1),
)


class Moving:
    """What may be made of a row's own label and of others.

    Where labels only rise, yesterday's is the median of three: it includes today's label, and does
    not depend on it. So a column must agree also in the rows in which today's label decides.

    Parameters
    ----------
    y : ndarray
        Labels, in order.
    steps : int
        Rows before and after that a column may be made of.
    """

    def __init__(self, y, steps):
        self.y, self.made = y[:MOST_ROWS], []  # made: (values, place of the row, today decides)
        if len(np.unique(self.y)) > FEWEST_VALUES:
            self.made = [*self._statistics(steps), *self._changes(steps)]

    def _statistics(self, steps):
        """Yield what windows say whose last, middle or first row is the one they stand in."""
        for width in range(2, steps + 2):
            windows = sliding_window_view(self.y, width)
            values = [statistic(windows, axis=1) for statistic in STATISTICS]
            for place in {width - 1, width // 2, 0}:
                others = np.delete(windows, place, axis=1)
                low, high = windows.copy(), windows.copy()
                low[:, place], high[:, place] = others.min(axis=1), others.max(axis=1)
                for statistic, value in zip(STATISTICS, values, strict=True):
                    decides = (value != statistic(low, axis=1)) & (value != statistic(high, axis=1))
                    yield value, place, decides

    def _changes(self, steps):
        """Yield the changes of a value between two rows, of which one is the row they stand in."""
        for k in range(1, steps + 1):
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = self.y[k:] / self.y[:-k]
                changes = ratio, ratio - 1, 100 * (ratio - 1), np.log(ratio)
            for change in changes:
                for place in (k, 0):
                    yield change, place, np.full(len(change), True)

    def holds_today(self, column):
        """Say whether a column is such a value, and not one of other rows alone."""
        column = column[:MOST_ROWS]
        there = np.isfinite(column)
        if not self.made or len(np.unique(column[there])) <= FEWEST_VALUES:
            return False
        if np.mean(column == self.y) > NEARLY_ALL:
            return False  # it is the label itself
        allowed = EXACT * np.subtract(*np.percentile(column[there], [75, 25]))
        for values, place, decides in self.made:
            asked = column[place : place + len(values)]
            both = np.isfinite(asked) & np.isfinite(values)
            if 2 * both.sum() < len(values):
                continue
            unequal = np.abs(asked[both] - values[both]) > allowed
            decides = decides[both]
            if unequal.mean() < 1 - NEARLY_ALL and decides.sum() >= FEWEST_ROWS:
                if unequal[decides].mean() < 1 - NEARLY_ALL:
                    return True
        return False
