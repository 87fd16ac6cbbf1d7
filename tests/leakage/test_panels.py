"""Panels: rows of many shops on the same days, each shop a series of its own."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GroupKFold, KFold, TimeSeriesSplit

from helpers import audit, shared_groups, time_order
from helpers.leakage.later import made_of_labels

TASKS = {"classes": "classification", "values": "regression"}


def panel(kind, n_days=40, n_shops=20, seed=0):
    """Return days and shops, honest columns and labels: each day's rows, one day after another."""
    rng = np.random.RandomState(seed)
    who = pd.DataFrame({"day": np.repeat(np.arange(n_days), n_shops)})
    who["shop"] = np.tile(np.arange(n_shops), n_days)
    size = rng.normal(size=n_shops)
    sold = pd.Series(size[who["shop"]] + rng.normal(size=len(who)))
    y = (sold > 0).astype(int) if kind == "classes" else sold
    X = pd.DataFrame(rng.normal(size=(len(who), 2)), columns=["noise", "more noise"])
    X["size"] = size[who["shop"]] + rng.normal(scale=0.1, size=len(who))
    X["yesterday"] = y.groupby(who["shop"]).shift(1)
    X["last week"] = y.groupby(who["shop"]).transform(lambda s: s.shift(1).rolling(7).mean())
    X["until now"] = y.groupby(who["shop"]).transform(lambda s: s.shift(1).expanding().mean())
    return who, X, y


def split(who):
    late = who["day"] >= who["day"].max() / 2
    return [(np.flatnonzero(~late), np.flatnonzero(late))]


@pytest.mark.slow
@pytest.mark.parametrize("kind", TASKS)
@pytest.mark.parametrize("n_days", [12, 40])
def test_tomorrow_is_seen_in_the_series_of_each_shop(kind, n_days):
    who, X, y = panel(kind, n_days)
    known = {"time": who["day"], "groups": who["shop"], "cv": split(who), "task": TASKS[kind]}
    assert time_order(X, y, **known).leaked is False
    finding = time_order(X.assign(tomorrow=y.groupby(who["shop"]).shift(-1)), y, **known)
    assert finding.leaked is True and "columns 6 ('tomorrow')." in finding.evidence


MADE = {
    "this week": lambda s: s.rolling(7).mean(),  # the first six of each shop are gaps
    "fading": lambda s: s.ewm(span=30).mean(),
    "above the shop's mean": lambda s: (s - s.mean()) / s.std(),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MADE)
def test_what_is_made_of_today_in_each_shop_is_seen(name):
    who, X, y = panel("values", n_days=60)
    known = {"time": who["day"], "groups": who["shop"], "cv": split(who), "task": "regression"}
    finding = time_order(X.assign(made=y.groupby(who["shop"]).transform(MADE[name])), y, **known)
    assert finding.leaked is True and "columns 6 ('made')." in finding.evidence
    before = y.groupby(who["shop"]).shift(1).groupby(who["shop"]).transform(MADE[name])
    assert time_order(X.assign(made=before), y, **known).leaked is False


