"""Rows that SMOTE made before the split lie exactly between two others; no measured rows do."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import NearestNeighbors

from helpers import shared_rows
from helpers.leakage.between import count_between


def with_synthetic_rows(X, y, rng, n_neighbours=5):
    """Return a table with rows between neighbours of the rare class, until both are as large."""
    rare = X[y == 1]
    near = NearestNeighbors(n_neighbors=n_neighbours + 1).fit(rare)
    neighbours = near.kneighbors(rare, return_distance=False)[:, 1:]
    first = rng.randint(len(rare), size=len(y) - 2 * len(rare))
    second = neighbours[first, rng.randint(n_neighbours, size=len(first))]
    share = rng.uniform(size=(len(first), 1))
    made = rare[first] + share * (rare[second] - rare[first])
    return np.vstack([X, made]), np.r_[y, np.ones(len(made), dtype=int)]


def drawn(seed, n_columns=4):
    rng = np.random.RandomState(seed)
    return rng, rng.normal(size=(400, n_columns)), (rng.uniform(size=400) < 0.12).astype(int)


def folds_of(y):
    return list(StratifiedKFold(5, shuffle=True, random_state=0).split(np.zeros(len(y)), y))


@pytest.mark.slow
@pytest.mark.parametrize("n_columns", [3, 20])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_synthetic_rows_are_seen_if_the_split_parts_them_from_their_parents(n_columns, dtype):
    for seed in range(3):
        rng, X, y = drawn(seed, n_columns)
        table, labels = with_synthetic_rows(X, y, rng)
        table = (7 - 3 * table).astype(dtype)
        order = rng.permutation(len(labels))
        table, labels = table[order], labels[order]
        n_separated, are_few_lines = count_between(table, labels, folds_of(labels))
        assert n_separated > 100 and not are_few_lines
        assert count_between(table, rng.permutation(labels), folds_of(labels))[0] == 0


@pytest.mark.parametrize("values", [200, 50, 20])
def test_rows_made_between_whole_numbers_are_seen_beside_categories(values):
    rng, X, y = drawn(0)
    whole = np.round(X * values / 6)
    table, labels = with_synthetic_rows(whole, y, rng)
    kind = rng.randint(3, size=len(labels))  # SMOTENC takes one of the neighbours'
    for made in (table, np.column_stack([table, kind])):
        assert count_between(made, labels, folds_of(labels))[0] > 100
    assert count_between(whole, y, folds_of(y))[0] == 0


@pytest.mark.parametrize("is_scaled", [False, True])
def test_rows_that_were_rounded_again_are_seen_in_the_two_columns_that_were_not(is_scaled):
    """imbalanced-learn gives back whole numbers in columns of integers."""
    rng, X, y = drawn(0, 6)
    whole, prices = np.round(10 * X[:, :4]), np.exp(3 + X[:, 4:]).round(2)
    table, labels = with_synthetic_rows(np.column_stack([whole, prices]), y, rng)
    table[:, :4] = np.trunc(table[:, :4])
    if is_scaled:
        table = (table - table.mean(axis=0)) / table.std(axis=0)
    n_separated, are_few_lines = count_between(table, labels, folds_of(labels))
    assert n_separated > 100 and not are_few_lines
    assert count_between(table[: len(y)], y, folds_of(y))[0] == 0


@pytest.mark.parametrize("decimals", [2, 15])
def test_sums_of_equal_prices_are_on_lines_and_not_accused(decimals):
    rng = np.random.RandomState(0)
    for n_rare in (30, 100):
        y = (np.arange(400) < n_rare).astype(int)
        price, number = rng.uniform(20, 120, size=400).round(decimals), rng.randint(1, 72, size=400)
        table = np.column_stack([price, price * number, number])
        n_separated, are_few_lines = count_between(table, y, folds_of(y))
        assert are_few_lines or n_separated == 0
        assert decimals > 2 or n_separated == 0


@pytest.mark.parametrize("values", [20, 100, 300])
def test_whole_numbers_and_their_sums_lie_in_a_plane_and_are_left_alone(values):
    y = (np.arange(400) < 25).astype(int)
    for seed in (0, 8):  # with the latter, 100 values in a plane meet often enough
        rng = np.random.RandomState(seed)
        some, others, third = rng.randint(values, size=(3, 400)) + values // 5 * y
        doubled = [2 * some, 3 * others + 1]
        for columns in ([some + others], [some * others], [some - others, third], doubled):
            table = np.column_stack([some, others, *columns]).astype(float)
            assert count_between(table, y, folds_of(y))[0] == 0


def test_those_made_of_training_rows_alone_are_left_alone():
    rng, X, y = drawn(0)
    train, test = folds_of(y)[0]
    table, labels = with_synthetic_rows(X[train], y[train], rng)
    rows = np.arange(len(labels)), np.arange(len(labels), len(labels) + len(test))
    table, labels = np.vstack([table, X[test]]), np.r_[labels, y[test]]
    assert count_between(table, labels, [rows])[0] == 0


def test_tables_as_they_were_measured_have_none():
    for load in (load_breast_cancer, load_iris, load_wine):
        X, y = load(return_X_y=True)
        assert count_between(X, y, folds_of(y))[0] == 0


def test_tables_whose_rows_are_all_on_lines_or_on_a_grid_are_left_alone():
    rng, X, y = drawn(0)
    heat = rng.normal(size=400)
    on_a_line = np.column_stack([heat, 32 + 1.8 * heat, 273.15 + heat])
    assert count_between(on_a_line, y, folds_of(y))[0] == 0
    assert count_between(X.round(), y, folds_of(y))[0] == 0
    assert count_between(np.where(X > 2, np.nan, X), y, folds_of(y))[0] == 0


def test_the_canary_says_so():
    rng, X, y = drawn(0)
    assert shared_rows(X, y, cv=5).leaked is False
    table, labels = with_synthetic_rows(X, y, rng)
    finding = shared_rows(table, labels, cv=5)
    assert finding.leaked and "SMOTE" in finding.evidence
    names = np.array(["often", "rare"])[labels]
    assert shared_rows(table, names, cv=5).leaked
    assert shared_rows(table, cv=5).leaked is False  # it knows no classes
    thirds = np.r_[np.full(200, 2), labels[200:]]  # may be values, for all that was said
    assert shared_rows(table, thirds, cv=folds_of(thirds)).leaked
    assert shared_rows(table, labels.astype(float), cv=5, task="regression").leaked is False


@pytest.mark.slow
def test_twins_that_were_measured_again_are_no_copies():
    rng = np.random.RandomState(0)
    product = rng.randint(40, size=400)
    table, price = rng.normal(size=(40, 4))[product], rng.normal(size=400)
    for y in (price, np.column_stack([price, price])):
        finding = shared_rows(table, y, cv=5, task="regression")
        assert finding.leaked is None and "several times" in finding.evidence
    assert shared_rows(table, price[product], cv=5, task="regression").leaked
    copies = np.vstack([table, table[:200]]) + rng.normal(size=4)
    copies[:400] += rng.normal(size=(400, 4))
    copies[400:] = copies[:200]
    assert shared_rows(copies, np.r_[price, price[:200]], cv=5, task="regression").leaked


@pytest.mark.slow
def test_labels_of_any_kind_are_taken():
    rng, X, y = drawn(0)
    twins = np.vstack([X, X])
    for labels in (
        np.array(["often", "rare"], dtype=object)[y],
        np.where(y, "rare", None),
        np.array([0, "1"], dtype=object)[y],
        np.where(y, 1.0, np.nan),
        np.column_stack([y, y]).astype(object),
    ):
        folds = folds_of(y)
        assert shared_rows(X, labels, cv=folds, task="classification").leaked is False
        both = np.concatenate([labels, labels])
        assert shared_rows(twins, both, cv=folds_of(np.r_[y, y]), task="classification").leaked


def price_list(seed, n_tariffs):
    """Return trips, of which some have a price by a formula, and whether they have."""
    rng = np.random.RandomState(seed)
    km, tariff = rng.gamma(3, 40, 400), rng.randint(n_tariffs, size=400)
    standard = rng.uniform(size=400) < 0.3
    net = km * np.where(standard, 0.2 + 0.1 * tariff, 0.21 * rng.lognormal(0, 0.4, 400))
    fee = net * np.where(standard, 0.05, rng.uniform(0.02, 0.08, 400))
    return np.column_stack([km, net, fee]), standard


def of_few_rows(n_rows, n_neighbours):
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(200 + n_rows, 4)), np.repeat([0, 1], [200, n_rows])
    return with_synthetic_rows(X, y, rng, n_neighbours)


@pytest.mark.slow
@pytest.mark.parametrize(
    "table, y", [price_list(0, 1), price_list(2, 4), of_few_rows(5, 4), of_few_rows(8, 1)]
)
def test_rows_on_a_few_lines_may_be_made_by_a_formula_or_between_a_few_rows(table, y):
    cv = StratifiedKFold(5, shuffle=True, random_state=0)
    finding = shared_rows(table, y, cv=cv, task="classification")
    assert finding.leaked is None
    assert "on a few lines" in finding.evidence and "resample the training" in finding.evidence


def test_a_few_synthetic_rows_are_seen():
    rng, X, y = drawn(0)
    table, labels = with_synthetic_rows(X, y, rng)
    table, labels = table[:410], labels[:410]  # 10 of a class of 50
    n_separated, are_few_lines = count_between(table, labels, folds_of(labels))
    assert n_separated > 0 and not are_few_lines
