"""The scikit-learn face of a PyTorch network: TorchRegressor."""

from sklearn.base import RegressorMixin
from sklearn.callback import with_callbacks

from helpers.base import TorchEstimator
from helpers.checks.labels import plain_values
from helpers.targets import squared_error, values


class TorchRegressor(RegressorMixin, TorchEstimator):
    """A PyTorch network as a scikit-learn regressor; every `fit` starts from a new network.

    It minimises the squared error, averaged over the targets where `y` has several, if no other
    `loss` is given. For targets far from unit scale, wrap it in
    `sklearn.compose.TransformedTargetRegressor`.

    Parameters
    ----------
    module, epochs, lr, batch_size, weight_decay, optimizer, augment, loss, schedule, clip, \
patience, validation_fraction, device, random_state
        As for `TorchClassifier`; `module` is called with the number of targets as
        ``n_outputs``, and `patience` does not stratify. `loss` is called with outputs and values
        of one shape, (n,) or (n, n_targets); of losses of the latter shape the mean over targets
        is taken, and None is the squared error. `predict` returns outputs as they are: logarithms
        with ``nn.PoissonNLLLoss``, unless it has ``log_input=False``. For a loss that needs more
        outputs, as of several quantiles, `y` has as many (equal) columns.

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

    _loss, _plain_target = staticmethod(squared_error), staticmethod(plain_values)

    def _encode(self, y, classes, resume):
        """Give the values the dtype of `X`."""
        self._n_outputs = self._n_columns
        return values(y, self._dtype)

    @with_callbacks
    def partial_fit(self, X, y, sample_weight=None):
        """Train for one epoch more: the one explicit way to continue a network.

        All but `classes` is as in `TorchClassifier.partial_fit`.
        """
        return self._learn(X, y, sample_weight, partial=True)

    def predict(self, X):
        """Return the predicted values of each row, (n_rows,), or (n_rows, n_targets) of several.

        The network gets the rows in batches, as for `TorchClassifier`.
        """
        outputs = self._outputs(X).numpy()
        return outputs[:, 0] if self._n_outputs == 1 else outputs

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
