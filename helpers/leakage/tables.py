"""Rows of any kind, as canaries on rows need them: numbers, column by column, with names."""

import numpy as np
from sklearn.impute import SimpleImputer

from helpers._compat import _num_samples

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
    each a number. Dates, categories and other objects are numbered, column by column.
    """
    if hasattr(X, "toarray"):
        return X.toarray().astype(float)
    if hasattr(X, "columns"):  # of pandas, or of polars
        columns = [X.iloc[:, i] if hasattr(X, "iloc") else X[:, i] for i in range(X.shape[1])]
    else:
        X = _as_array(X)
        if X.ndim == 1 and X.dtype.kind in "fiubc":
            raise ValueError(f"X must have shape (n_rows, n_features); got {X.shape}.")
        X = X.reshape(len(X), -1)
        if X.dtype.kind in "fiub":
            return X.astype(float)
        columns = list(X.T)
    if len(columns) == 1 and len(parts := _parts_of(columns[0])):
        columns = list(parts.T)
    return np.column_stack([_codes_of(column) for column in columns])


def number_of_its_own(column):
    """Say whether a column numbers the rows: whole numbers or even steps, no two alike."""
    values = np.unique(column)  # sorted
    if len(values) < len(column) or len(values) < 3 or np.isnan(values).any():
        return False
    steps = np.diff(values)
    is_even = np.allclose(steps, steps[0], rtol=1e-6)
    return is_even or bool((values == np.round(values)).all())


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


def what_rows_are(X):
    """Return what rows are that are no rows of numbers: "texts", say; or ''."""
    if hasattr(X, "toarray") or (hasattr(X, "columns") and len(X.columns) != 1):
        return ""
    column = np.asarray(X).ravel() if hasattr(X, "columns") else _as_array(X)
    if column.size != len(column) or column.dtype.kind in "fiubcmM":
        return ""
    values = column.ravel().tolist()
    if all(isinstance(value, SEQUENCES) or hasattr(value, "detach") for value in values):
        return "of unequal length"
    if len(_parts_of(column.ravel())):
        return "texts"
    is_object = any(isinstance(value, dict | set) or hasattr(value, "__dict__") for value in values)
    return "objects" if is_object else ""


def _as_array(X):
    if hasattr(X, "detach"):  # a tensor
        X = X.detach().cpu().numpy()
    try:
        X = np.asarray(X)
    except ValueError:  # rows of unequal length
        pass
    if isinstance(X, np.ndarray):
        return X
    rows = np.empty(_num_samples(X), dtype=object)
    for number, row in enumerate(X):
        rows[number] = row
    return rows


def _parts_of(column):
    """Return the words of texts, or the values of sequences, a row each; or nothing."""
    values = np.asarray(column).tolist()
    if all(isinstance(value, str) for value in values):
        rows = [value.split() for value in values]
    elif all(isinstance(value, SEQUENCES) or hasattr(value, "detach") for value in values):
        rows = [_as_array(value).ravel() for value in values]
    else:
        return np.empty((0, 0))
    longest = max(map(len, rows))
    if longest < 2:
        return np.empty((0, 0))  # one word each: categories
    are_numbers = all(getattr(row, "dtype", np.dtype("O")).kind in "fiub" for row in rows)
    parts = np.full((len(rows), longest), np.nan if are_numbers else "")
    parts = parts if are_numbers else parts.astype(object)
    for number, row in enumerate(rows):
        parts[number, : len(row)] = row
    return parts


def _codes_of(column):
    """Return one column as floats: numbers as they are, all else numbered; nan for a gap."""
    dtype = getattr(column, "dtype", None)
    if hasattr(column, "to_numpy") and getattr(dtype, "kind", "O") in "fiub":
        return column.to_numpy(dtype=float, na_value=np.nan)  # pandas' nullable numbers included
    values = np.asarray(column)
    if values.dtype.kind in "fiub":
        return values.astype(float)
    if values.dtype.kind in "mM":
        return np.where(np.isnat(values), np.nan, values.astype("int64").astype(float))
    codes, values = np.empty(len(values)), values.tolist()
    if all(is_gap(v) or isinstance(v, int | float | np.number) for v in values):
        return np.array([np.nan if is_gap(v) else float(v) for v in values])
    # Texts in their own order: in that of the rows, names would number them.
    texts = sorted({value for value in values if isinstance(value, str)})
    numbers = {text: number for number, text in enumerate(texts)}
    for row, value in enumerate(values):
        key = value if isinstance(value, str) else _key_of(value)
        codes[row] = np.nan if is_gap(value) else numbers.setdefault(key, len(numbers))
    return codes


def _key_of(value):
    """Return something to look a value up by, equal for equal values."""
    if isinstance(value, np.ndarray) or hasattr(value, "detach"):
        return _as_array(value).tobytes(), np.shape(value)
    try:
        hash(value)
    except TypeError:
        return repr(value)
    return value


def is_gap(value):
    """Say whether a value is missing: None, nan, NaT or pandas' NA."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating | np.datetime64) and bool(value != value)
