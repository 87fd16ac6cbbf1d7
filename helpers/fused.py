"""`with fused():` scikit-learn's searches train all their networks at once."""

import heapq
import itertools
import threading
import time
import warnings
from collections import deque
from contextlib import contextmanager
from numbers import Integral

from joblib import parallel_config
from joblib.parallel import ParallelBackendBase

from helpers.grouping import train_together
from helpers.training import train_alone, trainer

# Bytes that the rows of those who wait may hold. They take some three times as much in all, with
# the copies that scikit-learn and the allocator keep for each thread.
ROWS_WAITING = 3 * 2**24


class Run:
    """What happened under `fused`.

    Attributes
    ----------
    batches : list of int
        Fits in each batch, in the order of training; 1 is a network that was trained alone.
    seconds : float
        From the beginning of the block until its end, or until now.
    """

    def __init__(self):
        self.batches = []
        self._start, self._stop = time.perf_counter(), None

    @property
    def seconds(self):
        return (self._stop or time.perf_counter()) - self._start

    def __repr__(self):
        n_fits, n_batches = sum(self.batches), len(self.batches)
        s = "" if n_batches == 1 else "es"
        return f"<{n_fits} fits in {n_batches} batch{s}, {self.seconds:.1f} s>"


@contextmanager
def fused(max_models=512):
    """Train the networks of scikit-learn's searches side by side instead of one by one.

    Inside the block, whatever scikit-learn would run in parallel (`GridSearchCV`,
    `cross_validate`, `permutation_test_score`, `learning_curve`, `BaggingClassifier`, nested
    searches, Pipelines in them) waits at each fit of a `TorchClassifier` or `TorchRegressor`
    until all have come that far. Then their networks are trained as one, and everybody goes on.
    The scores are those of the plain loop (with dropout: of other random masks).

    Parameters
    ----------
    max_models : int, default=512
        Fits that wait for each other at most. Fewer do where their training rows, of which
        scikit-learn gave each a copy, come to more than 50 MB.

    Yields
    ------
    run : Run
        ``run.batches``, the fits trained together, and ``run.seconds``.

    Raises
    ------
    ValueError
        If `max_models` is not a positive integer.

    Warns
    -----
    UserWarning
        Where networks cannot be stacked: sparse input, optimizers of your own, BatchNorm and
        other layers with buffers, hooks, what `torch.func.vmap` refuses. They train one by one.

    Notes
    -----
    It pays for many small networks, whose time goes into Python and not into products. Do not
    use it where one network keeps the machine busy by itself (some hundred units and a batch of
    some hundred rows), nor to measure the ``fit_time`` of a search, which includes the waiting,
    nor for a search over estimators without torch, which run one after another whatever
    `n_jobs` says.

    Networks share a batch if they have the same layers, loss, optimizer, precision, `batch_size`
    and number of steps in an epoch. Learning rates, seeds, rows, weights and `epochs` may differ;
    fits that differ in `epochs` alone are one training with snapshots.

    References
    ----------
    joblib's `parallel_config` brings scikit-learn to this backend. That models of one shape train
    well side by side is the idea of HFTA, https://arxiv.org/abs/2102.02344.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from helpers import TorchClassifier, fused
    >>> X, y = load_iris(return_X_y=True)
    >>> search = GridSearchCV(TorchClassifier(random_state=0), {"lr": [0.001, 0.01, 0.1]})
    >>> with fused() as run:
    ...     search = search.fit(X, y)
    >>> run.batches  # 3 candidates x 5 folds, and the refit
    [15, 1]
    """
    if not isinstance(max_models, Integral) or max_models < 1:
        raise ValueError(f"max_models must be a positive integer; got {max_models!r}.")
    run = Run()
    meeting = Meeting(max_models, run.batches)
    token = trainer.set(meeting.train)
    try:
        with parallel_config(backend=MeetingBackend(meeting)), warnings.catch_warnings():
            yield run
    finally:
        run._stop = time.perf_counter()
        trainer.reset(token)
        meeting.close()


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
        trainer.set(self.backend.meeting.train)
        try:
            outcome = Outcome(self.function())
        except BaseException as error:
            outcome = Outcome(error=error)
        if not self.abandoned:
            self.backend.end(self, outcome)
        self._back.release()


