"""Sentences for networks and recipes that do not fit the shape of a row."""

import math
import re
import warnings

import torch
from torch import nn

# What torch says of a code in an embedding, in one with max_norm, in a bag of them, in F.one_hot.
BEYOND = (
    r"index out of range in self|select\(\): index .* out of range .* at dimension 0"
    r"|not in the valid range|Class values must be"
)
# What it says where rows have no axis for channels, where kernels are larger than these are, and
# where axes are too few or too many.
NO_CHANNELS = (
    r"input\[1, 2, \d+\] to have|got 2D|input of size: \[\d+, \d+\]|3D or 4D|4D or 5D"
    r"|input with 2 dim|> 2 dims"
)
NO_AXIS = "Dimension out of range"  # what it says of an axis that is not there
NOTHING_LEFT = "Kernel size can't be greater|output size: 0|[Oo]utput size is too small"
AXES = r"[Ee]xpected .*\dD.* input"
DEVICES = "same device|expected device"  # what it says of tensors that lie apart


def about_input(recipe, n_features, n_outputs, arguments, error):
    """Return what to say of a recipe that fails as its first argument is of the other kind.

    It was called with `n_features`, an int or a tuple, and failed with `error`. None if it fails
    with the other kind as well: then that is not the reason.
    """
    name = getattr(recipe, "__name__", type(recipe).__name__)

    def takes(other):
        try:
            with torch.device("meta"):  # takes no memory, and draws nothing
                recipe(other, n_outputs, **arguments)
        except Exception:
            return False
        return True

    if isinstance(n_features, tuple):
        if not takes(math.prod(n_features)):
            return None
        return (
            f"{name} is a recipe for tables. Rows of X have the shape {n_features}, so it was "
            f"called with this tuple in the place of n_features, and failed: {error}. Either give "
            f"it flat rows, X.reshape(len(X), -1), or write the recipe for the shape of a row:\n"
            f"    def recipe(shape, n_outputs):  # shape is {n_features}\n"
            f"        return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), n_outputs))"
        )
    ranks = [rank for rank in (2, 3, 4) if takes((n_features,) * rank)]
    if not ranks or not re.search("iterable|subscriptable|len", str(error)):
        return None
    rank, side = 3 if 3 in ranks else ranks[0], math.isqrt(n_features)
    axes = {2: "steps, features", 3: "channels, height, width", 4: "channels, depth, height, width"}
    if rank == 3 and side**2 == n_features:
        axes[3] = f"1, {side}, {side}"
    return (
        f"{name} is a recipe for rows of several axes. X is a table, so it was called with the "
        f"number of features, {n_features}, in the place of the shape of a row, and failed: "
        f"{error}. Give each row of X its shape: X.reshape(len(X), {axes[rank]})."
    )


