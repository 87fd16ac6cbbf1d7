"""Side-by-side measurements, printed as ratios; run by `make bench`."""

import os
import platform

import torch

from tests.benchmarks import (
    canary_matrix,
    checks,
    false_alarms,
    grading,
    imports,
    install,
    layers,
    lessons,
    race,
    scale,
    single_fit,
)

if __name__ == "__main__":
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, torch on {torch.get_num_threads()} thread"
    )
    for benchmark in (
        single_fit,
        imports,
        install,
        checks,
        lessons,
        race,
        layers,
        scale,
        false_alarms,
        canary_matrix,
        grading,
    ):
        print(f"\n{benchmark.__doc__}")
        benchmark.main()
