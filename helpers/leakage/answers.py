"""Canaries for predictions that depend on more than their own row: other rows, or chance."""

import copy
from itertools import chain

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from helpers._compat import _num_samples
from helpers.leakage.estimators import some_rows
from helpers.leakage.finding import Finding
from helpers.leakage.outside import is_training, left_alone
from helpers.leakage.probes import (
    METHODS,
    compare,
    distance,
    fit_seeded,
    global_seed,
    predictions_of,
    seed_of,
    seeded_clone,
)

LABELS = ("predict",)
N_ALONE = 10  # rows that are predicted one by one


def batch_mates(estimator, X, y, *, groups=None, random_state=0):
    """Does a row's prediction depend on the rows predicted with it?

    Predicts all rows at once, and again in five batches of rows with like predictions. BatchNorm
    left in training mode answers otherwise, as it scales each row by its batch. And lets a copy
    predict one half of the rows, another copy the other half, before both predict all: a
    predictor that goes on adapting to what it predicts answers otherwise.

    Parameters
    ----------
    estimator, X, y, groups, random_state
        As for `purity`.

    Returns
    -------
    Finding
        Leaked if predictions differ by more than repeating them does, leaving out rounding: a
        thousandth of their standard deviation. Not looked at, if `predict` raises an error where
        `predict_proba` does not.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from helpers import batch_mates
    >>> batch_mates(KNeighborsClassifier(), *load_iris(return_X_y=True)).leaked
    False
    """
    random_state = seed_of(random_state)
    with left_alone(estimator):
        subject = fit_seeded(seeded_clone(estimator, random_state), X, y, random_state, groups)
        together = predictions_of(subject, X)
        order = np.lexsort(together.reshape(len(together), -1).T)
        look = _compared(subject, X, order, METHODS)
        if not look[0] and _decides_labels(subject):
            try:
                of_labels = _compared(subject, X, order, LABELS)
            except Exception as error:
                why = f"predict stopped with {type(error).__name__}: {error!s:.100}"
                return Finding("batch_mates", None, f"It gave the same answers, but {why}.")
            # A leak counts first, then what is drawn at random, then the finest predictions.
            look = max(look, of_labels, key=lambda look: (look[0], bool(look[1])))
    leaked, by_chance, found, what = look
    evidence = (
        f"{what}, the predictions differ by {found:.3g} on average; repeated, by {by_chance:.3g}."
    )
    if not leaked and by_chance:
        evidence += " Something is drawn at random while it predicts."
    if leaked and is_training(subject):
        evidence += " Put the network into evaluation mode (net.eval()) before it predicts."
    elif leaked:
        evidence += (
            " Let predict use what fit has learned, and no statistics of the rows it is given."
        )
    return Finding("batch_mates", leaked, evidence)


def _compared(subject, X, by_prediction, methods):
    """Compare what is predicted in other company; return the answer, the differences, and how."""
    together = predictions_of(subject, X, methods)
    rounding = _rounding_in(together, methods)
    low, high = (np.resize(half, len(together)) for half in np.array_split(by_prediction, 2))

    def after(rows):
        """Predict all rows with a copy that has predicted others before."""
        predictor = copy.deepcopy(subject)
        predictions_of(predictor, some_rows(X, rows), methods)
        return predictions_of(predictor, X, methods)

    def adapted(to, other):
        return max(distance(after(to), after(other)) - rounding, 0.0)

    def difference(n_batches):
        predictions = np.empty_like(together)
        for batch in np.array_split(by_prediction, min(n_batches, len(together))):
            predictions[batch] = predictions_of(subject, some_rows(X, batch), methods)
        return max(distance(together, predictions) - rounding, 0.0)

    leaked, (found, by_chance) = compare(lambda: adapted(low, high), lambda: adapted(low, low))
    what = "After other rows were predicted"
    if not leaked:
        leaked, (found, by_chance) = compare(lambda: difference(5), lambda: difference(1))
        what = "Predicted in other company"
    return leaked, by_chance, found, what


