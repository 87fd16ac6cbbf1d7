"""Rows that lie exactly between two others of their class, as SMOTE makes them before a split."""

import numpy as np
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

FINE = 0.25  # of the values of a column come once
FEWEST_OF_CLASS = 20
MOST_CLASSES = 20
MOST_ASKED = 300  # rows of a class
MOST_NEIGHBOURS = 60  # among which the two others may be
SHARE = 0.1  # of a class; or of what another class has
# How long the sum of two ways of length 1 may be that lead to opposite sides. In two columns it may
# be no more than float64 rounds, because many rows of a plane lie nearly on a line.
NEARLY, EXACTLY = 4.5e-5, 1e-10
MOST_COLUMNS = 100  # of which two are looked at alone
ON_GRID = 1e-3  # of a step
ROUNDED = 1e-9  # standard deviations: no step, but what float64 has rounded
SAME_WAY = 1 - 1e-6  # the cosine between two lines
FEW_LINES = 20  # by a formula, as of prices, or between a few rows


def count_between(table, y, folds):
    """Count rows between two others of their class that a split separates from one of them.

    Returns
    -------
    n_separated : int
        0 if no class has hardly any such rows: then it is the table that is so, as where columns
        are sums of each other, and not that rows were made for a class that has few.
    are_few_lines : bool
        Whether they lie on a few lines: made between a few rows, or by a formula, as of prices.
    """
    names, numbers, counts = np.unique(y, return_inverse=True, return_counts=True)
    if not 2 <= len(names) <= MOST_CLASSES or counts.min() < FEWEST_OF_CLASS:
        return 0, False
    rows_of = [np.flatnonzero(numbers == number) for number in range(len(names))]
    once = [_held_once(table[rows]) for rows in rows_of]
    is_asked = np.any([some.mean(axis=0) > SHARE for some in once], axis=0)
    is_asked &= np.isfinite(table).all(axis=0)
    if not is_asked.any():
        return 0, False
    table = StandardScaler().fit_transform(table[:, is_asked])
    is_off = np.zeros(table.shape, dtype=bool)
    if table.shape[1] <= MOST_COLUMNS:
        is_off = np.all([_off_the_grid(table, table[rows]) for rows in rows_of], axis=0)
    found = [
        _between(table, rows, some[:, is_asked], is_off[rows])
        for rows, some in zip(rows_of, once, strict=True)
    ]
    shares = np.array([len(some) for some, _ in found]) / np.minimum(counts, MOST_ASKED)
    if shares.max() <= SHARE or shares.min() > SHARE * shares.max():
        return 0, False
    made = [some for some, share in zip(found, shares, strict=True) if share > SHARE]
    are_few = [_are_few_lines(table[:, columns], some) for some, columns in made]
    row, first, second = np.concatenate([some for some, _ in made]).T
    n_separated = 0
    for train, test in folds:
        is_train, is_test = np.isin(np.arange(len(y)), train), np.isin(np.arange(len(y)), test)
        across = is_test[row] & (is_train[first] | is_train[second])
        n_separated += (across | is_train[row] & (is_test[first] | is_test[second])).sum()
    return int(n_separated), all(are_few)


def _held_once(table):
    """Say which values no other row has in its column, (n_rows, n_columns)."""
    once = np.zeros(table.shape, dtype=bool)
    for column, of_column in zip(table.T, once.T, strict=True):
        _, first, counts = np.unique(column, return_index=True, return_counts=True)
        of_column[first[counts == 1]] = True
    return once


def _off_the_grid(table, others):
    """Say which values lie off the even steps to which other rows are rounded.

    If the other rows are not rounded, all values do.
    """
    is_off = np.zeros(table.shape, dtype=bool)
    others = np.random.RandomState(0).permutation(others)[:MOST_ASKED]
    for column, known, of_column in zip(table.T, others.T, is_off.T, strict=True):
        known = np.unique(known)
        step = np.diff(known).min(initial=np.inf, where=np.diff(known) > ROUNDED)
        steps, known = (column - known[0]) / step, (known - known[0]) / step
        is_grid = np.abs(known - known.round()).max() < ON_GRID
        of_column[:] = ~is_grid | (np.abs(steps - steps.round()) > ON_GRID)
    return is_off


def _between(table, rows, once, is_off):
    """Return rows of a class that lie between two others, each with these two; and the columns.

    Three columns are enough if many of their values come once; those that SMOTE makes between whole
    numbers do. If whole numbers were rounded again, two columns that were not are enough.
    """
    fine, exact = once.mean(axis=0) > FINE, (once & is_off).mean(axis=0) > SHARE
    found = _on_lines(table[:, fine], rows, once[:, fine], 3, NEARLY)
    if found or not exact.any() or fine.sum() > 2 and (fine == exact).all():
        return found, fine
    return _on_lines(table[:, exact], rows, (once & is_off)[:, exact], 2, EXACTLY), exact


def _on_lines(table, rows, once, n_columns, most):
    """Return rows between two others. Asked are those of which `n_columns` values come once."""
    rng = np.random.RandomState(0)
    # Random mixtures of the columns lie in a plane only if the columns do.
    mixed = table @ rng.normal(size=(table.shape[1], n_columns))
    asked = rng.permutation(len(rows))[:MOST_ASKED]
    asked = asked[once[asked].sum(axis=1) >= n_columns]
    if not len(asked) or np.linalg.matrix_rank(mixed) < n_columns:
        return []
    # In two of many columns, those that were near in all of them may be far.
    n_near = min(MOST_ASKED if n_columns == 2 else MOST_NEIGHBOURS, len(rows) - 1)
    near = NearestNeighbors(n_neighbors=n_near).fit(table[rows])
    neighbours = near.kneighbors(table[rows[asked]], return_distance=False)
    found = []
    for row, others in zip(asked, neighbours, strict=True):
        ways = table[rows[others]] - table[rows[row]]
        lengths = np.linalg.norm(ways, axis=1)
        others, ways = others[lengths > 0], ways[lengths > 0] / lengths[lengths > 0, None]
        if not len(ways):
            continue
        cosines = ways @ ways.T
        first, second = np.unravel_index(cosines.argmin(), cosines.shape)
        if np.linalg.norm(ways[first] + ways[second]) < most:
            found.append((rows[row], rows[others[first]], rows[others[second]]))
    return found


def _are_few_lines(table, found):
    """Say whether the rows found lie on few lines, of which parallel ones are one, or on a star.

    A price and a sum of equal prices lie on a star: a line for each number of them.
    """
    row, first, second = np.transpose(found)
    ways = table[second] - table[first]
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    is_same = np.abs(ways @ ways.T) > SAME_WAY
    n_lines = (~np.triu(is_same, 1).any(axis=0)).sum()
    return bool(n_lines <= min(FEW_LINES, len(found) / 2)) or _meet(table[row], ways)


def _meet(points, ways):
    """Say whether lines through these points meet in one point, looked at in a random plane."""
    mixed = np.random.RandomState(0).normal(size=(points.shape[1], 2))
    points, ways = points @ mixed, ways @ mixed
    across = np.column_stack([ways[:, 1], -ways[:, 0]])
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    where = (across * points).sum(axis=1)
    centre = np.linalg.lstsq(across, where)[0]  # nearest to all lines
    return bool(np.abs(across @ centre - where).max() < NEARLY)
