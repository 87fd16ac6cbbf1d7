"""Whether equal rows may be rows of few values that meet by chance."""

import numpy as np
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import pdist, squareform
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from helpers.leakage.probes import N_REFERENCES

MOST_LEFT_OUT = 30  # columns, by turns
PART = 10  # of the columns are left out at once, if there are as many
TWINS = 0.7  # of the twins that there are with a column less
TOLD = 0.5  # of the pairs of values that two columns have if one is shuffled
OFTEN_ABOVE = 0.9  # of pairs of a row that has a twin and one that has none; by chance, half
USUAL = "most of these hold nothing, or what most rows hold, and such rows"
HAND_OVER = "Hand over whose row it is, to shared_groups."
MOST_EXCHANGED = 30  # columns: in a wide sparse table equal rows stay equal, and it asks
N_EXCHANGED = 39  # tables; by chance, one in 40 has more twins than all of them
LIKE = 5  # different guesses at a value, by the other columns: their rows exchange their values
EXCHANGED = (
    " But as many have one after rows have exchanged values with rows that are alike in the other "
    f"columns: rows of few values that depend on each other may be equal by chance. {HAND_OVER}"
)

# Rows that all follow from one number, as waves of a day and splines do.
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


def by_chance(rows, folds, found, most, n_fine, rng):
    """Return a sentence if twins may be rows of few values that meet, or ''."""
    codes = np.column_stack([np.unique(column, return_inverse=True)[1] for column in rows.T])
    if (why := _few_tell(rows, codes, folds, found, rng)) or _are_usual(rows, codes):
        return f" But {why or USUAL} meet by chance. {HAND_OVER}"
    if follow_from_one_number(rows):
        return ONE_NUMBER
    coarse = rng.permutation(np.flatnonzero(codes.max(axis=0) + 1 <= n_fine))
    n_less = max(1, rows.shape[1] // PART)
    left_out = [coarse[c : c + n_less] for c in range(len(coarse))[:MOST_LEFT_OUT]]
    fewer = [count_twins(np.delete(rows, some, axis=1), folds) for some in left_out]
    # Copies are twins whatever column is left out, and hardly meet where columns are shuffled.
    is_fine = len(coarse) < rows.shape[1]
    if (is_fine or found > 3 * most) and found > TWINS * max(fewer, default=0):
        return EXCHANGED if _meet_if_exchanged(rows, codes, folds, rng) else ""
    return (
        f" But without {n_less} of the columns {max(fewer, default=0)} have: rows of few values "
        f"that depend on each other meet by chance. {HAND_OVER}"
    )


def _few_tell(rows, codes, folds, found, rng):
    """Say how few columns tell rows apart, if rows meet as often where these alone are shuffled.

    The others may follow from them, as a price follows from a length and a number. One column that
    tells all rows apart says nothing: any measurement in a fine table does. Columns that tell of
    each other, as the sine and cosine of a month do, are shuffled as one.
    """
    numbers, few, all_told = np.zeros(len(rows), dtype=int), [], numbers_of(rows).max()
    for column in np.argsort(codes.max(axis=0), kind="stable"):  # the coarsest first
        finer = np.unique(numbers * len(rows) + codes[:, column], return_inverse=True)[1]
        if numbers.max() < all_told and finer.max() > numbers.max():
            numbers, few = finer, [*few, column]
    blocks = _that_tell_of_each_other(codes[:, few], rng)
    shuffled = (_shuffled(rows[:, few], blocks, rng) for _ in range(N_REFERENCES))
    if len(few) < 2 or not any(count_twins(some, folds) >= found for some in shuffled):
        return ""
    return (
        f"{len(few)} of {rows.shape[1]} columns tell apart all rows that differ, and with these "
        "alone, shuffled, as many have a twin: if the others follow from them, rows"
    )


def _that_tell_of_each_other(codes, rng):
    """Return blocks of columns, so that two in one have half the pairs of values they might."""
    blocks = []
    for column, values in enumerate(codes.T):
        for block in blocks:
            other = codes[:, block[0]]
            if _n_pairs(values, other) < TOLD * _n_pairs(rng.permutation(values), other):
                block.append(column)
                break
        else:
            blocks.append([column])
    return blocks


def _n_pairs(values, others):
    return len(np.unique(values * (others.max() + 1) + others))


def _shuffled(rows, blocks, rng):
    """Return rows whose blocks of columns are shuffled, each by itself."""
    order = np.empty(rows.shape, dtype=int)
    for block in blocks:
        order[:, block] = rng.permutation(len(rows))[:, None]
    return np.take_along_axis(rows, order, axis=0)


def _are_usual(rows, codes):
    """Say whether rows that have twins hold values that more rows hold than those of other rows.

    Copies are like any other rows. Rows that meet by chance hold common values, or nothing.
    """
    _, first, counts = np.unique(numbers_of(rows), return_index=True, return_counts=True)
    rows, codes, has_twin = rows[first], codes[first], counts > 1
    is_empty = has_twin & (np.isnan(rows) | (rows == 0)).all(axis=1)
    if 2 * counts[is_empty].sum() > counts[has_twin].sum():
        return True
    usual = np.round(sum(np.log(np.bincount(code)[code]) for code in codes.T), 9)
    return not has_twin.all() and bool(roc_auc_score(has_twin, usual) > OFTEN_ABOVE)


def _meet_if_exchanged(rows, codes, folds, rng):
    """Say whether as many rows meet where values are exchanged, but not what they depend on.

    Rows of one value throughout, as of a person who ticks one answer always, are not counted.
    """

    def n_twins(rows):
        is_plain = (rows == rows[:, :1]).all(axis=1)
        return count_twins(rows, [(train, test[~is_plain[test]]) for train, test in folds])

    codes = StandardScaler().fit_transform(codes)
    tables = (_exchanged(rows.copy(), codes.copy(), rng) for _ in range(N_EXCHANGED))
    found = n_twins(rows)
    return any(n_twins(table) >= found for table in tables)


def _exchanged(rows, codes, rng):
    """Return a table whose columns depend on each other as before, but in which copies differ.

    Column by column, rows exchange their values with others for which a weighted sum of all other
    columns is much the same. If a column depends on these through the sum alone, as the answers to
    questions about one thing do, such tables are as likely as the one there is.
    """
    columns = rng.permutation(rows.shape[1])[:MOST_EXCHANGED]
    weights = codes.T @ codes[:, columns]  # how they depend on each other
    weights[columns, np.arange(len(columns))] = 0
    for column, weight in zip(columns, weights.T, strict=True):
        guess = np.unique(np.round(codes @ weight, 6), return_inverse=True)[1]
        part = guess // LIKE
        order, dealt = np.argsort(part, kind="stable"), np.lexsort((rng.random(len(rows)), part))
        rows[order, column] = rows[dealt, column]
        codes[order, column] = codes[dealt, column]
    return rows


def count_twins(rows, folds):
    hashes = hashes_of(rows)
    return sum(np.isin(hashes[test], hashes[train]).sum() for train, test in folds)


def numbers_of(rows):
    """Return a number for each row, from 0 on, the same for twins."""
    return np.unique(hashes_of(rows), return_inverse=True)[1]


def hashes_of(rows):
    """Return the hash of each row or image, the same for those that hold the same numbers."""
    rows = np.where(np.isnan(rows), np.nan, rows) + 0.0  # one nan, one zero
    return np.array([hash(row.tobytes()) for row in rows])


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
