"""The canary for columns that know too much."""

import numpy as np

from helpers._compat import _num_samples
from helpers.leakage.carriers import (
    carriers,
    in_the_order_of_y,
    judged,
    listed,
    with_those_left_out,
    without_copies,
)
from helpers.leakage.columns import Table
from helpers.leakage.filled import filled_by_class
from helpers.leakage.finding import Finding
from helpers.leakage.grouped import told_by_groups, told_by_means
from helpers.leakage.inputs import about_missing, has_classes, targets_of
from helpers.leakage.later import made_of_labels, told_by_indicators
from helpers.leakage.probes import seed_of
from helpers.leakage.tables import (
    as_codes,
    names_of,
    number_of_its_own,
    what_rows_are,
    without_order,
)
from helpers.leakage.wide import fewer_rows, without_empty

MOST_TARGETS = 10  # that are looked at, one by one
GOOD = 0.25  # of the error of guessing, for a score that invites trust
NUMBERED = 0.05  # of the error of guessing, for a column that numbers the rows
WEIGHTIEST = 20  # columns, of which two halves may err in the same rows
FEWEST_ERRORS = 5
SOURCE = (
    "A source that is nearly the label, such as a hospital that sent the ill, is like that, and so "
    "are labels with errors. Hand over the source of each row as groups, to shared_groups."
)


def too_good_feature(X, y, *, task=None, random_state=0):
    """Do a few columns predict nearly without error what all the others cannot?

    Looks for the smallest set of columns, gaps included, that predicts nearly without error, by
    trees, by a sum, or, if `y` has one sign, by a product; leaves it out, and looks again, as the
    same knowledge may be in the table twice. It asks about the columns found if all the others err
    far more.

    It also asks about a column that numbers the rows, if it alone predicts a class; about columns
    made of labels, as a mean that includes today and target encoding on all rows are (the Notes say
    which it sees); about gaps that hold the mean or median of their class; and, for values, more
    than 20 of them, about a column that alone is in the order of `y`, as its logarithm is.

    Parameters
    ----------
    X : array-like of shape (n_rows, n_features)
        Images and sequences are flattened.
    y : array-like of shape (n_rows,) or (n_rows, n_targets)
        Of several targets, up to ten, each is asked about.
    task : {"classification", "regression"}, optional
        What `y` is for. Whole numbers may be classes or values, so that it must then be said.
    random_state : int, default=0
        Draws 1,000 rows of a large table, the folds and the trees.

    Returns
    -------
    Finding
        Leaked if k columns err at most 6 % / k**1.5 as often as the best guess without columns,
        one more row being counted as wrong, and a tenth / k**1.5 as often as all the others. For
        values, 1 - R2 is at most 1 % / k**1.5, and a fiftieth / k**1.5 of that of the others.
        Leaked as well if one column, or its copies, makes no error at all and the others err in at
        least five rows; or if columns stand for all classes but at most one, as dummies do. Not
        looked at, if there is one column, or rows are texts; if rows are so few that a column may
        tell them by chance; if nothing is found and a column holds texts of several words, lists or
        other values that are no numbers; if a column tells one of many classes exactly, as feathers
        tell birds; if four columns or more each tell classes nearly without error, as the pixels of
        a mark do; if most columns, of many values each, tell the target only together, as where
        classes are blobs; if the other columns predict well, but far worse than the one found, as
        past values of a slow series do; if past values or the numbers of the rows predict as well
        as what was found; if the columns found have values that come in several rows, and tell
        nothing of rows with other values, as what is written of a county; if a column is made of
        labels of rows below it, which are later ones or earlier ones, or is the sum of the labels
        of some rows, as a number of seats is; or if two halves of the columns err in the same rows,
        so that they may know where a row comes from, and not its label.

    Raises
    ------
    ValueError
        If lengths differ.

    Notes
    -----
    It asks a question, which only someone who knows how the data came about can answer: a
    measurement that is available in time is no leak, however good. It is quiet where a score is
    merely high, so that it misses a proxy that errs in a few rows of a hundred, a source that one
    or two columns know, and what only columns together tell, as whether two flags are equal. Of
    values from other rows it sees, in a table that is in order, sums of labels at most 14 rows
    away or of all so far; of columns and rows that take many values, also changes, the largest,
    the smallest, median or spread of a window; but only what is exact, and no two of these in
    one, as a z-score, and no gaps that were filled in from later rows. Of mean labels of categories
    it sees those of all rows, scaled, rounded, drawn to the mean of all, or logarithms of odds as
    well, and medians of values, and asks where most rows hold them; those that leave out the row
    itself, spreads, extremes and sums, sums and means so far that include the row's own label, and
    that label compared with those of its category, where the categories are in the table, too, and
    labels differ within ten of them or more. If many labels are alike, it asks about medians: a
    price that most paid may be one. Shares that were planned, as of places at a school that are all
    taken, are mean labels as well: it cannot tell.
    It does not see gaps filled by neighbours of a class, or with medians of whole numbers, or with
    means that were rounded to few decimals, or mostly of one column alone; nor that columns were
    selected by all labels. Of more than 200 columns it looks, in each fold, at those that are
    correlated most with `y`; of an array of more than ten million numbers, at 1,000 rows; of a
    sparse table of more than 1,000 columns, at those in which a row of a hundred holds a number.

    Examples
    --------
    >>> import numpy as np
    >>> from helpers import too_good_feature
    >>> from helpers.data import coin_flips
    >>> X, y = coin_flips(200, 4)
    >>> proxy = y + np.random.RandomState(0).normal(scale=0.2, size=200)
    >>> too_good_feature(X, y).leaked, too_good_feature(np.column_stack([X, proxy]), y).leaked
    (False, True)
    """
    name, names, random_state = "too_good_feature", names_of(X), seed_of(random_state)
    if what := what_rows_are(X):
        return Finding(name, None, f"Rows are {what}: hand over the numbers made of them.")
    y = targets_of(y, _num_samples(X))
    if y.ndim > 1:
        return _of_several(X, y, task, random_state)
    if missing := about_missing(y):
        return Finding(name, None, missing)
    X, names, empty = without_empty(X, names)
    X, y, drawn = fewer_rows(X, y, has_classes(task, y), random_state)
    table, X = X, as_codes(X)
    X[np.isinf(X)] = np.nan
    left_out = without_order(table)
    X[:, list(left_out)] *= 0  # but for its gaps
    X, once = without_copies(X, names)
    finding = with_those_left_out(_asked(X, y, once, task, random_state), left_out, names)
    return Finding(name, finding.leaked, finding.evidence + empty + drawn)


