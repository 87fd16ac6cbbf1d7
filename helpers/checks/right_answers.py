"""A loss of the user's for classes: is it lowest where `predict` finds the right answer?"""

import copy
import warnings

import torch
from torch.nn import functional as F

from helpers.checks.arguments import name_of
from helpers.fusing.functions import Watch

MOST = 10  # classes that are tried


def warn_of_wrong_answers(job):
    """Warn if a loss is as low for outputs that `predict` takes for wrong answers.

    The loss is asked about outputs that are made up, and left as it was. Rows on which it does not
    tell the right answer from its opposite are left out, as those of a class of weight 0.
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
    losses, of_right, of_opposite = (
        loss(outputs, y, reduction="none") for outputs in (wrong, right, -right)
    )
    rows = rows & (of_right != of_opposite)
    return bool(rows.any() and losses[rows].sum() <= of_right[rows].sum() * (1 + 1e-6))


def _are_logarithms(outputs):
    """Whether outputs are logarithms of probabilities that add up to 1."""
    sums = outputs.exp().sum(1)
    return torch.allclose(sums, torch.ones_like(sums), atol=1e-3)
