"""What TorchClassifier and TorchRegressor share: everything but target, loss and answer.

The README beside this file names the modules that a `fit` passes, in their order.
"""

import copy
from contextlib import nullcontext

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils.validation import check_is_fitted

from helpers.augmentation import Augmentation
from helpers.checks.answers import predicted
from helpers.checks.arguments import ArgumentsMixin
from helpers.checks.looking_back import Given, look_back
from helpers.checks.parameters import CONSTRAINTS, check_functions, check_parameters
from helpers.checks.row_weights import check_weights, sample_weights
from helpers.checks.rows import check_rows
from helpers.copies import CopyMixin, unchanged_on_failure
from helpers.global_state import as_torch_starts
from helpers.jobs import Job, report_epochs
from helpers.losses import OwnLoss, kept_in_precision
from helpers.modules import MLP
from helpers.networks import NetworkMixin
from helpers.optimizers import check_optimizer
from helpers.schedules import lr_factors, warn_of_rates
from helpers.targets import columns_of
from helpers.tensors import as_numpy, as_tensor, choose_device, chunks, take_rows, torch_dtype
from helpers.training import train
from helpers.validation_rows import check_groups, split_rows

NO_FIT = (
    "%(name)s has a module_, but no fit has given it: what rows and labels are is not known. Call "
    "fit with epochs=0 on some rows, all classes among them; then module_.load_state_dict(weights)."
)


