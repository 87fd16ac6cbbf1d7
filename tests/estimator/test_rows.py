"""Rows of any shape: images and sequences are learned as tables are."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from torch import nn

from helpers import MLP, TorchClassifier, TorchRegressor, fused
from helpers.training import train
from tests.memory import ROOT, megabytes

flat, y = load_digits(return_X_y=True)
flat, y = flat[:150], y[:150]
images = flat.reshape(-1, 1, 8, 8)
FAST = {"epochs": 4, "random_state": 0}


def cnn(shape, n_outputs, width=4):
    channels, height, width_of_image = shape
    return nn.Sequential(
        nn.Conv2d(channels, width, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(width * (height - 2) * (width_of_image - 2), n_outputs),
    )


def unflattened(n_features, n_outputs):
    return nn.Sequential(nn.Unflatten(1, (1, 8, 8)), *cnn((1, 8, 8), n_outputs))


class Reader(nn.Module):
    """Reads a row step by step."""

    def __init__(self, shape, n_outputs):
        super().__init__()
        self.lstm = nn.LSTM(shape[1], 6, batch_first=True)
        self.linear = nn.Linear(6, n_outputs)

    def forward(self, X):
        outputs, _ = self.lstm(X)
        return self.linear(outputs[:, -1])


class Noting(nn.Module):
    """Notes what it is built and called with."""

    def __init__(self, shape, n_outputs):
        super().__init__()
        self.shape, self.seen = shape, []
        self.linear = nn.LazyLinear(n_outputs)

    def forward(self, X):
        self.seen.append((self.training, X.dtype, X.shape, X.max().item()))
        return self.linear(X.flatten(1) / 255)


def weights(estimator):
    return [p.detach().numpy() for p in estimator.module_.parameters()]


@pytest.mark.parametrize("dtype", ["float64", "float32", "uint8"])
@pytest.mark.parametrize("settings", [{}, {"batch_size": 16}, {"batch_size": 16, "patience": 2}])
def test_images_equal_flat_rows_that_are_unflattened(settings, dtype):
    of_images = TorchClassifier(cnn, **FAST, **settings).fit(images.astype(dtype), y)
    of_rows = TorchClassifier(unflattened, **FAST, **settings).fit(flat.astype(dtype), y)
    assert of_images.history_ == of_rows.history_
    assert_array_equal(of_images.predict_proba(images), of_rows.predict_proba(flat))


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {},
        *(
            pytest.param(more, marks=pytest.mark.slow)
            for more in ({"batch_size": 16}, {"patience": 2})
        ),
    ],
)
@pytest.mark.parametrize(
    "module, X", [(cnn, images), (MLP, images), (Reader, images[:, 0])], ids=["cnn", "mlp", "lstm"]
)
def test_fused_equals_plain(module, X, settings):
    search = GridSearchCV(
        TorchClassifier(module, **FAST, **settings), {"lr": [0.01, 0.03]}, cv=3, refit=False
    )
    plain = cross_validate(search.estimator, X, y, cv=5, return_estimator=True)
    scores = clone(search).fit(X, y).cv_results_["mean_test_score"]
    with fused() as run:
        together = cross_validate(search.estimator, X, y, cv=5, return_estimator=True)
        assert_array_equal(search.fit(X, y).cv_results_["mean_test_score"], scores)
    assert max(run.batches) >= 4
    for one, other in zip(plain["estimator"], together["estimator"], strict=True):
        for weight, of_fused in zip(weights(one), weights(other), strict=True):
            assert_allclose(of_fused, weight, rtol=0, atol=1e-12)


def test_a_recipe_gets_a_number_for_tables_and_a_tuple_for_the_rest():
    assert TorchClassifier(Noting, **FAST).fit(flat, y).module_.shape == 64
    assert TorchClassifier(Noting, **FAST).fit(images, y).module_.shape == (1, 8, 8)
    assert TorchClassifier(Noting, **FAST).fit(images[:, 0].tolist(), y).module_.shape == (8, 8)
    assert MLP((1, 8, 8), 10)(torch.zeros(3, 1, 8, 8)).shape == (3, 10)


@pytest.mark.slow
def test_what_tables_can_do_images_can_do():
    clf = TorchClassifier(cnn, batch_size=32, epochs=8, random_state=0)
    expected = clf.fit(images, y).predict_proba(images)
    assert clf.score(images, y) > 0.9 and clf.n_features_in_ == 1
    assert_array_equal(pickle.loads(pickle.dumps(clf)).predict_proba(images), expected)
    assert_array_equal(clf.fit(torch.from_numpy(images), y).predict_proba(images), expected)
    step_by_step = clone(clf)
    for _ in range(8):
        step_by_step.partial_fit(images, y, classes=range(10))
    assert_array_equal(step_by_step.predict_proba(images), expected)
    values = TorchRegressor(cnn, batch_size=16, random_state=0).fit(images / 16, y)
    assert values.score(images / 16, y) > 0.5


@pytest.mark.slow
def test_images_in_a_search_with_processes():
    clf = TorchClassifier(cnn, batch_size=32, epochs=8, random_state=0)
    scaled = make_pipeline(FunctionTransformer(np.log1p), clone(clf))
    grid = {"torchclassifier__module__width": [2, 3]}
    assert GridSearchCV(scaled, grid, cv=3, n_jobs=2).fit(images, y).best_score_ > 0.5
    assert_array_equal(cross_val_score(clf, images, y, n_jobs=2), cross_val_score(clf, images, y))


def test_weights_of_images():
    often = np.where(y == 3, 2.0, 1.0)
    repeated = np.repeat(np.arange(len(y)), often.astype(int))
    clf = TorchClassifier(cnn, **FAST)
    expected = clf.fit(images[repeated], y[repeated]).predict_proba(images)
    weighted = clf.fit(images.astype(np.uint8), y, sample_weight=often).predict_proba(images)
    assert_allclose(weighted, expected, atol=1e-4)
    of_class = clf.set_params(class_weight={3: 2}).fit(images, y).predict_proba(images)
    assert_allclose(of_class, expected, atol=1e-9)


@pytest.mark.parametrize(
    "fitted, asked",
    [
        (images, images[:, :, :7]),
        (images, flat),
        (images, np.repeat(images, 3, axis=1)),
        (flat, images),
        (images, images[:, :, :, :4].tolist()),
    ],
)
def test_rows_of_another_shape_are_refused_with_both_shapes(fitted, asked):
    clf = TorchClassifier(epochs=1).fit(fitted, y)
    shapes = f"{np.shape(asked)[1:]}.*fitted on rows of shape {fitted.shape[1:]}"
    for call in (clf.predict, lambda X: clf.partial_fit(X, y)):
        with pytest.raises(ValueError, match=shapes.replace("(", r"\(").replace(")", r"\)")):
            call(asked)


def test_lists_keep_the_words_of_scikit_learn():
    clf = TorchClassifier(epochs=1).fit(images, y)
    with pytest.raises(ValueError, match="inhomogeneous shape"):
        clf.predict([[[1, 2], [3]]])
    with pytest.raises(ValueError, match="X has 2 features"):
        clf.predict([[[1, 2], [3, 4]]])


@pytest.mark.parametrize("X", [images[:, :, :0], images[:, :0]])
def test_rows_without_numbers(X):
    with pytest.raises(ValueError, match=r"Rows of X hold no numbers: their shape is \(.*0"):
        TorchClassifier().fit(X, y)


def for_tables(n_features, n_outputs):
    return nn.Linear(n_features, n_outputs)


def of_batch_norm(n_features, n_outputs):
    return nn.Sequential(nn.BatchNorm1d(n_features), nn.Linear(8, n_outputs))


def by_index(shape, n_outputs):
    return nn.Sequential(nn.Conv2d(shape[0], 2, 3), nn.Flatten(), nn.LazyLinear(n_outputs))


def by_step(shape, n_outputs):
    steps, n_features = shape
    return Reader((steps, n_features), n_outputs)


def own_fault(shape, n_outputs, widths=3):
    return nn.Sequential(*(nn.Linear(8, n_outputs) for _ in widths))


RECIPES = {
    "table": (
        for_tables,
        images,
        TypeError,
        r"\(1, 8, 8\), so.*len\(X\), -1\).*\n.*shape",
    ),
    "norm": (of_batch_norm, images, ValueError, r"first argument is the shape of a row, \(1, 8"),
    "linear": (lambda n, k: nn.LazyLinear(k), images, ValueError, r"Put nn.Flatten\(\) before"),
    "unpacking": (cnn, flat, TypeError, r"number of features, 64,.*reshape\(len\(X\), 1, 8, 8\)"),
    "index": (by_index, flat, TypeError, r"number of features, 64,.*reshape\(len\(X\), 1, 8, 8\)"),
    "steps": (by_step, flat, TypeError, r"number of features, 64,.*reshape\(len\(X\), steps, feat"),
    "channels last": (cnn, np.moveaxis(np.repeat(images, 2, 1), 1, 3), ValueError, "rows of shape"),
    "own fault": (own_fault, flat, TypeError, "^'int' object is not iterable"),
    "own fault of images": (own_fault, images, TypeError, "^'int' object is not iterable"),
}


@pytest.mark.parametrize("case", RECIPES)
def test_a_recipe_for_other_rows_is_told_so(case):
    recipe, X, error, message = RECIPES[case]
    with pytest.raises(error, match=message):
        TorchClassifier(recipe).fit(X, y)


def test_uint8_stays_until_a_batch_is_taken_and_is_not_scaled(tmp_path, monkeypatch):
    np.save(tmp_path / "X.npy", (images * 15).astype(np.uint8))
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    jobs = []
    monkeypatch.setattr("helpers.base.train", lambda job: (jobs.append(job), train(job)))
    clf = TorchClassifier(Noting, batch_size=16, patience=3, **FAST).fit(mapped, y)
    assert jobs[0].X.dtype == torch.uint8 and jobs[0].X.data_ptr() == mapped.ctypes.data
    clf.predict(mapped)
    assert {dtype for _, dtype, _, _ in clf.module_.seen} == {torch.float32}
    assert max(largest for *_, largest in clf.module_.seen) == 240
    of_floats = clone(clf).fit(np.float32(mapped), y)
    assert_array_equal(of_floats.predict_proba(np.float32(mapped)), clf.predict_proba(mapped))
    in_float64 = clone(clf).fit(np.float64(mapped), y)
    assert_allclose(in_float64.predict_proba(mapped), in_float64.predict_proba(np.float64(mapped)))


def test_prediction_and_validation_take_few_large_rows_at_a_time():
    X = np.zeros((40, 1, 512, 256), np.uint8)
    clf = TorchClassifier(Noting, epochs=1, patience=1, validation_fraction=0.5, batch_size=4)
    clf.fit(X, np.arange(40) % 2).predict(X)
    outside = [
        len(shape) and shape[0] for training, _, shape, _ in clf.module_.seen if not training
    ]
    assert max(outside) == 8  # 2**20 numbers


class Lookup(nn.Module):
    """An embedding of codes, as torch's users write it, for codes of any size."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.embedding = nn.Embedding(64, n_outputs)

    def forward(self, X):
        return self.embedding(X[:, 0].long() % 64)


