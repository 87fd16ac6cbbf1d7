"""The canary for predictions that depend on other rows than their own."""

import copy

import numpy as np

from helpers.leakage.estimators import some_rows
from helpers.leakage.finding import Finding
from helpers.leakage.outside import is_training, left_alone
from helpers.leakage.probes import (
    METHODS,
    compare,
    distance,
    fit_seeded,
    predictions_of,
    seeded_clone,
)

LABELS = ("predict",)


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
    with left_alone(estimator):
        subject = fit_seeded(seeded_clone(estimator, random_state), X, y, random_state, groups)
        together = predictions_of(subject, X)
        order = np.lexsort(together.reshape(len(together), -1).T)
        look = _compared(subject, X, order, METHODS)
        if not look[0] and decides_labels(subject):
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


def decides_labels(estimator):
    """Say whether it predicts labels beside something finer.

    A threshold that is drawn, or taken from the rows that are given, shows in labels alone.
    """
    finer = any(hasattr(estimator, method) for method in METHODS if method not in LABELS)
    return finer and hasattr(estimator, "predict")


def rounding_in(predicted, methods):
    """Return how far predictions may differ by rounding, which turns one label where two tie."""
    is_float = predicted.dtype.kind == "f"
    if methods is LABELS:
        return 1.5 / len(predicted) * (np.ptp(predicted) if is_float else 1)
    return 1e-3 * predicted.std() if is_float else 0.0


def _compared(subject, X, by_prediction, methods):
    """Compare what is predicted in other company; return the answer, the differences, and how."""
    together = predictions_of(subject, X, methods)
    rounding = rounding_in(together, methods)
    halves = [np.resize(half, len(together)) for half in np.array_split(by_prediction, 2)]

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

    low, high = halves
    leaked, (found, by_chance) = compare(lambda: adapted(low, high), lambda: adapted(low, low))
    what = "After other rows were predicted"
    if not leaked:
        leaked, (found, by_chance) = compare(lambda: difference(5), lambda: difference(1))
        what = "Predicted in other company"
    return leaked, by_chance, found, what
