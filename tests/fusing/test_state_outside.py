"""State and settings that stand outside a network, wherever they are kept."""

import contextlib
import functools
import gc
import json
import random
import types
import warnings
from fnmatch import _compile_pattern as pattern_of

import numpy as np
import pytest
import torch
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV
from torch import nn
from torch.nn import functional as F

from helpers import TorchClassifier, fused
from helpers.fusing.outside import Outside
from helpers.fusing.places import values_of
from helpers.fusing.settings import Settings
from helpers.fusing.trial import answers
from helpers.jobs import Job
from helpers.recipes import build

pytestmark = pytest.mark.slow

X, y = make_classification(62, 6, n_informative=4, n_classes=3, random_state=0)
LATE = 15  # training steps after which what is kept acts: no trial goes so far


class Net(nn.Module):
    """Two layers; `keep` is told a setting, and `change` changes the rows."""

    def __init__(self, n_features, n_outputs, setting=1.0):
        super().__init__()
        self.one, self.two = nn.Linear(n_features, 4), nn.Linear(4, n_outputs)
        self.keep(setting)

    def keep(self, setting):
        pass

    def change(self, X):
        return X

    def forward(self, X):
        return self.two(torch.tanh(self.one(self.change(X) if self.training else X)))


def scores(module, grid, X=X, **settings):
    """Return the scores of a search, from a clean start."""
    reset()
    clf = TorchClassifier(module, **{"epochs": 6, "lr": 0.03, "random_state": 0} | settings)
    search = GridSearchCV(clf, grid, cv=3, scoring="neg_log_loss", refit=False, error_score="raise")
    found = search.fit(X, y).cv_results_
    return np.array([found[f"split{i}_test_score"] for i in range(3)])


# Settings: what one fit sets, the next one sets anew


class OtherClass:
    scale, count, rng = 1.0, 0, random.Random(0)


class Meta(type):
    scale = 1.0


IN_MODULE = types.ModuleType("module_of_a_user")  # none that is installed
IN_DICT, BUILT, ITERATOR = {}, [], []


def scaled(X):
    return X * scaled.by


class Scales:
    """A helper that is no layer."""

    def __call__(self, X):
        return X * IN_DICT["scale"]


class InOtherClass(Net):
    def keep(self, setting):
        OtherClass.scale = setting

    def change(self, X):
        return X * OtherClass.scale


class InModule(Net):
    def keep(self, setting):
        IN_MODULE.scale = setting

    def change(self, X):
        return X * IN_MODULE.scale


class InFunction(Net):
    def keep(self, setting):
        scaled.by = setting

    def change(self, X):
        return scaled(X)


class InDefault(Net):
    def keep(self, setting):
        type(self).scaled.__defaults__ = (setting,)

    def scaled(self, X, scale=1.0):
        return X * scale

    def change(self, X):
        return self.scaled(X)


class InMeta(Net, metaclass=Meta):
    def keep(self, setting):
        Meta.scale = setting

    def change(self, X):
        return X * type(self).scale


class ByHelper(Net):
    def keep(self, setting):
        IN_DICT["scale"], self.steps = setting, [Scales()]

    def change(self, X):
        return self.steps[0](X)


class ByPartial(Net):
    def keep(self, setting):
        IN_DICT["scale"], self.step = setting, functools.partial(Scales.__call__, None)

    def change(self, X):
        return self.step(X)


class ByName(Net):
    scale = 1.0

    def keep(self, setting):
        setattr(type(self), "scale", setting)  # noqa: B010

    def change(self, X):
        return X * getattr(self, "scale")  # noqa: B009


class InTorch(Net):
    def keep(self, setting):
        torch.scale_of_a_user = setting

    def change(self, X):
        return X * torch.scale_of_a_user


class LastBuilt(Net):
    def keep(self, setting):
        BUILT.append(setting)

    def change(self, X):
        return X * BUILT[-1]


