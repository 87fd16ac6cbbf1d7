"""Whether columns tell the target because it follows from them: by a formula, or at a border."""

import numpy as np

NEEDED = 3  # columns: a price times a quantity, or net and tax, have two
NEARER_HALF = 0.35  # of these rows; of a continuous measurement a half, but for chance


def needs_three(table, found):
    """Say whether values follow exactly from a formula, by which three columns are needed.

    One or two columns that were found, and tell it exactly, need no others.
    """
    columns = list(range(table.n_columns))
    if table.classes or not table.are_exact(columns):
        return False
    if len(found) < NEEDED and table.are_exact(found):
        return False
    n_needed = 0
    for column in table.ranked(columns):
        n_needed += not table.are_exact([other for other in columns if other != column])
        if n_needed == NEEDED:
            return True
    return False


def is_a_border(values, labels):
    """Say whether classes lie on two sides of a value of a column, and rows are close to it.

    Of each class, the half that is nearest to the border is looked at. Where a measurement is
    continuous, half of these rows lie in the nearer half of the way to the farthest of them. Where
    a column was made of the label, with noise, fewer do, on both sides.
    """
    order = np.argsort(values, kind="stable")
    values, ends = values[order], np.flatnonzero(np.diff(labels[order]))
    if not np.isfinite(values).all() or 2 * len(np.unique(values)) < len(values):
        return False
    if len(ends) != labels.max():
        return False
    parts = np.split(values, ends + 1)
    return all(_are_close(one, other) for one, other in zip(parts, parts[1:], strict=False))


def _are_close(one, other):
    """Say whether two classes, in order, are as close to their border as farther away from it."""
    border = (one[-1] + other[0]) / 2
    away = np.abs(one[len(one) // 2 :] - border), np.abs(other[: (len(other) + 1) // 2] - border)
    return any((far <= far.max() / 2).mean() >= NEARER_HALF for far in away)
