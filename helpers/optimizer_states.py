"""What an optimizer remembers, so that the next call of partial_fit goes on where it ended."""

import copy
import functools
from numbers import Number

import torch

from helpers._compat import uncompiled
from helpers.checks.arguments import name_of, same


def parameter_numbers(optimizer, network):
    """Return the number in a network of each parameter of an optimizer; others come after them."""
    numbers = {id(p): number for number, p in enumerate(network.parameters())}
    own = [p for group in optimizer.param_groups for p in group["params"]]
    return [numbers.get(id(p), len(numbers) + place) for place, p in enumerate(own)]


def state_of(optimizer, network):
    """Return what an optimizer remembers of each parameter, by its number in a network, on the CPU.

    Not by its number among those that are trained: with the next call they may be others.
    """
    numbers = dict(enumerate(parameter_numbers(optimizer, network)))
    return {
        numbers.get(place, place): {
            name: value.cpu() if isinstance(value, torch.Tensor) else value
            for name, value in state.items()
        }
        for place, state in optimizer.state_dict()["state"].items()
    }


def still_of_use(states, network, is_known, dampening):
    """Return what was remembered of parameters that are trained still and have kept their shape.

    Layers may have been frozen, thawed or replaced since. torch's own optimizers, those that have
    a name here, do not look at shapes, and would write beyond the end of what is too small. For
    what is new they begin with zeros. SGD takes a first step without its dampening, so that there
    zeros would be another beginning: a ValueError.
    """
    named = list(network.named_parameters())
    parameters = {number: parameter for number, (_, parameter) in enumerate(named)}

    def fits(number, state):
        if number not in parameters:
            return not isinstance(number, int)  # of no parameter
        shapes = {t.shape for name, t in state.items() if torch.is_tensor(t) and name != "step"}
        own = parameters[number]
        return own.requires_grad and not (is_known and shapes - {own.shape})

    kept = {number: state for number, state in states.items() if fits(number, state)}
    if kept and is_known:
        names = {name: t for name, t in next(iter(kept.values())).items() if t is not None}
        for number, own in parameters.items():
            if own.requires_grad and number not in kept:
                if names and dampening:
                    raise ValueError(
                        f"The weight {named[number][0]!r} was thawed or replaced since the last "
                        f"call, and SGD with dampening cannot begin with one weight while it goes "
                        f"on with others. Call fit to start anew, without dampening."
                    )
                zeros = {n: torch.zeros_like(t if n == "step" else own) for n, t in names.items()}
                kept[number] = zeros
    for number in kept.keys() & parameters.keys():
        own = parameters[number]
        kept[number] = {name: laid_out(value, own) for name, value in kept[number].items()}
    return dict(sorted(kept.items())) if is_known else kept


def laid_out(value, weight):
    """Return what was remembered of a weight in the order in memory that the weight has now.

    It may have been changed since, as by ``module_.to(memory_format=torch.channels_last)``, and
    torch's fused optimizers take numbers as they come in memory.
    """
    if not isinstance(value, torch.Tensor) or value.shape != weight.shape:
        return value
    if value.layout is not torch.strided or weight.layout is not torch.strided:
        return value
    if value.stride() == weight.stride():
        return value
    return torch.empty_like(weight, dtype=value.dtype, device=value.device).copy_(value)


def settings_of(optimizer):
    """Return how an optimizer is set: its groups without parameters, and its own attributes.

    All are copies, so that what the optimizer changes in place later is seen. An attribute that
    is no number or text, nor a collection of those, is noted as ``...``. A list of the parameters
    is left out: a new optimizer has its own.
    """
    groups = [
        {name: copy.deepcopy(value) for name, value in group.items() if name != "params"}
        for group in optimizer.param_groups
    ]
    parameters = {id(p) for group in optimizer.param_groups for p in group["params"]}
    own = {
        name: copy.deepcopy(value) if _is_plain(value) else ...
        for name, value in vars(optimizer).items()
        if name not in _attributes_of_all() and not _is_list_of(parameters, value)
    }
    return [*groups, own]


def _is_plain(value):
    """Whether a value is a number, text or None, or a collection of nothing else."""
    if isinstance(value, dict):
        return all(map(_is_plain, (*value, *value.values())))
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (Number, str))


def _is_list_of(parameters, value):
    return isinstance(value, (list, tuple)) and bool(value) and {*map(id, value)} <= parameters


@functools.cache
def _attributes_of_all():
    return set(vars(uncompiled(torch.optim.SGD)([torch.zeros(1)])))


def go_on(optimizer, job, is_known):
    """Give a new optimizer the state of the one before it, and the place in its schedule."""
    new = settings_of(optimizer)
    begun, ended = job.optimizer_settings
    for now, before, after in zip(new, begun, ended, strict=False):
        for name in now:
            # lr and weight_decay are today's, unless the optimizer itself has changed them.
            if name in after and same(now[name], before.get(name)):
                now[name] = copy.deepcopy(after[name])
    *groups, own = new
    hooks = optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks
    scheduled = any("initial_lr" in group for group in groups) or ... in own.values()
    if scheduled or (hooks and not same(begun, ended)):
        raise ValueError(
            f"The optimizer {name_of(job.optimizer)} carries a schedule, or a memory of its own, "
            f"which each call of partial_fit would begin anew. Use fit, or an optimizer that keeps "
            f"these in its state, in param_groups, or in attributes that are numbers."
        )
    vars(optimizer).update(own)
    numbers = parameter_numbers(optimizer, job.network)
    places = {number: place for place, number in enumerate(numbers)}
    dampening = any(group.get("dampening") for group in optimizer.param_groups)
    states = still_of_use(job.optimizer_state, job.network, is_known, dampening)
    state = {
        places.get(number, number): one
        for number, one in states.items()
        if number in places or not isinstance(number, int)
    }
    groups = [
        now | {"params": group["params"]}
        for now, group in zip(groups, optimizer.state_dict()["param_groups"], strict=True)
    ]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
