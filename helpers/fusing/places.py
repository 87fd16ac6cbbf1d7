"""The variables that a network, and functions given with it, may read outside themselves."""

import dis
import os
import weakref
from collections import deque

import numpy as np
import torch
from torch import nn

from helpers.copies import all_within
from helpers.fusing.content import own_attributes
from helpers.fusing.digests import attributes_of, digest
from helpers.fusing.own_code import (
    codes_within,
    functions_of,
    given_functions,
    is_of_a_library,
    is_the_users,
    names_in,
)
from helpers.fusing.reached import DATA, MISSING, reached_from, read, size_of
from helpers.kept import CODE, LOGGERS, NO_CODE

# What is called when networks are made or copied, and not by a forward pass.
_NOT_IN_FORWARD = {"__init__", "__new__", "__init_subclass__", "__deepcopy__", "__repr__"}
# What torch calls; what has no name is in a list, or wrapped.
_BEGUN = {"forward", "train", "eval", "backward", "setup_context", "jvp", "vmap", ""}

# How code gives a name a value, and what has no names but may change.
_STORES = {"STORE_GLOBAL", "STORE_DEREF", "STORE_NAME", "STORE_ATTR"}
_STORES_BY_TEXT = {"setattr", "__dict__", "vars", "globals", "update", "__setattr__"}
# How numpy, Python and torch call what draws from their global generators.
_DRAWS = set(
    "rand randn randint randperm rand_like randn_like random random_ randrange getrandbits sample "
    "choice choices shuffle permutation gauss normal normal_ standard_normal uniform uniform_ "
    "bernoulli binomial multinomial poisson exponential_ dropout".split()
)
_CHANGED = (list, dict, set, deque, bytearray, torch.Tensor, np.ndarray, nn.Module)


def values_of(places, network):
    """Return the value of each variable, as a set of digests.

    A collection has one for each of its elements. What grows, as a cache or a log, has still those
    that it had. In a table of networks by their `id` only those of this one count.
    """
    own = set(map(id, network.modules()))
    return [parts_of(read(holder, name), own) for holder, name in places]


def parts_of(value, own, met=()):
    if size_of(value) > DATA:
        counts = isinstance(value, torch.Tensor) and not value.is_inference()
        return {id(value), value._version if counts else None}
    parts = set()
    elements = elements_of(value, own)
    for name, element in [("", value)] if elements is None else elements:
        try:
            parts.add(digest((name, element)))
        except Exception:  # a lock, say; what stands beside it may have an effect
            if any(element is one for one in met):
                continue
            held = elements_of([*element] if isinstance(element, tuple) else element, own)
            held = dict(vars_of(element) if held is None else held)
            parts |= {(name, part) for part in parts_of(held, own, (*met, element))}
    return parts


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
    return [] if is_of_a_library(type(value).__module__) else attributes_of(value).items()


def places_read(network, functions=()):
    """Return what a forward pass of a network, and functions beside it, may read outside.

    Returns
    -------
    places : list of (holder, str)
        The variables, with their names.
    cache : str or None
        The name of a function that keeps its results, if one may be called.
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
        if name in _BEGUN or name.startswith("__") and name not in _NOT_IN_FORWARD:
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


def code_of(callbacks):
    """Return what callbacks of the user's come to, as `Reached`, and the code that they run."""
    attributes = [value for one in callbacks for _, value in vars_of(one)]
    reached = reached_from([*callbacks, *attributes])
    return reached, [one.__code__ for name, one in reached.functions if name not in _NOT_IN_FORWARD]


def get_rows(callbacks):
    """Tell whether callbacks of the user's are given the rows of a fit, as they name them."""
    names = set()
    for code in code_of(callbacks)[1]:
        names.update(code.co_varnames[code.co_argcount :][: code.co_kwonlyargcount])
    return bool(names & {"X", "y", "metadata"})


def why_within_reach(job):
    """Return how a callback of the user's may come to what a job has but in a stack, or None.

    That is the network itself: what scikit-learn gives it is a copy, and a recipe keeps none. In a
    stack it would change what nobody looks at. And the global generators, which each epoch seeds.
    """
    _, codes = code_of(job.callbacks)
    if not codes:
        return None
    if any(_DRAWS & {*code.co_names} for code in codes_within(codes)):
        return "a callback may draw random numbers, whose generators each epoch of a fit seeds"
    references = [ref for part in job.network.modules() for ref in weakref.getweakrefs(part)]
    if not all(map(_is_of_torch, references)):
        return "a callback may come to it by a weak reference, and change it between epochs"
    if job.history and names_in(*codes) & {"module_", "vars", "__dict__"}:
        return "a callback may change `module_`, with which partial_fit goes on"
    return None


def _is_of_torch(reference):
    """Tell whether a weak reference is torch's, which has one to each module once it compiled."""
    return str(getattr(reference.__callback__, "__module__", "")).startswith("torch.")


def set_by_callbacks(job, places):
    """Return the name of what callbacks of the user's may set between epochs, or None.

    In a stack all callbacks are called before the epoch of any network. They may set a variable, or
    an attribute, by its name, or share an object.

    Parameters
    ----------
    job : Job
    places : list of (holder, str)
        What it may read outside.
    """
    reached, codes = code_of(job.callbacks)
    if not codes:
        return None
    own = given_functions(job)
    names = names_in(*codes)
    for name, function in own.items():
        if name in names and is_the_users(function):  # the estimator's, which it may change
            return name
    shared = all_within([job.callbacks, [read(*place) for place in reached.variables]])
    held = list(own.items())
    for one in (*own.values(), *job.network.modules()):
        is_module = isinstance(one, nn.Module)
        held += (own_attributes(one) if is_module else attributes_of(one)).items()
    places = sorted(places, key=lambda place: place[1])  # of several, name the same each time
    outside = [(name, read(holder, name)) for holder, name in places]
    assigned = assigned_by(codes, outside + held)
    for name, value in outside + held:
        if isinstance(value, LOGGERS):  # no result depends on it
            continue
        if name in assigned:
            return name
        if any(can_change(one) for key, one in all_within(value).items() if key in shared):
            return name
    return None


def can_change(value):
    return isinstance(value, _CHANGED) or not is_of_a_library(type(value).__module__)


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
