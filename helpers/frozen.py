"""Networks that were trained before, as a transformer."""

import copy

import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted
from torch import nn

from helpers._compat import is_lazy
from helpers.checks.arguments import name_of
from helpers.checks.last_calls import warn_of_changes, warn_of_other_rows
from helpers.checks.rows import check_shape, refuse_datasets, refuse_no_numbers, validated
from helpers.copies import copy_network
from helpers.global_state import as_torch_starts, generators_put_back, states_of_generators
from helpers.tensors import CHUNK, as_numpy, as_tensor, like_of

KEEP_STATISTICS = nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm
MOST_NUMBERS = 2**22  # that the rows of one forward pass may hold: 28 photographs of 224 x 224


class FrozenFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A network that was trained before, as a transformer: rows in, its outputs out.

    Nothing is trained here. The network is copied, and the copy is always in evaluation mode:
    dropout is off, and BatchNorm keeps the statistics that it came with.

    Parameters
    ----------
    network : nn.Module
        A trained network, an instance. It returns one vector for each row, a tensor of shape
        (n, n_outputs). It is never changed, and never moved to another device or precision.

    Attributes
    ----------
    network_ : nn.Module
        The copy that transforms.
    row_shape_ : tuple of int
        The shape of one row of `X`.
    n_features_in_ : int
        Columns of `X`; of images, (n, channels, height, width), the channels.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where `X` has names that are all strings.

    Notes
    -----
    *Honest:* the network was trained on other rows, as on a public collection of photographs
    that holds none of yours. Then it may be used in every fold as it is. Since nothing is learned
    from your rows, you may also compute the features once, before the split, to save time.
    (`Pipeline(memory=...)` saves none: joblib does not see that two copies of a network are equal.)

    *A leak:* the network was trained, or chosen, with rows that you test on, also without their
    labels. Then train it inside the folds, as a part of a recipe of `TorchClassifier`.

    `carried_weights` looks into the network, because it is a parameter. It tells that a network
    knows the labels. It cannot tell whether it knows them from other rows of the same kind, which
    is honest, or from these. Where the network was trained, you have to know yourself.

    A network whose BatchNorm keeps no statistics is refused: its outputs for a row would depend
    on the other rows, test rows included. `fit` warns of other networks whose outputs do so, and
    of those that draw at random.

    Examples
    --------
    A network that has learned the digits 0 to 4 helps to tell 5 from 6, of which it saw no row.

    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.pipeline import make_pipeline
    >>> from helpers import FrozenFeatures, TorchClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> known, asked = y < 5, (y == 5) | (y == 6)
    >>> trained = TorchClassifier(epochs=30, random_state=0).fit(X[known] / 16, y[known])
    >>> model = make_pipeline(FrozenFeatures(trained.module_), LogisticRegression())
    >>> bool(cross_val_score(model, X[asked] / 16, y[asked]).mean() > 0.9)
    True
    """

    def __init__(self, network):
        self.network = network

    def fit(self, X, y=None):
        """Check the network and `X`, and copy the network; learn nothing.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or (n_rows, ...)
            uint8 comes as 0.0 to 255.0: divide by 255 before it, if the network was trained so.
        y : ignored

        Returns
        -------
        self : object

        Raises
        ------
        TypeError
            If `network` is no instance of `nn.Module`.
        ValueError
            If it does not take such rows, or returns anything but one vector for each.
        """
        new = copy.copy(self)  # so that a failure leaves us as we were
        _check_network(self.network)
        X = new._rows(X, reset=True)
        new.row_shape_ = X.shape[1:]
        new.network_ = copy_network(self.network, "FrozenFeatures works on a copy of its network")
        for parameter in new.network_.parameters():  # one by one, since it may be scripted
            parameter.requires_grad_(False)
        with generators_put_back():
            new._n_features_out = _outputs(new.network_, X[:2]).shape[1]
            _warn_of_other_answers(new.network_, X[:2])
        self.__dict__ = new.__dict__
        return self

    def transform(self, X):
        """Return the network's outputs for `X`, an array of shape (n_rows, n_outputs).

        They have the precision of the network, float32 at least, whatever that of `X` is.
        """
        check_is_fitted(self)
        return _outputs(self.network_, self._rows(X, reset=False))

    def _rows(self, X, reset):
        """Return `X` as an array of numbers, rows along the first axis."""
        refuse_no_numbers(X)
        refuse_datasets(X, type(self).__name__)
        X = as_numpy(X)
        if reset:
            return validated(self, X, "no_validation", allow_nd=True)[0]
        check_shape(X, self.row_shape_, type(self).__name__)
        found, _ = validated(self, X, "no_validation", reset=False, allow_nd=True)
        check_shape(found, self.row_shape_, type(self).__name__)  # of a list, which had none before
        return found

    def __sklearn_is_fitted__(self):
        return hasattr(self, "network_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []  # the network decides
        return tags


def _check_network(network):
    """Raise an error unless `network` is a network that was built, and can answer for a row."""
    if not isinstance(network, nn.Module):
        raise TypeError(
            f"network must be a network that was trained before, an instance of torch.nn.Module; "
            f"got {_what_instead(network)}"
        )
    for name, layer in network.named_modules():
        if isinstance(layer, KEEP_STATISTICS) and layer.running_mean is None:
            raise ValueError(
                f"{type(network).__name__} cannot be frozen: its {name or 'BatchNorm'} keeps no "
                f"running statistics, so that a row's outputs depend on the rows beside it. Train "
                f"it with track_running_stats=True."
            )
    if any(is_lazy(parameter) or parameter.is_meta for parameter in network.parameters()):
        raise ValueError(
            f"{type(network).__name__} has lazy layers, or some on device 'meta', without weights, "
            f"so it was never trained. Give a network that was."
        )


def _what_instead(network):
    """Return what was given where a network is due, and what to give."""
    if isinstance(network, dict):
        return (
            "a dict, as of weights in a file. Build the network, call "
            "network.load_state_dict(weights), and give FrozenFeatures(network)."
        )
    if hasattr(network, "get_params") and not isinstance(network, type):
        name = type(network).__name__
        return (
            f"a {name}. Fit it on other rows and give its network, FrozenFeatures(fitted.module_)."
        )
    if callable(network):
        name, kind = name_of(network), "class" if isinstance(network, type) else "function"
        return (
            f"the {kind} {name}. A recipe, which builds a new network for each fit, goes to "
            f"TorchClassifier({name}). FrozenFeatures takes what was built and trained: "
            f"FrozenFeatures(trained), where trained is a network that {name} returned."
        )
    if isinstance(network, str):
        return f"{network!r}. Load it first: FrozenFeatures(torch.load(path))."
    return f"{network!r:.80}. Give FrozenFeatures(network)."


def _outputs(network, X):
    """Return a network's outputs for all rows of an array, (n_rows, n_outputs), part by part."""
    network.eval()
    like = like_of(network)
    n_rows = min(CHUNK, max(1, MOST_NUMBERS // max(1, X[0].size)))
    parts = []
    with as_torch_starts(like.device), torch.no_grad():
        for start in range(0, len(X), n_rows):
            # A copy, as the network may write to it.
            rows = as_tensor(X[start : start + n_rows]).to(like.device, like.dtype, copy=True)
            outputs = _call(network, rows)
            parts.append(outputs.float().cpu() if outputs.itemsize < 4 else outputs.cpu())
    return torch.cat(parts).detach().numpy()


def _warn_of_other_answers(network, X):
    """Warn if a network has another answer for a row each time, or beside other rows."""
    like = like_of(network)
    if like.itemsize < 4:  # it rounds otherwise in each company
        return
    rows = as_tensor(X).to(like.device, like.dtype)
    before = states_of_generators(like.device)
    outputs = torch.as_tensor(_outputs(network, X)).to(like.device)
    with as_torch_starts(like.device):
        if not warn_of_changes(network, rows, outputs, before):
            warn_of_other_rows(network, rows, outputs)


def _call(network, rows):
    """Return a network's outputs for some rows, or raise a ValueError that says what is wrong."""
    name, n_rows, given = type(network).__name__, len(rows), tuple(rows.shape[1:])
    try:
        outputs = network(rows)
    except (torch.OutOfMemoryError, NotImplementedError):  # the latter if it has no forward
        raise
    except (RuntimeError, IndexError, ValueError) as error:
        mend = "Give X the shape that it was trained with: images are (n, channels, height, width)."
        if "indices" in str(error) or "dtype" in str(error):
            mend = "Rows come in the precision of its weights; convert them in its forward."
        raise ValueError(f"{name} cannot take rows of shape {given}: {error}. {mend}") from error
    if not isinstance(outputs, torch.Tensor):
        got, mend = f"a {type(outputs).__name__}", "Return the one tensor that holds the features."
    elif not outputs.is_floating_point():
        got, mend = f"{outputs.dtype}", "Return numbers of a layer, without argmax or a cast."
    elif outputs.ndim != 2 or len(outputs) != n_rows:
        got = f"shape {tuple(outputs.shape)}"
        mend = "Put nn.Flatten() after it: FrozenFeatures(nn.Sequential(network, nn.Flatten()))."
        if outputs.ndim < 2:
            mend = "Do not squeeze or average over the rows in forward."
    else:
        return outputs
    raise ValueError(
        f"{name} must return one vector for each row, a tensor of shape ({n_rows}, n_outputs); "
        f"got {got}. {mend}"
    )
