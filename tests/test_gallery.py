"""Each kind of leak is as large as it should be, and is seen by the canaries that should see it.

The numbers are those that lessons 05 and 05b show. They are not computed here: nbval, which
`make test` runs beside this, computes each again. So a library that closes a leak, or opens one, is
noticed there, and here where the lessons were refreshed with it.
"""

import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from notebooks.leaks import CANARIES, KINDS, Gallery, findings, inflation
from notebooks.leaks.shown import Look

LESSONS = ["05_leakage_gallery", "05b_leakage_catalogue"]
ON_NETWORKS = {"purity", "refit", "carry_over"}
BY_LOOKING = {"null_labels", "blind_test"}

# Lowest and highest mean gain, and the canaries that must see it.
EXPECTED = {
    "no test set": (0.4, 0.6, {"null_labels", "shared_rows"}),
    "scaling on all rows": (-0.02, 0.02, {"blind_test"}),
    "whitening on all rows": (-0.4, -0.15, {"blind_test"}),
    "selection on all rows": (0.3, 0.6, BY_LOOKING),
    "target encoding on all rows": (0.12, 0.3, BY_LOOKING),
    "oversampling before the split": (0.3, 0.55, {"null_labels"}),
    "SMOTE before the split": (0.4, 0.55, {"null_labels"}),
    "augmentation before the split": (0.4, 0.6, {"null_labels"}),
    "duplicates": (0.18, 0.35, {"shared_rows", "alike_rows"}),
    "a proxy feature": (0.4, 0.55, {"too_good_feature"}),
    "future before past": (0.9, np.inf, {"time_order"}),
    "subjects on both sides": (0.25, 0.5, {"null_labels", "shared_groups", "alike_rows"}),
    "only easy cases in the test": (0.1, 0.25, {"shift"}),
    "fitted weights": (0.3, 0.6, ON_NETWORKS | {"carried_weights", "null_labels"}),
    "fitted backbone, new head": (0.12, 0.4, ON_NETWORKS | {"carried_weights", "null_labels"}),
    "one model in all folds": (0.15, 0.4, ON_NETWORKS | {"null_labels"}),
    "weights in a permutation test": (0.15, 0.4, ON_NETWORKS | {"null_labels"}),
    "best checkpoint by test score": (0.01, 0.12, BY_LOOKING),
    "early stopping on the test fold": (0.06, 0.2, BY_LOOKING),
    "tuning on the test set": (0.03, 0.2, BY_LOOKING),
    "parameters of an earlier search": (0.02, 0.15, {"null_labels", "blind_test"}),
    "best of many seeds": (0.09, 0.25, {"null_labels"}),
    "BatchNorm in training mode": (0.6, 0.95, {"batch_mates", "same_answer"}),
}
# What may fire where nothing leaks, each explained in the docstring of the canary.
ALARMS = {
    "shift": {
        "duplicates",
        "future before past",
        "subjects on both sides",
        "BatchNorm in training mode",
    },
} | dict.fromkeys(ON_NETWORKS, {"fitted weights", "fitted backbone, new head"})
TRUTH_IS_HALF = set(EXPECTED) - {
    "scaling on all rows",
    "whitening on all rows",
    "future before past",
    "only easy cases in the test",
    "BatchNorm in training mode",
}


LOOK = re.compile(
    r"honest (?P<honest>\S+) ± \S+, leaky (?P<leaky>\S+) ± \S+: \S+ \(5 seeds\)\n"
    r"caught by  (?P<caught>.*)\nmissed by  .*(?:\nfires on the honest one, too: (?P<alarmed>.*))?"
)


def looks():
    """Return what the lessons show of each kind, a dict of name to match of LOOK."""
    found = {}
    for lesson in LESSONS:
        path = Path(__file__).parents[1] / "notebooks" / f"{lesson}.ipynb"
        for cell in nbformat.read(path, as_version=4).cells:
            if named := re.search(r'^gallery\.look\("(.*)"\)\Z', cell.source, re.MULTILINE):
                (shown,) = (o.data["text/plain"] for o in cell.outputs if "data" in o)
                assert named[1] not in found, f"{named[1]} is shown twice"
                found[named[1]] = LOOK.fullmatch(shown)
                assert found[named[1]], shown
    return found


LOOKS = looks()


def names(listed):
    return set((listed or "-").split(", ")) - {"-"}


def test_every_kind_is_shown_and_tested():
    assert set(KINDS) == set(EXPECTED) == set(LOOKS)


@pytest.mark.parametrize("name", EXPECTED)
def test_the_leak_is_as_large_as_expected(name):
    lowest, highest, _ = EXPECTED[name]
    honest, leaky = float(LOOKS[name]["honest"]), float(LOOKS[name]["leaky"])
    assert lowest < leaky - honest < highest
    if name in TRUTH_IS_HALF:
        assert 0.42 < honest < 0.58


@pytest.mark.parametrize("name", EXPECTED)
def test_the_canaries_see_it_and_are_quiet_on_honest_work(name):
    assert names(LOOKS[name]["caught"]) >= EXPECTED[name][2]
    for canary in names(LOOKS[name]["alarmed"]):
        assert name in ALARMS.get(canary, ()), canary


def test_nothing_global_is_touched():
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    for name in ("fitted backbone, new head", "best checkpoint by test score"):
        inflation(KINDS[name], [0])
        findings(KINDS[name], True)
    assert_array_equal(torch.get_rng_state(), torch_state)
    assert_array_equal(np.random.get_state()[1], numpy_state)


def test_a_look_is_repeatable_and_says_who_saw_it(capsys):
    gallery = Gallery()
    gallery.code("a proxy feature")
    assert capsys.readouterr().out.startswith("def proxy(X, leaky):")
    first, second = (repr(gallery.look("a proxy feature")) for _ in range(2))
    assert first == second
    assert "caught by  too_good_feature" in first
    assert set(gallery.looks["a proxy feature"].leaky) <= set(CANARIES)


def test_the_error_of_a_sum_decides_no_digit():
    looks = [
        Look(None, np.full((2, 2), [0.4945, 0.8655]) + error, {}, {}) for error in (-1e-15, 1e-15)
    ]
    assert repr(looks[0]) == repr(looks[1])
