"""Networks compared by what they hold, not by how they print."""

import hashlib
import inspect
import pickle
import sys
import textwrap
import types

import numpy as np
import torch
from torch import nn
from torch.nn.utils.parametrize import type_before_parametrizations

# What every module has; the rest of its attributes are its own.
_OF_ALL_MODULES = set(vars(nn.Module()))
# Where a recurrent layer finds its parameters again: torch renews them in each forward pass.
_OF_RECURRENT_LAYERS = {"_flat_weights", "_flat_weight_refs"}
# Values that are told apart by type and text.
_PLAIN = (bool, int, float, complex, str, bytes, type(None))


class Incomparable(Exception):
    """An attribute cannot be compared; `name` is its name."""

    def __init__(self, name, error):
        super().__init__(
            f"its attribute `{name}` cannot be compared with that of another network "
            f"({type(error).__name__}: {first_line(error)})"
        )
        self.name = name


def contents(network):
    """Return what a network holds beside its weights and buffers: a digest for each attribute.

    Tensors and arrays count by their numbers, functions and classes made on the spot by their code
    and what it encloses. A layer or a weight of the network itself counts by its name.

    Returns
    -------
    dict of str to hashable
        By the name of the attribute, such as ``layers.1.p``.

    Raises
    ------
    Incomparable
        If an attribute cannot be pickled, as a lock or a generator.

    Examples
    --------
    >>> from helpers import MLP
    >>> contents(MLP(4, 2)) == contents(MLP(4, 2))
    True
    """
    found, names = {}, None
    for owner, module in network.named_modules():
        for attribute, value in own_attributes(module).items():
            name = f"{owner}.{attribute}".lstrip(".")
            if type(value) in _PLAIN:
                found[name] = type(value), repr(value)
                continue
            names = names or names_within(network)
            try:
                found[name] = digest(value, names)
            except Exception as error:
                raise Incomparable(name, error) from error
    return found


def own_attributes(module):
    """Return the attributes of a module that not every module has, as a dict."""
    theirs = _OF_ALL_MODULES
    if isinstance(module, nn.RNNBase):
        theirs = theirs | _OF_RECURRENT_LAYERS
    own = {name: value for name, value in vars(module).items() if name not in theirs}
    for base in type(module).__mro__:
        slots = vars(base).get("__slots__", ())
        for name in [slots] if isinstance(slots, str) else slots:
            if hasattr(module, name):
                own[name] = getattr(module, name)
    return own


def structure(network):
    """Return the modules, parameters and buffers of a network: names, classes and shapes.

    What stands in two places has the name of the first in both.
    """
    names = names_within(network)
    classes = (
        (name, names[id(module)], class_of(name, module, names))
        for name, module in network.named_modules(remove_duplicate=False)
    )
    tensors = (
        (name, names[id(t)], type(t), t.shape, t.dtype, t.requires_grad)
        for named in (network.named_parameters, network.named_buffers)
        for name, t in named(remove_duplicate=False)
    )
    return *classes, *tensors


def class_of(name, module, names):
    """Return the class of a module, or a digest of what it holds if it was made on the spot."""
    cls = type_before_parametrizations(module)  # whose names are in the structure
    if is_found_by_name(cls):
        return cls
    try:
        return digest(cls, names)
    except Exception as error:
        raise Incomparable(f"{name}.__class__".lstrip("."), error) from error


def names_within(network):
    """Return the names of a network's modules, parameters and buffers by their `id`."""
    parts = *network.named_modules(), *network.named_parameters(), *network.named_buffers()
    return {id(part): name for name, part in parts}


def digest(value, names=()):
    """Return a digest of what a value holds; raise what pickling it raises."""
    numbers = _Digest()
    pickler = ContentPickler(numbers, names)
    pickler.dump(value)
    while pickler.hidden:
        pickler.dump_hidden(pickler.hidden.pop(0))
    return numbers.hash.digest()


def first_line(error):
    """Return the beginning of an error's text, or its type where it has none."""
    line = next(iter(str(error).splitlines()), "").rstrip(".") or type(error).__name__
    return textwrap.shorten(line, 160, placeholder=" ...")


class _Digest:
    """A file that keeps of what is written to it a digest alone."""

    def __init__(self):
        self.hash = hashlib.blake2b(digest_size=16)

    def write(self, data):
        self.hash.update(data)


class ContentPickler(pickle.Pickler):
    """Writes what objects hold, to be compared and never to be read.

    Parameters
    ----------
    file : object with a `write` method
    names : dict of int to str
        Objects, by their `id`, that are written as a name.
    """

    def __init__(self, file, names=()):
        super().__init__(file, protocol=5)
        self.names = dict(names)
        self.hidden = []  # attributes that an object keeps out of its pickles
        self._met = []  # functions and classes, which may enclose themselves

    def persistent_id(self, obj):
        if type(obj) in (set, frozenset):  # whose order may be another in a copy
            return type(obj).__name__, sorted(digest(one, self.names) for one in obj)
        return self.names.get(id(obj))

    def reducer_override(self, obj):
        kind = type(obj)
        if isinstance(obj, torch.Tensor):
            return _written(kind, obj.dtype, obj.shape, obj.requires_grad, numbers_of(obj))
        if kind is np.ndarray:
            numbers = obj.tolist() if obj.dtype.hasobject else obj.tobytes()
            return _written(kind, obj.dtype.descr, obj.shape, numbers)
        if kind is torch.Generator:
            return _written(kind, str(obj.device), numbers_of(obj.get_state()))
        if isinstance(obj, type | types.FunctionType):
            if is_found_by_name(obj):
                return NotImplemented
            return self._written_once(obj, _class_content if kind is type else _code_content)
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
        if "__dict__" in dir(obj) and _chooses_what_is_pickled(kind):
            self.hidden.append(vars(obj))
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


def numbers_of(tensor):
    """Return the numbers of a tensor as bytes."""
    tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
    return tensor.reshape(-1).contiguous().view(torch.uint8).numpy().tobytes()


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


def _chooses_what_is_pickled(kind):
    """Whether a class of the user's says itself what of it is pickled."""
    methods = ("__getstate__", "__reduce__", "__reduce_ex__")
    return any(
        isinstance(inspect.getattr_static(kind, name, None), types.FunctionType) for name in methods
    )
