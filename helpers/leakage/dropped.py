"""Columns of mean labels in a table from which rows were dropped since."""

import numpy as np
from scipy.stats import binom

from helpers.leakage.columns import BY_CHANCE
from helpers.leakage.encoded import (
    MOST_COLUMNS,
    ROUNDING,
    are_planned,
    chance_of_means,
    grouped_labels,
    rounding_of,
    targets_as_numbers,
)

MOSTLY = 2 / 3  # of the rows


def mostly_mean_labels(table, y, classes):
    """Find columns of which most values, and not all, are mean labels, as where rows were dropped.

    Two thirds of the rows must hold such a value. That so many values fit by chance is at most as
    likely as if each had the mean of their chances (Hoeffding, Annals of Mathematical Statistics
    27:713, 1956).
    """
    targets = targets_as_numbers(y, classes)
    return [
        number
        for number, column in enumerate(table[:, :MOST_COLUMNS].T)
        if any(_is_mostly_encoded(column, target) for target in targets)
    ]


def _is_mostly_encoded(column, y):
    there = np.isfinite(column)
    if not (grouped := grouped_labels(column[there], y := y[there])):
        return False
    values, _, counts, means, spread = grouped
    allowed = rounding_of(values) + ROUNDING * np.abs(y).max()
    fits = np.abs(values - means) <= allowed
    if counts[fits].sum() < MOSTLY * len(y) or are_planned(means[fits]):
        return False
    chance = chance_of_means(y, counts, spread, allowed)
    tells = (counts > 1) & (chance < 0.5)
    k = (fits & tells).sum()
    return k > 1 and bool(binom.sf(k - 1, tells.sum(), chance[tells].mean()) < BY_CHANCE**2)
