"""Chance belongs to a network: dropout side by side, each network's masks from its own seed."""

import functools
import math

import torch
from torch import nn

from helpers.training import dropout_seed

# AlphaDropout sets what it drops to this number with the opposite sign.
ALPHA = 1.7580993408473766


class Chance:
    """Draws the random masks of networks side by side, as each would draw them alone.

    Alone, a network's dropout draws from torch's global generator. Here a generator in the same
    state stands in for it. Networks of one seed and one number of rows draw the same masks, so
    they share a generator, and each of their masks is drawn once. `jobs` has one for each network.

    Attributes
    ----------
    n_rows : Tensor of shape (n_networks,)
        Rows of each network in this step; what comes after them, up to `width`, is padding.
    padded : bool
        Whether there is padding.
    used : bool
        Whether some layer asks for any of this.
    """

    def __init__(self, jobs):
        self.seeds = [(job.seed, len(job.rows)) for job in jobs]
        self.generators = {seed: torch.Generator() for seed in self.seeds}
        numbers = {seed: number for number, seed in enumerate(self.generators)}
        self.number = torch.tensor([numbers[seed] for seed in self.seeds])
        self.device, self.used = jobs[0].y.device, False
        self._rooms = {}

    def begin_epoch(self, epoch):
        """Seed the generators as each network seeds the global one alone."""
        for (seed, _), generator in self.generators.items():
            generator.manual_seed(dropout_seed(seed, epoch))

    def begin_step(self, n_rows, width):
        """Note how many rows each network has in the next step, and how many there is room for."""
        self.n_rows, self.width = n_rows, width
        self.padded = bool(n_rows.min() < width)

    def masks(self, shape, keep, dtype):
        """Draw ones with probability `keep`, zeros otherwise.

        `shape` is that of one network's mask, the rows first. What is returned has them last,
        (n_networks, *shape[1:], shape[0]), or (1, ...) where all networks have the same mask.
        """
        if self.padded and shape[0] != self.width:
            raise RuntimeError("it has dropout where rows are not the first axis")
        by_hand = bernoulli_compares()
        drawn = self._room(shape, torch.float64 if by_hand else dtype)
        own = drawn.unbind()
        if self.padded:
            n_rows = dict(zip(self.seeds, self.n_rows.tolist(), strict=True))
            own = [mask[: n_rows[seed]] for mask, seed in zip(own, self.generators, strict=True)]
            # Padding is kept: where all is dropped, code that divides by a sum makes nan of it.
            drawn.fill_(not by_hand)
        for mask, generator in zip(own, self.generators.values(), strict=True):
            if by_hand:
                mask.uniform_(generator=generator)
            else:
                mask.bernoulli_(keep, generator=generator)
        masks = drawn < keep if by_hand else drawn
        masks = masks.movedim(1, -1).to(dtype, copy=True, memory_format=torch.contiguous_format)
        are_shared = 1 < len(masks) < len(self.seeds)
        return masks.index_select(0, self.number) if are_shared else masks

    def _room(self, shape, dtype):
        """Return where a mask for each generator is drawn; new memory would cost time each step."""
        key = shape, dtype
        if key not in self._rooms:
            self._rooms[key] = torch.zeros(len(self.generators), *shape, dtype=dtype)
        return self._rooms[key]


@functools.cache
def bernoulli_compares():
    """Tell whether `bernoulli_` draws numbers as `uniform_` does, and compares them.

    It does so number by number, which takes 3 times as long as to draw all and then compare all.
    On processors of Intel torch draws in another way, fast enough.
    """
    one, other = (torch.Generator().manual_seed(0) for _ in range(2))
    expected = torch.empty(99).bernoulli_(0.3, generator=one)
    drawn = torch.empty(99, dtype=torch.float64).uniform_(generator=other)
    return torch.equal(drawn < 0.3, expected == 1) and torch.equal(
        one.get_state(), other.get_state()
    )


class BatchedDropout(nn.Module):
    """Any of torch's dropout layers side by side: (n_networks, ..., n) to the same shape."""

    def __init__(self, layer, tensors, chance):
        super().__init__()
        if chance.device.type != "cpu":
            raise RuntimeError("its dropout draws on a GPU, which has an order of its own")
        self.kind, self.chance = type(layer), chance
        self.p = layer.p if layer.training else 0.0  # in a frozen part it drops nothing
        # Whether it writes to its input. torch's AlphaDropout does not look at `inplace`.
        self.in_place = layer.inplace and self.p > 0 and self.kind not in OF_ALPHA
        chance.used = True

    def forward(self, X):
        if not self.training or self.p == 0:
            return X
        if self.p == 1:
            return X * 0
        shape = (X.shape[-1], *X.shape[1:-1])
        if self.kind in OF_CHANNELS:
            if len(shape) not in OF_CHANNELS[self.kind]:
                raise RuntimeError(f"it has {self.kind.__name__} for inputs of {len(shape)} axes")
            shape = (*shape[:2], *[1] * (len(shape) - 2))
        masks = self.chance.masks(shape, 1 - self.p, X.dtype)
        if self.kind not in OF_ALPHA:
            return X * masks.div_(1 - self.p)
        scale = 1 / math.sqrt((ALPHA**2 * self.p + 1) * (1 - self.p))
        shift = (masks - 1).mul_(ALPHA * scale).add_(ALPHA * scale * self.p)
        return X * masks.mul_(scale) + shift


# Those that drop whole channels, and how many axes the input of one network may have.
OF_CHANNELS = {
    nn.Dropout1d: {3},
    nn.Dropout2d: {4},
    nn.Dropout3d: {5},
    nn.FeatureAlphaDropout: {2, 3, 4, 5},
}
OF_ALPHA = {nn.AlphaDropout, nn.FeatureAlphaDropout}
DROPOUTS = {nn.Dropout, nn.AlphaDropout, *OF_CHANNELS}
NOTHING = 0.0


def without_dropout(network):
    """Have torch's dropout layers drop nothing: what they draw is each network's own in a stack.

    Return the layers by name. Their `p` is `NOTHING` itself until something sets it.
    """
    named = network.named_modules()
    layers = {name: module for name, module in named if type(module) in DROPOUTS}
    for layer in layers.values():
        layer.p = NOTHING
    return layers
