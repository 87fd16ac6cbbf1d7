"""How a recipe becomes a network: each call makes a new one."""

import gc
import sys
import warnings
import weakref

import numpy as np
import torch
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef

from helpers._compat import TorchDispatchMode, is_lazy, seen_without_compiler
from helpers.checks.arguments import name_of
from helpers.checks.recipes import check_recipe, check_widths
from helpers.checks.shapes import about_input
from helpers.copies import copy_network
from helpers.global_state import holds_private_rng, seed_others
from helpers.modules import MLP, frozen_parts
from helpers.tensors import refuse_parted, ties_of

_HOW_TO_COPY = """ A new
layer that is handed over, as module__layer=nn.PReLU(), must be copied in the recipe:
    layer = copy.deepcopy(layer)
Weights that were trained before must come from rows that no fold is tested on. If they are to stay
as they are, put the network in front, make_pipeline(FrozenFeatures(encoder), ...), or freeze it in
the recipe:
    layers = encoder.requires_grad_(False)
If they are to be trained on, copy them in the recipe:
    layers = copy.deepcopy(encoder)
or, from a file:
    layers = Encoder()
    layers.load_state_dict(torch.load("encoder.pt"))"""


def build(recipe, n_features, n_outputs, arguments, *, owner):
    """Call a recipe, as ``recipe(n_features, n_outputs, **arguments)``, for a new network.

    `n_features` is the shape of a row, a tuple, where rows are no vectors. The network is what the
    recipe returned, or a copy if the recipe keeps its networks, or uses frozen parts again: what it
    keeps is never trained, or moved to another precision.

    Raises
    ------
    TypeError
        If `recipe` is an `nn.Module` instance or is not callable, does not take the two widths,
        has no argument of a given name, returns no `nn.Module` or nothing to train, or returns
        weights that it has handed out before and that training could change.
    """
    check_recipe(recipe, arguments, owner)
    name = name_of(recipe)

    def call():
        try:
            return recipe(n_features, n_outputs, **_own_copy(arguments))
        except Exception as error:
            given = [f"{n_features}, {n_outputs}", *(f"{n}={v!r}" for n, v in arguments.items())]
            error.add_note(f"{owner} called the recipe as {name}({', '.join(given)}).")
            for argument, value in arguments.items():
                if isinstance(getattr(value, "module_", None), nn.Module):
                    error.add_note(
                        f"{argument} is a fitted {type(value).__name__}; its network is "
                        f"{argument}.module_, of which a recipe takes a copy: "
                        f"copy.deepcopy({argument}.module_)."
                    )
            if said := about_input(recipe, n_features, n_outputs, _own_copy(arguments), error):
                raise TypeError(said) from error
            raise

    if recipe is MLP:  # ours, which keeps nothing of what it has returned
        with SameEverywhere():
            return call()
    network, traces = _first_of_two(call, name)
    for generation in (1, 2):  # a network that refers to itself, as a lazy one does, goes only now
        if traces and not _gone(traces):
            gc.collect(generation)  # which takes longer than a short fit
    if traces and _gone(traces):
        check_widths(recipe, network, n_features, n_outputs, _own_copy(arguments), owner)
        return network
    copied = copy_network(network, f"{name} keeps what it returns, so each network is copied")
    where = f"In a copy, which is trained as {name} keeps what it returns, each would get"
    refuse_parted(copied, ties_of(network), where)
    return copied


def _own_copy(value):
    """Return an argument whose lists, dicts, sets, arrays and tensors are new.

    A recipe may change them, or make them part of a network. What is read-only, or lies in a file,
    stays as it is, and so do weights (`nn.Parameter`), which it may not hand out twice.
    """
    if type(value) in (tuple, list):
        return type(value)(map(_own_copy, value))
    if type(value) is dict:
        return {key: _own_copy(one) for key, one in value.items()}
    if type(value) is torch.Tensor and value.is_leaf:
        return value.detach().clone().requires_grad_(value.requires_grad)
    may_change = isinstance(value, set)
    if isinstance(value, np.ndarray) and not isinstance(value, np.memmap):
        may_change = value.flags.writeable
    return value.copy() if may_change else value


def _first_of_two(call, name):
    """Call a recipe twice; return the first network, and references to the second if it may go."""
    seed_others()
    state = torch.get_rng_state()
    with SameEverywhere():
        first = call()
    torch.set_rng_state(state)
    seed_others()
    second = call()  # only to be compared
    _refuse_untrainable(first, name)
    storages = [{s.data_ptr(): s for s in _storages(network)} for network in (first, second)]
    shared = storages[0].keys() & storages[1].keys()
    if shared and shared & (_changing(first) | _changing(second)):
        mend = "" if shared == storages[0].keys() else _HOW_TO_COPY  # some layers are from outside
        raise TypeError(
            f"{name} returned the same weights twice, so that what one fold learns would reach "
            f"the next. Create every layer inside {name}, each time it is called.{mend}"
        )
    if type(first) is not MLP:
        _warn_of_other_weights(first, second, name)
    in_both = shared or {*map(id, first.modules())} & {*map(id, second.modules())}
    if in_both or _references(first) != _references(second):
        return first, []  # the recipe keeps a part, or one of the two
    traces = [weakref.ref(part) for part in second.modules()]
    return first, traces + [StorageWeakRef(storage) for storage in storages[1].values()]


