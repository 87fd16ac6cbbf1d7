"""Whether columns tell the target because it follows from them: by a formula, or at a border."""

import numpy as np

NEEDED = 3  # columns: a price times a quantity, or net and tax, have two
NEAR, FEWEST_NEAR = 20, 5  # rows on each side of a border
NEARER_HALF = 0.3  # of them; of a continuous measurement a half, but for chance


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

    Where a measurement is continuous, half of the nearest rows lie in the nearer half of the way to
    the farthest of them. Where a column was made of the label, with noise, fewer on both sides.
    """
    order = np.argsort(values, kind="stable")
    values, ends = values[order], np.flatnonzero(np.diff(labels[order]))
    if not np.isfinite(values).all() or 2 * len(np.unique(values)) < len(values):
        return False
    return len(ends) == labels.max() and all(_is_close(values, end) for end in ends)


def _is_close(values, end):
    """Say whether values, in order, are as close to a border as they are a bit farther away."""
    border = (values[end] + values[end + 1]) / 2
    sides = values[max(end + 1 - NEAR, 0) : end + 1], values[end + 1 :][:NEAR]
    away = [np.abs(side - border) for side in sides if len(side) >= FEWEST_NEAR]
    return any((far <= far.max() / 2).mean() >= NEARER_HALF for far in away)
