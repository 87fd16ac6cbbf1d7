"""How seconds and memory grow: fits from 10 to 10,000, rows from 1e3 to 1e6; plain, fused, dask."""

import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, nullcontext

import numpy as np
import torch
from joblib import parallel_config
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, cross_val_score

from helpers import TorchClassifier, fused
from tests.memory import megabytes

FOLDS = 5
FITS, ROWS = (10, 100, 1000, 10_000), (1000, 10_000, 100_000, 1_000_000)
# What joblib takes to hand out a task to dask grows with their number: 2,000 fits of one epoch
# took 6 s on two cores, 4,000 took 57 s. So dask ends here, and its curve says where one should.
MOST_ON_DASK = 2000
# dask has its workers give memory back at once, which makes torch fetch it again for each product.
WORKERS = "distributed.nanny.pre-spawn-environ."
KEEP_MEMORY = {
    WORKERS + "MALLOC_TRIM_THRESHOLD_": 2**30,
    WORKERS + "MALLOC_MMAP_THRESHOLD_": 2**25,
}
NESTED = (32, 3, 4)  # candidates, inner folds, outer folds


class FusedGridSearchCV(GridSearchCV):
    def fit(self, X, y=None, **params):
        with fused():
            return super().fit(X, y, **params)


@contextmanager
def workers():
    """Two worker processes, started and warm; yields their client."""
    import dask
    from dask.distributed import LocalCluster

    from helpers.cluster import SafeClient

    dask.config.set(KEEP_MEMORY)
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        with SafeClient(cluster) as client, parallel_config(backend="dask"):
            client.run(__import__, "helpers")
            yield client


ENGINES = {"plain": nullcontext, "fused": fused, "dask": workers}


def one_search(engine, n_fits, n_rows, epochs):
    """Print the seconds of one search and the peak of all its processes."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, 10)).astype("float32")
    y = (X[:, 0] + rng.normal(size=n_rows) > 0).astype(int)
    clf = TorchClassifier(module__hidden=16, epochs=epochs, batch_size=128, random_state=0)
    grid = {"lr": np.geomspace(1e-4, 1e-1, n_fits // FOLDS)}
    search = GridSearchCV(clf, grid, cv=FOLDS, refit=False)
    with ENGINES[engine]() as running:
        start = time.perf_counter()
        search.fit(X, y)
        seconds = time.perf_counter() - start
        peaks = [megabytes()]
        if engine == "dask":
            peaks += running.run(megabytes).values()
    print(seconds, sum(peaks))


def apart(*arguments):
    """Return (seconds, MB) of a search in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.scale", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return tuple(map(float, done.stdout.split()))


def curve(name, sizes, arguments):
    """Print one row for each size, and the seconds that one more costs, by the two largest."""
    print(f"  {name:>9}" + "".join(f"{engine:>20}" for engine in ENGINES))
    seconds = {engine: [] for engine in ENGINES}
    for size in sizes:
        print(f"  {size:>9,}", end="", flush=True)
        for engine in ENGINES:
            if engine == "dask" and arguments(size)[0] > MOST_ON_DASK:
                continue
            took, megabytes = apart(engine, *arguments(size))
            seconds[engine].append(took)
            print(f"{took:>9.2f} s {megabytes:>6.0f} MB", end="", flush=True)
        print()
    for engine, (*_, before, last) in seconds.items():
        some = sizes[: len(seconds[engine])]
        each = 1000 * (last - before) / (some[-1] - some[-2])
        print(f"  {engine}: {each:.4f} ms for one more")


def nested():
    """Print the seconds of a nested search, for both engines alone and one inside the other."""
    X, y = load_digits(return_X_y=True)
    n_candidates, inner, outer = NESTED
    clf = TorchClassifier(epochs=20, batch_size=64, random_state=0)
    grid = {"lr": np.geomspace(1e-3, 1e-1, n_candidates)}
    print(f"  digits, {n_candidates} candidates, {inner} inner and {outer} outer folds, 20 epochs:")
    scores = []
    for engine in ("plain", "dask"):
        with ENGINES[engine]():
            for kind in (GridSearchCV, FusedGridSearchCV):
                start = time.perf_counter()
                scores.append(cross_val_score(kind(clf, grid, cv=inner), X, y, cv=outer))
                took = time.perf_counter() - start
                print(f"    {kind.__name__:18} {engine}: {took:6.2f} s", flush=True)
    print(f"    all scores equal: {all(np.array_equal(each, scores[0]) for each in scores)}")


class Watch(threading.Thread):
    """Keeps the peak of what this process has allocated itself, pages of files not counted."""

    def __init__(self):
        super().__init__(daemon=True)
        self.peak, self.done = 0, threading.Event()

    def run(self):
        while not self.done.wait(0.01):
            self.peak = max(self.peak, megabytes(what="RssAnon"))


def large_file(gigabytes=4):
    """Print the memory that one epoch on a file takes."""
    n_rows, n_features = int(gigabytes * 1e6), 250
    with tempfile.TemporaryDirectory() as folder:
        X = np.memmap(f"{folder}/X", "float32", "w+", shape=(n_rows, n_features))
        rng = np.random.default_rng(0)
        for start in range(0, n_rows, 100_000):
            rng.standard_normal(dtype="float32", out=X[start : start + 100_000])
        y = (X[:, 0] > 0).astype(int)
        X.flush()
        X = np.memmap(f"{folder}/X", "float32", "r", shape=(n_rows, n_features))
        clf = TorchClassifier(epochs=1, batch_size=1000, random_state=0)
        clf.fit(X[:2000], y[:2000])  # warms up
        watch, before = Watch(), megabytes(what="RssAnon")
        watch.start()
        start = time.perf_counter()
        clf.fit(X, y)
        took = time.perf_counter() - start
        watch.done.set()
        per_row = (watch.peak - before) * 1e6 / n_rows
        print(
            f"  a file of {X.nbytes / 1e9:.1f} GB, {n_rows:,} rows: one epoch {took:.0f} s, "
            f"{watch.peak - before:.0f} MB more memory of its own ({per_row:.0f} bytes a row), "
            f"right on {clf.score(X[-10_000:], y[-10_000:]):.3f} of the last 10,000"
        )


def main():
    print("  1,000 rows of 10 numbers, 10-16-2, batches of 128, 10 epochs; candidates x 5 folds:")
    curve("fits", FITS, lambda n_fits: (n_fits, 1000, 10))
    print("  10 fits, 1 epoch:")
    curve("rows", ROWS, lambda n_rows: (10, n_rows, 1))
    nested()
    large_file()


if __name__ == "__main__":
    torch.set_num_threads(1)
    one_search(sys.argv[1], *map(int, sys.argv[2:]))
