"""Networks and wrappers that several tests use."""

import functools

import torch
from torch import nn

from helpers import MLP
from notebooks.leaks.kinds import NaiveClassifier

__all__ = ["NaiveClassifier"]


class Net(nn.Module):
    """A hidden layer, as users write it."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.hidden = nn.Linear(n_features, 5)
        self.out = nn.Linear(5, n_outputs)

    def forward(self, X):
        return self.out(torch.tanh(self.hidden(X)))


class Tempered(nn.Module):
    """Logits divided by a learned temperature; notes the mode of each forward pass."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.linear = nn.Linear(n_features, n_outputs)
        self.temperature = nn.Parameter(torch.ones(()))
        self.modes = []

    def forward(self, X):
        self.modes.append((self.training, torch.is_grad_enabled()))
        return self.linear(X) / self.temperature


class Overwriting(nn.Module):
    """Doubles its input in place, as ``nn.ReLU(inplace=True)`` in front would change it."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.linear = nn.Linear(n_features, n_outputs)

    def forward(self, X):
        return self.linear(X.mul_(2))


@functools.cache
def cached(n_features, n_outputs):
    return MLP(n_features, n_outputs)


backbone = nn.Linear(4, 4)


def shared_backbone(n_features, n_outputs):
    return nn.Sequential(backbone, nn.Linear(4, n_outputs))


_pool, _calls = {}, [0]


def alternating(n_features, n_outputs):
    """Hand out old networks in turn: never the same one twice in a row."""
    _calls[0] += 1
    key = (n_features, n_outputs, _calls[0] % 3)
    return _pool.setdefault(key, MLP(n_features, n_outputs))
