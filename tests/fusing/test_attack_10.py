"""Images, sequences, signals and sets, as a practitioner brings them: a tenth attack."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score, cross_validate
from torch import nn
from torch.nn import functional as F

from helpers import TorchClassifier, TorchRegressor, fused

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
