"""Stacks trained to their end, whatever fails on the way: back to the start, and in halves."""

import warnings

import torch

from helpers.fusing.content import first_line
from helpers.fusing.functions import FunctionKeeps
from helpers.fusing.stack import Stack


def train_slots(slots, sets, batches, leave):
    """Train slots as one stack; if that fails, train each half of them.

    `sets` are the distinct `X` by number. The number of jobs in each stack is appended to
    `batches`. ``leave(members, reason)`` takes those who cannot be trained in a stack even alone.
    """
    batches.append(sum(len(slot.members) for slot in slots))
    while slots:
        go_back = failure = None
        try:
            go_back = way_to_start(slots)
            slots = train_until_a_quarter_has_ended(Stack(slots, sets))
        except Exception as error:
            # Not the error itself, which would keep the stack in memory.
            failure, lack = f"a stack of it fails: {first_line(error)}", is_too_large(error)
            failure = str(error) if isinstance(error, FunctionKeeps) else failure
        if failure:
            slots = go_back() if go_back else slots
            batches[-1] -= sum(len(slot.members) for slot in slots)
            if not batches[-1]:
                batches.pop()
            return train_halves(slots, sets, batches, leave, lack, failure)


def train_halves(slots, sets, batches, leave, lack, failure):
    """Train each half of the slots of a stack that failed; `lack`, if it lacked memory."""
    if len(slots) == 1:
        return leave(slots[0].members, None if lack else failure)
    if slots and lack:
        warnings.warn(
            f"{len(slots)} networks do not fit into the memory of {slots[0].jobs[0].y.device} at "
            f"once; trying half of them. Give fused a smaller max_models to spare the attempt.",
            stacklevel=2,
        )
    half = len(slots) // 2
    for part in (slots[:half], slots[half:]):
        if part:
            train_slots(part, sets, batches, leave)


def train_until_a_quarter_has_ended(stack):
    """Train a stack until a quarter of its slots has ended; return the others.

    Their networks then have their own weights, and a smaller stack can take them.
    """
    stack.release(lambda member: member.ended)  # those of no epochs
    while 4 * len(stack.active()) > 3 * len(stack.slots):
        stack.train_epoch()
    stack.release(lambda member: True)
    return stack.active()


def way_to_start(slots):
    """Return a function that puts back those who have not ended, and returns their slots.

    It puts them back as they are now, before a stack trains them.
    """
    kept = []
    for slot in slots:
        job = slot.jobs[0]
        tensors = (*job.network.parameters(), *job.network.buffers())
        kept.append((slot, [tensor.detach().clone() for tensor in tensors], job.optimizer_state))
    members = [member for slot in slots for member in slot.members]
    begun = {member: (dict(vars(member)), len(member.job.history)) for member in members}

    def go_back():
        for slot, tensors, optimizer_state in kept:
            slot.members = [member for member in slot.members if member.job.error is None]
            for i, member in enumerate(slot.members):
                own = [tensor.clone() for tensor in tensors] if i else tensors
                job, (attributes, n_epochs) = member.job, begun[member]
                theirs = (*job.network.parameters(), *job.network.buffers())
                for tensor, before in zip(theirs, own, strict=True):
                    tensor.data = before
                job.optimizer_state = optimizer_state
                vars(member).update(attributes)
                del job.history[n_epochs:]
        return [slot for slot, *_ in kept if slot.members]

    return go_back


def is_too_large(error):
    """Whether an error says that the memory was not enough."""
    # On the CPU torch raises a plain RuntimeError.
    kinds = (MemoryError, torch.OutOfMemoryError)
    return isinstance(error, kinds) or "can't allocate memory" in str(error)
