"""Run what shows numbers under other kernels of the processor, and say which outputs differ.

    python -m tests.portable                                       every set, for hours
    python -m tests.portable Haswell/avx2/1 SkylakeX/avx512/2      these

A set names the kernel of OpenBLAS (numpy, scipy), the instructions of torch, and the number of
threads. numpy, glibc and the libraries inside torch get no instructions that torch does not get.
`make portable` runs this; so many processes as WORKERS says share the files of a set.
"""

import json
import os
import re
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parents[1]
LEVELS = ["default", "avx2", "avx512"]
# What a processor must have for a kernel of OpenBLAS, which crashes where it has not.
NEEDS = {"Haswell": "avx2", "Zen": "avx2", "SkylakeX": "avx512", "Nehalem": "default"}
SETS = [f"{core}/{level}/{threads}" for core, level, threads in product(NEEDS, LEVELS, "12")]

FILES = os.environ.get("FILES", "").split() or [
    *FOLDER.glob("notebooks/*.ipynb"),
    *FOLDER.glob("notebooks/assignments/source/*/*.ipynb"),
    *(FOLDER / f"tests/test_{name}.py" for name in ("gallery", "honest_estimates", "estimator")),
    FOLDER / "tests/fusing",
    FOLDER / "helpers",  # the examples in docstrings
]
# Limits of time are for what hangs. A set that is slow, on a busy machine, does not.
PYTEST = [
    *(sys.executable, "-m", "pytest", "-q", "--tb=no", "-rfE", "--timeout=3000"),
    *("-p", "tests.nbval_pictures", "--nbval", "--nbval-current-env"),
    *("--nbval-cell-timeout=1500", "--nbval-sanitize-with=tests/sanitize.cfg"),
    *("-n", os.environ.get("WORKERS", "2"), "--dist=loadfile", "--no-loadscope-reorder"),
]

# Prints which kernels a new process takes: of torch, of OpenBLAS, and the number of threads.
PROBE = """
import json, numpy, scipy.linalg, threadpoolctl, torch
blas = [pool for pool in threadpoolctl.threadpool_info() if pool["internal_api"] == "openblas"]
print(json.dumps({
    "torch": torch.backends.cpu.get_cpu_capability(),
    "OpenBLAS": sorted({pool["architecture"] for pool in blas}),
    "threads": torch.get_num_threads(),
}))
"""


def environment(core, level, threads):
    """Return the variables that have a new process take these kernels, a dict."""
    env = {"OPENBLAS_CORETYPE": core, "ATEN_CPU_CAPABILITY": level, "OMP_NUM_THREADS": threads}
    # numpy names what it found beyond its baseline, and warns of names that it did not find.
    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    if level == "default":
        env |= {"MKL_CBWR": "COMPATIBLE", "ONEDNN_MAX_CPU_ISA": "SSE41"}
        env["NPY_DISABLE_CPU_FEATURES"] = " ".join(found)
        env["GLIBC_TUNABLES"] = "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX2_Usable,-FMA_Usable"
    elif level == "avx2":
        env |= {"MKL_CBWR": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
        beyond = [name for name in found if name.startswith("AVX512") or name == "X86_V4"]
        env["NPY_DISABLE_CPU_FEATURES"] = " ".join(beyond)
    return env


def run(command, variables):
    """Run a command in a new process, with these variables added to the environment."""
    return subprocess.run(
        command, cwd=FOLDER, env=os.environ | variables, capture_output=True, text=True
    )


def kernels(variables):
    """Return the kernels that a new process takes, as PROBE prints them."""
    done = run([sys.executable, "-c", PROBE], variables)
    if done.returncode:
        sys.exit(f"No kernels could be asked for:\n{done.stderr}")
    return done.stdout.strip()


def differing(variables):
    """Run the files; return the names of what differs or fails, and the last line of pytest."""
    done = run([*PYTEST, *map(str, FILES)], variables)
    names = re.findall(r"(?m)^(?:FAILED|ERROR) (.+?)(?: - .*)?$", done.stdout)
    last = (done.stdout + done.stderr).strip().splitlines()[-1]
    if done.returncode and not names:
        names = [f"pytest ended with {done.returncode}"]  # negative: a signal
    return names, last


def main(names):
    """Run the sets of these names, print a line for each; return whether anything differed."""
    best = json.loads(kernels({}))["torch"].lower()
    most = LEVELS.index(best) if best in LEVELS else 0
    ran, differ = {}, []
    for name in names:
        core, level, threads = name.split("/")
        if max(LEVELS.index(NEEDS[core]), LEVELS.index(level)) > most:
            print(f"{name}: not run, as this processor has nothing beyond {best}", flush=True)
            continue
        variables = environment(core, level, threads)
        taken = kernels(variables)
        first = ran.setdefault(taken, name)
        if first != name:
            print(f"{name}: the same run as {first}, as both take {taken}", flush=True)
            continue
        found, last = differing(variables)
        differ += found
        print(f"{name}: {len(found) or 'none'} differ ({taken}; {last})", *found, sep="\n    ")
        sys.stdout.flush()
    if not ran:
        sys.exit("No set was run.")
    return bool(differ)


if __name__ == "__main__":
    chosen = sys.argv[1:] or SETS
    if unknown := set(chosen) - set(SETS):
        sys.exit(f"No such set: {', '.join(sorted(unknown))}. There are {', '.join(SETS)}.")
    sys.exit(main(chosen))
