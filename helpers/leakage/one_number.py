"""Rows that all follow from one number, as waves of a day and splines do: they meet by chance."""

import numpy as np
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import pdist, squareform
from sklearn.preprocessing import StandardScaler

FEWEST_ROWS = 20  # different ones, of which a tree by chance would branch
MOST_ROWS = 500  # whose distances are compared
BRANCHES = 0.03  # of the rows; of rows in a plane a fifth
FEW_DISTANCES = 0.23  # of the pairs; of games from both sides, with both signs, a quarter
FEWER = 0.5  # of those that there are if the columns are shuffled, each by itself
DECIMALS = 7  # of the largest distance

ONE_NUMBER = (
    " But all columns may follow from one number, as waves of a day, splines and powers do. Rows "
    "in which that number is the same are then equal by chance, and those in which it lies as "
    "far on the other side are equal but for signs or for the order of columns. Hand over the "
    "other columns as well, or groups, to shared_groups."
)


def follow_from_one_number(rows):
    """Say whether all columns may follow from one number, such as a day, an angle or a price.

    Then rows lie on a curve: the shortest tree that joins them all (the minimum spanning tree, as
    of Friedman and Rafsky, Annals of Statistics 7:697, 1979) hardly branches. Waves of a day may be
    wound so often that there are too few rows to see the curve. But how far two days are apart
    there depends on the number of days between them alone, so that distances come again; and one
    column takes about as many values as there are rows, unlike the answers to a questionnaire.
    Whole numbers and dates have few distances as well, but as few where columns are shuffled.
    """
    rows = rows[:, np.ptp(rows, axis=0) != 0]
    if rows.shape[1] < 2 or not np.isfinite(rows).all():
        return False
    different = np.unique(rows, axis=0)
    n_different = len(different)
    if n_different > MOST_ROWS:
        different = np.random.RandomState(0).permutation(different)[:MOST_ROWS]
    if len(different) < 3:
        return False
    n_values = max(len(np.unique(column)) for column in rows.T)
    if 2 * n_values >= n_different and _distances_come_again(different):
        return True
    tree = minimum_spanning_tree(squareform(pdist(StandardScaler().fit_transform(different))))
    n_joined = np.bincount(np.concatenate(tree.nonzero()))
    # Ends are counted, not forks: in many dimensions a few rows are joined with nearly all others.
    n_branches = (n_joined == 1).sum() - 2
    return len(different) >= FEWEST_ROWS and bool(n_branches < BRANCHES * len(different))


def _distances_come_again(rows):
    shuffled = np.random.default_rng(0).permuted(rows, axis=0)
    some, others = _n_distances(rows), _n_distances(shuffled)
    n_pairs = len(rows) * (len(rows) - 1) / 2
    return some < FEW_DISTANCES * n_pairs and some < FEWER * others


def _n_distances(rows):
    distances = pdist(rows)
    return len(np.unique(np.round(distances / distances.max(), DECIMALS)))
