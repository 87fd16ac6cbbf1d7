"""What a fit sets for the whole process, or finds set for its thread, around its training."""

import contextlib
import io
import logging
import os
import random
import warnings

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate

from helpers import TorchClassifier, fused
from helpers.fusing.process import PARTS

X, y = make_classification(60, 4, random_state=0)
CLASSIFIER = TorchClassifier(epochs=2, random_state=0, module__hidden=4)


def fit():
    CLASSIFIER.fit(X, y)


fit()  # imports what sets filters of warnings


def in_a_loop(function):
    return Parallel()(delayed(function)(i) for i in range(4))


def state_of_process():
    return [part.read() for part in PARTS]


# Settings that a fit takes back ------------------------------------------------------------------


def caught(i):
    with warnings.catch_warnings():
        warnings.simplefilter("error" if i % 2 else "ignore")
        before = list(warnings.filters)
        fit()
        return warnings.filters == before


def recorded(i):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        warnings.warn(f"before {i}", stacklevel=1)
        fit()
        warnings.warn(f"after {i}", stacklevel=1)
    return [str(one.message) for one in told]


def printed(i):
    with contextlib.redirect_stdout(io.StringIO()) as text:
        print("before", i)
        fit()
        print("after", i)
    return text.getvalue()


@contextlib.contextmanager
def put_back(read, write, value):
    before = read()
    write(value)
    try:
        yield
    finally:
        write(before)


def logged(i):
    with put_back(lambda: logging.root.manager.disable, logging.disable, 10 * i):
        fit()
        return logging.root.manager.disable


def level_set(i):
    with put_back(lambda: logging.root.level, logging.root.setLevel, 10 * i + 5):
        fit()
        return logging.root.level


def environment(i):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OF_A_FIT", str(i))
        fit()
        return os.environ["OF_A_FIT"], os.getenv("HOME")


TAKEN_BACK = [environment, caught, recorded, printed, logged, level_set]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("function", TAKEN_BACK)
def test_a_setting_around_a_fit_is_its_own(function):
    plain, before = in_a_loop(function), state_of_process()
    with fused() as run:
        found = in_a_loop(function)
    assert found == plain and run.batches == [4]
    assert state_of_process() == before


def folder(i):
    with contextlib.chdir(os.path.sep if i % 2 else os.path.dirname(__file__)):
        fit()
        return os.getcwd()


def deterministic(i):
    with put_back(
        torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms, True
    ):
        fit()
        return torch.are_deterministic_algorithms_enabled()


def precise(i):
    write = torch.set_float32_matmul_precision
    with put_back(torch.get_float32_matmul_precision, write, "high" if i % 2 else "medium"):
        fit()
        return torch.get_float32_matmul_precision()


IN_TRAINING = {
    folder: "the current folder",
    deterministic: "torch.use_deterministic_algorithms",
    precise: "torch.set_float32_matmul_precision",
}


@pytest.mark.parametrize("function", IN_TRAINING)
def test_what_a_training_may_depend_on_is_set_in_it(function):
    plain, before = in_a_loop(function), state_of_process()
    with (
        fused() as run,
        pytest.warns(UserWarning, match=f"its fit has set {IN_TRAINING[function]}"),
    ):
        found = in_a_loop(function)
    assert found == plain and run.batches == [1] * 4
    assert state_of_process() == before


def test_what_a_fit_sets_for_good_stays():
    def set_by_the_second(i):
        with contextlib.redirect_stdout(io.StringIO()):
            if i == 1:
                logging.root.setLevel(7)
            elif i == 0:
                fit()
        return logging.root.level

    with put_back(lambda: logging.root.level, logging.root.setLevel, 5):
        with fused():
            in_a_loop(set_by_the_second)
        assert logging.root.level == 7


def test_what_several_fits_set_for_good_stays_of_each(monkeypatch):
    monkeypatch.setenv("OF_ALL", "as before")

    def set_some(i):
        os.environ[f"OF_FIT_{i}"] = str(i)
        if i == 2:
            del os.environ["OF_ALL"]
        logging.disable(10) if i == 0 else logging.root.setLevel(17)
        fit()

    def left():
        return sorted(name for name in os.environ if name.startswith("OF_"))

    with put_back(lambda: logging.root.level, logging.root.setLevel, 5):
        with put_back(lambda: logging.root.manager.disable, logging.disable, 0):
            with fused():
                in_a_loop(set_some)
            assert (logging.root.manager.disable, logging.root.level) == (10, 17)
    assert left() == [f"OF_FIT_{i}" for i in range(4)]
    for name in left():
        monkeypatch.delenv(name)


