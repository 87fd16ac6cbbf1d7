"""The training loop: one network, from its first weights to its last."""

import math
from contextvars import ContextVar
from dataclasses import replace

import torch

from helpers.checks.arguments import name_of
from helpers.checks.divergence import check_end, divergence
from helpers.checks.losses import FirstLoss
from helpers.checks.outputs import check_gradients, refuse_new_parameters
from helpers.copies import put_back, weights_of
from helpers.global_state import flushed_denormals, private_rng, seed_generators, seed_others
from helpers.losses import AS_OUTPUTS, OwnLoss
from helpers.modules import leaves_input, training_mode
from helpers.optimizer_states import settings_of, state_of
from helpers.optimizers import in_own_words, make_optimizer
from helpers.schedules import take_step
from helpers.tensors import chunks

# Who trains a job, where it is not `train_alone`: `helpers.fused` sets it for its own threads.
trainer = ContextVar("trainer")


def train(job):
    """Train `job.network` in place, alone or, under `fused`, with its neighbours."""
    trainer.get(train_alone)(job)


def train_alone(job, progress=None):
    """Train `job.network` in place and append to `job.history`.

    Parameters
    ----------
    job : Job
    progress : Progress, default=None
        How far the job has come, if it has begun elsewhere.

    Raises
    ------
    ValueError
        If the loss or a weight is no longer finite; the message names the epoch, `lr` and the
        largest input. If the network cannot be trained, as BatchNorm on a single row.

    Notes
    -----
    Dropout draws from torch's global generator, so only one network in a process trains at a
    time; the generator is left as it was found.
    """
    with private_rng(job.y.device), flushed_denormals():
        optimizer, begun = make_optimizer(job)
        whole = None if job.in_batches else _whole(job)
        progress, checked = progress or Progress(job), job
        if isinstance(job.loss, OwnLoss):  # partial_fit may be given another loss, or weights
            checked = replace(job, loss=FirstLoss(job.loss.function, job.loss.of_values))
        while not progress.ended:
            job.before_epoch()
            losses = {"train_loss": _train_epoch(job, optimizer, whole, checked)}
            checked = job
            if job.valid_rows is not None:
                losses["valid_loss"] = _validation_loss(job)
            progress.end_epoch(losses)
        job.optimizer_state = state_of(optimizer, job.network)
        job.optimizer_settings = begun, settings_of(optimizer) if begun else []
        progress.finish()


class Progress:
    """How far a job has come: keeps its history and its best weights, and sees its end."""

    def __init__(self, job):
        self.job = job
        self.ended = job.epochs == 0
        self._last_epoch = len(job.history) + job.epochs
        self._best_loss, self._best_weights, self._waited = math.inf, None, 0

    def end_epoch(self, losses):
        """Note an epoch's losses, a dict; raise a ValueError if training diverged."""
        job = self.job
        row = {"epoch": len(job.history) + 1} | losses
        if not math.isfinite(row["train_loss"]):
            raise divergence(job, row)
        job.history.append(row)
        self._waited += 1
        if row.get("valid_loss", math.inf) < self._best_loss:
            self._best_loss, self._waited = row["valid_loss"], 0
            self._best_weights = weights_of(job.network)
        self.ended = job.after_epoch() or row["epoch"] == self._last_epoch
        if job.patience is not None and self._waited >= job.patience:
            self.ended = True

    def finish(self):
        """Leave the network with its best weights, ready to predict."""
        job = self.job
        if job.error is not None:
            return  # that is why it ends
        if self._best_weights is not None:
            put_back(job.network, self._best_weights)
        if job.history:
            check_end(job, has_best=self._best_weights is not None)
        job.network.zero_grad()  # the last gradients take memory, and a stack has none
        job.network.eval()


def _whole(job):
    """Return (X, y, weight) of all training rows, and room for a copy of X, None if needless."""
    everything = len(job.rows) == len(job.y) and job.valid_rows is None  # or some come twice
    everything = everything and getattr(job.X, "dtype", None) is job.dtype
    X, y, weight = (job.X, job.y, job.weight) if everything else job.take(job.rows)
    return X, y, weight, None if leaves_input(job.network) else torch.empty_like(X)


def row_order(job, epoch):
    """Return the rows to train on in the order of an epoch, drawn by a generator of its own."""
    generator = torch.Generator().manual_seed(job.seed + epoch)
    return job.rows[torch.randperm(len(job.rows), generator=generator)]


