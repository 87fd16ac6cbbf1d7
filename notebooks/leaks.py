"""The gallery of leaks as code: each kind once, honest or leaky as its last argument says.

`KINDS` lists them in the order below, and `inflation` measures one. The honest and the leaky
procedure differ only where a function asks for `leaky`.
"""

import copy

import numpy as np
import torch
from leaks_parts import (
    KINDS,
    Kind,
    Resampled,
    cancer,
    digits_of_two_sensors,
    few_rows_many_columns,
    folds,
    folds_of,
    half_known,
    in_estimator,
    in_learning,
    in_procedure,
    in_split,
    measured_subjects,
    noise,
    noise_with_categories,
    noise_with_copies,
    noise_with_proxy,
    one_split,
    part_of,
    random_walk,
    rare_noise,
    relabelled_digits,
)
from leaks_parts import cross_validated
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, log_loss, r2_score
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    StratifiedShuffleSplit,
    cross_val_score,
    permutation_test_score,
)
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler, TargetEncoder
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from torch import nn

from helpers import TorchClassifier, fused

__all__ = ["KINDS", "Kind", "NaiveClassifier", "inflation"]


def inflation(kind, seeds):
    """Score a kind for several seeds; return an array of shape (n_seeds, 2): honest, leaky."""
    pairs = []
    for seed in seeds:
        X, y, extra = kind.draw(seed)
        pairs.append([kind.score(X, y, seed, leaky, **extra) for leaky in (False, True)])
    return np.array(pairs)


def network(seed, **settings):
    """Return a classifier for coin flips that always begins anew."""
    return TorchClassifier(module__hidden=32, random_state=seed, **settings)


class NaiveClassifier(ClassifierMixin, BaseEstimator):
    """The wrapper of lesson 04: it takes a network, and trains that very object."""

    def __init__(self, network, epochs=50, lr=0.01):
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


def untrained(X, y, seed):
    """Return a network with its first weights, without a draw from torch's global generator."""
    return network(seed, epochs=0).fit(X, y).module_


def fit_two(first, second, X, y, seen, train):
    """Fit the first step on the rows `seen`, the second on `train`; they predict together."""
    first.fit(X[seen], y[seen])
    second.fit(first.transform(X[train]), y[train])
    return make_pipeline(first, second)


# No clean separation ----------------------------------------------------------------------------


@in_split("no test set", "L1.1", noise(200, 20), lambda seed: DecisionTreeClassifier(random_state=0))
def no_test_set(X, y, seed, leaky):
    rows = np.arange(len(X))
    return [(rows, rows)] if leaky else folds(X, y, seed)


@in_learning("scaling on all rows", "L1.2", cancer, expect="harmless")
def scaling(X, y, train, test, seed, leaky):
    seen = np.union1d(train, test) if leaky else train
    return fit_two(StandardScaler(), LogisticRegression(), X, y, seen, train)


@in_learning("whitening on all rows", "L1.2", few_rows_many_columns, expect="deflates")
def whitening(X, y, train, test, seed, leaky):
    seen = np.union1d(train, test) if leaky else train
    return fit_two(PCA(0.9999, whiten=True), LogisticRegression(), X, y, seen, train)


@in_learning("selection on all rows", "L1.3", noise(100, 5000))
def selection(X, y, train, test, seed, leaky):
    seen = np.union1d(train, test) if leaky else train
    return fit_two(SelectKBest(k=20), LogisticRegression(), X, y, seen, train)


@in_learning("target encoding on all rows", "L1.2", noise_with_categories)
def target_encoding(X, y, train, test, seed, leaky):
    seen = np.union1d(train, test) if leaky else train
    encoder = TargetEncoder(smooth=1, random_state=seed)
    return fit_two(encoder, LogisticRegression(), X, y, seen, train)


def oversample(X, y, seed):
    """Repeat rows of the rarer class until both are equally frequent."""
    rare = np.flatnonzero(y == 1)
    more = np.random.RandomState(seed).choice(rare, np.sum(y == 0) - len(rare))
    return np.r_[X, X[more]], np.r_[y, y[more]]


