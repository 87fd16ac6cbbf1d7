"""The scikit-learn face of a PyTorch network: TorchClassifier and TorchRegressor."""

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.callback import with_callbacks
from torch.nn import functional as F

from helpers.base import TorchEstimator
from helpers.labels import class_weights, find_classes, plain_labels, plain_values
from helpers.modules import MLP


class TorchClassifier(ClassifierMixin, TorchEstimator):
    """A PyTorch network as a scikit-learn classifier; every `fit` starts from a new network.

    Parameters
    ----------
    module : callable, default=MLP
        A recipe: a class or function called as ``module(n_features, n_outputs, **arguments)``
        that returns a new `nn.Module`, which maps rows to one logit for each class (no softmax).
        Its arguments are set as ``module__<name>``, as in ``TorchClassifier(module__hidden=64)``.
    epochs : int, default=100
        Passes through the training rows; 0 leaves the network as it was built.
    lr : float, default=0.01
        Learning rate.
    batch_size : int, default=None
        Rows in a training step; None takes all at once. The last step of an epoch takes what is
        left, which must not be a single row if the network has BatchNorm.
    weight_decay : float, default=0.0
        Strength of the optimizer's L2 penalty (of its decoupled decay for "adamw").
    optimizer : {"adam", "adamw", "rmsprop", "sgd"} or callable, default="adam"
        A callable is used as ``optimizer(parameters, lr=..., weight_decay=...)``. Further
        arguments are set as ``optimizer__<name>``, as in ``optimizer__momentum=0.9``.
    patience : int, default=None
        Stop once the loss on validation rows has not improved for so many epochs, and keep
        the weights of the best. The validation rows are split off the rows given to `fit`.
    validation_fraction : float, default=0.1
        Share of the rows that `patience` sets aside, stratified by class. The row of a class
        that has only one is used for training.
    class_weight : {"balanced"} or dict, default=None
        Weight of each class in the loss, 1 where a dict names none; "balanced" gives all classes
        the same weight in sum, `sample_weight` included.
    device : str or torch.device, default="cpu"
        "cpu" or "cuda"; "cuda" is not tried yet: no test has run on a GPU.
    random_state : int or RandomState, default=None
        Seeds the first weights, the order of rows and dropout. None draws fresh entropy.
        torch's and numpy's global generators are left as they were found.

    Attributes
    ----------
    module_ : nn.Module
        The trained network.
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.
    history_ : list of dict
        One row for each epoch: "epoch" (from 1), "train_loss" and, with `patience`,
        "valid_loss", mean cross-entropies in nats.
    n_epochs_ : int
        Epochs trained.
    n_features_in_ : int
        Columns of `X`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where `X` has names that are all strings.

    References
    ----------
    The syntax ``module__<name>`` and ``optimizer__<name>`` is that of skorch,
    https://skorch.readthedocs.io.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import cross_val_score
    >>> from helpers import TorchClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = TorchClassifier(module__hidden=8, random_state=0)
    >>> cross_val_score(clf, X, y).mean().round(2)
    np.float64(0.98)
    """

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
        class_weight=None,
        device="cpu",
        random_state=None,
        **module__arguments,
    ):
        super().__init__(
            module,
            epochs=epochs,
            lr=lr,
            batch_size=batch_size,
            weight_decay=weight_decay,
            optimizer=optimizer,
            patience=patience,
            validation_fraction=validation_fraction,
            device=device,
            random_state=random_state,
            **module__arguments,
        )
        self.class_weight = class_weight

    _loss = staticmethod(F.cross_entropy)

    def _plain_target(self, y):
        return plain_labels(y, type(self).__name__)

    def _encode(self, y, dtype, classes, resume):
        """Turn labels into class numbers, and learn the labels."""
        known = self.classes_ if resume else None
        self.classes_ = find_classes(y, classes, known, type(self).__name__)
        self._n_outputs = len(self.classes_)
        return np.searchsorted(self.classes_, y)

    def _row_weight(self, X, y, sample_weight, partial):
        weight = super()._row_weight(X, y, sample_weight, partial)
        if self.class_weight is None:
            return weight
        of_class = class_weights(self.class_weight, y, self.classes_, weight, partial)
        with np.errstate(over="ignore"):  # told when the weights are added up
            of_class = of_class.astype(X.dtype)
            return of_class if weight is None else weight * of_class

    @with_callbacks
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train for one epoch more: the one explicit way to continue a network.

        The first call builds the network; later calls train `module_` in place. Ten calls give
        what ``fit`` with ``epochs=10`` gives, where no rows are weighted: weights are used as they
        are, so that they count from call to call, while `fit` divides them by their mean.
        `patience` is not used.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_rows, n_features)
        y : array-like of shape (n_rows,)
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever come, in the first call; by default those of `y`. Later
            calls may leave them out.
        sample_weight : array-like of shape (n_rows,), default=None

        Returns
        -------
        self : object
        """
        return self._learn(X, y, sample_weight, classes=classes, partial=True)

    def predict_proba(self, X):
        """Return the probability of each class, shape (n_rows, n_classes)."""
        return self._outputs(X).softmax(dim=1).numpy()

    def predict_log_proba(self, X):
        """Return the logarithms of the probabilities, finite where those are too small."""
        return self._outputs(X).log_softmax(dim=1).numpy()

    def predict(self, X):
        """Return the most probable label of each row, shape (n_rows,)."""
        outputs = self._outputs(X)
        return self.classes_[outputs.argmax(dim=1).numpy()]


class TorchRegressor(RegressorMixin, TorchEstimator):
    """A PyTorch network as a scikit-learn regressor; every `fit` starts from a new network.

    It minimises the squared error. For targets far from unit scale, wrap it in
    `sklearn.compose.TransformedTargetRegressor`.

    Parameters
    ----------
    module, epochs, lr, batch_size, weight_decay, optimizer, patience, validation_fraction, \
