"""The checks of the tasks in lesson 07 pass the right answer, and no wrong one."""

import pytest
import torch
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from torch.nn.functional import cross_entropy

from helpers import MLP, TorchClassifier, fused
from tests.lessons.test_checks_06 import with_cells

LESSON = "07_fused_search.ipynb"


# Task 1: momentum for all ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lesson():
    names = {"torch": torch, "MLP": MLP, "cross_entropy": cross_entropy, "load_iris": load_iris}
    cells = ["new_networks", "stack", "sum_of_losses", "rates_for", "update_with_momentum"]
    stubs = {"one_by_one": [], "timed": lambda *given: None}
    return with_cells(LESSON, *(f"def {name}" for name in cells), **names, **stubs)


def momentum(lesson, *, keep=0.9, rates=None, follow_velocity=True):
    def update(stacked, gradients, velocities):
        for whole, gradient, velocity in zip(stacked, gradients, velocities, strict=True):
            velocity *= keep
            velocity += gradient
            step = velocity if follow_velocity else gradient
            whole -= (lesson["rates_for"](whole) if rates is None else rates) * step

    return update


def replaces_the_weights(lesson):
    def update(stacked, gradients, velocities):
        for i, whole in enumerate(list(stacked)):
            velocities[i] = 0.9 * velocities[i] + gradients[i]
            stacked[i] = (whole - lesson["rates_for"](whole) * velocities[i]).requires_grad_()

    return update


def test_momentum_passes_the_right_answer(lesson):
    assert lesson["check_momentum"](momentum(lesson)) == "They agree."


@pytest.mark.parametrize(
    "settings",
    [
        {"keep": 0.0},
        {"keep": 0.5},
        {"rates": 0.01},
        {"follow_velocity": False},
        {"rates": 0},
    ],
    ids=str,
)
def test_momentum_finds_the_wrong_answer(lesson, settings):
    assert "a weight is off by" in lesson["check_momentum"](momentum(lesson, **settings))


def test_momentum_passes_weights_that_are_replaced_in_the_list(lesson):
    """The list is the learner's to change: the training goes on with what stands in it."""
    assert lesson["check_momentum"](replaces_the_weights(lesson)) == "They agree."


# Task 2: count before you start ------------------------------------------------------------------


@pytest.fixture(scope="module")
def check_count():
    flowers, species = load_iris(return_X_y=True)
    names = {"TorchClassifier": TorchClassifier, "GridSearchCV": GridSearchCV, "fused": fused}
    names |= {"flowers": flowers, "species": species}
    return with_cells(LESSON, "def n_stacks", **names)["check_count"]


def product_over(*names):
    def n_stacks(grid):
        n = 1
        for name in names:
            n *= len(grid.get(name, [None]))
        return n

    return n_stacks


def test_count_passes_the_right_answer(check_count):
    assert check_count(product_over("module__hidden", "batch_size", "optimizer")) == "Counted."


@pytest.mark.parametrize(
    "names",
    [
        (),
        ("module__hidden",),
        ("module__hidden", "batch_size"),
        ("module__hidden", "batch_size", "optimizer", "epochs"),
        ("module__hidden", "batch_size", "optimizer", "lr"),
    ],
    ids=str,
)
def test_count_finds_the_wrong_answer(check_count, names):
    assert "you say" in check_count(product_over(*names))
