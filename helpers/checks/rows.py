"""The rows of `X` at the door: their shape, their precision, and sentences for what has none."""

import os
import re
from collections.abc import Iterator, MappingView

import numpy as np
import torch
from scipy import sparse
from sklearn.utils.validation import validate_data
from torch.utils.data import DataLoader, Dataset

from helpers.checks.precision import ROUNDED_FROM, has_doubles, kinds_of, rounds_integers
from helpers.datasets import Rows
from helpers.tensors import as_numpy

ENCODE = (
    "Encode columns of text, for instance with OneHotEncoder() or OrdinalEncoder(), and whole "
    "texts with TfidfVectorizer()."
)


def check_rows(estimator, X, y="no_validation", *, reset, **checks):
    """Return `X`, and `y` if there is one, validated as scikit-learn does it.

    Rows may have any shape. `X` comes back as float32, float64 or uint8 (an array or a CSR array),
    or as the `Rows` of a Dataset, of which nothing is loaded.

    Where `reset`, the estimator learns the shape of a row and the precision to train in; otherwise
    `X` must have that shape, and gets that precision. `checks` are for scikit-learn.
    """
    owner = type(estimator).__name__
    refuse_no_numbers(X)
    refuse_datasets(X, owner)
    X = as_numpy(X)
    if not reset:
        check_shape(X, estimator._row_shape, owner)
    # Of rows that are not loaded yet, an array of their shape that takes no memory.
    given = np.broadcast_to(np.uint8(0), X.shape) if isinstance(X, Rows) else X
    checks = {"reset": reset, "accept_sparse": "csr", "allow_nd": True, **checks}
    if reset:
        dtypes = [np.float64 if has_doubles(X) else np.float32, np.float64]
    else:
        dtypes = [estimator._dtype]
    # uint8 stays as it is until a batch is taken: images in a file may be larger than the memory.
    found, target = validated(estimator, given, y, dtype=[*dtypes, np.uint8], **checks)
    trained_on = target is not None
    rounded = trained_on and rounds_integers(found, X)
    if rounded and reset:
        found, target = validated(estimator, given, y, dtype=np.float64, **checks)
        rounded = rounds_integers(found, X)
    if rounded:
        cure = "Number their distinct values, for instance with OrdinalEncoder()."
        if not reset and found.dtype == np.float32:
            cure = "Give X as float64 from the first call of partial_fit on."
        raise ValueError(
            f"X holds whole numbers of {ROUNDED_FROM[found.dtype]:,} or more, which "
            f"{found.dtype}, in which {owner} trains here, would round. {cure}"
        )
    found = X if isinstance(X, Rows) else found
    if reset:
        estimator._row_shape = found.shape[1:]
        estimator._dtype = np.dtype(np.float64 if found.dtype == np.float64 else np.float32)
        if 0 in estimator._row_shape:
            raise ValueError(f"Rows of X hold no numbers: their shape is {estimator._row_shape}.")
    else:
        check_shape(found, estimator._row_shape, owner)
    return (found, target) if trained_on else found


def validated(estimator, X, y, **checks):
    """Return `X` and `y`, or None, as scikit-learn validates them; say what its errors do not."""
    try:
        found = validate_data(estimator, X, y, **checks)
    except TypeError as error:
        if "float() argument" not in str(error):
            raise
        what, cure = ("y", "") if holds_numbers(X) else ("X", _cure_of_column(X))
        raise TypeError(f"{what} must hold numbers: {error}.{cure}") from error
    except ValueError as error:
        if re.search("element with a sequence|only one element tensors", str(error)):
            refuse_unequal(X, error)
            _refuse_vectors(X, error)
        if "inconsistent numbers of samples" in str(error):
            raise ValueError(f"X and y must have the same number of rows: {error}.") from error
        if "unique column names" in str(error):
            _refuse_doubled(X, y, error)
        # The latter is what pandas says of a column of categories, beside one of True and False.
        if re.search("could not convert string|Cannot cast (str|string|object)", str(error)):
            what, cure = ("y", "") if holds_numbers(X) else ("X", f" {ENCODE}")
            raise ValueError(f"{what} must hold numbers: {error}.{cure}") from error
        raise
    return found if isinstance(found, tuple) else (found, None)


def _cure_of_column(X):
    """Return what to do about the first column of a table that holds no numbers."""
    for name in getattr(X, "columns", ()):
        if not holds_numbers(X[name]):
            return f" Make numbers of X[{name!r}], as OrdinalEncoder() does, or leave it out."
    return ""


def _refuse_doubled(X, y, error):
    """Raise a ValueError that names a column which a table has twice."""
    for what, table in (("X", X), ("y", y)):
        names = list(getattr(table, "columns", []))
        for name in names:
            if names.count(name) > 1:
                raise ValueError(
                    f"{what} has {names.count(name)} columns of the name {name!r}. Give each a "
                    f"name of its own, or hand over {what}.to_numpy()."
                ) from error


def check_shape(X, known, owner):
    """Raise a ValueError if rows have another shape than those of fit; tables have columns."""
    shape = shape_of(X)
    if shape is None or len(shape) < 2 or shape[1:] == known or len(shape) == len(known) + 1 == 2:
        return  # where a table has another number of columns, scikit-learn says so
    raise ValueError(
        f"X has rows of shape {shape[1:]}, but {owner} was fitted on rows of shape {tuple(known)}."
    )


