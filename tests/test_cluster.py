"""The same search on a cluster of two worker processes over TCP: the same scores."""

import asyncio
import gc
import os
import signal
import sys

import numpy as np
import pytest
import torch
from dask.distributed import LocalCluster
from joblib import parallel_config
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import Dataset

from helpers import TorchClassifier, fused, rows_of
from helpers.cluster import SafeClient

pytestmark = pytest.mark.slow

X, y = load_digits(return_X_y=True)
X, y = X[:600], y[:600]
GRID = {"lr": [0.003, 0.01], "weight_decay": [0.0, 0.01]}


@pytest.fixture(scope="module")
def client():
    options = {"threads_per_worker": 1, "dashboard_address": ":0", "silence_logs": 50}
    with LocalCluster(n_workers=2, **options) as cluster:
        with SafeClient(cluster) as client:
            yield client


def scores(search):
    return search.fit(X, y).cv_results_["mean_test_score"]


def search_over(recipe):
    clf = TorchClassifier(recipe, epochs=3, batch_size=64, random_state=0)
    return GridSearchCV(clf, GRID, cv=3, refit=False)


def local_recipe():
    """A recipe that no other process can import, as one that was defined in a notebook."""

    class Local(nn.Module):
        def __init__(self, n_features, n_outputs):
            super().__init__()
            self.first, self.last = nn.Linear(n_features, 8), nn.Linear(8, n_outputs)

        def forward(self, X):
            return self.last(torch.tanh(self.first(X)))

    return Local


def test_the_scores_are_the_same_to_the_last_digit(client):
    assert client.scheduler.address.startswith("tcp://") and len(client.nthreads()) == 2
    search = search_over(local_recipe())
    search.estimator = make_pipeline(StandardScaler(), search.estimator)
    search.param_grid = {f"torchclassifier__{name}": values for name, values in GRID.items()}
    here = scores(search)
    assert len(set(here)) > 1
    with parallel_config(backend="dask"):
        assert np.array_equal(scores(search), here)
    with parallel_config(backend="dask", scatter=[X, y]):
        assert np.array_equal(scores(search), here)


def test_candidates_are_fused_within_a_worker(client):
    class Fused(GridSearchCV):
        def fit(self, X, y=None, **params):
            with fused() as run:
                super().fit(X, y, **params)
            self.batches_, self.worker_ = run.batches, os.getpid()
            return self

    plain = search_over(local_recipe())
    within = Fused(plain.estimator, GRID, cv=3)
    here = cross_val_score(plain.set_params(refit=True), X, y, cv=3)
    with parallel_config(backend="dask"):
        assert np.array_equal(cross_val_score(within, X, y, cv=3), here)
    there = client.submit(lambda search: search.fit(X, y), within).result()
    assert there.batches_ == [12, 1] and there.worker_ != os.getpid()


def test_rows_that_are_loaded_from_files_are_loaded_by_the_workers(client, tmp_path):
    class Files(Dataset):
        """Rows in files; no other process can import this class."""

        def __len__(self):
            return 90

        def __getitem__(self, i):
            (tmp_path / f"{os.getpid()}").touch()
            return torch.from_numpy(np.load(tmp_path / f"{i}.npy")), int(y[i])

    for i in range(90):
        np.save(tmp_path / f"{i}.npy", X[i].astype(np.float32))
    search = search_over(local_recipe())
    here = search.fit(rows_of(Files()), y[:90]).cv_results_["mean_test_score"]
    assert {path.name for path in tmp_path.glob("*") if not path.suffix} == {str(os.getpid())}
    with parallel_config(backend="dask"):
        there = search.fit(rows_of(Files()), y[:90]).cv_results_["mean_test_score"]
    assert np.array_equal(there, here)
    workers = set(client.run(os.getpid).values())
    assert workers & {int(path.name) for path in tmp_path.glob("*") if not path.suffix}


def test_no_error_is_swallowed(client, monkeypatch):
    swallowed = []
    gc.collect()  # what other tests have left
    monkeypatch.setattr(sys, "unraisablehook", swallowed.append)
    with parallel_config(backend="dask"):
        cross_val_score(search_over(local_recipe()).estimator, X, y)
    gc.collect()
    assert swallowed == []


class Unsendable:
    def __reduce__(self):
        raise NotImplementedError  # without a message


@pytest.mark.parametrize("make", [lambda: open(os.devnull, "w"), Unsendable], ids=["file", "mute"])
def test_what_cannot_be_sent_is_an_error_and_no_wait_without_end(client, make):
    held = make()

    def recipe(n_features, n_outputs):
        return nn.Linear(n_features, n_outputs) if held else None

    with parallel_config(backend="dask"), pytest.raises(TypeError, match="cannot be sent to a"):
        search_over(recipe).fit(X, y)
    with parallel_config(backend="dask"):  # and the cluster goes on
        search_over(local_recipe()).fit(X, y)
    getattr(held, "close", int)()


def test_other_tasks_are_submitted_as_by_dasks_own_client(client):
    assert client.submit(func=dict, key="named").result() == {}
    assert client.submit(dict, tasks=[1]).result() == {"tasks": [1]}


@pytest.mark.parametrize("broadcast, copies", [(True, 2), (False, 1)])
def test_what_the_user_scatters_goes_to_the_workers_and_stays(client, broadcast, copies):
    (future,) = client.scatter([np.arange(3)], broadcast=broadcast, hash=False)
    assert future.result().tolist() == [0, 1, 2]
    assert len(client.who_has(future)[future.key]) == copies
    # dask's Active Memory Manager would drop all copies but one, in its next round.
    assert not (broadcast and client.amm.running())


def test_what_joblib_scatters_is_left_on_no_worker(client):
    def held():
        return {key for keys in client.has_what().values() for key in keys}

    before = held()
    asked = client.scatter(X, asynchronous=True, hash=False)  # as joblib does
    assert asyncio.run_coroutine_threadsafe(asked, client.loop.asyncio_loop).result(1200) is None
    # Not equality: what an earlier test left may be given up meanwhile.
    assert held() <= before


def fragile(flag, at):
    """A recipe that kills the process that is the `at`-th to call it."""
    recipe = local_recipe()

    def fragile_recipe(n_features, n_outputs):
        with flag.open("ab", buffering=0) as calls:
            calls.write(b".")
            mine = calls.tell()  # not the size, which another process may have changed since
        if mine == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return recipe(n_features, n_outputs)

    return fragile_recipe


# The last, so that nobody waits for the worker that dask starts in the place of the killed one.
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_worker_loses_nothing(client, tmp_path):
    here = scores(search_over(local_recipe()))
    calls = tmp_path / "calls"
    # Half-way; lesson 08 has it at the first call, and without scatter.
    with parallel_config(backend="dask", scatter=[X, y]):
        after_death = scores(search_over(fragile(calls, at=13)))
    assert np.array_equal(after_death, here)
    # Each of 12 fits calls its recipe twice; the lost fits have called it again.
    assert calls.stat().st_size > 24
