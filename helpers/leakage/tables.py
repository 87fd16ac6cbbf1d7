"""Rows of any kind, as canaries on rows need them: numbers, column by column, with names."""

import numpy as np
from sklearn.impute import SimpleImputer

from helpers._compat import _num_samples
from helpers.leakage.codes import (
    are_too_large,
    codes_of,
    may_be_keys,
    why_without_order,
    words_of,
)
from helpers.leakage.inputs import as_array

SEQUENCES = list | tuple | np.ndarray


def as_numbers(X):
    """Return a table as floats: what is missing by its column's median, categories by numbers."""
    X = as_codes(X)
    X[np.isinf(X)] = np.nan
    if np.isnan(X).any():
        X = SimpleImputer(strategy="median", keep_empty_features=True).fit_transform(X)
    return X


def as_codes(X):
    """Return rows as floats, equal where the rows are equal; what is missing is nan.

    Images and sequences are flattened, shorter ones followed by gaps. A text is a row of words,
    each a number, whatever its capitals and stops. Of numbers and dates of any type, texts
    included, the values are kept; all else is numbered, column by column, in an order of its own,
    never in that of the rows.
    """
    if hasattr(X, "toarray"):
        return X.toarray().astype(float)
    if not hasattr(X, "columns"):
        X = _as_array(X)
        if X.ndim == 1 and X.dtype.kind in "fiubc":
            raise ValueError(
                f"X must have shape (n_rows, n_features); got {X.shape}. If it is one column, hand "
                f"over X.reshape(-1, 1)."
            )
        X = X.reshape(len(X), -1)
        if X.dtype.kind in "fiub" and not are_too_large(floats := X.astype(float), X.dtype):
            return floats
    columns = _columns_of(X)
    if not columns:
        raise ValueError("X has no columns: hand over at least one, as X[['age']].")
    if len(columns) == 1 and len(parts := _parts_of(columns[0])):
        columns = list(parts.T)
    return np.column_stack([codes_of(column) for column in columns])


def number_of_its_own(column):
    """Say whether a column numbers the rows: whole numbers or even steps, no two alike."""
    values = np.unique(column)  # sorted
    if len(values) < len(column) or len(values) < 3 or np.isnan(values).any():
        return False
    steps = np.diff(values)
    is_even = np.allclose(steps, steps[0], rtol=1e-6)
    return is_even or bool((values == np.round(values)).all())


def numbers_the_rows(column):
    """Say whether a column was dealt out as numbers of rows, and not measured, as prices are.

    Of n numbers drawn from fewer than n**2 / 14, two are alike, but for once in a thousand times.
    """
    if not number_of_its_own(column):
        return False
    values = np.unique(column)
    return bool(np.ptp(values) <= len(values) ** 2 / 14 * np.diff(values).min())


def keys_of(X, sure=True):
    """Return the columns of `as_codes` that number the rows of a table, or hold their keys.

    Unless `sure`, also those that may be ids: whole numbers of one length, no two alike.
    """
    if hasattr(X, "toarray") or what_rows_are(X) or len(shape_of_rows(X)) > 1:
        return []
    columns = _columns_of(X)
    are_numbers = numbers_the_rows if sure else number_of_its_own
    numbers = [c for c, column in enumerate(as_codes(X).T) if are_numbers(column)]
    keys = [c for c in numbers if may_be_keys(columns[c])]
    if sure:
        return keys
    lengths = {c: {len(str(value)) for value in np.asarray(columns[c]).tolist()} for c in keys}
    return [c for c in keys if len(lengths[c]) == 1]


def spread_out(table, rng):
    """Return a table in which columns of few values are spread out over the gaps between them.

    Distances in a coarse table are a few numbers only, which would stand out among all others.
    """
    table = table.copy()
    for column in table.T:
        values = np.unique(column)
        if 1 < len(values) < len(column) / 2:
            width = (values[-1] - values[0]) / (len(values) - 1)
            column += width * rng.uniform(-0.5, 0.5, size=len(column))
    return table


def names_of(X):
    """Return what to call each column of `as_codes`: its number and, where it has one, its name."""
    if hasattr(X, "columns"):
        return [f"{number} ({name!r})" for number, name in enumerate(X.columns)]
    shape = np.shape(X)[1:] if hasattr(X, "shape") else _as_array(X).shape[1:]
    if len(shape) > 1:
        return [str(tuple(map(int, at))) for at in np.ndindex(*shape)]
    return [str(number) for number in range(int(np.prod(shape)))]


def shape_of_rows(X):
    """Return the shape of one row of numbers; () of rows of anything else, or of unequal length."""
    if hasattr(X, "toarray") or hasattr(X, "columns"):
        return ()
    X = _as_array(X)
    return X.shape[1:] if X.dtype.kind in "fiub" else ()


def what_rows_are(X):
    """Return what rows are that are no rows of numbers: "texts", say; or ''."""
    if hasattr(X, "toarray") or (hasattr(X, "columns") and len(X.columns) != 1):
        return ""
    column = np.asarray(X).ravel() if hasattr(X, "columns") else _as_array(X)
    if column.size != len(column) or column.dtype.kind in "fiubcmM":
        return ""
    values = column.ravel().tolist()
    if all(isinstance(value, SEQUENCES) or hasattr(value, "detach") for value in values):
        is_ragged = len({np.shape(value) for value in values}) > 1
        return "of unequal length" if is_ragged else f"values of type {type(values[0]).__name__}"
    if len(_parts_of(column.ravel())):
        return "texts"
    is_object = any(isinstance(value, dict | set) or hasattr(value, "__dict__") for value in values)
    return "objects" if is_object else ""


def without_order(X):
    """Return the columns of `as_codes` whose numbers mean nothing, each with what it holds."""
    if hasattr(X, "toarray") or shape_of_rows(X):
        return {}
    found = {number: why_without_order(column) for number, column in enumerate(_columns_of(X))}
    return {number: why for number, why in found.items() if why}


def _columns_of(X):
    """Return the columns of a table of pandas, of polars or of rows of any shape."""
    if hasattr(X, "columns"):
        return [X.iloc[:, i] if hasattr(X, "iloc") else X[:, i] for i in range(X.shape[1])]
    X = _as_array(X)
    return list(X.reshape(len(X), -1).T)


def _as_array(X):
    X = as_array(X)
    return X if isinstance(X, np.ndarray) else np.fromiter(X, object, _num_samples(X))


def _parts_of(column):
    """Return the words of texts, or the values of sequences, a row each; or nothing."""
    values = np.asarray(column).tolist()
    if all(isinstance(value, str) for value in values):
        rows = [words_of(value) for value in values]
    elif all(isinstance(value, SEQUENCES) or hasattr(value, "detach") for value in values):
        rows = [_as_array(value).ravel() for value in values]
    else:
        return np.empty((0, 0))
    longest = max(map(len, rows))
    if longest < 2:
        return np.empty((0, 0))  # one word each: categories
    are_numbers = all(getattr(row, "dtype", np.dtype("O")).kind in "fiub" for row in rows)
    gap, dtype = (np.nan, float) if are_numbers else ("", object)
    parts = np.full((len(rows), longest), gap, dtype)
    for number, row in enumerate(rows):
        parts[number, : len(row)] = row
    return parts
