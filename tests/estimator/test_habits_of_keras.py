"""What users of Keras, skorch and torch type first: it works, or they are told what to type."""

import functools

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from helpers import FrozenFeatures, TorchClassifier, TorchRegressor, rows_of

N = 24
DRAW = np.random.default_rng(0)
TABLE = DRAW.normal(size=(N, 4)).astype(np.float32)
IMAGES = DRAW.random((N, 3, 8, 8)).astype(np.float32)
LABEL = np.arange(N) % 3
ONE_HOT = np.eye(3)[LABEL]
WEIGHTS = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=1.0)
SCHEDULERS = torch.optim.lr_scheduler


def classifier(module=None, **settings):
    module = {} if module is None else {"module": module}
    return TorchClassifier(**module, epochs=1, random_state=0, **settings)


def convolved(shape, n_outputs):
    layers = nn.Conv2d(shape[0], 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return nn.Sequential(*layers, nn.Linear(2, n_outputs))


def for_colours(shape, n_outputs):
    return nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.LazyLinear(n_outputs))


class Flip(nn.Module):
    def forward(self, X):
        return X.flip(-1) if torch.rand(()) < 0.5 else X


def learned(values):
    return torch.tensor(values, requires_grad=True)


WORKS = {
    "X with a gradient": (classifier(), learned(TABLE), LABEL, {}),
    "X of tensors": (classifier(), [learned(row) for row in TABLE], LABEL, {}),
    "images of tensors": (classifier(convolved), list(torch.tensor(IMAGES)), LABEL, {}),
    "float labels": (classifier(), TABLE, torch.tensor(LABEL).float(), {}),
    "y with a gradient": (
        TorchRegressor(epochs=1, random_state=0),
        TABLE,
        learned(TABLE[:, 0]),
        {},
    ),
    "labels with a gradient": (classifier(), TABLE, learned(LABEL.astype(float)), {}),
    "targets with a gradient": (
        TorchRegressor(epochs=1, random_state=0),
        TABLE,
        learned(TABLE[:, :2]),
        {},
    ),
    "y in bfloat16": (
        TorchRegressor(epochs=1, random_state=0),
        TABLE,
        torch.tensor(TABLE[:, 0]).bfloat16(),
        {},
    ),
    "y of tensors": (classifier(), TABLE, list(torch.tensor(LABEL)), {}),
    "values of tensors": (
        TorchRegressor(epochs=1, random_state=0),
        TABLE,
        list(torch.tensor(TABLE[:, 0])),
        {},
    ),
    "weights with a gradient": (
        classifier(),
        TABLE,
        LABEL,
        {"sample_weight": torch.ones(N, requires_grad=True)},
    ),
    "labels with a gradient, and a splitter": (
        classifier(patience=1, validation_fraction=[(range(12), range(12, N))]),
        *(TABLE, learned(LABEL.astype(float)), {}),
    ),
    "modules that augment": (
        classifier(convolved, augment=nn.Sequential(Flip(), nn.Dropout(0.1))),
        IMAGES,
        LABEL,
        {},
    ),
    "a loss in float32, X in float64": (
        classifier(loss=nn.CrossEntropyLoss(weight=torch.ones(3), reduction="none")),
        *(TABLE.astype(np.float64), LABEL, {}),
    ),
}


def plain(values):
    """Return tensors, or a list of them, as an array."""
    if isinstance(values, list):
        return np.stack([plain(value) for value in values])
    return values.detach().float().numpy() if isinstance(values, torch.Tensor) else values


@pytest.mark.parametrize("name", WORKS)
def test_it_works_as_with_arrays(name):
    model, X, y, options = WORKS[name]
    answers = clone(model).fit(X, y, **options).predict(X)
    options = {name: plain(value) for name, value in options.items()}
    expected = clone(model).fit(plain(X), plain(y), **options)
    np.testing.assert_array_equal(answers, expected.predict(plain(X)))


def test_a_loss_is_not_changed_by_the_precision_of_X():
    loss = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0]), reduction="none")
    clf = classifier(loss=loss).fit(TABLE.astype(np.float64), LABEL)
    assert loss.weight.dtype == torch.float32 and clf.loss is loss
    as_function = classifier(
        loss=lambda o, y: nn.functional.cross_entropy(
            o, y, weight=loss.weight.double(), reduction="none"
        )
    )
    expected = as_function.fit(TABLE.astype(np.float64), LABEL).history_
    assert clf.history_ == expected


