"""What the parameters of `TorchClassifier` and `TorchRegressor` may be."""

from functools import partial
from numbers import Integral, Real

import torch
from torch.optim.lr_scheduler import LRScheduler

from helpers._compat import HasMethods, Interval, StrOptions
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
NUMBERS = (
    *("epochs", "lr", "batch_size", "weight_decay", "clip", "patience", "validation_fraction"),
    "random_state",
)


def refuse_instances(estimator):
    """Raise a ValueError if a parameter belongs to one network, as an optimizer of torch does."""
    schedule, optimizer = estimator.schedule, estimator.optimizer
    kind = schedule.func if isinstance(schedule, partial) else schedule
    kind = kind if isinstance(kind, type) else type(kind)
    if issubclass(kind, LRScheduler):
        raise ValueError(
            f"schedule must be a function of the share of training that is done. {kind.__name__} "
            f"of torch changes the learning rate of one optimizer, and each fit has its own. "
            f"Write, for instance, schedule=lambda done: 1 - done, or 0.1 ** int(3 * done)."
        )
    if isinstance(optimizer, torch.optim.Optimizer):
        name = type(optimizer).__name__
        raise ValueError(
            f"optimizer must be a name or a class; got an object of {name}, which belongs to the "
            f"weights of one network, and each fit builds a new one. Give "
            f"optimizer=torch.optim.{name}, and its arguments as lr=... and optimizer__<name>=...."
        )
