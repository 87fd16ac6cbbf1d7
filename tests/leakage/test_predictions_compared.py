"""Canaries change nothing, and say what they could not compare."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold
from sklearn.naive_bayes import GaussianNB

from helpers import (
    audit,
    batch_mates,
    blind_test,
    carried_weights,
    refit,
    same_answer,
    shared_groups,
    time_order,
)
from helpers.data import coin_flips
from helpers.leakage.probes import own_copy

pytestmark = pytest.mark.slow

SHUFFLED = StratifiedKFold(3, shuffle=True, random_state=0)


class Odd(GaussianNB):
    """Changes what it is given, or predicts what cannot be compared."""

    def __init__(self, what=None):
        super().__init__()
        self.what = what

    def fit(self, X, y):
        super().fit(X, y)
        if self.what == "fit":
            X[:], y[:] = 0, 0
        return self

    def predict_proba(self, X):
        told = super().predict_proba(X)
        if self.what == "predict":
            X[:] = 0
        if self.what == "nan":
            told[:] = np.nan
        if self.what == "fewer":
            return told[:10]
        return torch.tensor(told, requires_grad=True) if self.what == "tensor" else told


@pytest.mark.slow
@pytest.mark.parametrize("what", ["fit", "predict"])
def test_rows_and_labels_stay_as_they_were(what):
    X, y = coin_flips(60, 4)
    before = X.copy(), y.copy()
    audit(Odd(what), X, y, cv=SHUFFLED)
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(y, before[1])


def test_a_file_that_is_only_read_is_not_copied_into_memory(tmp_path):
    np.ones((4, 2)).tofile(tmp_path / "rows")
    X = np.memmap(tmp_path / "rows", mode="r", shape=(4, 2))
    assert own_copy(X) is X
    writable = np.memmap(tmp_path / "rows", mode="r+", shape=(4, 2))
    assert not np.shares_memory(own_copy(writable), writable)


@pytest.mark.slow
@pytest.mark.parametrize("what, said", [("nan", "gives nan or inf"), ("fewer", "of the 60 rows")])
def test_predictions_that_cannot_be_compared_are_not_said_to_be_equal(what, said):
    report = {f.name: f for f in audit(Odd(what), *coin_flips(60, 4), cv=SHUFFLED)}
    for name in ("refit", "batch_mates", "same_answer"):
        assert report[name].leaked is None and said in report[name].evidence


def test_predictions_may_be_tensors_that_require_gradients():
    X, y = coin_flips(60, 4)
    assert batch_mates(Odd("tensor"), X, y).leaked is False
    assert same_answer(Odd("tensor"), X, y).leaked is False
    assert blind_test(lambda X, y, a, b: Odd("tensor").fit(X[a], y[a]), X, y).leaked is False


KEPT = []


class Remembering(ClassifierMixin, BaseEstimator):
    """Counts its fits where all clones find the count, or nowhere."""

    def __init__(self, keep=True):
        self.keep = keep

    def fit(self, X, y):
        if self.keep:
            KEPT.append(len(y))
        self.classes_, self.share_ = np.unique(y), 1 / (1 + len(KEPT))
        return self

    def predict_proba(self, X):
        return np.tile([self.share_, 1 - self.share_], (len(X), 1))

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def test_repeats_that_differ_are_said_to_be_able_to_hide_a_leak():
    KEPT.clear()
    X, y = coin_flips(60, 4)
    assert "may hide a leak" not in refit(Remembering(keep=False), X, y).evidence
    finding = refit(Remembering(), X, y)
    assert finding.leaked or "all clones share something" in finding.evidence


def test_groups_of_two_kinds_are_refused_in_the_users_words():
    X, who = np.zeros((40, 2)), np.repeat(np.arange(10), 4)
    mixed = [str(name) if row % 2 else name for row, name in enumerate(who)]
    for cv in (GroupKFold(4), KFold(4)):
        with pytest.raises(ValueError, match="groups holds texts beside other values"):
            shared_groups(X, groups=mixed, cv=cv)
    pairs = pd.DataFrame({"user": who, "film": [f"film {row}" for row in range(40)]})
    assert shared_groups(X, groups=pairs, cv=KFold(5, shuffle=True, random_state=0)).leaked is True


def test_where_rows_have_the_same_time_the_columns_are_said_not_to_be_compared():
    sold = pd.DataFrame(np.random.RandomState(0).poisson(30, size=(60, 4)).astype(float))
    today = sold.rolling(3).mean()[10:]
    y, day = sold[10:].to_numpy().T.ravel(), np.tile(np.arange(50), 4)
    table = np.column_stack([np.ones(200), today.to_numpy().T.ravel()])
    split = [(np.flatnonzero(day < 40), np.flatnonzero(day >= 40))]
    finding = time_order(table, y, time=day, cv=split)
    assert finding.leaked is None and "were not compared with later labels" in finding.evidence
    one_shop = time_order(
        table[:50], y[:50], time=day[:50], cv=[(np.arange(40), np.arange(40, 50))]
    )
    assert one_shop.leaked is True


def test_a_loss_among_the_parameters_is_no_network_that_predicts():
    loss = torch.nn.CrossEntropyLoss(weight=torch.ones(2))
    finding = carried_weights(Odd(loss), *coin_flips(60, 4))
    assert finding.leaked is None and "is asked when it predicts" in finding.evidence
