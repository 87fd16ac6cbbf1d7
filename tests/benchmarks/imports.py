"""Import: what `import helpers` adds to `import torch, sklearn`; median of 7 fresh processes."""

import statistics
import subprocess
import sys

SCRIPT = """
import time
a = time.perf_counter()
import torch, sklearn
b = time.perf_counter()
import helpers
print(b - a, time.perf_counter() - b)
"""


def main():
    runs = []
    for _ in range(7):
        run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, check=True)
        runs.append([float(seconds) for seconds in run.stdout.split()])
    libraries, ours = (statistics.median(column) for column in zip(*runs, strict=True))
    ratio = statistics.median(ours / libraries for libraries, ours in runs)
    print(f"  torch and scikit-learn {libraries:.2f} s, helpers {ours:.3f} s: {ratio:.1%} more")
