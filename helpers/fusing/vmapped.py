"""Modules under `torch.func.vmap` as they are alone, where vmap does something else."""

from functools import partial

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from helpers._compat import DisableTorchFunction, get_unwrapped, is_batchedtensor
from helpers.fusing.content import first_line
from helpers.fusing.recurrent import lstm_step

OF_ALL_NUMBERS = {"max", "min", "median", "nanmedian"}
# What code may ask a tensor of its gradient.
OF_AUTOGRAD = {"requires_grad", "grad_fn", "is_leaf"}


class LookUps(TorchFunctionMode):
    """Has networks under vmap look up codes, and whether there is a gradient, as each does alone.

    For `F.embedding` torch puts the tables of all networks end to end: a code that is too large
    would be found in the table of another network, and `padding_idx` hold in the first one alone.
    `F.one_hot` takes codes of any size there, and `index_fill` those below the first. Where
    numbers are equally large, `X.max()` gives its gradient there to one of them; alone, to all in
    equal shares.

    Code that catches an error would catch those of vmap, too, and go on as it never does alone. The
    message says whose code it is.
    """

    def __init__(self, whose="it"):
        super().__init__()
        self.whose, self.error = whose, None

    def __exit__(self, kind, *of_error):
        super().__exit__(kind, *of_error)
        if kind is None and self.error:
            raise RuntimeError(f"{self.whose} catches an error that its stack has: {self.error}")

    def __torch_function__(self, function, types, args=(), kwargs=None):
        try:
            return self._call(function, args, kwargs or {})
        except Exception as error:
            self.error = first_line(error)
            raise

    def _call(self, function, args, kwargs):
        name = getattr(function, "__name__", "").partition(".")[0]  # as in embedding.default
        if function is F.embedding:
            return embedding(*args, **kwargs)
        if name == "embedding":
            return torch_embedding(*args, **kwargs)
        if name == "one_hot":
            return one_hot(*args, **kwargs)
        if name in OF_ALL_NUMBERS and (len(args) == 1 and not kwargs or kwargs.keys() == {"input"}):
            return of_all_numbers(name, *args, **kwargs)
        if name.startswith("index_fill"):
            return index_fill(function, *args, **kwargs)
        if name == "lstm_cell":
            return lstm_cell(*args)
        if name == "__get__" and function.__self__.__name__ in OF_AUTOGRAD:
            while is_batchedtensor(args[0]):  # vmap hides it
                args = get_unwrapped(args[0]), *args[1:]
        return function(*args, **kwargs)


def embedding(input, weight, padding_idx=None, *args, **kwargs):
    if is_batchedtensor(input):
        input = ForAll.apply(partial(within, n=weight.shape[0]), input)
    vectors = F.embedding(input, weight, None, *args, **kwargs)
    if padding_idx is None:
        return vectors
    is_padding = (input == padding_idx % weight.shape[0]).unsqueeze(-1)
    return torch.where(is_padding, vectors.detach(), vectors)  # it has no gradient


def torch_embedding(weight, indices, padding_idx=-1, scale_grad_by_freq=False, sparse=False):
    """Look up as `torch.embedding` does, for which a negative number is no padding."""
    padding_idx = padding_idx if padding_idx >= 0 else None
    options = {"scale_grad_by_freq": scale_grad_by_freq, "sparse": sparse}
    return embedding(indices, weight, padding_idx, **options)


def of_all_numbers(name, input):
    """Return the largest, smallest or middle one of all numbers, whatever the axes."""
    flat = input.flatten()
    if name in ("max", "min"):
        return flat.amax(0) if name == "max" else flat.amin(0)
    value = getattr(flat.detach(), name)(0).values
    if not input.is_floating_point():
        return value
    is_it = flat == value
    return value + torch.where(is_it, flat - flat.detach(), 0).sum() / is_it.sum()


def one_hot(tensor, num_classes=-1):
    if num_classes < 0 or not is_batchedtensor(tensor):
        return F.one_hot(tensor, num_classes)
    return ForAll.apply(partial(F.one_hot, num_classes=num_classes), tensor)


def index_fill(function, input, dim, index, value):
    if is_batchedtensor(index):
        n = input.shape[dim]  # a negative index would be one of the network before
        index = ForAll.apply(partial(within, n=n, low=-n), index) % n
    return function(input, dim, index, value)


def lstm_cell(input, states, of_input, of_state, *biases):
    """Compute what vmap has no batched form of, a step of nn.LSTMCell."""
    biases = biases or (None, None)
    from_state = F.linear(states[0], of_state, biases[1])
    return lstm_step(F.linear(input, of_input, biases[0]), from_state, states)


def within(codes, n, low=0):
    """Return codes; raise torch's error if one is not within [low, n)."""
    if codes.numel() and (codes.min() < low or codes.max() >= n):
        raise IndexError("index out of range in self")
    return codes.clone()


class ForAll(torch.autograd.Function):
    """Calls a function with the inputs of all networks; autograd sees what it does there."""

    generate_vmap_rule = False

    @staticmethod
    def forward(function, *inputs):
        raise RuntimeError("it calls a layer on what is the same for all networks")

    @staticmethod
    def setup_context(ctx, inputs, outputs):
        pass

    @staticmethod
    def vmap(info, in_dims, function, *inputs):
        inputs = [
            one.expand(info.batch_size, *one.shape) if dim is None else one.movedim(dim, 0)
            for one, dim in zip(inputs, in_dims[1:], strict=True)
        ]
        with DisableTorchFunction():  # `LookUps` would only take its time here
            outputs = function(*inputs)
        return outputs, (0,) * len(outputs) if isinstance(outputs, tuple) else 0
