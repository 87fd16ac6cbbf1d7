"""Honest tables that look like leaky ones: the canaries ask, and still see the leaks."""

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import KFold
from sklearn.preprocessing import SplineTransformer

from helpers import alike_rows, shared_rows, too_good_feature
from helpers.leakage.grouped import told_by_means
from helpers.leakage.meeting import follow_from_one_number

SHUFFLED = KFold(5, shuffle=True, random_state=0)


def peaks(rng, n, width=1.5):
    """Return signals with one narrow peak at a random place, as heartbeats are."""
    place = rng.uniform(10, 130, size=(n, 1))
    return np.exp(-(((np.arange(140) - place) / width) ** 2) / 2)


def spots(rng, n):
    place = rng.uniform(1, 15, size=(2, n, 1, 1))
    rows, columns = np.mgrid[:16, :16]
    return np.exp(-((rows - place[0]) ** 2 + (columns - place[1]) ** 2) / 3)


def rings(rng, n):
    """Return drawings of thin rings."""
    place, radius = rng.uniform(4, 16, size=(2, n, 1, 1)), rng.uniform(2, 6, size=(n, 1, 1))
    rows, columns = np.mgrid[:20, :20]
    away = np.hypot(rows - place[0], columns - place[1]) - radius
    return np.exp(-((away / 0.6) ** 2) / 2)


NARROW = {
    "heartbeats": lambda rng: peaks(rng, 100) + 0.02 * rng.normal(size=(100, 140)),
    "spectra": lambda rng: peaks(rng, 100, 1) * rng.uniform(0.5, 2, size=(100, 1)),
    "spots": lambda rng: spots(rng, 100),
    "rings": lambda rng: rings(rng, 100),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NARROW)
def test_narrow_features_that_do_not_overlap_are_no_copies(name):
    asked = 0
    for seed in range(2):
        rows = NARROW[name](np.random.RandomState(seed))
        finding = alike_rows(rows, cv=SHUFFLED)
        assert finding.leaked is not True, finding
        asked += "do not overlap" in finding.evidence
        copies = rows + 0.01 * np.random.RandomState(seed).normal(size=rows.shape)
        assert alike_rows(np.concatenate([rows, copies]), cv=SHUFFLED).leaked is True
    assert asked


