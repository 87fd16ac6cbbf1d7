"""Each layer side by side gives the weights, losses and buffers of the loop."""

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.datasets import make_classification
from torch import nn

from helpers import TorchClassifier, fused
from helpers.fusing.layers import Vmapped, batched

X, y = make_classification(90, 16, n_informative=6, n_classes=3, random_state=0)


def images(*layers):
    return nn.Unflatten(1, (1, 4, 4)), *layers


def signals(*layers):
    return nn.Unflatten(-1, (2, 8)), *layers


# A layer before BatchNorm has no bias: it would change nothing but by rounding errors, which Adam
# divides by themselves.
LAYERS = {
    "BatchNorm1d": lambda: (
        *(nn.Linear(16, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2)),
        nn.Linear(8, 3),
    ),
    "BatchNorm1d, plain mean, not affine": lambda: (
        *(nn.Linear(16, 8, bias=False), nn.BatchNorm1d(8, momentum=None, affine=False)),
        nn.Linear(8, 3),
    ),
    "Conv2d, BatchNorm2d": lambda: images(
        *(nn.Conv2d(1, 3, 3, padding=1, bias=False), nn.BatchNorm2d(3), nn.ReLU()),
        *(nn.MaxPool2d(2), nn.Conv2d(3, 4, 2), nn.Flatten(), nn.Linear(4, 3)),
    ),
    "Conv2d, same padding, no bias": lambda: images(
        *(nn.Conv2d(1, 3, 3, padding="same", bias=False), nn.AvgPool2d(2), nn.Dropout2d(0.3)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(-3, -1), nn.Linear(3, 3)),
    ),
    "Conv2d, groups": lambda: images(
        nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 2, groups=2), nn.Flatten(), nn.Linear(4, 3)
    ),
    "Conv1d": lambda: signals(
        *(nn.Conv1d(2, 4, 3, stride=2, dilation=2, padding=2), nn.GELU(), nn.MaxPool1d(2)),
        *(nn.GroupNorm(2, 4), nn.Dropout1d(0.3), nn.Flatten(), nn.Linear(8, 3)),
    ),
    "LayerNorm": lambda: (nn.Linear(16, 8), nn.LayerNorm(8), nn.ReLU(), nn.Linear(8, 3)),
    "LayerNorm of two axes": lambda: signals(
        nn.LayerNorm((2, 8)), nn.Linear(8, 4), nn.Flatten(), nn.Linear(8, 3)
    ),
    "by vmap": lambda: (nn.Linear(16, 8), nn.PReLU(8), nn.Softmax(1), nn.Linear(8, 3)),
}


class Whole(nn.Module):
    """A network with a forward pass of its own around the layers."""

    def __init__(self, layers):
        super().__init__()
        self.layers = layers

    def forward(self, X):
        return self.layers(X) * 2


class Recurrent(nn.Module):
    def __init__(self, kind, own_state=False, **options):
        super().__init__()
        self.own_state = own_state
        self.recurrent = kind(4, 5, **options)
        self.linear = nn.Linear(5 * (1 + options.get("bidirectional", False)), 3)

    def forward(self, X):
        X = X.unflatten(1, (4, 4))
        if not self.recurrent.batch_first:
            X = X.transpose(0, 1)
        state = (torch.zeros(1, X.shape[0], 5, dtype=X.dtype),) * self.own_state
        outputs, _ = self.recurrent(X, *state)
        return self.linear(outputs[:, -1] if self.recurrent.batch_first else outputs[-1])


class Embedded(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.linear = nn.Embedding(5, 3), nn.Linear(48, 3)

    def forward(self, X):
        return self.linear(self.embedding(X.abs().long().clamp(max=4)).flatten(1))


class Tied(nn.Module):
    """Uses a layer's weight by its name, and a counter as a buffer."""

    def __init__(self):
        super().__init__()
        self.code, self.linear = nn.Conv1d(16, 4, 1, bias=False), nn.Linear(16, 3)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, X):
        if self.training:
            self.steps += 1
        return self.linear(self.code(X.unsqueeze(2))[..., 0] @ self.code.weight[..., 0])


