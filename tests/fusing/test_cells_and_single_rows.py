"""What the looks of `fused` leave as it is, and layers it refused or mistook."""

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


def normalised(n_features, n_outputs):
    hidden = nn.Linear(n_features, 4, bias=False)
    return nn.Sequential(hidden, nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, n_outputs))


def test_no_batch_of_a_trial_has_a_single_row():
    clf = TorchClassifier(normalised, epochs=2, batch_size=3, random_state=0)
    assert_stacked([(clone(clf), X[start:63], y[start:63]) for start in (0, 1, 0)])


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
