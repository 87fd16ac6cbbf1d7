"""The canary on a procedure that must not look at its test rows."""

import copy
from contextlib import suppress

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.utils import check_consistent_length, check_random_state

from helpers._compat import _safe_indexing
from helpers.leakage.destruction import destroyed, exchanged
from helpers.leakage.finding import Finding
from helpers.leakage.fitting import check_is_procedure
from helpers.leakage.inputs import are_ordered, as_array, folds_of, has_classes, is_frame, strata_of
from helpers.leakage.probes import (
    METHODS,
    N_REPEATS,
    compare,
    distance,
    global_seed,
    predictions_of,
    seed_of,
)

N_DESTRUCTIONS = 3
ROUNDING = 1e-9  # of the spread: sums that go on through destroyed rows are rounded otherwise
FIRST_ROWS = 5  # one in so many is left out, where np.roll puts the last rows


def blind_test(procedure, X, y, *, cv=None, groups=None, test_size=0.3, task=None, random_state=0):
    """Does a predictor depend on the rows that it will be tested on?

    Destroys those rows, features and labels, three times over: each time the procedure must
    return a predictor that predicts and scores the same. If it does not, runs with and without
    destruction tell whether that is chance.

    Parameters
    ----------
    procedure : callable
        ``procedure(X, y, train, test)`` returns a fitted predictor of raw rows: what it learns
        may depend on the rows `train` only. Lists and tensors reach it as arrays, all else as you
        hand it over: take rows of a DataFrame with ``X.iloc[train]``.
    X : array-like of shape (n_rows, ...)
        A table, images, sequences, or a list of texts.
    y : array-like of shape (n_rows,)
    cv : int, splitter or list of (train, test), optional
        The split that you evaluate with; for one split, ``[(train, test)]``. By default rows are
        dealt out at random. If `X` is in order of time, the oldest row first, and you train on
        what came before, say so here: a step that looks back is honest there and only there.
    groups : array-like of shape (n_rows,), optional
        What `cv` may need.
    test_size : float or int, default=0.3
        Without `cv`.
    task : {"classification", "regression"}, optional
        What `y` is for: a split at random is stratified if it is known to hold classes.
    random_state : int, default=0
        Draws the split and the destruction, and seeds the global generators of numpy and torch
        for each run.

    Returns
    -------
    Finding
        Leaked if predictions (probabilities, labels or values) or the predictor's own score differ
        by more than rounding and repeated runs explain. Where every test row comes after all
        training rows, it is no leak if what is predicted up to the first test row stays the same:
        the procedure looks back. Not looked at, if without `cv` predictions differ on rows dealt
        out at random, and the procedure looks back: only the split tells whether that is honest;
        nor if it looks back as far as labels alone tell, without probabilities.

    Raises
    ------
    ValueError
        If lengths differ, `cv` is not of a known form, or the procedure cannot take rows.
    TypeError
        If `procedure` is no function of `X`, `y`, `train` and `test`, or returns no predictor.

    Notes
    -----
    It sees whatever uses the test rows, harmful or not: scaling all rows, too. It does not see
    rows that are twins of training rows, nor what happened before the procedure began, nor what
    is written on test rows in a file that the procedure reads, nor what an earlier run left behind,
    as a cache does that is asked by the shape of a table alone. To see whether a procedure looks
    back it leaves out the first fifth of the training rows, because ``numpy.roll`` fills the first
    rows of a table with the last.

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
    random_state = seed_of(random_state)
    check_is_procedure(procedure, "blind_test")
    check_consistent_length(X, y)
    X, y = (values if is_frame(values) else as_array(values) for values in (X, y))
    rows = np.arange(len(y))
    if cv is not None:
        folds = in_order = folds_of(cv, X, y, groups, task)
    else:
        stratify = strata_of(y, has_classes(task, y))
        train, test = train_test_split(
            rows, test_size=test_size, stratify=stratify, random_state=random_state
        )
        folds = [(train, test)]
        in_order = [(rows[: len(train)], rows[len(train) :])]
    found = _compared(procedure, X, y, folds, random_state)
    if found[0] and _looks_back(procedure, X, y, in_order, random_state):
        labels_alone = has_classes(task, y) and _tells_labels_alone(procedure, X, y, folds[0])
        return _looking_back(cv is not None, labels_alone)
    return _finding(*found, folds)


def _looks_back(procedure, X, y, folds, seed):
    """Say whether, up to the first test row, predictions do not depend on test rows."""
    if not are_ordered(folds):
        return False
    folds = [(np.sort(train)[len(train) // FIRST_ROWS :], test) for train, test in folds]
    try:
        return not _compared(procedure, X, y, folds, seed, up_to_test=True)[0]
    except Exception:
        return False  # the rows that are left may hold one class alone


def _tells_labels_alone(procedure, X, y, fold):
    predictor = _run(procedure, _copy(X), _copy(y), *fold)
    return not any(hasattr(predictor, finer) for finer in ("predict_proba", "decision_function"))


def _looking_back(given, labels_alone):
    evidence = (
        "Destroyed test rows change no prediction up to the first of them, if the first rows of "
        "the table are left out"
    )
    if labels_alone:
        evidence += (
            "; but these are labels alone, which need not change where all rows are used. Return a "
            "predictor that has predict_proba or decision_function."
        )
        return Finding("blind_test", None, evidence)
    if given:
        return Finding("blind_test", False, evidence + ": it looks back, which is honest here.")
    evidence += (
        "; where rows are dealt out at random, they do. So it looks back, which is honest if you "
        "split in order of time. Hand over your split as cv."
    )
    return Finding("blind_test", None, evidence)


def _finding(leaked, means, folds):
    n_test = sum(len(test) for _, test in folds)
    evidence = (
        f"With its {n_test} test rows destroyed, the predictions differ by {means[0]:.3g} on "
        f"average; repeated, by {means[1]:.3g}."
    )
    if leaked:
        evidence += " Fit every step on the training rows only: put them into a Pipeline."
    elif means[1]:
        evidence += (
            " Runs on the same rows should be equal: it draws from a generator of its own, or "
            "keeps something from run to run, as in a file, which may hide a leak."
        )
    return Finding("blind_test", leaked, evidence)


def _compared(procedure, X, y, folds, seed, up_to_test=False):
    """Compare what is predicted with and without test rows; return `compare`'s answer."""
    n_destructions = N_DESTRUCTIONS if len(folds) == 1 else 1
    if up_to_test:  # if no difference is found, the procedure is excused: so look more often
        n_destructions = N_REPEATS

    def answers(rng=None):
        outputs = []
        for train, test in folds:
            seen = X, y
            if rng is not None:
                seen = destroyed(X, test, rng), exchanged(y, test, rng)
            with global_seed(seed):
                predictor = _run(procedure, *map(_copy, seen), train, test)
                asked = slice(min(train), min(test) + 1) if up_to_test else slice(None)
                outputs += _answers_of(predictor, X, y, asked)
        return outputs

    alone = answers()
    rng = check_random_state(seed)

    def difference(outputs):
        return max(map(_beyond_rounding, outputs, alone))

    return compare(
        lambda: difference(answers(rng)),
        lambda: difference(answers()),
        n_tries=n_destructions,
    )


