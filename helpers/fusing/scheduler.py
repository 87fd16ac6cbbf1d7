"""Who runs next: the scheduler gives tasks their turns, and trains the networks they wait for.

A task is one call that scikit-learn handed to joblib, such as the fit and score of one candidate
on one fold. It runs until it needs a network trained, and pauses. When no task can go on, the
networks of all paused tasks are trained together, and the tasks go on one by one.
"""

import itertools
import os
import threading
import time
import warnings
from bisect import insort
from collections import deque

from helpers.fusing.grouping import sentence, train_together
from helpers.fusing.modes import active_mode
from helpers.fusing.process import Process
from helpers.fusing.settings import Settings
from helpers.fusing.tasks import LOCKED, WAITS, Task
from helpers.fusing.waiting import bytes_of, changed_rows, checksums, refuse_a_network_twice
from helpers.global_state import holds_private_rng
from helpers.training import train_alone

# Fewer fits than this, trained together, gain clearly less than more of them would.
FEW = 32


class Scheduler:
    """Where tasks wait for each other, so that their networks can be trained together.

    No new task begins once `max_models` tasks wait for their training, or `max_bytes` of training
    rows with them. The number of jobs in each stack is appended to the list `batches`.
    """

    def __init__(self, max_models, max_bytes, batches):
        self.max_models, self.max_bytes, self.batches = max_models, max_bytes, batches
        self.new = []  # in order: the deepest first, so that few calls are open at once
        self.awake = deque()  # paused tasks that can go on
        # Paused tasks with a job to be trained, by the `id` of its network.
        self.waiting, self.bytes_waiting = {}, 0
        self.running = None
        self.locked = deque()  # in their turn, but waiting for a lock: they go on by themselves
        self.settings = Settings()
        self.told = set()  # why networks are trained alone: each reason is told once
        self.process = Process(self.told)
        self._numbers = itertools.count()
        self._lock, self._driver = threading.Lock(), None
        self._process = os.getpid()
        self.has_abandoned = False  # some of the tasks above may be
        self._has_warned = False

    def current_task(self):
        """Return the task in whose thread this is called, or None."""
        thread = threading.current_thread()
        is_task = isinstance(thread, Task) and thread.scheduler is self
        return thread if is_task and not self.is_forked() else None

    def is_forked(self):
        """Tell whether this is a child process, in which the other tasks have no threads."""
        return os.getpid() != self._process

    def can_wait(self):
        """Tell whether this thread may wait for other tasks, which must not need it to go on.

        It warns of a mode of torch, once, that keeps it from waiting.
        """
        drives = self._driver == threading.get_ident()
        if drives or self.is_forked() or holds_private_rng():
            return False
        mode = active_mode()
        if mode is not None and mode not in self.told:
            self.told.add(mode)
            warnings.warn(
                f"fused: {mode}, a mode of torch, is active and sees one network at a time. All "
                f"fits within it are trained one by one.",
                stacklevel=2,
            )
        return mode is None

    def train(self, job):
        """Train a job: in a task, with those of the other tasks; else at once."""
        task = self.current_task()
        if task is not None:
            task.check()
        # Where fits hold locks, whoever waits here may hold what others need.
        if task is None or LOCKED in self.told or not self.can_wait():
            self.batches.append(1)
            return train_alone(job)
        if reason := self.settings.note(job) or self.process.set_for_training():
            return self._train_at_once(job, reason)
        refuse_a_network_twice(job, self.waiting)
        task.job, task.checksums = job, checksums(job)
        self.waiting[id(job.network)] = task
        self.bytes_waiting += bytes_of(job)
        task.pause()
        task.job = None
        if job.error is not None:
            raise job.error

    def _train_at_once(self, job, reason):
        """Train a job in the thread of its task."""
        key = type(job.network).__name__, reason
        self.process.tell(key, sentence(*key))
        self.batches.append(1)
        train_alone(job)

    def add(self, task):
        """Take in a task that has not begun."""
        number = next(self._numbers)
        task.place = *(task.parent.place if task.parent else ()), number
        insort(self.new, (-len(task.place), number, task))

    def run_until_done(self, task, timeout=None):
        """Give tasks their turns, and train what they wait for, until one of them is done.

        In the thread of a task: pause until then.
        """
        if self.is_forked():
            raise RuntimeError("fused: this call was begun before the process was forked.")
        if caller := self.current_task():
            while not task.done:
                task.waiter = caller
                caller.pause()
            return
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._lock:
            self._driver = threading.get_ident()
            try:
                if self.has_abandoned:
                    self._forget_abandoned()
                while not task.done:
                    self._take_turn(deadline)
            finally:
                self._driver = None

    def _forget_abandoned(self):
        """Drop the tasks of calls that were given up, also if one of them still runs."""
        self.has_abandoned = False
        if self.running is not None and self.running.abandoned:
            self.running = None
        self.new = [entry for entry in self.new if not entry[-1].abandoned]
        self.awake = deque(task for task in self.awake if not task.abandoned)
        self.locked = deque(task for task in self.locked if not task.abandoned)
        left = [task for task in self.waiting.values() if not task.abandoned]
        self.waiting = {id(task.job.network): task for task in left}
        self.bytes_waiting = sum(bytes_of(task.job) for task in left)

    def _take_turn(self, deadline):
        """Let the task run whose turn it is until it stands, or train if none can go on."""
        if self.running is None:
            # One that has got its lock may stand by now: its turn ends before others go on.
            task = next((task for task in self.locked if task.stands), None)
            begins = task is None and self._next(self.locked)
            task = task or begins or (self.locked and not self.waiting and self.locked[0])
            if not task:
                return self._train()
            self.locked = deque(other for other in self.locked if other is not task)
            if task.abandoned:
                return
            self.running = task
            self.process.begin(task)
            if begins:
                task.start_turn()
        while not self.running.wait(deadline):
            if self.waiting or self._next([self.running, *self.locked], takes=False):
                return self._leave_locked()
            if WAITS not in self.told:
                self.told.add(WAITS)
                warnings.warn(WAITS, stacklevel=2)
        task, self.running = self.running, None
        self.process.end(task)
        if task.ended:
            task.join()
            if not task.abandoned:
                task.finish()
            if task.waiter is not None:
                self.awake.append(task.waiter)

    def _leave_locked(self):
        """Let others go on before a task that waits for a lock: one of them may hold it."""
        self.process.tell(LOCKED, LOCKED)
        task, self.running = self.running, None
        self.process.end(task)
        self.locked.append(task)

    def _next(self, beside, takes=True):
        """Return, and take, the task whose turn it is, or None if none can go on.

        `beside` are tasks that wait for a lock. No new task of the same calls begins meanwhile,
        since it may need the same lock.
        """
        if self.awake:
            return self.awake.popleft() if takes else self.awake[0]
        if not self._has_room():
            return None
        parents = {task.parent for task in beside}
        for place, (*_, task) in enumerate(self.new):
            if task.parent not in parents:
                if takes:
                    del self.new[place]
                return task
        return None

    def _has_room(self):
        return len(self.waiting) < self.max_models and self.bytes_waiting < self.max_bytes

    def _train(self):
        """Train the jobs of all who wait."""
        self._warn_of_few()
        tasks = [task for task in self.waiting.values() if not task.abandoned]
        self.waiting, self.bytes_waiting = {}, 0
        if not tasks:  # an error is better than waiting for ever
            raise RuntimeError("fused: every task waits for another; please report this.")
        jobs = [task.job for task in tasks]
        try:
            for task in tasks:
                task.job.error = self.settings.error_of(task.job) or changed_rows(task)
            self.settings.forget()
            train_together([job for job in jobs if job.error is None], self.batches, self.told)
        except BaseException as error:
            for job in jobs:
                job.error = job.error or error
            if not isinstance(error, Exception):
                raise
        finally:
            self.awake.extend(tasks)

    def _warn_of_few(self):
        """Say so, once, where `max_bytes` keeps many fits from being trained together."""
        n_waiting, wanted = len(self.waiting), min(self.max_models, FEW)
        if self._has_warned or not self.new or self._has_room() or n_waiting >= wanted:
            return
        self._has_warned = True
        fits = "1 fit waits" if n_waiting == 1 else f"{n_waiting} fits wait"
        warnings.warn(
            f"fused: only {fits} for a training together, although max_models={self.max_models} "
            f"may, because the training rows with them, {self.bytes_waiting:,} bytes, reach "
            f"max_bytes={self.max_bytes:,}. Give fused a larger max_bytes if the memory allows: "
            f"it takes some three times as much in all.",
            stacklevel=2,
        )
