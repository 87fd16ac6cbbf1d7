"""What decides a fit without standing in its network: `fused` sees it, or says so."""

import contextlib
import contextvars
import os
import threading
import warnings
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV, cross_val_score
from torch import nn
from torch.nn import functional as F

from helpers import MLP, TorchClassifier, fused
from helpers.fusing.settings import Settings
from helpers.jobs import Job

X, y = make_classification(83, 6, n_informative=4, n_classes=3, random_state=0)
X = X.astype(np.float32)


class Net(nn.Module):
    """Two layers; `keep` is told a setting."""

    def __init__(self, n_features, n_outputs, setting=1.0):
        super().__init__()
        self.one, self.two = nn.Linear(n_features, 8), nn.Linear(8, n_outputs)
        self.keep(setting)

    def keep(self, setting):
        pass

    def forward(self, X):
        return self.two(torch.relu(self.one(X)))


def scores(module, cv=4, **settings):
    clf = TorchClassifier(module, epochs=6, lr=0.03, random_state=0, **settings)
    grid = {"module__setting": [1.0, 3.0]}
    search = GridSearchCV(
        clf, grid, cv=cv, scoring="neg_log_loss", refit=False, error_score="raise"
    )
    found = search.fit(X, y).cv_results_
    return np.array([found[f"split{i}_test_score"] for i in range(cv)])


def assert_as_the_loop(module, reason, **settings):
    """Assert that fits give the scores of the loop, and that a warning gives the reason."""
    plain = scores(module, **settings)
    with warnings.catch_warnings(record=True) as caught, fused():
        warnings.simplefilter("always")
        together = scores(module, **settings)
    assert any(reason in str(warning.message) for warning in caught)
    np.testing.assert_allclose(together, plain, rtol=0, atol=1e-6)


# Other names for the weights


class UsesData(Net):
    def keep(self, setting):
        self.weight = self.two.weight.data

    def forward(self, X):
        hidden = torch.relu(self.one(X))
        weight = self.two.weight if self.training else self.weight
        return F.linear(hidden, weight, self.two.bias)


class UsesDetached(UsesData):
    def keep(self, setting):
        self.weight = self.two.weight.detach()[:]


class UsesNumpy(UsesData):
    def keep(self, setting):
        self.array = self.two.weight.detach().numpy()

    @property
    def weight(self):
        return torch.from_numpy(self.array)


@pytest.mark.slow
@pytest.mark.parametrize("module", [UsesData, UsesDetached, UsesNumpy])
@pytest.mark.parametrize(
    "settings", [{}, pytest.param({"batch_size": 16, "patience": 2}, marks=pytest.mark.slow)]
)
def test_what_shares_the_memory_of_a_weight_trains_alone(module, settings):
    assert_as_the_loop(module, "shares the memory of a weight", **settings)


class Lists(Net):
    """Uses its weights by their names in training, and through a list to predict."""

    def keep(self, setting):
        self.weights = [self.two.weight, self.two.bias]

    def forward(self, X):
        hidden = torch.relu(self.one(X))
        return self.two(hidden) if self.training else F.linear(hidden, *self.weights)


@pytest.mark.slow
def test_a_list_of_parameters_that_predicts_holds_the_trained_ones():
    plain = scores(Lists)
    with fused() as run:
        together = scores(Lists)
    assert max(run.batches) > 1
    np.testing.assert_allclose(together, plain, rtol=0, atol=1e-6)


# Rows that act on each other where there are many, or in their order


class CentresLargeBatches(Net):
    def forward(self, X):
        return super().forward(X - X.mean(0) if self.training and len(X) > 9 else X)


class Sorts(Net):
    def forward(self, X):
        return super().forward(X[X[:, 0].argsort()] if self.training else X)


class SortsDown(Net):
    def forward(self, X):
        return super().forward(X[X[:, 0].argsort(descending=True)] if self.training else X)


@pytest.mark.slow
@pytest.mark.parametrize("module", [CentresLargeBatches, Sorts, SortsDown])
@pytest.mark.parametrize("settings", [{}, pytest.param({"batch_size": 25}, marks=pytest.mark.slow)])
def test_rows_that_act_on_each_other_are_not_padded(module, settings):
    plain = scores(module, **settings)
    with fused() as run:
        together = scores(module, **settings)
    assert run.batches == [6, 2]  # by the number of rows in their folds: 62, 62, 62 and 63
    np.testing.assert_allclose(together, plain, rtol=0, atol=1e-6)


