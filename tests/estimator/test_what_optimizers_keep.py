"""What an optimizer of the user's keeps of its own, from one call of partial_fit to the next."""

import copy
from functools import partial

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import make_classification
from torch import nn

from helpers import TorchClassifier

X, y = make_classification(60, 5, random_state=0)


class Listing(torch.optim.SGD):
    """Keeps lists in attributes and in its groups: of its parameters, and of its steps."""

    def __init__(self, parameters, lr, weight_decay):
        super().__init__(parameters, lr=lr, weight_decay=weight_decay)
        self.own, self.log, self.param_groups[0]["log"] = parameters, [], []

    @torch.no_grad()
    def step(self, closure=None):
        self.log.append("step")
        self.param_groups[0]["log"].append(1)
        for parameter in self.own:
            n_steps = len(self.log) + len(self.param_groups[0]["log"])
            parameter -= self.param_groups[0]["lr"] / n_steps * parameter.grad


class Halving(torch.optim.SGD):
    """Its learning rate is a tensor, which it changes in place."""

    def __init__(self, parameters, lr, weight_decay):
        super().__init__(parameters, lr=torch.tensor(lr), weight_decay=weight_decay)

    def step(self, closure=None):
        super().step(closure)
        self.param_groups[0]["lr"].mul_(0.5)


class ByPlace(torch.optim.SGD):
    """Keeps a momentum of its own, in a dict, by the place of a parameter."""

    def __init__(self, parameters, lr, weight_decay):
        super().__init__(parameters, lr=lr, weight_decay=weight_decay)
        self.memory = {}

    @torch.no_grad()
    def step(self, closure=None):
        for key, parameter in self.keyed(self.param_groups[0]["params"]):
            self.memory[key] = 0.9 * self.memory.get(key, 0) + parameter.grad
            parameter -= self.param_groups[0]["lr"] * self.memory[key]

    keyed = staticmethod(enumerate)


class ByParameter(ByPlace):
    """Keeps it by the parameter itself."""

    def keyed(self, parameters):
        return zip(parameters, parameters, strict=True)


class Slow(torch.optim.SGD):
    """Keeps a list of the weights that it began with, as Lookahead does."""

    def __init__(self, parameters, lr, weight_decay):
        super().__init__(parameters, lr=lr, weight_decay=weight_decay)
        self.slow = [parameter.detach().clone() for parameter in parameters]


@pytest.mark.parametrize("optimizer", [Listing, Halving])
def test_what_changes_in_place_goes_on(optimizer):
    settings = {"optimizer": optimizer, "lr": 0.5, "random_state": 0}
    once = TorchClassifier(epochs=5, **settings).fit(X, y)
    split = TorchClassifier(**settings)
    for _ in range(5):
        split.partial_fit(X, y)
    assert_allclose(split.predict_proba(X), once.predict_proba(X), rtol=1e-9)
    assert np.ptp([row["train_loss"] for row in split.history_]) > 0


@pytest.mark.parametrize("optimizer", [ByPlace, ByParameter, Slow])
def test_a_memory_that_would_begin_anew_is_refused(optimizer):
    clf = TorchClassifier(optimizer=optimizer, epochs=2, random_state=0).fit(X, y)
    before = clf.predict_proba(X)
    with pytest.raises(ValueError, match=f"{optimizer.__name__} carries .* a memory.*Use fit"):
        clf.partial_fit(X, y)
    assert_array_equal(clf.predict_proba(X), before)


def test_arguments_that_are_tensors_are_compared():
    def scaled(n_features, n_outputs, scale):
        layer = torch.nn.Linear(n_features, n_outputs)
        layer.weight.data *= scale
        return layer

    clf = TorchClassifier(scaled, module__scale=torch.ones(5)).partial_fit(X, y)
    assert clf.set_params(module__scale=torch.ones(5)).partial_fit(X, y).n_epochs_ == 2
    with pytest.raises(ValueError, match="call fit to start anew"):
        clf.set_params(module__scale=torch.zeros(5)).partial_fit(X, y)


def convolution(shape, n_outputs):
    layers = nn.Conv2d(shape[0], 3, 2), nn.Tanh(), nn.Flatten(), nn.Linear(27, n_outputs)
    return nn.Sequential(*layers)


def channels_last(network):
    network.to(memory_format=torch.channels_last)


def transposed(network):
    network[3].weight.data = network[3].weight.data.T.contiguous().T


OPTIMIZERS = "adam", "adamw", "sgd", partial(torch.optim.Adam, fused=True)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("change", [channels_last, transposed])
def test_another_order_of_weights_in_memory_changes_nothing(optimizer, change):
    draw = np.random.default_rng(0)
    images, labels = draw.normal(size=(20, 2, 4, 4)), np.arange(20) % 2
    arguments = {"optimizer__momentum": 0.9} if optimizer == "sgd" else {}
    clf = TorchClassifier(convolution, optimizer=optimizer, random_state=0, **arguments)
    clf.partial_fit(images, labels, classes=[0, 1]).partial_fit(images, labels)
    changed = copy.deepcopy(clf)
    change(changed.module_)
    expected, found = (one.partial_fit(images, labels).module_ for one in (clf, changed))
    for one, other in zip(expected.parameters(), found.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)
