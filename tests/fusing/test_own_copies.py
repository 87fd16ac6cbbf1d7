"""Loggers, singletons and others that are their own copies, or that no copy holds all of."""

import copy
import itertools
import logging
import threading
import warnings
from collections import deque
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV
from torch import nn
from torch.nn import functional as F

from helpers import TorchClassifier, fused
from helpers.digests import digest
from helpers.fusing.functions import Watch
from helpers.fusing.outside import Outside
from helpers.kept import Kept
from helpers.leakage.outside import left_alone

X, y = make_classification(62, 6, n_informative=4, n_classes=3, random_state=0)


class ItsOwnCopy:
    """A singleton, as many packages keep their settings in."""

    def __init__(self):
        self.calls, self.scale = 0, 2.0

    def __deepcopy__(self, memo):
        return self


class OfAName:
    """Another, which is pickled by its name."""

    def __init__(self):
        self.calls, self.scale = 0, 2.0

    def __reduce__(self):
        return "SETTINGS"


class Alike:
    """All objects of it share their attributes."""

    shared = {}

    def __new__(cls):
        new = super().__new__(cls)
        new.__dict__ = cls.shared
        return new

    def __init__(self):
        self.calls, self.scale = 0, 2.0


class WithALock:
    """Leaves out of its copies what cannot be pickled."""

    def __init__(self):
        self.calls, self.scale, self.lock = 0, 2.0, threading.Lock()

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "lock"}


class ADict(dict):
    """A dict that is its own copy, read and written as an object."""

    __setattr__ = dict.__setitem__

    def __init__(self):
        super().__init__(calls=0, scale=2.0)

    def __getattr__(self, name):
        if name in self:
            return self[name]
        raise AttributeError(name)

    def __deepcopy__(self, memo):
        return self


SETTINGS = LOGGER = None
NUMBERS = itertools.count()
KINDS = [ItsOwnCopy, OfAName, Alike, WithALock, ADict]
all_kinds = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def logger(monkeypatch):
    """A logger that has been asked for nothing yet."""
    new = logging.getLogger(f"{__name__}.{next(NUMBERS)}")
    monkeypatch.setitem(globals(), "LOGGER", new)
    return new


@pytest.fixture
def settings(monkeypatch, kind):
    new = kind()
    monkeypatch.setitem(globals(), "SETTINGS", new)
    return new


class Plain(nn.Module):
    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.layer = nn.Linear(n_features, n_outputs)

    def forward(self, X):
        return self.layer(X) * 2.0


class Logs(Plain):
    def forward(self, X):
        LOGGER.debug("shape %s", X.shape)
        return super().forward(X)


class HoldsItsLogger(Plain):
    def __init__(self, n_features, n_outputs):
        super().__init__(n_features, n_outputs)
        self.log, self.adapter = LOGGER, logging.LoggerAdapter(LOGGER, {})

    def forward(self, X):
        self.log.debug("shape %s", X.shape)
        self.adapter.debug("again")
        return super().forward(X)


class Asks(Plain):
    def forward(self, X):
        SETTINGS.calls += 1
        return self.layer(X) * SETTINGS.scale


class AsksWithin(Plain):
    def forward(self, X):
        SETTINGS["within"][0].calls += 1
        return self.layer(X) * SETTINGS["within"][0].scale


class Slower(Plain):
    def forward(self, X):
        SETTINGS.scale *= 0.9
        return self.layer(X) * SETTINGS.scale


def plain_loss(outputs, y):
    return F.cross_entropy(outputs, y, reduction="none")


def loss_that_logs(outputs, y):
    LOGGER.debug("loss")
    return plain_loss(outputs, y)


def plain_augment(X):
    return X + 0.01 * torch.randn_like(X)


def augment_that_logs(X):
    LOGGER.debug("augment")
    return plain_augment(X)


