"""Columns made of the labels of all rows that share a value, of this or of another column."""

import numpy as np
from scipy.stats import binom, spearmanr

from helpers.leakage.carriers import listed
from helpers.leakage.columns import BY_CHANCE, MOST_COLUMNS
from helpers.leakage.encoded import (
    ROUNDING,
    are_planned,
    chance_of_means,
    grouped_labels,
    mean_labels,
    ordered_in_groups,
    rounding_of,
    targets_as_numbers,
)
from helpers.leakage.finding import Finding

MOSTLY = 2 / 3  # of the rows
MOST_GROUPINGS = 50  # columns whose values say which rows belong together
MOST_ROWS = 1000  # that are compared
FEWEST_GROUPS = 10  # in which labels vary, and different numbers made of them
FEWEST_ROWS = 3  # of such a group
FEWEST_SUMS = 3  # that differ
ONE_EACH = 0.9  # of the groups, which have one largest label
DOUBLE, SINGLE = 1e-10, 1e-8  # of a column's variance: what is left beside what it is made of
ROUNDED = 1e-5  # or of one that was rounded, at most
PLANNED = 0.9999  # correlation of ranks with the number of rows
ASKED_BY_CHANCE = 0.05  # that all values are means, where rows are too few to tell for sure
TOTAL, MEDIAN = "the sum of the labels", "the median of the labels, many of them alike,"
IN_EACH_FOLD = "Encode in each fold: put a TargetEncoder in the pipeline."
OWN = ", with that of the row itself,"
OWN_LABEL = "the row's own label"
DROP = "The label is not known at the time of prediction: drop the column."
LEAVE_OUT = "Leave out the row's own label: a sum or mean of earlier rows alone is known in time."
ASKED = {
    TOTAL: "Is it known at the time of prediction, as the number of seats that are to be won?",
    MEDIAN: "Is it known at the time of prediction, as a price that most have paid?",
}


def told_by_means(table, y, names, classes):
    """Return what columns hold mean labels, or may hold them by chance; or None."""
    if encoded := mean_labels(table, y, classes):
        evidence = (
            f"{listed(encoded, names)} made of labels: each value is the mean or median label of "
            "the rows that hold it, or that mean in other units, as in target encoding on all "
            f"rows. {IN_EACH_FOLD} If these shares were planned, as quotas that are all filled, it "
            "is no leak."
        )
        return Finding("too_good_feature", True, evidence)
    if mostly := mostly_mean_labels(table, y, classes):
        evidence = (
            f"{listed(mostly, names)} mostly made of labels: most values are the mean label of the "
            f"rows that hold them. Was it encoded on all rows, and were rows dropped or drawn "
            f"since? Then it is a leak. {IN_EACH_FOLD}"
        )
        return Finding("too_good_feature", None, evidence)
    if not (may_be := mean_labels(table, y, classes, ASKED_BY_CHANCE)):
        return None
    evidence = (
        f"{listed(may_be, names)} what target encoding on all rows would be: each value is the "
        f"mean or median label of the rows that hold it. But {len(y)} rows are too few to tell "
        f"this from chance. How was it made? If of labels: {IN_EACH_FOLD}"
    )
    return Finding("too_good_feature", None, evidence)


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
        if any(_are_mostly_means(column, target) for target in targets)
    ]


def _are_mostly_means(column, y):
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


def told_by_groups(table, y, names, classes):
    """Return what column is made of the labels of a group of rows; or None."""
    found = of_other_rows(table, y, classes)
    if not found:
        return None
    column, by, what = found
    cure = ASKED.get(what, LEAVE_OUT if OWN in what else IN_EACH_FOLD)
    cure = DROP if what.startswith(OWN_LABEL) else cure
    evidence = (
        f"Column {names[column]} is made of labels: it is {what} of the rows that share a value of "
        f"column {names[by]}. {cure}"
    )
    return Finding("too_good_feature", None if what in ASKED else True, evidence)


def of_other_rows(table, y, classes):
    """Find a column made of the labels of the rows that share a value of some column.

    It may be their spread, sum, largest or smallest one, or median, or the mean label of all of
    them but the row itself, or their sum or mean up to this row, from above or from below; or the
    row's own label, less their mean or median, or divided by their spread, sum, mean or largest;
    all in any unit. The column that says which rows belong together must be in the table, too. What
    follows from the number of rows is planned, as the last place of a race is.

    Returns
    -------
    (column, by, what) : tuple of int, int and str, or None
        What may be known in time as well, of `ASKED`, only if there is nothing else.
    """
    asked = None
    table = table[:, :MOST_COLUMNS]
    codes = [np.unique(column, return_inverse=True)[1] for column in table.T]
    groupings = [
        number
        for number, of_rows in enumerate(codes)
        if FEWEST_GROUPS <= of_rows.max() + 1 <= len(of_rows) / FEWEST_ROWS
    ]
    for by in groupings[:MOST_GROUPINGS]:
        for y_or_class in targets_as_numbers(y, classes):
            for what, made, rows in _statistics(codes[by], y_or_class):
                if _equal_to(made[rows], y_or_class[rows, None]):
                    continue  # it is the label itself, where all groups are alike
                found = _equal_to(made[rows], table[rows])
                # The length of a list tells what places there are in it.
                if found and _are_alike(y_or_class):
                    lengths = _equal_to(table[rows, by], table[rows])
                    found = [column for column in found if column not in lengths]
                if found and what not in ASKED:
                    return found[0], by, what
                if found:
                    asked = found[0], by, what
    return asked


