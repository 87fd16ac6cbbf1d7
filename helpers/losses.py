"""A loss of the user's own."""

import copy
import re

import torch
from torch import nn
from torch.func import vmap
from torch.nn import functional as F

from helpers.checks.arguments import name_of, unwrapped

AS_OUTPUTS = "Tensors in it must be as outputs are: y.to(outputs), or weight.to(outputs)."


def in_precision(loss, dtype, device):
    """Return a loss that holds numbers, as weights of classes, with those as outputs are.

    It is a copy: the user's own is not changed.
    """
    if not isinstance(loss, nn.Module):
        return loss
    own = ("weight", "pos_weight") if type(loss).__module__.startswith("torch.") else ()
    weights = {name: t for name, t in loss.named_buffers() if name in own}  # or whole numbers
    floats = [t for t in (*loss.parameters(), *loss.buffers()) if t.is_floating_point()]
    if all(t.dtype == dtype and t.device == device for t in (*floats, *weights.values())):
        return loss
    new = copy.deepcopy(loss)
    for name, weight in weights.items():
        new.register_buffer(name, weight.to(dtype))
    return new.to(device, dtype)


def kept_in_precision(kept, loss, dtype, device):
    """Return a loss, the numbers that it holds, and what `in_precision` makes of it.

    If an earlier call has `kept` these of the same loss, and the user has not changed its numbers
    since, the last is taken from there, with all that it has noted.
    """
    tensors = (*loss.parameters(), *loss.buffers()) if isinstance(loss, nn.Module) else ()
    held = [tensor.detach().cpu().clone() for tensor in tensors]
    if kept is not None and kept[0] is loss and all(map(torch.equal, kept[1], held)):
        return loss, held, in_precision(kept[2], dtype, device)
    return loss, held, in_precision(loss, dtype, device)


class OwnLoss:
    """Has a user's `loss` called as the losses of `torch.nn.functional` are.

    Parameters
    ----------
    function : callable
        ``function(outputs, y)`` returns one number for each row, shape (n,), or for each entry of
        a `y` of several columns, whose mean is taken.
    of_values : bool
        Whether outputs are values as `y` is (regression), and no logits. They then come in the
        shape of `y`, since (n, 1) minus (n,) would be (n, n).

    Examples
    --------
    >>> import torch
    >>> from helpers.losses import OwnLoss
    >>> loss = OwnLoss(lambda outputs, y: (outputs - y).abs(), of_values=True)
    >>> loss(torch.zeros(2, 1), torch.tensor([1.0, 3.0]))
    tensor(2.)
    """

    def __init__(self, function, of_values):
        self.function, self.of_values = function, of_values
        if isinstance(function, nn.Module) and any(p.requires_grad for p in function.parameters()):
            raise ValueError(
                f"loss={name_of(function)}(...) has parameters of its own to train, and only those "
                f"of module are trained. Give them requires_grad=False, or make them part of the "
                f"module."
            )

    def __call__(self, outputs, y, reduction="mean"):
        """Return the losses of rows, or their mean.

        Raises
        ------
        ValueError
            If the function returns anything but one number for each row, or numbers without a
            gradient.
        """
        losses = self._call(outputs, y)
        self._check(losses, outputs, y)
        return losses.mean() if reduction == "mean" else losses

    def side_by_side(self, outputs, y):
        """Return the losses of networks side by side, shape (n_networks, n).

        `outputs` are of shape (n_networks, n_outputs, n), `y` of shape (n_networks, n).
        """
        return vmap(self._call)(outputs.movedim(-1, 1), y)

    def _call(self, outputs, y):
        outputs = outputs.reshape(y.shape) if self.of_values else outputs
        try:
            losses = self.function(outputs, y.clone())  # it may write to its targets
        except Exception as error:
            error.add_note(
                f"loss was called as {name_of(self.function)}(outputs, y) with outputs of shape "
                f"{tuple(outputs.shape)} and {outputs.dtype}, y of shape {tuple(y.shape)} and "
                f"{y.dtype}.{self._cure(str(error), outputs, y)}"
            )
            raise
        of_entries = y.ndim == 2 and isinstance(losses, torch.Tensor) and losses.shape == y.shape
        return losses.mean(1) if of_entries else losses

    def _cure(self, said, outputs, y):
        if isinstance(self.function, nn.BCELoss) and outputs.shape == y.shape:
            return " outputs are no probabilities; nn.BCEWithLogitsLoss takes them as they are."
        if "required positional argument" in said:
            return (
                " A loss gets outputs and y, and nothing else. Give a function of these two, which "
                "takes what else is wanted from columns of outputs, or of y."
            )
        if "numpy" in said:
            return " Compute with torch, which finds the gradients."
        if outputs.ndim == 1 and re.search("Dimension out of range|too many indices", said):
            return (
                " Each row has one number here: leave out .mean(1), .sum(1) or [:, 0]. (For more "
                "outputs, give y as many columns.)"
            )
        if "not implemented for 'Long'" in said:
            return " outputs come first and y second: does it take them so?"
        if re.search("to be Long|scalar type Long but|must be Tensor", said):
            return ""
        if re.search("dtype|scalar type|output type|floating point|expected device", said):
            return f" {AS_OUTPUTS}"
        if outputs.ndim > y.ndim and not isinstance(self.function, nn.CrossEntropyLoss):
            return (
                f" y holds the numbers of classes, from 0 on. A loss of values takes them as "
                f"F.one_hot(y, {outputs.shape[1]}).to(outputs)."
            )
        return ""

    def _about_shapes(self, outputs, y):
        given = tuple(y.shape if self.of_values else outputs.shape)
        return (
            f"Shapes such as (n, 1) and (n,) spread to (n, n), each row with each. Bring outputs "
            f"and y to one shape; they come as {given} and {tuple(y.shape)}."
        )

    def _check(self, losses, outputs, y):
        name, wrong = name_of(self.function), None
        if losses is None:
            wrong, cure = "None", "It lacks a return."
        elif not isinstance(losses, torch.Tensor):
            wrong = f"an object of type {type(losses).__name__}"
            cure = "Compute with torch, which finds the gradients."
        elif losses.shape != y.shape[:1]:
            wrong = f"shape {tuple(losses.shape)}"
            cure = 'Leave out .mean() and .sum(), and give losses of torch reduction="none".'
            if losses.shape == (len(y), len(y)) and len(y) not in outputs.shape[1:]:
                cure = self._about_shapes(outputs, y)
            elif losses.ndim > 1:
                cure = "Take the mean or the sum over the numbers of each row, as .mean(1) does."
            elif getattr(self.function, "reduction", "") == "none":
                cure = f"It is no loss for outputs and y of the shape {tuple(y.shape)}."
        if wrong:
            raise ValueError(
                f"loss must return one number for each row, a tensor of shape ({len(y)},), so that "
                f"rows can be weighted; {name} returned {wrong}. {cure}"
            )
        if torch.is_grad_enabled() and outputs.requires_grad and not losses.requires_grad:
            raise ValueError(
                f"loss must be computed from outputs with operations that have a gradient; what "
                f"{name} returned has none. It detaches outputs, computes in numpy, runs under "
                f"torch.no_grad(), or counts errors."
            )


def takes_logarithms(loss):
    """Tell whether a loss is that of torch which takes logarithms of probabilities."""
    return isinstance(loss, nn.NLLLoss) or unwrapped(loss) is F.nll_loss
