"""Settings that hide in what is not pickled, in tensors, modes and layers."""

import contextlib
import copyreg
import decimal

import numpy as np
import pytest
import torch
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from helpers import MLP, TorchClassifier, fused

pytestmark = pytest.mark.slow

X, y = make_classification(62, 6, n_informative=4, n_classes=3, random_state=0)
# The trial takes the first, the middle and the last fit, in which the third does not show.
SETTINGS, RATES = {"module__setting": [1.0, 1.0, 3.0, 1.0]}, {"lr": [0.01, 0.03]}


class Net(nn.Module):
    def __init__(self, n_features, n_outputs, setting=1.0):
        super().__init__()
        self.one, self.two = nn.Linear(n_features, 4), nn.Linear(4, n_outputs)
        self.keep(setting)

    def keep(self, setting):
        pass

    def change(self, X):
        return X * self.held.setting

    def forward(self, X):
        return self.two(torch.tanh(self.one(self.change(X))))


def scores(module, grid, **settings):
    clf = TorchClassifier(module, **{"epochs": 6, "lr": 0.03, "random_state": 0} | settings)
    search = GridSearchCV(clf, grid, cv=3, scoring="neg_log_loss", refit=False, error_score="raise")
    found = search.fit(X, y).cv_results_
    return np.array([found[f"split{i}_test_score"] for i in range(3)])


class InATensor(Net):
    def keep(self, setting):
        self.held = torch.ones(2)
        self.held.setting = setting


class InAWeight(Net):
    def keep(self, setting):
        self.one.weight.setting = setting

    def change(self, X):
        return X * getattr(self.one.weight, "setting", 1.0)


class Number(decimal.Decimal):
    pass


class InANumber(Net):
    def keep(self, setting):
        self.held = Number(1)
        self.held.setting = setting


class Registered:
    def __init__(self, setting):
        self.setting = setting


copyreg.pickle(Registered, lambda held: (Registered, (1.0,)))


class ByCopyreg(Net):
    def keep(self, setting):
        self.held = Registered(setting)


class Slots:
    __slots__ = ("__setting",)

    def __init__(self, setting):
        self.__setting = setting

    def __reduce__(self):
        return Slots, (1.0,)

    @property
    def setting(self):
        return self.__setting


class InPrivateSlots(Net):
    def keep(self, setting):
        self.held = Slots(setting)


class InTheMode(Net):
    def keep(self, setting):
        self.part = nn.Identity()
        self.part.training = setting == 3.0

    def train(self, mode=True):
        self.training = mode
        return self

    def change(self, X):
        return X * (3.0 if self.part.training else 1.0)


HIDDEN = [InATensor, InAWeight, InANumber, ByCopyreg, InPrivateSlots, InTheMode]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*cannot be stacked")
@pytest.mark.parametrize("module", HIDDEN)
def test_a_setting_that_no_pickle_shows(module):
    plain = scores(module, SETTINGS)
    assert np.ptp(plain, axis=1).min() > 1e-3
    with fused():
        together = scores(module, SETTINGS)
    np.testing.assert_allclose(together, plain, rtol=0, atol=1e-10)


class Annealed(Net):
    def keep(self, setting):
        self.drop = nn.Dropout(0.5)

    def change(self, X):
        if self.training:
            self.drop.p *= 0.9
        return self.drop(X)


class AnnealedByMode(Annealed):
    def train(self, mode=True):
        self.drop.p *= 0.9
        return super().train(mode)

    def change(self, X):
        return self.drop(X)


class Alternating(Net):
    def change(self, X):
        if self.training:
            self.one.weight.requires_grad_(not self.one.weight.requires_grad)
        return X


class Turned(Net):
    def keep(self, setting):
        self.turn = nn.Parameter(torch.ones(6, dtype=torch.complex64))

    def change(self, X):
        return (X * self.turn).real


@contextlib.contextmanager
def small_weights():
    def clamp(optimizer, *_):
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.data.clamp_(-0.2, 0.2)

    handle = register_optimizer_step_post_hook(clamp)
    try:
        yield
    finally:
        handle.remove()


ALONE = {
    Annealed: "it keeps `drop.p` between batches",
    AnnealedByMode: "it keeps `drop.p` between batches",
    Alternating: "it keeps `one.weight.requires_grad` between batches",
    Turned: "its `turn` holds complex numbers",
    MLP: "torch has global hooks of optimizers",
}


