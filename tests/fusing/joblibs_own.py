"""A plugin for pytest that runs joblib's own tests of backends on that of `fused`.

It stands in for the backend "threading", whose tests it has to pass:

    python -m pytest -p tests.fusing.joblibs_own --pyargs joblib.test.test_parallel
"""

from joblib.parallel import BACKENDS

from helpers.fusing.backend import FusingBackend, backends_outside
from helpers.fusing.scheduler import Scheduler

CANNOT_PASS = {
    "test_backend_context_manager": "asks for the class ThreadingBackend by name",
    "test_nested_backend_context_manager": "the same",
    "test_nested_backend_in_sequential": "the same",
    "test_nested_parallelism_limit": "the same; here nested calls are tasks, however deep",
    "test_dispatch_one_job": "n_jobs=1 makes no loop here: a search with n_jobs=1 is fused, too",
    "test_parallel_unordered_generator_returns_fastest_first": "only one task runs at a time",
}


OUTSIDE = backends_outside()


def make_backend(nesting_level=None):
    return FusingBackend(Scheduler(512, 50_000_000, []), nesting_level, OUTSIDE)


BACKENDS["threading"] = make_backend


def pytest_collection_modifyitems(config, items):
    chosen, left_out = [], []
    for item in items:
        of_us = "threading" in item.name and item.originalname not in CANNOT_PASS
        (chosen if of_us else left_out).append(item)
    config.hook.pytest_deselected(items=left_out)
    items[:] = chosen
