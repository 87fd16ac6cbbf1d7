"""Canaries on a split: may these rows test what those have trained?"""

import numpy as np
from scipy.stats import rankdata
from sklearn.metrics import euclidean_distances
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import _num_samples

from helpers.leakage.finding import Finding
from helpers.leakage.inputs import column_of, folds_of
from helpers.leakage.probes import N_REFERENCES, as_numbers

MOST_ROWS = 1000  # that are told apart
N_DEALS = 499  # exceeded by all of them by chance: 0.2 %


def shared_rows(X, y=None, *, cv=5, groups=None, task=None, random_state=0):
    """Do test rows have a twin among the training rows?

    Parameters
    ----------
    X : array-like of shape (n_rows, n_features)
    y : array-like of shape (n_rows,), optional
        What `cv` may stratify by.
    cv : int, splitter or list of (train, test), default=5
        For one split, ``[(train, test)]``.
    groups : array-like of shape (n_rows,), optional
        What `cv` may need.
    task : {"classification", "regression"}, optional
        What `y` is for. A `cv` that is a number stratifies classes; whole numbers in `y` may be
        classes or values, so that it must then be said.
    random_state : int, default=0
        Shuffles the columns, below.

    Returns
    -------
    Finding
        Leaked if a row is trained on and tested on in one fold, or if more test rows have a twin
        than in any of 199 tables whose columns were shuffled, each by itself: in a coarse table
        rows meet by chance.

    Raises
    ------
    ValueError
        If lengths differ or `cv` is not of a known form.

    Notes
    -----
    Twins are equal in every feature. It does not see rows that are merely alike: synthetic
    neighbours (SMOTE), augmented copies, other records of the same person. Where columns depend
    on each other and take few values, honest rows meet more often than this reference.

    Examples
    --------
    >>> import numpy as np
    >>> from helpers import shared_rows
    >>> X = np.random.RandomState(0).normal(size=(50, 3))
    >>> shared_rows(X).leaked, shared_rows(np.vstack([X, X])).leaked
    (False, True)
    """
    folds = folds_of(cv, X, y, groups, task)
    X = as_numbers(X)
    n_tested = sum(len(test) for _, test in folds)
    if n_both := sum(len(np.intersect1d(*fold)) for fold in folds):
        evidence = (
            f"{n_both} of {n_tested} test rows are training rows of the same fold. Split with "
            "train_test_split or a splitter of scikit-learn."
        )
        return Finding("shared_rows", True, evidence)
    found = _count_twins(X, folds)
    most, rng = 0, np.random.default_rng(random_state)
    if found:
        most = max(_count_twins(rng.permuted(X, axis=0), folds) for _ in range(N_REFERENCES))
    evidence = (
        f"{found} of {n_tested} test rows have a twin among the training rows; with shuffled "
        f"columns at most {most}."
    )
    if found > most:
        evidence += " Drop the copies, or keep them together with GroupKFold."
    return Finding("shared_rows", bool(found > most), evidence)


def _count_twins(X, folds):
    _, numbers = np.unique(X, axis=0, return_inverse=True)
    return sum(np.isin(numbers[test], numbers[train]).sum() for train, test in folds)


def shared_groups(X, y=None, *, groups, cv=5, task=None):
    """Are the rows of one group (a person, a device) on both sides of a split?

    Parameters
    ----------
    X, y, cv, task
        As for `shared_rows`.
    groups : array-like of shape (n_rows,)
        Whose row it is.

    Returns
    -------
    Finding

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
    groups = column_of("groups", groups, _num_samples(X), required=True)
    shared = set()
    for train, test in folds:
        shared.update(np.intersect1d(groups[train], groups[test]).tolist())
    evidence = f"{len(shared)} of {len(np.unique(groups))} groups are on both sides of a split."
    if shared:
        evidence += " Split with GroupKFold."
    return Finding("shared_groups", bool(shared), evidence)


def time_order(X, y=None, *, time, cv=5, task=None):
    """Is anything trained on that is not older than all it is tested on?

    Parameters
    ----------
    X, y, cv, task
        As for `shared_rows`.
    time : array-like of shape (n_rows,)
        When each row was recorded: numbers or dates.

    Returns
    -------
    Finding

    Raises
    ------
    ValueError
        If lengths differ or `cv` is not of a known form.

    Notes
    -----
    It looks at the order alone, not whether it matters: rows that do not depend on those before
    them may be shuffled without harm.

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
    time = column_of("time", time, _num_samples(X), required=True)
    late = sum((time[train] >= time[test].min()).sum() for train, test in folds)
    n_trained = sum(len(train) for train, _ in folds)
    evidence = f"{late} of {n_trained} training rows are not older than all that they predict."
    if late:
        evidence += " Sort by time and split with TimeSeriesSplit."
    return Finding("time_order", bool(late), evidence)