class Reversal(torch.autograd.Function):
    strength = 1.0

    @staticmethod
    def forward(ctx, X):
        return X.clone()

    @staticmethod
    def backward(ctx, gradient):
        return -OtherClass.scale * gradient


class InBackward(Net):
    def keep(self, setting):
        OtherClass.scale = setting

    def forward(self, X):
        return self.two(Reversal.apply(torch.tanh(self.one(X))))


NAMED = {
    **{InOtherClass: "scale", InFunction: "by", InMeta: "scale", ByHelper: "IN_DICT"},
    **{ByPartial: "IN_DICT", ByName: "scale", InModule: "scale", InBackward: "scale"},
}
UNNAMED = [InDefault, InTorch, LastBuilt]


@pytest.mark.parametrize("module", [*NAMED, *UNNAMED])
def test_a_setting_that_the_next_fit_changes_is_an_error(module):
    said = f"reads `{NAMED[module]}`" if module in NAMED else "reads something, such as a file"
    with fused(), pytest.raises(ValueError, match=f"{said}.*another fit has changed"):
        scores(module, {"module__setting": [1.0, 3.0]})


@pytest.mark.slow
@pytest.mark.parametrize("module", [*NAMED, *UNNAMED[:-1]])
def test_a_setting_that_stays_is_none(module):
    grid = {"lr": [0.01, 0.03]}
    plain = scores(module, grid)
    with warnings.catch_warnings(), fused() as run:
        warnings.simplefilter("ignore")  # vmap refuses one
        together = scores(module, grid)
    assert run.batches == ([1] * 6 if module is InBackward else [6])
    np.testing.assert_allclose(together, plain, rtol=0, atol=1e-10)


@pytest.fixture
def file(tmp_path):
    InFile.path = tmp_path / "setting.json"
    yield
    InFile.path = None


class InFile(Net):
    path = None

    def keep(self, setting):
        self.path.write_text(json.dumps(setting))

    def change(self, X):
        return X * json.loads(self.path.read_text())


def test_a_setting_in_a_file_is_that_of_its_fit(file):
    assert_as_the_loop(InFile, "it opens files while training, such as .*setting.json", SETTINGS)


# State: what a network keeps where no attribute of it shows


class InOtherClassLate(Net):
    def change(self, X):
        OtherClass.count += 1
        return X * (1.0 if OtherClass.count < LATE else 3.0)


class InFunctionLate(Net):
    def change(self, X):
        counted.calls += 1
        return counted(X)


def counted(X):
    return X * (1.0 if counted.calls < LATE else 3.0)


class InDefaultLate(Net):
    def change(self, X, calls=[0]):  # noqa: B006
        calls[0] += 1
        return X * (1.0 if calls[0] < LATE else 3.0)


@functools.lru_cache
def cached():
    return {"calls": 0}


class InCacheLate(Net):
    def change(self, X):
        cached()["calls"] += 1
        return X * (1.0 if cached()["calls"] < LATE else 3.0)


class InCacheOfADictLate(InCacheLate):
    def change(self, X):
        CACHES["cached"]()["calls"] += 1
        return X * (1.0 if cached()["calls"] < LATE else 3.0)


class InPartialCacheLate(Net):
    def keep(self, setting):
        self.count = functools.partial(cached)

    def change(self, X):
        self.count()["calls"] += 1
        return X * (1.0 if self.count()["calls"] < LATE else 3.0)


class InCacheOfAPartialLate(Net):
    def change(self, X):
        cached_partial()["calls"] += 1
        return X * (1.0 if cached_partial()["calls"] < LATE else 3.0)


cached_partial = functools.lru_cache(functools.partial(dict, calls=0))
CACHES = {"cached": cached}


class Counts:
    def __call__(self, X):
        IN_DICT["calls"] = IN_DICT.get("calls", 0) + 1
        return X * (1.0 if IN_DICT["calls"] < LATE else 3.0)


