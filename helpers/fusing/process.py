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
    """The state of one part of the process, for all tasks that share it.

    Attributes
    ----------
    seen, state : object
        What `read` and `full` returned; None where nobody could read it.
    latest : tuple of int
        The place, in the order without `fused`, of the last task that has drawn from it.
    found : object
        What was seen at the begin of the turn in which a task set the part. If it is the same in
        the end, nothing is left to those after it.
    """

    seen: object = None
    state: object = None
    latest: tuple = ()
    found: object = None

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
        self._to_tell = []

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
                    self._note_order(part, flow.latest, task)
                    flow.latest = max(flow.latest, task.place)
                elif flow is outer:
                    flow = task.flows[i] = Flow(found=flow.seen)
                flow.keep(part, seen)
            if task.ended and flow is not outer and flow.seen != flow.found:  # for those after it
                self._note_order(part, outer.latest, task)
                outer.seen, outer.state = part.left(outer, flow)
            if self.root[i].seen != seen:
                part.write(self.root[i].state)
        told, self._to_tell = self._to_tell, []
        for message in told:
            warnings.warn(message, stacklevel=2)

    def tell(self, message):
        """Warn at the end of the turn: within it, the warnings are the task's."""
        self._to_tell.append(message)

    def put_back(self):
        """Have the process as for all, where a task was given up in its turn."""
        for part, root in zip(PARTS, self.root, strict=True):
            if root.seen not in (None, part.read()):
                part.write(root.state)

    @contextmanager
    def kept(self):
        """Have the process as it is now when tasks have been given up, which take back theirs."""
        seen = [part.read() for part in PARTS]
        states = [part.full(one) for part, one in zip(PARTS, seen, strict=True)]
        try:
            yield
        finally:
            for part, before, state in zip(PARTS, seen, states, strict=True):
                if before not in (None, part.read()):
                    part.write(state)

    def set_for_training(self):
        """Return why the running task's network must be trained in its turn, or None."""
        for part, root in zip(PARTS, self.root, strict=True):
            if part.in_training and root.seen not in (None, part.read()):
                return f"its fit has set {part.in_training}"
        return None

    def _around(self, task):
        """Return the flows of all who are in the same call as a task."""
        return self.root if task.parent is None else task.parent.flows

    def _note_order(self, part, latest, task):
        """Say so if a task that comes later without `fused` has drawn before this one."""
        if latest[: len(task.place)] <= task.place or part in self.told:
            return
        self.told.add(part)
        self.tell(OUT_OF_ORDER.format(part.name))
