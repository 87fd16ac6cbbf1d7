"""What a kind of leak is made of: its record, and what its procedures share."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import (
    StratifiedGroupKFold,
    StratifiedKFold,
    TimeSeriesSplit,
    cross_val_score,
    train_test_split,
)

KINDS = {}


@dataclass(frozen=True)
class Kind:
    """One kind of leak: data whose truth is known, and a procedure that can be leaky or honest.

    Attributes
    ----------
    name : str
    code : str
        In the taxonomy of Kapoor and Narayanan (2023), L1.1 to L3.3; "-" where it has none.
    data : callable
        ``data(seed)`` returns ``X, y`` or ``X, y, extra``, where `extra` is a dict of what `split`
        takes; canaries take groups, time and horizon from it.
    score : callable
        ``score(X, y, seed, leaky, **extra)``: from the raw data to the number reported.
    leak : callable
        The function in which the leak is: the one to read.
    learn : callable or None
        ``learn(X, y, train, test, seed, leaky)`` returns a predictor of raw rows.
    split : callable or None
        ``split(X, y, seed, leaky, **extra)`` returns pairs (train, test); None where the
        procedure does not split the rows it was given.
    estimator : callable or None
        ``estimator(X, y, seed, leaky)``, where the leak is in the estimator.
    columns : callable
        ``columns(X, leaky)``, where the leak is in the table.
    chance : float or None
        What the honest procedure scores if the labels are permuted; None where it is measured.
    """

    name: str
    code: str
    data: Callable
    score: Callable
    leak: Callable
    learn: Callable | None = None
    split: Callable | None = None
    estimator: Callable | None = None
    columns: Callable = lambda X, leaky: X
    chance: float | None = 0.5

    def draw(self, seed, leaky):
        """Return (X, y, extra), where `extra` may be empty."""
        X, y, *extra = self.data(seed)
        return self.columns(X, leaky), y, extra[0] if extra else {}


def add(name, code, data, **kind):
    KINDS[name] = Kind(name, code, data, **kind)


# Where a leak can be: each of these registers the function below it ------------------------------


def in_learning(name, code, data, *, split=None):
    """A `learn` that uses what it should not."""

    def register(learn):
        add(name, code, data, leak=learn, **learned(learn, split or folds))
        return learn

    return register


def in_split(name, code, data, model, *, metric=balanced_accuracy_score, chance=0.5):
    """A `split` whose test rows are not new; ``model(seed)`` is an estimator."""

    def learn(X, y, train, test, seed, leaky):
        return model(seed).fit(X[train], y[train])

    def register(split):
        add(name, code, data, leak=split, chance=chance, **learned(learn, split, metric))
        return split

    return register


def in_columns(name, code, data, model, *, split=None, metric=balanced_accuracy_score, chance=0.5):
    """A table with a column too many; ``model(seed)`` is an estimator."""

    def learn(X, y, train, test, seed, leaky):
        return model(seed).fit(X[train], y[train])

    def register(columns):
        parts = learned(learn, split or folds, metric)
        add(name, code, data, leak=columns, columns=columns, chance=chance, **parts)
        return columns

    return register


def in_estimator(name, code, data, *, split=None, how=None, chance=0.5):
    """An `estimator` that knows too much; ``how(model, X, y, cv)`` scores it."""
    split = split or folds

    def register(estimator):
        def score(X, y, seed, leaky, **extra):
            cv = split(X, y, seed, leaky, **extra)
            return float((how or cross_validated)(estimator(X, y, seed, leaky), X, y, cv))

        def learn(X, y, train, test, seed, leaky):
            return clone(estimator(X, y, seed, leaky)).fit(X[train], y[train])

        parts = {"score": score, "estimator": estimator, "split": split, "chance": chance}
        if how is None:  # otherwise no fold stands for itself
            parts["learn"] = learn
        add(name, code, data, leak=estimator, **parts)
        return estimator

    return register


def in_procedure(name, code, data):
    """A `score` that leaks as a whole."""

    def register(score):
        add(name, code, data, leak=score, score=score)
        return score

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


# Splits, scores, and what happens within folds ----------------------------------------------------


def folds(X, y, seed, leaky=False, **extra):
    """Return five folds, the same for honest and leaky."""
    return list(StratifiedKFold(5, shuffle=True, random_state=seed).split(X, y))


def one_split(X, y, seed, leaky=False, **extra):
    """Return a single pair of training and test rows."""
    return [part_of(np.arange(len(X)), y, seed)]


def in_order(X, y, seed, leaky=False, **extra):
    """Return five folds whose test rows come after all that they train."""
    return list(TimeSeriesSplit(5).split(X))


def folds_of(groups, X, y, seed):
    """Return five folds that keep the rows of a group together."""
    splitter = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
    return list(splitter.split(X, y, groups))


def part_of(rows, y, seed):
    """Set a quarter of some rows aside; return (the others, those)."""
    return train_test_split(rows, test_size=0.25, stratify=y[rows], random_state=seed)


def balanced_accuracy(model, X, y):
    """Score as scikit-learn's scorer of that name, also where a model has no `classes_`."""
    return balanced_accuracy_score(y, model.predict(X))


def cross_validated(model, X, y, cv):
    """Score a clone of the model in each fold."""
    return cross_val_score(model, X, y, cv=cv, scoring=balanced_accuracy).mean()


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
