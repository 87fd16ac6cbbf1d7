"""What a network may use and change outside itself: the variables of its code."""

import copy
import sys
import types

import numpy as np
import torch
from torch import nn

from helpers.fusing.content import digest

# Numbers above which a variable is taken for data, which training does not change.
_LARGE = 2**20
_MISSING = object()
_CODE = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, type)


class Outside:
    """The variables that the code of a network names: enclosed, global, or of its classes.

    Parameters
    ----------
    network : nn.Module
        What it holds itself is not looked at.

    Examples
    --------
    >>> from helpers import MLP
    >>> Outside(MLP(4, 2)).changed() is None
    True
    """

    def __init__(self, network):
        self._before = []
        for holder, name in variables(network):
            value = _read(holder, name)
            if value is _MISSING or isinstance(value, _CODE) or _size(value) > _LARGE:
                continue
            try:
                state = digest(value), value, copy.deepcopy(value)
            except Exception:  # a logger or a lock: no result depends on them
                continue
            self._before.append((holder, name, *state))

    def changed(self):
        """Return the name of a variable that is another than at first, or None."""
        return next((name for _, name, *_ in self._changes()), None)

    def restore(self):
        """Put back what has changed."""
        for holder, name, value, copied in self._changes():
            _write(holder, name, _refilled(value, copied))

    def _changes(self):
        for holder, name, before, value, copied in self._before:
            now = _read(holder, name)
            if digest(now) != before:
                yield holder, name, value, copied


def variables(network):
    """Yield (holder, name) of each variable; its holder is a dict, a class or a cell."""
    functions, seen = [], set()
    homes = set()
    for module in network.modules():
        functions += (v for v in vars(module).values() if isinstance(v, types.FunctionType))
        for cls in type(module).__mro__:
            if cls in seen or _is_of_a_library(cls):
                continue
            seen.add(cls)
            homes.add(cls.__module__)
            for name, value in vars(cls).items():
                code = getattr(value, "__func__", getattr(value, "fget", value))
                if isinstance(code, types.FunctionType):
                    functions.append(code)
                elif not name.startswith("__"):
                    yield cls, name
    homes |= {function.__module__ for function in functions}
    while functions:
        function = functions.pop()
        if function in seen or function.__module__ not in homes:
            continue
        seen.add(function)
        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        named = [(cell, name) for name, cell in cells]
        named += [(function.__globals__, name) for name in _names_in(function.__code__)]
        for holder, name in named:
            value = _read(holder, name)
            if isinstance(value, types.FunctionType):
                functions.append(value)
            elif not isinstance(value, nn.Module):
                yield holder, name


def _is_of_a_library(cls):
    root = cls.__module__.partition(".")[0]
    return root in sys.stdlib_module_names - {"__main__"} or root in ("torch", "helpers")


def _names_in(code):
    """Return the names that code uses, those of functions within it included."""
    inner = (const for const in code.co_consts if isinstance(const, types.CodeType))
    return {*code.co_names, *(name for const in inner for name in _names_in(const))}


def _read(holder, name):
    if isinstance(holder, types.CellType):
        return holder.cell_contents if holder != types.CellType() else _MISSING
    return (holder if isinstance(holder, dict) else vars(holder)).get(name, _MISSING)


def _write(holder, name, value):
    if isinstance(holder, types.CellType):
        holder.cell_contents = value
    elif isinstance(holder, dict):
        holder[name] = value
    else:
        setattr(holder, name, value)


def _size(value):
    if isinstance(value, np.ndarray):
        return value.size
    return value.numel() if isinstance(value, torch.Tensor) else 0


@torch.no_grad()
def _refilled(value, copied):
    """Return a value with the content of its copy: the same object, where it can be changed."""
    if isinstance(value, list | bytearray):
        value[:] = copied
    elif isinstance(value, dict | set):
        value.clear()
        value.update(copied)
    elif isinstance(value, np.ndarray):
        value[...] = copied
    elif isinstance(value, torch.Tensor):
        value.copy_(copied)
    elif hasattr(value, "__dict__"):
        vars(value).clear()
        vars(value).update(vars(copied))
    else:
        return copied  # a number: it is another object, not a changed one
    return value
