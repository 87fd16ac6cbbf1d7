"""Columns that stay the same in all rows of one person or thing, while others move."""

from itertools import combinations

import numpy as np
from scipy.stats import binom
from sklearn.ensemble import RandomForestRegressor

MOST_COLUMNS, MOST_ROWS = 100, 1000  # asked about; for a forest
MOST_IN_THREES, MOST_ROWS_IN_THREES = 16, 20_000  # asked about three by three
FEW_VALUES = 10  # columns of fewer say little of whose row it is
FEWEST = 3  # columns of one thing; of two, one may be a name for the other
OFTEN = 0.05  # of the rows: a value that says little, as 0
SMOOTH = 0.5  # of the usual step
BY_CHANCE = 1e-6
FOLLOWS = 0.8  # of the variance, told by other columns
TOGETHER = 0.5  # of the pairs of rows that agree in two columns, or three: in all that jump
NEARLY_ALL = 0.9  # of those pairs: in a column of few values


def told_by_what_stays(table, names, folds, rng):
    """Return a sentence if columns stay the same within things that the split parts, or None."""
    columns = columns_of_one_thing(table, rng)
    if not columns:
        return None
    things = np.unique(table[:, columns], axis=0, return_inverse=True)[1].ravel()
    n_split = n_dealt = 0
    for train, test in folds:
        n_split += np.isin(things[test], things[train]).sum()
        dealt = things[rng.permutation(np.r_[train, test])]
        n_dealt += np.isin(dealt[: len(test)], dealt[len(test) :]).sum()
    if 2 * n_split <= n_dealt:
        return None
    return (
        f"{n_split} test rows have the values of a training row in all of columns "
        f"{', '.join(names[column] for column in columns)}. Rows that are equal in some of "
        "these are often equal in the others, and rows that are nearly equal hardly ever. So it is "
        "where columns stay the same in all rows of one person, place or product. Hand over whose "
        "row it is, as groups, to shared_groups."
    )


def columns_of_one_thing(table, rng):
    """Return the columns of a table that are equal in all rows of one thing, or [].

    Such columns jump together: rows of equal height have equal weight and age, being one person's,
    and rows whose heights are next to each other have not. Where a column follows from another,
    it changes little from one value to the next; where columns are merely dependent, equal values
    tell no more than the next ones. (Economists look for such jumps in regression discontinuity
    designs: Lee and Lemieux, Journal of Economic Literature 48, 2010.) Columns that follow from
    several others, as the body mass index does, are left out.
    """
    n_values = np.array([len(np.unique(values)) for values in table.T])
    some = np.flatnonzero((n_values > 1) & (n_values < len(table)))
    some = np.sort(some[np.argsort(n_values[some], kind="stable")][:MOST_COLUMNS])
    columns = [_Column(table[:, number], rng) for number in some]
    fine = [column for column in columns if column.n_values >= FEW_VALUES]
    fine.sort(key=lambda column: -column.n_values)
    jumps = [[_jumps_with(column, [other], len(fine)) for other in fine] for column in fine]
    jumps = np.array(jumps, dtype=bool).reshape(len(fine), len(fine))
    ours = [fine[number] for number in _largest_clique(jumps & jumps.T)]
    ours = _with_few_values(ours, 2, columns, rng)
    if not ours and len(table) <= MOST_ROWS_IN_THREES:
        ours = _with_few_values(_jump_in_threes(fine[-MOST_IN_THREES:]), 3, columns, rng)
    return sorted(some[columns.index(column)] for column in ours)


