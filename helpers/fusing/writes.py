"""What rows that are padding may change: weights and buffers, and the outputs for other rows.

Where networks of a stack have unequal numbers of rows, some get rows that are padding. These do not
count in the loss, but what they make a network write does, and so does what it makes of them for
other rows.
"""

import copy

import torch

from helpers._compat import TorchDispatchMode
from helpers.frozen import training_mode
from helpers.fusing.comparison import without_dropout
from helpers.fusing.digests import numbers_of
from helpers.fusing.norms import BATCH_NORMS
from helpers.fusing.own_code import copy_of, has_own_code
from helpers.losses import OwnLoss
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


@torch.no_grad()
def mixes_rows(job):
    """Tell whether a network, or a loss, takes other rows into account, even without effect.

    A trial may not show it: a loss that changes its sign as soon as its mean is small acts late in
    a training. Rows of nan do, as they make nan of all that is computed from them. BatchNorm does
    not count.
    """
    network, X, y = copy.deepcopy(job.network), *job.take(job.rows[:8])[:2]
    training_mode(network)
    without_dropout(network)
    for module in network.modules():
        if type(module) in BATCH_NORMS:
            module.eval()

    def answer(X, y):
        return copy.deepcopy(network)(X)  # it may count its batches

    def losses(outputs, y):
        return copy_of(job.loss)(outputs, y, reduction="none")

    if has_own_code(network) and acts_on_others(answer, X, y):
        return True
    outputs = torch.linspace(0.1, 0.9, len(y) * job.n_outputs, dtype=job.dtype, device=y.device)
    return isinstance(job.loss, OwnLoss) and acts_on_others(losses, outputs.view(len(y), -1), y)


def acts_on_others(function, X, y):
    """Tell whether a function takes rows into account for others, be it without effect as yet.

    It gives half of the rows anything else where the others are nan, or nan comes out of these on
    the way: a mean of all may wait for what is no number to be compared with.
    """
    n, total = len(X) // 2, len(X)
    with_nan = torch.cat([X[:n], torch.full_like(X[n:], torch.nan)])
    try:
        with NotOfRows(n, total) as at_first:
            function(X.clone(), y)
        alone = function(X[:n].clone(), y[:n])
        with NotOfRows(n, total) as later:
            among = function(with_nan, y)[:n]
    except Exception:  # it refuses them, as an index would be
        return False
    comes_out = later.found and not at_first.found
    return comes_out or not torch.allclose(alone, among, rtol=1e-3, atol=1e-5, equal_nan=True)


class NotOfRows(TorchDispatchMode):
    """Within it, notes whether something is nan that does not belong to the last rows.

    Parameters
    ----------
    n, total : int
        The first `n` of all rows are numbers.
    """

    def __init__(self, n, total):
        super().__init__()
        self.n, self.total, self.found = n, total, False

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        several = isinstance(result, tuple | list)
        for one in result if several else [result]:
            if isinstance(one, torch.Tensor) and one.is_floating_point():
                is_new = "empty" in function.__name__  # whose numbers are left from before
                self.found |= not is_new and not self._is_of_rows(one.isnan())
        return result

    def _is_of_rows(self, nan):
        """Tell whether there is an axis of rows, or several in each, whose first are numbers."""
        if not nan.any():
            return True
        for axis, size in enumerate(nan.shape):
            if size and size % self.total == 0:
                n_each = size // self.total
                one_by_one = nan.narrow(axis, 0, n_each * self.n)
                in_turns = nan.unflatten(axis, (n_each, self.total)).narrow(axis + 1, 0, self.n)
                if not one_by_one.any() or not in_turns.any():
                    return True
        return False
