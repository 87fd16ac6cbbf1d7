"""The gap that rows which belong together leave between themselves and all other rows."""

import math

import numpy as np
from scipy.stats import binom
from sklearn.neighbors import NearestNeighbors

MOST_ROWS = 1000  # whose neighbours are looked for
N_NEIGHBOURS = 15
SEEN = 25  # neighbours, to see whether gaps shrink again
LARGEST = 30.0  # that one gap may count, so that a single pair of copies is no pattern
EVENLY = 0.8  # of the rows; of three that belong together, one lies in the middle
NEAR = 7.0  # a gap that one neighbour in 1,000 has by chance
FEW = 0.2  # of the columns: a row of independent normal values differs in a third
TIMES_FARTHER, MOST_NEAR = (1.5, 2, 4, 8), 8  # neighbours, of which all are among those seen
BY_CHANCE = 1e-4  # that so few pairs of rows lie between the near and the far ones

EVEN = (
    " But for nearly all rows the two nearest rows are equally far away. So it is where rows stand "
    "at even steps of time, of an angle or along a curve. If the steps are of time, split with "
    "TimeSeriesSplit."
)
GROWS = (
    " But the gaps grow with each neighbour, and do not shrink again: rows that lie along a curve, "
    "with noise around it, are like that. Hand over groups, to shared_groups, which alone can tell."
)
NARROW = (
    " But rows differ in a few columns each, as signals with one narrow peak and drawings of thin "
    "lines do. Where these peaks or lines do not overlap, rows are all equally far apart; where "
    "two happen to overlap, the rows are nearer, and so are copies. Look at some of the nearest "
    "pairs, or hand over groups, to shared_groups."
)
ONE_GROUP = (
    " But one group of rows makes most of it: far-out rows of an honest table are like that, and "
    "so are one person's. Hand over groups, to shared_groups, which alone can tell."
)


def look_for_a_gap(table, folds, rng, most, are_narrow=False):
    """Return the largest gap, after how many neighbours, its limit, and what the split separates.

    That is the share of test rows with a near row in training, of this split and of rows dealt
    out; whether the gap stands out among test rows with a row before it in training; and a sentence
    of doubt, if the gaps do not shrink after it, nor jump at it, if one group makes it, if rows
    stand at even steps, or if features are narrow and may just not overlap; or ''.
    """
    asked = rng.permutation(len(table))[:MOST_ROWS]
    found = NearestNeighbors(n_neighbors=SEEN + 2).fit(table).kneighbors(table[asked])
    distances, neighbours = _without_itself(*found, asked)
    distances = np.maximum(distances, 1e-9 * max(np.median(distances), 1e-300))
    gaps = np.log(distances[:, 1:] / distances[:, :-1]) * np.arange(1, SEEN + 1)
    usual = np.median(gaps[:, :N_NEIGHBOURS])
    gaps = np.minimum(gaps * np.log(2) / max(usual, 1e-9), LARGEST)
    beyond, gaps = gaps[:, N_NEIGHBOURS:].mean(axis=0), gaps[:, :N_NEIGHBOURS]
    means = gaps.mean(axis=0)
    peaks = (means / np.median(means))[:most]
    gaps[:, most:] = 0
    # Chance alone makes the mean of n exponential numbers vary by 1 / sqrt(n).
    limit = 1.5 + 4 / np.sqrt(len(asked))
    k = int(peaks.argmax()) + 1
    # The gaps of the rows of one group are one event: far-out rows of an honest table make it.
    largest, nearest = gaps[:, k - 1], neighbours[:, :k]
    others = _but_the_largest(largest, asked, nearest) / np.median(means)
    apart = [
        largest[np.isin(nearest, train).any(axis=1) & np.isin(asked, test)] for train, test in folds
    ]
    apart = np.concatenate(apart) / np.median(means)
    is_separated = len(apart) and apart.mean() > 1.2 + 3 / np.sqrt(len(apart))
    is_even = k > 1 and _are_even(table, distances, neighbours)
    last = np.where(gaps.max(axis=1) > NEAR, gaps.argmax(axis=1), -1)  # the last near neighbour
    is_near = np.arange(N_NEIGHBOURS) <= last[:, None]
    neighbours = np.where(is_near, neighbours[:, :N_NEIGHBOURS], -1)
    near, dealt = np.mean([_separated(asked, neighbours, *fold, rng) for fold in folds], axis=0)
    around = [*means[max(k - 2, 0) : k - 1], *means[k:], *beyond]
    is_alone = means[k - 1] > (1 + 10 / np.sqrt(len(asked))) * min(around)
    doubt = GROWS if not is_alone else ONE_GROUP if others < (1 + limit) / 2 else ""
    doubt = EVEN if is_even else doubt
    if are_narrow and not doubt and not _are_parted(distances, k):
        doubt = NARROW
    return peaks.max(), k, limit, near, dealt, is_separated, doubt


