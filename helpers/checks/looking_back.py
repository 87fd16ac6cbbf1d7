"""What is looked at when a network is trained: its outputs, and what its functions have kept."""

import copy
import warnings
from contextlib import suppress
from types import BuiltinFunctionType

import torch
from torch.nn import functional as F

from helpers.checks.arguments import name_of
from helpers.checks.last_calls import warn_of_range
from helpers.checks.losses import warn_of_endless
from helpers.copies import all_within
from helpers.fusing.functions import Watch
from helpers.fusing.outside import Outside
from helpers.fusing.own_code import has_own_code
from helpers.fusing.trial import answers
from helpers.global_state import private_rng, seed_generators
from helpers.losses import OwnLoss, in_precision, takes_logarithms
from helpers.training import trainer

# How far from 0: outputs of a new network are near 0, and Adam moves them slowly.
AWAY, FAR = 10, 1000
MOST = 10  # classes that a loss of the user's is tried for


class Given:
    """A network, a `loss` or an `augment` of the user's, as it was before a fit.

    Of a network that is what stands outside it: itself it is new in each fit.
    """

    def __init__(self, parameter, function):
        self.parameter, self.function = parameter, function
        self.state = around if parameter == "module" else Watch
        self.before = self.state(function)

    @classmethod
    def of(cls, functions):
        """Return a list without those of torch, and those that cannot be copied.

        Under `fused` it is empty: that tells of what they keep itself.
        """
        if trainer.get(None) is not None:
            return []
        kept = []
        for parameter, function in functions.items():
            is_own = not isinstance(function, (BuiltinFunctionType, type(None)))
            if parameter == "module":
                is_own = has_own_code(function)
            of_torch = type(function).__module__.startswith("torch.")
            if is_own and not of_torch:
                with suppress(Exception):
                    kept.append(cls(parameter, function))
        return kept

    @torch.no_grad()
    def has_changed(self, job):
        """Whether it answers otherwise than before the fit, for the same rows or outputs.

        It is asked as it was before and as it is now, and left as it is now.
        """
        now, found = None, []
        try:
            if not self.before.changed():
                return False
            now = self.state(self.function)
            for state in (self.before, now):
                state.restore()
                found.append(self._answer(job))
            if job.callbacks and torch.equal(self._answer(job), found[1]):
                return False  # a callback may have set what it was before, too
            return not torch.allclose(*found, equal_nan=True)
        except Exception:  # one that cannot be asked in this way is not accused
            return False
        finally:
            if now is not None:
                now.restore()

    def _answer(self, job):
        X, y, _ = job.take(job.rows[:64])
        seed_generators(0, y.device)
        if self.parameter == "module":
            return torch.cat(answers(self.function, job))
        if self.parameter == "augment":
            return self.function(X)
        network = copy.deepcopy(job.network)
        network.eval()
        function = in_precision(self.function, job.dtype, y.device)
        return OwnLoss(function, job.loss.of_values)(network(X), y, reduction="none")


def around(network):
    """Return the variables outside a network, without those that its own functions enclose."""
    return Outside(network, but=all_within([vars(part) for part in network.modules()]))


def look_back(job, owner, of_classes, kept):
    """Warn of what shows when a network is trained, with what the fit has `kept` from before it."""
    if not job.history:
        return
    is_own = isinstance(job.loss, OwnLoss)
    if not of_classes and not is_own:
        warn_of_scale(job, owner)
    is_asked = of_classes and is_own and len(job.history) <= job.epochs  # by partial_fit once
    fell = is_own and job.history[-1]["train_loss"] < 0
    if not fell and not job.ends_in and not kept and not is_asked:
        return
    # Of a loss that takes logarithms it was told when the network was built.
    asks_loss = is_own and not takes_logarithms(job.loss.function)
    with private_rng(job.y.device):
        if fell and asks_loss:
            warn_of_endless(job)
        elif is_asked and asks_loss:
            warn_of_wrong_answers(job)
        if job.ends_in and not fell:
            warn_of_range(job, owner, of_classes)
        for one in kept:
            if one.has_changed(job):
                warnings.warn(
                    f"{name_of(one.function)}, the {one.parameter} of this fit, answers otherwise "
                    f"after it than before: it keeps something between its calls, with which the "
                    f"next fit of {owner} begins, so that no fit can be repeated. Compute from "
                    f"what it is given alone, or keep that in the module, which each fit builds "
                    f"anew.",
                    stacklevel=2,
                )


