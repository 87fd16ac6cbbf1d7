"""Folders, parts that are fitted before, and a fit of one's own, as practitioners have them."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier, StackingClassifier
from sklearn.feature_selection import SelectFromModel
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import KFold, TunedThresholdClassifierCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from helpers import (
    batch_mates,
    carried_weights,
    carry_over,
    purity,
    refit,
    same_answer,
    shared_rows,
)

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
        assert finding.leaked is None and "rows of one column" in finding.evidence, finding
