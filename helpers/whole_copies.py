"""What objects hold, kept to be put back into the same objects."""

import copy
import enum
import random
from collections import deque
from types import SimpleNamespace

import numpy as np
import torch

from helpers.kinds import CODE, FILLED, LOGGERS, NO_CODE, PLAIN
from helpers.libraries import is_of_own_class

_IN_ORDER = (list, tuple, set, frozenset, deque)


class NotWhole(Exception):
    """A deep copy shares something with its original, or lacks something that it holds."""


@torch.no_grad()
def refilled(value, copied):
    """Return a value with the content of its copy: the same object, where it can be changed.

    Some objects, as a singleton, are their own copies, or share their attributes with them. They
    stay as they are.
    """
    if copied is value:
        return value
    if isinstance(value, list | bytearray | deque):
        content = list(copied)
        value.clear()
        value.extend(content)
    elif isinstance(value, dict | set):
        content = copied.copy()
        value.clear()
        value.update(content)
    elif isinstance(value, np.ndarray):
        value[...] = copied
    elif isinstance(value, torch.Tensor):
        value.copy_(copied)
    elif isinstance(value, random.Random):
        value.setstate(copied.getstate())
    elif isinstance(value, torch.Generator):
        value.set_state(copied.get_state())
    elif hasattr(value, "__dict__"):
        put_attributes(value, copied)
    else:
        return copied  # a number: it is another object, not a changed one
    if isinstance(value, FILLED) and hasattr(value, "__dict__") and hasattr(copied, "__dict__"):
        put_attributes(value, copied)  # of a dict, say, whose items are attributes as well
    return value


def put_attributes(value, copied):
    """Give an object the attributes of its copy, and no others."""
    attributes = dict(vars(copied))  # before the originals are gone, which it may share
    vars(value).clear()
    vars(value).update(attributes)


def is_full(value, copied):
    """Tell whether a copy is another object, with attributes of the same names, of its own."""
    own, of_copy = (getattr(one, "__dict__", None) for one in (value, copied))
    if copied is value:
        return False
    return own is None or own is not of_copy and own.keys() == of_copy.keys()


def full_copy(value):
    """Return a deep copy of a value that can be put back; raise `NotWhole` if there is none."""
    memo = {}
    copied = copy.deepcopy(value, memo)
    changeable = [value] if hasattr(value, "__dict__") else []
    for part in (*changeable, *parts_of(value)):
        if not is_full(part, memo.get(id(part), part)):
            raise NotWhole(f"{type(part).__name__} has no copy of its own")
    return copied


def parts_of(value):
    """Yield the collections and objects in a value, and itself, that can be changed in place.

    Objects of libraries are not looked into.
    """
    waiting, seen = [value], {}
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, (*NO_CODE, enum.Enum, *CODE, *LOGGERS)):
            continue
        seen[id(thing)] = thing  # which keeps it alive, and its id its own
        is_own = hasattr(thing, "__dict__") and is_of_own_class(thing)
        if is_own or isinstance(thing, FILLED):
            yield thing
        elements = thing.values() if isinstance(thing, dict) else thing
        if isinstance(thing, (dict, *_IN_ORDER)):
            waiting += (one for one in elements if type(one) not in PLAIN)
        if is_own:
            waiting += vars(thing).values()


def attributes_kept(value):
    """Return an object with deep copies of the attributes of another."""
    return SimpleNamespace(**copy.deepcopy(vars(value)))


def content_kept(value):
    """Return a deep copy of what a collection or an object holds, whatever is its own copy."""
    for kind in FILLED:
        if isinstance(value, kind):
            return copy.deepcopy(kind(value))
    return attributes_kept(value)
