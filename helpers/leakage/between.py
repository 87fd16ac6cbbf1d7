"""Rows that lie exactly between two others of their class, as SMOTE makes them before a split."""

import numpy as np
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

FEWEST_COLUMNS = 3  # of many values: in a plane, rows lie on a line with others now and then
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
    fine = [number for number, column in enumerate(table.T) if _is_fine(column, rows_of)]
    if len(fine) < FEWEST_COLUMNS:
        return 0, False
    table = StandardScaler().fit_transform(table[:, fine])
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


def _is_fine(column, rows_of):
    """Say whether hardly two values are alike, in each class, and none is missing."""
    return np.isfinite(column).all() and all(
        2 * len(np.unique(column[rows])) > len(rows) for rows in rows_of
    )


def _between(table, rows):
    """Return rows of a class that lie between two others, each with these two."""
    near = NearestNeighbors(n_neighbors=min(MOST_NEIGHBOURS, len(rows) - 1)).fit(table[rows])
    asked = np.random.RandomState(0).permutation(len(rows))[:MOST_ASKED]
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
    _, first, second = np.transpose(found)
    ways = table[second] - table[first]
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    is_same = np.abs(ways @ ways.T) > SAME_WAY
    return int((~np.triu(is_same, 1).any(axis=0)).sum())
