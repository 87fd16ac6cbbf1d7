"""Test rows replaced by others, so that a procedure that uses them shows it."""

import numpy as np

from helpers.leakage.chance import taken


def destroyed(X, test, rng):
    """Replace the test rows: each number drawn from its column, three times as far from its mean.

    Columns of integers keep to their values, which may be categories. Rows that are no arrays of
    numbers are replaced by others, whole; those of a DataFrame column by column.
    """
    if hasattr(X, "iloc") and X.ndim == 2:  # not a Series, as of texts
        parts = {i: exchanged(X.iloc[:, i], test, rng) for i in range(X.shape[1])}
        made = type(X)(parts, index=X.index)
        for i in range(X.shape[1]):
            if made[i].dtype.kind == "f":
                made[i] = _far(made[i].to_numpy(copy=True)[:, None], test)[:, 0]
        return made.set_axis(X.columns, axis=1)
    if not isinstance(X, np.ndarray) or X.dtype.kind not in "fiub":
        return exchanged(X, test, rng)
    flat = X.reshape(len(X), -1).copy()
    drawn = rng.randint(len(flat), size=(len(test), flat.shape[1]))
    flat[test] = np.take_along_axis(flat, drawn, axis=0)
    return _far(flat, test).reshape(X.shape)


def _far(X, test):
    if X.dtype.kind == "f" and not np.array_equal(X, np.round(X), equal_nan=True):
        middle = np.nanmean(X, axis=0)
        X[test] = middle + 3 * (X[test] - middle)
    return X


def exchanged(values, test, rng):
    """Replace the test rows by others, drawn from all rows, as they are."""
    rows = np.arange(values.shape[0] if hasattr(values, "shape") else len(values))
    rows[test] = rng.permutation(rows)[: len(test)]
    return taken(values, rows)
