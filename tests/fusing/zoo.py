"""Networks as users write them, and what becomes of each under `fused`.

`STACKED` are trained as one; `ALONE` are not, and the warning says why, in these words.
"""

import copy
import dataclasses
import enum
import functools
import random
import threading
import time
import types

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from helpers import MLP

STACKED, ALONE = {}, {}
SAME_ROWS = "its rows depend on each other"


def stacked(recipe):
    STACKED[recipe.__name__] = recipe
    return recipe


def alone(reason):
    def note(recipe):
        ALONE[recipe.__name__] = recipe, reason
        return recipe

    return note


class Base(nn.Module):
    """Two layers; `prepare` adds to them."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.one, self.two = nn.Linear(n_features, 8), nn.Linear(8, n_outputs)
        self.prepare(n_features)

    def prepare(self, n_features):
        pass

    def encode(self, X):
        return torch.tanh(self.one(X))

    def forward(self, X):
        return self.two(self.encode(X))


# State between batches


@alone("keeps `temperature` between batches")
class Annealed(Base):
    def prepare(self, n_features):
        self.temperature = 2.0

    def forward(self, X):
        if self.training:
            self.temperature = max(1.0, 0.9 * self.temperature)
        return super().forward(X) / self.temperature


@alone("keeps `last` between batches")
class Caching(Base):
    def prepare(self, n_features):
        self.last = None

    def encode(self, X):
        self.last = super().encode(X)
        return self.last


@alone("keeps `activations` between batches")
class CachingInADict(Base):
    def prepare(self, n_features):
        self.activations = {}

    def encode(self, X):
        self.activations["hidden"] = super().encode(X).detach()
        return super().encode(X)


@alone("keeps `auxiliary_loss` between batches")
class Auxiliary(Base):
    def encode(self, X):
        hidden = super().encode(X)
        self.auxiliary_loss = hidden.pow(2).mean()
        return hidden


@alone("keeps `rng` between batches")
class OwnGenerator(Base):
    def prepare(self, n_features):
        self.rng = np.random.default_rng(0)

    def encode(self, X):
        noise = self.rng.normal(0, 0.1, X.shape) if self.training else 0.0
        return super().encode(X + torch.as_tensor(noise))


@alone("keeps `teacher` between batches")
class MeanTeacher(Base):
    def prepare(self, n_features):
        object.__setattr__(self, "teacher", copy.deepcopy(self.one).double())

    def encode(self, X):
        if self.training:
            with torch.no_grad():
                self.teacher.weight.mul_(0.9).add_(self.one.weight, alpha=0.1)
        return super().encode(X) + 0.1 * self.teacher(X)


@alone("keeps `_calls`, a variable outside of it")
def counting_in_a_closure(n_features, n_outputs):
    _calls = [0]

    class Counting(Base):
        def forward(self, X):
            _calls[0] += self.training
            return super().forward(X) / (1 + 0.1 * _calls[0])

    return Counting(n_features, n_outputs)


CALLS = 0
SEEN = []


def reset():
    """Have all that is counted outside the networks begin anew."""
    global CALLS
    CALLS, CountingOnTheClass.calls = 0, 0
    SEEN.clear()
    random.seed(0)
    np.random.seed(0)


@alone("keeps `CALLS`, a variable outside of it")
class CountingInAGlobal(Base):
    def forward(self, X):
        global CALLS
        CALLS += self.training
        return super().forward(X) / (1 + CALLS // 5)


@alone("keeps `calls`, a variable outside of it")
class CountingOnTheClass(Base):
    calls = 0

    def forward(self, X):
        type(self).calls += self.training
        return super().forward(X) / (1 + self.calls // 5)


@alone("keeps `SEEN`, a variable outside of it")
class Logging(Base):
    def forward(self, X):
        SEEN.append(len(X))
        return super().forward(X)


class Timed(Base):
    """No two trainings of it are alike, under `fused` or not."""

    def forward(self, X):
        return super().forward(X) * (time.perf_counter() % 1)


@stacked
class CountingInABuffer(Base):
    def prepare(self, n_features):
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, X):
        if self.training:
            self.steps += 1
        return super().forward(X) / (1 + 0.1 * self.steps)


# Randomness


@alone("draws random numbers")
class Mixup(Base):
    def encode(self, X):
        return super().encode(0.7 * X + 0.3 * X[torch.randperm(len(X))] if self.training else X)


@alone("draws random numbers")
class DropConnect(Base):
    def encode(self, X):
        weight = F.dropout(self.one.weight, 0.3, self.training)
        return torch.tanh(F.linear(X, weight, self.one.bias))


@alone("draws random numbers")
class StochasticDepth(Base):
    def encode(self, X):
        hidden = super().encode(X)
        return hidden if self.training and random.random() < 0.5 else 2 * hidden


@alone("draws random numbers")
class NumpyNoise(Base):
    def encode(self, X):
        noise = np.random.normal(0, 0.1, X.shape) if self.training else 0.0
        return super().encode(X + torch.as_tensor(noise))


@alone("draws random numbers")
class Denoising(Base):
    def prepare(self, n_features):
        self.noise = torch.distributions.Normal(torch.zeros(n_features), torch.ones(n_features))

    def encode(self, X):
        return super().encode(X + self.noise.sample((len(X),)).to(X.dtype) if self.training else X)


# Rows that depend on each other, and rows that are written to


@alone(SAME_ROWS)
class CentredInTraining(Base):
    def encode(self, X):
        return super().encode(X - X.mean(0) if self.training else X)


@alone(SAME_ROWS)
class RolledMixup(Base):
    def encode(self, X):
        return super().encode(0.7 * X + 0.3 * X.roll(1, 0) if self.training else X)


@alone(SAME_ROWS)
class CountingRows(Base):
    def encode(self, X):
        return super().encode(X) * (1 + len(X) / 100)


@alone("changes its input in place")
class Overwriting(Base):
    def encode(self, X):
        X -= 1
        return super().encode(X)


@alone("changes its input in place")
def relu_in_place_first(n_features, n_outputs):
    return nn.Sequential(nn.ReLU(inplace=True), nn.Linear(n_features, n_outputs))


@stacked
def relu_in_place_later(n_features, n_outputs):
    layers = nn.Linear(n_features, 8), nn.ReLU(inplace=True), nn.Linear(8, n_outputs)
    return nn.Sequential(*layers)


# Hooks, and a forward of another kind


@alone("its `one` has hooks")
def forward_hook(n_features, n_outputs):
    network = Base(n_features, n_outputs)
    network.one.register_forward_hook(lambda module, inputs, outputs: 2 * outputs)
    return network


@alone("its `one` has hooks")
def backward_pre_hook(n_features, n_outputs):
    network = Base(n_features, n_outputs)
    network.one.register_full_backward_pre_hook(lambda module, gradients: (gradients[0] * 0,))
    return network


@alone("`two` has hooks")
def backward_hook(n_features, n_outputs):
    network = Base(n_features, n_outputs)
    network.two.register_full_backward_hook(lambda module, of_inputs, of_outputs: None)
    return network


class Clipping(Base):
    """Its hooks are on its parameters; they survive a copy only if it is asked for them."""

    def __deepcopy__(self, memo):
        new = Clipping(self.one.in_features, self.two.out_features).to(self.one.weight.dtype)
        new.load_state_dict(self.state_dict())
        return new

    def prepare(self, n_features):
        self.one.weight.register_hook(lambda gradient: gradient.clamp(-1e-3, 1e-3))


@alone("`one.weight` has hooks")
def tensor_hook(n_features, n_outputs):
    return Clipping(n_features, n_outputs)


class Scaling(Clipping):
    def __deepcopy__(self, memo):
        new = Scaling(self.one.in_features, self.two.out_features).to(self.one.weight.dtype)
        new.load_state_dict(self.state_dict())
        return new

    def prepare(self, n_features):
        self.two.bias.register_post_accumulate_grad_hook(lambda p: p.grad.mul_(0.1))


@alone("`two.bias` has hooks")
def post_accumulate_hook(n_features, n_outputs):
    return Scaling(n_features, n_outputs)


@stacked
def state_dict_hook(n_features, n_outputs):
    network = Base(n_features, n_outputs)
    network.register_state_dict_post_hook(lambda *_: None)
    return network


@alone("cannot register a hook")  # it would see a gradient of many networks
class HookOnAnActivation(Base):
    def encode(self, X):
        hidden = super().encode(X)
        if hidden.requires_grad:
            hidden.register_hook(lambda gradient: gradient.clamp(-1e-3, 1e-3))
        return hidden


@alone("a `forward` of its own")
def forward_of_its_own(n_features, n_outputs):
    def forward(self, X):
        return 2 * self.two(self.one(X))

    network = Base(n_features, n_outputs)
    network.forward = types.MethodType(forward, network)
    return network


@alone("it is compiled")
def compiled(n_features, n_outputs):
    return torch.compile(MLP(n_features, n_outputs), backend="eager")


@stacked
class AnsweringForAllNames(Base):
    def __getattr__(self, name):
        try:
            return super().__getattr__(name)
        except AttributeError:
            return None


@alone("its `0` is scripted")
def scripted_in_part(n_features, n_outputs):
    first = torch.jit.script(nn.Linear(n_features, 8))
    return nn.Sequential(first, nn.ReLU(), nn.Linear(8, n_outputs))


class Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx, X):
        return X.clone()

    @staticmethod
    def backward(ctx, gradient):
        return -gradient


@alone("torch.func.vmap refuses it")
class GradientReversal(Base):
    def encode(self, X):
        return Reversal.apply(super().encode(X))


class ReversalForVmap(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(X):
        return X.clone()

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, gradient):
        return -gradient


@stacked
class GradientReversalForVmap(Base):
    def encode(self, X):
        return ReversalForVmap.apply(super().encode(X))


@alone("torch.func.vmap refuses it")
class Branching(Base):
    def encode(self, X):
        return super().encode(X if X.sum() > 0 else -X)


@stacked
class Recurrent(Base):
    def prepare(self, n_features):
        self.gru = nn.GRU(1, 8, batch_first=True)

    def encode(self, X):
        return self.gru(X[:, :, None])[1][0]


@alone("torch.func.vmap refuses it")
class Checkpointed(Base):
    def encode(self, X):
        return checkpoint(super().encode, X, use_reentrant=False)


# Weights by other ways than their names


@alone("the parameter `one.weight` gets no gradient")
class ListOfWeights(Base):
    def prepare(self, n_features):
        self.weights = [self.one.weight]

    def encode(self, X):
        return torch.tanh(X @ self.weights[0].T)


@stacked
class ListOfLayers(Base):
    def prepare(self, n_features):
        self.layers = [self.one, self.two]

    def forward(self, X):
        return self.layers[1](torch.tanh(self.layers[0](X)))


@alone("torch.func.vmap refuses it")
class DataOfAWeight(Base):
    def forward(self, X):
        return F.linear(self.encode(X), self.two.weight.data, self.two.bias)


@stacked
class BoundMethod(Base):
    def prepare(self, n_features):
        self.encoder = self.encode

    def forward(self, X):
        return self.two(self.encoder(X))


@stacked
class ByParameterDict(nn.Module):
    def __init__(self, n_features, n_outputs):
        super().__init__()
        weights = {"weight": torch.randn(n_features, n_outputs), "bias": torch.zeros(n_outputs)}
        self.parts = nn.ParameterDict({k: nn.Parameter(v) for k, v in weights.items()})

    def forward(self, X):
        return X @ self.parts["weight"] + self.parts["bias"]


@stacked
class TiedWeights(Base):
    def prepare(self, n_features):
        self.three, self.four = nn.Linear(8, 8), nn.Linear(8, 8)
        self.four.weight = self.three.weight

    def encode(self, X):
        return torch.tanh(self.four(torch.tanh(self.three(super().encode(X)))))


@stacked
class OneLayerTwice(Base):
    def prepare(self, n_features):
        self.three = self.four = nn.Linear(8, 8)

    def encode(self, X):
        return torch.tanh(self.four(torch.tanh(self.three(super().encode(X)))))


@stacked
def one_block_twice(n_features, n_outputs):
    block = nn.Sequential(nn.Linear(8, 8), nn.Tanh())
    return nn.Sequential(nn.Linear(n_features, 8), block, block, nn.Linear(8, n_outputs))


@stacked
def weight_norm(n_features, n_outputs):
    first = nn.utils.parametrizations.weight_norm(nn.Linear(n_features, 8))
    return nn.Sequential(first, nn.ReLU(), nn.Linear(8, n_outputs))


@alone("vmap refuses")
def spectral_norm(n_features, n_outputs):
    first = nn.utils.parametrizations.spectral_norm(nn.Linear(n_features, 8))
    return nn.Sequential(first, nn.ReLU(), nn.Linear(8, n_outputs))


@stacked
class NormalisingItsWeights(Base):
    def encode(self, X):
        with torch.no_grad():
            self.one.weight.div_(self.one.weight.norm())
        return super().encode(X)


# Attributes


@dataclasses.dataclass
class Config:
    activation: object = F.gelu
    sizes: list = dataclasses.field(default_factory=lambda: [1, 2])
    extra: dict = dataclasses.field(default_factory=lambda: {"slope": 0.1, "name": "gelu"})

    def __repr__(self):
        raise AttributeError("not configured yet")


class Kind(enum.Enum):
    TANH = "tanh"


@stacked
class Configured(Base):
    def prepare(self, n_features):
        self.config, self.kind = Config(), Kind.TANH
        self.prior = torch.distributions.Normal(torch.zeros(8), torch.ones(8))
        self.large = np.arange(2000.0)
        self.activation = functools.partial(F.leaky_relu, negative_slope=0.2)
        self.last = lambda outputs: outputs / 2

    def encode(self, X):
        return self.config.activation(self.activation(self.one(X)))

    def forward(self, X):
        return self.last(super().forward(X))


@stacked
def class_made_on_the_spot(n_features, n_outputs):
    class Local(Base):
        def encode(self, X):
            return super().encode(X).relu()

    return Local(n_features, n_outputs)


@stacked
class InSlots(Base):
    __slots__ = ("factor",)

    def prepare(self, n_features):
        self.factor = 3.0

    def __deepcopy__(self, memo):
        new = InSlots(self.one.in_features, self.two.out_features).to(self.one.weight.dtype)
        new.load_state_dict(self.state_dict())
        return new

    def forward(self, X):
        return super().forward(X) * self.factor


@alone("a copy of it has the same weights in memory")
class NeverCopied(Base):
    def __deepcopy__(self, memo):
        return self


class CopiedLock:
    def __init__(self):
        self.lock = threading.Lock()

    def __deepcopy__(self, memo):
        return CopiedLock()


@alone("`guard` cannot be compared")
class Locked(Base):
    def prepare(self, n_features):
        self.guard = CopiedLock()


@stacked
class ConstantOfTheDevice(Base):
    def prepare(self, n_features):
        self.scale = None

    def encode(self, X):
        if self.scale is None:
            self.scale = torch.full((X.shape[1],), 0.5, dtype=X.dtype, device=X.device)
        return super().encode(X * self.scale)


@stacked
class QuantileEmbedding(Base):
    def prepare(self, n_features):
        self.edges = torch.linspace(-2, 2, 9, dtype=torch.float64)
        self.embedding = nn.Embedding(10, 8)

    def encode(self, X):
        return super().encode(X) + self.embedding(torch.bucketize(X, self.edges)).mean(1)


class RandomMask(Base):
    """The mask is drawn with the weights, so that it is another for each seed."""

    def prepare(self, n_features):
        self.mask = torch.rand(8)

    def encode(self, X):
        return super().encode(X) * self.mask


@stacked
class Frozen(Base):
    def prepare(self, n_features):
        self.one.requires_grad_(False)


@stacked
class NeverUsed(Base):
    def prepare(self, n_features):
        self.unused = nn.Linear(3, 3)


@stacked
class GateOfZero(Base):
    def prepare(self, n_features):
        self.gate, self.three = nn.Parameter(torch.zeros(())), nn.Linear(8, 8)

    def encode(self, X):
        hidden = super().encode(X)
        return hidden + self.gate * self.three(hidden)


@stacked
def lazily_built(n_features, n_outputs):
    return nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(n_outputs))


@stacked
class Attention(Base):
    def prepare(self, n_features):
        self.embed, self.last = nn.Linear(1, 4), nn.Linear(4, 8)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

    def encode(self, X):
        tokens = self.embed(X[:, :, None])
        return torch.tanh(self.last(self.attention(tokens, tokens, tokens)[0].mean(1)))


@stacked
class Convolution(Base):
    def prepare(self, n_features):
        self.convolution = nn.Conv1d(1, 2, 3, padding=1)
        self.norm, self.last = nn.GroupNorm(1, 2), nn.Linear(2 * n_features, 8)

    def encode(self, X):
        return torch.tanh(self.last(self.norm(self.convolution(X[:, None])).flatten(1)))


@alone("torch.func.vmap refuses it")
class SecondDerivative(Base):
    def forward(self, X):
        with torch.enable_grad():
            inputs = X.clone().requires_grad_()
            (slope,) = torch.autograd.grad(super().forward(inputs).sum(), inputs, create_graph=True)
        return super().forward(X) + slope.sum(1, keepdim=True)


@alone("its loss is not a finite number")
class NotANumber(Base):
    def forward(self, X):
        return super().forward(X) * float("nan")
