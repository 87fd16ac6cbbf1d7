"""A fit of one's own, folders, parts that are fitted before, and values that are missing."""

import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier, StackingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectFromModel
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    TimeSeriesSplit,
    TunedThresholdClassifierCV,
)
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from helpers import (
    alike_rows,
    audit,
    batch_mates,
    blind_test,
    carried_weights,
    carry_over,
    null_labels,
    purity,
    refit,
    same_answer,
    shared_groups,
    shared_rows,
    time_order,
    too_good_feature,
)

pytestmark = pytest.mark.slow

RNG = np.random.RandomState(0)
ROWS, FLIPS = RNG.normal(size=(60, 4)), RNG.permutation(np.arange(60) % 2)


class Logging(ClassifierMixin, BaseEstimator):
    """Names a folder of its own, while another program writes beside it."""

    def __init__(self, folder):
        self.folder = folder

    def fit(self, X, y):
        (Path(self.folder) / "of_another_program").write_text("kept")
        self.classes_ = np.unique(y)
        return self


def test_nothing_is_put_back_in_the_folder_for_temporary_files(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    purity(Logging(str(tmp_path)), ROWS, FLIPS)
    assert (tmp_path / "of_another_program").read_text() == "kept"


FOREST = RandomForestClassifier(5, random_state=0).fit(ROWS, FLIPS)
PREFIT = {
    "stacked": lambda part: StackingClassifier([("part", part)], cv="prefit"),
    "a threshold": lambda part: TunedThresholdClassifierCV(part, cv="prefit", refit=False),
    "a choice of columns": lambda part: make_pipeline(
        SelectFromModel(part, prefit=True), GaussianNB()
    ),
}
OF_FITS = {
    "purity": purity,
    "refit": refit,
    "carried_weights": carried_weights,
    "carry_over": carry_over,
    "batch_mates": batch_mates,
    "same_answer": same_answer,
}


@pytest.mark.parametrize("canary", OF_FITS)
@pytest.mark.parametrize("whole", PREFIT)
def test_a_part_that_must_be_fitted_before_is_told_with_a_cure_that_helps(whole, canary):
    with pytest.raises(ValueError, match="hand it over in a FrozenEstimator") as caught:
        OF_FITS[canary](PREFIT[whole](FOREST), ROWS, FLIPS)
    assert len(str(caught.value)) < 200  # which audit shows
    assert not OF_FITS[canary](PREFIT[whole](FrozenEstimator(FOREST)), ROWS, FLIPS).leaked


class ReturnsNothing(ClassifierMixin, BaseEstimator):
    """Forgets to return itself from `fit`, which `cross_val_score` does not mind."""

    def fit(self, X, y):
        self.model_ = GaussianNB().fit(X, y)
        self.classes_ = self.model_.classes_

    def predict(self, X):
        return self.model_.predict(X)


@pytest.mark.parametrize("canary", [refit, carry_over, batch_mates, same_answer])
def test_a_fit_that_returns_nothing_has_fitted(canary):
    finding = canary(ReturnsNothing(), ROWS, FLIPS)
    assert finding.leaked is False, finding


class Remembering(ClassifierMixin, BaseEstimator):
    """Adds the rows of each fit to those of earlier ones, and predicts a column."""

    def fit(self, X, y):
        self.rows_ = np.vstack([getattr(self, "rows_", X[:0]), X])
        self.labels_ = np.concatenate([getattr(self, "labels_", y[:0]), y])
        self.classes_ = np.unique(self.labels_)
        return self

    def predict(self, X):
        return KNeighborsClassifier(1).fit(self.rows_, self.labels_).predict(X)[:, None]


class Column(GaussianNB):
    """Predicts a column, and carries nothing."""

    def predict(self, X):
        return super().predict(X)[:, None]


def test_predictions_in_a_column_are_compared_row_by_row():
    assert carry_over(Remembering(), ROWS, FLIPS).leaked is True
    assert carry_over(Column(), ROWS, FLIPS).leaked is False


@pytest.mark.parametrize("n", [2, 3, 4])
def test_fewer_rows_than_batches_are_predicted_one_by_one(n):
    finding = batch_mates(KNeighborsClassifier(1), ROWS[:n], np.arange(n) % 2)
    assert finding.leaked is False, finding


@pytest.mark.parametrize("other", [np.nan, 1.0])
def test_an_empty_column_tells_no_rows_apart(other):
    values = np.tile(np.arange(30.0), 2)
    beside = np.full(60, other)
    for X in (np.c_[values, beside], np.c_[beside, beside]):
        finding = shared_rows(X, cv=KFold(2))
        assert finding.leaked is None and "one column that varies" in finding.evidence, finding


def first_fold(X, y):
    """Score on rows that a frame and a Series are asked for by number."""
    half = len(X) // 2
    model = GaussianNB().fit(X.iloc[:half], y.iloc[:half])
    return model.score(X.iloc[half:], y.iloc[half:])


def test_a_procedure_gets_a_series_as_one_with_its_index():
    index = [f"row {row}" for row in range(60)]
    X, y = pd.DataFrame(ROWS, index=index), pd.Series(FLIPS, index=index)
    finding = null_labels(first_fold, X, y, chance=0.5)
    assert finding.leaked is False, finding
    assert null_labels(lambda X, y: 1.0 * (y.index == X.index).all(), X, y, chance=0.9).leaked
    as_arrays = null_labels(lambda X, y: first_fold(pd.DataFrame(X), pd.Series(y)), ROWS, FLIPS)
    assert null_labels(first_fold, X, y).evidence == as_arrays.evidence


@pytest.mark.parametrize("score", [-np.inf, np.inf])
def test_infinite_scores_are_not_judged(score):
    finding = null_labels(lambda X, y: score if y[0] else 0.5, ROWS, FLIPS, chance=0.5)
    assert finding.leaked is None and "scores nan or inf" in finding.evidence


def test_groups_exchange_labels_in_any_form():
    person = np.repeat(np.arange(20), 3)
    names = pd.Series([f"P{number}" for number in person])
    expected = null_labels(lambda X, y: y[:10].mean(), ROWS, person % 2, groups=person, chance=0.5)
    for groups in (names, names.to_frame(), person[:, None], pd.Series(names, dtype="category")):
        found = null_labels(lambda X, y: y[:10].mean(), ROWS, person % 2, groups=groups, chance=0.5)
        assert found == expected
    with pytest.raises(ValueError, match="groups must hold one value a row"):
        null_labels(lambda X, y: 0.5, ROWS, person % 2, groups=np.c_[person, person], chance=0.5)


def test_rows_without_a_group_exchange_their_labels_one_by_one():
    person = pd.Series([None] * 30 + [f"P{row // 3}" for row in range(30, 60)])
    y = np.r_[np.arange(30) % 2, np.repeat(np.arange(10) % 2, 3)]
    seen = []
    null_labels(lambda X, y: seen.append(y) or 0.5, ROWS, y, groups=person, chance=0.5)
    assert all((labels[30:].reshape(10, 3) == labels[30::3, None]).all() for labels in seen)
    assert any(len(set(labels[:30:2])) == 2 for labels in seen)


def test_chance_is_measured_of_rows_of_unequal_length_and_of_few_rows():
    told = {"X of unequal length": [np.ones(1 + row % 3) * row for row in range(60)]}
    told["few rows"] = [[row] for row in range(6)]
    for name, X in told.items():
        y = np.arange(len(X)) % 2
        finding = null_labels(lambda X, y: np.mean([r[0] > 9 for r in X] == (y > 0)), X, y)
        assert "stopped to say" not in finding.evidence, (name, finding)


def test_texts_in_a_series_are_destroyed_whole():
    texts = pd.Series([f"{'ab' if flip else 'ba'} {row % 7}" for row, flip in enumerate(FLIPS)])
    texts.index = texts.index + 100

    def procedure(X, y, train, test, all_rows=False):
        words = TfidfVectorizer(analyzer="char").fit(X if all_rows else X.iloc[train])
        model = MultinomialNB().fit(words.transform(X.iloc[train]), y[train])
        return make_pipeline(FrozenEstimator(words), FrozenEstimator(model))

    assert blind_test(procedure, texts, FLIPS).leaked is False
    assert blind_test(partial(procedure, all_rows=True), texts, FLIPS).leaked is True


SERIES = pd.Series(np.random.RandomState(1).normal(size=200))
LAGS = pd.DataFrame({"mean5": SERIES.rolling(5).mean(), "lag1": SERIES.shift(1)})[6:]
PROXY = pd.DataFrame({"noise": SERIES[::-1].to_numpy()[6:], "proxy": 2 * SERIES[6:] + 1})
IN_OBJECTS = {
    "a mean that includes today": (LAGS, "'mean5'"),
    "a proxy": (PROXY, "'proxy'"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", IN_OBJECTS)
def test_values_in_a_column_of_objects_are_values(name):
    table, column = IN_OBJECTS[name]
    finding = too_good_feature(table, SERIES[6:].astype(object))
    assert finding.leaked is True and column in finding.evidence, finding
    assert finding == too_good_feature(table, SERIES[6:])
    assert alike_rows(table, SERIES[6:].astype(object)) == alike_rows(table, SERIES[6:])


def test_the_order_of_values_in_a_column_of_objects_is_looked_at():
    split = {"time": np.arange(194), "cv": TimeSeriesSplit(3)}
    finding = time_order(LAGS, SERIES[6:].astype(object), **split)
    assert finding.leaked is True and "'mean5'" in finding.evidence, finding


def test_labels_that_are_missing_are_told():
    """Tomorrow's value is not there in the last row."""
    y = SERIES.shift(-1)[6:]
    finding = time_order(LAGS, y, time=np.arange(194), cv=TimeSeriesSplit(3))
    assert finding.leaked is None and "y is missing in 1 of 194 rows" in finding.evidence
    for labels in (y, y.gt(0).map({True: "up", False: "down"}).mask(y.isna())):
        finding = too_good_feature(LAGS, labels)
        assert finding.leaked is None and "y is missing in 1 of 194 rows" in finding.evidence


PERSON = np.repeat(np.arange(20), 3)
FORMS_OF_GROUPS = {
    "a frame": pd.DataFrame({"person": PERSON}),
    "a column": PERSON[:, None],
    "names with gaps": pd.Series([f"P{number}" if number else None for number in PERSON]),
    "nullable numbers with gaps": pd.Series(PERSON, dtype="Int64").mask(PERSON == 0),
}


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS_OF_GROUPS)
def test_a_search_within_an_audit_gets_groups_in_any_form(form):
    search = GridSearchCV(GaussianNB(), {"var_smoothing": [1e-9, 1e-3]}, cv=GroupKFold(3))
    report = audit(search, ROWS, FLIPS, cv=GroupKFold(4), groups=FORMS_OF_GROUPS[form])
    assert not [finding for finding in report if "It stopped" in finding.evidence]


@pytest.mark.parametrize("kind", ["numbers", "dates", "texts", "texts with a gap"])
def test_times_that_are_masked_or_empty_are_missing(kind):
    times = np.arange(60) + {"numbers": 0}.get(kind, np.datetime64("2024-01-01"))
    times = np.ma.masked_array(times.astype(str) if "texts" in kind else times, np.arange(60) == 3)
    if kind == "texts with a gap":
        times = times.filled("nan").tolist()
    with pytest.raises(ValueError, match="time is missing for 1 of 60 rows"):
        time_order(ROWS, time=times, cv=TimeSeriesSplit(3))


def test_groups_that_are_masked_are_missing():
    groups = np.ma.masked_array(PERSON, PERSON == 0)
    finding = shared_groups(ROWS, groups=groups, cv=GroupKFold(3))
    assert finding.leaked is None and "3 of 60 rows have no group" in finding.evidence


def test_a_fold_that_was_forgotten_to_be_put_into_a_list_is_refused():
    for cv in (([0, 1], [2, 3]), [(np.arange(40)[:, None], np.arange(40, 60)[:, None])]):
        with pytest.raises(ValueError, match="is no list of row numbers"):
            shared_rows(ROWS, cv=cv)


@pytest.mark.parametrize("seed", [None, np.random.RandomState(1), np.random.default_rng(1)])
def test_the_same_answer_is_asked_for_under_a_seed_of_any_form(seed):
    assert same_answer(GaussianNB(), ROWS, FLIPS, random_state=seed).leaked is False
