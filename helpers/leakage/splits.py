"""The canary on groups: is a person, or a device, on both sides of a split?"""

import numpy as np
from scipy import sparse

from helpers._compat import _num_samples
from helpers.leakage.finding import Finding
from helpers.leakage.groups import group_numbers
from helpers.leakage.inputs import folds_of, has_classes, targets_of
from helpers.leakage.times import as_times, time_column

KNOWN_GROUPS = (
    " Each of these groups is tested on later rows than it was trained on, which is right for a "
    "forecast of known groups. If the score is to hold for new groups, leave out whole groups."
)
NEW_GROUPS = (
    " A leak if the score is to hold for new groups: keep all rows of a group on one side, as "
    "GroupKFold does."
)


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
    shared, n_without = _shared(numbers, folds), int((numbers < 0).any(axis=1).sum())
    evidence = f"{len(shared)} of {numbers.max() + 1} groups are on both sides of a split."
    if n_without:
        evidence += f" {n_without} of {len(numbers)} rows have no group: say whose they are."
    if shared:
        if y is not None and has_classes(task, y):
            evidence += _told_by_groups(targets_of(y, len(numbers)), numbers, folds)
        evidence += KNOWN_GROUPS if are_later else NEW_GROUPS
        return Finding("shared_groups", None if are_later else True, evidence)
    return Finding("shared_groups", None if n_without else False, evidence)


def _shared(groups, folds):
    """Return the groups that are on both sides of a split."""
    both = (np.intersect1d(groups[train], groups[test]).tolist() for train, test in folds)
    return set().union(*both) - {-1}


def are_apart(groups, folds):
    """Say whether all rows have a group, and no group is on both sides of a split."""
    return groups.min() >= 0 and not _shared(groups, folds)


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
