"""Targets: one column or several, how they become numbers, and what is minimised."""

import warnings

import numpy as np
from scipy import sparse
from sklearn.utils import column_or_1d
from torch.nn import functional as F

LOST = 1e-3  # of the standard deviation of y, if its numbers are rounded


def columns_of(y, known):
    """Return `y` as an array, one column as (n,), with scikit-learn's warning, and their number.

    Raise a ValueError if that number is not the one `known` from earlier calls of partial_fit.
    """
    y = y.toarray() if sparse.issparse(y) else y
    y = column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y
    n_columns = y.shape[1] if y.ndim == 2 else 1
    if known is not None and n_columns != known:
        raise ValueError(
            f"The number of columns of y is {n_columns}, but was {known} in the first call of "
            f"partial_fit."
        )
    return y, n_columns


def indicators(y, dtype, classes, owner):
    """Return labels of several columns as numbers 0 and 1; raise a ValueError for others.

    What `partial_fit` was given as `classes` are the numbers of the columns, if anything.
    """
    wrong = y[~np.isin(y, [0, 1])]
    if len(wrong):
        raise ValueError(
            f"Unknown label type: y has several columns, one for each label that a row may have, "
            f"and must hold 0 and 1; got {wrong.tolist()[0]!r}. Where each column has classes of "
            f"its own, use MultiOutputClassifier({owner}()) of sklearn.multioutput."
        )
    if len(y) > 10 and (y.sum(1) == 1).all():  # in fewer rows it may be by chance
        warnings.warn(
            f"Each row of y has one 1, as if it were one-hot encoded. {owner} takes several "
            f"columns for labels of which a row may have any number. If a row has one of "
            f"{y.shape[1]} classes, give y.argmax(axis=1).",
            stacklevel=2,
        )
    if classes is not None and not np.array_equal(classes, np.arange(y.shape[1])):
        raise ValueError(
            f"Where y has several columns, the classes are their numbers, 0 to {y.shape[1] - 1}; "
            f"leave classes={classes!r} out."
        )
    return y.astype(dtype)


def values(y, dtype):
    """Return the values of a regression in the precision `dtype`."""
    for row in np.flatnonzero(np.isnan(y).reshape(len(y), -1).any(1))[:1]:  # were None, say
        raise ValueError(
            f"y contains NaN or another missing value in row {row}. Leave such rows out, of X too."
        )
    with np.errstate(over="ignore", under="ignore"):
        numbers, spread = y.astype(dtype), y.std(axis=0)
    if not np.isfinite(numbers).all():
        raise ValueError(
            f"y holds {abs(y).max():.3g}, more than {np.dtype(dtype)}, the precision of X, can "
            f"hold. Scale y, or give X as float64."
        )
    if (np.abs(numbers - y).max(axis=0) > LOST * spread)[spread > 0].any():
        raise ValueError(
            f"y reaches {abs(y).max():.10g} and differs too little from row to row for "
            f"{np.dtype(dtype)}, the precision of X. Subtract the mean, as "
            f"TransformedTargetRegressor does with StandardScaler(), or give X as float64."
        )
    return numbers


def classification_loss(outputs, y, reduction="mean"):
    """Cross-entropy of class numbers; where `y` has labels in axis 1, the mean over these.

    `outputs` has one axis more than class numbers have: axis 1, the classes.
    """
    if y.ndim < outputs.ndim:
        return F.cross_entropy(outputs, y, reduction=reduction)
    return _reduced(F.binary_cross_entropy_with_logits(outputs, y, reduction="none"), reduction)


def squared_error(outputs, y, reduction="mean"):
    """Squared error; where `y` has targets in axis 1, the mean over these."""
    if y.ndim < outputs.ndim:
        return F.mse_loss(outputs[:, 0], y, reduction=reduction)
    return _reduced(F.mse_loss(outputs, y, reduction="none"), reduction)


def _reduced(losses, reduction):
    of_rows = losses.mean(1)
    return of_rows.mean() if reduction == "mean" else of_rows
