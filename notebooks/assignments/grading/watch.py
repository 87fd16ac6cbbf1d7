"""Stop a cell that needs too much of the processor, or that only waits.

What counts is the processor time of the kernel and of all that it starts, which other programs on
the machine do not lengthen: no answer is stopped because something else is busy. A cell that waits
for something uses no processor, so the time in which nothing of it wants one is counted as well.
"""

import os
import signal
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

TIMES, AT_LEAST = 6, 30  # of the whole model solution's processor time; seconds
LOOK = 0.25  # seconds from one look at the kernel to the next
PATIENCE = 10  # seconds, computing or waiting, in which a cell must heed an interrupt
CROWDED = 2  # looks at too many processes, that are ended and come again
# A kernel that waits still looks at its sockets: less than this share of a processor is waiting.
AT_REST = 0.05
WANTS_PROCESSOR = {psutil.STATUS_RUNNING, psutil.STATUS_DISK_SLEEP, psutil.STATUS_WAKING}
DEAF = (
    "A cell cannot be interrupted: an endless loop that catches everything, or one outside Python; "
    "or it has sent a message too long to be read."
)
TOTAL = "The notebook has used {:.0f} s of processor time, the limit for all its cells together."


@dataclass(frozen=True)
class Limits:
    """Seconds of processor time that one cell may use, and what follows from that."""

    cell: float

    @classmethod
    def measured(cls, used):
        """Return the limits where the model solution used so many seconds in all its cells."""
        return cls(max(AT_LEAST, TIMES * used))

    @property
    def notebook(self):
        """Seconds of processor time for all cells together."""
        return 4 * self.cell

    @property
    def waiting(self):
        """Seconds in which one cell may wait without computing."""
        return 2 * self.cell


@dataclass(frozen=True)
class Reading:
    """What the clocks say at one moment, in seconds."""

    now: float
    used: float  # by the kernel and all that it has started
    free: float  # by nobody, summed over all processors
    waiting: bool  # neither the kernel nor the grader wants a processor


class Watch:
    """Watch over a kernel's cells, one after the other.

    Parameters
    ----------
    pid : int
        The kernel's process, which leads a group of its own.
    limits : Limits
    room : Room or None
        What it may have of other things than time.

    Attributes
    ----------
    ended : str
        Why the kernel was killed; empty where it was not.
    held_up : bool
        Whether a cell met a limit while it had less than half of a processor.
    """

    def __init__(self, pid, limits, room=None):
        self.kernel, self.limits, self.room = psutil.Process(pid), limits, room
        self.family, self.grader = [self.kernel], psutil.Process()
        self.ended, self.held_up, self.crowded = "", False, 0
        self.first = self.last = self.look()
        self.own = set(self.family)  # bubblewrap and the kernel; all others, the student started

    @property
    def used(self):
        """Seconds of processor time that all cells together have used."""
        return max(0.0, self.last.used - self.first.used)  # a dead kernel has no clock

    @contextmanager
    def over_a_cell(self):
        """Stop what runs within the block where it meets a limit; give a list that says why."""
        done, said = threading.Event(), []
        watcher = threading.Thread(target=self.watch, args=(done, said, self.last), daemon=True)
        watcher.start()
        try:
            yield said
        finally:
            done.set()
            watcher.join()
            self.last = self.read()
            # Between two looks a cgroup may have ended all that took too much.
            if not said and self.room and self.room.was_killed():
                said.append(self.room.of_memory)

    def watch(self, done, said, start):
        """Interrupt the cell that began with the reading `start`; kill a kernel that is deaf."""
        before, waited, graders, again = start, 0.0, grader_used(), False
        while not done.wait(LOOK):
            now = self.look()
            passed = now.now - before.now
            computed = now.used - before.used + grader_used() - graders
            if now.waiting and computed < AT_REST * passed:
                waited += min(passed, 2 * LOOK)  # a late look has not seen it all
            before, graders = now, grader_used()
            heedless = max(now.used - start.used, waited) if said else 0.0
            if heedless > PATIENCE:
                return self.kill(DEAF)
            if heedless > PATIENCE / 2 and not again:
                again = True  # the first is lost if it comes in what Python calls at a fork
                self.send(signal.SIGINT)
            if now.used - self.first.used > self.limits.notebook:
                self.held_up |= shared(start, now)
                return self.kill(TOTAL.format(self.limits.notebook))
            crowded = self.room.too_much(self.family) if self.room else ""
            if crowded and not self.made_room(bool(said)):
                return self.kill(f"The notebook {crowded} and was stopped.")
            why = crowded or self.too_much(now.used - start.used, waited)
            if why and not said:
                self.held_up |= not crowded and shared(start, now)
                said.append(why)
                self.send(signal.SIGINT)
                start, waited = now, 0.0

    def too_much(self, used, waited):
        if used > self.limits.cell:
            return f"met the limit of processor time ({self.limits.cell:.0f} s for a cell)"
        if waited > self.limits.waiting:
            return f"met the limit of waiting ({self.limits.waiting:.0f} s without computing)"
        return ""

    def made_room(self, again):
        """End what a student's code has started; return whether the kernel may go on."""
        others = [process for process in self.family if process not in self.own]
        for process in others:
            with suppress(psutil.Error):
                process.kill()
        self.crowded += again
        return not again or (others and self.crowded < CROWDED)

    def kill(self, reason):
        self.ended = reason
        self.send(signal.SIGKILL)

    def send(self, number):
        with suppress(ProcessLookupError):  # it has just ended by itself
            os.killpg(self.kernel.pid, number)

    def look(self):
        """Read the clocks, also of the processes that were started since the last look."""
        with suppress(psutil.Error):
            self.family = [self.kernel, *self.kernel.children(recursive=True)]
        return self.read()

    def read(self):
        """Read the clocks of the processes known so far: `Reading`."""
        # The cell may be done, and the grader busy with what it has printed.
        used, waiting = 0.0, self.grader.status() not in WANTS_PROCESSOR
        for process in self.family:
            with suppress(psutil.Error), process.oneshot():
                times = process.cpu_times()
                used += times.user + times.system + times.children_user + times.children_system
                waiting &= process.status() not in WANTS_PROCESSOR
        machine = psutil.cpu_times()
        free = machine.idle + getattr(machine, "iowait", 0.0)
        return Reading(time.monotonic(), used, free, waiting)


def grader_used():
    """Return the processor time of this process, without that of the thread that watches."""
    return time.process_time() - time.thread_time()


def shared(start, now):
    """Return whether the kernel could have had less than half of a processor since `start`.

    It could have had what it used, and what nobody used.
    """
    return now.used - start.used + now.free - start.free < (now.now - start.now) / 2
