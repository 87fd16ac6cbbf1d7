"""What callers hand over: the task, the labels, and the folds."""

import copy
import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.model_selection import check_cv

from helpers._compat import _num_samples
from helpers.leakage.codes import is_gap
from helpers.leakage.fitting import check_is_estimator
from helpers.leakage.groups import check_is_no_text, one_group_a_row, without_mask
from helpers.leakage.probes import global_seed
from helpers.tensors import as_numpy

TASKS = ("classification", "regression")


def task_of(estimator):
    """Return what an estimator says of itself: one of `TASKS`, or None."""
    check_is_estimator(estimator)
    try:
        if is_classifier(estimator):
            return "classification"
        return "regression" if is_regressor(estimator) else None
    except AttributeError:  # of an object that is not derived from scikit-learn's classes
        return None


def has_classes(task, y):
    """Say whether `y` holds classes: True, False, or None where nobody has said so.

    Without a task, texts and two values are classes and fractions are not. Whole numbers are
    either: a price is one, and so is the number of a species.
    """
    if task is not None and task not in TASKS:
        raise ValueError(f"task must be 'classification' or 'regression'; got {task!r}.")
    if task is not None:
        return task == "classification"
    values = _labels(y)
    if values.dtype.kind not in "fiu" or len(np.unique(values)) <= 2:
        return True
    return None if np.array_equal(values, np.round(values)) else False


def _labels(y):
    """Return labels as an array; objects that are all numbers as numbers, times in seconds."""
    values = y.toarray() if hasattr(y, "toarray") else np.asarray(without_mask(y))
    if values.dtype.kind in "mM":
        begin = np.zeros((), values.dtype)  # of times, 1970
        return np.where(np.isnat(values), np.nan, (values - begin) / np.timedelta64(1, "s"))
    is_object = values.dtype == object
    if is_object and all(isinstance(value, Real | np.bool_) for value in values.ravel()):
        return np.array(values.tolist())
    return values


def targets_of(y, n):
    """Return targets as an array: shape (n,), or (n, n_targets) where there are several."""
    check_is_no_text("y", y)
    values = _labels(y)
    if values.ndim == 0 or len(values) != n:
        raise ValueError(
            f"y must hold one value for each of the {n} rows, shape ({n},), or several, shape "
            f"({n}, n_targets); got shape {values.shape}."
        )
    values = values.reshape(n, -1)
    return values[:, 0] if values.shape[1] == 1 else values


def about_missing(y):
    """Return a sentence on labels that are missing, or ''."""
    n_missing = sum(any(map(is_gap, row)) for row in y.reshape(len(y), -1).tolist())
    return f"y is missing in {n_missing} of {len(y)} rows: leave them out." if n_missing else ""


def strata_of(y, classes):
    """Return what a split in two parts may stratify by, or None."""
    y = targets_of(y, _num_samples(y))
    if not classes or y.ndim > 1:
        return None
    return y if np.unique(y, return_counts=True)[1].min() > 1 else None


def folds_of(cv, X, y=None, groups=None, task=None):
    """Return the (train, test) rows of each fold, as `cross_val_score` would take them.

    Raises
    ------
    ValueError
        If lengths differ, or `cv` is not what scikit-learn takes, or names rows that are not, or
        is a number and nobody has said whether `y` holds classes, which it then stratifies.
    """
    if X is None or isinstance(X, str):
        raise ValueError(f"X must hold rows: a table, images, sequences or texts; got {X!r:.80}.")
    n = _num_samples(X)
    by_groups = "Group" in type(cv).__name__
    if by_groups and np.ndim(groups) == 2 and np.shape(groups)[1] > 1:
        raise ValueError(
            f"cv={cv!r:.60} splits by one group a row, and groups holds two: hand over your folds, "
            "a list of pairs (train, test) of row numbers."
        )
    y = None if y is None else targets_of(y, n)
    groups = one_group_a_row(groups, n)
    classes = y is not None and has_classes(task, y)
    is_number = cv is None or isinstance(cv, Integral)
    if classes is None and is_number:
        raise ValueError(
            f"cv={cv} makes stratified folds of classes and consecutive folds of values, and the "
            "whole numbers in y may be either: say task='classification' or task='regression', "
            "or hand over a splitter."
        )
    stratifies = classes if is_number else "Stratified" in type(cv).__name__
    if y is not None and stratifies and (missing := about_missing(y)):
        raise ValueError(missing)
    try:
        with warnings.catch_warnings(), global_seed(0):
            warnings.filterwarnings("ignore", "The groups parameter is ignored")
            if hasattr(cv, "split"):  # one that draws from a generator would move it on
                cv = copy.deepcopy(cv)
            folds = list(check_cv(cv, y, classifier=bool(classes)).split(X, y, groups))
        folds = [(_rows(train, n), _rows(test, n)) for train, test in folds]
    except (TypeError, ValueError, IndexError) as error:
        if by_groups and groups is None:
            raise ValueError(
                f"cv={cv!r:.60} splits by groups: hand over groups, too. It stopped with: {error}"
            ) from error
        raise ValueError(
            f"cv must be a number of folds, a splitter of scikit-learn, or a list of pairs "
            f"(train, test) of row numbers from 0 to {n - 1}; got {cv!r:.80}: {error}"
        ) from error
    if not folds:
        raise ValueError("cv must have at least one fold, a pair (train, test); it has none.")
    if not all(len(train) and len(test) for train, test in folds):
        raise ValueError("cv must have training rows and test rows in each fold; one has none.")
    return folds


def _rows(rows, n):
    """Return row numbers, from numbers or from a mask."""
    rows = np.arange(n)[np.asarray(rows)]
    if rows.ndim != 1:
        raise ValueError("one part of a fold is no list of row numbers.")
    return rows


def is_frame(values):
    """Say whether it is a table or a column of pandas or of polars."""
    return hasattr(values, "iloc") or hasattr(values, "to_pandas")


def as_array(values):
    """Return values as an array, or as they are if they have no shape or are sparse."""
    values = as_numpy(values)
    if hasattr(values, "tocsr"):  # of sparse forms, the one that has rows
        return values.tocsr()
    try:
        return np.asarray(values)
    except ValueError:  # rows of unequal length
        return values


def are_ordered(folds):
    """Say whether, in each fold, all test rows come after the training rows."""
    return all(train.max() < test.min() for train, test in folds)
