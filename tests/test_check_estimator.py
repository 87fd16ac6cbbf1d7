"""scikit-learn's own checks: all that can run, and all of these pass."""

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


# Of several labels; scikit-learn's MLPClassifier has no decision_function either.
NOT_OURS = "check_classifiers_multilabel_output_format_decision_function"


@pytest.mark.parametrize(
    "estimator, at_least",
    [
        ("TorchClassifier()", 67),
        ("TorchClassifier(epochs=50, module__hidden=16)", 67),
        ("TorchRegressor()", 61),
    ],
)
def test_every_check_runs_and_passes(estimator, at_least):
    # Without SCIPY_ARRAY_API, which must be set before scipy is imported, one check is skipped.
    environment = os.environ | {"SCIPY_ARRAY_API": "1"}
    command = [sys.executable, "-c", SCRIPT.format(estimator=estimator)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    results = json.loads(run.stdout)
    assert [one for one in results if one[1] != "passed" and one[0] != NOT_OURS] == []
    assert len([one for one in results if one[1] == "passed"]) >= at_least