@pytest.mark.parametrize("n", [100, 200, 300])
def test_rows_at_even_steps_on_two_circles_are_asked_about(n):
    turns = np.linspace(0, 2 * np.pi, n // 2, endpoint=False)
    circle = np.column_stack([np.cos(turns), np.sin(turns)])
    order = np.random.RandomState(0).permutation(n // 2 * 2)
    assert alike_rows(np.vstack([circle, 0.8 * circle])[order], cv=SHUFFLED).leaked is not True


def waves(numbers, *periods):
    return np.column_stack([f(2 * np.pi * numbers / p) for p in periods for f in (np.sin, np.cos)])


def bumps(numbers):
    return np.exp(-(((numbers[:, None] - np.linspace(0, 1, 9)) / 0.1) ** 2) / 2)


def splines(numbers):
    return SplineTransformer(8).fit_transform(numbers[:, None])


OF_ONE_NUMBER = {
    "a day and its month": lambda rng: waves(rng.randint(365, size=200), 365, 365 / 12),
    "a day and its week": lambda rng: waves(rng.randint(1000, size=200), 365.25, 7),
    "a month": lambda rng: waves(rng.randint(12, size=200), 12, 6, 4),
    "splines": lambda rng: splines(rng.randint(101, size=200) / 100),
    "bumps": lambda rng: bumps(rng.randint(101, size=200) / 100),
    "powers": lambda rng: rng.normal(size=(200, 1)).round(2) ** np.arange(1, 6),
    "bumps that are symmetric": lambda rng: bumps(np.linspace(0, 1, 200)),
    "polynomials": lambda rng: np.polynomial.legendre.legvander(np.linspace(-1, 1, 200), 5),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_ONE_NUMBER)
def test_rows_of_one_number_that_comes_again_are_asked_about(name):
    rows = OF_ONE_NUMBER[name](np.random.RandomState(0))
    finding = shared_rows(rows, cv=SHUFFLED)
    assert finding.leaked is None and "by chance" in finding.evidence, finding
    assert alike_rows(rows, cv=SHUFFLED).leaked is not True


def test_a_month_beside_another_number_meets_by_chance():
    for seed in range(3):
        rng = np.random.RandomState(seed)
        month, other = rng.randint(12, size=100), rng.normal(size=100).round(1)
        rows = np.column_stack([waves(month, 12, 6), other])
        assert shared_rows(rows, cv=SHUFFLED).leaked is None


@pytest.mark.slow
def test_rows_of_several_numbers_do_not_follow_from_one():
    for seed in range(5):
        rng = np.random.RandomState(seed)
        home, guest = rng.normal(size=(2, 50, 2))
        games = np.vstack([np.hstack([home, guest]), np.hstack([guest, home])])
        for rows in (games, np.vstack([games, -games]), home, home.round(2)):
            assert not follow_from_one_number(rows)
        assert shared_rows(np.vstack([home, home]), cv=SHUFFLED).leaked is True


@pytest.mark.parametrize("unit", ["D", "W"])
def test_dates_far_larger_than_other_columns_do_not_excuse_copies(unit):
    rng = np.random.RandomState(0)
    since = np.datetime64("2019-01-01") + rng.randint(1500, size=200).astype(f"timedelta64[{unit}]")
    table = pd.DataFrame({"since": since.astype("datetime64[ns]"), "size": rng.normal(size=200)})
    table["kind"] = rng.randint(3, size=200)
    copied = table.iloc[np.append(np.arange(200), rng.randint(200, size=80))]
    assert shared_rows(copied, cv=SHUFFLED).leaked is True
    assert shared_rows(table, cv=SHUFFLED).leaked is False


@pytest.mark.slow
@pytest.mark.parametrize("weights", [[60, 3, 2, 1], [3, 2, 2]])
def test_a_formula_of_several_columns_is_asked_about(weights):
    table = np.random.RandomState(0).normal(size=(200, 12))
    y = table[:, : len(weights)] @ weights  # one column tells nearly all, or none does
    finding = too_good_feature(table, y, task="regression")
    assert finding.leaked is None and "computed by a formula look like this" in finding.evidence


@pytest.mark.slow
def test_what_one_or_two_columns_tell_is_seen_beside_columns_that_tell_nothing():
    rng = np.random.RandomState(0)
    table, y = rng.normal(size=(200, 4)), rng.normal(size=200)
    for leak in (2 * y, y + 0.01 * table[:, 0], y + 0.03 * rng.normal(size=200)):
        finding = too_good_feature(np.column_stack([table, leak]), y, task="regression")
        assert finding.leaked is True and "Column 4 alone" in finding.evidence


@pytest.mark.slow
def test_stand_ins_for_classes_are_seen_and_so_is_a_class_that_is_one_side_of_a_column():
    rng = np.random.RandomState(0)
    table, label = rng.normal(size=(200, 4)), rng.randint(2, size=200)
    assert too_good_feature(table, (table[:, 0] > 0).astype(int)).leaked is True
    for noise in (0.01, 0.15):
        stand_in = label + noise * rng.normal(size=200)
        assert too_good_feature(np.column_stack([table, stand_in]), label).leaked is True


@pytest.mark.parametrize("n_places", [4, 6, 10, 20])
def test_mean_labels_of_few_rows_are_asked_about(n_places):
    n_asked = 0
    for seed in range(8):
        rng = np.random.RandomState(seed)
        places, y = rng.randint(n_places, size=60), rng.randint(2, size=60)
        means = pd.Series(y).groupby(places).transform("mean").to_numpy()
        finding = told_by_means(means[:, None], y, ["means"], True)
        n_asked += finding is not None and "target encoding" in finding.evidence
        for honest in (places, rng.permutation(means), rng.rand(60).round(1)):
            assert told_by_means(honest[:, None].astype(float), y, ["honest"], True) is None
    assert n_asked >= 7


@pytest.mark.slow
def test_the_canary_says_that_rows_are_too_few_to_tell_mean_labels():
    rng = np.random.RandomState(0)
    places, y = rng.randint(4, size=60), rng.randint(2, size=60)
    means = pd.Series(y).groupby(places).transform("mean")
    finding = too_good_feature(np.column_stack([rng.normal(size=(60, 2)), means]), y)
    assert finding.leaked is None and "60 rows are too few to tell" in finding.evidence, finding
