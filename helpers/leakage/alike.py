"""The canary for rows that know each other without being equal."""

import numpy as np
from sklearn.preprocessing import StandardScaler

from helpers.leakage.finding import Finding
from helpers.leakage.gaps import N_NEIGHBOURS, features_are_narrow, look_for_a_gap
from helpers.leakage.inputs import about_missing, are_ordered, folds_of, has_classes, targets_of
from helpers.leakage.meeting import ONE_NUMBER, follow_from_one_number
from helpers.leakage.mirrored import may_be_images
from helpers.leakage.nearness import (
    MOVED_ON,
    exchanged_but_for_patterns,
    labels_owe,
    meet_by_chance,
    overlapping,
    told_by_neighbours,
    told_by_the_row_before,
)
from helpers.leakage.one_thing import told_by_what_stays
from helpers.leakage.probes import seed_of
from helpers.leakage.tables import (
    as_numbers,
    names_of,
    number_of_its_own,
    shape_of_rows,
    spread_out,
    what_rows_are,
)
from helpers.leakage.wide import of_smaller

ONE_UNIT = 10  # times the median spread: columns that spread more are in other units
FEWEST_OF_CLASS = 4  # rows on average; of fewer, copies could not be told
CLUSTERS = (
    " That is a large part of a class, so these may be clusters within classes as well: hand over "
    "groups, to shared_groups, which alone can tell."
)
LATER = (
    " But all test rows come after their training rows. If the table is in order of time, later "
    "rows may be like earlier ones, as in seasons that come again, and that is no leak. If they "
    "are copies, or later rows of the same persons, hand over groups."
)
PATTERNS = (
    " But rows whose other values are exchanged show as much: they share what columns say in many "
    "rows, as those of one county or one person do, or values that come often, as 0. Hand over "
    "groups, to shared_groups, which alone can tell."
)
WINDOWS = (
    " Rows are windows of one series, mixed by the split, but labels tell no more of each other "
    "than a linear model does. Hand over time, to time_order."
)
ADVICE = (
    " Ask whether they are copies, one person's, or neighbours in time; if so, keep them together: "
    "hand over groups, and split with GroupKFold."
)


