"""Canaries on a whole procedure, from the raw data to the number that is reported."""

from numbers import Integral

import numpy as np
from scipy import stats
from sklearn.utils import check_consistent_length, check_random_state

from helpers.checks.arguments import is_number
from helpers.leakage.chance import measure, taken
from helpers.leakage.finding import Finding
from helpers.leakage.fitting import check_is_procedure
from helpers.leakage.groups import group_numbers
from helpers.leakage.probes import P_VALUE, global_seed, seed_of

ADVICE = (
    " Look for a step that sees labels before the split, for a best of many, or for rows that know "
    "each other."
)


def null_labels(procedure, X, y, *, groups=None, chance=None, n_permutations=20, random_state=0):
    """Does a procedure score more than chance where there is nothing to learn?

    Runs all of it again on permuted labels, which no honest procedure predicts.

    Parameters
    ----------
    procedure : callable
        ``procedure(X, y)`` returns the score that would be reported, of any kind. Everything that
        looks at labels must happen within it. A Series reaches it as a Series.
    X : array-like of shape (n_rows, ...)
    y : array-like of shape (n_rows,)
    groups : array-like of shape (n_rows,), optional
        Where given, whole groups exchange their label, so that a score that comes from
        recognising a group is seen. The label must be the same throughout a group. Rows without a
        group exchange their labels one by one.
    chance : float, optional
        What guessing scores on average, where you know it: 0.5 for balanced accuracy and the area
        under the ROC curve, 0 for R2. A higher score is then taken for a better one, so of a loss
        return minus the loss. By default it is measured, in some forty more runs: on tables made
        of one, two and eight rows of `X`, and on rows between two of them, no procedure can know a
        label. Smaller leaks are seen with a chance that you state.
    n_permutations : int, default=20
    random_state : int, default=0
        Draws the permutations, and seeds the global generators of Python, numpy and torch, once.

    Returns
    -------
    Finding
        Leaked if the mean exceeds the chance that you state in a one-sided t-test at 0.5 %, or
        the best of all guesses that were measured. Not looked at, if chance cannot be measured, or
        if the mean lies between guesses on rows that can be recognised and on rows that cannot, or
        is a loss that a model comes to which is sure of the larger classes.

    Raises
    ------
    ValueError
        If lengths differ, a label varies within a group, `n_permutations` is no whole number of 2
        or more, or `chance` is no number.
    TypeError
        If `procedure` is no function of `X` and `y`, or does not return a number.

    Notes
    -----
    It sees what looks at labels: selection, tuning, stopping, oversampling, encoding. It does not
    see what lies in the data already (duplicates, a proxy, time), nor what happened before the
    procedure began (a network fitted earlier).

    Ojala and Garriga, JMLR 11:1833, 2010, describe such tests.

    Examples
    --------
    >>> from sklearn.feature_selection import SelectKBest
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from helpers import null_labels
    >>> from helpers.data import coin_flips
    >>> def leaky(X, y):
    ...     X = SelectKBest(k=10).fit_transform(X, y)  # has seen the labels of all folds
    ...     return cross_val_score(KNeighborsClassifier(), X, y).mean()
    >>> null_labels(leaky, *coin_flips(50, 500)).leaked
    True
    """
    random_state = seed_of(random_state)
    check_is_procedure(procedure, "null_labels")
    check_consistent_length(X, y, groups)
    if not is_number(n_permutations, Integral) or n_permutations < 2:
        raise ValueError(
            f"n_permutations must be a whole number of 2 or more; got {n_permutations!r}."
        )
    if chance is not None and not is_number(chance):
        raise ValueError(
            f"chance must be the score that guessing gets, as 0.5, or None; got {chance!r}."
        )
    y, rng = y if hasattr(y, "iloc") else np.asarray(y), check_random_state(random_state)
    groups = None if groups is None else _with_groups_of_one(groups, len(y))
    with global_seed(random_state):
        scores = [_scored(procedure, X, _permuted(y, groups, rng)) for _ in range(n_permutations)]
    if n_without := int((~np.isfinite(scores)).sum()):
        evidence = (
            f"On {n_without} of {n_permutations} permutations of the labels it scores nan or inf: "
            "have it score each, or raise the error that it hides (error_score='raise')."
        )
        return Finding("null_labels", None, evidence)
    scored = (
        f"On {n_permutations} permutations of the labels it scores {np.mean(scores):.2f} on "
        f"average, {min(scores):.2f} to {max(scores):.2f}; "
    )
    if chance is None:
        leaked, reference = _beside_guesses(procedure, X, y, groups, np.mean(scores), random_state)
    else:
        leaked, reference = _beside(chance, scores)
    return Finding("null_labels", leaked, scored + reference + (ADVICE if leaked else ""))


