"""How two trainings differ: losses, weights, buffers and answers, but for rounding."""

import math

import torch

N_EPOCHS = 2  # of each of them
# Largest difference of two changes of a tensor, in parts of the larger one.
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-3}
# Units of the last place by which numbers may differ as well. BatchNorm divides by how much a few
# rows differ, and makes some 100,000 of one. In float32 that would hide a true difference.
N_UNITS = {torch.float64: 1e6, torch.float32: 100}
LARGE_ROUNDING = 1e5  # in float32, a hundredth; more is a reason against a stack


def difference(before, expected, found, tolerance, n_units):
    """Return how two trainings differ that began with the state `before`, or None."""
    (losses, states, answers), (other_losses, other_states, other_answers) = expected, found
    for epoch in range(N_EPOCHS):
        state, other = states[epoch], other_states[epoch]
        bounds = tolerance, n_units
        different = [name for name in state if not alike(name, before, state, other, *bounds)]
        for name in different:
            if name.startswith("parameter") and torch.equal(other[name], before[name]):
                return f"the {name} gets no gradient"
        one, another = losses[epoch], other_losses[epoch]
        if epoch == 0 and not near(one["train_loss"], another["train_loss"], tolerance):
            return "its outputs in training are others"
        if different:
            return f"the {different[0]} is trained to other numbers"
        if not all(near(one[kind], another[kind], tolerance) for kind in another):
            return "its outputs in evaluation are others"
    allowed = 10 * tolerance * max(1.0, largest(answers))
    if not torch.allclose(answers, other_answers, rtol=0, atol=allowed, equal_nan=True):
        return "its outputs after training are others"
    return None


def near(loss, other, tolerance):
    if not math.isfinite(loss):  # as that of validation rows may be
        return repr(loss) == repr(other)
    return abs(loss - other) <= tolerance * max(1.0, abs(loss))


def largest(tensor):
    """Return the largest absolute number in a tensor that is finite, 0 if there is none."""
    return tensor.nan_to_num(0, 0, 0).abs().max().item() if tensor.numel() else 0.0


def alike(name, before, state, other, tolerance, n_units):
    """Whether a tensor has changed to the same numbers, but for rounding."""
    one, another = state[name], other[name]
    if not one.is_floating_point():
        return torch.equal(one, another)
    # Rounding is in proportion to the numbers, and to all that is added up in a gradient.
    change = max(largest(state[n] - before[n]) for n in state if state[n].is_floating_point())
    unit = torch.finfo(one.dtype).eps * (largest(one) + change)
    allowed = tolerance * largest(one - before[name]) + n_units * unit
    # What is not finite, as in the mask of an attention, has to be equal.
    return one.shape == another.shape and torch.allclose(
        one, another, rtol=0, atol=allowed, equal_nan=True
    )