def _with_few_values(ours, n_keys, columns, rng):
    """Return those columns that do not follow from others, and what they tell; or []."""
    if len(ours) >= n_keys:
        ours = [column for column in ours if not _follows(column, ours, columns, rng)]
    if len(ours) < n_keys:
        return []
    keys = ours[:n_keys]
    order = np.lexsort([keys[0].ties, *(column.codes for column in keys)])
    pairs = np.all([column.is_equal(order) for column in keys], axis=0)
    agree = np.all([column.agrees(order) for column in ours], axis=0)
    if not pairs.any() or agree[pairs].mean() < TOGETHER:
        return []
    for column in columns:
        if column.n_values < FEW_VALUES:
            n_equal, n_pairs = column.agrees(order)[pairs].sum(), pairs.sum()
            chance = binom.sf(n_equal - 1, n_pairs, np.sum(column.shares**2))
            if n_equal > NEARLY_ALL * n_pairs and chance < BY_CHANCE:
                ours.append(column)
    return ours if len(ours) >= FEWEST else []


class _Column:
    """A column as numbers of its values, in order; and how its rows are sorted, ties drawn."""

    def __init__(self, values, rng):
        self.codes = np.unique(values, return_inverse=True)[1]
        counts = np.bincount(self.codes)
        self.n_values, self.shares = len(counts), counts / len(values)
        self.is_rare = (self.shares <= max(OFTEN, 1.5 / len(counts)))[self.codes]
        self.ties = rng.permutation(len(values))
        self.order = np.lexsort((self.ties, self.codes))
        self.usual_step = np.abs(np.diff(self.codes[self.ties])).mean()

    def agrees(self, order):
        """Say of each row, in an order, whether it has the value of the row before."""
        in_order = self.codes[order]
        return in_order[1:] == in_order[:-1]

    def is_equal(self, order):
        """Say so, if the value is rare as well."""
        return self.agrees(order) & self.is_rare[order[1:]]


def _jump_in_threes(columns):
    """Return columns each of which jumps with two others; many persons have one age, or height."""
    for three in combinations(columns, 3):
        pairs = [[other for other in three if other is not column] for column in three]
        if all(_jumps_with(*each, len(columns) ** 2) for each in zip(three, pairs, strict=True)):
            return list(three)
    return []


def _jumps_with(column, others, n_asked):
    """Say whether a column is equal where others are, and not where these take their next value."""
    order = others[0].order
    if len(others) > 1:
        order = np.lexsort([others[0].ties, *(other.codes for other in others)])
    is_next = ~np.all([other.agrees(order) for other in others], axis=0)
    is_equal = np.all([other.is_equal(order) for other in others], axis=0)
    agrees = column.is_equal(order)
    is_both, by_chance = is_equal & agrees, ((is_next & agrees).sum() + 1) / (is_next.sum() + 1)
    if is_both.sum() <= by_chance * is_equal.sum():
        return False
    codes = column.codes[order]
    if np.abs(np.diff(codes))[is_next].mean() < SMOOTH * column.usual_step:
        return False  # it follows
    # A thing of many rows counts once, and so do the pairs that disagree.
    of_all = np.column_stack([codes, *(other.codes[order] for other in others)])[1:][is_both]
    n_things = len(np.unique(of_all, axis=0))
    n_pairs = n_things * is_equal.sum() // is_both.sum()
    return n_asked * binom.sf(n_things - 1, n_pairs, by_chance) < BY_CHANCE


def _largest_clique(linked):
    """Return numbers of columns that are all linked, as many as a greedy search finds."""
    best = []
    for start in range(len(linked)):
        clique = [start]
        for number in range(len(linked)):
            if number != start and linked[number, clique].all():
                clique.append(number)
        best = max(best, clique, key=len)
    return best


def _follows(column, ours, columns, rng):
    """Say whether a column follows from all others, one row of each thing being asked."""
    keys = np.column_stack([column.codes for column in ours])
    first = np.unique(keys, axis=0, return_index=True)[1]
    rows = rng.permutation(first)[:MOST_ROWS]
    others = np.column_stack([other.codes[rows] for other in columns if other is not column])
    forest = RandomForestRegressor(50, oob_score=True, random_state=rng.randint(2**31))
    return forest.fit(others, column.codes[rows]).oob_score_ > FOLLOWS