LOADER = DataLoader(TensorDataset(torch.tensor(TABLE), torch.tensor(LABEL)))
RAGGED = [DRAW.random((3 + i % 2, 4)) for i in range(N)]
# name -> (what is called, the words that say what to type)
TOLD = {
    "a scheduler": (
        lambda: classifier(schedule=SCHEDULERS.StepLR(WEIGHTS, 2)).fit(TABLE, LABEL),
        "StepLR of torch changes .* schedule=lambda done",
    ),
    "a class of schedulers": (
        lambda: classifier(schedule=SCHEDULERS.OneCycleLR).fit(TABLE, LABEL),
        "schedule=lambda done",
    ),
    "a partial scheduler": (
        lambda: classifier(schedule=functools.partial(SCHEDULERS.StepLR, step_size=2)).fit(
            TABLE, LABEL
        ),
        "schedule=lambda done",
    ),
    "an optimizer": (
        lambda: classifier(optimizer=WEIGHTS).fit(TABLE, LABEL),
        "optimizer=torch.optim.SGD",
    ),
    "a class that augments": (
        lambda: classifier(convolved, augment=Flip).fit(IMAGES, LABEL),
        r"augment=Flip\(\.\.\.\)",
    ),
    "a loss that takes the mean": (
        lambda: classifier(loss=nn.CrossEntropyLoss()).fit(TABLE, LABEL),
        'reduction="none"',
    ),
    "a loss of another shape": (
        lambda: classifier(loss=nn.BCEWithLogitsLoss(reduction="none")).fit(TABLE, LABEL),
        "(?s)Target size",
    ),
    "clip=0": (lambda: classifier(clip=0).fit(TABLE, LABEL), "'clip' .* or None"),
    "channels last": (
        lambda: classifier(for_colours).fit(np.moveaxis(IMAGES, 1, -1), LABEL),
        r"moveaxis\(X, -1",
    ),
    "grey images": (
        lambda: classifier(convolved).fit(IMAGES[:, 0], LABEL),
        r"X\[:, np.newaxis\]",
    ),
    "sequences of unequal lengths": (
        lambda: classifier().fit(RAGGED, LABEL),
        r"row 0 has the shape \(3, 4\), row 1 \(4, 4\).*pad_sequence",
    ),
    "an array of them": (
        lambda: classifier().fit(np.array(RAGGED, dtype=object), LABEL),
        "pad_sequence",
    ),
    "tensors of unequal lengths": (
        lambda: classifier().fit([torch.tensor(row) for row in RAGGED], LABEL),
        "pad_sequence",
    ),
    "lists of labels": (
        lambda: classifier().fit(TABLE, [("a",), ("b", "c")] * (N // 2)),
        "MultiLabelBinarizer",
    ),
    "a DataLoader": (lambda: classifier().fit(LOADER), r"rows_of\(loader.dataset\)"),
    "a folder": (lambda: rows_of("/images"), "one path '/images'"),
    "a DataLoader for features": (
        lambda: FrozenFeatures(nn.Linear(4, 2)).fit(LOADER),
        r"rows_of\(loader.dataset\)",
    ),
    "a Dataset for features": (
        lambda: FrozenFeatures(nn.Linear(4, 2)).fit(LOADER.dataset),
        r"rows_of\(dataset\)",
    ),
    "a class for features": (
        lambda: FrozenFeatures(nn.Linear).fit(TABLE),
        "FrozenFeatures takes what was built",
    ),
}


@pytest.mark.parametrize("name", TOLD)
def test_they_are_told(name):
    call, words = TOLD[name]
    with pytest.raises((TypeError, ValueError), match=words):
        call()


def test_augment_is_told_that_it_gets_all_rows_of_a_step():
    with pytest.raises(TypeError, match=r"called as augment\(X\).*all rows of a training step"):
        classifier(augment=lambda X, y: (X, y)).fit(TABLE, LABEL)


def test_features_of_tensors():
    network = nn.Linear(4, 2)
    expected = FrozenFeatures(network).fit_transform(TABLE)
    for X in (learned(TABLE), list(torch.tensor(TABLE))):
        np.testing.assert_array_equal(FrozenFeatures(network).fit_transform(X), expected)


def test_one_hot_labels_are_pointed_out(recwarn):
    with pytest.warns(UserWarning, match=r"one-hot .* y.argmax\(axis=1\)"):
        classifier().fit(TABLE, ONE_HOT)
    several = ONE_HOT.copy()
    several[0] = 1
    recwarn.clear()
    classifier().fit(TABLE, several)
    classifier().partial_fit(TABLE[:3], ONE_HOT[:3])  # by chance
    assert not recwarn


def test_channels_last_are_pointed_out(recwarn):
    with pytest.warns(UserWarning, match=r"channels last, .* np.moveaxis\(X, -1, 1\)"):
        classifier(convolved).fit(np.moveaxis(IMAGES, 1, -1), LABEL)
    recwarn.clear()
    classifier(convolved).fit(IMAGES, LABEL)
    classifier(convolved).fit(DRAW.random((N, 8, 8, 5)), LABEL)
    assert not recwarn
