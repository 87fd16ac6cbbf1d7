"""Columns in which each value is the mean label of the rows that hold it: target encoding."""

import numpy as np
from scipy.special import expit, logit

from helpers.leakage.columns import BY_CHANCE, MOST_COLUMNS
from helpers.leakage.pulled import ROUNDING, is_bent, is_no_chance, is_pulled

MOST_CLASSES = 20
MOST_DECIMALS, MOST_ZEROS = 6, 4  # of numbers that were rounded, behind the point or before it
PERCENT = 100
MOST_STEPS = 1000  # of a column in even steps
WINNERS = (1, 2, 3)  # of a race


def mean_labels(table, y, classes, limit=BY_CHANCE):
    """Find columns whose values are mean labels, of the rows of this table, and of all of them.

    A mean may be rounded, and may be drawn towards that of all rows, as if a number of rows more
    had that one (`smooth` of scikit-learn's TargetEncoder) or, of shares, a half; or by a sigmoid
    of the number of rows. It may be scaled after, as by StandardScaler, or be a logarithm of odds
    (weight of evidence). Of values it may be that of their logarithms, or a median. Means of other
    rows alone, such as those of the training rows, of other folds or of last year, do not fit, and
    are left alone; so are those that follow from how many rows there are, as in races. Of classes,
    each has a mean: the share of its rows, which may be in percent. Whole numbers may be rounded to
    tens or more. The limit is how likely it may be, at most, that all values are means by chance.
    """
    targets = targets_as_numbers(y, classes)
    return [
        number
        for number, column in enumerate(table[:, :MOST_COLUMNS].T)
        if any(_is_encoded(column, target, limit) for target in targets)
    ]


def targets_as_numbers(y, classes):
    """Return what labels may be averaged as: for each class whether it is that; of values, logs.

    Classes that are numbers have a mean as well; of 0 and 1 it is the share of ones. Those that
    are names have one by their numbers in the order of the alphabet.
    """
    if not classes:
        y = y.astype(float)
        targets = [y]
        targets += [np.log(y)] if y.min() > 0 else []
        return targets + ([np.log1p(y)] if y.min() >= 0 else [])
    names, numbers = np.unique(y, return_inverse=True)
    if len(names) > MOST_CLASSES:
        return []
    targets = [(y == name).astype(float) for name in names]
    codes = y if y.dtype.kind in "fiu" else numbers
    return targets + ([codes.astype(float)] if len(names) > 2 else [])


def grouped_labels(column, y):
    """Return the values of a column, and what labels each has; or None if most come once.

    These are the number of the value that a row holds, and of each value how many rows hold it,
    the mean and the standard deviation of their labels.
    """
    values, number, counts = np.unique(column, return_inverse=True, return_counts=True)
    if len(values) < 2 or 2 * len(values) > len(column):
        return None
    means = np.bincount(number, y) / counts
    spread = np.sqrt(np.bincount(number, (y - means[number]) ** 2) / counts)
    return values, number, counts, means, spread


