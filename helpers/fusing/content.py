"""Networks compared by what they hold, not by how they print."""

import copy
import textwrap

from torch import nn
from torch.nn.utils.parametrize import type_before_parametrizations

from helpers.digests import attributes_of, digest, is_found_by_name, memory_of, numbers_of
from helpers.kinds import OF_ALL_MODULES, PLAIN

# Where a recurrent layer finds its parameters again: torch renews them in each forward pass.
_OF_RECURRENT_LAYERS = {"_flat_weights", "_flat_weight_refs"}


class Incomparable(Exception):
    """An attribute, or another thing `it`, cannot be compared; `name` is its name."""

    def __init__(self, name, error, it=None, of="network"):
        super().__init__(
            f"{it or f'its attribute `{name}`'} cannot be compared with that of another {of} "
            f"({type(error).__name__}: {first_line(error)})"
        )
        self.name = name


def contents(network):
    """Return what a network holds beside its weights and buffers, as a dict with digests.

    They stand under the names of the attributes, such as ``layers.1.p``. Tensors and arrays count
    by their numbers, functions and classes made on the spot by their code and what it encloses. A
    layer or a weight of the network itself counts by its name. Raise an `Incomparable` if an
    attribute cannot be pickled, as a lock or a generator.

    Examples
    --------
    >>> from helpers import MLP
    >>> contents(MLP(4, 2)) == contents(MLP(4, 2))
    True
    """
    found, names, memory = {}, None, None
    held = [(name, own_attributes(module)) for name, module in network.named_modules()]
    for name, tensor in named_tensors(network):
        held.append((name, vars(tensor) | {"requires_grad": tensor.requires_grad}))
    for owner, attributes in held:
        for attribute, value in attributes.items():
            name = f"{owner}.{attribute}".lstrip(".")
            if type(value) in PLAIN:  # told apart by type and text, which takes less time
                found[name] = type(value), repr(value)
                continue
            names = names or names_within(network)
            memory = memory or memory_within(network)
            try:
                found[name] = digest(value, names, memory)
            except Exception as error:
                raise Incomparable(name, error) from error
    return found


def first_change(attributes, network):
    """Return the name of the first attribute of a network that is not as before, or None."""
    try:
        return first_unlike(attributes, contents(network))
    except Incomparable as error:
        return error.name


def first_unlike(attributes, others):
    """Return the first name under which two dicts do not have the same, or None."""
    names = (*attributes, *others)
    return next((name for name in names if attributes.get(name) != others.get(name)), None)


def own_attributes(module):
    """Return the attributes of a module that not every module has, as a dict."""
    theirs = OF_ALL_MODULES
    if isinstance(module, nn.RNNBase):
        theirs = theirs | _OF_RECURRENT_LAYERS
    return {name: v for name, v in attributes_of(module).items() if name not in theirs}


def structure(network):
    """Return the modules, parameters and buffers of a network: names, classes, modes and shapes.

    What stands in two places has the name of the first in both.
    """
    names = names_within(network)
    classes = (
        (name, names[id(module)], class_of(name, module, names), module.training)
        for name, module in network.named_modules(remove_duplicate=False)
    )
    tensors = (
        (name, names[id(t)], type(t), t.shape, t.dtype, t.requires_grad)
        for named in (network.named_parameters, network.named_buffers)
        for name, t in named(remove_duplicate=False)
    )
    return *classes, *tensors


def exact_copy(network):
    """Return a copy of a network; raise a RuntimeError if there is none, or one of another kind."""
    try:
        new = copy.deepcopy(network)
    except Exception as error:
        raise RuntimeError(f"it cannot be copied: {first_line(error)}") from error
    one, other = (
        [(name, t.shape, t.dtype) for name, t in named_tensors(of)] for of in (network, new)
    )
    if one != other:
        raise RuntimeError("its copies have weights of another name, shape or precision")
    return new


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
    return {id(part): name for name, part in (*network.named_modules(), *named_tensors(network))}


def named_tensors(network):
    """Return (name, tensor) of all parameters and buffers of a network."""
    return *network.named_parameters(), *network.named_buffers()


def numbers_within(network):
    """Return the numbers of a network's parameters and buffers by name, as bytes."""
    return {name: numbers_of(tensor) for name, tensor in named_tensors(network)}


def memory_within(network):
    """Return where the numbers of a network's parameters and buffers begin."""
    return {memory_of(t) for t in (*network.parameters(), *network.buffers())} - {None}


def first_line(error):
    """Return the beginning of an error's text, or its type where it has none."""
    line = next(iter(str(error).splitlines()), "").rstrip(".") or type(error).__name__
    return textwrap.shorten(line, 160, placeholder=" ...")
