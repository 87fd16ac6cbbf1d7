"""The canary for test rows that an estimator holds before it is fitted."""

import dis
import inspect
from types import ModuleType

import numpy as np

from helpers.leakage.finding import Finding
from helpers.leakage.inputs import folds_of, task_of
from helpers.leakage.probes import seeded_clone
from helpers.leakage.tables import as_codes, what_rows_are

MOST_PARTS = 10_000  # values that are looked into
MOST_IN_A_ROW = 10  # things that a data set keeps of each row: an image, its label, its name
SIMPLE = (str, bytes, int, float, complex, type, ModuleType, type(None), np.generic)


def held_rows(estimator, X, y=None, *, cv=5, groups=None, random_state=0):
    """Does an estimator hold test rows before it is fitted, as a set to validate with?

    Looks through what a clone brings along, for arrays, tensors and tables that hold rows of `X`:
    arguments of the constructor, data sets in them, functions and what these use.

    Parameters
    ----------
    estimator, X, y, groups, random_state
        As for `purity`.
    cv : int, splitter or list of (train, test), default=5
        The split that you evaluate with.

    Returns
    -------
    Finding
        Leaked if it holds test rows that are no copies of training rows. Not looked at, if rows
        are texts, or of one number, which meet by chance.

    Raises
    ------
    ValueError
        If lengths differ or `cv` is not of a known form.

    Notes
    -----
    skorch stops early by the rows in ``train_split=predefined_split(...)``: a score of these rows
    is a validation score. Rows that were scaled or changed before are not recognised, nor those
    that a file holds or that `fit` makes. A whole table that only a function uses is passed over:
    it may use no more than its shape.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.kernel_approximation import Nystroem
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> from helpers import held_rows
    >>> X = np.random.RandomState(0).normal(size=(50, 3))
    >>> print(held_rows(FunctionTransformer(kw_args={"reference": X[40:]}), X))
    held_rows: LEAK. The estimator holds 10 of 50 test rows, ...
    """
    folds = folds_of(cv, X, y, groups, task_of(estimator) or "regression")
    if what := what_rows_are(X):
        return Finding("held_rows", None, f"Rows are {what}: it looks for rows of numbers.")
    rows = _keys(as_codes(X))
    width = np.prod(np.shape(X)[1:], dtype=int) if hasattr(X, "shape") else as_codes(X).shape[1]
    if width < 2:
        return Finding("held_rows", None, "Rows of one number meet by chance: it did not look.")
    numbers, held, where = {key: row for row, key in enumerate(rows)}, set(), set()
    for name, value in seeded_clone(estimator, random_state).get_params().items():
        for array in arrays_in(value, width, len(rows)):
            found = {key for key in _keys(array) if key in numbers}
            if found:
                where.add(name)
                held |= found
    found = tested = 0
    for train, test in folds:
        known = {rows[row] for row in train}
        found += sum(rows[row] in held and rows[row] not in known for row in test)
        tested += len(test)
    if not found:
        evidence = "Nothing that a clone brings along holds test rows as they are."
        return Finding("held_rows", False, evidence)
    name = min(where, key=len)
    evidence = (
        f"The estimator holds {found} of {tested} test rows, in {name!r}. Set rows aside from the "
        "training rows of each fold instead."
    )
    return Finding("held_rows", True, evidence)


def _keys(rows):
    """Return rows as bytes, equal where they are equal as float32."""
    rows = np.ascontiguousarray(rows.reshape(len(rows), -1), dtype=np.float32) + np.float32(0)
    return [row.tobytes() for row in rows]


def arrays_in(value, width, n_rows):
    """Yield arrays of rows of so many numbers: in data sets, functions, lists and objects."""
    waiting, seen, kept = [(value, False)], set(), []
    while waiting and len(seen) < MOST_PARTS:
        value, by_function = waiting.pop()
        if isinstance(value, SIMPLE) or id(value) in seen:
            continue
        seen.add(id(value))
        kept.append(value)  # so that no other object gets its id
        if (array := _as_rows(value, width)) is not None:
            if not (by_function and len(array) >= n_rows):
                yield array
        else:
            waiting += [(part, by_function or called) for part, called in _parts_of(value)]


def _as_rows(value, width):
    """Return a value as rows of so many numbers, or None."""
    if isinstance(value, list | tuple) and value and all(_is_row(row, width) for row in value):
        value = np.array([np.ravel(_as_array(row)) for row in value])
    value = _as_array(value)
    if hasattr(value, "iloc") or hasattr(value, "toarray"):
        try:
            value = as_codes(value)
        except (TypeError, ValueError):
            return None
    if not isinstance(value, np.ndarray) or value.ndim < 2 or value.dtype.kind not in "fiub":
        return None
    return value if np.prod(value.shape[1:], dtype=int) == width else None


def _as_array(value):
    return value.detach().cpu().numpy() if hasattr(value, "detach") else value  # a tensor


def _is_row(row, width):
    """Say whether it is one row of so many numbers: a list, or an image of any shape."""
    if isinstance(row, list | tuple):
        are_plain = (isinstance(v, SIMPLE) or getattr(v, "ndim", 1) == 0 for v in row)
        return len(row) == width and all(are_plain)
    return hasattr(row, "dtype") and np.prod(np.shape(row), dtype=int) == width


def _parts_of(value):
    """Return what a value holds, each with whether a function uses it."""
    if isinstance(value, dict):
        return [(part, False) for part in value.values()]
    if isinstance(value, list | tuple | set):
        return [(part, False) for part in (*value, *_side_by_side(value))]
    if isinstance(value, np.ndarray):
        return [(part, False) for part in value] if value.dtype == object else []
    if inspect.isfunction(value):
        return [(part, True) for part in _used_by(value)]
    if inspect.ismethod(value):
        return [(value.__self__, False), (value.__func__, False)]
    if hasattr(value, "func") and hasattr(value, "keywords"):  # functools.partial
        return [(part, False) for part in (value.func, *value.args, *value.keywords.values())]
    if hasattr(value, "indices") and hasattr(value, "dataset"):  # a part of a data set
        return [(part, False) for part in _of_a_part(value.dataset, np.asarray(value.indices))]
    return [(part, False) for part in getattr(value, "__dict__", {}).values()]


def _side_by_side(items):
    """Return, of a list of pairs (image, label) or dicts, all images and all labels, as lists."""
    kinds = {type(item) for item in items}
    if isinstance(items, set) or len(kinds) != 1 or not kinds <= {list, tuple, dict}:
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
        return None
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
    if (
        hasattr(values, "__getitem__")
        and hasattr(values, "__dict__")
        and not hasattr(values, "ndim")
    ):
        return _of_a_part(values, rows, around)  # another data set
    if hasattr(values, "iloc"):
        return values.iloc[rows] if len(values) == n else None
    return values[rows] if getattr(values, "ndim", 0) and values.shape[0] == n else None


def _used_by(function):
    """Return the values that a function uses from around it, by the names that it loads."""
    loaded = {step.argval for step in dis.get_instructions(function) if "GLOBAL" in step.opname}
    values = [v for name, v in function.__globals__.items() if name in loaded]
    values += [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    for cell in function.__closure__ or ():
        try:
            values.append(cell.cell_contents)
        except ValueError:  # not filled yet
            continue
    return values