@in_procedure("oversampling before the split", "L1.2", rare_noise)
def oversampling(X, y, seed, leaky):
    clf = KNeighborsClassifier(1)
    if leaky:
        X, y = oversample(X, y, seed)
    else:
        clf = Resampled(clf, oversample, seed)
    return cross_validated(clf, X, y, folds(X, y, seed))


def interpolate(X, y, seed):
    """Add points between rows of the rarer class, as SMOTE does, until both are as frequent."""
    rng, rare = np.random.RandomState(seed), np.flatnonzero(y == 1)
    a, b = rng.choice(rare, (2, np.sum(y == 0) - len(rare)))
    share = rng.uniform(size=(len(a), 1))
    return np.r_[X, share * X[a] + (1 - share) * X[b]], np.r_[y, y[a]]


@in_procedure("SMOTE before the split", "L1.2", rare_noise)
def smote(X, y, seed, leaky):
    clf = SVC(C=10)
    if leaky:
        X, y = interpolate(X, y, seed)
    else:
        clf = Resampled(clf, interpolate, seed)
    return cross_validated(clf, X, y, folds(X, y, seed))


def augment(X, y, seed):
    """Add four noisy copies of each image."""
    noisy = [X + 0.1 * np.random.RandomState(seed + i).normal(size=X.shape) for i in range(4)]
    return np.vstack([X, *noisy]), np.tile(y, 5)


@in_procedure("augmentation before the split", "L1.2", relabelled_digits)
def augmentation(X, y, seed, leaky):
    clf = KNeighborsClassifier(1)
    if leaky:
        X, y = augment(X, y, seed)
    else:
        clf = Resampled(clf, augment, seed)
    return cross_validated(clf, X, y, folds(X, y, seed))


@in_split("duplicates", "L1.4", noise_with_copies, lambda seed: KNeighborsClassifier(1))
def duplicates(X, y, seed, leaky):
    _, twins = np.unique(X, axis=0, return_inverse=True)
    return folds(X, y, seed) if leaky else folds_of(twins, X, y, seed)


# Columns and samples that reality does not offer ------------------------------------------------


def without_last(X):
    return X[:, :-1]


@in_estimator("a proxy feature", "L2", noise_with_proxy)
def proxy(X, y, seed, leaky):
    clf = LogisticRegression()
    return clf if leaky else make_pipeline(FunctionTransformer(without_last), clf)


@in_split(
    "future before past", "L3.1", random_walk, lambda seed: KNeighborsRegressor(), metric=r2_score, chance=0.0
)
def future(X, y, seed, leaky, time):
    order = np.random.RandomState(seed).permutation(len(time)) if leaky else np.argsort(time)
    cut = 4 * len(time) // 5
    return [(order[:cut], order[cut:])]


@in_split("subjects on both sides", "L3.2", measured_subjects, lambda seed: network(seed, epochs=30))
def subjects(X, y, seed, leaky, groups):
    return folds(X, y, seed) if leaky else folds_of(groups, X, y, seed)


@in_split("only easy cases in the test", "L3.3", half_known, lambda seed: LogisticRegression())
def easy_cases(X, y, seed, leaky):
    train, test = part_of(np.arange(len(X)), y, seed)
    easy = test[np.abs(X[test, 0]) > 1]
    return [(train, easy if leaky else test)]


# What an earlier fit has left ---------------------------------------------------------------------


@in_estimator("fitted weights", "-", noise(100, 10))
def fitted_weights(X, y, seed, leaky):
    clf = NaiveClassifier(untrained(X, y, seed), epochs=200)
    if leaky:
        clf.fit(X, y)
    return clf


@in_estimator("fitted backbone, new head", "-", noise(100, 10))
def fitted_backbone(X, y, seed, leaky):
    net, new = untrained(X, y, seed), untrained(X, y, seed + 1)
    if leaky:
        NaiveClassifier(net, epochs=200).fit(X, y)
    net.layers[-1] = new.layers[-1]
    return NaiveClassifier(net, epochs=20)


