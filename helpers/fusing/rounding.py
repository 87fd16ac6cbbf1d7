"""Gradients that are nothing but rounding, and optimizers that take whole steps by them."""

from dataclasses import replace

import torch

from helpers.frozen import training_mode
from helpers.fusing.comparison import without_dropout
from helpers.fusing.content import exact_copy
from helpers.fusing.copies import as_dtype
from helpers.fusing.differences import largest
from helpers.optimizers import known_name

BY_ROUNDING = (
    "in float32 the gradients of its `{}` are nothing but rounding, as those of a bias before "
    "BatchNorm, and {} takes whole steps by them, others in a stack (with bias=False, or X in "
    "float64, it can be stacked)"
)
# Parts of the largest gradient below which another one may be rounding in float32.
SMALL = 1e-4


def why_rounded(job, network):
    """Return a reason if a weight is moved by rounding alone, and outputs depend on it, or None.

    Adam and RMSprop divide a gradient by its size. One that is 0 but for rounding, which is another
    in each order of a sum, moves its weight as any other does. In float64 it is too small for that.

    Parameters
    ----------
    job : Job
    network : nn.Module
        A copy of its network, with the gradients of its first rows.
    """
    if job.dtype != torch.float32 or known_name(job.optimizer) == "sgd":
        return None
    sizes = {n: largest(p.grad) for n, p in network.named_parameters() if p.grad is not None}
    small = [name for name, size in sizes.items() if 0 < size < SMALL * max(sizes.values())]
    if not small:
        return None
    try:
        exact = in_float64(job)
        exact.mean_loss(exact.X, exact.y, exact.weight).backward()
    except Exception:  # its loss, say, takes float32 alone
        return None
    weights = dict(exact.network.named_parameters())
    moved = (name for name in small if largest(weights[name].grad) < 0.1 * sizes[name])
    name = next((name for name in moved if has_effect(exact, weights[name])), None)
    return name and BY_ROUNDING.format(name, known_name(job.optimizer))


def in_float64(job):
    """Return a job of a few rows with a copy of the network, all in float64, dropout off."""
    X, y, weight = job.take(job.rows[:4])
    few = {"X": X, "y": y, "weight": weight, "rows": torch.arange(len(y))}
    job = as_dtype(replace(job, network=exact_copy(job.network), **few), torch.float64)
    training_mode(job.network)
    without_dropout(job.network)
    return job


@torch.no_grad()
def has_effect(job, weight):
    """Tell whether outputs of a network in evaluation depend on a weight."""
    job.network.eval()
    before = job.network(job.X.clone())
    weight.add_(0.1)
    return not torch.allclose(job.network(job.X.clone()), before)
