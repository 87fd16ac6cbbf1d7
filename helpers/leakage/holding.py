"""What an estimator holds: arrays of rows, in data sets, functions, lists and objects."""

import inspect
from collections import deque
from types import ModuleType

import numpy as np

from helpers.digests import attributes_of
from helpers.leakage.memory import values_used_by
from helpers.leakage.tables import as_codes
from helpers.tensors import as_numpy

MOST_PARTS = 10_000  # values that are looked into
MOST_IN_A_ROW = 10  # things that a data set keeps of each row: an image, its label, its name
SIMPLE = (str, bytes, int, float, complex, type, ModuleType, type(None), np.generic)


def arrays_in(value, width, n_rows, names=()):
    """Yield arrays of rows of so many values: in data sets, functions, lists and objects."""
    waiting, seen, kept = [(value, False)], set(), []
    while waiting and len(seen) < MOST_PARTS:
        value, by_function = waiting.pop()
        if isinstance(value, SIMPLE) or id(value) in seen:
            continue
        seen.add(id(value))
        kept.append(value)  # so that no other object gets its id
        if names and hasattr(value, "iloc") and {*names} <= {*getattr(value, "columns", ())}:
            value = value[names]  # in their order, without a label beside them
        if (array := _as_rows(value, width)) is not None:
            if not (by_function and len(array) >= n_rows):
                yield from _without_label(array, width)
        else:
            by_function = by_function or inspect.isfunction(value)
            waiting += [(part, by_function) for part in _parts_of(value)]


def _without_label(array, width):
    """Yield rows of so many values, without the last one or the first, if there is one more."""
    array = array.reshape(len(array), -1)
    is_wide = array.shape[1] > width
    yield from (array[:, :-1], array[:, 1:]) if is_wide else (array,)


def _as_rows(value, width):
    """Return a value as rows of so many values, or of one more, the label; or None."""
    widths = width, width + 1
    if isinstance(value, list | tuple):
        value = [list(row.values()) if isinstance(row, dict) else row for row in value]
        if not any(all(_is_row(row, n) for row in value) for n in widths):
            return None
        value = np.array([np.ravel(as_numpy(row)) for row in value])
    value = as_numpy(value)
    if hasattr(value, "iloc") or hasattr(value, "toarray"):
        try:
            value = as_table(value)
        except (TypeError, ValueError):
            return None
    if not isinstance(value, np.ndarray) or value.ndim < 2:
        return None
    return value if np.prod(value.shape[1:], dtype=int) in widths else None


def as_table(X):
    """Return a table as an array, its texts and dates as they are; other rows as numbers."""
    if len(getattr(X, "columns", ())) > 1 or (isinstance(X, np.ndarray) and X.ndim == 2):
        return np.asarray(X)
    return as_codes(X)


def _is_row(row, width):
    """Say whether it is one row of so many numbers: a list, or an image of any shape."""
    if isinstance(row, list | tuple):
        are_plain = (isinstance(v, SIMPLE) or getattr(v, "ndim", 1) == 0 for v in row)
        return len(row) == width and all(are_plain)
    shape = getattr(row, "shape", None)  # of a class of arrays, no tuple
    return isinstance(shape, tuple) and np.prod(shape, dtype=int) == width


def _parts_of(value):
    """Return what a value holds, or what a function uses."""
    if isinstance(value, dict):
        return [list(value), list(value.values())]
    if isinstance(value, set | frozenset | deque):
        return [list(value)]
    if isinstance(value, list | tuple):
        return [*value, *_side_by_side(value)]
    if isinstance(value, np.ndarray):
        return [value.tolist()] if value.dtype == object else []
    if inspect.isfunction(value):
        return values_used_by(value)
    if inspect.ismethod(value):
        return [value.__self__, value.__func__]
    if hasattr(value, "func") and hasattr(value, "keywords"):  # functools.partial
        return [value.func, *value.args, *value.keywords.values()]
    if hasattr(value, "indices") and hasattr(value, "dataset"):  # a part of a data set
        return _of_a_part(value.dataset, np.asarray(value.indices))
    return attributes_of(value).values()


def _side_by_side(items):
    """Return, of a list of pairs (image, label) or dicts, all images and all labels, as lists."""
    kinds = {type(item) for item in items}
    if len(kinds) != 1 or not kinds <= {list, tuple, dict}:
        return []
    keys = [[*item] if isinstance(item, dict) else range(len(item)) for item in items]
    if any(key != keys[0] for key in keys) or len(keys[0]) > MOST_IN_A_ROW:
        return []
    return [[item[key] for item in items] for key in keys[0]]


def _of_a_part(dataset, rows, around=()):
    """Return what a part of a data set holds, which may be a part of another.

    What it is looked for in, `around`, is left out: an object may hold itself.
    """
    if id(dataset) in around:
        return []
    around = (*around, id(dataset))
    if hasattr(dataset, "indices") and hasattr(dataset, "dataset"):
        return _of_a_part(dataset.dataset, np.asarray(dataset.indices)[rows], around)
    n = max(len(dataset) if hasattr(dataset, "__len__") else 0, rows.max(initial=-1) + 1)
    parts = getattr(dataset, "__dict__", {}).values()
    return [_chosen(part, rows, n, around) for part in parts]


def _chosen(values, rows, n, around):
    """Return some of n rows of what a data set holds; nothing of what has no n rows."""
    if id(values) in around:
        return None
    if isinstance(values, list | tuple) and len(values) == n:
        return [values[row] for row in rows]
    if isinstance(values, list | tuple | dict):
        parts = values.values() if isinstance(values, dict) else values
        return [_chosen(part, rows, n, (*around, id(values))) for part in parts]
    is_an_object = hasattr(values, "__getitem__") and hasattr(values, "__dict__")
    if is_an_object and not hasattr(values, "ndim"):  # another data set
        return _of_a_part(values, rows, around)
    if hasattr(values, "iloc"):
        return values.iloc[rows] if len(values) == n else None
    return values[rows] if getattr(values, "ndim", 0) and values.shape[0] == n else None
