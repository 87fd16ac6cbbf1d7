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


@pytest.fixture
def pretended(monkeypatch):
    """Pretend a processor without AVX-512, whose OpenBLAS takes Haswell's kernels for Zen."""

    def kernels(variables):
        core = variables.get("OPENBLAS_CORETYPE", "Haswell").replace("Zen", "Haswell")
        return json.dumps({"torch": variables.get("ATEN_CPU_CAPABILITY", "AVX2"), "OpenBLAS": core})

    monkeypatch.setattr(portable, "kernels", kernels)
    monkeypatch.setattr(portable, "differing", lambda variables: ([], "2 passed"))
    return monkeypatch


def test_sets_that_are_not_run_are_said(pretended, capsys):
    assert not portable.main(["Haswell/avx2/1", "Zen/avx2/1", "SkylakeX/avx2/1"])
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.startswith("Haswell/avx2/1: none differ")
    assert second.startswith("Zen/avx2/1: the same run as Haswell/avx2/1")
    assert third.startswith("SkylakeX/avx2/1: not run")
    with pytest.raises(SystemExit, match="No set was run"):
        portable.main(["Haswell/avx512/1"])


def test_what_differs_is_named(pretended, capsys):
    pretended.setattr(portable, "differing", lambda variables: (["lesson::Cell 3"], "1 failed"))
    assert portable.main(["Nehalem/default/1"])
    assert "Nehalem/default/1: 1 differ" in (out := capsys.readouterr().out)
    assert "lesson::Cell 3" in out
