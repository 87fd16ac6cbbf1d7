"""loss= is a function of outputs and targets that returns one number a row."""

import functools
import traceback
import warnings

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_iris, make_multilabel_classification, make_regression
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import scale
from torch import nn
from torch.nn import functional as F

from helpers import TorchClassifier, TorchRegressor, fused

X, y = load_iris(return_X_y=True)
NAMES = load_iris().target_names[y]
VALUES_X, VALUES = make_regression(200, 5, noise=20, random_state=0)
VALUES = scale(VALUES) ** 3
CLF = TorchClassifier(epochs=5, batch_size=32, random_state=0)
REG = TorchRegressor(epochs=5, batch_size=32, random_state=0)
cross_entropy = functools.partial(F.cross_entropy, reduction="none")


def squared(outputs, y):
    return (outputs - y) ** 2


def focal(outputs, y):
    losses = F.cross_entropy(outputs, y, reduction="none")
    return (1 - torch.exp(-losses)) ** 2 * losses


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.module_.parameters()]).numpy()


@pytest.mark.slow
def test_what_is_the_default_anyway():
    for Model, loss, rows, target in ((CLF, cross_entropy, X, y), (REG, squared, VALUES_X, VALUES)):
        for options in ({}, {"patience": 2}, {"batch_size": None}):
            plain = clone(Model).set_params(**options).fit(rows, target)
            own = clone(plain).set_params(loss=loss).fit(rows, target)
            assert_allclose(weights(own), weights(plain), rtol=0, atol=1e-14)
            losses = (list(map(list, (row.values() for row in m.history_))) for m in (own, plain))
            assert_allclose(*losses, rtol=1e-13)


def test_classifiers_get_logits_and_class_numbers_regressors_values():
    seen = []

    def look(outputs, y):
        seen.append((outputs.shape, outputs.dtype, y.shape, y.dtype))
        return focal(outputs, y) if outputs.ndim == 2 else squared(outputs, y)

    TorchClassifier(epochs=1, loss=look).fit(X, NAMES)
    TorchClassifier(epochs=1, loss=look).fit(X[:100].astype(np.float32), y[:100] + 5)
    TorchRegressor(epochs=1, loss=look).fit(VALUES_X, VALUES)
    assert [(tuple(a), b, tuple(c), d) for a, b, c, d in seen] == [
        ((150, 3), torch.float64, (150,), torch.int64),
        ((100, 2), torch.float32, (100,), torch.int64),
        ((200,), torch.float64, (200,), torch.float64),
    ]