def _scored(procedure, X, y):
    score = procedure(X, y)
    try:
        # cross_validate returns a dict, which has a shape as a number has.
        if score is not None and not isinstance(score, dict) and np.shape(score) == ():
            return float(score)
    except (TypeError, ValueError):  # it is no number
        pass
    cure = "Of several scores, return the mean."
    if hasattr(score, "predict"):
        cure = "Return what it scores on the test rows."
    raise TypeError(
        "procedure(X, y) must return one number, the score that you would report; got "
        f"{score!r:.80}. {cure}"
    )


def _beside(chance, scores):
    """Compare scores with a chance that is known; return the answer and the evidence."""
    n, spread = len(scores), max(np.std(scores, ddof=1), 1e-9)
    limit = chance + stats.t.ppf(1 - P_VALUE, n - 1) * spread / np.sqrt(n)
    leaked = bool(np.mean(scores) > limit)
    return leaked, f"chance is {chance:.2f}, and a mean above {limit:.2f} would be a leak."


def _beside_guesses(procedure, X, y, groups, mean, seed):
    """Compare a mean with guesses, measured; return the answer and the evidence."""
    rng = np.random.RandomState(seed)
    try:
        with global_seed(seed):
            guesses = measure(procedure, X, y, lambda: _permuted(y, groups, rng), rng)
    except Exception as error:  # of a step that does not take rows that are repeated
        return None, f"what guesses score it stopped to say ({error!r:.100}): hand over chance."
    if guesses is None:
        return None, "nor does it score more where the features tell the label: hand over chance."
    leaked = guesses.judge(mean)
    blind = guesses.sign * guesses.blind
    sharp = guesses.sign * max(guesses.sharp, guesses.sure)
    than, say = "above", "say what guessing scores: chance=0.5 for two balanced classes, 0 for R2"
    if guesses.sign < 0:
        than, say = "below", "return minus the loss and hand over chance"
    if leaked is None:
        return None, f"guesses reach {blind:.2f} to {sharp:.2f}: to be sure, {say}."
    evidence = f"guesses reach {guesses.sign * guesses.limit:.2f}, and a mean {than} is a leak."
    if not leaked:
        evidence += f" Smaller leaks are seen if you {say}."
    return leaked, evidence


def _with_groups_of_one(groups, n):
    """Return the number of each row's group; a row that has none is a group of its own."""
    numbers = group_numbers(groups, n)
    if numbers.shape[1] > 1:
        raise ValueError(
            "groups must hold one value a row, because whole groups exchange their label; it holds "
            f"{numbers.shape[1]}. Hand over the one that the label belongs to."
        )
    return np.where(numbers[:, 0] < 0, n + np.arange(n), numbers[:, 0])


def _permuted(y, groups, rng):
    if groups is None:
        return taken(y, rng.permutation(len(y)))
    names, first, numbers = np.unique(groups, return_index=True, return_inverse=True)
    labels = np.asarray(y)
    if (labels != labels[first][numbers]).any():
        raise ValueError(
            f"y must be the same throughout each of the {len(names)} groups, to exchange the "
            "labels of groups; it varies in at least one. Leave out groups to permute rows."
        )
    return taken(y, rng.permutation(first)[numbers])
