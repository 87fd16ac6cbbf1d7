"""The training loop: one network, from its first weights to its last."""

import math
from contextvars import ContextVar

import torch

from helpers.tensors import chunks, flushed_denormals, private_rng, seed_generators

# Who trains a job, where it is not `train_alone`: `helpers.fused` sets it for its own threads.
trainer = ContextVar("trainer")


def train(job):
    """Train `job.network` in place, alone or, under `fused`, with its neighbours."""
    trainer.get(train_alone)(job)


def train_alone(job):
    """Train `job.network` in place and append to `job.history`.

    Raises
    ------
    ValueError
        If the loss or a weight is no longer finite; the message names the epoch, `lr` and the
        largest input.

    Notes
    -----
    Dropout draws from torch's global generator, so only one network in a process trains at a
    time; the generator is left as it was found.
    """
    with private_rng(job.y.device), flushed_denormals():
        optimizer = _optimizer(job)
        whole = None if job.in_batches else job.take(job.rows)
        progress = Progress(job)
        while not progress.ended:
            job.before_epoch()
            losses = {"train_loss": _train_epoch(job, optimizer, whole)}
            if job.valid_rows is not None:
                losses["valid_loss"] = _validation_loss(job)
            progress.end_epoch(losses)
        job.optimizer_state = {
            parameter: {name: torch.as_tensor(value).cpu() for name, value in state.items()}
            for parameter, state in optimizer.state_dict()["state"].items()
        }
        progress.finish()


class Progress:
    """How far a job has come: keeps its history and its best weights, and sees its end."""

    def __init__(self, job):
        self.job = job
        self.ended = job.epochs == 0
        self._last_epoch = len(job.history) + job.epochs
        self._best_loss, self._best, self._waited = math.inf, None, 0

    def end_epoch(self, losses):
        """Note an epoch's losses, a dict; raise a ValueError if training diverged."""
        job = self.job
        row = {"epoch": len(job.history) + 1} | losses
        if not math.isfinite(row["train_loss"]):
            raise _divergence(job, row)
        job.history.append(row)
        self._waited += 1
        if row.get("valid_loss", math.inf) < self._best_loss:
            self._best_loss, self._waited = row["valid_loss"], 0
            self._best = {name: value.clone() for name, value in job.network.state_dict().items()}
        self.ended = job.after_epoch() or row["epoch"] == self._last_epoch
        if job.patience is not None and self._waited >= job.patience:
            self.ended = True

    def finish(self):
        """Leave the network with its best weights, ready to predict."""
        job = self.job
        if self._best is not None:
            job.network.load_state_dict(self._best)
        if job.history and not all(p.isfinite().all() for p in job.network.parameters()):
            raise _divergence(job, job.history[-1])
        job.network.eval()


def _optimizer(job):
    """Return the optimizer, with what it remembers from earlier epochs."""
    parameters = [p for p in job.network.parameters() if p.requires_grad]
    optimizer = job.optimizer(parameters, lr=job.lr, weight_decay=job.weight_decay)
    if job.optimizer_state:
        # lr and weight_decay are today's: only the memory is taken over.
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": job.optimizer_state, "param_groups": groups})
    return optimizer


def row_order(job, epoch):
    """Return the rows to train on in the order of an epoch, drawn by a generator of its own."""
    generator = torch.Generator().manual_seed(job.seed + epoch)
    return job.rows[torch.randperm(len(job.rows), generator=generator)]


def dropout_seed(seed, epoch):
    """Return what seeds the dropout masks of an epoch: they depend on no other draw."""
    return seed + epoch + 2**31  # other numbers than those of the order of rows


def _train_epoch(job, optimizer, whole):
    """Take one step for each batch; return the mean loss of the rows, a float."""
    epoch = len(job.history) + 1
    seed_generators(dropout_seed(job.seed, epoch), job.y.device)
    if whole is None:
        batches = map(job.take, row_order(job, epoch).split(job.batch_size))
    else:
        batches = [whole]
    losses = []
    job.network.train()
    for X, y, weight in batches:
        optimizer.zero_grad()
        loss = job.mean_loss(X, y, weight)
        loss.backward()
        optimizer.step()
        losses.append((loss.detach(), len(y)))
    return sum(loss.item() * n for loss, n in losses) / len(job.rows)


def _validation_loss(job):
    """Return the mean loss of the validation rows, dropout off, a float."""
    job.network.eval()
    with torch.no_grad():
        losses = [(job.mean_loss(*job.take(r)), len(r)) for r in chunks(job.valid_rows)]
    return sum(loss.item() * n for loss, n in losses) / len(job.valid_rows)


def _divergence(job, row):
    """Return the error that names the cause of a loss or weight that is not finite."""
    return ValueError(
        f"Training diverged: the loss was {row['train_loss']:.3g} in epoch {row['epoch']}, with "
        f"lr={job.lr}; the largest input is {abs(job.X).max():.3g}. Lower lr, or scale X, for "
        f"instance with make_pipeline(StandardScaler(), ...)."
    )
