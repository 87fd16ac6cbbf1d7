"""Training that ended in nothing of use: what shows it, and the error that names the cause."""

import math

import torch

from helpers.checks.arguments import name_of
from helpers.losses import OwnLoss
from helpers.optimizers import known_name
from helpers.tensors import chunks

# Inputs, targets and weights above it are named as the likely cause when training diverges.
FAR_FROM_ONE = 1000


def check_end(job, has_best):
    """Raise a ValueError if a job that has ended has learned nothing that can be used."""
    last = job.history[-1]
    if not all(is_below(math.inf, p) for p in job.network.parameters()):
        raise divergence(job, last)
    if not answers_rows(job):
        what = "Training diverged: outputs are not finite after it; the loss was"
        raise divergence(job, last, what=what)
    if job.patience is not None and not has_best:
        what = "No epoch can be chosen: the loss of the rows that patience watches was"
        raise divergence(job, last, what=what, loss="valid_loss")
    if known_name(job.optimizer) in ("adam", "adamw", "rmsprop"):
        numbers = [one for state in job.optimizer_state.values() for one in state.values()]
        # They divide by the root of squares: a weight stays where it is if that is infinite.
        if not all(is_below(math.inf, one) for one in numbers if isinstance(one, torch.Tensor)):
            what = f"Gradients were too large to be squared in {job.dtype}; the loss was"
            raise divergence(job, last, what=what)


@torch.no_grad()
def answers_rows(job):
    """Tell whether outputs for a few rows are finite; where weights are moderate, do not ask."""
    if all(is_below(FAR_FROM_ONE, p) for p in job.network.parameters()):
        return True
    job.network.eval()
    outputs = job.network(job.take(job.rows[:8])[0])
    return not outputs.isnan().any() and (outputs < math.inf).all()


def is_below(limit, tensor):
    """Tell whether all numbers in a tensor are nearer to 0 than a limit, which NaN is not."""
    return not tensor.numel() or tensor.abs().max().item() < limit


def divergence(job, row, begun=True, what="Training diverged: the loss was", loss="train_loss"):
    """Return the error that names the cause of a loss or weight that is not finite.

    Where training has not begun, it is of the first weights, so that lr is no cause.
    """
    batches = chunks(job.rows if loss == "train_loss" else job.valid_rows, job.X.shape[1:])
    largest = {"input": max(abs(job.take(rows)[0]).max() for rows in batches)}
    cures = {"input": "scale X, for instance with make_pipeline(StandardScaler(), ...)"}
    if job.y.is_floating_point():
        largest["target"] = abs(job.y).max()
        cures["target"] = "scale y, for instance with TransformedTargetRegressor"
    if job.weight is not None:
        largest["weight of a row"] = job.weight.max()
        cures["weight of a row"] = "divide the weights by their mean"
    said = [f"the largest {what} is {float(value):.3g}" for what, value in largest.items()]
    # What is far from 1 is the likely cause.
    causes = [cures[what] for what, value in largest.items() if value > FAR_FROM_ONE]
    causes += ["lower lr"] if job.lr > 1 and begun else []
    causes += ["lower weight_decay"] if job.weight_decay > 1 and begun else []
    if isinstance(job.loss, OwnLoss):
        causes.append(f"see whether {name_of(job.loss.function)} is finite for all outputs")
    if not begun and not isinstance(job.loss, OwnLoss):  # or that may be the cause
        what = f"The loss was {row['train_loss']:.3g} before the first step of training"
        name = type(job.network).__name__
        guess = (
            f"see whether {name} is finite for all rows: no logarithm of 0 or less, no division "
            f"by 0"
        )
    else:
        and_schedule = "" if job.lr_factors is None else " and a schedule"
        what += f" {row[loss]:.3g} in epoch {row['epoch']}, with lr={job.lr}{and_schedule}"
        guess = f"lower lr, or {cures['input']}"
    cure = " and ".join(causes) or guess
    return ValueError(f"{what}; {', '.join(said)}. {cure[0].upper()}{cure[1:]}.")