RECURRENT = {
    "LSTM": lambda: Recurrent(nn.LSTM, batch_first=True),
    "GRU of two layers, both ways": lambda: Recurrent(nn.GRU, num_layers=2, bidirectional=True),
    "RNN": lambda: Recurrent(nn.RNN, batch_first=True, nonlinearity="relu", bias=False),
    "GRU from a state": lambda: Recurrent(nn.GRU, own_state=True, batch_first=True),
}
OTHERS = {"Embedding": Embedded, "tied weights, a counter": Tied}
NETWORKS = {
    **{name: lambda make=make: nn.Sequential(*make()) for name, make in LAYERS.items()},
    **{
        f"{name}, own forward": lambda make=make: Whole(nn.Sequential(*make()))
        for name, make in LAYERS.items()
    },
    **RECURRENT,
    **OTHERS,
}


class Recipe:
    """Makes one of the networks above, which bring their widths with them."""

    def __init__(self, name):
        self.name = name

    def __call__(self, n_features, n_outputs):
        return NETWORKS[self.name]()


def fit(clf, rows):
    return clf.fit(X[rows], y[rows])


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [pytest.param({"batch_size": 15}, marks=pytest.mark.slow), {"patience": 2}], ids=str
)
@pytest.mark.parametrize("name", NETWORKS)
def test_layers_give_what_they_give_alone(name, options):
    base = TorchClassifier(Recipe(name), epochs=3, lr=0.02, weight_decay=0.01, **options)
    # Of unequal number, so that some rows are padding: 80 and 82 rows, 5 and 7 in the last batch.
    fits = [
        (clone(base).set_params(random_state=seed, lr=lr), rows)
        for seed, lr, rows in [
            (0, 0.01, slice(0, 80)),
            (0, 0.02, slice(0, 80)),
            (1, 0.01, slice(8, 90)),
        ]
    ]
    alone = [fit(clone(clf), rows) for clf, rows in fits]
    with fused() as run:
        together = Parallel()(delayed(fit)(*one) for one in fits)
    assert run.batches == [3]
    for one, other in zip(alone, together, strict=True):
        weights, stacked = one.module_.state_dict(), other.module_.state_dict()
        for tensor in weights:
            torch.testing.assert_close(stacked[tensor], weights[tensor], rtol=0, atol=1e-11)
        for row, of_other in zip(one.history_, other.history_, strict=True):
            assert row == pytest.approx(of_other, abs=1e-11)


@pytest.mark.parametrize("name", [*LAYERS, "by vmap"])
def test_only_what_has_no_batched_form_runs_by_vmap(name):
    network = nn.Sequential(*LAYERS[name]()).double()
    stored = {
        name: tensor.detach()[None]
        for name, tensor in (*network.named_parameters(), *network.named_buffers())
    }

    class NoChance:
        device = torch.device("cpu")

    whole = batched(network, stored, NoChance())
    vmapped = [module for module in whole.modules() if isinstance(module, Vmapped)]
    assert len(vmapped) == {"by vmap": 2, "Conv2d, groups": 1}.get(name, 0)
    rows = torch.from_numpy(X[:7])
    outputs = whole.eval()(rows.T[None])
    np.testing.assert_allclose(
        outputs[0].T.detach(), network.eval()(rows).detach(), rtol=0, atol=1e-12
    )


def test_batch_norm_on_a_batch_of_one_row_trains_alone():
    recipe = Recipe("BatchNorm1d")
    clf = TorchClassifier(recipe, epochs=1, batch_size=20, random_state=0)
    with fused() as run, pytest.warns(UserWarning, match="BatchNorm, and a batch of one row"):
        fits = [(clone(clf).set_params(lr=lr), slice(0, 81)) for lr in (0.01, 0.02)]
        with pytest.raises(ValueError, match="normalises over the rows of a batch"):
            Parallel()(delayed(fit)(*one) for one in fits)
    assert run.batches == [1, 1]
