"""From numpy to torch: memory, devices and randomness."""

import threading
import warnings
from contextlib import contextmanager

import numpy as np
import torch
from scipy import sparse

CHUNK = 4096  # rows in one forward pass outside training
_one_at_a_time = threading.RLock()


def as_tensor(array):
    """Return a tensor that shares the memory of a numpy array, a read-only one included."""
    array = np.ascontiguousarray(array)
    if array.flags.writeable:
        return torch.from_numpy(array)
    with warnings.catch_warnings():
        # torch warns that writing to it would be undefined; nothing here does.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


def take_rows(X, rows):
    """Copy some rows (int64 tensor) of a tensor, or of a CSR array made dense."""
    if sparse.issparse(X):
        return torch.from_numpy(X[rows.numpy()].toarray())
    return X[rows]


def chunks(rows):
    """Split rows into parts small enough for one forward pass outside training."""
    return rows.split(CHUNK)


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


@contextmanager
def private_rng(device):
    """Lend torch's global generators to one caller at a time, and put them back."""
    cuda = [device] if device.type == "cuda" else []
    with _one_at_a_time, torch.random.fork_rng(devices=cuda):
        yield


@contextmanager
def flushed_denormals():
    """Have the CPU round numbers below its normal range to zero, as GPUs do.

    Gradients of confident networks fall below 1e-38, where some processors slow down.
    """
    was_on = torch.full((16,), 1e-40).mul(1).sum().item() == 0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(was_on)


def seed_generators(seed, device):
    """Seed the generators of the CPU and of `device`, and no other."""
    # torch.manual_seed would also reach devices that private_rng does not put back.
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