class ByHelperLate(Net):
    def keep(self, setting):
        self.steps = {"first": Counts().__call__}

    def change(self, X):
        return self.steps["first"](X)


class FromAGenerator(Net):
    def change(self, X):
        return X * (1 + next(ITERATOR[0]))


class FromPython(Net):
    def change(self, X):
        return X * (1 + OtherClass.rng.random())


STATES = {
    InOtherClassLate: "it keeps `count`, a variable outside of it",
    InFunctionLate: "it keeps `calls`, a variable outside of it",
    InDefaultLate: "it keeps `change.__defaults__`, a variable outside of it",
    ByHelperLate: "it keeps `IN_DICT`, a variable outside of it",
    FromPython: "it keeps `rng`, a variable outside of it",
    InCacheLate: "it calls `cached`, which keeps results where nobody can look",
    InCacheOfADictLate: "it calls `cached`, which keeps results where nobody can look",
    InCacheOfAPartialLate: "it calls `cached_partial`, which keeps results where nobody can look",
    InPartialCacheLate: "it calls `cached`, which keeps results where nobody can look",
}
RATES, SETTINGS = {"lr": [0.01, 0.03]}, {"module__setting": [1.0, 3.0]}


def reset():
    OtherClass.scale, OtherClass.count, OtherClass.rng = 1.0, 0, random.Random(0)
    IN_MODULE.scale = Meta.scale = ByName.scale = scaled.by = torch.scale_of_a_user = 1.0
    InDefaultLate.change.__defaults__, counted.calls = ([0],), 0
    InDefault.scaled.__defaults__ = (1.0,)
    IN_DICT.clear()
    cached.cache_clear()
    cached_partial.cache_clear()
    BUILT.clear()
    ITERATOR[:] = [(0.1 for _ in range(10**6))]


@pytest.fixture(autouse=True)
def _put_back(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, IN_MODULE.__name__, IN_MODULE)
    reset()
    yield
    reset()
    with contextlib.suppress(AttributeError):
        del torch.scale_of_a_user


def assert_as_the_loop(module, reason, grid=RATES, **settings):
    """Assert that fits give the scores of the loop, one by one, and that a warning says why."""
    plain = scores(module, grid, **settings)
    with fused() as run, pytest.warns(UserWarning, match=f"cannot be stacked: {reason}"):
        together = scores(module, grid, **settings)
    assert set(run.batches) == {1}
    np.testing.assert_allclose(together, plain, rtol=0, atol=1e-6)


@pytest.mark.parametrize("module", STATES)
@pytest.mark.parametrize(
    "settings", [{}, pytest.param({"batch_size": 16, "patience": 2}, marks=pytest.mark.slow)]
)
def test_state_is_seen_before_it_acts(module, settings):
    assert_as_the_loop(module, STATES[module], **settings)


class AsksALibrary(Net):
    def change(self, X):
        return X if pattern_of("a*")("abc") else -X


def test_a_function_of_a_library_may_keep_results():
    with fused() as run:
        scores(AsksALibrary, RATES)
    assert run.batches != [1] * 6


class Proxy:
    """Answers for something that is not there now, as a context of a web server is."""

    def __getattr__(self, name):
        raise RuntimeError(f"working outside of a context: {name}")


PROXY = None


class AsksAProxy(Net):
    def change(self, X):
        return X if PROXY else -X


def test_what_a_network_names_is_not_asked_for_attributes(monkeypatch):
    monkeypatch.setitem(globals(), "PROXY", Proxy())
    plain = scores(AsksAProxy, RATES)
    with fused():
        together = scores(AsksAProxy, RATES)
    np.testing.assert_allclose(together, plain, rtol=0, atol=1e-6)


def test_a_generator_may_be_anywhere():
    assert_as_the_loop(FromAGenerator, "it uses `ITERATOR`, of which nobody can tell")


