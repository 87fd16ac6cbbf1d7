"""What is no estimator, labels and groups that are not there, and numbers too large for floats."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from torch import nn

from helpers import (
    alike_rows,
    audit,
    batch_mates,
    carried_weights,
    carry_over,
    held_rows,
    purity,
    refit,
    same_answer,
    shared_groups,
    shared_rows,
    too_good_feature,
)
from helpers.leakage.tables import as_codes

pytestmark = pytest.mark.slow

RNG = np.random.RandomState(0)
ROWS, FLIPS = RNG.normal(size=(60, 4)), RNG.permutation(np.arange(60) % 2)
OF_AN_ESTIMATOR = (
    audit,
    batch_mates,
    carried_weights,
    carry_over,
    held_rows,
    purity,
    refit,
    same_answer,
)
NO_ESTIMATORS = {
    "a class": (GaussianNB, r"Write GaussianNB\(\)"),
    "a text": ("GaussianNB", "got 'GaussianNB'"),
    "nothing": (None, "got None"),
    "a network": (nn.Linear(4, 2), "Wrap a network in TorchClassifier"),
}


@pytest.mark.parametrize("what", NO_ESTIMATORS)
@pytest.mark.parametrize("canary", OF_AN_ESTIMATOR)
def test_what_is_no_estimator_is_refused_with_one_sentence(canary, what):
    given, told = NO_ESTIMATORS[what]
    with pytest.raises(TypeError, match=f"^estimator must be .* get_params and fit; .*{told}"):
        canary(given, ROWS, FLIPS)


WITH_A_GAP = {
    "numbers": np.where(np.arange(60) == 3, np.nan, FLIPS),
    "texts": pd.Series(np.where(FLIPS, "yes", "no")).mask(np.arange(60) == 3),
}


@pytest.mark.parametrize("kind", WITH_A_GAP)
def test_missing_labels_are_named_where_classes_are_dealt_out(kind):
    y = WITH_A_GAP[kind]
    for cv in (3, StratifiedKFold(3)):
        for canary in (carry_over, audit):
            with pytest.raises(ValueError, match="^y is missing in 1 of 60 rows: leave them out"):
                canary(GaussianNB(), ROWS, y, cv=cv)
    assert shared_rows(ROWS, y, cv=KFold(3)).leaked is False  # looks at no label
    finding = alike_rows(ROWS, y, cv=KFold(3))
    assert finding.leaked is None and "y is missing in 1 of 60 rows" in finding.evidence


def test_groups_that_are_lists_are_refused():
    groups = pd.Series([["ward", row // 3] for row in range(60)])
    with pytest.raises(ValueError, match="groups must hold names or numbers; got lists"):
        shared_groups(ROWS, groups=groups, cv=GroupKFold(3))


class Decides(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.model_ = GaussianNB().fit(X, y)
        return self

    def decision_function(self, X):
        return self.model_.predict_log_proba(X)[:, 1]


def test_an_estimator_that_cannot_predict_is_named():
    with pytest.raises(TypeError, match=r"takes an estimator with predict; got Decides\(\)"):
        carry_over(Decides(), ROWS, FLIPS)
    assert refit(Decides(), ROWS, FLIPS).leaked is False


def test_guesses_are_not_called_augmentation():
    finding = same_answer(DummyClassifier(strategy="stratified"), ROWS, FLIPS)
    assert finding.leaked is True and "Only fit may draw random numbers" in finding.evidence


@pytest.mark.parametrize("rows", [[[row, row + 1] for row in range(60)], [(1, 2)] * 60])
def test_lists_of_one_length_are_not_called_unequal(rows):
    frame = pd.DataFrame({"steps": rows})
    for finding in (alike_rows(frame, cv=KFold(3)), too_good_feature(frame, FLIPS)):
        told = f"Rows are values of type {type(rows[0]).__name__}:"
        assert finding.leaked is None and told in finding.evidence


IDS = 2**53 + np.arange(60)
FORMS_OF_IDS = {
    "an array": np.c_[IDS, IDS % 2],
    "unsigned": np.c_[IDS, IDS % 2].astype(np.uint64),
    "below 0": np.c_[-IDS, IDS % 2],
    "a frame": pd.DataFrame({"id": IDS, "odd": IDS % 2}),
    "nullable": pd.DataFrame({"id": pd.array(IDS, dtype="Int64"), "odd": IDS % 2}),
    "objects": np.c_[IDS, IDS % 2].astype(object),
}


@pytest.mark.parametrize("form", FORMS_OF_IDS)
def test_whole_numbers_beyond_those_of_floats_stay_different(form):
    codes = as_codes(FORMS_OF_IDS[form])
    assert codes.shape == (60, 2) and len(np.unique(codes[:, 0])) == 60
    finding = shared_rows(FORMS_OF_IDS[form], cv=KFold(3))
    assert "0 of 60 test rows have a twin" in finding.evidence, finding


def test_whole_numbers_that_floats_hold_are_kept():
    below = np.c_[2**53 - 1 - np.arange(5), -np.arange(5)]
    assert (as_codes(below) == below).all()


def test_labels_that_are_missing_in_several_columns_are_counted_by_row():
    Y = np.where(np.arange(60)[:, None] < 30, np.nan, ROWS[:, :2])
    finding = alike_rows(ROWS, Y, cv=KFold(3), task="regression")
    assert finding.leaked is None and "y is missing in 30 of 60 rows" in finding.evidence


def test_a_column_of_tensors_without_axes_is_looked_into():
    frame = pd.DataFrame({"a": [torch.tensor(float(row % 7)) for row in range(60)]})
    assert alike_rows(frame, cv=KFold(3)).leaked is not True


def test_labels_under_a_mask_are_missing():
    y = np.ma.masked_array(FLIPS, np.arange(60) == 3)
    for finding in (too_good_feature(ROWS, y), alike_rows(ROWS, y, cv=KFold(3))):
        assert finding.leaked is None and "y is missing in 1 of 60 rows" in finding.evidence
    with pytest.raises(ValueError, match="y is missing in 1 of 60 rows"):
        carry_over(GaussianNB(), ROWS, y, cv=3)
