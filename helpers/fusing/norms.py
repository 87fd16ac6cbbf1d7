"""Layers that normalise, side by side: (n_networks, n_channels, ..., n) to the same shape."""

import torch
from torch import nn
from torch.nn import functional as F


class BatchedBatchNorm(nn.Module):
    """BatchNorm side by side, each network with its own statistics.

    A training step changes the buffers in place. `chance` knows which rows are padding: they must
    not count.
    """

    def __init__(self, layer, tensors, chance):
        super().__init__()
        self.eps, self.momentum, self.chance = layer.eps, layer.momentum, chance
        self.frozen = not layer.training
        chance.used = True
        self.weight, self.bias = tensors.get("weight"), tensors.get("bias")
        self.mean, self.var = tensors.get("running_mean"), tensors.get("running_var")
        self.n_batches = tensors.get("num_batches_tracked")

    def forward(self, X):
        tracks = self.mean is not None
        if tracks and (self.frozen or not self.training):
            return self._native(X, training=False)
        if self.chance.padded and X.shape[-1] != self.chance.width:
            raise RuntimeError("it has BatchNorm where rows are not the first axis")
        n_rows = self.chance.n_rows
        if not self.chance.padded:
            n_rows = torch.full_like(n_rows, X.shape[-1])
        n_numbers = n_rows * X[0, 0, ..., 0].numel()  # of each channel
        if (n_numbers == 1).any():
            raise ValueError("BatchNorm needs more than one row in each batch")
        if tracks:
            self.n_batches.add_(1)
        if self.chance.padded or (tracks and self.momentum is None):
            return self._by_hand(X, n_rows[:, None], n_numbers[:, None].to(X.dtype))
        return self._native(X, training=True)

    def _native(self, X, training):
        """Take all networks for one with the channels of all, which has the same statistics."""
        mean, var, weight, bias = (
            None if of_all is None else of_all.flatten()
            for of_all in (self.mean, self.var, self.weight, self.bias)
        )
        flat = X.reshape(1, X.shape[0] * X.shape[1], -1)
        momentum = self.momentum or 0.0
        return F.batch_norm(flat, mean, var, weight, bias, training, momentum, self.eps).view(
            X.shape
        )

    def _by_hand(self, X, n_rows, count):
        """Do the same where some rows do not count."""
        axes = tuple(range(2, X.ndim))
        is_own = torch.arange(X.shape[-1], device=X.device) < n_rows
        share = is_own / count.clamp(min=1)
        share = share.view(len(X), *[1] * (X.ndim - 2), -1)
        mean = (X * share).sum(axes, keepdim=True)
        centred = X - mean
        var = (centred.square() * share).sum(axes, keepdim=True)
        if self.mean is not None:
            self._track(mean.detach(), var.detach(), count)
        outputs = centred / (var + self.eps).sqrt()
        if self.weight is not None:
            outputs = outputs * self.weight.view(mean.shape) + self.bias.view(mean.shape)
        return outputs

    @torch.no_grad()
    def _track(self, mean, var, count):
        """Move the running statistics towards those of a batch."""
        momentum = self.momentum
        if momentum is None:
            momentum = 1 / self.n_batches[:, None].to(mean.dtype)
        unbiased = var.view_as(self.var) * (count / (count - 1))
        self.mean.mul_(1 - momentum).add_(mean.view_as(self.mean) * momentum)
        self.var.mul_(1 - momentum).add_(unbiased * momentum)


class BatchedRowNorm(nn.Module):
    """LayerNorm or GroupNorm side by side: each row is normalised by itself."""

    def __init__(self, layer, tensors, chance):
        super().__init__()
        self.layer_shape = getattr(layer, "normalized_shape", None)
        self.n_groups, self.eps = getattr(layer, "num_groups", None), layer.eps
        self.weight, self.bias = tensors.get("weight"), tensors.get("bias")

    def forward(self, X):
        rows = X.movedim(-1, 1)  # (n_networks, n, ...)
        if self.layer_shape:
            outputs = F.layer_norm(rows, self.layer_shape, eps=self.eps)
            axes = [1] * (rows.ndim - 1 - len(self.layer_shape))
        else:
            outputs = F.group_norm(rows.flatten(0, 1), self.n_groups, eps=self.eps).view_as(rows)
            axes = [1]
        for of_all, function in ((self.weight, torch.mul), (self.bias, torch.add)):
            if of_all is not None:
                shape = [len(of_all), *axes, *of_all.shape[1:]]
                shape += [1] * (rows.ndim - len(shape))
                outputs = function(outputs, of_all.view(shape))
        return outputs.movedim(1, -1)


BATCH_NORMS = {nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d}
