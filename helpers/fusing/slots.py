"""Slots from jobs: those that differ in `epochs` alone share one."""

import zlib

import torch

from helpers.fusing.stack import Slot
from helpers.training import Progress


class TensorIndex:
    """Numbers tensors so that equal ones have one number."""

    def __init__(self):
        self.tensors = []
        self._numbers = {}

    def number(self, tensor):
        """Return the number of a tensor; None, which stands for no tensor, is its own."""
        if tensor is None:
            return None
        checksum = zlib.crc32(tensor.detach().cpu().contiguous().numpy())
        alike = self._numbers.setdefault((tensor.dtype, tensor.shape, checksum), [])
        for number in alike:
            if torch.equal(self.tensors[number], tensor):
                return number
        alike.append(len(self.tensors))
        self.tensors.append(tensor)
        return alike[-1]


def assign_slots(jobs, index):
    """Put together the jobs that differ in `epochs` alone; number what they train on.

    Parameters
    ----------
    jobs : list of Job
        Alike in all that `helpers.fusing.grouping.stack_key` names.
    index : TensorIndex
        Takes in what the jobs train on.

    Returns
    -------
    list of Slot
    """
    slots = {}
    for job in jobs:
        number = index.number(job.X)
        order = (number, index.number(job.rows), job.seed if job.in_batches else None)
        tensors = [job.y, job.weight, *job.network.parameters(), *job.network.buffers()]
        for state in job.optimizer_state.values():
            tensors += state.values()
        alike = (
            order,
            job.lr,
            job.weight_decay,
            job.seed,
            *(index.number(tensor) for tensor in tensors),
        )
        if job.patience is not None:
            alike = id(job)  # its best epoch depends on where it ends
        for name in ("before_epoch", "after_epoch"):
            setattr(job, name, once_an_epoch(getattr(job, name), job.history))
        slots.setdefault(alike, Slot([], number, order)).members.append(Progress(job))
    return list(slots.values())


def once_an_epoch(callback, history):
    """Return a callback that stays silent where an epoch is trained a second time.

    `history` and not its job: a cycle would keep the rows of the job alive.
    """
    reached = 0

    def call():
        nonlocal reached
        if len(history) < reached:
            return False
        reached = len(history) + 1
        return callback()

    return call