def test_only_the_variables_that_differ_are_written(monkeypatch):
    written = []
    monkeypatch.setattr(os, "putenv", lambda name, value: written.append(name))
    with fused():
        in_a_loop(environment)
    assert {os.environ.decodekey(name) for name in written} == {"OF_A_FIT"}


def test_what_the_engine_tells_is_told_to_the_caller():
    """Also where a fit records all warnings, or makes them errors."""

    def strict(i):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            folder(i)
        return list(told)

    with fused(), pytest.warns(UserWarning, match="its fit has set the current folder"):
        assert in_a_loop(strict) == [[]] * 4


def test_fits_given_up_leave_the_process_as_it_was():
    def within(i):
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                fit()
                raise KeyError("the first")  # all others stand still
            finally:
                if i:
                    np.random.seed(i)

    before = state_of_process()
    with fused(), pytest.raises(KeyError, match="the first"):
        in_a_loop(within)
    assert state_of_process() == before


class Redirecting(ClassifierMixin, BaseEstimator):
    """Records what is printed and told in a fit, and has a search in it, or a network."""

    def __init__(self, model=CLASSIFIER):
        self.model = model

    def fit(self, X, y):
        with contextlib.redirect_stdout(io.StringIO()) as text:
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                print("before", len(X))
                self.model_ = clone(self.model).fit(X, y)
                warnings.warn(f"after {len(X)}", stacklevel=1)
                print("after", len(X))
        self.said_, self.classes_ = (text.getvalue(), [str(one.message) for one in told]), [0, 1]
        return self

    def predict(self, X):
        return self.model_.predict(X)


@pytest.mark.slow
def test_settings_of_nested_searches():
    search = GridSearchCV(Redirecting(), {"model__lr": [0.01, 0.1]}, cv=2)

    def said():
        fitted = cross_validate(Redirecting(search), X, y, cv=3, return_estimator=True)
        outer = [one.said_ for one in fitted["estimator"]]
        return outer, [one.model_.best_estimator_.said_ for one in fitted["estimator"]]

    plain, before = said(), state_of_process()
    with fused() as run:
        found = said()
    assert found == plain and run.batches == [12, 3]
    assert state_of_process() == before


# Random numbers ----------------------------------------------------------------------------------


def half_of_a_pair(i):
    np.random.seed(0)
    random.seed(0)
    torch.manual_seed(0)
    first = np.random.randn(), random.gauss(0, 1), torch.randn(1).item()
    fit()
    return first, np.random.randn(), random.gauss(0, 1), torch.randn(1).item()


def pair_of_two_fits(i):
    if i < 2:
        return np.random.randn(), fit()
    with put_back(np.random.get_state, np.random.set_state, np.random.RandomState(5).get_state()):
        fit()
        return np.random.randn()


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("function", [half_of_a_pair, pair_of_two_fits])
def test_normal_numbers_come_in_pairs(function):
    np.random.seed(1)
    plain = in_a_loop(function), np.random.randn()
    np.random.seed(1)
    with fused() as run:
        found = in_a_loop(function), np.random.randn()
    assert found == plain and run.batches == [4]


# What belongs to a thread ------------------------------------------------------------------------


def modes(clf, X, y):
    return (
        torch.is_grad_enabled()
        + 2 * torch.is_inference_mode_enabled()
        + 4 * torch.is_autocast_enabled("cpu")
        + 8 * (torch.empty(0).device.type == "meta")
    )


SURROUNDINGS = {
    "none": contextlib.nullcontext,
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "device": lambda: torch.device("meta"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SURROUNDINGS)
def test_modes_around_a_block_are_those_of_its_scorers(name):
    with SURROUNDINGS[name]():
        plain = cross_val_score(CLASSIFIER, X, y, scoring=modes)
        with fused() as run:
            found = cross_val_score(CLASSIFIER, X, y, scoring=modes)
    assert found.tolist() == plain.tolist() and run.batches == [5]
