"""First weights that are the same on every processor."""

import numpy as np
import torch

from helpers._compat import TorchDispatchMode


class SameEverywhere(TorchDispatchMode):
    """Within it, float32 weights drawn by `uniform_` are the same on every processor.

    A linear layer of torch, among others, draws u from [0, 1) and computes
    ``u * (high - low) + low``. A processor that multiplies and adds in one step rounds once,
    another twice, so that their weights differ in the last bit. That is enough to change a
    score: a ReLU may open one epoch earlier. Here the sum is done in float64, where the product
    is exact, and rounded once.

    Notes
    -----
    Weights drawn by `normal_` still have the last bit of the processor.

    Examples
    --------
    >>> import torch
    >>> from helpers.first_weights import SameEverywhere
    >>> _ = torch.manual_seed(0)
    >>> with SameEverywhere():
    ...     layer = torch.nn.Linear(2, 1)
    >>> layer.weight
    Parameter containing:
    tensor([[-0.0053,  0.3793]], requires_grad=True)
    """

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        options = options or {}
        if function is not torch.ops.aten.uniform_.default:
            return function(*arguments, **options)
        weights, *given = arguments
        if weights.dtype != torch.float32 or weights.device.type != "cpu":
            return function(*arguments, **options)
        low, high = *given, *(0.0, 1.0)[len(given) :]  # a bound that is the default is left out
        low, high = float(np.float32(low)), float(np.float32(high))  # rounded, as torch does
        function(weights, 0.0, 1.0, **options)
        return weights.copy_(weights.double().mul_(high - low).add_(low))
