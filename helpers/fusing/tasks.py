"""Paused tasks: calls that stand still in the middle, each in a thread of its own."""

import linecache
import re
import sys
import threading
import time
from multiprocessing import TimeoutError  # the one that joblib raises

# Seconds in which a task waits for one lock after which it may be one that a paused task holds.
STILL = 10.0
TAKES_LOCK = r"with |.*(\.acquire|\.__enter__|\b_enter)\("  # _enter: of ExitStack
LOCKED = (
    "fused: a fit waits for a lock that a paused fit seems to hold. From here on fits are trained "
    "one by one. Hold no lock around a fit."
)
WAITS = (
    "fused: a fit waits for a lock, and no other can go on. If a fit around it holds the lock, it "
    "waits for ever: stop it, and hold no lock around a fit."
)


class Abandoned(BaseException):
    """Ends a task that nobody waits for; no `except Exception` on its way may stop it."""


class Task(threading.Thread):
    """A call that can be paused in the middle.

    It has a thread only to have a place to wait: no two run at once. A task that is abandoned
    while it runs cannot be stopped. It goes on beside the others until it ends, pauses, or calls
    joblib, and nobody sees its result.

    `function` is called without arguments, within `context`. When it has ended, the scheduler
    calls `callback` with the task. `parent` is the task that made the call, or None.
    """

    def __init__(self, function, callback, scheduler, parent, context):
        super().__init__(daemon=True)
        self.function, self.callback, self.context = function, callback, context
        self.scheduler, self.parent = scheduler, parent
        self.result = self.error = self.job = self.checksums = None
        self.flows = self.place = None  # see `helpers.fusing.process`
        self.waiter = None  # a task that cannot go on until this one is done
        self.ended = self.done = False  # done: joblib was told
        self._abandoned = False
        self._may_run, self._stands = threading.Event(), threading.Event()

    @property
    def abandoned(self):
        return self._abandoned or (self.parent is not None and self.parent.abandoned)

    @property
    def stands(self):
        """Whether it has paused or ended in its turn."""
        return self._stands.is_set()

    def start_turn(self):
        """Let it run until it pauses or ends; `wait` tells when that is."""
        self._stands.clear()
        if self.ident is None:
            self.start()
        else:
            self._may_run.set()

    def wait(self, deadline):
        """Wait until it has paused or ended; return False if it waits for a lock meanwhile.

        The main thread can be interrupted here, whatever the task does. Raise a `TimeoutError` at
        `deadline`, if there is one.
        """
        seen = None
        while True:
            left = STILL if deadline is None else min(STILL, max(0, deadline - time.monotonic()))
            if self._stands.wait(left):
                return True
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError
            before, seen = seen, lock_awaited_in(sys._current_frames().get(self.ident))
            if seen is not None and seen == before:
                return False

    def pause(self):
        """Wait, in the task's own thread, for its next turn."""
        self.check()
        self._stands.set()
        self._may_run.wait()
        self._may_run.clear()
        self.check()

    def check(self):
        """End the task, in its own thread, if it was abandoned."""
        if self.abandoned:
            raise Abandoned

    def abandon(self, deadline):
        """End the task at its next pause; if it is paused, wait until it has ended."""
        self._abandoned = self.scheduler.has_abandoned = True
        self.callback = self.waiter = self.job = self.result = self.error = None
        if self.ident is None:
            self.function = self.context = None
        elif self._stands.is_set() and self is not threading.current_thread():
            self._may_run.set()
            self.join(max(0, deadline - time.monotonic()))

    def run(self):
        function, self.function = self.function, None
        try:
            result, error = self.context.run(function), None
        except BaseException as raised:
            result, error = None, raised
        if not self.abandoned:
            self.result, self.error = result, error
        self.context, self.ended = None, True
        self._stands.set()

    def finish(self):
        """Tell joblib that the task has ended, so that it may hand in the next."""
        callback, self.callback = self.callback, None
        try:
            callback(self)
        except BaseException as error:  # for whoever made the call, like an error of the task
            self.result, self.error = None, error
        self.done = True

    def pop_result(self):
        """Return the result, or raise the error, and keep neither."""
        result, error = self.result, self.error
        self.result = self.error = None
        if error is None:
            return result
        try:
            raise error
        finally:
            error = None  # its traceback holds this frame: a circle, which would stay


def lock_awaited_in(frame):
    """Return where a thread takes a lock if that is what it does, as its frame shows, or None.

    Its code must be at a line such as `with lock:`, and not at one that waits for an event, for
    another thread or for a process.
    """
    if frame is None:
        return None
    if frame.f_globals.get("__name__") == "threading":  # a Condition, or a Semaphore, which has one
        inner = frame.f_code.co_name, frame.f_back.f_code.co_name if frame.f_back else ""
        is_lock = bool({"acquire", "__enter__"} & {*inner})
    else:
        line = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
        is_lock = re.match(TAKES_LOCK, line) is not None
    return (id(frame), frame.f_lasti) if is_lock else None
