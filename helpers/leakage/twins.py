"""The canary for test rows that are equal to training rows."""

import numpy as np

from helpers.leakage.between import count_between
from helpers.leakage.finding import Finding
from helpers.leakage.inputs import about_missing, folds_of, targets_of
from helpers.leakage.meeting import (
    ONE_NUMBER,
    by_chance,
    count_twins,
    follow_from_one_number,
    numbers_of,
)
from helpers.leakage.mirrored import exchanged, moved_copies
from helpers.leakage.probes import N_REFERENCES, seed_of
from helpers.leakage.tables import as_codes, keys_of, names_of, shape_of_rows
from helpers.leakage.wide import of_smaller

MANY = 0.9  # as many values in a column as there are different rows
MOST_NAMES = 10  # of columns that number the rows
DIFFERENT = 0.9  # labels, as a share of the twins
FEW_LINES = (
    "But all of them lie on a few lines, or on lines that meet in one point, as they do where a "
    "class follows a formula. If rows were made by SMOTE, resample the training rows alone, in "
    "each fold."
)


def shared_rows(X, y=None, *, cv=5, groups=None, task=None, random_state=0):
    """Do test rows have a twin among the training rows?

    Parameters
    ----------
    X : array-like of shape (n_rows, ...)
        A table, images, sequences, or a list of texts.
    y : array-like of shape (n_rows,), optional
        What `cv` may stratify by; and classes, among which synthetic rows are looked for.
    cv : int, splitter or list of (train, test), default=5
        For one split, ``[(train, test)]``.
    groups : array-like of shape (n_rows,), optional
        What `cv` may need.
    task : {"classification", "regression"}, optional
        What `y` is for. A `cv` that is a number stratifies classes; whole numbers in `y` may be
        classes or values, so that it must then be said.
    random_state : int, default=0
        Shuffles the columns, below, and exchanges values.

    Returns
    -------
    Finding
        Leaked if a row is trained on and tested on in one fold, or if more test rows have a twin
        than in any of 199 tables whose columns were shuffled, each by itself: in a coarse table
        rows meet by chance; or if test images are training images, mirrored or turned by quarters;
        or if rows hold the numbers of others in other columns, or with other signs, as a game does
        that is noted from both sides; or if rows of one class lie exactly between two of their
        class on the other side of the split, as SMOTE makes them, and hardly any rows of another
        class are like that; where they lie on a few lines, or on lines that meet in one point, it
        asks.
        Not looked at, if a quarter of the test rows are training rows with their halves exchanged,
        whose values come in many rows, as a team's do, and labels, if any, tell each other, as a
        lost game that it was won by the other; if far more rows have one with a column less, or as
        many where the few columns that tell all rows apart are shuffled alone, or where rows
        exchange values that their other columns make as likely, or if rows with a twin hold
        commoner values than others, as empty rows do; if all columns follow from one number, as
        waves of a day and splines do; if hardly two twins have one label, as where a thing was
        measured several times; or if rows are copies but for a column that may hold ids: whole
        numbers of one length, no two alike.

    Raises
    ------
    ValueError
        If lengths differ or `cv` is not of a known form.

    Notes
    -----
    Twins are equal in every feature, gaps included. Columns that number the rows are left out, as
    an id, or a day where each row has the next one. Images and sequences are rows of numbers,
    texts are rows of words, whatever their capitals and stops; of one column alone it cannot tell
    twins from chance. It does not see rows that are merely alike: copies that were moved, cropped
    or made noisy, other records of the same person. It sees synthetic rows if three columns or
    more have many values, whole numbers in the measured rows included; and, among at most 100 such
    columns, if two of them have synthetic values that were not rounded. It does not see them if
    noise was added, or if more columns were rounded. Where columns take few values
    and depend on each other, as the answers to a short questionnaire do, honest rows meet often: it
    asks, and some copies among them are not accused. Honest categories that depend on something
    hidden, as on a kind of customer, may be: no sum of codes says which are likely. Nor does it say
    where three rows or so have a twin, and few columns tell rows apart.

    Of images with more than ten million numbers in all, the means of 2 x 2 pixels are compared,
    again and again. For more than 1,000 columns of a sparse table, as of a TfidfVectorizer, up to
    1,000 sums of columns stand, with random signs (Johnson and Lindenstrauss, 1984), unless rows
    hold few numbers and all fit into memory.

    Examples
    --------
    >>> import numpy as np
    >>> from helpers import shared_rows
    >>> X = np.random.RandomState(0).normal(size=(50, 3))
    >>> shared_rows(X).leaked, shared_rows(np.vstack([X, X])).leaked
    (False, True)
    """
    settings = {"cv": cv, "groups": groups, "task": task, "random_state": random_state}
    if (finding := of_smaller(shared_rows, X, y, **settings)) is not None:
        return finding
    random_state = seed_of(random_state)
    folds = folds_of(cv, X, y, groups, task)
    n_tested = sum(len(test) for _, test in folds)
    if n_both := sum(len(np.intersect1d(*fold)) for fold in folds):
        evidence = (
            f"{n_both} of {n_tested} test rows are training rows of the same fold. Split with "
            "train_test_split or a splitter of scikit-learn."
        )
        return Finding("shared_rows", True, evidence)
    whole, keys = as_codes(X), keys_of(X)
    if len(keys) == whole.shape[1]:
        evidence = "All columns number the rows: hand over columns that were measured."
        return Finding("shared_rows", None, evidence)
    rows = whole = np.delete(whole, keys, axis=1)
    both_gaps = np.isnan(rows) & np.isnan(rows[0])
    differs = ((rows != rows[0]) & ~both_gaps).any(axis=0)
    # Constant columns would hide that a single one tells rows apart, or none.
    rows = rows[:, differs] if differs.any() else rows[:, :1]
    found = count_twins(rows, folds)
    if found and rows.shape[1] == 1:
        evidence = (
            f"{found} of {n_tested} test rows have a twin among the training rows, but rows of "
            "one column that varies meet by chance: hand over more columns, or whose row it is to "
            "shared_groups."
        )
        return Finding("shared_rows", None, evidence)
    most, rng = 0, np.random.default_rng(random_state)
    if found:
        most = max(count_twins(rng.permuted(rows, axis=0), folds) for _ in range(N_REFERENCES))
    evidence = (
        f"{found} of {n_tested} test rows have a twin among the training rows; with shuffled "
        f"columns at most {most}."
    )
    n_fine = len(rows) / 5
    if keys:  # as a day: rows of a slow series meet, too, unless a column takes many values
        n_fine = MANY * (numbers_of(rows).max() + 1)
        names = ", ".join(names_of(X)[column] for column in keys[:MOST_NAMES])
        evidence += f" Left out, because they number the rows: column {names}."
    labels = None if y is None else _labels_of(y, len(rows))
    if found > most:
        if labels is not None and _labels_differ(rows, labels):
            evidence += (
                " But their labels differ, so that they are no copies: one thing was measured "
                "several times. Hand over what was measured as groups, to shared_groups."
            )
            return Finding("shared_rows", None, evidence)
        if others := by_chance(rows, folds, found, most, n_fine, rng):
            return Finding("shared_rows", None, evidence + others)
        evidence += " Drop the copies, or keep them together with GroupKFold."
        return Finding("shared_rows", True, evidence)
    if moved := moved_copies(whole, shape_of_rows(X), folds):
        if "mirrored" not in moved and follow_from_one_number(whole):
            return Finding("shared_rows", None, evidence + moved + ONE_NUMBER)
        evidence += f"{moved} Change training rows alone, in each fold, or keep copies together."
        return Finding("shared_rows", True, evidence)
    if len(shape_of_rows(X)) < 2 and (exchange := exchanged(whole, folds, labels)):
        return Finding("shared_rows", None, evidence + exchange)
    between = 0
    if labels is not None and labels.ndim == 1 and task != "regression":
        between, are_few_lines = count_between(whole, labels, folds)
    if between:
        evidence += (
            f" {between} rows lie exactly between two others of their class, from which the split "
            "parts them, as SMOTE makes them. "
        )
        if are_few_lines:
            return Finding("shared_rows", None, evidence + FEW_LINES)
        evidence += "Resample the training rows alone, in each fold."
        return Finding("shared_rows", True, evidence)
    if hidden := _hidden_by_ids(X, whole, keys, folds, random_state):
        return Finding("shared_rows", None, evidence + hidden)
    return Finding("shared_rows", False, evidence)