def scores(module=Plain, **params):
    clf = TorchClassifier(module, epochs=3, lr=0.03, random_state=0, **params)
    grid = {"lr": [0.01, 0.1]}
    search = GridSearchCV(clf, grid, cv=2, scoring="neg_log_loss", error_score="raise")
    found = search.fit(X, y).cv_results_
    return np.array([found[f"split{i}_test_score"] for i in range(2)])


WITH_AND_WITHOUT = [
    ({"module": Logs}, {}),
    ({"module": HoldsItsLogger}, {}),
    ({"loss": loss_that_logs}, {"loss": plain_loss}),
    ({"augment": augment_that_logs}, {"augment": plain_augment}),
]


@pytest.mark.parametrize("logs, quiet", WITH_AND_WITHOUT, ids=["module", "held", "loss", "augment"])
def test_a_logger_changes_nothing(logger, logs, quiet):
    expected, before = scores(**quiet), {**vars(logger)}
    plain = scores(**logs)
    with fused() as run:
        together = scores(**logs)
    np.testing.assert_array_equal(plain, expected)
    np.testing.assert_allclose(together, expected, rtol=0, atol=1e-6)
    assert run.batches == [4, 1]  # the last is the one with all rows
    assert {**vars(logger)} == before


@pytest.mark.parametrize(
    "of",
    [
        lambda logger: logger,
        lambda logger: logging.LoggerAdapter(logger, {}),
        lambda logger: logging.NullHandler(),
    ],
    ids=["logger", "adapter", "handler"],
)
def test_what_writes_a_log_counts_by_its_name(logger, of):
    log = of(logger)
    before = digest([log])
    logger.debug("now it holds which levels it is enabled for")
    log.another = 1
    assert digest([log]) == before
    assert digest([logging.getLogger(f"{logger.name}.other")]) != digest([logger])


@all_kinds
@pytest.mark.parametrize("module", [Asks, Slower])
def test_settings_that_count_their_calls_stay_as_they_are(settings, kind, module):
    plain = scores(module)
    names = {*(settings if kind is ADict else vars(settings))}
    calls, settings.calls, settings.scale = settings.calls, 0, 2.0
    with fused():
        together = scores(module)
    np.testing.assert_allclose(together, plain, rtol=0, atol=1e-6)
    assert names >= {"calls", "scale"} and settings.calls == calls
    assert {*(settings if kind is ADict else vars(settings))} == names
    if module is Asks:
        np.testing.assert_array_equal(plain, scores())


@all_kinds
def test_what_has_no_copy_of_its_own_is_put_back_in_pieces(settings, kind):
    outside, network = Outside(Asks(6, 3)), Asks(6, 3)
    assert outside.changed() is None
    lock = getattr(settings, "lock", None) if kind is WithALock else None
    network(torch.zeros(2, 6))
    settings.new = 1
    assert outside.changed()
    outside.restore()
    assert outside.changed() is None
    assert (settings.calls, settings.scale) == (0, 2.0)
    held = settings if kind is ADict else vars(settings)
    assert "new" not in held and held.get("lock") is lock


@all_kinds
def test_it_may_be_within_a_collection(monkeypatch, kind):
    one = kind()
    settings = {"within": [one, 5], "beside": [1]}
    monkeypatch.setitem(globals(), "SETTINGS", settings)
    outside = Outside(AsksWithin(6, 3))
    AsksWithin(6, 3)(torch.zeros(2, 6))
    settings["within"].append(6)
    settings["beside"].append(2)
    settings["new"] = 3
    outside.restore()
    assert settings == {"within": [one, 5], "beside": [1]}
    assert (one.calls, one.scale) == (0, 2.0)
    assert outside.changed() is None


@pytest.mark.parametrize("kind", [ItsOwnCopy, OfAName, Alike])
def test_a_loss_may_be_its_own_copy(kind, monkeypatch):
    class Loss(kind):
        def __call__(self, outputs, y):
            self.calls += 1
            return plain_loss(outputs, y)

    loss = Loss()
    monkeypatch.setitem(globals(), "SETTINGS", loss)
    names = {*vars(loss)}
    watch = Watch(loss)
    loss(torch.zeros(2, 3), torch.tensor([0, 1]))
    assert watch.changed()
    watch.restore()
    assert {*vars(loss)} == names and loss.calls == 0


