"""What TorchClassifier and TorchRegressor share: everything but target, loss and answer."""

import copy
from numbers import Integral, Real

import numpy as np
import torch
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from helpers._compat import Interval, StrOptions, _check_sample_weight
from helpers.jobs import OPTIMIZERS, Job, report_epochs, split_rows
from helpers.modules import MLP, build, check_outputs
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


class TorchEstimator(CallbackSupportMixin, BaseEstimator):
    """Base of `TorchClassifier` and `TorchRegressor`, which add `_encode` and `_loss`."""

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
        for name in module__arguments:
            if not name.startswith("module__"):
                raise TypeError(
                    f"{type(self).__name__} has no argument {name!r}; its arguments are "
                    f"{', '.join(self._get_param_names())}, and module__<name> for the module's."
                )
        self._module_arguments = module__arguments

    def get_params(self, deep=True):
        """Get the parameters, those of the module (``module__*``) included."""
        return super().get_params(deep) | self._module_arguments

    def set_params(self, **params):
        """Set parameters, those of the module (``module__*``) included; build nothing."""
        module = {name: params[name] for name in params if name.startswith("module__")}
        super().set_params(**{name: params[name] for name in params if name not in module})
        self._module_arguments = self._module_arguments | module
        return self

    @with_callbacks
    def fit(self, X, y, sample_weight=None, groups=None):
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
        self._validate_params()
        epochs = 1 if partial else self.epochs
        context = self._init_callback_context(max_subtasks=epochs)
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        task = {"estimator": self, "X": X, "y": y, "metadata": metadata}
        context.call_on_fit_task_begin(**task)

        new = copy.copy(self)  # learns in our place, so that a failure leaves us as we were
        resume = partial and hasattr(self, "module_")
        job = new._job(X, y, sample_weight, classes, epochs, resume)
        if resume:
            new._resume(job)
        else:
            new._start(job)
        if self.patience is not None and not partial:
            job.patience = self.patience
            stratify = isinstance(self, ClassifierMixin)
            split_rows(job, groups, fraction=self.validation_fraction, stratify=stratify)
        new.module_, new.history_ = job.network, job.history
        report_epochs(job, context, task, learned=vars(new))
        train(job)
        new.n_epochs_, new._optimizer_state = len(job.history), job.optimizer_state
        self.__dict__ = new.__dict__
        context.call_on_fit_task_end(**task, reconstruction_attributes={})
        return self

    def _job(self, X, y, sample_weight, classes, epochs, resume):
        """Validate data and parameters; return a `Job` that lacks only its network."""
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr",
            dtype=self._dtype if resume else [np.float32, np.float64],
            y_numeric=isinstance(self, RegressorMixin),
            reset=not resume,
        )
        device = choose_device(self.device)
        target = self._encode(y, X.dtype, classes, resume)
        weight = self._row_weight(X, y, sample_weight)
        rows = np.arange(len(y)) if weight is None else np.flatnonzero(weight)
        if len(rows) == 0:
            raise ValueError("Every row has weight 0; give some a positive weight.")
        if weight is not None:
            weight = as_tensor(weight / weight[rows].mean()).to(device)
        self._dtype = X.dtype
        return Job(
            X=X if sparse.issparse(X) else as_tensor(X).to(device),
            y=as_tensor(target).to(device),
            weight=weight,
            rows=as_tensor(rows),
            loss=self._loss,
            optimizer=OPTIMIZERS.get(self.optimizer, self.optimizer),
            lr=self.lr,
            weight_decay=self.weight_decay,
            epochs=epochs,
            batch_size=self.batch_size,
        )

    def _row_weight(self, X, y, sample_weight):
        """Return the weight of each row, shape (n_rows,), or None where all are equal."""
        if sample_weight is None:
            return None
        return _check_sample_weight(sample_weight, X, dtype=X.dtype, ensure_non_negative=True)

    def _start(self, job):
        """Give the job a new network."""
        seed = self.random_state
        if seed is None:  # fresh entropy, so that numpy's global generator stays as it is
            seed = np.random.SeedSequence().generate_state(1)[0]
        job.seed = self._seed = check_random_state(seed).randint(np.iinfo(np.int32).max)
        self._recipe = self._current_recipe()
        arguments = {n.removeprefix("module__"): v for n, v in self._module_arguments.items()}
        sample = take_rows(job.X, job.rows[:2]).to(job.y.device)
        with private_rng(sample.device):
            seed_generators(job.seed, sample.device)
            n_features, owner = sample.shape[1], type(self).__name__
            network = build(self.module, n_features, self._n_outputs, arguments, owner=owner)
            job.network = network.to(sample.device, sample.dtype)
            check_outputs(job.network, sample, self._n_outputs)

    def _resume(self, job):
        """Give the job a copy of our network, as far as it is trained."""
        if self._recipe != self._current_recipe():
            raise ValueError(
                "partial_fit continues the network it has, but module, its arguments or "
                "optimizer were changed since; call fit to start anew."
            )
        job.network = copy.deepcopy(self.module_).to(job.y.device)
        job.optimizer_state = copy.deepcopy(self._optimizer_state)
        job.seed, job.history = self._seed, list(self.history_)

    def _current_recipe(self):
        """Return what a network and its optimizer are built from."""
        return self.module, self._module_arguments, self.optimizer

    def _outputs(self, X):
        """Return the network's outputs for `X`, a tensor of shape (n_rows, n_outputs)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, accept_sparse="csr", dtype=self._dtype)
        X = X if sparse.issparse(X) else as_tensor(X)
        device = next(self.module_.parameters()).device
        self.module_.eval()
        with as_torch_starts(device), torch.inference_mode():
            parts = [
                self.module_(take_rows(X, rows).to(device)).cpu()
                for rows in chunks(torch.arange(X.shape[0]))
            ]
        return torch.cat(parts)

    def __getstate__(self):
        """Pickle the network on the CPU, so that it can be loaded on any machine."""
        state = dict(super().__getstate__())
        if "module_" in state and next(self.module_.parameters()).is_cuda:
            state["module_"] = copy.deepcopy(self.module_).cpu()
        return state

    def __sklearn_is_fitted__(self):
        return hasattr(self, "module_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