class CentresByItsFirstRows(Net):
    """Padding acts on it only where a batch has fewer than 4 rows."""

    def forward(self, X):
        return super().forward(X - X[:4].mean(0) if self.training else X)


@pytest.mark.slow
@pytest.mark.parametrize("batch_size, batches", [(None, [8]), (20, [6, 2])])
def test_rows_that_act_on_each_other_in_the_last_batch_alone(batch_size, batches):
    plain = scores(CentresByItsFirstRows, batch_size=batch_size)
    with fused() as run:
        together = scores(CentresByItsFirstRows, batch_size=batch_size)
    assert run.batches == batches  # the last of 62 and 63 rows are 2 and 3
    np.testing.assert_allclose(together, plain, rtol=0, atol=1e-6)


# Settings elsewhere

BY_NETWORK, IN_WEAK_TABLE = {}, weakref.WeakKeyDictionary()
UNUSED = []
SETTINGS, LOG = {"scale": 1.0}, []
SCALE = 1.0
IN_CONTEXT = contextvars.ContextVar("scale", default=1.0)
IN_THREAD = threading.local()


class ByNetwork(Net):
    """Its setting stands in a table of all networks, where a copy of it is not."""

    def __new__(cls, *args, **settings):
        while id(new := super().__new__(cls)) in BY_NETWORK:  # the `id` of one that is gone
            UNUSED.append(new)
        return new

    def keep(self, setting):
        BY_NETWORK[id(self)] = setting

    def forward(self, X):
        return super().forward(X * BY_NETWORK.get(id(self), 1.0))


class OfClass(Net):
    scale = 1.0

    def keep(self, setting):
        type(self).scale = setting

    def forward(self, X):
        return super().forward(X * self.scale)


class InDict(Net):
    def keep(self, setting):
        SETTINGS["scale"] = setting

    def forward(self, X):
        return super().forward(X * SETTINGS["scale"])


class ByMethod(InDict):
    def forward(self, X):
        return Net.forward(self, self.scaled(X))

    def scaled(self, X):
        return [scaled(X) for _ in range(1)][0]


def scaled(X):
    return X * SETTINGS["scale"]


class Global(Net):
    def keep(self, setting):
        global SCALE
        SCALE = setting

    def forward(self, X):
        return super().forward(X * SCALE)


class OfEnvironment(Net):
    def keep(self, setting):
        os.environ["SCALE_OF_TEST"] = str(setting)

    def forward(self, X):
        return super().forward(X * float(os.environ["SCALE_OF_TEST"]))


class OfVariable(OfEnvironment):
    def forward(self, X):
        return Net.forward(self, X * float(os.getenv("SCALE_OF_TEST")))


class InContext(Net):
    def keep(self, setting):
        IN_CONTEXT.set(setting)

    def forward(self, X):
        return super().forward(X * IN_CONTEXT.get())


class InThread(Net):
    def keep(self, setting):
        IN_THREAD.scale = setting

    def forward(self, X):
        return super().forward(X * getattr(IN_THREAD, "scale", 1.0))


class Logs(Net):
    """Changes variables of which its forward reads none, or what it had of none."""

    def keep(self, setting):
        self.setting = setting
        LOG.append(setting)

    def forward(self, X):
        if len(LOG) < 0:
            return X
        return super().forward(X * self.setting)


@pytest.fixture(autouse=True)
def _put_back(monkeypatch):
    monkeypatch.setenv("SCALE_OF_TEST", "1.0")
    yield
    BY_NETWORK.clear()
    UNUSED.clear()
    LOG.clear()


class ByNetworkInTraining(ByNetwork):
    def forward(self, X):
        return super().forward(X) if self.training else Net.forward(self, X)


class InAWeakTable(Net):
    """Its setting stands in a table that forgets networks with them."""

    def keep(self, setting):
        IN_WEAK_TABLE[self] = setting

    def forward(self, X):
        return super().forward(X * IN_WEAK_TABLE.get(self, 1.0) if self.training else X)


@pytest.mark.slow
@pytest.mark.parametrize("module", [ByNetwork, ByNetworkInTraining, InAWeakTable])
def test_a_setting_in_a_table_of_networks(module):
    assert_as_the_loop(module, "a copy of it gives other outputs")


