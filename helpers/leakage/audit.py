"""All canaries that apply, in one call."""

from helpers.leakage.estimators import batch_mates, carry_over, purity, refit
from helpers.leakage.features import too_good_feature
from helpers.leakage.finding import Report
from helpers.leakage.inputs import folds_of, task_of
from helpers.leakage.splits import shared_groups, shared_rows, shift, time_order
from helpers.leakage.weights import carried_weights


def audit(estimator, X, y, *, cv=5, groups=None, time=None, random_state=0):
    """Run every canary that applies to an estimator, its data and its split.

    Parameters
    ----------
    estimator : estimator
        Any scikit-learn estimator or Pipeline, fitted or not; it stays as it is. It says what the
        task is.
    X : array-like of shape (n_rows, n_features)
    y : array-like of shape (n_rows,)
    cv : int, splitter or list of (train, test), default=5
        The split that you evaluate with. For one split, ``[(train, test)]``. A number means what
        it means to `cross_val_score`: stratified folds for a classifier.
    groups : array-like of shape (n_rows,), optional
        Whose row it is; adds `shared_groups`, and is handed to `cv`.
    time : array-like of shape (n_rows,), optional
        When each row was recorded; adds `time_order`. With `groups` or `time` the test rows
        differ from the training rows on purpose, and `shift` is left out.
    random_state : int, default=0

    Returns
    -------
    Report
        A list of `Finding` that is shown as a table.

    Raises
    ------
    ValueError
        If lengths differ or `cv` is not of a known form, before anything is fitted.

    Notes
    -----
    What happened before `X` and `y` were handed over it cannot see. For that, write the whole
    procedure as a function and give it to `null_labels` and `blind_test`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from helpers import audit
    >>> X, y = load_iris(return_X_y=True)
    >>> report = audit(DecisionTreeClassifier(max_depth=3), X, y)
    >>> [finding.name for finding in report]  # doctest: +NORMALIZE_WHITESPACE
    ['purity', 'refit', 'carried_weights', 'carry_over', 'batch_mates', 'shared_rows', 'shift',
     'too_good_feature']
    """
    task = task_of(estimator)
    folds = folds_of(cv, X, y, groups, task or "regression")  # as cross_val_score would
    seed = {"random_state": random_state}
    on_splits = [shared_rows(X, y, cv=folds, **seed)]
    if groups is not None:
        on_splits.append(shared_groups(X, y, groups=groups, cv=folds))
    if time is not None:
        on_splits.append(time_order(X, y, time=time, cv=folds))
    if groups is None and time is None:
        on_splits.append(shift(X, y, cv=folds, **seed))
    return Report(
        [
            purity(estimator, X, y, **seed),
            refit(estimator, X, y, **seed),
            carried_weights(estimator, X, y, **seed),
            carry_over(estimator, X, y, cv=folds, **seed),
            batch_mates(estimator, X, y, **seed),
            *on_splits,
            too_good_feature(X, y, task=task, **seed),
        ]
    )