class Abandoned(BaseException):
    """Ends a task that nobody waits for; no `except Exception` on its way may stop it."""


class Outcome:
    """What a task returned or raised."""

    def __init__(self, result=None, error=None):
        self.result, self.error = result, error


class Meeting:
    """Where tasks wait for each other, so that their networks can be trained together."""

    def __init__(self, max_models, batches):
        self.max_models, self.batches = max_models, batches
        self.new = []  # a heap: the deepest first, so that few calls are open at once
        self.numbers = itertools.count()
        self.awake = deque()
        self.waiting, self.rows_waiting = [], 0

    def train(self, job):
        """Train a job: in a task, with those of the other tasks; else at once."""
        task = threading.current_thread()
        if not isinstance(task, Task) or task.backend.meeting is not self:
            self.batches.append(1)
            return train_alone(job)
        task.job = job
        self.waiting.append(task)
        self.rows_waiting += job.X.shape[0] * job.X.shape[1] * job.X.dtype.itemsize
        task.pause()
        task.job = None  # tasks are kept until their call ends, rows need not be
        if job.error is not None:
            raise job.error

    def add(self, task):
        """Take in a task that has not begun."""
        heapq.heappush(self.new, (-task.backend.nesting_level, next(self.numbers), task))

    def has_room(self):
        """Tell whether one more may wait."""
        return len(self.waiting) < self.max_models and self.rows_waiting < ROWS_WAITING

    def run_until(self, settled):
        """Give the tasks their turns, and train those who wait, until `settled()`."""
        while not settled():
            if self.awake:
                self.awake.popleft().resume()
            elif self.new and self.has_room():
                heapq.heappop(self.new)[-1].resume()
            else:
                waiting, self.waiting, self.rows_waiting = self.waiting, [], 0
                waiting = [task for task in waiting if not task.abandoned]
                train_together([task.job for task in waiting], self.batches)
                self.awake.extend(waiting)

    def close(self):
        """End whatever still waits."""
        for task in (*self.awake, *self.waiting):
            task.abandon()


class MeetingBackend(ParallelBackendBase):
    """Has joblib run its calls as tasks of a meeting; each task calls through one of its own."""

    supports_retrieve_callback = True
    supports_sharedmem = True
    uses_threads = True

    def __init__(self, meeting, nesting_level=0):
        super().__init__(nesting_level=nesting_level)
        self.meeting = meeting
        self.start_call()

    def start_call(self):
        self.tasks, self.unfinished, self.failed, self.caller = [], 0, False, None

    def effective_n_jobs(self, n_jobs):
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        return self.meeting.max_models

    def submit(self, func, callback=None):
        task = Task(func, callback, self)
        self.tasks.append(task)
        self.unfinished += 1
        self.meeting.add(task)
        return task

    def end(self, task, outcome):
        """Note what became of a task; joblib may submit the next."""
        task.callback(outcome)
        self.unfinished -= 1
        self.failed = self.failed or outcome.error is not None
        if self.settled() and self.caller:
            self.meeting.awake.append(self.caller)
            self.caller = None

    def settled(self):
        return self.failed or not self.unfinished

    def retrieve_result_callback(self, outcome):
        if outcome.error is not None:
            raise outcome.error
        return outcome.result

    @contextmanager
    def retrieval_context(self):
        """Wait for the tasks of this call: joblib enters here before it collects results."""
        if self.nesting_level == 0:
            self.meeting.run_until(self.settled)
        elif not self.settled():
            self.caller = threading.current_thread()
            self.caller.pause()
        yield

    def get_nested_backend(self):
        return MeetingBackend(self.meeting, self.nesting_level + 1), None

    def abort_everything(self, ensure_ready=True):
        for task in self.tasks:
            task.abandon()
