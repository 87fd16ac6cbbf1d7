"""How each kind of object is read and filled, and what it holds."""

import random
from collections import OrderedDict, deque
from contextlib import suppress
from functools import partial
from operator import attrgetter, setitem
from types import MethodType, SimpleNamespace

import numpy as np
import torch
from torch import nn

from helpers.digests import attributes_of, memory_of
from helpers.kinds import FILLED
from helpers.libraries import is_of_a_library

# Bytes of an object with nothing but attributes. One of more, as a table, keeps something in C.
WITH_ATTRIBUTES = type("_", (), {}).__basicsize__


def ways_of(kind):
    """Return how an object of a class is read and filled by itself, each as two functions."""
    ways = [(read, fill) for kinds, read, fill in WAYS if issubclass(kind, kinds)]
    is_own = not is_of_a_library(kind.__module__)
    if kind.__dictoffset__ and (
        is_own or issubclass(kind, OPEN) or kind.__basicsize__ <= WITH_ATTRIBUTES
    ):
        ways.append((read_attributes, fill_attributes))
    if is_own:
        ways.append((read_slots, fill_slots))
    return ways


def is_closed(kind):
    """Tell whether the attributes of a class may be those of the process: one of a library."""
    return not issubclass(kind, OPEN) and is_of_a_library(kind.__module__)


def held_by(thing, parts):
    """Return what a thing holds: for ever, or in its parts."""
    if isinstance(thing, nn.Module):
        held = [one for name, one in vars(thing).items() if name not in OF_HOOKS]
        if isinstance(thing, torch.jit.ScriptModule):  # whose attributes do not show all
            held += *thing.children(), *thing.parameters(), *thing.buffers()
        return held
    held = [one for part in parts for one in elements_of(part.before) or ()]
    if isinstance(thing, tuple | frozenset):
        held += thing
    elif isinstance(thing, partial):
        held += thing.func, thing.args, thing.keywords
    elif isinstance(thing, MethodType):
        held.append(thing.__self__)
    elif isinstance(thing, np.random.Generator):
        held.append(thing.bit_generator)
    return held


def elements_of(content):
    """Return the objects in what a part held, None where that are numbers."""
    if isinstance(content, dict):
        return [*content, *content.values()]
    if isinstance(content, np.ndarray) and content.dtype.hasobject:
        return content.ravel().tolist()
    return content if isinstance(content, FILLED) else None


def kind_of(collection):
    """Return a collection's kind, whose methods its own class may have changed."""
    return next(kind for kind in (OrderedDict, *FILLED) if isinstance(collection, kind))


def read_elements(collection):
    kind = kind_of(collection)
    if issubclass(kind, dict):
        return dict(kind.items(collection))
    elements = list(kind.__iter__(collection))
    return set(elements) if kind is set else elements


def fill_elements(collection, content):
    kind = kind_of(collection)
    kind.clear(collection)
    fill = kind.extend if kind in (list, deque) else kind.update
    fill(collection, content)


def read_attributes(value):
    return dict(vars(value))


def fill_attributes(value, content):
    vars(value).clear()
    vars(value).update(content)


def read_slots(value):
    others = getattr(value, "__dict__", ())
    return {name: one for name, one in attributes_of(value).items() if name not in others}


def fill_slots(value, content):
    for name in read_slots(value).keys() - content.keys():
        object.__delattr__(value, name)
    for name, one in content.items():
        object.__setattr__(value, name, one)


def fill_array(array, content):
    if array.flags.writeable:
        array.view(np.ndarray)[...] = content


def read_tensor(tensor):
    return memory_of(tensor), tensor.data, tensor.detach().clone()


def fill_tensor(tensor, content):
    _, data, numbers = content
    with suppress(RuntimeError):  # an expanded one, which is filled by another in its memory
        data.copy_(numbers)  # which leaves its version as it is
    tensor.data = data


# What every module has beside its parameters, buffers and modules.
OF_HOOKS = {*vars(nn.Module())} - {"_parameters", "_buffers", "_modules"}
FIXED = tuple, frozenset, partial, MethodType, np.random.Generator
WAYS = (
    (FILLED, read_elements, fill_elements),
    (torch.Tensor, read_tensor, fill_tensor),
    (np.ndarray, lambda array: array.view(np.ndarray).copy(), fill_array),
    (bytearray, bytes, lambda value, content: setitem(value, slice(None), content)),
    (random.Random, random.Random.getstate, random.Random.setstate),
    (torch.Generator, torch.Generator.get_state, torch.Generator.set_state),
    (np.random.RandomState, np.random.RandomState.get_state, np.random.RandomState.set_state),
    (np.random.BitGenerator, attrgetter("state"), lambda one, state: setattr(one, "state", state)),
)
OPEN = (*(kinds for kinds, *_ in WAYS), *FIXED, nn.Module, SimpleNamespace)
