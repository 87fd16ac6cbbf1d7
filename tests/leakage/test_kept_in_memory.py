"""What a fit keeps where all clones find it: in their class, a global, a default or a cache."""

import copy
import enum
import functools
import threading
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from helpers import TorchClassifier, carried_weights, purity, refit
from helpers.data import coin_flips

X, y = coin_flips(100, 8)
NOTHING = object()
ROWS, MODELS, FIRST, SETTINGS = [], {}, None, {"none": NOTHING}


def remember(rows, X, y):
    """Return a nearest neighbour of all rows that were ever seen."""
    rows.append((X, y))
    return KNeighborsClassifier(1).fit(*map(np.concatenate, zip(*rows, strict=True)))


class Kept(ClassifierMixin, BaseEstimator):
    rows = []

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.model_ = self.keep(X, y)
        return self

    def keep(self, X, y):
        return remember(Kept.rows, X, y)

    def predict(self, X):
        return self.model_.predict(X)


class InAGlobal(Kept):
    def keep(self, X, y):
        return remember(ROWS, X, y)


class InADefault(Kept):
    def keep(self, X, y, rows=[]):  # noqa: B006
        return remember(rows, X, y)


class OfAClass(Kept):
    def keep(self, X, y):
        if not hasattr(OfAClass, "late"):
            OfAClass.late = []
        return remember(OfAClass.late, X, y)


class OfAFunction(Kept):
    def keep(self, X, y):
        remember.rows = [*getattr(remember, "rows", []), (X, y)]
        return remember(remember.rows[:-1], X, y)


class TheFirst(Kept):
    def keep(self, X, y):
        global FIRST
        FIRST = FIRST or KNeighborsClassifier(1).fit(X, y)
        return FIRST


def of_a_closure():
    first = None

    class InAClosure(Kept):
        def keep(self, X, y):
            nonlocal first
            first = first or KNeighborsClassifier(1).fit(X, y)
            return first

    return InAClosure


@functools.cache
def rows_of_width(n_columns):
    return []


class InACache(Kept):
    def keep(self, X, y):
        return remember(rows_of_width(X.shape[1]), X, y)


class GoesOn(Kept):
    def keep(self, X, y):
        forest = MODELS.setdefault("forest", RandomForestClassifier(5, warm_start=True))
        forest.n_estimators += 5
        return copy.deepcopy(forest.fit(X, y))


class Counts(Kept):
    n_fits, sizes = 0, []

    def keep(self, X, y):
        Counts.n_fits += 1
        self.sizes.append((len(X), SETTINGS["none"]))
        return LogisticRegression().fit(X, y)