SMOOTH = {
    "a line": np.arange(300.0),
    "waves": np.sin(np.arange(300) / 9),
    "steps": np.repeat(np.random.RandomState(0).normal(size=15), 20),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_values_from_before_that_tell_today_are_left_alone(name):
    y = pd.Series(SMOOTH[name])
    past = y.shift(1)
    columns = [past, past.ewm(span=10).mean(), past.expanding().mean(), past.rolling(7).mean()]
    assert made_of_labels(np.column_stack(columns), y.to_numpy())[0] == []


@pytest.mark.parametrize("how", ["mean", "sum"])
@pytest.mark.parametrize("n_rows", [30, 53])
def test_windows_that_include_today_are_seen_in_short_series(how, n_rows):
    y = pd.Series(np.random.RandomState(0).normal(size=n_rows + 7))
    today = getattr(y.rolling(7), how)()
    for rows, column in ((slice(7, None), today), (slice(0, -7), today.shift(-6))):
        assert made_of_labels(column[rows].to_numpy()[:, None], y[rows].to_numpy()) == ([0], [])
    before = today.shift(1)[7:].to_numpy()[:, None]
    assert made_of_labels(before, y[7:].to_numpy()) == ([], [])


@pytest.mark.slow
@pytest.mark.parametrize("kind", TASKS)
def test_a_week_with_today_is_seen_in_series_of_fifty_days(kind):
    who, X, y = panel(kind, n_days=50, n_shops=8)
    known = {"time": who["day"], "groups": who["shop"], "cv": split(who), "task": TASKS[kind]}
    by_shop = y.astype(float).groupby(who["shop"])
    week = by_shop.transform(lambda s: s.rolling(7, min_periods=1).sum())
    after = week.groupby(who["shop"]).shift(-7)
    change = y - by_shop.shift(7)
    assert time_order(X.assign(before=week - y, since=by_shop.shift(7)), y, **known).leaked is False
    for made in (week, after, change):
        finding = time_order(X.assign(made=made), y, **known)
        assert finding.leaked is True and "columns 6 ('made')." in finding.evidence


SHORT = {
    "a line": np.arange(60.0),
    "a line with breaks": np.interp(np.arange(60), np.arange(0, 72, 12), [3, 9, 4, 8, 1, 5]),
    "one week, again and again": np.tile(np.random.RandomState(0).normal(size=7), 9)[:60],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SHORT)
def test_means_of_earlier_rows_that_tell_today_are_left_alone_in_short_series(name):
    y = pd.Series(SHORT[name])
    windows = [y.shift(1).rolling(width) for width in range(2, 15)]
    columns = [y.shift(k) for k in range(1, 15)]
    columns += [made for window in windows for made in (window.mean(), window.sum())]
    assert made_of_labels(np.column_stack(columns), y.to_numpy())[0] == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["a week", "a line", "a wave"])
def test_a_calendar_is_left_alone_in_short_series_of_shops_that_are_all_alike(kind):
    day = np.arange(7, 27)
    sales = {"a line": 50.0 + day, "a wave": np.sin(2 * np.pi * day / 25)}
    sales["a week"] = np.array([3.0, 5, 8, 13, 21, 40, 34])[day % 7]
    y, weekday = np.tile(sales[kind], 3), np.tile(day % 7, 3)
    assert made_of_labels(weekday[:, None].astype(float), y)[0] == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["values", "counts", "a walk"])
def test_sums_until_yesterday_are_not_accused_where_the_newest_row_is_the_first(kind):
    rng = np.random.RandomState(0)
    y = {"values": rng.normal(size=200), "counts": rng.poisson(5, size=200)}
    y["a walk"] = y["values"].cumsum()
    y = pd.Series(y[kind], dtype=float)
    made = {"sum": y.cumsum(), "mean": y.expanding().mean(), "fading": y.ewm(alpha=0.3).mean()}
    made["slowly"] = y.ewm(span=30, adjust=False).mean()
    for name, column in made.items():
        both = np.column_stack([column, column.shift(1)])[10:]
        assert made_of_labels(both, y[10:].to_numpy()) == ([0], []), name
        assert 1 not in made_of_labels(both[::-1], y[10:][::-1].to_numpy())[0], name


@pytest.mark.slow
def test_rows_of_a_panel_may_come_in_any_order_and_some_belong_to_nobody():
    who, X, y = panel("values")
    X["tomorrow"] = y.groupby(who["shop"]).shift(-1)
    shop = who["shop"].map("shop {}".format).where(who["shop"] > 2)
    order = np.random.RandomState(1).permutation(len(y))
    who, X, y, shop = (values.iloc[order] for values in (who, X, y, shop))
    cv = split(who.reset_index())
    finding = time_order(X, y, time=who["day"], groups=shop, cv=cv, task="regression")
    assert finding.leaked is True and "columns 6 ('tomorrow')." in finding.evidence


