"""Folders, parts that are fitted before, and a fit of one's own, as practitioners have them."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier, StackingClassifier
from sklearn.feature_selection import SelectFromModel
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import TunedThresholdClassifierCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline

from helpers import batch_mates, carried_weights, carry_over, purity, refit, same_answer

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
