"""Honest work that canaries accused, and leaks that they passed over without a word."""

from functools import partial

import numpy as np
import pytest
from scipy import stats
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, KFold, RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from helpers import carried_weights, purity, shared_groups
from helpers.data import coin_flips


class Doubles:
    """Has a method that leaves it alone, and one that counts its calls."""

    def __init__(self):
        self.n_calls = 0

    def honest(self, X):
        return X * 2

    def counting(self, X):
        self.n_calls += 1
        return X + self.n_calls

    __call__ = honest


def after(function):
    return make_pipeline(FunctionTransformer(function), LogisticRegression())


@pytest.mark.parametrize(
    "wrapped, leaked",
    [
        (Doubles().honest, False),
        (Doubles().counting, True),
        (Doubles().__call__, False),
        (partial(Doubles().honest), False),
        (partial(Doubles().counting), True),
    ],
)
def test_a_method_is_altered_only_with_its_object(wrapped, leaked):
    assert purity(after(wrapped), *coin_flips(40, 3)).leaked is leaked


def test_a_random_search_over_distributions_is_pure():
    drawn = {"C": stats.loguniform(0.1, 1), "max_iter": stats.randint(50, 90)}
    search = RandomizedSearchCV(LogisticRegression(), drawn, n_iter=1, cv=2)
    assert purity(search, *coin_flips(40, 3)).leaked is False


X, Y = coin_flips(40, 30)
FOREST, BEST = RandomForestClassifier(5, random_state=0).fit(X, Y), SelectKBest(k=5).fit(X, Y)


@pytest.mark.parametrize(
    "estimator, name",
    [
        (FrozenEstimator(FOREST), "RandomForestClassifier"),
        (make_pipeline(FrozenEstimator(BEST), LogisticRegression()), "SelectKBest"),
        (after(lambda rows: BEST.transform(rows)), "SelectKBest"),
        (after(FOREST.predict_proba), "RandomForestClassifier"),
        (after(partial(lambda rows, model: model.transform(rows), model=BEST)), "SelectKBest"),
    ],
)
def test_an_estimator_that_was_fitted_before_is_named(estimator, name):
    finding = carried_weights(estimator, X, Y)
    assert finding.leaked is None and f"fitted before: {name}." in finding.evidence


def test_an_estimator_that_is_fitted_anew_is_not():
    fitted = make_pipeline(SelectKBest(k=5), LogisticRegression()).fit(X, Y)
    for estimator in (fitted, after(lambda rows: rows[:, :5])):
        assert "fitted before" not in carried_weights(estimator, X, Y).evidence


PERSON = np.repeat(np.arange(20), 2)
MIXED = KFold(2, shuffle=True, random_state=0)


@pytest.mark.parametrize(
    "other", ["P{} ".format, "p{}".format, "\uff30{}".format, " P{}".format, "P{}\n".format]
)
def test_names_that_may_be_one_group_are_refused(other):
    groups = [other(n) if row % 2 else f"P{n}" for row, n in enumerate(PERSON)]
    with pytest.raises(ValueError, match="may be one group"):
        shared_groups(X, groups=groups, cv=MIXED)


@pytest.mark.parametrize("other", ["{:03d}", "{}.0", "{}."])
def test_numbers_written_in_two_ways_are_refused(other):
    groups = [other.format(n) if row % 2 else str(n) for row, n in enumerate(PERSON)]
    with pytest.raises(ValueError, match="may be one group"):
        shared_groups(X, groups=groups, cv=MIXED)


@pytest.mark.parametrize("gap", ["", " ", "nan", "None", "NaT"])
def test_a_text_that_stands_for_nothing_is_no_group(gap):
    groups = [gap if n < 3 else f"P{n}" for n in PERSON]
    finding = shared_groups(X, groups=groups, cv=[(np.arange(4, 40), np.arange(4))])
    assert finding.leaked is None and "6 of 40 rows have no group" in finding.evidence


@pytest.mark.parametrize("name", ["P{}", "P.{}", "1.{:02d}1", "{:03d}", "{}-7", "nan{}"])
def test_names_spelled_in_one_way_are_groups(name):
    groups = [name.format(n) for n in PERSON]
    assert shared_groups(X, groups=groups, cv=GroupKFold(5)).leaked is False
    assert shared_groups(X, groups=groups, cv=MIXED).leaked is True
