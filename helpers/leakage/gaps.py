"""The gap that rows which belong together leave between themselves and all other rows."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

from helpers.leakage.nearness import EVEN, GROWS, ONE_GROUP

MOST_ROWS = 1000  # whose neighbours are looked for
N_NEIGHBOURS = 15
SEEN = 25  # neighbours, to see whether gaps shrink again
LARGEST = 30.0  # that one gap may count, so that a single pair of copies is no pattern
EVENLY = 0.8  # of the rows; of three that belong together, one lies in the middle
NEAR = 7.0  # a gap that one neighbour in 1,000 has by chance


def look_for_a_gap(table, folds, rng, most):
    """Return the largest gap, after how many neighbours, its limit, and what the split separates.

    That is the share of test rows with a near row in training, of this split and of rows dealt
    out; whether the gap stands out among test rows with a row before it in training; and a sentence
    of doubt, if the gaps do not shrink after it, nor jump at it, if one group makes it, or if rows
    stand at even steps; or ''.
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
    others = _but_the_largest(gaps[:, k - 1], asked, neighbours[:, :k]) / np.median(means)
    apart = [_gap_across(gaps[:, k - 1], asked, neighbours[:, :k], *fold) for fold in folds]
    apart = np.concatenate(apart) / np.median(means)
    is_separated = len(apart) and apart.mean() > 1.2 + 3 / np.sqrt(len(apart))
    is_even = k == 2 and _are_even(table, distances, neighbours)  # one neighbour on each side
    last = np.where(gaps.max(axis=1) > NEAR, gaps.argmax(axis=1), -1)  # the last near neighbour
    is_near = np.arange(N_NEIGHBOURS) <= last[:, None]
    neighbours = np.where(is_near, neighbours[:, :N_NEIGHBOURS], -1)
    near, dealt = np.mean([_separated(asked, neighbours, *fold, rng) for fold in folds], axis=0)
    around = [*means[max(k - 2, 0) : k - 1], *means[k:], *beyond]
    is_alone = means[k - 1] > (1 + 10 / np.sqrt(len(asked))) * min(around)
    doubt = GROWS if not is_alone else ONE_GROUP if others < (1 + limit) / 2 else ""
    doubt = EVEN if is_even else doubt
    return peaks.max(), k, limit, near, dealt, is_separated, doubt


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


def _gap_across(gaps, asked, neighbours, train, test):
    """Return the gap of each test row that has a training row among its nearest."""
    is_across = np.isin(neighbours, train).any(axis=1) & np.isin(asked, test)
    return gaps[is_across]


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