@pytest.mark.parametrize(
    "value",
    [[1], {1: 2}, {1}, bytearray(b"a"), np.ones(2), torch.ones(2), ItsOwnCopy(), Alike()],
    ids=lambda value: type(value).__name__,
)
def test_nothing_is_lost_where_a_value_is_its_own_copy(value):
    before, kept = digest(value), Kept()
    kept.add(value)
    kept.put_back()
    assert digest(value) == before


def test_what_a_library_leaves_out_of_its_copies_is_not_lost(monkeypatch):
    monkeypatch.setattr(WithALock, "__module__", "torch.of_a_test")
    settings = WithALock()
    monkeypatch.setitem(globals(), "SETTINGS", settings)
    outside, lock = Outside(Asks(6, 3)), settings.lock
    Asks(6, 3)(torch.zeros(2, 6))
    settings.other = SETTINGS.calls
    assert outside.changed() == "SETTINGS"
    outside.restore()
    assert settings.lock is lock


def test_nothing_is_lost_where_two_share_their_attributes():
    one, other, kept = Alike(), Alike(), Kept()
    kept.add([one, other])
    other.calls = 1
    kept.put_back()
    assert vars(one) == {"calls": 0, "scale": 2.0}


COUNTED = None


class Counts(TorchClassifier):
    def fit(self, X, y):
        COUNTED.calls += 1
        return super().fit(X, y)


@all_kinds
def test_the_check_for_what_clones_share_loses_nothing_either(monkeypatch, kind):
    counted = kind()
    monkeypatch.setitem(globals(), "COUNTED", counted)
    before = {*(counted if kind is ADict else vars(counted))}
    with left_alone(Counts(epochs=1), in_memory=True):
        Counts(epochs=1).fit(X, y)
    assert {*(counted if kind is ADict else vars(counted))} == before
    assert counted.scale == 2.0


class InTurn(Plain):
    def forward(self, X):
        if isinstance(SETTINGS, set):
            SETTINGS.add(len(SETTINGS))
            return self.layer(X) * (2.0 if len(SETTINGS) < 20 else 3.0)
        SETTINGS.append(SETTINGS.pop() if isinstance(SETTINGS, list) else SETTINGS.popleft())
        return self.layer(X) * SETTINGS[-1].scale


@pytest.mark.parametrize("collection", [set, list, deque])
def test_a_collection_of_what_is_its_own_copy_is_put_back(monkeypatch, collection):
    first, second = ItsOwnCopy(), ItsOwnCopy()
    second.scale = 3.0
    found = []
    for engine in (nullcontext, fused):
        monkeypatch.setitem(globals(), "SETTINGS", collection([first, second, second]))
        with engine():
            found.append(scores(InTurn))
    np.testing.assert_allclose(*found, rtol=0, atol=1e-6)
    before = collection([*SETTINGS])
    outside = Outside(InTurn(6, 3))
    SETTINGS.pop()
    assert outside.changed() == "SETTINGS"
    outside.restore()
    assert SETTINGS == before
    monkeypatch.setitem(globals(), "SETTINGS", collection([first]))
    outside.restore()
    assert SETTINGS == before and outside.changed() is None


class Refers:
    def __init__(self, others):
        self.others = others

    def __reduce__(self):
        raise TypeError("it has a lock")


def test_what_refers_to_all_others_is_not_followed_for_each(monkeypatch):
    everything = []
    everything += [Refers(everything) for _ in range(1000)]
    monkeypatch.setitem(globals(), "SETTINGS", everything)
    outside = Outside(AsksWithin(6, 3))
    assert outside.changed() is None
    assert len(outside._kept.parts) < 3 * len(everything)


class AttributesAsWell(dict):
    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        self[name] = value


