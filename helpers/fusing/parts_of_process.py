"""What belongs to the whole process, part by part: global generators, and settings of it."""

import ctypes
import logging
import os
import random
import sys
import warnings
from contextlib import suppress

import numpy as np
import torch

from helpers import global_state

# Words of a Mersenne Twister; how many fills of it are looked at at once; and how many times, until
# a state counts as set. A step of a pipeline may draw some millions of numbers.
WORDS, FILLS, MOST_TIMES = 624, 200, 50


class OfProcess:
    """What belongs to the whole process, and yet to a fit.

    `read` returns its state, or None where nobody can tell; `write` takes what `read` returned.
    """

    in_training = None  # what it is called, if a network may be trained otherwise by it

    def left(self, outer, flow):
        """Return the state in which a fit with a flow of its own leaves it to the outer flow."""
        return flow.state


class OfNumpy(OfProcess):
    """numpy's global generator.

    Normal numbers come in pairs: it keeps the second until it is asked for.
    """

    name = "numpy's global generator"
    words, of_pair = None, (0, 0.0)  # when it was read last

    def read(self):
        generator = np.random.get_bit_generator()
        if not isinstance(generator, np.random.MT19937):
            return None
        # get_state takes 50 microseconds, which is some of a small fit.
        words = ctypes.string_at(generator.ctypes.state_address, 4 * (WORDS + 1))
        if words != self.words or self.of_pair[0]:  # no pair begins without a draw
            self.words, self.of_pair = words, np.random.get_state()[3:]
        return words, self.of_pair

    def write(self, state):
        words, (n_drawn, _) = self.twister(state)
        np.random.set_state(("MT19937", words, n_drawn, *state[1]))
        self.words = None

    def twister(self, state):
        words, of_pair = state
        *_, n_drawn = np.frombuffer(words, np.int32)
        return np.frombuffer(words, np.uint32, WORDS), (int(n_drawn), not of_pair[0])


class OfPython(OfProcess):
    """Python's global generator."""

    name = "Python's global generator"

    def read(self):
        return random.getstate()

    def write(self, state):
        random.setstate(state)

    def twister(self, state):
        *words, n_drawn = state[1]
        return np.array(words, np.uint32), (n_drawn, state[2] is None)


class OfTorch(OfProcess):
    """torch's global generator; None while another thread trains, who puts it back."""

    name = "torch's global generator"

    def read(self):
        return self._alone(lambda: torch.get_rng_state().numpy().tobytes())

    def write(self, state):
        state = torch.frombuffer(bytearray(state), dtype=torch.uint8)
        self._alone(lambda: torch.set_rng_state(state))

    def twister(self, state):
        left = int(np.frombuffer(state, np.int32, 1, 8)[0])
        drawn = WORDS + 1 - left, not (state[5040] or state[5052])  # of doubles, and of floats
        return np.frombuffer(state, np.uint64, WORDS, 24).astype(np.uint32), drawn

    @staticmethod
    def _alone(function):
        lock = global_state._guard.lock
        if not lock.acquire(blocking=False):
            return None
        try:
            return function()
        finally:
            lock.release()


GENERATORS = OfNumpy(), OfPython(), OfTorch()


def is_draw(part, before, after):
    """Tell whether a part of the process is a generator that has only drawn numbers meanwhile.

    Its `twister` returns the words of the Mersenne Twister, and what grows with each draw from
    them: how many are drawn, and whether no half of a pair of normal numbers is left.
    """
    if part not in GENERATORS:
        return False
    (words, drawn), (words_after, drawn_after) = part.twister(before), part.twister(after)
    if np.array_equal(words, words_after):
        return drawn <= drawn_after
    # numpy has the same generator: its stream shows whether the words after come in it.
    twister = np.random.MT19937()
    of_words = {"bit_generator": "MT19937", "state": {"key": words_after, "pos": 0}}
    twister.state = of_words
    first = twister.random_raw()
    twister.state = of_words | {"state": {"key": words, "pos": WORDS}}
    looks = (twister.random_raw(FILLS * WORDS)[::WORDS] for _ in range(MOST_TIMES))
    return any(first in numbers for numbers in looks)


class Setting(OfProcess):
    """A setting of the process, which nothing draws from."""

    def __init__(self, read, write, in_training=None):
        self.read, self.write, self.in_training = read, write, in_training


class OfWarnings(OfProcess):
    """Which warnings are shown, and how; scikit-learn sets it for each call of joblib."""

    def read(self):
        shown_by = warnings.showwarning, warnings._showwarnmsg_impl
        # The `id` tells one list from another; the list itself is what is put back.
        return id(warnings.filters), tuple(warnings.filters), shown_by, warnings.filters

    def write(self, state):
        _, filters, shown_by, warnings.filters = state
        warnings.filters[:] = filters
        warnings.showwarning, warnings._showwarnmsg_impl = shown_by
        with warnings.catch_warnings():  # which tells Python that the filters are others
            pass


class OfEnvironment(OfProcess):
    """The variables of the environment. Networks that read them are trained in their fit's turn."""

    def read(self):
        return os.environ._data.copy()

    def write(self, state):
        now = self.read()
        for name in now.keys() - state.keys():
            del os.environ[os.environ.decodekey(name)]
        for name, value in state.items() - now.items():
            os.environ[os.environ.decodekey(name)] = os.environ.decodevalue(value)

    def left(self, outer, flow):
        """As `OfProcess.left`: other fits may have set other variables."""
        gone = flow.found.keys() - flow.state.keys()
        kept = {name: value for name, value in outer.state.items() if name not in gone}
        return kept | dict(flow.state.items() - flow.found.items())


def current_folder():
    try:
        return os.getcwd()
    except OSError:  # somebody has removed it, or nobody may read it
        return None


def set_folder(path):
    with suppress(OSError):
        os.chdir(path)


def precision_of_products():
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:  # it was set by names that are newer
        return None


def determinism():
    is_set = torch.are_deterministic_algorithms_enabled()
    return is_set, torch.is_deterministic_algorithms_warn_only_enabled()


def set_determinism(state):
    torch.use_deterministic_algorithms(state[0], warn_only=state[1])


SETTINGS = (
    OfWarnings(),
    OfEnvironment(),
    Setting(current_folder, set_folder, "the current folder"),
    Setting(lambda: sys.stdout, lambda stream: setattr(sys, "stdout", stream)),
    Setting(lambda: sys.stderr, lambda stream: setattr(sys, "stderr", stream)),
    Setting(lambda: logging.root.manager.disable, logging.disable),
    Setting(lambda: logging.root.level, logging.root.setLevel),
    Setting(torch.get_default_dtype, torch.set_default_dtype),
    Setting(determinism, set_determinism, "torch.use_deterministic_algorithms"),
    Setting(
        precision_of_products,
        torch.set_float32_matmul_precision,
        "torch.set_float32_matmul_precision",
    ),
)
