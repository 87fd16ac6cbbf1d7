"""The numbers that once changed with the processor's kernels; `make portable` tries them all."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from tests import portable

SETS = [
    "Haswell/avx2/1",
    "Nehalem/default/1",
]  # with multiplication and addition in one step, and without

# Whitening that keeps as many components as it can leaves all test rows at one distance, so that
# rounding decides. Training turns the last bit of a first weight into another score.
NUMBERS = """
import json
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale
from helpers import TorchClassifier
from notebooks.leaks import KINDS, inflation

X, y = load_breast_cancer(return_X_y=True)
X, clf = scale(X), TorchClassifier(epochs=0, random_state=0)
print(json.dumps({
    "whitening": inflation(KINDS["whitening on all rows"], range(5)).tolist(),
    "first weights": [p.flatten().tolist() for p in clf.fit(X, y).module_.parameters()],
    "trained": clf.set_params(epochs=100).fit(X, y).predict_proba(X).tolist(),
}))
"""


def numbers(name):
    done = subprocess.run(
        [sys.executable, "-c", NUMBERS],
        cwd=portable.FOLDER,
        env=os.environ | portable.environment(*name.split("/")),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"),
    reason="this processor has no two sets of kernels that are known here",
)
def test_two_kernels_give_the_same_numbers():
    with ThreadPoolExecutor() as pool:
        one, other = pool.map(numbers, SETS)
    assert one["whitening"] == other["whitening"]
    assert one["first weights"] == other["first weights"]
    np.testing.assert_allclose(one["trained"], other["trained"], atol=1e-9)
