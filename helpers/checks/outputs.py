"""What a network answers: is it what the loss needs?"""

import math
import re
import warnings

import torch
from torch.func import functional_call

from helpers.checks.arguments import check_call
from helpers.checks.shapes import DEVICES, NO_AXIS, is_beyond, why_not
from helpers.modules import check_forward

# What torch and Python say of a tuple that a layer gets, that is indexed [:, -1], or added to.
OF_TUPLES = (
    "Tensor, not tuple|tuple indices .*, not tuple|concatenate tuple|'tuple' and|and 'tuple'"
)
STATES = 8  # random weights with which outputs that look like probabilities are looked at again


def check_outputs(network, X, n_outputs, watch):
    """Return what a new network answers to `X`, asked within the context manager `watch`.

    Raise a ValueError if it cannot take `X`, or answers anything but shape (n, n_outputs).
    """
    name = type(network).__name__
    check_forward(network)
    network.eval()
    try:
        rows = X.clone()
        with torch.no_grad(), watch:
            outputs = network(rows)
    except torch.OutOfMemoryError:
        raise
    except (TypeError, AttributeError) as error:
        check_call("forward", network.forward, ("X",), "A network gets the rows, and no more.")
        given = getattr(error, "obj", None)  # that has no such attribute
        of_tensors = isinstance(given, tuple) and any(isinstance(t, torch.Tensor) for t in given)
        if not of_tensors and not re.search(OF_TUPLES, str(error)):
            raise
        raise ValueError(
            f"{name} has a tuple where a tensor is due: {error}. Layers such as nn.GRU and "
            f"nn.MultiheadAttention return a tuple, which nn.Sequential hands on as it is. Call "
            f"them in a forward of your own: outputs, _ = self.layer(X)."
        ) from error
    except (RuntimeError, IndexError, ValueError) as error:
        words = f"dtype|shape|size|elements not|dimension|index|indices|input|\\dD|{NO_AXIS}"
        words = f"{words}|{DEVICES}"
        if not re.search(words, str(error)) and not is_beyond(str(error)):
            raise
        of = f"{X.shape[1]} numbers" if X.ndim == 2 else f"shape {tuple(X.shape[1:])}"
        raise ValueError(
            f"{name} cannot take rows of {of}, here shape {tuple(X.shape)} and "
            f"{X.dtype}: {str(error).rstrip('.')}. {why_not(X, str(error))}"
        ) from error
    check_type(network, outputs, X, n_outputs)
    return outputs


def check_type(network, outputs, X, n_outputs):
    """Raise a ValueError unless outputs are floats of shape (n, n_outputs)."""
    shape = (len(X), n_outputs)
    wrong = mend = None
    if not isinstance(outputs, torch.Tensor):
        wrong, mend = _kind_of(outputs)
    elif not outputs.is_floating_point() or outputs.dtype.itemsize < 4:
        wrong = f"{outputs.dtype}"
        mend = "Return the numbers of the last layer as they are, without argmax or a cast."
    elif outputs.layout is not torch.strided:
        wrong, mend = "a sparse tensor", "Return outputs.to_dense()."
    elif outputs.device != X.device:
        wrong = f"one on device {outputs.device}"
        mend = f"Rows are on {X.device}: create tensors there, as by torch.zeros(3).to(X)."
    elif tuple(outputs.shape) != shape:
        wrong = f"shape {tuple(outputs.shape)}"
        mend = "Use the recipe's second argument, n_outputs, as the width of the last layer."
        if outputs.ndim == 2 and len(outputs) == len(X) and outputs.shape[1] > n_outputs:
            mend += " For a loss of several outputs give TorchRegressor a y of as many columns."
        if outputs.shape == shape[:1]:
            mend = "Do not squeeze or flatten it in forward."
        elif outputs.ndim < 2 or outputs.shape[-1] == n_outputs and outputs.ndim == 2:
            mend = "Answer each row by itself: no mean or sum over the rows, and leave none out."
        elif outputs.shape[-1] < n_outputs and outputs.flatten(1).shape == shape:
            mend = "Return outputs.flatten(1), in the order of the columns of y."
        elif outputs.ndim == 3:
            mend = (
                "Of the answers to each step of a sequence, return the last, outputs[:, -1]; of "
                "the state of a recurrent layer, that of its last layer, state[-1]."
            )
        elif outputs.ndim > 3:
            mend = "Put nn.Flatten() before the first linear layer, or pool over the other axes."
    if wrong:
        raise ValueError(
            f"{type(network).__name__} must return {n_outputs} outputs for each row, a tensor of "
            f"shape {shape}; got {wrong}. {mend}"
        )


def _kind_of(outputs):
    """Return what a network returned instead of a tensor, and what to do."""
    if outputs is None:
        return "None", "Its forward lacks a return."
    if isinstance(outputs, dict):
        keys = ", ".join(map(repr, outputs))
        return f"a dict with the keys {keys}", "Return the one tensor that holds the outputs."
    if isinstance(outputs, (tuple, list)):
        kinds = ", ".join(
            f"Tensor of shape {tuple(one.shape)}"
            if isinstance(one, torch.Tensor)
            else type(one).__name__
            for one in outputs
        )
        mend = "Return only the tensor of outputs from forward, as in: outputs, _ = self.layer(X)."
        return f"a {type(outputs).__name__} ({kinds})", mend
    return f"an object of type {type(outputs).__name__}", "Return a torch tensor from forward."


