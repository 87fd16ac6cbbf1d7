"""The global generators of numpy, Python and torch, kept while foreign code may seed them."""

from contextlib import contextmanager

import torch

from helpers.tensors import _guard, put_back_others, states_of_others


@contextmanager
def generators_put_back():
    """Have the global generators as they were, whatever draws from them or seeds them within.

    As in `helpers.tensors.seeded_globally`, the lock is taken only to read and to write.
    """
    with _guard.lock:
        others, of_torch = states_of_others(), torch.get_rng_state()
    try:
        yield
    finally:
        with _guard.lock:
            put_back_others(others)
            torch.set_rng_state(of_torch)
