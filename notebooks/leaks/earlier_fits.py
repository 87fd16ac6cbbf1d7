"""Leaks from earlier fits: in the network handed over, in a file, in a function, between folds."""

import copy
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import joblib
import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import permutation_test_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import ExtraTreeClassifier

from helpers.data import coin_flips

from . import draws
from .networks import NaiveClassifier, network, untrained
from .parts import balanced_accuracy, in_estimator, part_of

TRAINED = {}  # weights, by what they were trained from: canaries ask for the same again and again


def trained(net, X, y, epochs=200):
    """Train a network as someone did yesterday."""
    first = [weight.numpy() for weight in net.state_dict().values()]
    key = joblib.hash((first, X, y, epochs))
    if key in TRAINED:
        net.load_state_dict(TRAINED[key])
        return
    NaiveClassifier(net, epochs=epochs, lr=2 / epochs).fit(X, y)
    net.zero_grad()  # as where the weights are loaded
    TRAINED[key] = copy.deepcopy(net.state_dict())


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


FILES = TemporaryDirectory()  # removed when Python ends
numbers = count()


class Checkpointed(ClassifierMixin, BaseEstimator):
    """Keeps the tree that is best on a quarter of the rows in a file, and the best of all fits."""

    def __init__(self, path, anew, seed):
        self.path = path
        self.anew = anew
        self.seed = seed

    def fit(self, X, y):
        rows, watched = part_of(np.arange(len(X)), y, self.seed)
        if self.anew:
            Path(self.path).unlink(missing_ok=True)
        best = joblib.load(self.path)[0] if Path(self.path).exists() else -1
        for seed in range(self.seed, self.seed + 6):
            tree = ExtraTreeClassifier(random_state=seed).fit(X[rows], y[rows])
            if (score := tree.score(X[watched], y[watched])) > best:
                best = score
                joblib.dump((score, tree), self.path)
        self.tree_ = joblib.load(self.path)[1]
        self.classes_ = self.tree_.classes_
        return self

    def predict(self, X):
        return self.tree_.predict(X)


@in_estimator("one checkpoint file for all folds", "-", draws.noise(100, 10))
def checkpoint(X, y, seed, leaky):
    """Done by training scripts that go on from a checkpoint, if there is one."""
    return Checkpointed(f"{FILES.name}/{next(numbers)}", anew=not leaky, seed=seed)


@in_estimator("a backbone in a function", "-", draws.noise(100, 10))
def backbone_in_a_function(X, y, seed, leaky):
    """Common: columns that a network makes, trained before the rows were split."""
    rows = (X, y) if leaky else coin_flips(100, 10, random_state=seed + 1000)
    net = untrained(X, y, seed)
    trained(net, *rows, epochs=60)
    layers = net.layers[:2]
    through = FunctionTransformer(lambda rows: layers(torch.as_tensor(rows)).detach().numpy())
    return make_pipeline(through, LogisticRegression())