def dropout_seed(seed, epoch):
    """Return what seeds the dropout masks of an epoch: they depend on no other draw."""
    return seed + epoch + 2**31  # other numbers than those of the order of rows


def _train_epoch(job, optimizer, whole, checked):
    """Take one step for each batch; return the mean loss of the rows, a float.

    The first batch is that of `checked`: the same job, or one with a loss that is checked.
    """
    epoch = len(job.history) + 1
    seed_generators(dropout_seed(job.seed, epoch), job.y.device)
    seed_others()
    if whole is None:
        orders = row_order(job, epoch).split(job.batch_size)
        batches = map(job.take, orders)
    else:
        X, y, weight, room = whole
        X = X if room is None else room.copy_(X).detach()  # a network may write to its rows
        orders, batches = [job.rows], [(X, y, weight)]
    # One tensor for all: if each were kept, it would lie where the next batch could, and memory
    # would grow from step to step.
    losses = job.y.new_empty(len(orders), dtype=job.dtype)
    training_mode(job.network)
    for step, (X, y, weight) in enumerate(batches):
        if job.augment is not None:
            X = job.augment(X, job.seed, epoch, step)
        is_first = step == 0 and not job.history
        factor = job.lr_factor(epoch, step)
        one = job if step else checked
        losses[step] = _train_batch(one, optimizer, (X, y, weight), factor, is_first)
    of_rows = zip(losses.tolist(), map(len, orders), strict=True)
    return sum(loss * n_rows for loss, n_rows in of_rows) / len(job.rows)


def _train_batch(job, optimizer, batch, factor, is_first):
    """Take one step with `factor` times `lr`; return the mean loss of the batch before it.

    In the first of a training it is checked whether the network and the optimizer of the user's can
    be trained.
    """
    optimizer.zero_grad()
    known = dict(job.network.named_parameters()) if is_first else {}
    loss = _batch_loss(job, *batch)
    if is_first and not loss.isfinite():
        raise divergence(job, {"epoch": 1, "train_loss": loss.item()}, begun=False)
    try:
        loss.backward()
    except RuntimeError as error:
        if isinstance(job.loss, OwnLoss) and "Found dtype" in str(error):
            name, y = name_of(job.loss.function), batch[1]
            error.add_note(f"{name} was given y of {y.dtype}. {AS_OUTPUTS}")
        if "modified by an inplace operation" in str(error):
            error.add_note(
                f"{type(job.network).__name__}, or the loss, writes over numbers that its "
                f"gradients need: leave out inplace=True, and write x = x + y for x += y."
            )
        raise
    if is_first:
        refuse_new_parameters(job.network, known.values())
        check_gradients(job.network, dense=isinstance(job.optimizer, str) or job.clip)
    if job.clip is not None:
        trained = [p for p in job.network.parameters() if p.requires_grad]
        torch.nn.utils.clip_grad_norm_(trained, job.clip)
    try:
        take_step(optimizer, factor)
    except (AssertionError, RuntimeError) as error:
        if not is_first or isinstance(error, torch.OutOfMemoryError):
            raise
        raise in_own_words(error, job) from error
    return loss.detach()


def _batch_loss(job, X, y, weight):
    """Return the mean loss of a batch; raise a ValueError if it cannot be trained on."""
    try:
        loss = job.mean_loss(X, y, weight)
    except ValueError as error:
        if len(y) > 1 or "Expected more than 1" not in str(error):
            raise
        n_rows, size, cure = len(job.rows), job.batch_size, ""
        if job.in_batches:
            better = next(n for n in range(size + 1, n_rows + size + 2) if n_rows % n != 1)
            cure = f"another batch_size, such as {better}, "
        raise ValueError(
            f"{type(job.network).__name__} normalises over the rows of a batch, as BatchNorm does, "
            f"and needs two at least; the last batch of the {n_rows} training rows, with "
            f"batch_size={size}, has one. Choose {cure}more rows, or LayerNorm."
        ) from error
    if not loss.requires_grad:
        check_gradients(job.network)
    return loss


def _validation_loss(job):
    """Return the mean loss of the validation rows, dropout off, a float."""
    job.network.eval()
    with torch.no_grad():
        total = sum(
            job.mean_loss(*job.take(rows)).item() * len(rows)
            for rows in chunks(job.valid_rows, job.X.shape[1:])
        )
    return total / len(job.valid_rows)
