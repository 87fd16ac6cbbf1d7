"""The variables that a network, and functions given with it, may read outside themselves."""

import dis
import os

import torch

from helpers.digests import attributes_of, digest
from helpers.fusing.own_code import codes_within, functions_of, names_in
from helpers.fusing.reached import DATA, MISSING, reached_from, read, size_of
from helpers.kinds import CODE, LOGGERS, NO_CODE
from helpers.libraries import is_of_own_class

# What is called when networks are made or copied, and not by a forward pass.
NOT_IN_FORWARD = {"__init__", "__new__", "__init_subclass__", "__deepcopy__", "__repr__"}
# What torch calls; what has no name is in a list, or wrapped.
_BEGUN = {"forward", "train", "eval", "backward", "setup_context", "jvp", "vmap", ""}
# How code gives a name a value, and what has no names but may change.
_STORES = {"STORE_GLOBAL", "STORE_DEREF", "STORE_NAME", "STORE_ATTR"}
_STORES_BY_TEXT = {"setattr", "__dict__", "vars", "globals", "update", "__setattr__"}


def values_of(places, network):
    """Return the value of each variable, as a set of digests.

    A collection has one for each of its elements. What grows, as a cache or a log, has still those
    that it had. In a table of networks by their `id` only those of this one count.
    """
    own = set(map(id, network.modules()))
    return [digests_of(read(holder, name), own) for holder, name in places]


def digests_of(value, own, met=()):
    """Return the digests of a value, or of its elements; `met` are those around it."""
    if size_of(value) > DATA:
        counts = isinstance(value, torch.Tensor) and not value.is_inference()
        return {id(value), value._version if counts else None}
    digests, elements = set(), elements_of(value, own)
    for name, element in [("", value)] if elements is None else elements:
        try:
            digests.add(digest((name, element)))
        except Exception:  # a lock, say; what stands beside it may have an effect
            if any(element is one for one in met):
                continue
            held = elements_of([*element] if isinstance(element, tuple) else element, own)
            held = dict(vars_of(element) if held is None else held)
            digests |= {(name, one) for one in digests_of(held, own, (*met, element))}
    return digests


def elements_of(value, own):
    """Return (name, element) of each element of a collection, or None if it is none."""
    if isinstance(value, dict):
        by_id = any(key in own for key in value)
        return [(k, v) for k, v in value.items() if not by_id or k in own or type(k) is not int]
    if isinstance(value, set):
        return [("", element) for element in value]
    return list(enumerate(value)) if isinstance(value, list) else None


def vars_of(value):
    """Return (name, attribute) of each attribute of an object of the user's."""
    return attributes_of(value).items() if is_of_own_class(value) else []


def places_read(network, functions=()):
    """Return what a forward pass of a network, and functions beside it, may read outside.

    That is a list of variables, (holder, name), and the name of a function that keeps its results,
    if one may be called, or None.
    """
    reached = reached_from([*network.modules(), *functions])
    names = names_in_forward(reached.functions)
    places = [place for place in reached.variables if place[1] in names]
    places += [(vars(os), "environ")] if names & {"environ", "getenv"} else []
    caches = [
        getattr(called, "__name__", name or "a function")
        for name, called in reached.caches
        if name in names or not name.isidentifier()
    ]
    return places, caches[0] if caches else None


def names_in_forward(functions):
    """Return the names in the code of the user's that a forward or backward pass may come to.

    `functions` are (name, function), the name being that by which it is called.
    """
    by_name, waiting, names, seen = {}, [], set(), set()
    for name, function in functions:
        by_name.setdefault(name, []).append(function)
        if name in _BEGUN or name.startswith("__") and name not in NOT_IN_FORWARD:
            waiting.append(function)
    while waiting:
        function = waiting.pop()
        if function in seen:
            continue
        seen.add(function)
        for name in names_in(function.__code__):
            names.add(name)
            waiting += by_name.get(name, ())
    return names


def may_meet_outside(job):
    """Tell whether a network, or its loss, may change what is outside of it while it is called.

    For example, `forward` may append to a global list and remove the entry in the end. Of two
    threads that call it at once, each would see the entries of the other.
    """
    functions = functions_of(job)
    called = reached_from([*job.network.modules(), *functions]).functions
    places, _ = places_read(job.network, functions)
    named = [(name, read(holder, name)) for holder, name in places]
    codes = [function.__code__ for _, function in called]
    return bool(assigned_by(codes, named)) or not all(is_fixed(value) for _, value in named)


def is_fixed(value):
    """Tell whether no code can change a value; under vmap none writes to a tensor outside."""
    if isinstance(value, tuple | frozenset):
        return all(map(is_fixed, value))
    return value is MISSING or isinstance(
        value, (*NO_CODE, *CODE, *LOGGERS, torch.dtype, torch.device)
    )


def assigned_by(codes, named):
    """Return those names, of (name, value), that code may give another value.

    It may do so by a text, as in setattr. A name that is MISSING counts only as a new global.
    """
    stored, created = set(), set()
    for code in codes_within(codes):
        for one in dis.get_instructions(code):
            if one.opname in _STORES:
                stored.add(one.argval)
            if one.opname == "STORE_GLOBAL":
                created.add(one.argval)
        if _STORES_BY_TEXT & {*code.co_names}:
            stored.update(const for const in code.co_consts if isinstance(const, str))
    return {name for name, value in named if name in (created if value is MISSING else stored)}
