"""How a recipe becomes a network: what it may be, and that each call makes a new one."""

import gc
import inspect
import re
import sys
import weakref

from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef

from helpers._compat import is_lazy
from helpers.arguments import name_of
from helpers.copies import copy_network
from helpers.first_weights import SameEverywhere
from helpers.frozen import frozen_parts
from helpers.shapes import about_input

# Words in the names of arguments: what stands for the width of the input, for that of the output,
# and what for neither.
INPUT = {"in", "input", "inputs", "feature", "features", "nin", "din", "indim", "cols"} | {
    *("columns", "shape")
}
OUTPUT = {"out", "output", "outputs", "class", "classes", "nout", "dout", "outdim", "target"} | {
    *("targets", "label", "labels", "logits", "nclasses", "noutputs")
}
SETTING = {"unit", "units", "layer", "layers", "neuron", "neurons", "nodes", "depth"} | {
    *("dropout", "rate", "activation", "nonlin", "nonlinearity", "act", "kernel", "filters"),
    *("heads", "blocks", "embedding", "bias", "lr", "seed", "device", "momentum", "norm"),
}

_HOW_TO_COPY = """ Weights that were
trained before must come from rows that no fold is tested on. If they are to stay as they are, put
the network in front, make_pipeline(FrozenFeatures(encoder), ...), or freeze it in the recipe:
    layers = encoder.requires_grad_(False)
If they are to be trained on, copy them in the recipe:
    layers = copy.deepcopy(encoder)
or, from a file:
    layers = Encoder()
    layers.load_state_dict(torch.load("encoder.pt"))"""


