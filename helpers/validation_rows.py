"""The rows that `patience` watches: set aside by chance, by a splitter, or as the user says."""

import copy
import math
import re
import reprlib
import warnings
from numbers import Real

import numpy as np
import torch
from sklearn.utils import check_consistent_length

from helpers.checks.arguments import name_of
from helpers.checks.labels import refuse_cut, refuse_masked, refuse_missing
from helpers.tensors import as_numpy


def split_rows(job, how, data, *, stratify):
    """Set some of a job's rows aside for `patience` to watch, as its `valid_rows`.

    `how` is what `TorchClassifier` has as `validation_fraction`, and `data` are X, y and groups as
    given to `fit`. A share that is to `stratify` keeps the shares of the classes, and leaves the
    row of a class that has only one to training; groups, which stay together, go before.
    """
    rows = job.rows
    if isinstance(how, Real):
        split_by_chance(job, data[2], how, stratify)
    else:
        split_as_told(job, how, data)
    if stratify:
        warn_of_classes(job, rows, how, data)


def warn_of_classes(job, rows, how, data):
    """Warn if a split of some rows trains on none of a class, or watches one class alone.

    Not where no more than one class has two rows: another cannot be watched and trained on.
    """
    n_of_class = torch.bincount(job.y[rows])
    lost = rows[~torch.isin(job.y[rows], job.y[job.rows]).cpu()]
    is_alone = len(job.y[job.valid_rows].unique()) == 1 and (n_of_class > 1).sum() > 1
    if not len(lost) and not is_alone:
        return
    row = (lost if len(lost) else job.valid_rows)[0].item()
    label = np.asarray(data[1]).ravel()[[row]].tolist()[0]
    what = f"has patience watch rows of class {label!r} alone"
    cure = (
        "Where rows have no order in time, give a splitter that keeps the shares of the classes, "
        "as StratifiedKFold(10, shuffle=True) or, for groups, StratifiedGroupKFold(10)."
    )
    if isinstance(how, Real) and data[2] is None:
        cure = "Give another share."
    if len(lost):
        what = f"leaves no row of class {label!r} to train on"
        if n_of_class[job.y[row]] == 1 and data[2] is None:
            cure = "A share, such as validation_fraction=0.1, leaves the only row of a class there."
    warnings.warn(f"validation_fraction={_told(how)} {what}. {cure}", stacklevel=2)


def check_groups(groups, y):
    """Raise a ValueError unless groups are one label of one type for each row, and none missing."""
    due = "groups must be an array or a list with a label for each row"
    try:
        check_consistent_length(y, groups)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{due}: {error}") from error
    refuse_masked(groups, "groups")
    labels = np.asarray(as_numpy(groups))
    if labels.ndim == 0 or labels.size != len(labels):
        raise ValueError(f"{due}; got shape {labels.shape} for {len(y)} rows.")
    if isinstance(groups, (list, tuple)):
        refuse_missing(groups, "groups")  # of which numpy may make the text "nan"
        refuse_cut(groups, labels, "groups")
    elif labels.dtype.kind not in "biuSU":
        refuse_missing(labels.ravel().astype(object), "groups")
    try:
        np.unique(labels)
    except TypeError as error:
        raise ValueError(
            f"groups must be labels of one type: {error}. Give, for instance, "
            f"[str(group) for group in groups]."
        ) from error


def split_as_told(job, how, data):
    """Set rows aside as a splitter or the user says; rows in neither part are not used.

    The first split is taken or, where splits leave rows out, the first that leaves out fewest:
    that of `TimeSeriesSplit` would train on the oldest few rows alone. Row numbers count all rows
    given to `fit`; those of weight 0 are left out afterwards.
    """
    n_rows, owner = len(job.y), f"validation_fraction={_told(how)}"
    if isinstance(how, type):
        raise ValueError(f"{owner} is a class. Give an object of it.")
    splits = splits_of(how, data, job, owner) if hasattr(how, "split") else how
    best, most = None, -1
    for split in splits:
        parts = checked(split, n_rows, owner)
        n_used = sum(map(len, parts))
        if n_used > most:
            best, most = parts, n_used
        if most >= n_rows:
            break
    if best is None:
        raise ValueError(f"{owner} makes no split of the {n_rows} rows given to fit.")
    train, valid = (part[np.isin(part, job.rows.numpy())] for part in best)
    if not len(train) or not len(valid):
        raise ValueError(
            f"{owner} leaves no row to {'watch' if len(train) else 'train on'}, of the {n_rows} "
            f"given to fit. Give another split, or patience=None."
        )
    job.rows, job.valid_rows = torch.from_numpy(train), torch.from_numpy(valid)


