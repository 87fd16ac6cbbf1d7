"""Optimizers: their names, their arguments, and how they go on between two fits."""

import copy
import functools
import inspect
from functools import partial
from numbers import Number

import numpy as np
import torch

from helpers.checks.arguments import is_number, name_of, plain, same
from helpers.checks.optimizers import check_optimizer_object, refuse_unused
from helpers.optimizer_states import numbers_of, still_of_use

# fused: one call for all parameters. The same rule and half the time of torch's default.
OPTIMIZERS = {
    "adam": partial(torch.optim.Adam, fused=True),
    "adamw": partial(torch.optim.AdamW, fused=True),
    "rmsprop": torch.optim.RMSprop,
    "sgd": partial(torch.optim.SGD, fused=True),
}

CLASSES = {
    torch.optim.Adam: "adam",
    torch.optim.AdamW: "adamw",
    torch.optim.RMSprop: "rmsprop",
    torch.optim.SGD: "sgd",
}
# Arguments under which each number of a step depends on its own gradients alone, times lr: what
# `fused` needs to take the steps of several networks at once.
ELEMENTWISE = {
    *("betas", "eps", "amsgrad", "momentum", "dampening", "nesterov", "alpha", "centered"),
}


def known_name(optimizer):
    """Return the name of an optimizer that is in `OPTIMIZERS`, by name or class, or None."""
    if isinstance(optimizer, str):
        return str(optimizer)
    return CLASSES.get(optimizer) if isinstance(optimizer, type) else None


def check_optimizer(optimizer, arguments, *, owner):
    """Return the arguments of an optimizer, a dict, with numbers as Python has them.

    Parameters
    ----------
    optimizer : str or callable
        As in `TorchClassifier`.
    arguments : dict
        What was given as ``optimizer__<name>``.
    owner : str
        The estimator's name, for the messages.

    Raises
    ------
    TypeError
        If the optimizer has no argument of such a name, or the estimator has one.
    ValueError
        If a value is no number where one is due.
    """
    for twice in {"lr", "weight_decay"} & set(arguments):
        raise TypeError(
            f"{twice} is an argument of {owner} itself, so that optimizer__{twice} gives it twice; "
            f"write {twice}=... instead."
        )
    for twice in {"lr", "weight_decay"} & set(getattr(optimizer, "keywords", None) or ()):
        raise TypeError(
            f"{twice} is an argument of {owner} itself, which would overrule that of "
            f"optimizer=partial({_name(optimizer)}, {twice}=...); write {twice}=... beside it."
        )
    arguments = {
        key: plain(value.tolist() if isinstance(value, (np.ndarray, torch.Tensor)) else value)
        for key, value in arguments.items()
    }
    parameters = _parameters(optimizer) if arguments else None
    if parameters is None:
        return arguments
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    own = [p for p in list(parameters.values())[1:] if p.name not in ("lr", "weight_decay")]
    known = [p.name for p in own if p.kind is not p.VAR_KEYWORD]
    for key, value in arguments.items():
        if key not in known and not takes_any:
            raise TypeError(
                f"The optimizer {_name(optimizer)} has no argument {key!r} (given as "
                f"optimizer__{key}); its arguments are: {', '.join(known) or 'none'}."
            )
        if key in known and type(parameters[key].default) is tuple:
            n_numbers = len(parameters[key].default)
            if not isinstance(value, (tuple, list)) or len(value) != n_numbers:
                raise ValueError(f"optimizer__{key} must be {n_numbers} numbers; got {value!r}.")
        if key in known and type(parameters[key].default) is bool:
            if value not in (0, 1):
                raise ValueError(f"optimizer__{key} must be True or False; got {value!r}.")
            arguments[key] = bool(value)
        is_due = key in known and type(parameters[key].default) in (int, float, tuple)
        for one in value if isinstance(value, (tuple, list)) else [value]:
            if is_due and not is_number(one) or isinstance(one, float) and not np.isfinite(one):
                raise ValueError(f"optimizer__{key} must be a finite number; got {value!r}.")
    return arguments