def ordered_in_groups(numbers, values):
    """Return of each group of rows the least value, the two in the middle, and the largest."""
    sizes = np.bincount(numbers)
    in_order, ends = values[np.lexsort((values, numbers))], np.cumsum(sizes)
    low, high = in_order[ends - 1 - sizes // 2], in_order[ends - (sizes + 1) // 2]
    return in_order[ends - sizes], low, high, in_order[ends - 1]


def _is_encoded(column, y, limit):
    """Say whether each value of a column is the mean of `y` over the rows that hold it."""
    there = np.isfinite(column)
    whole, y = y, y[there]
    if not (grouped := grouped_labels(column[there], y)):
        return False
    values, number, counts, means, spread = grouped
    if are_planned(means):
        return False
    rounding, coarse = rounding_of(values), rounding_of(values, MOST_ZEROS)
    least = ROUNDING * np.abs(y).max()
    groups = y, means, counts, spread, limit
    may_be = [(values, half) for half in {rounding, coarse}]
    if set(whole) <= {0, 1}:
        odds = expit(values), expit(values + logit(whole.mean()))
        may_be += [(values / PERCENT, coarse / PERCENT), *((o, rounding / 4) for o in odds)]
    if any(_are_means(made, groups, whole, half + least) for made, half in may_be):
        return True
    exact = [(made, half + least) for made, half in may_be if half <= rounding]
    if any(is_bent(made, means, whole.mean(), counts, allowed) for made, allowed in exact):
        return True
    return _are_on_a_line(values, groups, rounding, least) or _are_medians(
        values, number, groups, rounding + least
    )


def are_planned(means):
    """Say whether means follow from the number of runners in races, which is known beforehand.

    Of n runners 1 / n wins, 3 / n come in among three, and n - 1 of n lose; shares of a prize are
    1 / n on average, or 100 / n percent, and places divided by n are 1/2 + 1/2n.
    """
    with np.errstate(divide="ignore"):
        numbers = [k / means for k in (*WINNERS, 100)] + [k / (1 - means) for k in WINNERS]
        numbers += [1 / (2 * means - 1), 1 / (1 - 2 * means)]
    return any(
        (n > 0.5).all() and np.isfinite(n).all() and np.allclose(n, np.round(n), rtol=1e-9)
        for n in numbers
    )


def _are_means(values, groups, whole, allowed):
    """Say whether values are the means of groups of labels, or pulled towards that of all."""
    y, means, counts, spread, limit = groups
    chance = chance_of_means(y, counts, spread, allowed)
    away = counts * (values - means)
    if (np.abs(away) <= allowed * counts).all():
        return is_no_chance(chance, 1, limit)
    # Pulled by some rows more that have the mean of all: so many everywhere, or, as TargetEncoder
    # decides by itself, the more the less the labels of a category are alike.
    pull = whole.mean() - values
    pulls = [pull, pull * spread**2 / max(whole.var(), 1e-300)]
    pulls += [0.5 - values] if set(whole) <= {0, 1} else []  # one row more of each class
    return any(is_pulled(away, pull, counts, allowed, chance, limit) for pull in pulls)


def _are_on_a_line(values, groups, rounding, least):
    """Say whether values are means that were scaled: by a factor, and moved.

    Levels of an experiment and counts, which are in even steps, may lie on a line by plan, and
    exactly: the mean place in a race is half the number of runners and one. So do totals that are
    dealt out, as seats and budgets are, to so many each.
    """
    y, means, counts, spread, limit = groups
    n_each = np.round(values @ means / (means @ means)) if means.any() else 0.0
    if n_each > 1 and (counts % n_each == 0).all() and np.allclose(values, n_each * means):
        return False
    if len(values) < 4:
        return False
    steps = (values - values[0]) / np.diff(values).min()
    are_even = steps[-1] < MOST_STEPS and np.allclose(steps, np.round(steps))
    centred = values - np.average(values, weights=counts)
    slope = (counts * centred) @ means / ((counts * centred) @ centred)
    line = y.mean() + slope * centred
    if are_even and np.abs(means - line).max() <= 1e-6 * np.ptp(line):
        return False  # a mean that was rounded is a bit off the line, as by plan it is not
    allowed = 2 * (abs(slope) * rounding + least)
    if np.ptp(line) < 100 * allowed or (np.abs(means - line) > allowed).any():
        return False
    return is_no_chance(chance_of_means(y, counts, spread, allowed), 2, limit)


def _are_medians(values, number, groups, allowed):
    """Say whether values are medians of labels hardly two of which are alike."""
    y, _, counts, spread, limit = groups
    # A price that many rows have is their median, if they pay what is asked.
    if 2 * len(np.unique(y)) < len(y) or np.bincount(number, y == values[number]).max() > 1:
        return False
    low, high = ordered_in_groups(number, y)[1:3]
    if (np.abs((low + high) / 2 - values) > allowed).any():
        return False
    return is_no_chance(chance_of_means(y, counts, spread, allowed), 1, limit)


def rounding_of(values, most_zeros=0):
    """Return half a unit of the last decimal of values that are rounded to one, or 0.

    Whole numbers may be rounded as well, up to so many zeros.
    """
    for decimals in range(-most_zeros, MOST_DECIMALS + 1):
        if (np.abs(values - np.round(values, decimals)) <= 1e-9).all():
            return 0.5001 * 10.0**-decimals
    return 0.0


def chance_of_means(y, counts, spread, allowed):
    """Return how likely a mean of so many labels is to lie so near to a number: at most 1.

    As a normal distribution says where it is highest. Of few different labels only some means can
    be, which are a step of labels apart, divided by how many there are.
    """
    steps = np.diff(np.unique(y))
    apart = (steps.min() if len(steps) else 0.0) / counts
    density = np.sqrt(counts / (2 * np.pi)) / np.maximum(spread, 1e-300)
    return np.clip(np.maximum(2 * allowed, apart) * density, 1e-300, 1)
