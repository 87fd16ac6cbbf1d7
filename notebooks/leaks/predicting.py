"""Leaks while predicting: a prediction that depends on other rows, or on chance."""

import copy

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from torch import nn

from helpers import TorchClassifier

from . import draws
from .parts import in_estimator


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


class AddNoise(TransformerMixin, BaseEstimator):
    """Augments the rows that are trained on; a Pipeline asks it to transform test rows as well."""

    def __init__(self, when_predicting, seed):
        self.when_predicting = when_predicting
        self.seed = seed

    def fit_transform(self, X, y=None):
        self.rng_ = np.random.RandomState(self.seed)
        return X + self.rng_.normal(scale=0.3, size=X.shape)

    def fit(self, X, y=None):
        self.fit_transform(X)
        return self

    def transform(self, X):
        if not self.when_predicting:
            return X
        return X + self.rng_.normal(scale=0.3, size=X.shape)


@in_estimator("augmentation as a Pipeline step", "-", draws.some_digits, chance=0.1)
def augmentation_step(X, y, seed, leaky):
    """Not reported, as far as we know."""
    return make_pipeline(AddNoise(leaky, seed), KNeighborsClassifier(1))
