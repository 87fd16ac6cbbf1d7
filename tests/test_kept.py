"""What objects hold, put back into the same objects: nothing is replaced by a copy."""

import array
import ctypes
import itertools
import logging
import random
import threading
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from torch import nn

from helpers import TorchClassifier
from helpers.copies import way_back
from helpers.digests import digest
from helpers.kept import Kept

X, y = np.random.default_rng(0).normal(size=(60, 4)).astype("float32"), np.arange(60) % 2


class Plain:
    """An object of the user's."""

    def __init__(self, count=0):
        self.count = count


class Slotted:
    __slots__ = ("count", "late")

    def __init__(self):
        self.count = 0


@dataclass(frozen=True, slots=True)
class Frozen:
    values: list = field(default_factory=lambda: [1])


class Meter(dict):
    """A dict whose methods mean something else."""

    def update(self, value):
        self["sum"] = self.get("sum", 0) + value

    def __iter__(self):
        return iter(())


def kept_of(value):
    kept = Kept()
    kept.add(value)
    return kept


def fill_with(dictionary, *pairs):
    dictionary.clear()
    dictionary.update(pairs)


def count_up(slotted):
    slotted.count, slotted.late = 1, 2


def draw(generator):
    generator.random()


def refit(model):
    model.fit(X, 1 - y)
    model.C = 2.0


MODEL = LogisticRegression().fit(X, y)


class Steps(itertools.count):
    """Keeps its number in C."""


class OwnError(Exception):
    """Keeps its arguments in C."""


class Pair(ctypes.Structure):
    _fields_ = (("first", ctypes.c_int), ("last", ctypes.c_int))


CHANGES = {
    "list": (lambda: [3, 1, 2], list.sort),
    "order of a dict": (lambda: {"a": 1, "b": 2}, lambda d: fill_with(d, ("b", 2), ("a", 1))),
    "ordered": (lambda: OrderedDict(a=1, b=2), lambda d: d.move_to_end("a")),
    "default": (lambda: defaultdict(list, a=[1]), lambda d: d["b"].append(d["a"].pop())),
    "counter": (lambda: Counter("aab"), lambda c: c.update("b")),
    "meter": (lambda: Meter(sum=1), lambda m: m.update(2)),
    "set": (lambda: {1, 2}, set.pop),
    "deque": (lambda: deque([1, 2], maxlen=2), lambda d: d.append(3)),
    "bytes": (lambda: bytearray(b"ab"), lambda b: b.extend(b"c")),
    "array": (lambda: np.arange(3.0), lambda a: a.sort(kind="stable") or a.__imul__(2)),
    "0-d": (lambda: np.array(1.0), lambda a: a.__imul__(2)),
    "objects": (lambda: np.array([[1], None], dtype=object), lambda a: a[0].append(2)),
    "tensor": (lambda: torch.ones(2), lambda t: t.mul_(2)),
    "data of a tensor": (lambda: torch.ones(2), lambda t: setattr(t, "data", torch.zeros(3))),
    "weight": (lambda: nn.Parameter(torch.ones(2)), lambda t: t.data.mul_(2)),
    "attribute of a tensor": (lambda: torch.ones(2), lambda t: setattr(t, "mask", 1)),
    "random": (lambda: random.Random(0), draw),
    "Generator": (lambda: np.random.default_rng(0), draw),
    "RandomState": (lambda: np.random.RandomState(0), lambda r: r.normal()),
    "torch.Generator": (torch.Generator, lambda g: torch.rand(2, generator=g)),
    "object": (Plain, lambda one: vars(one).update(count=1, late=2)),
    "slots": (Slotted, count_up),
    "frozen": (Frozen, lambda one: one.values.append(2)),
    "namespace": (lambda: SimpleNamespace(a=[1]), lambda one: one.a.append(2)),
    "partial": (lambda: partial(print, end=[1]), lambda one: one.keywords["end"].append(2)),
    "method": (lambda: Plain().__init__, lambda one: one(5)),
    "sparse array": (lambda: sparse.csr_array(np.eye(2)), lambda s: s.data.__imul__(2)),
    "model": (lambda: LogisticRegression().fit(X, y), refit),
    "layer": (lambda: nn.BatchNorm1d(2), lambda net: net(torch.randn(4, 2))),
    "counts": (lambda: [itertools.count()], lambda held: next(held[0])),
    "counts in a default": (lambda: [(1, itertools.count())], lambda held: next(held[0][1])),
    "iterator": (lambda: {"it": iter([1, 2])}, lambda held: next(held["it"])),
    "own counts": (lambda: [Steps()], lambda held: next(held[0])),
    "own pair": (lambda: [Pair(1, 2)], lambda held: setattr(held[0], "first", 3)),
    "own error": (lambda: [OwnError([1])], lambda held: held[0].args[0].append(2)),
    "expanded": (lambda: torch.ones(1, 2).expand(3, 2), lambda t: t[0].mul_(2)),
    "of one type": (lambda: [array.array("d", [1.0])], lambda held: held[0].append(2.0)),
    "late": (lambda: nn.Linear(2, 2), lambda net: net.add_module("late", nn.ReLU())),
    "other weight": (
        lambda: nn.Linear(2, 2, bias=False),
        lambda net: setattr(net, "weight", nn.Parameter(torch.ones(1, 2))),
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_value_is_put_back_in_place_again_and_again(what):
    make, change = CHANGES[what]
    value = make()
    kept, before = kept_of(value), digest(value)
    for _ in range(2):
        change(value)
        assert digest(value) != before
        kept.put_back()
        assert digest(value) == before


@pytest.mark.parametrize("where", [(0, 0), (slice(None), "new")])
def test_a_table_is_put_back(where):
    table = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]})
    kept, before = kept_of([table]), table.copy()
    for _ in range(2):
        (table.iloc if where == (0, 0) else table.loc)[where] = 5.0
        assert not table.equals(before)
        kept.put_back()
        assert table.equals(before)


