"""Which canary sees which leak: caught of 10 seeds (and alarms on the honest procedure)."""

import warnings

from notebooks.leaks import CANARIES, KINDS, findings

SEEDS = range(10)


def main(seeds=SEEDS):
    warnings.simplefilter("ignore")
    print(f"  {'':31}" + " ".join(f"{canary[:9]:>9}" for canary in CANARIES))
    for kind in KINDS.values():
        honest = [findings(kind, False, seed) for seed in seeds]
        leaky = [findings(kind, True, seed) for seed in seeds]
        cells = []
        for canary in CANARIES:
            caught, alarms = (
                sum(bool(found[canary].leaked) for found in those if canary in found)
                for those in (leaky, honest)
            )
            shown = f"{caught}" + (f" ({alarms})" if alarms else "")
            cells.append(f"{shown if canary in leaky[0] else '':>9}")
        print(f"  {kind.name:31}" + " ".join(cells), flush=True)
