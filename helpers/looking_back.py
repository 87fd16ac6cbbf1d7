"""What is looked at when a network is trained: its outputs, and what its loss has kept."""

import copy
import warnings
from types import BuiltinFunctionType, FunctionType

import torch

from helpers.arguments import name_of
from helpers.last_calls import warn_of_range
from helpers.loss_checks import warn_of_endless
from helpers.losses import OwnLoss, in_precision
from helpers.tensors import private_rng
from helpers.training import trainer


class KeptLoss:
    """A loss that is an object, and may keep something, with a copy of it from before a fit."""

    def __init__(self, function):
        self.function, self.before = function, copy.deepcopy(function)

    @classmethod
    def of(cls, function):
        """Return None of what keeps nothing, or cannot be copied: functions, losses of torch.

        And under `fused`, which tells of a loss that keeps something itself.
        """
        is_function = isinstance(function, (FunctionType, BuiltinFunctionType, type(None)))
        of_torch = type(function).__module__.startswith("torch.")
        if is_function or of_torch or trainer.get(None) is not None:
            return None
        try:
            return cls(function)
        except Exception:
            return None

    @torch.no_grad()
    def has_changed(self, job):
        """Whether it answers otherwise than before the fit, for the same outputs."""
        X, y, _ = job.take(job.rows[:64])
        try:
            outputs = copy.deepcopy(job.network).eval()(X)
            answers = []
            for function in (self.before, copy.deepcopy(self.function)):
                torch.manual_seed(0)
                own = in_precision(function, job.dtype, y.device)
                answers.append(OwnLoss(own, job.loss.of_values)(outputs, y, reduction="none"))
        except Exception:  # one that cannot be asked in this way is not accused
            return False
        return not torch.allclose(*answers, equal_nan=True)


def look_back(job, owner, of_classes, own_loss):
    """Warn of what shows when a network is trained.

    Parameters
    ----------
    job : Job
    owner : str
        The estimator's name.
    of_classes : bool
        Whether its outputs are logits.
    own_loss : KeptLoss or None
    """
    if not job.history:
        return
    fell = job.history[-1]["train_loss"] < 0 and isinstance(job.loss, OwnLoss)
    if not fell and not job.ends_in and own_loss is None:
        return
    with private_rng(job.y.device):
        if fell:
            warn_of_endless(job)
        elif job.ends_in:
            warn_of_range(job, owner, of_classes)
        if own_loss is not None and own_loss.has_changed(job):
            warnings.warn(
                f"{name_of(own_loss.function)} has other losses after this fit than before, for "
                f"the same outputs: it keeps something between its calls, with which the next fit "
                f"of {owner} begins, so that it cannot be repeated. Compute the loss from outputs "
                f"and y alone, or keep that in the module, which each fit builds anew.",
                UserWarning,
                stacklevel=2,
            )
