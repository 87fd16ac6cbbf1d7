"""Networks that write to their input, drop parts of it, or assign their buffers."""

import time

import pytest
import torch
from sklearn.base import clone
from torch import nn
from torch.func import vmap

from helpers import TorchClassifier
from helpers.fusing import chance, parts
from helpers.fusing.parts import Pace
from helpers.fusing.vmapped import LookUps
from tests.fusing.test_not_finite import X, assert_equal, assert_stacked, both_ways, y
from tests.networks import Net

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("dim", [0, -2])
@pytest.mark.parametrize("in_place", [False, True])
def test_a_negative_index_is_one_of_its_own_network(dim, in_place):
    tables, index = torch.zeros(3, 5, 2), torch.tensor([[0, 1], [-1, 2], [4, -5]])

    def fill(table, index):
        return table.clone().index_fill_(dim, index, 1.0) if in_place else by_copy(table, index)

    def by_copy(table, index):
        return table.index_fill(dim, index, 1.0)

    with LookUps():
        found = vmap(fill)(tables, index)
    assert torch.equal(found, torch.stack([*map(fill, tables, index)]))


class Shares(Net):
    """Divides by a sum after dropout, which is 0 only where all is dropped."""

    def __init__(self, n_features, n_outputs):
        super().__init__(n_features, n_outputs)
        self.hidden, self.out = nn.Linear(n_features, 64), nn.Linear(64, n_outputs)
        self.dropout = nn.Dropout(0.1)

    def forward(self, X):
        hidden = self.dropout(torch.sigmoid(self.hidden(X)))
        return self.out(hidden / hidden.sum(1, keepdim=True))


@pytest.mark.parametrize("by_hand", [False, True])
@pytest.mark.parametrize("batch_size", [None, 16])
def test_nothing_is_dropped_of_padding(monkeypatch, batch_size, by_hand):
    if by_hand and not chance.bernoulli_compares():
        pytest.skip("torch draws in another way on this processor")
    monkeypatch.setattr(chance, "bernoulli_compares", lambda: by_hand)
    clf = TorchClassifier(Shares, epochs=3, batch_size=batch_size, random_state=0)
    assert_stacked(
        [(clone(clf).set_params(lr=lr), X[:n], y[:n]) for lr in (0.01, 0.1) for n in (70, 67)]
    )


class InPlace(Net):
    """Uses what its dropout has written to."""

    def __init__(self, n_features, n_outputs, kind=nn.Dropout, p=0.3):
        super().__init__(n_features, n_outputs)
        self.dropout = kind(p, inplace=True)

    def forward(self, X):
        hidden = self.hidden(X)
        return self.out(torch.tanh(self.dropout(hidden) + hidden))


class OfATanh(InPlace):
    """A tanh needs its output for the gradient: nothing may be written there."""

    def forward(self, X):
        return self.out(self.dropout(torch.tanh(self.hidden(X))))


@pytest.mark.parametrize(
    "module, settings",
    [
        (InPlace, {}),
        (InPlace, {"kind": nn.AlphaDropout}),
        (OfATanh, {"p": 0.0}),
        (OfATanh, {"kind": nn.FeatureAlphaDropout}),
    ],
)
def test_dropout_in_place_writes_to_its_input(module, settings):
    settings = {f"module__{name}": value for name, value in settings.items()}
    clf = TorchClassifier(module, epochs=3, batch_size=16, random_state=0, **settings)
    assert_stacked(
        [(clone(clf).set_params(lr=lr), X[:n], y[:n]) for lr in (0.01, 0.1) for n in (70, 67)]
    )


class Averaging(Net):
    """Keeps an average and a count in buffers, which it assigns; the gradient needs the old one."""

    def __init__(self, n_features, n_outputs):
        super().__init__(n_features, n_outputs)
        self.register_buffer("scale", torch.ones(5))
        self.register_buffer("n", torch.tensor(0))

    def forward(self, X):
        hidden = self.hidden(X) * self.scale
        if self.training:
            self.scale = 0.9 * self.scale + 0.1 * hidden.detach().abs().mean(0)
            self.n = self.n + 1
        return self.out(torch.tanh(hidden * self.scale / self.n.clamp(min=1)))


def averaging_between(n_features, n_outputs):
    return nn.Sequential(nn.Linear(n_features, 4), Averaging(4, 4), nn.Linear(4, n_outputs))


@pytest.mark.parametrize("module", [Averaging, averaging_between])
@pytest.mark.parametrize("settings", [{}, {"batch_size": 16}, {"patience": 2}])
def test_a_buffer_may_be_assigned(module, settings):
    clf = TorchClassifier(module, epochs=4, random_state=0, **settings)
    assert_stacked([(clone(clf).set_params(lr=lr), X, y) for lr in (0.01, 0.1, 0.05)])


