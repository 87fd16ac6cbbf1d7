"""What users hand over as functions, `loss` and `augment`: compared by content."""

import copy
from contextlib import suppress
from functools import partial
from types import FunctionType, SimpleNamespace

import torch

from helpers.augmentation import Augmentation
from helpers.digests import attributes_of, digest
from helpers.fusing.content import Incomparable
from helpers.fusing.outside import outside_of
from helpers.fusing.own_code import given_functions
from helpers.fusing.reached import DATA, size_of
from helpers.global_state import quietly
from helpers.losses import OwnLoss
from helpers.whole_copies import attributes_kept, is_full, put_attributes, refilled

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
        self.function, self.logs, self._parts = function, logs, holders_of(function)
        self._before = self._digest()
        self._copied = copies_of(self._parts)
        self._outside = outside_of(function)

    def changed(self):
        outside = not all(map(self._is_log, self._outside.changes()))
        return outside or self._digest() != self._before

    def _digest(self):
        return digest((self.function, [namespace_of(part) for part in self._parts]))

    def _is_log(self, change):
        is_list = isinstance(change.value, list)
        return self.logs and is_list and len(change.value) > len(change.kept)

    def restore(self):
        self._outside.restore()
        for part, copied in zip(self._parts, copy.deepcopy(self._copied), strict=True):
            if not isinstance(copied, SimpleNamespace):
                refilled(part, copied)
            if hasattr(part, "__dict__"):  # a list, a dict or a tensor may have attributes as well
                put_attributes(part, copied)
            for name in attributes_of(copied).keys() - getattr(copied, "__dict__", {}).keys():
                setattr(part, name, getattr(copied, name))  # one of __slots__


def holders_of(function):
    """Return the objects that a function holds: a method its own, a partial all its arguments."""
    if isinstance(function, partial):
        parts = function.func, *function.args, *function.keywords.values()
        return [one for part in parts for one in holders_of(part)]
    holder = getattr(function, "__self__", function)
    return [] if isinstance(holder, type) else [holder]  # what a class keeps is outside


def namespace_of(part):
    """Return what is copied of a part: of a function, whose copy is itself, its attributes."""
    return SimpleNamespace(**vars(part)) if isinstance(part, FunctionType) else part


def copies_of(parts):
    """Return deep copies of parts; of one that is its own copy, or no whole one, its attributes."""
    copies = copy.deepcopy([namespace_of(part) for part in parts])
    for i, part in enumerate(parts):
        if hasattr(part, "__dict__") and not isinstance(part, FunctionType):
            copies[i] = copies[i] if is_full(part, copies[i]) else attributes_kept(part)
    return copies


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
