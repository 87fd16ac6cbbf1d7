"""The canary for test rows that look other than training rows."""

import numpy as np
from scipy.stats import rankdata
from sklearn.metrics import euclidean_distances
from sklearn.model_selection import TimeSeriesSplit
from sklearn.preprocessing import StandardScaler

from helpers.leakage.finding import Finding
from helpers.leakage.inputs import folds_of
from helpers.leakage.probes import seed_of
from helpers.leakage.tables import (
    as_numbers,
    names_of,
    numbers_the_rows,
    what_rows_are,
    without_order,
)
from helpers.leakage.wide import of_smaller

MOST_ROWS = 1000  # that are told apart
N_DEALS = 499  # exceeded by all of them by chance: 0.2 %
# The order of many honest tables means a little: breast cancer in folds as they come has 3.0.
N_DEVIATIONS = 4
ASK_FIRST = (
    " First ask whether the split keeps persons, places or times apart on purpose. If so, do not "
    "shuffle, and hand over groups or time to audit. Shuffle only a table of independent rows that "
    "was sorted by label or source."
)


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
        Leaked if the largest area under the ROC curve of the folds exceeds the largest of the
        folds in all 499 deals, which by chance happens once in five hundred times; and lies four
        standard deviations of theirs above their mean. Several folds are several looks, in both.
        Not looked at, if that is so and `cv` is a TimeSeriesSplit: later rows may look other; nor
        if rows are so few that even an area of 1 could be chance.

    Raises
    ------
    ValueError
        If lengths differ or `cv` is not of a known form.

    Notes
    -----
    A difference may be meant: later rows and other groups do look other, and then it tells how
    far the test set is from the training set; shuffled rows would leak. Folds of consecutive rows,
    as ``cv=5`` makes them, differ where the order of the table means something, as in digits.
    Columns that number the rows are left out, as an id, or a day where each row has the next one.
    Large tables are made smaller as in `shared_rows`.
    The idea is that of a classifier two-sample test (Lopez-Paz and Oquab, ICLR 2017,
    https://arxiv.org/abs/1610.06545).

    Examples
    --------
    >>> import numpy as np
    >>> from helpers import shift
    >>> X = np.random.RandomState(0).normal(size=(200, 3))
    >>> by_size = np.argsort(X[:, 0])
    >>> shift(X).leaked, shift(X, cv=[(by_size[:150], by_size[150:])]).leaked
    (False, True)
    """
    settings = {"cv": cv, "groups": groups, "task": task, "random_state": random_state}
    if (finding := of_smaller(shift, X, y, **settings)) is not None:
        return finding
    folds, random_state = folds_of(cv, X, y, groups, task), seed_of(random_state)
    if what := what_rows_are(X):
        return Finding("shift", None, f"Rows are {what}: hand over the numbers made of them.")
    table, left_out = as_numbers(X), without_order(X)
    left_out |= {
        number: "numbers of the rows"
        for number, column in enumerate(table.T)
        if number not in left_out and numbers_the_rows(column)
    }
    if len(left_out) == table.shape[1]:
        return Finding("shift", None, f"Columns hold {'; '.join(sorted(set(left_out.values())))}.")
    unseen = ", ".join(names_of(X)[column] for column in left_out)
    X = StandardScaler().fit_transform(np.delete(table, list(left_out), axis=1))
    areas = np.max(list(_tell_apart(X, folds, random_state)), axis=0)
    own, dealt = areas[0], areas[1:]
    limit = max(dealt.max(), dealt.mean() + N_DEVIATIONS * dealt.std())
    if limit >= 1:
        evidence = (
            "There are too few rows in a fold: dealt out at random, test rows are told from "
            f"training rows with an area under the ROC curve of up to {dealt.max():.3f}, and even "
            "the largest area, 1, could be chance. Hand over more rows, or fewer and larger folds."
        )
        return Finding("shift", None, evidence)
    evidence = (
        f"Test rows are told from training rows with an area under the ROC curve of {own:.3f} in "
        f"one of {len(folds)} folds; dealt out at random with at most {dealt.max():.3f}, and above "
        f"{limit:.3f} they would look other."
    )
    leaked = bool(own > limit)
    if leaked and isinstance(cv, TimeSeriesSplit):
        evidence += (
            " But TimeSeriesSplit tests on later rows, which may look other: ask time_order."
        )
        leaked = None
    elif leaked:
        evidence += ASK_FIRST
    if left_out:
        evidence += f" Not looked into, as they are no numbers or number the rows: column {unseen}."
    return Finding("shift", leaked, evidence)


def _tell_apart(X, folds, seed):
    """Yield, of each fold, areas under the ROC curve, shape (500,): its own, and dealt out.

    Folds of the same rows are dealt out in the same ways, so that their maximum is comparable.
    """
    hats = {}
    for train, test in folds:
        rng = np.random.default_rng(seed)
        rows = rng.permutation(np.union1d(train, test))[:MOST_ROWS]
        if (key := rows.tobytes()) not in hats:
            hats = {key: _hat(X[rows])}
        yield _areas(hats[key], np.isin(rows, test).astype(float), rng)


def _hat(X):
    """Return what kernel ridge regression multiplies a target with to predict it."""
    distances = euclidean_distances(X, squared=True)
    kernel = np.exp(-distances / max(np.median(distances), 1e-9))
    return np.linalg.solve(kernel + np.eye(len(X)), kernel)


def _areas(hat, is_test, rng):
    dealt = np.repeat(is_test[:, None], 1 + N_DEALS, axis=1)
    dealt[:, 1:] = rng.permuted(dealt[:, 1:], axis=0)
    # What all rows but one predict for that one has a closed form; constants do not matter.
    own = np.diag(hat)[:, None]
    centred = dealt - is_test.mean()
    ranks = rankdata((hat @ centred - own * centred) / (1 - own), axis=0)
    n_test = is_test.sum()
    pairs = max(n_test * (len(hat) - n_test), 1)  # a large table may keep no test row
    return ((ranks * dealt).sum(axis=0) - n_test * (n_test + 1) / 2) / pairs
