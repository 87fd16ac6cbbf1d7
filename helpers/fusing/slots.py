"""Slots from jobs: those that differ in `epochs` alone share one."""

from dataclasses import dataclass

import torch

from helpers.digests import checksum
from helpers.fusing.callbacks import get_rows, not_writing, once_an_epoch
from helpers.training import Progress


@dataclass
class Slot:
    """Jobs that are equal but for `epochs`, so that one network answers them all."""

    members: list  # the `Progress` of each job that has not ended
    X: int  # number of its `X` among the distinct ones
    order: tuple  # equal for slots that take the same rows in the same order

    @property
    def jobs(self):
        return [member.job for member in self.members]


class TensorIndex:
    """Numbers tensors so that equal ones have one number."""

    def __init__(self):
        self.tensors = []
        self._numbers = {}

    def number(self, tensor):
        """Return the number of a tensor; None, which stands for no tensor, is its own."""
        if tensor is None:
            return None
        is_loaded = isinstance(tensor, torch.Tensor)
        if is_loaded:
            key = tensor.dtype, tensor.shape, checksum(tensor)
        else:  # `Rows`, of which equal keys are enough
            key = id(tensor.dataset), id(tensor.load), tensor.numbers.tobytes()
        alike = self._numbers.setdefault(key, [])
        for number in alike:
            if not is_loaded or torch.equal(self.tensors[number], tensor):
                return number
        alike.append(len(self.tensors))
        self.tensors.append(tensor)
        return alike[-1]


def assign_slots(jobs, index):
    """Return a list of slots for jobs that are alike in all that `grouping.stack_key` names.

    `index`, a `TensorIndex`, takes in what they train on.
    """
    slots = {}
    for job in jobs:
        number = index.number(job.X)
        draws = job.in_batches or job.augment is not None
        order = (number, index.number(job.rows), job.seed if draws else None)
        tensors = [job.y, job.weight, *job.network.parameters(), *job.network.buffers()]
        for state in job.optimizer_state.values():
            tensors += state.values()
        alike = (
            order,
            job.lr,
            job.weight_decay,
            job.seed,
            job.clip,
            None if job.lr_factors is None else job.lr_factors.tobytes(),
            *(index.number(tensor) for tensor in tensors),
        )
        if job.patience is not None:
            alike = id(job)  # its best epoch depends on where it ends
        for name in ("before_epoch", "after_epoch"):
            callback = once_an_epoch(getattr(job, name), job.history)
            setattr(job, name, not_writing(callback, job) if get_rows(job.callbacks) else callback)
        slots.setdefault(alike, Slot([], number, order)).members.append(Progress(job))
    return list(slots.values())