def _asked(X, y, names, task, random_state):
    """Ask about one target, and columns that are numbers."""
    name = "too_good_feature"
    if X.shape[1] < 2:
        return Finding(name, None, "It compares columns, and there is one.")
    classes = has_classes(task, y)
    if classes is None:
        evidence = "y holds whole numbers: say task='classification' or task='regression'."
        return Finding(name, None, evidence)
    table = Table(X, y, classes, random_state)
    if (table.y == table.y[0]).all():
        return Finding(name, None, "y is the same in all rows.")
    if not table.is_large_enough:
        return Finding(name, None, _too_few(table))
    for column in range(table.n_columns) if classes else ():
        if number_of_its_own(X[:, column]) and table.error([column]) < NUMBERED:
            evidence = (
                f"Column {names[column]} is another in each row, as a number or a name is, and its "
                f"order alone scores {table.score([column]):.2f}: it tells the label. Leave it out."
            )
            return Finding(name, True, evidence)
    finding = judged(table, names, *carriers(table))
    return finding if finding.leaked else _beyond_the_score(finding, table, names, X, y)


def _of_several(X, y, task, seed):
    """Ask about each of several targets; return the first that is known too well."""
    if y.shape[1] > MOST_TARGETS:
        evidence = f"y holds {y.shape[1]} targets a row: hand over one of them, as y[:, 0]."
        return Finding("too_good_feature", None, evidence)
    findings = [too_good_feature(X, target, task=task, random_state=seed) for target in y.T]
    number = int(np.argmax([{True: 2, None: 1, False: 0}[found.leaked] for found in findings]))
    worst = findings[number]
    return Finding(worst.name, worst.leaked, f"Of target {number}: {worst.evidence}")


def _too_few(table):
    """Say how many rows there are, or how many guessing gets wrong."""
    n_rows = len(table.y)
    if not table.classes:
        return f"There are {n_rows} rows: too few to tell whether a column knows the target."
    return (
        f"Guessing gets {round(table.guessing * n_rows)} of {n_rows} rows wrong: too few to tell "
        "whether a column knows the label, or tells it by chance."
    )


def _beyond_the_score(finding, table, names, X, y):
    """Look for columns made of labels, and for columns that know another thing than the label."""
    told = told_by_indicators(X, y, names) if table.classes else None
    if told and told.leaked:
        return told
    if table.classes and (filled := filled_by_class(X, y)):
        evidence = (
            f"{listed(filled, names)} filled in class by class: a value that comes often is the "
            "mean or median of one class, and stands in no other. Fill gaps without labels, in the "
            "pipeline."
        )
        return Finding(finding.name, True, evidence)
    encoded = told_by_means(X, y, names, table.classes)
    if encoded and encoded.leaked:
        return encoded
    grouped = told_by_groups(X, y, names, table.classes)
    if grouped and grouped.leaked:
        return grouped
    own, later = made_of_labels(X, y)
    if own:
        evidence = (
            f"{listed(own, names)} made of its own row's label and of others, as a mean that "
            "includes today. Leave today out."
        )
        return Finding(finding.name, True, evidence)
    if asked := told or grouped or encoded:
        return asked
    if later:
        evidence = (
            f"{listed(later, names)} made of labels of rows below. If the oldest row is the "
            "first, nobody knows them in time: hand over time, to time_order."
        )
        return Finding(finding.name, None, evidence)
    if not table.classes:
        return in_the_order_of_y(finding, table, names, y)
    all_columns = list(range(table.n_columns))
    wrong = table.wrong_by_halves(table.ranked(all_columns)[:WEIGHTIEST])
    fewest, most = sorted(rows.sum() for rows in wrong)
    if FEWEST_ERRORS <= fewest and most < table.guessing * len(table.y) / 2:
        if 3 * (wrong[0] != wrong[1]).sum() <= fewest:
            evidence = f"Two halves of the weightiest columns err in the same {fewest} rows. "
            return Finding(finding.name, None, evidence + SOURCE)
    if table.error(all_columns) < GOOD:
        evidence = " Whether columns know the label or where a row comes from, it does not see."
        return Finding(finding.name, finding.leaked, finding.evidence + evidence)
    return finding
