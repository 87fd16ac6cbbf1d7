"""scikit-learn's own checks: all of them run, and all of them pass."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

SCRIPT = """
import json, warnings
from sklearn.utils.estimator_checks import check_estimator
from helpers import TorchClassifier, TorchRegressor
warnings.simplefilter("ignore")
results = check_estimator({estimator}, on_fail=None, on_skip=None)
print(json.dumps([[r["check_name"], r["status"], str(r["exception"])[:300]] for r in results]))
"""


@pytest.mark.parametrize(
    "estimator, at_least",
    [
        ("TorchClassifier()", 64),
        ("TorchClassifier(epochs=50, module__hidden=16)", 64),
        ("TorchRegressor()", 60),
    ],
)
def test_every_check_runs_and_passes(estimator, at_least):
    # Without SCIPY_ARRAY_API, which must be set before scipy is imported, one check is skipped.
    environment = os.environ | {"SCIPY_ARRAY_API": "1"}
    command = [sys.executable, "-c", SCRIPT.format(estimator=estimator)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    results = json.loads(run.stdout)
    assert [result for result in results if result[1] != "passed"] == []
    assert len(results) >= at_least
