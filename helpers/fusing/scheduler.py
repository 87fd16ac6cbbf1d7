"""Where the fits of a search wait for each other: `fused` brings joblib here."""

import heapq
import itertools
import threading
from collections import deque
from concurrent.futures import Future

from helpers.fusing.grouping import train_together
from helpers.training import train_alone, trainer

# Bytes that the rows of those who wait may hold. They take some three times as much in all, with
# the copies that scikit-learn and the allocator keep for each thread.
ROWS_WAITING = 3 * 2**24


class Task(threading.Thread):
    """A call that can be paused in the middle.

    It has a thread only to have a place to wait: no two run at once. Whoever calls `resume` waits
    until the task pauses or ends, as with a generator.
    """

    def __init__(self, function, callback, backend):
        super().__init__(daemon=True)
        self.function, self.callback, self.backend = function, callback, backend
        self.job = None
        self.abandoned = False
        self._turn, self._back = threading.Semaphore(0), threading.Semaphore(0)

    def resume(self):
        """Let the task run until it pauses or ends."""
        if self.abandoned:
            return
        if self.ident is None:
            self.start()
        else:
            self._turn.release()
        self._back.acquire()

    def pause(self):
        """Wait, in the task's own thread, until `resume` is called again."""
        if not self.abandoned:
            self._back.release()
            self._turn.acquire()
        if self.abandoned:
            raise Abandoned

    def abandon(self):
        """End the task where it stands, and wait until it has ended."""
        self.abandoned = True
        if self.is_alive():
            self._turn.release()
            self.join()

    def run(self):
        trainer.set(self.backend.scheduler.train)
        outcome = Future()
        try:
            outcome.set_result(self.function())
        except BaseException as error:
            outcome.set_exception(error)
        if not self.abandoned:
            self.backend.end(self, outcome)
        self._back.release()


class Abandoned(BaseException):
    """Ends a task that nobody waits for; no `except Exception` on its way may stop it."""


class Scheduler:
    """Where tasks wait for each other, so that their networks can be trained together."""

    def __init__(self, max_models, batches):
        self.max_models, self.batches = max_models, batches
        self.new = []  # a heap: the deepest first, so that few calls are open at once
        self.numbers = itertools.count()
        self.awake = deque()
        self.waiting, self.bytes_waiting = [], 0
        self.told = set()  # why networks are trained alone: each reason is told once

    def train(self, job):
        """Train a job: in a task, with those of the other tasks; else at once."""
        task = threading.current_thread()
        if not isinstance(task, Task) or task.backend.scheduler is not self:
            self.batches.append(1)
            return train_alone(job)
        task.job = job
        self.waiting.append(task)
        self.bytes_waiting += job.X.shape[0] * job.X.shape[1] * job.X.dtype.itemsize
        task.pause()
        task.job = None  # tasks are kept until their call ends, rows need not be
        if job.error is not None:
            raise job.error

    def add(self, task):
        """Take in a task that has not begun."""
        heapq.heappush(self.new, (-task.backend.nesting_level, next(self.numbers), task))

    def has_room(self):
        """Tell whether one more may wait."""
        return len(self.waiting) < self.max_models and self.bytes_waiting < ROWS_WAITING

    def run_until(self, settled):
        """Give the tasks their turns, and train those who wait, until `settled()`."""
        while not settled():
            if self.awake:
                self.awake.popleft().resume()
            elif self.new and self.has_room():
                heapq.heappop(self.new)[-1].resume()
            else:
                waiting, self.waiting, self.bytes_waiting = self.waiting, [], 0
                waiting = [task for task in waiting if not task.abandoned]
                if not waiting:  # an error is better than waiting for ever
                    raise RuntimeError("fused: every task waits for another; please report this.")
                train_together([task.job for task in waiting], self.batches, self.told)
                self.awake.extend(waiting)

    def close(self):
        """End whatever still waits."""
        for task in (*self.awake, *self.waiting):
            task.abandon()
