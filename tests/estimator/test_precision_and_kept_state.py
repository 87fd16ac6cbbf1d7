"""Rows by number, the precision of tables, and losses or schedules that keep something."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import clone
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm
from torch.utils.data import DataLoader, TensorDataset

from helpers import FrozenFeatures, TorchClassifier, TorchRegressor, rows_of, y_of

X, y = np.random.default_rng(0).normal(size=(60, 5)), np.arange(60) % 2


def classifier(*args, **settings):
    return TorchClassifier(*args, **{"epochs": 3, "random_state": 0} | settings)


# Datasets whose rows are asked for by number.


class Listed:
    """A Dataset that gives what it was given."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.items[i]


def test_a_shuffled_column_gives_its_rows_in_their_order(tmp_path):
    for number, row in enumerate(X):
        np.save(tmp_path / f"{number}.npy", row)
    order = np.random.default_rng(1).permutation(60)
    paths = pd.Series([str(tmp_path / f"{number}.npy") for number in range(60)])
    assert_array_equal(np.asarray(rows_of(paths[order], load=np.load)), X[order])
    assert_array_equal(np.asarray(rows_of(paths[order[:9]], load=np.load)), X[order[:9]])
    assert_array_equal(rows_of(pd.Series(list(X))[order]), X[order])
    pairs = pd.Series([(row, number) for number, row in enumerate(X)])[order]
    assert_array_equal(y_of(pairs), order)


def test_a_table_is_no_dataset():
    for table in (pd.DataFrame(X), pd.DataFrame(X, columns=list("abcde"))):
        with pytest.raises(TypeError, match="a DataFrame is a table, which an estimator takes"):
            rows_of(table)


OTHERS = {
    "floats": X[7],
    "whole numbers": np.full(5, 300),
    "huge": np.full(5, 1e300),
}


@pytest.mark.parametrize("row", OTHERS.values(), ids=OTHERS)
def test_rows_that_would_become_other_numbers(row):
    first = np.zeros(5, np.float32 if row[0] > 1e99 else np.uint8)
    rows = rows_of(Listed([*[first] * 30, row, *[first] * 29]))
    with pytest.raises(ValueError, match=f"^Item 30 .* is a row of .*, others are {first.dtype}"):
        classifier().fit(rows, y)


def test_rows_that_stay_the_numbers_they_are():
    items = [X[0].astype(np.float32), X[1], np.arange(5), np.uint8([1, 2, 3, 4, 200])]
    found = np.asarray(rows_of(Listed(items)))
    assert found.dtype == np.float32
    assert_array_equal(found, np.array(items).astype(np.float32))


def test_labels_of_a_dataset_are_not_changed():
    assert y_of(Listed([(X[0], 1), (X[1], "a")])).tolist() == [1, "a"]
    assert y_of(Listed([(X[0], [1]), (X[1], [1, 2])])).tolist() == [[1], [1, 2]]
    half = torch.tensor(1.5, dtype=torch.bfloat16, requires_grad=True)
    assert y_of(Listed([(X[0], half), (X[1], half)])).tolist() == [1.5, 1.5]
    assert rows_of(Listed([half.detach().expand(3)])).dtype == np.float32


# The precision of tables.


class Table:
    """A table of a library that numpy knows only by what it makes of it."""

    def __init__(self, array, dtypes=()):
        self.array, self.shape, self.dtypes = array, array.shape, list(dtypes)

    def __len__(self):
        return len(self.array)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.array, dtype)


DOUBLES = {
    "byte order": X.astype(">f8"),
    "longdouble": X.astype(np.longdouble),
    "Float64": pd.DataFrame(X).astype("Float64"),
    "one Float64": pd.DataFrame(X).astype({0: "Float64"}),
    "another library": Table(X, [object()]),
    "sparse": sparse.csr_array(X.astype(np.longdouble)),
    "sparse columns": pd.DataFrame(X).astype(pd.SparseDtype("float64", 0.0)),
}


@pytest.mark.parametrize("rows", DOUBLES.values(), ids=DOUBLES)
def test_numbers_of_float64_are_trained_in_float64_whatever_holds_them(rows):
    found, due = classifier().fit(rows, y), classifier().fit(X, y)
    assert_array_equal(found.predict_proba(rows), due.predict_proba(X))
    assert_array_equal(found.predict_proba(X), due.predict_proba(X))
    assert found.module_.layers[0].weight.dtype == torch.float64