def test_a_generator_of_random_numbers_is_put_back_in_place():
    rng = OtherClass.rng
    outside = Outside(FromPython(6, 3))
    expected = rng.random()
    assert outside.changed() == "rng"
    outside.restore()
    assert OtherClass.rng is rng and rng.random() == expected


def job_of(network):
    tensors = torch.from_numpy(X).float(), torch.from_numpy(y), None, torch.arange(len(y))
    return Job(*tensors, F.cross_entropy, "adam", 0.1, 0.0, 1, None, network=network)


BY_ID = {}


class ByItsId(Net):
    def keep(self, setting):
        BY_ID[id(self)] = setting

    def change(self, X):
        return X * BY_ID.get(id(self), 1.0)


def test_the_id_of_a_dead_network_may_be_taken_again():
    BY_ID.clear()
    network, settings = ByItsId(6, 3), Settings()
    BY_ID[12345] = 1.0  # of one that is gone
    job = job_of(network)
    assert settings.note(job) is None
    BY_ID[12345] = 3.0  # of a new one in its place
    assert settings.error_of(job) is None
    assert settings.note(job) is None
    BY_ID[id(network)] = 3.0
    assert "reads `BY_ID`" in str(settings.error_of(job))


def test_other_keys_than_ids_count_in_such_a_table():
    network = Net(6, 3)
    places = [({"table": {id(network): 1.0, 7: 2.0, "scale": 3.0}}, "table")]
    assert len(values_of(places, network)[0]) == 2


class ReplacesABuffer(Net):
    def keep(self, setting):
        self.register_buffer("mean", torch.zeros(6))

    def change(self, X):
        self.mean = 0.9 * self.mean + 0.1 * X.mean(0)
        return X - self.mean


def test_a_network_that_is_asked_stays_as_it_is():
    network = ReplacesABuffer(6, 3)
    buffer, before = network.mean, network.mean.clone()
    answers(network, job_of(network))
    assert network.mean is buffer and torch.equal(buffer, before)


def later(X, calls=[0]):  # noqa: B006
    calls[0] += 1
    return X * (1.0 if calls[0] < 100 * LATE else 3.0)


class Later:
    calls = 0

    def __call__(self, X):
        self.calls += 1
        return X


@pytest.mark.parametrize("augment", [later, Later()])
def test_an_augmentation_that_counts_is_trained_alone(augment):
    clf = TorchClassifier(augment=augment, epochs=2, random_state=0)
    with fused() as run, pytest.warns(UserWarning, match="its augment keeps something"):
        GridSearchCV(clf, RATES, cv=2, refit=False).fit(X, y)
    assert set(run.batches) == {1}


# Memory


class Overlapping(Net):
    def keep(self, setting):
        weight = torch.ones(8)
        self.three, self.four = nn.Parameter(weight[:6]), nn.Parameter(weight[2:])

    def change(self, X):
        return X * self.three + X.abs() * self.four


class BufferOfAWeight(Net):
    def keep(self, setting):
        self.register_buffer("weight", self.two.weight.data)

    def forward(self, X):
        hidden = torch.tanh(self.one(X))
        return self.two(hidden) if self.training else F.linear(hidden, self.weight)


@pytest.mark.parametrize("module, name", [(Overlapping, "four"), (BufferOfAWeight, "weight")])
def test_weights_in_one_memory_are_trained_alone(module, name):
    rows = X.astype(np.float32)  # in another precision each would get memory of its own
    reason = f"its weight or buffer `{name}` shares memory with another"
    assert_as_the_loop(module, reason, X=rows)


def test_a_lazy_network_is_not_kept_by_its_recipe():
    def recipe(n_features, n_outputs):
        network = nn.Sequential(nn.LazyConv2d(3, 3), nn.LazyBatchNorm2d())  # they hold themselves
        gc.collect(1)  # as it may happen at any time: it is now among the old
        return network

    assert isinstance(build(recipe, (1, 4, 4), 3, {}, owner="T")[0], nn.LazyConv2d)
