"""Columns that are made of labels: of their own row, as dummies are, or of later rows."""

import numpy as np
from scipy.special import comb

from helpers.leakage.carriers import ASK, listed
from helpers.leakage.columns import BY_CHANCE
from helpers.leakage.finding import Finding
from helpers.leakage.moving import Moving

MOST_STEPS = 14  # rows before and after that a column may be made of
MOST_COLUMNS = 200
EXACT, OTHER = 1e-6, 2e-5  # of a column's variance: what is left of a sum, and of none
ALL_BUT_BREAKS = 0.9  # of the rows: where series are stacked, the last of each have no later one


def made_of_labels(table, y):
    """Find columns that are labels of this row and others, or of later rows: exactly, not nearly.

    Rows must be in order. A mean or a median that includes today is made of today's label, as is
    today's return; tomorrow's value is the label of the row below. Values from before are left
    alone, and so is a column that equals its own row's label: `too_good_feature` sees that by its
    score.

    Returns
    -------
    own, later : list of int
        Columns made of the label of their own row among others, and of later ones alone.
    """
    own, later = [], []
    steps = min(MOST_STEPS, len(y) // 10)
    if steps < 1:
        return own, later
    if y.dtype.kind not in "fiub":  # of two names of classes, a 0 and a 1, as a column may hold
        y = np.unique(y.astype(str), return_inverse=True)[1]
    y = y.astype(float)
    around = np.column_stack([y[steps + k : len(y) - steps + k] for k in range(-steps, steps + 1)])
    around -= around.mean(axis=0)
    now = steps  # the place of a row's own label among its neighbours'
    earlier, others = around[:, :now], np.delete(around, now, axis=1)
    moving = Moving(y, steps)
    for number, column in enumerate(table[:, :MOST_COLUMNS].T):
        column = np.where(np.isinf(column), np.nan, column)  # a return from 0 is a gap
        if np.isnan(column).all() or np.nanmin(column) == np.nanmax(column):
            continue
        if _is_next(column, y, steps):
            later.append(number)
            continue
        if moving.holds_today(column):
            own.append(number)
            continue
        inner = column[steps : len(y) - steps]  # of a centred mean, the first and last are gaps
        if np.isnan(column[steps - 1 : len(y) - steps]).any():
            continue
        if inner.min() == inner.max() or 2 * around.shape[1] > len(inner):
            continue
        if _is_running_mean(column, y):
            own.append(number)
            continue
        if _left_of(inner, around[:, [now]]) < OTHER:
            continue
        before = column[steps - 1 : len(y) - steps - 1, None]
        before = before - before.mean()
        for known in (before[:, :0], before):  # a sum so far is made of its own value before, too
            if _left_of(inner, around, known) > EXACT or _left_of(inner, earlier, known) < OTHER:
                continue
            (own if _left_of(inner, others, known) > OTHER else later).append(number)
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
    evidence = (
        f"{listed(told, names)} one value in all rows of one class, and another in all other rows."
    )
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


def _is_running_mean(column, y):
    """Say whether a column is the mean of all labels so far, this row's among them."""
    steps = np.diff(column)
    # The mean moves by (y - mean) / n; of n it is not known how many rows were before the first.
    moved = y[1:] - column[:-1] - np.arange(len(steps)) * steps
    n_before = steps @ moved / max(steps @ steps, 1e-300)
    return n_before > 0 and np.mean((moved - n_before * steps) ** 2) < EXACT * y.var()


def _left_of(column, labels, known=None):
    """Return the share of a column's variance that no sum of labels explains, beside what is known.

    Where it is known already, nothing is left to explain, and the share is 1.
    """
    known = labels[:, :0] if known is None else known
    unknown, left = (
        np.mean(_rest(column, sums) ** 2) for sums in (known, np.hstack([labels, known]))
    )
    return float(left / unknown) if unknown > 1e-12 * column.var() else 1.0


def _rest(column, parts):
    column = column - column.mean()
    return column - parts @ np.linalg.lstsq(parts, column, rcond=1e-10)[0]
