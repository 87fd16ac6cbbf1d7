"""What the parameters of `TorchClassifier` and `TorchRegressor` may be."""

from numbers import Integral, Real

import torch

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