def shape_of(X):
    """Return the shape of what has one, None for the rest (a list may be ragged)."""
    shape = getattr(X, "shape", None)
    return None if shape is None else tuple(shape)


def refuse_datasets(X, owner):
    """Raise a TypeError if `X` is a Dataset, a DataLoader, or a list of their items or of paths."""
    name = type(X).__name__
    if isinstance(X, DataLoader):
        raise TypeError(
            f"{owner} takes arrays, and no {name}, which scikit-learn cannot split: hand over "
            f"rows_of(loader.dataset) as X and y_of(loader.dataset) as y (both from helpers), and "
            f"set batch_size in the estimator that is trained."
        )
    if isinstance(X, Dataset):
        raise TypeError(
            f"{owner} takes arrays, and no {name}, which scikit-learn cannot split: hand over "
            f"rows_of(dataset) as X and y_of(dataset) as y (both from helpers)."
        )
    first = _first_of(X)
    if isinstance(first, os.PathLike) or isinstance(first, str) and os.path.splitext(first)[1]:
        raise TypeError(
            f"{owner} takes arrays, and no list of paths, here {str(first)!r}: hand over "
            f"rows_of(paths, load=np.load) as X (from helpers), or another function that makes an "
            f"array of a path."
        )
    pair = isinstance(first, tuple) and len(first) == 2 and not np.isscalar(first[0])
    if pair and hasattr(first[0], "__array__"):
        raise TypeError(
            f"{owner} takes arrays, and no list of pairs (row, label), as scikit-learn makes of a "
            f"Dataset that it splits: hand over rows_of(dataset) as X and y_of(dataset) as y (both "
            f"from helpers)."
        )
    if type(first).__module__.split(".")[0] == "PIL":
        raise TypeError(
            f"{owner} takes arrays, and no list of PIL images: hand over "
            f"np.stack([np.asarray(image) for image in images])."
        )


def refuse_no_numbers(X):
    """Raise a ValueError if `X` has no rows, or rows of what are no numbers that can be taken."""
    wrong = cure = None
    is_tensor = isinstance(X, torch.Tensor)
    no_rows = isinstance(X, (str, bytes, dict, set, Iterator, MappingView))
    if X is None or no_rows and not sparse.issparse(X):  # a sparse array may be a dict
        wrong, cure = f"{X!r:.60}", "Give an array, a table, or a list of rows."
        if isinstance(X, str):
            cure = "Read the file first, for instance with pandas.read_csv or np.load."
    elif is_tensor and X.is_nested:
        wrong = "a nested tensor, with rows of unequal lengths"
        cure = "Fill them up: torch.nested.to_padded_tensor(X, 0.0)."
    elif is_tensor and (X.is_meta or X.is_quantized or X.layout is not torch.strided):
        kind = "on the device 'meta'" if X.is_meta else "that is quantized or sparse"
        wrong, cure = f"a tensor {kind}", "Give X.dequantize(), X.to_dense(), or an array."
    elif np.ma.is_masked(X):
        wrong = "a masked array, some numbers of which are missing"
        cure = "Fill them in, for instance with X.filled(np.nan) and SimpleImputer()."
    elif getattr(getattr(X, "dtype", None), "names", None):
        wrong = "a structured array"
        cure = "Give np.lib.recfunctions.structured_to_unstructured(X), or a DataFrame."
    elif "c" in kinds_of(X):
        wrong, cure = "complex numbers (Complex data not supported)", "Give X.real and X.imag."
    elif {"m", "M"} & kinds_of(X):
        wrong = "dates or times"
        cure = "Say what counts, for instance days: (X - start) / np.timedelta64(1, 'D')."
    if wrong:
        raise ValueError(f"X must hold rows of numbers; got {wrong}. {cure}")


def holds_numbers(X):
    """Say whether all values can be read as numbers."""
    try:
        np.asarray(X, dtype=float)
    except (TypeError, ValueError):
        return False
    return True


def refuse_unequal(X, error):
    """Raise a ValueError if rows are of unequal shapes, as sequences of unequal lengths are."""
    try:
        shapes = [tuple(np.shape(row)) for row in X]
    except ValueError:  # a row is ragged itself
        return
    for number, shape in enumerate(shapes):
        if shape != shapes[0]:
            raise ValueError(
                f"Rows of X must have one shape; row 0 has the shape {shapes[0]}, row {number} "
                f"{shape}. Bring all to one: resize images, and fill up sequences, for instance "
                f"with torch.nn.utils.rnn.pad_sequence(sequences, batch_first=True)."
            ) from error


def _refuse_vectors(X, error):
    """Raise a ValueError if a column of objects holds a vector for each row, all of one shape."""
    column, name = X, "X"
    for label in getattr(X, "columns", ()):
        if len(X) and np.ndim(_first_of(X[label])):
            column, name = X[label], f"X[{label!r}]"
            break
    if len(shape_of(column) or ()) != 1 or not np.ndim(_first_of(column)):
        return
    others = "" if name == "X" or X.shape[1] == 1 else ", beside the other columns"
    raise ValueError(
        f"X must hold rows of numbers; got objects: {name} holds a vector for each row. Make an "
        f"array of them with np.stack({name}){others}."
    ) from error


def _first_of(X):
    """Return the first element of a list or a column, None of anything else."""
    if isinstance(X, (list, tuple)) or len(shape_of(X) or ()) == 1 and not sparse.issparse(X):
        X = getattr(X, "values", X)  # of a pandas Series
        return X[0] if len(X) else None
    return None
