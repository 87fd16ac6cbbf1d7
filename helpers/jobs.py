"""What is to be trained: a job, before anything is."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from sklearn.utils import check_consistent_length

from helpers.copies import copy_network
from helpers.outputs import check_type
from helpers.tensors import take_rows


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
        Weight of each row in the loss; 1 on average, but in `partial_fit`.
    rows, valid_rows : Tensor of int64, or None
        The rows to train on, and those that `patience` watches.
    loss : callable
        ``loss(outputs, y, reduction=...)``, as in `torch.nn.functional`.
    optimizer : str or callable
        A name in `helpers.optimizers.OPTIMIZERS`, or what returns a torch optimizer when called
        as ``optimizer(parameters, lr=..., weight_decay=...)``.
    lr, weight_decay : float
    n_outputs : int
        Width of the network's output.
    epochs, batch_size, patience : int
        `batch_size` None is all rows at once; `patience` None never stops early.
    seed : int
        Epoch e, counted from 1, draws its order of rows from ``seed + e`` and its dropout masks
        from `helpers.training.dropout_seed`.
    history : list of dict
        One row for each epoch trained so far.
    optimizer_arguments : dict
        Further arguments of the optimizer by name.
    optimizer_state : dict
        What the optimizer remembers of those epochs (for Adam, the moments).
    optimizer_settings : tuple of two lists of dict
        What the optimizer was set to at first, and what it made of that: those that hold a
        schedule change their own lr.
    before_epoch, after_epoch : callable
        Called without arguments; training ends when `after_epoch` returns True.
    error : Exception or None
        What ended the training, where jobs are trained together and one must not end the rest.
    """

    X: torch.Tensor
    y: torch.Tensor
    weight: torch.Tensor | None
    rows: torch.Tensor
    loss: Callable
    optimizer: str | Callable
    lr: float
    weight_decay: float
    epochs: int
    batch_size: int | None
    n_outputs: int = 1
    network: torch.nn.Module | None = None
    seed: int = 0
    valid_rows: torch.Tensor | None = None
    patience: int | None = None
    history: list = field(default_factory=list)
    optimizer_arguments: dict = field(default_factory=dict)
    optimizer_state: dict = field(default_factory=dict)
    optimizer_settings: tuple = ((), ())
    before_epoch: Callable = lambda: None
    after_epoch: Callable = lambda: False
    error: Exception | None = None

    @property
    def in_batches(self):
        """Whether an epoch takes more than one step."""
        return self.batch_size is not None and self.batch_size < len(self.rows)

    def take(self, rows):
        """Return (X, y, weight) of some rows, copied."""
        X = take_rows(self.X, rows).to(self.y.device)
        return X, self.y[rows], None if self.weight is None else self.weight[rows]

    def mean_loss(self, X, y, weight):
        """Return the mean loss of a batch, a tensor to differentiate."""
        outputs = self.network(X)
        if not isinstance(outputs, torch.Tensor) or outputs.shape != (len(y), self.n_outputs):
            check_type(self.network, outputs, X, self.n_outputs)
        if weight is None:
            return self.loss(outputs, y)
        return (weight * self.loss(outputs, y, reduction="none")).mean()


def split_rows(job, groups, *, fraction, stratify):
    """Set some of a job's rows aside for `patience` to watch.

    `stratify` keeps the shares of the classes, and leaves the row of a class that has only one to
    training; `groups`, shape (n_rows,), keeps the rows of a group together instead.
    """
    # Imported here because it is slow to import and seldom needed.
    from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit, StratifiedShuffleSplit

    rows = job.rows.numpy()
    y = job.y.cpu().numpy()[rows]
    single = np.zeros(len(rows), dtype=bool)
    what, at_least = "rows", 1
    if groups is not None:
        check_consistent_length(job.y, groups)
        groups = np.unique(np.asarray(groups)[rows], return_inverse=True)[1]
        splitter, what, n_parts = GroupShuffleSplit, "groups", groups.max() + 1
    elif stratify:
        single = np.bincount(y)[y] == 1
        splitter, n_parts = StratifiedShuffleSplit, len(rows) - single.sum()
        at_least = len(np.unique(y[~single]))
    else:
        splitter, n_parts = ShuffleSplit, len(rows)
    n_valid = math.ceil(fraction * n_parts)
    if n_valid < at_least or n_parts - n_valid < at_least or not n_parts:
        each = "one row of each class" if stratify and groups is None else "one"
        raise ValueError(
            f"patience sets aside validation_fraction={fraction} of the {what} to watch the loss, "
            f"here {n_valid} of {n_parts}; it needs {each} there and {each} for training, "
            f"{at_least} at least. Give more {what}, another validation_fraction, or patience=None."
        )
    splitter = splitter(1, test_size=fraction, random_state=job.seed)
    kept = np.flatnonzero(~single)
    train_part, valid_part = next(splitter.split(kept, y[kept], groups))
    train_part = np.concatenate([kept[train_part], np.flatnonzero(single)])
    job.rows = torch.from_numpy(rows[train_part])
    job.valid_rows = torch.from_numpy(rows[kept[valid_part]])


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
    running, network = [], job.network  # not the job itself: a cycle would keep its rows alive

    def before_epoch():
        running.append(context.subcontext(task_name="epoch").call_on_fit_task_begin(**task))

    def snapshot():
        copied = copy_network(network, "A callback gets a copy of the network after each epoch")
        return learned | {"module_": copied}

    def after_epoch():
        return running.pop().call_on_fit_task_end(**task, reconstruction_attributes=snapshot)

    job.before_epoch, job.after_epoch = before_epoch, after_epoch
