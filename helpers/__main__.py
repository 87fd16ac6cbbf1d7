"""What an issue should say about a machine: `python -m helpers`."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

import numpy  # noqa: F401  (loaded, so that its BLAS is seen below)
import scipy.linalg  # noqa: F401
import sklearn  # noqa: F401
import threadpoolctl
import torch

PACKAGES = ["honest-splits", "torch", "scikit-learn", "numpy", "scipy", "joblib", "skorch"]
VARIABLES = ["OMP_NUM_THREADS", "OPENBLAS_CORETYPE", "ATEN_CPU_CAPABILITY", "MKL_NUM_THREADS"]


def report():
    """Return lines of name and value, with nothing that tells who or where you are."""
    yield "Python", f"{platform.python_version()}, {sys.implementation.name}"
    yield "system", f"{platform.system()} {platform.release()}, {platform.machine()}"
    yield "cores", str(os.cpu_count())
    for name in PACKAGES:
        yield name, installed(name)
    yield "torch's CPU capability", torch.backends.cpu.get_cpu_capability()
    yield "torch's threads", str(torch.get_num_threads())
    yield "CUDA", torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    for pool in threadpoolctl.threadpool_info():
        kernels = pool.get("architecture", "")
        threads = f"{pool['num_threads']} threads"
        name = f"{pool['internal_api']} {pool['version'] or ''}".strip()
        yield pool["user_api"], ", ".join(part for part in (name, kernels, threads) if part)
    for name in VARIABLES:
        if name in os.environ:
            yield name, os.environ[name]


def installed(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    for name, value in report():
        print(f"{name}: {value}")
