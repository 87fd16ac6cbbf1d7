"""Copies in a table whose rows are numbered: no two rows are equal, and still each has a twin."""

from uuid import UUID

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import KFold, TimeSeriesSplit

from helpers import shared_rows

SHUFFLED = KFold(5, shuffle=True, random_state=0)
rng = np.random.default_rng(0)
Z = rng.normal(size=(300, 5))
Z = np.vstack([Z, Z[:100]])
KEYS = {
    "running numbers": np.arange(400),
    "shuffled numbers": rng.permutation(400),
    "numbers with gaps": rng.permutation(5000)[:400],
    "texts": [f"row {number}" for number in range(400)],
    "keys": [str(UUID(int=int(number))) for number in rng.integers(2**62, size=400)],
    "days": pd.date_range("2026-01-01", periods=400),
}
MEASURED = {
    "fractions": rng.normal(size=400),
    "whole numbers": rng.permutation(10**6)[:400],
    "molecules": ["C" * (row % 40 + 1) + "1" + "O" * (row // 40) + "C1" for row in range(400)],
}


@pytest.mark.parametrize("name", KEYS)
def test_numbers_of_the_rows_hide_no_copies(name):
    finding = shared_rows(pd.DataFrame(Z).assign(key=KEYS[name]), cv=SHUFFLED)
    assert finding.leaked is True and "number the rows: column 5 ('key')." in finding.evidence
    honest = pd.DataFrame(rng.normal(size=Z.shape)).assign(key=KEYS[name])
    assert shared_rows(honest, cv=SHUFFLED).leaked is False


@pytest.mark.parametrize("name", MEASURED)
def test_what_was_measured_stays_where_no_two_values_are_alike(name):
    finding = shared_rows(pd.DataFrame(Z).assign(measured=MEASURED[name]), cv=SHUFFLED)
    assert finding.leaked is False and "Left out" not in finding.evidence


def test_numbers_alone_are_not_looked_at():
    for table in (np.arange(400)[:, None], pd.DataFrame(KEYS)):
        finding = shared_rows(table, cv=SHUFFLED)
        assert finding.leaked is None and "All columns number the rows" in finding.evidence


@pytest.mark.slow
def test_slow_values_that_meet_on_other_days_are_no_copies():
    for seed in range(5):
        walk = np.round(np.random.default_rng(seed).normal(size=300).cumsum() * 2) / 2
        X = np.column_stack([np.arange(300), walk, np.round(walk / 3), np.arange(300) % 3])
        for cv in (TimeSeriesSplit(5), KFold(5)):
            assert shared_rows(X, cv=cv).leaked is not True


WIDE = rng.choice(9 * 10**7, size=400, replace=False) + 10**7
IDS = {
    "numbers": WIDE,
    "nullable": pd.array(WIDE, dtype="Int64"),
    "texts": [f"P-{number:010d}" for number in WIDE - 10**7],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", IDS)
def test_copies_behind_wide_random_ids_are_not_passed_over(name):
    finding = shared_rows(pd.DataFrame(Z).assign(id=IDS[name]), cv=SHUFFLED)
    assert finding.leaked is None
    assert "each row has another value in column 5 ('id'), as of an id" in finding.evidence
    without = shared_rows(pd.DataFrame(Z), cv=SHUFFLED)
    n_twins = without.evidence.split()[0]
    assert without.leaked and f"without that {n_twins} test rows have a twin" in finding.evidence
    days = pd.date_range("2026-01-01", periods=400)  # beside a column that is surely left out
    both = pd.DataFrame(Z).assign(id=IDS[name]).assign(day=days)
    assert "another value in column 5 ('id')" in shared_rows(both, cv=SHUFFLED).evidence
    honest = pd.DataFrame(rng.normal(size=Z.shape)).assign(id=IDS[name])
    assert shared_rows(honest, cv=SHUFFLED).leaked is False
