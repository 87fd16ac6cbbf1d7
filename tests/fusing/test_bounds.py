"""What `fused` takes and puts back: models at a time, memory, generators, threads."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from joblib.parallel import get_active_backend
from sklearn.datasets import make_classification
from sklearn.model_selection import (
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers import TorchClassifier, fused
from helpers.fusing.grouping import train_together
from tests.fusing import no_task_is_left
from tests.memory import FIRST_FIT

X, y = make_classification(90, 6, n_informative=4, n_classes=3, random_state=0)
CLASSIFIER = TorchClassifier(epochs=5, batch_size=16, random_state=0, module__hidden=4)
PIPELINE = make_pipeline(StandardScaler(), CLASSIFIER)
RATES = {"torchclassifier__lr": [0.001, 0.01, 0.05]}


def test_generators_and_backend_are_put_back():
    numpy_before, torch_before = np.random.get_state()[1].copy(), torch.get_rng_state()
    backend, filters = type(get_active_backend()[0]), list(warnings.filters)
    with fused():
        cross_val_score(PIPELINE, X, y)
    assert np.array_equal(numpy_before, np.random.get_state()[1])
    assert torch.equal(torch_before, torch.get_rng_state())
    assert type(get_active_backend()[0]) is backend
    assert warnings.filters == filters
    assert no_task_is_left()


@pytest.mark.slow
def test_max_models_bounds_the_batch():
    with fused(max_models=4) as run:
        cross_val_score(PIPELINE, X, y, cv=10)
    assert run.batches == [4, 4, 2]
    for bad in (0, 2.5, "many"):
        with pytest.raises(ValueError, match="max_models must be a positive integer"), fused(bad):
            pass


def test_run_can_be_read():
    with fused() as run:
        cross_val_score(PIPELINE, X, y)
    assert repr(run) == f"<5 fits in 1 batch, {run.seconds:.1f} s>"
    assert run.seconds == run.seconds > 0


def test_train_together_takes_an_empty_list():
    train_together([], [], set())


MEMORY = """
import numpy as np
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
least = megabytes()
X, y = load_digits(return_X_y=True)
pipeline = make_pipeline(
    StandardScaler(), TorchClassifier(epochs=1, batch_size=128, random_state=0)
)
grid = {"torchclassifier__lr": np.geomspace(1e-4, 1e-1, 60)}
with fused() as run:
    GridSearchCV(pipeline, grid, cv=5, refit=False).fit(X, y)
assert sum(run.batches) == 300 and min(run.batches) > 1, run.batches
print(megabytes() - least)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_three_hundred_networks_fit_into_285_megabytes():
    """Beyond torch itself, which takes 440 MB when built for CPUs and 830 MB for CUDA."""
    command = [sys.executable, "-c", FIRST_FIT + MEMORY]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(run.stdout) < 285
