"""What users hand over as functions, `loss` and `augment`: compared by content."""

import copy

import torch
from torch import nn

from helpers.augmentation import Augmentation
from helpers.fusing.content import digest, first_line
from helpers.fusing.outside import Outside
from helpers.losses import OwnLoss

LOSS_KEEPS = "its loss keeps something between batches"


def contents_of_functions(job):
    """Return what the loss and the augmentation of a job hold, equal for those that do the same."""
    loss = digest(job.loss) if isinstance(job.loss, OwnLoss) else job.loss
    return loss, None if job.augment is None else digest(job.augment.function)


def why_incomparable(job):
    """Return why a job's loss or augmentation cannot be compared with another, or None."""
    for name, own in (("loss", job.loss), ("augment", job.augment)):
        try:
            digest(getattr(own, "function", None))
        except Exception as error:
            return (
                f"its {name} cannot be compared with that of another fit "
                f"({type(error).__name__}: {first_line(error)})"
            )
    return None


def why_functions_change(job):
    """Return what a loss or an augmentation of the user's keeps between batches, or None.

    In a stack the one is called once for all networks, the other once for those of a fold.
    """
    if not isinstance(job.loss, OwnLoss) and job.augment is None:
        return None
    X, y, _ = job.take(job.rows[:4])
    if isinstance(job.loss, OwnLoss):
        outputs = torch.zeros(len(y), job.n_outputs, dtype=job.dtype, device=y.device)
        outputs.requires_grad_()
        if keeps(job.loss.function, lambda own: OwnLoss(own, job.loss.of_values)(outputs, y)):
            return LOSS_KEEPS
    if job.augment is not None and keeps(
        job.augment.function, lambda own: seeded(own, X), logs=True
    ):
        return "its augment keeps something between batches"
    return None


def seeded(augment, X):
    """Call an augmentation as in a training step, so that torch's generator stays as it is."""
    return Augmentation(augment)._call(X, seed=0)


def keeps(function, call, logs=False):
    """Whether a call of a copy of a function changes it, or a variable of its code.

    Where `logs`, it may make a list longer.
    """
    holder = nn.Module()
    try:
        holder.own = own = copy.deepcopy(function)
        outside, before = Outside(holder), digest(own)
    except Exception:  # it cannot be copied, and is taken for one that keeps nothing
        return False
    try:
        call(own)
        pairs = [changed[2:] for changed in outside.changes()]
        grown = [logs and isinstance(value, list) and len(value) > len(was) for value, was in pairs]
        return digest(own) != before or not all(grown)
    except Exception:  # which the trial step tells
        return False
    finally:
        outside.restore()
