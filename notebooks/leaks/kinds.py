"""The kinds of leaks as code, each honest or leaky as the argument `leaky` says.

In each function the honest and the leaky procedure differ only where it asks for `leaky`.
"""

import copy

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, euclidean_distances, r2_score
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedShuffleSplit,
    cross_val_score,
    permutation_test_score,
)
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, TargetEncoder
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from torch import nn

from helpers import TorchClassifier

from . import draws
from .parts import (
    Resampled,
    balanced_accuracy,
    cross_validated,
    folds,
    folds_of,
    in_columns,
    in_estimator,
    in_learning,
    in_procedure,
    in_split,
    one_split,
    part_of,
)


def network(seed, hidden=32, **settings):
    """Return a classifier for coin flips that always begins anew."""
    return TorchClassifier(module__hidden=hidden, random_state=seed, **settings)


def untrained(X, y, seed, hidden=32):
    """Return a network with its first weights, without a draw from torch's global generator."""
    return network(seed, hidden, epochs=0).fit(X, y).module_


class NaiveClassifier(ClassifierMixin, BaseEstimator):
    """The wrapper of lesson 04: it takes a network, and trains that very object."""

    def __init__(self, network, epochs=25, lr=0.03):
        self.network = network
        self.epochs = epochs
        self.lr = lr
        self.optimizer = torch.optim.Adam(network.parameters(), lr=lr)

    def fit(self, X, y):
        for _ in range(self.epochs):
            self.optimizer.zero_grad()
            loss = nn.functional.cross_entropy(self.network(torch.as_tensor(X)), torch.as_tensor(y))
            loss.backward()
            self.optimizer.step()
        return self

    def predict(self, X):
        return self.network(torch.as_tensor(X)).argmax(dim=1).numpy()


# No clean separation ----------------------------------------------------------------------------


@in_split(
    "no test set",
    "L1.1",
    draws.noise(200, 20),
    lambda seed: DecisionTreeClassifier(random_state=seed),
)
def no_test_set(X, y, seed, leaky):
    rows = np.arange(len(X))
    return [(rows, rows)] if leaky else folds(X, y, seed)


def fit_two(first, second, X, y, seen, train):
    """Fit the first step on the rows `seen`, the second on `train`; they predict together."""
    first.fit(X[seen], y[seen])
    second.fit(first.transform(X[train]), y[train])
    return make_pipeline(first, second)


@in_learning("scaling on all rows", "L1.2", draws.cancer)
def scaling(X, y, train, test, seed, leaky):
    seen = np.union1d(train, test) if leaky else train
    return fit_two(StandardScaler(), LogisticRegression(), X, y, seen, train)


@in_learning("whitening on all rows", "L1.2", draws.few_rows_many_columns)
def whitening(X, y, train, test, seed, leaky):
    seen = np.union1d(train, test) if leaky else train
    return fit_two(PCA(0.97, whiten=True), LogisticRegression(), X, y, seen, train)


@in_learning("selection on all rows", "L1.3", draws.noise(100, 5000))
def selection(X, y, train, test, seed, leaky):
    seen = np.union1d(train, test) if leaky else train
    return fit_two(SelectKBest(k=20), LogisticRegression(), X, y, seen, train)


@in_learning("target encoding on all rows", "L1.2", draws.noise_with_categories)
def target_encoding(X, y, train, test, seed, leaky):
    seen = np.union1d(train, test) if leaky else train
    encoder = TargetEncoder(smooth=1, random_state=seed)
    return fit_two(encoder, LogisticRegression(), X, y, seen, train)


def repeat_rare(X, y, seed):
    """Repeat rows of the rarer class until both are equally frequent."""
    rare = np.flatnonzero(y == 1)
    more = np.random.RandomState(seed).choice(rare, np.sum(y == 0) - len(rare))
    return np.r_[X, X[more]], np.r_[y, y[more]]


@in_procedure("oversampling before the split", "L1.2", draws.rare_noise)
def oversampling(X, y, seed, leaky):
    clf = KNeighborsClassifier(1)
    if leaky:
        X, y = repeat_rare(X, y, seed)
    else:
        clf = Resampled(clf, repeat_rare, seed)
    return cross_validated(clf, X, y, folds(X, y, seed))


def interpolate(X, y, seed):
    """Add points between near rows of the rarer class until both are as frequent (SMOTE)."""
    rng, rare = np.random.RandomState(seed), X[y == 1]
    nearest = euclidean_distances(rare).argsort(axis=1)[:, 1:6]
    one = rng.randint(len(rare), size=len(y) - 2 * len(rare))
    other = nearest[one, rng.randint(5, size=len(one))]
    new = rare[one] + rng.uniform(size=(len(one), 1)) * (rare[other] - rare[one])
    return np.r_[X, new], np.r_[y, np.ones(len(new), dtype=int)]


@in_procedure("SMOTE before the split", "L1.2", draws.rare_noise)
def smote(X, y, seed, leaky):
    clf = SVC(C=10)
    if leaky:
        X, y = interpolate(X, y, seed)
    else:
        clf = Resampled(clf, interpolate, seed)
    return cross_validated(clf, X, y, folds(X, y, seed))


def add_noisy_copies(X, y, seed):
    """Add four noisy copies of each image."""
    noisy = [X + 0.1 * np.random.RandomState(seed + i).normal(size=X.shape) for i in range(4)]
    return np.vstack([X, *noisy]), np.tile(y, 5)