def why_not(X, error):
    """Return the likely reason why a new network failed on its first rows `X`, and the cure."""
    if re.search(DEVICES, error):
        return f"Rows are on {X.device}: create tensors there, as by torch.zeros(3).to(X)."
    if "dtype" in error:
        return (
            "The network has the precision of X: do not cast inside it, cast X, make new tensors "
            "like X, as by torch.zeros(3).to(X), and hold a tensor by "
            "self.register_buffer('name', tensor), so that it is cast as weights are."
        )
    if "indices" in error:
        return (
            "Rows reach a network as floats; cast columns of codes where they are looked up: "
            "self.embedding(X[:, 0].long())."
        )
    if is_beyond(error):
        return _about_codes(X, error)
    if "is invalid for input of size" in error:
        return (
            "A view or a reshape in forward does not fit: leave the number of rows open, as "
            "X.flatten(1) does, and count the numbers of one row."
        )
    if X.ndim == 2 and re.search(NO_CHANNELS, error):
        return (
            "A table has no axis for channels, which this layer needs: put nn.Unflatten(1, (1, -1))"
            " before it, or (channels, height, width) for images."
        )
    if NO_AXIS in error:
        of_table = "nn.Unflatten(1, (channels, height, width)) makes images of rows of a table."
        return (
            "A layer, or a line of forward, asks for an axis that is not there. "
            f"{of_table if X.ndim == 2 else ''}".rstrip()
        )
    if re.search(NOTHING_LEFT, error):
        return "Its kernels are larger than what they get: make them smaller, or pad (padding=...)."
    shape = list(X.shape)
    takes_last = (
        f"input{shape} to have {shape[-1]} channels",
        f"{shape[1]} elements not {shape[-1]}",
    )
    fits_last = any(words in error for words in takes_last)
    if fits_last or "channels" in error and has_channels_last(X.shape[1:]):
        return (
            "Layers such as convolutions and BatchNorm take the channels first: "
            "np.moveaxis(X, -1, 1) puts the last there."
        )
    if X.ndim == 3 and f"input{[1, *shape]}" in error:
        return "Images without an axis for channels need one, of length 1: X[:, np.newaxis]."
    convolved = re.search(r"to have (\d+) channels, but got (\d+)", error)
    normalised = re.search(r"should contain (\d+) elements not (\d+)", error)
    if convolved or normalised:
        due, given = convolved.groups() if convolved else reversed(normalised.groups())
        return f"A layer of {due} channels gets {given} of them from what is before it."
    laid = re.search(r"normalized_shape=\[(\d+)\].* size\[.*?(\d+)\]", error)
    if laid:
        return f"nn.LayerNorm({laid[1]}) gets {laid[2]} numbers: make it as wide as what it gets."
    if "more than 1 spatial" in error:
        return "InstanceNorm needs two steps or pixels of a channel at least: take nn.LayerNorm."
    if X.ndim == 2 and re.search(AXES, error):
        return "This layer takes rows with another number of axes."
    sizes = re.search(r"shapes cannot be multiplied \(\d+x(\d+) and (\d+)x\d+\)", error)
    if sizes and "(1x" in error and int(sizes[1]) == len(X) * int(sizes[2]):
        return (
            "forward puts all rows end to end: X.flatten(1) keeps them apart, as nn.Flatten() does."
        )
    if sizes and sizes[1] not in map(str, (X.shape[-1], X.shape[1:].numel())):
        return (
            f"A linear layer of {sizes[2]} inputs gets {sizes[1]} from the layers before it: make "
            f"it as wide, or let torch count, as nn.LazyLinear does."
        )
    gated = re.search(r"must be equal to input_size. Expected (\d+), got (\d+)", error)
    if gated:
        return f"A recurrent layer of {gated[1]} features gets {gated[2]} of them in each step."
    if "Expected hidden size" in error:
        return (
            "A first state is made for the rows that come, and has the layers first: "
            "X.new_zeros(n_layers, len(X), n_units)."
        )
    if "must match" in error and "dimension 0" in error:
        return "forward counts on another number of rows: ask for it, as X.new_zeros(len(X), 3)."
    if X.ndim > 2:
        return (
            f"The recipe's first argument is the shape of a row, {tuple(X.shape[1:])}; its first "
            f"layer must take such rows, or be nn.Flatten()."
        )
    if str(X.shape[-1]) in re.findall(r"\d+", error):
        return "Its first layer must be as wide as the recipe's first argument, n_features."
    return "The line of forward that failed stands in the traceback."


def is_beyond(error):
    """Tell whether a message says that a code has no row in an embedding, or no column."""
    return re.search(BEYOND, error) is not None


def _about_codes(X, error):
    cure = "An embedding needs a row for each code: num_embeddings must exceed the largest."
    if "Class values" in error:
        cure = "F.one_hot needs a column for each code: num_classes must exceed the largest."
    if X.min() < -1:
        cure += (
            f" Codes begin at 0, and X holds {X.min():.3g}: if it is a code here, have no scaler "
            f"change its column, as by a ColumnTransformer."
        )
    elif (X == -1).any():
        cure += (
            " Codes begin at 0, and X holds -1, which OrdinalEncoder(unknown_value=-1) gives to "
            "what it has not met: if it is a code here, add 1 to all codes of the column."
        )
    return cure


def has_channels_last(shape):
    """Whether rows of a shape look like images with one, three or four channels, these last."""
    return len(shape) == 3 and shape[2] in (1, 3, 4) and min(shape[:2]) > 4


def warn_of_channels_last(network, shape):
    """Warn if the first convolution of a network takes lines of an image for its channels."""
    if not has_channels_last(shape):
        return
    kinds = (nn.Conv2d, nn.LazyConv2d)
    first = next((layer for layer in network.modules() if isinstance(layer, kinds)), None)
    if first is not None and first.in_channels == shape[0]:
        warnings.warn(
            f"Rows of X have the shape {tuple(shape)}, as images with the channels last, and "
            f"{type(network).__name__} takes the first axis for channels, as convolutions of torch "
            f"do. If they are images, give np.moveaxis(X, -1, 1).",
            stacklevel=2,
        )
