"""Any network, drawn part by part: fused as plain to 1e-10, or alone with a reason."""

import random
import warnings

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joblib import Parallel, delayed
from sklearn.datasets import make_classification
from torch import nn
from torch.nn import functional as F

from helpers import TorchClassifier, fused

X, y = make_classification(60, 5, n_informative=4, n_classes=3, n_redundant=0, random_state=0)
FOLDS = [[slice(0, 40)] * 3, [slice(0, 40), slice(0, 41), slice(9, 51)]]  # equal, unequal
COUNTER = [0]

# What a network may do, beside two layers with a nonlinearity between them.
HONEST = ("layer norm", "bound method", "tied weights", "config", "frozen", "gate", "weight norm")
KEPT = ("counter", "running mean", "cache", "closure", "global")  # state between batches
OTHERS = ("buffer", "batch norm", "forward hook", "tensor hook", "list of weights")
OF_ROWS = ("in place", "centred in training", "noise", "numpy noise", "hidden factor", "dropout")


def noisy(X):
    return X.add_(0.1 * torch.randn_like(X))


def focal(outputs, y):
    losses = F.cross_entropy(outputs, y, reduction="none")
    return (1 - torch.exp(-losses)) ** 2 * losses


def linear(done):
    return 1 - done


class Drawn(nn.Module):
    """A network that has all the parts it is given by name."""

    def __init__(self, n_features, n_outputs, parts, factor):
        super().__init__()
        self.one, self.two = nn.Linear(n_features, 6), nn.Linear(6, 6)
        self.last = nn.Linear(6, n_outputs)
        self.parts = parts
        self.norm = nn.LayerNorm(6) if "layer norm" in parts else nn.Identity()
        self.dropout = nn.Dropout(0.3 if "dropout" in parts else 0.0)
        self.noise = torch.distributions.Normal(0.0, 0.1)
        self.encoder = self.encode if "bound method" in parts else None
        if "tied weights" in parts:
            self.three = nn.Linear(6, 6)
            self.three.weight = self.two.weight
        if "config" in parts:
            self.config = {"sizes": [6, (6,)], "activation": torch.relu, "large": np.zeros(2000)}
        if "frozen" in parts:
            self.two.requires_grad_(False)
        if "gate" in parts:
            self.gate = nn.Parameter(torch.zeros(()))
        if "weight norm" in parts:
            nn.utils.parametrizations.weight_norm(self.one)
        self.count, self.mean, self.seen = 0, 0.0, None
        if "closure" in parts:
            calls = [0]

            def counted():
                calls[0] += 1
                return calls[0]

            self.counted = counted
        if "buffer" in parts:
            self.register_buffer("steps", torch.zeros(()))
        if "batch norm" in parts:
            self.batch_norm = nn.BatchNorm1d(6)
        if "forward hook" in parts:
            self.two.register_forward_hook(lambda module, inputs, outputs: 2 * outputs)
        if "tensor hook" in parts:
            self.hook = self.last.bias.register_hook(lambda gradient: gradient * 0)
        if "list of weights" in parts:
            self.weights = [self.two.weight]
        self.factor = torch.full((1,), factor) if "hidden factor" in parts else 1.0

    def encode(self, X):
        return torch.tanh(self.norm(self.one(X)))

    def forward(self, X):
        if self.training:
            X = self.before_training(X)
        hidden = self.encoder(X) if self.encoder else self.encode(X)
        weight = self.weights[0] if "list of weights" in self.parts else None
        hidden = torch.tanh(self.two(hidden) if weight is None else hidden @ weight.T)
        if "tied weights" in self.parts:
            hidden = hidden + self.three(hidden)
        if "gate" in self.parts:
            hidden = hidden + self.gate * self.two(hidden)
        if "batch norm" in self.parts:
            hidden = self.batch_norm(hidden)
        if "cache" in self.parts:
            self.seen = hidden.detach()
        scale = 1 + 0.01 * self.count + (0.01 * self.steps if "buffer" in self.parts else 0.0)
        return self.last(self.dropout(hidden)) * scale * self.factor

    def before_training(self, X):
        if "in place" in self.parts:
            X -= 0.5
        if "counter" in self.parts:
            self.count += 1
        if "closure" in self.parts:
            X = X * (1 + 0.01 * self.counted())
        if "global" in self.parts:
            COUNTER[0] += 1
            X = X * (1 + 0.01 * COUNTER[0])
        if "buffer" in self.parts:
            self.steps += 1
        if "running mean" in self.parts:
            self.mean = 0.9 * self.mean + 0.1 * X.detach().mean(0)
            X = X - self.mean
        if "centred in training" in self.parts:
            X = X - X.mean(0)
        if "noise" in self.parts:
            X = X + self.noise.sample(X.shape).to(X.dtype)
        if "numpy noise" in self.parts:
            X = X + torch.from_numpy(np.random.normal(0, 0.1, X.shape))
        return X


