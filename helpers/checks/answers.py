"""What a network answers when it is trained and when it predicts, or why it cannot."""

import math

import torch

from helpers.checks.shapes import is_beyond, why_not


def answer(network, X):
    """Return what a network answers; say why if a code is beyond a layer, or weights were cast."""
    try:
        return network(X)
    except (IndexError, RuntimeError) as error:
        for weight in network.parameters():
            if weight.is_floating_point() and weight.dtype != X.dtype:
                raise ValueError(
                    f"{type(network).__name__} has weights of {weight.dtype}, and fit has trained "
                    f"it in {X.dtype}: module_ was changed since. Change it back, as by "
                    f"module_.to({X.dtype})."
                ) from error
        if not is_beyond(str(error)):
            raise
        raise ValueError(
            f"{type(network).__name__} cannot take some rows of X: {str(error).rstrip('.')}. "
            f"{why_not(X, str(error))}"
        ) from error


def predicted(network, X, rows, n_outputs):
    """Return what a trained network answers to `X`, on the CPU; a message names one of `rows`.

    Raise a ValueError if outputs have another shape than in `fit`, or if it answers NaN or
    infinity, or nothing but minus infinity, which `predict` would take for a class. Minus infinity
    beside other numbers is the logit of an impossible class.
    """
    name = type(network).__name__
    try:
        outputs = answer(network, X).cpu()
    except ValueError as error:
        if "Expected more than 1" not in str(error):
            raise
        raise ValueError(
            f"{name} normalises over the rows that are predicted together, and cannot answer for "
            f"one alone. Have BatchNorm keep its statistics: track_running_stats=True."
        ) from error
    if outputs.shape != (len(X), n_outputs):
        raise ValueError(
            f"{name} returned shape {tuple(outputs.shape)} for {len(X)} rows of X; as in "
            f"fit, shape {(len(X), n_outputs)} is due. If module_ was changed, change it back; "
            f"if not, have forward return {n_outputs} outputs for each row, for any number of rows."
        )
    wrong = ~(outputs < math.inf).flatten(1).all(1) | (outputs == -math.inf).flatten(1).all(1)
    for row in torch.nonzero(wrong)[:1, 0]:
        raise ValueError(
            f"{name} cannot answer for row {rows[row]} of X: its outputs are "
            f"{outputs[row].tolist()!s:.60}. Give rows of the scale of those in fit. "
            f"See whether forward is finite for all rows, and for one row alone."
        )
    return outputs
