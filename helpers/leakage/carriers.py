"""Which columns predict nearly without error, and how far behind them all the others are."""

import numpy as np

from helpers.leakage.columns import SAME_ORDER
from helpers.leakage.finding import Finding

MOST_SETS = 4  # of columns that each predict nearly without error
MOST_NAMES = 10
FEWEST_VALUES = 20  # of a target that has an order
FEWEST_NEEDED = 3  # columns of a formula: a price times a quantity, or net and tax, have two
SLOW = (
    " The others also predict well, as past values of a slow series do. Is this a column that "
    "holds today's value? Or is it the latest past value, which is honest?"
)
OTHERS_MISS = 0.001  # of the error of guessing, in series, where rounding alone makes differences
SERIES = (
    " Past values of a series, or the numbers of its rows, tell as much, as they do of one that "
    "changes slowly. Are all of these known at the time of prediction?"
)
UNITS = (
    " But several rows have the same values in there, and of rows with other values they tell "
    "little: they may just tell whose row it is, as the area of a county does. Hand over whose row "
    "it is as groups, to shared_groups."
)
MANY = (
    " Each alone predicts nearly without error, and more columns may. That is so where images bear "
    "a mark or a border, where the source of a row is nearly its label, and where classes are "
    "easily told apart: look at some rows of each class."
)
NEEDED = (
    " These are most of the columns, so that little is left to compare with. Classes that are "
    "easily told apart look like this; so do values that follow from all columns by a formula."
)
FORMULA = (
    " But the values follow exactly from three columns or more that are all needed, and the "
    "columns named here are the weightiest of these. Values that were computed by a formula look "
    "like this, and so does a law of nature."
)
ASK = " Ask of each: is it known at the time of prediction, or does it follow from the label?"


def listed(columns, names):
    few = _few(columns, names)
    return f"Columns {few} are each" if len(columns) > 1 else f"Column {few} is"


def _few(columns, names):
    few = ", ".join(names[column] for column in columns[:MOST_NAMES])
    return few + (f" and {len(columns) - MOST_NAMES} more" if len(columns) > MOST_NAMES else "")


def with_those_left_out(finding, left_out, names):
    """Say which columns hold what means nothing as a number, so that nobody looked at them."""
    if not left_out:
        return finding
    few = "; ".join(
        f"{names[column]}, {why}" for column, why in list(left_out.items())[:MOST_NAMES]
    )
    few += f"; and {len(left_out) - MOST_NAMES} more" if len(left_out) > MOST_NAMES else ""
    columns = "columns" if len(left_out) > 1 else "column"
    unseen = f"Not looked into: {columns} {few}. Hand over the numbers made of what is in there."
    if finding.leaked is False:
        return Finding(finding.name, None, f"{unseen} Of the others: {finding.evidence}")
    return Finding(finding.name, finding.leaked, f"{finding.evidence} {unseen}")


def without_copies(X, names):
    """Return a table with each column once, and the names of columns with those of their copies.

    Copies would each be among the others that a column is compared with.
    """
    alike = {}
    for number, column in enumerate(np.nan_to_num(X, nan=np.inf).T):
        alike.setdefault((column + 0.0).tobytes(), []).append(number)  # one zero
    named = [
        names[first] + (f", copied as {_few(copies, names)}," if copies else "")
        for first, *copies in alike.values()
    ]
    return X[:, [columns[0] for columns in alike.values()]], named


def carriers(table):
    """Return sets of columns that predict nearly without error, and the columns in none of them."""
    sets, rest = [], list(range(table.n_columns))
    while rest and len(sets) < MOST_SETS:
        order = table.ranked(rest)
        smallest = _smallest(table, order)
        if smallest is None:
            break
        sets.append(smallest)
        rest = [column for column in rest if column not in smallest]
    return sets, rest


def _smallest(table, order):
    """Return the fewest first columns that predict nearly without error, or None."""

    def is_enough(size):
        return table.is_error_within(table.limit(size), order[:size])

    sizes = [1, 2]
    if table.error(sorted(order)) <= table.limit(1):  # else none of its larger parts is better
        sizes += [4 * 2**k for k in range(10)]
    sizes = sorted({min(size, len(order)) for size in sizes})
    above = next((size for size in sizes if is_enough(size)), None)
    if above is None:
        return None
    below = max((size for size in sizes if size < above), default=0)
    while above - below > 1:
        middle = (above + below) // 2
        above, below = (middle, below) if is_enough(middle) else (above, middle)
    return sorted(order[:above])


