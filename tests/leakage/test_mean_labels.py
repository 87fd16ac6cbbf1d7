"""Columns of mean labels: seen where they are of all rows, left alone where they are of others."""

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import KFold
from sklearn.preprocessing import TargetEncoder

from helpers import too_good_feature
from helpers.leakage.encoded import mean_labels
from helpers.leakage.grouped import mostly_mean_labels

LABELS = {
    "two classes": lambda r: r.randint(2, size=600),
    "four classes": lambda r: r.randint(4, size=600),
    "values": lambda r: r.normal(10, 3, size=600),
    "counts": lambda r: r.poisson(4, size=600),
}


def drawn(labels, seed=1):
    """Return a generator, the place of each of 600 rows, and labels that know no place."""
    rng = np.random.RandomState(seed)
    return rng, rng.randint(60, size=600), LABELS[labels](rng)


def by_scikit_learn(places, y, smooth, rows=slice(None)):
    encoder = TargetEncoder(target_type="continuous", smooth=smooth)
    return encoder.fit(places[rows, None], y[rows]).transform(places[:, None])[:, 0]


def by_pandas(places, y):
    return pd.Series(y).groupby(places).transform("mean").to_numpy(copy=True)


def left_out(places, y):
    """Return means of all rows of a place but the row's own."""
    by_place = pd.Series(y).groupby(places)
    n = by_place.transform("size").to_numpy()
    return (by_place.transform("sum").to_numpy() - y) / np.maximum(n - 1, 1)


def found(column, y, labels):
    return mean_labels(np.asarray(column, float)[:, None], y, classes="classes" in labels)


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("smooth", [0.0, 1.0, 10.0, "auto"])
def test_means_of_all_rows_are_seen(labels, smooth):
    _, places, y = drawn(labels)
    assert found(by_scikit_learn(places, y, smooth), y, labels) == [0]


@pytest.mark.parametrize("labels", LABELS)
def test_rounded_means_and_those_of_single_precision_are_seen(labels):
    _, places, y = drawn(labels)
    means = by_pandas(places, y)
    for column in (means.round(3), means.round(2), means.astype(np.float32)):
        assert found(column, y, labels) == [0]


@pytest.mark.parametrize("labels", LABELS)
def test_means_of_other_rows_are_left_alone(labels):
    rng, places, y = drawn(labels)
    training = rng.uniform(size=600) < 0.8
    crossed = TargetEncoder(target_type="continuous", cv=KFold(5))
    honest = {
        "of training rows": by_scikit_learn(places, y, 0.0, training),
        "of training rows, smoothed": by_scikit_learn(places, y, "auto", training),
        "of other folds": crossed.fit_transform(places[:, None], y)[:, 0],
        "of last year": by_pandas(places, LABELS[labels](rng)),
        "places": places,
        "a coarse measurement of the label": np.round(y + rng.normal(scale=0.01, size=600), 1),
    }
    for what, column in honest.items():
        assert found(column, y, labels) == [], what


@pytest.mark.slow
def test_scores_that_say_the_truth_on_average_are_left_alone():
    """Few values, each near the share of ones in its rows, and in small tables equal to it."""
    rng = np.random.RandomState(0)
    for _ in range(300):
        chances = rng.randint(1, 10, size=rng.randint(20, 200)) / 10
        y = (rng.uniform(size=len(chances)) < chances).astype(int)
        assert found(chances, y, "two classes") == []


def races(seed=0):
    """Return the number of runners, the place of each, and the race, of 60 races."""
    rng = np.random.RandomState(seed)
    sizes = rng.randint(4, 16, size=60)
    places = np.concatenate([rng.permutation(size) + 1 for size in sizes])
    return np.repeat(sizes, sizes), places, np.repeat(np.arange(60), sizes)


FORMS = {
    "1 / n": lambda n: 1 / n,
    "standardised by last year's": lambda n: (1 / n - 0.123) / 0.0456,
    "logarithm": lambda n: -np.log(n),
    "logarithm of odds": lambda n: -np.log(n - 1),
    "n": lambda n: n,
    "percent": lambda n: 100 / n,
}


@pytest.mark.parametrize("form", FORMS)
def test_what_the_number_of_runners_tells_is_known_before_the_race(form):
    runners, places, race = races()
    column = FORMS[form](runners)
    first = (places == 1).astype(int)
    for y in (first, 1 - first, (places <= 3).astype(int), np.where(first, "won", "lost")):
        assert found(column, y, "two classes") == []
    strength = np.random.RandomState(1).lognormal(size=len(race))
    shares = strength / pd.Series(strength).groupby(race).transform("sum").to_numpy()
    for y in (places, places / runners, shares, 100 * shares):
        assert found(column, y, "values") == []


