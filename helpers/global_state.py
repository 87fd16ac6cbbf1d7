"""State that a whole process shares: one guard for torch's, and generators that are put back."""

import os
import pickle
import random
import threading
import warnings
from contextlib import ExitStack, contextmanager

import numpy as np
import torch


class _Guard:
    """The lock for the global state, and what that state was before somebody took it."""

    def __init__(self):
        self.lock = threading.RLock()
        self.owner = self.generator_state = self.other_states = self.dtype = None

    def renew(self):
        """In a forked child, undo what a thread had begun that was not forked with it."""
        if self.owner == threading.get_ident():
            return
        if self.owner is not None:
            torch.set_rng_state(self.generator_state)
            torch.set_default_dtype(self.dtype)
            np.random.set_state(self.other_states[1])  # Python has seeded its own anew
        self.__init__()


_guard = _Guard()
if hasattr(os, "register_at_fork"):  # Windows cannot fork
    # torch's generator has a lock of its own: a child that is forked while another thread draws
    # would never get it. get_rng_state waits until nobody draws. Nothing stops a draw that begins
    # in the microsecond between that and the fork: torch offers no way to hold its lock.
    os.register_at_fork(before=torch.get_rng_state, after_in_child=_guard.renew)


@contextmanager
def private_rng(device):
    """Lend torch's global state to one caller at a time, and put it back.

    Within, torch is as `as_torch_starts` has it, with gradients on. The generators of the CPU and
    of `device`, of numpy and of Python may be seeded and drawn from; afterwards they are as they
    were.
    """
    cuda = [device] if device.type == "cuda" else []
    with _guard.lock, ExitStack() as stack:
        others = states_of_others()
        if _guard.owner is None:
            _guard.generator_state, _guard.dtype = torch.get_rng_state(), torch.get_default_dtype()
            _guard.other_states = others
            _guard.owner = threading.get_ident()
            stack.callback(setattr, _guard, "owner", None)
        stack.callback(put_back_others, others)
        stack.enter_context(torch.random.fork_rng(devices=cuda))
        stack.enter_context(as_torch_starts(device))
        stack.enter_context(torch.inference_mode(False))  # which ends a no_grad as well
        yield


@contextmanager
def as_torch_starts(device):
    """Undo, for a while, settings of the user that would change weights or predictions.

    New tensors are float32 and on the CPU, as in a worker process, and autocast is off: the
    precision is that of `X`.
    """
    with ExitStack() as stack:
        if torch.is_autocast_enabled(device.type):
            stack.enter_context(torch.autocast(device.type, enabled=False))
        # torch 2.6 cannot be asked for the default device once it has been set to None. To pin the
        # device costs time even where it is the CPU.
        if torch.empty(0).device.type != "cpu":
            stack.enter_context(torch.device("cpu"))
        if torch.get_default_dtype() != torch.float32:  # all threads have the same
            stack.enter_context(_guard.lock)
            stack.callback(torch.set_default_dtype, torch.get_default_dtype())
            torch.set_default_dtype(torch.float32)
        yield


def holds_private_rng():
    """Tell whether this thread is within `private_rng`, so that no other can be."""
    return _guard.owner == threading.get_ident()


@contextmanager
def generators_put_back():
    """Have the global generators as they were, whatever draws from them or seeds them within.

    The lock is taken only to read and to write: whoever held it longer would wait for ever for a
    search in that code whose fits run in other threads. A network that trains in another thread is
    left alone, because it has the lock until its end.
    """
    with _guard.lock:
        others, of_torch = states_of_others(), torch.get_rng_state()
    try:
        yield
    finally:
        with _guard.lock:
            put_back_others(others)
            torch.set_rng_state(of_torch)


@contextmanager
def seeded_globally(seed):
    """As `generators_put_back`, with torch's global generator seeded at first."""
    with generators_put_back():
        with _guard.lock:
            torch.default_generator.manual_seed(seed)
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


@contextmanager
def quietly(device):
    """Compute as in training, but warn of nothing, and leave the global generators as they are."""
    with private_rng(device), flushed_denormals(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def seed_generators(seed, device):
    """Seed the generators of the CPU and of `device`, and no other."""
    # torch.manual_seed would also reach devices that private_rng does not put back.
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)


def seed_others():
    """Within `private_rng`, seed numpy's and Python's generators as torch's was seeded last.

    A network, a recipe or a loss may draw from them, and a fit must be the same when repeated.
    """
    if holds_private_rng():  # elsewhere nobody would put them back
        seed = torch.initial_seed()
        if isinstance(np.random.get_bit_generator(), np.random.MT19937):  # others take no seed here
            np.random.seed(seed % 2**32)
        random.seed(seed)


def states_of_others():
    """Return the states of the global generators of Python and numpy."""
    return random.getstate(), np.random.get_state(legacy=False)


def states_of_generators(device):
    """Return the states of all global generators, to be compared."""
    states = [torch.get_rng_state().numpy().tobytes()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device).numpy().tobytes())
    of_python, of_numpy = states_of_others()
    return *states, of_python, pickle.dumps(of_numpy)


def put_back_others(states):
    """Put the global generators of Python and numpy back to some states."""
    random.setstate(states[0])
    np.random.set_state(states[1])
