"""Who shares a stack with whom; and what becomes of the others when something fails."""

import abc
import enum
import functools
import threading
import types
import warnings

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV, cross_val_score
from torch import nn

from helpers import MLP, TorchClassifier, fused
from helpers.fusing.content import Incomparable, contents, structure
from helpers.fusing.parts import Part
from helpers.fusing.stack import Stack
from tests.fusing import zoo

X, y = make_classification(90, 6, n_informative=4, n_classes=3, random_state=0)
CLF = TorchClassifier(epochs=5, random_state=0, module__hidden=4)


# Compared by content


class Silent:
    """What it holds cannot be seen in its text, nor in its pickles."""

    def __init__(self, value):
        self.value = value

    def __repr__(self):
        return "Silent()"


class Unpickled(Silent):
    def __getstate__(self):
        return {}


def enclosing(value):
    return lambda outputs: outputs * value


def made_with(value):
    class Made:
        factor = value

        def scale(self, outputs):
            return outputs * value

    return Made


def network_with(attribute):
    network = MLP(4, 2)
    network.attribute = attribute
    return network


@pytest.mark.parametrize(
    "make",
    [
        lambda value: float(value),
        lambda value: [8, (value, 2)],
        lambda value: {"sizes": [value], "name": "relu"},
        lambda value: torch.full((3,), value),
        lambda value: torch.full((), value, dtype=torch.bfloat16),
        lambda value: torch.distributions.Normal(torch.zeros(2), torch.full((2,), float(value))),
        lambda value: np.r_[np.zeros(2000), value],
        lambda value: np.array([value, None], dtype=object),
        lambda value: np.random.default_rng(value),
        lambda value: torch.Generator().manual_seed(value),
        lambda value: functools.partial(torch.clamp, min=value),
        Silent,
        Unpickled,
        enclosing,
        made_with,
        lambda value: made_with(value)(),
        lambda value: abc.ABCMeta("Made", (), {"factor": value}),
        lambda value: enum.Enum("Made", {"FACTOR": value}),
        lambda value: types.SimpleNamespace(inner=Silent(value)),
        lambda value: [nn.Linear(1, 1).requires_grad_(value > 1)],
    ],
)
def test_equal_content_is_equal_and_other_content_is_not(make):
    def of(value):
        torch.manual_seed(0)
        return contents(network_with(make(value)))

    assert of(1) == of(1)
    assert of(1) != of(2)


def test_tensors_differ_by_dtype_and_shape():
    attributes = [torch.zeros(2), torch.zeros(2, 1), torch.zeros(2, dtype=torch.int32)]
    assert len({contents(network_with(a))["attribute"] for a in attributes}) == 3


def test_a_set_counts_by_its_elements_in_any_order():
    one, other = {0, 8}, {8, 0}
    assert list(one) != list(other)  # 0 and 8 have one place in the table of a small set
    assert contents(network_with(one)) == contents(network_with(other))
    assert contents(network_with(one)) != contents(network_with({0, 16}))
    assert contents(network_with(one)) != contents(network_with(frozenset(one)))


@pytest.mark.parametrize("attribute", [threading.Lock(), (i for i in range(3))])
def test_what_cannot_be_compared_is_named(attribute):
    with pytest.raises(Incomparable, match="its attribute `attribute` cannot be compared"):
        contents(network_with(attribute))


def test_parts_of_the_network_count_by_their_names():
    def holding(part):
        network = MLP(4, 2)
        network.part = [part(network)]
        return contents(network)

    assert holding(lambda n: n.layers[0].weight) == holding(lambda n: n.layers[0].weight)
    assert holding(lambda n: n.layers[0].weight) != holding(lambda n: n.layers[2].weight)
    assert holding(lambda n: n.layers[0]) != holding(lambda n: n.layers[2])
    assert holding(lambda n: n.layers.forward) == holding(lambda n: n.layers.forward)


def test_the_structure_tells_which_layer_stands_twice():
    one, other = nn.Linear(3, 3), nn.Linear(3, 3)
    first, second = nn.Sequential(one, other, one), nn.Sequential(one, other, other)
    assert structure(first) != structure(second)
    assert structure(first) == structure(nn.Sequential(one, other, one))


# Warnings


def told(record):
    return [str(w.message) for w in record if "cannot be stacked" in str(w.message)]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [None, 0])
def test_one_warning_for_a_reason_in_a_block(seed):
    clf = TorchClassifier(zoo.Annealed, epochs=2, random_state=seed)
    search = GridSearchCV(clf, {"lr": [0.01, 0.1]}, cv=2)
    with fused() as run, pytest.warns(UserWarning) as record:
        cross_val_score(search, X, y, cv=3)
        cross_val_score(search, X, y, cv=3)
    assert set(run.batches) == {1}
    (only,) = told(record)
    assert only == (
        "Annealed cannot be stacked: it keeps `temperature` between batches. 12 fits of it are "
        "trained one by one."
    )


