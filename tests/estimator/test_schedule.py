"""schedule= and clip=: what a step is multiplied by, and how long a gradient may be."""

import functools
import math
import traceback

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_iris
from torch import nn

from helpers import MLP, TorchClassifier, TorchRegressor
from tests.estimator.test_partial_fit import Counting, Decayed

X, y = load_iris(return_X_y=True)
CLF = TorchClassifier(epochs=4, batch_size=40, random_state=0)


def weights(clf):
    return torch.cat([p.detach().flatten() for p in clf.module_.parameters()]).numpy()


# Schedules


@pytest.mark.parametrize("batch_size, n_steps", [(None, 4), (40, 16)])
def test_it_is_asked_twice_for_each_step_with_the_share_that_is_done(batch_size, n_steps):
    asked = []

    def note(done):
        asked.append(done)
        return 1.0

    clf = clone(CLF).set_params(batch_size=batch_size)
    noted = clone(clf).set_params(schedule=note).fit(X, y)
    assert asked == 2 * [step / n_steps for step in range(n_steps)]
    assert_array_equal(weights(noted), weights(clf.fit(X, y)))


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "rmsprop", "sgd", torch.optim.Adagrad])
def test_a_step_is_taken_with_that_multiple_of_lr(optimizer):
    clf = clone(CLF).set_params(optimizer=optimizer, weight_decay=0.1, lr=0.01)
    half = clone(clf).set_params(schedule=lambda done: 0.5).fit(X, y)
    assert_allclose(weights(half), weights(clone(clf).set_params(lr=0.005).fit(X, y)), rtol=1e-12)
    still = clone(clf).set_params(schedule=lambda done: 0).fit(X, y)
    assert_array_equal(weights(still), weights(clone(clf).set_params(epochs=0).fit(X, y)))


def test_it_does_what_a_scheduler_of_torch_does():
    class Scheduled(torch.optim.SGD):
        def step(self, closure=None):
            super().step(closure)
            self.n_steps = getattr(self, "n_steps", 0) + 1
            for group in self.param_groups:
                group["lr"] = 0.1 * (1 - self.n_steps / 16)

    own = clone(CLF).set_params(optimizer=Scheduled, lr=0.1).fit(X, y)
    clf = clone(CLF).set_params(optimizer="sgd", lr=0.1, schedule=lambda done: 1 - done)
    assert_allclose(weights(clf.fit(X, y)), weights(own), rtol=1e-12)


def test_more_epochs_are_another_training():
    clf = TorchClassifier(epochs=4, random_state=0, schedule=lambda done: 1 - done).fit(X, y)
    longer = clone(clf).set_params(epochs=5).fit(X, y)
    assert clf.history_[0] == longer.history_[0]  # before the first step
    assert clf.history_[3] != longer.history_[3]


def test_patience_counts_the_epochs_that_could_be():
    asked = []
    schedule = lambda done: asked.append(done) or 1.0  # noqa: E731
    clf = TorchClassifier(epochs=20, lr=0.0, patience=2, schedule=schedule).fit(X, y)
    assert clf.n_epochs_ == 3
    assert asked == 2 * [step / 20 for step in range(20)]


