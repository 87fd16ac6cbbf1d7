"""What TorchClassifier and TorchRegressor share: everything but target, loss and answer."""

import copy
from contextlib import nullcontext
from numbers import Integral, Real

import numpy as np
import torch
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from helpers._compat import Interval, StrOptions, _check_sample_weight
from helpers.arguments import ArgumentsMixin, check_parameters, same
from helpers.copies import CopyMixin, unchanged_on_failure
from helpers.jobs import Job, report_epochs, split_rows
from helpers.labels import check_weights
from helpers.modules import MLP
from helpers.optimizers import OPTIMIZERS, check_optimizer
from helpers.outputs import check_outputs, normalised_as, warn_of_probabilities
from helpers.recipes import build
from helpers.tensors import (
    as_tensor,
    as_torch_starts,
    choose_device,
    chunks,
    private_rng,
    seed_generators,
    take_rows,
)
from helpers.training import train

NUMBERS = (
    *("epochs", "lr", "batch_size", "weight_decay", "patience", "validation_fraction"),
    "random_state",
)


class TorchEstimator(ArgumentsMixin, CopyMixin, CallbackSupportMixin, BaseEstimator):
    """Base of `TorchClassifier` and `TorchRegressor`, which add what concerns the target."""

    _parameter_constraints = {
        "epochs": [Interval(Integral, 0, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "optimizer": [StrOptions(set(OPTIMIZERS)), callable],
        "patience": [Interval(Integral, 1, None, closed="left"), None],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "device": [str, torch.device],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        module=MLP,
        *,
        epochs=100,
        lr=0.01,
        batch_size=None,
        weight_decay=0.0,
        optimizer="adam",
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
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.device = device
        self.random_state = random_state
        # check_estimator feeds the name of the last argument back as if it were one of its
        # own; it begins with module__ so that this, too, is an argument of the module.
        self._take_arguments(module__arguments)

    @with_callbacks
    def fit(self, X, y=None, sample_weight=None, groups=None):
        """Build a new network and train it.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_rows, n_features)
            float64 and float32 are trained in their own precision, anything else in float32.
        y : array-like of shape (n_rows,)
            Labels of any type (classifier) or numbers (regressor).
        sample_weight : array-like of shape (n_rows,), default=None
            Not negative. A weight of 0 leaves the row out; in full batches a weight of 2
            equals giving it twice.
        groups : array-like of shape (n_rows,), default=None
            Rows of a group stay together in the split that `patience` makes.

        Returns
        -------
        self : object

        Raises
        ------
        TypeError
            If `module` is an instance, or hands out the same weights twice.
        ValueError
            If data or parameters cannot be used, or training diverges. The estimator then
            stays as it was.
        """
        return self._learn(X, y, sample_weight, groups)

    @torch.inference_mode(False)  # whatever the caller has switched off, gradients are needed
    def _learn(self, X, y, sample_weight, groups=None, classes=None, partial=False):
        settings = check_parameters(self, NUMBERS)
        epochs = 1 if partial else settings["epochs"]
        context = self._init_callback_context(max_subtasks=epochs)
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        task = {"estimator": self, "X": X, "y": y, "metadata": metadata}
        context.call_on_fit_task_begin(**task)

        new = copy.copy(self)  # learns in our place, so that a failure leaves us as we were
        resume = partial and hasattr(self, "module_")
        job = new._job(X, y, sample_weight, classes, settings, partial, resume)
        if resume:
            new._resume(job)
        else:
            new._start(job, settings)
        if settings["patience"] is not None and not partial:
            job.patience = settings["patience"]
            stratify = isinstance(self, ClassifierMixin)
            split_rows(job, groups, fraction=settings["validation_fraction"], stratify=stratify)
        new.module_, new.history_ = job.network, job.history
        report_epochs(job, context, task, learned=vars(new))
        with unchanged_on_failure(job.network) if resume else nullcontext():
            train(job)
        new.n_epochs_, new._optimizer_state = len(job.history), job.optimizer_state
        new._optimizer_settings = job.optimizer_settings
        self.__dict__ = new.__dict__
        context.call_on_fit_task_end(**task, reconstruction_attributes={})
        return self

    def _job(self, X, y, sample_weight, classes, settings, partial, resume):
        """Validate the data; return a `Job` that lacks only its network."""
        owner = type(self).__name__
        optimizer_arguments = check_optimizer(
            self.optimizer, self._arguments_of("optimizer__"), owner=owner
        )
        X, y = validate_data(
            self,
            X,
            self._plain_target(y),
            accept_sparse="csr",
            dtype=self._dtype if resume else [np.float32, np.float64],
            y_numeric=isinstance(self, RegressorMixin),
            reset=not resume,
        )
        device = choose_device(self.device)
        target = self._encode(y, X.dtype, classes, resume)
        weight = self._row_weight(X, y, sample_weight, partial)
        rows = np.arange(len(y)) if weight is None else np.flatnonzero(weight)
        if weight is not None:
            weight = as_tensor(check_weights(weight, rows, scale=not partial)).to(device)
        self._dtype = X.dtype
        return Job(
            X=X if sparse.issparse(X) else as_tensor(X).to(device),
            y=as_tensor(target).to(device),
            weight=weight,
            rows=as_tensor(rows),
            loss=self._loss,
            optimizer=self.optimizer,
            lr=settings["lr"],
            weight_decay=settings["weight_decay"],
            epochs=1 if partial else settings["epochs"],
            batch_size=settings["batch_size"],
            n_outputs=self._n_outputs,
            optimizer_arguments=optimizer_arguments,
        )

    def _row_weight(self, X, y, sample_weight, partial):
        """Return the weight of each row, shape (n_rows,), or None where all are equal."""
        if sample_weight is None:
            return None
        return _check_sample_weight(sample_weight, X, dtype=X.dtype, ensure_non_negative=True)

    def _start(self, job, settings):
        """Give the job a new network."""
        seed = settings["random_state"]
        if seed is None:  # fresh entropy, so that numpy's global generator stays as it is
            seed = np.random.SeedSequence().generate_state(1)[0]
        job.seed = self._seed = check_random_state(seed).randint(np.iinfo(np.int32).max)
        self._recipe = self._current_recipe()
        owner = type(self).__name__
        X = take_rows(job.X, job.rows[:2]).to(job.y.device)
        widths, arguments = (X.shape[1], self._n_outputs), self._arguments_of("module__")
        with private_rng(X.device):
            seed_generators(job.seed, X.device)
            network = build(self.module, *widths, arguments, owner=owner)
            job.network = network.to(X.device, X.dtype)
            looks_like = normalised_as(check_outputs(job.network, X, self._n_outputs))
            if looks_like and isinstance(self, ClassifierMixin):
                X = take_rows(job.X, job.rows[:64]).to(X.device)
                another = self.module(*widths, **arguments).to(X.device, X.dtype)
                warn_of_probabilities(another, X, looks_like, owner)

    def _resume(self, job):
        """Give the job our network and what its optimizer remembers."""
        if not same(self._recipe, self._current_recipe()):
            raise ValueError(
                "partial_fit continues the network it has, but module, optimizer or their "
                "arguments were changed since; call fit to start anew."
            )
        job.network = self.module_.to(job.y.device)
        job.optimizer_state = copy.deepcopy(self._optimizer_state)
        job.optimizer_settings = self._optimizer_settings
        job.seed, job.history = self._seed, list(self.history_)

    def _current_recipe(self):
        """Return what a network and its optimizer are built from."""
        return self.module, self._arguments, self.optimizer

    def _outputs(self, X):
        """Return the network's outputs for `X`, a tensor of shape (n_rows, n_outputs)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, accept_sparse="csr", dtype=self._dtype)
        X = X if sparse.issparse(X) else as_tensor(X)
        device = next(self.module_.parameters()).device
        self.module_.eval()
        with as_torch_starts(device), torch.no_grad():
            parts = [
                self.module_(take_rows(X, rows).to(device)).cpu()
                for rows in chunks(torch.arange(X.shape[0]))
            ]
        return torch.cat(parts)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "module_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