def check_gradients(network, dense=False):
    """Raise a ValueError if a backward pass has reached none of a network's parameters.

    Where `dense`, also if a gradient, or what it is of, is sparse.
    """
    trained = [p for p in network.parameters() if p.grad is not None]
    layouts = {tensor.layout for p in trained for tensor in (p, p.grad)}
    if dense and layouts - {torch.strided}:
        raise ValueError(
            f"{type(network).__name__} has an embedding with sparse=True, or a sparse weight, "
            f"which neither clip nor an optimizer given by name can take. Leave sparse=True out, "
            f"and make the weight dense, as by weight.to_dense()."
        )
    if not trained:
        raise ValueError(
            f"What {type(network).__name__} returns depends on none of its parameters, so that it "
            f"cannot be trained: its forward detaches its outputs, computes in numpy, runs under "
            f"torch.no_grad(), or uses other weights than its own. Take that out of forward."
        )


def refuse_new_parameters(network, known):
    """Raise a ValueError if a network has gradients of others than the `known` it began with."""
    known = {*map(id, known)}
    for name, parameter in network.named_parameters():
        if parameter.grad is not None and id(parameter) not in known:
            raise ValueError(
                f"{type(network).__name__} makes the parameter `{name}` while it is trained, which "
                f"no optimizer would train. Make parameters and layers in __init__, and change no "
                f"more than their numbers: self.weight.copy_(new) under torch.no_grad()."
            )


def normalised_as(outputs):
    """Return "softmax", "log_softmax" or "sigmoid" if outputs look as if they came from it."""
    tolerance = 1e-4
    low, high = (bound.item() for bound in outputs.aminmax())
    if not math.isfinite(low) or not math.isfinite(high):  # NaN among them makes both NaN
        return None
    if low == high == 0:  # what multiplies by a gate that is closed at first, say
        return None
    if low >= 0 and high <= 1 + tolerance:
        whole = (outputs.sum(1) - 1).abs().max() < tolerance
        return "softmax" if whole else "sigmoid"
    if high <= tolerance and (outputs.exp().sum(1) - 1).abs().max() < tolerance:
        return "log_softmax"
    return None


def warn_of_probabilities(network, X, kind, owner, several_labels=False, own_loss=False):
    """Warn if outputs that looked like those of `kind` do so whatever the weights are.

    The network is one like that which is to be trained, and is thrown away. It is asked with random
    weights. The estimator, `owner`, applies sigmoid to each output of several labels, and else
    softmax to all. A loss of the user's may be one of probabilities.
    """
    last = []  # the layer that was called last, and what it returned

    def note(layer, inputs, outputs):
        if not list(layer.children()):
            last[:] = [layer, outputs]

    hooks = []
    try:
        hooks += [layer.register_forward_hook(note) for layer in network.modules()]
        network.eval()
        for scale in range(1, STATES + 1):
            outputs = answer_with_random_weights(network, X, scale)
            found = normalised_as(outputs)
            if found != kind and (kind, found) != ("sigmoid", "softmax"):
                return
    except Exception:  # a network that cannot be asked in this way is not accused
        return
    finally:  # else the network would stay in memory, with what the hooks hold
        for hook in hooks:
            hook.remove()
    layer = last[0] if last and last[1] is outputs else f"a {kind}, or a function like it"
    most = math.e / (math.e + outputs.shape[1] - 1)
    text = {
        "softmax": f"its outputs are probabilities and no logits. {owner} applies softmax itself; "
        f"applied twice, no probability can exceed {most:.2f}, and training is slow.",
        "sigmoid": f"its outputs lie between 0 and 1 and are no logits. {owner} applies softmax to "
        f"them; so no probability can exceed {most:.2f}, and training is slow.",
        "log_softmax": f"its outputs are logarithms of probabilities. {owner} applies log_softmax "
        f"itself, so this one changes nothing and costs time.",
    }[kind]
    if several_labels:
        text = f"its outputs are no logits. {owner} applies sigmoid to each itself."
    cure = "Leave it out; end in a linear layer."
    if own_loss:
        function = "sigmoid" if several_labels else "softmax"
        text = f"its outputs are no logits, and predict_proba of {owner} applies {function} to them"
        cure = f"again. End in a linear layer, and have loss apply {function} where it needs it."
    warnings.warn(
        f"{type(network).__name__} ends in {layer}: {text} {cure}",
        stacklevel=2,
    )


@torch.no_grad()
def answer_with_random_weights(network, X, scale):
    """Return what a network, which keeps its own weights, answers with random ones."""
    weights = {name: torch.randn_like(p) * scale for name, p in network.named_parameters()}
    return functional_call(network, weights, (X.clone(),))
