"""The joblib backend of `fused`: calls that may train networks become tasks of a scheduler."""

import contextvars
import copy
import sys
import time
from contextlib import ExitStack, contextmanager
from functools import partial

from joblib.parallel import get_active_backend
from sklearn.base import BaseEstimator

from helpers._compat import FallbackToBackend, ParallelBackendBase
from helpers.fusing.modes import settings_of_thread
from helpers.fusing.tasks import Task

# Seconds that paused tasks have, all together, to end in when their call is given up.
TIME_TO_END = 1.0


class FusingBackend(ParallelBackendBase):
    """What joblib finds as its backend inside `fused`.

    It gives each call of joblib a backend of its own: a `TaskBackend` where the call may train
    networks, else the one that it would have without `fused`, so that it costs what it costs
    there. `outside` are the `backends_outside`, if somebody has asked for them before.
    """

    uses_threads = supports_sharedmem = True
    supports_return_generator = True

    def __init__(self, scheduler, nesting_level=0, outside=None):
        super().__init__(nesting_level=nesting_level)
        self.scheduler = scheduler
        self.outside = outside or backends_outside()

    def effective_n_jobs(self, n_jobs):
        """Answer whoever asks before he cuts his work into parts.

        Many parts are good where each may train a network, and a loss elsewhere.
        """
        asking = asking_estimator()
        ours = asking is not None and holds_foreign(asking.get_params(deep=False))
        if n_jobs != 0 and ours and self.scheduler.can_wait():
            return self.scheduler.max_models
        return self.outside[None].effective_n_jobs(n_jobs)

    def configure(self, n_jobs=1, parallel=None, prefer=None, require=None, **_):
        """Choose the backend of a call: joblib goes on with the one that is raised here."""
        if task := self.scheduler.current_task():
            task.check()
        asking = asking_estimator()
        is_ours = asking is None or holds_foreign(asking)
        if is_ours and self.scheduler.can_wait():
            raise FallbackToBackend(TaskBackend(self))
        raise FallbackToBackend(copy.copy(self.outside[require or prefer]))


class TaskBackend(ParallelBackendBase):
    """Runs one call of joblib as tasks of a scheduler.

    joblib asks for the results in the order of the tasks, and nothing runs but while it asks
    (here, ``supports_retrieve_callback = False``). So a generator that is not consumed costs
    nothing, and several may be open.
    """

    supports_retrieve_callback = False
    supports_return_generator = True

    def __init__(self, chosen_by):
        super().__init__(nesting_level=chosen_by.nesting_level)
        self.scheduler, self.outside = chosen_by.scheduler, chosen_by.outside

    @property
    def supports_timeout(self):
        """Not in a task, which stands still while others run; joblib warns of it."""
        return self.scheduler.current_task() is None

    def effective_n_jobs(self, n_jobs):
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        return self.scheduler.max_models

    def configure(self, n_jobs=1, parallel=None, **_):
        # No order is promised for return_as="generator_unordered", so this one will do.
        parallel.return_ordered = True
        return self.effective_n_jobs(n_jobs)

    def start_call(self):
        self.parent = self.scheduler.current_task()
        self.context = contextvars.copy_context()
        self.settings = settings_of_thread()
        self.open = set()
        self.held_back = []

    def submit(self, func, callback=None):
        if self.parent is not None:
            self.parent.check()
        func = partial(with_settings, self.settings, func)
        task = Task(func, callback, self.scheduler, self.parent, self.context.copy())
        self.open.add(task)
        if self.held_back is None:
            self.scheduler.add(task)
        else:
            self.held_back.append(task)
        return task

    @contextmanager
    def retrieval_context(self):
        """Let the tasks begin: joblib enters here before it asks for the first result.

        Before, it may hold its lock, which it needs again when a task ends.
        """
        held_back, self.held_back = self.held_back or [], None
        for task in held_back:
            self.scheduler.add(task)
        yield

    def retrieve_result(self, task, timeout=None):
        if task is None:  # the caller's own iterator failed, and joblib has its error
            return None
        self.scheduler.run_until_done(task, timeout)
        self.open.discard(task)
        return task.pop_result()

    def abort_everything(self, ensure_ready=True):
        deadline = time.monotonic() + TIME_TO_END
        process, running = self.scheduler.process, self.scheduler.running
        with process.kept():
            for task in list(self.open):
                task.abandon(deadline)
        self.open.clear()
        if running is not None and running.abandoned:
            process.put_back()

    def get_nested_backend(self):
        return FusingBackend(self.scheduler, self.nesting_level + 1, self.outside), None


def with_settings(settings, function):
    """Call a function with the settings of the thread that called joblib."""
    with ExitStack() as stack:
        for setting in settings:
            stack.enter_context(setting())
        return function()


def backends_outside():
    """Return the backends that joblib chooses now, by what is preferred or required of them."""
    backends = {hint: get_active_backend(prefer=hint)[0] for hint in (None, "threads", "processes")}
    return backends | {"sharedmem": get_active_backend(require="sharedmem")[0]}


def asking_estimator():
    """Return the estimator of scikit-learn that calls joblib, or None.

    joblib does not say on whose behalf it asks, but the functions that are being called do: the
    nearest one of scikit-learn with a `self` or `estimator` that is one. Functions of others are
    not looked into, nor what lies behind them.
    """
    frame = sys._getframe(2)
    while frame and (package := _package(frame.f_globals.get("__name__"))) in ("joblib", "sklearn"):
        if package == "sklearn":
            for name in ("self", "estimator"):
                if isinstance(found := frame.f_locals.get(name), BaseEstimator):
                    return found
        frame = frame.f_back
    return None


def _package(name):
    return (name or "").split(".")[0]


def holds_foreign(value):
    """Tell whether an estimator, or one in its parameters, is not scikit-learn's own.

    Those of scikit-learn train no networks that are ours; nobody knows of the others.
    """
    if isinstance(value, dict):
        return any(map(holds_foreign, value.values()))
    if isinstance(value, list | tuple):
        return any(map(holds_foreign, value))
    if isinstance(value, type) or not hasattr(value, "fit"):
        return False
    if _package(type(value).__module__) != "sklearn" or not hasattr(value, "get_params"):
        return True
    return holds_foreign(value.get_params(deep=False))
