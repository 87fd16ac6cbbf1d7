"""A few networks trained as a stack and alone, to see whether it is the same."""

import copy
import math
import traceback
from dataclasses import replace
from os.path import dirname

import torch
from torch.nn.utils.rnn import pad_sequence

from helpers.digests import digest
from helpers.fusing.chance import without_dropout
from helpers.fusing.content import contents, first_change, first_line
from helpers.fusing.functions import LOSS_KEEPS
from helpers.fusing.modes import CoarseNumbers
from helpers.fusing.outside import outside_of
from helpers.fusing.own_code import given_functions
from helpers.fusing.slots import TensorIndex, assign_slots
from helpers.fusing.stack import Stack
from helpers.fusing.trial_jobs import N_EPOCHS, as_dtype, copied, largest, n_of
from helpers.losses import OwnLoss
from helpers.training import train_alone

ROWS_DEPEND = "its rows depend on each other in training, and its fits have unequal numbers of rows"
STACKED = "when it is stacked"
CALL = OwnLoss._call.__code__  # through which what a user's loss raises comes
INSTEAD = {  # what can be stacked in place of what vmap refuses in these words
    "control flow": "torch.where in place of `if`",
    "inplace arithmetic": "X.new_zeros(...) in place of torch.zeros(...)",
    "boolean mask": "torch.where in place of X[mask]",
    ".item()": "tensors in place of the numbers in them",
}
NOT_FINITE = "its loss is not a finite number in a trial step"
# Largest difference of two changes of a tensor, in parts of the larger one.
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-3}
# Units of the last place by which numbers may differ as well. BatchNorm divides by how much a few
# rows differ, and makes some 100,000 of one. In float32 that would hide a true difference.
N_UNITS = {torch.float64: 1e6, torch.float32: 100}
LARGE_ROUNDING = 1e5  # in float32, a hundredth; more is a reason against a stack


def why_different(jobs, lr, unequal):
    """Return how a stack of networks differs from the networks alone, or None.

    It trains copies of `jobs`, some of those to be trained. `unequal` says whether the numbers of
    rows of all that are to be trained are unequal.
    """
    reason = compare(jobs, lr, unequal, unequal_valid=True)
    if reason is None:
        return None
    if unequal and not compare(jobs, lr, unequal=False, unequal_valid=True):
        return ROWS_DEPEND
    if jobs[0].valid_rows is not None:
        if not compare(jobs, lr, unequal=False, unequal_valid=False):
            return "its rows depend on each other"
    if reason.endswith(STACKED):
        quiet = [replace(job, network=copy.deepcopy(job.network)) for job in jobs]
        have_dropout = all(without_dropout(job.network) for job in quiet)
        if have_dropout and not compare(quiet, lr, unequal, unequal_valid=True):
            return "its dropout draws in another order than a stack does"
    return reason


def compare(jobs, lr, unequal, unequal_valid):
    """Train copies of jobs in a stack and alone; return how they differ, or None.

    Where `unequal`, the copies have unequal numbers of rows, so that some are padded. What is
    different in float32 but not in float64 was rounding.
    """
    outside, dtype = outside_of(given_functions(jobs[0]).get("loss")), jobs[0].dtype

    def look(dtype, n_units):
        with outside:
            return _compare(jobs, lr, unequal, unequal_valid, outside, dtype, n_units)

    reason = look(dtype, N_UNITS[dtype])
    if dtype == torch.float32 and reason and reason.endswith(STACKED):
        if not look(torch.float64, N_UNITS[torch.float64]):
            rounded = "rounding in float32 would give it other weights in a stack"
            return look(dtype, LARGE_ROUNDING) and f"{rounded}; in float64 it would not"
    return reason


def _compare(jobs, lr, unequal, unequal_valid, outside, dtype, n_units):
    sizes = min(len(job.rows) for job in jobs), min(n_of(job.valid_rows) for job in jobs)

    def copies():
        some = [copied(job, i, lr, sizes, unequal, unequal_valid) for i, job in enumerate(jobs)]
        return [as_dtype(job, dtype) for job in some]

    some = copies()
    before, losses = [state_of(job) for job in some], [digest(job.loss) for job in some]
    try:
        held = [contents(job.network) for job in some]
        alone = [train_copy(job) for job in some]
        with CoarseNumbers() as coarse:
            again = train_copy(copies()[0])
        names = map(first_change, held, (job.network for job in some))
        if name := next(filter(None, names), None):
            return f"it keeps `{name}` between batches"
    except Exception as error:
        return failure_of(error)
    if outside.changed() or [digest(job.loss) for job in some] != losses:
        return LOSS_KEEPS
    tolerance, last = TOLERANCE[dtype], alone[0][1][-1]
    for name, one in before[0].items():
        if (one.shape, one.dtype) != (last[name].shape, last[name].dtype):
            return f"its {name} comes to be of another shape or precision"
    if reason := difference(before[0], alone[0], again, tolerance, n_units):
        what = "outputs" if "outputs" in reason else "weights"
        return f"two equal training steps of it give different {what}"
    if coarse.dtype:
        rounded = "whose rounding would give it other weights in a stack"
        return f"it computes in {coarse.dtype}, {rounded}"
    try:
        stacked = train_stack(copies())
    except Exception as error:
        return failure_of(error, "a stack of it fails")
    for of_one in zip(before, alone, stacked, strict=True):
        if reason := difference(*of_one, tolerance, n_units):
            return f"{reason} {STACKED}"
    return None


