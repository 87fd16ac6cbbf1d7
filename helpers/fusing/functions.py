"""What users hand over as functions, `loss` and `augment`: compared by content."""

import copy
from contextlib import suppress
from functools import partial
from types import FunctionType

import torch

from helpers.augmentation import Augmentation
from helpers.digests import attributes_of, digest
from helpers.fusing.content import Incomparable
from helpers.fusing.outside import outside_of
from helpers.fusing.own_code import given_functions
from helpers.fusing.reached import DATA, size_of
from helpers.global_state import quietly
from helpers.kept import Kept
from helpers.losses import OwnLoss

LOSS_KEEPS = "its loss keeps something between batches"
AUGMENT_KEEPS = "its augment keeps something between batches"


def contents_of_functions(job):
    """Return what the loss and the augmentation of a job hold, equal for those that do the same.

    Raise an `Incomparable` if one of them cannot be pickled.
    """
    held = [getattr(job.loss, "of_values", job.loss)]
    for name, function in given_functions(job).items():
        try:
            held.append((name, digest(function)))
        except Exception as error:
            raise Incomparable(name, error, f"its {name}", "fit") from error
    return tuple(held)


def why_functions_change(job):
    """Return what a loss or an augmentation of the user's keeps between batches, or None.

    In a stack the one is called once for all networks, the other once for those of a fold.
    """
    if not given_functions(job):
        return None
    X, y, _ = job.take(job.rows[:4])
    with quietly(y.device):
        if isinstance(job.loss, OwnLoss):
            outputs = outputs_for(job, y).requires_grad_()
            if keeps(job.loss.function, lambda own: OwnLoss(own, job.loss.of_values)(outputs, y)):
                return LOSS_KEEPS
        if job.augment is not None and keeps(
            job.augment.function, lambda own: Augmentation(own)._call(X, seed=0), logs=True
        ):
            return AUGMENT_KEEPS
    return None


def keeps(function, call, logs=False):
    """Whether a call of a copy of a function changes it, or a variable of its code."""
    with suppress(Exception):  # one that cannot be copied keeps nothing; the trial tells what fails
        watch = Watch(copy.deepcopy(function), logs)
        try:
            call(watch.function)
            return watch.changed()
        finally:
            watch.restore()
    return False


class Watch:
    """A function of the user's, with the variables of its code, as they are now.

    Where `logs`, it may make a list longer.
    """

    def __init__(self, function, logs=False):
        self.function, self.logs, self._kept = function, logs, Kept()
        self._parts = [contents_of(holder) for holder in holders_of(function)]
        self._before = self._digest()
        for part in self._parts:
            self._kept.add(part)
        self._outside = outside_of(function)

    def changed(self):
        outside = not all(self.logs and one.is_longer() for one in self._outside.changes())
        return outside or self._digest() != self._before

    def _digest(self):
        return digest((self.function, self._parts))

    def restore(self):
        self._outside.restore()
        self._kept.put_back()


def holders_of(function):
    """Return the objects that a function holds: a method its own, a partial all its arguments."""
    if isinstance(function, partial):
        parts = function.func, *function.args, *function.keywords.values()
        return [one for part in parts for one in holders_of(part)]
    holder = getattr(function, "__self__", function)
    return [] if isinstance(holder, type) else [holder]  # what a class keeps is outside


def contents_of(holder):
    """Return what is kept of an object that a function holds: of another function, its attributes.

    A function itself is code.
    """
    return vars(holder) if isinstance(holder, FunctionType) else holder


def outputs_for(job, y):
    """Return outputs as for some rows, none of them 0: a mean of them may be what a loss keeps."""
    numbers = torch.linspace(0.1, 0.9, len(y) * job.n_outputs, dtype=job.dtype, device=y.device)
    return numbers.view(len(y), -1)


def copy_of(loss):
    """Return a copy of a loss, which may count its calls, or itself if it cannot be copied."""
    try:
        return copy.deepcopy(loss)
    except Exception:
        return loss


class FunctionKeeps(Exception):
    """A function has kept something in an epoch; the text says which."""


def watched(jobs):
    """Return a `Watch` for the loss, and for each augmentation, that a stack of jobs calls.

    The first rows need not show what they keep: some code acts in some batches only. One that holds
    more than `DATA` numbers is not watched, since that would take its time in each epoch.
    """
    watches = {}
    for own, logs in [(jobs[0].loss, False), *((job.augment, True) for job in jobs)]:
        function = getattr(own, "function", None)
        if function is None or id(function) in watches:
            continue
        held = [value for part in holders_of(function) for value in attributes_of(part).values()]
        if sum(map(size_of, held)) <= DATA:
            with suppress(Exception):  # what cannot be copied is taken to keep nothing
                watches[id(function)] = Watch(function, logs)
    return list(watches.values())


def check(watches):
    """Raise an error, and put back what was, if a function has kept something."""
    if changed := [watch for watch in watches if watch.changed()]:
        for watch in changed:
            watch.restore()
        raise FunctionKeeps(AUGMENT_KEEPS if changed[0].logs else LOSS_KEEPS)
