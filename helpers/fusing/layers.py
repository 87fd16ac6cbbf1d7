"""Networks side by side: one product for each layer.

A batched form of a layer, here and in `convolutions`, `norms`, `recurrent` and `chance`, is made of
``(layer, tensors, chance)``: the layer of one network, the parameters and buffers of all by the
names that the layer gives them, each of shape (n_networks, ...), and the `Chance` of all.
"""

import copy
import functools

import torch
from torch import nn
from torch.func import functional_call, vmap

from helpers._compat import as_parameter
from helpers.fusing.chance import DROPOUTS, BatchedDropout
from helpers.fusing.content import named_tensors
from helpers.fusing.convolutions import BatchedConv, BatchedFlatten, BatchedPool
from helpers.fusing.norms import BATCH_NORMS, BatchedBatchNorm, BatchedRowNorm
from helpers.fusing.recurrent import BatchedRecurrent
from helpers.fusing.vmapped import ForAll, LookUps
from helpers.modules import MLP, training_mode


def batched(network, stored, chance):
    """Return a network that maps (n_networks, n_features, n) to (n_networks, n_outputs, n).

    The rows come last because a CPU takes some 4 times as long for products of few columns: a
    last layer has few units, but seldom has a batch few rows. `network` is one of them, which is
    copied, and `stored` has the parameters and buffers of all, as `Stack.stored`.
    """
    network = copy.deepcopy(network)
    training_mode(network)  # so that each layer sees whether it is of a frozen part
    # By identity, since a tensor that has two names is stored under the first.
    of_all = {id(tensor): stored[name] for name, tensor in named_tensors(network)}
    return _batched(network, of_all, chance)


def _batched(module, of_all, chance):
    if type(module) in CONTAINERS:
        module = copy.copy(module)  # it may come again, and is to be found with layers as they were
        children = module._modules.items()
        module._modules = {name: _batched(child, of_all, chance) for name, child in children}
        return module
    if type(module) in ELEMENTWISE:
        return module
    layer = _layer(module, of_all, chance, LAYERS)
    return Vmapped(module, of_all, chance) if layer is None else layer


def _layer(module, of_all, chance, kinds):
    """Return a layer as its batched form, or None if there is no such form."""
    kind = kinds.get(type(module))
    if kind is None or not getattr(kind, "supports", lambda layer: True)(module):
        return None
    own = {**module._parameters, **module._buffers}
    tensors = {name: of_all[id(tensor)] for name, tensor in own.items() if tensor is not None}
    return kind(module, tensors, chance)


def mixes_rows_outside_training(network):
    """Tell whether a batched network's outputs for a row depend on the others outside training."""
    norms = (module for module in network.modules() if isinstance(module, BatchedBatchNorm))
    return any(norm.mean is None for norm in norms)


class BatchedLinear(nn.Module):
    """Linear layers side by side: (n_networks, ..., n_in, n) to (n_networks, ..., n_out, n)."""

    def __init__(self, layer, tensors, chance):
        super().__init__()
        self.weight, self.bias = tensors["weight"], tensors.get("bias")

    def forward(self, X):
        if X.ndim > 3:
            axes = [1] * (X.ndim - 3)
            weight = self.weight.view(len(X), *axes, *self.weight.shape[1:])
            bias = 0 if self.bias is None else self.bias.view(len(X), *axes, -1, 1)
            return torch.matmul(weight, X) + bias
        outputs = torch.bmm(self.weight, X)
        return outputs if self.bias is None else outputs.add_(self.bias.unsqueeze(2))


