"""Columns that know too much are named, however they are spread; strong honest ones are not."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_iris,
    load_wine,
    make_blobs,
    make_regression,
)

from helpers import too_good_feature

pytestmark = pytest.mark.slow  # some seconds, or many

rng = np.random.RandomState(0)
X = pd.DataFrame(rng.normal(size=(300, 4)), columns=list("abcd"))
y = (X.sum(axis=1) + rng.normal(size=300) > 0).astype(int)
three = pd.Series(rng.randint(3, size=300))
noise = pd.Series(rng.normal(size=300))
rng_of_products = np.random.RandomState(1)
price = pd.Series(rng_of_products.lognormal(size=300))
height = pd.Series(1.5 + rng_of_products.uniform(size=300))


def lags(series, numbers):
    """Return the values some rows before each, and the values, without the first rows."""
    first = max(numbers)
    return pd.DataFrame({f"lag{k}": series.shift(k) for k in numbers})[first:], series[first:]


def smooth(series, persistence):
    values = series.to_numpy().copy()
    for row in range(1, len(values)):
        values[row] += persistence * values[row - 1]
    return pd.Series(values)


def with_mean_of_today(series, n):
    table, target = lags(series, range(1, n))
    return table.assign(mean=series.rolling(n).mean()).iloc[1:], target[1:]


def two_dummies():
    return X.assign(alive=1 - y, dead=y), y


def gaps_of_one_class():
    return X.assign(body=np.where(y, np.nan, rng.uniform(1, 330, size=300))), y


def gaps_with_a_few_others():
    few = rng.uniform(size=300) < 0.01
    return X.assign(body=np.where(y | few, np.nan, rng.uniform(1, 330, size=300))), y


def dummies_less_one():
    return X.assign(one=three == 1, two=three == 2), three


LEAKS = {
    "two dummies": (two_dummies, "classification", ["4 ('alive')", "5 ('dead')"]),
    "three classes, two dummies": (dummies_less_one, "classification", ["4 ('one')", "5 ('two')"]),
    "filled in for one class": (gaps_of_one_class, "classification", ["Column 4 ('body') alone"]),
    "and for a few others": (gaps_with_a_few_others, "classification", ["Column 4 ('body') alone"]),
    "mean that includes today": (
        lambda: with_mean_of_today(noise, 4),
        "regression",
        ["Column 3 ('mean') is made of its own row's label"],
    ),
    "invoice": (
        lambda: (X.assign(invoice=1.19 * noise + 0.01 * X["a"]), noise),
        "regression",
        ["('invoice')"],
    ),
    "parts of a sum": (
        lambda: (X.assign(part=noise, rest=X["a"] - noise), X["a"]),
        "regression",
        ["('a')"],
    ),
    "price and quantity": (
        lambda: (X.assign(price=price, quantity=1 + three), price * (1 + three)),
        "regression",
        ["('price')", "('quantity')"],
    ),
    "costs, some of them 0": (
        lambda: (X.assign(price=price, quantity=three), -price * three),
        "regression",
        ["('price')", "('quantity')"],
    ),
    "weight and height of an index": (
        lambda: (X.assign(weight=80 * price, height=height), 80 * price / height**2),
        "regression",
        ["('weight')", "('height')"],
    ),
}


@pytest.mark.parametrize("name", LEAKS)
def test_all_columns_that_carry_the_outcome_are_named(name):
    make, task, named = LEAKS[name]
    finding = too_good_feature(*make(), task=task)
    assert finding.leaked is True, finding
    question = "is it known at the time of prediction"
    assert ("Leave today out" if "today" in name else question) in finding.evidence
    for column in named:
        assert column in finding.evidence


def test_a_leak_beside_columns_that_know_much():
    X, y = load_breast_cancer(return_X_y=True)
    finding = too_good_feature(np.column_stack([X, y + 0.01 * rng.normal(size=len(y))]), y)
    assert finding.leaked is True and "Column 30 alone scores 1.00" in finding.evidence


def test_one_column_among_many():
    X, y = rng.normal(size=(100, 400)), rng.randint(2, size=100)
    assert too_good_feature(X, y).leaked is False  # what noise offers by chance is no leak
    X[:, 77] = y + 0.1 * rng.normal(size=100)
    finding = too_good_feature(X, y)
    assert finding.leaked is True and "Column 77 alone" in finding.evidence


def test_a_number_of_each_row_that_tells_the_class():
    iris, species = load_iris(return_X_y=True)
    for number in (np.arange(150), 7 + 0.5 * np.arange(150), np.arange(150) * 3 + 1000):
        for rows in (np.arange(150), rng.permutation(150)):
            finding = too_good_feature(
                np.column_stack([number, iris])[rows], species[rows], task="classification"
            )
            assert finding.leaked is True and "Column 0 is another in each row" in finding.evidence
    shuffled = np.column_stack([rng.permutation(150), iris])
    assert too_good_feature(shuffled, species, task="classification").leaked is False
    names = pd.DataFrame(iris).assign(name=[f"{k:x}" for k in rng.permutation(150)])
    assert too_good_feature(names, species, task="classification").leaked is False


def of(load, task="classification"):
    return lambda seed: (*load(return_X_y=True), task)


def setosa(seed):
    iris, species = load_iris(return_X_y=True)
    return iris, (species == 0).astype(int), "classification"


def persistent(persistence, numbers):
    def draw(seed):
        noise = pd.Series(np.random.RandomState(seed).normal(size=400))
        return *lags(smooth(noise, persistence), numbers), "regression"

    return draw


def one_strong_column(seed):
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(300, 5))
    return X, 4 * X[:, 0] + rng.normal(size=300), "regression"


def area_and_price(seed):
    rng = np.random.RandomState(seed)
    area = rng.uniform(40, 200, size=300)
    price = np.round(3000 * area * np.exp(0.15 * rng.normal(size=300)))
    return np.column_stack([area, rng.randint(1, 6, size=300)]), price, "regression"


def logistic(seed):
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(300, 5))
    return X, (4 * X[:, 0] + rng.logistic(size=300) > 0).astype(int), "classification"


def power_law(seed):
    """A few large rows, and a column that tells most of each."""
    rng = np.random.RandomState(seed)
    table = rng.lognormal(sigma=1.5, size=(300, 4))
    return table, table[:, 0] ** 2 * np.exp(rng.normal(scale=0.2, size=300)), "regression"


HONEST = {
    "iris": of(load_iris),
    "setosa": setosa,
    "wine": of(load_wine),
    "breast cancer": of(load_breast_cancer),
    "diabetes": of(load_diabetes, "regression"),
    "lags": persistent(0.9, range(1, 7)),
    "lags of a persistent series": persistent(0.99, range(1, 7)),
    "lags of a random walk": persistent(1.0, range(1, 7)),
    "yesterday and last week": persistent(1.0, [1, 7]),
    "one strong column": one_strong_column,
    "area and price": area_and_price,
    "a power of a column": power_law,
    "a steep logistic": logistic,
}


@pytest.mark.parametrize("name", HONEST)
def test_a_table_that_is_merely_predictable_is_not_accused(name):
    X, y, task = HONEST[name](0)
    finding = too_good_feature(X, y, task=task)
    assert finding.leaked is False, finding


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("n, centers, n_columns, spread", [(300, 4, 2, 0.6), (400, 5, 6, 2.0)])
def test_where_most_columns_are_needed_it_asks(seed, n, centers, n_columns, spread):
    blobs = {"centers": centers, "n_features": n_columns, "cluster_std": spread}
    finding = too_good_feature(*make_blobs(n, **blobs, random_state=seed), task="classification")
    assert finding.leaked is None
    assert "These are most of the columns" in finding.evidence


@pytest.mark.parametrize("classes", [True, False])
def test_a_column_that_tells_alone_is_accused_beside_two_that_tell_together(classes):
    draws = np.random.RandomState(0)
    net, tax, other = draws.lognormal(size=(3, 300))
    target = (net + tax > 2).astype(int) if classes else net + tax
    proxy = target + 0.15 * draws.normal(size=300) if classes else target * 1.001
    table = np.column_stack([proxy, net, tax, other])[:, : 3 + classes]
    task = "classification" if classes else "regression"
    finding = too_good_feature(table, target, task=task)
    assert finding.leaked is True, finding


@pytest.mark.parametrize("n_columns, noise", [(3, 0), (10, 0), (10, 1)])
def test_where_a_formula_makes_the_target_of_all_columns_it_asks(n_columns, noise):
    table = make_regression(300, n_columns, noise=noise, random_state=0)
    finding = too_good_feature(*table, task="regression")
    assert finding.leaked is None
    assert "These are most of the columns" in finding.evidence


def test_it_says_how_good_a_column_it_would_have_asked_about():
    finding = too_good_feature(X, y)
    assert "a column that scores more than 0.9" in finding.evidence
    assert too_good_feature(X, np.zeros(300)).leaked is None


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_columns_that_tell_whose_row_it_is_are_not_said_to_tell_the_label(task):
    """Persons, or counties, of whom several rows are in the table, and one label."""
    rng = np.random.RandomState(0)
    person = np.repeat(np.arange(60), 6)
    table = pd.DataFrame(rng.normal(size=(60, 3))).iloc[person].assign(lab=rng.normal(size=360))
    y = rng.normal(size=60)[person]
    y = y if task == "regression" else (y > 0).astype(int)
    finding = too_good_feature(table.set_axis(list("abcd"), axis=1), y, task=task)
    assert not finding.leaked, finding
    assert task == "regression" or "whose row it is" in finding.evidence
    table["copy"] = y + 1e-3 * rng.normal(size=60)[person]
    finding = too_good_feature(table.set_axis(list("abcde"), axis=1), y, task=task)
    assert "'e'" in finding.evidence and finding.leaked is not False


@pytest.mark.parametrize("shuffled", [False, True])
def test_days_and_past_values_of_a_sum_so_far_are_asked_about(shuffled):
    rng = np.random.RandomState(0)
    cases = rng.poisson(30, size=200).cumsum()
    table = pd.DataFrame({"day": np.arange(200), "before": np.r_[0, cases[:-1]]})
    table["tests"] = rng.poisson(500, size=200)
    order = rng.permutation(200) if shuffled else np.arange(200)
    finding = too_good_feature(table.iloc[order], cases[order], task="regression")
    assert finding.leaked is None and "Past values of a series" in finding.evidence, finding
    table = table[["tests"]].assign(rank=np.arange(200))
    finding = too_good_feature(table.iloc[order], cases[order], task="regression")
    assert finding.leaked is (True if shuffled else None), finding


def test_means_and_lags_of_what_only_rises_are_left_alone():
    steps = np.random.RandomState(0).lognormal(size=400)
    series = pd.Series(steps.cumsum())
    table, target = lags(series, [1, 2, 7])
    table["mean"] = series.shift(1).rolling(7).mean()
    table["week"] = np.arange(len(table)) % 7
    assert not too_good_feature(table, target).leaked


def test_a_mark_that_is_another_by_one_is_no_past_value():
    marks = np.random.RandomState(0).randint(0, 21, size=300)
    table = X.assign(points=marks + 1)
    assert too_good_feature(table, marks, task="regression").leaked is True


def test_a_copy_of_many_classes_is_no_mark_of_persons():
    species = np.random.RandomState(0).randint(30, size=900)
    code = np.random.RandomState(1).permutation(30)[species]
    table = np.column_stack([np.random.RandomState(2).normal(size=(900, 3)), code])
    assert too_good_feature(table, species, task="classification").leaked is True


@pytest.mark.parametrize("filled", [0.3, 0.5])
def test_a_column_that_one_class_alone_has(filled):
    """Rows without a value are no unit, as those of a county are."""
    rng = np.random.default_rng(0)
    y = (rng.random(200) < filled).astype(int)
    X = rng.normal(size=(200, 4))
    X[y == 0, 0] = np.nan
    finding = too_good_feature(X, y, task="classification")
    assert finding.leaked and "Column 0 alone" in finding.evidence
    X[y == 1, 0] = rng.integers(0, 25, size=y.sum())  # reasons, of which each comes twice or more
    assert too_good_feature(X, y, task="classification").leaked


@pytest.mark.parametrize("nothing", [np.nan, 0.0])
@pytest.mark.parametrize("share", [0.5, 0.2, 0.8])
def test_days_that_only_one_class_has_are_no_names_of_persons(share, nothing):
    """A day of discharge comes in several rows, and its gap in half of all: neither is a unit."""
    rng = np.random.RandomState(0)
    died = (rng.uniform(size=400) < share).astype(int)
    table = pd.DataFrame(rng.normal(size=(400, 4)), columns=list("abcd"))
    table["days"] = np.where(died == 1, rng.randint(1, 30, 400), nothing)
    finding = too_good_feature(table, died)
    assert finding.leaked is True and "'days'" in finding.evidence, finding
    table["days"] = np.where(died == 0, rng.randint(1, 30, 400), nothing)
    finding = too_good_feature(table, died)
    assert finding.leaked is True and "'days'" in finding.evidence, finding


@pytest.mark.parametrize("n_copies", [1, 2, 6])
def test_copies_of_a_column_are_not_among_the_others(n_copies):
    rng = np.random.RandomState(0)
    noise, y = rng.normal(size=(400, 4)), rng.randint(2, size=400)
    nearly = np.where(rng.uniform(size=400) < 0.01, 1 - y, y)  # an error in a hundred rows
    for column in (nearly, np.where(nearly, np.nan, 1)):
        finding = too_good_feature(np.column_stack([noise] + (1 + n_copies) * [column]), y)
        assert finding.leaked is True and "Column 4, copied as 5" in finding.evidence
    assert too_good_feature(np.hstack([noise, noise]), y).leaked is False
    assert too_good_feature(np.column_stack([y, y]), y).leaked is None


def test_a_mark_in_the_corner_of_images_is_asked_about():
    rng = np.random.RandomState(0)
    images, ill = rng.normal(size=(200, 8, 8)), rng.randint(2, size=200)
    images[ill == 1, -3:, -3:] = 3
    finding = too_good_feature(images, ill)
    assert finding.leaked is None and "a mark or a border" in finding.evidence, finding
    assert "(5, " in finding.evidence or "(6, " in finding.evidence or "(7, " in finding.evidence


def test_of_few_rare_rows_only_a_column_without_error_is_asked_about():
    y, noise = (np.arange(240) < 8).astype(int), np.random.RandomState(0).normal(size=(240, 4))
    finding = too_good_feature(noise, y)
    assert finding.leaked is False
    assert "a column that scores 1.00, without any error, would be asked" in finding.evidence
    assert too_good_feature(np.column_stack([noise, y]), y).leaked
