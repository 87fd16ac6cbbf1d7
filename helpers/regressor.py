"""The scikit-learn face of a PyTorch network: TorchRegressor."""

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.callback import with_callbacks
from torch.nn import functional as F

from helpers.base import TorchEstimator
from helpers.labels import plain_values


class TorchRegressor(RegressorMixin, TorchEstimator):
    """A PyTorch network as a scikit-learn regressor; every `fit` starts from a new network.

    It minimises the squared error, if no other `loss` is given. For targets far from unit scale,
    wrap it in `sklearn.compose.TransformedTargetRegressor`.

    Parameters
    ----------
    module, epochs, lr, batch_size, weight_decay, optimizer, augment, loss, schedule, clip, \
patience, validation_fraction, device, random_state
        As for `TorchClassifier`; `module` is called with ``n_outputs=1``, and `patience` does
        not stratify. `loss` is called with outputs and values of one shape, (n,); None is the
        squared error.

    Attributes
    ----------
    module_, history_, n_epochs_, n_features_in_, feature_names_in_
        As for `TorchClassifier`; losses are means of `loss`, the squared error.

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.preprocessing import scale
    >>> from helpers import TorchRegressor
    >>> X, y = make_regression(200, 5, noise=20, random_state=0)
    >>> cross_val_score(TorchRegressor(random_state=0), X, scale(y)).mean().round(2)
    np.float64(0.98)

    With the absolute error as loss it predicts the median:

    >>> median = TorchRegressor(loss=lambda outputs, y: (outputs - y).abs(), random_state=0)
    >>> cross_val_score(median, X, scale(y), scoring="neg_mean_absolute_error").mean().round(2)
    np.float64(-0.1)
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
        `patience` is not used, and a `schedule` refused: nobody knows how many calls will come.

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