@pytest.mark.parametrize("module", ALONE)
def test_what_trains_alone_and_why(module):
    with small_weights() if module is MLP else contextlib.nullcontext():
        plain = scores(module, RATES)
        with fused() as run, pytest.warns(UserWarning, match=f"cannot be stacked: {ALONE[module]}"):
            together = scores(module, RATES)
    assert set(run.batches) == {1}
    np.testing.assert_allclose(together, plain, rtol=0, atol=1e-10)


class Alike(Net):
    def change(self, X):
        return X


class AlwaysDropping(Net):
    def keep(self, setting):
        self.drop = nn.Dropout(0.5)

    def train(self, mode=True):
        super().train(mode)
        self.drop.training = True
        return self

    def change(self, X):
        return self.drop(X)


def test_outputs_of_chance_are_not_said_to_be_weights():
    with fused(), pytest.warns(UserWarning, match="two equal training steps .* different outputs"):
        scores(AlwaysDropping, RATES)


GLOBAL = {"power": 1.0}


def powered(outputs, y):
    return nn.functional.cross_entropy(outputs, y, reduction="none") ** GLOBAL["power"]


def scaled(X):
    return X * GLOBAL["power"]


def bent(X):
    return torch.tanh(X * GLOBAL["power"])


def setting_a_global(n_features, n_outputs, setting=1.0):
    GLOBAL["power"] = setting
    return MLP(n_features, n_outputs)


def with_activation(n_features, n_outputs, setting=1.0):
    GLOBAL["power"] = setting
    layer = nn.TransformerEncoderLayer(
        n_features, 2, 8, dropout=0.0, batch_first=True, activation=bent
    )
    rows = nn.Unflatten(1, (1, n_features))
    return nn.Sequential(rows, layer, nn.Flatten(), nn.Linear(n_features, n_outputs))


@pytest.mark.parametrize(
    "module, settings",
    [
        (setting_a_global, {"loss": powered}),
        (setting_a_global, {"augment": scaled}),
        (with_activation, {}),
    ],
)
def test_a_global_that_a_function_beside_the_network_reads(module, settings):
    said = "or a function given with it, reads `GLOBAL`.*another fit has changed"
    with fused(), pytest.raises(ValueError, match=said):
        scores(module, {"module__setting": [1.0, 3.0]}, **settings)


def test_functions_that_read_what_stays_are_stacked():
    grid = {"lr": [0.01, 0.03]}
    plain = scores(setting_a_global, grid, loss=powered, augment=scaled)
    with fused() as run:
        together = scores(setting_a_global, grid, loss=powered, augment=scaled)
    assert run.batches == [6]
    np.testing.assert_allclose(together, plain, rtol=0, atol=1e-10)


@pytest.mark.filterwarnings("ignore:.*cannot be stacked")
@pytest.mark.parametrize("module", [MLP, Alike])
def test_a_loss_that_counts_is_called_in_training_alone(module):
    def found(block):
        calls = []

        def loss(outputs, y):
            calls.append(len(y))
            return nn.functional.cross_entropy(outputs, y, reduction="none") / len(calls)

        with block():
            return scores(module, RATES, loss=loss)

    np.testing.assert_array_equal(found(fused), found(contextlib.nullcontext))


class Unbound:
    """A proxy as of web frameworks: it raises whatever it is asked, as nothing is bound to it."""

    def __init__(self, setting=None):
        pass

    @property
    def __dict__(self):
        raise RuntimeError("working outside of application context")


UNBOUND = Unbound()


class Holding(Net):
    def keep(self, setting):
        self.held = Unbound()

    def change(self, X):
        return X


class Naming(Net):
    def change(self, X):
        return X if UNBOUND is not None else -X


@pytest.mark.parametrize("module", [Holding, Naming])
def test_what_raises_as_it_is_looked_at_is_trained_alone(module):
    alone = scores(module, RATES)
    told = r"holds or names cannot be looked at \(RuntimeError: working outside of application con"
    with fused() as run, pytest.warns(UserWarning, match=told):
        together = scores(module, RATES)
    assert run.batches == [1] * 6
    np.testing.assert_array_equal(together, alone)