def warn_of_scale(job, owner):
    """Warn if a network has learned little of values that are far from 0, or far apart."""
    y = job.y[job.rows].double()
    mean, spread = y.mean(0).abs().max().item(), y.std(0, correction=0).max().item()
    weight = torch.ones(len(y)) if job.weight is None else job.weight[job.rows]
    weight = weight.to(y).view(-1, *[1] * (y.ndim - 1))
    usual = (weight * y).sum(0) / weight.sum(0)
    least = (weight * (y - usual) ** 2).mean().item()  # what saying their mean would lose
    far, loss = max(mean, spread), job.history[-1]["train_loss"]
    if (far > AWAY and loss > least) or (far > FAR and loss > least / 2):
        warnings.warn(
            f"y has a mean of about {mean:.3g} and a standard deviation of about {spread:.3g}; "
            f"outputs of a network begin near 0, and training has not brought them there. Scale y: "
            f"TransformedTargetRegressor({owner}(...), transformer=StandardScaler()).",
            stacklevel=2,
        )


def warn_of_wrong_answers(job):
    """Warn if a loss is as low for outputs that `predict` takes for wrong answers.

    The loss is asked about outputs that are made up, and left as it was. Rows on which it tells
    the right answer neither from its opposite nor from its double are left out, as those of a class
    of weight 0.
    """
    X, y, _ = job.take(job.rows[:64])
    try:
        before = Watch(job.loss.function)
        own = copy.deepcopy(job.loss)
        try:
            found = (_of_labels if y.ndim == 2 else _of_classes)(own, y, job)
        finally:
            if before.changed():
                before.restore()
        if found is None or _are_logarithms(copy.deepcopy(job.network)(X)):
            return  # a loss of logarithms of probabilities may need it that these add up to 1
    except Exception:  # one that cannot be asked in this way is not accused
        return
    warnings.warn(
        f"loss={name_of(job.loss.function)} is not lowest where predict finds the right answer. "
        f"{found}",
        stacklevel=2,
    )


def _of_labels(loss, y, job):
    """Return what is wrong with a loss of several labels, None if nothing is."""
    sign = (2 * y - 1).to(job.dtype)
    said = "predict gives a row the labels whose outputs are above 0; the loss is"
    cure = "Give loss=None, or nn.BCEWithLogitsLoss(reduction='none')."
    for moved, rows, where in ((20, y == 0, "above"), (-20, y == 1, "below")):
        if _as_low(loss, 10 * sign + moved, 10 * sign, y, rows.any(1)):
            return f"{said} no larger where all outputs are {where} 0. {cure}"
    if _as_low(loss, y.to(job.dtype), 3 * sign, y, (y == 0).any(1)):
        return f"{said} lower for outputs of 0 and 1, as y is, than for -3 and 3. {cure}"
    return None


def _of_classes(loss, y, job):
    """Return what is wrong with a loss of classes, None if nothing is."""
    right = 20 * F.one_hot(y, job.n_outputs).to(job.dtype) - 10
    for k in range(min(job.n_outputs, MOST)):
        wrong = right.clone()
        wrong[:, k] = 30
        if _as_low(loss, wrong, right, y, y != k):
            return (
                f"predict gives a row the class of its largest output; the loss is no larger where "
                f"output {k} is the largest for rows of other classes. Let the network return a "
                f"logit for each class, and give loss=None or a loss of those logits."
            )
    return None


def _as_low(loss, wrong, right, y, rows):
    """Whether a loss is as low for wrong outputs of some rows as for right ones."""
    losses, of_right, of_opposite, of_double = (
        loss(outputs, y, reduction="none") for outputs in (wrong, right, -right, 2 * right)
    )
    rows = rows & ((of_right != of_opposite) | (of_right != of_double))
    return bool(rows.any() and losses[rows].sum() <= of_right[rows].sum() * (1 + 1e-6))


def _are_logarithms(outputs):
    """Whether outputs are logarithms of probabilities that add up to 1."""
    sums = outputs.exp().sum(1)
    return torch.allclose(sums, torch.ones_like(sums), atol=1e-3)