LEAKY = {
    Kept: "Kept.rows",
    InAGlobal: "ROWS",
    InADefault: "InADefault.keep: rows",
    OfAClass: "OfAClass.late",
    OfAFunction: "remember.rows",
    TheFirst: "FIRST",
    of_a_closure(): "of_a_closure.<locals>.InAClosure.keep: first",
    InACache: "rows_of_width",
    GoesOn: "MODELS",
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", LEAKY, ids=lambda kind: kind.__name__)
def test_what_one_fit_keeps_for_the_next_is_seen_and_put_back(kind):
    finding = refit(make_pipeline(kind()), X, y)
    assert finding.leaked is True and LEAKY[kind] in finding.evidence
    assert f"It changed {LEAKY[kind]}" in purity(kind(), X, y).evidence
    assert not any([ROWS, MODELS, FIRST, Kept.rows, rows_of_width(8)])
    assert not hasattr(OfAClass, "late") and not hasattr(remember, "rows")


def test_what_is_only_counted_is_no_leak():
    finding = refit(Counts(), X, y)
    assert finding.leaked is False and "repeated, by 0." in finding.evidence
    assert "It changed Counts.n_fits, Counts.sizes" in purity(Counts(), X, y).evidence
    assert Counts.n_fits == 0 and Counts.sizes == []
    assert SETTINGS["none"] is NOTHING


class Slotted:
    __slots__ = ("count",)

    def __init__(self):
        self.count = 0


SLOTTED, NAMES = Slotted(), SimpleNamespace(count=0, lock=threading.Lock())


class CountsInAll(Kept):
    pair, tensor, number = ([0], Slotted()), torch.zeros(2), np.array(0.0)
    tables, slotted = [np.zeros(2)], [SLOTTED]

    def keep(self, X, y):
        self.pair[0][0] += 1
        self.pair[1].count = SLOTTED.count = NAMES.count = 1
        self.tensor.add_(1)
        self.number += 1
        self.tables.append(self.tables[0])
        return LogisticRegression().fit(X, y)


def test_whatever_counts_is_put_back_in_place():
    CountsInAll.tables[0].flags.writeable = False
    of_class = [f"CountsInAll.{name}" for name in ("number", "pair", "slotted", "tables", "tensor")]
    said = ", ".join([*of_class, "NAMES"])
    assert f"It changed {said}, which clones share" in purity(CountsInAll(), X, y).evidence
    assert CountsInAll.pair[0] == [0] and CountsInAll.pair[1].count == 0
    assert SLOTTED.count == NAMES.count == CountsInAll.number == CountsInAll.tensor.sum() == 0
    assert len(CountsInAll.tables) == 1 and CountsInAll.slotted[0] is SLOTTED


class Replays(Kept):
    rows = []

    def keep(self, X, y):
        Replays.rows.append((X, y))
        A, b = map(np.concatenate, zip(*Replays.rows[:2], strict=True))
        return KNeighborsClassifier(1).fit(A, b)


def test_what_fits_of_before_have_left_is_said():
    assert refit(Replays(), X, y).leaked is True
    for _ in range(3):
        Replays().fit(X, y)
    finding = refit(Replays(), X, y)
    assert finding.leaked is None and "Replays.rows, which each fit changes" in finding.evidence


read = functools.cache(functools.partial(len, "abc"))


class Reads(Kept):
    def keep(self, X, y):
        read()
        return LogisticRegression().fit(X, y)


def test_a_cache_that_has_no_name_is_emptied():
    assert refit(Reads(), X, y).leaked is False
    assert "It changed a cache" in purity(Reads(), X, y).evidence
    assert read.cache_info().currsize == 0


BODY = (
    TorchClassifier(module__hidden=64, epochs=300, random_state=0)
    .fit(X.astype("float32"), y)
    .module_.layers[:2]
)
FOREST = RandomForestClassifier(5, random_state=0).fit(X, y)


class Embeds(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self

    def transform(self, X):
        parameter = next(BODY.parameters())
        return BODY(parameter.new_tensor(X)).detach().numpy()


class Asks(Embeds):
    def transform(self, X):
        return FOREST.predict_proba(X)


@pytest.mark.slow
def test_networks_and_models_that_methods_find_outside_are_looked_at():
    before = copy.deepcopy(BODY.state_dict())
    finding = carried_weights(make_pipeline(Embeds(), TorchClassifier(epochs=5)), X, y)
    assert finding.leaked is True, finding
    assert all(value.equal(before[name]) for name, value in BODY.state_dict().items())
    finding = carried_weights(make_pipeline(Asks(), TorchClassifier(epochs=5)), X, y)
    assert finding.leaked is None and "RandomForestClassifier" in finding.evidence


class Single:
    """Its own copy, and what pickling marks its class for."""

    only = None

    def __init__(self):
        self.rows = []

    def __deepcopy__(self, memo):
        return self


Single.only = Single()


class Colour(enum.Enum):
    RED = "red"

    def __init__(self, _):
        self.rows = []


class Width(int):
    """A number with attributes."""


WIDTH, GROWN = Width(3), [np.zeros(1)]
WIDTH.rows = []


class InASingleton(Kept):
    def keep(self, X, y):
        return remember(Single.only.rows, X, y)


class InAnEnum(Kept):
    def keep(self, X, y):
        return remember(Colour.RED.rows, X, y)


class OfANumber(Kept):
    def keep(self, X, y):
        return remember(WIDTH.rows, X, y)


class InAResizedArray(Kept):
    def keep(self, X, y):
        GROWN[0].resize(GROWN[0].size + len(y), refcheck=False)
        GROWN[0][-len(y) :] = y
        labels = GROWN[0][1 : len(X) + 1]  # of the first fit
        return KNeighborsClassifier(1).fit(X[: len(labels)], labels)


UNUSUAL = {
    InASingleton: "Single.only",
    InAnEnum: "Colour.RED",
    OfANumber: "WIDTH",
    InAResizedArray: "GROWN",
}


@pytest.mark.parametrize("kind", UNUSUAL, ids=lambda kind: kind.__name__)
def test_unusual_places_are_seen_and_put_back(kind):
    assert f"It changed {UNUSUAL[kind]}" in purity(kind(), X, y).evidence
    assert refit(kind(), X, y).leaked is not False
    assert not any([Single.only.rows, Colour.RED.rows, WIDTH.rows, GROWN[0].size > 1])


class Closed:
    __slots__ = ()

    @property
    def nbytes(self):
        raise RuntimeError("it is closed")


CLOSED, SPARSE = Closed(), torch.eye(3).to_sparse()
TABLES = {
    "rows": pd.DataFrame({"a": [1.0, 2.0]}, index=["x", "y"]),
    "numbers": pd.Series([1.0], index=["z"]),
    "unit": "metre",
    "names": ["metre"],
}


class OnlyReads(Kept):
    """Reads tables, which fill caches, and writes the text that stands there."""

    def keep(self, X, y):
        TABLES["rows"].loc["x"], TABLES["rows"]["a"], TABLES["numbers"]["z"]
        TABLES["unit"] = "".join(["me", "tre"])
        return LogisticRegression().fit(X, y) if (CLOSED, SPARSE) else None


class ReadsBesideALock(Kept):
    def keep(self, X, y):
        BESIDE["rows"].loc["x"], BESIDE["rows"]["a"], BESIDE["numbers"]["z"]
        return LogisticRegression().fit(X, y)


BESIDE = {**copy.deepcopy(TABLES), "lock": threading.Lock()}


@pytest.mark.parametrize("kind", [OnlyReads, ReadsBesideALock])
def test_what_is_only_read_is_not_said_to_change(kind):
    assert refit(kind(), X, y).leaked is False
    assert "It changed" not in purity(kind(), X, y).evidence


class WritesBesideALock(Kept):
    def keep(self, X, y):
        BESIDE["rows"].loc["x"] = y.sum()
        return LogisticRegression().fit(X, y)


def test_a_table_beside_a_lock_is_put_back():
    assert "It changed BESIDE" in purity(WritesBesideALock(), X, y).evidence
    assert BESIDE["rows"]["a"].tolist() == [1, 2]
