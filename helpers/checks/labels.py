"""The target at the door: labels and values."""

from collections.abc import MappingView
from decimal import Decimal
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.utils.multiclass import check_classification_targets
from torch.utils.data import DataLoader, Dataset

from helpers.tensors import as_numpy


def plain_labels(y, owner, what="y"):
    """Return labels in a form that scikit-learn takes.

    Raise a ValueError if they are missing, of several types, or of one that cannot be told from
    others. It names the estimator, `owner`, and calls `y` as in `what`.
    """
    y = _column(as_numpy(y), what)
    dtype = getattr(y, "dtype", None)
    if hasattr(dtype, "numpy_dtype"):  # pandas' numbers with missing values
        refuse_missing(y, what)
        return y.to_numpy(dtype=dtype.numpy_dtype)
    values = _array(y)
    if values is None:
        return y
    if values.dtype.kind in "mMV":
        make = f"{what}.astype(str)" if values.dtype.names is None else f"list(map(str, {what}))"
        raise ValueError(
            f"Unknown label type: {what} is of dtype {values.dtype}, which {owner} does not take. "
            f"If each value is a class of its own, make them strings: {make}."
        )
    values = values[:, 0] if values.shape[1:] == (1,) else values
    if values.dtype.kind not in "OT" or values.ndim != 1:
        return y
    values = values.astype(object)
    kinds = {_kind(type(label)) for label in values}
    if kinds <= {"str"}:
        if isinstance(y, (list, tuple)):
            refuse_cut(y, np.asarray(y), what)
        return y if getattr(dtype, "kind", None) != "T" else values
    refuse_missing(values, what)
    is_list = isinstance(y, (list, tuple))
    sets = kinds <= {"set", "frozenset"}
    if sets or kinds == {"list"} and len({len(labels) for labels in values}) > 1:
        raise ValueError(
            f"Unknown label type: {what} holds "
            f"{'sets of labels' if sets else 'lists of labels, of unequal lengths'}. "
            f"MultiLabelBinarizer() of sklearn.preprocessing makes of it a column for each label, "
            f"which {owner} takes."
        )
    plain = kinds in ({"int"}, {"float"}, {"int", "float"}, {"bool"})
    if is_list and ("list" in kinds or plain and np.asarray(y).dtype.kind != "O"):
        return y
    if len(kinds) > 1:
        raise ValueError(
            f"Unknown label type: {what} holds several types: {', '.join(sorted(kinds))}. Give "
            f"all labels one, for instance [str(label) for label in {what}]."
        )
    kind = kinds.pop()
    cast = kind if kind in ("int", "float", "bool") else "str"
    if kind == "int" and max(map(abs, values)) >= 2**63:  # numpy has none so large
        cast = "str"
    kind = type(values[0]).__name__ if kind == "list" else kind
    raise ValueError(
        f"Unknown label type: {what} is of dtype {dtype or 'object'} and holds {kind}. Give labels "
        f"a dtype of their own: {f'np.array({what})' if is_list else what}.astype({cast})."
    )


def plain_values(y, owner):
    """Return the target of a regressor; raise a ValueError for what is no number."""
    y = _column(as_numpy(y), "y")
    values = _array(y)
    is_table = hasattr(y, "iloc") and y.ndim == 2
    for name, dtype in y.dtypes.items() if is_table else ():
        _refuse_times(dtype, f"its column {name!r} is", owner)
    _refuse_times(getattr(values, "dtype", None), "got values", owner)
    if values is not None and values.ndim == 2 and values.dtype.kind not in "biufcO":
        raise ValueError(f"{owner} needs numbers in y; got values of dtype {values.dtype}.")
    if values is not None and values.dtype.kind == "c":
        raise ValueError(
            f"{owner} needs real numbers in y; got complex numbers (Complex data not supported). "
            f"Give y.real, or both parts as two columns."
        )
    if values is None or values.ndim != 1 or values.dtype.kind in "biuf":
        return y
    if values.dtype.kind in "OT":
        refuse_missing(values, "y", cure="")
    for row, value in enumerate(values):
        if _kind(type(value)) == "list":
            return y  # scikit-learn tells that y has two dimensions
        is_number = _kind(type(value)) in ("bool", "int", "float") or isinstance(value, Decimal)
        if values.dtype.kind != "O" or not is_number:
            value = value.item() if isinstance(value, np.generic) else value
            raise ValueError(
                f"{owner} needs numbers in y; got {value!r}, of type {type(value).__name__}, in "
                f"row {row}."
            )
    return values.astype(np.float64)