def alike_rows(X, y=None, *, cv=5, groups=None, task=None, random_state=0):
    """Do test rows lie nearer to training rows than rows that know nothing of each other?

    Copies, the rows of one person and windows of one series lie near each other, and then comes
    a gap. For each row it measures how much farther the second nearest row is than the nearest,
    the third than the second, and so on. Among rows drawn one by one no place in that order
    stands out, whatever the table; among rows of which k belong together, the gap after k - 1
    does. Images, also laid end to end, are compared in one light as well, and by pixels, sorted.

    Parameters
    ----------
    X, y, cv, groups, task
        As for `shared_rows`.
    random_state : int, default=0
        Draws 1,000 rows of a large table, spreads out columns of few values, deals out the rows.

    Returns
    -------
    Finding
        Leaked if a gap stands out, also among test rows that have one of those near rows in
        training, and the split separates such rows at least half as often as rows dealt out at
        random; or if consecutive rows are windows of one series, mixed by the split, whose labels
        tell more of each other than a linear model of earlier and later blocks. Not looked at, if
        rows are texts; if what many rows share in columns of few values, or where one value comes
        often, makes such gaps by itself; if those that belong together are more than a quarter of a
        class, and may be clusters within it; if the gaps grow steadily, as of rows along a curve,
        or nearly all rows have two nearest ones equally far away, as rows at even steps have; if
        rows differ in a few columns each, as signals with one peak do, and lie at all distances; if
        all columns follow from one number that comes again, as waves of a day do; if the rows of
        several test sets all come after those of training; if one group of rows makes the gap, as
        far-out rows do, and one person among strangers; if the label of the row before tells more
        than a linear model, and the split mixes the rows: a table in order of time is like that,
        and so is one that was sorted; if three or more columns stay the same in all rows of some
        thing, as age, height and sex in all visits of a patient; or if labels are known from the
        nearest training row and hardly from a linear model: neighbours in space are like that, and
        so are honest tables with bent boundaries, and only `groups` can tell.

    Raises
    ------
    ValueError
        If lengths differ or `cv` is not of a known form.

    Notes
    -----
    Columns that number the rows are left out. It does not see groups of more than 15 rows, or of
    more than half as many as a class has, or groups that overlap widely, such as persons who
    differ little, or a slow series whose rows were shuffled: hand over groups or time. Of columns
    that stay the same within a person it needs two of ten values or more, and a third. Copies of
    images that were cropped and enlarged it often does not see. Rows of many discrete columns it
    can tell from chance only where they are equal: see `shared_rows`, also on large tables.

    Of rows drawn from any smooth density, the logarithm of the ratio of two such distances is
    exponential, with a mean that depends on the dimension alone: Facco, d'Errico, Rodriguez and
    Laio, Scientific Reports 7:12140, 2017. The dimension is estimated from the median.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import GroupKFold
    >>> from helpers import alike_rows
    >>> rng = np.random.RandomState(0)
    >>> person = np.repeat(np.arange(40), 5)
    >>> X = rng.normal(size=(40, 10))[person] + 0.3 * rng.normal(size=(200, 10))
    >>> alike_rows(X).leaked, alike_rows(X, cv=GroupKFold(5), groups=person).leaked
    (False, False)
    >>> alike_rows(rng.permutation(X)).leaked
    True
    """
    settings = {"cv": cv, "groups": groups, "task": task, "random_state": random_state}
    if (finding := of_smaller(alike_rows, X, y, **settings)) is not None:
        return finding
    name, random_state = "alike_rows", seed_of(random_state)
    folds = folds_of(cv, X, y, groups, task)
    if what := what_rows_are(X):
        return Finding(name, None, f"Rows are {what}: hand over the numbers made of them.")
    table = as_numbers(X)
    known = False if y is None else has_classes(task, y)  # None where nobody has said so
    classes, targets = known is not False, []
    if y is not None:
        labels = targets_of(y, len(table))
        if missing := about_missing(labels):
            return Finding(name, None, missing)
        targets = list(labels.T.reshape(-1, len(table)))
    is_measured = [not number_of_its_own(column) for column in table.T]
    table, names = table[:, is_measured], names_of(X)
    names = [names[column] for column in np.flatnonzero(is_measured)]
    if len(table) < 4 * N_NEIGHBOURS or not table.shape[1] or meet_by_chance(table):
        evidence = f"It needs {4 * N_NEIGHBOURS} rows, and a column that does not number them"
        return Finding(name, None, f"{evidence}; two such columns, where values repeat.")
    share, mixed = overlapping(table, folds)
    if mixed and (y is None or any(labels_owe(table, target, classes) for target in targets)):
        evidence = (
            f"{share:.0%} of consecutive rows are windows of one series, and {mixed} test rows lie "
            "between training rows that share values with them. Split in order of time, with a gap "
            "as long as a window."
        )
        return Finding(name, True, evidence)
    if share >= MOVED_ON and not mixed:
        evidence = f"{share:.0%} of consecutive rows are windows of one series; few are mixed."
        return Finding(name, False, evidence)
    rng, is_plain = np.random.RandomState(random_state), np.ptp(table, axis=1) == 0
    are_images = may_be_images(table, shape_of_rows(X))
    if are_images:  # those of one colour would be alike; noise is like no image
        drawn = rng.randint(len(table), size=(is_plain.sum(), table.shape[1]))
        table[is_plain] = np.take_along_axis(table, drawn, axis=0)
    measured, are_narrow = table, features_are_narrow(table)
    exchanged, table = exchanged_but_for_patterns(table, rng), spread_out(table, rng)
    tables = [StandardScaler().fit_transform(table)]
    spread = table.std(axis=0)
    if spread.max() <= ONE_UNIT * np.median(spread):  # as pixels, whose edges would else count most
        tables.append(table)
    if are_images:
        # In one brightness and contrast: a brighter copy is else as far away as other images.
        light = StandardScaler().fit_transform(table.T).T
        # Pixels in order, wherever they are, as of copies that were turned or moved.
        tables += [light, np.where(is_plain[:, None], light, np.sort(light, axis=1))]
    n_of_class = _rows_of_a_class(labels, known) if classes else np.inf
    most = int(max(2, min(N_NEIGHBOURS, n_of_class // 2)))  # each class may be a cluster
    looks = [look_for_a_gap(rows, folds, rng, most, are_narrow) for rows in tables]
    best = max(looks, key=lambda look: (look[0] > look[2] and not look[-1], look[0] / look[2]))
    peak, k, limit, near, dealt, is_separated, doubt = best
    evidence = (
        f"The gap after the nearest {k} of a row's neighbours is {peak:.1f} times as large as "
        f"others; above {limit:.1f} would be a pattern."
    )
    if n_of_class < len(table) / N_NEIGHBOURS and most < N_NEIGHBOURS:
        evidence += f" No group over {most + 1} was looked for: it may be a whole class."
    if peak > limit:
        evidence += (
            f" {near:.0%} of test rows have training rows that are clearly nearer than all others; "
            f"with rows dealt out at random it would be {dealt:.0%}. So the split "
            f"{'hardly keeps' if near > dealt / 2 else 'keeps most of'} them together."
        )
    if peak > limit and near > dealt / 2 and is_separated:
        if k + 1 > n_of_class / 4 and k > 2:
            return Finding(name, None, evidence + CLUSTERS)
        # One fold alone may be a training and a test set, laid end to end.
        if len(folds) > 1 and are_ordered(folds):
            return Finding(name, None, evidence + LATER)
        if doubt:
            return Finding(name, None, evidence + doubt)
        if share >= MOVED_ON and y is not None:
            return Finding(name, None, evidence + WINDOWS)
        if len(np.unique(measured, axis=0)) < len(table) and follow_from_one_number(measured):
            return Finding(name, None, evidence + ONE_NUMBER)
        if exchanged is not None:
            exchanged = spread_out(exchanged, rng)
            both = exchanged, StandardScaler().fit_transform(exchanged)
            if max(look_for_a_gap(rows, folds, rng, most)[0] for rows in both) > (1 + peak) / 2:
                return Finding(name, None, evidence + PATTERNS)
        return Finding(name, True, evidence + ADVICE)
    if not are_images and (told := told_by_what_stays(measured, names, folds, rng)):
        are_later = len(folds) > 1 and are_ordered(folds)
        return Finding(name, None, told + (LATER if are_later else ""))
    for look in (told_by_the_row_before, told_by_neighbours):
        for target in targets:
            if told := look(table, target, folds, classes):
                return Finding(name, None, told)
    return Finding(name, False, evidence)


def _rows_of_a_class(labels, known):
    """Return how many rows a class has on average, infinite where labels may be no classes."""
    n_classes = len(np.unique(labels))
    if n_classes > N_NEIGHBOURS and known is None:
        return np.inf
    return len(labels) / n_classes if n_classes <= len(labels) / FEWEST_OF_CLASS else np.inf