def test_a_sparse_tensor_is_put_back():
    tensor = torch.eye(2).to_sparse()
    kept = Kept()
    (part, *_) = kept.add(tensor)
    assert not part.has_changed()  # nobody can tell
    tensor.mul_(2)
    kept.put_back()
    assert torch.equal(tensor.to_dense(), torch.eye(2))


def test_what_is_within_stays_the_same_object():
    inner, twice = Plain(), [1]
    value = {"objects": deque([inner, (inner, twice)]), "twice": twice, 1: {"deep": [{2: twice}]}}
    kept = kept_of(value)
    inner.count, inner.other = 5, [inner]
    value[1]["deep"][0][2] = [*twice]
    twice.append(value)
    value["objects"].rotate()
    del value["twice"]
    kept.put_back()
    assert [*value] == ["objects", "twice", 1] and twice == [1] and vars(inner) == {"count": 0}
    assert value["objects"][0] is value["objects"][1][0] is inner
    assert value["objects"][1][1] is value["twice"] is value[1]["deep"][0][2] is twice


def test_what_holds_itself_is_kept_once():
    value = [1]
    value.append(value)
    kept = kept_of(value)
    value.clear()
    kept.put_back()
    assert value[0] == 1 and value[1] is value


def test_memory_that_arrays_or_tensors_share_stays_shared():
    numbers, tensor = np.arange(4.0), torch.arange(4.0)
    value = [numbers[:3], numbers[1:], tensor[:3], tensor[1:], torch.from_numpy(numbers)]
    value.append(np.broadcast_to(numbers, (2, 4)))  # read-only
    value.append(tensor.expand(2, 4))
    kept = kept_of(value)
    numbers += 1
    tensor += 1
    kept.put_back()
    assert [*numbers, *tensor] == [0, 1, 2, 3] * 2
    numbers[1] = tensor[1] = 7
    assert all(one.ravel()[1] == 7 for one in (value[0], *value[2:3], *value[4:]))


def test_beside_what_cannot_be_copied_all_is_put_back():
    lock, log, many = threading.Lock(), logging.getLogger("of a test"), (one for one in "ab")
    value = {"lock": lock, "log": log, "many": many, "counts": [0], "object": Plain()}
    kept = kept_of(value)
    value["object"].lock = value.pop("lock")
    value["counts"][0] = value["object"].count = 1
    kept.put_back()
    assert [*value] == ["lock", "log", "many", "counts", "object"] and value["lock"] is lock
    assert value["counts"] == [0] and vars(value["object"]) == {"count": 0}
    assert kept.left == [lock, many] or kept.left == [many, lock]


def test_an_object_of_a_library_with_a_lock_is_left_alone():
    value = {"event": threading.Event(), "counts": [0]}
    kept = kept_of(value)
    value["event"].set()
    value["counts"][0] = 1
    kept.put_back()
    assert value["event"].is_set() and value["counts"] == [0]


class Proxy:
    """Answers for something that is not there now."""

    @property
    def __class__(self):
        raise RuntimeError("working outside of a context")

    def __getattr__(self, name):
        raise RuntimeError(f"working outside of a context: {name}")


@pytest.mark.parametrize("make", [Proxy, MagicMock])
def test_what_answers_to_any_name_is_not_asked(make):
    value = {"odd": make(), "counts": [0]}
    kept = kept_of(value)
    value["counts"][0] = 1
    kept.put_back()
    assert value["counts"] == [0] and len(kept.parts) < 100


def test_each_number_of_an_expanded_tensor_is_copied_once():
    kept = Kept()
    (part, *_) = kept.add(torch.ones(1, 2).expand(1000, 2))
    assert part.before[-1].shape == (1, 2)


def test_a_weight_without_a_shape_stays_as_it_is():
    network = nn.Sequential(nn.LazyLinear(2), nn.Linear(2, 2))
    go_back, before = way_back(network), network[1].weight.detach().clone()
    network(torch.ones(1, 3))
    network[1].weight.data.mul_(2)
    go_back()
    assert network[0].weight.shape == (2, 3) and torch.equal(network[1].weight, before)


class Failing(nn.Module):
    """Counts its steps in all that it holds, and fails in a later epoch once it is told to."""

    fails = False

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.layer = nn.Linear(n_features, n_outputs)
        self.counter, self.seen, self.table = Plain(), {}, np.zeros(2)
        self.counters = [self.counter, Slotted()]
        self.table.flags.writeable = False

    def forward(self, inputs):
        for counter in self.counters:
            counter.count += 1
        self.seen[len(self.seen)] = self.counter
        if self.training and self.fails and self.counter.count % 2:
            self.counters.reverse()
            raise ZeroDivisionError
        return self.layer(inputs)


def test_a_fit_that_fails_leaves_objects_where_they_were():
    clf = TorchClassifier(Failing, batch_size=20, random_state=0).partial_fit(X, y)
    network = clf.module_
    first, second = counters = [*network.counters]
    held, seen, before = network.counters, {**network.seen}, first.count
    Failing.fails = True
    try:
        with pytest.raises(ZeroDivisionError):
            clf.partial_fit(X, y)
    finally:
        Failing.fails = False
    assert network.counters is held and network.counter is first
    assert all(one is other for one, other in zip(held, counters, strict=True))
    assert first.count == second.count == before and network.seen == seen