def _are_alike(y):
    return 2 * len(np.unique(y)) <= len(y)


def _statistics(numbers, y):
    """Yield what may be said of the labels of each row's group, and the rows to compare."""
    sizes, sums = np.bincount(numbers), np.bincount(numbers, y)
    smallest, low, high, largest = ordered_in_groups(numbers, y)
    varies = (smallest < largest) & (sizes >= FEWEST_ROWS)
    rows = np.flatnonzero(varies[numbers])
    if varies.sum() < FEWEST_GROUPS:
        return
    rows = rows[:: len(rows) // MOST_ROWS + 1]
    without = (sums[numbers] - y) / np.maximum(sizes[numbers] - 1, 1)
    yield "the mean label, without that of the row itself,", without, rows
    for where, order in (("above", np.arange(len(y))), ("below", np.arange(len(y))[::-1])):
        so_far, turn = _so_far(numbers, y, order), _so_far(numbers, np.ones(len(y)), order)
        yield f"the sum of the labels from {where}{OWN}", so_far, rows
        yield f"the mean of the labels from {where}{OWN}", so_far / turn, rows
    means, medians = sums / sizes, (low + high) / 2
    apart, ranges = y - means[numbers], largest - smallest
    squares = np.bincount(numbers, apart**2)
    variances = squares / sizes, squares / np.maximum(sizes - 1, 1)
    own = [("less the mean", apart), ("less the median", y - medians[numbers])]
    for name, whole in (("sum", sums), ("mean", means), ("largest", largest)):
        own.append((f"divided by the {name}", _divided(y, whole[numbers])))
    for variance in variances:
        standardized = _divided(apart, np.sqrt(variance)[numbers])
        own.append(("standardized by the mean and spread", standardized))
    own.append(("as a share of the range", _divided(y - smallest[numbers], ranges[numbers])))
    for what, made in own:
        # In a price list each product has the same sizes, which say by how much its price differs.
        of_group = np.column_stack(ordered_in_groups(numbers, made)[2:])
        if len(np.unique(np.round(of_group[varies], 9), axis=0)) >= FEWEST_SUMS:
            yield f"{OWN_LABEL} {what} of the labels", made, rows
    made = {
        TOTAL: sums,
        "the standard deviation of the labels": np.sqrt(variances[0]),
        "the standard deviation (n - 1) of the labels": np.sqrt(variances[1]),
        "the variance of the labels": variances[0],
        "the variance (n - 1) of the labels": variances[1],
        MEDIAN if _are_alike(y) else "the median of the labels": medians,
    }
    # A price that several pay may be the highest, or the lowest, because it was asked.
    for what, extreme in {"largest": largest, "smallest": smallest}.items():
        n_equal = np.bincount(numbers, y == extreme[numbers])
        if (n_equal[varies] == 1).mean() >= ONE_EACH:
            made[f"the {what} label"] = extreme
    for what, values in made.items():
        rounded = np.round(values[varies] / max(np.abs(values).max(), 1e-300), 12)
        if len(np.unique(rounded)) < (FEWEST_SUMS if what == TOTAL else FEWEST_GROUPS):
            continue
        several = np.ptp(sizes[varies]) > 0
        if not (several and abs(spearmanr(rounded, sizes[varies])[0]) > PLANNED):
            yield what, values[numbers], rows


def _divided(values, by):
    return values / np.where(by == 0, np.inf, by)


def _so_far(numbers, values, order):
    """Return the sum of a group's values up to each row and with it, in an order of the rows."""
    order = order[np.argsort(numbers[order], kind="stable")]
    sums, sizes = np.bincount(numbers, values), np.bincount(numbers)
    so_far = np.empty(len(values))
    so_far[order] = np.cumsum(values[order]) - np.repeat(np.cumsum(sums) - sums, sizes)
    return so_far


def _equal_to(made, table):
    """Return the columns that are what was made of labels, but for their unit and rounding."""
    made, columns = made - made.mean(), table - table.mean(axis=0)
    spread = columns.std(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        left = 1 - (made @ columns / len(made) / made.std() / spread) ** 2
    near = np.flatnonzero(left <= ROUNDED).tolist()  # not of gaps, nor of one value
    return [number for number in near if left[number] <= _allowed(table[:, number])]


def _allowed(column):
    """Return what share of a column's variance may be left; whole numbers are not rounded ones."""
    is_single = (column == column.astype(np.float32)).all()
    rounding = rounding_of(np.unique(column))
    rounded = (rounding / column.std()) ** 2 if rounding < 0.1 else 0.0
    return max(SINGLE if is_single else DOUBLE, min(rounded, ROUNDED))
