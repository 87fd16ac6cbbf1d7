"""Slots from jobs: those that differ in `epochs` alone share one."""

import zlib
from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse

from helpers.datasets import Rows
from helpers.fusing.places import get_rows
from helpers.tensors import as_tensor
from helpers.training import Progress


@dataclass
class Slot:
    """Jobs that are equal but for `epochs`, so that one network answers them all.

    Attributes
    ----------
    members : list of Progress
        One for each job that has not ended.
    set : int
        Number of its `X` among the distinct ones.
    order : hashable
        Equal for slots that take the same rows in the same order.
    """

    members: list
    set: int
    order: tuple

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
        is_loaded = not isinstance(tensor, Rows)  # of those that are not, equal keys are enough
        if is_loaded:
            key = tensor.dtype, tensor.shape, checksum(tensor)
        else:
            key = id(tensor.dataset), id(tensor.load), tensor.numbers.tobytes()
        alike = self._numbers.setdefault(key, [])
        for number in alike:
            if not is_loaded or torch.equal(self.tensors[number], tensor):
                return number
        alike.append(len(self.tensors))
        self.tensors.append(tensor)
        return alike[-1]


def checksum(tensor):
    """Return a number that is nearly always another where a tensor holds other numbers."""
    return zlib.crc32(tensor.detach().cpu().contiguous().numpy())


def checksums(job):
    """Return a checksum of each tensor that a job may share with the arrays of the user.

    Of rows that are not loaded yet, the first, the middle and the last are loaded: a fit may have
    set its Dataset to something. What else a Dataset keeps, as a cache does, changes no rows.
    """
    X = job.X
    if isinstance(X, Rows):
        X = as_tensor(X.loaded(np.array([0, len(X) // 2, -1])))
    elif sparse.issparse(X):
        X = as_tensor(X.data)
    return [checksum(tensor) for tensor in (X, job.y, job.weight) if tensor is not None]


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


def not_writing(callback, job):
    """Return a callback that is an error if it changes the rows of a job: a stack has copies."""
    tensors = [t for t in (job.X, job.y, job.weight) if isinstance(t, torch.Tensor)]
    before = list(map(checksum, tensors))

    def call():
        answer = callback()
        if list(map(checksum, tensors)) != before:
            raise ValueError(
                "A callback has written to X, y or sample_weight of a fit, which fused has copied "
                "before its first epoch. Change rows in augment, or fit without fused."
            )
        return answer

    return call


def changed_rows(task):
    """Return an error if the rows of a task's job are others than when it paused, or None."""
    if checksums(task.job) == task.checksums:
        return None
    if isinstance(task.job.X, Rows):
        return ValueError(
            f"The {type(task.job.X.dataset).__name__} that a fit trains on, or its y, was changed "
            f"while the fit waited for others: fused begins all fits before one is trained, and "
            f"another has set an attribute of it. Give each fit a Dataset of its own, or fit "
            f"without fused."
        )
    return ValueError(
        "The rows of a fit (X, y or sample_weight) were changed while it waited for others: fused "
        "begins all fits before one is trained, and another has written to the same array, as a "
        "step with copy=False does. Have it copy, or fit without fused."
    )


def refuse_a_network_twice(job, tasks):
    """Raise a ValueError if a job is to go on with the network of a task that waits."""
    if any(job.network is task.job.network for task in tasks):
        raise ValueError(
            "partial_fit is to go on with a network that waits for its training in another call: "
            "fused begins all calls before one is trained, and two of them have got one estimator, "
            "or shallow copies of one. Give each its own, as by copy.deepcopy, or fit without "
            "fused."
        )


def bytes_of(job):
    """Return the size of a job's rows; those that are not loaded yet have none."""
    return 0 if isinstance(job.X, Rows) else job.X.data.nbytes
