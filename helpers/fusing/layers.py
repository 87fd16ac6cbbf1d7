"""Networks side by side: one product for each layer."""

import copy

import torch
from torch import nn
from torch.func import functional_call, vmap

from helpers.modules import MLP

# Where it is enough to replace the linear layers: the others take each number alone.
STACKABLE = {
    *(MLP, nn.Sequential, nn.Linear, nn.Identity, nn.Dropout, nn.ReLU, nn.LeakyReLU, nn.ELU),
    *(nn.GELU, nn.SiLU, nn.Sigmoid, nn.Softplus, nn.Tanh),
}


def batched(network, stored):
    """Return a network that maps (n_networks, n_features, n) to (n_networks, n_outputs, n).

    The rows come last because a CPU takes some 4 times as long for products of few columns: a
    last layer has few units, but seldom has a batch few rows.

    Parameters
    ----------
    network : nn.Module
        One of them; it is copied.
    stored : dict of str to Tensor of shape (n_networks, ...)
        The parameters of all by name.
    """
    network = copy.deepcopy(network)
    linear = [name for name, m in network.named_modules() if type(m) is nn.Linear]
    tied = len(stored) < len(list(network.named_parameters(remove_duplicate=False)))
    if tied or "" in linear or not all(type(m) in STACKABLE for m in network.modules()):
        return Vmapped(network, stored)
    for name in linear:
        layer = BatchedLinear(stored[f"{name}.weight"], stored.get(f"{name}.bias"))
        network.set_submodule(name, layer)
    return network


class BatchedLinear(nn.Module):
    """Linear layers side by side: (n_networks, n_in, n) to (n_networks, n_out, n)."""

    def __init__(self, weight, bias):
        super().__init__()
        self.weight, self.bias = weight, bias

    def forward(self, X):
        outputs = torch.bmm(self.weight, X)
        return outputs if self.bias is None else outputs.add_(self.bias.unsqueeze(2))


class Vmapped(nn.Module):
    """Any network, by `torch.func.vmap`, which adds its own time to each step."""

    def __init__(self, network, stored):
        super().__init__()
        self.network, self.stored = network, stored

    def forward(self, X):
        def call(parameters, X):
            return functional_call(self.network, parameters, (X,))

        return vmap(call, randomness="different")(self.stored, X.mT).mT
