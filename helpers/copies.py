"""Copies of networks that lose nothing, and the state to go back to."""

import copy
import gc
from collections import Counter
from contextlib import contextmanager
from types import FunctionType, ModuleType

import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from helpers.kept import Kept


def copy_network(network, why):
    """Return a copy of a network that shares nothing with it.

    Hooks on parameters, which `copy.deepcopy` forgets, are kept; tensors in the midst of a
    computation, which it refuses, are copied as numbers. A TypeError, which begins with `why`, says
    if it cannot be copied, or if the copy would go on using the original: a function that was made
    in ``__init__`` and uses ``self`` is copied with the old ``self`` in it.
    """
    name = type(network).__name__
    tensors = [one for one in all_within(network).values() if isinstance(one, torch.Tensor)]
    memo = {id(one): one.detach().clone() for one in tensors if not one.is_leaf}
    memo |= {id(buffer): buffer.detach().clone() for buffer in _of_stacks(network, tensors)}
    try:
        new = copy.deepcopy(network, memo)
    except Exception as error:
        raise TypeError(f"{why}, and {name} cannot be copied: {error}.") from error
    for old_parameter, parameter in zip(network.parameters(), new.parameters(), strict=True):
        vars(parameter).update(vars(old_parameter))
        if not parameter.is_leaf:  # of what is scripted, whose copies remember the original
            parameter.detach_().requires_grad_(old_parameter.requires_grad)
    put_hooks(new, parameter_hooks(network))
    originals = {id(t) for t in (*network.modules(), *network.parameters(), *network.buffers())}
    for part in new.modules():
        for attribute, value in _own_attributes(part):
            if originals & all_within(value).keys():
                raise TypeError(
                    f"{why}, and {name} cannot be copied: {attribute} would go on using the "
                    f"network that it was made with. Write that as a method of {name}, or in its "
                    f"forward, instead of a function made in __init__."
                )
    return new


def _of_stacks(network, tensors):
    """Return the buffers that are part of a larger tensor, which no other of a network shares.

    In a stack that is the buffer of all networks, and `copy.deepcopy` would take it as a whole.
    """
    kinds = torch.Tensor, nn.Parameter  # not those without a shape yet, nor what users derive
    dense = [one for one in tensors if type(one) in kinds and one.layout is torch.strided]
    times = Counter(one.untyped_storage().data_ptr() for one in dense)
    buffers = set(map(id, network.buffers()))
    return [
        one
        for one in dense
        if id(one) in buffers
        and not one.requires_grad
        and one.nbytes < one.untyped_storage().nbytes()
        and times[one.untyped_storage().data_ptr()] == 1
    ]


def _own_attributes(part):
    """Return a name for messages, and the value, of all that a module holds but other modules."""
    for name, value in vars(part).items():
        if name != "_modules":
            is_hook = "hooks" in name or name in ("_parameters", "_buffers")
            yield "a hook" if is_hook else f"its attribute {name!r}", value


def parameter_hooks(network):
    """Return the hooks of each parameter: those on its gradient, and those after accumulation.

    `copy.deepcopy` and `pickle` forget them. None if there are none.
    """
    hooks = [
        (
            list((parameter._backward_hooks or {}).values()),
            list((getattr(parameter, "_post_accumulate_grad_hooks", None) or {}).values()),
        )
        for parameter in network.parameters()
    ]
    return hooks if any(one or other for one, other in hooks) else None


def put_hooks(network, hooks):
    """Give the parameters of a network the hooks that `parameter_hooks` returned."""
    if hooks is None:
        return
    for parameter, (on_gradient, accumulated) in zip(network.parameters(), hooks, strict=True):
        for hook in on_gradient:
            parameter.register_hook(hook)
        for hook in accumulated:
            parameter.register_post_accumulate_grad_hook(hook)


def all_within(root):
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
    """Return copies of a network's weights and buffers, and its extra state, for `put_back`.

    Its `state_dict` is not asked, of which a user may have left out a part.
    """
    theirs, tensors = nn.Module.get_extra_state, (*network.parameters(), *network.buffers())
    stated = [part for part in network.modules() if type(part).get_extra_state is not theirs]
    states = [(part.set_extra_state, copy.deepcopy(part.get_extra_state())) for part in stated]
    return [tensor.detach().clone() for tensor in tensors], states


@torch.no_grad()
def put_back(network, weights):
    """Give a network what `weights_of` copied."""
    tensors, states = weights
    for tensor, value in zip((*network.parameters(), *network.buffers()), tensors, strict=True):
        tensor.copy_(value)
    for set_state, state in states:
        set_state(state)


def way_back(network):
    """Return a function that gives a network back what it holds now, and returns it."""
    kept = Kept()
    kept.add(network)

    def go_back():
        kept.put_back()
        return network

    return go_back


@contextmanager
def unchanged_on_failure(network):
    """Give a network back what it held if the block raises."""
    go_back = way_back(network)
    try:
        yield
    except BaseException:
        go_back()
        raise


class CopyMixin:
    """Copies and pickles an estimator whose `module_` is a network, without losing anything."""

    def __copy__(self):
        new = object.__new__(type(self))
        vars(new).update(vars(self))
        return new

    def __deepcopy__(self, memo):
        new = memo[id(self)] = copy.copy(self)
        if "module_" in vars(self):
            memo[id(self.module_)] = copy_network(self.module_, "copy.deepcopy was called")
        new.__dict__ = copy.deepcopy(vars(self), memo)
        return new

    def __getstate__(self):
        """Pickle the network, and our copy of the loss, on the CPU, to be loaded on any machine."""
        state = dict(super().__getstate__())
        loss, *held, own = state.get("_own_loss", (None, None))
        if isinstance(own, nn.Module) and own is not loss:
            state["_own_loss"] = loss, *held, copy.deepcopy(own).cpu()
        if "module_" in state:
            for name, part in self.module_.named_modules():
                if is_parametrized(part):
                    raise TypeError(
                        f"torch pickles no network with a parametrization, as layer {name!r} of "
                        f"{type(self.module_).__name__} has. Save module_.state_dict(), or put "
                        f"numbers in its place: remove_parametrizations(layer, 'weight')."
                    )
            if next(self.module_.parameters()).is_cuda:
                state["module_"] = copy_network(self.module_, "Pickling copies to the CPU").cpu()
            if hooks := parameter_hooks(self.module_):
                state["hooks_of_parameters"] = hooks
        return state

    def __setstate__(self, state):
        state = dict(state)
        hooks = state.pop("hooks_of_parameters", None)
        super().__setstate__(state)
        put_hooks(getattr(self, "module_", None), hooks)
