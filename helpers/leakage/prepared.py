"""What a table shows of steps that were fitted to all of its rows: scaling, filling, turning."""

from math import comb

import numpy as np
from scipy.stats import norm

from helpers.leakage.carriers import listed
from helpers.leakage.columns import BY_CHANCE, MOST_COLUMNS
from helpers.leakage.encoded import rounding_of
from helpers.leakage.filled import (
    FEWEST_FILLED,
    FEWEST_ROWS,
    ROUNDING,
    chance_of_filled,
    chance_of_median,
    is_symmetric,
    stands_out,
)
from helpers.leakage.tables import as_codes, names_of, what_rows_are

COARSE = 0.01  # of a standard deviation: columns so rounded have a mean of 0 by chance
MOST_COUNTED = 1000
FEWEST_SCALED = 3  # columns whose largest value is 1


def prepared(X, folds=()):
    """Return a sentence on columns that were prepared with all rows, or ''.

    The mean of all rows is 0, and their standard deviation 1, only where these very rows were
    scaled, test rows among them; a column that was scaled by its training rows is only near that.
    The largest value may be in the training rows; so what the training rows of all folds show as
    well is left alone.
    """
    if what_rows_are(X):
        return ""
    few = X.tocsr()[:, :MOST_COLUMNS] if hasattr(X, "tocsr") else X  # all would not fit
    table = as_codes(few)[:, :MOST_COLUMNS]
    table[np.isinf(table)] = np.nan
    names, varied = names_of(X), np.flatnonzero(np.isfinite(table).sum(0) >= FEWEST_ROWS)
    varied = [number for number in varied if np.nanstd(table[:, number])]
    table, said = table[:, varied], []
    for what, find in KINDS.items():
        found = set(find(table.T))
        if found and folds:
            found -= set.intersection(*(_shown(find, table[train]) for train, _ in folds))
        if found:
            said.append(f"{listed([varied[number] for number in sorted(found)], names)} {what}.")
    if not said:
        return ""
    return (
        f"{' '.join(said)} Such steps were fitted to all rows, test rows included. Fit them in "
        "each fold, in a pipeline."
    )


def _shown(find, table):
    """Return the columns of which something is so, among those that vary in these rows."""
    varied = np.flatnonzero((np.isfinite(table).sum(0) >= FEWEST_ROWS) & (np.nanstd(table, 0) > 0))
    return {int(varied[number]) for number in find(table[:, varied].T)}


def _each(is_so):
    """Return a function that finds the columns whose values, gaps left out, are so."""
    return lambda columns: [
        number for number, column in enumerate(columns) if is_so(column[np.isfinite(column)])
    ]


def _between_0_and_1(columns):
    """Find columns scaled to between 0 and 1, if they are too many for chance.

    A share may be 0 in one row and 1 in another, and so may some pixels of many: then most of the
    columns between 0 and 1 are not so. Time from 0 to 1, and its powers, are in one order.
    """
    found = _each(_is_between_0_and_1)(columns)
    within = [
        column
        for column in columns
        if _is_fine(column) and np.nanmin(column) >= 0 and np.nanmax(column) <= 1 + 1e-7
    ]
    if len(within) == 1 and found:
        return [] if is_symmetric(within[0][np.isfinite(within[0])]) else found
    orders = {np.argsort(column).tobytes() for column in within}
    return found if len(orders) > 1 and 2 * len(found) > len(within) else []


def _are_shares(values):
    """Say whether values are counts, each divided by another one."""
    products = values[:100, None] * np.arange(1, MOST_COUNTED + 1)
    are_whole = np.abs(products - np.round(products)) < 1e-9
    return bool(are_whole.any(axis=1).all() and not are_whole.all(axis=0).any())


def _filled(columns):
    """Find columns filled in with a mean, if so many of so many would hardly be so by chance."""
    chances = [chance_of_filled(column) for column in columns]
    found = [number for number, chance in enumerate(chances) if chance < BY_CHANCE]
    by_chance = comb(len(columns), len(found)) * np.prod([chances[number] for number in found])
    return found if by_chance < 10 * BY_CHANCE else []


def _filled_with_medians(columns):
    """Find columns filled in with the median, if so many of so many would hardly be so by chance.

    A median of the training rows alone is that of all rows now and then, and so is a usual value.
    """
    found, n_spiked = [], 0
    for number, column in enumerate(columns):
        values, counts = np.unique(column[np.isfinite(column)], return_counts=True)
        value = values[counts.argmax()]
        rest = column[np.isfinite(column) & (column != value)]
        if counts.max() >= FEWEST_FILLED and stands_out(counts) and len(rest) >= FEWEST_ROWS:
            n_spiked += 1
            found += [(number, len(rest))] if chance_of_median(value, rest) < 1 else []
    by_chance = comb(n_spiked, len(found)) * np.prod([min(5 / np.sqrt(n), 1) for _, n in found])
    return [number for number, _ in found] if by_chance < BY_CHANCE else []


