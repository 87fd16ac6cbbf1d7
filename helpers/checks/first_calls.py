"""What a network keeps of the rows that it is asked for before its training."""

from contextlib import contextmanager

import torch

from helpers._compat import is_lazy
from helpers.copies import way_back
from helpers.fusing.content import Incomparable, contents, named_tensors
from helpers.fusing.digests import numbers_of
from helpers.fusing.own_code import has_own_code
from helpers.global_state import states_of_generators


@contextmanager
def no_rows_kept(job):
    """Have the new network of a job keep nothing of the rows that it is asked for within.

    As it is asked for the first time, it may make layers, or a mask that it needs again. They stay.
    What depends on the rows, as the mean of the first batch, is for its training to make.
    """
    network = job.network
    before, drawn = _held_by(network), states_of_generators(job.y.device)
    go_back = before and way_back(network)
    yield
    after = before and _held_by(network)
    if after == before or not after or after[0].keys() != before[0].keys():
        return
    if states_of_generators(job.y.device) != drawn:  # what it has made may differ each time
        return
    go_back()
    _ask(network, job, job.rows[-2:])
    depends_on_rows = _held_by(network) != after
    go_back()
    if not depends_on_rows:
        _ask(network, job, job.rows[:2])


@torch.no_grad()
def _ask(network, job, rows):
    network.eval()
    network(job.take(rows)[0])


def _held_by(network):
    """Return the numbers of a network by name, and what else it holds; None if nobody can tell."""
    tensors = dict(named_tensors(network))
    if not has_own_code(network) or any(map(is_lazy, tensors.values())):
        return None
    try:
        return {name: numbers_of(tensor) for name, tensor in tensors.items()}, contents(network)
    except (Incomparable, RuntimeError):  # a lock, or a tensor without numbers
        return None
