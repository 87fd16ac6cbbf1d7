"""The global generators, of numpy, Python and torch: their states, and who has set them."""

import ctypes
import random

import numpy as np
import torch

from helpers import global_state
from helpers.fusing.settings_of_process import OfProcess

# Words of a Mersenne Twister; how many fills of it are looked at at once; and how many times, until
# a state counts as set. A step of a pipeline may draw some millions of numbers.
WORDS, FILLS, MOST_TIMES = 624, 200, 50


class OfNumpy(OfProcess):
    """numpy's. Normal numbers come in pairs: it keeps the second until it is asked for."""

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

    def full(self, seen):
        return np.random.get_state()

    def write(self, state):
        np.random.set_state(state)
        self.words = None

    def twister(self, seen):
        *_, n_drawn = np.frombuffer(seen[0], np.int32)
        return np.frombuffer(seen[0], np.uint32, WORDS), (int(n_drawn), not seen[1][0])


class OfPython(OfProcess):
    """Python's."""

    name = "Python's global generator"

    def read(self):
        return random.getstate()

    def write(self, state):
        random.setstate(state)

    def twister(self, seen):
        return np.array(seen[1][:-1], np.uint32), (seen[1][-1], seen[2] is None)


class OfTorch(OfProcess):
    """torch's; None while another thread trains, who puts it back."""

    name = "torch's global generator"

    def read(self):
        return self._alone(lambda: torch.get_rng_state().numpy().tobytes())

    def write(self, state):
        state = torch.frombuffer(bytearray(state), dtype=torch.uint8)
        self._alone(lambda: torch.set_rng_state(state))

    def twister(self, seen):
        left = int(np.frombuffer(seen, np.int32, 1, 8)[0])
        drawn = WORDS + 1 - left, not (seen[5040] or seen[5052])  # of doubles, and of floats
        return np.frombuffer(seen, np.uint64, WORDS, 24).astype(np.uint32), drawn

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
