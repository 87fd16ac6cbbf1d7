"""Networks side by side: one product for each layer, one optimizer step for all of them."""

import copy

import torch
from torch import nn
from torch.func import functional_call, vmap

from helpers.jobs import OPTIMIZERS
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


class BatchedOptimizer:
    """One of torch's optimizers for networks side by side, each with its lr and weight decay.

    What an optimizer adds to a weight is proportional to lr. So torch finds it once for all
    networks, starting from 0 at lr=1, and each network then adds its own multiple.

    Parameters
    ----------
    parameters : list of Tensor of shape (n_networks, ...)
        Those to train.
    jobs : list of Job
        One for each network.
    """

    def __init__(self, parameters, jobs):
        self.parameters = parameters
        self.additions = [torch.zeros_like(parameter) for parameter in parameters]
        kind = jobs[0].optimizer
        self.decoupled = kind is OPTIMIZERS["adamw"]
        # AdamW is Adam that begins with taking lr * weight_decay of all there is. With 1 for both
        # it starts from 0 by itself, which spares one pass through the memory.
        self.from_zero = self.decoupled or kind is OPTIMIZERS["adam"]
        kind = OPTIMIZERS["adamw"] if self.from_zero else kind
        self.optimizer = kind(self.additions, lr=1.0, weight_decay=float(self.from_zero))
        self.decays = any(job.weight_decay for job in jobs)
        self.lr = self._columns([job.lr for job in jobs])
        self.decay = self._columns(
            [job.weight_decay * (job.lr if self.decoupled else 1) for job in jobs]
        )
        for i in jobs[0].memory:
            memories = [job.memory[i] for job in jobs]
            self.optimizer.state[self.additions[i]] = {
                name: torch.stack([memory[name] for memory in memories]).to(self.device)
                if value.ndim
                else value.clone()  # the count of steps
                for name, value in memories[0].items()
            }

    @property
    def device(self):
        return self.parameters[0].device

    def _columns(self, numbers):
        """Return a number for each network, shaped to multiply each of the parameters."""
        numbers = torch.tensor(numbers, dtype=self.parameters[0].dtype, device=self.device)
        return [numbers.view(-1, *[1] * (p.ndim - 1)) for p in self.parameters]

    @torch.no_grad()
    def step(self, gradients):
        """Take one step; a gradient of None leaves its parameter as it is.

        The gradients may be overwritten.
        """
        for i, gradient in enumerate(gradients):
            if gradient is None or not self.from_zero:
                self.additions[i].zero_()
            if gradient is not None:
                gradient = gradient.contiguous()  # torch's fused optimizers do not look at strides
                if self.decays and self.decoupled:
                    self.parameters[i].mul_(1 - self.decay[i])
                elif self.decays:
                    gradient.addcmul_(self.parameters[i], self.decay[i])
            self.additions[i].grad = gradient
        self.optimizer.step()
        torch._foreach_addcmul_(self.parameters, self.additions, self.lr)

    def memory(self, place):
        """Return what it remembers of one network, in the form of `Job.memory`."""
        states = [self.optimizer.state.get(addition, {}) for addition in self.additions]
        return {
            i: {
                name: (value[place] if value.ndim else value).to("cpu", copy=True)
                for name, value in state.items()
            }
            for i, state in enumerate(states)
            if state
        }
