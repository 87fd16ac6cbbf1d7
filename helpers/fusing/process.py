"""What belongs to the whole process, and yet to a task: random numbers and settings.

Without `fused` one fit ends before another begins. So a fit that seeds numpy's generator, has a
network trained and draws, draws what it has seeded; and a setting that it takes back at its end is
seen by no other. Tasks pause in the middle, and while one stands still the process is the others'.

Each part of the process has a flow: the state in which one task leaves it, and the next finds it.
A task that sets a part anew has a flow of its own from there on, and its children with it. A task
that draws only does so from the flow that it shares: where fits share one, as without `fused`,
none gets the numbers of another. A seed that leaves the state as it was found cannot be seen: such
a task shares the flow.
"""

import ctypes
import random
import warnings
from dataclasses import dataclass

import numpy as np
import torch

from helpers import tensors

# Words of a Mersenne Twister; how many fills of it are looked at at once; and how many times, until
# a state counts as set. A step of a pipeline may draw some millions of numbers.
WORDS, FILLS, MOST_TIMES = 624, 200, 50
OUT_OF_ORDER = (
    "fused: a fit draws from {} before its network is trained, and an earlier fit draws from it, "
    "or seeds it, after its own is. Without fused one fit ends before the next begins, so the "
    "numbers are others here. Give what draws a random_state, have each fit seed the generator "
    "before it draws, or fit without fused."
)


class OfNumpy:
    """The global generator of numpy."""

    name = "numpy's global generator"

    def read(self):
        """Return what tells one state from another."""
        generator = np.random.get_bit_generator()
        if not isinstance(generator, np.random.MT19937):
            return None
        # get_state takes 50 microseconds, which is some of a small fit.
        return ctypes.string_at(generator.ctypes.state_address, 4 * (WORDS + 1))

    def full(self, seen):
        """Return what `write` takes, of the state that was read."""
        return np.random.get_state()

    def write(self, state):
        np.random.set_state(state)

    def twister(self, seen):
        """Return the words of the Mersenne Twister, and how many of them are drawn."""
        return np.frombuffer(seen, np.uint32, WORDS), int(np.frombuffer(seen, np.int32)[WORDS])


class OfPython:
    """The global generator of Python."""

    name = "Python's global generator"

    def read(self):
        return random.getstate()

    def full(self, seen):
        return seen

    def write(self, state):
        random.setstate(state)

    def twister(self, seen):
        return np.array(seen[1][:-1], np.uint32), seen[1][-1]


class OfTorch:
    """The global generator of torch; None while another thread trains, who puts it back."""

    name = "torch's global generator"

    def read(self):
        return self._alone(lambda: torch.get_rng_state().numpy().tobytes())

    def full(self, seen):
        return seen

    def write(self, state):
        state = torch.frombuffer(bytearray(state), dtype=torch.uint8)
        self._alone(lambda: torch.set_rng_state(state))

    def twister(self, seen):
        left = int(np.frombuffer(seen, np.int32, 1, 8)[0])
        return np.frombuffer(seen, np.uint64, WORDS, 24).astype(np.uint32), WORDS + 1 - left

    @staticmethod
    def _alone(function):
        lock = tensors._guard.lock
        if not lock.acquire(blocking=False):
            return None
        try:
            return function()
        finally:
            lock.release()


class Setting:
    """A setting of the process, which nothing draws from."""

    def __init__(self, read, write):
        self.read, self.write = read, write

    def full(self, seen):
        return seen


PARTS = OfNumpy(), OfPython(), OfTorch(), Setting(torch.get_default_dtype, torch.set_default_dtype)


@dataclass(eq=False)
class Flow:
    """The state of one part of the process, for all tasks that share it.

    Attributes
    ----------
    seen, state : object
        What `read` and `full` returned; None where nobody could read it.
    latest : tuple of int
        The place, in the order without `fused`, of the last task that has drawn from it.
    """

    seen: object = None
    state: object = None
    latest: tuple = ()

    def keep(self, part, seen):
        if seen is not None and seen != self.seen:
            self.seen, self.state = seen, part.full(seen)


class Process:
    """Gives the process to one task after another, each as it has left it.

    While none has its turn, the process is as it is for tasks without a parent.

    Parameters
    ----------
    told : set
        The warnings given so far.
    """

    def __init__(self, told):
        self.told = told
        self.root = [Flow() for _ in PARTS]

    def begin(self, task):
        """Have the process as a task has left it, or as its parent has, before its turn."""
        if task.flows is None:
            task.flows = list(self._around(task))
        for part, root, flow in zip(PARTS, self.root, task.flows, strict=True):
            root.keep(part, part.read())
            if flow is not root and flow.seen != root.seen:
                part.write(flow.state)

    def end(self, task):
        """Keep how a task leaves the process at the end of its turn; have it as for all."""
        for i, (part, outer) in enumerate(zip(PARTS, self._around(task), strict=True)):
            flow, seen = task.flows[i], part.read()
            if seen is None or flow.seen is None:  # another thread has it
                continue
            if seen != flow.seen:
                if is_draw(part, flow.seen, seen):
                    self._note_order(part, flow, task)
                    flow.latest = max(flow.latest, task.place)
                elif flow is outer:
                    flow = task.flows[i] = Flow()
                flow.keep(part, seen)
            if task.ended and flow is not outer:  # for those after it
                self._note_order(part, outer, task)
                outer.seen, outer.state = flow.seen, flow.state
            if self.root[i].seen != seen:
                part.write(self.root[i].state)

    def put_back(self):
        """Have the process as for all, where a task was given up in its turn."""
        for part, root in zip(PARTS, self.root, strict=True):
            if root.seen not in (None, part.read()):
                part.write(root.state)

    def _around(self, task):
        """Return the flows of all who are in the same call as a task."""
        return self.root if task.parent is None else task.parent.flows

    def _note_order(self, part, flow, task):
        """Say so if a task that comes later without `fused` has drawn before this one."""
        if flow.latest[: len(task.place)] <= task.place or part in self.told:
            return
        self.told.add(part)
        warnings.warn(OUT_OF_ORDER.format(part.name), stacklevel=2)


def is_draw(part, before, after):
    """Tell whether a generator comes from one state to another by drawing numbers."""
    if isinstance(part, Setting):
        return False
    (words, n_drawn), (words_after, n_drawn_after) = part.twister(before), part.twister(after)
    if np.array_equal(words, words_after):
        return n_drawn <= n_drawn_after
    # numpy has the same generator: its stream shows whether the words after come in it.
    twister = np.random.MT19937()
    of_words = {"bit_generator": "MT19937", "state": {"key": words_after, "pos": 0}}
    twister.state = of_words
    first = twister.random_raw()
    twister.state = of_words | {"state": {"key": words, "pos": WORDS}}
    looks = (twister.random_raw(FILLS * WORDS)[::WORDS] for _ in range(MOST_TIMES))
    return any(first in words for words in looks)
