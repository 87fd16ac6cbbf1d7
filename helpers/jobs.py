"""What is to be trained: a job, before anything is."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from helpers._compat import callbacks_of
from helpers.checks.answers import answer
from helpers.checks.outputs import check_type
from helpers.copies import copy_network
from helpers.tensors import take_rows


@dataclass
class Job:
    """One network to train, with all that decides the outcome.

    Attributes
    ----------
    network : nn.Module
        Trained in place.
    X : Tensor, scipy CSR array, or `helpers.datasets.Rows`, of shape (n_rows, *shape of a row)
        uint8, or of `dtype`.
    y : Tensor of shape (n_rows,) or (n_rows, n_targets)
        Class numbers (int64), or values or labels that are 0 or 1 (of `dtype`).
    weight : Tensor of shape (n_rows,) or None
        Weight of each row in the loss; 1 on average, but in `partial_fit`.
    rows, valid_rows : Tensor of int64, or None
        The rows to train on, and those that `patience` watches.
    loss : callable
        ``loss(outputs, y, reduction=...)``, as in `torch.nn.functional`; an `OwnLoss` for one of
        the user's.
    optimizer : str or callable
        A name in `helpers.optimizers.OPTIMIZERS`, or what returns a torch optimizer when called
        as ``optimizer(parameters, lr=..., weight_decay=...)``.
    lr, weight_decay : float
    n_outputs : int
        Width of the network's output.
    epochs, batch_size, patience : int
        `batch_size` None is all rows at once; `patience` None never stops early.
    converted_to : torch.dtype
        What batches of an `X` that is no tensor of floats become.
    seed : int
        Epoch e, counted from 1, draws its order of rows from ``seed + e`` and its dropout masks
        from `helpers.training.dropout_seed`.
    history : list of dict
        One row for each epoch trained so far.
    optimizer_arguments : dict
        Further arguments of the optimizer by name.
    optimizer_state : dict
        What the optimizer remembers of those epochs (for Adam, the moments), by the number of the
        parameter in the network.
    optimizer_settings : tuple of two lists of dict
        What the optimizer was set to at first, and what it made of that: those that hold a
        schedule change their own lr.
    before_epoch, after_epoch : callable
        Called without arguments; training ends when `after_epoch` returns True.
    callbacks : tuple
        Those of scikit-learn's that are told of each epoch.
    error : Exception or None
        What ended the training, where jobs are trained together and one must not end the rest.
    augment : Augmentation or None
        Changes the rows of a training step.
    lr_factors : ndarray of shape (epochs * n_steps,), or None
        What `lr` is multiplied by in each step.
    clip : float or None
        Largest norm of the gradients of a step.
    ends_in : tuple or None
        The name of the function that returns the outputs, and its least and largest value; None
        if it has none, or the loss is the user's.
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
    converted_to: torch.dtype = torch.float32
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
    callbacks: tuple = ()
    error: Exception | None = None
    augment: Callable | None = None
    lr_factors: np.ndarray | None = None
    clip: float | None = None
    ends_in: tuple | None = None

    @property
    def dtype(self):
        """Precision of weights and batches."""
        is_float = isinstance(self.X, torch.Tensor) and self.X.is_floating_point()
        return self.X.dtype if is_float else self.converted_to

    @property
    def in_batches(self):
        """Whether an epoch takes more than one step."""
        return self.batch_size is not None and self.batch_size < len(self.rows)

    @property
    def n_steps(self):
        """Number of steps in an epoch."""
        return -(-len(self.rows) // self.batch_size) if self.in_batches else 1

    def lr_factor(self, epoch, step):
        """Return what `lr` is multiplied by in a step; 1 without a schedule, 0 after its end."""
        if self.lr_factors is None:
            return 1.0
        number = (epoch - 1) * self.n_steps + step
        return float(self.lr_factors[number]) if number < len(self.lr_factors) else 0.0

    def take(self, rows):
        """Return (X, y, weight) of some rows, copied."""
        X = take_rows(self.X, rows).to(self.y.device, self.dtype)
        return X, self.y[rows], None if self.weight is None else self.weight[rows]

    def mean_loss(self, X, y, weight):
        """Return the mean loss of a batch, a tensor to differentiate."""
        outputs = answer(self.network, X)
        if not isinstance(outputs, torch.Tensor) or outputs.shape != (len(y), self.n_outputs):
            check_type(self.network, outputs, X, self.n_outputs)
        if weight is None:
            return self.loss(outputs, y)
        return (weight * self.loss(outputs, y, reduction="none")).mean()


def report_epochs(job, context, task, learned):
    """Have scikit-learn's callbacks told when each epoch of a job begins and ends.

    `context` is that of the fit, and `task` a dict of the estimator, its data and metadata. What is
    `learned` makes, with the network, an estimator that is ready to predict.
    """
    running, network = [], job.network  # not the job itself: a cycle would keep its rows alive

    def before_epoch():
        running.append(context.subcontext(task_name="epoch").call_on_fit_task_begin(**task))

    def snapshot():
        copied = copy_network(network, "A callback gets a copy of the network after each epoch")
        history = list(learned["history_"])
        own = {"module_": copied, "history_": history, "n_epochs_": len(history)}
        return learned | own | {"_optimizer_state": None}  # that of an earlier fit would be wrong

    def after_epoch():
        return running.pop().call_on_fit_task_end(**task, reconstruction_attributes=snapshot)

    job.callbacks = callbacks_of(task["estimator"])
    job.before_epoch, job.after_epoch = before_epoch, after_epoch
