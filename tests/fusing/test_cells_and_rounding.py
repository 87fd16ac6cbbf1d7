"""What the looks of `fused` leave as it is, and layers it refused or mistook."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

from helpers import TorchClassifier
from tests.fusing.test_not_finite import X, assert_equal, assert_stacked, both_ways, y
from tests.networks import Net

pytestmark = pytest.mark.slow


class ByVersion(Net):
    """Reads how often torch has written to its weights."""

    def forward(self, X):
        scale = 1 + 0.01 * self.hidden.weight._version
        return self.out(torch.tanh(self.hidden(X) * scale))


def test_a_look_at_a_network_does_not_count_as_writing_to_it():
    clf = TorchClassifier(ByVersion, epochs=3, random_state=0)
    fits = [(clone(clf).set_params(lr=lr), X, y) for lr in (0.01, 0.1)]
    plain, found, told, run = both_ways(fits)
    assert_equal(found, plain)
    assert run.batches == [1, 1]
    assert len(told) == 1
    assert "ByVersion cannot be stacked: its outputs in training are others" in told[0]


class Evaluating(Net):
    """Has BatchNorm that it keeps in evaluation mode, as where it was trained before."""

    def __init__(self, n_features, n_outputs):
        super().__init__(n_features, n_outputs)
        self.norm = nn.BatchNorm1d(self.hidden.out_features)

    def forward(self, X):
        return self.out(torch.tanh(self.norm(self.hidden(X))))

    def train(self, mode=True):
        super().train(mode)
        self.norm.eval()
        return self


class Frozen(Evaluating):
    def __init__(self, n_features, n_outputs):
        super().__init__(n_features, n_outputs)
        self.norm.requires_grad_(False)

    train = nn.Module.train


@pytest.mark.parametrize("module", [Evaluating, Frozen])
def test_batchnorm_in_evaluation_takes_a_batch_of_one_row(module):
    clf = TorchClassifier(module, epochs=2, batch_size=23, random_state=0)  # 70 is 3 * 23 + 1
    assert_stacked([(clone(clf).set_params(lr=lr), X[:70], y[:70]) for lr in (0.01, 0.1)])


class Cells(nn.Module):
    def __init__(self, n_features, n_outputs, bias=True):
        super().__init__()
        self.cell, self.out = nn.LSTMCell(1, 4, bias=bias), nn.Linear(4, n_outputs)

    def forward(self, X):
        states = None
        for column in X.unbind(1):
            states = self.cell(column[:, None], states)
        return self.out(states[0])


class DropsNothing(nn.Module):
    """Has a GRU of one layer, between whose layers nothing can be dropped."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.gru, self.out = nn.GRU(1, 4, dropout=0.5, batch_first=True), nn.Linear(4, n_outputs)

    def forward(self, X):
        return self.out(self.gru(X[:, :, None])[0][:, -1])


@pytest.mark.filterwarnings("ignore:dropout option adds dropout")
@pytest.mark.parametrize("settings", [{}, {"batch_size": 16, "patience": 2}])
@pytest.mark.parametrize(
    "module",
    [{"module": Cells}, {"module": Cells, "module__bias": False}, {"module": DropsNothing}],
)
def test_cells_and_layers_that_drop_nothing_are_stacked(module, settings):
    clf = TorchClassifier(**module, **settings, epochs=3, random_state=0)
    fits = [(clone(clf).set_params(lr=lr), X[:n], y[:n]) for lr in (0.01, 0.1) for n in (70, 64)]
    if module["module"] is DropsNothing:  # which torch warns of
        plain, found, _, run = both_ways(fits)
        assert_equal(found, plain)
        assert run.batches == [4]
    else:
        assert_stacked(fits)


def normed(n_features, n_outputs, bias=True):
    first = nn.Linear(n_features, 4, bias=bias), nn.BatchNorm1d(4), nn.Tanh()
    return nn.Sequential(*first, nn.Linear(4, n_outputs))


class Attending(nn.Module):
    """The bias of its keys changes no output: what is added to all is nothing to softmax."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.query, self.key = nn.Linear(1, 4), nn.Linear(1, 4)
        self.out = nn.Linear(n_features, n_outputs)

    def forward(self, X):
        shares = self.query(X[:, :, None]) @ self.key(X[:, :, None]).mT
        return self.out((shares.softmax(-1) @ X[:, :, None]).squeeze(-1))


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "rmsprop", torch.optim.Adam])
def test_steps_by_rounding_alone_are_not_taken_in_a_stack(optimizer):
    clf = TorchClassifier(normed, epochs=5, random_state=0, optimizer=optimizer)
    rows = X.astype(np.float32)
    plain, found, told, run = both_ways([(clone(clf).set_params(lr=r), rows, y) for r in (0.1, 1)])
    assert run.batches == [1, 1]
    assert "the gradients of its `0.bias` are nothing but rounding" in told[0]
    for one, other in zip(found, plain, strict=True):
        assert all(map(np.array_equal, one[0], other[0]))


@pytest.mark.parametrize(
    "settings, dtype",
    [
        ({"module": normed}, np.float64),
        ({"module": normed, "module__bias": False}, np.float32),
        ({"module": normed, "optimizer": "sgd"}, np.float32),
        ({"module": Attending}, np.float32),
    ],
)
def test_steps_by_rounding_that_are_small_or_change_nothing_are_taken(settings, dtype):
    clf = TorchClassifier(**settings, epochs=2, random_state=0)
    *_, told, run = both_ways([(clone(clf).set_params(lr=r), X.astype(dtype), y) for r in (0.1, 1)])
    assert run.batches == [2]
    assert not told
