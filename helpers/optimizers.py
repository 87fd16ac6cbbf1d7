"""Optimizers: their names, their arguments, and how a job gets one."""

import inspect
from functools import partial

import numpy as np
import torch

from helpers._compat import uncompiled
from helpers.checks.arguments import is_number, name_of, parameters_of, plain, same, unwrapped
from helpers.optimizer_states import go_on, settings_of
from helpers.tensors import has_gaps

# fused: one call for all parameters. The same rule and half the time of torch's default.
OPTIMIZERS = {
    "adam": partial(uncompiled(torch.optim.Adam), fused=True),
    "adamw": partial(uncompiled(torch.optim.AdamW), fused=True),
    "rmsprop": uncompiled(torch.optim.RMSprop),
    "sgd": partial(uncompiled(torch.optim.SGD), fused=True),
}
# What an estimator has if nobody gives another: an optimizer of the user's may go without it.
DEFAULTS = {"lr": 0.01, "weight_decay": 0}
# torch's own classes, which a user may give, and ours.
CLASSES = {kind: name for name, make in OPTIMIZERS.items() for kind in unwrapped(make).__mro__[:2]}
# Arguments under which each number of a step depends on its own gradients alone, times lr: what
# `fused` needs to take the steps of several networks at once.
ELEMENTWISE_ARGUMENTS = set("betas eps amsgrad momentum dampening nesterov alpha centered".split())


def known_name(optimizer):
    """Return the name of an optimizer that is in `OPTIMIZERS`, by name or class, or None."""
    if isinstance(optimizer, str):
        return str(optimizer)
    return CLASSES.get(optimizer) if isinstance(optimizer, type) else None


def check_optimizer(optimizer, arguments, *, owner):
    """Return the arguments of an optimizer, a dict, with numbers as Python has them.

    Raise a TypeError if the optimizer has no argument of such a name, or the estimator, `owner`,
    has one; a ValueError if a value is no number where one is due.
    """
    for twice in {"lr", "weight_decay"} & set(arguments):
        raise TypeError(
            f"{twice} is an argument of {owner} itself, so that optimizer__{twice} gives it twice; "
            f"write {twice}=... instead."
        )
    for twice in {"lr", "weight_decay"} & set(getattr(optimizer, "keywords", None) or ()):
        raise TypeError(
            f"{twice} is an argument of {owner} itself, which would overrule that of "
            f"optimizer=partial({name_of(optimizer)}, {twice}=...); write {twice}=... beside it."
        )
    arguments = {
        key: plain(value.tolist() if isinstance(value, (np.ndarray, torch.Tensor)) else value)
        for key, value in arguments.items()
    }
    make = OPTIMIZERS[optimizer] if isinstance(optimizer, str) else optimizer
    parameters = parameters_of(make) if arguments else None
    if parameters is None:
        return arguments
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    own = [p for p in parameters[1:] if p.name not in ("lr", "weight_decay")]
    known = {p.name: p.default for p in own if p.kind is not p.VAR_KEYWORD}
    for key, value in arguments.items():
        if key not in known and not takes_any:
            raise TypeError(
                f"The optimizer {name_of(optimizer)} has no argument {key!r} (given as "
                f"optimizer__{key}); its arguments are: {', '.join(known) or 'none'}."
            )
        arguments[key] = _suited_to(known.get(key), key, value)
    return arguments


def _suited_to(default, key, value):
    """Return the value of an argument; raise a ValueError if it does not suit its default."""
    several = isinstance(value, (tuple, list))
    if type(default) is tuple and (not several or len(value) != len(default)):
        raise ValueError(f"optimizer__{key} must be {len(default)} numbers; got {value!r}.")
    if type(default) is bool:
        if value not in (0, 1):
            raise ValueError(f"optimizer__{key} must be True or False; got {value!r}.")
        return bool(value)
    number_is_due = type(default) in (int, float, tuple)
    for one in value if several else [value]:
        if number_is_due and not is_number(one) or isinstance(one, float) and not np.isfinite(one):
            raise ValueError(f"optimizer__{key} must be a finite number; got {value!r}.")
    return value