def shift(X, y=None, *, cv=5, groups=None, task=None, random_state=0):
    """Do test rows look other than training rows?

    Learns, for each fold, to tell them apart (kernel ridge regression, each row predicted by all
    the others), and again with the rows dealt out at random, 499 times.

    Parameters
    ----------
    X, y, cv, groups, task
        As for `shared_rows`.
    random_state : int, default=0
        Deals out the rows; of large tables, draws 1,000.

    Returns
    -------
    Finding
        Leaked if the largest area under the ROC curve of the folds exceeds all 499: by chance that
        happens once in five hundred times.

    Raises
    ------
    ValueError
        If lengths differ or `cv` is not of a known form.

    Notes
    -----
    A difference may be meant: later rows and other groups do look other, and then it tells how
    far the test set is from the training set. Folds of consecutive rows, as ``cv=5`` makes them,
    differ where the order of the table means something, as in digits. The idea is that of a
    classifier two-sample test (Lopez-Paz and Oquab, ICLR 2017, https://arxiv.org/abs/1610.06545).

    Examples
    --------
    >>> import numpy as np
    >>> from helpers import shift
    >>> X = np.random.RandomState(0).normal(size=(200, 3))
    >>> by_size = np.argsort(X[:, 0])
    >>> shift(X).leaked, shift(X, cv=[(by_size[:150], by_size[150:])]).leaked
    (False, True)
    """
    folds = folds_of(cv, X, y, groups, task)
    X = StandardScaler().fit_transform(as_numbers(X))
    areas = np.max([_tell_apart(X, *fold, random_state) for fold in folds], axis=0)
    own, most = areas[0], areas[1:].max()
    evidence = (
        f"Test rows are told from training rows with an area under the ROC curve of {own:.3f}; "
        f"rows dealt out at random with at most {most:.3f}."
    )
    if own > most:
        evidence += " Shuffle before you split, or ask how the test rows were chosen."
    return Finding("shift", bool(own > most), evidence)


def _tell_apart(X, train, test, seed):
    """Return areas under the ROC curve, shape (500,): of these rows, and dealt out at random.

    Folds of the same rows are dealt out in the same ways, so that their maximum is comparable.
    """
    rng = np.random.default_rng(seed)
    rows = rng.permutation(np.union1d(train, test))[:MOST_ROWS]
    X, is_test = X[rows], np.isin(rows, test).astype(float)
    distances = euclidean_distances(X, squared=True)
    kernel = np.exp(-distances / max(np.median(distances), 1e-9))
    hat = np.linalg.solve(kernel + np.eye(len(X)), kernel)
    dealt = np.repeat(is_test[:, None], 1 + N_DEALS, axis=1)
    dealt[:, 1:] = rng.permuted(dealt[:, 1:], axis=0)
    # What all rows but one predict for that one has a closed form; constants do not matter.
    own = np.diag(hat)[:, None]
    centred = dealt - is_test.mean()
    ranks = rankdata((hat @ centred - own * centred) / (1 - own), axis=0)
    n_test = is_test.sum()
    pairs = max(n_test * (len(X) - n_test), 1)  # a large table may keep no test row
    return ((ranks * dealt).sum(axis=0) - n_test * (n_test + 1) / 2) / pairs