def _refuse_untrainable(network, name):
    """Raise a TypeError if what a recipe returned is no network, or none that can be trained."""
    if not isinstance(network, nn.Module):
        got = (
            f"the class {network.__name__}" if isinstance(network, type) else type(network).__name__
        )
        raise TypeError(f"{name} must return a torch.nn.Module; got {got}.")
    is_scripted = isinstance(network, torch.jit.ScriptModule)  # and keeps its parameters elsewhere
    if not is_scripted and "_parameters" not in vars(network):
        raise TypeError(
            f"The __init__ of {type(network).__name__} must begin with super().__init__(); it does "
            f"not call it."
        )
    try:
        parameters = list(network.parameters())
    except TypeError as error:
        if "unhashable" in str(error):
            error.add_note(
                "torch tells layers apart by their hash, and a class with __eq__ and no __hash__ "
                "has none. For a dataclass write @dataclass(eq=False)."
            )
        raise
    if not any(p.requires_grad for p in parameters):
        cure = " All that it has are frozen: add a layer to train." if _storages(network) else ""
        raise TypeError(
            f"{name} must return a network with parameters to train; it has none.{cure}"
        )
    if any(parameter.is_meta for parameter in parameters):
        raise TypeError(f"{name} returned a network on device 'meta'; leave device out of it.")
    if any(not is_lazy(parameter) and parameter.is_inference() for parameter in parameters):
        raise TypeError(
            f"{name} makes weights under torch.inference_mode(), which torch can neither train nor "
            f"convert. Write torch.no_grad() in its place."
        )


def _warn_of_other_weights(first, second, name):
    """Warn if two networks differ for which a recipe was called with the same seed."""
    tensors = [[t for t in _dense(one) if t.device.type == "cpu"] for one in (first, second)]
    kinds = [[(t.shape, t.dtype) for t in one] for one in tensors]
    equal = kinds[0] == kinds[1] and all(
        torch.allclose(one, other, equal_nan=True) for one, other in zip(*tensors, strict=True)
    )
    if not equal and holds_private_rng():  # elsewhere numpy's generator has no seed
        warnings.warn(
            f"{name} returns other first weights when it is called again with the same seed, so "
            f"that no fit can be repeated: it draws from a generator of its own, counts its calls, "
            f"or leaves weights as torch.empty found them. Draw with torch or numpy.random, which "
            f"are seeded before each call, and keep nothing from call to call.",
            stacklevel=2,
        )


def _dense(network):
    """Return the parameters and buffers of a network that lie in memory as a whole."""
    tensors = [t for t in (*network.parameters(), *network.buffers()) if not is_lazy(t)]
    return [t for t in tensors if t.layout is torch.strided and t.numel()]


def _storages(network):
    """Return the memory in which a network keeps its parameters and buffers."""
    return [t.untyped_storage() for t in _dense(network)]


def _changing(network):
    """Return where the parameters and buffers are, as numbers, that training would change."""
    still = {id(buffer) for part in frozen_parts(network) for buffer in part.buffers()}
    still |= {id(parameter) for parameter in network.parameters() if not parameter.requires_grad}
    return {t.untyped_storage().data_ptr() for t in _dense(network) if id(t) not in still}


def _references(network):
    """Count who holds each part of a network."""
    return [sys.getrefcount(part) for part in (*network.modules(), *network.parameters())]


def _gone(traces):
    """Whether nothing holds any more what weak references refer to."""
    return all(t.expired() if isinstance(t, StorageWeakRef) else t() is None for t in traces)


@seen_without_compiler
class SameEverywhere(TorchDispatchMode):
    """Within it, float32 weights drawn by `uniform_` are the same on every processor.

    A linear layer of torch, among others, draws u from [0, 1) and computes
    ``u * (high - low) + low``. A processor that multiplies and adds in one step rounds once,
    another twice, so that their weights differ in the last bit. That is enough to change a
    score: a ReLU may open one epoch earlier. Here the sum is done in float64, where the product
    is exact, and rounded once.

    Notes
    -----
    Weights drawn by `normal_` still have the last bit of the processor.

    Examples
    --------
    >>> import torch
    >>> from helpers.recipes import SameEverywhere
    >>> _ = torch.manual_seed(0)
    >>> with SameEverywhere():
    ...     layer = torch.nn.Linear(2, 1)
    >>> layer.weight
    Parameter containing:
    tensor([[-0.0053,  0.3793]], requires_grad=True)
    """

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        options = options or {}
        if function is not torch.ops.aten.uniform_.default:
            return function(*arguments, **options)
        weights, *given = arguments
        if weights.dtype != torch.float32 or weights.device.type != "cpu":
            return function(*arguments, **options)
        low, high = *given, *(0.0, 1.0)[len(given) :]  # a bound that is the default is left out
        low, high = float(np.float32(low)), float(np.float32(high))  # rounded, as torch does
        function(weights, 0.0, 1.0, **options)
        return weights.copy_(weights.double().mul_(high - low).add_(low))
