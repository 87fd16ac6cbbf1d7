"""A client of a dask cluster with which a search survives the death of a worker."""

import io

import cloudpickle
import dask
import numpy as np
import torch
from dask.distributed import Client, Future

from helpers._compat import _TracebackCapturingWrapper

# On Linux dask's workers hand freed memory back at once, and torch waits for it at every step.
KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": 2**30, "MALLOC_MMAP_THRESHOLD_": 2**25}


def local_workers(n_workers=2):
    """Start a cluster on this machine, of a scheduler and workers of one thread each.

    Parameters
    ----------
    n_workers : int, default=2

    Returns
    -------
    client : SafeClient
        Its `close` ends the cluster, which else ends with this process.

    Examples
    --------
    >>> from helpers.cluster import local_workers
    >>> with local_workers(1) as client:
    ...     client.submit(sum, [1, 2]).result()
    3
    """
    variables = {f"distributed.nanny.pre-spawn-environ.{k}": v for k, v in KEEP_MEMORY.items()}
    with dask.config.set(variables):
        return SafeClient(
            n_workers=n_workers, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        )


class SafeClient(Client):
    """A `dask.distributed.Client` that leaves no array on one worker alone.

    joblib hands each array of a search to the worker that happens to need it first, and the others
    fetch it from there. If that worker dies the array is gone, and the search ends with an error.
    With this client the arrays travel with the tasks that need them. Those that are named in
    ``parallel_config(backend="dask", scatter=[X, y])`` go once to every worker instead, before the
    search begins, which is the way for tables of more than some MB. They stay there: dask's Active
    Memory Manager, which would drop all copies but one, is stopped on the cluster.

    Parameters
    ----------
    *args, **kwargs
        Those of `dask.distributed.Client`: the cluster, or its address.

    Notes
    -----
    What a worker was computing when it died is computed again elsewhere. So the results are those
    of a search in one process if each fit depends on its arguments alone, as with an integer
    `random_state`. What dies with the scheduler, or with the process that asked, is lost.

    Something in a search that cannot be pickled, such as a recipe that uses a lock, is a
    TypeError. With dask's own client joblib would wait for ever, and so it does where a worker
    starts a search within a search, since it has a client of dask's own.

    On Linux dask starts its workers with ``MALLOC_TRIM_THRESHOLD_=65536``. With it torch took
    twice the time for small products, and more for large arrays; `local_workers` starts them
    without.

    References
    ----------
    How joblib scatters: https://joblib.readthedocs.io/en/stable/parallel.html and the class
    ``joblib._dask.DaskDistributedBackend``.

    Examples
    --------
    >>> from dask.distributed import LocalCluster
    >>> from joblib import parallel_config
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import cross_val_score
    >>> from helpers import TorchClassifier
    >>> from helpers.cluster import SafeClient
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = TorchClassifier(epochs=5, random_state=0)
    >>> with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster:
    ...     with SafeClient(cluster), parallel_config(backend="dask", scatter=[X, y]):
    ...         there = cross_val_score(clf, X, y)
    >>> bool((there == cross_val_score(clf, X, y)).all())
    True
    """

    def scatter(self, data, workers=None, broadcast=False, **options):
        """Scatter as `dask.distributed.Client` does, except where joblib asks of its own accord.

        It does so for each array of a search, asynchronously and without `broadcast`.
        """

        async def nowhere():  # joblib awaits a future; for None it sends the array with the task
            return None

        if options.get("asynchronous") and not broadcast:
            return nowhere()
        if broadcast and not options.get("asynchronous"):
            self.amm.stop()
        return super().scatter(data, workers, broadcast, **options)

    def submit(self, func, *args, **options):
        """Submit as `dask.distributed.Client` does, but give joblib an error that it can see."""
        if isinstance(func, _TracebackCapturingWrapper):  # it comes from joblib
            try:
                _Trial(io.BytesIO()).dump(options["tasks"])
            except Exception as error:  # dask would only log it, and joblib would wait
                why = f"{type(error).__name__}: {error}"
                refuse = _TracebackCapturingWrapper(_refuse)
                return super().submit(refuse, why=why, key=options["key"])
        return super().submit(func, *args, **options)


class _Trial(cloudpickle.Pickler):
    """Pickles all but numbers, which can be many, and what workers have already."""

    def persistent_id(self, thing):
        is_array = isinstance(thing, np.ndarray) and not thing.dtype.hasobject
        return "left out" if is_array or isinstance(thing, torch.Tensor | Future) else None


def _refuse(why):
    raise TypeError(
        f"A fit cannot be sent to a worker, {why}. What an estimator and its recipe hold or use "
        "must be possible to pickle. Open files and connections inside the function that needs "
        "them."
    )
