"""Networks: the default one, and how a recipe becomes one."""

import copy
import inspect
from itertools import pairwise
from numbers import Integral

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from helpers.first_weights import SameEverywhere


class MLP(nn.Module):
    """Multilayer perceptron: linear layers with a ReLU between them.

    Parameters
    ----------
    n_features : int
        Width of the input.
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
        widths = [n_features, *([hidden] if isinstance(hidden, Integral) else hidden)]
        layers = []
        for n_in, n_out in pairwise(widths):
            layers += [nn.Linear(n_in, n_out), nn.ReLU()]
            if dropout:
                layers.append(nn.Dropout(dropout))
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], n_outputs))

    def forward(self, X):
        """Map rows of shape (n, n_features) to outputs of shape (n, n_outputs)."""
        return self.layers(X)


def build(recipe, n_features, n_outputs, arguments, *, owner):
    """Call a recipe for a network that nothing else holds.

    Parameters
    ----------
    recipe : callable
        Called as ``recipe(n_features, n_outputs, **arguments)``; returns a new `nn.Module`.
    n_features, n_outputs : int
        Widths of the network's input and output.
    arguments : dict
        The recipe's own arguments by name.
    owner : str
        The estimator's name, for the messages.

    Returns
    -------
    nn.Module
        A copy of what the recipe returned: even a recipe that keeps its network keeps one
        that was never trained.

    Raises
    ------
    TypeError
        If `recipe` is an `nn.Module` instance or is not callable, has no argument of a given
        name, returns no `nn.Module` or nothing to train, or returns weights that it has handed
        out before.
    """
    if isinstance(recipe, nn.Module):
        name = type(recipe).__name__
        mend = (
            f"Write {owner}({name}) instead of {owner}({name}(...)), and give the arguments of "
            f"{name} as module__<name>=<value>."
        )
        if type(recipe).__module__.startswith("torch."):  # a layer, with widths of its own
            mend = (
                f"Make it in a function, def recipe(n_features, n_outputs): return {name}(...), "
                f"and write {owner}(recipe)."
            )
        raise TypeError(
            f"module must be a recipe, a class or function that returns a new network; got an "
            f"instance of {name}. An instance would carry its weights into every fold. {mend}"
        )
    if not callable(recipe):
        raise TypeError(
            f"module must be a recipe, a class or function called as module(n_features, "
            f"n_outputs); got {recipe!r}."
        )
    _check_arguments(recipe, arguments)
    with SameEverywhere():
        first, second = (recipe(n_features, n_outputs, **arguments) for _ in range(2))
    name = getattr(recipe, "__name__", repr(recipe))
    if not isinstance(first, nn.Module):
        raise TypeError(f"{name} must return a torch.nn.Module; got {type(first).__name__}.")
    if not any(p.requires_grad for p in first.parameters()):
        raise TypeError(f"{name} must return a network with parameters to train; it has none.")
    if _storages(first) & _storages(second):
        raise TypeError(
            f"{name} returned the same weights twice, so that what one fold learns would reach "
            f"the next. Create every layer inside {name}, each time it is called."
        )
    return copy.deepcopy(first)


def _check_arguments(recipe, arguments):
    """Raise a TypeError for an argument that the recipe does not have."""
    parameters = inspect.signature(recipe).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    known = list(parameters)[2:]
    for name in arguments:
        if name not in known:
            raise TypeError(
                f"{getattr(recipe, '__name__', recipe)!r} has no argument {name!r} "
                f"(given as module__{name}); its arguments are: {', '.join(known) or 'none'}."
            )


def _storages(network):
    """Addresses of the memory in which a network keeps its parameters and buffers."""
    tensors = [t for t in (*network.parameters(), *network.buffers()) if not is_lazy(t)]
    return {t.untyped_storage().data_ptr() for t in tensors if t.numel()}


def check_outputs(network, X, n_outputs):
    """Raise a ValueError unless the network maps `X`, (n, n_features), to (n, n_outputs)."""
    network.eval()
    with torch.no_grad():
        shape = tuple(network(X).shape)
    if shape != (len(X), n_outputs):
        raise ValueError(
            f"{type(network).__name__} must return {n_outputs} outputs for each row, shape "
            f"{(len(X), n_outputs)}; got shape {shape}. Use the recipe's second argument, "
            f"n_outputs, as the width of the last layer."
        )
