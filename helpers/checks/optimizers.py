"""What a callable that makes optimizers may be, and what an optimizer may refuse in a step."""

import inspect

import torch

from helpers.checks.arguments import name_of, same
from helpers.optimizer_states import settings_of

# What an estimator has if nobody gives another: an optimizer of the user's may go without it.
DEFAULTS = {"lr": 0.01, "weight_decay": 0}


def check_optimizer_object(optimizer, recipe, parameters):
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


def refuse_unused(optimizer, recipe, given):
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


def in_own_words(error, job):
    """Return what to raise where a job's optimizer refuses its first step with an error."""
    given = job.optimizer_arguments.items()
    said = "".join(f", optimizer__{name}={value!r}" for name, value in given)
    what = str(error).strip().split("\n")[0].rstrip(".")
    return ValueError(
        f"The optimizer {name_of(job.optimizer)} cannot take a step here"
        f"{said and ' with' + said[1:]}: {what}."
    )
