"""How each kind of object is read and filled, and what it holds."""

import enum
import random
from collections import OrderedDict, deque
from contextlib import suppress
from functools import partial
from operator import attrgetter, setitem
from types import BuiltinFunctionType, MethodType, SimpleNamespace

import numpy as np
import torch
from torch import nn

from helpers.digests import attributes_of, memory_of
from helpers.kinds import CODE, FILLED, LOGGERS, OF_ALL_MODULES, PLAIN
from helpers.libraries import is_of_a_library

# Bytes of an object with nothing but attributes. One of more, as a table, keeps something in C.
WITH_ATTRIBUTES = type("_", (), {}).__basicsize__


class Kind:
    """What is known of all objects of a class.

    Attributes
    ----------
    is_left : bool
        Whether they are not looked into. One with the hash of its value, as a date, never changes.
    is_own : bool
        Whether their class is the user's.
    is_closed : bool
        Whether they are of a library, which may hold there what is the process's.
    is_fixed : bool
        Whether they hold the same for ever.
    ways : list of (function, function)
        How an object is read and filled, by itself.
    """

    def __init__(self, cls):
        self.is_own = is_own = not is_of_a_library(cls.__module__)
        self.is_closed = not is_own and not issubclass(cls, OPEN)
        self.is_fixed = issubclass(cls, FIXED)
        self.ways = [(read, fill) for kinds, read, fill in WAYS if issubclass(cls, kinds)][:1]
        # No attribute tells of the numbers of an own array.array, which is copied as a whole.
        is_whole = is_own and is_made_in_c(cls) and not issubclass(cls, (*VALUES, *FIXED))
        is_whole = is_whole and not self.ways
        is_small = not self.is_closed or cls.__basicsize__ <= WITH_ATTRIBUTES
        if cls.__dictoffset__ and is_small and not is_whole:
            self.ways.append((read_attributes, fill_attributes))
        if is_own and not is_whole:
            self.ways.append((read_slots, fill_slots))
        has_attributes = is_own and cls.__dictoffset__
        self.is_left = issubclass(cls, LEFT_ALONE if has_attributes else (*LEFT_ALONE, *VALUES))
        if not self.ways and not self.is_fixed and not is_whole:
            self.is_left |= cls.__hash__ not in (None, object.__hash__)


def is_made_in_c(cls):
    """Tell whether C makes the objects of a class, and may keep there more than attributes."""
    makers = [vars(one).get("__new__") for one in cls.__mro__[:-1]]  # all but object
    return any(isinstance(maker, BuiltinFunctionType) for maker in makers)


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


def read_elements(kind, collection):
    """Read a collection by the methods of its kind: those of its own class may mean others."""
    if issubclass(kind, dict):
        return dict(kind.items(collection))
    elements = list(kind.__iter__(collection))
    return set(elements) if kind is set else elements


def fill_elements(kind, collection, content):
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
    if array.shape != content.shape:
        array.resize(content.shape, refcheck=False)
    if array.flags.writeable:
        array.view(np.ndarray)[...] = content


def read_tensor(tensor):
    return memory_of(tensor), tensor.data, not_expanded(tensor.detach()).clone()


def fill_tensor(tensor, content):
    _, data, numbers = content
    with suppress(RuntimeError):  # windows that overlap, filled by another in their memory
        not_expanded(data).copy_(numbers)  # which leaves its version as it is
    tensor.data = data


def not_expanded(tensor):
    """Return a view of a tensor with each number once, though `expand` shows it many times."""
    if tensor.layout is torch.strided and tensor.numel() and not tensor.is_nested:
        for dim, step in enumerate(tensor.stride()):
            tensor = tensor if step else tensor.narrow(dim, 0, 1)
    return tensor


LEFT_ALONE = (*CODE, *LOGGERS)
VALUES = (*PLAIN, np.generic, enum.Enum)  # left alone as well, but for attributes of the user's
OF_HOOKS = OF_ALL_MODULES - {"_parameters", "_buffers", "_modules"}
FIXED = tuple, frozenset, partial, MethodType, np.random.Generator
COLLECTIONS = OrderedDict, *FILLED
# The first that fits counts.
WAYS = (
    *((kind, partial(read_elements, kind), partial(fill_elements, kind)) for kind in COLLECTIONS),
    (torch.Tensor, read_tensor, fill_tensor),
    (np.ndarray, lambda array: array.view(np.ndarray).copy(), fill_array),
    (bytearray, bytes, lambda value, content: setitem(value, slice(None), content)),
    (random.Random, random.Random.getstate, random.Random.setstate),
    (torch.Generator, torch.Generator.get_state, torch.Generator.set_state),
    (np.random.RandomState, np.random.RandomState.get_state, np.random.RandomState.set_state),
    (np.random.BitGenerator, attrgetter("state"), lambda one, state: setattr(one, "state", state)),
)
OPEN = (*(kind for kind, *_ in WAYS), *FIXED, nn.Module, SimpleNamespace)
