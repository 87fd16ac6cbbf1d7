"""What the kinds of `leaks` are made of: the record of a kind, its splits and its data."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_score
from sklearn.model_selection import train_test_split

from helpers.data import coin_flips

# A kind of leak --------------------------------------------------------------------------------

KINDS = []


@dataclass(frozen=True)
class Kind:
    """One kind of leak: data whose truth is known, and a procedure that can be leaky or honest.

    Attributes
    ----------
    name : str
    code : str
        In the taxonomy of Kapoor and Narayanan (2023), L1.1 to L3.3; "-" where it has none.
    data : callable
        ``data(seed)`` returns ``X, y`` or ``X, y, extra``; `extra` holds "groups" or "time".
    score : callable
        ``score(X, y, seed, leaky, **extra)``: from the raw data to the number reported.
    leak : callable
        The one of the functions here in which the leak is: the one to read.
    learn : callable or None
        ``learn(X, y, train, test, seed, leaky)`` returns a predictor of raw rows.
    split : callable or None
        ``split(X, y, seed, leaky, **extra)`` returns pairs (train, test); None where the
        procedure does not split the rows it was given.
    estimator : callable or None
        ``estimator(X, y, seed, leaky)``, where the leak is in the estimator.
    chance : float
        What the honest procedure scores if the labels are permuted.
    expect : {"inflates", "harmless", "deflates"}
    """

    name: str
    code: str
    data: Callable
    score: Callable
    leak: Callable
    learn: Callable | None = None
    split: Callable | None = None
    estimator: Callable | None = None
    chance: float = 0.5
    expect: str = "inflates"

    def draw(self, seed):
        """Return (X, y, extra), where `extra` may be empty."""
        X, y, *extra = self.data(seed)
        return X, y, extra[0] if extra else {}


def in_learning(name, code, data, *, split=None, **kind):
    """Register a `learn` that uses what it should not."""

    def register(learn):
        KINDS.append(Kind(name, code, data, leak=learn, **learned(learn, split or folds), **kind))
        return learn

    return register


def in_split(name, code, data, model, *, metric=balanced_accuracy_score, **kind):
    """Register a `split` whose test rows are not new; ``model(seed)`` is an estimator."""

    def learn(X, y, train, test, seed, leaky):
        return model(seed).fit(X[train], y[train])

    def register(split):
        KINDS.append(Kind(name, code, data, leak=split, **learned(learn, split, metric), **kind))
        return split

    return register


def learned(learn, split, metric=balanced_accuracy_score):
    """Return the parts of a kind that learns on `train` and is scored on `test`."""

    def score(X, y, seed, leaky, **extra):
        scores = []
        for train, test in split(X, y, seed, leaky, **extra):
            predictor = learn(X, y, train, test, seed, leaky)
            scores.append(metric(y[test], predictor.predict(X[test])))
        return float(np.mean(scores))

    return {"score": score, "learn": learn, "split": split}


def balanced_accuracy(model, X, y):
    """Score as scikit-learn's scorer of that name, also where a model has no `classes_`."""
    return balanced_accuracy_score(y, model.predict(X))


def cross_validated(model, X, y, cv):
    """Score a clone of the model in each fold."""
    return cross_val_score(model, X, y, cv=cv, scoring=balanced_accuracy).mean()


def in_estimator(name, code, data, *, split=None, how=cross_validated, **kind):
    """Register an `estimator` that knows too much; ``how(model, X, y, cv)`` scores it."""
    split = split or folds

    def register(estimator):
        def score(X, y, seed, leaky, **extra):
            cv = split(X, y, seed, leaky, **extra)
            return float(how(estimator(X, y, seed, leaky), X, y, cv))

        def learn(X, y, train, test, seed, leaky):
            return clone(estimator(X, y, seed, leaky)).fit(X[train], y[train])

        parts = {"score": score, "estimator": estimator, "split": split}
        if how is cross_validated:  # otherwise no fold stands for itself
            parts["learn"] = learn
        KINDS.append(Kind(name, code, data, leak=estimator, **parts, **kind))
        return estimator

    return register


def in_procedure(name, code, data, **kind):
    """Register a `score` that leaks as a whole."""

    def register(score):
        KINDS.append(Kind(name, code, data, leak=score, score=score, **kind))
        return score

    return register


# Splits, and what happens within them -----------------------------------------------------------