class Counting(nn.Module):
    n = 0

    def forward(self, X):
        self.n += 1
        return X * (1 + 0.01 * self.n)


COUNTING = Counting()


class WithAnother(Net):
    """Calls a network that is no part of it."""

    def forward(self, X):
        return super().forward(COUNTING(X))


@pytest.mark.slow
def test_a_network_outside_is_left_as_a_trial_finds_it():
    outcomes = []
    for block in (contextlib.nullcontext, fused):
        COUNTING.n = 0
        with block(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outcomes.append(scores(WithAnother))
    np.testing.assert_allclose(*outcomes, rtol=0, atol=1e-6)


SEEN = []


class OfWholeBatches(Net):
    def forward(self, X):
        if len(X) > 4:
            SEEN.append(len(X))
        return super().forward(X)


@pytest.mark.slow
def test_what_is_kept_of_whole_batches_alone_is_seen():
    assert_as_the_loop(OfWholeBatches, "it keeps `SEEN`, a variable outside of it")


@pytest.mark.slow
@pytest.mark.parametrize("module", [InContext, InThread, OfEnvironment, OfVariable])
def test_what_each_thread_or_fit_has_for_itself(module):
    assert_as_the_loop(module, "which is another in each thread or fit")


@pytest.mark.slow
@pytest.mark.parametrize(
    "module, name",
    [(OfClass, "scale"), (InDict, "SETTINGS"), (ByMethod, "SETTINGS"), (Global, "SCALE")],
)
def test_a_setting_that_the_next_fit_changes_is_an_error(module, name):
    with fused(), pytest.raises(ValueError, match=f"reads `{name}`.*another fit has changed"):
        scores(module)


def test_those_whose_setting_still_stands_are_trained():
    def fit(setting):
        clf = TorchClassifier(OfClass, module__setting=setting, epochs=2, random_state=0)
        try:
            return clf.fit(X, y).predict_proba(X)
        except ValueError:
            return None

    plain = fit(3.0)
    with fused():
        first, second = Parallel()(delayed(fit)(setting) for setting in (1.0, 3.0))
    assert first is None
    np.testing.assert_array_equal(second, plain)


@pytest.mark.slow
def test_a_log_of_networks_is_no_setting():
    plain = scores(Logs)
    with fused() as run:
        together = scores(Logs)
    assert max(run.batches) > 1
    np.testing.assert_allclose(together, plain, rtol=0, atol=1e-6)


def test_nothing_is_noted_of_networks_without_code_of_the_user():
    settings = Settings()
    job = Job(*[None] * 5, "adam", 0.1, 0.0, 1, None, network=nn.Sequential(MLP(2, 2)))
    assert settings.note(job) is None
    assert not settings._noted


# Weights of rows too small for a number


@pytest.mark.slow
def test_rows_of_a_weight_that_underflows_count_as_rows():
    weight = np.ones(len(y))
    weight[::3] = 2e-38  # a sixteenth of it is below the least normal number of float32

    def fit(lr):
        clf = TorchClassifier(module__dropout=0.5, epochs=5, batch_size=16, random_state=0, lr=lr)
        return clf.fit(X, y, sample_weight=weight).predict_proba(X)

    plain = [fit(lr) for lr in (0.01, 0.03)]
    with fused() as run:
        together = Parallel()(delayed(fit)(lr) for lr in (0.01, 0.03))
    assert run.batches == [2]
    np.testing.assert_allclose(together, plain, rtol=0, atol=1e-5)


SHARED = [SimpleNamespace(factor=1.0)]
FIRST = SHARED[0]


class Sharing(Net):
    """Holds a list that others share, and by another name the object in a list of its own."""

    def __init__(self, n_features, n_outputs):
        super().__init__(n_features, n_outputs)
        self.shared, self.own = SHARED, [SimpleNamespace(factor=1.0)]
        self.same = self.own[0]

    def forward(self, X):
        assert self.same is self.own[0]
        return super().forward(X) * self.same.factor * self.shared[0].factor


def test_a_look_leaves_the_objects_in_lists_as_they_are():
    clf = TorchClassifier(Sharing, epochs=2, random_state=0)
    plain = cross_val_score(clf, X, y, error_score="raise")
    with fused() as run:
        np.testing.assert_allclose(cross_val_score(clf, X, y, error_score="raise"), plain)
    assert SHARED[0] is FIRST and max(run.batches) == 5
