"""A loss of one's own that is as low for outputs which `predict` takes for wrong answers."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from helpers import TorchClassifier, fused

X = np.random.default_rng(0).normal(size=(60, 5))
y = np.arange(60) % 3
labels = (X[:, :3] > 0).astype(int)
SAID = "is not lowest where predict finds the right answer"


def fit(loss, target, dtype=np.float64, epochs=2, **settings):
    settings = {"epochs": epochs, "random_state": 0} | settings
    return TorchClassifier(loss=loss, **settings).fit(X.astype(dtype), target)


def ordinal(outputs, y):
    """The first output is a place, the others are distances between thresholds."""
    above = outputs[:, :1] - F.softplus(outputs[:, 1:]).cumsum(1)
    is_above = y[:, None] > torch.arange(outputs.shape[1] - 1)
    return F.binary_cross_entropy_with_logits(above, is_above.to(outputs), reduction="none").sum(1)


def of_last(outputs, y):
    is_last = (y == 2).to(outputs)
    return F.binary_cross_entropy_with_logits(outputs[:, 2], is_last, reduction="none")


def of_number(outputs, y):
    return (outputs[:, 0] - y) ** 2


def softmax_of_labels(outputs, y):
    return F.cross_entropy(outputs, y, reduction="none")


WRONG = [
    (ordinal, y, "the class of its largest output.*output 0 is the largest for rows of other"),
    (of_last, y, "no larger where output 0"),
    (of_number, y % 2, "no larger where output 1"),
    (nn.CrossEntropyLoss(reduction="none"), labels, "no larger where all outputs are above 0"),
    (softmax_of_labels, labels, "no larger where all outputs are above 0"),
    (nn.SoftMarginLoss(reduction="none"), labels, "no larger where all outputs are above 0"),
    (nn.MSELoss(reduction="none"), labels, "lower for outputs of 0 and 1, as y is"),
    (nn.L1Loss(reduction="none"), labels, "lower for outputs of 0 and 1, as y is"),
]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("loss", "target", "said"), WRONG)
def test_a_loss_that_is_as_low_for_wrong_answers(loss, target, said, dtype):
    with pytest.warns(UserWarning, match=f"{SAID}.*{said}"):
        fit(loss, target, dtype)


def test_it_is_told_under_fused_too():
    with fused(), pytest.warns(UserWarning, match=SAID):
        fit(nn.MSELoss(reduction="none"), labels)


def one_hot(outputs, y):
    return F.one_hot(y, outputs.shape[1]).to(outputs)


def focal(outputs, y):
    loss = F.cross_entropy(outputs, y, reduction="none")
    return (1 - (-loss).exp()) ** 2 * loss


def brier(outputs, y):
    return ((outputs.softmax(1) - one_hot(outputs, y)) ** 2).sum(1)


def one_against_all(outputs, y):
    target = one_hot(outputs, y)
    return F.binary_cross_entropy_with_logits(outputs, target, reduction="none").mean(1)


def squares(outputs, y):
    return ((outputs - one_hot(outputs, y)) ** 2).sum(1)


def neighbours(outputs, y):
    distance = (y[:, None] - torch.arange(outputs.shape[1])).abs()
    return -((-distance.to(outputs)).softmax(1) * outputs.log_softmax(1)).sum(1)


def cost(outputs, y):
    distance = (y[:, None] - torch.arange(outputs.shape[1])).abs()
    return (outputs.softmax(1) * distance).sum(1)


CLASSES = [
    *(focal, brier, one_against_all, squares, neighbours, cost),
    nn.CrossEntropyLoss(label_smoothing=0.3, reduction="none"),
    nn.CrossEntropyLoss(weight=torch.tensor([0.0, 1.0, 5.0]), reduction="none"),
    nn.CrossEntropyLoss(ignore_index=0, reduction="none"),
    nn.MultiMarginLoss(reduction="none"),
]


def dice(outputs, y):
    share = outputs.sigmoid()
    return 1 - (2 * (share * y).sum(1) + 1) / (share.sum(1) + y.sum(1) + 1)


def smoothed(outputs, y):
    return F.binary_cross_entropy_with_logits(outputs, 0.8 * y + 0.1, reduction="none")


def margin(outputs, y):
    return (1 - (2 * y - 1) * outputs).clamp(min=0)


LABELS = [
    *(dice, smoothed, margin),
    nn.MultiLabelSoftMarginLoss(reduction="none"),
    nn.BCEWithLogitsLoss(pos_weight=torch.full((3,), 100.0), reduction="none"),
    nn.BCEWithLogitsLoss(pos_weight=torch.full((3,), 0.01), reduction="none"),
    nn.BCEWithLogitsLoss(weight=torch.arange(3.0), reduction="none"),
]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("loss", "target"),
    [
        *((loss, y) for loss in CLASSES),
        *((loss, labels) for loss in LABELS),
        *((loss, (X[:, :3] > -2).astype(int)) for loss in LABELS),
        *((loss, (X[:, :3] > 2).astype(int)) for loss in LABELS),
    ],
)
def test_a_loss_that_is_lowest_for_right_answers(loss, target, dtype):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(loss, target, dtype)


def test_a_loss_of_logarithms_that_the_network_returns_is_not_accused(recwarn):
    def recipe(n_features, n_outputs):
        return nn.Sequential(nn.Linear(n_features, n_outputs), nn.LogSoftmax(1))

    fit(lambda outputs, y: F.nll_loss(outputs, y, reduction="none"), y, module=recipe)
    assert not [one for one in recwarn if SAID in str(one.message)]


def test_a_loss_is_left_as_it_was(recwarn):
    calls = []

    def counted(outputs, y):
        calls.append(1)
        return F.cross_entropy(outputs, y, reduction="none")

    fit(counted, y, epochs=5)
    assert len(calls) == 5


def test_partial_fit_asks_once():
    clf = TorchClassifier(loss=ordinal, random_state=0)
    with pytest.warns(UserWarning, match=SAID):
        clf.partial_fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf.partial_fit(X, y)