@pytest.mark.parametrize("start, dtype", [(0, torch.float32), (2**24, torch.float64)])
@pytest.mark.parametrize("kind", [np.int64, np.uint32, list, torch.from_numpy])
def test_whole_numbers_reach_an_embedding_as_they_are(start, dtype, kind):
    codes = start + np.arange(120) % 40
    X = codes[:, None].tolist() if kind is list else kind(codes[:, None])
    target = codes % 2  # an odd number that is rounded becomes even
    clf = TorchClassifier(Lookup, epochs=80, lr=0.1, random_state=0).fit(X, target)
    assert clf.score(X, target) == 1
    assert next(clf.module_.parameters()).dtype == dtype


def test_whole_numbers_that_would_be_rounded_are_refused():
    with pytest.raises(ValueError, match="9,007,199,254,740,992 or more.*OrdinalEncoder"):
        TorchClassifier(Lookup).fit(np.array([[2**53], [2**53 + 1]]), [0, 1])
    clf = TorchClassifier(Lookup).partial_fit(np.array([[1], [2]]), [0, 1])
    with pytest.raises(ValueError, match="16,777,216 or more.*float32.*float64 from the first"):
        clf.partial_fit(np.array([[1], [2**24 + 1]]), [0, 1])


def test_an_embedding_without_a_cast_is_told_how():
    def recipe(n_features, n_outputs):
        return nn.Sequential(nn.Embedding(10, n_outputs), nn.Flatten())

    with pytest.raises(ValueError, match=r"indices.*self\.embedding\(X\[:, 0\]\.long\(\)\)"):
        TorchClassifier(recipe).fit(np.arange(10)[:, None], np.arange(10) % 2)


