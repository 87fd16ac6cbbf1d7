"""Columns that are made of labels: of their own row, as dummies are, or of later rows."""

from functools import partial

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.special import comb

from helpers.leakage.carriers import ASK, listed
from helpers.leakage.columns import BY_CHANCE, MOST_COLUMNS
from helpers.leakage.finding import Finding

MOST_STEPS = 14  # rows before and after that a column may be made of
EXACT, OTHER = 1e-6, 2e-5  # of a column's variance: what is left of a sum, and of none
NO_NEWS = 1e-3  # of the squares of what the mean so far misses
LEAST_FACTOR = 0.01
FEWEST_LABELS = 5  # of few, another column may have the same ones
ALL_BUT_BREAKS = 0.9  # of the rows: where series are stacked, the last of each have no later one
MOST_ROWS = 1000  # the first, which are enough where a rule is exact
FEWEST_VALUES = 20  # of a column: of few, rows may agree by chance
FEWEST_ROWS = 20  # in which today's label decides
MEANS = np.mean, np.sum
STATISTICS = *MEANS, np.max, np.min, np.median, np.std, partial(np.std, ddof=1)


def made_of_labels(table, y, of_one=False):
    """Find columns that are labels of this row and others, or of later rows: exactly, not nearly.

    Rows must be in order. A mean or a median that includes today is made of today's label, as is
    today's return; tomorrow's value is the label of the row below. Values from before are left
    alone, and so is a column that equals its own row's label: `too_good_feature` sees that by its
    score. With `of_one`, of rows of one group, it is named too: less a mean, a label scores less.

    Returns
    -------
    own, later : list of int
        Columns made of the label of their own row among others, and of later ones alone.
    """
    own, later = [], []
    if len(y) < 10:
        return own, later
    if y.dtype.kind not in "fiub":  # of two names of classes, a 0 and a 1, as a column may hold
        y = np.unique(y.astype(str), return_inverse=True)[1]
    y = y.astype(float)
    reaches = len(y) // 10, (len(y) - 6) // 6
    around, wider = (sliding_window_view(y, 2 * min(MOST_STEPS, n) + 1) for n in reaches)
    # Few rows around differ, of rare events or weeks that are all alike, and make many columns.
    if around.shape[1] < wider.shape[1] <= len(np.unique(wider, axis=0)) / 2:
        around = wider
    now = steps = around.shape[1] // 2  # the place of a row's own label among its neighbours'
    first, moving = y[:MOST_ROWS], []
    if len(np.unique(first)) > FEWEST_VALUES:
        reach = min(MOST_STEPS, len(y) // 3)  # no weights are fitted, so that few rows will do
        moving = [*_of_windows(first, reach), *_changes(first, reach)]
    for number, column in enumerate(table[:, :MOST_COLUMNS].T):
        column = np.where(np.isinf(column), np.nan, column)  # a return from 0 is a gap
        if np.isnan(column).all() or np.nanmin(column) == np.nanmax(column):
            continue
        if _is_next(column, y, steps):
            later.append(number)
            continue
        place = 0 if _is_mean_so_far(column, y) else _place_in(column[:MOST_ROWS], first, moving)
        if place is not None:
            (own if place >= 0 else later).append(number)
            continue
        inner = column[steps : len(y) - steps]  # of a centred mean, the first and last are gaps
        before = column[steps - 1 : len(y) - steps - 1]
        there = ~np.isnan(inner + before)
        inner, before, near = inner[there], before[there, None], around[there]
        if 2 * near.shape[1] > len(inner) or inner.min() == inner.max():
            continue
        if _left_of(inner, near[:, [now]], before[:, :0]) < OTHER:
            if of_one and len(np.unique(y)) > FEWEST_LABELS:
                own.append(number)
            continue
        earlier, others = near[:, :now], np.delete(near, now, axis=1)
        for known in (before[:, :0], before):  # a sum so far is made of its own value before, too
            if _left_of(inner, near, known) > EXACT or _left_of(inner, earlier, known) < OTHER:
                continue
            is_own = _left_of(inner, others, known) > OTHER and not _ends_above(inner, near, known)
            (own if is_own else later).append(number)
            break
    return own, later


def told_by_indicators(X, y, names):
    """Return what columns tell whole classes, as dummies of the label do; or None."""
    told, counts = _indicators_of(X, y), np.unique(y, return_counts=True)[1]
    # How many columns of noise tell a class: each is one choice of rows among all choices.
    by_chance = np.minimum(X.shape[1] / comb(len(y), counts), 1.0)
    numbers = list(set(told.values()))
    if len(numbers) >= len(counts) - 1 and by_chance[numbers].prod() < BY_CHANCE:
        evidence = f"{listed(list(told), names)} made of the label: one value stands for one class."
        return Finding("too_good_feature", True, evidence + ASK)
    told = [column for column, number in told.items() if by_chance[number] < BY_CHANCE]
    if not told:
        return None
    evidence = f"{listed(told, names)} one value in all rows of one class, and another elsewhere."
    return Finding("too_good_feature", None, evidence + ASK)


def _indicators_of(table, y):
    """Return a dict: the columns of two values, one of which stands in all rows of one class alone.

    Each with the number of that class; a gap is a value. Of two classes, a column that tells one
    is the label, which is seen by its score.
    """
    numbers, counts = np.unique(y, return_inverse=True, return_counts=True)[1:]
    found = {}
    for column, values in enumerate(table.T if len(counts) > 2 else ()):
        is_first = np.isnan(values) if np.isnan(values[0]) else values == values[0]
        others = values[~is_first]
        if not len(others) or not (np.isnan(others).all() or (others == others[0]).all()):
            continue
        for rows in (is_first, ~is_first):
            classes = np.unique(numbers[rows])
            if len(classes) == 1 and counts[classes[0]] == rows.sum():
                found[column] = int(classes[0])
    return found


def _is_next(column, y, steps):
    """Say whether a column is the label of a later row, and not as well of this or earlier ones."""

    def unequal(k):
        n = len(y) - abs(k)
        return (column[:n] != y[k:]).mean() if k >= 0 else (column[-k:] != y[:n]).mean()

    n_values = len(np.unique(y))
    allowed = 1 - ALL_BUT_BREAKS if 4 * n_values > len(y) else 0.01
    after = min(unequal(k) for k in range(1, steps + 1))
    if after > allowed:
        return False
    return 4 * after < min(unequal(-k) for k in range(steps + 1))


def _of_windows(y, steps):
    """Yield what windows say, the place of their row, and a function for where its label decides.

    That row is the last, the middle or the first one of the window, or the one before it, at -1.
    """
    for width in range(2, steps + 2):
        windows = sliding_window_view(y, width)
        for statistic in STATISTICS:
            value = statistic(windows, axis=1)
            for place in {width - 1, width // 2, 0, -1}:
                yield value, place, partial(_deciding, windows, place, statistic, value)


def _deciding(windows, place, statistic, value):
    """Return where a window says another thing if the label at a place is the least or the most."""
    if place < 0:  # of later rows alone: where it says another thing than the window before
        return np.diff(value, prepend=np.nan) != 0
    others = np.delete(windows, place, axis=1)
    low, high = windows.copy(), windows.copy()
    low[:, place], high[:, place] = others.min(axis=1), others.max(axis=1)
    decides = (value != statistic(low, axis=1)) & (value != statistic(high, axis=1))
    if statistic in MEANS:  # along a line, and where labels come again, those before say the same
        off = windows.mean(axis=1) - np.median(windows, axis=1)
        decides &= (np.abs(off) > EXACT * windows.std()) & (np.diff(value, prepend=np.nan) != 0)
    return decides


def _changes(y, steps):
    """Yield, likewise, the changes between two rows, which both decide."""
    for k in range(1, steps + 1):
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = y[k:] / y[:-k]
            changes = ratio, ratio - 1, 100 * (ratio - 1), np.log(ratio)
        for change in changes:
            for place in (k, 0):
                yield change, place, partial(np.full, len(change), True)


def _place_in(column, y, moving):
    """Return the place of a row in the window or change of labels that a column is; None if none.

    Where labels only rise, yesterday's is the median of three: it includes today's label, and does
    not depend on it. So a column must agree also in the rows in which today's label decides.
    """
    there = np.isfinite(column)
    if len(np.unique(column[there])) <= FEWEST_VALUES or np.mean(column == y) > ALL_BUT_BREAKS:
        return None  # a column of few values, or the label itself
    allowed = EXACT * np.subtract(*np.percentile(column[there], [75, 25]))
    for values, place, decides in moving:
        values = values[max(0, -place) :]
        asked = column[max(0, place) :][: len(values)]
        if 2 * (np.abs(asked - values) <= allowed).sum() < len(values):
            continue  # soon, as there are many windows
        both = np.isfinite(asked) & np.isfinite(values)
        unequal = np.abs(asked[both] - values[both]) > allowed
        if unequal.mean() < 1 - ALL_BUT_BREAKS:
            deciding = decides()[max(0, -place) :][both]
            if deciding.sum() >= FEWEST_ROWS and unequal[deciding].mean() < 1 - ALL_BUT_BREAKS:
                return place
    return None


def _is_mean_so_far(column, y):
    """Say whether a column is the mean of all labels so far, this row's among them, or fades.

    The mean moves by (y - mean) / w, where w counts the rows, each earlier one by a factor less, as
    in pandas' `ewm`: w is 1 + factor * w of the row before. The factor of a plain mean is 1.
    """
    moved, missed = np.diff(column), y[1:] - column[:-1]
    moved_before, missed_before = moved[:-1], missed[:-1]
    moved, missed = moved[1:], missed[1:]
    rows = np.isfinite(moved + moved_before) & (moved_before * missed_before != 0) & (moved != 0)
    news = rows & (y[2:] != y[1:-1])
    if 2 * rows.sum() < len(y) or news.sum() < FEWEST_ROWS:
        return False
    left = _rest(missed[rows], np.column_stack([missed_before, moved_before])[rows])
    if np.median(left**2) <= NO_NEWS * np.median(missed[rows] ** 2):
        return False  # today's label follows from those before
    one, other = moved_before * (missed - moved), missed_before * moved
    factor = np.median(one[rows] / other[rows])
    equal = np.abs(one - factor * other) <= EXACT * (np.abs(one) + np.abs(other))
    equal &= moved * missed > 0  # else it moves away from labels, as one of the rows below does
    share = min(equal[rows].mean(), equal[news].mean())
    return bool(LEAST_FACTOR < factor < 1 + EXACT and share > ALL_BUT_BREAKS)


def _left_of(column, labels, known):
    """Return the share of a column's variance that no sum of labels explains, beside what is known.

    Where it is known already, nothing is left to explain, and the share is 1.
    """
    unknown = np.mean(_rest(column, known) ** 2)
    left = np.mean(_rest(column, np.hstack([labels, known])) ** 2)
    return float(left / unknown) if unknown > 1e-12 * column.var() else 1.0


def _ends_above(column, labels, known):
    """Say whether a sum so far grows towards the first row, as where the newest row is the first.

    A sum of the rows below is its value in the row above less the label of that row, or of this
    one; where it fades, its value above comes in by a factor over 1.
    """
    if not known.shape[1]:
        return False
    parts = np.column_stack([known, labels, np.ones(len(column))])
    weights = np.linalg.lstsq(parts, column, rcond=1e-10)[0]
    now = 1 + labels.shape[1] // 2
    return bool(weights[0] > 1 + EXACT or (weights[0] > 1 - EXACT and weights[now] < 0))


def _rest(column, parts):
    column, parts = column - column.mean(), parts - parts.mean(axis=0)
    return column - parts @ np.linalg.lstsq(parts, column, rcond=1e-10)[0]