few_parts = st.frozensets(st.sampled_from(HONEST + KEPT + OTHERS + OF_ROWS), max_size=3)
honest_parts = st.frozensets(st.sampled_from(HONEST), max_size=len(HONEST))


@pytest.mark.slow
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    parts=st.one_of(few_parts, honest_parts),
    folds=st.sampled_from(FOLDS),
    seeds=st.sampled_from([(0, 0, 0), (0, 1, 2), (0, 0, 1)]),
    arguments=st.fixed_dictionaries(
        {
            "batch_size": st.sampled_from([None, 16]),
            "patience": st.sampled_from([None, None, 2]),
            "optimizer": st.sampled_from(["adam", "adamw", "rmsprop", "sgd"]),
            "epochs": st.sampled_from([1, 3]),
            "augment": st.sampled_from([None, None, noisy]),
            "loss": st.sampled_from([None, None, focal]),
        }
    ),
    schedules=st.sampled_from([(None, None, None), (None, linear, linear), (linear,) * 3]),
    clips=st.sampled_from([(None, None, None), (None, 0.01, 1.0), (0.1, 0.1, 0.1)]),
    same_factor=st.booleans(),
)
def test_any_network_is_as_in_the_loop_or_alone(
    parts, folds, seeds, arguments, schedules, clips, same_factor
):
    def fit(number):
        clf = TorchClassifier(Drawn, random_state=seeds[number], lr=0.02, **arguments)
        factor = 1.0 if same_factor else 0.5 * (number > 1) + 0.5
        clf.set_params(module__parts=parts, module__factor=factor, weight_decay=1e-3 * number)
        clf.set_params(schedule=schedules[number], clip=clips[number])
        try:
            return clf.fit(X[folds[number]], y[folds[number]])
        except Exception as error:
            return f"{type(error).__name__}: {error}"

    def fit_all():
        COUNTER[0] = 0
        random.seed(0), np.random.seed(0)
        return Parallel()(delayed(fit)(number) for number in range(3))

    state_of_numpy = np.random.get_state()
    plain = fit_all()
    with warnings.catch_warnings(record=True) as record, fused() as run:
        warnings.simplefilter("always")
        together = fit_all()
    np.random.set_state(state_of_numpy)
    told = [str(w.message) for w in record if "cannot be stacked" in str(w.message)]
    assert len(told) <= 1
    is_stacked = max(run.batches) > 1
    if not is_stacked:
        assert told or len(set(seeds)) + (not same_factor) > 1
    if parts <= set(HONEST):
        assert run.batches == [3]
        assert not told
    for one, other in zip(plain, together, strict=True):
        assert isinstance(one, str) == isinstance(other, str)
        if isinstance(one, str):
            assert one == other
            continue
        assert one.module_.count == other.module_.count
        states = (fitted.module_.state_dict().values() for fitted in (one, other))
        for expected, found in zip(*states, strict=True):
            atol = 1e-10 if is_stacked else 0
            torch.testing.assert_close(found, expected, rtol=0, atol=atol)
        losses = ([row["train_loss"] for row in fitted.history_] for fitted in (one, other))
        np.testing.assert_allclose(*losses, rtol=0, atol=1e-10 if is_stacked else 0)
