"""Two features at once: rows of any shape, augment, loss, schedule, frozen parts, under `fused()`.

Each has tests of its own elsewhere. Here they meet: what is trained together equals what is trained
alone, in float64, to 1e-10, and ten calls of `partial_fit` equal one fit of ten epochs.
"""

import math
import warnings

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    StratifiedKFold,
    cross_validate,
    learning_curve,
)
from torch import nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from helpers import TorchClassifier, TorchRegressor, fused, rows_of

pytestmark = pytest.mark.slow  # some seconds, or many

N = 47
DRAW = np.random.default_rng(0)
LABEL = np.arange(N) % 3
IMAGES = DRAW.normal(size=(N, 1, 4, 5)) + LABEL[:, None, None, None]
BYTES = (DRAW.integers(0, 200, (N, 2, 4, 4)) + 20 * LABEL[:, None, None, None]).astype(np.uint8)
SEQUENCES = DRAW.normal(size=(N, 5, 3)) + LABEL[:, None, None]
TABLE = DRAW.normal(size=(N, 4)) + LABEL[:, None]
TARGETS = np.c_[TABLE[:, 0] - TABLE[:, 1], TABLE.sum(1), TABLE[:, 2] ** 2]
SEVERAL = (TABLE[:, :3] > 0.5).astype(int)
WEIGHT = DRAW.integers(0, 4, N).astype(float)


def convolved(shape, n_outputs, dropout=0.0):
    return nn.Sequential(
        nn.Conv2d(shape[0], 3, 3, padding=1, bias=False),  # BatchNorm would cancel it
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.Dropout2d(dropout),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(12, n_outputs),
    )


class Scaled(nn.Module):
    """Takes bytes, 0 to 255."""

    def __init__(self, shape, n_outputs):
        super().__init__()
        self.body = convolved(shape, n_outputs)

    def forward(self, X):
        return self.body(X / 255)


class Recurrent(nn.Module):
    def __init__(self, shape, n_outputs, kind=nn.LSTM):
        super().__init__()
        self.layer, self.last = kind(shape[1], 4, batch_first=True), nn.Linear(4, n_outputs)

    def forward(self, X):
        return self.last(self.layer(X)[0][:, -1])


def half_frozen(shape, n_outputs):
    """A convolution that was trained before, its BatchNorm included, and a new last layer."""
    generator = torch.Generator().manual_seed(0)
    body = nn.Sequential(nn.Conv2d(shape[0], 3, 3), nn.BatchNorm2d(3), nn.Dropout2d(0.5), nn.ReLU())
    with torch.no_grad():
        for parameter in body.parameters():
            parameter.normal_(generator=generator)
    return nn.Sequential(body.requires_grad_(False), nn.Flatten(), nn.LazyLinear(n_outputs))


class HalfFrozen(nn.Module):
    """The same, with code of its own."""

    def __init__(self, shape, n_outputs):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(shape[0], 3, 3), nn.BatchNorm2d(3), nn.Dropout2d(0.5))
        self.body.requires_grad_(False)
        self.norm = nn.BatchNorm1d(3)
        self.last = nn.Linear(3, n_outputs)

    def forward(self, X):
        return self.last(self.norm(self.body(X).relu().mean((2, 3))))


class Pictures(Dataset):
    def __init__(self, dtype=torch.float64):
        self.dtype = dtype

    def __len__(self):
        return N

    def __getitem__(self, i):
        return torch.from_numpy(IMAGES[i]).to(self.dtype), LABEL[i]


def shifted(X):
    """Shift each row by one place, or not, and add noise."""
    moved = torch.rand(len(X), *[1] * (X.ndim - 1)) < 0.5
    return torch.where(moved, X.roll(1, -1), X) + 0.1 * torch.randn_like(X)


class Noise(nn.Module):
    def forward(self, X):
        return X + 0.1 * torch.randn_like(X)


class Flip(nn.Module):
    def forward(self, X):
        return X.flip(-1) if torch.rand(()) < 0.5 else X


class OfLabels(nn.Module):
    """Holds numbers in float32, as users write them."""

    def __init__(self):
        super().__init__()
        self.loss = nn.BCEWithLogitsLoss(pos_weight=torch.tensor([1.0, 2.0, 0.5]), reduction="none")

    def forward(self, outputs, y):
        return self.loss(outputs, y).mean(1)


CLASSES = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 0.5]), reduction="none")