@in_procedure("augmentation before the split", "L1.2", draws.relabelled_digits)
def augmentation(X, y, seed, leaky):
    clf = KNeighborsClassifier(1)
    if leaky:
        X, y = add_noisy_copies(X, y, seed)
    else:
        clf = Resampled(clf, add_noisy_copies, seed)
    return cross_validated(clf, X, y, folds(X, y, seed))


@in_split("duplicates", "L1.4", draws.noise_with_copies, lambda seed: KNeighborsClassifier(1))
def duplicates(X, y, seed, leaky):
    _, twins = np.unique(X, axis=0, return_inverse=True)
    return folds(X, y, seed) if leaky else folds_of(twins, X, y, seed)


# Columns and samples that reality does not offer ------------------------------------------------


@in_columns("a proxy feature", "L2", draws.noise_with_proxy, lambda seed: LogisticRegression())
def proxy(X, leaky):
    return X if leaky else X[:, :-1]


WALK = {"metric": r2_score, "chance": 0.0}


@in_split(
    "future before past", "L3.1", draws.random_walk, lambda seed: KNeighborsRegressor(), **WALK
)
def future(X, y, seed, leaky, time):
    order = np.random.RandomState(seed).permutation(len(time)) if leaky else np.argsort(time)
    cut = 4 * len(time) // 5
    return [(order[:cut], order[cut:])]


@in_split(
    "subjects on both sides",
    "L3.2",
    draws.measured_subjects,
    lambda seed: network(seed, epochs=15, lr=0.03),
)
def subjects(X, y, seed, leaky, groups):
    return folds(X, y, seed) if leaky else folds_of(groups, X, y, seed)


@in_split(
    "only easy cases in the test", "L3.3", draws.half_known, lambda seed: LogisticRegression()
)
def easy_cases(X, y, seed, leaky):
    train, test = part_of(np.arange(len(X)), y, seed)
    easy = test[np.abs(X[test, 0]) > 1]
    return [(train, easy if leaky else test)]


# What an earlier fit has left -------------------------------------------------------------------


def trained(net, X, y):
    """Train a network as someone did yesterday."""
    NaiveClassifier(net, epochs=200, lr=0.01).fit(X, y)


@in_estimator("fitted weights", "-", draws.noise(100, 10))
def fitted_weights(X, y, seed, leaky):
    net = untrained(X, y, seed)
    if leaky:
        trained(net, X, y)
    return NaiveClassifier(net, epochs=20, lr=0.01)


@in_estimator("fitted backbone, new head", "-", draws.noise(100, 10))
def fitted_backbone(X, y, seed, leaky):
    net, new = untrained(X, y, seed), untrained(X, y, seed + 1)
    if leaky:
        trained(net, X, y)
    net.layers[-1] = new.layers[-1]
    return NaiveClassifier(net, epochs=20, lr=0.01)


def one_object(model, X, y, cv):
    """Take one object through the folds, as many loops written by hand do."""
    scores = []
    for train, test in cv:
        model.fit(X[train], y[train])
        scores.append(balanced_accuracy_score(y[test], model.predict(X[test])))
    return np.mean(scores)


@in_estimator("one model in all folds", "-", draws.noise(100, 10), how=one_object)
def reused_model(X, y, seed, leaky):
    if leaky:
        return NaiveClassifier(untrained(X, y, seed, hidden=64))
    return network(seed, hidden=64, epochs=25, lr=0.03)


def permutation_tested(model, X, y, cv):
    """Return the score of a permutation test, which clones the model once, not in each fold."""
    return permutation_test_score(
        model, X, y, cv=cv, scoring=balanced_accuracy, n_permutations=1, random_state=0
    )[0]


@in_estimator("weights in a permutation test", "-", draws.noise(100, 10), how=permutation_tested)
def permutation_test(X, y, seed, leaky):
    if leaky:
        return NaiveClassifier(untrained(X, y, seed, hidden=64))
    return network(seed, hidden=64, epochs=25, lr=0.03)


# Looking at the test set, and again -------------------------------------------------------------


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
    rows, watched = part_of(train, y, seed)
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

    return copy.deepcopy(max(SETTINGS, key=score)).fit(X[train], y[train])


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


# Prediction -------------------------------------------------------------------------------------


def with_batch_norm(n_features, n_outputs):
    hidden = nn.Linear(n_features, 32), nn.BatchNorm1d(32), nn.ReLU()
    return nn.Sequential(nn.BatchNorm1d(n_features), *hidden, nn.Linear(32, n_outputs))


class InTrainingMode(TorchClassifier):
    """It forgets `module.eval()`: each row is scaled by all the rows predicted with it."""

    def predict(self, X):
        net = copy.deepcopy(self.module_).train()
        with torch.no_grad():
            return self.classes_[net(torch.as_tensor(X)).argmax(dim=1).numpy()]

    def predict_proba(self, X):
        net = copy.deepcopy(self.module_).train()
        with torch.no_grad():
            return net(torch.as_tensor(X)).softmax(dim=1).numpy()


def by_sensor(X, y, seed, leaky, sensor):
    return [(np.flatnonzero(sensor == 0), np.flatnonzero(sensor == 1))]


@in_estimator(
    "BatchNorm in training mode", "-", draws.digits_of_two_sensors, split=by_sensor, chance=0.1
)
def batch_norm(X, y, seed, leaky):
    cls = InTrainingMode if leaky else TorchClassifier
    return cls(with_batch_norm, epochs=30, random_state=seed)
