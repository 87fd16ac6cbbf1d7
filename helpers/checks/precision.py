"""The precision of rows: what numbers they hold, and whether a conversion rounds them."""

from decimal import Decimal

import numpy as np
import torch

from helpers.datasets import Rows

# From here on float32, and float64, round some whole numbers.
ROUNDED_FROM = {np.dtype(np.float32): 2**24, np.dtype(np.float64): 2**53}


def kinds_of(X):
    """Return what numpy calls the kinds of the dtypes of a table's columns, or of an array."""
    if isinstance(X, torch.Tensor):
        return {"c"} if X.is_complex() else set()
    of_columns = _dtypes_of(X)
    kinds = {getattr(dtype, "kind", None) for dtype in of_columns}
    # polars makes numbers of times where it is asked for numbers.
    return kinds | {"M" for dtype in of_columns if getattr(dtype, "is_temporal", bool)()}


def has_doubles(X):
    """Tell whether some numbers of `X` have a precision of float64 or more, whatever holds them."""
    dtypes = _dtypes_of(X)
    if hasattr(X, "__array__") and not any(hasattr(dtype, "kind") for dtype in dtypes):
        dtypes = [np.asarray(X).dtype]  # of polars, say
    dtypes = [getattr(dtype, "subtype", dtype) for dtype in dtypes]  # of sparse columns of pandas
    return any(getattr(one, "kind", None) == "f" and one.itemsize > 4 for one in dtypes)


def _dtypes_of(X):
    dtypes = getattr(X, "dtypes", None)
    return list(dtypes) if np.iterable(dtypes) else [getattr(X, "dtype", None)]


def rounds_integers(found, X):
    """Whether the conversion of `X` to `found` can have rounded whole numbers."""
    if isinstance(X, Rows) or found.dtype not in ROUNDED_FROM:
        return False
    kind = getattr(getattr(X, "dtype", None), "kind", "?")
    if kind in "fb":  # numpy's floats, which are the most
        return False
    numbers = found.data if hasattr(found, "tocsr") else found
    limit = ROUNDED_FROM[found.dtype]
    if not numbers.size or max(numbers.max(), -numbers.min()) < limit:
        return False
    if kind in "iu":
        return True
    given = np.asarray(X)
    if given.dtype.kind not in "fO":
        return given.dtype.kind in "iu"
    found = found.toarray() if hasattr(found, "tocsr") else found
    large = abs(found) >= limit
    return any(map(_is_rounded, given[large].tolist(), found[large].tolist()))


def _is_rounded(number, converted):
    """Whether a number, or the text of one, is whole and was converted to another."""
    try:
        number = Decimal(number.item() if isinstance(number, np.generic) else number)
    except (ArithmeticError, TypeError, ValueError):
        return False
    return number == number.to_integral_value() and number != Decimal(converted)
