"""Callbacks, copies of fitted estimators, sparse tensors, and errors that code catches."""

import contextlib
import copy
import warnings
import weakref

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.datasets import make_classification
from torch import nn
from torch.nn import functional as F

from helpers import TorchClassifier, fused
from tests.fusing import Callback
from tests.networks import Net

pytestmark = pytest.mark.slow

X, y = make_classification(70, 6, n_informative=4, random_state=0)
CLASSIFIER = TorchClassifier(epochs=6, batch_size=16, random_state=0, module__hidden=4)


def both_ways(calls):
    """Return what functions return, or their errors, in the loop and under `fused`; warnings."""

    def result(call):
        try:
            return call()
        except Exception as error:
            return error

    outcomes = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for block in (contextlib.nullcontext, fused):
            functions = calls()
            caught.clear()
            with block():
                outcomes.append(Parallel()(delayed(result)(one) for one in functions))
    return *outcomes, " ".join(str(warning.message) for warning in caught)


def weights_of(clf):
    return [p.tolist() for p in clf.module_.parameters()]


def told_where_weights_are_equal(clf, lrs=(0.01, 0.3)):
    """Fit in the loop and under `fused`; weights must be the same. Return the warnings."""

    def calls():
        return [lambda lr=lr: weights_of(clone(clf).set_params(lr=lr).fit(X, y)) for lr in lrs]

    plain, found, told = both_ways(calls)
    for one, other in zip(plain, found, strict=True):
        for expected, got in zip(one, other, strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-9)
    return told


# Errors that code catches -------------------------------------------------------------------------


class Suppressing(Net):
    """Outputs grow large only after some epochs."""

    def forward(self, X):
        hidden = self.hidden(X)
        with contextlib.suppress(RuntimeError):
            if hidden.abs().max() > 8:
                hidden = hidden / 10
        return self.out(torch.tanh(hidden))


class Trying(Net):
    def forward(self, X):
        hidden = self.hidden(X)
        try:
            largest = hidden.detach().abs().max().item()
        except Exception:
            largest = 0.0
        return self.out(torch.tanh(hidden / 10 if largest > 8 else hidden))


def trying(outputs, y):
    try:
        factor = 3 if (outputs.abs() > 3).any() else 1
    except RuntimeError:
        factor = 1
    return factor * F.cross_entropy(outputs, y, reduction="none")


@pytest.mark.parametrize(
    "settings, whose",
    [({"module": Suppressing}, "it"), ({"module": Trying}, "it"), ({"loss": trying}, "its loss")],
)
def test_code_that_catches_an_error_of_its_stack_is_alone(settings, whose):
    clf = TorchClassifier(epochs=6, batch_size=16, random_state=0).set_params(**settings)
    assert f": {whose} catches an error that its stack has" in told_where_weights_are_equal(clf)


# Sparse buffers -----------------------------------------------------------------------------------


class OnAGraph(Net):
    """Mixes what it has found by a sparse table, as graph networks do."""

    layout = torch.sparse_coo

    def __init__(self, n_features, n_outputs):
        super().__init__(n_features, n_outputs)
        neighbours = torch.eye(5) + torch.eye(5).roll(1, 0)
        self.register_buffer("neighbours", neighbours.to_sparse(layout=self.layout))

    def forward(self, X):
        return self.out((self.neighbours @ torch.tanh(self.hidden(X)).T).T)


class OnRows(OnAGraph):
    layout = torch.sparse_csr


@pytest.mark.parametrize("module", [OnAGraph, OnRows])
def test_a_sparse_buffer_is_trained_with_and_alone(module):
    clf = TorchClassifier(module, epochs=3, batch_size=16, random_state=0)
    told = told_where_weights_are_equal(clf)
    assert "its weight or buffer `neighbours` is sparse" in told
    assert clf.fit(X, y).score(X, y) > 0.6


def test_a_sparse_weight_is_named():
    class Sparse(OnAGraph):
        def __init__(self, n_features, n_outputs):
            super().__init__(n_features, n_outputs)
            self.neighbours_ = nn.Parameter(self.neighbours)

        def forward(self, X):
            return self.out((self.neighbours_ @ torch.tanh(self.hidden(X)).T).T)

    with pytest.raises(ValueError, match=r"or a sparse weight.*weight\.to_dense\(\)"):
        TorchClassifier(Sparse, epochs=1, random_state=0).fit(X, y)


# Networks that several calls go on with -----------------------------------------------------------

PARTS = slice(0, 30), slice(20, 50), slice(40, 70)


def going_on(share):
    """Return calls of partial_fit, one after the other, that go on with what is shared."""
    fitted = clone(CLASSIFIER).fit(X, y)
    pairs = [(share(fitted), rows) for rows in PARTS]
    return [
        lambda one=one, rows=rows: weights_of(one.partial_fit(X[rows], y[rows]))
        for one, rows in pairs
    ]


