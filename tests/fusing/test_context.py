"""What `fused` is given, and what it says."""

import inspect
import warnings

import numpy as np
import pytest
from joblib import Parallel, delayed
from joblib.parallel import get_active_backend, parallel_config
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV, cross_val_score

import helpers.fusing
from helpers import TorchClassifier, fused

X, y = make_classification(60, 5, random_state=0)
CLASSIFIER = TorchClassifier(epochs=2, random_state=0, module__hidden=3)
FOLD = 48 * 5 * 8  # bytes of four fifths of X


@pytest.mark.parametrize("name", ["max_models", "max_bytes"])
@pytest.mark.parametrize("bad", [0, -1, 2.5, "many", None, True])
def test_bad_limits_are_refused(name, bad):
    with pytest.raises(ValueError, match=f"{name} must be a positive integer; got"):
        with fused(**{name: bad}):
            pass


@pytest.mark.slow
def test_limits_may_be_numbers_of_numpy():
    with fused(np.int64(2), max_bytes=np.int32(10**9)) as run:
        cross_val_score(CLASSIFIER, X, y)
    assert run.batches == [2, 2, 1]


@pytest.mark.slow
@pytest.mark.parametrize(
    "max_bytes, batches, few",
    [(1, [1] * 5, "only 1 fit waits"), (2 * FOLD, [2, 2, 1], "only 2 fits wait")],
)
def test_one_warning_where_rows_keep_fits_from_waiting(max_bytes, batches, few):
    with fused(max_bytes=max_bytes) as run, pytest.warns(UserWarning, match="max_bytes") as record:
        for _ in range(2):
            cross_val_score(CLASSIFIER, X, y)
    assert run.batches == batches * 2
    (warning,) = record
    message = str(warning.message)
    assert few in message and f"max_bytes={max_bytes:,}" in message and "max_models=512" in message


@pytest.mark.slow
@pytest.mark.parametrize(
    "limits",
    [
        {"max_bytes": 5 * FOLD},  # all five waited
        {"max_bytes": 10**9},
        {"max_models": 2, "max_bytes": 2 * FOLD},  # max_models alone would do
        {"max_models": 1},
    ],
)
def test_no_warning_where_enough_wait(limits):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fused(**limits):
            cross_val_score(CLASSIFIER, X, y)


def test_sparse_rows_have_a_size():
    with fused(max_bytes=1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cross_val_score(CLASSIFIER, sparse.csr_matrix(X), y)


@pytest.mark.slow
def test_a_block_within_a_block():
    plain = cross_val_score(CLASSIFIER, X, y)
    with fused() as outer:
        with fused(max_models=2) as inner:
            assert (cross_val_score(CLASSIFIER, X, y) == plain).all()
        assert (cross_val_score(CLASSIFIER, X, y) == plain).all()
    assert (inner.batches, outer.batches) == ([2, 2, 1], [5])


@pytest.mark.slow
def test_a_block_within_a_task():
    plain = cross_val_score(CLASSIFIER, X, y)

    def block():
        with fused() as run:
            assert (cross_val_score(CLASSIFIER, X, y) == plain).all()
        return run.batches

    with fused() as run:
        assert Parallel()(delayed(block)() for _ in range(2)) == [[5], [5]]
        cross_val_score(CLASSIFIER, X, y)
    assert run.batches == [5]


@pytest.mark.slow
def test_settings_of_joblib_around_the_block():
    search = GridSearchCV(CLASSIFIER, {"lr": [0.01, 0.1]}, refit=False)
    plain = clone(search).fit(X, y).cv_results_["mean_test_score"]
    with parallel_config("threading", n_jobs=2):
        with fused() as run:
            together = search.fit(X, y).cv_results_["mean_test_score"]
        assert get_active_backend()[1] == 2
    np.testing.assert_array_equal(plain, together)
    assert run.batches == [10]


def test_the_engine_says_what_is_where():
    """Its docstring follows one fit and names each of its modules."""
    folder = inspect.getfile(helpers.fusing).rsplit("/", 1)[0]
    import os

    modules = {name.removesuffix(".py") for name in os.listdir(folder) if name.endswith(".py")}
    missing = {name for name in modules - {"__init__"} if f"`{name}`" not in helpers.fusing.__doc__}
    assert missing == set()