def _hidden_by_ids(X, rows, keys, folds, seed):
    """Return a sentence if rows are copies but for columns that may be ids, or ''."""
    ids = [column for column in keys_of(X, sure=False) if column not in keys]
    measured = np.delete(np.arange(rows.shape[1] + len(keys)), keys)
    rows = rows[:, ~np.isin(measured, ids)]
    if not ids or not rows.shape[1] or not shared_rows(rows, cv=folds, random_state=seed).leaked:
        return ""
    names = ", ".join(names_of(X)[column] for column in ids[:MOST_NAMES])
    return (
        f" But each row has another value in column {names}, as of an id, and without that "
        f"{count_twins(rows, folds)} test rows have a twin. If it is an id, leave it out and ask "
        "again."
    )


def _labels_of(y, n):
    """Return labels that can be sorted, or None if some are missing."""
    labels = targets_of(y, n)
    if about_missing(labels):
        return None
    return labels.astype(str) if labels.dtype == object else labels


def _labels_differ(rows, y):
    """Say whether hardly two twins have one label."""
    numbers = numbers_of(rows)
    are_twins = np.bincount(numbers)[numbers] > 1
    labels = np.unique(y, return_inverse=True, axis=0 if y.ndim > 1 else None)[1].ravel()
    pairs = np.column_stack([numbers, labels])[are_twins]
    return len(np.unique(pairs, axis=0)) > DIFFERENT * len(pairs)