def same_answer(estimator, X, y=None, *, groups=None, random_state=0):
    """Is a row's prediction the same when asked again, in another order, and alone?

    Predicts all rows twice, the second time under another seed; once more in another order; the
    first half without the second; and ten rows one by one. Augmentation that goes on while
    predicting, and dropout that was left on, answer otherwise.

    Parameters
    ----------
    estimator : estimator
        Fitted, if `y` is not given: then a copy of it is asked. Else a clone is fitted.
    X : array-like of shape (n_rows, ...)
        Whatever the estimator takes.
    y : array-like of shape (n_rows,), optional
    groups : array-like of shape (n_rows,), optional
        What a search inside the estimator may split by.
    random_state : int, generator of numpy or None, default=0
        Seeds the clone, the global generators, and the order.

    Returns
    -------
    Finding
        Leaked if predictions differ on average, leaving out rounding: a thousandth of their
        standard deviation. Not looked at, if the estimator is not fitted and `y` not given, if it
        does not take a single row, or if `predict` raises an error where `predict_proba` does not.

    Notes
    -----
    Chance while predicting is no leak by itself, but the score is then one of many, and the rows
    were not tested as they are. `batch_mates` asks the same of larger batches, and is quiet about
    chance.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from helpers import same_answer
    >>> X, y = load_iris(return_X_y=True)
    >>> same_answer(LogisticRegression(max_iter=1000).fit(X, y), X).leaked
    False
    """
    random_state = seed_of(random_state)
    try:
        with left_alone(estimator):
            if y is None:
                check_is_fitted(estimator)
                subject = copy.deepcopy(estimator)
            else:
                subject = seeded_clone(estimator, random_state)
                fit_seeded(subject, X, y, random_state, groups)
    except NotFittedError:
        return Finding("same_answer", None, "The estimator is not fitted: fit it, or hand over y.")
    finest = _differences(subject, X, random_state, METHODS)
    for what, difference in chain(finest, _of_labels(subject, X, random_state)):
        if difference is None:
            return Finding("same_answer", None, f"It gave the same answers, but {what}.")
        if difference > 0:
            evidence = f"{what}, the predictions differ by {difference:.3g} on average."
            if is_training(subject):
                evidence += " Put the network into evaluation mode (net.eval()) before it predicts."
            evidence += " Only fit may draw random numbers or augment rows."
            return Finding("same_answer", True, evidence)
    evidence = f"Asked again, in another order, and {N_ALONE} rows alone, it predicts the same."
    return Finding("same_answer", False, evidence)


def _of_labels(subject, X, seed):
    if _decides_labels(subject):
        try:
            yield from _differences(subject, X, seed, LABELS)
        except Exception as error:
            yield f"predict stopped with {type(error).__name__}: {error!s:.100}", None


def _differences(subject, X, seed, methods):
    """Yield in what way it was asked, and how far the predictions differ beyond rounding."""
    n = _num_samples(X)

    def ask(rows, number):
        with global_seed(seed + number):
            return predictions_of(subject, some_rows(X, rows), methods)

    rows, rng = np.arange(n), np.random.RandomState(seed)
    first = ask(rows, 0)
    rounding = _rounding_in(first, methods)
    yield "Asked again", distance(first, ask(rows, 1)) - rounding
    order = rng.permutation(n)
    yield "In another order", distance(first[order], ask(order, 0)) - rounding
    half = rows[: (n + 1) // 2]
    yield "Without the other half", distance(first[half], ask(half, 0)) - rounding
    if methods is LABELS:
        return
    alone = order[:N_ALONE]
    try:
        answers = np.concatenate([ask([row], 0) for row in alone])
    except Exception as error:
        yield f"of a single row it stopped with {type(error).__name__}: {error!s:.100}", None
    else:
        yield "Alone", distance(first[alone], answers) - rounding


def _decides_labels(estimator):
    """Say whether it predicts labels beside something finer.

    A threshold that is drawn, or taken from the rows that are given, shows in labels alone.
    """
    finer = any(hasattr(estimator, method) for method in METHODS if method not in LABELS)
    return finer and hasattr(estimator, "predict")


def _rounding_in(predicted, methods):
    """Return how far predictions may differ by rounding, which turns one label where two tie."""
    is_float = predicted.dtype.kind == "f"
    if methods is LABELS:
        return 1.5 / len(predicted) * (np.ptp(predicted) if is_float else 1)
    return 1e-3 * predicted.std() if is_float else 0.0
