"""A loss of the user's own."""

import copy
import warnings
from itertools import pairwise

import torch
from torch import nn
from torch.func import vmap
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from helpers.arguments import name_of, unwrapped


def in_precision(loss, dtype, device):
    """Return a loss that holds numbers, as weights of classes, with those as outputs are.

    It is a copy: the user's own is not changed.
    """
    if not isinstance(loss, nn.Module):
        return loss
    floats = [t for t in (*loss.parameters(), *loss.buffers()) if t.is_floating_point()]
    if all(tensor.dtype == dtype and tensor.device == device for tensor in floats):
        return loss
    return copy.deepcopy(loss).to(device, dtype)


class OwnLoss:
    """Has a user's `loss` called as the losses of `torch.nn.functional` are.

    Parameters
    ----------
    function : callable
        ``function(outputs, y)`` returns one number for each row, shape (n,).
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
        if isinstance(function, type):
            raise ValueError(
                f"loss is called as loss(outputs, y), and {function.__name__} is a class, which "
                f'makes a loss. Give what it makes: loss={function.__name__}(reduction="none").'
            )
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

        Parameters
        ----------
        outputs : Tensor of shape (n_networks, n_outputs, n)
        y : Tensor of shape (n_networks, n)
        """
        return vmap(self._call)(outputs.movedim(-1, 1), y)

    def _call(self, outputs, y):
        outputs = outputs.reshape(y.shape) if self.of_values else outputs
        try:
            return self.function(outputs, y.clone())  # it may write to its targets
        except Exception as error:
            cure = ""
            if isinstance(self.function, nn.BCELoss) and outputs.shape == y.shape:
                cure = " outputs are no probabilities; nn.BCEWithLogitsLoss takes them as they are."
            elif outputs.ndim > y.ndim and not isinstance(self.function, nn.CrossEntropyLoss):
                cure = (
                    f" y holds the numbers of classes, from 0 on. A loss of values takes them as "
                    f"F.one_hot(y, {outputs.shape[1]}).to(outputs)."
                )
            error.add_note(
                f"loss was called as {name_of(self.function)}(outputs, y) with outputs of shape "
                f"{tuple(outputs.shape)} and {outputs.dtype}, y of shape {tuple(y.shape)} and "
                f"{y.dtype}.{cure}"
            )
            raise

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
        if outputs.requires_grad and not losses.requires_grad:
            raise ValueError(
                f"loss must be computed from outputs with operations that have a gradient; what "
                f"{name} returned has none. It detaches outputs, computes in numpy, runs under "
                f"torch.no_grad(), or counts errors."
            )


class FirstLoss(OwnLoss):
    """An own loss in the first step, where it must not compare each row with the targets of all.

    Shapes that spread to (n, n), and a mean over one of the axes, do that. The mean loss is then
    the same whatever target belongs to which row.
    """

    def _call(self, outputs, y):
        if is_wrapped(self.function):
            return super()._call(outputs, y)
        with _Shapes() as shapes:
            losses = super()._call(outputs, y)
        if any(shape.count(len(y)) > 1 for shape in shapes.seen):
            with torch.random.fork_rng(devices=[y.device] if y.is_cuda else []):
                self._refuse_spread(outputs.detach(), y)
        return losses

    def _refuse_spread(self, outputs, y):
        """Ask a copy of the loss about outputs drawn at random; raise a ValueError if it spreads.

        n is such that (n, n) is no (n, n_outputs).
        """
        n = 13 if outputs.shape[1] != 13 else 11
        generator = torch.Generator().manual_seed(0)
        new = torch.randn(n, outputs.shape[1], generator=generator).to(outputs)
        some = y[torch.linspace(0, len(y) - 1, n).long()]
        if y.is_floating_point():
            new = some.mean() + some.std() * new
        moved = [some[torch.randperm(n, generator=generator)] for _ in range(2)]
        try:
            own = OwnLoss(copy.deepcopy(self.function), self.of_values)
            with _Shapes() as shapes:
                means = [_mean(own, new, t) for t in (some, *moved, some[:1].expand(some.shape))]
        except Exception:  # one that cannot be asked in this way is not accused
            return
        if (
            any(shape.count(n) > 1 for shape in shapes.seen)
            and not any(torch.equal(some, others) for others in moved)
            and all(torch.isclose(means[0], mean) for mean in means[1:3])
            and not torch.isclose(means[0], means[3])
        ):
            raise ValueError(
                f"loss must compare each row with its own target; the mean of "
                f"{name_of(self.function)} is the same whatever row each target belongs to. "
                f"{self._about_shapes(outputs, y)}"
            )


def _mean(loss, outputs, y):
    torch.manual_seed(0)
    return loss(outputs.clone().requires_grad_(), y).detach()


class _Shapes(TorchFunctionMode):
    """Within it, notes the shapes of what functions of torch return."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.seen.add(tuple(result.shape))
        return result


def in_first_step(loss):
    """Return an own loss as it is to be called in the first step of a training."""
    return FirstLoss(loss.function, loss.of_values)


def is_wrapped(function):
    """Tell whether a function is compiled, or decorated in another way.

    Under a mode of torch it would be compiled once more.
    """
    return hasattr(function, "__wrapped__") or hasattr(function, "_orig_mod")


def takes_logarithms(loss):
    """Tell whether a loss is that of torch which takes logarithms of probabilities."""
    return isinstance(loss, nn.NLLLoss) or unwrapped(loss) is F.nll_loss


def warn_of_endless(job):
    """Warn if a loss of the user's has no lowest value, as it falls on and on with the weights.

    Only one below 0 at the end of a training is looked at, by copies with a thousand and a million
    times the weights. It is to be called where global generators are put back.
    """
    if takes_logarithms(job.loss.function):
        return  # told when the network was built
    X, y, _ = job.take(job.rows[:64])
    losses = []
    try:
        own = copy.deepcopy(job.loss)
        for scale in (1, 1e3, 1e6):
            network = copy.deepcopy(job.network)
            with torch.no_grad():
                for weight in network.parameters():
                    weight.mul_(scale)
                losses.append(own(network(X.clone()), y).item())
    except Exception:  # one that cannot be asked in this way is not accused
        return
    if losses[0] < 0 and all(after < 3 * before for before, after in pairwise(losses)):
        warnings.warn(
            f"loss seems to have no lowest value: with a thousand and a million times the weights "
            f"it is {losses[1]:.3g} and {losses[2]:.3g} in place of {losses[0]:.3g}, so that "
            f"training makes outputs large, and not right. Losses of torch as F.nll_loss take "
            f"logarithms of probabilities, and outputs are none (F.cross_entropy takes outputs); a "
            f"score that is to be large needs an upper bound.",
            UserWarning,
            stacklevel=2,
        )