@pytest.mark.parametrize("share", [lambda fitted: fitted, copy.copy])
def test_a_network_is_not_in_a_stack_twice(share):
    plain, found, _ = both_ways(lambda: going_on(share))
    np.testing.assert_allclose(np.hstack(found[0][0]), np.hstack(plain[0][0]), atol=1e-10)
    assert all("two of them have got one estimator" in str(error) for error in found[1:])


def test_copies_of_a_fitted_estimator_go_on_together():
    plain, found, told = both_ways(lambda: going_on(copy.deepcopy))
    for one, other in zip(plain, found, strict=True):
        for expected, got in zip(one, other, strict=True):
            np.testing.assert_allclose(got, expected, atol=1e-10)
    assert told == ""


# Layers that are frozen, thawed or replaced between calls of partial_fit --------------------------

OPTIMIZERS = {
    "adam": (torch.optim.Adam, {}),
    "adamw": (torch.optim.AdamW, {}),
    "sgd": (torch.optim.SGD, {"momentum": 0.9}),
    "rmsprop": (torch.optim.RMSprop, {"centered": True}),
}


def in_turns(clf, step):
    """Train for six epochs, the first layer not in the third and fourth, the last not in the last.

    Parameters
    ----------
    clf : TorchClassifier
        Of full batches.
    step : callable
        Called with `clf` in each epoch.
    """
    for epoch in range(6):
        clf.module_.layers[0].requires_grad_(epoch not in (2, 3))
        clf.module_.layers[2].requires_grad_(epoch != 5)
        step(clf)
    return weights_of(clf)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_remembers_each_parameter_by_itself(name):
    kind, arguments = OPTIMIZERS[name]
    clf = clone(CLASSIFIER).set_params(epochs=0, batch_size=None, optimizer=name)
    clf.set_params(**{f"optimizer__{key}": value for key, value in arguments.items()})
    begun = [clone(clf).set_params(lr=lr).fit(X, y) for lr in (0.01, 0.05)]

    def by_hand(clf):
        """As with one optimizer that is told anew of a layer that was frozen."""
        rows, labels, network = torch.from_numpy(X), torch.from_numpy(y), clf.module_
        if not hasattr(clf, "own"):
            clf.own = kind(network.parameters(), lr=clf.lr, **arguments, weight_decay=0)
        for p in network.parameters():
            if not p.requires_grad:
                clf.own.state.pop(p, None)
        clf.own.zero_grad()
        F.cross_entropy(network(rows), labels).backward()
        clf.own.step()

    def calls(step):
        return [lambda one=one: in_turns(one, step) for one in map(copy.deepcopy, begun)]

    expected = [call() for call in calls(by_hand)]
    plain, found, told = both_ways(lambda: calls(lambda clf: clf.partial_fit(X, y)))
    assert told == ""
    for weights in (*zip(plain, expected, strict=True), *zip(found, expected, strict=True)):
        for one, other in zip(*weights, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-10)


def of_the_user(parameters, lr, weight_decay=0.0):
    return torch.optim.Adam(parameters, lr=lr, fused=True)


@pytest.mark.parametrize("name", [*OPTIMIZERS, of_the_user])
def test_a_layer_may_be_replaced_before_the_next_call(name):
    def replaced(lr):
        clf = clone(CLASSIFIER).set_params(optimizer=name, lr=lr).fit(X, y)
        torch.manual_seed(0)
        clf.module_.layers[0] = nn.Linear(6, 40, dtype=torch.float64)
        clf.module_.layers[2] = nn.Linear(40, 2, dtype=torch.float64)
        return weights_of(clf.partial_fit(X, y))

    plain, found, told = both_ways(lambda: [lambda lr=lr: replaced(lr) for lr in (0.01, 0.05)])
    assert told == "" or name is of_the_user
    for one, other in zip(plain, found, strict=True):
        for expected, got in zip(one, other, strict=True):
            np.testing.assert_allclose(got, expected, atol=1e-10)