def judged(table, names, sets, rest):
    """Compare the columns found with all the others."""
    if not sets:
        best = table.ranked(rest)[0]
        asked = f"more than {1 + table.one_row - table.limit(1) * table.guessing:.3f}"
        if table.limit(1) <= table.no_error:  # more than 1.000 no column scores
            asked = "1.00, without any error,"
        evidence = (
            f"All columns together score {table.score(rest):.2f}, the weightiest, {names[best]}, "
            f"alone {table.score([best]):.2f}: a column that scores {asked} would be asked about."
        )
        return Finding("too_good_feature", False, evidence)
    finding = _beside_others(table, names, sets, rest)
    n_alone = sum(len(some) == 1 for some in sets)
    if table.classes and finding.leaked is False and n_alone == MOST_SETS:
        return Finding(finding.name, None, finding.evidence + MANY)
    if finding.leaked or table.classes:
        return finding
    # Columns that all but tell a value, as those of a slow series, would hide one that tells it.
    for n_sets in range(1, len(sets)):
        others = rest + [column for some in sets[n_sets:] for column in some]
        if table.error(sorted(others)) >= OTHERS_MISS:
            first = _beside_others(table, names, sets[:n_sets], sorted(others))
            if first.leaked:
                return Finding(first.name, None, first.evidence + SLOW)
    return finding


def _beside_others(table, names, sets, rest):
    found = sorted(column for some in sets for column in some)
    rest = [column for column in rest if not table.follows(column, found)]
    few = _few(found, names)
    score = table.score(found)
    evidence = f"Column {few} alone scores {score:.2f}"
    if len(found) > 1:
        evidence = f"Columns {few} together score {score:.2f}"
    others = f", the other {len(rest)} {table.score(rest):.2f}." if rest else ", and none is left."
    # Where nothing is left, one set was needed as a whole, or each of several would do.
    of_rest = table.error(rest) if rest else float(len(sets) == 1)
    are_copies = all(table.follows(column, found[:1]) for column in found[1:])
    limit = table.limit(len(found), of_rest, alone=are_copies and len(found) == len(sets))
    leaked = bool(max(map(table.error, sets)) <= limit)
    if leaked and any(map(table.is_a_series, sets)):
        return Finding("too_good_feature", None, evidence + others + SERIES)
    if leaked and table.recognises(found):
        return Finding("too_good_feature", None, evidence + others + UNITS)
    if leaked and min(map(len, sets)) > 1 and table.are_most_measured(found):
        return Finding("too_good_feature", None, evidence + others + NEEDED + ASK)
    if leaked and _needs_three(table, found):
        return Finding("too_good_feature", None, evidence + others + FORMULA + ASK)
    return Finding("too_good_feature", leaked, evidence + others + (ASK if leaked else ""))


def _needs_three(table, found):
    """Say whether values follow exactly from a formula, by which three columns are needed.

    One or two columns that were found, and tell it exactly, need no others.
    """
    columns = list(range(table.n_columns))
    if table.classes or not table.are_exact(columns):
        return False
    if len(found) < FEWEST_NEEDED and table.are_exact(found):
        return False
    n_needed = 0
    for column in table.ranked(columns):
        n_needed += not table.are_exact([other for other in columns if other != column])
        if n_needed == FEWEST_NEEDED:
            return True
    return False


def in_the_order_of_y(finding, table, names, y):
    """Look for a column that is in the order of the target, as its logarithm is."""
    if len(np.unique(table.y)) <= FEWEST_VALUES:
        return finding
    order = np.array([table.order_with_y(column) for column in range(table.n_columns)])
    same = [int(column) for column in np.flatnonzero(order > SAME_ORDER)]
    if not same or (np.delete(order, same) > SAME_ORDER - 0.01).any():
        return finding
    if any(table.is_a_series([column]) for column in same) or (np.diff(y) >= 0).all():
        return finding  # what only rises, as a sum so far, is in the order of its past values
    evidence = f"{listed(same, names)} in the order of y, row by row, as a logarithm of y is."
    return Finding(finding.name, True, evidence + ASK)
