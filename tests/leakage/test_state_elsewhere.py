"""What is kept outside the object: in files, in functions, and from one prediction to the next."""

import copy
import functools
import os
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from torch import nn

from helpers import TorchClassifier, audit, batch_mates, carried_weights, purity, refit
from helpers.data import coin_flips
from helpers.leakage.outside import networks_in

pytestmark = pytest.mark.slow  # some seconds, or many

X, y = coin_flips(90, 6)
X32 = X.astype("float32")


class Checkpointed(ClassifierMixin, BaseEstimator):
    """Keeps the best network by validation rows in a file; clears the file first, or does not."""

    def __init__(self, path, clear=False):
        self.path = path
        self.clear = clear

    def fit(self, X, y):
        if self.clear and os.path.exists(self.path):
            os.remove(self.path)
        best = joblib.load(self.path)[0] if os.path.exists(self.path) else -1.0
        network, n = MLPClassifier((16,), learning_rate_init=0.02, random_state=0), len(y) // 5
        for _ in range(10):
            network.partial_fit(X[n:], y[n:], classes=np.unique(y))
            score = network.score(X[:n], y[:n])
            if score > best:
                best = score
                joblib.dump((score, network), self.path)
        self.network_ = joblib.load(self.path)[1]
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return self.network_.predict_proba(X)

    def predict(self, X):
        return self.network_.predict(X)


@pytest.mark.parametrize("kind, seed", [(str, 0), (Path, 1)])
def test_a_file_that_all_folds_share_is_seen(tmp_path, kind, seed):
    path = kind(tmp_path / "best.joblib")
    finding = refit(Checkpointed(path), X, y, random_state=seed)
    assert finding.leaked is True and "the one named by 'path'" in finding.evidence
    assert refit(Checkpointed(path, clear=True), X, y, random_state=seed).leaked is False
    assert "named by 'path': see refit" in purity(Checkpointed(path), X, y).evidence
    assert not os.listdir(tmp_path)


def test_files_are_put_back(tmp_path):
    path = tmp_path / "best.joblib"
    model = Checkpointed(path).fit(X, y)
    before = path.read_bytes()
    leaks = [finding.name for finding in audit(model, X, 1 - y).leaks]
    assert "refit" in leaks
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["best.joblib"]


def test_a_relative_path_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refit(Checkpointed("best.joblib"), X, y).leaked is True
    assert not os.listdir(tmp_path)


def test_a_file_that_no_parameter_names_is_not_passed_over(tmp_path):
    class Secretive(DummyClassifier):
        def fit(self, X, y):
            joblib.dump(len(y), tmp_path / "kept.joblib")
            return super().fit(X, y)

    finding = refit(Secretive(), X, y)
    assert finding.leaked is None and "kept.joblib, which no parameter names" in finding.evidence
    assert refit(DummyClassifier(), X, y).leaked is False


# Networks ---------------------------------------------------------------------------------------


@functools.cache
def trained():
    return TorchClassifier(module__hidden=32, epochs=200, random_state=0).fit(X, y).module_


def trained_body():
    return copy.deepcopy(trained().layers[:2]).float()


def embed(A, network):
    with torch.no_grad():
        return network(torch.as_tensor(A, dtype=torch.float32)).numpy()


def in_closure(network):
    return lambda A: embed(A, network)


HOLDERS = {
    "closure": in_closure,
    "partial": lambda network: functools.partial(embed, network=network),
    "default": lambda network: lambda A, kept=network: embed(A, kept),
    "method": lambda network: Embedder(network).embed,
}


class Embedder(BaseEstimator):
    def __init__(self, network):
        self.network = network

    def embed(self, A):
        return embed(A, self.network)


@pytest.mark.parametrize("holder", HOLDERS)
def test_the_networks_that_a_function_holds_are_found(holder):
    network = nn.Linear(2, 2)
    clf = make_pipeline(FunctionTransformer(HOLDERS[holder](network)), LogisticRegression())
    assert list(networks_in(clf)) == [network]


def test_a_network_that_a_function_holds_is_looked_at():
    body = trained_body()
    state = {name: value.clone() for name, value in body.state_dict().items()}
    torch.manual_seed(0)
    fresh = nn.Sequential(nn.Linear(6, 32), nn.ReLU())
    for network, leaked in ((body, True), (fresh, False)):
        function = FunctionTransformer(in_closure(network))
        clf = make_pipeline(function, TorchClassifier(epochs=3, random_state=0))
        finding = carried_weights(clf, X32, y)
        assert finding.leaked is leaked, finding
    assert all(torch.equal(value, state[name]) for name, value in body.state_dict().items())


