"""Copies of networks that lose nothing, and the state to go back to."""

import copy
import gc
from contextlib import contextmanager
from types import FunctionType, ModuleType

import torch


def copy_network(network, why):
    """Return a copy of a network that shares nothing with it.

    Hooks on parameters, which `copy.deepcopy` forgets, are kept; tensors in the midst of a
    computation, which it refuses, are copied as numbers.

    Parameters
    ----------
    network : nn.Module
    why : str
        What needs the copy, for the message.

    Raises
    ------
    TypeError
        If it cannot be copied, or if the copy would go on using the original: a function that was
        made in ``__init__`` and uses ``self`` is copied with the old ``self`` in it.
    """
    name = type(network).__name__
    memo = {
        id(thing): thing.detach().clone()
        for thing in _reached_from(network).values()
        if isinstance(thing, torch.Tensor) and not thing.is_leaf
    }
    try:
        new = copy.deepcopy(network, memo)
    except Exception as error:
        raise TypeError(f"{why}, and {name} cannot be copied: {error}.") from error
    for old_parameter, parameter in zip(network.parameters(), new.parameters(), strict=True):
        _copy_extras(old_parameter, parameter)
    originals = {id(t) for t in (*network.modules(), *network.parameters(), *network.buffers())}
    for part in new.modules():
        for attribute, value in vars(part).items():
            if originals & _reached_from(value).keys():
                raise TypeError(
                    f"{why}, and {name} cannot be copied: what its attribute {attribute!r} holds "
                    f"would go on using the network that it was made with. Write it as a method "
                    f"of {type(part).__name__} that uses self, not as a function made in __init__."
                )
    return new


def _copy_extras(old, new):
    """Give a copied parameter the hooks and attributes of the old one."""
    vars(new).update(vars(old))
    for hook in (old._backward_hooks or {}).values():
        new.register_hook(hook)
    for hook in (getattr(old, "_post_accumulate_grad_hooks", None) or {}).values():
        new.register_post_accumulate_grad_hook(hook)


def _reached_from(root):
    """Return all that an object holds, by id, but for modules, classes and global names."""
    found, waiting = {}, [root]
    while waiting:
        thing = waiting.pop()
        if id(thing) in found or isinstance(thing, (type, ModuleType)):
            continue
        found[id(thing)] = thing
        if isinstance(thing, FunctionType):
            waiting += [thing.__closure__, thing.__defaults__, thing.__kwdefaults__, vars(thing)]
            continue
        waiting += gc.get_referents(thing)
        if isinstance(thing, torch.Tensor) and thing.is_leaf:
            waiting += [thing._backward_hooks, getattr(thing, "_post_accumulate_grad_hooks", None)]
    return found


def weights_of(network):
    """Return copies of a network's weights and buffers, for `put_back`."""
    state = {
        name: value.clone() if isinstance(value, torch.Tensor) else copy.deepcopy(value)
        for name, value in network.state_dict().items()
    }
    return state, [buffer.clone() for buffer in network.buffers()]


@torch.no_grad()
def put_back(network, weights):
    """Give a network the weights and buffers that `weights_of` copied."""
    state, buffers = weights
    network.load_state_dict(state)
    for buffer, value in zip(network.buffers(), buffers, strict=True):
        buffer.copy_(value)


@contextmanager
def unchanged_on_failure(network):
    """Give a network back what it held if the block raises."""
    tensors = [(t, t.detach().clone()) for t in (*network.parameters(), *network.buffers())]
    attributes = [(part, dict(vars(part))) for part in network.modules()]
    try:
        yield
    except BaseException:
        for part, held in attributes:
            vars(part).clear()
            vars(part).update(held)
        for tensor, value in tensors:
            tensor.data = value
        raise
