"""Columns that stay the same in all rows of one person: several visits of each patient."""

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GroupKFold, KFold, TimeSeriesSplit
from sklearn.preprocessing import PolynomialFeatures

from helpers import alike_rows
from helpers.leakage.one_thing import columns_of_one_thing

pytestmark = pytest.mark.slow

SHUFFLED = KFold(5, shuffle=True, random_state=0)


def visits(seed, sizes=(2, 3), n=120):
    """Return a table of patients' visits, and whose they are, in no order."""
    rng = np.random.RandomState(seed)
    who = rng.permutation(np.repeat(np.arange(n), np.resize(sizes, n)))
    patients = pd.DataFrame(
        {
            "age": rng.randint(20, 90, n),
            "height": np.round(rng.normal(172, 9, n)),
            "sex": rng.choice(["f", "m"], n),
            "weight": np.round(rng.normal(80, 14, n), 1),
        }
    )
    table = patients.iloc[who].reset_index(drop=True)
    for name in ("pulse", "glucose", "sodium"):
        table[name] = np.round(0.5 * rng.normal(size=n)[who] + rng.normal(size=len(who)), 2)
    return table, who


@pytest.mark.parametrize("sizes", [(2,), (2, 3), (1, 2), (6,), (15,)])
def test_visits_of_patients_are_asked_about_and_the_columns_are_named(sizes):
    for seed in range(3):
        X, who = visits(seed, sizes)
        finding = alike_rows(X, cv=SHUFFLED, random_state=seed)
        assert finding.leaked is None, finding
        assert "'age'" in finding.evidence and "'weight'" in finding.evidence
        assert "'pulse'" not in finding.evidence and "shared_groups" in finding.evidence
        apart = alike_rows(X, cv=GroupKFold(5), groups=who, random_state=seed)
        assert apart.leaked is False, apart


def test_names_count_like_numbers_and_a_column_of_few_values_is_the_third():
    X, who = visits(0)
    X["weight"] = [f"number {17 * patient % 121}" for patient in who]
    assert "'weight'" in alike_rows(X, cv=SHUFFLED).evidence
    finding = alike_rows(X[["age", "height", "sex", "pulse", "glucose"]], cv=SHUFFLED)
    assert finding.leaked is None and "2 ('sex')" in finding.evidence


def test_what_is_asked_does_not_depend_on_the_order_of_columns_or_on_gaps():
    X, _ = visits(1)
    assert "'weight'" in alike_rows(X[X.columns[::-1]], cv=SHUFFLED).evidence
    X = X.mask(np.random.RandomState(0).uniform(size=X.shape) < 0.05)
    assert alike_rows(X, cv=SHUFFLED).leaked is None


def test_many_patients_of_one_age_or_height_hide_nothing():
    X, _ = visits(0, sizes=(3,), n=2000)
    X["weight"] = X["weight"].round()
    codes = X.assign(sex=(X["sex"] == "f") * 1.0).to_numpy()
    assert columns_of_one_thing(codes, np.random.RandomState(0)) == [0, 1, 2, 3]


def test_columns_are_looked_for_behind_many_others():
    X, _ = visits(0, sizes=(3,))
    genes = pd.DataFrame(np.random.RandomState(1).normal(size=(len(X), 110))).add_prefix("gene")
    finding = alike_rows(pd.concat([genes, X], axis=1), cv=SHUFFLED)
    assert finding.leaked is None and "113 ('weight')" in finding.evidence


def test_one_visit_each_is_nothing_to_ask_about():
    for seed in range(5):
        X, _ = visits(seed, sizes=(1,), n=300)
        assert alike_rows(X, cv=SHUFFLED, random_state=seed).leaked is False


def clinic(rng, n):
    age, height = rng.randint(18, 90, n), np.round(rng.normal(170, 9, n))
    weight, children = np.round(rng.normal(78, 14, n)), rng.poisson(1.2, n)
    return age, height, weight, children


def index_of_body_mass(rng, n):
    age, height, weight, children = clinic(rng, n)
    index = np.round(weight / (height / 100) ** 2, 1)
    surface = np.round(np.sqrt(height * weight / 3600), 2)
    return np.column_stack([age, height, weight, children, index, surface, 220 - age])


def products_of_columns(rng, n):
    age, _, _, children = clinic(rng, n)
    polynomials = PolynomialFeatures(3, include_bias=False)
    return polynomials.fit_transform(np.column_stack([age, children, rng.randint(0, 2, n)]))


def shares_of_words(rng, n):
    counts = rng.multinomial(60, rng.dirichlet(np.full(40, 0.1)), size=n)
    counts = counts[:, counts.any(axis=0)] + 0.0
    return counts / (60 + rng.poisson(10, n))[:, None]


def lags_of_counts(rng, n):
    series = rng.poisson(15, n + 5)
    return np.column_stack([series[k : n + k] for k in range(5)])


def orders(rng, n):
    price = rng.choice([9.99, 14.99, 19.99, 29.99, 39.99, 59.99, 79.99, 99.99, 129.99, 199.0], n)
    number, discount = rng.randint(1, 8, n), rng.choice([0, 0.05, 0.1, 0.2], n)
    total = np.round(price * number, 2)
    return np.column_stack([price, number, discount, total, np.round(total * (1 - discount), 2)])


def menu(rng, n):
    dish, size = rng.randint(0, 25, n), rng.choice([24, 28, 32, 36], n)
    return np.column_stack([dish, size, rng.randint(60, 120, n), rng.poisson(30, n)])


def persistent_values(rng, n):
    common = rng.normal(size=(n, 1))
    return np.round(30 + 5 * (0.95 * common + 0.3 * rng.normal(size=(n, 6))))


def amounts_with_many_zeros(rng, n):
    amounts = np.round(rng.lognormal(3, 1, (n, 6)))
    amounts[rng.uniform(size=n) < 0.4] = 0
    return amounts


@pytest.mark.parametrize(
    "draw",
    [
        index_of_body_mass,
        products_of_columns,
        shares_of_words,
        lags_of_counts,
        orders,
        menu,
        persistent_values,
        amounts_with_many_zeros,
    ],
)
def test_columns_that_follow_or_depend_are_not_those_of_one_thing(draw):
    for seed in range(5):
        table = draw(np.random.RandomState(seed), 400)
        assert columns_of_one_thing(table, np.random.RandomState(seed)) == []


def test_later_rows_of_the_same_shops_are_asked_about_with_a_reason():
    rng = np.random.RandomState(0)
    shop = np.tile(np.arange(60), 10)
    of_shop = np.column_stack([rng.randint(50, 900, 60), rng.randint(1950, 2020, 60)])
    area = np.round(rng.uniform(1, 30, 60), 1)
    X = np.column_stack([of_shop[shop], area[shop], rng.poisson(90, (600, 3))])
    finding = alike_rows(X, cv=TimeSeriesSplit(3))
    assert finding.leaked is None and "later rows" in finding.evidence


def test_few_columns_or_rows_of_one_value_are_nothing_to_ask_about():
    rng = np.random.RandomState(0)
    one_age = np.column_stack([rng.randint(20, 90, 100), rng.normal(size=100)])
    assert alike_rows(one_age, cv=SHUFFLED).leaked is False
    for table in (
        one_age,
        np.ones((30, 2)),
        rng.normal(size=(30, 1)),
        rng.randint(0, 40, (100, 2)),
    ):
        assert columns_of_one_thing(table, rng) == []
