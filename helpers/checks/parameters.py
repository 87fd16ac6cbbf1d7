"""What the parameters of `TorchClassifier` and `TorchRegressor` may be."""

from numbers import Integral, Real

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from helpers._compat import (
    HasMethods,
    Interval,
    StrOptions,
    validate_parameter_constraints,
)
from helpers.checks.arguments import (
    check_call,
    is_number,
    makes_another_kind,
    name_of,
    names_by_place,
    plain_number,
    unwrapped,
    words_of,
)
from helpers.optimizers import OPTIMIZERS

CONSTRAINTS = {
    "epochs": [Interval(Integral, 0, None, closed="left")],
    "lr": [Interval(Real, 0, None, closed="left")],
    "batch_size": [Interval(Integral, 1, None, closed="left"), None],
    "weight_decay": [Interval(Real, 0, None, closed="left")],
    "optimizer": [StrOptions(set(OPTIMIZERS)), callable],
    "augment": [callable, None],
    "loss": [callable, None],
    "schedule": [callable, None],
    "clip": [Interval(Real, 0, None, closed="neither"), None],
    "patience": [Interval(Integral, 1, None, closed="left"), None],
    "validation_fraction": [
        Interval(Real, 0, 1, closed="neither"),
        HasMethods(["split", "get_n_splits"]),
        list,
        tuple,
    ],
    "class_weight": [StrOptions({"balanced"}), dict, None],
    "device": [str, torch.device],
    "random_state": ["random_state"],
}
NUMBERS = "epochs lr batch_size weight_decay clip patience validation_fraction random_state".split()

# torch's own optimizers and losses, by their names in small letters. (No L-BFGS: it is refused. No
# loss that is given more than outputs and y.) A short name stands for a loss of logits.
OPTIMIZERS_OF_TORCH = {name.lower(): name for name in torch.optim.__all__ if name[0].isupper()}
del OPTIMIZERS_OF_TORCH["lbfgs"], OPTIMIZERS_OF_TORCH["optimizer"]
LOSSES_OF_TORCH = {
    name.lower(): name
    for name in nn.modules.loss.__all__
    if getattr(nn.modules.loss, name).forward.__code__.co_argcount == 3  # with self
}
LOSSES_OF_TORCH |= {"bce": "BCEWithLogitsLoss", "nll": "CrossEntropyLoss"}

# How functions of the user's are called, and what to do where they cannot be.
CALLS = {
    "schedule": (
        ("done",),
        "done is the share of training that is done, from 0 to below 1. Write, for instance, "
        "schedule=lambda done: 1 - done.",
    ),
    "loss": (
        ("outputs", "y"),
        "Take both by position, and return one number for each row. None is the cross-entropy of "
        "classes, and the squared error of values.",
    ),
    "augment": (("X",), "X holds all rows of a training step; return them, changed."),
}


def check_parameters(estimator):
    """Return an estimator's own parameters, a dict, the `NUMBERS` among them as Python's.

    Raise a ValueError if one is of another type, or outside its range.
    """
    owner = type(estimator).__name__
    parameters = {
        name: value for name, value in estimator.get_params(deep=False).items() if "__" not in name
    }
    for name in NUMBERS:
        value = plain_number(parameters[name])
        if isinstance(value, Real) and not is_number(value):
            raise ValueError(f"The {name!r} parameter of {owner} must be a number. Got {value!r}.")
        if isinstance(value, Real):  # of sympy's, or a fraction, say
            value = int(value) if isinstance(value, Integral) else float(value)
        parameters[name] = value
    validate_parameter_constraints(estimator._parameter_constraints, parameters, caller_name=owner)
    return parameters


