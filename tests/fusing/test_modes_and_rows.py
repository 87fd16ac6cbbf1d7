"""What acts from outside the network, or on it by the rows it sees."""

import contextlib
import contextvars
import warnings

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed
from scipy import sparse
from sklearn.base import clone
from sklearn.ensemble import BaggingClassifier
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from helpers import MLP, TorchClassifier, fused

pytestmark = pytest.mark.slow

DRAW = np.random.default_rng(0)
N = 41  # 3 folds of it are not equally large
y = np.arange(N) % 3
X = DRAW.normal(size=(N, 4)) + y[:, None]
CODES = (DRAW.integers(0, 4, (N, 3)) + 2 * y[:, None]).astype(float)
CLASSIFIER = TorchClassifier(epochs=3, lr=0.05, batch_size=8, random_state=0, module__hidden=4)


def scores(clf=CLASSIFIER):
    search = GridSearchCV(clf, {"lr": [0.1, 0.01]}, cv=2, scoring="neg_log_loss", refit=False)
    return search.set_params(error_score="raise").fit(X, y).cv_results_["mean_test_score"]


# Modes of torch ----------------------------------------------------------------------------------


class Halving(TorchFunctionMode):
    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        return result / 2 if function in (F.relu, torch.relu) else result


class HalvingBelow(TorchDispatchMode):
    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        return result / 2 if function is torch.ops.aten.relu.default else result


class OfTheUser(nn.Module):
    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.one, self.two = nn.Linear(n_features, 4), nn.Linear(4, n_outputs)

    def forward(self, X):
        return self.two(torch.relu(self.one(X)))


class InHalf(OfTheUser):
    """Mixed precision, as torch leaves float64 as it is."""

    def forward(self, X):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return super().forward(X).to(X)


class CastToHalf(OfTheUser):
    def forward(self, X):
        return self.two(torch.relu(self.one(X)).half().to(X))


@pytest.mark.parametrize("module", [InHalf, CastToHalf])
def test_what_computes_in_half_precision_is_trained_alone(module):
    clf = TorchClassifier(module, epochs=2, random_state=0)
    data = X.astype(np.float32), y
    plain = cross_validate(clf, *data, cv=2, scoring="neg_log_loss")["test_score"]
    with fused() as run, pytest.warns(UserWarning, match="computes in torch.b?float16"):
        found = cross_validate(clf, *data, cv=2, scoring="neg_log_loss")["test_score"]
    assert run.batches == [1, 1] and (plain == found).all()


@pytest.mark.parametrize("module", [MLP, OfTheUser])
@pytest.mark.parametrize("mode", [Halving, HalvingBelow])
def test_what_a_mode_does_is_done_under_fused(mode, module):
    clf = TorchClassifier(module, epochs=2, random_state=0)
    with mode():
        plain = scores(clf)
    assert np.abs(plain - scores(clf)).min() > 1e-3
    with fused() as run, pytest.warns(UserWarning, match=f"fused: {mode.__name__}, a mode of"):
        with mode():
            found = scores(clf)
    np.testing.assert_array_equal(found, plain)
    assert set(run.batches) == {1}


def test_an_ensemble_stays_within_its_mode():
    def proba():
        return BaggingClassifier(CLASSIFIER, 3, random_state=0).fit(X, y).predict_proba(X)

    with Halving():
        plain = proba()
        with fused(), pytest.warns(UserWarning, match="fused: Halving, a mode of torch"):
            found = proba()
    assert np.abs(plain - proba()).max() > 1e-3
    np.testing.assert_array_equal(found, plain)


def test_a_mode_within_a_task():
    def fit(lr):
        with Halving():
            return clone(CLASSIFIER).set_params(lr=lr).fit(X, y).predict_proba(X)

    plain = [fit(0.1), fit(0.01)]
    with fused(), pytest.warns(UserWarning, match="fused: Halving, a mode of torch"):
        found = Parallel()(delayed(fit)(lr) for lr in (0.1, 0.01))
    np.testing.assert_array_equal(found, plain)


def test_the_default_device_is_no_such_mode():
    plain = scores()
    with warnings.catch_warnings(), fused() as run, torch.device("cpu"):
        warnings.simplefilter("error")
        np.testing.assert_allclose(scores(), plain, rtol=0, atol=1e-10)
    assert run.batches == [4]


# What a forward pass writes ----------------------------------------------------------------------


