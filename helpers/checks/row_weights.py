"""Weights of rows at the door: `sample_weight` and `class_weight`."""

from collections.abc import Sequence
from numbers import Number

import numpy as np
import torch
from sklearn.utils import compute_class_weight

from helpers._compat import _check_sample_weight
from helpers.checks.arguments import is_number, plain_number
from helpers.tensors import as_numpy

# Python and numpy have these for numbers, and none of them can be a weight.
NO_NUMBERS = complex, np.complexfloating, np.timedelta64, np.datetime64


def sample_weights(sample_weight, y, dtype):
    """Return the weight of each row, shape (n_rows,), as given to `fit`; None where none was."""
    if sample_weight is None:
        return None
    sample_weight = as_numpy(sample_weight)
    try:
        _refuse_no_numbers(sample_weight)
        exact = _check_sample_weight(sample_weight, y, dtype=np.float64)
        _refuse_tiny(exact, dtype, "sample_weight")
        return _check_sample_weight(sample_weight, y, dtype=dtype, ensure_non_negative=True)
    except (TypeError, ValueError) as error:
        if "weight" in str(error):
            raise
        raise ValueError(f"sample_weight must hold a number for each row: {error}") from error


def _refuse_no_numbers(weights):
    """Raise a ValueError unless weights are one number, or an array or a list of numbers."""
    if isinstance(weights, Number) and not isinstance(weights, (bool, *NO_NUMBERS)):
        return
    is_list = isinstance(weights, Sequence) and not isinstance(weights, (str, bytes))
    is_array = hasattr(weights, "__array__") or hasattr(weights, "shape")
    if not is_list and not is_array:
        raise ValueError(
            f"sample_weight must be an array or a list with a number for each row; got "
            f"{weights!r:.60}, of type {type(weights).__name__}."
        )
    if isinstance(weights, np.ma.MaskedArray) and np.ma.is_masked(weights):
        raise ValueError(
            "sample_weight is a masked array, some numbers of which are missing. Fill "
            "them in: sample_weight.filled(0) leaves those rows out."
        )
    if not is_list and not hasattr(weights, "__array__"):  # sparse
        return
    array = np.fromiter(weights, object, len(weights)) if is_list else np.asarray(weights)
    array = np.atleast_1d(array)
    if array.ndim != 1 or array.dtype.kind in "biuf":
        return
    for row, weight in enumerate(array):
        if isinstance(weight, (np.ndarray, torch.Tensor)) and not weight.ndim:
            weight = as_numpy(weight)[()]
        if not isinstance(weight, (Number, np.bool_)) or isinstance(weight, NO_NUMBERS):
            raise ValueError(
                f"sample_weight must hold a number for each row; got {weight!r:.60}, of type "
                f"{type(weight).__name__}, in row {row}."
            )


def _refuse_tiny(weights, dtype, what):
    """Raise a ValueError if all weights are so small that a dtype rounds them, if not to 0."""
    largest, info = weights.max(initial=0), np.finfo(dtype)
    if 0 < largest < info.tiny / info.eps:
        raise ValueError(
            f"{what} holds {largest:.3g} at most, which is too small for {np.dtype(dtype)}, the "
            f"precision of X. Divide {what} by its largest, or give X as float64."
        )


def class_weights(class_weight, y, classes, sample_weight, dtype, partial):
    """Return the weight of each row by its class, shape (n_rows,).

    Where `class_weight` is "balanced", a row counts as often as `sample_weight` says: one of weight
    0 not at all. That needs all rows, and is refused where it is `partial`. A ValueError also says
    if a weight is no number, negative or not finite, or stands for a label that is none.
    """
    number = np.searchsorted(classes, y)
    if class_weight == "balanced":
        if partial:  # in the words of scikit-learn's SGDClassifier
            raise ValueError(
                "class_weight 'balanced' is not supported for partial_fit. In order to use "
                "'balanced' weights, use compute_class_weight('balanced', classes=classes, y=y). "
                "In place of y you can use a large enough sample of the full training set target "
                "to properly estimate the class frequency distributions. Pass the resulting "
                "weights as the class_weight parameter."
            )
        counted = slice(None) if sample_weight is None else sample_weight > 0
        present, weight = np.unique(y[counted]), np.zeros(len(classes))
        if len(present):
            weight[np.searchsorted(classes, present)] = compute_class_weight(
                class_weight,
                classes=present,
                y=y[counted],
                sample_weight=None if sample_weight is None else sample_weight[counted],
            )
        return weight[number]
    class_weight = {label: plain_number(weight) for label, weight in class_weight.items()}
    for label, weight in class_weight.items():
        if not is_number(weight) or not 0 <= weight < np.inf:
            raise ValueError(
                f"class_weight gives the label {label!r} the weight {weight!r}; a weight must be a "
                f"finite number that is not negative."
            )
    labels = classes.tolist()
    unknown = [label for label in class_weight if label not in labels]
    without = [label for label in labels if label not in class_weight]
    if unknown and without:
        raise ValueError(
            f"class_weight names {unknown}, which y does not hold, and gives no weight to "
            f"{without}. The labels are {labels}."
        )
    weight = np.array([float(class_weight.get(label, 1)) for label in labels])
    _refuse_tiny(weight, dtype, "class_weight")
    return weight[number]


def check_weights(weight, rows, scale):
    """Return weights that can be used, shape (n_rows,), with `scale` of a mean of 1 in `rows`.

    Raise a ValueError if all are 0, or if they add up to more than a number can hold.
    """
    if len(rows) == 0:
        raise ValueError("Every row has weight 0; give some a positive weight.")
    with np.errstate(over="ignore"):
        total = weight[rows].sum()
    if not np.isfinite(total):
        raise ValueError(
            f"The weights of the rows add up to more than {weight.dtype} holds; the largest is "
            f"{weight.max():.3g}. Divide sample_weight and class_weight by their largest."
        )
    return weight / weight[rows].mean() if scale else weight
