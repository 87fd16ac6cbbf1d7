"""Which classes compare in a way of their own: objects of theirs may seem right to a test.

Like `pristine`, run in the kernel. Known is how each class compared before any student's line.
"""

import os
import sys
import types
import unittest.mock
from functools import partial

# Whoever defines one of these may call itself equal to the right answer.
COMPARE = ["eq", "ne", "lt", "le", "gt", "ge", "sub", "rsub", "abs", "bool", "contains", "array"]
COMPARE += ["array_ufunc", "array_function", "torch_function", "instancecheck", "class"]
COMPARE = [f"__{name}__" for name in COMPARE]
PRETENDERS = ["unittest.mock", "pytest", "test.support"]  # they have objects that equal all others
FUNCTION, MODULE, CLASS = types.FunctionType, types.ModuleType, type
MADE_IN_C = {type(int.__eq__), type(str.join), type(dict.__dict__["fromkeys"])}
MADE_IN_PYTHON = 1 << 9  # the flag of a class whose attributes can be set
CONTENT = type.__dict__["__dict__"].__get__  # of a class, whatever its metaclass says
FLAGS = type.__dict__["__flags__"].__get__
NAME = type.__dict__["__qualname__"].__get__


class Comparisons:
    """How the objects of all classes compare."""

    names = COMPARE

    def __init__(self):
        home = os.path.expanduser("~")
        places = [place for place in sys.path if place and not place.startswith(home)]
        self.libraries = (sys.prefix, sys.base_prefix, *places)
        for name in ("__eq__", "__ne__"):  # ANY equals all others, and nobody's answer needs it
            if name in vars(unittest.mock._ANY):
                delattr(unittest.mock._ANY, name)
        self.imported = [name for name in PRETENDERS if name in sys.modules]
        self.known = {id(each): (each, *compared(each)) for each in all_classes()}

    def odd(self):
        """Return the names of classes that compare, since then, in a way that no library made."""
        found = {f"class of {n}" for n in PRETENDERS if n in sys.modules and n not in self.imported}
        for each in all_classes():
            _, length, kept = self.known.get(id(each), (None, None, ()))
            own = CONTENT(each)
            if len(own) == length and all(own.get(name) is value for name, value in kept):
                continue
            (length, now), kept = compared(each), dict(kept)
            new = [value for name, value in now if kept.get(name) is not value]
            if all(self.of_a_library(each, value) for value in new):
                self.known[id(each)] = each, length, now
            else:
                found.add(f"class {NAME(each)}")
        return found

    def of_a_library(self, owner, value):
        """Return whether a library, or a decorator, has given a class its way to compare."""
        name = CONTENT(owner).get("__module__")
        made_in_c = type(value) in MADE_IN_C
        if made_by_a_decorator(owner, value) or not FLAGS(owner) & MADE_IN_PYTHON:
            return True
        if made_in_c and value.__objclass__ is owner:
            return True
        if name == "__main__":
            return False
        value = value.__func__ if type(value) in (classmethod, staticmethod) else value
        value = value.func if type(value) is partial else value
        if type(value) is FUNCTION:
            return self.is_librarys(value.__globals__)
        if not self.is_librarys(module_of(str(name).partition(".")[0])):
            return False
        if made_in_c and value.__objclass__.__module__ != "builtins":
            return True
        if type(value).__name__ == "instancemethod" and not type(value).__flags__ & MADE_IN_PYTHON:
            return True
        first, *parts = NAME(owner).split(".")
        place = module_of(name).get(first)
        for part in parts:
            place = CONTENT(place).get(part) if isinstance(place, type) else None
        return place is owner and id(owner) not in self.known

    def is_librarys(self, space):
        """Return whether names are those of a module that lies among Python's and its packages."""
        name, file = space.get("__name__"), str(space.get("__file__"))
        ours = name and module_of(name) is space
        return bool(ours) and (file.startswith(self.libraries) or name in sys.builtin_module_names)


def module_of(name):
    """Return the names of a module; none where there is no such module."""
    module = sys.modules.get(name) if type(name) is str else None
    return vars(module) if isinstance(module, MODULE) else {}


def compared(owner):
    """Return how much a class holds, and what of that decides how its objects compare."""
    own = CONTENT(owner)
    return len(own), tuple((name, own[name]) for name in COMPARE if name in own)


def all_classes():
    """Return all classes; an id stands for each, since a metaclass may forbid to compare them."""
    found, waiting = {id(object): object}, [object]
    while waiting:
        for each in CLASS.__subclasses__(waiting.pop()):
            if id(each) not in found:
                found[id(each)] = each
                waiting.append(each)
    return list(found.values())


def made_by_a_decorator(owner, value):
    """Return whether a function compares the fields of a data class: Python's, or of attrs."""
    code = value.__code__ if type(value) is FUNCTION else None
    if (
        code is None
        or code.co_varnames[:2] != ("self", "other")
        or "__class__" not in code.co_names
    ):
        return False
    pythons = "__dataclass_fields__" in CONTENT(owner) and code.co_filename == "<string>"
    return pythons or code.co_filename.startswith("<attrs generated")
