"""`with fused():` scikit-learn's searches train all their networks at once."""

import time
import warnings
from contextlib import contextmanager, suppress
from numbers import Integral

from joblib import parallel_config

from helpers.checks.arguments import is_number
from helpers.fusing.backend import FusingBackend
from helpers.fusing.scheduler import Scheduler
from helpers.training import trainer


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
def fused(max_models=512, max_bytes=50_000_000):
    """Train the networks of scikit-learn's searches side by side instead of one by one.

    Inside the block, whatever scikit-learn would run in parallel (`GridSearchCV`,
    `cross_validate`, `permutation_test_score`, `learning_curve`, `BaggingClassifier`, nested
    searches, Pipelines in them) waits at each fit of a `TorchClassifier` or `TorchRegressor`
    until all have come that far. Then their networks are trained together, and everybody goes on.
    The scores are those of the plain loop but for rounding (see Notes), with dropout as well: each
    network draws its masks from its own seed.

    Parameters
    ----------
    max_models : int, default=512
        Fits that wait for each other at most. With 1, each network is trained alone.
    max_bytes : int, default=50_000_000
        Bytes that the training rows of the waiting fits may hold. scikit-learn gives each fit a
        copy of its rows; with all other copies they take some three times as much memory. Once
        those that wait have reached it, no other fit begins before they are trained.

    Yields
    ------
    run : Run
        ``run.batches``, the fits trained together, and ``run.seconds``.

    Raises
    ------
    ValueError
        If `max_models` or `max_bytes` is not a positive integer. In a fit: if its rows, or
        something that its network reads outside of it, were changed by a later fit before this
        one was trained.

    Warns
    -----
    UserWarning
        Where networks cannot be trained together; the message says why. They are trained one
        by one, as without `fused`: sparse input, optimizers of your own, hooks, random numbers
        drawn outside torch's dropout layers, functions that keep their results
        (`functools.lru_cache`), what `torch.func.vmap` refuses, networks that were seen to
        answer otherwise when stacked, that read the environment or of which two are too large for
        a stack (16 MB in float32), fits that set the current folder
        or how torch computes, and all within a mode of torch. Once, where `max_bytes`
        keeps all but a few fits from waiting. Once for each global generator (numpy's, Python's,
        torch's) from which fits draw in another order than without `fused`.

    Notes
    -----
    It pays for many small networks, whose time goes into Python and not into products. Do not
    use it where one network keeps the machine busy by itself (some hundred units, or a batch of
    some hundred rows: there it gains little, and convolutions in full batches can take twice as
    long: time one candidate both ways), nor for a few networks of convolutions (four in batches of
    64 took 1.2 times as long), nor to measure the ``fit_time`` of a search, which includes the
    waiting.

    What scikit-learn's own estimators do (a forest, a `GridSearchCV` over them, a step of a
    Pipeline) runs as it would without `fused`, with its own `n_jobs`. For all other calls `n_jobs`
    has no meaning, since one thread trains all networks.

    Each call of joblib runs in a thread of its own. So a connection of `sqlite3`, a
    `threading.local` or a `signal` that belongs to your thread is of no use in a fit or a scorer.
    A fit has for itself, while others run: filters of warnings, `sys.stdout`, the environment, the
    current folder, `logging.disable` and the level of the root logger, torch's default dtype and
    determinism, and the global generators. A thread of yours should not set these within the block:
    what it sets may be taken for the running fit's. What else is set in the whole process for the
    time of a fit, as by `unittest.mock.patch`, the other fits see as well; and from a RandomState
    that fits share they draw in another order. Fits that draw from a global generator and then seed
    it, before their training, all draw the same.

    A thread that is started inside the block is not in it: what it trains is trained as without
    `fused`. Callbacks are called for all fits in each epoch, where the plain loop ends one fit
    before it begins the next: that matters to a callback that compares fits. Recipes, too, are
    called before the fits that come first are trained: one that begins with what an earlier fit has
    left behind, such as its weights, does not find it, and nobody warns.

    Ctrl-C ends a search at once. A fit without torch that is running then cannot be stopped; it
    goes on in the background until its end, and its result is dropped.

    Networks are trained together if they have the same layers with the same settings (the rate of
    dropout is one), shape of a row, precision, device, `augment`, `loss`, optimizer with the same
    arguments, `batch_size` and number of steps in an epoch, and if all of them have `patience` or
    none. They may differ in `lr`, `weight_decay`, `schedule`, `clip`, `random_state`, rows, weights
    of rows and classes, and in `epochs`; fits that differ in `epochs` alone are one training with
    snapshots.

    Rounding is other than in the plain loop, as on another processor. Adam makes it large where a
    gradient is rounding alone, as that of a bias before BatchNorm in float32: some predictions of
    such a network may differ. Write ``bias=False`` in that layer, or hand over float64, where they
    differ by some 1e-9.

    Where the networks of a search have seeds of their own, as with ``random_state=None``, drawing
    their dropout masks takes up to a quarter of the time, and `augment` is called for each network
    in each step. Where they have one seed, those of a fold share both: it takes a twentieth.

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
    for name, value in (("max_models", max_models), ("max_bytes", max_bytes)):
        if not is_number(value, Integral) or value < 1:
            raise ValueError(f"{name} must be a positive integer; got {value!r}.")
    run = Run()
    scheduler = Scheduler(int(max_models), int(max_bytes), run.batches)
    token = trainer.set(scheduler.train)
    try:
        # Blocks in several threads share the filters of warnings: each puts back what it found.
        with parallel_config(backend=FusingBackend(scheduler)), warnings.catch_warnings():
            yield run
    finally:
        run._stop = time.perf_counter()
        with suppress(ValueError):  # closed in another context, where nothing is set
            trainer.reset(token)
