"""The canary for test rows that an estimator holds before it is fitted."""

from numbers import Real

import numpy as np

from helpers.leakage.codes import is_gap
from helpers.leakage.finding import Finding
from helpers.leakage.holding import arrays_in, as_table
from helpers.leakage.inputs import folds_of, task_of
from helpers.leakage.probes import seeded_clone
from helpers.leakage.tables import what_rows_are

GAP = np.float32("nan")
MOST_AT_ONCE = 1_000_000  # numbers of which keys are made


def held_rows(estimator, X, y=None, *, cv=5, groups=None, random_state=0):
    """Does an estimator hold test rows before it is fitted, as a set to validate with?

    Looks through what a clone brings along, for arrays, tensors and tables that hold rows of `X`,
    with or without a label in one more column: arguments of the constructor, lists, dicts and data
    sets in them, functions and what these use.

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
    that a file holds or that `fit` makes, nor labels that are kept beside a hash of their row. A
    whole table that only a function uses is passed over: it may use no more than its shape.

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
    names = list(getattr(X, "columns", ()))
    table = X.tocsr() if hasattr(X, "tocsr") else as_table(X)
    width = np.prod(table.shape[1:], dtype=int)
    step = max(1, MOST_AT_ONCE // max(width, 1))
    starts = range(0, table.shape[0], step)
    rows = [key for start in starts for key in _keys(table[start : start + step])]
    if width < 2:
        return Finding("held_rows", None, "Rows of one number meet by chance: it did not look.")
    numbers, held, where = {key: row for row, key in enumerate(rows)}, set(), set()
    for name, value in seeded_clone(estimator, random_state).get_params().items():
        for array in arrays_in(value, width, len(rows), names):
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
    name = max(where, key=lambda name: (name.count("__"), -len(name)))  # the innermost
    evidence = (
        f"The estimator holds {found} of {tested} test rows, in {name!r}. Set rows aside from the "
        "training rows of each fold instead."
    )
    return Finding("held_rows", True, evidence)


def _keys(rows):
    """Return a key for each row, equal where its texts, and its numbers as float32, are equal."""
    rows = rows.toarray() if hasattr(rows, "tocsr") else rows.reshape(len(rows), -1)
    if rows.dtype.kind not in "fiub":
        return [_key([_cell(value) for value in row]) for row in rows.tolist()]
    rows = np.ascontiguousarray(rows, dtype=np.float32) + np.float32(0)
    return [hash(row.tobytes()) for row in np.where(np.isnan(rows), GAP, rows)]


def _key(cells):
    are_numbers = all(isinstance(cell, np.float32) for cell in cells)
    return hash(np.array(cells).tobytes()) if are_numbers else tuple(cells)


def _cell(value):
    """Return a number as float32, all else as text, so that no value depends on other rows."""
    if is_gap(value):
        return GAP
    return np.float32(value) + np.float32(0) if isinstance(value, Real | np.bool_) else str(value)