WRONG = {
    "nan": (lambda done: math.nan, r"\(0\) returned nan"),
    "inf": (lambda done: 1 / done if done else math.inf, r"\(0\) returned inf"),
    "negative": (lambda done: 0.6 - done, r"\(0.625\) returned -0.025"),
    "text": (lambda done: "fast", r"\(0\) returned 'fast'"),
    "nothing": (lambda done: None, r"\(0\) returned None"),
    "truth": (lambda done: done < 0.5, r"\(0\) returned True"),
    "array": (lambda done: np.ones(2), r"\(0\) returned array"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_factors_are_refused_before_anything_is_trained(case):
    schedule, words = WRONG[case]
    clf = clone(CLF).fit(X, y)
    before = weights(clf)
    with pytest.raises(ValueError, match="schedule must return what lr.*" + words):
        clf.set_params(schedule=schedule).fit(X, y)
    assert_array_equal(weights(clf), before)


@pytest.mark.parametrize("number", [np.float32(0.5), np.array(0.5), torch.tensor(0.5)])
def test_numbers_of_any_library_are_numbers(number):
    clf = clone(CLF).set_params(schedule=lambda done: number).fit(X, y)
    assert_array_equal(weights(clf), weights(clone(CLF).set_params(lr=0.005).fit(X, y)))


def test_what_it_raises_is_the_users_own():
    def failing(done):
        return 1 / 0

    with pytest.raises(ZeroDivisionError) as error:
        clone(CLF).set_params(schedule=failing).fit(X, y)
    assert traceback.extract_tb(error.value.__traceback__)[-1].name == "failing"
    assert error.value.__notes__ == ["schedule was called as failing(0)."]


@pytest.mark.parametrize("schedule", [lambda done: 0.0, lambda done: min(1.0, 10 * done)])
def test_one_that_trains_nothing_is_warned_of(schedule):
    clf = clone(CLF).set_params(schedule=schedule, epochs=1, batch_size=150)
    with pytest.warns(UserWarning, match="returns 0 for each of the 1 steps: nothing is trained"):
        clf.fit(X, y)
    assert_array_equal(weights(clf), weights(clone(CLF).set_params(epochs=0).fit(X, y)))


def test_partial_fit_refuses_it():
    clf = clone(CLF).set_params(schedule=lambda done: 1 - done)
    with pytest.raises(ValueError, match=r"partial_fit does not know.*set_params\(lr=...\)"):
        clf.partial_fit(X, y)
    assert not hasattr(clf, "module_")
    before = weights(clf.fit(X, y))
    with pytest.raises(ValueError, match="partial_fit does not know"):
        clf.partial_fit(X, y)
    assert_array_equal(weights(clf), before)


def test_partial_fit_goes_on_with_lr_where_fit_had_a_schedule():
    options = {"optimizer": torch.optim.Adagrad, "lr": 0.1}
    half = clone(CLF).set_params(schedule=lambda done: 0.5, **options).fit(X, y)
    plain = clone(CLF).set_params(**options | {"lr": 0.05}).fit(X, y)
    for clf in (half.set_params(schedule=None), plain.set_params(lr=0.1)):
        clf.partial_fit(X, y)
    assert_allclose(weights(half), weights(plain), rtol=1e-12)


@pytest.mark.parametrize("optimizer", [Decayed, Counting])
def test_two_schedules_are_refused(optimizer):
    clf = clone(CLF).set_params(optimizer=optimizer, schedule=lambda done: 1 - done)
    with pytest.raises(ValueError, match=f"{optimizer.__name__} sets its learning rate itself"):
        clf.fit(X, y)


# Clipping


class Measured(torch.optim.SGD):
    """Notes the norm of the gradients in each step."""

    norms = []

    def step(self, closure=None):
        gradients = [p.grad.flatten() for group in self.param_groups for p in group["params"]]
        self.norms.append(torch.cat(gradients).norm().item())
        return super().step(closure)


def test_no_gradient_is_longer():
    norms = {}
    for clip in (None, 0.5, 1e9):
        Measured.norms.clear()
        clf = clone(CLF).set_params(optimizer=Measured, lr=0.1, clip=clip).fit(X, y)
        norms[clip] = list(Measured.norms)
    assert norms[1e9] == norms[None]
    assert max(norms[None]) > 0.5 >= max(norms[0.5])
    assert max(norms[0.5]) == pytest.approx(0.5, rel=1e-5)
    assert len(norms[0.5]) == 16
    assert clf.get_params()["clip"] == 1e9


def test_it_is_that_of_torch():
    clf = TorchClassifier(optimizer="sgd", lr=0.5, epochs=1, clip=0.3, random_state=0).fit(X, y)
    network = TorchClassifier(epochs=0, random_state=0).fit(X, y).module_.train()
    nn.functional.cross_entropy(network(torch.from_numpy(X)), torch.from_numpy(y)).backward()
    nn.utils.clip_grad_norm_(network.parameters(), 0.3)
    expected = [(p - 0.5 * p.grad).detach() for p in network.parameters()]
    for found, one in zip(clf.module_.parameters(), expected, strict=True):
        torch.testing.assert_close(found, one, rtol=0, atol=1e-14)


def test_hooks_on_gradients_are_kept_beside_it():
    def hooked(n_features, n_outputs):
        network = MLP(n_features, n_outputs)
        for parameter in network.parameters():
            parameter.register_hook(lambda gradient: gradient * 0)
        return network

    for clip in (None, 1.0):
        clf = clone(CLF).set_params(module=hooked, clip=clip).fit(X, y)
        assert_array_equal(weights(clf), weights(clone(clf).set_params(epochs=0).fit(X, y)))


def test_frozen_weights_have_no_gradient_to_clip():
    def half_frozen(n_features, n_outputs):
        network = MLP(n_features, n_outputs)
        network.layers[0].requires_grad_(False)
        return network

    assert clone(CLF).set_params(module=half_frozen, clip=0.1).fit(X, y).n_epochs_ == 4


def test_it_keeps_a_regressor_of_wild_targets_from_diverging():
    wild = np.where(y == 2, 1e6, y)
    options = {"module__hidden": (), "optimizer": "sgd", "lr": 1.0, "random_state": 0}
    with pytest.raises(ValueError, match="diverged"):
        TorchRegressor(**options).fit(X, wild)
    assert TorchRegressor(clip=1.0, **options).fit(X, wild).n_epochs_ == 100


def test_partial_fit_clips():
    clf = clone(CLF).set_params(clip=0.1)
    whole = clone(clf).fit(X, y)
    functools.reduce(lambda clf, _: clf.partial_fit(X, y), range(4), clf)
    assert_array_equal(weights(clf), weights(whole))


@pytest.mark.parametrize("clip", [0, -1.0, math.nan, math.inf, "norm", True])
def test_only_positive_numbers(clip):
    with pytest.raises(ValueError, match="'clip' parameter of TorchClassifier must be a"):
        TorchClassifier(clip=clip).fit(X, y)
