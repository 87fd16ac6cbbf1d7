"""Canaries on an estimator: does it keep the promises that cross-validation rests on?

They are those of scikit-learn's developer guide (Estimators): `fit` leaves the constructor's
arguments alone and forgets every earlier `fit`; a prediction depends on its own row.
"""

import copy

import numpy as np
from sklearn.model_selection import train_test_split

from helpers._compat import _num_samples, _safe_indexing
from helpers.leakage.finding import Finding
from helpers.leakage.inputs import has_classes, strata_of, task_of
from helpers.leakage.outside import left_alone
from helpers.leakage.probes import (
    N_REPEATS,
    compare,
    differ,
    distance,
    fit_seeded,
    global_seed,
    plain_params,
    predictions_of,
    seed_of,
    seeded_clone,
)


def purity(estimator, X, y, *, groups=None, random_state=0):
    """Does `fit` alter a constructor argument, which `clone` would copy?

    Parameters
    ----------
    estimator : estimator
        Any scikit-learn estimator; it stays as it is.
    X : array-like of shape (n_rows, ...)
        Whatever the estimator takes.
    y : array-like of shape (n_rows,)
    groups : array-like of shape (n_rows,), optional
        What a search inside the estimator may split by.
    random_state : int, generator of numpy or None, default=0
        Seeds the clone, and the global generators while it is fitted.

    Returns
    -------
    Finding

    Notes
    -----
    It sees the cause before it has done harm: a network that was never fitted sets it off, if
    `fit` would write into it. It does not see what `fit` keeps elsewhere.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from helpers import TorchClassifier, purity
    >>> print(purity(TorchClassifier(epochs=5), *load_iris(return_X_y=True)))
    purity: none seen. fit left every constructor argument as it was.
    """
    random_state = seed_of(random_state)
    subject = seeded_clone(estimator, random_state)
    before = {name: copy.deepcopy(value) for name, value in plain_params(subject).items()}
    with left_alone(estimator, in_memory=True) as outside:
        fit_seeded(subject, X, y, random_state, groups)
    after = plain_params(subject)
    altered = [name for name in before if differ(before[name], after[name])]
    if not altered:
        evidence = "fit left every constructor argument as it was."
        if outside.written:
            names = ", ".join(map(repr, outside.written.values()))
            evidence += f" It wrote a file that every clone shares, named by {names}: see refit."
        if outside.changed:
            evidence += f" It changed {', '.join(outside.changed)}, which clones share: see refit."
        return Finding("purity", False, evidence)
    evidence = (
        f"fit altered the constructor argument {altered[0]!r}, which every clone copies. Let fit "
        "build what it trains: take a class or a function, not an instance."
    )
    return Finding("purity", True, evidence)


def refit(estimator, X, y, *, groups=None, random_state=0):
    """Does a second `fit` remember the first?

    Fits one clone on half A of the rows, with permuted labels, lets it predict, and fits it on half
    B; another on B alone; and compares their predictions. Where the same seed gives others each
    time, six of each are compared, and a difference counts only beyond what chance explains.

    Parameters
    ----------
    estimator, X, y, groups, random_state
        As for `purity`.

    Returns
    -------
    Finding
        Leaked if they differ and repeats do not, or differ less, by a Mann-Whitney test at 0.5 %.

    Notes
    -----
    Files that parameters name, networks in functions that the estimator holds, and what your own
    classes and functions keep in attributes, globals, defaults, closures and caches are put back
    before each fit, so that what one fit leaves there for the next is seen; caches end empty. Not
    looked at, if `fit` leaves a file that no parameter names, or changes what held something there
    before, as of earlier fits. It does not see what every fit finds again and leaves alone: what
    earlier fits have left, weights in a constructor argument, or in another place that all clones
    share (repeats then differ as well; see `carry_over`), nor predictions kept there by row.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import SGDClassifier
    >>> from helpers import refit
    >>> X, y = load_iris(return_X_y=True)
    >>> refit(SGDClassifier(), X, y).leaked
    False
    >>> refit(SGDClassifier(warm_start=True), X, y).leaked
    True
    """
    random_state = seed_of(random_state)
    stratify = strata_of(y, has_classes(task_of(estimator), y))
    half_a, half_b = train_test_split(
        np.arange(_num_samples(y)), test_size=0.5, stratify=stratify, random_state=random_state
    )
    of_a = np.random.RandomState(random_state).permutation(half_a)  # whose labels A is given

    def fit(subject, rows, rows_of_labels):
        parts = (some_rows(X, rows), some_rows(y, rows_of_labels), random_state)
        return fit_seeded(subject, *parts, some_rows(groups, rows))

    rng = np.random.RandomState(random_state)
    written, unnamed, changed, held = {}, set(), set(), set()

    def predictions(first_fit):
        with left_alone(estimator, in_memory=True) as outside:
            # What fit leaves behind may be the best of all fits, so that one is not enough.
            for _ in range(N_REPEATS if first_fit and (written or changed) else 0):
                fit(seeded_clone(estimator, random_state), half_a, rng.permutation(half_a))
            subject = seeded_clone(estimator, random_state)
            if first_fit:  # and keeps, it may be, what it has predicted
                fit(subject, half_a, of_a)
                with global_seed(random_state):  # else it would draw other numbers afterwards
                    predictions_of(subject, X)
            predicted = predictions_of(fit(subject, half_b, half_b), X)
        written.update(outside.written)
        unnamed.update(outside.unnamed)
        changed.update(outside.changed)
        held.update(outside.held)
        return predicted

    alone = predictions(first_fit=False)
    leaked, (difference, by_chance) = compare(
        lambda: distance(predictions(first_fit=True), alone),
        lambda: distance(predictions(first_fit=False), alone),
    )
    evidence = (
        f"Fitted on other rows first, the predictions differ by {difference:.3g} on average; "
        f"repeated, by {by_chance:.3g}."
    )
    if leaked and written:
        names = ", ".join(map(repr, written.values()))
        evidence += f" Give each fit a file of its own: all clones share the one named by {names}."
    elif leaked:
        evidence += " Let fit start from nothing."
        if changed:
            evidence += f" All clones share {', '.join(sorted(changed))}."
    elif unnamed:
        evidence += (
            f" But fit left {sorted(unnamed)[0]}, which no parameter names: whether a later fit "
            "reads it was not looked at. Make its path a parameter."
        )
        leaked = None
    elif held:
        evidence += (
            f" But clones share {', '.join(sorted(held))}, which each fit changes, and which held "
            f"something before: what earlier fits left there may hide a leak. Restart Python, and "
            f"ask before any fit."
        )
        leaked = None
    elif by_chance:
        evidence += (
            " Repeats under one seed should be equal: it draws from a generator of its own, or all "
            "clones share something, as a global variable, which may hide a leak."
        )
    return Finding("refit", leaked, evidence)


def some_rows(values, rows):
    if hasattr(values, "tocsr"):  # of sparse forms, the one that has rows
        values = values.tocsr()
    return None if values is None else _safe_indexing(values, rows)
