"""Digests of what objects hold, whatever they print or pickle."""

import copyreg
import hashlib
import pickle
import sys
import types
import zlib

import numpy as np
import torch
from torch import nn

from helpers.kinds import LOGGERS, PLAIN
from helpers.libraries import is_of_a_library


def digest(value, names=(), memory=()):
    """Return a digest of what a value holds; raise what pickling it raises.

    Parameters are those of `ContentPickler`.
    """
    numbers = hashlib.blake2b(digest_size=16)
    pickler = ContentPickler(types.SimpleNamespace(write=numbers.update), names, memory)
    pickler.dump(value)
    while pickler.hidden:
        pickler.dump_hidden(pickler.hidden.pop(0))
    return numbers.digest()


class ContentPickler(pickle.Pickler):
    """Writes what objects hold, to be compared and never to be read.

    Parameters
    ----------
    file : object with a `write` method
    names : dict of int to str
        Objects, by their `id`, that are written as a name.
    memory : set of int
        Where the numbers of weights begin. What else uses them is refused: it would go on using
        those of the first network.
    """

    def __init__(self, file, names=(), memory=()):
        super().__init__(file, protocol=5)
        self.names, self.memory = dict(names), memory
        self.hidden = []  # attributes that an object keeps out of its pickles
        self._met = []  # functions and classes, which may enclose themselves

    def persistent_id(self, obj):
        if type(obj) is str:  # else it would tell which texts are one object
            return obj.encode(errors="surrogatepass")
        if type(obj) in (set, frozenset):  # whose order may be another in a copy
            if all(type(one) in PLAIN for one in obj):
                return type(obj).__name__, sorted(map(repr, obj))
            of_each = (digest(one, self.names, self.memory) for one in obj)
            return type(obj).__name__, sorted(of_each)
        return self.names.get(id(obj))

    def reducer_override(self, obj):
        kind = type(obj)
        if isinstance(obj, torch.Tensor | np.ndarray) and memory_of(obj) in self.memory:
            raise ValueError("it shares the memory of a weight")
        if isinstance(obj, torch.Tensor):
            of_type = kind, obj.dtype, obj.shape, obj.requires_grad
            return _written(*of_type, numbers_of(obj), vars(obj))
        if kind is np.ndarray:
            numbers = obj.tolist() if obj.dtype.hasobject else obj.tobytes()
            return _written(kind, obj.dtype.descr, obj.shape, numbers)
        if kind is torch.Generator:
            return _written(kind, str(obj.device), numbers_of(obj.get_state()))
        if isinstance(obj, type | types.FunctionType):
            if is_found_by_name(obj):
                return NotImplemented
            is_class = isinstance(obj, type)  # its own type may be another, as that of an ABC
            return self._written_once(obj, _class_content if is_class else _code_content)
        if isinstance(obj, LOGGERS):  # what it holds is the whole process's
            return _written(kind, str(getattr(obj, "name", None)))
        if kind is types.ModuleType:
            return _written("module", obj.__name__)
        if isinstance(obj, nn.Module):  # none of the network's own, which have names
            return _written(kind, vars(obj))
        if kind is types.CodeType:
            return _written(obj.co_code, obj.co_names, obj.co_varnames, obj.co_consts)
        if kind is types.CellType:
            return _written("cell", *([obj.cell_contents] if obj != types.CellType() else []))
        if isinstance(obj, property | staticmethod | classmethod):
            functions = ("fget", "fset", "fdel", "__func__")
            return _written(kind, [getattr(obj, name, None) for name in functions])
        if chooses_what_is_pickled(kind) and not is_of_a_library(kind.__module__):
            self.hidden.append(attributes_of(obj))  # a library's are caches and locks
        return NotImplemented

    def _written_once(self, obj, content):
        for number, met in enumerate(self._met):
            if met is obj:
                return _written("met", number)
        self._met.append(obj)
        return _written(*content(obj))

    def dump_hidden(self, attributes):
        """Write what can be written of attributes that their object does not pickle itself."""
        for name, value in attributes.items():
            try:
                self.dump((name, value))
            except Exception:  # often the reason why it is kept out
                continue


def _written(*parts):
    return tuple, (parts,)


def memory_of(array):
    """Return where the numbers of a tensor, or an array made of one, begin; None if unknown."""
    while isinstance(array, np.ndarray):
        array = array.base
    is_strided = isinstance(array, torch.Tensor) and array.layout is torch.strided
    return array.untyped_storage().data_ptr() if is_strided and array.numel() else None


def numbers_of(tensor):
    """Return the numbers of a tensor as bytes."""
    tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
    return tensor.reshape(-1).contiguous().view(torch.uint8).numpy().tobytes()


def checksum(tensor):
    """Return a number that is nearly always another where a tensor holds other numbers."""
    return zlib.crc32(tensor.detach().cpu().contiguous().numpy())


def is_found_by_name(obj):
    """Whether a class or function is the one that its module has under its name."""
    found = sys.modules.get(obj.__module__)
    for name in obj.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is obj


def _code_content(function):
    return (
        *(function.__module__, function.__qualname__, function.__code__, function.__defaults__),
        *(function.__kwdefaults__, function.__closure__, vars(function)),
    )


def _class_content(cls):
    of_python = types.GetSetDescriptorType | types.MemberDescriptorType
    own = {
        name: value
        for name, value in vars(cls).items()
        if not isinstance(value, of_python) and name not in ("__slotnames__", "_abc_impl")
    }
    return cls.__module__, cls.__qualname__, cls.__bases__, own


def attributes_of(obj):
    """Return the attributes of an object by name, those in `__slots__` as well."""
    state = object.__getstate__(obj)
    of_slots = state[1] if isinstance(state, tuple) else {}
    return dict(getattr(obj, "__dict__", ())) | of_slots


def chooses_what_is_pickled(kind):
    """Whether a class says itself what of an object is pickled, or another says it."""
    methods = ("__getstate__", "__reduce__", "__reduce_ex__")
    is_own = any(getattr(kind, name, None) is not getattr(object, name, None) for name in methods)
    return is_own or kind in copyreg.dispatch_table