def build(recipe, n_features, n_outputs, arguments, *, owner):
    """Call a recipe for a network that nothing else holds.

    Parameters
    ----------
    recipe : callable
        Called as ``recipe(n_features, n_outputs, **arguments)``; returns a new `nn.Module`.
    n_features : int or tuple of int
        Width of the network's input, or the shape of a row that is no vector.
    n_outputs : int
        Width of its output.
    arguments : dict
        The recipe's own arguments by name.
    owner : str
        The estimator's name, for the messages.

    Returns
    -------
    nn.Module
        What the recipe returned, or a copy if the recipe keeps its networks, or uses frozen parts
        again: what it keeps is never trained, or moved to another precision.

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
            return recipe(n_features, n_outputs, **arguments)
        except Exception as error:
            given = [f"{n_features}, {n_outputs}", *(f"{n}={v!r}" for n, v in arguments.items())]
            error.add_note(f"{owner} called the recipe as {name}({', '.join(given)}).")
            if said := about_input(recipe, n_features, n_outputs, arguments, error):
                raise TypeError(said) from error
            raise

    network, traces = _first_of_two(call, name)
    for generation in (1, 2):  # a network that refers to itself, as a lazy one does, goes only now
        if traces and not _gone(traces):
            gc.collect(generation)  # which takes longer than a short fit
    if traces and _gone(traces):
        return network
    return copy_network(network, f"{name} keeps what it returns, so each network is copied")


def _first_of_two(call, name):
    """Call a recipe twice; return the first network, and references to the second if it may go."""
    with SameEverywhere():
        first = call()
    second = call()  # only to be compared
    if not isinstance(first, nn.Module):
        got = f"the class {first.__name__}" if isinstance(first, type) else type(first).__name__
        raise TypeError(f"{name} must return a torch.nn.Module; got {got}.")
    if not any(p.requires_grad for p in first.parameters()):
        cure = " All that it has are frozen: add a layer to train." if _storages(first) else ""
        raise TypeError(
            f"{name} must return a network with parameters to train; it has none.{cure}"
        )
    if any(parameter.is_meta for parameter in first.parameters()):
        raise TypeError(f"{name} returned a network on device 'meta'; leave device out of it.")
    storages = [{s.data_ptr(): s for s in _storages(network)} for network in (first, second)]
    shared = storages[0].keys() & storages[1].keys()
    if shared and shared & (_changing(first) | _changing(second)):
        mend = "" if shared == storages[0].keys() else _HOW_TO_COPY  # some layers are from outside
        raise TypeError(
            f"{name} returned the same weights twice, so that what one fold learns would reach "
            f"the next. Create every layer inside {name}, each time it is called.{mend}"
        )
    in_both = shared or {*map(id, first.modules())} & {*map(id, second.modules())}
    if in_both or _references(first) != _references(second):
        return first, []  # the recipe keeps a part, or one of the two
    traces = [weakref.ref(part) for part in second.modules()]
    return first, traces + [StorageWeakRef(storage) for storage in storages[1].values()]


def _storages(network):
    """Return the memory in which a network keeps its parameters and buffers."""
    tensors = [t for t in (*network.parameters(), *network.buffers()) if not is_lazy(t)]
    return [t.untyped_storage() for t in tensors if t.numel()]


def _changing(network):
    """Return where the parameters and buffers are, as numbers, that training would change."""
    still = {id(buffer) for part in frozen_parts(network) for buffer in part.buffers()}
    still |= {id(parameter) for parameter in network.parameters() if not parameter.requires_grad}
    tensors = [t for t in (*network.parameters(), *network.buffers()) if not is_lazy(t)]
    return {t.untyped_storage().data_ptr() for t in tensors if id(t) not in still and t.numel()}


def _references(network):
    """Count who holds each part of a network."""
    return [sys.getrefcount(part) for part in (*network.modules(), *network.parameters())]


def _gone(traces):
    """Whether nothing holds any more what weak references refer to."""
    return all(t.expired() if isinstance(t, StorageWeakRef) else t() is None for t in traces)


def check_recipe(recipe, arguments, owner):
    """Raise a TypeError unless a recipe can be called with two widths and its arguments."""
    if isinstance(recipe, nn.Module):
        raise TypeError(_about_instance(recipe, owner))
    if not callable(recipe):
        raise TypeError(
            f"module must be a recipe, a class or function called as module(n_features, "
            f"n_outputs); got {recipe!r}."
        )
    try:
        parameters = list(inspect.signature(recipe).parameters.values())
    except (TypeError, ValueError):
        return  # one of C, which does not say what it takes
    if getattr(recipe, "__init__", None) is nn.Module.__init__:
        parameters = []  # a class without an __init__ of its own
    by_place = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    widths = by_place[:2]
    if len(widths) < 2 and all(p.kind is not p.VAR_POSITIONAL for p in parameters):
        takes = widths[0].name if widths else "nothing"
        raise TypeError(_how_to_write(recipe, parameters, owner, f"takes {takes} by position"))
    if not _stand_for_widths(widths, name_of(recipe) == "<lambda>"):
        names = " and ".join(str(p).split(":")[0] for p in widths)
        raise TypeError(_how_to_write(recipe, parameters, owner, f"begins with {names}"))
    _check_arguments(recipe, parameters, widths, arguments, owner)


def _about_instance(network, owner):
    """Return what to say of a network where a recipe is due."""
    name = type(network).__name__
    mend = (
        f"Write {owner}({name}) instead of {owner}({name}(...)), and give the arguments of "
        f"{name} as module__<name>=<value>."
    )
    if type(network).__module__.startswith("torch."):  # a layer, with widths of its own
        mend = (
            f"Make it in a function, def recipe(n_features, n_outputs): return {name}(...), "
            f"and write {owner}(recipe)."
        )
    return (
        f"module must be a recipe, a class or function that returns a new network; got an "
        f"instance of {name}. An instance would carry its weights into every fold. {mend}"
    )


def _words(parameter):
    """Return the words in the name of an argument."""
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", parameter.name).lower()
    return set(re.findall("[a-z]+", snake))


def _stand_for_widths(parameters, any_name):
    """Whether the first two arguments can be the widths of input and output, by their names."""
    for parameter, own, other in zip(parameters, (INPUT, OUTPUT), (OUTPUT, INPUT), strict=False):
        words = _words(parameter)
        if parameter.default is not parameter.empty:
            if not words & own or "hidden" in words:
                return False
        elif not any_name:
            setting = "hidden" in words or words & SETTING and not words & (own | other)
            if setting or (words & other and not words & own):
                return False
    return True


def _how_to_write(recipe, parameters, owner, problem):
    """Return what to say of a recipe that does not take the two widths."""
    name = name_of(recipe)
    name = "YourNetwork" if name == "<lambda>" else name
    given = []
    for words, value in ((INPUT, "n_features"), (OUTPUT, "n_outputs")):
        names = [p.name for p in parameters if _words(p) & words and "hidden" not in _words(p)]
        given += [f"{names[0]}={value}"] if names else []
    taken = {one.split("=")[0] for one in given}
    if any(p.name not in taken for p in parameters) or not parameters:
        given += ["**arguments"]
    return (
        f"A recipe is called as module(n_features, n_outputs, **arguments) with the widths of "
        f"input and output, but {name_of(recipe)} {problem}. Write a recipe that takes the widths\n"
        f"    def recipe(n_features, n_outputs, **arguments):\n"
        f"        return {name}({', '.join(given)})\n"
        f"and {owner}(recipe); module__<name>=<value> sets the other arguments."
    )


def _check_arguments(recipe, parameters, widths, arguments, owner):
    """Raise a TypeError for an argument that the recipe does not have, or lacks."""
    name = name_of(recipe)
    for twice in [p.name for p in widths if p.name in arguments]:
        found = f"{owner} finds {twice} from the data and gives it to {name} by itself"
        raise TypeError(f"{found}; leave module__{twice} out.")
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    own = [p for p in parameters if p not in widths and p.kind in kinds]
    known = [p.name for p in own]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    for argument in arguments:
        if argument not in known and not takes_any:
            raise TypeError(
                f"{name!r} has no argument {argument!r} (given as module__{argument}); its "
                f"arguments are: {', '.join(known) or 'none'}."
            )
    for p in own:
        if p.default is p.empty and p.name not in arguments:
            raise TypeError(f"{name} needs a value for {p.name}: give it as module__{p.name}=....")
