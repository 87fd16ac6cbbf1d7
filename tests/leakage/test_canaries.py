"""Canaries on procedures, splits and tables, and the audit that runs them."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    TimeSeriesSplit,
    cross_val_score,
    train_test_split,
)
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers import (
    Finding,
    Report,
    TorchClassifier,
    audit,
    batch_mates,
    blind_test,
    carry_over,
    leakage,
    null_labels,
    refit,
    shared_groups,
    shared_rows,
    shift,
    time_order,
    too_good_feature,
)
from helpers.data import coin_flips

X, y = coin_flips()
SHUFFLED = KFold(5, shuffle=True, random_state=0)


# Procedures -------------------------------------------------------------------------------------


def cross_validated(X, y):
    return cross_val_score(LogisticRegression(), X, y).mean()


@pytest.mark.slow
def test_null_labels_is_quiet_on_a_signal_and_on_a_regression():
    assert not null_labels(cross_validated, *load_iris(return_X_y=True)).leaked

    def r2(X, y):
        return cross_val_score(Ridge(), X, y, cv=SHUFFLED).mean()

    assert not null_labels(r2, *load_diabetes(return_X_y=True), n_permutations=10).leaked


@pytest.mark.parametrize("wrong", [{"chance": "0.5"}, {"n_permutations": 2.5}])
def test_null_labels_names_the_parameter_that_is_wrong(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be .*; got"):
        null_labels(lambda X, y: 0.5, *coin_flips(20, 2), **wrong)


def test_null_labels_takes_a_score_that_never_changes():
    assert null_labels(lambda X, y: 1.0, X, y, chance=0.5).leaked
    assert not null_labels(lambda X, y: 0.5, X, y, chance=0.5).leaked


def test_null_labels_wants_one_label_for_each_group():
    with pytest.raises(ValueError, match="same throughout each of the 10 groups"):
        null_labels(cross_validated, X, y, groups=np.repeat(np.arange(10), 10))


@pytest.mark.slow
def test_blind_test_sees_what_a_single_test_row_does():
    def nearest_of_all(X, y, train, test):
        rows = np.append(train, test[0])
        return KNeighborsRegressor(1).fit(X[rows], y[rows])

    def nearest(X, y, train, test):
        return KNeighborsRegressor(1).fit(X[train], y[train])

    assert blind_test(nearest_of_all, X, X[:, 0]).leaked
    assert not blind_test(nearest, X, X[:, 0]).leaked


class Noisy(LogisticRegression):
    """Predictions with noise that no seed controls."""

    generator = np.random.default_rng(0)

    def predict_proba(self, X):
        return super().predict_proba(X) + self.generator.normal(scale=0.05, size=(len(X), 2))


@pytest.mark.slow
@pytest.mark.parametrize("canary", [refit, carry_over, batch_mates])
def test_noise_that_no_seed_controls_is_no_leak(canary):
    assert not any(canary(Noisy(), X, y, random_state=seed).leaked for seed in range(5))


@pytest.mark.slow
def test_noise_does_not_hide_what_depends_on_test_rows():
    def procedure(scaled_on):
        def fit(X, y, train, test):
            return make_pipeline(StandardScaler(), Noisy()).fit(X[scaled_on(train, test)], y[train])

        return fit

    def fit_on_all(X, y, train, test):
        return Noisy(C=1e3).fit(X, y)

    assert blind_test(fit_on_all, X, y).leaked
    assert not blind_test(procedure(lambda train, test: train), X, y).leaked


# Splits -----------------------------------------------------------------------------------------


def test_shared_rows_sees_twins_and_rows_on_both_sides():
    twice = np.vstack([X, X])
    assert shared_rows(twice, cv=SHUFFLED).leaked
    assert not shared_rows(twice, cv=GroupKFold(5), groups=np.tile(np.arange(100), 2)).leaked
    rows = np.arange(100)
    finding = shared_rows(X, cv=[(rows, rows[:10])])
    assert finding.leaked and finding.evidence.startswith("10 of 10 test rows are training rows")


def test_rows_that_meet_in_a_coarse_table_are_no_twins():
    coarse = np.random.RandomState(0).randint(3, size=(200, 4))
    assert not shared_rows(coarse, cv=SHUFFLED).leaked


def test_shared_groups_and_time_order_take_names_and_dates():
    person = np.repeat(list("abcdefghij"), 10)
    assert shared_groups(X, groups=person, cv=SHUFFLED).leaked
    assert not shared_groups(X, groups=person, cv=GroupKFold(5)).leaked
    day = pd.date_range("2026-01-01", periods=100)
    assert time_order(X, time=day, cv=SHUFFLED).leaked
    assert not time_order(X, time=day, cv=TimeSeriesSplit(5)).leaked


@pytest.mark.slow
def test_shift_sees_a_sorted_split_and_not_a_shuffled_one():
    X, y = load_breast_cancer(return_X_y=True)
    by_size = np.argsort(X[:, 0])
    assert shift(X, cv=[(by_size[:400], by_size[400:])]).leaked
    assert not shift(X, y, cv=StratifiedKFold(5, shuffle=True, random_state=0)).leaked
    for seed in range(3):  # the order of the rows means next to nothing
        assert not shift(X, y, cv=5, task="classification", random_state=seed).leaked


@pytest.mark.slow
def test_shift_takes_large_and_small_tables():
    X = np.random.RandomState(0).normal(size=(5000, 3))
    assert not shift(X, cv=ShuffleSplit(2, random_state=0)).leaked
    assert not shift(X, cv=[(np.arange(4999), [4999])]).leaked
    assert not shift(np.ones((20, 2)), cv=2).leaked


def test_shift_does_not_look_where_no_area_could_be_large_enough():
    X = np.random.RandomState(0).normal(size=(10, 3))
    for cv in (5, [(np.arange(9), [9])]):
        finding = shift(X, cv=cv)
        assert finding.leaked is None and "too few rows" in finding.evidence


# Tables -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_too_good_feature_names_the_column():
    proxy = np.where(y == 1, 1.0, 0.0) + np.random.RandomState(0).normal(scale=0.2, size=100)
    finding = too_good_feature(np.column_stack([X, proxy]), y)
    assert finding.leaked and "Column 10 alone scores" in finding.evidence
    assert not too_good_feature(X, y).leaked
    assert not too_good_feature(*load_breast_cancer(return_X_y=True)).leaked


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
def test_too_good_feature_takes_values_gaps_categories_and_constant_columns():
    target = X[:, 0] + X[:, 1] + 0.3 * X[:, 2]
    assert not too_good_feature(X[:, :2], target).leaked
    assert too_good_feature(np.column_stack([X[:, 3:], target]), target).leaked
    frame = pd.DataFrame(
        {"place": list("ab") * 50, "one": 1.0, "gap": [np.nan, 1.0, 2.0, 3.0] * 25}
    )
    assert not too_good_feature(frame, y).leaked
    assert too_good_feature(X[:, :1], y).leaked is None


# Audit ------------------------------------------------------------------------------------------


CANARIES = [name for name in leakage.__all__ if name not in ("Finding", "Report", "audit")]


@pytest.mark.slow
def test_audit_lists_every_canary_and_says_which_did_not_look():
    clf = LogisticRegression()
    report = audit(clf, X, y)
    assert sorted(finding.name for finding in report) == sorted(CANARIES)
    procedures = ["null_labels", "blind_test"]
    names = [finding.name for finding in report.not_looked_at]
    assert names == ["carried_weights", "shared_groups", "time_order", *procedures]
    groups = np.repeat(np.arange(20), 5)
    report = audit(clf, X, y, cv=SHUFFLED, groups=groups, time=np.arange(100))
    names = [finding.name for finding in report.not_looked_at]
    assert names == ["carried_weights", "shift", *procedures]
    assert [finding.name for finding in report.leaks] == ["shared_groups", "time_order"]


@pytest.mark.slow
def test_a_canary_that_cannot_look_does_not_stop_the_others():
    class Broken(LogisticRegression):
        def predict(self, X):
            raise RuntimeError("no predictions\n  today")

    report = audit(Broken(), X, y)
    finding = report[3]
    assert finding.name == "carry_over" and finding.leaked is None
    assert finding.evidence == "It stopped with RuntimeError: no predictions today"
    assert [f.name for f in report if f.leaked is False] == [
        *("purity", "refit", "held_rows"),
        *("shared_rows", "alike_rows", "shift", "too_good_feature"),
    ]

    class Interrupted(LogisticRegression):
        def fit(self, X, y):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        audit(Interrupted(), X, y)


def test_not_looked_at_is_not_mistaken_for_none_seen():
    leak, none, not_looked = (Finding("purity", leaked, "So.") for leaked in (True, False, None))
    assert [f.leaked is False for f in (leak, none, not_looked)] == [False, True, False]
    report = Report([leak, none, not_looked])
    assert report.leaks == [leak] and report.not_looked_at == [not_looked]
    for finding, answer in zip(report, ("LEAK", "none seen", "not looked at"), strict=True):
        assert str(finding) == f"purity: {answer}. So."
        assert answer in repr(report) and answer in report._repr_html_()


@pytest.mark.slow
def test_audit_changes_nothing():
    before = X.copy(), y.copy()
    states = [np.random.get_state()[1].copy()]
    clf = make_pipeline(StandardScaler(), TorchClassifier(epochs=5)).fit(X, y)
    weights = clf[-1].module_.state_dict()["layers.0.weight"].clone()
    assert not audit(clf, X, y, cv=StratifiedKFold(5, shuffle=True, random_state=0)).leaks
    assert_array_equal(X, before[0])
    assert_array_equal(y, before[1])
    assert_array_equal(np.random.get_state()[1], states[0])
    assert_array_equal(clf[-1].module_.state_dict()["layers.0.weight"], weights)


@pytest.mark.slow
def test_report_is_a_table_in_text_and_html():
    report = audit(LogisticRegression(), X, y, cv=SHUFFLED)
    lines = repr(report).splitlines()
    assert lines[0].startswith("canary") and len(lines) == 1 + len(report)
    html = report._repr_html_()
    assert html.count("<tr>") == 1 + len(report) and "&lt;" not in html


@pytest.mark.slow
def test_no_torch_where_the_estimator_has_none():
    code = (
        "import sys; import helpers.leakage; "  # the package itself imports torch
        "[sys.modules.pop(m) for m in list(sys.modules) if m.split('.')[0] == 'torch']; "
        "from sklearn.datasets import load_iris; from sklearn.tree import DecisionTreeClassifier; "
        "helpers.leakage.audit(DecisionTreeClassifier(), *load_iris(return_X_y=True)); "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


NO_GROUPS = r"GroupKFold\(.*splits by groups: hand over groups"
BAD = {
    "short groups": (lambda: shared_groups(X, groups=[1, 2], cv=5), r"groups .*100 rows.*\(2,\)"),
    "no groups": (lambda: shared_groups(X, groups=None), r"groups must hold one value"),
    "short time for audit": (
        lambda: audit(LogisticRegression(), X, y, time=np.arange(99)),
        "time must hold one value for each of the 100 rows; it holds 99",
    ),
    "short time": (lambda: time_order(X, time=np.arange(99)), r"time .*100 rows.*\(99,\)"),
    "short y": (lambda: audit(LogisticRegression(), X, y[:50]), r"y .*100 rows.*\(50,\)"),
    "one pair": (
        lambda: shared_rows(X, cv=train_test_split(np.arange(100))),
        r"cv must be a number of folds, a splitter of scikit-learn, or a list of pairs",
    ),
    "rows that are not": (lambda: shared_rows(X, cv=[([0], [100])]), "row numbers from 0 to 99"),
    "no folds": (lambda: shared_rows(X, cv=[]), "at least one fold"),
    "one fold": (lambda: shared_rows(X, cv=1), "cv must be a number of folds"),
    "no rows": (lambda: audit(LogisticRegression(), None, y), "X must hold rows: .* got None"),
    "a file": (lambda: shared_rows("data.csv"), "X must hold rows: .* got 'data.csv'"),
    "no groups for cv": (lambda: audit(LogisticRegression(), X, y, cv=GroupKFold(3)), NO_GROUPS),
    "none, and classes": (lambda: shared_rows(X, y, cv=StratifiedGroupKFold(3)), NO_GROUPS),
    "a name of groups": (lambda: shared_groups(X, groups="who"), r"text 'who'.* groups=X\['who'\]"),
    "a name of y": (lambda: shared_rows(X, "sold"), r"text 'sold'.* y=X\['sold'\]"),
    "a name of time": (lambda: time_order(X, time="day"), r"text 'day'.* time=X\['day'\]"),
    "a name of time for audit": (
        lambda: audit(LogisticRegression(), X, y, time="signed"),
        r"time must hold one value for each row; got the text 'signed'.* time=X\['signed'\]",
    ),
    "a column": (lambda: shared_rows(y), r"shape \(n_rows, n_features\); got \(100,\)"),
}


@pytest.mark.parametrize("call, message", BAD.values(), ids=BAD)
def test_bad_input_is_told_what_was_expected(call, message):
    with pytest.raises(ValueError, match=message):
        call()
