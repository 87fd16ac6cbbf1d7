"""The global generators of numpy, Python and torch, kept while foreign code may seed them."""

import random
from contextlib import contextmanager

import numpy as np
import torch

from helpers.tensors import _guard


@contextmanager
def generators_put_back():
    """Have the global generators as they were, whatever draws from them or seeds them within.

    As in `helpers.tensors.seeded_globally`, torch's lock is taken only to read and to write.
    """
    states = random.getstate(), np.random.get_state()
    with _guard.lock:
        of_torch = torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        with _guard.lock:
            torch.set_rng_state(of_torch)
