"""Small copies of jobs, on which a trial shows whether a stack trains what each does alone."""

import copy
from dataclasses import replace

import torch

from helpers.fusing.functions import copy_of
from helpers.fusing.own_code import has_own_code
from helpers.jobs import Job
from helpers.losses import OwnLoss

N_EPOCHS = 2  # of each of them


def moderate_rate(network):
    """Return a learning rate at which the largest step is a tenth of the largest weight."""
    trained = [p for p in network.parameters() if p.grad is not None]
    largest_weight = max((largest(p.detach()) for p in trained), default=0)
    largest_gradient = max((largest(p.grad) for p in trained), default=0)
    rate = 0.1 * (largest_weight or 1.0) / (largest_gradient or 1.0)
    return rate if 0 < rate < float("inf") else 1.0


def copied(job, i, lr, sizes, unequal, unequal_valid):
    """Return a small copy of a job: other weights, few rows, two epochs of plain descent.

    `i` is its number in the trial: each has weights of its own, so that it shows if a stack
    reaches for those of another. Its first row is the largest or the smallest there can be. It is
    not trained on, but a `TrialStack` fills up with it where another network has more rows. Where
    the network has no answer for such a row, it is one that is trained on, as in a `Stack`. A
    network with code of the user's gets as many as there are, the smallest job's or, where
    `unequal`, its own, in batches of the same sizes: its code may ask how many there are.
    """
    network = copy.deepcopy(job.network)
    generator = torch.Generator().manual_seed(i)
    with torch.no_grad():
        for tensors, spread in ((network.parameters(), 0.3), (network.buffers(), 0.03)):
            for tensor in filter(torch.is_floating_point, tensors):
                noise = torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
                tensor.mul_(1 + spread * noise.clamp(-3, 3).to(tensor.device))  # signs stay
    batch_size, (n_rows, n_valid) = job.batch_size if job.in_batches else None, sizes
    if has_own_code(network) or isinstance(job.loss, OwnLoss):
        n_rows = len(job.rows) if unequal else n_rows
        if batch_size:  # one whole batch, and the last one, which may have few rows
            n_rows = batch_size + (n_rows - 1) % batch_size + 1
    else:
        batch_size, n_valid = batch_size and min(batch_size, 4), 3
        n_rows = 2 * batch_size if batch_size else 6
        n_rows -= min(i, (batch_size or n_rows) // 2) if unequal else 0  # BatchNorm needs two
    rows, valid_rows = rotated(job.rows, i, n_rows), None
    if job.valid_rows is not None:
        taken = rotated(job.valid_rows, i, n_valid + i * unequal_valid)
        valid_rows = n_rows + 1 + torch.arange(len(taken))
        rows = torch.cat([rows, taken])
    X, y, weight = job.take(torch.cat([rows[:1], rows]))
    first = X[0].clone()
    X[0] = X.amin(0) if i % 2 else X.amax(0)
    if not has_answer(network, X[:2]):
        X[0] = first
    return Job(
        X,
        y,
        weight,
        torch.arange(1, n_rows + 1),
        copy_of(job.loss),
        "sgd",
        lr,
        weight_decay=0.0,
        epochs=N_EPOCHS,
        batch_size=batch_size,
        n_outputs=job.n_outputs,
        network=network,
        seed=job.seed,
        valid_rows=valid_rows,
    )


def has_answer(network, X):
    """Whether outputs and gradients of some rows are finite; not so where a mask leaves nothing."""
    own = copy.deepcopy(network).eval()
    try:
        outputs = own(X)
        outputs.sum().backward()
    except Exception:  # one that cannot be asked in this way is tried as it is
        return True
    gradients = (p.grad for p in own.parameters() if p.grad is not None)
    return all(one.isfinite().all() for one in (outputs, *gradients))


def largest(tensor):
    """Return the largest absolute number in a tensor that is finite, 0 if there is none."""
    return tensor.nan_to_num(0, 0, 0).abs().max().item() if tensor.numel() else 0.0


def as_dtype(job, dtype):
    """Return a copied job with its floats in another dtype."""
    if dtype == job.dtype:
        return job
    y = job.y.to(dtype) if job.y.is_floating_point() else job.y
    weight = None if job.weight is None else job.weight.to(dtype)
    return replace(job, network=job.network.to(dtype), X=job.X.to(dtype), y=y, weight=weight)


def n_of(rows):
    return 0 if rows is None else len(rows)


def rotated(rows, start, n):
    """Return `n` of some rows, beginning with number `start`."""
    return rows[(start + torch.arange(n)) % len(rows)]
