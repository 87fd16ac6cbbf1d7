"""The target at the door: labels, values, and the weights of classes."""

from numbers import Integral, Real

import numpy as np
import torch
from sklearn.utils import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets

from helpers.tensors import as_numpy


def plain_labels(y, owner, what="y"):
    """Return labels in a form that scikit-learn takes; refuse those that are none.

    Parameters
    ----------
    y : array-like
    owner, what : str
        The estimator's name and that of `y`, for the messages.

    Raises
    ------
    ValueError
        If labels are missing, of several types, or of one that cannot be told from others.
    """
    y = _column(as_numpy(y))
    dtype = getattr(y, "dtype", None)
    if hasattr(dtype, "numpy_dtype"):  # pandas' numbers with missing values
        _refuse_missing(y, what)
        return y.to_numpy(dtype=dtype.numpy_dtype)
    values = _array(y)
    if values is None:
        return y
    if values.dtype.kind in "mMV":
        raise ValueError(
            f"Unknown label type: {what} is of dtype {values.dtype}, which {owner} does not take. "
            f"If each value is a class of its own, make them strings: {what}.astype(str)."
        )
    if values.dtype.kind not in "OT" or values.ndim != 1:
        return y
    values = values.astype(object)
    kinds = {_kind(type(label)) for label in values}
    if kinds <= {"str"}:
        return y if getattr(dtype, "kind", None) != "T" else values
    _refuse_missing(values, what)
    is_list = isinstance(y, (list, tuple))
    if kinds == {"list"} and len({len(labels) for labels in values}) > 1:
        raise ValueError(
            f"Unknown label type: {what} holds lists of labels, of unequal lengths. "
            f"MultiLabelBinarizer() of sklearn.preprocessing makes of it a column for each label, "
            f"which {owner} takes."
        )
    if is_list and (kinds in ({"int"}, {"float"}, {"int", "float"}, {"bool"}) or "list" in kinds):
        return y
    if len(kinds) > 1:
        raise ValueError(
            f"Unknown label type: {what} holds several types: {', '.join(sorted(kinds))}. Give "
            f"all labels one, for instance [str(label) for label in {what}]."
        )
    kind = kinds.pop()
    cast = kind if kind in ("int", "float", "bool") else "str"
    raise ValueError(
        f"Unknown label type: {what} is of dtype object and holds {kind}. Give labels a dtype of "
        f"their own: {f'np.array({what})' if is_list else what}.astype({cast})."
    )


def plain_values(y, owner):
    """Return the target of a regressor; refuse what is no number.

    Parameters and errors are those of `plain_labels`.
    """
    y = _column(as_numpy(y))
    values = _array(y)
    if values is None or values.ndim != 1 or values.dtype.kind in "biufc":
        return y
    if values.dtype.kind in "OT":
        _refuse_missing(values, "y")
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


def find_classes(y, classes, known, owner):
    """Return all labels, sorted; raise a ValueError if `y` cannot be one of them each.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
    classes : array-like of shape (n_classes,), or None
        Those announced, by default those of `y`.
    known : ndarray of shape (n_classes,), or None
        Those of an earlier call of `partial_fit`.
    owner : str
        The estimator's name.
    """
    check_classification_targets(y)
    given = y if classes is None else np.asarray(plain_labels(classes, owner, "classes"))
    found = np.unique(given) if known is None else known
    if classes is not None and known is not None and not np.array_equal(np.unique(given), known):
        raise ValueError(
            f"`classes={classes!r}` is not the same as on last call to partial_fit, was: {known!r}"
        )
    if len(found) < 2:
        raise ValueError(
            f"{owner} needs at least two classes; got one class, {found.tolist()[0]!r}. In "
            f"partial_fit, name all in the first call: classes=[...]."
        )
    unknown = () if given is y and known is None else np.setdiff1d(y, found)
    if len(unknown):
        raise ValueError(
            f"y holds {unknown.tolist()}, not among the classes {found.tolist()}; name all classes "
            f"in the first call of partial_fit."
        )
    return found


def class_weights(class_weight, y, classes, sample_weight, partial):
    """Return the weight of each row by its class, shape (n_rows,).

    Parameters
    ----------
    class_weight : dict or "balanced"
    y : ndarray of shape (n_rows,)
    classes : ndarray of shape (n_classes,)
        All labels, sorted.
    sample_weight : ndarray of shape (n_rows,), or None
        "balanced" counts a row as often as its weight says: one of weight 0 not at all.
    partial : bool
        Whether more rows are to come.

    Raises
    ------
    ValueError
        If a weight is no number, negative or not finite, or stands for a label that is none.
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


def _refuse_missing(values, what):
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
                f"{what} contains NaN or another missing value: {value!r} in row {row}. Leave such "
                f"rows out, or give them a label of their own."
            )