def test_a_budget_is_known_before_it_is_dealt_out():
    rng = np.random.RandomState(0)
    city, budgets = np.repeat(np.arange(40), 6), rng.lognormal(10, 0.6, size=40)
    y = budgets[city] * rng.dirichlet(np.ones(6), size=40).ravel()
    assert found(budgets[city], y, "values") == []
    assert found((budgets[city] - budgets.mean()) / budgets.std(), y, "values") == [0]  # nor can be


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("k, f", [(20, 10), (1, 1), (5, 3.5)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_means_that_a_sigmoid_of_their_number_weighs_are_seen(labels, k, f, dtype):
    rng, places, y = drawn(labels)
    places = np.where(rng.uniform(size=600) < 0.1, 100 + np.arange(600), places)  # some of one row
    y = (y == 2).astype(int) if labels == "four classes" else y
    n = pd.Series(y).groupby(places).transform("size").to_numpy()
    own = np.where(n == 1, 0, 1 / (1 + np.exp(-(n - k) / f)))
    column = own * by_pandas(places, y) + (1 - own) * y.mean()
    assert found(column.astype(dtype), y, labels) == [0]
    assert found(column.astype(dtype), LABELS[labels](rng), labels) == []  # of last year


def test_a_column_that_is_the_label_is_left_to_its_score():
    for y in (LABELS["two classes"], LABELS["values"]):
        y = y(np.random.RandomState(0))
        assert found(y, y, "values") == []
        assert found(np.repeat(y, 2), np.repeat(y, 2), "values") == []


def test_gaps_and_columns_beside_it_change_nothing():
    rng, places, y = drawn("two classes")
    means = np.where(rng.uniform(size=600) < 0.2, np.nan, by_pandas(places, y))
    assert found(means, y, "two classes") == []  # of the rows that are left
    means = by_pandas(places, y)
    means[places == 3] = np.nan
    table = np.column_stack([rng.normal(size=600), means, np.full(600, y.mean())])
    assert mean_labels(table, y, classes=True) == [1]


def test_the_share_of_one_class_of_several_is_seen_and_so_are_classes_that_are_texts():
    _, places, y = drawn("four classes")
    names = np.array(["ash", "beech", "elm", "oak"])[y]
    share = by_pandas(places, (y == 2).astype(float))
    assert found(share, names, "four classes") == [0]


@pytest.mark.slow
def test_the_canary_names_the_column_and_the_cure():
    rng, places, y = drawn("two classes")
    table = pd.DataFrame({"noise": rng.normal(size=600), "other": rng.normal(size=600)})
    assert too_good_feature(table, y).leaked is False
    table["of_place"] = by_pandas(places, y)
    finding = too_good_feature(table, y)
    assert finding.leaked
    assert "of_place" in finding.evidence
    assert "TargetEncoder" in finding.evidence
    table["of_place"] = left_out(places, y)
    assert not too_good_feature(table, y).leaked  # not seen: the places are not in the table
    finding = too_good_feature(table.assign(place=places), y)
    assert finding.leaked and "'of_place'" in finding.evidence and "'place'" in finding.evidence


@pytest.mark.parametrize("labels", LABELS)
def test_means_are_asked_about_where_rows_were_dropped_since_and_not_those_of_training_rows(labels):
    rng, places, y = drawn(labels)
    classes, is_train = "classes" in labels, rng.uniform(size=600) < 0.8
    if labels == "four classes":
        y = (y == 2).astype(int)
    means = by_pandas(places, y)
    for n in (1,) if classes else (1, 3):  # shares are few, so that many rows hold each
        left = np.delete(np.arange(600), rng.choice(np.flatnonzero(means != y), n, replace=False))
        assert mean_labels(means[left, None], y[left], classes) == []
        assert mostly_mean_labels(means[left, None], y[left], classes) == [0]
    of_training = by_scikit_learn(places, y, 0.0, is_train)
    assert mostly_mean_labels(of_training[:, None], y, classes) == []


@pytest.mark.parametrize("seed", range(3))
def test_columns_that_are_near_the_labels_are_not_asked_about(seed):
    rng = np.random.RandomState(seed)
    asked = rng.randint(5, 50, 600).astype(float)
    paid = np.where(rng.uniform(size=600) < 0.9, asked, asked - 1)
    grade = rng.randint(1, 6, 600)
    columns = np.column_stack([asked, paid.round(-1), rng.poisson(2, 600), grade])
    assert mostly_mean_labels(columns, paid, classes=False) == []
    assert mostly_mean_labels(columns, grade + rng.normal(0, 0.3, 600), classes=False) == []
    assert mostly_mean_labels(columns, (grade + rng.normal(size=600) > 3).astype(int), True) == []


def test_the_canary_asks_whether_rows_were_dropped():
    rng, places, y = drawn("two classes")
    table = np.column_stack([rng.normal(size=(600, 2)), by_pandas(places, y)])[1:]
    finding = too_good_feature(table, y[1:])
    assert finding.leaked is None and "were rows dropped or drawn since?" in finding.evidence