device, random_state
        As for `TorchClassifier`; `module` is called with ``n_outputs=1``, and `patience` does
        not stratify.

    Attributes
    ----------
    module_, history_, n_epochs_, n_features_in_, feature_names_in_
        As for `TorchClassifier`; losses are mean squared errors.

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.preprocessing import scale
    >>> from helpers import TorchRegressor
    >>> X, y = make_regression(200, 5, noise=20, random_state=0)
    >>> cross_val_score(TorchRegressor(random_state=0), X, scale(y)).mean().round(2)
    np.float64(0.98)
    """

    _n_outputs = 1

    @staticmethod
    def _loss(outputs, y, reduction="mean"):
        return F.mse_loss(outputs[:, 0], y, reduction=reduction)

    def _plain_target(self, y):
        return plain_values(y, type(self).__name__)

    def _encode(self, y, dtype, classes, resume):
        """Give the values the dtype of `X`."""
        with np.errstate(over="ignore"):
            values = y.astype(dtype)
        if not np.isfinite(values).all():
            raise ValueError(
                f"y holds {abs(y).max():.3g}, more than {np.dtype(dtype)}, the precision of X, can "
                f"hold. Scale y, or give X as float64."
            )
        return values

    @with_callbacks
    def partial_fit(self, X, y, sample_weight=None):
        """Train for one epoch more: the one explicit way to continue a network.

        The first call builds the network; later calls train `module_` in place. Ten calls give
        what ``fit`` with ``epochs=10`` gives, where no rows are weighted: weights are used as they
        are, so that they count from call to call, while `fit` divides them by their mean.
        `patience` is not used.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_rows, n_features)
        y : array-like of shape (n_rows,)
        sample_weight : array-like of shape (n_rows,), default=None

        Returns
        -------
        self : object
        """
        return self._learn(X, y, sample_weight, partial=True)

    def predict(self, X):
        """Return the predicted value of each row, shape (n_rows,)."""
        return self._outputs(X)[:, 0].numpy()
