"""Canaries on a split: may these rows test what those have trained?"""

from collections import Counter

import numpy as np
from scipy import sparse

from helpers._compat import _num_samples
from helpers.leakage.finding import Finding
from helpers.leakage.groups import group_numbers
from helpers.leakage.inputs import about_missing, folds_of, has_classes, targets_of
from helpers.leakage.later import made_of_labels
from helpers.leakage.tables import as_codes, names_of, what_rows_are
from helpers.leakage.times import as_span, as_times, time_column

KNOWN_GROUPS = (
    " Each of these groups is tested on later rows than it was trained on, which is right for a "
    "forecast of known groups. If the score is to hold for new groups, leave out whole groups."
)
NEW_GROUPS = (
    " A leak if the score is to hold for new groups: keep all rows of a group on one side, as "
    "GroupKFold does."
)
FEWEST_ROWS, MOST_SERIES = 10, 20  # in which columns are compared with later labels


def shared_groups(X, y=None, *, groups, time=None, cv=5, task=None):
    """Are the rows of one group (a person, a device) on both sides of a split?

    Parameters
    ----------
    X, y, cv, task
        As for `shared_rows`.
    groups : array-like of shape (n_rows,) or (n_rows, 2)
        Whose row it is. Where a row is a pair (of proteins, of a user and a film), the names of
        both; a name means the same in both columns.
    time : array-like of shape (n_rows,), optional
        When each row was recorded, where groups are series that may be forecast.

    Returns
    -------
    Finding
        Leaked if a group is on both sides of a fold, which matters if the score is to hold for new
        groups; the evidence says how well the group alone tells classes `y`. Not looked at, if none
        is and some rows have no group; nor if, by `time`, each group's test rows are later than its
        training rows: only you know whether known groups are to be forecast.

    Raises
    ------
    ValueError
        If lengths differ or `cv` is not of a known form, or as `time_order` does about `time`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import GroupKFold
    >>> from helpers import shared_groups
    >>> X, person = np.zeros((30, 2)), np.repeat(np.arange(10), 3)
    >>> shared_groups(X, groups=person, cv=GroupKFold(5)).leaked
    False
    >>> print(shared_groups(X, groups=person, cv=4))
    shared_groups: LEAK. 3 of 10 groups are on both sides of a split. A leak if the score is to hold
    for new groups: keep all rows of a group on one side, as GroupKFold does.
    """
    folds = folds_of(cv, X, y, groups, task)
    numbers = group_numbers(groups, _num_samples(X))
    times = None if time is None else as_times(time_column(time, len(numbers)))
    are_later = times is not None and _are_later(times, numbers, folds)
    shared, n_without = set(), int((numbers < 0).any(axis=1).sum())
    for train, test in folds:
        shared.update(np.intersect1d(numbers[train], numbers[test]).tolist())
    shared -= {-1}
    evidence = f"{len(shared)} of {numbers.max() + 1} groups are on both sides of a split."
    if n_without:
        evidence += f" {n_without} of {len(numbers)} rows have no group: say whose they are."
    if shared:
        if y is not None and has_classes(task, y):
            evidence += _told_by_groups(targets_of(y, len(numbers)), numbers, folds)
        evidence += KNOWN_GROUPS if are_later else NEW_GROUPS
        return Finding("shared_groups", None if are_later else True, evidence)
    return Finding("shared_groups", None if n_without else False, evidence)


def _are_later(times, groups, folds):
    """Say whether each test row is later than all training rows of its group."""
    for train, test in folds:
        latest = np.full(groups.max() + 2, -np.inf)  # the last one is of rows that have no group
        np.maximum.at(latest, groups[train], times[train, None])
        if (times[test, None] <= latest[groups[test]])[groups[test] >= 0].any():
            return False
    return True


def _told_by_groups(y, groups, folds):
    """Return a sentence on how often the commonest class of a row's group is the row's own."""
    labels = np.unique(y, return_inverse=True, axis=0 if y.ndim > 1 else None)[1].ravel()
    groups = np.unique(groups, return_inverse=True, axis=0)[1].ravel()
    right = guessed = 0
    for train, test in folds:
        pairs = groups[train], labels[train]
        shape = groups.max() + 1, labels.max() + 1  # sparse: of many groups each has few labels
        counts = sparse.csr_array((np.ones(len(train)), pairs), shape=shape)
        usual = counts.sum(axis=0).argmax()
        best = np.where(np.diff(counts.indptr), counts.argmax(axis=1), usual)
        right += (best[groups[test]] == labels[test]).sum()
        guessed += (labels[test] == usual).sum()
    n = sum(len(test) for _, test in folds)
    told, by_guess = right / n, guessed / n
    return f" The group alone tells the class of {told:.0%} of rows; guessing tells {by_guess:.0%}."


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
        How long after a row its label is known: 30 days, if it says whether a price has risen
        after 30 days.
    window : number or timedelta, optional
        How far back the features of a row look.

    Returns
    -------
    Finding
        Leaked if a training row is not older than all test rows of its fold, or older by no more
        than `horizon` or `window`: its label was then not known yet, or both rows were made of the
        same values. Leaked as well if, in order of time, a column of `X` is made of labels `y` of
        later rows, as tomorrow's value is, or a mean that includes today; of groups, in most of the
        20 that have the most rows, where it may also be the label less the group's mean. Not looked
        at, if rows have the same time and no group has 10 rows at different times, or if labels are
        missing.

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
    most 14 rows away (in short series, a sixth of their rows) or of all so far, changes, extremes,
    medians and spreads.

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
    if late:
        evidence += " Sort by time and split with TimeSeriesSplit"
        evidence += ", with a gap as long." if gap else "."
    elif missing := [name for name, value in stated.items() if value is None]:
        evidence += f" No {' and no '.join(missing)} was stated."
    is_ahead, ahead = _looking_ahead(X, y, times, groups)
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
