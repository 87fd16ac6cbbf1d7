"""A deprecated call is an error where our own code makes it, and nowhere else."""

import subprocess
import sys
import warnings

import pytest

CATEGORIES = [DeprecationWarning, PendingDeprecationWarning, FutureWarning]
CALL = "import warnings; warnings.warn('will be removed', {})"


def call_deprecated(module, category):
    """Make a deprecated call in a module of that name."""
    exec(CALL.format(category.__name__), {"__name__": module})


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("module", ["helpers", "helpers.fusing.stack", "leaks.kinds", __name__])
def test_in_our_own_modules_it_is_an_error(module, category):
    with pytest.raises(category, match="will be removed"):
        call_deprecated(module, category)


@pytest.mark.parametrize("module", ["sklearn.base", "helpers_of_others", "torch"])
def test_between_libraries_it_is_none(module):
    with warnings.catch_warnings(record=True) as caught:
        call_deprecated(module, FutureWarning)
    assert [str(each.message) for each in caught] == ["will be removed"]


IN_HELPERS = f"exec({CALL.format('FutureWarning')!r}, {{'__name__': 'helpers.estimator'}})"
IN_A_NOTEBOOK = CALL.format("DeprecationWarning")
IN_A_LIBRARY = f"exec({CALL.format('FutureWarning')!r}, {{'__name__': 'sklearn.base'}})"


@pytest.mark.parametrize(
    "code, fails", [(IN_HELPERS, True), (IN_A_NOTEBOOK, True), (IN_A_LIBRARY, False)]
)
def test_the_same_holds_in_other_processes(code, fails):
    """Kernels, workers of joblib and dask, and scripts inherit the variable."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert bool(done.returncode) == fails and "will be removed" in done.stderr
