"""What clones share in memory: what their classes keep, and what functions find around them."""

import dis
import inspect
from collections import deque
from types import CellType, ModuleType, SimpleNamespace

import numpy as np
import torch

from helpers.fusing.outside import Variables
from helpers.fusing.reached import MISSING
from helpers.libraries import is_of_a_library

WRAPPERS = staticmethod, classmethod
LASTING = (type, ModuleType, property, *WRAPPERS)
MOST_BYTES = 2**28  # of a file or an array that is copied to put it back
ARRAYS = np.ndarray, torch.Tensor
COLLECTIONS = list, tuple, set, dict, deque, bytearray


class Memory:
    """Attributes of classes, globals, defaults and closures, as they are when this is made.

    Only of code that was written for the project: that of installed packages is left alone.
    """

    def __init__(self, estimator):
        self.variables, self.caches, self.names, seen = Variables(), [], [], set()
        self.held = set()  # names of what something was in already, as from earlier fits
        waiting = [estimator, *estimator.get_params().values()]
        waiting += [type(value) for value in waiting]
        while waiting:
            value = waiting.pop()
            if id(value) in seen:
                continue
            seen.add(id(value))
            if hasattr(value, "cache_clear") and hasattr(value, "cache_info"):
                self.caches.append(value)
            value = inspect.unwrap(value) if callable(value) else value
            value = getattr(value, "__func__", value)  # of a method
            if not is_own(value):
                continue
            if isinstance(value, type) or inspect.isfunction(value):
                self._note(value, vars(value), f"{value.__qualname__}.")
                self.names.append((value, set(vars(value))))
            if isinstance(value, type):
                waiting += [*value.__mro__, *vars(value).values()]
            elif inspect.isfunction(value):
                named = {name: value.__globals__.get(name, MISSING) for name in global_names(value)}
                self._note(value.__globals__, named)
                self._note(None, defaults_of(value), f"{value.__qualname__}: ")
                for name, cell in cells_of(value).items():
                    self._note(cell, {name: cell.cell_contents}, f"{value.__qualname__}: ")
                waiting += [*named.values(), *values_around(value)]

    def _note(self, owner, namespace, prefix=""):
        for name, value in dict(namespace).items():  # to pickle an object marks its class
            is_lasting = isinstance(value, LASTING) or callable(value) and not _is_filled(value)
            if not name.startswith("__") and not is_lasting:
                within = _is_filled(value) and not _is_large(value)  # no table that all read
                self.held |= {prefix + name} if _holds_something(value) else set()
                self.variables.keep(owner, name, prefix + name, value, within)

    def put_back(self):
        """Put everything back; return the names of what had changed."""
        changed = {one.label for one in self.variables.changes()}
        self.variables.restore()
        for cache in self.caches:
            name = getattr(cache, "__qualname__", "a cache")  # that of a `partial` has no name
            changed |= {name} if cache.cache_info().currsize else set()
            cache.cache_clear()
        for owner, names in self.names:
            for name in vars(owner).keys() - names:
                if not name.startswith("__"):
                    delattr(owner, name)
                    changed.add(f"{owner.__qualname__}.{name}")
        return sorted(changed)


def is_own(value):
    """Say whether a class or function was written for the project, and is not installed."""
    home = getattr(value, "__module__", None)
    return isinstance(home, str) and not is_of_a_library(home)


def own_functions(kind):
    """Return the functions of a class and of those that it is derived from, if they are own."""
    parts = [part for base in kind.__mro__ if is_own(base) for part in vars(base).values()]
    parts = [part.__func__ if isinstance(part, WRAPPERS) else part for part in parts]
    return [part for part in parts if inspect.isfunction(part)]


def global_names(function):
    """Return the names of globals that a function reads or sets."""
    return {step.argval for step in dis.get_instructions(function) if "GLOBAL" in step.opname}


def defaults_of(function):
    """Return the defaults of a function's arguments, by name."""
    arguments = inspect.signature(function, follow_wrapped=False).parameters.values()
    return {a.name: a.default for a in arguments if a.default is not a.empty}


def cells_of(function):
    """Return the cells of a function's closure that are filled, by name."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    return {name: cell for name, cell in cells if cell != CellType()}


def values_around(function):
    """Return the values of a function's defaults and of its closure."""
    kept = [cell.cell_contents for cell in cells_of(function).values()]
    return [*defaults_of(function).values(), *kept]


def values_used_by(function):
    """Return the values that a function uses from around it: globals, defaults, its closure."""
    names = sorted(global_names(function) & set(function.__globals__))
    return [function.__globals__[name] for name in names] + values_around(function)


def _is_filled(value):
    """Say whether a value can be filled and put back: a container, or an object of own code."""
    is_network = hasattr(value, "state_dict")  # these are put back by their weights
    is_open = isinstance(value, SimpleNamespace) or hasattr(value, "get_params")
    is_object = hasattr(value, "__dict__") and (is_open or is_own(type(value)))
    return isinstance(value, (*COLLECTIONS, *ARRAYS)) or (
        is_object and not isinstance(value, type) and not is_network
    )


def _is_large(value):
    try:
        return bool(value.nbytes > MOST_BYTES)
    except Exception:  # without a size, as a sparse tensor, or with something else of that name
        return False


def _holds_something(value):
    """Say whether a collection has elements, or a number is not 0; of an object, its attributes."""
    if isinstance(value, COLLECTIONS):
        return len(value) > 0
    if isinstance(value, ARRAYS):
        return 0 not in value.shape
    if _is_filled(value):
        return any(map(_holds_something, vars(value).values()))
    return isinstance(value, int | float | np.generic) and bool(value)
