"""MLP, the default network, and what can be said of any module."""

import math
import warnings
from difflib import get_close_matches
from itertools import pairwise
from numbers import Integral

import numpy as np
import torch
from torch import nn

from helpers.checks.arguments import check_call, is_number, plain
from helpers.kinds import OF_ALL_MODULES


class MLP(nn.Module):
    """Multilayer perceptron: linear layers with a ReLU between them.

    Parameters
    ----------
    n_features : int or tuple of int
        Width of the input, or the shape of a row, which is flattened.
    n_outputs : int
        Width of the output: the number of classes, or 1 for a regressor.
    hidden : int or sequence of int, default=32
        Widths of the hidden layers, from input to output; ``()`` leaves a linear model.
    dropout : float, default=0.0
        Probability with which each hidden unit is dropped in a training step.

    Examples
    --------
    >>> from helpers import MLP
    >>> MLP(10, 2, hidden=5)
    MLP(
      (layers): Sequential(
        (0): Linear(in_features=10, out_features=5, bias=True)
        (1): ReLU()
        (2): Linear(in_features=5, out_features=2, bias=True)
      )
    )
    """

    def __init__(self, n_features, n_outputs, *, hidden=32, dropout=0.0):
        super().__init__()
        flat = isinstance(n_features, tuple)
        _check_width("n_features", *(n_features if flat else [n_features]))
        _check_width("n_outputs", n_outputs)
        widths = [math.prod(n_features) if flat else n_features, *_widths(hidden)]
        dropout = plain(dropout)
        if not is_number(dropout) or not 0 <= dropout <= 1:
            raise ValueError(f"dropout must be a number between 0 and 1; got {dropout!r}.")
        layers = [nn.Flatten()] if flat else []
        for n_in, n_out in pairwise(widths):
            layers += [nn.Linear(n_in, n_out), nn.ReLU()]
            if dropout:
                layers.append(nn.Dropout(dropout))
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], n_outputs))

    def forward(self, X):
        """Map rows, (n, n_features) or (n, *shape of a row), to outputs, (n, n_outputs)."""
        return self.layers(X)


def _check_width(name, *numbers):
    for number in numbers:
        if not is_number(plain(number), Integral) or number < 1:
            raise ValueError(f"{name} must be a positive integer; got {number!r}.")


def _widths(hidden):
    """Return the widths of the hidden layers, a list of int."""
    several = isinstance(hidden, (list, tuple, range)) or np.ndim(hidden) == 1
    widths = [plain(width) for width in hidden] if several else [plain(hidden)]
    for width in widths:
        if not is_number(width, Integral) or width < 1:
            raise ValueError(
                f"hidden must be a positive integer or a sequence of them, such as (32, 16), and "
                f"() for no hidden layer; got {hidden!r}."
            )
    return widths


def leaves_input(network):
    """Whether it is certain that a network does not write to its input.

    It is if the input meets a linear layer first, which is what most networks for tables begin
    with, and no hook sees it.
    """
    while True:
        seen = vars(network).get("forward") or network._forward_pre_hooks or network._forward_hooks
        first = next(network.children(), None)
        if seen or type(network) not in (MLP, nn.Sequential) or first is None:
            return not seen and type(network) is nn.Linear
        network = first


def check_forward(network):
    """Raise a TypeError if a network has no forward, or others than torch's train and eval."""
    kind = type(network)
    cure = "It stands where torch has its own, which sets the mode: give yours another name."
    check_call("train", network.train, ("mode",), cure)
    check_call("eval", network.eval, (), cure)
    # That of what is scripted cannot be asked for.
    if getattr(kind, "forward", None) is not nn.Module.forward or "forward" in vars(network):
        return
    cure = "Define forward(self, X) in it, which returns the outputs."
    alike = get_close_matches("forward", [name for name in vars(kind) if name != "forward"], 1)
    if alike:
        cure = f"Its method {alike[0]!r} must be called forward."
    elif isinstance(network, (nn.ModuleList, nn.ModuleDict)):
        cure = "It only holds layers: return nn.Sequential(*layers), or a class that calls them."
    raise TypeError(f"{kind.__name__} has no method forward, which computes its outputs. {cure}")


def warn_of_lost_weights(network):
    """Warn if weights to train are where torch does not find them, as layers in a plain list."""
    known = set(map(id, network.parameters()))
    for part in network.modules():
        for name in sorted(vars(part).keys() - OF_ALL_MODULES):
            value = vars(part)[name]
            values = value.values() if isinstance(value, dict) else value
            for one in values if isinstance(value, (dict, list, tuple)) else [value]:
                weights = one.parameters() if isinstance(one, nn.Module) else [one]
                weights = [t for t in weights if isinstance(t, torch.Tensor) and t.requires_grad]
                if any(weight.is_leaf and id(weight) not in known for weight in weights):
                    warnings.warn(
                        f"{type(part).__name__} has weights in its attribute {name!r}, where torch "
                        f"does not find them, so that they are not trained. If they are to stay "
                        f"as they are, give them requires_grad=False. Else hold layers in "
                        f"nn.ModuleList or nn.ModuleDict, and tensors in nn.Parameter.",
                        stacklevel=2,
                    )
                    break


def frozen_parts(network):
    """Yield the largest parts of a network that have parameters, none of them to be trained."""
    trained = [parameter.requires_grad for parameter in network.parameters()]
    if trained and not any(trained):
        yield network
    elif not all(trained):
        for child in network.children():
            yield from frozen_parts(child)


def training_mode(network):
    """Put a network into training mode, but for its frozen parts.

    They stay in evaluation mode, in which BatchNorm does not move its running statistics.
    """
    network.train()
    for part in frozen_parts(network):
        part.eval()