def failure_of(error, what="a training step of it fails"):
    """Return what an error says, and who says it."""
    frames = traceback.extract_tb(error.__traceback__)
    if str(error).startswith(("it ", "its ")) and frames[-1].filename.startswith(dirname(__file__)):
        return str(error)  # a batched layer says itself what it does not take
    in_loss = (CALL.co_filename, CALL.co_name) in [(f.filename, f.name) for f in frames]
    if any("_functorch" in frame.filename for frame in frames) or "vmap" in str(error):
        what = f"torch.func.vmap refuses {'its loss' if in_loss else 'it'}"
    elif in_loss:
        what = "its loss fails in a trial step"
    if "Training diverged" in str(error) or "before the first step of training" in str(error):
        return NOT_FINITE
    instead = next(
        (f" ({INSTEAD[words]} can be stacked)" for words in INSTEAD if words in str(error)), ""
    )
    return f"{what}: {first_line(error)}{instead}"


def state_of(job):
    """Return copies of the weights and buffers of a job's network by name."""
    parameters, buffers = job.network.named_parameters(), job.network.named_buffers()
    state = {f"parameter `{name}`": tensor.detach().clone() for name, tensor in parameters}
    return state | {f"buffer `{name}`": tensor.detach().clone() for name, tensor in buffers}


@torch.no_grad()
def predictions_of(job):
    """Return what the network of a job answers to some rows when it predicts."""
    job.network.eval()
    return job.network(job.X[1:5].clone())


def train_copy(job):
    """Train a copy alone; return the losses and the state after each epoch, and its answers."""
    states = []
    job.after_epoch = lambda: states.append(state_of(job))
    train_alone(job)
    tensors = (*job.network.parameters(), *job.network.buffers())
    for tensor, last in zip(tensors, states[-1].values(), strict=True):
        tensor.data.copy_(last)  # `patience` has put back those of its best epoch
    return job.history, states, predictions_of(job)


class TrialStack(Stack):
    """A stack of copies whose padding is their first row, so that it shows wherever it counts."""

    def padded(self, rows):
        return pad_sequence(rows, batch_first=True).to(self.device)


def train_stack(jobs):
    """Train copies in a stack; return of each what `train_copy` returns."""
    index = TensorIndex()
    slots = assign_slots(jobs, index)
    stack = TrialStack(slots, index.tensors)
    outcomes = [([], []) for _ in jobs]
    for _ in range(N_EPOCHS):
        losses = {"train_loss": stack._train_epoch()}
        if jobs[0].valid_rows is not None:
            losses["valid_loss"] = stack._validation_losses()
        of_job = {id(job): i for i, slot in enumerate(slots) for job in slot.jobs}
        for job, (history, states) in zip(jobs, outcomes, strict=True):
            history.append({name: of[of_job[id(job)]] for name, of in losses.items()})
            states.append(state_of(job))
    stack.release(lambda member: True)
    return [(*outcome, predictions_of(job)) for outcome, job in zip(outcomes, jobs, strict=True)]


def difference(before, expected, found, tolerance, n_units):
    """Return how two trainings differ that began with the state `before`, or None."""
    (losses, states, answers), (other_losses, other_states, other_answers) = expected, found
    for epoch in range(N_EPOCHS):
        state, other = states[epoch], other_states[epoch]
        floats = [name for name in state if state[name].is_floating_point()]
        change = max((largest(state[name] - before[name]) for name in floats), default=0)
        different = []
        for name, one in state.items():
            if not alike(before[name], one, other[name], change, tolerance, n_units):
                different.append(name)
        for name in different:
            if name.startswith("parameter") and torch.equal(other[name], before[name]):
                return f"the {name} gets no gradient"
        one, another = losses[epoch], other_losses[epoch]
        if epoch == 0 and not near(one["train_loss"], another["train_loss"], tolerance):
            return "its outputs in training are others"
        if different:
            return f"the {different[0]} is trained to other numbers"
        if not all(near(one[kind], another[kind], tolerance) for kind in another):
            return "its outputs in evaluation are others"
    allowed = 10 * tolerance * max(1.0, largest(answers))
    if not torch.allclose(answers, other_answers, rtol=0, atol=allowed, equal_nan=True):
        return "its outputs after training are others"
    return None


def near(loss, other, tolerance):
    if not math.isfinite(loss):  # as that of validation rows may be
        return repr(loss) == repr(other)
    return abs(loss - other) <= tolerance * max(1.0, abs(loss))


def alike(before, one, another, change, tolerance, n_units):
    """Whether a tensor has changed to the same numbers, but for rounding.

    `change` is the largest of all tensors.
    """
    if not one.is_floating_point():
        return torch.equal(one, another)
    # Rounding is in proportion to the numbers, and to all that is added up in a gradient.
    unit = torch.finfo(one.dtype).eps * (largest(one) + change)
    allowed = tolerance * largest(one - before) + n_units * unit
    # What is not finite, as in the mask of an attention, has to be equal.
    return one.shape == another.shape and torch.allclose(
        one, another, rtol=0, atol=allowed, equal_nan=True
    )