def test_a_warning_where_some_fits_are_concerned():
    annealed = TorchClassifier(zoo.Annealed, epochs=5, random_state=0)
    fits = [clone(e).set_params(lr=lr) for e in (CLF, annealed) for lr in (0.01, 0.02)]
    with fused() as run, pytest.warns(UserWarning) as record:
        Parallel()(delayed(clf.fit)(X, y) for clf in fits)
    assert run.batches == [2, 1, 1]
    assert told(record) == [
        "Annealed cannot be stacked: it keeps `temperature` between batches. 2 fits of it are "
        "trained one by one."
    ]


def test_attributes_that_differ_are_named():
    clf = TorchClassifier(zoo.RandomMask, epochs=2)
    with (
        fused() as run,
        pytest.warns(UserWarning, match="`mask` differs from fit to fit") as record,
    ):
        cross_val_score(clf, X, y, cv=3)
    assert run.batches == [1, 1, 1]
    assert len(told(record)) == 1


@pytest.mark.slow
def test_candidates_that_differ_are_stacked_with_their_like():
    class Scaled(zoo.Base):
        def __init__(self, n_features, n_outputs, factor):
            super().__init__(n_features, n_outputs)
            self.factor = Silent(factor)

        def forward(self, X):
            return super().forward(X) * self.factor.value

    clf = TorchClassifier(Scaled, epochs=5, lr=0.1, random_state=0)
    search = GridSearchCV(clf, {"module__factor": [0.01, 10.0]}, cv=3, refit=False)
    plain = search.fit(X, y).cv_results_["mean_test_score"]
    with fused() as run, warnings.catch_warnings():
        warnings.simplefilter("error")
        together = search.fit(X, y).cv_results_["mean_test_score"]
    assert run.batches == [3, 3]
    np.testing.assert_array_equal(plain, together)
    assert plain[0] != plain[1]


def test_global_hooks_are_seen():
    hook = nn.modules.module.register_module_forward_hook(lambda module, inputs, outputs: None)
    try:
        with fused() as run, pytest.warns(UserWarning, match="global hooks"):
            cross_val_score(CLF, X, y, cv=3)
    finally:
        hook.remove()
    assert run.batches == [1, 1, 1]


# Memory, and errors in the middle


class Counting:
    """A callback that notes the beginnings and ends of epochs, and may fail at one."""

    def __init__(self, fails=None):
        self.fails, self.calls = fails, []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def note(self, what, estimator, context):
        if context.task_name != "epoch":
            return
        self.calls.append((what, estimator.lr, estimator.epochs, context.task_id))
        if self.fails == (what, estimator.lr, context.task_id):
            raise ZeroDivisionError("my own error")

    def on_fit_task_begin(self, estimator, context, **_):
        self.note("begin", estimator, context)

    def on_fit_task_end(self, estimator, context, **_):
        self.note("end", estimator, context)
        return False


GRID = [(epochs, lr) for epochs in (1, 2, 3, 9) for lr in (0.01, 0.05, 0.1)]


def fit_grid(callback=None, **settings):
    """Fit networks that end one after another; return what is left of each, or its error."""

    def fit(epochs, lr):
        clf = clone(CLF).set_params(epochs=epochs, lr=lr, **settings)
        clf = clf.set_callbacks(callback) if callback else clf
        try:
            return clf.fit(X, y)
        except Exception as error:
            return error

    return Parallel()(delayed(fit)(*one) for one in GRID)


def assert_same(plain, together):
    for one, other in zip(plain, together, strict=True):
        if isinstance(one, Exception):
            assert (type(one), str(one)) == (type(other), str(other))
            continue
        states = (fitted.module_.state_dict().values() for fitted in (one, other))
        for expected, found in zip(*states, strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-10)
        losses = ([row["train_loss"] for row in fitted.history_] for fitted in (one, other))
        np.testing.assert_allclose(*losses, rtol=1e-12, atol=1e-10)


of_settings = pytest.mark.parametrize(
    "settings",
    [
        pytest.param({}, id="full"),
        pytest.param({"batch_size": 16}, id="batches", marks=pytest.mark.slow),
        pytest.param({"patience": 2}, id="patience", marks=pytest.mark.slow),
    ],
)