class TorchEstimator(ArgumentsMixin, NetworkMixin, CopyMixin, CallbackSupportMixin, BaseEstimator):
    """Base of `TorchClassifier` and `TorchRegressor`, which add what concerns the target."""

    _parameter_constraints = CONSTRAINTS

    def __init__(
        self,
        module=MLP,
        *,
        epochs=100,
        lr=0.01,
        batch_size=None,
        weight_decay=0.0,
        optimizer="adam",
        augment=None,
        loss=None,
        schedule=None,
        clip=None,
        patience=None,
        validation_fraction=0.1,
        device="cpu",
        random_state=None,
        **module__arguments,
    ):
        self.module = module
        self.epochs = epochs
        self.lr = lr
        self.batch_size = batch_size
        self.weight_decay = weight_decay
        self.optimizer = optimizer
        self.augment = augment
        self.loss = loss
        self.schedule = schedule
        self.clip = clip
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.device = device
        self.random_state = random_state
        # check_estimator feeds the name of the last argument back as if it were one of its
        # own; it begins with module__ so that this, too, is an argument of the module.
        self._take_arguments(module__arguments)

    @with_callbacks
    def fit(self, X, y=None, sample_weight=None, groups=None, **others):
        """Build a new network and train it.

        Parameters
        ----------
        X : array-like of shape (n_rows, *shape of a row), sparse matrix, or `rows_of` a Dataset
            Rows of tables have the shape (n_features,), images (channels, height, width). float64
            (one column is enough) and float32 are trained in their own precision, anything else in
            float32, or in float64 if it holds whole numbers of 2**24 or more. uint8 becomes float32
            when a batch is taken, as 0.0 to 255.0: divide by 255 in the network, or before it.
            Columns of codes for an embedding are cast there: ``self.embedding(X[:, 0].long())``.
        y : array-like of shape (n_rows,) or (n_rows, n_targets)
            Labels of any type (classifier) or numbers (regressor). Several columns are numbers of
            several targets (regressor), or labels that a row may have, 0 or 1 (classifier).
        sample_weight : array-like of shape (n_rows,), default=None
            Not negative. A weight of 0 leaves the row out; in full batches a weight of 2
            equals giving it twice.
        groups : array-like of shape (n_rows,), default=None
            Rows of a group stay together in the split that `patience` makes; a splitter given
            as `validation_fraction` is told of them.

        Returns
        -------
        self : object

        Raises
        ------
        TypeError
            If `module` is an instance, or hands out the same weights twice, if `schedule`, `loss`
            or `augment` cannot be called as it has to be, or if there is another argument.
        ValueError
            If data or parameters cannot be used, or training diverges. Then nothing is changed.
        """
        self._refuse_others(others)
        return self._learn(X, y, sample_weight, groups)

    @torch.inference_mode(False)  # whatever the caller has switched off, gradients are needed
    def _learn(self, X, y, sample_weight, groups=None, classes=None, partial=False):
        check_functions(self)
        settings = check_parameters(self)
        epochs = 1 if partial else settings["epochs"]
        context = self._init_callback_context(max_subtasks=epochs)
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        task = {"estimator": self, "X": X, "y": y, "metadata": metadata}
        context.call_on_fit_task_begin(**task)

        new = copy.copy(self)  # learns in our place, so that a failure leaves us as we were
        resume = partial and hasattr(self, "module_")
        if resume:
            check_is_fitted(self, msg=NO_FIT)
        job, labels = new._job(X, y, sample_weight, classes, settings, partial, resume)
        if resume:
            new._resume(job)
        else:
            new._start(job, settings)
        if groups is not None:
            check_groups(groups, job.y)
        if settings["patience"] is not None and not partial:
            job.patience = settings["patience"]
            stratify = isinstance(self, ClassifierMixin) and job.y.ndim == 1
            data = X, as_numpy(y), groups
            split_rows(job, settings["validation_fraction"], data, stratify=stratify)
            new._weigh_parts(job, labels, sample_weight)
        if self.schedule is not None:
            n_steps = None if partial else job.epochs * job.n_steps
            job.lr_factors = lr_factors(self.schedule, n_steps)
            warn_of_rates(self.schedule, job.lr_factors, job.lr)
        new.module_, new.history_ = job.network, job.history
        functions = {"module": job.network, "loss": self.loss, "augment": self.augment}
        given = [] if partial else Given.of(functions)
        report_epochs(job, context, task, learned=vars(new))
        with unchanged_on_failure(job.network) if resume else nullcontext():
            train(job)
            look_back(job, type(self).__name__, isinstance(self, ClassifierMixin), given)
        new.n_epochs_, new._optimizer_state = len(job.history), job.optimizer_state
        new._optimizer_settings = job.optimizer_settings
        self.__dict__ = new.__dict__
        context.call_on_fit_task_end(**task, reconstruction_attributes={})
        return self

    def _job(self, X, y, sample_weight, classes, settings, partial, resume):
        """Validate the data; return a `Job` that lacks only its network, and the target."""
        owner, given = type(self).__name__, self._arguments_of("optimizer__")
        optimizer_arguments = check_optimizer(self.optimizer, given, owner=owner)
        X, y = check_rows(
            self,
            X,
            self._plain_target(y, owner),
            multi_output=True,
            y_numeric=isinstance(self, RegressorMixin),
            reset=not resume,
        )
        y, self._n_columns = columns_of(y, self._n_columns if resume else None)
        device, of_values = choose_device(self.device), isinstance(self, RegressorMixin)
        target = self._encode(y, classes, resume)
        weight = self._row_weight(y, sample_weight, partial)
        rows = np.arange(len(y)) if weight is None else np.flatnonzero(weight)
        if weight is not None:
            weight = as_tensor(check_weights(weight, rows, scale=not partial)).to(device)
        kept = self._own_loss if resume else None
        self._own_loss = kept_in_precision(kept, self.loss, torch_dtype(self._dtype), device)
        job = Job(
            X=as_tensor(X).to(device) if isinstance(X, np.ndarray) else X,
            y=as_tensor(target).to(device),
            weight=weight,
            rows=as_tensor(rows),
            loss=self._loss if self.loss is None else OwnLoss(self._own_loss[-1], of_values),
            optimizer=self.optimizer,
            lr=settings["lr"],
            weight_decay=settings["weight_decay"],
            epochs=1 if partial else settings["epochs"],
            batch_size=settings["batch_size"],
            n_outputs=self._n_outputs,
            converted_to=torch_dtype(self._dtype),
            optimizer_arguments=optimizer_arguments,
            augment=None if self.augment is None else Augmentation(self.augment),
            clip=settings["clip"],
        )
        return job, y

    def _row_weight(self, y, sample_weight, partial):
        """Return the weight of each row, shape (n_rows,), or None where all are equal."""
        return sample_weights(sample_weight, y, self._dtype)

    def _weigh_parts(self, job, y, sample_weight):
        """Weigh a job's rows anew after their split: those in neither part count for nothing.

        The mean of each part is 1, so that rows that `patience` watches do not change the steps.
        """
        if job.weight is None:
            return
        used = np.zeros(len(y), dtype=self._dtype)
        used[torch.cat([job.rows, job.valid_rows])] = 1
        given = sample_weights(sample_weight, y, self._dtype)
        weight = self._row_weight(y, used if given is None else given * used, partial=False)
        train, valid = job.rows.numpy(), job.valid_rows.numpy()
        parts = check_weights(weight, train, scale=True)
        parts[valid] = check_weights(weight, valid, scale=True)[valid]
        job.weight = as_tensor(parts).to(job.y.device)

    def _outputs(self, X):
        """Return the network's outputs for `X`, a tensor of shape (n_rows, n_outputs)."""
        check_is_fitted(self, msg=NO_FIT if hasattr(self, "module_") else None)
        X = check_rows(self, X, reset=False)
        X = as_tensor(X) if isinstance(X, np.ndarray) else X
        where = next(self.module_.parameters()).device, torch_dtype(self._dtype)
        self.module_.eval()
        with as_torch_starts(where[0]), torch.no_grad():
            whole = None
            for rows in chunks(torch.arange(X.shape[0]), self._row_shape):
                part = take_rows(X, rows).to(*where)
                outputs = predicted(self.module_, part, rows, self._n_outputs)
                if whole is None:
                    # Small tensors that are kept would lie where the rows of the next part could,
                    # and memory would grow from part to part.
                    whole = outputs.new_empty(X.shape[0], self._n_outputs)
                whole[rows] = outputs
        return whole

    def __sklearn_is_fitted__(self):
        return hasattr(self, "module_") and hasattr(self, "_row_shape")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = tags.input_tags.three_d_array = True
        return tags
