"""Tables with codes and numbered rows, frozen networks, and the mode of a network."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.nn import functional as F

from helpers import TorchClassifier, batch_mates, carried_weights, same_answer, shift

X, y = make_classification(120, 6, n_informative=4, random_state=0)


def voting(frozen):
    return VotingClassifier([("frozen", frozen), ("line", LogisticRegression())], voting="soft")


# A canary initialises networks anew, and a clone of a FrozenEstimator is the object itself.
FREEZERS = {
    "alone": lambda frozen: frozen,
    "in a Pipeline": lambda frozen: make_pipeline(StandardScaler(), frozen),
    "calibrated": CalibratedClassifierCV,
    "in a vote": voting,
}


@pytest.mark.slow  # some seconds
@pytest.mark.parametrize("name", FREEZERS)
def test_a_frozen_network_is_put_back(name):
    fitted = TorchClassifier(epochs=40, random_state=0, module__hidden=8).fit(X, y)
    before = copy.deepcopy(fitted.module_.state_dict())
    carried_weights(FREEZERS[name](FrozenEstimator(fitted)), X, y)
    for weight, value in fitted.module_.state_dict().items():
        np.testing.assert_array_equal(value, before[weight], err_msg=weight)


def looked_up(kind):
    """Return a network that looks up codes from 0 to 9 in one of torch's four ways."""

    class Codes(nn.Module):
        def __init__(self, n_features, n_outputs):
            super().__init__()
            self.max_norm = nn.Embedding(10, 2, max_norm=1.0)
            self.embedding, self.bag = nn.Embedding(10, 2), nn.EmbeddingBag(10, 2)
            self.linear = nn.LazyLinear(n_outputs)

        def forward(self, X):
            codes = X.long()
            found = F.one_hot(codes, 10).to(X) if kind == "one_hot" else getattr(self, kind)(codes)
            return self.linear(found.flatten(1))

    return Codes


codes = np.arange(360).reshape(120, 3) % 10
KINDS = "embedding", "max_norm", "bag", "one_hot"


@pytest.mark.parametrize("moved", [1, -1])
@pytest.mark.parametrize("kind", KINDS)
def test_a_code_that_cannot_be_looked_up_is_told_in_words(kind, moved):
    clf = TorchClassifier(looked_up(kind), epochs=2, random_state=0)
    beyond = codes.copy()
    beyond[100] = codes[100] + 20 if moved > 0 else -1
    needed = "num_classes" if kind == "one_hot" else "num_embeddings"
    for ask in (lambda: clf.fit(beyond, y), lambda: clf.fit(codes, y).predict(beyond)):
        with pytest.raises(ValueError, match=f"Codes cannot take some rows.*{needed} must") as told:
            ask()
        assert ("OrdinalEncoder(unknown_value=-1)" in str(told.value)) is (moved < 0)
    with pytest.raises(ValueError, match=f"Codes cannot take rows of 3 .*{needed} must exceed"):
        clf.fit(beyond[100:], y[100:])


def test_scaled_codes_are_told_so():
    clf = TorchClassifier(looked_up("embedding"), epochs=2, random_state=0)
    with pytest.raises(ValueError, match=r"Codes begin at 0, and X holds -13.5: .* no scaler"):
        clf.fit(3.0 * codes - 13.5, y)


class Listed(nn.Linear):
    def forward(self, X):
        return super().forward([X][1])


def test_another_index_is_not_taken_for_a_code():
    with pytest.raises((ValueError, IndexError)) as told:
        TorchClassifier(Listed).fit(X, y)
    assert "list index out of range" in str(told.value)
    assert "num_embeddings" not in str(told.value)


rng = np.random.RandomState(0)
customers = pd.DataFrame(
    {"age": rng.randint(18, 80, size=200), "income": rng.lognormal(10, 1, 200)}
)
NUMBERS = {
    "from 0 on": np.arange(200),
    "some were deleted": 1000 + np.cumsum(rng.randint(1, 4, size=200)),
    "texts": [f"C{number:05}" for number in range(200)],
    "a day each": pd.date_range("2020-01-01", periods=200),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_of_rows_do_not_make_test_rows_look_other(name):
    finding = shift(customers.assign(customer=NUMBERS[name]), cv=5)
    assert finding.leaked is False
    assert "number the rows: column 2 ('customer')" in finding.evidence
    older = customers.assign(customer=NUMBERS[name], age=customers["age"] + np.arange(200) / 2)
    assert shift(older, cv=5).leaked is True


def test_what_is_measured_in_whole_numbers_is_looked_at():
    prices = np.sort(rng.randint(0, 10**6, size=200))
    assert len(set(prices)) == 200
    assert shift(customers.assign(price=prices), cv=5).leaked is True


class Ranks(TransformerMixin, BaseEstimator):
    """Makes of each number its rank among the rows that come with it."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X.argsort(axis=0).argsort(axis=0) / len(X)

    def __sklearn_is_fitted__(self):
        return True


class NeverEvaluated(TorchClassifier):
    def predict_proba(self, X):
        with torch.no_grad():
            return self.module_.train()(torch.tensor(X)).softmax(1).numpy()


def normalised(n_features, n_outputs):
    return nn.Sequential(nn.BatchNorm1d(n_features), nn.Linear(n_features, n_outputs))


@pytest.mark.parametrize("canary", [batch_mates, same_answer])
def test_the_mode_of_a_network_is_blamed_only_where_it_is_the_reason(canary):
    ranked = canary(make_pipeline(Ranks(), TorchClassifier(epochs=5, random_state=0)), X, y)
    assert ranked.leaked is True and "evaluation mode" not in ranked.evidence
    training = canary(NeverEvaluated(normalised, epochs=5, random_state=0), X, y)
    assert training.leaked is True and "evaluation mode" in training.evidence