def with_dampening(parameters, lr, weight_decay=0.0):
    return torch.optim.SGD(parameters, lr=lr, momentum=0.9, dampening=0.5)


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": "sgd", "optimizer__momentum": 0.9, "optimizer__dampening": 0.5},
        {"optimizer": with_dampening},
    ],
)
def test_dampening_cannot_begin_beside_weights_that_go_on(settings):
    clf = clone(CLASSIFIER).set_params(**settings).fit(X, y).partial_fit(X, y)
    clf.module_.layers[0].requires_grad_(False)
    clf.partial_fit(X, y).module_.layers[0].requires_grad_(True)
    before = copy.deepcopy(clf)
    for whole in (contextlib.nullcontext, fused):
        with whole(), pytest.raises(ValueError, match="The weight 'layers.0.weight' was thawed"):
            clf.partial_fit(X, y)
    for one, other in zip(weights_of(clf), weights_of(before), strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(clf.history_) == len(before.history_)


# Callbacks that come to the network itself --------------------------------------------------------

BUILT = []


def referred_to(n_features, n_outputs):
    network = Net(n_features, n_outputs)
    BUILT.append(weakref.ref(network))
    return network


class Thaws(Callback):
    """Trains the hidden layer from the third epoch on."""

    def act(self, estimator, epoch):
        for built in BUILT:
            if (network := built()) is not None:
                network.hidden.requires_grad_(epoch >= 2)


class Freezes(Callback):
    def act(self, estimator, epoch):
        if hasattr(estimator, "module_"):
            estimator.module_.layers[0].weight.data = torch.ones(4, 6, dtype=torch.float64)


def test_a_callback_that_comes_to_the_network_itself_acts_on_it():
    clf = TorchClassifier(referred_to, epochs=5, random_state=0).set_callbacks(Thaws())
    told = told_where_weights_are_equal(clf)
    assert "a callback may come to it by a weak reference" in told
    assert told_where_weights_are_equal(TorchClassifier(referred_to, random_state=0)) == ""


@pytest.mark.slow
def test_what_torch_refers_to_once_it_has_compiled_is_not_within_reach():
    torch.compile(nn.Linear(2, 2), backend="eager")(torch.zeros(1, 2))
    assert weakref.getweakrefs(nn.Linear(2, 2))
    assert told_where_weights_are_equal(clone(CLASSIFIER).set_callbacks(Callback())) == ""
    clf = TorchClassifier(referred_to, epochs=5, random_state=0).set_callbacks(Thaws())
    assert "by a weak reference" in told_where_weights_are_equal(clf)


def test_a_callback_may_change_what_partial_fit_goes_on_with():
    def twice(lr):
        clf = clone(CLASSIFIER).set_params(lr=lr).set_callbacks(Freezes())
        return weights_of(clf.partial_fit(X, y).partial_fit(X, y))

    plain, found, told = both_ways(lambda: [lambda lr=lr: twice(lr) for lr in (0.01, 0.05)])
    for one, other in zip(plain, found, strict=True):
        for expected, got in zip(one, other, strict=True):
            np.testing.assert_allclose(got, expected, atol=1e-10)
    assert "a callback may change `module_`, with which partial_fit goes on" in told


class WithRows(Callback):
    factor = 1.0

    def on_fit_task_end(self, estimator, context, *, X=None):
        if X is not None:
            X *= self.factor
        return False


class Shrinks(WithRows):
    factor = 0.9


def test_a_callback_may_not_write_to_the_rows_of_a_stack():
    def calls(callback):
        clf = clone(CLASSIFIER).set_callbacks(callback)
        return lambda: [
            lambda lr=lr: clone(clf).set_params(lr=lr).fit(X.copy(), y) for lr in (1, 2)
        ]

    plain, found, told = both_ways(calls(Shrinks()))
    assert all(hasattr(one, "module_") for one in plain)
    assert all("A callback has written to X, y or sample_weight" in str(one) for one in found)
    _, found, told = both_ways(calls(WithRows()))
    assert told == "" and all(hasattr(one, "module_") for one in found)


# Reasons ------------------------------------------------------------------------------------------


class OfOneImage(Net):
    """Gives its convolution the rows of a batch as one image without a batch."""

    def __init__(self, n_features, n_outputs):
        super().__init__(n_features, n_outputs)
        self.mix = nn.Conv1d(5, 5, 1)

    def forward(self, X):
        return self.out(self.mix(torch.tanh(self.hidden(X)).T).T)


class BuiltAnew(Net):
    """Its copies have torch's default precision."""

    def __deepcopy__(self, memo):
        new = type(self)(6, 2)
        new.load_state_dict(self.state_dict())
        return new


class Refusing(Net):
    def __deepcopy__(self, memo):
        raise ValueError("there is but one of me")


@pytest.mark.parametrize(
    "module, reason",
    [
        (OfOneImage, "it has Conv1d for inputs of 2 axes"),
        (BuiltAnew, "its copies have weights of another name, shape or precision"),
        (Refusing, "it cannot be copied: there is but one of me"),
    ],
)
def test_the_reason_is_not_that_a_training_step_fails(module, reason):
    clf = TorchClassifier(module, epochs=3, batch_size=16, random_state=0)
    assert f"cannot be stacked: {reason}" in told_where_weights_are_equal(clf)
