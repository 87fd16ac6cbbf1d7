"""What a table shows of steps that were fitted to all of its rows: scaling, filling, turning."""

import numpy as np

from helpers.leakage.carriers import listed
from helpers.leakage.columns import BY_CHANCE
from helpers.leakage.encoded import rounding_of
from helpers.leakage.tables import as_codes, names_of, what_rows_are

FEWEST_ROWS = 10
MOST_COLUMNS = 200
ROUNDING = 1e-5  # of a standard deviation; single precision
FEWEST_TURNED = 3  # columns: points in a plane may be laid out so that two are uncorrelated


def prepared(X):
    """Return a sentence on columns that were prepared with all rows, or ''.

    The mean of all rows is 0, and their standard deviation 1, only where these very rows were
    scaled, test rows among them; a column that was scaled by its training rows is only near that.
    """
    if what_rows_are(X):
        return ""
    table = as_codes(X)[:, :MOST_COLUMNS]
    table[np.isinf(table)] = np.nan
    names, varied = names_of(X), np.flatnonzero(np.isfinite(table).sum(0) >= FEWEST_ROWS)
    varied = [number for number in varied if np.nanstd(table[:, number])]
    said = []
    for what, is_so in KINDS.items():
        found = [number for number in varied if is_so(table[:, number])]
        if found:
            said.append(f"{listed(found, names)} {what}.")
    turned = [number for number in varied if _is_fine(table[:, number])]
    if _are_turned(table[:, turned]):
        said.append(f"{listed(turned, names)} uncorrelated with all others, as PCA makes them.")
    if not said:
        return ""
    return (
        f"{' '.join(said)} So all rows had a part in it, test rows too. Fit such steps in each "
        "fold, in a pipeline."
    )


def _is_standardised(column):
    n = np.isfinite(column).sum()
    return _is_scaled(column, 1.0) or _is_scaled(column, np.sqrt(1 - 1 / n))  # as numpy, as pandas


def _is_normalised(column):
    return _is_scaled(column, 1 / np.sqrt(np.isfinite(column).sum()))


def _is_scaled(column, deviation):
    """Say whether a column has a mean of 0 and this standard deviation."""
    std = np.nanstd(column)
    return abs(np.nanmean(column)) < ROUNDING * std and abs(std / deviation - 1) < ROUNDING


def _is_between_0_and_1(column):
    """Say whether one value is 0, one is 1, and all the others, hardly two alike, lie between."""
    ends = np.nanmin(column), np.nanmax(column)
    if not np.allclose(ends, (0, 1), rtol=0, atol=1e-7) or not _is_fine(column):
        return False
    once = all((column == end).sum() == 1 for end in ends)
    return once and not rounding_of(column[np.isfinite(column)])  # shares may be 0.00 and 1.00


def _is_filled(column):
    """Say whether the value that comes most often is the mean of all the others."""
    values, counts = np.unique(column[np.isfinite(column)], return_counts=True)
    most = values[counts.argmax()]
    rest = column[np.isfinite(column) & (column != most)]
    if counts.max() < 2 or len(rest) < FEWEST_ROWS or not rest.std():
        return False
    allowed = ROUNDING * rest.std()
    # How likely it is that a mean lies so near to a number: few values have only some means.
    apart = np.diff(values).min() / len(rest)
    by_chance = max(2 * allowed, apart) * np.sqrt(len(rest) / (2 * np.pi)) / rest.std()
    return abs(most - rest.mean()) <= allowed and by_chance < BY_CHANCE


def _is_fine(column):
    """Say whether hardly two values of a column are alike."""
    there = column[np.isfinite(column)]
    return 2 * len(np.unique(there)) > len(there)


def _are_turned(columns):
    """Say whether several columns have a mean of 0, and none is correlated with another."""
    n_rows, n_columns = columns.shape
    if n_columns < FEWEST_TURNED or n_columns > n_rows - 2 or np.isnan(columns).any():
        return False
    centred = np.abs(columns.mean(axis=0)) < ROUNDING * columns.std(axis=0)
    correlated = np.corrcoef(columns, rowvar=False) - np.eye(n_columns)
    return bool(centred.all() and (np.abs(correlated) < 10 * ROUNDING).all())


KINDS = {
    "scaled to mean 0 and standard deviation 1": _is_standardised,
    "scaled to mean 0 and a sum of squares of 1": _is_normalised,
    "scaled to between 0 and 1": _is_between_0_and_1,
    "filled in with the mean of its other rows": _is_filled,
}
