"""Datasets of torch: what to hand over instead, and rows that are loaded when a batch asks."""

import pickle
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, cross_validate, train_test_split
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from helpers import TorchClassifier, fused, rows_of, y_of
from helpers.datasets import Rows

digits, y = load_digits(return_X_y=True)
X, y = digits[:90].reshape(-1, 1, 8, 8).astype(np.uint8), y[:90] % 3
FAST = {"epochs": 3, "random_state": 0, "batch_size": 16}


def cnn(shape, n_outputs, width=3):
    layers = nn.Conv2d(shape[0], width, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(n_outputs)
    return nn.Sequential(*layers)


class Files(Dataset):
    """Images in files, and their labels; counts what it loads."""

    def __init__(self, paths, labels):
        self.paths, self.labels, self.loaded = paths, labels, []

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, i):
        self.loaded.append(i)
        return torch.from_numpy(np.load(self.paths[i])), int(self.labels[i])


class Listed(Dataset):
    """A Dataset of any items."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        item = self.items[i]
        return item() if callable(item) else item


class Endless(IterableDataset):
    def __iter__(self):
        yield from X


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    paths = [folder / f"{i}.npy" for i in range(len(X))]
    for path, image in zip(paths, X, strict=True):
        np.save(path, image)
    return Files(paths, y)


def weights(estimator):
    return [p.detach().numpy() for p in estimator.module_.parameters()]


def test_rows_look_like_an_array_and_load_nothing(files):
    rows = rows_of(files)
    files.loaded.clear()
    assert (len(rows), rows.shape, rows.ndim, rows.dtype) == (90, (90, 1, 8, 8), 4, np.uint8)
    some = rows[10:60]
    for key in (slice(5, 9), [5, 6, 7, 8], np.arange(5, 9), np.isin(np.arange(50), [5, 6, 7, 8])):
        for part in (some[key], some[key, ...]):
            assert isinstance(part, Rows) and part.shape == (4, 1, 8, 8)
            assert_array_equal(part.numbers, [15, 16, 17, 18])
    assert files.loaded == [] and repr(some) == "Rows(Files, shape=(50, 1, 8, 8), dtype=uint8)"
    assert_array_equal(some[3], X[13])
    assert_array_equal(np.asarray(some[-2:]), X[58:60])
    assert files.loaded == [13, 58, 59]
    with pytest.raises(IndexError):
        some[50]
    assert_array_equal(np.stack(list(some[:3])), X[10:13])
    assert_array_equal(pickle.loads(pickle.dumps(some))[0], X[10])
    train, test = train_test_split(rows, random_state=0)
    assert {*train.numbers, *test.numbers} == set(range(90)) and isinstance(train, Rows)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"patience": 2}, {"batch_size": None}])
def test_what_is_learned_is_what_the_array_gives(files, settings):
    clf = TorchClassifier(cnn, **FAST | settings)
    of_array = clone(clf).fit(X, y)
    of_rows = clone(clf).fit(rows_of(files), y_of(files))
    assert of_rows.history_ == of_array.history_
    assert_array_equal(of_rows.predict_proba(rows_of(files)), of_array.predict_proba(X))
    assert_array_equal(of_rows.partial_fit(rows_of(files), y).predict(X), of_rows.predict(X))
    of_files = clone(clf).fit(rows_of(files.paths, load=np.load), y)
    assert_array_equal(of_files.predict_proba(X), of_array.predict_proba(X))


def test_a_batch_loads_its_rows_and_no_others(files):
    rows, largest = rows_of(files)[:40], []

    class Counting(nn.Module):
        def __init__(self, shape, n_outputs):
            super().__init__()
            self.linear = nn.Linear(64, n_outputs)

        def forward(self, X):
            largest.append(len(files.loaded))
            files.loaded.clear()
            return self.linear(X.flatten(1))

    files.loaded.clear()
    TorchClassifier(Counting, **FAST).fit(rows, y[:40])
    assert max(largest) == 16 and sum(largest) == 2 + 3 * 40  # two, to look at the network


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_search_splits_them_in_processes_too(files, n_jobs):
    search = GridSearchCV(TorchClassifier(cnn, **FAST), {"module__width": [2, 4]}, cv=3)
    expected = clone(search).fit(X, y).cv_results_["mean_test_score"]
    search.set_params(n_jobs=n_jobs).fit(rows_of(files), y)
    assert_array_equal(search.cv_results_["mean_test_score"], expected)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, pytest.param({"patience": 2}, marks=pytest.mark.slow)])
def test_fused_equals_plain_and_loads_each_batch_once(files, settings):
    rows = rows_of(files)
    model = TorchClassifier(cnn, **FAST | settings)
    plain = cross_validate(model, X.astype(float), y, return_estimator=True)["estimator"]
    plain_scores = GridSearchCV(model, {"lr": [0.01, 0.02, 0.03]}, cv=3, refit=False).fit(X, y)
    in_float64 = rows_of(files, load=torch.Tensor.double)
    with fused() as run:
        together = cross_validate(model, in_float64, y, return_estimator=True)["estimator"]
        files.loaded.clear()
        search = clone(plain_scores).fit(rows, y)
    assert max(run.batches) == 9
    assert len(files.loaded) < 0.6 * 9 * 4 * 60
    assert_array_equal(
        search.cv_results_["mean_test_score"], plain_scores.cv_results_["mean_test_score"]
    )
    for one, other in zip(plain, together, strict=True):
        for weight, of_fused in zip(weights(one), weights(other), strict=True):
            assert_allclose(of_fused, weight, rtol=0, atol=1e-12)


def test_subsets_tables_and_memory_maps(files, tmp_path):
    subset = Subset(files, [3, 1, 4])
    assert_array_equal(np.asarray(rows_of(subset)), X[[3, 1, 4]])
    assert_array_equal(y_of(subset), y[[3, 1, 4]])
    table = TensorDataset(torch.arange(12.0).view(6, 2), torch.tensor([0, 1] * 3))
    clf = TorchClassifier(epochs=1).fit(rows_of(table), y_of(table))
    assert clf.n_features_in_ == 2 and clf.module_.layers[0].in_features == 2
    of_several = TensorDataset(torch.zeros(6, 2), torch.ones(6, 3))
    assert y_of(of_several).shape == (6, 3)
    np.save(tmp_path / "X.npy", X)
    mapped = rows_of(np.load(tmp_path / "X.npy", mmap_mode="r"))
    assert_array_equal(np.asarray(mapped[5:7]), X[5:7])


HANDED_OVER = {
    "Dataset": (TensorDataset(torch.zeros(6, 2), torch.ones(6)), r"no TensorDataset.*rows_of\(dat"),
    "Subset": (
        Subset(Listed([(X[0], 1)] * 4), [0, 1]),
        r"no Subset.*rows_of\(dataset\) as X and y_",
    ),
    "DataLoader": (DataLoader(Listed([1])), r"no DataLoader.*rows_of\(loader\.dataset\).*batch_si"),
    "paths": ([Path("a.png"), Path("b.png")], r"list of paths, here 'a.png'.*rows_of\(paths, load"),
    "names": (["images/a.npy", "b.npy"], r"list of paths.*rows_of\(paths, load=np.load\) as X"),
    "series": (pd.Series(["a.png", "b.png"], index=[5, 6]), "list of paths, here 'a.png'"),
    "pairs": ([(torch.zeros(1, 8, 8), 1)] * 4, r"list of pairs.*rows_of\(dataset\) as X and y_of"),
    "PIL": ([Image.new("L", (8, 8))] * 4, r"list of PIL images: hand over np\.stack\("),
}


@pytest.mark.parametrize("case", HANDED_OVER)
def test_what_is_no_array_gets_one_sentence_that_shows_what_to_hand_over(case):
    given, message = HANDED_OVER[case]
    clf = TorchClassifier(epochs=1).fit(X, y)
    calls = (clf.predict, lambda X: clf.fit(X, y), clf.fit, lambda X: clf.partial_fit(X, y))
    for call in calls:
        with pytest.raises(TypeError, match=message) as raised:
            call(given)
        assert "\n" not in str(raised.value)


def test_a_search_over_a_dataset_says_so_too():
    dataset = TensorDataset(torch.from_numpy(X), torch.from_numpy(y))
    search = GridSearchCV(TorchClassifier(), {"epochs": [1]}, cv=3, error_score="raise")
    with pytest.raises(TypeError, match=r"list of pairs.*rows_of\(dataset\)"):
        search.fit(dataset, y)


NO_ROWS = {
    "loader": (DataLoader(Listed([1])), TypeError, "hand over its Dataset, loader.dataset"),
    "iterable": (Endless(), TypeError, "Endless gives its rows one after the other"),
    "number": (5, TypeError, "need a Dataset, an object with __len__ and __getitem__"),
    "empty": (Listed([]), ValueError, "Listed is empty"),
    "PIL": (Listed([(Image.new("L", (8, 8)), 0)]), TypeError, "a PIL image.*PILToTensor.*np.asarr"),
    "dict": (
        Listed([{"image": X[0]}]),
        TypeError,
        r"keys 'image'.*load=lambda item: item\['image'",
    ),
    "paths": (["a.npy"], TypeError, r"the path or text 'a.npy': rows_of\(paths, load=np.load\)"),
    "texts": (Listed([np.array(["a"])]), TypeError, "no array of numbers; its dtype is <U1"),
    "scalar": (Listed([torch.tensor(1.0)]), ValueError, "a single number"),
    "NaN": (Listed([torch.tensor([np.nan])]), ValueError, "Item 0 of the Listed contains NaN"),
    "codes": (Listed([torch.tensor([2**24])]), ValueError, "16,777,216 or more.*return float64"),
    "random": (
        Listed([lambda: torch.rand(3)]),
        ValueError,
        r"Item 0 of the Listed is another row each time.*test rows as well.*augment=",
    ),
}


@pytest.mark.parametrize("case", NO_ROWS)
def test_items_that_are_no_rows(case):
    dataset, error, message = NO_ROWS[case]
    with pytest.raises(error, match=message):
        rows_of(dataset)


def test_rows_of_unequal_shapes_are_told_by_number():
    ragged = rows_of(Listed([(torch.zeros(1, 8, 8), 0)] * 10 + [(torch.zeros(1, 8, 9), 1)] * 10))
    clf = TorchClassifier(**FAST)
    with pytest.raises(ValueError, match=r"Item 1\d of the Listed.*\(1, 8, 9\).*have \(1, 8, 8\)"):
        clf.fit(ragged, np.arange(20) // 10)


def test_y_of_items_without_a_label():
    with pytest.raises(TypeError, match=r"Item 0 of the Listed is no pair \(row, label\)"):
        y_of(Listed([X[0]]))


def test_a_dataset_may_write_all_items_into_one_place():
    row, label = np.empty(2), torch.empty(2)

    class OnePlace(Listed):
        def __getitem__(self, number):
            row[:], label[:] = super().__getitem__(number), number
            return row, label

    assert_array_equal(rows_of(OnePlace([np.eye(2)[0], np.eye(2)[1]])), np.eye(2))
    assert_array_equal(y_of(OnePlace([0, 0, 0])), [[0, 0], [1, 1], [2, 2]])
    with pytest.raises(ValueError, match="another row each time it is loaded"):
        rows_of(OnePlace([lambda: np.random.rand(2)]))


def test_a_dataset_that_draws_for_its_last_rows_alone():
    with pytest.raises(ValueError, match="Item 39 .*another row each time it is loaded"):
        rows_of(Listed([np.eye(2)[0]] * 36 + [lambda: np.random.rand(2)] * 4))


def test_generators_are_left_as_they_were():
    def draws():
        return random.random(), np.random.rand(), torch.rand(1).item()

    noisy = Listed([lambda: draws() and torch.zeros(2)])
    labelled = Listed([lambda: (draws() and torch.zeros(2), 1)])
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    rows_of(noisy)
    y_of(labelled)
    assert random.getstate() == states[0]
    assert np.random.get_state()[1].tolist() == states[1]
    assert torch.get_rng_state().tolist() == states[2]


def test_rows_cannot_be_had_without_a_copy():
    rows = rows_of(TensorDataset(torch.zeros(3, 2)))
    assert np.asarray(rows).shape == np.array(rows, copy=True).shape == (3, 2)
    with pytest.raises(ValueError, match="leave out copy=False"):
        np.asarray(rows, copy=False)
