"""Columns made of the labels of all rows that share a value of another column."""

import numpy as np
import pandas as pd
import pytest

from helpers import too_good_feature
from helpers.leakage.grouped import MEDIAN, TOTAL, of_other_rows
from tests.leakage.test_mean_labels import LABELS, drawn, left_out, races


def found(column, places, y, labels):
    noise = np.random.RandomState(3).normal(size=len(y))
    return of_other_rows(np.column_stack([noise, column, places]), y, "classes" in labels)


def by_pandas(places, y, how):
    return pd.Series(y).groupby(places).transform(how).to_numpy(float)


@pytest.mark.parametrize("labels", LABELS)
def test_means_of_the_other_rows_are_seen(labels):
    _, places, y = drawn(labels)
    for column in (left_out(places, y), 3 - left_out(places, y), left_out(places, y).round(4)):
        column, by, what = found(column, places, y, labels)
        assert (column, by) == (1, 2) and "without that of the row itself" in what


@pytest.mark.parametrize("how", ["std", "var", "max", "min", "median", "sum"])
@pytest.mark.parametrize("sizes", ["alike", "a few large ones"])
def test_what_else_is_made_of_values_is_seen(how, sizes):
    rng, places, y = drawn("values")
    if sizes == "a few large ones":
        places = np.minimum(rng.zipf(1.5, size=600), 40)
    column = np.nan_to_num(by_pandas(places, y, how))
    for scaled in (column, 0.3 * column - 7, column.astype(np.float32)):
        number, by, what = found(scaled, places, y, "values")
        assert number == 1 and by in (1, 2)
        assert (what == TOTAL) is (how == "sum")


@pytest.mark.slow
@pytest.mark.parametrize("labels", LABELS)
def test_sums_and_means_so_far_are_seen_if_the_row_itself_is_in_them(labels):
    _, places, y = drawn(labels)
    for turned in (slice(None), slice(None, None, -1)):  # the oldest row first, or the newest
        by_place = pd.Series(y)[turned].groupby(places[turned])
        so_far, turn = by_place.cumsum().sort_index(), (by_place.cumcount() + 1).sort_index()
        for column in (so_far, 3 - so_far, so_far / turn):
            number, by, what = found(column, places, y, labels)
            assert (number, by) == (1, 2) and "with that of the row itself" in what
        for column in (so_far - y, (so_far - y) / np.maximum(turn - 1, 1), turn):
            assert found(column, places, y, labels) is None


@pytest.mark.parametrize("labels", LABELS)
def test_the_rows_own_label_compared_with_its_group_is_seen(labels):
    rng, places, y = drawn(labels)
    others = LABELS[labels](rng)
    names = ("mean", "std", "sum", "median", "max", "min")
    mean, std, total, median, high, low = (by_pandas(places, y, how) for how in names)
    with np.errstate(divide="ignore", invalid="ignore"):
        columns = [y - mean, (y - mean) / std, y / total, y / mean]
        if labels == "values":
            columns += [y - median, y / high, (y - low) / (high - low)]
        for column in columns:
            column, by, what = found(np.nan_to_num(column), places, y, labels)
            assert (column, by) == (1, 2) and "the row's own label" in what
        for column in (others - mean, others / mean, y - 2 * mean, y - mean.mean()):
            assert found(np.nan_to_num(column), places, y, labels) is None


def test_a_price_list_with_the_same_sizes_of_each_product_is_left_alone():
    rng = np.random.RandomState(0)
    for sizes in ([24, 28, 32, 36], [1, 2, 5, 10, 20, 31]):
        product, size = np.repeat(np.arange(25), len(sizes)), np.tile(sizes, 25)
        base = rng.randint(16, 200, 25)[product]
        for y in (base + size / 4, base * size, size - base):
            assert found(size, product, y, "values") is None


def test_a_class_that_a_column_tells_at_all_sites_alike_is_not_made_of_labels():
    site, animal = np.repeat(np.arange(20), 15), np.tile(np.arange(15) % 3, 20)
    assert found((animal == 1) * 1, site, animal, "four classes") is None


