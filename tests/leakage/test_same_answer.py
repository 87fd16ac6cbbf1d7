"""Predictions that change when asked again, and networks that know labels within a Pipeline."""

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.datasets import load_digits, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from helpers import TorchClassifier, batch_mates, carried_weights, same_answer
from helpers.data import coin_flips

pytestmark = pytest.mark.slow  # some seconds, or many

X, y = load_iris(return_X_y=True)


class Augment(TransformerMixin, BaseEstimator):
    """Adds noise to rows, as augmentation does: whenever it transforms, or while fitting alone."""

    def __init__(self, only_in_fit=False, random_state=None):
        self.only_in_fit = only_in_fit
        self.random_state = random_state

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def fit_transform(self, X, y=None):
        self.fit(X)
        draw = np.random if self.random_state is None else np.random.RandomState(self.random_state)
        return X + draw.normal(size=X.shape)

    def transform(self, X):
        return X if self.only_in_fit else self.fit_transform(X)


class Network(ClassifierMixin, BaseEstimator):
    """A network with dropout or BatchNorm that may be left in training mode."""

    def __init__(self, layer, training):
        self.layer = layer
        self.training = training

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.net_ = nn.Sequential(nn.Linear(X.shape[1], 16), self.layer(), nn.Linear(16, 3))
        self.net_.train(self.training)
        return self

    def predict_proba(self, X):
        return self.net_(torch.as_tensor(X, dtype=torch.float32)).softmax(1).detach().numpy()

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class Dropout(nn.Dropout):
    def __init__(self):
        super().__init__(0.5)


class BatchNorm(nn.BatchNorm1d):
    def __init__(self):
        super().__init__(16)


CHANGING = {
    "augmentation": (
        make_pipeline(Augment(), LogisticRegression()),
        ("Asked again", "In another order"),  # a clone gets a seed, and draws the same again
    ),
    "augmentation with a seed": (
        make_pipeline(Augment(random_state=0), LogisticRegression()),
        "In another order",
    ),
    "dropout left on": (Network(Dropout, training=True), "Asked again"),
    "BatchNorm left on": (Network(BatchNorm, training=True), "Without the other half"),
}
STEADY = {
    "augmentation in fit": make_pipeline(Augment(only_in_fit=True), LogisticRegression()),
    "dropout off": Network(Dropout, training=False),
    "BatchNorm off": Network(BatchNorm, training=False),
    "neighbours": make_pipeline(StandardScaler(), KNeighborsClassifier()),
    "a network": TorchClassifier(epochs=3),
}


@pytest.mark.parametrize("name", CHANGING)
def test_an_answer_that_changes_is_seen(name):
    estimator, what = CHANGING[name]
    for finding in (same_answer(estimator, X, y), same_answer(estimator.fit(X, y), X)):
        assert finding.leaked is True and finding.evidence.startswith(what)
        assert ("net.eval()" in finding.evidence) == isinstance(estimator, Network)


@pytest.mark.parametrize("name", STEADY)
def test_an_answer_that_stays_is_none_seen(name):
    finding = same_answer(STEADY[name], X, y)
    assert finding.leaked is False, finding


def test_who_cannot_be_asked_says_so():
    finding = same_answer(LogisticRegression(), X)
    assert finding.leaked is None and "fit it, or hand over y" in finding.evidence

    class InPairs(LogisticRegression):
        def predict_proba(self, X):
            if len(X) < 2:
                raise ValueError("at least two rows")
            return super().predict_proba(X)

    finding = same_answer(InPairs(), X, y)
    assert finding.leaked is None and "ValueError: at least two rows" in finding.evidence


def test_a_predict_that_stops_was_not_looked_at():
    class Stops(LogisticRegression):
        def predict(self, X):
            raise RuntimeError("no threshold was chosen")

    for canary in (same_answer, batch_mates):
        finding = canary(Stops(), X, y)
        assert finding.leaked is None, finding
        assert "predict stopped with RuntimeError: no threshold was chosen" in finding.evidence


def test_it_changes_nothing():
    state, weights = torch.get_rng_state(), np.random.get_state()[1].copy()
    fitted = TorchClassifier(epochs=2).fit(X, y)
    before = fitted.module_.state_dict()["layers.0.weight"].clone()
    same_answer(fitted, X)
    assert before.equal(fitted.module_.state_dict()["layers.0.weight"])
    assert state.equal(torch.get_rng_state())
    assert (np.random.get_state()[1] == weights).all()


# Networks that embed rows -----------------------------------------------------------------------


class Frozen(TransformerMixin, BaseEstimator):
    """Embeds rows by a network that is handed over."""

    def __init__(self, network):
        self.network = network

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        with torch.no_grad():
            return self.network(torch.as_tensor(X, dtype=torch.float32)).numpy()


def body_of(X, y, epochs):
    fitted = TorchClassifier(epochs=epochs, random_state=0, module__hidden=64).fit(X, y)
    return fitted.module_.layers[:2].float()


HEADS = [LogisticRegression(max_iter=1000), TorchClassifier(epochs=20, random_state=0)]


@pytest.mark.parametrize("head", HEADS, ids=["plain head", "trained head"])
def test_a_backbone_that_has_seen_the_labels_is_seen(head):
    X, y = coin_flips(150, 20)
    leaky = make_pipeline(Frozen(body_of(X, y, epochs=300)), head)
    finding = carried_weights(leaky, X, y)
    assert finding.leaked is True, finding
    assert "a linear model of what its layer" in finding.evidence
    new = make_pipeline(Frozen(body_of(X, y, epochs=0)), head)
    assert carried_weights(new, X, y).leaked is False


@pytest.mark.parametrize("head", HEADS, ids=["plain head", "trained head"])
def test_a_backbone_that_was_trained_on_other_classes_is_not_accused(head):
    X, y = load_digits(return_X_y=True)
    X, known = X / 16, y < 5
    body = body_of(X[known], y[known], epochs=30)
    asked = np.flatnonzero(~known)[:300]
    finding = carried_weights(make_pipeline(Frozen(body), head), X[asked], y[asked])
    assert finding.leaked is False, finding
