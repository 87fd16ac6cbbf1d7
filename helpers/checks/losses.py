"""What a loss of the user's computes: each row against its own target, and with a lowest value?"""

import copy
import re
import warnings
from itertools import pairwise

import torch
from torch.overrides import TorchFunctionMode

from helpers.checks.arguments import name_of
from helpers.global_state import seed_generators
from helpers.losses import OwnLoss


class FirstLoss(OwnLoss):
    """An own loss in the first step, where it must not compare each row with the targets of all.

    Shapes that spread to (n, n), and a mean over one of the axes, do that. The mean loss is then
    the same whatever target belongs to which row.
    """

    def _call(self, outputs, y):
        if hasattr(self.function, "__wrapped__") or hasattr(self.function, "_orig_mod"):
            return super()._call(outputs, y)  # under a mode of torch it would be compiled once more
        with _Shapes() as shapes:
            losses = super()._call(outputs, y)
        if any(shape.count(len(y)) > 1 for shape in shapes.seen):
            with torch.random.fork_rng(devices=[y.device] if y.is_cuda else []):
                self._refuse_spread(outputs.detach(), y)
        return losses

    def __call__(self, outputs, y, reduction="mean"):
        losses = super().__call__(outputs, y, reduction)
        if reduction == "none" and len(y) > 1 and (losses == losses[0]).all():
            with torch.random.fork_rng(devices=[y.device] if y.is_cuda else []):
                self._refuse_one(outputs.detach(), y)
        return losses

    def _refuse_one(self, outputs, y):
        """Raise a ValueError if a copy of the loss has one number for all rows, drawn at random.

        It is called where rows are weighted, which would have no effect.
        """
        drawn = torch.Generator().manual_seed(0)
        try:
            new = outputs + torch.randn(outputs.shape, generator=drawn).to(outputs)
            own = OwnLoss(copy.deepcopy(self.function), self.of_values)
            losses = own(new.requires_grad_(), y, reduction="none").detach()
        except Exception:  # as below
            return
        if losses[0] != 0 and losses.isfinite().all() and (losses == losses[0]).all():
            raise ValueError(
                f"loss must return one number for each row, and rows are weighted here, by "
                f"sample_weight or class_weight; {name_of(self.function)} returns the same number "
                f"for all rows, as if it were their mean, so that weights have no effect. Leave "
                f"out .mean() or .sum() over the rows."
            )

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
        except Exception as error:  # one that cannot be asked in this way is not accused
            of_shapes = re.search("must match|one number for each row", str(error))
            if len(y) != outputs.shape[-1] or not of_shapes:
                return
            raise ValueError(
                f"loss must take any number of rows, and compare each row with its own target; "
                f"{name_of(self.function)} takes {len(y)} rows, as many as there are outputs, and "
                f"not {n}: {str(error).rstrip('.')}.{self._cure(str(error), outputs, y)}"
            ) from error
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
    seed_generators(0, outputs.device)
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


def warn_of_endless(job):
    """Warn if a loss of the user's has no lowest value, as it falls on and on with the weights.

    Only one below 0 at the end of a training is looked at, by copies with a thousand and a million
    times the weights. It is to be called where global generators are put back.
    """
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
            stacklevel=2,
        )
