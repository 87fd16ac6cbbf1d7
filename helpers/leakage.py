"""Canaries: functions that tell whether an estimator remembers what it should not know.

Each works on any scikit-learn estimator, fits only clones of it, and returns a `Finding`.
What a leak of this kind does to a score is the subject of lesson 04. The idea of each is a
promise of scikit-learn's developer guide (Estimators): `fit` leaves the constructor's arguments
alone, forgets every earlier `fit`, and `clone` returns an estimator without any data.
"""

import copy
from dataclasses import dataclass

import numpy as np
from sklearn.base import is_classifier
from sklearn.model_selection import check_cv, train_test_split
from sklearn.utils import _safe_indexing

from helpers.probes import (
    differ,
    distance,
    fit_seeded,
    limit_of,
    plain_params,
    predictions_of,
    reinitialise,
    seeded_clone,
    without_training,
)

N_REFERENCES = 99  # exceeded by all of them by chance: 1 %
N_REPEATS = 8  # of a fit, where the same seed does not give the same predictions


@dataclass(frozen=True)
class Finding:
    """What a canary saw.

    Attributes
    ----------
    name : str
        The canary.
    leaked : bool
        Whether it saw a leak.
    evidence : str
        One sentence with the numbers that say so.
    """

    name: str
    leaked: bool
    evidence: str

    def __str__(self):
        return f"{self.name}: {'LEAK' if self.leaked else 'no leak'}. {self.evidence}"


def purity(estimator, X, y, *, random_state=0):
    """Does `fit` alter a constructor argument, which `clone` would copy?

    Parameters
    ----------
    estimator : estimator
        Any scikit-learn estimator; it stays as it is.
    X : array-like of shape (n_rows, n_features)
    y : array-like of shape (n_rows,)
    random_state : int, default=0
        Seeds the clone, and the global generators while it is fitted.

    Returns
    -------
    Finding

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from helpers import TorchClassifier, purity
    >>> print(purity(TorchClassifier(epochs=5), *load_iris(return_X_y=True)))
    purity: no leak. fit left every constructor argument as it was.
    """
    subject = seeded_clone(estimator, random_state)
    before = {name: copy.deepcopy(value) for name, value in plain_params(subject).items()}
    fit_seeded(subject, X, y, random_state)
    after = plain_params(subject)
    altered = [name for name in before if differ(before[name], after[name])]
    if not altered:
        return Finding("purity", False, "fit left every constructor argument as it was.")
    evidence = f"fit altered the constructor argument {altered[0]!r}, which every clone copies."
    return Finding("purity", True, evidence)


def refit(estimator, X, y, *, random_state=0):
    """Does a second `fit` remember the first?

    Fits one clone on half A of the rows, with permuted labels, and then on half B; another on B
    alone; and compares their predictions. A difference counts only beyond what the same seed
    leaves to chance.

    Parameters
    ----------
    estimator, X, y, random_state
        As for `purity`.

    Returns
    -------
    Finding

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
    stratify = y if is_classifier(estimator) else None
    X_a, X_b, y_a, y_b = train_test_split(
        X, y, test_size=0.5, stratify=stratify, random_state=random_state
    )
    y_a = np.random.RandomState(random_state).permutation(np.asarray(y_a))

    def predictions(first_fit):
        subject = seeded_clone(estimator, random_state)
        if first_fit:
            fit_seeded(subject, X_a, y_a, random_state)
        return predictions_of(fit_seeded(subject, X_b, y_b, random_state), X)

    alone = predictions(first_fit=False)
    difference = distance(predictions(first_fit=True), alone)
    limit = 0.0
    if difference > 0:
        repeats = [distance(predictions(first_fit=False), alone) for _ in range(N_REPEATS)]
        limit = limit_of(repeats)
    leaked = bool(difference > limit)
    evidence = (
        f"Fitted on other rows first, the predictions differ by {difference:.3g} on average; "
        f"chance explains {limit:.3g}."
    )
    return Finding("refit", leaked, evidence)


def carried_weights(estimator, X, y, *, random_state=0):
    """Does a clone know the labels before it has trained?

    Trains a clone for 0 epochs and scores it; then initialises its networks anew, 99 times, and
    scores it again each time. It leaked if the first score lies farther from the median of the
    others than all of them, on either side; for an untrained network that happens at most
    once in a hundred times.

    Parameters
    ----------
    estimator, X, y, random_state
        As for `purity`.

    Returns
    -------
    Finding
        Not leaked, saying so, for an estimator without a number of epochs or a learning rate
        that can be 0.

    Notes
    -----
    A network may know the labels by right, trained on other rows of the same kind; whether the
    rows were others, this canary cannot tell. It does not see weights that a layer without
    `reset_parameters` carries, nor those under a new first or last layer.
    """
    untrained = without_training(estimator, X, y, random_state)
    if untrained is None:
        evidence = "Not applicable: no number of epochs and no learning rate that can be 0."
        return Finding("carried_weights", False, evidence)
    subject = seeded_clone(estimator, random_state).set_params(**untrained)
    own = fit_seeded(subject, X, y, random_state).score(X, y)
    references = []
    for seed in range(random_state + 1, random_state + 1 + N_REFERENCES):
        reinitialise(subject, seed)
        references.append(subject.score(X, y))
    middle = np.median(references)
    leaked = abs(own - middle) > np.abs(references - middle).max()
    evidence = (
        f"After 0 epochs a clone scores {own:.2f}; {N_REFERENCES} initialised anew score "
        f"{min(references):.2f} to {max(references):.2f}."
    )
    return Finding("carried_weights", bool(leaked), evidence)


def carry_over(estimator, X, y, *, cv=5, random_state=0):
    """Does what one fold has learned reach the next?

    Permutes the labels, so that nothing can be known of a held-out row, and takes one object
    through the folds without cloning it, as a loop written by hand does.

    Parameters
    ----------
    estimator, X, y, random_state
        As for `purity`.
    cv : int, splitter or iterable, default=5
        As in `sklearn.model_selection.cross_val_score`.

    Returns
    -------
    Finding
    """
    y = np.random.RandomState(random_state).permutation(np.asarray(y))
    folds = list(check_cv(cv, y, classifier=is_classifier(estimator)).split(X, y))

    def score(reuse, seed):
        subject, scores = seeded_clone(estimator, seed), []
        for train, test in folds:
            if not reuse:
                subject = seeded_clone(estimator, seed)
            fit_seeded(subject, _safe_indexing(X, train), y[train], seed)
            scores.append(subject.score(_safe_indexing(X, test), y[test]))
        return np.mean(scores)

    reused, cloned = score(True, random_state), score(False, random_state)
    limit = 0.0
    if reused > cloned:
        repeats = [score(False, random_state + 1 + i) - cloned for i in range(N_REPEATS)]
        limit = max(limit_of(repeats), 0.0)
    evidence = (
        f"On permuted labels one object taken through {len(folds)} folds scores {reused:.2f}, "
        f"clones score {cloned:.2f}."
    )
    return Finding("carry_over", bool(reused - cloned > limit), evidence)
