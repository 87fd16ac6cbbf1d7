"""Canaries: functions that tell whether an estimator remembers what it should not know.

Each works on any scikit-learn estimator, fits only clones of it, and returns a `Finding`.
What a leak of this kind does to a score is the subject of lesson 04. The idea of each is a
promise of scikit-learn's developer guide (Estimators): `fit` leaves the constructor's arguments
alone, forgets every earlier `fit`, and `clone` returns an estimator without any data.
"""

import copy
import sys
import warnings
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import check_cv, train_test_split
from sklearn.utils import _safe_indexing

N_REFERENCES = 99  # exceeded by all of them by chance: 1 %
N_REPEATS = 8  # of a fit, where the same seed does not give the same predictions
N_DEVIATIONS = 4  # above the mean of the repeats
EPOCH_NAMES = ("epochs", "max_epochs", "n_epochs", "max_iter")
RATE_NAMES = ("lr", "learning_rate", "learning_rate_init")


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
    subject = _seeded_clone(estimator, random_state)
    before = {name: copy.deepcopy(value) for name, value in _plain_params(subject).items()}
    with _global_seed(random_state):
        subject.fit(X, y)
    after = _plain_params(subject)
    altered = [name for name in before if _differ(before[name], after[name])]
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
        subject = _seeded_clone(estimator, random_state)
        if first_fit:
            _fit(subject, X_a, y_a, random_state)
        return _predictions(_fit(subject, X_b, y_b, random_state), X)

    alone = predictions(first_fit=False)
    difference = _distance(predictions(first_fit=True), alone)
    limit = 0.0
    if difference > 0:
        repeats = [_distance(predictions(first_fit=False), alone) for _ in range(N_REPEATS)]
        limit = _limit(repeats)
    leaked = bool(difference > limit)
    evidence = (
        f"Fitted on other rows first, the predictions differ by {difference:.3g} on average; "
        f"chance explains {limit:.3g}."
    )
    return Finding("refit", leaked, evidence)


def carried_weights(estimator, X, y, *, random_state=0):
    """Does a clone know the labels before it has trained?

    Trains a clone for 0 epochs and scores it, beside 99 such clones whose networks are
    initialised anew. It leaked if its score lies farther from their median than all of theirs,
    on either side; for an untrained network that happens once in a hundred times.

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
    A network may know the labels by right: one trained on other rows of the same kind.
    Whether the rows were others, this canary cannot tell.
    """
    zero = _without_training(estimator, X, y, random_state)
    if zero is None:
        evidence = "Not applicable: no number of epochs and no learning rate that can be 0."
        return Finding("carried_weights", False, evidence)

    def score(seed, reinitialised):
        subject = _seeded_clone(estimator, seed).set_params(**zero)
        if reinitialised:
            _reinitialise(subject, seed)
        return _fit(subject, X, y, seed).score(X, y)

    own = score(random_state, reinitialised=False)
    references = [score(random_state + 1 + i, True) for i in range(N_REFERENCES)]
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
        subject, scores = _seeded_clone(estimator, seed), []
        for train, test in folds:
            if not reuse:
                subject = _seeded_clone(estimator, seed)
            _fit(subject, _safe_indexing(X, train), y[train], seed)
            scores.append(subject.score(_safe_indexing(X, test), y[test]))
        return np.mean(scores)

    reused, cloned = score(True, random_state), score(False, random_state)
    limit = 0.0
    if reused > cloned:
        repeats = [score(False, random_state + 1 + i) - cloned for i in range(N_REPEATS)]
        limit = max(_limit(repeats), 0.0)
    evidence = (
        f"On permuted labels one object taken through {len(folds)} folds scores {reused:.2f}, "
        f"clones score {cloned:.2f}."
    )
    return Finding("carry_over", bool(reused - cloned > limit), evidence)


@contextmanager
def _global_seed(seed):
    """Seed numpy's global generator, and torch's if it is loaded; put them back after."""
    torch = sys.modules.get("torch")
    numpy_state = np.random.get_state()
    torch_state = torch.get_rng_state() if torch else None
    np.random.seed(seed)
    if torch:
        torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        np.random.set_state(numpy_state)
        if torch:
            torch.set_rng_state(torch_state)


def _fit(estimator, X, y, seed):
    with _global_seed(seed), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(X, y)


def _seeded_clone(estimator, seed):
    """Clone, with every `random_state` set: noise that a seed controls is not memory."""
    subject = clone(estimator)
    names = [n for n in subject.get_params() if n.split("__")[-1] == "random_state"]
    return subject.set_params(**dict.fromkeys(names, seed))


def _without_training(estimator, X, y, seed):
    """Return the parameters under which `fit` learns nothing, or None."""
    for endings, value in ((EPOCH_NAMES, 0), (RATE_NAMES, 0.0)):
        names = [n for n in estimator.get_params() if n.split("__")[-1] in endings]
        try:
            _fit(
                _seeded_clone(estimator, seed).set_params(**dict.fromkeys(names, value)), X, y, seed
            )
        except Exception:
            continue
        if names:
            return dict.fromkeys(names, value)
    return None


def _reinitialise(estimator, seed):
    """Draw new first weights for every network among the estimator's parameters."""
    with _global_seed(seed):
        for value in estimator.get_params().values():
            for layer in value.modules() if _is_network(value) else ():
                if hasattr(layer, "reset_parameters"):
                    layer.reset_parameters()


def _is_network(value):
    return (
        hasattr(value, "state_dict") and hasattr(value, "modules") and not isinstance(value, type)
    )


def _plain_params(estimator):
    """Return the parameters that are not estimators, which a Pipeline fits in place."""
    params = estimator.get_params()
    return {name: value for name, value in params.items() if not hasattr(value, "get_params")}


def _differ(a, b):
    """Say whether two values differ in any number they hold."""
    if isinstance(a, type) or hasattr(a, "get_params"):
        return False
    if hasattr(a, "state_dict"):
        a, b = a.state_dict(), b.state_dict()
    if hasattr(a, "detach"):
        a, b = a.detach().cpu().numpy(), b.detach().cpu().numpy()
    if isinstance(a, dict):
        return a.keys() != b.keys() or any(_differ(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) != len(b) or any(map(_differ, a, b))
    if isinstance(a, np.ndarray):
        return not np.array_equal(a, b)
    if type(a).__eq__ is object.__eq__:  # compares identities: look inside instead
        return hasattr(a, "__dict__") and _differ(vars(a), vars(b))
    return bool(a != b)


def _predictions(estimator, X):
    """Return the finest predictions there are."""
    for method in ("predict_proba", "decision_function", "predict"):
        if hasattr(estimator, method):
            return np.asarray(getattr(estimator, method)(X))


def _distance(a, b):
    """Return the mean absolute difference of numbers, the share of unequal labels."""
    if a.dtype.kind == "f":
        return float(np.abs(a - b).mean())
    return float((a != b).mean())


def _limit(repeats):
    """Return the largest value that chance explains, by what repeats of a fit gave."""
    return np.mean(repeats) + N_DEVIATIONS * np.std(repeats)
