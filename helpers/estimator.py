"""The scikit-learn face of a PyTorch network: TorchClassifier."""

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.callback import with_callbacks
from torch.nn import functional as F

from helpers.base import TorchEstimator
from helpers.checks.labels import find_classes, plain_labels
from helpers.checks.row_weights import class_weights
from helpers.modules import MLP
from helpers.targets import classification_loss, indicators


class TorchClassifier(ClassifierMixin, TorchEstimator):
    """A PyTorch network as a scikit-learn classifier; every `fit` starts from a new network.

    Parameters
    ----------
    module : callable, default=MLP
        A recipe: a class or function called as ``module(n_features, n_outputs, **arguments)``
        that returns a new `nn.Module`, which maps rows to one logit for each class (no softmax).
        Where rows are no vectors, such as images, it gets the shape of a row, a tuple, in the
        place of `n_features`.
        Its arguments are set as ``module__<name>``, as in ``TorchClassifier(module__hidden=64)``.
        A part whose parameters are all frozen (``requires_grad_(False)``) stays in evaluation
        mode, so that BatchNorm in it keeps its statistics.
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
        A callable is used as ``optimizer(parameters, lr=..., weight_decay=...)``, with a list of
        the network's parameters. Further arguments are set as ``optimizer__<name>``, as in
        ``optimizer__momentum=0.9``.
    augment : callable, default=None
        Called as ``augment(X)`` with the rows of each training step, a tensor of shape (n, ...);
        returns rows to train on in their place, of the same shape. No other rows are changed,
        and no labels: it cannot mix these, as mixup does.
        Draw for each row: one draw changes all rows of the step alike.
        It draws with torch, whose generator is seeded anew for each step; to see whether it
        does, the first step calls it twice or more.
    loss : callable, default=None
        Called as ``loss(outputs, y)`` with logits of shape (n, n_classes) and class numbers of
        shape (n,), from 0 in the order of `classes_`; returns the loss of each row, shape (n,).
        None is the cross-entropy. Losses of torch need ``reduction="none"``. Several labels come
        as floats of shape (n, n_labels); of losses of that shape the mean over labels is taken.
    schedule : callable, default=None
        Called as ``schedule(done)`` for each step, with the share of the steps that are done,
        from 0 to below 1; returns what `lr` is multiplied by. All steps of `epochs` count, also
        where `patience` stops earlier. `partial_fit` refuses it.
    clip : float, default=None
        Gradients of a step are scaled down where their norm, over all parameters, is larger.
    patience : int, default=None
        Stop once the loss on validation rows has not improved for so many epochs, and keep
        the weights of the best. The validation rows are split off the rows given to `fit`.
    validation_fraction : float, splitter or list, default=0.1
        What `patience` sets aside: a share of the rows, stratified by class (the row of a class
        that has only one is used for training); or what a splitter of scikit-learn says, which
        is given the `groups` of `fit`; or ``[(train, validation)]``, row numbers of your own. Of
        several splits the first counts or, as for `TimeSeriesSplit`, that which uses most rows.
    class_weight : {"balanced"} or dict, default=None
        Weight of each class in the loss, 1 where a dict names none; "balanced" gives all classes
        the same weight in sum, `sample_weight` included.
    device : str or torch.device, default="cpu"
        "cpu" or "cuda"; "cuda" is not tried yet: no test has run on a GPU.
    random_state : int or RandomState, default=None
        Seeds the first weights, the order of rows, dropout, `augment`, and what a network or a loss
        draws from numpy or Python. None draws fresh entropy. The global generators of torch, numpy
        and Python are left as they were found.

    Attributes
    ----------
    module_ : nn.Module
        The trained network, in evaluation mode, in the precision of `X` and on `device`.
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted; of a `y` of several labels, the numbers of its columns.
    history_ : list of dict
        One row for each epoch: "epoch" (from 1), "train_loss" and, with `patience`,
        "valid_loss": means of `loss`, the cross-entropy in nats. The epoch that `patience` keeps is
        ``min(clf.history_, key=lambda row: row["valid_loss"])["epoch"]``.
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

    Rows that are changed anew in each step, a loss, a schedule and rows to watch of one's own:

    >>> import torch
    >>> from sklearn.model_selection import StratifiedKFold
    >>> from torch import nn
    >>> def noisy(X):
    ...     return X + 0.1 * torch.randn_like(X)
    >>> smooth = nn.CrossEntropyLoss(label_smoothing=0.1, reduction="none")
    >>> clf = TorchClassifier(augment=noisy, loss=smooth, clip=1.0, random_state=0)
    >>> clf = clf.set_params(schedule=lambda done: 1 - done)
    >>> clf = clf.set_params(patience=20, validation_fraction=StratifiedKFold(5))
    >>> cross_val_score(clf, X, y).mean().round(2)
    np.float64(0.97)
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
        augment=None,
        loss=None,
        schedule=None,
        clip=None,
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
            augment=augment,
            loss=loss,
            schedule=schedule,
            clip=clip,
            patience=patience,
            validation_fraction=validation_fraction,
            device=device,
            random_state=random_state,
            **module__arguments,
        )
        self.class_weight = class_weight

    _loss, _plain_target = staticmethod(classification_loss), staticmethod(plain_labels)

    def _encode(self, y, classes, resume):
        """Turn labels into class numbers, and learn the labels."""
        if y.ndim == 2:
            self._n_outputs, self.classes_ = self._n_columns, np.arange(self._n_columns)
            return indicators(y, self._dtype, classes, type(self).__name__)
        known = self.classes_ if resume else None
        self.classes_ = find_classes(y, classes, known, type(self).__name__)
        self._n_outputs = len(self.classes_)
        return np.searchsorted(self.classes_, y)

    def _row_weight(self, y, sample_weight, partial):
        weight = super()._row_weight(y, sample_weight, partial)
        if self.class_weight is None:
            return weight
        if y.ndim == 2:
            raise ValueError(
                "class_weight weighs the classes of one column, and y has several; use "
                "loss=nn.BCEWithLogitsLoss(pos_weight=weights, reduction='none'), with a tensor of "
                "a weight for each label, or MultiOutputClassifier of sklearn.multioutput."
            )
        of_class = class_weights(self.class_weight, y, self.classes_, weight, self._dtype, partial)
        with np.errstate(over="ignore", under="ignore"):  # told when they are added up
            of_class = of_class.astype(self._dtype)
            return of_class if weight is None else weight * of_class

    @with_callbacks
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train for one epoch more: the one explicit way to continue a network.

        The first call builds the network; later calls train `module_` in place. Ten calls give
        what ``fit`` with ``epochs=10`` gives, where no rows are weighted: weights are used as they
        are, so that they count from call to call, while `fit` divides them by their mean.
        `patience` is not used, and a `schedule` refused: nobody knows how many calls will come.

        Parameters
        ----------
        X, y : as for `fit`
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
        """Return the probability of each class, or each label, shape (n_rows, n_classes)."""
        outputs = self._outputs(X)
        probabilities = outputs.softmax(1) if self._n_columns == 1 else outputs.sigmoid()
        return probabilities.numpy()

    def predict_log_proba(self, X):
        """Return the logarithms of the probabilities, finite where those are too small."""
        outputs = self._outputs(X)
        logs = F.log_softmax(outputs, 1) if self._n_columns == 1 else F.logsigmoid(outputs)
        return logs.numpy()

    def predict(self, X):
        """Return the most probable class of each row, (n_rows,), or 0 and 1 for each label.

        The network gets the rows in batches of a size that memory holds, whatever `batch_size` is.
        """
        outputs = self._outputs(X)
        if self._n_columns > 1:
            return (outputs > 0).numpy().astype(int)
        return self.classes_[outputs.argmax(dim=1).numpy()]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
