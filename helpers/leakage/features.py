"""The canary for columns that know too much."""

from helpers.leakage.columns import Table, ranked
from helpers.leakage.finding import Finding
from helpers.leakage.inputs import column_of, has_classes
from helpers.leakage.tables import as_codes, has_texts, names_of, number_of_its_own

MOST_SETS = 4  # of columns that each predict nearly without error
MOST_NAMES = 10
NUMBERED = 0.05  # of the error of guessing, for a column that numbers the rows
ASK = " Ask of each: is it known at the time of prediction, or does it follow from the label?"


def too_good_feature(X, y, *, task=None, random_state=0):
    """Do a few columns predict nearly without error what all the others cannot?

    Looks for the smallest set of columns, gaps included, that predicts nearly without error, by
    trees or by a linear model; leaves it out, and looks again, as the same knowledge may be in
    the table twice. It asks about the columns found if all the others err far more. A column that
    numbers the rows is asked about if it alone predicts a class.

    Parameters
    ----------
    X : array-like of shape (n_rows, n_features)
        Images and sequences are flattened.
    y : array-like of shape (n_rows,)
    task : {"classification", "regression"}, optional
        What `y` is for. Whole numbers may be classes or values, so that it must then be said.
    random_state : int, default=0
        Draws 1,000 rows of a large table, the folds and the trees.

    Returns
    -------
    Finding
        Leaked if k columns err at most 6 % / k**1.5 as often as the best guess without columns,
        one more row being counted as wrong, and a tenth / k**1.5 as often as all the others. For
        values, 1 - R2 is at most 1 % / k**1.5, and a fiftieth / k**1.5 of that of the others. Not
        looked at, if there is one column, or rows are texts.

    Raises
    ------
    ValueError
        If lengths differ.

    Notes
    -----
    It asks a question, which only someone who knows how the data came about can answer: a
    measurement that is available in time is no leak, however good. It is quiet where a score is
    merely high, so that it misses a proxy that errs in a few rows of a hundred; where many columns
    know the label, as in images whose margins differ by class; and, of more than 200 columns, it
    looks, in each fold, at those that are correlated most with `y`.

    Examples
    --------
    >>> import numpy as np
    >>> from helpers import too_good_feature
    >>> from helpers.data import coin_flips
    >>> X, y = coin_flips(200)
    >>> proxy = y + np.random.RandomState(0).normal(scale=0.2, size=200)
    >>> too_good_feature(X, y).leaked, too_good_feature(np.column_stack([X, proxy]), y).leaked
    (False, True)
    """
    name, names = "too_good_feature", names_of(X)
    if has_texts(X):
        return Finding(name, None, "Rows are texts: hand over the numbers made of them.")
    X = as_codes(X)
    y = column_of("y", y, len(X), required=True)
    if X.shape[1] < 2:
        return Finding(name, None, "It compares columns, and there is one.")
    classes = has_classes(task, y)
    if classes is None:
        evidence = "y holds whole numbers: say task='classification' or task='regression'."
        return Finding(name, None, evidence)
    table = Table(X, y, classes, random_state)
    if (table.y == table.y[0]).all():
        return Finding(name, None, "y is the same in all rows.")
    for column in range(table.n_columns) if classes else ():
        if number_of_its_own(X[:, column]) and table.error([column]) < NUMBERED:
            evidence = (
                f"Column {names[column]} numbers the rows, and alone scores "
                f"{table.score([column]):.2f}: the order of the rows follows the label. Leave it "
                "out."
            )
            return Finding(name, True, evidence)
    return _judged(table, names, *_carriers(table))


def _carriers(table):
    """Return sets of columns that predict nearly without error, and the columns in none of them."""
    sets, rest = [], list(range(table.n_columns))
    while rest and len(sets) < MOST_SETS:
        order = ranked(table, rest)
        smallest = _smallest(table, order)
        if smallest is None:
            break
        sets.append(smallest)
        rest = [column for column in rest if column not in smallest]
    return sets, rest


def _smallest(table, order):
    """Return the fewest first columns that predict nearly without error, or None."""

    def is_enough(size):
        return table.error(order[:size]) <= table.limit(size)

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


def _judged(table, names, sets, rest):
    """Compare the columns found with all the others."""
    if not sets:
        best = ranked(table, rest)[0]
        evidence = (
            f"All columns together score {table.score(rest):.2f}, the weightiest, {names[best]}, "
            f"alone {table.score([best]):.2f}: a column that scores more than "
            f"{1 + table.one_row - table.limit(1) * table.guessing:.3f} would be asked about."
        )
        return Finding("too_good_feature", False, evidence)
    found = sorted(column for some in sets for column in some)
    few = ", ".join(names[column] for column in found[:MOST_NAMES])
    few += f" and {len(found) - MOST_NAMES} more" if len(found) > MOST_NAMES else ""
    score = table.score(found)
    evidence = f"Column {few} alone scores {score:.2f}"
    if len(found) > 1:
        evidence = f"Columns {few} together score {score:.2f}"
    others = f", the other {len(rest)} {table.score(rest):.2f}." if rest else ", and none is left."
    # Where nothing is left, one set was needed as a whole, or each of several would do.
    of_rest = table.error(rest) if rest else float(len(sets) == 1)
    leaked = bool(max(map(table.error, sets)) <= table.limit(len(found), of_rest))
    return Finding("too_good_feature", leaked, evidence + others + (ASK if leaked else ""))
