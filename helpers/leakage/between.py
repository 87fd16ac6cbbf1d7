"""Rows that lie exactly between two others of their class, as SMOTE makes them before a split."""

import numpy as np
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

FEWEST_COLUMNS = 3  # in a plane, rows lie on a line with others now and then
FINE = 0.25  # of the values of a column come once
FEWEST_OF_CLASS = 20
MOST_CLASSES = 20
MOST_ASKED = 300  # rows of a class
MOST_NEIGHBOURS = 60  # among which the two may be
SHARE = 0.1  # of a class
OPPOSITE = -1 + 1e-9  # the cosine between the ways to two rows: a ten thousandth of a right angle
SAME_WAY = 1 - 1e-6  # the cosine between two lines
FEW_LINES = 20  # by a formula, as of prices, or between a few rows


def count_between(table, y, folds):
    """Count rows between two others of their class that a split separates from one of them.

    Returns
    -------
    n_separated : int
        0 if no class is without such rows: then it is the table that is so, as where columns are
        sums of each other, and not that rows were made for a class that has few.
    are_few_lines : bool
        Whether they lie on a few lines: made between a few rows, or by a formula, as of prices.
    """
    names, numbers, counts = np.unique(y, return_inverse=True, return_counts=True)
    if not 2 <= len(names) <= MOST_CLASSES or counts.min() < FEWEST_OF_CLASS:
        return 0, False
    rows_of = [np.flatnonzero(numbers == number) for number in range(len(names))]
    is_fine = np.any([_are_fine(table[rows]) for rows in rows_of], axis=0)
    is_fine &= np.isfinite(table).all(axis=0)
    if is_fine.sum() < FEWEST_COLUMNS:
        return 0, False
    table = StandardScaler().fit_transform(table[:, is_fine])
    found = [_between(table, rows) for rows in rows_of]
    asked = np.minimum(counts, MOST_ASKED)
    if all(map(len, found)):
        return 0, False
    made = [some for some, n in zip(found, asked, strict=True) if len(some) > SHARE * n]
    if not made:
        return 0, False
    are_few = [_count_lines(table, some) <= min(FEW_LINES, len(some) / 2) for some in made]
    row, first, second = np.concatenate(made).T
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


def _are_fine(table):
    """Say which columns hold many values that come once: no categories, no counts.

    Between two whole numbers SMOTE makes others, which come once.
    """
    return _held_once(table).mean(axis=0) > FINE


def _between(table, rows):
    """Return rows of a class that lie between two others, each with these two."""
    table = table[:, _are_fine(table[rows])]
    rng = np.random.RandomState(0)
    some = table[rng.permutation(len(table))[:MOST_ASKED]]
    asked = rng.permutation(len(rows))[:MOST_ASKED]
    asked = asked[_held_once(table[rows])[asked].sum(axis=1) >= FEWEST_COLUMNS]
    if not len(asked) or np.linalg.matrix_rank(some) < FEWEST_COLUMNS:
        return []
    near = NearestNeighbors(n_neighbors=min(MOST_NEIGHBOURS, len(rows) - 1)).fit(table[rows])
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
        if cosines[first, second] < OPPOSITE:
            found.append((rows[row], rows[others[first]], rows[others[second]]))
    return found


def _count_lines(table, found):
    """Count the lines on which the rows found lie; parallel ones are one."""
    row, first, second = np.transpose(found)
    ways = (table[second] - table[first])[:, _are_fine(table[row])]
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    is_same = np.abs(ways @ ways.T) > SAME_WAY
    return int((~np.triu(is_same, 1).any(axis=0)).sum())
