"""The canary on time: is anything trained on that was not known when the test rows were?"""

from collections import Counter

import numpy as np

from helpers._compat import _num_samples
from helpers.leakage.finding import Finding
from helpers.leakage.groups import group_numbers
from helpers.leakage.inputs import about_missing, folds_of, targets_of
from helpers.leakage.later import made_of_labels
from helpers.leakage.splits import are_apart
from helpers.leakage.tables import as_codes, names_of, what_rows_are
from helpers.leakage.times import as_span, as_times, time_column

APART = (
    " But no group is on both sides, which is right if the score is to hold for new groups, at any "
    "time. If it is to hold for later times, sort by time and split with TimeSeriesSplit."
)
FEWEST_ROWS, MOST_SERIES = 10, 20  # in which columns are compared with later labels


def time_order(X, y=None, *, time, groups=None, cv=5, horizon=None, window=None, task=None):
    """Is anything trained on that is not older than all it is tested on?

    Parameters
    ----------
    X, y, cv, task
        As for `shared_rows`.
    time : array-like of shape (n_rows,)
        When each row was recorded: numbers or dates, as texts too.
    groups : array-like of shape (n_rows,) or (n_rows, 2), optional
        Whose row it is (a shop's, a person's), where each has rows of its own at the same times.
    horizon : number or timedelta, optional
        The longest time after a row at which its label is not yet known. Where the label is the
        mean price of the next 7 days, this is 6 days if the price of a day is known when that
        day's forecast is made, and 7 days if not.
    window : number or timedelta, optional
        How far back the features of a row look, if training and test rows are to share no values.
        A forecast of the next row may use all values before it: then leave it out.

    Returns
    -------
    Finding
        Leaked if a training row is not older than all test rows of its fold, or older by no more
        than `horizon` or `window`: its label was then not known yet, or both rows were made of the
        same values. Leaked as well if, in order of time, a column of `X` is made of labels `y` of
        later rows, as tomorrow's value is, or a mean that includes today; of groups, in most of the
        20 that have the most rows, where it may also be the label less the group's mean. Not looked
        at, if rows have the same time and no group has 10 rows at different times, or if labels are
        missing; nor if no group is on both sides of a split that is not in order of time: only you
        know whether later times are to be predicted.

    Raises
    ------
    ValueError
        If lengths differ or `cv` is not of a known form; if times are missing, of several kinds,
        or texts that can be read as several dates.

    Notes
    -----
    Of the split it looks at the order alone, not whether it matters: rows that do not depend on
    those before them may be shuffled without harm. Of a horizon and a window it knows what you
    say. Of labels it sees what `too_good_feature` sees of rows in order: exact sums of those at
    most 14 rows away (in short series, a sixth of their rows) or of all so far, and changes,
    extremes, medians and spreads of windows that end, have their middle or begin in the row, or
    begin in the next one. If there are few rows, extremes may be missed.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import TimeSeriesSplit
    >>> from helpers import time_order
    >>> X, day = np.zeros((30, 2)), np.arange(30)
    >>> time_order(X, time=day, cv=TimeSeriesSplit(3)).leaked
    False
    >>> time_order(X, time=day, cv=3).leaked
    True
    """
    folds = folds_of(cv, X, y, groups, task)
    column = time_column(time, _num_samples(X))
    times = as_times(column)
    stated = {"horizon": horizon, "window": window}
    spans = {name: as_span(name, value, column) for name, value in stated.items()}
    gap = max(spans.values())
    late = sum((times[train] + gap >= times[test].min()).sum() for train, test in folds)
    n_trained = sum(len(train) for train, _ in folds)
    evidence = f"{late} of {n_trained} training rows are not older than all that they predict"
    evidence += f", by more than {max(spans, key=spans.get)}." if gap else "."
    is_apart = groups is not None and are_apart(group_numbers(groups, len(times)), folds)
    if late and is_apart:
        evidence += APART
    elif late and not gap and late == sum((times[a] == times[b].min()).sum() for a, b in folds):
        evidence += " They have the time of the first test rows: split between two times."
    elif late:
        evidence += " Sort by time and split with TimeSeriesSplit"
        evidence += ", with a gap as long." if gap else "."
    elif missing := [name for name, value in stated.items() if value is None]:
        evidence += f" No {' and no '.join(missing)} was stated."
    is_ahead, ahead = _looking_ahead(X, y, times, groups)
    if late and is_apart and not is_ahead:
        return Finding("time_order", None, evidence + ahead)
    return Finding("time_order", bool(late) or is_ahead, evidence + ahead)


def _looking_ahead(X, y, times, groups):
    """Say whether columns hold labels of their own row or of later ones, with a sentence or ''.

    None, if columns and labels could not be compared.
    """
    if y is None or what_rows_are(X):
        return False, ""
    table, targets = as_codes(X), targets_of(y, len(times))
    if missing := about_missing(targets):
        return None, f" Columns were not compared with later labels: {missing}"
    is_one = len(np.unique(times)) == len(times)
    series = _series_of(times, groups)
    if not is_one and not series:
        why = "" if groups is None else f", and no group has {FEWEST_ROWS} at different times"
        return None, (
            f" Rows have the same time{why}, so columns were not compared with later labels: hand "
            "over the rows of one series (one shop, one person), or, as groups, whose row it is."
        )
    columns = _ahead_in(table, targets, np.argsort(times)) if is_one else set()
    series = [rows for rows in series if len(np.unique(targets[rows], axis=0)) > 1]
    counts = Counter(column for rows in series for column in _ahead_in(table, targets, rows, True))
    # In one short series of many, a column may be like that by chance.
    columns = sorted(columns | {column for column, n in counts.items() if 2 * n > len(series)})
    if not columns:
        return False, ""
    names = ", ".join(names_of(X)[column] for column in columns[:10])
    made_of = " Made of labels of their own row or of later ones: columns"
    return True, f"{made_of} {names}. Leave them out."


def _series_of(times, groups):
    """Return the rows of each group in order of time, of the largest where no times are equal."""
    if groups is None:
        return []
    numbers = group_numbers(groups, len(times))
    filled = np.flatnonzero((numbers >= 0).all(axis=1))
    group_of = np.unique(numbers[filled], axis=0, return_inverse=True)[1].ravel()
    in_order = np.lexsort((times[filled], group_of))
    starts = np.flatnonzero(np.diff(group_of[in_order])) + 1
    series = [rows for rows in np.split(filled[in_order], starts) if len(rows) >= FEWEST_ROWS]
    series = [rows for rows in series if np.diff(times[rows]).all()]
    return sorted(series, key=len, reverse=True)[:MOST_SERIES]


def _ahead_in(table, targets, rows, of_one=False):
    """Return the columns that are made of labels of their own row or of later ones."""
    found = [made_of_labels(table[rows], y, of_one) for y in targets[rows].T.reshape(-1, len(rows))]
    return {column for own, later in found for column in own + later}
