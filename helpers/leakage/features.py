"""The canary for a feature that knows too much."""

import warnings

import numpy as np
from scipy import stats
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.feature_selection import SelectKBest, f_classif, r_regression
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from helpers.leakage.finding import Finding
from helpers.leakage.inputs import column_of, has_classes
from helpers.leakage.probes import P_VALUE
from helpers.leakage.tables import as_numbers, has_texts, names_of


def too_good_feature(X, y, *, task=None, random_state=0):
    """Does one feature alone predict better than all the others together?

    Cross-validates a small tree on the best single feature, chosen within each fold, and a forest
    on the rest, and compares their errors row by row.

    Parameters
    ----------
    X : array-like of shape (n_rows, n_features)
    y : array-like of shape (n_rows,)
    task : {"classification", "regression"}, optional
        What `y` is for. Whole numbers may be classes or values, so that it must then be said.
    random_state : int, default=0

    Returns
    -------
    Finding
        Leaked if the single feature errs less, by a one-sided test at 0.5 %: of signs for classes,
        of Wilcoxon for values.

    Raises
    ------
    ValueError
        If lengths differ.

    Notes
    -----
    A false alarm where one feature rightly says it all, and the others nothing: a measurement
    that is available in time is no leak. It asks a question, which only someone who knows how
    the data came about can answer. It misses a proxy that is weak, or that comes with others as
    good.

    Examples
    --------
    >>> import numpy as np
    >>> from helpers import too_good_feature
    >>> from helpers.data import coin_flips
    >>> X, y = coin_flips(200)
    >>> proxy = y + np.random.RandomState(0).normal(scale=0.3, size=200)
    >>> too_good_feature(X, y).leaked, too_good_feature(np.column_stack([X, proxy]), y).leaked
    (False, True)
    """
    name, names = "too_good_feature", names_of(X)
    if has_texts(X):
        return Finding(name, None, "Rows are texts: hand over the numbers made of them.")
    X = as_numbers(X)
    y = column_of("y", y, len(X), required=True)
    if X.shape[1] < 2:
        return Finding(name, None, "It compares features, and there is one.")
    classes = has_classes(task, y)
    if classes is None:
        evidence = "y holds whole numbers: say task='classification' or task='regression'."
        return Finding(name, None, evidence)
    if not classes:
        y = y.astype(float)
        choose, tree, forest = correlation, DecisionTreeRegressor, RandomForestRegressor
        folds = KFold(5, shuffle=True, random_state=random_state)
    else:
        choose, tree, forest = f_classif, DecisionTreeClassifier, RandomForestClassifier
        n_folds = max(2, min(5, np.unique(y, return_counts=True)[1].min()))
        folds = StratifiedKFold(n_folds, shuffle=True, random_state=random_state)
    single = make_pipeline(SelectKBest(choose, k=1), tree(max_depth=3, random_state=random_state))
    rest = forest(30, min_samples_leaf=2, random_state=random_state)
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.filterwarnings("ignore", "Features .* are constant")
        best = int(np.nanargmax(SelectKBest(choose, k=1).fit(X, y).scores_))
        alone = cross_val_predict(single, X, y, cv=folds)
    together = cross_val_predict(rest, np.delete(X, best, axis=1), y, cv=folds)
    p, scores = _compare(y, alone, together, classes)
    leaked = bool(p < P_VALUE and scores[0] > scores[1])
    evidence = (
        f"Feature {names[best]} alone scores {scores[0]:.2f}, the other {X.shape[1] - 1} together "
        f"{scores[1]:.2f}."
    )
    if leaked:
        evidence += " Ask whether it is known at the time of prediction, or follows from the label."
    return Finding(name, leaked, evidence)


def correlation(X, y):
    # Not f_regression, whose score of a column that equals y may be negative by rounding.
    return np.abs(r_regression(X, y))


def _compare(y, alone, together, classes):
    """Return the p-value that `alone` errs less by chance, and the scores of both."""
    if classes:
        right = y == alone, y == together
        only_alone, only_together = (right[0] & ~right[1]).sum(), (right[1] & ~right[0]).sum()
        n = only_alone + only_together
        p = stats.binomtest(only_alone, n, alternative="greater").pvalue if n else 1.0
        return p, [r.mean() for r in right]
    errors = np.abs(y - alone), np.abs(y - together)
    p = stats.wilcoxon(*errors, alternative="less").pvalue
    variance = np.mean((y - y.mean()) ** 2)
    return p, [1 - np.mean(e**2) / variance for e in errors]
