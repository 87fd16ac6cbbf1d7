"""Each canary fires on the leaks it is for, and stays quiet on the honest."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier
from torch import nn

from helpers import (
    MLP,
    TorchClassifier,
    TorchRegressor,
    batch_mates,
    carried_weights,
    carry_over,
    purity,
    refit,
)
from helpers.data import coin_flips
from tests.networks import NaiveClassifier

CANARIES = {
    "purity": purity,
    "refit": refit,
    "carried": carried_weights,
    "over": carry_over,
    "mates": batch_mates,
}
X, y = coin_flips()
X32 = X.astype(np.float32)


class Net(MLP):
    def __init__(self):
        super().__init__(10, 2, hidden=64)


def skorch(module):
    return NeuralNetClassifier(
        module,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=0.01,
        max_epochs=60,
        train_split=None,
        verbose=0,
    )


def naive(epochs=100):
    torch.manual_seed(0)
    return NaiveClassifier(MLP(10, 2, hidden=64).double(), epochs=epochs)


class Stubborn(TorchClassifier):
    """Keeps training one network from fit to fit, outside its parameters."""

    def fit(self, X, y):
        for _ in range(self.epochs):
            self.partial_fit(X, y)
        return self


def outside():
    """An estimator that keeps its network where neither `get_params` nor `clone` looks."""
    shared = MLP(10, 2, hidden=64).double()

    class Outside(ClassifierMixin, BaseEstimator):
        def __init__(self, epochs=60):
            self.epochs = epochs

        def fit(self, X, y):
            NaiveClassifier(shared, self.epochs).fit(X, y)
            return self

        def predict(self, X):
            return NaiveClassifier(shared).predict(X)

    return Outside()


def with_new_head():
    """A network whose hidden layer was fitted, and whose last layer is new."""
    model = naive().fit(X, y)
    torch.manual_seed(1)
    model.network.layers[-1].reset_parameters()
    return NaiveClassifier(model.network, epochs=20)


earlier = TorchClassifier(epochs=200, module__hidden=64, random_state=0).fit(X, y).module_


def from_checkpoint(n_features, n_outputs):
    """A recipe that looks for weights of an earlier fit, and finds them."""
    network = MLP(n_features, n_outputs, hidden=64)
    network.load_state_dict(earlier.state_dict())
    return network


ALL = {"purity", "refit", "carried", "over"}
LEAKY = {
    "naive fitted": (lambda: naive().fit(X, y), X, ALL),
    "naive fresh": (naive, X, ALL - {"carried"}),
    "skorch fitted instance": (lambda: skorch(Net()).fit(X32, y), X32, ALL),
    "skorch fresh instance": (lambda: skorch(Net()), X32, ALL - {"carried"}),
    "recipe with a checkpoint": (lambda: TorchClassifier(from_checkpoint), X, {"carried"}),
    "fitted, in a Pipeline": (
        lambda: make_pipeline(StandardScaler(), TorchClassifier(from_checkpoint)),
        X,
        {"carried"},
    ),
    "fitted backbone, new head": (with_new_head, X, ALL),
    "network outside the parameters": (outside, X, {"over", "refit"}),
    "skorch fitted instance, in a Pipeline": (
        lambda: make_pipeline(StandardScaler(), skorch(Net()).fit(X32, y)),
        X32,
        ALL,
    ),
    "naive fitted, under a GridSearchCV": (
        lambda: GridSearchCV(naive().fit(X, y), {"epochs": [50]}, cv=2),
        X,
        {"carried"},
    ),
    "skorch fitted instance, under a GridSearchCV": (
        lambda: GridSearchCV(skorch(Net()).fit(X32, y), {"lr": [0.01]}, cv=2),
        X32,
        {"carried"},
    ),
    "continued by partial_fit": (lambda: Stubborn(epochs=60), X, {"refit", "over"}),
    "warm start": (lambda: SGDClassifier(warm_start=True), X, {"refit"}),
}
HONEST = {
    "TorchClassifier": (TorchClassifier(epochs=20), X),
    "TorchClassifier fitted": (TorchClassifier(epochs=20).fit(X, y), X),
    "TorchRegressor": (TorchRegressor(epochs=20), X),
    "in a Pipeline": (make_pipeline(StandardScaler(), TorchClassifier(epochs=20)), X),
    "skorch with the class": (skorch(Net), X32),
    "logistic regression": (LogisticRegression(), X),
    "neighbours": (KNeighborsClassifier(), X),
    "forest": (RandomForestClassifier(10), X),
    "under a GridSearchCV": (GridSearchCV(TorchClassifier(epochs=20), {"lr": [0.01]}, cv=2), X),
    "MLPClassifier": (MLPClassifier(max_iter=20), X),
}


def after_few_epochs(estimator):
    """Train for 5 epochs: for `purity` and `refit` any trace of a fit is enough."""
    names = [n for n in estimator.get_params() if n.split("__")[-1] in ("epochs", "max_epochs")]
    estimator.set_params(**dict.fromkeys(names, 5))


NO_NETWORK = {"logistic regression", "neighbours", "forest", "MLPClassifier"}


@pytest.mark.slow
@pytest.mark.parametrize("canary", CANARIES)
@pytest.mark.parametrize("name", LEAKY)
@pytest.mark.filterwarnings("ignore")
def test_leaky(name, canary):
    make, X, seen_by = LEAKY[name]
    estimator = make()
    if canary in {"purity", "refit"} & seen_by or canary == "mates":
        after_few_epochs(estimator)
    finding = CANARIES[canary](estimator, X, y)
    assert bool(finding.leaked) == (canary in seen_by), str(finding)


@pytest.mark.slow
@pytest.mark.parametrize("canary", CANARIES)
@pytest.mark.parametrize("name", HONEST)
@pytest.mark.filterwarnings("ignore")
def test_honest(name, canary):
    estimator, X = HONEST[name]
    finding = CANARIES[canary](estimator, X, y)
    assert finding.leaked is (None if canary == "carried" and name in NO_NETWORK else False)


@pytest.mark.slow
@pytest.mark.parametrize("canary", CANARIES)
def test_nothing_given_is_changed(canary):
    model = naive(epochs=5).fit(X, y)
    weights = [p.clone() for p in model.network.parameters()]
    X_before, y_before = X.copy(), y.copy()
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    CANARIES[canary](model, X, y)
    for now, before in zip(model.network.parameters(), weights, strict=True):
        assert torch.equal(now, before)
    assert_array_equal(X, X_before)
    assert_array_equal(y, y_before)
    assert_array_equal(torch.get_rng_state(), torch_state)
    assert_array_equal(np.random.get_state()[1], numpy_state)


def test_noise_that_no_seed_controls_is_not_memory():
    generator = np.random.default_rng(0)  # its own: no seed that a canary sets reaches it

    class Unseeded(LogisticRegression):
        def predict_proba(self, X):
            noise = generator.normal(scale=0.01, size=(len(X), 2))
            return super().predict_proba(X) + noise

    assert not refit(Unseeded(), X, y).leaked


@pytest.mark.slow
def test_finding_says_what_was_seen():
    finding = carried_weights(naive().fit(X, y), X, y)
    assert str(finding).startswith("carried_weights: LEAK. After 0 epochs a clone scores ")
    finding = carried_weights(KNeighborsClassifier(), X, y)
    assert str(finding).startswith("carried_weights: not looked at. It needs a number of epochs")