def _beyond_rounding(output, alone):
    """Return how far outputs differ; 0 where numbers differ by rounding alone."""
    difference = distance(output, alone)
    if alone.dtype.kind != "f":
        return difference
    spread = alone.std() if alone.size > 1 else max(1.0, np.abs(alone).max())  # one is a score
    least = 10 * np.finfo(alone.dtype).eps * np.abs(alone).max()
    return difference if difference > max(ROUNDING * spread, least) else 0.0


def _run(procedure, X, y, train, test):
    try:
        predictor = procedure(X, y, train, test)
    except (KeyError, IndexError) as error:
        if hasattr(X, "iloc") or hasattr(y, "iloc"):
            raise ValueError(
                "procedure(X, y, train, test) gets X and y as you hand them over, here from "
                "pandas: take rows by number, X.iloc[train], or hand over arrays. It stopped with "
                f"{type(error).__name__}: {error}"
            ) from error
        raise
    is_class = isinstance(predictor, type)
    if is_class or not any(hasattr(predictor, method) for method in METHODS):
        got = f"the class {predictor.__name__}" if is_class else type(predictor).__name__
        raise TypeError(
            "procedure(X, y, train, test) must return a fitted predictor, an object that has one "
            f"of the methods {', '.join(METHODS)}; got {got}."
        )
    return predictor


def _answers_of(predictor, X, y, asked):
    """Return what a predictor says of some rows: the finest, labels or values, its score."""
    outputs = [predictions_of(predictor, X)[asked]]
    if hasattr(predictor, "predict"):  # a threshold shows in labels alone
        outputs.append(np.asarray(predictor.predict(X))[asked])
    with suppress(Exception):  # it may have no score, or one that wants more than this
        rows = np.arange(len(y))[asked]
        score = predictor.score(_safe_indexing(X, rows), _safe_indexing(y, rows))
        outputs.append(np.array([score], dtype=float))
    return outputs


def _copy(values):
    return values.copy() if hasattr(values, "copy") else copy.copy(values)
