"""What is seen of test rows inside an estimator, later labels, and sources; or said not to be."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.frozen import FrozenEstimator
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import KFold, StratifiedKFold, TimeSeriesSplit
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from skorch import NeuralNetClassifier
from skorch.dataset import Dataset
from skorch.helper import predefined_split
from torch.utils.data import DataLoader, Subset, TensorDataset

from helpers import MLP, audit, held_rows, shared_groups, time_order, too_good_feature

rng = np.random.RandomState(0)
X, y = rng.normal(size=(120, 6)).astype("float32"), rng.randint(2, size=120)
TRAIN, TEST = np.arange(90), np.arange(90, 120)
SPLIT = [(TRAIN, TEST)]

# Test rows inside an estimator ------------------------------------------------------------------


def net(train_split):
    return NeuralNetClassifier(
        MLP,
        module__n_features=6,
        module__n_outputs=2,
        criterion=torch.nn.CrossEntropyLoss,
        max_epochs=1,
        verbose=0,
        train_split=train_split,
    )


def by_hand(rows):
    held = X[rows]
    return lambda A: A - held.mean(axis=0)


def tensors(rows):
    everything = TensorDataset(torch.tensor(X), torch.tensor(y))
    return net(predefined_split(Subset(everything, rows)))


HOLDING = {
    "skorch's train_split": lambda rows: net(predefined_split(Dataset(X[rows], y[rows]))),
    "part of a data set of tensors": tensors,
    "in a Pipeline": lambda rows: make_pipeline(
        StandardScaler(), net(predefined_split(Dataset(X[rows], y[rows])))
    ),
    "an argument": lambda rows: FunctionTransformer(kw_args={"valid": pd.DataFrame(X[rows])}),
    "a closure": lambda rows: FunctionTransformer(by_hand(rows)),
    "a partial function": lambda rows: FunctionTransformer(partial(np.subtract, X[rows])),
    "a fitted step": lambda rows: FrozenEstimator(KNeighborsClassifier().fit(X[rows], y[rows])),
}


@pytest.mark.parametrize("name", HOLDING)
def test_test_rows_that_an_estimator_holds_are_seen(name):
    finding = held_rows(HOLDING[name](TEST), X, y, cv=SPLIT)
    assert finding.leaked is True and "holds 30 of 30 test rows" in finding.evidence
    assert held_rows(HOLDING[name](TRAIN[:20]), X, y, cv=SPLIT).leaked is False


def test_rows_that_fit_keeps_or_a_function_measures_are_none_that_are_held():
    fitted = make_pipeline(StandardScaler(), KNeighborsClassifier()).fit(X, y)
    for estimator in (
        fitted,
        Nystroem(),
        FunctionTransformer(lambda A: A[:, : X.shape[1]]),
        net(None),
    ):
        assert held_rows(estimator, X, y, cv=SPLIT).leaked is False
    assert held_rows(Nystroem(), X[:, :1], cv=SPLIT).leaked is None
    assert held_rows(Nystroem(), ["one two", "three four"] * 20).leaked is None


def test_images_are_rows_too():
    images = X.reshape(120, 1, 2, 3)
    valid = predefined_split(Dataset(images[TEST], y[TEST]))
    assert held_rows(net(valid), images, cv=SPLIT).leaked is True


@dataclass(slots=True)
class Slots:
    rows: object


BESIDE = {
    "a label in the last column": lambda rows: np.column_stack([X[rows], y[rows]]),
    "a label in the first column": lambda rows: pd.DataFrame(X[rows], index=y[rows]).reset_index(),
    "labels by row": lambda rows: {tuple(row): 1 for row in X[rows].tolist()},
    "a set of rows": lambda rows: {tuple(row) for row in X[rows].tolist()},
    "rows by number": lambda rows: dict(enumerate(X[rows])),
    "records": lambda rows: pd.DataFrame(X[rows]).to_dict("records"),
    "rows as objects": lambda rows: np.array([*X[rows], None], dtype=object)[:-1],
    "a data class with slots": lambda rows: Slots(X[rows]),
    "batches": lambda rows: DataLoader(TensorDataset(torch.tensor(X[rows]))),
}


@pytest.mark.parametrize("name", BESIDE)
def test_rows_are_held_in_any_container_and_beside_labels(name):
    def holding(rows):
        return make_pipeline(FunctionTransformer(kw_args={"valid": BESIDE[name](rows)}))

    finding = held_rows(holding(TEST), X, y, cv=SPLIT)
    assert finding.leaked is True and "30 of 30 test rows, in 'functiontransformer__kw_args'" in (
        finding.evidence
    )
    assert held_rows(holding(TRAIN[:20]), X, y, cv=SPLIT).leaked is False


def test_a_part_of_a_data_set_may_be_a_part_of_itself():
    part = Subset(X[TEST], [0])
    part.dataset = part
    holder = FunctionTransformer(kw_args={"valid": part, "held": X[TEST]})
    assert held_rows(holder, X, y, cv=SPLIT).leaked is True


def test_names_are_compared_as_they_are_and_not_by_their_place_in_the_alphabet():
    names = np.array([f"{a}{b}" for a in "abcdefghijkl" for b in "mnopqrstuv"])
    table = pd.DataFrame({"first": names, "second": names[::-1]})
    split = [(np.arange(60, 120), np.arange(60))]
    for rows, n_held in ((np.arange(30), 30), (np.arange(80, 100), 0)):
        for valid in (table.iloc[rows], table.iloc[rows].assign(y=y[rows])):
            finding = held_rows(FunctionTransformer(kw_args={"valid": valid}), table, cv=split)
            assert finding.leaked is bool(n_held)
            assert not n_held or f"holds {n_held} of 60" in finding.evidence
    one = pd.DataFrame({"first": ["am"], "second": ["am"]})  # alone, first in the alphabet
    twice = pd.DataFrame({"first": ["a", *names[:40]], "second": ["a", *names[:40]]})
    holder, cv = FunctionTransformer(kw_args={"valid": one}), [(np.arange(1, 41), np.arange(1))]
    assert held_rows(holder, twice, cv=cv).leaked is False


def test_copies_of_training_rows_are_no_test_rows():
    twice = np.vstack([X[:30], X[:90]])
    cv = [(np.arange(30, 120), np.arange(30))]
    holder = FunctionTransformer(kw_args={"valid": X[:30]})
    assert held_rows(holder, twice, cv=cv).leaked is False


# Labels of later rows ---------------------------------------------------------------------------


def series(persistence, seed=0):
    values = np.random.RandomState(seed).normal(size=400)
    for row in range(1, 400):
        values[row] += persistence * values[row - 1]
    return pd.Series(values)


def lags(series):
    return pd.DataFrame({f"lag{k}": series.shift(k) for k in range(1, 5)})


AHEAD = {
    "tomorrow": lambda s: s.shift(-1),
    "next week": lambda s: s.shift(-7),
    "mean of tomorrow and the day after": lambda s: s.shift(-1) + s.shift(-2),
}
TODAY = {
    "mean that includes today": lambda s: s.rolling(5).mean(),
    "mean around today": lambda s: s.rolling(5, center=True).mean(),
    "change since yesterday": lambda s: s.diff(),
}
BEFORE = {
    "mean up to yesterday": lambda s: s.shift(1).rolling(5).mean(),
    "last week": lambda s: s.shift(7),
    "another series": lambda s: series(0.5, seed=1),
}


@pytest.mark.slow
@pytest.mark.parametrize("persistence", [0.0, 0.9, 1.0])
@pytest.mark.parametrize("name", [*AHEAD, *TODAY, *BEFORE])
def test_columns_made_of_later_labels_are_named(name, persistence):
    values = series(persistence)
    column = (AHEAD | TODAY | BEFORE)[name](values)
    table, target = lags(values).assign(column=column)[20:-20], values[20:-20]
    time = np.arange(len(table))
    for order in (time, time[::-1]):  # the oldest first, or the newest: time tells
        finding = time_order(
            table.iloc[order], target.iloc[order], time=time[order], cv=SPLIT, task="regression"
        )
        named = "Made of labels of their own row or of later ones: columns 4 ('column')"
        assert (named in finding.evidence) == (name not in BEFORE), finding


@pytest.mark.slow
@pytest.mark.parametrize("name", [*AHEAD, *TODAY, *BEFORE])
def test_without_time_the_order_of_the_table_is_taken_for_a_question(name):
    values = series(0.9)
    table = lags(values).assign(column=(AHEAD | TODAY | BEFORE)[name](values))[20:-20]
    finding = too_good_feature(table, values[20:-20])
    assert finding.leaked is (True if name in TODAY else None if name in AHEAD else False), finding
    assert ("'column'" in finding.evidence) == (name not in BEFORE)


@pytest.mark.slow
def test_a_table_with_the_newest_row_first_is_not_accused():
    values = series(0.9)
    newest_first = lags(values)[4:][::-1]
    finding = too_good_feature(newest_first, values[4:][::-1])
    assert finding.leaked is None and "hand over time, to time_order" in finding.evidence


@pytest.mark.slow
def test_an_audit_sees_tomorrow_if_time_is_handed_over():
    values = series(0.9)
    table = lags(values).assign(next=values.shift(-1))[4:-1]
    cv = TimeSeriesSplit(3)
    for columns, leaks in ((table, ["time_order"]), (table.drop(columns="next"), [])):
        report = audit(LinearRegression(), columns, values[4:-1], cv=cv, time=np.arange(395))
        assert [finding.name for finding in report.leaks] == leaks


# Sources ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_source_that_is_nearly_the_class_is_asked_about():
    for seed in range(3):
        rng = np.random.RandomState(seed)
        y = rng.randint(2, size=240)
        source = np.where(rng.uniform(size=240) < 0.95, y, 1 - y)
        noise = rng.normal(size=(240, 10))
        table = np.column_stack([noise, 3 * source[:, None] + rng.normal(size=(240, 24))])
        finding = too_good_feature(table, y)
        assert finding.leaked is None and "Hand over the source" in finding.evidence
        cv = StratifiedKFold(5, shuffle=True, random_state=seed)
        finding = shared_groups(table, y, groups=source, cv=cv)
        assert finding.leaked is True and "The group alone tells the class of 9" in finding.evidence
        honest = np.column_stack([noise, 1.5 * y[:, None] + 3 * rng.normal(size=(240, 24))])
        assert too_good_feature(honest, y).leaked is False


@pytest.mark.slow
def test_an_audit_asks_for_the_source_of_each_row():
    report = audit(LogisticRegression(), X, y, cv=SPLIT)
    unasked = {f.name: f.evidence for f in report.not_looked_at}
    assert "where it comes from (a hospital, a device)" in unasked["shared_groups"]


def test_groups_that_tell_nothing_are_said_to_tell_nothing():
    finding = shared_groups(
        X, y, groups=np.arange(120) % 4, cv=KFold(4, shuffle=True, random_state=0)
    )
    assert finding.leaked is True and "guessing tells 5" in finding.evidence
    assert "if the score is to hold for new groups" in finding.evidence