@pytest.mark.slow
@of_settings
@pytest.mark.parametrize("error", [MemoryError, RuntimeError])
@pytest.mark.parametrize(
    "name, when",
    [
        ("__init__", lambda slots, number: number == 3),  # after that of the trial and the first
        ("__init__", lambda slots, number: number > 2 and len(slots) > 1),
        ("train_epoch", lambda slots, number: number == 1),
        ("train_epoch", lambda slots, number: number == 3),
        ("_train_epoch", lambda slots, number: len(slots) > 5),
        ("losses", lambda slots, number: number == 4),
        ("_validation_losses", lambda slots, number: number == 2),
        ("release", lambda slots, number: number == 2),
    ],
)
@pytest.mark.filterwarnings("ignore:.* do not fit into the memory", "ignore:.*cannot be stacked")
def test_a_stack_that_fails_is_halved_and_nothing_is_lost(monkeypatch, settings, name, when, error):
    callback, plain_callback = Counting(), Counting()
    plain = fit_grid(plain_callback, **settings)
    owner = Part if name == "losses" else Stack
    method, calls = getattr(owner, name), []

    def fails(self, *args, **kwargs):
        slots = args[0] if name == "__init__" else getattr(self, "slots", ())
        calls.append(len(slots))
        if when(slots, len(calls)):
            raise error("can't allocate memory")
        return method(self, *args, **kwargs)

    monkeypatch.setattr(owner, name, fails)
    with fused() as run:
        together = fit_grid(callback, **settings)
    assert sum(run.batches) == len(GRID)
    assert_same(plain, together)
    assert sorted(callback.calls) == sorted(plain_callback.calls)


@pytest.mark.slow
def test_it_is_told_that_memory_was_short(monkeypatch):
    init = Stack.__init__

    def fails(self, slots, sets):
        if len(slots) > 4:
            raise MemoryError
        init(self, slots, sets)

    plain = cross_val_score(CLF, X, y, cv=10)
    monkeypatch.setattr(Stack, "__init__", fails)
    with fused() as run, pytest.warns(UserWarning, match="10 networks do not fit") as record:
        together = cross_val_score(CLF, X, y, cv=10)
    assert run.batches == [2, 3, 2, 3]
    assert len(record) == 3  # for 10, 5 and 5
    np.testing.assert_array_equal(plain, together)


def test_memory_that_is_never_enough_is_the_error_of_each_fit(monkeypatch):
    def fails(*args):
        raise MemoryError("too little")

    monkeypatch.setattr("helpers.fusing.recovery.way_to_start", fails)
    monkeypatch.setattr("helpers.fusing.grouping.train_alone", fails)
    with fused(), pytest.warns(UserWarning, match="do not fit into the memory"):
        together = fit_grid()
    assert all(isinstance(error, MemoryError) for error in together)


def test_an_error_of_one_network_reaches_its_own_fit():
    class Fragile(zoo.Base):
        """Fails on the rows of one fit, in its third epoch."""

        def forward(self, X):
            return nn.functional.embedding((X[:, 0] > 90).long() * 5, self.two.weight.T) + X[:, :3]

    rows = X.copy()
    rows[0, 0] = 99.0
    clf = TorchClassifier(Fragile, epochs=3, random_state=0)

    def fit(part, lr):
        try:
            return clone(clf).set_params(lr=lr).fit(rows[part], y[part])
        except Exception as error:
            return error

    jobs = [(slice(i, 60 + i), 0.01 * (i + 1)) for i in range(4)]
    plain = [fit(*job) for job in jobs]
    with fused():
        together = Parallel()(delayed(fit)(*job) for job in jobs)
    assert [isinstance(one, Exception) for one in plain] == [
        isinstance(one, Exception) for one in together
    ]


@pytest.mark.slow
@of_settings
@pytest.mark.parametrize("what", ["begin", "end"])
@pytest.mark.parametrize("epoch", [0, 1])
def test_an_error_of_a_callback_reaches_its_own_fit(settings, what, epoch):
    fails = (what, 0.05, epoch)
    plain = fit_grid(Counting(fails), **settings)
    with fused() as run:
        together = fit_grid(Counting(fails), **settings)
    assert max(run.batches) == len(GRID)
    assert any(isinstance(error, ZeroDivisionError) for error in together)
    assert_same(plain, together)


@of_settings
def test_divergence_is_told_as_in_the_loop(settings, monkeypatch):
    grid = [(epochs, lr) for epochs in (1, 2, 5) for lr in (0.01, 1e300)]
    monkeypatch.setattr("tests.fusing.test_grouping.GRID", grid)
    plain = fit_grid(optimizer="sgd", **settings)
    with fused() as run:
        together = fit_grid(optimizer="sgd", **settings)
    assert run.batches == [len(grid)]
    assert_same(plain, together)
    assert any("nan in epoch 2" in str(one) for one in plain) or settings


@pytest.mark.slow
def test_slots_that_differ_in_epochs_survive_a_failure(monkeypatch):
    plain = fit_grid()
    calls, train_epoch = [], Stack.train_epoch

    def fails(self):
        calls.append(len(self.slots))
        if len(calls) == 2:
            raise MemoryError
        train_epoch(self)

    monkeypatch.setattr(Stack, "train_epoch", fails)
    with fused(), pytest.warns(UserWarning, match="3 networks do not fit"):
        together = fit_grid()
    assert calls[:2] == [3, 3]  # three rates, each with four numbers of epochs
    assert_same(plain, together)
