"""A few networks trained as a stack and alone, to see whether it is the same."""

import copy
import traceback
from dataclasses import replace
from os.path import dirname

import torch
from torch.nn.utils.rnn import pad_sequence

from helpers.fusing.chance import DROPOUTS
from helpers.fusing.content import contents, first_difference, first_line
from helpers.fusing.differences import N_EPOCHS, TOLERANCE, difference, largest
from helpers.fusing.functions import LOSS_KEEPS
from helpers.fusing.own_code import contents_of, copy_of, has_own_code, outside_of
from helpers.fusing.slots import TensorIndex, assign_slots
from helpers.fusing.stack import Stack
from helpers.losses import OwnLoss
from helpers.training import train_alone

ROWS_DEPEND = "its rows depend on each other in training, and its fits have unequal numbers of rows"
DRAWS_OTHERWISE = "its dropout draws in another order than a stack does"
STACKED = "when it is stacked"
NOTHING = 0.0
CALL = OwnLoss._call.__code__  # through which what a user's loss raises comes
NOT_FINITE = "its loss is not a finite number in a trial step"


def moderate_rate(network):
    """Return a learning rate at which the largest step is a tenth of the largest weight."""
    trained = [p for p in network.parameters() if p.grad is not None]
    largest_weight = max((largest(p.detach()) for p in trained), default=0)
    largest_gradient = max((largest(p.grad) for p in trained), default=0)
    rate = 0.1 * (largest_weight or 1.0) / (largest_gradient or 1.0)
    return rate if 0 < rate < float("inf") else 1.0


def why_different(jobs, lr, unequal):
    """Return how a stack of networks differs from the networks alone, or None.

    Parameters
    ----------
    jobs : list of Job
        Some of those to be trained; copies of them are.
    lr : float
    unequal : bool
        Whether the numbers of rows of all that are to be trained are unequal.
    """
    reason = compare(jobs, lr, unequal, unequal_valid=True)
    if reason and unequal and not compare(jobs, lr, unequal=False, unequal_valid=True):
        return ROWS_DEPEND
    if reason and jobs[0].valid_rows is not None:
        if not compare(jobs, lr, unequal=False, unequal_valid=False):
            return "its rows depend on each other"
    if (
        reason
        and reason.endswith(STACKED)
        and DROPOUTS & {type(module) for module in jobs[0].network.modules()}
    ):
        quiet = [replace(job, network=copy.deepcopy(job.network)) for job in jobs]
        for job in quiet:
            without_dropout(job.network)
        if not compare(quiet, lr, unequal, unequal_valid=True):
            return DRAWS_OTHERWISE
    return reason


def without_dropout(network):
    """Have torch's dropout layers drop nothing: what they draw is each network's own in a stack.

    Returns
    -------
    dict of str to nn.Module
        The layers by name. Their `p` is `NOTHING` itself until something sets it.
    """
    named = network.named_modules()
    layers = {name: module for name, module in named if type(module) in DROPOUTS}
    for layer in layers.values():
        layer.p = NOTHING
    return layers


def compare(jobs, lr, unequal, unequal_valid):
    """Train copies of jobs in a stack and alone; return how they differ, or None.

    Where `unequal`, the copies have unequal numbers of rows, so that some are padded.
    """
    outside = outside_of(jobs[0].loss)
    try:
        return _compare(jobs, lr, unequal, unequal_valid, outside)
    finally:
        outside.restore()


