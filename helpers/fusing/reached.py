"""What code comes to: functions of the user's, and the variables that it names."""

import types
from collections import deque
from functools import partial
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from helpers.fusing.own_code import names_in
from helpers.kinds import CODE, NO_CODE
from helpers.libraries import is_of_a_library, is_of_own_class, stands_in_a_library

# Numbers above which a variable is taken for data, which training does not change: a copy takes
# 0.5 GB. And elements of a collection that are looked at for code.
LARGE, MANY = 2**26, 1000
# Numbers above which a variable is not read for each job, nor a function in each epoch.
DATA = 2**20
MISSING = object()


class Reached(NamedTuple):
    """What code comes to."""

    functions: list  # (name by which it is called, function) of each function of the user's
    variables: list  # (holder, name) of each; the holder is a dict, a class, a function or a cell
    caches: list  # (name, function) of each that keeps its results, as by `functools.lru_cache`


def reached_from(things):
    """Return what code comes to from some objects, as functions or the modules of a network."""
    functions, variables, caches = [], [], []
    waiting = [("", thing) for thing in things]
    own, seen = {id(thing) for _, thing in waiting}, {}
    while waiting:
        name, thing = waiting.pop()
        if isinstance(thing, NO_CODE) or id(thing) in seen:
            continue
        seen[id(thing)] = thing  # which keeps it alive, and its id its own
        if isinstance(thing, types.FunctionType):
            if not is_of_a_library(thing.__module__):
                functions.append((name, thing))
        if hasattr(type(thing), "cache_info") and not stands_in_a_library(thing):
            caches.append((name, thing))
        for holder, name in _named_in(thing):
            value = read(holder, name)
            waiting.append((name, value))
            if id(value) not in own and not _is_code(value):
                variables.append((holder, name))
        waiting += _held_by(thing)
    return Reached(functions, variables, caches)


def _named_in(thing):
    """Yield (holder, name) of each variable that a function or a class of the user's names."""
    if isinstance(thing, type) and not is_of_a_library(thing.__module__):
        for name in vars(thing):
            if not name.startswith("__") or isinstance(vars(thing)[name], types.FunctionType):
                yield thing, name
    if not isinstance(thing, types.FunctionType) or is_of_a_library(thing.__module__):
        return
    names = names_in(thing.__code__)
    cells = zip(thing.__code__.co_freevars, thing.__closure__ or (), strict=True)
    places = [(cell, name) for name, cell in cells]
    if not is_of_a_library(thing.__globals__.get("__name__")):  # as of what torch.compile returns
        places += [(thing.__globals__, name) for name in names]
    places += [(vars(thing), name) for name in vars(thing)]
    places += [(thing, name) for name in ("__defaults__", "__kwdefaults__")]
    for holder, name in places:
        yield holder, name
        value = read(holder, name)
        if isinstance(value, types.ModuleType) and not is_of_a_library(value.__name__):
            yield from ((vars(value), each) for each in names & vars(value).keys())


def _held_by(thing):
    """Return (name, object) of all in an object that may be called, or hold what is."""
    if isinstance(thing, list | tuple | set | frozenset | deque):
        return [("", each) for each in islice(thing, MANY)]
    if isinstance(thing, dict):
        return [(str(name), each) for name, each in islice([*thing.items()], MANY)]
    if isinstance(thing, partial):
        return [("", each) for each in (thing.func, *thing.args, *thing.keywords.values())]
    if isinstance(thing, types.MethodType):
        return [("", thing.__func__), ("", thing.__self__)]
    if isinstance(thing, type):
        return [("", cls) for cls in (type(thing), *thing.__mro__[1:])]
    wrapped = ("fget", "fset", "func", "__func__", "__wrapped__")
    of_python = type(thing).__module__ in ("builtins", "functools")
    parts = [getattr(thing, name, None) for name in wrapped if of_python]
    held = [("", part) for part in parts if part is not None]
    if isinstance(thing, types.FunctionType | types.ModuleType):
        return held
    if isinstance(thing, nn.Module) or is_of_own_class(thing):
        held += [("", type(thing)), *(vars(thing) if hasattr(thing, "__dict__") else {}).items()]
    return held


def _is_code(value):
    """Tell whether a value is nothing but code, as functions are in all their wrappers."""
    wrappers = (property, staticmethod, classmethod, types.MethodType)
    return isinstance(value, (*CODE, *wrappers)) or hasattr(type(value), "cache_info")


def read(holder, name):
    if isinstance(holder, types.CellType):
        return holder.cell_contents if holder != types.CellType() else MISSING
    if isinstance(holder, types.FunctionType):
        return getattr(holder, name, MISSING)
    return (holder if isinstance(holder, dict) else vars(holder)).get(name, MISSING)


def write(holder, name, value):
    if isinstance(holder, types.CellType):
        holder.cell_contents = value
    elif isinstance(holder, dict):
        holder[name] = value
    else:
        setattr(holder, name, value)


def size_of(value):
    if isinstance(value, np.ndarray):
        return value.size
    if isinstance(value, nn.Module):
        return sum(p.numel() for p in (*value.parameters(), *value.buffers()))
    return value.numel() if isinstance(value, torch.Tensor) else 0