def check_functions(estimator):
    """Raise an error if a function, or the optimizer's class, is none that each fit can call."""
    schedule, optimizer = estimator.schedule, estimator.optimizer
    if _is_scheduler(schedule):
        raise ValueError(
            f"schedule must be a function of the share of training that is done. "
            f"{name_of(schedule)} of torch changes the learning rate of one optimizer, and each "
            f"fit has its own. Write, for instance, schedule=lambda done: 1 - done, or "
            f"0.1 ** int(3 * done)."
        )
    if _is_scheduler(optimizer):
        raise ValueError(
            f"optimizer must be a name or a class, such as torch.optim.SGD; "
            f"{name_of(optimizer)} of torch changes the learning rate of an optimizer. Give it "
            f"as schedule, a function of the share of training that is done, for instance "
            f"schedule=lambda done: 0.1 ** int(3 * done)."
        )
    if isinstance(optimizer, Optimizer):
        name = type(optimizer).__name__
        raise ValueError(
            f"optimizer must be a name or a class; got an object of {name}, which belongs to the "
            f"weights of one network, and each fit builds a new one. Give "
            f"optimizer=torch.optim.{name}, and its arguments as lr=... and optimizer__<name>=...."
        )
    by_name = isinstance(optimizer, str) and optimizer in OPTIMIZERS
    if not by_name and not callable(optimizer):
        name, cure = in_torch(optimizer, OPTIMIZERS_OF_TORCH), ""
        if name is not None:
            is_ours = name.lower() in OPTIMIZERS
            cure = f" Give optimizer={repr(name.lower()) if is_ours else f'torch.optim.{name}'}."
        raise ValueError(
            f"optimizer must be one of {', '.join(map(repr, OPTIMIZERS))}, or a class such as "
            f"torch.optim.SGD; got {optimizer!r:.60}.{cure}"
        )
    if optimizer is Optimizer or makes_another_kind(optimizer, Optimizer):
        raise ValueError(
            f"optimizer must be a name, or a class such as torch.optim.SGD; got the class "
            f"{name_of(optimizer)}, which makes no optimizer."
        )
    for name, (given, cure) in CALLS.items():
        function = getattr(estimator, name)
        if function is not None and not callable(function):  # as the names of Keras
            if name == "loss" and (known := in_torch(function, LOSSES_OF_TORCH)):
                cure += f' Of torch, give loss=nn.{known}(reduction="none").'
            raise ValueError(
                f"{name} must be None or a function, called as {name}({', '.join(given)}); got "
                f"{function!r:.60}. {cure}"
            )
        if isinstance(function, type) and not (name == "schedule" and issubclass(function, float)):
            made = f"Give an object of that class: {name}={function.__name__}(...)."
            if name == "loss":
                made = f'Give what it makes: loss={function.__name__}(reduction="none").'
            raise ValueError(
                f"{name} is called as {name}({', '.join(given)}), and {function.__name__} is a "
                f"class{', which makes a loss' if name == 'loss' else ''}. {made}"
            )
        if callable(function):
            check_call(name, function, given, cure)
    if callable(estimator.loss):
        _refuse_reversed(estimator.loss)


def in_torch(written, names):
    """Return the name, of torch's own `names`, that a user wrote in quotes, or None."""
    plain = str(written).rpartition(".")[2].replace("_", "").lower()
    return names.get(plain, names.get(f"{plain}loss"))


# Words in the names of arguments of a loss: for the truth, and for what a network says.
TRUTH = set("true truth target targets label labels actual gt".split())
ANSWER = set(
    "pred preds predicted prediction predictions predict hat yhat output outputs out logit logits "
    "score scores proba probs p f mu estimate estimated".split()
)


def _refuse_reversed(loss):
    """Raise a ValueError if a loss takes the truth first, by the names of its arguments."""
    names = names_by_place(loss)[:2]
    if len(names) < 2:
        return
    first, second = map(words_of, names)
    is_truth = (first & TRUTH and not first & ANSWER) or (first == {"y"} and second & ANSWER)
    if is_truth and not second & (TRUTH | {"expected", "desired"}):
        name = name_of(loss)
        own = "your_loss" if name == "<lambda>" else name
        raise ValueError(
            f"loss is called as loss(outputs, y), what the network says first, and {name} takes "
            f"({', '.join(names)}), the truth first. Turn them round in its definition, or give "
            f"loss=lambda outputs, y: {own}(y, outputs). If it takes what the network says first, "
            f"call that argument outputs."
        )


def _is_scheduler(value):
    value = unwrapped(value)
    return issubclass(value if isinstance(value, type) else type(value), LRScheduler)