def make_optimizer(job):
    """Return the optimizer of a job, with what it remembers from earlier epochs.

    Returns
    -------
    optimizer : torch.optim.Optimizer
    begun : list of dict
        How it was set before it remembered; empty for those that keep to what they are set.
    """
    make = OPTIMIZERS[job.optimizer] if isinstance(job.optimizer, str) else job.optimizer
    given = {"lr": job.lr, "weight_decay": job.weight_decay} | job.optimizer_arguments
    if isinstance(job.optimizer, str) and _is_not_fused(job):
        make = getattr(make, "func", make)
    if not job.weight_decay and not _takes_weight_decay(job.optimizer):
        del given["weight_decay"]
    parameters = [p for p in job.network.parameters() if p.requires_grad]
    try:
        optimizer = make(list(parameters), **given)
    except (AttributeError, TypeError, ValueError, RuntimeError) as error:
        own = ("lr", "weight_decay")
        said = ", ".join(f"{k if k in own else 'optimizer__' + k}={v!r}" for k, v in given.items())
        wrong_call = isinstance(error, (AttributeError, TypeError))
        own_call = wrong_call and not isinstance(job.optimizer, str)
        called = (
            " It is called as optimizer(parameters, lr=..., and what optimizer__<name> gives), "
            "with a list of parameters."
        )
        raise ValueError(
            f"The optimizer {_name(job.optimizer)} does not take {said}: "
            f"{str(error).rstrip('.')}.{called if own_call else ''}"
        ) from error
    begun = []
    if not isinstance(job.optimizer, str):
        check_optimizer_object(optimizer, job.optimizer, parameters)
        begun = settings_of(optimizer)
        refuse_unused(optimizer, job.optimizer, given, settings_of)
    if job.optimizer_state or any(job.optimizer_settings):
        _remember(optimizer, job)
    return optimizer, begun


def _is_not_fused(job):
    """Whether one call for all parameters is not possible: of complex numbers, or as asked for."""
    asked = any(job.optimizer_arguments.get(name) for name in ("foreach", "differentiable"))
    return asked or any(p.is_complex() for p in job.network.parameters())


def _takes_weight_decay(optimizer):
    if isinstance(optimizer, str):
        return True
    parameters = _parameters(optimizer)
    takes_any = parameters is None or any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    return takes_any or "weight_decay" in parameters


def settings_of(optimizer):
    """Return how an optimizer is set: its groups without parameters, and its own attributes.

    An attribute that is no number, text or collection is noted as ``...``.
    """
    groups = [
        {name: value for name, value in group.items() if name != "params"}
        for group in optimizer.param_groups
    ]
    own = {
        name: value if isinstance(value, _CARRIED) else ...
        for name, value in vars(optimizer).items()
        if name not in _attributes_of_all()
    }
    return [*groups, own]


_CARRIED = (Number, str, list, tuple, dict, type(None))


@functools.cache
def _attributes_of_all():
    return set(vars(torch.optim.SGD([torch.zeros(1)])))


def _remember(optimizer, job):
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
            f"The optimizer {_name(job.optimizer)} carries a schedule, which each call of "
            f"partial_fit would begin anew. Use fit, or an optimizer that keeps its place in "
            f"param_groups or in attributes that are numbers."
        )
    vars(optimizer).update(own)
    places = {number: place for place, number in enumerate(numbers_of(optimizer, job.network))}
    dampening = any(group.get("dampening") for group in optimizer.param_groups)
    by_name = type(optimizer) in CLASSES
    states = still_of_use(job.optimizer_state, job.network, by_name, dampening)
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


def _parameters(optimizer):
    """Return the parameters of the call that makes an optimizer, by name; None if unknown."""
    make = OPTIMIZERS[optimizer] if isinstance(optimizer, str) else optimizer
    try:
        return inspect.signature(make).parameters
    except (TypeError, ValueError):
        return None


def _name(optimizer):
    return repr(str(optimizer)) if isinstance(optimizer, str) else name_of(optimizer)