def one_object(model, X, y, cv):
    """Take one object through the folds, as many loops written by hand do."""
    scores = []
    for train, test in cv:
        model.fit(X[train], y[train])
        scores.append(balanced_accuracy_score(y[test], model.predict(X[test])))
    return np.mean(scores)


@in_estimator("one model in all folds", "-", noise(100, 10), how=one_object)
def reused_model(X, y, seed, leaky):
    return NaiveClassifier(untrained(X, y, seed)) if leaky else network(seed, epochs=50)


def permutation_tested(model, X, y, cv):
    """Return the score, without the p-value; the model is cloned once, not in each fold."""
    return permutation_test_score(model, X, y, cv=cv, n_permutations=1, random_state=0)[0]


@in_estimator("weights in a permutation test", "-", noise(100, 10), how=permutation_tested)
def permutation_test(X, y, seed, leaky):
    return NaiveClassifier(untrained(X, y, seed)) if leaky else network(seed, epochs=50)


# Looking at the test set, and again -------------------------------------------------------------


@in_learning("best checkpoint by test score", "-", noise(200, 20), split=one_split)
def best_checkpoint(X, y, train, test, seed, leaky):
    rows, watch = part_of(train, y, seed)
    if leaky:
        watch = test
    clf, checkpoints = network(seed), []
    for _ in range(40):
        checkpoints.append(copy.deepcopy(clf.partial_fit(X[rows], y[rows])))
    return max(checkpoints, key=lambda clf: clf.score(X[watch], y[watch]))


@in_learning("early stopping on the test fold", "-", noise(100, 20))
def early_stopping(X, y, train, test, seed, leaky):
    rows, watch = part_of(train, y, seed)
    if leaky:
        watch = test
    clf, checkpoints, losses = network(seed), [], []
    while len(losses) < 10 or min(losses[-10:]) == min(losses):
        checkpoints.append(copy.deepcopy(clf.partial_fit(X[rows], y[rows])))
        losses.append(log_loss(y[watch], clf.predict_proba(X[watch])))
    return checkpoints[np.argmin(losses)]


CONFIGURATIONS = {"C": np.logspace(-2, 3, 10), "gamma": np.logspace(-2, 2, 10)}


@in_learning("tuning on the test set", "-", noise(200, 20), split=one_split)
def tuning(X, y, train, test, seed, leaky):
    look = (train, test) if leaky else part_of(train, y, seed)
    search = GridSearchCV(SVC(), CONFIGURATIONS, cv=[look], refit=False).fit(X, y)
    return SVC(**search.best_params_).fit(X[train], y[train])


@in_estimator("parameters of an earlier search", "-", noise(40, 30))
def earlier_search(X, y, seed, leaky):
    cv = StratifiedKFold(5, shuffle=True, random_state=seed)
    search = GridSearchCV(SVC(), {"C": np.logspace(-2, 3, 4), "gamma": np.logspace(-2, 1, 4)}, cv=cv)
    return search.fit(X, y).best_estimator_ if leaky else search


@in_procedure("best of many seeds", "-", noise(200, 20))
def best_of_seeds(X, y, seed, leaky):
    splits = StratifiedShuffleSplit(40, test_size=0.25, random_state=seed)
    with fused():
        scores = cross_val_score(network(seed, epochs=10), X, y, cv=splits)
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


def by_sensor(X, y, seed, leaky, groups):
    return [(np.flatnonzero(groups == 0), np.flatnonzero(groups == 1))]


@in_estimator(
    "BatchNorm in training mode", "-", digits_of_two_sensors, split=by_sensor, chance=0.1
)
def batch_norm(X, y, seed, leaky):
    cls = InTrainingMode if leaky else TorchClassifier
    return cls(with_batch_norm, epochs=30, random_state=seed)