def test_a_look_that_did_not_happen_is_not_none_seen():
    who, X, y = panel("classes")
    for groups in (None, who["day"], np.arange(len(y)) // 2):
        finding = time_order(X, y, time=who["day"], groups=groups, cv=split(who))
        assert finding.leaked is None and "or, as groups, whose row it is" in finding.evidence
        assert ("no group has 10" in finding.evidence) == (groups is not None)
    y = y.where(y.index > 0)
    known = {"time": np.arange(len(y)), "cv": split(who), "task": "regression"}
    finding = time_order(X, y, **known)
    assert finding.leaked is None and "leave them out" in finding.evidence


def test_shops_whose_label_never_changes_have_no_later_label_to_find():
    who, X, y = panel("classes")
    y = (who["shop"] > 9).astype(int)
    finding = time_order(X, y, time=who["day"], groups=who["shop"], cv=split(who))
    assert finding.leaked is False


@pytest.mark.slow
def test_an_audit_of_a_panel_looks_at_each_shop():
    who, X, y = panel("classes")
    X = X.drop(columns=["yesterday", "last week", "until now"])
    known = {"time": who["day"], "groups": who["shop"], "cv": split(who)}
    for added, leaked in (
        ({}, False),
        ({"next": y.groupby(who["shop"]).shift(-1).fillna(0)}, True),
    ):
        report = audit(LogisticRegression(), X.assign(**added), y, **known)
        assert {finding.name: finding.leaked for finding in report}["time_order"] is leaked


@pytest.mark.parametrize("names", [["down", "up"], ["up", "down"], [False, True]])
@pytest.mark.parametrize("as_number", [True, False])
def test_labels_that_are_names_are_compared_as_numbers_are(names, as_number):
    """It said that it saw none, and had compared nothing."""
    rng = np.random.default_rng(0)
    code = rng.integers(2, size=200)
    y = np.array(names)[code]
    table = pd.DataFrame(rng.normal(size=(200, 2)), columns=["a", "b"])
    settings = {"time": np.arange(200), "cv": TimeSeriesSplit(3), "task": "classification"}
    for shift, leaked in ((1, False), (-1, True)):  # yesterday's label, and tomorrow's
        table["other"] = np.roll(code if as_number else y, shift)
        finding = time_order(table, y, **settings)
        assert finding.leaked is leaked and ("'other'" in finding.evidence) is leaked, finding


def test_names_of_three_classes_are_compared_with_a_column_of_the_same_names():
    rng = np.random.default_rng(0)
    y = rng.choice(["a", "b", "c"], size=200)
    table = pd.DataFrame({"x": rng.normal(size=200), "tomorrow": np.roll(y, -1)})
    settings = {"time": np.arange(200), "cv": TimeSeriesSplit(3), "task": "classification"}
    assert time_order(table, y, **settings).leaked is True
    table["tomorrow"] = np.roll(y, 1)
    assert time_order(table, y, **settings).leaked is False


def test_a_forecast_of_known_series_is_no_leak_and_a_random_split_of_them_is():
    who, X, y = panel("values", n_days=10, n_shops=6)
    mixed = KFold(5, shuffle=True, random_state=0)
    first = [(np.flatnonzero(who["day"] >= 5), np.flatnonzero(who["day"] < 5))]
    for cv, leaked in ((split(who), None), (mixed, True), (first, True)):
        finding = shared_groups(X, y, groups=who["shop"], time=who["day"], cv=cv)
        assert finding.leaked is leaked
        assert ("right for a forecast of known groups" in finding.evidence) is (leaked is None)
    assert shared_groups(X, y, groups=who["shop"], cv=split(who)).leaked is True
    # The last of each shop's own days; pairs of shops; and rows of no shop, which are not compared.
    begun = who["day"] + 3 * who["shop"]
    assert shared_groups(X, groups=who["shop"], time=begun, cv=split(who)).leaked is None
    late = who["day"] == 9
    one_late = [(np.flatnonzero(~late), np.flatnonzero(late))]
    pairs = np.column_stack([who["shop"], (who["shop"] + 1) % 6])
    assert shared_groups(X, groups=pairs, time=who["day"], cv=one_late).leaked is None
    assert shared_groups(X, groups=pairs, time=begun, cv=one_late).leaked is True
    without = who["shop"].where(who["shop"] > 0)
    at_once = who["day"].where(who["shop"] > 0, 0)
    assert shared_groups(X, groups=without, time=at_once, cv=one_late).leaked is None


@pytest.mark.slow
def test_an_audit_tells_a_forecast_of_known_series_from_a_random_split():
    who, X, y = panel("values", n_days=24, n_shops=4)
    known, day = {"groups": who["shop"]}, who["day"].astype(float)
    X = X[["noise", "more noise"]]
    for cv, time, leaked in (
        (split(who), day, None),
        (KFold(3, shuffle=True, random_state=0), day, True),
        (split(who), day.where(day > 0), True),  # times with gaps cannot be compared
    ):
        report = audit(LinearRegression(), X, y, cv=cv, time=time, **known)
        assert {f.name: f.leaked for f in report}["shared_groups"] is leaked


def test_new_machines_may_be_as_late_as_known_ones_and_rows_of_nobody_may_be_anybodys():
    """An honest split by groups was accused, with the advice to give it up."""
    who, X, y = panel("values", n_days=20, n_shops=6)
    known = {"time": who["day"], "cv": GroupKFold(3), "task": "regression"}
    finding = time_order(X, y, groups=who["shop"], **known)
    assert finding.leaked is None and "right if the score is to hold for new" in finding.evidence
    ahead = X.assign(tomorrow=y.groupby(who["shop"]).shift(-1))
    finding = time_order(ahead, y, groups=who["shop"], **known)
    assert finding.leaked is True and "'tomorrow'" in finding.evidence
    mixed = KFold(3, shuffle=True, random_state=0)
    assert time_order(X, y, groups=who["shop"], **known | {"cv": mixed}).leaked is True
    folds = list(GroupKFold(3).split(X, groups=who["shop"]))
    nobody = who["shop"].where(who["day"] > 0)
    assert time_order(X, y, groups=nobody, **known | {"cv": folds}).leaked is True


def test_a_cut_within_a_day_is_named():
    who, X, y = panel("values", n_days=20, n_shops=6)
    rows = np.arange(len(y))
    for n, leaked in ((60, False), (63, True)):  # between two days, and within one
        cv = [(rows[:n], rows[n:])]
        finding = time_order(X, y, time=who["day"], groups=who["shop"], cv=cv, task="regression")
        assert finding.leaked is leaked
        assert ("split between two times" in finding.evidence) is leaked


@pytest.mark.slow
@pytest.mark.parametrize("name", ["max", "min", "median", "std", "mean"])
def test_windows_of_later_rows_alone_are_seen_and_those_of_earlier_rows_are_not(name):
    rng = np.random.default_rng(0)
    walk = rng.normal(size=300).cumsum()
    for labels in (walk, rng.normal(size=300), np.round(9 * walk), rng.poisson(300, size=300)):
        y = pd.Series(labels, dtype=float)
        said = getattr(y.rolling(5), name)()
        X = pd.DataFrame({"noise": rng.normal(size=300), "until yesterday": said.shift(1)})
        settings = {"time": np.arange(290), "cv": TimeSeriesSplit(3), "task": "regression"}
        for shift in (1, 8, 14):
            table = X.assign(before=said.shift(shift))[:290]
            assert time_order(table, y[:290], **settings).leaked is False, shift
        finding = time_order(X.assign(after=said.shift(-5))[:290], y[:290], **settings)
        assert finding.leaked is True and "columns 2 ('after')." in finding.evidence


def test_an_audit_refuses_a_span_that_does_not_fit_the_times():
    """It said that time_order could not look, and nothing more."""
    who, X, y = panel("values", n_days=20, n_shops=6)
    day = pd.Timestamp("2026-01-01") + pd.to_timedelta(who["day"], "D")
    for name in ("horizon", "window"):
        with pytest.raises(ValueError, match=f"{name} must be a datetime.timedelta"):
            audit(LinearRegression(), X[["noise"]], y, time=day, cv=split(who), **{name: 7})