@pytest.mark.slow
@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("how", ["std", "max", "min", "median", "sum", "mean"])
def test_what_is_made_of_other_labels_is_left_alone(labels, how):
    rng, places, y = drawn(labels)
    training = rng.uniform(size=600) < 0.8
    by_training = pd.Series(y[training]).groupby(places[training]).agg(how)
    others = LABELS[labels](rng)
    for column in (
        pd.Series(places).map(by_training).fillna(0),
        by_pandas(places, others, how),
        left_out(places, others),
        np.bincount(places)[places],
    ):
        assert found(column, places, y, labels) is None


def test_groups_of_one_label_hide_nothing():
    """Most users have no fraud."""
    for seed in range(3):
        rng = np.random.RandomState(seed)
        users, risk = rng.randint(150, size=1000), rng.beta(0.2, 3, size=150)
        y = (rng.uniform(size=1000) < risk[users]).astype(int)
        by_user = pd.Series(y).groupby(users)
        so_far, n_others = by_user.cumsum(), by_user.transform("size") - 1
        others = (by_user.transform("sum") - y) / np.maximum(n_others, 1)
        for column in (so_far, others):
            assert found(column, users, y, "classes")[:2] == (1, 2)
        for column in (so_far - y, n_others, by_user.cumcount(), (so_far - y > 0) * 1):
            assert found(column, users, y, "classes") is None


@pytest.mark.parametrize("how", ["max", "min"])
def test_extremes_of_whole_numbers_are_seen(how):
    for seed in range(3):
        rng = np.random.RandomState(seed)
        stores = rng.randint(20, size=800)
        y = rng.normal(rng.normal(300, 60, size=20)[stores], 30).round()
        assert found(by_pandas(stores, y, how), stores, y, "values")[:2] == (1, 2)
        last_year = rng.permutation(y)
        assert found(by_pandas(stores, last_year, how), stores, y, "values") is None


def test_medians_of_whole_numbers_are_asked_about():
    for seed in range(3):
        rng = np.random.RandomState(seed)
        stores = rng.randint(40, size=800)
        y = rng.normal(rng.normal(300, 60, size=40)[stores], 30).round()
        number, by, what = found(by_pandas(stores, y, "median"), stores, y, "values")
        assert (number, by, what) == (1, 2, MEDIAN)
        last_year = rng.permutation(y)
        assert found(by_pandas(stores, last_year, "median"), stores, y, "values") is None


def test_what_follows_from_the_number_of_rows_is_left_alone():
    runners, places, race = races()
    for y in (places, places / runners, runners - places):
        assert found(runners, race, y, "values") is None
        assert found(runners, race * 0 + runners, y, "values") is None


def test_prices_that_were_asked_are_left_alone():
    rng, lots, _ = drawn("values")
    asked = rng.lognormal(4, 0.5, size=60).round(2)[lots]
    for share in (0.2, 0.4):
        y = np.where(rng.uniform(size=600) < share, asked, asked * rng.uniform(1, 2, size=600))
        assert found(asked, lots, y, "values") is None
        assert found(asked.round(), lots, y.round(), "values") is None
        assert found(asked, lots, -y, "values") is None


def test_what_is_made_of_features_of_a_class_is_left_alone():
    rng, room, _ = drawn("values")
    before = rng.normal(50, 8, size=600).round()
    y = (before + 6 * rng.normal(size=600)).round()
    for how in ("mean", "std", "max", "rank", "size"):
        assert found(by_pandas(room, before, how), room, y, "values") is None
    assert found(left_out(room, before), room, y, "values") is None


def test_few_sums_that_differ_are_asked_about():
    rng, places, _ = drawn("values")
    y = rng.permutation(np.arange(600) < 90).astype(int)
    number, by, what = found(by_pandas(places, y, "sum"), places, y, "two classes")
    assert (number, by, what) == (1, 2, TOTAL)


@pytest.mark.slow
def test_the_canary_asks_about_a_sum_which_may_be_planned():
    rng = np.random.RandomState(0)
    district, seats = np.repeat(np.arange(50), 5), rng.randint(3, 40, size=50)
    y = np.concatenate([rng.multinomial(n, rng.dirichlet(np.ones(5))) for n in seats])
    table = pd.DataFrame({"district": district, "seats": seats[district]})
    table["poll"] = rng.uniform(size=250)
    finding = too_good_feature(table, y, task="regression")
    assert finding.leaked is None
    assert "'seats'" in finding.evidence and "sum of the labels" in finding.evidence
