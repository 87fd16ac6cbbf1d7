"""Order in a table and in a split: what canaries accused, or passed over, because of it."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import GroupKFold, KFold, TimeSeriesSplit

from helpers import alike_rows, shared_rows, shift

ROWS = np.arange(20)
SHUFFLED = KFold(5, shuffle=True, random_state=0)


def slow(n, seed, persistence=0.98):
    values = np.random.RandomState(seed).normal(size=n)
    for row in range(1, n):
        values[row] += persistence * values[row - 1]
    return values


def test_later_rows_may_look_other():
    day = np.arange(400)
    X = np.column_stack([day / 100, day % 7]) + np.random.RandomState(0).normal(size=(400, 2))
    for cv in (TimeSeriesSplit(5), [(day[:300], day[300:])]):
        finding = shift(X, cv=cv)
        assert finding.leaked is None and "hand over time" in finding.evidence
    assert shift(X, cv=[(day[100:], day[:100])]).leaked is True


def test_a_fold_without_rows_is_refused():
    for fold in ((ROWS, ROWS[:0]), (ROWS[:0], ROWS)):
        with pytest.raises(ValueError, match="in each fold; one has none"):
            shared_rows(np.zeros((20, 2)), cv=[fold])


SENSORS = np.column_stack([slow(400, seed) for seed in range(4)])
FOLLOWING = {
    "sensors that are slow": (SENSORS, slow(400, 9)),
    "states that last": (SENSORS, (slow(400, 9) > 0).astype(int)),
    "trends": (np.c_[np.arange(400) ** 2, SENSORS], np.arange(400) / 50 + np.sin(SENSORS[:, 0])),
    "persons who differ little": (
        np.random.RandomState(0).normal(size=(40, 9))[np.repeat(np.arange(40), 10)]
        + np.random.RandomState(1).normal(size=(400, 9)),
        np.random.RandomState(2).randint(2, size=40)[np.repeat(np.arange(40), 10)],
    ),
}


@pytest.mark.parametrize("name", FOLLOWING)
def test_rows_that_follow_each_other_are_asked_about_where_the_split_mixes_them(name):
    X, y = FOLLOWING[name]
    task = "regression" if y.dtype.kind == "f" else "classification"
    finding = alike_rows(X, y, cv=SHUFFLED, task=task)
    assert finding.leaked is None and "label of the row before" in finding.evidence
    person = np.arange(400) // 10
    for cv in (TimeSeriesSplit(5), KFold(5), GroupKFold(5)):
        finding = alike_rows(X, y, cv=cv, groups=person, task=task)
        assert "label of the row before" not in finding.evidence and finding.leaked is not True


def test_the_order_of_independent_rows_is_no_question():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(300, 5))
    for y in (X.sum(axis=1), X[:, 0] ** 2, (X[:, 0] > 0).astype(int), rng.uniform(size=300) < 0.03):
        assert alike_rows(X, y, cv=SHUFFLED).leaked is False
    order = np.argsort(X.sum(axis=1))  # sorted by the target
    assert alike_rows(X[order], X[order].sum(axis=1), cv=SHUFFLED).leaked is False
    X, y = load_iris(return_X_y=True)
    assert alike_rows(X, y, cv=SHUFFLED, task="classification").leaked is False


def test_many_lags_of_noise_are_not_accused():
    values = np.random.RandomState(0).normal(size=250)
    lags = np.lib.stride_tricks.sliding_window_view(values[:-1], 100)
    assert alike_rows(lags, values[100:], cv=SHUFFLED).leaked is False


def test_lags_of_a_walk_that_tell_all_there_is_are_not_accused():
    for seed in range(3):
        walk = slow(400, seed)
        lags = np.lib.stride_tricks.sliding_window_view(walk[:-1], 20)
        assert alike_rows(lags, walk[20:], cv=SHUFFLED).leaked is not True
