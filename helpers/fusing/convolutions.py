"""Convolutions and pooling side by side: (n_networks, n_channels, ..., n), the rows last."""

import itertools

import torch
from torch import nn
from torch.nn import functional as F


class BatchedConv(nn.Module):
    """Conv1d, Conv2d or Conv3d side by side, as one batched product over patches."""

    def __init__(self, layer, tensors, chance):
        super().__init__()
        self.weight = tensors["weight"]  # (n_networks, n_out, n_in, *kernel_size)
        self.bias = tensors.get("bias")
        self.stride, self.dilation = layer.stride, layer.dilation
        self.padding = []  # before and after, the last axis first, as F.pad has it
        for axis in reversed(range(len(layer.kernel_size))):
            around = 0 if layer.padding == "valid" else layer.padding
            if around == "same":
                whole = layer.dilation[axis] * (layer.kernel_size[axis] - 1)
                self.padding += [whole // 2, whole - whole // 2]
            else:
                self.padding += [around[axis] if around else 0] * 2

    def forward(self, X):
        if X.ndim != self.weight.ndim:  # torch takes it for one image without a batch
            n_axes = self.weight.ndim - 3
            raise RuntimeError(f"it has Conv{n_axes}d for inputs of {X.ndim - 1} axes")
        X = F.pad(X, (0, 0, *self.padding)) if any(self.padding) else X
        kernel = self.weight.shape[3:]
        sizes = [
            (size - step * (width - 1) - 1) // hop + 1
            for size, width, hop, step in zip(
                X.shape[2:-1], kernel, self.stride, self.dilation, strict=True
            )
        ]
        # What each number of the kernel meets, as slices of X.
        places = [
            tuple(
                slice(at * step, at * step + hop * (size - 1) + 1, hop)
                for at, size, hop, step in zip(
                    place, sizes, self.stride, self.dilation, strict=True
                )
            )
            for place in itertools.product(*map(range, kernel))
        ]
        outputs = torch.bmm(self.weight.flatten(2), Patches.apply(X, places, sizes))
        if self.bias is not None:
            outputs.add_(self.bias.unsqueeze(2))
        return outputs.unflatten(2, (*sizes, X.shape[-1]))

    @staticmethod
    def supports(layer):
        return layer.groups == 1 and layer.padding_mode == "zeros"


class Patches(torch.autograd.Function):
    """What a kernel meets: (n_networks, n_in, ..., n) to (n_networks, n_in * n_places, ... * n)."""

    @staticmethod
    def forward(ctx, X, places, sizes):
        patches = X.new_empty(*X.shape[:2], len(places), *sizes, X.shape[-1])
        for number, place in enumerate(places):
            patches[:, :, number] = X[(slice(None), slice(None), *place)]
        ctx.shape, ctx.places, ctx.patches_shape = X.shape, places, patches.shape
        return patches.flatten(1, 2).flatten(2)

    @staticmethod
    def backward(ctx, gradient):
        of_patches = gradient.reshape(ctx.patches_shape)
        of_X = gradient.new_zeros(ctx.shape)
        for number, place in enumerate(ctx.places):
            of_X[(slice(None), slice(None), *place)] += of_patches[:, :, number]
        return of_X, None, None


class BatchedPool(nn.Module):
    """A pooling layer side by side: the channels of all networks are as many images."""

    def __init__(self, layer, tensors, chance):
        super().__init__()
        self.layer, self.kind = layer, type(layer).__name__  # such as MaxPool2d

    def forward(self, X):
        if X.ndim != (4 if self.kind.endswith("1d") else 5):  # torch takes rows for channels
            raise RuntimeError(f"it has {self.kind} for inputs of {X.ndim - 1} axes")
        # Rows in the place of channels: torch knows this layout as channels_last.
        outputs = self.layer(X.flatten(0, 1).movedim(-1, 1)).movedim(1, -1)
        return outputs.reshape(*X.shape[:2], *outputs.shape[1:])

    @staticmethod
    def supports(layer):
        return not getattr(layer, "return_indices", False)


class BatchedFlatten(nn.Module):
    """Flatten or Unflatten side by side: (n_networks, ..., n), the axes of one row between."""

    def __init__(self, layer, tensors, chance):
        super().__init__()
        self.layer = layer

    def forward(self, X):
        # Axis 1 of a network's own input is axis 1 here, too; axis -1 is axis -2.
        if isinstance(self.layer, nn.Unflatten):
            dim = self.layer.dim
            return X.unflatten(dim if dim > 0 else dim - 1, self.layer.unflattened_size)
        ends = (self.layer.start_dim, self.layer.end_dim)
        return X.flatten(*(end if end > 0 else end - 1 for end in ends))

    @staticmethod
    def supports(layer):
        if isinstance(layer, nn.Unflatten):
            return isinstance(layer.dim, int) and layer.dim != 0
        return layer.start_dim != 0 and layer.end_dim != 0
