"""What tests of several files need: which are run, in which order, and what is no mere warning."""

import gc
import os
import random
import signal
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
STRICT = str(TESTS / "strict")  # its sitecustomize.py makes errors of some warnings

# As `make` does, for those who call pytest themselves. torch and NumPy read this when they are
# imported. With networks this small more threads gain nothing, and lose much on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# What needs the lessons, the grader or a browser, and is left out by `--helpers-only`.
COURSE = {
    *("browser", "classroom", "environment", "lessons"),
    *("test_gallery", "test_honest_estimates"),
}
# A file stays in one process, so the long ones begin: a short one in the end keeps nobody waiting.
LONGEST_FIRST = [
    "test_assignments",
    "test_grading",
    "test_walls",
    "05b_leakage_catalogue",
    "03b_images",
    "08_beyond_one_machine",
    "test_leaky_and_honest",
    "test_checks_02_03",
    "05_leakage_gallery",
    "test_selfstudy",
    "test_trial",
    "test_jupyterlab",
    "test_book",
    "test_cleaning",
    "04_fitted_model_reuse",
    "test_checks_03b",
    "test_checks_06",
    "test_frozen",
    "test_scores",
    "test_nbval_pictures",
    "test_grouping",
    "test_loss",
    "test_fused_loss",
    "07_fused_search",
    "test_teachers_guide",
    "test_cluster",
    "06b_honest_claims",
    "test_state",
    "03_grid_search",
    "test_backend",
    "test_rows",
    "test_check_estimator",
]


# The libraries make millions of objects that stay: nobody need look for rubbish among them, neither
# while all tests are imported, of which it takes a quarter of the time, nor later.
gc.disable()


def pytest_collection_finish():
    gc.freeze()
    gc.enable()


def pytest_addoption(parser):
    parser.addoption(
        "--helpers-only",
        action="store_true",
        help="leave out the tests that need the lessons, the grader or a browser",
    )


def pytest_ignore_collect(collection_path, config):
    """Return True for what is left out, and None for what pytest is to decide."""
    course = collection_path.parent == TESTS and collection_path.stem in COURSE
    left_out = course and config.getoption("--helpers-only")
    # What tests share holds no examples, and importing it all only to look takes seconds.
    shared = collection_path.suffix == ".py" and not collection_path.stem.startswith(
        ("test_", "__")
    )
    return True if left_out or (shared and TESTS in collection_path.parents) else None


def pytest_collection_modifyitems(items):
    place = {name: number for number, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    """Begin each test without a figure, at one state of the global generators.

    Some networks of other libraries draw from them, and have no seed of their own.
    """
    random.seed(0)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(0)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")  # it warns of many figures, whoever has drawn them


# dask takes a worker that does not answer for dead; on a busy machine it may only be slow.
PATIENT = ("COMM__TIMEOUTS__CONNECT", "COMM__TIMEOUTS__TCP", "SCHEDULER__WORKER_TTL")


def pytest_configure(config):
    """Set variables for what tests start: kernels, workers, other Pythons."""
    os.environ.update({f"DASK_DISTRIBUTED__{name}": "20 minutes" for name in PATIENT})
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if STRICT not in given:  # as in a process of pytest-xdist
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [STRICT, *given]))


@pytest.fixture
def ctrl_c():
    """Have SIGINT raise KeyboardInterrupt; a shell ignores it for what it runs in background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
