"""Order in a table, classes of few rows, series: honest work accused, and leaks passed over."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, KFold, TimeSeriesSplit
from sklearn.preprocessing import StandardScaler
from torch.utils.data import Subset

from helpers import (
    alike_rows,
    blind_test,
    held_rows,
    shared_rows,
    shift,
    time_order,
    too_good_feature,
)
from helpers.leakage.later import made_of_labels

pytestmark = pytest.mark.slow

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
    finding = shift(X, cv=TimeSeriesSplit(5))
    assert finding.leaked is None and "ask time_order" in finding.evidence
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


@pytest.mark.slow
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


def of_two_rows_each(n_classes=10):
    return np.repeat(np.arange(n_classes), 2)


@pytest.mark.slow
def test_rare_words_that_tell_classes_of_few_rows_by_chance_are_not_accused():
    for seed in range(3):
        words = np.random.RandomState(seed).uniform(size=(20, 1500)) < 0.08
        finding = too_good_feature(words.astype(float), of_two_rows_each(), task="classification")
        assert finding.leaked is not True, finding  # which rows are wrong depends on rounding


@pytest.mark.slow
def test_dummies_of_classes_of_few_rows_are_named():
    noise, y = np.random.RandomState(0).normal(size=(80, 3)), of_two_rows_each(40)
    X = np.column_stack([noise, y[:, None] == np.arange(39)])
    assert too_good_feature(X, y, task="classification").leaked is True


@pytest.mark.slow
@pytest.mark.parametrize("n_of_class", [2, 3, 6])
def test_a_column_that_tells_a_rare_class_is_asked_about(n_of_class):
    rng = np.random.RandomState(0)
    y = np.r_[np.full(n_of_class, 2), rng.randint(2, size=150 - n_of_class)]
    X = rng.normal(size=(150, 6))
    assert too_good_feature(X, y, task="classification").leaked is False
    finding = too_good_feature(np.column_stack([X, y == 2]), y, task="classification")
    assert finding.leaked is None and "all rows of one class" in finding.evidence


class Holding(BaseEstimator):
    def __init__(self, dataset):
        self.dataset = dataset

    def fit(self, X, y):
        return self


class KnowsItself:
    """A data set that holds itself, as one that hands its own method on does."""

    def __init__(self, rows):
        self.rows, self.me, self.all = rows, self, [self]
        self.all.append(self.all)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, row):
        return self.rows[row]


def test_a_data_set_that_holds_itself_is_looked_into_once():
    X = np.random.RandomState(0).normal(size=(40, 3))
    folds = [(np.arange(30), np.arange(30, 40))]
    for rows, leaked in ((range(30), False), (range(30, 40), True)):
        part = Subset(KnowsItself(X), list(rows))
        assert held_rows(Holding(part), X, cv=folds).leaked is leaked


VALUES = pd.Series(slow(400, 3, persistence=1) + 100)
WITH_TODAY = {
    "return": VALUES.pct_change(),
    "logarithm of the return": np.log(VALUES / VALUES.shift()),
    "return of three days": VALUES.pct_change(3),
    "return in percent": 100 * VALUES.pct_change(),
    "return of 14 days": VALUES.pct_change(14),
    "largest of 15": VALUES.rolling(15).max(),
    "centred mean": VALUES.rolling(7, center=True).mean(),
    "centred median": VALUES.rolling(7, center=True).median(),
    "largest": VALUES.rolling(7).max(),
    "spread": VALUES.rolling(7).std(),
}
BEFORE = {
    "gaps filled in from above": VALUES.where(VALUES > 100).shift().ffill(),
    **{name: WITH_TODAY[name].shift() for name in ("return", "largest", "spread")},
    "return of three days": VALUES.pct_change(3).shift(),
    "mean": VALUES.rolling(7).mean().shift(),
    "median": VALUES.rolling(7).median().shift(),
    "largest so far": VALUES.cummax().shift(),
}


@pytest.mark.slow
@pytest.mark.parametrize("first", [14, 3, 0], ids=["no gaps", "few gaps", "gaps at both ends"])
@pytest.mark.parametrize("columns, leaked", [(WITH_TODAY, True), (BEFORE, False)])
def test_values_that_include_today_are_named_beside_honest_lags(columns, leaked, first):
    lags = {f"lag{k}": VALUES.shift(k) for k in (1, 2, 3)}
    rows = slice(first, 390 if first == 14 else None)
    for name, column in columns.items():
        X, y = pd.DataFrame({**lags, name: column})[rows], VALUES[rows]
        found = too_good_feature(X, y, task="regression")
        assert found.leaked is leaked and (not leaked or repr(name) in found.evidence), name
        found = time_order(X, y, time=np.arange(len(X)), cv=TimeSeriesSplit(3))
        assert found.leaked is leaked and (not leaked or repr(name) in found.evidence), name


def test_a_second_sensor_that_often_agrees_is_not_accused():
    for seed in range(3):
        rng = np.random.RandomState(seed)
        heat = 15 + rng.normal(size=400).cumsum()
        near = np.round(heat + 0.05 * rng.normal(size=400), 1)
        X = np.column_stack([near, rng.normal(size=(400, 2))])
        found = time_order(X, np.round(heat, 1), time=np.arange(400), cv=TimeSeriesSplit(3))
        assert found.leaked is False, found


class LabelsAlone:
    """A predictor without probabilities, of rows that a scaler has seen."""

    def __init__(self, scaler, clf):
        self.scaler, self.clf = scaler, clf

    def predict(self, X):
        return self.clf.predict(self.scaler.transform(X))


class Probabilities(LabelsAlone):
    def predict_proba(self, X):
        return self.clf.predict_proba(self.scaler.transform(X))


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "leaked"), [(LabelsAlone, None), (Probabilities, True)])
def test_labels_that_stay_the_same_do_not_say_that_a_procedure_looks_back(kind, leaked):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 3))
    y = (X[:, 0] + rng.normal(size=120) > 0).astype(int)

    def scales_all(X, y, train, test):
        scaler = StandardScaler().fit(X)
        clf = LogisticRegression().fit(scaler.transform(X[train]), y[train])
        return kind(scaler, clf)

    folds = [(np.arange(80), np.arange(80, 120))]
    for labels in (y, y.astype(float), y.astype(str)):
        found = blind_test(scales_all, X, labels, cv=folds, task="classification")
        assert found.leaked is leaked


def test_a_forecast_of_whole_numbers_looks_back():
    class Last:
        def __init__(self, value):
            self.value = value

        def predict(self, X):
            return np.concatenate([[self.value], X[:-1, 0]]).astype(int)

    y = np.random.default_rng(0).poisson(20, size=120)
    X = y[:, None].astype(float)
    folds = [(np.arange(80), np.arange(80, 120))]
    found = blind_test(lambda X, y, *_: Last(y[0]), X, y, cv=folds, task="regression")
    assert found.leaked is False


N = 400
RANDOM = np.random.default_rng(5)
SERIES = {
    "temperature": 15 + 8 * np.sin(np.arange(N) * 2 * np.pi / 144) + 0.03 * RANDOM.normal(size=N),
    "year": np.sin(np.arange(N) * 2 * np.pi / 365),
    "counts so far": RANDOM.poisson(20, N).cumsum(),
    "steps": (RANDOM.normal(size=N) * (RANDOM.random(N) < 0.1)).cumsum(),
    "drift": (0.55 + RANDOM.normal(size=N)).cumsum(),
    "strong drift": (1.7 + RANDOM.normal(size=N)).cumsum(),
    "growth": 1.02 ** np.arange(N) * 5,
    "growth with luck": np.exp((0.02 + 0.01 * RANDOM.normal(size=N)).cumsum()),
    "stock": 100 - (RANDOM.poisson(3, N).cumsum() % 97),
    "decay": 100 * 0.9 ** (np.arange(N) % 40) + RANDOM.normal(size=N) * 1e-3,
    "walk": RANDOM.normal(size=N).cumsum(),
    "sentinel": np.append(RANDOM.exponential(size=N - 1), 1e13),
}


@pytest.mark.slow
@pytest.mark.filterwarnings("error::RuntimeWarning")  # a return from 0 is infinite
@pytest.mark.parametrize("name", SERIES)
def test_values_from_before_are_left_alone_in_any_series(name):
    y = pd.Series(SERIES[name], dtype=float)
    past = y.shift()
    columns = {f"lag{k}": y.shift(k) for k in (1, 2, 3, 7, 14)}
    for width in (2, 3, 5, 7, 14):
        window = past.rolling(width)
        for statistic in ("mean", "median", "min", "max", "std"):
            columns[f"{statistic} of {width}"] = getattr(window, statistic)()
    columns |= {"return": past.pct_change(), "return of 7": past.pct_change(7)}
    X = pd.DataFrame(columns)
    X["noise"] = np.random.default_rng(6).normal(size=N)
    for rows in (slice(None), slice(30, None)):
        assert made_of_labels(X[rows].to_numpy(), y[rows].to_numpy()) == ([], [])


def test_a_price_known_before_is_no_filled_gap():
    rng = np.random.default_rng(0)
    asked = rng.uniform(10, 90, size=500)
    paid = np.where(rng.random(500) < 0.06, 0.8 * asked, asked)
    assert made_of_labels(asked[:, None], paid) == ([], [])
    capacity = 100 + 0.5 * np.arange(500)
    sold = np.minimum(capacity, capacity + rng.normal(30, 40, size=500))
    assert made_of_labels(capacity[:, None], sold) == ([], [])