def splits_of(splitter, data, job, owner):
    """Yield the splits of a splitter, which has the job's seed unless it has one of its own."""
    splitter = copy.deepcopy(splitter)  # so that fit does not change it
    if getattr(splitter, "random_state", "none") is None:
        splitter.random_state = job.seed
    try:
        yield from splitter.split(*data)
    except Exception as error:
        told = error
        if data[2] is None and re.search("'groups' parameter|number of groups", str(error)):
            told = ValueError(f"{owner} needs groups: call fit(X, y, groups=...).")
        note = f"{owner} was to split the {len(job.y)} rows given to fit."
        if "group" in str(error):
            note += (
                " What it needs of groups is given to fit as well: fit(X, y, groups=groups). A "
                "search does not hand on its own groups; give them to a step of a Pipeline too, "
                "search.fit(X, y, groups=groups, step__groups=groups). cross_validate takes them "
                "as params={'groups': groups}, and around such a search as "
                "params={'groups': groups, 'step__groups': groups}."
            )
        told.add_note(note)
        if told is error:
            raise
        raise told from error


def checked(split, n_rows, owner):
    """Return the two parts of a split, arrays of row numbers; raise a ValueError if it is none."""
    parts = [_numbers(part, n_rows) for part in split] if np.iterable(split) else []
    if len(parts) != 2 or any(part is None for part in parts):
        raise ValueError(
            f"validation_fraction must be a share, a splitter of scikit-learn, or a list with one "
            f"pair of arrays of row numbers, [(train, validation)]; got {reprlib.repr(split)} in "
            f"place of such a pair."
        )
    rows = np.concatenate(parts)
    for row in rows[(rows < 0) | (rows >= n_rows)][:1]:
        raise ValueError(
            f"{owner} names row {row}, but fit was given {n_rows} rows, 0 to {n_rows - 1}. In "
            f"a search or a cross-validation these are the rows of one fold, which has numbers of "
            f"its own; give a splitter there, such as TimeSeriesSplit() or GroupShuffleSplit()."
        )
    for row in np.intersect1d(*parts)[:1]:
        raise ValueError(
            f"{owner} has row {row} in both parts. patience must watch rows that are not trained "
            f"on."
        )
    return parts


def _numbers(part, n_rows):
    """Return row numbers, of a mask as well; None of what is neither."""
    part = np.asarray(part)
    if part.dtype.kind == "b" and part.shape == (n_rows,):
        return np.flatnonzero(part)
    are_numbers = part.ndim == 1 and (part.dtype.kind in "iu" or len(part) == 0)
    return part.astype(np.int64) if are_numbers else None


def _told(how):
    """Return what a user wrote for a way to split, in short."""
    if isinstance(how, type):
        return how.__name__
    return f"{name_of(how)}(...)" if hasattr(how, "split") else reprlib.repr(how)


def split_by_chance(job, groups, fraction, stratify):
    """Set a share of a job's rows aside, as drawn from its seed."""
    # Imported here because it is slow to import and seldom needed.
    from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit, StratifiedShuffleSplit

    rows = job.rows.numpy()
    y = job.y.cpu().numpy()[rows]
    single = np.zeros(len(rows), dtype=bool)
    what, at_least = "rows", 1
    if groups is not None:
        groups = np.unique(np.asarray(groups)[rows], return_inverse=True)[1]
        splitter, what, n_parts = GroupShuffleSplit, "groups", groups.max() + 1
    elif stratify:
        single = np.bincount(y)[y] == 1
        splitter, n_parts = StratifiedShuffleSplit, len(rows) - single.sum()
        at_least = len(np.unique(y[~single]))
    else:
        splitter, n_parts = ShuffleSplit, len(rows)
    n_valid = math.ceil(fraction * n_parts)
    if n_valid < at_least or n_parts - n_valid < at_least or not n_parts:
        each = "one row of each class" if stratify and groups is None else "one"
        said = f"here {n_valid} of {n_parts}"
        if single.any():
            said += f", without {single.sum()} that are the only ones of their class"
        raise ValueError(
            f"patience sets aside validation_fraction={fraction} of the {what} to watch the loss, "
            f"{said}; it needs {each} there and {each} for training, {max(at_least, 1)} at least "
            f"in each. Give more {what}, another validation_fraction, or patience=None."
        )
    splitter = splitter(1, test_size=fraction, random_state=job.seed)
    kept = np.flatnonzero(~single)
    train_part, valid_part = next(splitter.split(kept, y[kept], groups))
    train_part = np.concatenate([kept[train_part], np.flatnonzero(single)])
    job.rows = torch.from_numpy(rows[train_part])
    job.valid_rows = torch.from_numpy(rows[kept[valid_part]])
