"""Settings that networks read outside themselves, as the code that built them had left them.

Under `fused` all networks are built before one is trained. A setting that each of them keeps in a
global variable, or in one of its class, is by then that of the last one built.
"""

import contextvars
import os
import threading
import types

from helpers.fusing.comparison import has_own_code
from helpers.fusing.digests import digest
from helpers.fusing.outside import (
    CODE,
    LARGE,
    is_of_a_library,
    names_in,
    read,
    size_of,
    variables,
)
from helpers.fusing.trial import depends_on_more

# What is called when networks are made or copied, and not by a forward pass.
_NOT_IN_FORWARD = {"__init__", "__new__", "__init_subclass__", "__deepcopy__", "__repr__"}


class Settings:
    """The variables that forward passes may read, noted for each job."""

    def __init__(self):
        self._places = {}  # the classes of a network's modules -> its variables
        self._noted = {}  # the `id` of a job -> its variables, and their values

    def note(self, job):
        """Note the values for a job; return why it must be trained in this thread, or None."""
        if not has_own_code(job.network):
            return None
        classes = frozenset(map(type, job.network.modules()))
        if classes not in self._places:
            self._places[classes] = places_read(job.network)
        places = self._places[classes]
        for holder, name in places:
            if isinstance(read(holder, name), contextvars.ContextVar | threading.local):
                return f"it reads `{name}`, which is another in each thread"
        self._noted[id(job)] = places, values_of(places)
        return None

    def error_of(self, job):
        """Return an error if a variable is another than when the job was noted, or None.

        None as well where the network itself changes what it reads: it will be trained alone.
        """
        places, values = self._noted.pop(id(job), ((), ()))
        pairs = zip(places, values, values_of(places), strict=True)
        name = next((place[1] for place, before, now in pairs if before - now), None)
        if name is None or depends_on_more(job):
            return None
        return ValueError(
            f"{type(job.network).__name__} reads `{name}`, a variable outside of it, which another "
            f"fit has changed since it was built: fused builds all networks first and trains them "
            f"later. Keep such a setting in the network, as in self.{name} = ..., or fit without "
            f"fused."
        )

    def forget(self):
        """Forget all, so that nothing is kept alive."""
        self._places.clear()
        self._noted.clear()


def values_of(places):
    """Return the value of each variable, as a set of digests.

    A collection has one for each of its elements. What grows, as a cache or a log, has still those
    that it had.
    """
    return [parts_of(read(holder, name)) for holder, name in places]


def parts_of(value):
    if size_of(value) > LARGE:
        return {id(value)}
    elements = [value]
    if isinstance(value, dict):
        elements = value.items()
    elif isinstance(value, list | set):
        elements = enumerate(value) if isinstance(value, list) else value
    try:
        return set(map(digest, elements))
    except Exception:  # a logger or a lock: no result depends on it
        return set()


def places_read(network):
    """Return (holder, name) of each variable that a forward pass of a network may read."""
    names = names_in_forward(network)
    found = [
        (holder, name)
        for holder, name in variables(network)
        if name in names and not isinstance(read(holder, name), CODE)
    ]
    return [*found, (vars(os), "environ")] if "environ" in names else found


def names_in_forward(network):
    """Return the names in the code of the user's that a forward pass may come to."""
    methods = {}
    for cls in {cls for module in network.modules() for cls in type(module).__mro__}:
        if not is_of_a_library(cls):
            for name, value in vars(cls).items():
                code = getattr(value, "__func__", getattr(value, "fget", value))
                if isinstance(code, types.FunctionType):
                    methods.setdefault(name, []).append(code)
    dunders = {name for name in methods if name.startswith("__")} - _NOT_IN_FORWARD
    begun = methods.keys() & (dunders | {"forward", "train", "eval"})
    functions = [code for name in begun for code in methods[name]]
    names, seen = set(), set()
    while functions:
        function = functions.pop()
        if function in seen:
            continue
        seen.add(function)
        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        known = function.__globals__ | {name: read(cell, name) for name, cell in cells}
        for name in names_in(function.__code__):
            names.add(name)
            functions += methods.get(name, ())
            if isinstance(known.get(name), types.FunctionType):
                functions.append(known[name])
    return names
