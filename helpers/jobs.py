"""What is to be trained: a job, before anything is."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from sklearn.utils import check_consistent_length

from helpers.tensors import take_rows

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
        Epoch e, counted from 1, draws its order of rows from ``seed + e`` and its dropout masks
        from `helpers.training.dropout_seed`.
    history : list of dict
        One row for each epoch trained so far.
    optimizer_state : dict
        What the optimizer remembers of them (for Adam, the moments).
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
    optimizer_state: dict = field(default_factory=dict)
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
        if weight is None:
            return self.loss(outputs, y)
        return (weight * self.loss(outputs, y, reduction="none")).mean()


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
    running, network = [], job.network  # not the job itself: a cycle would keep its rows alive

    def before_epoch():
        running.append(context.subcontext(task_name="epoch").call_on_fit_task_begin(**task))

    def snapshot():
        return learned | {"module_": copy.deepcopy(network)}

    def after_epoch():
        return running.pop().call_on_fit_task_end(**task, reconstruction_attributes=snapshot)

    job.before_epoch, job.after_epoch = before_epoch, after_epoch