def test_a_dict_with_attributes_gets_both_back(monkeypatch):
    settings = AttributesAsWell()
    settings.calls, settings.scale = 0, 2.0
    monkeypatch.setitem(globals(), "SETTINGS", settings)
    outside = Outside(Slower(6, 3))
    Slower(6, 3)(torch.zeros(2, 6))
    outside.restore()
    assert settings.scale == settings["scale"] == 2.0


def loss_that_binds_its_list_anew(outputs, y):
    global SETTINGS
    SETTINGS = [*SETTINGS, 1]
    return plain_loss(outputs, y)


def test_a_list_that_is_bound_anew_is_no_log(monkeypatch):
    kept = [ItsOwnCopy()]
    monkeypatch.setitem(globals(), "SETTINGS", kept)
    watch = Watch(loss_that_binds_its_list_anew, logs=True)
    assert not watch.changed()
    loss_that_binds_its_list_anew(torch.zeros(2, 3), torch.tensor([0, 1]))
    assert watch.changed()
    watch.restore()
    assert SETTINGS is kept


class HoldsItsSettings(Plain):
    def __init__(self, n_features, n_outputs):
        super().__init__(n_features, n_outputs)
        self.settings, self.table = SETTINGS, np.zeros(2)
        self.table.flags.writeable = False

    def forward(self, X):
        self.settings.calls += 1
        return self.layer(X) * (2.0 if self.settings.calls < 15 else 3.0)


def test_a_singleton_that_a_network_holds_is_counted_as_in_the_loop(monkeypatch):
    found = []
    for engine in (nullcontext, fused):
        monkeypatch.setitem(globals(), "SETTINGS", ItsOwnCopy())
        with engine(), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found.append(scores(HoldsItsSettings))
    np.testing.assert_allclose(*found, rtol=0, atol=1e-6)
    said = "it keeps `settings`, which copies of it share, between batches"
    assert any(said in str(warning.message) for warning in caught)


class CountsBesideALock(Plain):
    def forward(self, X):
        count = next(SETTINGS["counts"][0]) + SETTINGS["names"].calls
        SETTINGS["names"].calls += 1
        return self.layer(X) * (2.0 if count < 30 else 3.0)


def test_what_counts_beside_a_lock_is_put_back(monkeypatch):
    found = []
    for engine in (nullcontext, fused):
        names = SimpleNamespace(calls=0, lock=threading.Lock())
        monkeypatch.setitem(
            globals(), "SETTINGS", {"counts": (itertools.count(), 1), "names": names}
        )
        with engine():
            found.append(scores(CountsBesideALock))
    np.testing.assert_allclose(*found, rtol=0, atol=1e-6)
    outside = Outside(CountsBesideALock(6, 3))
    for _ in range(2):
        expected = next(copy.copy(SETTINGS["counts"][0]))
        CountsBesideALock(6, 3)(torch.zeros(2, 6))
        assert outside.changed() == "SETTINGS"
        outside.restore()
        assert outside.changed() is None and SETTINGS["names"] is names
        assert next(copy.copy(SETTINGS["counts"][0])) == expected


SHARED = Plain(6, 3)


class OfANetwork(Plain):
    def forward(self, X):
        with torch.no_grad():
            SETTINGS["network"][0].layer.bias += 1
        return super().forward(X)


def test_networks_and_objects_within_a_collection_stay_themselves(monkeypatch):
    settings = {"network": (SHARED, [WithALock()]), "order": 1}
    monkeypatch.setitem(globals(), "SETTINGS", settings)
    outside, bias = Outside(OfANetwork(6, 3)), SHARED.layer.bias.detach().clone()
    OfANetwork(6, 3)(torch.zeros(2, 6))
    settings["network"] = settings.pop("network")
    assert outside.changed() == "SETTINGS"
    outside.restore()
    assert [*settings] == ["network", "order"] and settings["network"][0] is SHARED
    assert torch.equal(SHARED.layer.bias, bias) and outside.changed() is None
