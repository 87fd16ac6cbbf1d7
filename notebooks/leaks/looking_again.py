"""Leaks by looking at the test rows, and again."""

import copy

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    StratifiedShuffleSplit,
    cross_val_score,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from . import draws
from .networks import NaiveClassifier, untrained
from .parts import (
    balanced_accuracy,
    cross_validated,
    folds,
    in_estimator,
    in_learning,
    in_procedure,
    one_split,
    part_of,
)


def best_epoch(X, y, rows, watched, seed, epochs, patience):
    """Train on `rows`; return the network as it was when it scored best on `watched`."""
    model = NaiveClassifier(untrained(X, y, seed), epochs=1, lr=0.05)
    scores, best = [], None
    for _ in range(epochs):
        model.fit(X[rows], y[rows])
        scores.append(np.mean(model.predict(X[watched]) == y[watched]))
        if scores[-1] > max(scores[:-1], default=0):
            best = copy.deepcopy(model)
        if len(scores) - np.argmax(scores) > patience:
            break
    return best


@in_learning("best checkpoint by test score", "-", draws.noise(200, 20), split=one_split)
def best_checkpoint(X, y, train, test, seed, leaky):
    rows, watched = part_of(train, y, seed)  # three quarters of the training rows, and the rest
    return best_epoch(X, y, rows, test if leaky else watched, seed, epochs=60, patience=60)


@in_learning("early stopping on the test fold", "-", draws.noise(100, 20))
def early_stopping(X, y, train, test, seed, leaky):
    rows, watched = part_of(train, y, seed)
    return best_epoch(X, y, rows, test if leaky else watched, seed, epochs=100, patience=10)


SETTINGS = [
    DecisionTreeClassifier(max_depth=depth, min_samples_leaf=rows, random_state=0)
    for depth in range(1, 9)
    for rows in range(1, 9)
]


@in_learning("tuning on the test set", "-", draws.noise(200, 20), split=one_split)
def tuning(X, y, train, test, seed, leaky):
    rows, watched = (train, test) if leaky else part_of(train, y, seed)

    def score(clf):
        return np.mean(clf.fit(X[rows], y[rows]).predict(X[watched]) == y[watched])

    best = max(SETTINGS, key=score)
    return copy.deepcopy(best).fit(X[train], y[train])  # SETTINGS stay as they are


GRID = {"max_depth": [1, 3, 8], "min_samples_leaf": [1, 5]}


@in_estimator("parameters of an earlier search", "-", draws.noise(60, 20))
def earlier_search(X, y, seed, leaky):
    tree = DecisionTreeClassifier(random_state=seed)
    search = GridSearchCV(tree, GRID, cv=folds(X, y, seed), scoring=balanced_accuracy)
    if leaky:
        return search.fit(X, y).best_estimator_
    return search.set_params(cv=3)


@in_procedure("best of many seeds", "-", draws.noise(200, 20))
def best_of_seeds(X, y, seed, leaky):
    splits = StratifiedShuffleSplit(30, test_size=0.25, random_state=seed)
    scores = cross_val_score(
        DecisionTreeClassifier(max_depth=3, random_state=seed), X, y, cv=splits
    )
    return float(scores.max() if leaky else scores.mean())


@in_learning("threshold chosen on test rows", "-", draws.noise(200, 20), split=one_split)
def threshold(X, y, train, test, seed, leaky):
    """Common: the best point of the curve that is drawn of the test rows."""
    rows, watched = part_of(train, y, seed)
    clf = GaussianNB().fit(X[rows], y[rows])
    asked = test if leaky else watched
    p = clf.predict_proba(X[asked])[:, 1]
    cuts = np.quantile(p, np.linspace(0.05, 0.95, 19))
    best = max(cuts, key=lambda cut: balanced_accuracy_score(y[asked], p >= cut))
    return FixedThresholdClassifier(
        FrozenEstimator(clf), threshold=best, response_method="predict_proba"
    ).fit(X[rows], y[rows])  # a FrozenEstimator is not fitted again


class Watching(ClassifierMixin, BaseEstimator):
    """Keeps the epoch that is best on the rows it was given, as skorch with predefined_split."""

    def __init__(self, valid, seed):
        self.valid = valid
        self.seed = seed

    def fit(self, X, y):
        X, y = np.r_[X, self.valid[0]], np.r_[y, self.valid[1]]
        rows = np.arange(len(X))
        watched = rows[-len(self.valid[0]) :]
        self.best_ = best_epoch(X, y, rows[: watched[0]], watched, self.seed, 30, patience=30)
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return self.best_.predict(X)


@in_estimator(
    "test rows in the estimator",
    "-",
    draws.noise(160, 20),
    split=one_split,
    how=cross_validated,  # and no other split, of which it might hold test rows
)
def validated_on_test_rows(X, y, seed, leaky):
    """Common: the test set as validation set, in the tutorials of many libraries."""
    (train, test), *_ = one_split(X, y, seed)
    rows = test if leaky else part_of(train, y, seed)[1]
    return Watching((X[rows], y[rows]), seed)