class Holds(DummyClassifier):
    def __init__(self, network):
        super().__init__()
        self.network = network


def test_a_network_in_bfloat16_is_looked_at():
    body = trained_body().bfloat16()

    def embed_in_half(A):
        with torch.no_grad():
            return body(torch.as_tensor(A, dtype=torch.bfloat16)).float().numpy()

    clf = make_pipeline(FunctionTransformer(embed_in_half), TorchClassifier(epochs=3))
    assert carried_weights(clf, X32, y).leaked is True
    assert purity(Holds(body), X, y).leaked is False


class MeanSize(nn.Module):
    def forward(self, A):
        return A.abs().mean()


def test_a_layer_that_gives_one_number_for_all_rows_is_passed_over():
    class Scaled(nn.Sequential):
        def forward(self, A):
            return self[0](A) / self[1](A)

    function = FunctionTransformer(in_closure(Scaled(nn.Linear(6, 8), MeanSize())))
    clf = make_pipeline(function, TorchClassifier(epochs=3, random_state=0))
    assert carried_weights(clf, X32, y).leaked is False


NETWORK_OF_THE_MODULE = None


def test_a_network_of_the_module_is_found(monkeypatch):
    monkeypatch.setitem(globals(), "NETWORK_OF_THE_MODULE", nn.Linear(6, 2))
    function = FunctionTransformer(lambda A: embed(A, NETWORK_OF_THE_MODULE))
    assert list(networks_in(make_pipeline(function))) == [NETWORK_OF_THE_MODULE]


def test_without_a_network_nothing_is_said_about_weights():
    clf = make_pipeline(FunctionTransformer(np.tanh), MLPClassifier(max_iter=5))
    assert carried_weights(clf, X, y).leaked is None
    finding = carried_weights(LogisticRegression(), X, y)
    assert finding.leaked is None and "nor a network" in finding.evidence


def test_a_network_that_fit_trains_in_a_closure_is_put_back():
    torch.manual_seed(0)
    network = nn.Linear(6, 2)
    state = {name: value.clone() for name, value in network.state_dict().items()}

    class Trains(ClassifierMixin, BaseEstimator):
        def __init__(self, train):
            self.train = train

        def fit(self, X, y):
            self.classes_ = np.unique(y)
            self.train(torch.as_tensor(X, dtype=torch.float32), torch.as_tensor(y))
            self.kept_ = {name: value.clone() for name, value in network.state_dict().items()}
            return self

        def predict(self, X):
            weights = self.kept_["weight"].numpy()
            return self.classes_[(X @ weights.T).argmax(axis=1)]

    def train(rows, labels):
        optimizer = torch.optim.SGD(network.parameters(), lr=0.5)
        for _ in range(20):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(rows), labels).backward()
            optimizer.step()

    assert refit(Trains(train), X, y).leaked is True
    for name, value in network.state_dict().items():
        assert torch.equal(value, state[name])


# Predictions ------------------------------------------------------------------------------------


class Adapting(GaussianNB):
    """Shifts rows by a running mean of all it has predicted, from a start that fit has set."""

    def fit(self, X, y):
        self.mean_ = X.mean(axis=0)
        return super().fit(X, y)

    def predict_proba(self, X):
        self.mean_ = 0.7 * self.mean_ + 0.3 * X.mean(axis=0)
        return super().predict_proba(X - self.mean_)


class Augmenting(GaussianNB):
    """Predicts rows with noise from a generator of its own: random, but the rows do not meet."""

    def fit(self, X, y):
        self.generator_ = np.random.RandomState(0)
        return super().fit(X, y)

    def predict_proba(self, X):
        return super().predict_proba(X + self.generator_.normal(size=X.shape))


def test_a_predictor_that_goes_on_adapting_is_seen():
    for seed in range(5):
        finding = batch_mates(Adapting(), *coin_flips(90, 6, random_state=seed))
        assert finding.leaked is True and "After other rows were predicted" in finding.evidence


def test_random_predictions_are_no_leak_but_said():
    for seed in range(3):
        finding = batch_mates(Augmenting(), *coin_flips(90, 6, random_state=seed))
        assert finding.leaked is False, finding
        assert finding.evidence.endswith("Something is drawn at random while it predicts.")
