"""What a recipe may be: it is called with the widths of input and output, and its own arguments."""

import inspect
import warnings

import torch
from torch import nn

from helpers._compat import is_lazy
from helpers.checks.arguments import makes_another_kind, name_of, parameters_of, unwrapped, words_of

# Words in the names of arguments: what stands for the width of the input, for that of the output,
# and what for neither.
INPUT = set("in input inputs feature features nin din indim cols columns shape".split())
OUTPUT = set(
    "out output outputs class classes nout dout outdim target targets label labels logits nclasses "
    "noutputs".split()
)
SETTING = set(
    "unit units layer layers neuron neurons nodes depth dropout rate activation nonlin "
    "nonlinearity act kernel filters heads blocks embedding bias lr seed device momentum "
    "norm".split()
)


def check_recipe(recipe, arguments, owner):
    """Raise a TypeError unless a recipe can be called with two widths and its arguments."""
    if isinstance(recipe, nn.Module):
        raise TypeError(_about_instance(recipe, owner))
    if not callable(recipe) or makes_another_kind(recipe, nn.Module):
        got = f"the class {name_of(recipe)}, which makes none" if callable(recipe) else repr(recipe)
        raise TypeError(
            f"module must be a recipe, a class or function called as module(n_features, "
            f"n_outputs) that returns a new torch.nn.Module; got {got}."
        )
    parameters = parameters_of(recipe)
    if parameters is None:
        return  # one of C, which does not say what it takes
    has_no_init = getattr(recipe, "__init__", None) is nn.Module.__init__
    parameters = [] if has_no_init else parameters
    by_place = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    widths = by_place[:2]
    if not _stand_for_widths(widths, any_name=False) or len(widths) < 2:
        layer = unwrapped(recipe)
        if isinstance(layer, type) and layer.__module__.startswith("torch.nn."):
            raise TypeError(_about_layer(name_of(recipe), owner))
    if len(widths) < 2 and all(p.kind is not p.VAR_POSITIONAL for p in parameters):
        problem = f"takes {widths[0].name if widths else 'nothing'} by position"
        if has_no_init:
            problem = "has no __init__ of its own, and takes nothing"
        raise TypeError(_how_to_write(recipe, parameters, owner, problem))
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


def _about_layer(name, owner):
    """Return what to say of a class of torch that makes a part of a network."""
    return (
        f"module must be a recipe, which is called as module(n_features, n_outputs) with the "
        f"widths of input and output; {name} of torch does not take them. Write a recipe that "
        f"makes a network of layers, for instance\n"
        f"    def recipe(n_features, n_outputs):\n"
        f"        return nn.Sequential(\n"
        f"            nn.Linear(n_features, 32), nn.ReLU(), nn.Linear(32, n_outputs)\n"
        f"        )\n"
        f"and {owner}(recipe)."
    )


def _stand_for_widths(parameters, any_name):
    """Whether the first two arguments can be the widths of input and output, by their names."""
    for parameter, own, other in zip(parameters, (INPUT, OUTPUT), (OUTPUT, INPUT), strict=False):
        words = words_of(parameter.name)
        if parameter.default is not parameter.empty:
            if not words & own or "hidden" in words:
                return False
        elif not any_name:
            setting = "hidden" in words or words & SETTING and not words & (own | other)
            if setting or (words & other and not words & own):
                return False
    return True


@torch.no_grad()
def check_widths(recipe, network, n_features, n_outputs, arguments, owner):
    """Raise a TypeError if a recipe takes sizes of inner layers where the widths are due.

    Only one whose arguments have names that say nothing is looked at, as Net(h1, h2), or a lambda
    of names that are not those of widths. It is called with one output more. Where the network is
    another then, and answers as many numbers as before, its second argument is no width of the
    output. Where it is the same, neither argument may count, as in a network of fixed sizes; then
    it is called with one feature more.
    """
    try:
        parameters = parameters_of(recipe)
        widths = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        known = [words_of(p.name) & own for p, own in zip(widths, (INPUT, OUTPUT), strict=False)]
        if len(known) < 2 or all(known) or any(map(is_lazy, network.parameters())):
            return
        shape = (n_features,) if isinstance(n_features, int) else n_features
        X = torch.zeros(2, *shape)

        def answers_as_before(*sizes):
            """Return whether it answers as before for these widths, and whether it is as before."""
            another = recipe(*sizes, **arguments).eval()
            return another(X).shape == (2, n_outputs), _sizes(another) == _sizes(network)

        with warnings.catch_warnings(action="ignore"):
            answers, is_same = answers_as_before(n_features, n_outputs + 1)
            if answers and is_same and isinstance(n_features, int):
                answers, is_same = answers_as_before(n_features + 1, n_outputs)
    except Exception:  # one that cannot be asked in this way is not accused
        return
    if answers and not is_same:
        names = " and ".join(p.name for p in widths[:2])
        problem = f"begins with {names}, which are sizes of inner layers"
        raise TypeError(_how_to_write(recipe, parameters, owner, problem))


def _sizes(network):
    return [tuple(parameter.shape) for parameter in network.parameters()]


def _how_to_write(recipe, parameters, owner, problem):
    """Return what to say of a recipe that does not take the two widths."""
    name = name_of(recipe)
    name = "YourNetwork" if name == "<lambda>" else name
    given, set_before = {}, {}
    if unwrapped(recipe) is not recipe:  # a partial, which the lines do without
        parameters = parameters_of(unwrapped(recipe)) or []
        set_before = {p.name: value for p, value in zip(parameters, recipe.args, strict=False)}
        set_before |= recipe.keywords
    for words, value in ((INPUT, "n_features"), (OUTPUT, "n_outputs")):
        others = {"hidden"} if words is OUTPUT else {"hidden", *OUTPUT}
        named = [p.name for p in parameters if words_of(p.name) & words]
        for one in [one for one in named if not words_of(one) & others][:1]:
            given[one] = value
    given |= {n: repr(value) for n, value in set_before.items() if n not in given}
    said = [f"{n}={value}" for n, value in given.items()]
    if not parameters or {p.name for p in parameters} - given.keys():
        said.append("**arguments")
    return (
        f"A recipe is called as module(n_features, n_outputs, **arguments) with the widths of "
        f"input and output, but {name_of(recipe)} {problem}. Write a recipe that takes the widths\n"
        f"    def recipe(n_features, n_outputs, **arguments):\n"
        f"        return {name}({', '.join(said)})\n"
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