class Growing(Net):
    def __init__(self, n_features, n_outputs):
        super().__init__(n_features, n_outputs)
        self.register_buffer("seen", torch.zeros(3))

    def forward(self, X):
        if self.training:
            self.seen = torch.cat([self.seen, self.seen[-1:] + 1])
        return super().forward(X) + self.seen.mean()


class Halving(Net):
    def __init__(self, n_features, n_outputs):
        super().__init__(n_features, n_outputs)
        self.register_buffer("seen", torch.tensor(0))

    def forward(self, X):
        if self.training:
            self.seen = self.seen / 2
        return super().forward(X) + self.seen


@pytest.mark.parametrize("module", [Growing, Halving])
def test_a_buffer_of_another_shape_or_precision_is_the_reason(module):
    clf = TorchClassifier(module, epochs=3, random_state=0)
    plain, found, told, _ = both_ways([(clone(clf).set_params(lr=lr), X, y) for lr in (0.01, 0.1)])
    assert_equal(found, plain)
    assert ["its buffer `seen` comes to be of another shape" in text for text in told] == [True]


class Asking(nn.Module):
    """Asks its layers what they are, as loops over layers do."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        layers = nn.Conv1d(1, 4, 3, padding=1), nn.BatchNorm1d(4), nn.Dropout(0.2)
        self.layers = nn.ModuleList([*layers, nn.GRU(n_features, 4, batch_first=True)])
        self.layers.append(nn.Linear(16, n_outputs))

    def forward(self, X):
        hidden, names = X.unsqueeze(1), []
        for layer in self.layers[:-1]:
            names.append(type(layer).__name__)
            hidden = layer(hidden)
            if isinstance(layer, nn.Conv1d):
                hidden = hidden.relu()
            if isinstance(layer, nn.RNNBase):
                hidden = hidden[0]
        assert names == ["Conv1d", "BatchNorm1d", "Dropout", "GRU"]
        kinds = nn.Conv1d, nn.Linear
        weights = [one.weight for one in self.modules() if isinstance(one, kinds)]
        penalty = sum(weight.square().sum() for weight in weights)
        return self.layers[-1](hidden.flatten(1)) * (1 + 0.01 * penalty)


def test_layers_are_of_their_kind():
    clf = TorchClassifier(Asking, epochs=3, batch_size=16, optimizer="sgd", random_state=0)
    assert_stacked(
        [(clone(clf).set_params(lr=lr), X[:n], y[:n]) for lr in (0.01, 0.1) for n in (70, 68)]
    )


class WithGradient(Net):
    """Has outputs with a gradient for validation rows, too, whose losses have none."""

    def forward(self, X):
        with torch.enable_grad():
            return super().forward(X)


def entropy(outputs, y):
    return nn.functional.cross_entropy(outputs, y, reduction="none")


def test_a_loss_of_validation_rows_has_no_gradient():
    clf = TorchClassifier(WithGradient, epochs=3, loss=entropy, patience=2, random_state=0)
    plain = assert_stacked([(clone(clf).set_params(lr=lr), X, y) for lr in (0.01, 0.1)])
    assert not any(isinstance(one, str) for one in plain)


# A stack in parts ---------------------------------------------------------------------------------

CONTEXTS, SCALE = [], (0.5, torch.tensor(2.0, dtype=torch.float64))


def between():
    """Let another thread run, if there is one."""
    time.sleep(0.001)


class InAList(Net):
    def forward(self, X):
        hidden = torch.tanh(self.hidden(X))
        CONTEXTS.append(hidden.detach().abs())
        between()
        return self.out(hidden * CONTEXTS.pop())


class InItsClass(Net):
    context = None

    def forward(self, X):
        hidden = torch.tanh(self.hidden(X))
        type(self).context = hidden.detach().abs()
        between()
        outputs = self.out(hidden * self.context)
        InItsClass.context = None
        return outputs


class ByConstants(Net):
    def forward(self, X):
        return self.out(torch.tanh(self.hidden(X)) * SCALE[0] * SCALE[1])


class ListOfALoss:
    def __init__(self):
        self.contexts = []

    def __call__(self, outputs, y):
        self.contexts.append(outputs.detach().abs().mean(1))
        between()
        return nn.functional.cross_entropy(outputs, y, reduction="none") * self.contexts.pop()


@pytest.mark.parametrize(
    "settings, places",
    [
        ({"module": InAList}, []),
        ({"module": InItsClass}, []),
        ({"module": ByConstants}, [32]),
        ({"module": Net, "loss": ListOfALoss()}, [32]),
    ],
)
def test_two_threads_do_not_meet_outside_of_a_network(monkeypatch, settings, places):
    used = []

    def note(pace, wall, cpu):
        used.append(pace.places)
        return pace.places

    monkeypatch.setattr(Pace, "note", note)
    monkeypatch.setattr(parts, "cpu_count", lambda: 2)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)  # of a machine that is set otherwise
    clf = TorchClassifier(epochs=4, optimizer="sgd", **settings)
    assert_stacked([(clone(clf).set_params(random_state=i), X, y) for i in range(64)])
    assert used == [places] * 4
