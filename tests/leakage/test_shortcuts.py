"""Where canaries stop early or remember, they find what the long way finds."""

import numpy as np
import pytest

from helpers import shift
from helpers.leakage.columns import Table

rng = np.random.RandomState(0)
X = rng.normal(size=(60, 4))


TARGETS = {
    "classes": ((X[:, 0] + X[:, 1] > 0).astype(int), True),
    "values": (X[:, 0] + 0.2 * X[:, 1], False),
    "a product": (np.exp(X[:, 0] + X[:, 1]), False),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_the_folds_that_decide_say_what_all_of_them_say(name):
    y, classes = TARGETS[name]
    rows = np.exp(X) if name == "a product" else X
    for columns in ([0], [0, 1], [2, 3]):
        known, alone = Table(rows, y, classes, 0), Table(rows, y, classes, 0)
        errors = [alone._error(number, columns) for number in range(len(alone.models))]
        best, number = known.best_of(columns)
        assert best == errors[number] == min(errors)  # a worse model is stopped
        error = known.error(columns)
        for limit in {0.01, error * 0.99, min(error * 1.01, 0.99)}:
            table = Table(rows, y, classes, 0)
            assert table.is_error_within(limit, columns) == (error <= limit)
            assert table.error(columns) == error  # it goes on from what was left unfinished


@pytest.mark.slow
def test_columns_are_ranked_by_their_weight_each_time_they_are_asked_for():
    table = Table(X, X[:, 2] + 0.3 * X[:, 0], False, 0)
    for columns, order in (([0, 1, 2, 3], [2, 0]), ([0, 1], [0, 1]), ([0, 1, 2, 3], [2, 0])):
        assert table.ranked(columns)[:2] == order


def test_each_fold_is_looked_at_by_its_own_rows():
    rows = np.random.RandomState(0).normal(size=(240, 3))
    rows[180:] += 2
    alike, apart = (
        (np.arange(first, first + 60), np.arange(first + 60, first + 120)) for first in (0, 120)
    )
    assert shift(rows, cv=[alike]).leaked is False
    for cv in ([alike, apart], [apart, alike]):
        assert shift(rows, cv=cv).leaked is True
