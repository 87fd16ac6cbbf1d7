"""A stack in parts gives the weights of the whole; errors and interrupts come through."""

import threading
from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV

from helpers import TorchClassifier, fused
from helpers.fusing.parts import Pace, Part, cuts, side_by_side
from tests.fusing import HANG

X, y = load_iris(return_X_y=True)
SEARCH = GridSearchCV(
    TorchClassifier(epochs=8, batch_size=32, module__dropout=0.3, random_state=0),
    {"lr": np.geomspace(0.003, 0.03, 10), "patience": [None, 3]},
    cv=5,
    scoring="neg_log_loss",
    refit=False,
)


def force(monkeypatch, places):
    """Have every stack cut at these places after its second epoch."""
    monkeypatch.setattr(Pace, "note", lambda pace, wall, cpu: places)


def scores():
    with fused() as run:
        found = SEARCH.fit(X, y).cv_results_
    assert run.batches == [50, 50]
    return np.array([found[f"split{i}_test_score"] for i in range(5)])


@pytest.mark.slow
def test_parts_give_the_scores_of_the_whole(monkeypatch):
    before = threading.active_count()
    force(monkeypatch, [])
    whole, used = scores(), []
    train_epoch = Part.train_epoch

    def watched(part, *args):
        used.append((part.networks, threading.current_thread() is threading.main_thread()))
        return train_epoch(part, *args)

    monkeypatch.setattr(Part, "train_epoch", watched)
    force(monkeypatch, [32])
    np.testing.assert_allclose(scores(), whole, rtol=0, atol=1e-12)
    assert {(slice_.start, in_main) for slice_, in_main in used} == {(0, True), (32, False)}
    assert threading.active_count() == before


@pytest.mark.parametrize("n_networks", [2, 33, 47, 48, 60, 100, 512])
@pytest.mark.parametrize("n_parts", [1, 2, 4, 16])
def test_cuts_are_at_whole_vectors_and_leave_no_network_alone(n_networks, n_parts):
    places = cuts(n_networks, n_parts)
    sizes = [stop - start for start, stop in pairwise([0, *places, n_networks])]
    assert sum(sizes) == n_networks and len(sizes) <= n_parts and min(sizes) > 1
    assert all(place % 32 == 0 for place in places)
    assert not places or max(sizes) <= 0.75 * n_networks


def test_cuts_of_sixty_networks():
    assert cuts(60, 2) == [32]
    assert cuts(60, 1) == cuts(40, 2) == []
    assert cuts(128, 4) == [32, 64, 96]


@pytest.mark.parametrize(
    "seconds, expected",
    [
        ([3, 1, 2, 0.6, 0.7], [0, 0, 1, 1, 1]),  # it pays, though it warms up slowly
        ([3, 1, 0.5, 0.95, 0.5], [0, 0, 1, 1, 0]),  # it does not
        ([3, 1, 0.5, 0.6, 1.5, 0.6], [0, 0, 1, 1, 1, 0]),  # until somebody else takes the core
        ([3, 0.001, 0.5], [0, 0, 0]),  # too short to be worth it
    ],
)
def test_a_stack_stays_cut_while_that_is_faster(seconds, expected):
    pace, in_parts = Pace([32], n_epochs=20), [0]
    for wall in seconds:
        in_parts.append(len(pace.note(wall, cpu=wall)))
    assert in_parts[: len(expected)] == expected


def test_a_stack_is_not_cut_on_a_busy_machine_or_for_few_epochs():
    busy, short = Pace([32], n_epochs=20), Pace([32], n_epochs=4)
    assert [busy.note(wall=1.0, cpu=0.5) for _ in range(4)] == [[]] * 4
    assert [short.note(wall=1.0, cpu=1.0) for _ in range(4)] == [[]] * 4


def test_an_error_in_a_part_reaches_the_caller_and_stops_the_others():
    def function(part, stopped):
        if part == "second":
            raise ValueError("from the second")
        assert stopped.wait(HANG)

    before = threading.active_count()
    with pytest.raises(ValueError, match="from the second"):
        side_by_side(function, ["first", "second"])
    assert threading.active_count() == before


def test_an_interrupt_stops_the_others():
    def function(part, stopped):
        if part == "first":
            raise KeyboardInterrupt
        assert stopped.wait(HANG)

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        side_by_side(function, ["first", "second"])
    assert threading.active_count() == before


def test_threads_have_the_callers_settings():
    def function(part, stopped):
        flushed = torch.full((16,), 1e-40).mul(1).sum().item() == 0
        return torch.is_grad_enabled(), flushed, torch.get_num_threads()

    with torch.no_grad():
        first, second = side_by_side(function, ["first", "second"])
    assert first == second == (False, True, torch.get_num_threads())
    assert torch.is_grad_enabled()
