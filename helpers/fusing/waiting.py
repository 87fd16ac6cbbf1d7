"""Fits that wait for their training: what they hold, and what nobody may change meanwhile."""

import numpy as np
from scipy import sparse

from helpers.datasets import Rows
from helpers.digests import checksum
from helpers.tensors import as_tensor


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
    """Raise a ValueError if a job is to go on with the network of a task that waits.

    `tasks` are those that wait, by the `id` of their networks.
    """
    other = tasks.get(id(job.network))
    if other is not None and not other.abandoned:
        raise ValueError(
            "partial_fit is to go on with a network that waits for its training in another call: "
            "fused begins all calls before one is trained, and two of them have got one estimator, "
            "or shallow copies of one. Give each its own, as by copy.deepcopy, or fit without "
            "fused."
        )


def bytes_of(job):
    """Return the size of a job's rows; those that are not loaded yet have none."""
    return 0 if isinstance(job.X, Rows) else job.X.data.nbytes
