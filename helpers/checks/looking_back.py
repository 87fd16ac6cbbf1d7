"""What is looked at when a network is trained: its outputs, and what its functions have kept."""

import copy
import warnings
from contextlib import suppress
from types import BuiltinFunctionType, FunctionType

import torch

from helpers.checks.arguments import name_of
from helpers.checks.last_calls import warn_of_range
from helpers.checks.losses import warn_of_endless
from helpers.losses import OwnLoss, in_precision
from helpers.tensors import private_rng
from helpers.training import trainer

FAR = 1000  # from 0: outputs of a new network are near 0, and Adam moves them slowly


class Kept:
    """A `loss` or an `augment` that is an object, with a copy of it from before a fit."""

    def __init__(self, parameter, function):
        self.parameter, self.function = parameter, function
        self.before = copy.deepcopy(function)

    @classmethod
    def of(cls, **functions):
        """Return a list without those that keep nothing, or cannot be copied.

        Functions and layers of torch keep nothing. Under `fused` it is empty: that tells of what
        they keep itself.
        """
        kept = []
        for parameter, function in functions.items():
            is_function = isinstance(function, (FunctionType, BuiltinFunctionType, type(None)))
            of_torch = type(function).__module__.startswith("torch.")
            if not is_function and not of_torch and trainer.get(None) is None:
                with suppress(Exception):
                    kept.append(cls(parameter, function))
        return kept

    @torch.no_grad()
    def has_changed(self, job):
        """Whether it answers otherwise than before the fit, for the same rows or outputs."""
        answers = []
        try:
            for function in (self.before, copy.deepcopy(self.function)):
                torch.manual_seed(0)
                answers.append(self._answer(function, job))
            return not torch.allclose(*answers, equal_nan=True)
        except Exception:  # one that cannot be asked in this way is not accused
            return False

    def _answer(self, function, job):
        X, y, _ = job.take(job.rows[:64])
        if self.parameter == "augment":
            return function(X)
        outputs = copy.deepcopy(job.network).eval()(X)
        own = OwnLoss(in_precision(function, job.dtype, y.device), job.loss.of_values)
        return own(outputs, y, reduction="none")


def look_back(job, owner, of_classes, kept):
    """Warn of what shows when a network is trained.

    Parameters
    ----------
    job : Job
    owner : str
        The estimator's name.
    of_classes : bool
        Whether its outputs are logits.
    kept : list of Kept
    """
    if not job.history:
        return
    if not of_classes and not isinstance(job.loss, OwnLoss):
        warn_of_scale(job, owner)
    fell = job.history[-1]["train_loss"] < 0 and isinstance(job.loss, OwnLoss)
    if not fell and not job.ends_in and not kept:
        return
    with private_rng(job.y.device):
        if fell:
            warn_of_endless(job)
        elif job.ends_in:
            warn_of_range(job, owner, of_classes)
        for one in kept:
            if one.has_changed(job):
                warnings.warn(
                    f"{name_of(one.function)}, the {one.parameter} of this fit, answers otherwise "
                    f"after it than before: it keeps something between its calls, with which the "
                    f"next fit of {owner} begins, so that no fit can be repeated. Compute from "
                    f"what it is given alone, or keep that in the module, which each fit builds "
                    f"anew.",
                    UserWarning,
                    stacklevel=2,
                )


def warn_of_scale(job, owner):
    """Warn if a network has learned little of values that are far from 0, or far apart."""
    y = job.y[job.rows].double()
    mean, spread = y.mean(0).abs().max().item(), y.std(0, correction=0).max().item()
    least = y.var(0, correction=0).mean().item()  # the squared error of their mean
    if max(mean, spread) > FAR and job.history[-1]["train_loss"] > least / 2:
        warnings.warn(
            f"y has a mean of about {mean:.0e} and a standard deviation of about {spread:.0e}; "
            f"outputs of a network begin near 0, and training has not brought them there. Scale y: "
            f"TransformedTargetRegressor({owner}(...), transformer=StandardScaler()).",
            UserWarning,
            stacklevel=2,
        )