class TwoWeights(nn.Module):
    """Has two weights for its rows, `one` and `other`; subclasses say where in memory."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.one = nn.Parameter(torch.randn(5, 5) / 2)
        self.last = nn.Linear(n_features, n_outputs)
        self.keep()

    def forward(self, X):
        return self.last(torch.tanh(X @ self.one) @ self.other)


class Transposed(TwoWeights):
    def keep(self):
        self.other = nn.Parameter(self.one.t())


class SetAsData(TwoWeights):
    def keep(self):
        self.other = nn.Parameter(torch.empty(5, 5))
        self.other.data = self.one.data


class BufferOfAWeight(TwoWeights):
    def keep(self):
        self.register_buffer("other", self.one.detach())


class WithinALarger(TwoWeights):
    def keep(self):
        whole = torch.randn(6, 5) / 2
        self.one, self.other = nn.Parameter(whole[:5]), nn.Parameter(whole[1:])


class Complex(TwoWeights):
    def keep(self):
        self.other = nn.Parameter(self.one.t())
        self.phase = nn.Parameter(torch.ones(1, dtype=torch.complex64))


TIED = [Transposed, SetAsData, BufferOfAWeight, WithinALarger, Complex]


@pytest.mark.parametrize("kind", TIED)
def test_weights_in_one_place_are_not_parted(kind):
    said = f"{kind.__name__} has `one` and `other` in one place of memory, .* torch.float64"
    with pytest.raises(ValueError, match=said):
        classifier(kind).fit(X, y)
    fitted = classifier(kind).fit(X.astype(np.float32), y).module_
    one, other = fitted.one, fitted.other
    if kind is WithinALarger:
        one, other = one[1:], other[:4]
    assert torch.equal(one, other.t() if kind in (Transposed, Complex) else other)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
@pytest.mark.parametrize("kind", TIED)
def test_a_copy_in_which_weights_are_parted_predicts_but_is_not_trained_further(kind, copied):
    rows = X.astype(np.float32)
    fitted = classifier(kind).fit(rows, y)
    other = copied(fitted)
    np.testing.assert_array_equal(other.predict(rows), fitted.predict(rows))
    with pytest.raises(ValueError, match="`one` and `other` in one place .* copied or changed"):
        other.partial_fit(rows, y)
    fitted.partial_fit(rows, y)


def test_weights_that_stay_tied_may_be_frozen_or_left_out():
    rows = X.astype(np.float32)
    fitted = classifier(TIED[0]).fit(rows, y)
    for weight in (fitted.module_.one, fitted.module_.other):
        weight.requires_grad_(False)
    fitted.partial_fit(rows, y)
    del fitted.module_.other
    fitted.module_.other = fitted.module_.one
    fitted.partial_fit(rows, y)


def test_a_recipe_that_keeps_parted_weights_is_refused():
    kept = []

    def recipe(n_features, n_outputs):
        kept.append(SetAsData(n_features, n_outputs))
        return kept[-1]

    with pytest.raises(ValueError, match="`one` and `other` in one place .* recipe keeps what"):
        classifier(recipe).fit(X.astype(np.float32), y)


class OneParameter(TwoWeights):
    def keep(self):
        self.other = self.one


class ColumnsInTurns(TwoWeights):
    def keep(self):
        whole = torch.randn(5, 10) / 2
        self.one, self.other = nn.Parameter(whole[:, ::2]), nn.Parameter(whole[:, 1::2])


class Constants(TwoWeights):
    def keep(self):
        self.register_buffer("other", torch.eye(5))
        self.register_buffer("same", self.other.t())


@pytest.mark.parametrize("kind", [OneParameter, ColumnsInTurns, Constants])
def test_weights_side_by_side_in_memory_are_no_weights_in_one_place(kind):
    found, due = (classifier(kind).fit(rows, y) for rows in (X, X.astype(np.float32)))
    np.testing.assert_allclose(found.predict_proba(X), due.predict_proba(X), atol=1e-4)


def test_one_column_of_float64_is_enough():
    table = pd.DataFrame(X, columns=list("abcde")).assign(code=pd.Series(y).astype("category"))
    found, due = classifier().fit(table, y), classifier().fit(np.c_[X, y], y)
    assert_array_equal(found.predict_proba(table), due.predict_proba(np.c_[X, y]))
    single = table.astype(dict.fromkeys("abcde", np.float32))
    assert classifier().fit(single, y).module_.layers[0].weight.dtype == torch.float32


def test_large_numbers_are_not_rounded_and_large_floats_are_no_whole_numbers():
    stamps = 1.7e9 + np.arange(60.0)[:, np.newaxis]
    due = classifier().fit(stamps, y).predict_proba(stamps)
    for rows in (stamps.tolist(), stamps.astype(object), stamps.astype(int).astype(str).tolist()):
        assert_array_equal(classifier().fit(np.array(rows, object), y).predict_proba(stamps), due)
    assert_array_equal(classifier().fit(stamps.tolist(), y).predict_proba(stamps), due)
    huge = pd.DataFrame({"a": 1e20 * X[:, 0], "b": pd.Series(y > 0, dtype=object)})
    due = classifier().fit(huge.to_numpy(float), y).predict_proba(huge.to_numpy(float))
    assert_array_equal(classifier().fit(huge, y).predict_proba(huge), due)
    whole = np.array([[2**60 + 1, 0.5]] * 60, dtype=object)
    with pytest.raises(ValueError, match="^X holds whole numbers of 9,007,199,254,740,992 or more"):
        classifier().fit(whole, y)


def test_times_in_a_table_of_another_library():
    class Temporal:
        def is_temporal(self):
            return True

    with pytest.raises(ValueError, match="^X must hold rows of numbers; got dates or times"):
        classifier().fit(Table(X, [object(), Temporal()]), y)


# Functions that keep something from one fit to the next.


class Warmup:
    def __init__(self):
        self.calls = 0

    def __call__(self, done):
        self.calls += 1
        return min(1.0, self.calls / 5)


RATES = iter(np.linspace(1, 0, 99))
SCHEDULES = {
    "counts": Warmup(),
    "counts, as a method": Warmup().__call__,
    "counts, as a function": lambda done, calls=[]: min(1.0, len(calls.append(1) or calls) / 5),
    "uses up an iterator": lambda done: next(RATES),
    "draws": lambda done: np.random.random(),
    "draws with torch": lambda done: torch.rand(()),
}


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_a_schedule_that_cannot_be_asked_again(schedule):
    state, of_torch = np.random.get_state()[1].tolist(), torch.get_rng_state()
    with pytest.raises(ValueError, match="^schedule must return the same factor whenever"):
        classifier(schedule=schedule).fit(X, y)
    assert np.random.get_state()[1].tolist() == state
    assert torch.equal(torch.get_rng_state(), of_torch)


def test_a_schedule_that_is_a_class():
    with pytest.raises(ValueError, match="Warmup is a class. Give an object of that class"):
        classifier(schedule=Warmup).fit(X, y)
    classifier(schedule=float).fit(X, y)  # which returns a number


def test_a_schedule_that_is_an_object_or_seeds_what_it_draws():
    class Falling:
        def __call__(self, done):
            return 1 - done

    def drawn(done):
        return np.random.RandomState(0).random() + 0 * np.random.seed(int(10 * done)).__sizeof__()

    due = classifier(schedule=lambda done: 1 - done).fit(X, y)
    found = classifier(schedule=Falling()).fit(X, y)
    assert_array_equal(found.predict_proba(X), due.predict_proba(X))
    state = np.random.get_state()[1].tolist()
    classifier(schedule=drawn).fit(X, y)
    assert np.random.get_state()[1].tolist() == state


class Growing:
    """A loss that weighs its numbers more with each call."""

    def __init__(self):
        self.calls = 0

    def __call__(self, outputs, y):
        self.calls += 1
        return self.calls * F.cross_entropy(outputs, y, reduction="none")


class Noted(Growing):
    def __call__(self, outputs, y):
        return super().__call__(outputs, y) / self.calls


@pytest.mark.parametrize("settings", [{}, {"patience": 2, "batch_size": 20}])
def test_a_loss_that_keeps_something_is_warned_of(settings, recwarn):
    with pytest.warns(UserWarning, match="^Growing, the loss of this fit, answers otherwise"):
        clf = classifier(loss=Growing(), **settings).fit(X, y)
    recwarn.clear()
    clf.partial_fit(X, y)  # which goes on, as it has to
    fitted = clone(clf).set_params(loss=Noted()).fit(X, y)
    assert fitted.loss.calls > 0  # a note changes no loss
    assert not [w for w in recwarn if "answers otherwise" in str(w.message)]


CALLS = []


def enclosing():
    calls = [0]

    def loss(outputs, y):
        calls[0] += 1
        return calls[0] * F.cross_entropy(outputs, y, reduction="none")

    return loss


def by_default(outputs, y, calls={"n": 0}):  # noqa: B006
    calls["n"] += 1
    return calls["n"] * F.cross_entropy(outputs, y, reduction="none")


def globally(outputs, y):
    CALLS.append(len(y))
    return len(CALLS) * F.cross_entropy(outputs, y, reduction="none")


def by_attribute(outputs, y):
    by_attribute.n = getattr(by_attribute, "n", 0) + 1
    return by_attribute.n * F.cross_entropy(outputs, y, reduction="none")


class OfAll(Growing):
    """Counts the calls of all its objects."""

    def __init__(self):
        OfAll.calls = 0

    def __call__(self, outputs, y):
        OfAll.calls += 1
        return self.calls * F.cross_entropy(outputs, y, reduction="none")


KEEP = {
    "encloses": enclosing(),
    "by default": by_default,
    "globally": globally,
    "by attribute": by_attribute,
    "of its class": OfAll(),
}


@pytest.mark.parametrize("loss", KEEP.values(), ids=KEEP)
def test_a_function_that_keeps_something_is_warned_of_and_left_as_it_is(loss):
    clf, n_calls = classifier(loss=loss), []
    for _ in range(3):
        with pytest.warns(UserWarning, match="the loss of this fit, answers otherwise"):
            clf.fit(X, y)
        n_calls.append(loss(torch.zeros(2, 2), torch.tensor([0, 1]))[0].item())
    assert len(set(np.diff(n_calls).round(9))) == 1  # each fit has called it as often


def test_what_a_function_notes_or_a_callback_sets_changes_no_answer(recwarn):
    noted, weight = [], [1.0]

    def loss(outputs, y):
        losses = weight[0] * F.cross_entropy(outputs, y, reduction="none")
        noted.append(losses.detach().mean())
        return losses

    class Setting:
        def setup(self, estimator, context):
            weight[0] = 1.0

        def on_fit_task_begin(self, estimator, context, **kwargs):
            pass

        def on_fit_task_end(self, estimator, context, **kwargs):
            weight[0] *= 2

        def teardown(self, estimator, context):
            pass

    classifier(loss=loss).fit(X, y)
    assert len(noted) == 3
    classifier(loss=loss).set_callbacks(Setting()).fit(X, y)
    assert weight[0] > 1
    assert not [w for w in recwarn if "answers otherwise" in str(w.message)]


class Averaging(nn.Linear):
    """Keeps a mean of all rows it was trained on in its class."""

    mean = 0.0

    def forward(self, X):
        if self.training:
            Averaging.mean = 0.9 * Averaging.mean + 0.1 * X.abs().mean().item()
        return super().forward(X) * (1 + Averaging.mean)


class Enclosing(nn.Linear):
    """Counts in a function of its own, which the next fit makes anew."""

    def __init__(self, n_features, n_outputs):
        super().__init__(n_features, n_outputs)
        calls = []
        self.count = lambda: calls.append(1) or len(calls)

    def forward(self, X):
        return super().forward(X) * self.count()


class Counting(nn.Linear):
    n_calls = 0

    def forward(self, X):
        Counting.n_calls += 1
        return super().forward(X)


def test_a_network_that_keeps_something_outside_itself_is_warned_of(recwarn):
    with pytest.warns(UserWarning, match="^Averaging, the module of this fit, answers otherwise"):
        classifier(Averaging).fit(X, y)
    assert Averaging.mean == pytest.approx((1 - 0.9**3) * np.abs(X).mean(), rel=0.1)
    recwarn.clear()
    classifier(Counting).fit(X, y)
    classifier(Enclosing).fit(X, y)
    assert not [w for w in recwarn if "answers otherwise" in str(w.message)]


class Late:
    """An augmentation that begins after some calls."""

    def __init__(self):
        self.calls = 0

    def __call__(self, X):
        self.calls += 1
        return X * (2 if self.calls > 6 else 1)


def test_an_augmentation_that_keeps_something_is_warned_of(recwarn):
    with pytest.warns(UserWarning, match="^Late, the augment of this fit, answers otherwise"):
        classifier(augment=Late(), epochs=6).fit(X, y)
    recwarn.clear()
    classifier(augment=nn.Dropout(0.5)).fit(X, y)
    classifier(augment=lambda X: X + torch.randn_like(X)).fit(X, y)
    assert not [w for w in recwarn if "answers otherwise" in str(w.message)]


# Tensors that a recipe is given, and what cannot be used.


class Scaled(nn.Module):
    def __init__(self, n_features, n_outputs, scale):
        super().__init__()
        self.register_buffer("scale", scale.mul_(2))  # which changes what it was given
        self.layer = nn.Linear(n_features, n_outputs)

    def forward(self, X):
        return self.layer(X * self.scale.to(X))


def test_a_tensor_that_is_handed_over_becomes_a_buffer_of_each_network():
    scale = torch.ones(5)
    clf = classifier(Scaled, module__scale=scale).fit(X, y)
    assert torch.equal(scale, torch.ones(5))
    assert clf.module_.scale.tolist() == [2.0] * 5
    assert_array_equal(clone(clf).fit(X, y).predict_proba(X), clf.predict_proba(X))
    weights = nn.Parameter(torch.ones(5))
    with pytest.raises(TypeError, match="returned the same weights twice"):
        classifier(Held, module__weights=weights).fit(X, y)


class Held(nn.Module):
    def __init__(self, n_features, n_outputs, weights):
        super().__init__()
        self.weights, self.layer = weights, nn.Linear(n_features, n_outputs)

    def forward(self, X):
        return self.layer(X * self.weights)


REFUSED = {
    "missing in classes": (
        lambda: classifier().partial_fit(X, y / 1, classes=np.array([0, 1, np.nan])),
        "^classes contains NaN or another missing value",
    ),
    "groups of None": (
        lambda: classifier(patience=1).fit(X, y, groups=[None] * 60),
        "^groups contains NaN or another missing value: None in row 0",
    ),
    "tiny weights": (
        lambda: classifier().fit(X.astype("f4"), y, sample_weight=np.full(60, 1e-50)),
        "^sample_weight holds 1e-50 at most, which is too small for float32",
    ),
    "weights that float32 rounds": (
        lambda: classifier().fit(X.astype("f4"), y, sample_weight=np.linspace(1e-44, 5e-44, 60)),
        "^sample_weight holds 5e-44 at most, which is too small for float32",
    ),
    "tiny weights of classes": (
        lambda: classifier(class_weight={0: 1e-50, 1: 2e-50}).fit(X.astype("f4"), y),
        "^class_weight holds 2e-50 at most, which is too small for float32",
    ),
}


@pytest.mark.parametrize("ask, words", REFUSED.values(), ids=REFUSED)
def test_what_is_missing_or_too_small_is_named(ask, words):
    with pytest.raises(ValueError, match=words):
        ask()


def test_weights_of_which_one_is_large_enough():
    few = np.where(np.arange(60) < 40, 1.0, 1e-60)
    found = classifier().fit(X.astype("f4"), y, sample_weight=few)
    due = classifier().fit(X[:40].astype("f4"), y[:40])
    np.testing.assert_allclose(found.predict_proba(X), due.predict_proba(X), rtol=1e-5)
    with np.errstate(all="raise"):
        TorchRegressor(epochs=1).fit(X.astype("f4"), 1e-42 * X[:, 0])


def test_a_parametrized_network_is_copied_and_not_pickled():
    def recipe(n_features, n_outputs):
        return weight_norm(nn.Linear(n_features, n_outputs))

    clf = classifier(recipe).fit(X, y)
    assert_array_equal(copy.deepcopy(clf).predict_proba(X), clf.predict_proba(X))
    with pytest.raises(TypeError, match="^torch pickles no network with a parametrization"):
        pickle.dumps(clf)


# A loss of one number for all rows, where rows are weighted.

SPREAD = {
    "expand": lambda outputs, y: F.cross_entropy(outputs, y).expand(len(y)),
    "repeat": lambda outputs, y: F.cross_entropy(outputs, y).repeat(len(y)),
    "sum": lambda outputs, y: F.cross_entropy(outputs, y, reduction="sum") * torch.ones(len(y)),
}


@pytest.mark.parametrize("loss", SPREAD.values(), ids=SPREAD)
def test_a_mean_that_is_spread_over_the_rows_cannot_be_weighted(loss):
    weighted = [
        lambda: classifier(loss=loss).fit(X, y, sample_weight=1.0 + y),
        lambda: classifier(loss=loss, class_weight={0: 3}, batch_size=20).fit(X, y),
        lambda: classifier(loss=loss).partial_fit(X, y, sample_weight=1.0 + y),
    ]
    for ask in weighted:
        with pytest.raises(ValueError, match="returns the same number for all rows.*no effect"):
            ask()
    assert classifier(loss=loss).fit(X, y).n_epochs_ == 3  # a loss of a batch as a whole


def equal_logits(n_features, n_outputs):
    layer = nn.Linear(n_features, n_outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def test_losses_that_are_equal_at_first_can_be_weighted():
    weights = 1.0 + y
    due = classifier(equal_logits).fit(X, y, sample_weight=weights)
    own = nn.CrossEntropyLoss(reduction="none")
    found = classifier(equal_logits, loss=own).fit(X, y, sample_weight=weights)
    np.testing.assert_allclose(found.predict_proba(X), due.predict_proba(X), rtol=1e-12)
    hinge = TorchRegressor(loss=lambda outputs, y: F.relu((outputs - y).abs() - 99), epochs=1)
    hinge.fit(X, X[:, 0], sample_weight=weights)


# Other byte orders, and Datasets as labels.


@pytest.mark.parametrize("dtype", [">f8", np.longdouble])
def test_rows_that_torch_has_no_dtype_for(dtype):
    rows = rows_of(Listed(list(X.astype(dtype))))
    assert rows.dtype == np.float64
    assert_array_equal(np.asarray(rows), X)
    layer = nn.Linear(5, 3)
    due = FrozenFeatures(layer).fit_transform(X)
    assert_array_equal(FrozenFeatures(layer).fit_transform(X.astype(dtype)), due)
    found = TorchRegressor(epochs=1, random_state=0).fit(X, X[:, 0].astype(dtype))
    due = TorchRegressor(epochs=1, random_state=0).fit(X, X[:, 0])
    assert_array_equal(found.predict(X), due.predict(X))
    assert classifier().fit(X, y.astype(">i8")).classes_.dtype == np.int64


def test_a_dataset_is_no_target():
    dataset = TensorDataset(torch.tensor(X), torch.tensor(y))
    for given, cure in ((dataset, r"y_of\(y\)"), (DataLoader(dataset), r"y_of\(y.dataset\)")):
        for estimator in (classifier(), TorchRegressor()):
            with pytest.raises(ValueError, match=f"^y must be an array or a list; got a.*{cure}"):
                estimator.fit(X, given)


class Normalised(nn.Module):
    """A squared error divided by its own running mean, in a buffer of float32."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.full((), 10.0))

    def forward(self, outputs, y):
        losses = (outputs - y) ** 2
        self.mean = 0.9 * self.mean + 0.1 * losses.detach().mean()
        return losses / self.mean


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_a_loss_notes_is_there_in_the_next_call(dtype):
    rows = np.random.RandomState(0).normal(size=(60, 3)).astype(dtype)
    made = {"optimizer": "sgd", "random_state": 0, "batch_size": 20, "epochs": 4}
    at_once = TorchRegressor(loss=Normalised(), **made).fit(rows, rows[:, 0])
    by_steps = TorchRegressor(loss=Normalised(), **made)
    for step in range(4):
        by_steps = copy.deepcopy(by_steps) if step == 2 else by_steps
        by_steps.partial_fit(rows, rows[:, 0])
    np.testing.assert_allclose(by_steps.predict(rows), at_once.predict(rows), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_the_user_changes_in_a_loss_counts_in_the_next_call(dtype):
    rows, labels = np.random.RandomState(0).normal(size=(60, 3)).astype(dtype), np.arange(60) % 2
    loss = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0]), reduction="none")
    clf = TorchClassifier(loss=loss, random_state=0).partial_fit(rows, labels)
    clf = pickle.loads(pickle.dumps(clf)).partial_fit(rows, labels)
    clf.loss.weight.mul_(100)
    losses = [row["train_loss"] for row in clf.partial_fit(rows, labels).history_]
    assert losses[1] < 2 < 50 < losses[2]


def test_what_a_callback_gets_is_of_its_epoch_and_cannot_be_trained_on():
    class Keeping:
        kept = []

        def setup(self, estimator, context):
            pass

        teardown = on_fit_task_begin = setup

        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            if context.task_name == "epoch":
                self.kept.append(fitted_estimator)

    rows = np.random.RandomState(0).normal(size=(40, 3))
    reg = TorchRegressor(epochs=3).set_callbacks(Keeping())
    for number in (1, 4):  # in the second fit there is what the first has left
        second = reg.fit(rows, rows[:, 0]) and Keeping.kept[number]
        assert (len(second.history_), second.n_epochs_) == (2, 2)
        with pytest.raises(ValueError, match="what a callback was given within fit"):
            second.set_callbacks().partial_fit(rows, rows[:, 0])
