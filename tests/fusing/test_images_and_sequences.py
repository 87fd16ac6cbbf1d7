"""Networks for images, sequences and sets; and copies of images that canaries look for."""

import copy
import warnings

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GroupKFold, KFold, cross_val_score, cross_validate
from torch import nn
from torch.nn import functional as F

from helpers import TorchClassifier, TorchRegressor, alike_rows, fused, shared_rows
from helpers.leakage.mirrored import count_mirrored

pytestmark = pytest.mark.slow

digits, digit = load_digits(n_class=4, return_X_y=True)
X, y = digits[:120].reshape(-1, 1, 8, 8) / 16, digit[:120]


def classifier(module, **settings):
    return TorchClassifier(module, epochs=2, batch_size=16, random_state=0, **settings)


def linear(shape, n_outputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, n_outputs))


def bounded(shape, n_outputs):
    """Outputs between 0 and 1, as those of many a new network are for its first rows."""
    return torch.jit.script(nn.Sequential(*linear(shape, n_outputs), nn.Sigmoid()))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_scripted_network_is_asked_no_more_than_it_can_answer():
    assert classifier(bounded).fit(X, y).predict(X).shape == (120,)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_a_traced_network_does_not_lack_its_init():
    def traced(shape, n_outputs):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            weights = nn.Linear(64, n_outputs).requires_grad_(False)
            return nn.Sequential(nn.Flatten(), torch.jit.trace(weights, torch.zeros(2, 64)))

    def whole(shape, n_outputs):
        return traced(shape, n_outputs)[1].requires_grad_(True)

    fitted = classifier(whole).fit(X.reshape(120, 64).astype(np.float32), y)
    assert fitted.predict(X.reshape(120, 64)).shape == (120,)


def channels_last(shape, n_outputs):
    """A network whose weights lie in memory as torch advises for images."""
    layers = nn.Conv2d(2, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, n_outputs)
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)


@pytest.mark.parametrize("settings", [{}, {"optimizer": "sgd", "optimizer__momentum": 0.9}])
def test_weights_in_another_order_in_memory_are_stacked_and_go_on(settings):
    two = np.concatenate([X, X.transpose(0, 1, 3, 2)], axis=1)
    clf = classifier(channels_last, **settings)
    fitted = [clone(clf).set_params(lr=lr).fit(two, y) for lr in (0.01, 0.02)]

    def train():
        calls = [clone(one).fit for one in fitted]
        calls += [copy.deepcopy(one).partial_fit for one in fitted]
        return Parallel()(delayed(call)(two, y) for call in calls)

    plain = train()
    with fused() as run:
        found = train()
    for one, other in zip(plain, found, strict=True):
        np.testing.assert_allclose(other.predict_proba(two), one.predict_proba(two), atol=1e-10)
    assert run.batches == [2, 2]


class MonteCarlo(nn.Module):
    """Its dropout stays on, by what the last argument says."""

    def __init__(self, shape, n_outputs, where="train"):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Dropout(0.2), nn.Linear(64, n_outputs))
        self.where = where

    def train(self, mode=True):
        super().train(mode)
        if self.where == "train":
            self.layers[1].train()
        return self

    def forward(self, X):
        if self.where == "forward":
            self.layers.train()
        return self.layers(X)


@pytest.mark.parametrize("where", ["train", "forward"])
def test_a_layer_that_is_kept_in_training_mode_is_named(where):
    with pytest.warns(UserWarning, match=r"MonteCarlo keeps its layer 'layers.1' in training mode"):
        classifier(MonteCarlo, module__where=where).fit(X, y)


def noisy_labels(outputs, y):
    y = torch.where(torch.rand(len(y)) < 0.1, torch.randint(0, 4, (len(y),)), y)
    return F.cross_entropy(outputs, y, reduction="none")


def noisy(shape, n_outputs):
    return nn.Sequential(nn.Flatten(), nn.RReLU(), nn.Linear(64, n_outputs))


@pytest.mark.parametrize(
    ("module", "reason"),
    [(linear, "its loss draws random numbers"), (noisy, "it draws random numbers while training")],
)
def test_who_draws_random_numbers_is_named(module, reason):
    clf = classifier(module, loss=noisy_labels)
    expected = cross_val_score(clf, X, y, cv=3)
    with pytest.warns(UserWarning, match=f"Sequential cannot be stacked: {reason}"), fused():
        found = cross_val_score(clf, X, y, cv=3)
    np.testing.assert_array_equal(found, expected)


def images_out(shape, n_outputs):
    return nn.Sequential(nn.Conv2d(1, 1, 3, padding=1))


def test_an_autoencoder_is_told_to_flatten_what_it_returns():
    with pytest.raises(ValueError, match=r"got shape \(2, 1, 8, 8\). Return outputs.flatten\(1\)"):
        TorchRegressor(images_out).fit(X, X.reshape(120, 64))
    with pytest.raises(ValueError, match=r"Give y.reshape\(len\(y\), -1\), and end the network in"):
        TorchRegressor(images_out).fit(X, X)


def test_a_linear_layer_behind_others_is_not_the_first():
    def cnn(shape, n_outputs):
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(100, n_outputs))

    def mlp(n_features, n_outputs):
        return nn.Sequential(nn.Linear(n_features, 9), nn.Linear(8, n_outputs))

    with pytest.raises(ValueError, match="A linear layer of 100 inputs gets 144 from the layers"):
        classifier(cnn).fit(X, y)
    with pytest.raises(ValueError, match="A linear layer of 8 inputs gets 9 from the layers"):
        classifier(mlp).fit(X.reshape(120, 64), y)
    with pytest.raises(ValueError, match="Its first layer must be as wide as"):
        classifier(lambda n_features, n_outputs: nn.Linear(9, n_outputs)).fit(X[:, 0, 0], y)


