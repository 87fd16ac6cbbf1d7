"""Canaries on a split: may these rows test what those have trained?"""

import numpy as np

from helpers._compat import _num_samples
from helpers.leakage.finding import Finding
from helpers.leakage.groups import group_numbers
from helpers.leakage.inputs import about_missing, column_of, folds_of, has_classes, targets_of
from helpers.leakage.later import made_of_labels
from helpers.leakage.tables import as_codes, names_of, what_rows_are
from helpers.leakage.times import as_span, as_times


def shared_groups(X, y=None, *, groups, cv=5, task=None):
    """Are the rows of one group (a person, a device) on both sides of a split?

    Parameters
    ----------
    X, y, cv, task
        As for `shared_rows`.
    groups : array-like of shape (n_rows,) or (n_rows, 2)
        Whose row it is. Where a row is a pair (of proteins, of a user and a film), the names of
        both; a name means the same in both columns.

    Returns
    -------
    Finding
        Leaked if a group is on both sides of a fold; the evidence says how well the group alone
        tells classes `y`. Not looked at, if none is and some rows have no group.

    Raises
    ------
    ValueError
        If lengths differ or `cv` is not of a known form.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import GroupKFold
    >>> from helpers import shared_groups
    >>> X, person = np.zeros((30, 2)), np.repeat(np.arange(10), 3)
    >>> shared_groups(X, groups=person, cv=GroupKFold(5)).leaked
    False
    >>> print(shared_groups(X, groups=person, cv=4))
    shared_groups: LEAK. 3 of 10 groups are on both sides of a split. Split with GroupKFold.
    """
    folds = folds_of(cv, X, y, groups, task)
    numbers = group_numbers(groups, _num_samples(X))
    shared, n_without = set(), int((numbers < 0).any(axis=1).sum())
    for train, test in folds:
        shared.update(np.intersect1d(numbers[train], numbers[test]).tolist())
    shared -= {-1}
    evidence = f"{len(shared)} of {numbers.max() + 1} groups are on both sides of a split."
    if n_without:
        evidence += f" {n_without} of {len(numbers)} rows have no group: say whose they are."
    if shared:
        if y is not None and has_classes(task, y):
            evidence += _told_by_groups(targets_of(y, len(numbers)), numbers[:, 0], folds)
        evidence += " Split with GroupKFold."
    return Finding("shared_groups", bool(shared) or (None if n_without else False), evidence)


def _told_by_groups(y, groups, folds):
    """Return a sentence on how often the commonest class of a row's group is the row's own."""
    labels = np.unique(y, return_inverse=True, axis=0 if y.ndim > 1 else None)[1].ravel()
    right = guessed = 0
    for train, test in folds:
        counts = np.zeros((groups.max() + 2, labels.max() + 1))
        np.add.at(counts, (groups[train], labels[train]), 1)
        usual = counts.sum(axis=0).argmax()
        best = np.where(counts.any(axis=1), counts.argmax(axis=1), usual)
        right += (best[groups[test]] == labels[test]).sum()
        guessed += (labels[test] == usual).sum()
    n = sum(len(test) for _, test in folds)
    told, by_guess = right / n, guessed / n
    return f" The group alone tells the class of {told:.0%} of rows; guessing tells {by_guess:.0%}."


def time_order(X, y=None, *, time, cv=5, horizon=None, window=None, task=None):
    """Is anything trained on that is not older than all it is tested on?

    Parameters
    ----------
    X, y, cv, task
        As for `shared_rows`.
    time : array-like of shape (n_rows,)
        When each row was recorded: numbers or dates, as texts too.
    horizon : number or timedelta, optional
        How long after a row its label is known: 30 days, if it says whether a price has risen
        after 30 days.
    window : number or timedelta, optional
        How far back the features of a row look.

    Returns
    -------
    Finding
        Leaked if a training row is not older than all test rows of its fold, or older by no more
        than `horizon` or `window`: its label was then not known yet, or both rows were made of
        the same values. Leaked as well if, in order of time, a column of `X` is made of labels `y`
        of later rows, as tomorrow's value is, or a mean that includes today.

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
    most 14 rows away or of all so far, changes, extremes, medians and spreads; and only where no
    two rows have the same time.

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
    folds = folds_of(cv, X, y, task=task)
    column = column_of("time", time, _num_samples(X), required=True)
    times = as_times(column)
    spans = {
        "horizon": as_span("horizon", horizon, column),
        "window": as_span("window", window, column),
    }
    gap = max(spans.values())
    late = sum((times[train] + gap >= times[test].min()).sum() for train, test in folds)
    n_trained = sum(len(train) for train, _ in folds)
    evidence = f"{late} of {n_trained} training rows are not older than all that they predict"
    evidence += f", by more than {max(spans, key=spans.get)}." if gap else "."
    if late:
        evidence += " Sort by time and split with TimeSeriesSplit"
        evidence += ", with a gap as long." if gap else "."
    elif horizon is None or window is None:
        missing = [
            name for name, value in (("horizon", horizon), ("window", window)) if value is None
        ]
        evidence += f" No {' and no '.join(missing)} was stated."
    is_ahead, ahead = _looking_ahead(X, y, times)
    return Finding("time_order", bool(late or is_ahead), evidence + ahead)


def _looking_ahead(X, y, times):
    """Say whether columns hold labels of their own row or of later ones, with a sentence or ''."""
    order = np.argsort(times)
    if y is None or what_rows_are(X):
        return False, ""
    if (np.diff(times[order]) == 0).any():
        return False, (
            " Rows have the same time, so columns were not compared with later labels: hand over "
            "the rows of one series (one shop, one person)."
        )
    table, targets = as_codes(X)[order], targets_of(y, len(order))[order]
    if missing := about_missing(targets):
        return False, f" Columns were not compared with later labels: {missing}"
    found = [made_of_labels(table, target) for target in targets.T.reshape(-1, len(order))]
    columns = sorted({column for own, later in found for column in own + later})
    if not columns:
        return False, ""
    names = ", ".join(names_of(X)[column] for column in columns[:10])
    made_of = " Made of labels of their own row or of later ones: columns"
    return True, f"{made_of} {names}. Leave them out."
