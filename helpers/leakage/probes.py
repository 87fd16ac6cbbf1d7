"""What canaries share: clones fitted under a seed, put back to the start, and compared."""

import copy
import random
import warnings
from contextlib import contextmanager
from functools import partial
from numbers import Integral
from types import MethodType, MethodWrapperType

import numpy as np
from scipy import stats
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils import check_random_state

from helpers._compat import _num_samples
from helpers.global_state import seeded_globally
from helpers.leakage.fitting import check_is_estimator, fit_with
from helpers.tensors import as_numpy

N_SEEDS = 2**32  # that numpy and torch both take
N_REPEATS = 6  # on each side, where chance is to be told from a leak
N_REFERENCES = 199  # exceeded by all of them by chance: 0.5 %
P_VALUE = 0.005
METHODS = ("predict_proba", "decision_function", "predict")  # the finest first
EPOCH_NAMES = ("epochs", "max_epochs", "n_epochs", "max_iter")
RATE_NAMES = ("lr", "learning_rate", "learning_rate_init")


def seed_of(random_state):
    """Return a seed from 0 to 2**32 - 1: the number given, or one drawn where it is a generator.

    None draws from numpy's global generator, as in scikit-learn.
    """
    if isinstance(random_state, Integral):
        return int(random_state) % N_SEEDS
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(N_SEEDS))
    return int(check_random_state(random_state).randint(N_SEEDS, dtype=np.uint32))


@contextmanager
def global_seed(seed):
    """Seed the global generators of Python, numpy and torch; put them back after."""
    seed = seed_of(seed)
    with seeded_globally(seed):
        random.seed(seed)
        np.random.seed(seed)
        yield


def fit_seeded(estimator, X, y, seed, groups=None):
    """Fit under a seed, and return the estimator, which a `fit` of one's own may not do."""
    X, y = own_copy(X), own_copy(y)
    with global_seed(seed), warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        try:
            fit_with(groups, estimator, X, y)
        except NotFittedError as error:
            raise ValueError(
                "fit asks for a part that is fitted, as cv='prefit' does, but a clone forgets what "
                "was fitted: let fit fit it, or hand it over in a FrozenEstimator."
            ) from error
    return estimator


def own_copy(values):
    """Return a copy, for an estimator that changes in place what it is given.

    What is read-only, as a file mapped by `np.memmap` may be, is returned as it is.
    """
    if isinstance(values, np.ndarray) and not values.flags.writeable:
        return values
    if isinstance(values, list | tuple):
        return copy.deepcopy(values)
    if hasattr(values, "detach"):  # a tensor
        return values.clone()
    return values.copy() if hasattr(values, "copy") else values


def seeded_clone(estimator, seed):
    """Clone, with every `random_state` set: noise that a seed controls is not memory."""
    check_is_estimator(estimator)
    subject = clone(estimator)
    names = [n for n in subject.get_params() if n.split("__")[-1] == "random_state"]
    subject.set_params(**dict.fromkeys(names, seed_of(seed)))  # FrozenEstimator's returns nothing
    return subject


def without_training(estimator, X, y, seed, groups=None):
    """Return the parameters under which `fit` learns nothing, or None."""
    for endings, value in ((EPOCH_NAMES, 0), (RATE_NAMES, 0.0)):
        names = [n for n in estimator.get_params() if n.split("__")[-1] in endings]
        if not names:
            continue
        untrained = dict.fromkeys(names, value)
        try:
            told = [_predictions_after(estimator, untrained, X, y, seed, groups)]
            others = np.random.RandomState(seed).permutation(y)
            told.append(_predictions_after(estimator, untrained, X, others, seed, groups))
        except Exception:
            continue  # an estimator may insist on a positive number, or on being trained
        # Some take a first step in any case: then other labels lead to other predictions.
        if distance(*told) < 1e-6:
            return untrained
    return None


def _predictions_after(estimator, params, X, y, seed, groups):
    subject = seeded_clone(estimator, seed).set_params(**params)
    fit_seeded(subject, X, y, seed, groups).score(X, y)
    return predictions_of(subject, X)


def reinitialise(networks, seed):
    """Draw new first weights for every network."""
    with global_seed(seed):
        for network in networks:
            for layer in network.modules():
                if hasattr(layer, "reset_parameters"):
                    layer.reset_parameters()


def plain_params(estimator):
    """Return the parameters that are not estimators, which a Pipeline fits in place."""
    params = estimator.get_params()
    return {name: value for name, value in params.items() if not hasattr(value, "get_params")}


