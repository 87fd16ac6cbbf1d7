"""What rows that lie near each other tell of each other's labels."""

import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.leakage.predicting import wrong, wrong_in

N_SHUFFLES = 19
MOVED_ON = 0.8  # of consecutive rows; between series there are breaks
MOST_SHIFTS = 200
OFTEN = 0.05  # of the rows: one value of many
TOLD = 1.5  # pairs of values for each value of one of two columns
MIXED = 0.2  # of the test rows; a border between blocks has fewer


def overlapping(table, folds):
    """Look for rows that are the row before, moved on by some columns: windows of a series.

    Return their share of consecutive rows, and the number of test rows that lie between training
    rows with which they share values, 0 where that is rare.
    """
    most = max(2, min(table.shape[1] // 2 + 1, MOST_SHIFTS))
    share, step = max((_moved_on(table, step), -step) for step in range(1, most))
    rng = np.random.RandomState(0)
    shuffled = (_moved_on(rng.permutation(table), -step) for _ in range(N_SHUFFLES))
    if share < MOVED_ON or max(shuffled) >= share:
        return share, 0
    return share, _n_mixed(folds, table.shape[1] // -step)


def exchanged_but_for_patterns(table, rng):
    """Return a table in which rows keep what many of them share, and exchange all other values.

    They may share columns of few values that tell each other, as those of a county do; or columns
    in which a value stands that comes often, as 0. It is None if few rows share either.
    """
    n_rows, numbers = len(table), [np.unique(c, return_inverse=True)[1] for c in table.T]
    n_values = np.array([of_rows.max() + 1 for of_rows in numbers])
    kept = np.zeros(table.shape, dtype=bool)
    for number in np.flatnonzero(2 * n_values > n_rows):
        counts = np.bincount(numbers[number])
        is_often = counts >= max(counts.max(), OFTEN * n_rows)
        kept[:, number] = is_often[numbers[number]]
    if len(np.unique(kept, axis=0)) > n_rows / 5:
        kept[:] = False
    of_few = np.flatnonzero(4 * n_values <= n_rows)  # of copies, there would be more
    if len(of_few):
        key = of_few[n_values[of_few].argmax()]
        pairs = [len(np.unique(table[:, [key, number]], axis=0)) for number in of_few]
        told = of_few[np.array(pairs) <= TOLD * n_values[key]]
        kept[:, told] = len(told) > 1
    if not kept.any():
        return None
    exchanged = table.copy()
    for column, is_kept in zip(exchanged.T, kept.T, strict=True):
        column[~is_kept] = rng.permutation(column[~is_kept])
    return exchanged


def _n_mixed(folds, reach):
    """Count test rows with training rows within reach on both sides; 0 where that is rare."""
    n_mixed = 0
    for train, test in folds:
        later = (np.isin(test + k, train) for k in range(1, reach + 1))
        earlier = (np.isin(test - k, train) for k in range(1, reach + 1))
        n_mixed += (np.any([*later], axis=0) & np.any([*earlier], axis=0)).sum()
    return n_mixed if n_mixed > MIXED * sum(len(test) for _, test in folds) else 0


def _moved_on(table, step):
    """Return the share of rows that are the row before, moved by some columns, either way."""
    if step >= table.shape[1]:
        return 0.0
    before, after = table[:-1], table[1:]
    left = (before[:, step:] == after[:, :-step]).all(axis=1).mean()
    return max(left, (before[:, :-step] == after[:, step:]).all(axis=1).mean())


def meet_by_chance(table):
    """Say whether rows differ in one column alone, and some of them not in that."""
    n_values = [len(np.unique(column)) for column in table.T]
    return sum(n > 1 for n in n_values) == 1 and max(n_values) < len(table)


def labels_owe(table, y, classes):
    """Say whether the label of the row before tells more than a linear model of other blocks."""
    before = wrong(y[:-1], y[1:], classes).mean()
    guess = _guess(classes).fit(table, y).predict(table)
    if before >= 0.8 * wrong(guess, y, classes).mean():
        return False  # a linear model of many columns may be worse than a guess
    return before < 0.8 * _error(_linear(classes), table, y, KFold(5).split(table), classes)


def told_by_the_row_before(table, y, folds, classes):
    """Return a sentence if labels follow each other in the table, and the split mixes the rows."""
    n_mixed = _n_mixed(folds, reach=1)
    if not n_mixed or _is_sorted(y, classes) or not labels_owe(table, y, classes):
        return None
    return (
        f"The label of the row before tells a row's label better than a linear model, and "
        f"{n_mixed} test rows lie between two training rows. If the table is in order of time, or "
        "one person's rows follow each other, time_order or shared_groups can tell. If it was "
        "sorted, and its rows are independent, shuffle it first."
    )


def _is_sorted(y, classes):
    values, numbers = np.unique(y, return_inverse=True)
    steps = np.diff(numbers)
    if classes:  # the rows of each class are one block
        return np.count_nonzero(steps) < len(values)
    return bool((steps >= 0).all() or (steps <= 0).all())


def told_by_neighbours(table, y, folds, classes):
    """Return a sentence if the nearest training row tells the label and a linear model hardly."""
    linear = _error(_linear(classes), table, y, folds, classes)
    if linear <= _error(_guess(classes), table, y, folds, classes) / 2:
        return None  # nearest rows, which take long, need not be asked
    nearest = KNeighborsClassifier(1) if classes else KNeighborsRegressor(1)
    near = _error(make_pipeline(StandardScaler(), nearest), table, y, folds, classes)
    if near >= linear / 4:
        return None
    unit = "of the labels wrong" if classes else "as mean squared error"
    return (
        f"The nearest training row gets {near:.2g} {unit}, a linear model {linear:.2g}: rows may "
        "be neighbours in space or time, or one person's, or the table may just be bent. Hand over "
        "groups or time."
    )


def _guess(classes):
    return DummyClassifier() if classes else DummyRegressor()


def _linear(classes):
    return make_pipeline(StandardScaler(), LogisticRegression() if classes else Ridge())


def _error(model, table, y, folds, classes):
    """Return the share of wrong labels in the test rows of folds, or the mean squared error."""
    errors = np.full(len(y), np.nan)
    for test, of_rows in wrong_in(model, table, y, folds, classes):
        errors[test] = of_rows
    return float(errors[~np.isnan(errors)].mean())