def _compare(jobs, lr, unequal, unequal_valid, outside):
    sizes = min(len(job.rows) for job in jobs), min(n_of(job.valid_rows) for job in jobs)

    def copies():
        return [copied(job, i, lr, sizes, unequal, unequal_valid) for i, job in enumerate(jobs)]

    some = copies()
    before, losses = [state_of(job) for job in some], contents_of(job.loss for job in some)
    try:
        held = [contents(job.network) for job in some]
        alone, again = [train_copy(job) for job in some], train_copy(copies()[0])
        names = map(first_difference, held, (job.network for job in some))
        if name := next(filter(None, names), None):
            return f"it keeps `{name}` between batches"
    except Exception as error:
        return failure_of(error)
    if outside.changed() or contents_of(job.loss for job in some) != losses:
        return LOSS_KEEPS
    tolerance = TOLERANCE[jobs[0].dtype]
    if reason := difference(before[0], alone[0], again, tolerance):
        what = "outputs" if "outputs" in reason else "weights"
        return f"two equal training steps of it give different {what}"
    try:
        stacked = train_stack(copies())
    except Exception as error:
        return failure_of(error, "a stack of it fails")
    for of_one in zip(before, alone, stacked, strict=True):
        if reason := difference(*of_one, tolerance):
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
    return f"{what}: {first_line(error)}"


def copied(job, i, lr, sizes, unequal, unequal_valid):
    """Return a small copy of a job: other weights, few rows, two epochs of plain descent.

    `i` is its number in the trial: each has weights of its own, so that it shows if a stack
    reaches for those of another. Its first row is the largest or the smallest there can be. It is
    not trained on, but a `TrialStack` fills up with it where another network has more rows. A
    network with code of the user's gets as many as there are, the smallest job's or, where
    `unequal`, its own, in batches of the same sizes: its code may ask how many there are.
    """
    network = copy.deepcopy(job.network)
    generator = torch.Generator().manual_seed(i)
    with torch.no_grad():
        for tensors, spread in ((network.parameters(), 0.3), (network.buffers(), 0.03)):
            for tensor in filter(torch.is_floating_point, tensors):
                noise = torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
                tensor.mul_(1 + spread * noise.clamp(-3, 3).to(tensor.device))  # signs stay
    batch_size, (n_rows, n_valid) = job.batch_size if job.in_batches else None, sizes
    if has_own_code(network) or isinstance(job.loss, OwnLoss):
        n_rows = len(job.rows) if unequal else n_rows
        if batch_size:  # one whole batch, and the last one, which may have few rows
            n_rows = batch_size + (n_rows - 1) % batch_size + 1
    else:
        batch_size, n_valid = batch_size and min(batch_size, 4), 3
        n_rows = 2 * batch_size if batch_size else 6
        n_rows -= min(i, (batch_size or n_rows) - 1) if unequal else 0
    rows, valid_rows = rotated(job.rows, i, n_rows), None
    if job.valid_rows is not None:
        taken = rotated(job.valid_rows, i, n_valid + i * unequal_valid)
        valid_rows = n_rows + 1 + torch.arange(len(taken))
        rows = torch.cat([rows, taken])
    X, y, weight = job.take(torch.cat([rows[:1], rows]))
    X[0] = X.amin(0) if i % 2 else X.amax(0)
    return replace(
        job,
        loss=copy_of(job.loss),
        **{"network": network, "X": X, "y": y, "weight": weight, "batch_size": batch_size},
        rows=torch.arange(1, n_rows + 1),
        valid_rows=valid_rows,
        **{"optimizer": "sgd", "optimizer_arguments": {}, "optimizer_state": {}},
        **{"optimizer_settings": ((), ()), "lr": lr, "weight_decay": 0.0},
        **{"epochs": N_EPOCHS, "patience": None, "history": []},
        **{"augment": None, "lr_factors": None, "clip": None},
        before_epoch=lambda: None,
        after_epoch=lambda: False,
    )


def n_of(rows):
    return 0 if rows is None else len(rows)


def rotated(rows, start, n):
    """Return `n` of some rows, beginning with number `start`."""
    return rows[(start + torch.arange(n)) % len(rows)]


def state_of(job):
    """Return copies of the weights and buffers of a job's network by name."""
    network = job.network
    kinds = (("parameter", network.named_parameters()), ("buffer", network.named_buffers()))
    return {
        f"{kind} `{name}`": tensor.detach().clone()
        for kind, named in kinds
        for name, tensor in named
    }


@torch.no_grad()
def answers_of(job):
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
    return job.history, states, answers_of(job)


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
    return [(*outcome, answers_of(job)) for outcome, job in zip(outcomes, jobs, strict=True)]