def differ(a, b, seen=None):
    """Say whether two values differ in any number they hold."""
    seen = set() if seen is None else seen
    if a is b or isinstance(a, type) or hasattr(a, "get_params") or (id(a), id(b)) in seen:
        return False
    if type(a) is not type(b):
        return True
    seen.add((id(a), id(b)))  # a value may hold itself
    if hasattr(a, "state_dict"):
        a, b = a.state_dict(), b.state_dict()
    if hasattr(a, "detach"):
        a, b = as_numpy(a), as_numpy(b)
    if hasattr(a, "toarray"):  # sparse: the numbers, and where they are
        some, others = ([m.data, m.row, m.col] for m in (a.tocoo(), b.tocoo()))
        return a.shape != b.shape or differ(some, others)
    if hasattr(a, "equals"):  # a table, a column or an index of pandas
        return not a.equals(b)
    if isinstance(a, dict):
        return a.keys() != b.keys() or any(differ(a[key], b[key], seen) for key in a)
    if isinstance(a, np.ndarray) and a.dtype.kind != "O":
        return not np.array_equal(a, b, equal_nan=a.dtype.kind in "fcmM")
    if isinstance(a, np.ndarray):  # of objects
        return a.shape != b.shape or differ(a.ravel().tolist(), b.ravel().tolist(), seen)
    if isinstance(a, list | tuple):
        return len(a) != len(b) or any(differ(*pair, seen) for pair in zip(a, b, strict=True))
    if isinstance(a, MethodType | MethodWrapperType):  # a copy of it belongs to another object
        return a.__name__ != b.__name__ or differ(a.__self__, b.__self__, seen)
    if isinstance(a, partial) and any(
        differ(getattr(a, name), getattr(b, name), seen) for name in ("func", "args", "keywords")
    ):
        return True
    if type(a).__eq__ is object.__eq__:  # compares identities: look inside instead
        return hasattr(a, "__dict__") and differ(vars(a), vars(b), seen)
    both_nan = a != a and b != b  # the default of GridSearchCV's error_score
    return bool(np.any(a != b)) and not both_nan


def predictions_of(estimator, X, methods=METHODS):
    """Return the finest predictions there are; of several targets, side by side.

    Raises
    ------
    TypeError
        If it cannot predict.
    ValueError
        If it predicts no finite numbers, or not one row for each row.
    """
    method = next((method for method in methods if hasattr(estimator, method)), None)
    if method is None:
        raise TypeError(
            f"It takes an estimator that has one of the methods {', '.join(METHODS)}; got "
            f"{estimator!r:.80}."
        )
    predicted, n = getattr(estimator, method)(own_copy(X)), _num_samples(X)
    predicted = predicted.toarray() if hasattr(predicted, "toarray") else predicted
    if isinstance(predicted, list) and np.ndim(predicted[0]) == 2:  # one table a target
        predicted = np.hstack(predicted)
    predicted = np.asarray(as_numpy(predicted))
    if predicted.shape[:1] != (n,):
        raise ValueError(
            f"{method} must give one row for each of the {n} rows; got shape {predicted.shape}."
        )
    if predicted.dtype.kind == "f" and not np.isfinite(predicted).all():
        raise ValueError(f"{method} gives nan or inf, which cannot be compared.")
    return predicted


def distance(a, b):
    """Return the mean absolute difference of numbers, the share of unequal labels."""
    if a.dtype.kind == "f":
        return float(np.abs(a - b).mean())
    return float((a != b).mean())


def compare(found, by_chance, n_tries=1):
    """Draw differences that may come from a leak, and differences that chance alone makes.

    Parameters
    ----------
    found, by_chance : callable
        Without arguments; each call returns a new difference, 0 for none.
    n_tries : int
        Of `found`; if all are 0, nothing else is drawn.

    Returns
    -------
    leaked : bool
        Whether the differences found are larger, by a one-sided Mann-Whitney test at 0.5 %.
        Where repeats do not differ at all, any difference counts.
    means : pair of float
        Of those found, and of those by chance.
    """
    differences, repeats = [found() for _ in range(n_tries)], [0.0]
    if leaked := any(differences):
        differences += [found() for _ in range(N_REPEATS - n_tries)]
        repeats = [by_chance() for _ in range(N_REPEATS)]
        if any(repeats):
            test = stats.mannwhitneyu(differences, repeats, alternative="greater")
            leaked = bool(test.pvalue < P_VALUE)
    return leaked, (np.mean(differences), np.mean(repeats))