def test_weights_of_rows_and_classes_count():
    weight = np.arange(150) % 4
    often = np.repeat(np.arange(150), weight)
    clf = TorchClassifier(epochs=5, loss=focal, optimizer="sgd", random_state=0)
    weighted = clone(clf).fit(X, y, sample_weight=weight)
    assert_allclose(weights(weighted), weights(clone(clf).fit(X[often], y[often])), rtol=1e-10)
    of_class = clone(clf).set_params(class_weight={0: 1, 1: 2, 2: 3}).fit(X, y)
    assert_allclose(weights(of_class), weights(clf.fit(X, y, sample_weight=1.0 + y)), rtol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("weighted", [False, True])
def test_of_several_columns_the_mean_is_taken_also_side_by_side(weighted):
    rows, labels = make_multilabel_classification(90, 6, n_classes=3, random_state=0)
    often, rates = torch.tensor([1.0, 5.0, 2.0]), {"lr": [0.01, 0.1]}
    weight = {"sample_weight": np.arange(90) % 3} if weighted else {}

    def of_rows(outputs, y):
        losses = F.binary_cross_entropy_with_logits(
            outputs, y, pos_weight=often.to(y), reduction="none"
        )
        return losses.mean(1)

    of_entries = nn.BCEWithLogitsLoss(pos_weight=often, reduction="none")
    for model, loss, other, target in (
        (CLF, of_entries, of_rows, labels),
        (REG, nn.MSELoss(reduction="none"), lambda o, y: ((o - y) ** 2).mean(1), labels - 0.5),
    ):
        search = GridSearchCV(clone(model).set_params(loss=loss, patience=3), rates, cv=3)
        plain = clone(search).fit(rows, target, **weight).best_estimator_
        with fused(), warnings.catch_warnings():
            warnings.simplefilter("error")
            search.fit(rows, target, **weight)
        assert_allclose(weights(search.best_estimator_), weights(plain), rtol=0, atol=1e-10)
        again = clone(plain).set_params(loss=other).fit(rows, target, **weight)
        assert_allclose(weights(again), weights(plain), rtol=0, atol=1e-12)
    square = clone(CLF).set_params(loss=of_entries, batch_size=3)  # as many rows as labels
    again = clone(square).set_params(loss=of_rows).fit(rows, labels)
    assert_allclose(weights(square.fit(rows, labels)), weights(again), rtol=0, atol=1e-12)


def test_patience_watches_it():
    clf = TorchClassifier(lr=0.0, patience=2, loss=lambda o, y: 0 * o[:, 0] + 7.0).fit(X, y)
    assert clf.n_epochs_ == 3
    assert all(row["train_loss"] == row["valid_loss"] == 7.0 for row in clf.history_)


@pytest.mark.slow
def test_quantiles_are_met():
    for q in (0.1, 0.5, 0.9):
        loss = lambda outputs, y, q=q: torch.maximum(q * (y - outputs), (q - 1) * (y - outputs))  # noqa: E731
        model = TorchRegressor(module__hidden=(), epochs=300, lr=0.05, loss=loss, random_state=0)
        below = (model.fit(VALUES_X, VALUES).predict(VALUES_X) > VALUES).mean()
        assert abs(below - q) < 0.04


def test_modules_of_torch_and_losses_that_write_to_what_they_get():
    smooth = nn.CrossEntropyLoss(label_smoothing=0.1, reduction="none")
    clf = clone(CLF).set_params(loss=smooth).fit(X, y)
    assert clf.history_[0]["train_loss"] != clone(CLF).fit(X, y).history_[0]["train_loss"]

    def rotating(outputs, y):
        return cross_entropy(outputs, y.add_(1).remainder_(3))

    rotated = TorchClassifier(epochs=5, random_state=0, loss=rotating).fit(X, y)
    apart = clone(rotated).set_params(loss=lambda o, y: cross_entropy(o, (y + 1) % 3)).fit(X, y)
    assert_array_equal(weights(rotated), weights(apart))


def test_partial_fit_is_fit():
    whole = clone(CLF).set_params(loss=focal).fit(X, y)
    clf = clone(whole)
    for _ in range(5):
        clf.partial_fit(X, y)
    assert_array_equal(weights(clf), weights(whole))


def misspelt(outputs, y):
    return outputs.no_such_method()


WRONG = {
    "scalar": (
        F.cross_entropy,
        r'shape \(32,\).*cross_entropy returned shape \(\).*reduction="none"',
    ),
    "module": (nn.CrossEntropyLoss(), r'CrossEntropyLoss returned shape \(\).*reduction="none"'),
    "class": (nn.CrossEntropyLoss, r'is a class.* loss=CrossEntropyLoss\(reduction="none"\)'),
    "a number for each class": (lambda o, y: o**2, r"shape \(32, 3\). Take the mean or the sum"),
    "a column": (lambda o, y: o[:, :1], r"shape \(32, 1\). Take the mean or the sum"),
    "nothing": (lambda o, y: None, "None. It lacks a return"),
    "a float": (lambda o, y: 0.5, "of type float. Compute with torch"),
    "detached": (lambda o, y: focal(o.detach(), y), "has none. It detaches outputs"),
    "errors": (lambda o, y: (o.argmax(1) != y).double(), "or counts errors"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_losses_are_refused(case):
    loss, words = WRONG[case]
    clf = clone(CLF).fit(X, y)
    before = weights(clf)
    with pytest.raises(ValueError, match="^loss (must|is called).*" + words):
        clf.set_params(loss=loss).fit(X, y)
    assert_array_equal(weights(clf), before)


def test_a_loss_with_weights_of_its_own_is_refused():
    class Learned(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, outputs, y):
            return self.scale * cross_entropy(outputs, y)

    with pytest.raises(ValueError, match=r"loss=Learned\(...\) has parameters of its own to train"):
        TorchClassifier(loss=Learned()).fit(X, y)
    frozen = Learned().requires_grad_(False)
    same = clone(CLF).set_params(loss=frozen).fit(X, y)
    assert_array_equal(weights(same), weights(clone(CLF).fit(X, y)))


LIKELIHOOD = nn.GaussianNLLLoss(reduction="none")


@pytest.mark.parametrize("loss", [LIKELIHOOD, lambda outputs, y: LIKELIHOOD(outputs, y)])
def test_a_loss_of_three_arguments_is_told_that_it_gets_two(loss):
    with pytest.raises(TypeError) as error:
        clone(REG).set_params(loss=loss).fit(VALUES_X, VALUES)
    assert "outputs and y, and nothing else" in str(error.value) + "".join(error.value.__notes__)


def test_what_it_raises_is_the_users_own_and_says_what_it_was_given():
    with pytest.raises(AttributeError, match="no_such_method") as error:
        clone(REG).set_params(loss=misspelt).fit(VALUES_X, VALUES)
    assert "misspelt" in [frame.name for frame in traceback.extract_tb(error.value.__traceback__)]
    assert "outputs of shape (32,) and torch.float64, y of shape (32,)" in error.value.__notes__[0]
    for of_one in (lambda o, y: (o - y).square().mean(1), lambda o, y: (o[:, 0] - y).abs()):
        with pytest.raises(IndexError) as error:
            clone(REG).set_params(loss=of_one).fit(VALUES_X, VALUES)
        assert "Each row has one number here: leave out .mean(1)" in error.value.__notes__[0]


def test_a_loss_that_is_not_finite_is_named():
    def logarithm(outputs, y):
        return outputs[:, 0].relu().log()

    with pytest.raises(ValueError, match=r"diverged.*See whether logarithm is finite for all"):
        TorchClassifier(loss=logarithm).fit(X, y)