def huber(outputs, y):
    losses = F.huber_loss(outputs, y, reduction="none", delta=0.5)
    return losses if y.ndim == 1 else losses.sum(1)


def weighted_bce(outputs, y):
    return F.binary_cross_entropy_with_logits(outputs, y, reduction="none").sum(1)


def smooth(outputs, y):
    return F.cross_entropy(outputs, y, reduction="none", label_smoothing=0.1)


def cosine(done):
    return 0.5 + 0.5 * math.cos(math.pi * done)


def bytes_in_a_file(folder):
    np.save(folder / "X.npy", BYTES)
    return np.load(folder / "X.npy", mmap_mode="r")


def classifier(module, **settings):
    return TorchClassifier(module, **{"epochs": 5, "lr": 0.02, "random_state": 0} | settings)


def regressor(**settings):
    return TorchRegressor(**{"epochs": 5, "random_state": 0} | settings)


watched = {"patience": 2, "epochs": 12, "lr": 0.1}
# name -> (model, X, y, more for fit)
SEAMS = {
    "images, augment": (classifier(convolved, augment=shifted), IMAGES, LABEL, {}),
    "images, a splitter": (
        classifier(convolved, **watched, validation_fraction=StratifiedKFold(4)),
        *(IMAGES, LABEL, {}),
    ),
    "images, groups": (
        classifier(convolved, **watched, validation_fraction=GroupKFold(3), augment=shifted),
        *(IMAGES, LABEL, {"groups": np.arange(N) // 4}),
    ),
    "images, dropout": (
        classifier(convolved, module__dropout=0.3),
        *(IMAGES, LABEL, {}),
    ),
    "images, dropout, augment, loss, schedule, clip": (
        classifier(
            convolved, module__dropout=0.3, augment=shifted, loss=smooth, schedule=cosine
        ).set_params(clip=0.5, optimizer="adamw", weight_decay=0.1),
        *(IMAGES, LABEL, {"sample_weight": WEIGHT}),
    ),
    "bytes, augment": (classifier(Scaled, augment=shifted), bytes_in_a_file, LABEL, {}),
    "Dataset, augment, n_jobs": (
        classifier(convolved, augment=shifted),
        rows_of(Pictures()),
        LABEL,
        {"n_jobs": 2},
    ),
    "Dataset, a splitter, n_jobs": (
        classifier(convolved, **watched, validation_fraction=KFold(4)),
        *(rows_of(Pictures()), LABEL, {"n_jobs": 2}),
    ),
    "targets, loss": (regressor(loss=huber), TABLE, TARGETS, {}),
    "targets, loss, weights, a splitter": (
        regressor(loss=huber, **watched, validation_fraction=KFold(4)),
        *(TABLE, TARGETS, {"sample_weight": WEIGHT}),
    ),
    "targets, schedule, clip": (
        regressor(schedule=cosine, clip=0.3, optimizer="sgd", optimizer__momentum=0.9),
        *(TABLE, TARGETS, {}),
    ),
    "images, targets, loss": (
        regressor(module=convolved, loss=huber, augment=shifted),
        IMAGES,
        TARGETS,
        {},
    ),
    "labels, weights": (
        classifier(lambda *a: nn.Linear(*a)),
        TABLE,
        SEVERAL,
        {"sample_weight": WEIGHT},
    ),
    "labels, weights, patience": (
        classifier(lambda *a: nn.Linear(*a), **watched),
        TABLE,
        SEVERAL,
        {"sample_weight": WEIGHT},
    ),
    "images, labels, loss, augment": (
        classifier(convolved, loss=weighted_bce, augment=shifted),
        IMAGES,
        SEVERAL,
        {},
    ),
    "frozen, augment": (classifier(half_frozen, augment=shifted), IMAGES, LABEL, {}),
    "frozen in code, patience": (classifier(HalfFrozen, **watched), IMAGES, LABEL, {}),
    "frozen, Dataset, clip": (
        classifier(HalfFrozen, clip=0.1, optimizer="sgd"),
        rows_of(Pictures()),
        LABEL,
        {},
    ),
    "LSTM, patience": (classifier(Recurrent, **watched), SEQUENCES, LABEL, {}),
    "GRU, patience, augment, a splitter": (
        classifier(Recurrent, module__kind=nn.GRU, augment=shifted, **watched).set_params(
            validation_fraction=StratifiedKFold(3)
        ),
        *(SEQUENCES, LABEL, {}),
    ),
    "Sequential as augment, weights of classes in float32": (
        classifier(convolved, augment=nn.Sequential(Noise(), Flip()), loss=CLASSES, **watched),
        *(IMAGES, LABEL, {}),
    ),
    "labels, weights of labels in float32": (
        classifier(convolved, loss=OfLabels(), module__dropout=0.2),
        *(IMAGES, SEVERAL, {"sample_weight": WEIGHT}),
    ),
    "GRU, schedule, clip, targets": (
        regressor(module=Recurrent, module__kind=nn.GRU, schedule=cosine, clip=0.1),
        *(SEQUENCES, TARGETS, {}),
    ),
}


def fitted(model, X, y, options):
    """Return scores and models of folds that are not equally large."""
    params = {k: v for k, v in options.items() if k != "n_jobs"}
    found = cross_validate(
        model,
        X,
        y,
        cv=KFold(3, shuffle=True, random_state=0),
        scoring="neg_mean_squared_error" if isinstance(model, TorchRegressor) else None,
        params=params,
        n_jobs=options.get("n_jobs"),
        return_estimator=True,
        error_score="raise",
    )
    return found["test_score"], found["estimator"]


def bytes_are_trained(model):
    """Tell whether a network is trained in float32, which rounds more."""
    return next(model.module_.parameters()).dtype == torch.float32


def assert_same(one, other):
    """Compare two models: weights, buffers and history."""
    state, expected = other.module_.state_dict(), one.module_.state_dict()
    atol, rel = (1e-4, 1e-4) if bytes_are_trained(one) else (1e-10, 1e-9)
    for name, tensor in expected.items():
        torch.testing.assert_close(state[name], tensor, rtol=0, atol=atol, msg=name)
    assert one.n_epochs_ == other.n_epochs_
    for row, of_other in zip(one.history_, other.history_, strict=True):
        assert of_other == pytest.approx(row, rel=rel)


@pytest.mark.parametrize("batch_size", [None, 8])
@pytest.mark.parametrize("name", SEAMS)
def test_together_as_alone(name, batch_size, tmp_path):
    model, X, y, options = SEAMS[name]
    X = X(tmp_path) if callable(X) else X
    model = clone(model).set_params(batch_size=batch_size)
    scores, alone = fitted(model, X, y, {**options, "n_jobs": None})
    with warnings.catch_warnings(record=True) as told, fused() as run:
        warnings.simplefilter("always")
        found, together = fitted(model, X, y, options)
    np.testing.assert_allclose(found, scores, rtol=0, atol=1e-10)
    for one, other in zip(alone, together, strict=True):
        assert_same(one, other)
    assert run.batches == [3]
    assert not told


@pytest.mark.parametrize("batch_size", [None, 8])
@pytest.mark.parametrize("name", SEAMS)
def test_ten_calls_of_partial_fit_as_one_fit(name, batch_size, tmp_path):
    model, X, y, _ = SEAMS[name]
    X = X(tmp_path) if callable(X) else X
    model = clone(model).set_params(batch_size=batch_size, patience=None, schedule=None, epochs=10)
    expected, found = clone(model).fit(X, y), clone(model)
    for _ in range(10):
        found.partial_fit(X, y)
    assert_same(expected, found)


def test_parts_that_go_on_training_are_stacked_with_their_augmentation():
    """`learning_curve` calls `partial_fit`: each fit goes on where the last one stood."""
    model = classifier(convolved, augment=shifted, batch_size=8, module__dropout=0.2)
    options = {"train_sizes": [0.5, 1.0], "cv": KFold(3), "exploit_incremental_learning": True}
    options |= {"scoring": "neg_log_loss", "error_score": "raise"}
    _, *plain = learning_curve(model, IMAGES, LABEL, **options)
    with fused() as run:
        _, *found = learning_curve(model, IMAGES, LABEL, **options)
    np.testing.assert_allclose(found, plain, rtol=0, atol=1e-10)
    assert run.batches == [3, 3]


def test_rows_of_two_datasets_are_not_mixed_up():
    """Datasets of one shape are told apart; the networks of each are stacked."""
    clf = classifier(convolved, augment=shifted)
    all_rows = [rows_of(Pictures()), rows_of(Pictures()), rows_of(Pictures())[::-1]]
    tasks = [(part, LABEL) for rows in all_rows for part in (rows, rows)]
    alone = [clone(clf).fit(*task) for task in tasks]
    with fused():
        together = Parallel()(delayed(clone(clf).fit)(*task) for task in tasks)
    for one, other in zip(alone, together, strict=True):
        assert_same(one, other)
