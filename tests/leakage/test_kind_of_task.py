"""The estimator, or the caller, says what the task is; the values of y do not."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, cross_val_score

from helpers import audit, blind_test, carry_over, refit, shared_rows, shift, too_good_feature

rng = np.random.RandomState(0)
price = rng.randint(100, 10_000, size=150)  # in whole euros
measured = rng.normal(size=(150, 4))
invoice = 1.19 * price + 20 * rng.normal(size=150)
with_invoice = np.column_stack([measured, invoice])


@pytest.mark.slow
def test_a_proxy_of_whole_numbers_is_seen_as_one_of_fractions():
    for y in (price, price + 0.01, price.astype(float)):
        leaks = audit(Ridge(), with_invoice, y).leaks
        assert [finding.name for finding in leaks] == ["too_good_feature"]
        assert "Column 4 alone scores 1.00" in leaks[0].evidence
    assert not audit(Ridge(), measured, price).leaks


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Ridge, LogisticRegression])
def test_audit_looks_at_the_folds_of_cross_val_score(kind):
    tested = {"audit": [], "cross_val_score": []}

    class Estimator(kind):
        def predict(self, X):
            tested[now].append(X.copy())
            return super().predict(X)

        def score(self, X, y):
            self.predict(X)
            return 0.0

    X, y = load_iris(return_X_y=True)
    X = X + 1e-6 * np.arange(len(X))[:, None]  # tells the rows apart
    now = "cross_val_score"
    cross_val_score(Estimator(), X, y, cv=4)
    now = "audit"
    carry_over(Estimator(), X, y, cv=4)
    sizes = {name: [len(part) for part in parts] for name, parts in tested.items()}
    assert sizes["audit"] == sizes["cross_val_score"]
    if kind is Ridge:  # carry_over permutes y, which stratified folds follow
        for ours, theirs in zip(tested["audit"], tested["cross_val_score"], strict=True):
            assert_array_equal(ours, theirs)


@pytest.mark.slow
def test_blind_test_takes_whole_numbers_and_rare_classes():
    def ridge(X, y, train, test):
        return Ridge().fit(X[train], y[train])

    def ridge_on_all(X, y, train, test):
        return Ridge().fit(X, y)

    diabetes = load_diabetes(return_X_y=True)
    for task in (None, "regression"):
        assert blind_test(ridge, *diabetes, task=task).leaked is False
        assert blind_test(ridge_on_all, *diabetes, task=task).leaked is True
    y = np.array(["often"] * 149 + ["once"])
    y[:70] = "also often"

    def logistic(X, y, train, test):
        return LogisticRegression().fit(X[train], y[train])

    assert blind_test(logistic, measured, y).leaked is False
    assert refit(LogisticRegression(), measured, y).leaked is False


@pytest.mark.slow
def test_without_an_estimator_whole_numbers_are_asked_about():
    X, y = load_iris(return_X_y=True)
    finding = too_good_feature(X, y)
    assert finding.leaked is None and "task='classification'" in finding.evidence
    assert too_good_feature(X, y, task="classification").leaked is False
    assert too_good_feature(with_invoice, price, task="regression").leaked is True
    with pytest.raises(ValueError, match=r"cv=5 .* say task='classification' or"):
        shared_rows(X, y, cv=5)
    assert shift(X, y, cv=3, task="classification").leaked is False
    assert shift(X, y, cv=3, task="regression").leaked is True  # one species a fold
    assert shared_rows(X, y, cv=KFold(5)) == shared_rows(X, y, cv=5, task="regression")
    with pytest.raises(ValueError, match="task must be 'classification' or 'regression'; got 'x'"):
        shared_rows(X, y, task="x")


@pytest.mark.slow
def test_texts_two_values_and_fractions_speak_for_themselves():
    X, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    assert shift(X, names, cv=3) == shift(X, y, cv=3, task="classification")
    assert shift(X, y + 0.5, cv=3) == shift(X, y, cv=3, task="regression")
    assert too_good_feature(X[:100], y[:100]).leaked is False


@pytest.mark.slow
@pytest.mark.parametrize("start", [np.timedelta64(0, "s"), np.datetime64("2026-01-01", "s")])
def test_times_and_lengths_of_time_are_values(start):
    times = start + (3600 * price).astype("timedelta64[ms]") + np.timedelta64(1, "ms")
    assert too_good_feature(measured, times).leaked is False
    assert too_good_feature(with_invoice, times).leaked is True
    assert shift(measured, times, cv=5) == shift(measured, price, cv=KFold(5))
    times[3] = "NaT"
    assert "missing in 1 of 150 rows" in too_good_feature(measured, times).evidence
