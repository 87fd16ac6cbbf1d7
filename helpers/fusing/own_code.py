"""Code of the user's: which it is, and what it names."""

import types
from functools import partial

from helpers.libraries import is_of_a_library


def has_own_code(network):
    """Tell whether a network has a module, or a function in one, that is not torch's nor ours."""
    kinds = set(map(type, network.modules()))
    bases = {cls for kind in kinds for cls in kind.__mro__}
    return (
        any(kind.__module__.partition(".")[0] not in ("torch", "helpers") for kind in kinds)
        or any(map(is_patched, bases))
        or bool(held_functions(network))
    )


def is_patched(cls):
    """Tell whether a class of another's, such as a layer of torch, has a method of the user's."""
    methods = (value for value in vars(cls).values() if isinstance(value, types.FunctionType))
    return any(one.__module__ != cls.__module__ and is_the_users(one) for one in methods)


def held_functions(network):
    """Return what modules hold of the user's that can be called, such as an `activation`."""
    held = (value for module in network.modules() for value in vars(module).values())
    return [value for value in held if callable(value) and is_the_users(value)]


def is_the_users(function):
    """Tell whether what can be called is neither torch's nor of another library."""
    if isinstance(function, partial):
        parts = function.func, *function.args, *function.keywords.values()
        return any(callable(part) and is_the_users(part) for part in parts)
    home = getattr(function, "__module__", None) or type(function).__module__
    return not isinstance(function, type) and not is_of_a_library(home)


def codes_within(codes):
    """Yield pieces of code, and those of functions and comprehensions within them."""
    for code in codes:
        yield code
        yield from codes_within(c for c in code.co_consts if isinstance(c, types.CodeType))


def names_in(*codes):
    """Return the names that code uses, as text too."""
    names = set()
    for code in codes_within(codes):
        texts = (c for c in code.co_consts if isinstance(c, str) and c.isidentifier())
        names.update(code.co_names, code.co_freevars, texts)
    return names


def given_functions(job):
    """Return the loss and the augmentation of a job that are functions of the user's, by name."""
    both = {"loss": job.loss, "augment": job.augment}
    return {name: own.function for name, own in both.items() if hasattr(own, "function")}


def functions_of(job):
    """Return the functions of the user's that training calls: held by layers, loss, augment."""
    return held_functions(job.network) + list(filter(is_the_users, given_functions(job).values()))