class Shortened(nn.Module):
    """An embedding whose vectors, 0 at first, are shortened as they are looked up."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.last = nn.Linear(4 * n_features, n_outputs)
        self.embed()

    def embed(self):
        self.embedding = nn.Embedding(10, 4, max_norm=0.1)
        nn.init.zeros_(self.embedding.weight)

    def look_up(self, codes):
        return self.embedding(codes)

    def forward(self, X):
        return self.last(self.look_up(X.long()).flatten(1))


class ShortenedByAFunction(Shortened):
    def embed(self):
        self.vectors = nn.Parameter(torch.zeros(10, 4))

    def look_up(self, codes):
        return F.embedding(codes, self.vectors, max_norm=0.1)


class NotingCodes(Shortened):
    """Marks in a buffer which codes it has been trained on."""

    def embed(self):
        self.embedding = nn.Embedding(10, 4)
        self.register_buffer("seen", torch.zeros(10, dtype=torch.bool))

    def look_up(self, codes):
        if self.training:
            self.seen.scatter_(0, codes.flatten(), True)
        return self.embedding(codes) * self.seen[codes].unsqueeze(-1)


class CountingSteps(Shortened):
    def embed(self):
        self.embedding = nn.Embedding(10, 4)
        self.register_buffer("steps", torch.zeros(()))

    def look_up(self, codes):
        self.steps += self.training
        return self.embedding(codes) / (1 + self.steps)


def folds(module, **settings):
    clf = TorchClassifier(module, **{"epochs": 4, "lr": 0.05, "random_state": 0} | settings)
    options = {"cv": KFold(3, shuffle=True, random_state=0), "return_estimator": True}
    return cross_validate(clf, CODES, y, **options, error_score="raise")["estimator"]


def divided_by_frequency(n_features, n_outputs):
    vectors = nn.EmbeddingBag(5, 3, mode="sum", scale_grad_by_freq=True)
    return nn.Sequential(Codes(), vectors, nn.Linear(3, n_outputs))


class Codes(nn.Module):
    def forward(self, X):
        return X.long()


def test_padding_counts_for_no_frequency():
    codes = np.random.default_rng(0).integers(0, 5, (61, 6)).astype(float)
    clf = TorchClassifier(divided_by_frequency, epochs=2, optimizer="sgd", random_state=0)
    settings = {"X": codes, "y": np.arange(61) % 3, "cv": KFold(3), "return_estimator": True}
    plain = cross_validate(clf, **settings)["estimator"]
    with pytest.warns(UserWarning, match="its rows depend on each other"), fused() as run:
        found = cross_validate(clf, **settings)["estimator"]
    assert run.batches == [2, 1]
    for one, other in zip(plain, found, strict=True):
        expected = one.module_[1].weight
        torch.testing.assert_close(other.module_[1].weight, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("patience", [None, 2])
@pytest.mark.parametrize(
    "module, alone",
    [(Shortened, 1), (ShortenedByAFunction, 1), (NotingCodes, 1), (CountingSteps, 0)],
)
def test_padding_makes_no_network_write(module, alone, patience):
    settings = {"batch_size": 10, "patience": patience}  # 3 steps in each fold
    plain = folds(module, **settings)
    said = pytest.warns(UserWarning, match="its rows change its weights or buffers")
    with said if alone else contextlib.nullcontext(), fused() as run:
        found = folds(module, **settings)
    assert run.batches == ([2, 1] if alone else [3])
    for one, other in zip(plain, found, strict=True):
        for name, tensor in one.module_.state_dict().items():
            torch.testing.assert_close(
                other.module_.state_dict()[name], tensor, rtol=0, atol=1e-10, msg=name
            )


class CountingPasses(nn.Module):
    """Counts how often it was called, also for validation rows."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.last = nn.Linear(n_features, n_outputs)
        self.register_buffer("passes", torch.zeros(()))

    def forward(self, X):
        self.passes += 1
        return self.last(X) / (1 + self.passes)


@pytest.mark.parametrize("patience", [None, 1])
def test_validation_rows_are_passed_once(patience, monkeypatch):
    # As for thousands of validation rows, or hundreds of networks.
    monkeypatch.setattr("helpers.fusing.parts.MOST_ROWS", 4)
    settings = {"epochs": 2, "patience": patience, "validation_fraction": 0.4, "random_state": 0}
    clf = TorchClassifier(CountingPasses, **settings)
    plain = scores(clf)
    said = pytest.warns(UserWarning, match="it changes `passes` while it is asked for its valid")
    with said if patience else contextlib.nullcontext(), fused() as run:
        np.testing.assert_allclose(scores(clf), plain, rtol=0, atol=1e-10)
    assert run.batches == ([1] * 4 if patience else [4])


def pooled_rows(n_features, n_outputs):
    return nn.Sequential(nn.Linear(n_features, 6), nn.MaxPool1d(2), nn.Linear(3, n_outputs))


def test_a_pooling_layer_that_takes_rows_for_channels_is_named():
    clf = TorchClassifier(pooled_rows, epochs=2, random_state=0)
    plain = scores(clf)
    with fused(), pytest.warns(UserWarning, match="it has MaxPool1d for inputs of 2 axes"):
        np.testing.assert_array_equal(scores(clf), plain)


# Rows that change while a fit waits --------------------------------------------------------------


def with_other_rows(factor, X, weight):
    X *= factor
    return clone(CLASSIFIER).fit(X, y).predict_proba(X)


def with_other_weights(factor, X, weight):
    weight *= factor
    return clone(CLASSIFIER).partial_fit(X, y, sample_weight=weight).predict_proba(X)


@pytest.mark.parametrize("fit", [with_other_rows, with_other_weights])
def test_rows_that_another_task_changes(fit):
    """Tasks that write to one array, as steps with ``copy=False`` do when they get the same."""
    given = X.copy(), np.ones(N)
    with fused(), pytest.raises(ValueError, match="rows .* were changed while it waited"):
        Parallel()(delayed(fit)(factor, *given) for factor in (1.0, 2.0, 3.0))


def test_rows_that_stay_are_not_said_to_change():
    sparse_rows = sparse.csr_array(X * (X > 0))
    with fused(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*its input is sparse")
        for rows in (X, X.astype(np.float32), sparse_rows, X[:, ::-1], torch.tensor(X)):
            Parallel()(delayed(clone(CLASSIFIER).fit)(rows, y) for _ in range(2))


# Where a block ends ------------------------------------------------------------------------------


def test_a_block_may_be_closed_in_another_context():
    """As that of a coroutine's fixture is: pytest ends it in a context of its own."""
    plain, block = scores(), fused()
    run = contextvars.copy_context().run(block.__enter__)
    block.__exit__(None, None, None)
    np.testing.assert_array_equal(scores(), plain)
    assert run.batches == []
