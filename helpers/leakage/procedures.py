"""Canaries on a whole procedure, from the raw data to the number that is reported."""

import numpy as np
from scipy import stats
from sklearn.model_selection import train_test_split
from sklearn.utils import check_consistent_length, check_random_state

from helpers.leakage.finding import Finding
from helpers.leakage.inputs import has_classes, rarest
from helpers.leakage.probes import P_VALUE, compare, distance, global_seed, predictions_of

N_DESTRUCTIONS = 3


def null_labels(
    procedure, X, y, *, groups=None, chance=None, task=None, n_permutations=20, random_state=0
):
    """Does a procedure score more than chance where there is nothing to learn?

    Runs all of it again on permuted labels, which no honest procedure predicts.

    Parameters
    ----------
    procedure : callable
        ``procedure(X, y)`` returns the score that would be reported. Everything that looks at
        labels must happen within it.
    X : array-like of shape (n_rows, n_features)
    y : array-like of shape (n_rows,)
    groups : array-like of shape (n_rows,), optional
        Where given, whole groups exchange their label, so that a score that comes from
        recognising a group is seen. The label must be the same throughout a group.
    chance : float, optional
        The best that guessing reaches. By default the share of the most frequent class, for the
        accuracy of a classifier, or 0, for the R2 of a regressor. Give 0.5 for balanced accuracy
        and the area under the ROC curve.
    n_permutations : int, default=20
    random_state : int, default=0

    Returns
    -------
    Finding
        Leaked if the mean exceeds chance in a one-sided t-test at 0.5 %.

    Raises
    ------
    ValueError
        If lengths differ, or a label varies within a group.

    Notes
    -----
    It sees what looks at labels: selection, tuning, stopping, oversampling, encoding. It does not
    see what lies in the data already (duplicates, a proxy, time), nor what happened before the
    procedure began (a network fitted earlier).

    Ojala and Garriga, JMLR 11:1833, 2010, describe such tests.

    Examples
    --------
    >>> from sklearn.feature_selection import SelectKBest
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from helpers import null_labels
    >>> from helpers.data import coin_flips
    >>> def leaky(X, y):
    ...     X = SelectKBest(k=10).fit_transform(X, y)  # has seen the labels of all folds
    ...     return cross_val_score(KNeighborsClassifier(), X, y).mean()
    >>> null_labels(leaky, *coin_flips(50, 500)).leaked
    True
    """
    check_consistent_length(X, y, groups)
    y, rng = np.asarray(y), check_random_state(random_state)
    if chance is None:
        chance = (
            0.0
            if has_classes(task, y) is False
            else np.unique(y, return_counts=True)[1].max() / len(y)
        )
    scores = [procedure(X, _permuted(y, groups, rng)) for _ in range(n_permutations)]
    if np.ptp(scores) < 1e-9:  # a t-test divides by the spread
        leaked = bool(scores[0] > chance + 1e-9)
    else:
        test = stats.ttest_1samp(scores, chance, alternative="greater")
        leaked = bool(test.pvalue < P_VALUE)
    evidence = (
        f"On {n_permutations} permutations of the labels it scores {np.mean(scores):.2f} on "
        f"average, {min(scores):.2f} to {max(scores):.2f}; chance is {chance:.2f}."
    )
    if leaked:
        evidence += (
            " Look for a step that sees labels before the split, for a best of many, or for rows "
            "that know each other."
        )
    return Finding("null_labels", leaked, evidence)


def _permuted(y, groups, rng):
    if groups is None:
        return rng.permutation(y)
    names, first, numbers = np.unique(groups, return_index=True, return_inverse=True)
    if (y != y[first][numbers]).any():
        raise ValueError(
            f"y must be the same throughout each of the {len(names)} groups, to exchange the "
            "labels of groups; it varies in at least one. Leave out groups to permute rows."
        )
    return rng.permutation(y[first])[numbers]


def blind_test(procedure, X, y, *, test_size=0.3, task=None, random_state=0):
    """Does a predictor depend on the rows that it will be tested on?

    Destroys those rows, features and labels, three times over: each time the procedure must
    return the same predictor. If it does not, runs with and without destruction tell whether
    that is chance.

    Parameters
    ----------
    procedure : callable
        ``procedure(X, y, train, test)`` returns a fitted predictor of raw rows: what it learns
        may depend on the rows `train` only.
    X : array-like of shape (n_rows, n_features), numeric
    y : array-like of shape (n_rows,)
    test_size : float or int, default=0.3
    task : {"classification", "regression"}, optional
        What `y` is for: the split is stratified if it is known to hold classes.
    random_state : int, default=0
        Draws the split and the destruction, and seeds the global generators of numpy and torch
        for each run.

    Returns
    -------
    Finding
        Leaked if predictions differ by more than repeated runs explain.

    Notes
    -----
    It sees whatever uses the test rows, harmful or not: scaling all rows, too. It does not see
    rows that are twins of training rows, nor what happened before the procedure began.

    The principle is the learn-predict separation of Kaufman, Rosset, Perlich and Stitelman,
    ACM TKDD 6(4), 2012.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from helpers import blind_test
    >>> def honest(X, y, train, test):
    ...     return LogisticRegression(max_iter=1000).fit(X[train], y[train])
    >>> blind_test(honest, *load_iris(return_X_y=True)).leaked
    False
    """
    check_consistent_length(X, y)
    X, y = np.asarray(X), np.asarray(y)
    stratify = y if has_classes(task, y) and rarest(y) > 1 else None
    train, test = train_test_split(
        np.arange(len(y)), test_size=test_size, stratify=stratify, random_state=random_state
    )

    def predictions(X_seen, y_seen):
        with global_seed(random_state):
            return predictions_of(procedure(X_seen.copy(), y_seen.copy(), train, test), X)

    alone = predictions(X, y)
    rng = check_random_state(random_state)
    leaked, (difference, by_chance) = compare(
        lambda: distance(predictions(*_destroyed(X, y, test, rng)), alone),
        lambda: distance(predictions(X, y), alone),
        n_tries=N_DESTRUCTIONS,
    )
    evidence = (
        f"With its {len(test)} test rows destroyed, the predictions differ by {difference:.3g} on "
        f"average; repeated, by {by_chance:.3g}."
    )
    if leaked:
        evidence += " Fit every step on the training rows only: put them into a Pipeline."
    return Finding("blind_test", leaked, evidence)


def _destroyed(X, y, test, rng):
    """Replace the test rows: each number drawn from its column, three times as far from its mean.

    Columns of integers keep to their values, which may be categories.
    """
    X, y = X.copy(), y.copy()
    drawn = rng.randint(len(X), size=(len(test), X.shape[1]))
    X[test] = np.take_along_axis(X, drawn, axis=0)
    if X.dtype.kind == "f" and not np.array_equal(X, np.round(X)):
        middle = X.mean(axis=0)
        X[test] = middle + 3 * (X[test] - middle)
    y[test] = rng.permutation(y)[: len(test)]
    return X, y
