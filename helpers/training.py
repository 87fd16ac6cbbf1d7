"""The training loop: one network, from its first weights to its last."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from sklearn.utils import check_consistent_length

from helpers.tensors import chunks, private_rng, seed_generators, take_rows

# fused: one call for all parameters. The same rule and half the time of torch's default.
OPTIMIZERS = {
    "adam": partial(torch.optim.Adam, fused=True),
    "adamw": partial(torch.optim.AdamW, fused=True),
    "rmsprop": torch.optim.RMSprop,
    "sgd": partial(torch.optim.SGD, fused=True),
}


@dataclass
class Job:
    """One network to train, with all that decides the outcome.

    Attributes
    ----------
    network : nn.Module
        Trained in place.
    X : Tensor or scipy CSR array of shape (n_rows, n_features)
    y : Tensor of shape (n_rows,)
        Class numbers (int64) or values (dtype of `X`).
    weight : Tensor of shape (n_rows,) or None
        Weight of each row in the loss, 1 on average.
    rows, valid_rows : Tensor of int64, or None
        The rows to train on, and those that `patience` watches.
    loss : callable
        ``loss(outputs, y, reduction=...)``, as in `torch.nn.functional`.
    optimizer : callable
        ``optimizer(parameters, lr=..., weight_decay=...)`` returns a torch optimizer.
    lr, weight_decay : float
    epochs, batch_size, patience : int
        `batch_size` None is all rows at once; `patience` None never stops early.
    seed : int
        Epoch e, counted from 1, draws its order of rows and its dropout masks from
        ``seed + e``.
    history : list of dict
        One row for each epoch trained so far.
    memory : dict
        What the optimizer remembers of them (for Adam, the moments).
    before_epoch, after_epoch : callable
        Called without arguments; training ends when `after_epoch` returns True.
    """

    X: torch.Tensor
    y: torch.Tensor
    weight: torch.Tensor | None
    rows: torch.Tensor
    loss: Callable
    optimizer: Callable
    lr: float
    weight_decay: float
    epochs: int
    batch_size: int | None
    network: torch.nn.Module | None = None
    seed: int = 0
    valid_rows: torch.Tensor | None = None
    patience: int | None = None
    history: list = field(default_factory=list)
    memory: dict = field(default_factory=dict)
    before_epoch: Callable = lambda: None
    after_epoch: Callable = lambda: False

    def take(self, rows):
        """Return (X, y, weight) of some rows, copied."""
        X = take_rows(self.X, rows).to(self.y.device)
        return X, self.y[rows], None if self.weight is None else self.weight[rows]

    def mean_loss(self, X, y, weight):
        """Return the mean loss of a batch, a tensor to differentiate."""
        outputs = self.network(X)
        if weight is None:
            return self.loss(outputs, y)
        return (weight * self.loss(outputs, y, reduction="none")).mean()


def train(job):
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
    with private_rng(job.y.device):
        optimizer = _optimizer(job)
        whole = None
        if job.batch_size is None or job.batch_size >= len(job.rows):
            whole = job.take(job.rows)
        best_loss, best_weights, waited = math.inf, None, 0
        for _ in range(job.epochs):
            job.before_epoch()
            row = {"epoch": len(job.history) + 1}
            row["train_loss"] = _train_epoch(job, optimizer, whole)
            if job.valid_rows is not None:
                row["valid_loss"] = _validation_loss(job)
            if not math.isfinite(row["train_loss"]):
                raise _divergence(job, row)
            job.history.append(row)
            waited += 1
            if row.get("valid_loss", math.inf) < best_loss:
                best_loss, waited = row["valid_loss"], 0
                best_weights = copy.deepcopy(job.network.state_dict())
            if job.after_epoch() or (job.patience is not None and waited >= job.patience):
                break
        if best_weights is not None:
            job.network.load_state_dict(best_weights)
        if job.history and not all(p.isfinite().all() for p in job.network.parameters()):
            raise _divergence(job, job.history[-1])
        job.network.eval()
        job.memory = {
            parameter: {name: torch.as_tensor(value).cpu() for name, value in state.items()}
            for parameter, state in optimizer.state_dict()["state"].items()
        }


def _optimizer(job):
    """Return the optimizer, with what it remembers from earlier epochs."""
    parameters = [p for p in job.network.parameters() if p.requires_grad]
    optimizer = job.optimizer(parameters, lr=job.lr, weight_decay=job.weight_decay)
    if job.memory:
        # lr and weight_decay are today's: only the memory is taken over.
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": job.memory, "param_groups": groups})
    return optimizer


def _train_epoch(job, optimizer, whole):
    """Take one step for each batch; return the mean loss of the rows, a float."""
    seed_generators(job.seed + len(job.history) + 1, job.y.device)
    if whole is None:
        order = job.rows[torch.randperm(len(job.rows))]
        batches = map(job.take, order.split(job.batch_size))
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


def split_rows(job, groups, *, fraction, stratify):
    """Set some of a job's rows aside for `patience` to watch.

    `stratify` keeps the shares of the classes; `groups`, shape (n_rows,), keeps the rows of a
    group together instead.
    """
    # Imported here because it is slow to import and seldom needed.
    from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit, StratifiedShuffleSplit

    rows = job.rows.numpy()
    y = job.y.cpu().numpy()[rows]
    if groups is not None:
        check_consistent_length(job.y, groups)
        groups = np.asarray(groups)[rows]
        splitter = GroupShuffleSplit
    else:
        splitter = StratifiedShuffleSplit if stratify else ShuffleSplit
    splitter = splitter(1, test_size=fraction, random_state=job.seed)
    train_part, valid_part = next(splitter.split(rows, y, groups))
    job.rows, job.valid_rows = (
        torch.from_numpy(rows[train_part]),
        torch.from_numpy(rows[valid_part]),
    )


def report_epochs(job, context, task, learned):
    """Have scikit-learn's callbacks told when each epoch of a job begins and ends.

    Parameters
    ----------
    job : Job
    context : sklearn.callback.CallbackContext
        That of the fit.
    task : dict
        The estimator being fitted, its data and metadata.
    learned : dict
        What, with the network, makes an estimator that is ready to predict.
    """
    running = []

    def before_epoch():
        running.append(context.subcontext(task_name="epoch").call_on_fit_task_begin(**task))

    def snapshot():
        return learned | {"module_": copy.deepcopy(job.network)}

    def after_epoch():
        return running.pop().call_on_fit_task_end(**task, reconstruction_attributes=snapshot)

    job.before_epoch, job.after_epoch = before_epoch, after_epoch
