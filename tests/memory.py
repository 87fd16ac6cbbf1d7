"""What a process has taken, by Linux's /proc."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Two networks of no size, trained as one: what torch loads for it belongs to the build of torch.
FIRST_FIT = """
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from helpers import TorchClassifier, fused
from tests.memory import megabytes
with fused():
    GridSearchCV(TorchClassifier(epochs=1), {"lr": [0.1]}, cv=2).fit(*load_iris(return_X_y=True))
"""


def megabytes(pid="self", what="VmHWM"):
    """Return a process's memory in MB, 0 where there is no /proc.

    `what` is VmHWM, the peak (as getrusage has it, but that begins with the peak of whoever started
    the process), or RssAnon, what is held now and is no page of a file.
    """
    status = Path(f"/proc/{pid}/status")
    found = status.exists() and re.search(rf"{what}:\s+(\d+) kB", status.read_text())
    return int(found[1]) * 1024 / 1e6 if found else 0


def least_megabytes():
    """Return what a Python takes at its peak that has loaded torch and trained next to nothing.

    Some 440 MB with a torch for CPUs, and twice as much with one for CUDA.
    """
    command = [sys.executable, "-c", FIRST_FIT + "print(megabytes())"]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return float(run.stdout)