class Reversal(nn.Module):
    """Bounds a gradient by a hook, which it can put on in training alone, after BatchNorm."""

    def __init__(self, shape, n_outputs):
        super().__init__()
        self.norm, self.layer = nn.BatchNorm2d(1), nn.Linear(64, n_outputs)

    def forward(self, X):
        X = self.layer(self.norm(X).flatten(1))
        if self.training:
            X.register_hook(lambda gradient: gradient.clamp(-0.01, 0.01))
        return X


def test_a_network_that_refuses_to_be_asked_stays_as_it_was():
    clf = classifier(Reversal)
    expected = cross_validate(clf, X, y, cv=3, return_estimator=True)["estimator"]
    with pytest.warns(UserWarning, match="cannot register a hook.* 3 fits of it"), fused():
        found = cross_validate(clf, X, y, cv=3, return_estimator=True)["estimator"]
    for one, other in zip(expected, found, strict=True):
        for name, value in one.module_.state_dict().items():
            torch.testing.assert_close(other.module_.state_dict()[name], value, rtol=0, atol=0)


# Images and their splits --------------------------------------------------------------------------

FOLDS = KFold(5, shuffle=True, random_state=0)
CHANGES = {
    "left-right": lambda images: images[..., ::-1],
    "up-down": lambda images: images[:, :, ::-1],
    "both": lambda images: images[:, :, ::-1, ::-1],
    "quarter": lambda images: np.rot90(images, 1, (2, 3)),
    "three quarters": lambda images: np.rot90(images, 3, (2, 3)),
    "transposed": lambda images: images.swapaxes(2, 3),
    "across": lambda images: np.rot90(images, 2, (2, 3)).swapaxes(2, 3),
}
FORMS = {
    "as they are": lambda images: images,
    "without channels": lambda images: images[:, 0],
    "channels last": lambda images: np.moveaxis(images.repeat(3, 1), 1, -1),
    "bytes": lambda images: (16 * images).astype(np.uint8),
    "tensors": lambda images: list(torch.tensor(images.copy())),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_images_mirrored_or_turned_before_the_split(change, form):
    images, own = form(np.concatenate([X, change(X)])), np.tile(np.arange(len(X)), 2)
    finding = shared_rows(images, cv=FOLDS)
    assert finding.leaked and "are training rows that are mirrored or turned" in finding.evidence
    assert shared_rows(images, cv=GroupKFold(5), groups=own).leaked is False
    assert shared_rows(form(X), cv=FOLDS).leaked is False


def test_the_images_of_one_fold_are_counted():
    images, n = np.concatenate([X, X[..., ::-1]]), len(X)
    halves = [(np.arange(n), np.arange(n, 2 * n))]
    assert f" {n} are training rows" in shared_rows(images, cv=halves).evidence


def dots(rng, n, size=16):
    images = np.zeros((n, size, size))
    images[np.arange(n), rng.integers(0, size, n), rng.integers(0, size, n)] = 1
    return images


def squares(rng, n, size=16, width=5):
    images = np.zeros((n, size, size))
    for image in images:
        top, left = rng.integers(0, size - width, 2)
        image[top : top + width, left : left + width] = 1
    return images


def bits(rng, n):
    return (rng.random((n, 4, 4)) < 0.3).astype(float)


@pytest.mark.parametrize("draw", [dots, squares, bits])
@pytest.mark.parametrize("n", [20, 60, 300])
def test_simple_shapes_meet_their_mirror_images_by_chance(draw, n):
    for seed in range(10):
        images = draw(np.random.default_rng(seed), n)
        folds = [*FOLDS.split(images)]
        assert not count_mirrored(images.reshape(n, -1), images.shape[1:], folds)


def test_symmetric_images_are_not_their_own_copies():
    images = np.random.default_rng(0).normal(size=(60, 9, 7))
    images += images[:, ::-1]
    assert shared_rows(images, cv=FOLDS).leaked is False


def chirps(rng, n):
    times, speed = np.arange(40), rng.uniform(0.2, 1.2, (n, 1))
    return np.sin(speed * times) + 0.2 * rng.normal(size=(n, 40)), speed[:, 0]


def bars(rng, n):
    """A bar in each image, turned by what is to be predicted."""
    angle, axis = rng.uniform(0, np.pi, (n, 1, 1)), np.linspace(-1, 1, 12)
    across = axis * np.sin(angle) - axis[:, None] * np.cos(angle)
    return np.exp(-8 * across**2) + 0.05 * rng.normal(size=(n, 12, 12)), angle[:, 0, 0]


@pytest.mark.parametrize("draw", [chirps, bars])
def test_noisy_rows_along_a_curve_are_no_groups(draw):
    findings = [
        alike_rows(*draw(np.random.default_rng(seed), 400), cv=FOLDS, task="regression")
        for seed in range(3)
    ]
    assert [finding.leaked for finding in findings] == [None] * 3
    assert all("rows that lie along a curve" in finding.evidence for finding in findings)


@pytest.mark.parametrize(("least", "most"), [(16, 16), (2, 9), (10, 20)])
def test_groups_of_many_and_of_unequal_sizes_are_still_seen(least, most):
    rng = np.random.default_rng(0)
    group = rng.permutation(np.repeat(np.arange(60), rng.integers(least, most + 1, 60)))
    signals = rng.normal(size=(60, 20))[group] + 0.5 * rng.normal(size=(len(group), 20))
    assert alike_rows(signals, cv=FOLDS).leaked
    assert not alike_rows(signals, cv=GroupKFold(5), groups=group).leaked
