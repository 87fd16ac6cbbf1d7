"""What belongs to the whole process, and yet to a task: random numbers and settings.

Without `fused` one fit ends before another begins. So a fit that seeds numpy's generator, has a
network trained and draws, draws what it has seeded; and a setting that it takes back at its end is
seen by no other. Tasks pause in the middle, and while one stands still the process is the others'.

Each part of the process has a flow: the state in which one task leaves it, and the next finds it.
A task that sets a part anew has a flow of its own from there on, and its children with it. A task
that draws only does so from the flow that it shares: where fits share one, as without `fused`,
none gets the numbers of another. A seed that leaves the state as it was found cannot be seen: such
a task shares the flow. Nor can a draw before a seed, in one turn: all such tasks draw the same.
"""

import warnings
from contextlib import contextmanager
from dataclasses import dataclass

from helpers.fusing.parts_of_process import GENERATORS, SETTINGS, is_draw

PARTS = *GENERATORS, *SETTINGS
OUT_OF_ORDER = (
    "fused: a fit draws from {} before its network is trained, and an earlier fit draws from it, "
    "or seeds it, after its own is. Without fused one fit ends before the next begins, so the "
    "numbers are others here. Give what draws a random_state, have each fit seed the generator "
    "before it draws, or fit without fused."
)


@dataclass(eq=False)
class Flow:
    """The state of one part of the process, for all tasks that share it."""

    state: object = None  # what `read` returned; None where nobody could read it
    # The place, in the order without `fused`, of the last task that has drawn from it.
    latest: tuple = ()
    # The state at the begin of the turn in which a task set the part. If it is the same in the end,
    # nothing is left to those after it.
    found: object = None


class Process:
    """Gives the process to one task after another, each as it has left it.

    While none has its turn, the process is as it is for tasks without a parent. `told` is a set
    of what was told so far.
    """

    def __init__(self, told):
        self.told = told
        self.root = [Flow() for _ in PARTS]
        self._to_tell = []

    def begin(self, task):
        """Have the process as a task has left it, or as its parent has, before its turn."""
        if task.flows is None:
            task.flows = list(self._around(task))
        for part, root, flow in zip(PARTS, self.root, task.flows, strict=True):
            if (state := part.read()) is not None:
                root.state = state
            if flow is not root and flow.state != root.state:
                part.write(flow.state)

    def end(self, task):
        """Keep how a task leaves the process at the end of its turn; have it as for all."""
        for i, (part, outer) in enumerate(zip(PARTS, self._around(task), strict=True)):
            flow, state = task.flows[i], part.read()
            if state is None or flow.state is None:  # another thread has it
                continue
            if state != flow.state:
                if is_draw(part, flow.state, state):
                    self._note_order(part, flow.latest, task)
                    flow.latest = max(flow.latest, task.place)
                elif flow is outer:
                    flow = task.flows[i] = Flow(found=flow.state)
                flow.state = state
            if task.ended and flow is not outer and flow.state != flow.found:  # for those after it
                self._note_order(part, outer.latest, task)
                outer.state = part.left(outer, flow)
            if self.root[i].state != state:
                part.write(self.root[i].state)
        told, self._to_tell = self._to_tell, []
        for message in told:
            warnings.warn(message, stacklevel=2)

    def tell(self, key, message):
        """Warn once of each key, at the end of the turn: within it, the warnings are the task's."""
        if key not in self.told:
            self.told.add(key)
            self._to_tell.append(message)

    def put_back(self):
        """Put the process back as it is for all, because a task was given up in its turn."""
        write_all(root.state for root in self.root)

    @contextmanager
    def kept(self):
        """Put the process back after a block in which tasks that are given up take back theirs."""
        states = [part.read() for part in PARTS]
        try:
            yield
        finally:
            write_all(states)

    def set_for_training(self):
        """Return why the running task's network must be trained in its turn, or None."""
        for part, root in zip(PARTS, self.root, strict=True):
            if part.in_training and root.state not in (None, part.read()):
                return f"its fit has set {part.in_training}"
        return None

    def _around(self, task):
        """Return the flows of all who are in the same call as a task."""
        return self.root if task.parent is None else task.parent.flows

    def _note_order(self, part, latest, task):
        """Say so if a task that comes later without `fused` has drawn before this one."""
        if latest[: len(task.place)] > task.place:
            self.tell(part, OUT_OF_ORDER.format(part.name))


def write_all(states):
    """Write the state of each part that has changed since; None is one that nobody could read."""
    for part, state in zip(PARTS, states, strict=True):
        if state not in (None, part.read()):
            part.write(state)