def test_tags():
    for estimator in (TorchClassifier(), TorchRegressor()):
        tags = estimator.__sklearn_tags__().input_tags
        assert tags.two_d_array and tags.three_d_array and tags.sparse


# Trains on a file of uint8 images; prints the largest MB held, but for pages of files, above what
# is held after the same on a few rows: that is torch itself. Blocks above 1 MB that are freed go
# back to the system at once; what the C library keeps of them otherwise differed by 70 MB.
ON_A_FILE = """
import sys
import numpy as np
from torch import nn
from helpers import TorchClassifier
from tests.memory import megabytes

held = []

class Small(nn.Module):
    def __init__(self, shape, n_outputs):
        super().__init__()
        self.linear = nn.Linear(shape[-1], n_outputs)

    def forward(self, X):
        held.append(megabytes(what="RssAnon"))
        return self.linear(X[:, 0, 0])

X = np.memmap(sys.argv[1], dtype=np.uint8, mode="r", shape=(int(sys.argv[2]), 3, 128, 128))
y = np.arange(len(X)) % 2
clf = TorchClassifier(Small, epochs=1, batch_size=64, patience=1, validation_fraction=0.3)
clf.fit(X[:200], y[:200]).predict(X[:200])
before = max(held)
held.clear()
clf.fit(X, y).predict(X)
print(max(held) - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not megabytes(), reason="measured by Linux's /proc")
def test_a_file_of_images_is_never_in_memory_as_a_whole(tmp_path):
    n_rows = 3000  # 147 MB, and 590 MB in float32; a file of zeros takes no room on the disk
    with open(tmp_path / "images", "wb") as file:
        file.truncate(n_rows * 3 * 128 * 128)
    command = [sys.executable, "-c", ON_A_FILE, str(tmp_path / "images"), str(n_rows)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "1000000"}
    run = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=ROOT, env=environment
    )
    assert float(run.stdout) < 40