def make_optimizer(job):
    """Return the optimizer of a job, with what it remembers from earlier epochs.

    Returns as well, as a list, how it was set before it remembered anything; the list is empty for
    those that keep to what they are set.
    """
    by_name = isinstance(job.optimizer, str)
    make = OPTIMIZERS[job.optimizer] if by_name else job.optimizer
    given = {"lr": job.lr, "weight_decay": job.weight_decay} | job.optimizer_arguments
    if by_name and _is_not_fused(job):
        make = unwrapped(make)
    if not job.weight_decay and not _takes_weight_decay(job.optimizer):
        del given["weight_decay"]
    parameters = [p for p in job.network.parameters() if p.requires_grad]
    try:
        optimizer = make(list(parameters), **given)
    except (AttributeError, TypeError, ValueError, RuntimeError) as error:
        own = ("lr", "weight_decay")
        said = ", ".join(f"{k if k in own else 'optimizer__' + k}={v!r}" for k, v in given.items())
        called = ""
        if isinstance(error, (AttributeError, TypeError)) and not by_name:
            called = (
                " It is called as optimizer(parameters, lr=..., and what optimizer__<name> gives), "
                "with a list of parameters."
            )
        raise ValueError(
            f"The optimizer {name_of(job.optimizer)} does not take {said}: "
            f"{str(error).rstrip('.')}.{called}"
        ) from error
    begun = []
    if not by_name:
        _check_object(optimizer, job.optimizer, parameters)
        _refuse_gaps(optimizer, job)
        begun = settings_of(optimizer)
        _refuse_unused(optimizer, job.optimizer, given)
    if job.optimizer_state or any(job.optimizer_settings):
        go_on(optimizer, job, is_known=type(optimizer) in CLASSES)
    return optimizer, begun


def _check_object(optimizer, recipe, parameters):
    """Raise an error unless a callable has made an optimizer of parameters, for plain steps."""
    name = name_of(recipe)
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise TypeError(
            f"optimizer={name} must return a torch optimizer when it is called as "
            f"optimizer(parameters, lr=..., weight_decay=...); got {type(optimizer).__name__}."
        )
    own = {id(one) for group in optimizer.param_groups for one in group["params"]}
    if own and own.isdisjoint(map(id, parameters)):
        raise ValueError(
            f"optimizer={name} must train the parameters that it is given; it returned an "
            f"optimizer of others. Pass its first argument to the optimizer."
        )
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    if closure is not None and closure.default is closure.empty:
        raise ValueError(
            f"The optimizer {name} asks for the loss several times in a step, which is not "
            f"possible here; take another, such as 'adam'."
        )


def _refuse_unused(optimizer, recipe, given):
    """Raise a ValueError if a callable makes the same optimizer whatever lr or weight_decay is.

    A search over them would compare equals. Only one that the user gave is looked at, and only
    where no group of the optimizer has it: then two more are made, for copies of the parameters.
    """
    if optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks:
        return  # what they do with a number cannot be seen
    groups = optimizer.param_groups

    def settings(changed):
        copies = [p.detach().clone().requires_grad_() for g in groups for p in g["params"]]
        return settings_of(recipe(copies, **given | changed))

    for name in sorted(DEFAULTS.keys() & given.keys()):
        value = given[name]
        if value == DEFAULTS[name] or any(group.get(name) == value for group in groups):
            continue
        try:
            one, other = settings({}), settings({name: 2 * value + 1})
        except Exception:  # one that cannot be made for other parameters is not accused
            continue
        if same(one, other) and ... not in one[-1].values():
            raise ValueError(
                f"optimizer={name_of(recipe)} is called as optimizer(parameters, lr=..., "
                f"weight_decay=...), and {name}={value!r} changes nothing in the optimizer that it "
                f"returns. Hand {name} on to it, or leave {name} of the estimator as it is."
            )


def _is_not_fused(job):
    """Whether one call for all parameters is not possible: by their numbers, or as asked for.

    That call takes no complex numbers. Of a weight with gaps in memory, as a part of a larger one
    has, it would change the numbers in the gaps.
    """
    asked = any(job.optimizer_arguments.get(name) for name in ("foreach", "differentiable"))
    weights = [p for p in job.network.parameters() if p.requires_grad]
    return asked or any(p.is_complex() or has_gaps(p) for p in weights)


def _refuse_gaps(optimizer, job):
    """Raise a ValueError if fused=True, given by hand, would change the gaps of a weight."""
    fused = [p for group in optimizer.param_groups if group.get("fused") for p in group["params"]]
    names = {id(p): name for name, p in job.network.named_parameters()}
    for name in (names.get(id(p), "a weight") for p in fused if has_gaps(p)):
        raise ValueError(
            f"The optimizer {name_of(job.optimizer)} has fused=True, and `{name}` has gaps in "
            f"memory, as a part of a larger tensor has: torch would change the numbers in the "
            f"gaps instead. Leave fused out, or make the weight of a copy: "
            f"nn.Parameter(weight.contiguous())."
        )


def _takes_weight_decay(optimizer):
    if isinstance(optimizer, str):
        return True
    parameters = parameters_of(optimizer)
    if parameters is None:
        return True
    return any(p.kind is p.VAR_KEYWORD or p.name == "weight_decay" for p in parameters)


def in_own_words(error, job):
    """Return what to raise where a job's optimizer refuses its first step with an error."""
    given = job.optimizer_arguments.items()
    said = "".join(f", optimizer__{name}={value!r}" for name, value in given)
    what = str(error).strip().split("\n")[0].rstrip(".")
    return ValueError(
        f"The optimizer {name_of(job.optimizer)} cannot take a step here"
        f"{said and ' with' + said[1:]}: {what}."
    )
