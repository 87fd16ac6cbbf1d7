"""All canaries in one call."""

from contextlib import suppress

from helpers._compat import _num_samples
from helpers.leakage.alike import alike_rows
from helpers.leakage.answers import batch_mates, same_answer
from helpers.leakage.carrying import carry_over
from helpers.leakage.estimators import purity, refit
from helpers.leakage.features import too_good_feature
from helpers.leakage.finding import Finding, Report
from helpers.leakage.fitting import FORMS
from helpers.leakage.forecasts import time_order
from helpers.leakage.groups import one_group_a_row
from helpers.leakage.held import held_rows
from helpers.leakage.inputs import are_ordered, folds_of, has_classes, task_of
from helpers.leakage.prepared import prepared
from helpers.leakage.probes import seed_of
from helpers.leakage.splits import shared_groups
from helpers.leakage.times import as_span, as_times, check_length, time_column
from helpers.leakage.told_apart import shift
from helpers.leakage.twins import shared_rows
from helpers.leakage.weights import carried_weights


def audit(
    estimator, X, y, *, cv=5, groups=None, time=None, horizon=None, window=None, random_state=0
):
    """Ask every canary about an estimator, its data and its split.

    Parameters
    ----------
    estimator : estimator
        Any scikit-learn estimator or Pipeline, fitted or not; it stays as it is. It says what the
        task is.
    X : array-like of shape (n_rows, ...)
        A table, images, sequences, or a list of texts.
    y : array-like of shape (n_rows,)
    cv : int, splitter or list of (train, test), default=5
        The split that you evaluate with. For one split, ``[(train, test)]``. A number means what
        it means to `cross_val_score`: stratified folds for a classifier.
    groups : array-like of shape (n_rows,), optional
        Whose row it is, for `shared_groups` and `time_order`; it is handed to `cv`, and to a
        search within the estimator that splits by groups.
    time : array-like of shape (n_rows,), optional
        When each row was recorded, for `time_order` and `shared_groups`. With `groups` or `time`
        the test rows differ from the training rows on purpose, and `shift` does not look. Without,
        it does not judge a split whose test rows all come after the training rows.
    horizon, window : number or timedelta, optional
        The longest time after a row at which its label is not yet known, and how far back its
        features look, for `time_order`.
    random_state : int, generator of numpy or None, default=0
        Seeds whatever is drawn; None draws another seed each time.

    Returns
    -------
    Report
        A list of `Finding`, one for each canary, that is shown as a table. A canary that cannot
        look says why, or what it needs; it does not stop the others.

    Raises
    ------
    ValueError
        If lengths differ, `cv` is not of a known form, or `horizon` or `window` does not fit
        `time`, before anything is fitted.
    TypeError
        If `estimator` is none, or is a class.

    Notes
    -----
    What happened before `X` and `y` were handed over it cannot judge. Where a table shows that it
    was scaled by the mean and standard deviation of all of its rows, by their quartiles, or to
    between 0 or -1 and 1, or made normal by ranks, or filled in with means, or with medians in
    several columns, or turned by PCA, the row of `blind_test` says so. It does not see ranks from 0
    to 1, gaps filled by neighbours, nor columns selected by all labels. Write the whole procedure
    as a function, and give it to `null_labels` and `blind_test`.

    It fits the estimator many times, and on 50,000 rows it may take a minute or more. To have an
    answer sooner, hand over a few thousand rows, drawn at random; of persons or series, whole ones.
    Copies of rows that were not drawn it then does not see, so ask `shared_rows` about all rows. To
    ask some canaries alone, call them one by one: each is a function of its own, as
    ``shared_rows(X, y, cv=cv, task="classification")``.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from helpers import audit
    >>> X, y = load_iris(return_X_y=True)
    >>> report = audit(DecisionTreeClassifier(max_depth=3), X, y)
    >>> report.leaks
    []
    >>> [finding.name for finding in report.not_looked_at]
    ['carried_weights', 'shared_groups', 'time_order', 'null_labels', 'blind_test']
    """
    random_state = seed_of(random_state)
    task = task_of(estimator)
    folds = folds_of(cv, X, y, groups, task or "regression")  # as cross_val_score would
    check_length(time, X)
    seed = {"random_state": random_state}
    # What a search inside the estimator may split by; two names a row are for shared_groups alone.
    inner = {"groups": one_group_a_row(groups, _num_samples(X))} | seed
    in_time = {"time": time, "groups": groups, "horizon": horizon, "window": window}
    of_groups = {"groups": groups, "time": None}
    with suppress(TypeError, ValueError):  # time_order says why times cannot be compared
        as_times(column := time_column(time, _num_samples(X)))
        of_groups["time"] = time
    if of_groups["time"] is not None:
        for name in ("horizon", "window"):
            as_span(name, in_time[name], column)
    needs = {}
    if groups is None:
        needs["shared_groups"] = (
            "Hand over groups: whose row it is, or where it comes from (a hospital, a device), "
            "which may tell the label."
        )
    if time is None:
        needs["time_order"] = "Hand over time: when each row was recorded."
    if groups is not None or time is not None:
        needs["shift"] = "With groups or time, test rows look other than training rows on purpose."
    if task is None and has_classes(None, y) is None:
        needs["too_good_feature"] = (
            "y holds whole numbers, and the estimator does not say whether they are classes: ask "
            "too_good_feature(X, y, task='classification') or task='regression'."
        )
    for name, (form, returned) in FORMS.items():
        needs[name] = (
            f"Write the whole procedure as a function {form} that returns {returned}, for "
            f"{name}(procedure, X, y)."
        )
    with suppress(Exception):  # the canaries on rows say what is wrong with them
        needs["blind_test"] = " ".join(filter(None, [prepared(X, folds), needs["blind_test"]]))
    looks = {
        "purity": lambda: purity(estimator, X, y, **inner),
        "refit": lambda: refit(estimator, X, y, **inner),
        "carried_weights": lambda: carried_weights(estimator, X, y, **inner),
        "carry_over": lambda: carry_over(estimator, X, y, cv=folds, **inner),
        "batch_mates": lambda: batch_mates(estimator, X, y, **inner),
        "same_answer": lambda: same_answer(estimator, X, y, **inner),
        "held_rows": lambda: held_rows(estimator, X, cv=folds, **seed),
        "shared_rows": lambda: shared_rows(X, y, cv=folds, task=task, **seed),
        "alike_rows": lambda: alike_rows(X, y, cv=folds, task=task, **seed),
        "shared_groups": lambda: shared_groups(X, y, **of_groups, cv=folds, task=task),
        "time_order": lambda: time_order(X, y, cv=folds, **in_time, task=task),
        "shift": lambda: _shift_in_time(shift(X, cv=folds, **seed), folds),
        "too_good_feature": lambda: too_good_feature(X, y, task=task, **seed),
        "null_labels": None,
        "blind_test": None,
    }
    # What a fit leaves in a file all later ones may find, so that the canary on files is the first.
    found = {}
    for name in sorted(looks, key=lambda name: name != "refit"):
        missing = needs.get(name)
        found[name] = Finding(name, None, missing) if missing else _looked(name, looks[name])
    return Report(found[name] for name in looks)


def _shift_in_time(finding, folds):
    """Return what `shift` saw; no accusation where the split may be one in order of time."""
    if not finding.leaked or not are_ordered(folds):
        return finding
    evidence = (
        "Test rows look other than training rows, and all come after them. If rows are in order of "
        "time, that is on purpose: hand over time. If test rows are of other persons or places, "
        "hand over groups. Shuffle only independent rows that were sorted by label or source."
    )
    return Finding(finding.name, None, evidence)


def _looked(name, look):
    """Return what a canary saw, or the error that kept it from looking."""
    try:
        return look()
    except Exception as error:
        reason = " ".join(str(error).split())
        return Finding(name, None, f"It stopped with {type(error).__name__}: {reason:.200}")