def _refuse_times(dtype, got, owner):
    """Raise a ValueError if a target, or its column, is of dates or durations."""
    if getattr(dtype, "kind", None) in ("m", "M"):
        since = "y" if dtype.kind == "m" else "(y - start)"
        raise ValueError(
            f"{owner} needs numbers in y; {got} of dtype {dtype}. Say what counts, for instance "
            f"days: {since} / np.timedelta64(1, 'D')."
        )


def find_classes(y, classes, known, owner):
    """Return all labels, sorted; raise a ValueError if `y` cannot be one of them each.

    They are those announced as `classes`, by default those of `y`, or those `known` from an earlier
    call of `partial_fit`. `owner` is the estimator's name.
    """
    check_classification_targets(y)
    given = y if classes is None else np.asarray(plain_labels(classes, owner, "classes"))
    if classes is not None:
        refuse_missing(given.ravel(), "classes")
    found = np.unique(given) if known is None else known
    if classes is not None and known is not None and not np.array_equal(np.unique(given), known):
        raise ValueError(
            f"`classes={classes!r}` is not the same as on last call to partial_fit, was: {known!r}"
        )
    if len(found) < 2:
        got = f"one class, {found.tolist()[0]!r}" if len(found) else "none"
        raise ValueError(
            f"{owner} needs at least two classes; got {got}. In "
            f"partial_fit, name all in the first call: classes=[...]."
        )
    unknown = () if given is y and known is None else np.setdiff1d(y, found)
    if len(unknown):
        raise ValueError(
            f"y holds {unknown.tolist()}, not among the classes {found.tolist()}; name all classes "
            f"in the first call of partial_fit."
        )
    return found


def _column(y, what):
    """Return the one column of a table, or `y` as it is; refuse what has no rows."""
    has_rows = any(hasattr(y, name) for name in ("__len__", "__array__", "shape"))
    no_rows = isinstance(y, (str, bytes, dict, set, MappingView)) or getattr(y, "shape", None) == ()
    if isinstance(y, (Dataset, DataLoader)):
        of = "y" if isinstance(y, Dataset) else "y.dataset"
        raise ValueError(
            f"{what} must be an array or a list; got a {type(y).__name__}. Give y_of({of}) of "
            f"helpers, its labels."
        )
    if y is not None and (no_rows or not has_rows):
        raise ValueError(f"{what} must be an array or a list; got {y!r:.80}.")
    refuse_masked(y, what)
    if len(getattr(y, "shape", ())) > 2:
        raise ValueError(
            f"{what} must have one number or label for each row, or a row of them; its shape is "
            f"{tuple(y.shape)}. Give {what}.reshape(len({what}), -1), and end the network in "
            f"nn.Flatten()."
        )
    is_table = hasattr(y, "iloc") and getattr(y, "ndim", 1) == 2 and y.shape[1] == 1
    return y.iloc[:, 0] if is_table else y


def _array(y):
    """Return the target as an array, None if it is of a kind that only scikit-learn looks at."""
    if isinstance(y, (list, tuple)):
        whole = (one[()] if isinstance(one, np.ndarray) and not one.ndim else one for one in y)
        return np.fromiter(whole, dtype=object, count=len(y))
    if isinstance(y, torch.Tensor) or not hasattr(y, "dtype"):
        return None
    return np.asarray(y)


def _kind(kind):
    """Return the name of a type, one for those that may be mixed."""
    if issubclass(kind, (list, tuple, np.ndarray)):
        return "list"
    if issubclass(kind, np.timedelta64):  # which numpy has for an integer
        return kind.__name__
    kinds = {"str": str, "bool": (bool, np.bool_), "int": Integral, "float": Real}
    names = (name for name, types in kinds.items() if issubclass(kind, types))
    return next(names, kind.__name__)


def refuse_masked(values, what):
    """Raise a ValueError if some values of a masked array are missing; others would see them."""
    # Those of pandas are no masked arrays, and tell what is missing themselves.
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        row = np.argwhere(np.ma.getmaskarray(values))[0][0]
        raise ValueError(
            f"{what} is a masked array, some values of which are missing: the first in row {row}. "
            f"Leave such rows out, of X as well."
        )


def refuse_cut(given, made, what):
    """Raise a ValueError if the array that numpy has made of a list holds other texts.

    Of members of an enum that are strings, numpy takes the length from the values and the text
    from `str`. Members whose names begin alike may become one text.
    """
    for row, (label, text) in enumerate(zip(given, made, strict=True)):
        if isinstance(label, str) and str.__str__(label) != text:
            raise ValueError(
                f"{what} is a list, of which numpy makes {str(text)!r} for {label!r} in row {row}. "
                f"Give np.array({what}, dtype=object)."
            )


def refuse_missing(values, what, cure=", or give them a label of their own"):
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
                f"rows out{cure}."
            )
