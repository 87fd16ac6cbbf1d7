"""The joblib backend of `fused`: runs the calls of scikit-learn as tasks of a scheduler."""

import threading
from contextlib import contextmanager

from joblib.parallel import ParallelBackendBase

from helpers.fusing.scheduler import Task


class FusingBackend(ParallelBackendBase):
    """Has joblib run its calls as tasks of a scheduler; each task calls through one of its own."""

    supports_retrieve_callback = True
    supports_sharedmem = True
    uses_threads = True

    def __init__(self, scheduler, nesting_level=0):
        super().__init__(nesting_level=nesting_level)
        self.scheduler = scheduler
        self.start_call()

    def start_call(self):
        self.tasks, self.unfinished, self.failed, self.caller = [], 0, False, None

    def effective_n_jobs(self, n_jobs):
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        return self.scheduler.max_models

    def submit(self, func, callback=None):
        task = Task(func, callback, self)
        self.tasks.append(task)
        self.unfinished += 1
        self.scheduler.add(task)
        return task

    def end(self, task, outcome):
        """Note what became of a task; joblib may submit the next."""
        task.callback(outcome)
        self.unfinished -= 1
        self.failed = self.failed or outcome.exception() is not None
        if self.settled() and self.caller:
            self.scheduler.awake.append(self.caller)
            self.caller = None

    def settled(self):
        return self.failed or not self.unfinished

    def retrieve_result_callback(self, outcome):
        return outcome.result()

    @contextmanager
    def retrieval_context(self):
        """Wait for the tasks of this call: joblib enters here before it collects results."""
        if self.nesting_level == 0:
            self.scheduler.run_until(self.settled)
        elif not self.settled():
            self.caller = threading.current_thread()
            self.caller.pause()
        yield

    def get_nested_backend(self):
        return FusingBackend(self.scheduler, self.nesting_level + 1), None

    def abort_everything(self, ensure_ready=True):
        for task in self.tasks:
            task.abandon()