class Vmapped(nn.Module):
    """Any module, by `torch.func.vmap`, which adds its own time to each step."""

    def __init__(self, module, of_all, chance):
        super().__init__()
        self.tensors = {name: of_all[id(tensor)] for name, tensor in named_tensors(module)}
        self.own_parameters = [name for name, _ in module.named_parameters()]
        self.own_buffers = [name for name, _ in module.named_buffers()]
        self.replaced = {}  # buffers that a forward pass has given another tensor
        self.frozen = [part for part in module.modules() if not part.training]
        for parent in list(module.modules()):
            for name, child in parent._modules.items():
                if layer := _layer(child, of_all, chance, NOT_BY_VMAP):
                    parent._modules[name] = outside_vmap(type(child))(child, layer)
        self.module = module

    def train(self, mode=True):
        super().train(mode)
        for part in self.frozen:
            part.training = False
        return self

    def forward(self, X):
        def call(tensors, X):
            for name in self.own_parameters:
                as_parameter(tensors[name])
            now = dict(tensors)
            outputs = functional_call(self.module, now, (X,))  # which puts what is assigned there
            names = [name for name in self.own_buffers if now[name] is not tensors[name]]
            return outputs, {name: now[name] for name in names}

        with LookUps():
            outputs, self.replaced = vmap(call, randomness="error")(self.tensors, X.movedim(-1, 1))
        return outputs.movedim(1, -1)

    @torch.no_grad()
    def store_buffers(self):
        """Store what was assigned to buffers, when no gradient needs what they were before."""
        for name, value in self.replaced.items():
            self.tensors[name].copy_(value)
        self.replaced = {}


@functools.cache
def outside_vmap(kind):
    """Return `OutsideVmap` as a layer of a kind, for code that asks with isinstance what it has."""
    return type(kind.__name__, (OutsideVmap, kind), {})


class OutsideVmap(nn.Module):
    """A batched layer within a module that runs under vmap."""

    def __init__(self, module, layer):
        nn.Module.__init__(self)
        vars(self).update(vars(module))  # what a forward pass may ask for, as in self.conv.weight
        self.batched = layer

    def forward(self, input, hx=None):  # named as torch names them
        if not isinstance(input, torch.Tensor):
            raise RuntimeError(f"it gives a layer a {type(input).__name__}, which is no tensor")
        if not isinstance(self.batched, BatchedRecurrent):
            outputs = ForAll.apply(lambda X: self.batched(X.movedim(1, -1)).movedim(-1, 1), input)
            in_place = self.training and getattr(self.batched, "in_place", False)
            return input.copy_(outputs) if in_place else outputs
        states = hx if isinstance(hx, tuple) else () if hx is None else (hx,)
        outputs, *states = ForAll.apply(self.batched, input, *states)
        return outputs, states[0] if len(states) == 1 else tuple(states)

    def flatten_parameters(self):
        """Do nothing: on a CPU neither does torch."""


# Their forward passes call their children in turn.
CONTAINERS = {MLP, nn.Sequential}
# They take each number alone, so that any shape is right.
ELEMENTWISE = {
    *(nn.Identity, nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU),
    *(nn.Mish, nn.Sigmoid, nn.LogSigmoid, nn.Softplus, nn.Softsign, nn.Tanh, nn.Tanhshrink),
    *(nn.Hardtanh, nn.Hardsigmoid, nn.Hardswish, nn.Hardshrink, nn.Softshrink, nn.Threshold),
}
# What vmap cannot do, or not with each network's own chance and own rows.
NOT_BY_VMAP = {
    **dict.fromkeys(DROPOUTS, BatchedDropout),
    **dict.fromkeys(BATCH_NORMS, BatchedBatchNorm),
    **dict.fromkeys((nn.LSTM, nn.GRU, nn.RNN), BatchedRecurrent),
    **dict.fromkeys((nn.Conv1d, nn.Conv2d, nn.Conv3d), BatchedConv),
}
LAYERS = {
    **{kind: form for kind, form in NOT_BY_VMAP.items() if form is not BatchedRecurrent},
    nn.Linear: BatchedLinear,
    **dict.fromkeys((nn.Flatten, nn.Unflatten), BatchedFlatten),
    **dict.fromkeys((nn.LayerNorm, nn.GroupNorm), BatchedRowNorm),
    **dict.fromkeys((nn.MaxPool1d, nn.MaxPool2d, nn.AvgPool1d, nn.AvgPool2d), BatchedPool),
    **dict.fromkeys((nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d), BatchedPool),
    **dict.fromkeys((nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d), BatchedPool),
}
