"""What users hand over as functions, `loss` and `augment`: compared by content."""

import copy

import torch
from torch import nn

from helpers.fusing.content import digest, first_line
from helpers.fusing.outside import Outside
from helpers.losses import OwnLoss


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


def why_loss_changes(job):
    """Return what a loss of the user's keeps between batches, or None.

    In a stack it is called once for all networks. `augment` needs no such look: it is asked twice
    before it is used, see `helpers.augmentation`.
    """
    if not isinstance(job.loss, OwnLoss):
        return None
    holder = nn.Module()
    try:
        holder.loss = loss = copy.deepcopy(job.loss.function)
        outside, before = Outside(holder), digest(loss)
    except Exception:  # it cannot be copied, and is taken for one that keeps nothing
        return None
    y = job.y[job.rows[:4]]
    outputs = torch.zeros(len(y), job.n_outputs, dtype=job.dtype, device=y.device)
    try:
        OwnLoss(loss, job.loss.of_values)(outputs.requires_grad_(), y)
        if digest(loss) != before or outside.changed():
            return "its loss keeps something between batches"
    except Exception:  # which the trial step tells
        pass
    finally:
        outside.restore()
    return None