def features_are_narrow(table):
    """Say whether a few columns make nearly all of a row's difference from the median row.

    That number of columns is the inverse participation ratio, as physicists say: of equal
    differences in m columns it is m.
    """
    squares = (table - np.median(table, axis=0)) ** 2
    squares = squares[squares.any(axis=1)]
    if not len(squares):
        return False
    squares /= squares.max(axis=1, keepdims=True)
    n_columns = squares.sum(axis=1) ** 2 / (squares**2).sum(axis=1)
    return bool(np.median(n_columns) < FEW * table.shape[1])


def _are_parted(distances, k):
    """Say whether near rows and far rows are two kinds, where far ones are all equally far away.

    Narrow features that do not overlap are equally far apart, so that each gap before is large. But
    then pairs of rows lie at all distances, the nearer the rarer: so many times as far are at least
    so many times as many pairs, as along a line, where they are fewest (the correlation integral of
    Grassberger and Procaccia, Physica D 9:189, 1983). Copies leave distances at which hardly any
    two rows are. Or else each row has k near ones, not now more and now fewer: in place of
    distances, their ranks among those of all rows are compared.
    """
    n_rows, in_order = len(distances), np.sort(distances, axis=None)
    fewest = max(4, math.ceil(n_rows / 25))
    for n_near in np.unique(np.geomspace(fewest, 3 * n_rows, 40).astype(int)):
        for times in TIMES_FARTHER:
            if n_near * times <= MOST_NEAR * n_rows:
                n_all = np.searchsorted(in_order, in_order[n_near - 1] * times, side="right")
                # Both rows of a pair have counted it.
                if binom.cdf((n_all - n_near) // 2, n_all // 2, 1 - 1 / times) < BY_CHANCE:
                    return True
    ranks = np.empty(distances.size)
    ties = np.random.RandomState(0).uniform(size=distances.size)
    ranks[np.lexsort((ties, distances.ravel()))] = np.arange(1, distances.size + 1)
    ranks = np.sort(ranks.reshape(distances.shape), axis=1)
    gap = k * np.log(ranks[:, k] / ranks[:, k - 1]).mean()  # 1 on average, by chance
    return bool(gap > 1.5 + 3 / np.sqrt(n_rows))


def _are_even(table, distances, neighbours):
    """Say whether nearly all rows lie in the middle of their two nearest, and are no copies.

    Three noisy copies of one long row are equally far from each other, and not on a line.
    """
    (first, second), pairs = distances[:, :2].T, table[neighbours[:, :2]]
    is_even = np.isclose(first, second, rtol=0.01) & (first > 1e-6 * np.median(distances))
    is_even &= np.linalg.norm(pairs[:, 0] - pairs[:, 1], axis=1) > 1.5 * first
    return is_even.mean() > EVENLY


def _but_the_largest(gaps, asked, neighbours):
    """Return the mean gap of all rows but one group, whose gaps are the largest together."""
    of_row = np.zeros(max(asked.max(), neighbours.max()) + 1)
    of_row[asked] = gaps
    first = (gaps + of_row[neighbours].sum(axis=1)).argmax()
    return gaps[(asked != asked[first]) & ~np.isin(asked, neighbours[first])].mean()


def _without_itself(distances, neighbours, asked):
    """Leave out of each row's neighbours the row itself, or the last where copies hide it."""
    is_other = neighbours != asked[:, None]
    is_other[is_other.all(axis=1), -1] = False
    shape = (len(asked), -1)
    return distances[is_other].reshape(shape), neighbours[is_other].reshape(shape)


def _separated(asked, neighbours, train, test, rng):
    """Return the share of test rows with a near row in training, as split and as dealt out."""
    used = np.union1d(train, test)
    shares = []
    for dealt in (test, rng.permutation(used)[: len(test)]):
        is_test = np.zeros(max(used.max(), asked.max()) + 2, dtype=bool)
        is_train = is_test.copy()
        is_test[dealt], is_train[np.setdiff1d(used, dealt)] = True, True
        has_near = is_train[neighbours].any(axis=1)  # -1 is the last place, and no row
        shares.append(has_near[is_test[asked]].mean() if is_test[asked].any() else 0.0)
    return shares