def folds(X, y, seed, leaky=False, **extra):
    """Return five folds, the same for honest and leaky."""
    return list(StratifiedKFold(5, shuffle=True, random_state=seed).split(X, y))


def one_split(X, y, seed, leaky=False, **extra):
    """Return a single pair of training and test rows."""
    return [part_of(np.arange(len(X)), y, seed)]


def folds_of(groups, X, y, seed):
    """Return five folds that keep the rows of a group together."""
    splitter = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
    return list(splitter.split(X, y, groups))


def part_of(rows, y, seed):
    """Set a quarter of some rows aside; return (the others, those)."""
    return train_test_split(rows, test_size=0.25, stratify=y[rows], random_state=seed)


class Resampled(ClassifierMixin, BaseEstimator):
    """A classifier that resamples the rows given to `fit`, and no others."""

    def __init__(self, model, resample, seed):
        self.model = model
        self.resample = resample
        self.seed = seed

    def fit(self, X, y):
        self.model_ = clone(self.model).fit(*self.resample(X, y, self.seed))
        self.classes_ = self.model_.classes_
        return self

    def predict(self, X):
        return self.model_.predict(X)


# Data whose truth is known ------------------------------------------------------------------------


def noise(n_rows, n_features):
    """Labels are coin flips: 0.5 is all that anyone can know."""
    return lambda seed: coin_flips(n_rows, n_features, random_state=seed)


def rare_noise(seed):
    """One row in ten is positive, which ones is chance."""
    X, _ = coin_flips(200, 20, random_state=seed)
    return X, np.random.RandomState(seed).permutation(np.arange(200) < 20).astype(int)


def noise_with_copies(seed):
    """Coin flips of which half the rows are in the table twice."""
    X, y = coin_flips(200, 10, random_state=seed)
    rows = np.random.RandomState(seed).permutation(np.r_[:200, :100])
    return X[rows], y[rows]


def noise_with_proxy(seed):
    """Coin flips and, last, a column that was written down when the outcome was known."""
    X, y = coin_flips(200, 10, random_state=seed)
    return np.c_[X, y + 0.35 * np.random.RandomState(seed).normal(size=200)], y


def noise_with_categories(seed):
    """Coin flips and one column, in which of 250 places."""
    rng = np.random.RandomState(seed)
    return rng.randint(250, size=(1000, 1)).astype(float), rng.randint(2, size=1000)


def random_walk(seed):
    """No one knows where it goes: a guess from the past has an R2 of 0 at best."""
    y = np.random.RandomState(seed).normal(size=500).cumsum()
    time = np.arange(500)
    return time[:, None] / 500, y, {"time": time}


def measured_subjects(seed):
    """Forty persons measured ten times; whether one is ill is a coin flip."""
    rng = np.random.RandomState(seed)
    groups = np.repeat(np.arange(40), 10)
    X = rng.normal(size=(40, 10))[groups] + 0.5 * rng.normal(size=(400, 10))
    return X, rng.permutation(np.arange(40) % 2)[groups], {"groups": groups}


def half_known(seed):
    """A sum of two numbers of which one is seen: its sign can be known 3 times in 4."""
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(2000, 5))
    return X, (X[:, 0] + rng.normal(size=2000) > 0).astype(int)


def few_rows_many_columns(seed):
    """Each of 300 columns knows a little."""
    rng = np.random.RandomState(seed)
    y = rng.permutation(np.arange(80) % 2)
    return rng.normal(size=(80, 300)) + 0.12 * (2 * y[:, None] - 1), y


def cancer(seed):
    """A hundred patients of the breast cancer data."""
    X, y = load_breast_cancer(return_X_y=True)
    X, _, y, _ = train_test_split(X, y, train_size=100, stratify=y, random_state=seed)
    return X, y


def relabelled_digits(seed):
    """Two hundred images, labelled by a coin."""
    rng = np.random.RandomState(seed)
    X = load_digits().data / 16
    return X[rng.choice(len(X), 200, replace=False)], rng.permutation(np.arange(200) % 2)


def digits_of_two_sensors(seed):
    """Six hundred images; the second half comes from a sensor that is brighter and duller."""
    X, y = load_digits(return_X_y=True)
    rows = np.random.RandomState(seed).choice(len(X), 600, replace=False)
    sensor = np.repeat([0, 1], 300)
    X = np.where(sensor[:, None] == 1, 0.3 * X[rows] / 16 + 2, X[rows] / 16)
    return X, y[rows], {"groups": sensor}
