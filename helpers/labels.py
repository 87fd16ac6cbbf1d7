"""The target at the door: labels, values, and the weights of classes."""

from numbers import Integral, Real

import numpy as np
import torch
from sklearn.utils import compute_class_weight


def plain_labels(y, owner):
    """Return labels in a form that scikit-learn takes; refuse those that are none.

    Parameters
    ----------
    y : array-like
    owner : str
        The estimator's name, for the messages.

    Raises
    ------
    ValueError
        If labels are missing, of several types, or of one that cannot be told from others.
    """
    y = _column(y)
    dtype = getattr(y, "dtype", None)
    if hasattr(dtype, "numpy_dtype"):  # pandas' numbers with missing values
        _refuse_missing(y)
        return y.to_numpy(dtype=dtype.numpy_dtype)
    values = _array(y)
    if values is None:
        return y
    if values.dtype.kind in "mMV":
        raise ValueError(
            f"The labels in y are of dtype {values.dtype}, which {owner} does not take. If each "
            f"value is a class of its own, make them strings: y.astype(str)."
        )
    if values.dtype.kind not in "OT" or values.ndim != 1:
        return y
    values = values.astype(object)
    kinds = {_kind(type(label)) for label in values}
    if kinds <= {"str"}:
        return y if getattr(dtype, "kind", None) != "T" else values
    _refuse_missing(values)
    is_list = isinstance(y, (list, tuple))
    if is_list and (kinds in ({"int"}, {"float"}, {"int", "float"}, {"bool"}) or "list" in kinds):
        return y
    if len(kinds) > 1:
        raise ValueError(
            f"The labels in y are of several types: {', '.join(sorted(kinds))}. Give all of them "
            f"one, for instance [str(label) for label in y]."
        )
    kind = kinds.pop()
    cast = kind if kind in ("int", "float", "bool") else "str"
    raise ValueError(
        f"y is of dtype object and holds labels of type {kind}. Give them a dtype of their own: "
        f"{'np.array(y)' if is_list else 'y'}.astype({cast})."
    )


def plain_values(y, owner):
    """Return the target of a regressor; refuse what is no number.

    Parameters and errors are those of `plain_labels`.
    """
    y = _column(y)
    values = _array(y)
    if values is None or values.ndim != 1 or values.dtype.kind in "biufc":
        return y
    if values.dtype.kind in "OT":
        _refuse_missing(values)
    for row, value in enumerate(values):
        if _kind(type(value)) == "list":
            return y  # scikit-learn tells that y has two dimensions
        if values.dtype.kind != "O" or _kind(type(value)) not in ("bool", "int", "float"):
            value = value.item() if isinstance(value, np.generic) else value
            raise ValueError(
                f"{owner} needs numbers in y; got {value!r}, of type {type(value).__name__}, in "
                f"row {row}."
            )
    return values.astype(np.float64)


def class_weights(class_weight, y, classes, sample_weight):
    """Return the weight of each row by its class, shape (n_rows,).

    Parameters
    ----------
    class_weight : dict or "balanced"
    y : ndarray of shape (n_rows,)
    classes : ndarray of shape (n_classes,)
        All labels, sorted.
    sample_weight : ndarray of shape (n_rows,), or None
        "balanced" counts a row as often as its weight says: one of weight 0 not at all.

    Raises
    ------
    ValueError
        If a weight is no number, negative or not finite, or stands for a label that is none.
    """
    number = np.searchsorted(classes, y)
    if class_weight == "balanced":
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
    for label, weight in class_weight.items():
        is_number = isinstance(weight, Real) and not isinstance(weight, (bool, np.bool_))
        if not is_number or not 0 <= weight < np.inf:
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
    return np.array([float(class_weight.get(label, 1)) for label in labels])[number]


def check_weights(weight, rows, scale):
    """Return weights that can be used, shape (n_rows,), with `scale` of a mean of 1 in `rows`.

    Raises
    ------
    ValueError
        If all are 0, or if they add up to more than a number can hold.
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


def _column(y):
    """Return the one column of a table, or `y` as it is."""
    is_table = hasattr(y, "iloc") and getattr(y, "ndim", 1) == 2 and y.shape[1] == 1
    return y.iloc[:, 0] if is_table else y


def _array(y):
    """Return the target as an array, None if it is of a kind that only scikit-learn looks at."""
    if isinstance(y, (list, tuple)):
        return np.fromiter(y, dtype=object, count=len(y))
    if isinstance(y, torch.Tensor) or not hasattr(y, "dtype"):
        return None
    return np.asarray(y)


def _kind(kind):
    """Return the name of a type, one for those that may be mixed."""
    if issubclass(kind, (list, tuple, np.ndarray)):
        return "list"
    for name, types in {
        "str": str,
        "bool": (bool, np.bool_),
        "int": Integral,
        "float": Real,
    }.items():
        if issubclass(kind, types):
            return name
    return kind.__name__


def _refuse_missing(values):
    """Raise a ValueError if one of the values is None, nan, or pandas' NA or NaT."""
    for row, value in enumerate(values):
        try:
            missing = value is None or bool(value != value)
        except TypeError:  # pandas' NA is neither equal nor unequal
            missing = True
        except ValueError:  # an array
            missing = False
        if missing:
            raise ValueError(
                f"y contains NaN or another missing value: {value!r} in row {row}. Leave such rows "
                f"out, or give them a label of their own."
            )
