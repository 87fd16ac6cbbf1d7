"""The canary for what one fold leaves for the next."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from sklearn.metrics import r2_score

from helpers._compat import _num_samples
from helpers.leakage.estimators import some_rows
from helpers.leakage.finding import Finding
from helpers.leakage.inputs import folds_of, has_classes, targets_of, task_of
from helpers.leakage.outside import left_alone
from helpers.leakage.probes import N_REFERENCES, fit_seeded, seed_of, seeded_clone


def carry_over(estimator, X, y, *, cv=5, groups=None, random_state=0):
    """Does what one fold has learned reach the next?

    Permutes the labels, so that nothing can be known of a held-out row, and takes one object
    through the folds without cloning it, as a loop written by hand does. What it predicts must
    not agree with the held-out labels better than with the same labels dealt out at random.

    Parameters
    ----------
    estimator, X, y, groups, random_state
        As for `purity`.
    cv : int, splitter or iterable, default=5
        As in `sklearn.model_selection.cross_val_score`.

    Returns
    -------
    Finding
        Leaked if the agreement (accuracy, or R2) exceeds that of 199 random deals, and clones, one
        for each fold, predict otherwise. If they do not, it must exceed them again with labels
        permuted anew: as folds share rows, once may be chance.

    Notes
    -----
    It does not see what was learned before the first fold, since the labels are permuted, nor
    what a search forgets by cloning; `carried_weights` does.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neural_network import MLPClassifier
    >>> from helpers import carry_over
    >>> carry_over(MLPClassifier(max_iter=50), *load_iris(return_X_y=True)).leaked
    False
    """
    random_state = seed_of(random_state)
    rng = np.random.RandomState(random_state)
    cv = list(cv) if isinstance(cv, Iterator) else cv  # it may be asked twice
    parts = estimator, X, targets_of(y, _num_samples(X)), cv, groups, random_state, rng
    with left_alone(estimator):
        look = _look(*parts)
        leaked = look.own > look.most
        if leaked and not look.is_carried:
            again = _look(*parts)
            leaked = again.own > again.most
            look = look if leaked else again
    evidence = (
        f"On permuted labels one object taken through {look.n_folds} folds scores {look.own:.2f} "
        f"on held-out rows; against labels dealt out at random, at most {look.most:.2f}."
    )
    if leaked:
        evidence += " Clone for each fold, and let fit start from nothing."
    return Finding("carry_over", leaked, evidence)


class Look(NamedTuple):
    """Scores on held-out rows, where labels were permuted."""

    n_folds: int
    own: float  # of one object that was taken through the folds
    most: float  # the best of its predictions against labels dealt out at random
    is_carried: bool  # whether clones, one for each fold, predict otherwise


def _look(estimator, X, y, cv, groups, seed, rng):
    y = rng.permutation(y)
    folds = folds_of(cv, X, y, groups, task_of(estimator) or "regression")
    predicted = _predicted(estimator, X, y, folds, groups, seed)
    held_out = [y[test] for _, test in folds]
    agreement = _share_equal if has_classes(task_of(estimator), y) else r2_score
    own = agreement(np.concatenate(held_out), predicted)
    deals = ([rng.permutation(part) for part in held_out] for _ in range(N_REFERENCES))
    most = max(agreement(np.concatenate(deal), predicted) for deal in deals)
    if own <= most:
        return Look(len(folds), own, most, False)
    by_clones = [_predicted(estimator, X, y, [fold], groups, seed) for fold in folds]
    return Look(len(folds), own, most, not np.array_equal(predicted, np.concatenate(by_clones)))


def _predicted(estimator, X, y, folds, groups, seed):
    """Take one object through folds, and return what it predicts of the rows held out."""
    subject, predicted = seeded_clone(estimator, seed), []
    for train, test in folds:
        fit_seeded(subject, some_rows(X, train), y[train], seed, some_rows(groups, train))
        if not hasattr(subject, "predict"):
            raise TypeError(f"carry_over takes an estimator with predict; got {subject!r:.70}.")
        # Some predict a column, which would be compared with every label.
        predicted.append(np.reshape(subject.predict(some_rows(X, test)), y[test].shape))
    return np.concatenate(predicted)


def _share_equal(labels, predicted):
    """Return the accuracy, over all targets where there are several."""
    return float((labels == predicted).mean())
