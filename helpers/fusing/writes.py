"""Weights and buffers that a forward pass writes to, others for other rows.

Where networks of a stack have unequal numbers of rows, some get rows that are padding. These do not
count in the loss, but what they make a network write does.
"""

import copy

import torch

from helpers.frozen import training_mode
from helpers.fusing.comparison import has_own_code
from helpers.fusing.digests import numbers_of
from helpers.fusing.norms import BATCH_NORMS
from helpers.tensors import seed_generators

WRITES = "its rows change its weights or buffers, and its fits have unequal numbers of rows"


@torch.no_grad()
def written_by(network, X):
    """Return the name of a weight or buffer that a pass over some rows changes, or None."""
    before = numbers_by_name(network)
    network(X)
    after = numbers_by_name(network)
    return next((name for name in after if after[name] != before.get(name)), None)


def numbers_by_name(network):
    named = *network.named_parameters(), *network.named_buffers()
    return {name: numbers_of(tensor) for name, tensor in named}


def writes_by_row(job):
    """Tell whether a forward pass writes to the network of a job what depends on its rows.

    Embeddings with `max_norm` do: they shorten the vectors that are looked up, if too long. Code of
    the user's is asked with larger weights, since what has no effect at first may have one later.
    The batched form of BatchNorm does not count padding.
    """
    network, rows = job.network, job.rows
    if any(getattr(module, "max_norm", None) is not None for module in network.modules()):
        return True
    if not has_own_code(network):
        return False
    try:
        first, *others = (state_after(job, some) for some in (rows[:2], rows[-2:], rows[:8]))
    except Exception:  # with these weights it cannot be asked, and may write
        return True
    return any(state != first for state in others)


@torch.no_grad()
def state_after(job, rows):
    """Return the numbers of a copy with large weights after a pass over some rows, as bytes."""
    network = copy.deepcopy(job.network)
    for parameter in network.parameters():
        if parameter.is_floating_point():
            parameter.mul_(100).add_(1)
    training_mode(network)
    seed_generators(job.seed, job.y.device)
    network(job.take(rows)[0])
    return [
        numbers_of(tensor)
        for module in network.modules()
        if type(module) not in BATCH_NORMS
        for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False))
    ]
