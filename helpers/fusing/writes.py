"""What rows that are padding may change: weights and buffers, and the outputs for other rows.

Where networks of a stack have unequal numbers of rows, some get rows that are padding. These do not
count in the loss, but what they make a network write does, and so does what it makes of them for
other rows.
"""

import copy

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from helpers._compat import TorchDispatchMode, seen_without_compiler
from helpers.digests import numbers_of
from helpers.fusing.chance import without_dropout
from helpers.fusing.content import first_unlike, numbers_within
from helpers.fusing.functions import copy_of, outputs_for
from helpers.fusing.norms import BATCH_NORMS
from helpers.fusing.own_code import has_own_code
from helpers.global_state import seed_generators
from helpers.losses import OwnLoss
from helpers.modules import training_mode

WRITES = "its rows change its weights or buffers, and its fits have unequal numbers of rows"


@torch.no_grad()
def written_by(network, X):
    """Return the name of a weight or buffer that a pass over some rows changes, or None."""
    before = numbers_within(network)
    network(X)
    return first_unlike(before, numbers_within(network))


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
    if any(getattr(module, "scale_grad_by_freq", False) for module in job.network.modules()):
        return True  # gradients are divided by how often a code, or another one, comes in a step
    network, X, y = copy.deepcopy(job.network), *job.take(job.rows[:8])[:2]
    training_mode(network)
    without_dropout(network)
    for module in network.modules():
        if type(module) in BATCH_NORMS:
            module.eval()

    def answer():
        own = copy.deepcopy(network)  # it may count its batches
        return lambda X, y: own(X)

    def losses():
        own = copy_of(job.loss)
        return lambda outputs, y: own(outputs, y, reduction="none")

    if has_own_code(network) and acts_on_others(answer, X, y):
        return True
    return isinstance(job.loss, OwnLoss) and acts_on_others(losses, outputs_for(job, y), y)


def acts_on_others(make, X, y):
    """Tell whether a function takes rows into account for others, be it without effect as yet.

    `make` returns a new copy of it. Half of the rows get others beside them, which are nan, have
    another sign, or are all the same. Nothing on the way may differ then in what does not belong to
    the others: a mean may be computed that is only compared with something.
    """
    n = len(X) // 2
    first, last = X[:n], X[n:]
    given, _ = results_of(make, X, y)
    _, alone = results_of(make, first, y[:n])
    for others in (torch.full_like(last, torch.nan), -last, last[:1].expand_as(last)):
        found, among = results_of(make, torch.cat([first, others]), y)
        if given is None or found is None:
            continue  # it refuses such rows, as an index would be
        if len(given) != len(found):
            return True
        if not all(same_but_for(n, len(X), *pair) for pair in zip(given, found, strict=True)):
            return True
        if alone is not None:
            if not torch.allclose(alone, among[:n], rtol=1e-3, atol=1e-5, equal_nan=True):
                return True
    return False


def results_of(make, *arguments):
    """Return all that torch computes in a function, and what it returns; twice None if it fails."""
    function = make()
    seed_generators(0, arguments[0].device)  # it may draw
    try:
        with Results() as results, OneHots(results.kept):
            returned = function(*(one.clone() for one in arguments))
    except Exception:
        return None, None
    return results.kept, returned


@seen_without_compiler
class Results(TorchDispatchMode):
    """Within it, copies of all that torch computes are kept in the list `kept`.

    Numbers of empty tensors are left from before. So they are not kept, nor parts of them while
    they are filled, as by circular padding: what is made of them later is.
    """

    def __init__(self):
        super().__init__()
        self.kept, self.empty = [], {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for one in result if isinstance(result, tuple | list) else [result]:
            if isinstance(one, torch.Tensor) and one.layout is torch.strided:
                place = one.untyped_storage().data_ptr()
                if "empty" in function.__name__:
                    self.empty[place] = one  # held, so that no other tensor gets its place
                elif place not in self.empty:
                    self.kept.append(one.detach().clone())
        return result


class OneHots(TorchFunctionMode):
    """Within it, `F.one_hot` counts as one computation.

    It looks for the largest of all codes, only to see whether there are as many classes.
    """

    def __init__(self, kept):
        super().__init__()
        self.kept = kept

    def __torch_function__(self, function, types, args=(), kwargs=None):
        n_kept = len(self.kept)
        result = function(*args, **(kwargs or {}))
        if function is F.one_hot:
            self.kept[n_kept:] = [result.clone()]
        return result


def same_but_for(n, total, one, other):
    """Tell whether two tensors differ in the last of `total` rows alone.

    They are those from number `n` on, on any axis, where rows may be blocks or come in turns.
    """
    if one.shape != other.shape:
        return False
    different = ~torch.isclose(one, other, rtol=1e-5, atol=1e-7, equal_nan=True)
    if not different.any():
        return True
    for axis, size in enumerate(different.shape):
        for blocks in range(1, size // total + 1):
            if size % (blocks * total) == 0:
                in_rows = different.unflatten(axis, (blocks, total, -1))
                if not in_rows.narrow(axis + 1, 0, n).any():
                    return True
    return False
