"""From numpy to torch: memory, precision and devices."""

import math
import warnings
from itertools import combinations

import numpy as np
import torch
from scipy import sparse

from helpers._compat import is_lazy

# Rows in one forward pass outside training, and numbers in them: images are large.
CHUNK, CHUNK_NUMBERS = 4096, 2**20


def as_tensor(array):
    """Return a tensor that shares the memory of a numpy array, a read-only one included."""
    array = np.ascontiguousarray(array)
    if array.flags.writeable:
        return torch.from_numpy(array)
    # torch warns that writing to it would be undefined; nothing here does.
    with warnings.catch_warnings(action="ignore"):
        return torch.from_numpy(array)


def as_numpy(values):
    """Return a tensor, or a list of tensors of one shape, as an array; the rest as it is.

    An array of numbers that torch has no dtype for, of another byte order or longer than float64,
    is converted.
    """
    if isinstance(values, np.ndarray) and values.dtype.kind in "iuf":
        native = values.dtype.newbyteorder("=")
        return values.astype(np.float64 if native.itemsize > 8 else native, copy=False)
    if isinstance(values, (list, tuple)) and len(values):
        if not all(isinstance(value, torch.Tensor) for value in values):
            return values
        if any(value.shape != values[0].shape for value in values):
            return values
        values = torch.stack([value.detach().cpu() for value in values])
    if not isinstance(values, torch.Tensor) or values.layout is not torch.strided:
        return values
    values = values.detach().cpu()
    is_short = values.is_floating_point() and values.dtype.itemsize < 4  # numpy has not all of them
    return (values.float() if is_short else values).numpy()


def like_of(network):
    """Return a tensor on the device and of the precision of a network."""
    tensors = (*network.parameters(), *network.buffers())
    return next((t for t in tensors if t.is_floating_point()), torch.empty(0))


def torch_dtype(dtype):
    """Return torch's name for a dtype of numpy."""
    return getattr(torch, np.dtype(dtype).name)


def moved(network, device, dtype):
    """Move a network to a device, and its numbers to a precision; complex ones stay complex.

    Raise a ValueError if weights that lie in one place of memory would be parted.
    """
    tied = ties_of(network)
    network.to(device)
    tensors = [t for t in (*network.parameters(), *network.buffers()) if not is_lazy(t)]
    if any(tensor.is_complex() for tensor in tensors):
        for tensor in tensors:
            if tensor.is_floating_point() or tensor.is_complex():
                tensor.data = tensor.data.to(dtype.to_complex() if tensor.is_complex() else dtype)
    else:
        network.to(dtype)  # whatever one of the user's returns
    refuse_parted(network, tied, f"In {dtype} on {device}, as X is, each would get")
    return network


def refuse_parted(network, tied, where):
    """Raise a ValueError if a network has parted weights that lay in one place of memory."""
    now = dict((*network.named_parameters(), *network.named_buffers())) if tied else {}
    for one, other in sorted(pair for pair in tied if now.keys() >= set(pair)):
        tensors = now[one], now[other]
        if not any(t.requires_grad for t in tensors) or _overlap(*tensors):
            continue
        raise ValueError(
            f"{type(network).__name__} has `{one}` and `{other}` in one place of memory, so that a "
            f"step changes both. {where} a place of its own. Use one nn.Parameter for both, "
            f"F.linear(X, self.layer.weight.T) for one that is transposed, or .clone() where each "
            f"is to change by itself."
        )


def ties_of(network):
    """Return the pairs of names of a network's weights and buffers that lie in one place."""
    named = (*network.named_parameters(), *network.named_buffers())
    by_storage = {}
    for name, t in named:
        if t.layout is torch.strided and not is_lazy(t) and t.numel():
            by_storage.setdefault(t.untyped_storage().data_ptr(), []).append((name, t))
    pairs = [pair for alike in by_storage.values() for pair in combinations(alike, 2)]
    return {
        (name, other_name)
        for (name, one), (other_name, other) in pairs
        if (one.requires_grad or other.requires_grad) and _overlap(one, other)
    }


def _overlap(one, other):
    """Whether two tensors have a number in memory in common; columns may lie in turns."""
    (first, last), (other_first, other_last) = span_of(one), span_of(other)
    if last < other_first or other_last < first:
        return False
    n_places = one.untyped_storage().nbytes() // min(one.itemsize, other.itemsize)
    is_of_one = torch.zeros(n_places, dtype=torch.bool)
    numbers = [is_of_one.as_strided(t.shape, t.stride(), t.storage_offset()) for t in (one, other)]
    numbers[0].fill_(True)
    return bool(numbers[1].any())


def has_gaps(tensor):
    """Whether a dense tensor does not fill its part of memory, each place with one number.

    A part of a larger tensor does not, nor does an expanded one; a transposed one does.
    """
    if tensor.layout is not torch.strided or is_lazy(tensor) or not tensor.numel():
        return False
    due = 1
    for step, n in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if n > 1 and step != due:
            return True
        due *= n
    return False


def span_of(tensor):
    """Return where the first and the last number of a tensor begin in memory."""
    last = sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride(), strict=True))
    return tensor.data_ptr(), tensor.data_ptr() + last * tensor.itemsize


def take_rows(X, rows):
    """Copy some rows (int64 tensor) of a tensor, a CSR array, made dense, or `Rows`, loaded."""
    if isinstance(X, torch.Tensor):
        return X[rows]
    rows = rows.numpy()
    return torch.from_numpy(X[rows].toarray() if sparse.issparse(X) else X.loaded(rows))


def chunk_size(shape):
    """Return how many rows of a shape are few enough for one forward pass outside training."""
    return max(1, min(CHUNK, CHUNK_NUMBERS // math.prod(shape)))


def chunks(rows, shape):
    """Split the numbers of rows of a shape into parts for one forward pass outside training."""
    return rows.split(chunk_size(shape))


def choose_device(name):
    """Return the `torch.device` of that name, or raise a ValueError that lists the choice."""
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"device must be 'cpu' or 'cuda' (or 'cuda:1', ...); got {name!r}.")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device={name!r}, but torch finds no CUDA device; use device='cpu'.")
    return device
