"""Gaps that were filled in with a mean or a median: of all rows, or of the rows of a class."""

from math import comb

import numpy as np

from helpers.leakage.columns import BY_CHANCE, MOST_COLUMNS
from helpers.leakage.encoded import rounding_of

FEWEST_ROWS = 10
FEWEST_FILLED, TIMES = 5, 3  # rows with the value filled in; and so many times the next commonest
FEWEST_VALUES = 20  # beside a median
MOST_CLASSES = 20
FINE = 0.01  # chance that a value is a mean, but for rounding, so that it tells beside medians
ROUNDING, DOUBLE = 1e-5, 1e-8  # of a standard deviation: in single precision, and in double


def filled_by_class(table, y):
    """Find columns whose gaps were filled in class by class, so that the value tells the class.

    That is what `groupby(label).transform("mean")` leaves: in two classes or more, a value that
    comes often is the mean of all others of its class, or their median, and stands in no other
    class. The mean may have been rounded with its column, if so finely that it is hardly one by
    chance. A usual value may be a median by chance, so that one column of two classes hardly tells;
    of whole numbers a median cannot be told from others.
    """
    classes = np.unique(y)
    if len(classes) > MOST_CLASSES:
        return []
    chances, n_spiked = {}, 0
    for number, column in enumerate(table[:, :MOST_COLUMNS].T):
        filled = dict(filter(None, (_filled_in(column, y == one) for one in classes)))
        n_spiked += len(filled) > 1
        likely = [chance for chance in filled.values() if chance < 1]
        if len(likely) > 1:
            chances[number] = np.prod(likely)
    # In every column a usual value may be the median by chance; hardly in many columns.
    by_chance = comb(n_spiked, len(chances)) * np.prod(list(chances.values()))
    sure = [number for number, chance in chances.items() if n_spiked * chance < BY_CHANCE]
    return list(chances) if by_chance < BY_CHANCE else sure


def _filled_in(column, of_class):
    """Return the value that may fill the gaps of a class, and how likely it is chance; or None."""
    own, others = (column[rows & np.isfinite(column)] for rows in (of_class, ~of_class))
    values, counts = np.unique(own, return_counts=True)
    if len(own) < FEWEST_ROWS or counts.max() < FEWEST_FILLED:
        return None
    value = values[counts.argmax()]
    rest = own[own != value]
    if (others == value).any() or len(rest) < FEWEST_ROWS:
        return None
    if (chance := chance_of_filled(own)) < 1:
        return float(value), chance
    if not stands_out(counts):
        return None
    if (chance := chance_of_filled(own, rounding_of(values))) < FINE:
        return float(value), chance
    return float(value), chance_of_median(value, rest)


def stands_out(counts):
    """Say whether a value comes far oftener than many others: a usual dose is beside few others."""
    return counts.max() >= TIMES * np.sort(counts)[-2] and len(counts) > FEWEST_VALUES


def chance_of_median(value, rest):
    """Return how likely a value is to be the median of others, or of them and itself; 1 if not.

    Of an even number of values the median is halfway between two, which others hardly are.
    """
    low, high = rest[rest < value], rest[rest > value]
    by_chance = min(2 / np.sqrt(len(rest)), 1.0)
    if abs(len(low) - len(high)) == 1:
        return by_chance  # it is one of the values
    if len(low) != len(high):
        return 1.0
    steps = np.diff(np.unique(rest)).min() / (high.min() - low.max())
    is_half = np.isclose(value, (low.max() + high.min()) / 2, rtol=1e-6)
    return by_chance * max(min(steps, 1.0), ROUNDING) if is_half else by_chance


def chance_of_filled(column, rounding=0.0):
    """Return how likely the commonest value is to be the mean of all others; 1 if it is not.

    The mean may have been rounded as the others are.
    """
    values, counts = np.unique(column[np.isfinite(column)], return_counts=True)
    most = values[counts.argmax()]
    rest = column[np.isfinite(column) & (column != most)]
    if counts.max() < 2 or len(rest) < FEWEST_ROWS or is_symmetric(rest):
        return 1.0
    is_single = (values == values.astype(np.float32)).all()
    allowed = rounding + (ROUNDING if is_single else DOUBLE) * rest.std()
    # How likely it is that a mean lies so near to a number: few values have only some means.
    apart = np.diff(values).min() / len(rest)
    by_chance = max(2 * allowed, apart) * np.sqrt(len(rest) / (2 * np.pi)) / rest.std()
    return by_chance if abs(most - rest.mean()) <= allowed else 1.0


def is_symmetric(values):
    """Say whether half of the values mirrors the other, as levels of an experiment are planned.

    So are even steps, and a table that holds each pair of rivals twice, in both orders.
    """
    pairs = np.sort(values) + np.sort(values)[::-1]
    return bool(np.ptp(pairs) <= 1e-9 * np.ptp(values))
