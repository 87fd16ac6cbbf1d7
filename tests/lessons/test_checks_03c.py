"""The checks of the tasks in lesson 03c pass the right answer, and no wrong one."""

import numpy as np
import pytest
import torch
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from helpers import TorchRegressor
from tests.lessons.test_checks_06 import with_cells

LESSON = "03c_regression.ipynb"


@pytest.fixture(scope="module")
def lesson():
    X, y = load_diabetes(return_X_y=True)
    names = {"np": np, "torch": torch, "X": X, "y": y, "TorchRegressor": TorchRegressor}
    classes = (TransformedTargetRegressor, StandardScaler)
    names |= {"make_pipeline": make_pipeline} | {c.__name__: c for c in classes}
    return with_cells(LESSON, "def by_hand", "def check_scaled", "def check_loss", **names)


# Task 1: scale everything ------------------------------------------------------------------------


def scaled_inside(X_scaler, y_scaler):
    def scaled(regressor):
        if X_scaler:
            regressor = make_pipeline(X_scaler, regressor)
        if y_scaler:
            regressor = TransformedTargetRegressor(regressor, transformer=y_scaler)
        return regressor

    return scaled


def y_first(regressor):
    """The same two scales in the other order."""
    scaled = TransformedTargetRegressor(regressor, transformer=StandardScaler())
    return make_pipeline(StandardScaler(), scaled)


@pytest.mark.parametrize("answer", [scaled_inside(StandardScaler(), StandardScaler()), y_first])
def test_scaled_passes_the_right_answer(lesson, answer):
    assert lesson["check_scaled"](answer) == "passed"


def with_a_scale_of_all_rows(lesson):
    """y is divided by what all rows say, which `fit` was not given."""
    mean, deviation = lesson["y"].mean(), lesson["y"].std()

    def scaled(regressor):
        ways = {"func": lambda y: (y - mean) / deviation}
        ways["inverse_func"] = lambda y: y * deviation + mean
        return TransformedTargetRegressor(make_pipeline(StandardScaler(), regressor), **ways)

    return scaled


def never_undone(regressor):
    ways = {"transformer": StandardScaler(), "check_inverse": False}
    scaled = TransformedTargetRegressor(make_pipeline(StandardScaler(), regressor), **ways)
    scaled.predict = lambda X: scaled.regressor_.predict(X)
    return scaled


WRONG = {
    "not yet: of X and y, it scales X": scaled_inside(StandardScaler(), None),
    "not yet: of X and y, it scales y": scaled_inside(None, StandardScaler()),
    "not yet: of X and y, it scales nothing": scaled_inside(None, None),
    "not yet: it returns nothing": lambda regressor: None,
}


@pytest.mark.parametrize("message, answer", WRONG.items(), ids=WRONG)
def test_scaled_names_what_is_missing(lesson, message, answer):
    assert lesson["check_scaled"](answer) == message


@pytest.mark.parametrize("kind", ["all rows", "other scaler", "never undone"])
def test_scaled_finds_other_scales(lesson, kind):
    answers = {"all rows": with_a_scale_of_all_rows(lesson), "never undone": never_undone}
    answers["other scaler"] = scaled_inside(MinMaxScaler(), MinMaxScaler())
    assert "other scales" in lesson["check_scaled"](answers[kind])


# Task 2: too low is worse ------------------------------------------------------------------------


def too_low_is_worse(outputs, y):
    missing = y - outputs
    return torch.where(missing > 0, 9 * missing, -missing)


def test_loss_passes_the_right_answer(lesson):
    passed, _, share = lesson["check_loss"](too_low_is_worse).partition(": ")
    assert passed == "passed" and float(share.split()[0]) > 0.75


LOSSES = {
    "not yet: it returns nothing": lambda outputs, y: None,
    "result of shape ()": lambda outputs, y: too_low_is_worse(outputs, y).mean(),
    "cost [1.0, 9.0": lambda outputs, y: too_low_is_worse(y, outputs),
    "cost [1.0, 1.0, 0.0]": lambda outputs, y: (outputs - y).abs(),
    "cost [9.0, 0.0, 0.0]": lambda outputs, y: 9 * (y - outputs).clamp(min=0),
    "cost [9.0, -1.0, 0.0]": lambda outputs, y: torch.where(y > outputs, 9, 1) * (y - outputs),
}


@pytest.mark.parametrize("message, answer", LOSSES.items(), ids=LOSSES)
def test_loss_finds_the_wrong_answer(lesson, message, answer):
    assert message in lesson["check_loss"](answer)
