"""Groups as they are handed over: names, numbers, pairs of them, and gaps."""

import unicodedata
from collections.abc import Hashable

import numpy as np

from helpers.leakage.codes import GAPS, is_gap

NO_NAMES = GAPS - {"na"}  # texts that stand for a gap; na may be a name


def group_numbers(groups, n):
    """Return the number of each row's group, one column for each column of groups; -1 for a gap.

    A name means the same in all columns. An empty text is a gap, and so is "nan".

    Raises
    ------
    ValueError
        If there is not one group for each row, or if two names may mean one group.
    """
    check_is_no_text("groups", groups)
    values = np.empty(()) if groups is None else np.asarray(without_mask(groups), dtype=object)
    if values.ndim not in (1, 2) or len(values) != n:
        raise ValueError(
            f"groups must hold one value for each of the {n} rows, shape ({n},), or two where a "
            f"row is a pair, shape ({n}, 2); got shape {np.shape(groups)}."
        )
    for column in values.reshape(n, -1).T:
        are_texts = {isinstance(name, str) for name in column if not _is_no_name(name)}
        if len(are_texts) > 1:
            raise ValueError(
                "groups holds texts beside other values, and '7' and 7 may be one group: make all "
                "texts, or all numbers."
            )
    if not all(isinstance(name, Hashable) for name in values.ravel()):
        raise ValueError("groups must hold names or numbers; got lists, or the like.")
    numbers = {}
    flat = [-1 if _is_no_name(g) else numbers.setdefault(g, len(numbers)) for g in values.ravel()]
    _check_spelling(numbers)
    return np.reshape(flat, (n, -1))


def check_is_no_text(name, values):
    """Raise a ValueError for a text, as of a column's name, in place of one value a row."""
    if isinstance(values, str):
        raise ValueError(
            f"{name} must hold one value for each row; got the text {values!r}. If a column has "
            f"this name, hand it over itself, {name}=X[{values!r}], and leave it out of X."
        )


def _is_no_name(value):
    return is_gap(value) or (isinstance(value, str) and _spelling(value) in NO_NAMES)


def _check_spelling(names):
    """Raise a ValueError if two names differ in capitals, spaces or needless zeros alone."""
    spelled = {}
    for name in names:
        like = spelled.setdefault(_spelling(name), name) if isinstance(name, str) else name
        if like != name:
            raise ValueError(
                f"groups holds {like!r} beside {name!r}, which may be one group: spell each name "
                "in one way. If they are two, hand over numbers, and None for a row that has no "
                "group."
            )


def _spelling(name):
    """Return a name without what is written now one way and now another."""
    name = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
    whole, _, part = name.partition(".")
    if whole.isdecimal() and not part.strip("0"):  # 7, 007 and 7.0, but not 1.1 and 1.10
        return f"{whole.lstrip('0')}."
    return name


def one_group_a_row(groups, n):
    """Return groups that a splitter can sort: one a row, all gaps one group; None for pairs."""
    if groups is None or (numbers := group_numbers(groups, n)).shape[1] > 1:
        return None
    return numbers[:, 0] if (numbers < 0).any() else np.asarray(groups).ravel()


def without_mask(values):
    """Return a masked array with None in place of what is masked; all else as it is."""
    if not np.ma.is_masked(values):
        return values
    return np.where(np.ma.getmaskarray(values), None, np.ma.getdata(values).astype(object))
