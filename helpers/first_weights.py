"""First weights that are the same on every processor."""

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
        if function is torch.ops.aten.uniform_.default:
            weights, *given = arguments
            low, high = *given, *(0.0, 1.0)[len(given) :]  # a bound that is the default is left out
            if weights.dtype == torch.float32 and weights.device.type == "cpu":
                low, high = torch.tensor([low, high]).double()  # rounded to float32, as torch does
                u = function(torch.empty_like(weights), 0.0, 1.0, **options)
                return weights.copy_(u.double() * (high - low) + low)
        return function(*arguments, **options)
