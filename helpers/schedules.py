"""A schedule: what `lr` is multiplied by in each step of a training."""

import math
import warnings

import numpy as np

from helpers.checks.arguments import is_number, name_of, names_by_place, plain_number, words_of
from helpers.global_state import generators_put_back

# Names of what torch's LambdaLR counts, words that may stand beside them, and the least change of
# a factor during a training for which an argument named step can be the share of the steps.
COUNTS = {"epoch", "epochs", "step", "steps", "iteration", "iterations", "iter"}
OF_COUNTS = {"n", "num", "number", "no", "current", "last", "global", "idx", "index", "i"}
LEAST_CHANGE = 0.1
LARGEST_RATE = 0.1  # from here on a factor may be as small as lr by intent


def lr_factors(schedule, n_steps):
    """Return what a schedule makes of `lr` in each step, an ndarray of shape (n_steps,).

    All of them are asked for before the first step, so that a wrong one costs no training, and
    twice, since a function may count its calls.

    Parameters
    ----------
    schedule : callable
        ``schedule(done)`` is called with the share of the steps that are done, from 0 to below 1.
    n_steps : int
        None if nobody knows, as in `partial_fit`.

    Raises
    ------
    ValueError
        If the number of steps is not known, if the schedule returns no number, or one that is
        negative or not finite, if it is a function of the number of an epoch or a step, or if it
        counts its calls or draws at random.

    Examples
    --------
    >>> from helpers.schedules import lr_factors
    >>> lr_factors(lambda done: 1 - done, 4)
    array([1.  , 0.75, 0.5 , 0.25])
    """
    if n_steps is None:
        raise ValueError(
            "schedule must know how much of the training is done, and partial_fit does not know "
            "how many calls will come. Use fit, or schedule=None and set_params(lr=...) between "
            "the calls."
        )
    with generators_put_back():
        factors, again = _asked(schedule, n_steps), _asked(schedule, n_steps)
    if not np.array_equal(factors, again):
        raise ValueError(
            f"schedule must return the same factor whenever it is asked for the same share, so "
            f"that a fit can be repeated; {name_of(schedule)} returned others. It counts its "
            f"calls, or draws at random. Compute the factor from the share alone."
        )
    _refuse_count(schedule, factors)
    return factors


def _asked(schedule, n_steps):
    """Return what a schedule answers for each step."""
    factors = np.empty(n_steps)
    for step in range(n_steps):
        done = step / n_steps
        call = f"{name_of(schedule)}({done:.3g})"
        try:
            factor = schedule(done)
        except Exception as error:
            error.add_note(f"schedule was called as {call}.")
            raise
        number = plain_number(factor)
        if not is_number(number) or not 0 <= number < math.inf:
            raise ValueError(
                f"schedule must return what lr is multiplied by, a finite number that is not "
                f"negative, for the share of training that is done; {call} returned {factor!r}. "
                f"Write, for instance, schedule=lambda done: 1 - done."
            )
        factors[step] = number
    return factors


def _refuse_count(schedule, factors):
    """Raise a ValueError if a schedule takes the number of an epoch or a step, by its name.

    Who calls the argument step may mean the share of the steps. Then the factors change.
    """
    name = next(iter(names_by_place(schedule)), "")
    words = words_of(name)
    if not words & COUNTS or not words <= COUNTS | OF_COUNTS:
        return
    only_steps = words <= {"step", "steps"}
    if only_steps and (len(factors) < 2 or np.ptp(factors) >= LEAST_CHANGE):
        return
    raise ValueError(
        f"schedule is called with the share of training that is done, from 0 to below 1, and "
        f"{name_of(schedule)} takes {name}, as a function for torch's LambdaLR does. Write it for "
        f"the share, for instance lambda done: 0.1 ** int(3 * done). If it is for the share, call "
        f"its argument done."
    )


def warn_of_rates(schedule, factors, lr):
    """Warn if no factor of a schedule is above 0, or all are as small as `lr`, as rates are."""
    if len(factors) and not factors.any():
        warnings.warn(
            f"schedule must return what lr is multiplied by, and {name_of(schedule)} returns 0 for "
            f"each of the {len(factors)} steps: nothing is trained. If it rises from 0, take more "
            f"epochs or a smaller batch_size, so that there are more steps.",
            stacklevel=2,
        )
    if len(factors) > 1 and 0 < factors.max() <= lr <= LARGEST_RATE:
        warnings.warn(
            f"schedule must return what lr is multiplied by, and {name_of(schedule)} returns "
            f"{factors.max():.3g} at most, as if it were a learning rate: with lr={lr} the steps "
            f"are taken with {lr * factors.max():.3g} at most. Let it begin at, or rise to, 1.",
            stacklevel=2,
        )


def take_step(optimizer, factor):
    """Have an optimizer take a step with `factor` times its lr, which it must not set itself."""
    if factor == 1:  # nothing to do, and nothing that an optimizer of the user's must have
        optimizer.step()
        return
    groups = optimizer.param_groups
    rates = [group.get("lr") for group in groups]
    for group, lr in zip(groups, rates, strict=True):
        group["lr"] = None if lr is None else lr * factor
    optimizer.step()
    for group, lr in zip(groups, rates, strict=True):
        if lr is None or group["lr"] != lr * factor:
            raise ValueError(
                f"The optimizer {type(optimizer).__name__} sets its learning rate itself, and so "
                f"does schedule. Use one of them: schedule=None, or an optimizer without."
            )
        group["lr"] = lr
