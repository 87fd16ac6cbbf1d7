"""The warning names the loss where the loss is why a network is trained alone."""

import warnings

import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.model_selection import cross_val_score
from torch import nn
from torch.nn import functional as F

from helpers import TorchClassifier, fused

pytestmark = pytest.mark.slow

X, y = make_classification(70, 6, n_informative=4, random_state=0)
CLASSIFIER = TorchClassifier(epochs=3, batch_size=16, random_state=0, module__hidden=4)


def both_ways(estimator):
    """Return the scores of the loop and those under `fused`, and what that warned of."""
    plain = cross_val_score(estimator, X, y, cv=3)
    with warnings.catch_warnings(record=True) as caught, fused():
        warnings.simplefilter("always")
        scores = cross_val_score(estimator, X, y, cv=3)
    return plain.tolist(), scores.tolist(), [str(warning.message) for warning in caught]


def noisy(outputs, y):
    return F.cross_entropy(outputs + 0.1 * torch.randn_like(outputs), y, reduction="none")


def branching(outputs, y):
    losses = F.cross_entropy(outputs, y, reduction="none")
    return losses if losses.mean() < 1 else losses / 2


def hardest(outputs, y):
    losses = F.cross_entropy(outputs, y, reduction="none")
    return torch.where(losses >= losses.topk(5).values[-1], losses, 0 * losses)


class Noisy(nn.Linear):
    def forward(self, X):
        return super().forward(X + 0.1 * torch.randn_like(X) if self.training else X)


class NoisyGradient(torch.autograd.Function):
    @staticmethod
    def forward(context, X):
        return X.clone()

    @staticmethod
    def backward(context, gradient):
        return gradient + 0.1 * torch.randn_like(gradient)


class NoisyBackwards(nn.Linear):
    def forward(self, X):
        return NoisyGradient.apply(super().forward(X))


REASONS = {
    "draws": (CLASSIFIER, noisy, "MLP cannot be stacked: its loss draws random numbers."),
    "branches": (CLASSIFIER, branching, "MLP cannot be stacked: torch.func.vmap refuses its loss:"),
    "needs rows": (CLASSIFIER, hardest, "MLP cannot be stacked: its loss fails in a trial step:"),
    "both draw": (
        TorchClassifier(Noisy, epochs=3, random_state=0),
        noisy,
        "Noisy cannot be stacked: it draws random numbers while training",
    ),
    "the gradient draws": (
        TorchClassifier(NoisyBackwards, epochs=3, random_state=0),
        lambda outputs, y: F.cross_entropy(outputs, y, reduction="none"),
        "NoisyBackwards cannot be stacked: it draws random numbers while training",
    ),
}


@pytest.mark.parametrize("name", REASONS)
def test_the_loss_is_named_where_it_is_the_reason(name):
    estimator, loss, reason = REASONS[name]
    plain, scores, told = both_ways(clone(estimator).set_params(loss=loss))
    assert scores == plain
    assert len(told) == 1 and told[0].startswith(reason), told