def _scaled_to_a_size_of_1(columns):
    """Find columns whose largest number, but for its sign, is 1 in one row, if most are so."""

    def is_so(values):
        sizes = np.abs(values)
        is_once = sizes.max() <= 1 + 1e-7 and (sizes > 1 - 1e-7).sum() == 1
        return is_once and sizes.min() > 0 and _is_fine(values) and _are_measured(sizes)

    small = [n for n, column in enumerate(columns) if np.nanmax(np.abs(column)) <= 1 + 1e-7]
    found = [small[n] for n in _each(is_so)(columns[small])]
    return found if len(found) >= FEWEST_SCALED and 2 * len(found) > len(small) else []


def _are_measured(values):
    """Say whether values are neither rounded, nor pixels of 255 levels, nor shares of counts."""
    return not (rounding_of(values) or rounding_of(255 * values) or _are_shares(values))


def _is_normal_by_ranks(values):
    expected = norm.ppf(np.arange(1, len(values) - 1) / (len(values) - 1))
    return np.allclose(np.sort(values)[1:-1], expected, rtol=0, atol=ROUNDING)


def _is_standardised(values):  # as numpy, or as pandas
    return _is_scaled(values, 1.0) or _is_scaled(values, np.sqrt(1 - 1 / len(values)))


def _is_normalised(values):
    return _is_scaled(values, 1 / np.sqrt(len(values)))


def _is_robustly_scaled(values):
    low, middle, high = np.percentile(values, [25, 50, 75])
    is_scaled = abs(middle) < ROUNDING and abs(high - low - 1) < ROUNDING
    return bool(is_scaled and _is_fine(values) and not is_symmetric(values))


def _is_scaled(values, deviation):
    """Say whether values have a mean of 0 and this standard deviation, but for their rounding."""
    rounding, std = rounding_of(values), values.std()
    if rounding > COARSE * std or is_symmetric(values):
        return False
    allowed = ROUNDING * std + rounding * np.sqrt(3 / len(values))
    return bool(abs(values.mean()) < allowed and abs(std - deviation) < allowed)


def _is_between_0_and_1(values):
    """Say whether one value is 0, one is 1, and all the others, hardly two alike, lie between."""
    ends = values.min(), values.max()
    if not np.allclose(ends, (0, 1), rtol=0, atol=1e-7) or not _is_fine(values):
        return False
    return all((values == end).sum() == 1 for end in ends) and _are_measured(values)


def _is_fine(column):
    """Say whether hardly two values of a column are alike."""
    there = column[np.isfinite(column)]
    return 2 * len(np.unique(there)) > len(there)


def _turned(columns):
    """Find columns, each with a mean of 0, if none of them is correlated with another.

    Waves over whole periods are like that as well, but of one spread, which is not 1. Two columns
    may be laid out so.
    """
    found = [
        number
        for number, column in enumerate(columns)
        if _is_fine(column) and abs(np.nanmean(column)) < ROUNDING * np.nanstd(column)
    ]
    columns = columns[found]
    if not 2 <= len(found) <= columns.shape[1] - 2 or np.isnan(columns).any():
        return []
    if len(found) == 2 and any(map(is_symmetric, columns)):
        return []
    spread = columns.std(axis=1)
    if np.ptp(spread) < ROUNDING * spread.max() and not _is_standardised(columns[0]):
        return []
    correlated = np.abs(np.corrcoef(columns) - np.eye(len(found))).max()
    return found if correlated < (10 if len(found) > 2 else 0.1) * ROUNDING else []


KINDS = {
    "scaled to mean 0 and standard deviation 1": _each(_is_standardised),
    "scaled to mean 0 and a sum of squares of 1": _each(_is_normalised),
    "scaled to median 0 and a middle half of width 1": _each(_is_robustly_scaled),
    "scaled to between 0 and 1": _between_0_and_1,
    "scaled to between -1 and 1": lambda columns: _between_0_and_1((columns + 1) / 2),
    "scaled to a largest size of 1": _scaled_to_a_size_of_1,
    "made normal by the ranks of the rows": _each(_is_normal_by_ranks),
    "filled in with the mean of the other rows": _filled,
    "filled in with the median of the other rows": _filled_with_medians,
    "uncorrelated with the others, as PCA makes them": _turned,
}
