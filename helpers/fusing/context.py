"""`with fused():` scikit-learn's searches train all their networks at once."""

import time
import warnings
from contextlib import contextmanager
from numbers import Integral

from joblib import parallel_config

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
def fused(max_models=512):
    """Train the networks of scikit-learn's searches side by side instead of one by one.

    Inside the block, whatever scikit-learn would run in parallel (`GridSearchCV`,
    `cross_validate`, `permutation_test_score`, `learning_curve`, `BaggingClassifier`, nested
    searches, Pipelines in them) waits at each fit of a `TorchClassifier` or `TorchRegressor`
    until all have come that far. Then their networks are trained as one, and everybody goes on.
    The scores are those of the plain loop, with dropout as well: each network draws its masks from
    its own seed, whoever else is trained.

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
        Where networks cannot be stacked: sparse input, optimizers of your own, random numbers
        drawn outside torch's dropout layers, hooks, attributes that are another object in each
        network, what `torch.func.vmap` refuses. They train one by one.

    Notes
    -----
    It pays for many small networks, whose time goes into Python and not into products. Do not
    use it where one network keeps the machine busy by itself (some hundred units, or a batch of
    some hundred rows: there it gains little), nor to measure the ``fit_time`` of a search, which
    includes the waiting, nor for a search over estimators without torch, which run one after
    another whatever `n_jobs` says.

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
    scheduler = Scheduler(max_models, run.batches)
    token = trainer.set(scheduler.train)
    try:
        with parallel_config(backend=FusingBackend(scheduler)), warnings.catch_warnings():
            yield run
    finally:
        run._stop = time.perf_counter()
        trainer.reset(token)
        scheduler.close()
