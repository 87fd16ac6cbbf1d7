"""Weights of rows and of classes, the target, and what an error says is to blame."""

import datetime
import re
from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_iris, make_classification
from sklearn.model_selection import cross_val_predict, cross_val_score
from sklearn.preprocessing import StandardScaler, scale

from helpers import TorchClassifier, TorchRegressor, fused

X, y = load_iris(return_X_y=True)
X = scale(X)
NAMES = np.array(["a", "b", "c"])[y]


def fit(target=y, sample_weight=None, data=X, **parameters):
    clf = TorchClassifier(epochs=5, random_state=0, **parameters)
    return clf.fit(data, target, sample_weight=sample_weight)


# Weights.


def test_balanced_counts_rows_of_positive_weight_only():
    X, y = make_classification(200, 5, weights=[0.8], random_state=0)
    counted = (y == 1) | (np.arange(200) % 2 == 0)
    masked = fit(y, counted.astype(float), X, class_weight="balanced")
    left_out = fit(y[counted], None, X[counted], class_weight="balanced")
    assert_allclose(masked.predict_proba(X), left_out.predict_proba(X), rtol=1e-9)


@pytest.mark.parametrize("batch_size", [None, 16])
def test_a_layer_that_scales_sees_no_row_of_weight_0(batch_size):
    def scaling(n_features, n_outputs):
        return torch.nn.Sequential(
            torch.nn.BatchNorm1d(n_features), torch.nn.Linear(n_features, n_outputs)
        )

    kept = np.arange(len(y)) % 3 > 0
    moved = np.where(kept[:, None], X, X + 100)
    masked = fit(y, kept.astype(float), moved, module=scaling, batch_size=batch_size)
    left_out = fit(y[kept], None, X[kept], module=scaling, batch_size=batch_size)
    assert_array_equal(masked.predict_proba(X), left_out.predict_proba(X))


def test_balanced_counts_a_row_of_weight_2_twice():
    times = np.random.default_rng(0).integers(0, 3, 150)
    weighted = fit(y, times.astype(float), class_weight="balanced")
    repeated = fit(y.repeat(times), None, X.repeat(times, axis=0), class_weight="balanced")
    assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), rtol=1e-9)


def test_balanced_where_a_class_has_no_weight():
    clf = fit(y, (y > 0).astype(float), class_weight="balanced")
    assert clf.predict_proba(X).shape == (150, 3)


@pytest.mark.parametrize("weight", [-1, np.nan, np.inf, "2", None, True])
def test_weights_of_classes_that_are_none(weight):
    with pytest.raises(ValueError, match=f"gives the label 1 the weight {weight!r}"):
        fit(class_weight={0: 1, 1: weight, 2: 1})


def test_weights_of_labels_that_y_does_not_hold():
    with pytest.raises(ValueError, match=r"names \['A'\].*no weight to \['a'\].*\['a', 'b', 'c'\]"):
        fit(NAMES, class_weight={"A": 2, "b": 1, "c": 1})
    with pytest.raises(ValueError, match=r"names \[0, 1, 2\], which y does not hold"):
        fit(NAMES, class_weight={0: 1, 1: 1, 2: 1})
    # A fold may lack a class that has a weight.
    all_weighted = fit(y[:100], None, X[:100], class_weight={0: 1, 1: 2, 2: 3})
    assert_array_equal(all_weighted.classes_, [0, 1])
    assert fit(class_weight={2: 3.0}).n_epochs_ == 5  # the others have 1


@pytest.mark.parametrize(
    "labels, weights",
    [
        (NAMES, {"a": 3, "b": 1, "c": 1}),
        (NAMES.astype(object), {"a": 3, "b": 1, "c": 1}),
        (y.astype(float), {0: 3, 1: 1, 2: 1}),
        (y.astype("int8"), {np.int64(0): np.float32(3)}),
        (pd.Series(NAMES, dtype="category"), {"a": 3, "b": 1, "c": 1}),
    ],
)
def test_weights_of_classes_by_labels_of_any_type(labels, weights):
    expected = fit(sample_weight=np.where(y == 0, 3.0, 1.0)).predict_proba(X)
    assert_array_equal(fit(labels, class_weight=weights).predict_proba(X), expected)


def test_weights_that_are_too_many_or_missing():
    with pytest.raises(
        ValueError, match="add up to more than float64 holds; the largest is 1e\\+30"
    ):
        fit(sample_weight=np.full(150, 1e307))
    with pytest.raises(ValueError, match="add up to more than float32"):
        fit(sample_weight=np.full(150, 1e37), data=X.astype("float32"))
    with pytest.raises(ValueError, match="add up to more than float64"):
        fit(sample_weight=np.full(150, 1e200), class_weight={0: 1e200, 1: 1, 2: 1})
    with pytest.raises(ValueError, match="sample_weight contains NaN"):
        fit(sample_weight=np.where(y == 0, np.nan, 1))


# Probabilities.


def test_logarithms_of_probabilities_are_finite():
    clf = fit()
    assert_allclose(clf.predict_log_proba(X), np.log(clf.predict_proba(X)), rtol=1e-9)
    with torch.no_grad():
        clf.module_.layers[-1].weight.mul_(1e6)
    assert clf.predict_proba(X).min() == 0
    assert np.isfinite(clf.predict_log_proba(X)).all()
    log_probabilities = cross_val_predict(clf, X, y, method="predict_log_proba")
    assert log_probabilities.shape == (150, 3)


# Labels.


def of(values, dtype=object):
    return np.array(values, dtype=dtype)[y]


LABELS = {
    "object of int": (y.astype(object), r"holds int\..*y.astype\(int\)"),
    "object of bool": ((y > 0).astype(object), r"holds bool\..*y.astype\(bool\)"),
    "object of float": (y.astype(float).astype(object), r"holds float\..*y.astype\(float\)"),
    "mixed": (of([1, "b", 2.5]), "several types: float, int, str"),
    "bool and int": (of([True, 5, 7]), "several types: bool, int"),
    "list of int and str": ([1 if k else "a" for k in y], "several types: int, str"),
    "None": (of([None, "b", "c"]), "missing value: None in row 0"),
    "nan": (of(["a", np.nan, "c"]), "missing value: nan in row 50"),
    "NA": (of([pd.NA, "b", "c"]), "missing value: <NA> in row 0"),
    "NaT": (of([pd.NaT, "b", "c"]), "missing value: NaT in row 0"),
    "NA among int": (of([pd.NA, 1, 2]), "missing value: <NA> in row 0"),
    "None in a list": ([None if k else "a" for k in y], "missing value: None in row 50"),
    "Int64": (pd.Series([pd.NA, 1, 2], dtype="Int64").iloc[y], "missing value: <NA> in row 0"),
    "boolean": (pd.Series([True, pd.NA, False], dtype="boolean").iloc[y], "missing value: <NA>"),
    "string": (pd.Series(of([None, "b", "c"]), dtype="string"), "missing value: <NA> in row 0"),
    "category": (pd.Series(of([None, "b", "c"]), dtype="category"), "missing value: nan in row 0"),
    "dates": (of(["2020-01-01", "2020-01-02", "2020-01-03"], "M8[D]"), r"y.astype\(str\)"),
    "dates of pandas": (pd.Series(pd.to_datetime(["2020", "2021", "2022"])).iloc[y], "datetime64"),
    "dates of Python": (of([datetime.date(2020, 1, k) for k in (1, 2, 3)]), "holds date"),
    "periods": (pd.Series(pd.period_range("2020", periods=3, freq="D")).iloc[y], "holds Period"),
    "durations": (of([1, 2, 3], "m8[D]"), "timedelta64"),
    "structured": (of([(1, 2), (3, 4), (5, 6)], [("a", int), ("b", int)]), "dtype .*'a'"),
}


@pytest.mark.parametrize("name", LABELS)
def test_labels_that_are_none_get_a_sentence(name):
    labels, message = LABELS[name]
    with pytest.raises(ValueError, match=message):
        fit(labels)
    if not isinstance(labels, list):  # a table of one column
        with pytest.raises(ValueError, match=message.split(":")[0]):
            fit(pd.DataFrame({"y": labels}) if name != "structured" else labels)


@pytest.mark.parametrize(
    "labels, classes",
    [
        (NAMES, ["a", "b", "c"]),
        (NAMES.astype(object), ["a", "b", "c"]),
        (NAMES.astype(np.dtypes.StringDType()), ["a", "b", "c"]),
        (pd.Series(NAMES, dtype="string"), ["a", "b", "c"]),
        (pd.Series(NAMES, dtype="category"), ["a", "b", "c"]),
        (pd.Series(NAMES, dtype=pd.CategoricalDtype(["c", "b", "a", "z"])), ["a", "b", "c"]),
        (pd.Series(y, dtype="category"), [0, 1, 2]),
        (pd.Series(y, dtype="Int64"), [0, 1, 2]),
        (pd.Series(y > 0, dtype="boolean"), [False, True]),
        (pd.DataFrame({"y": NAMES}), ["a", "b", "c"]),
        (list(NAMES), ["a", "b", "c"]),
        ([bool(k) for k in y], [False, True]),
        (torch.tensor(y), [0, 1, 2]),
    ],
)
def test_labels_of_many_kinds(labels, classes):
    clf = fit(labels)
    assert clf.classes_.tolist() == classes
    assert set(clf.predict(X).tolist()) <= set(classes)


@pytest.mark.parametrize(
    "target, message",
    [
        (NAMES, "needs numbers in y; got 'a', of type str, in row 0"),
        (of([1.5, None, 2]), "missing value: None in row 50"),
        (of([1.5, pd.NA, 2]), "missing value: <NA> in row 50"),
        (
            of(["2020", "2021", "2022"], "M8[Y]"),
            r"of dtype datetime.* days: \(y - start\) / np",
        ),
        (of([1, 2, 3], "m8[D]"), "values of dtype timedelta.* days: y / np"),
        (pd.Series(of([1, 2, 3], "m8[s]")), "values of dtype timedelta.* days: y / np"),
        ([1.5 if k else "high" for k in y], "got 'high', of type str, in row 0"),
        (of([1.0, 2.0, np.inf], float), "y contains infinity"),
        (None, "TorchRegressor estimator requires y to be passed"),
    ],
)
def test_targets_that_are_no_numbers(target, message):
    with pytest.raises(ValueError, match=message):
        TorchRegressor(epochs=1).fit(X, target)


def test_targets_that_are_numbers():
    expected = TorchRegressor(epochs=2, random_state=0).fit(X, y).predict(X)
    for target in (y.astype(object), pd.Series(y, dtype="Int64"), list(y), y > 0):
        predicted = TorchRegressor(epochs=2, random_state=0).fit(X, target).predict(X)
        if target is not None and np.asarray(target).dtype != bool:
            assert_array_equal(predicted, expected)


def test_an_estimator_without_y_is_told_by_its_own_name():
    with pytest.raises(ValueError, match="This TorchClassifier estimator requires y"):
        TorchClassifier().fit(X)


# What an error says is to blame.


def divergence(estimator, X, target):
    messages = []
    for context in (nullcontext(), fused()):
        with pytest.raises(ValueError, match="Training diverged") as error, context:
            cross_val_score(estimator, X, target, cv=3, error_score="raise")
        messages.append(str(error.value))
    assert messages[0] == messages[1]
    return messages[0]


@pytest.mark.slow
def test_divergence_names_its_cause():
    slow = {"lr": 0.1, "optimizer": "sgd", "random_state": 0}
    rate = divergence(TorchClassifier(**slow | {"lr": 1e300}), X, y)
    assert re.search(r"lr=1e\+300; the largest input is [\d.]+\. Lower lr", rate)
    assert "Scale" not in rate
    inputs = divergence(TorchRegressor(**slow), X * 1e6, y)
    assert "Scale X" in inputs and "ower lr" not in inputs
    target = divergence(TorchRegressor(**slow), X, y * 1e150)
    assert "largest target is 2e+150. Scale y" in target and "TransformedTarget" in target
    both = divergence(TorchRegressor(**slow), X * 1e100, y * 1e100)
    assert "Scale X" in both and "scale y" in both


def test_divergence_names_the_weights():
    clf = TorchClassifier(lr=1.0, optimizer="sgd", random_state=0).partial_fit(X, y)
    with pytest.raises(ValueError, match="weight of a row is 1e.300. Divide the weights"):
        for _ in range(3):
            clf.partial_fit(X, y, sample_weight=np.full(150, 1e300))


def test_the_cures_that_errors_name():
    regressor = TransformedTargetRegressor(
        TorchRegressor(lr=0.1, optimizer="sgd", random_state=0), transformer=StandardScaler()
    )
    assert regressor.fit(X, y * 1e150).score(X, y * 1e150) > 0.8


def test_targets_beyond_the_precision_of_X():
    with pytest.raises(ValueError, match=r"y holds 2e\+300, more than float32, the precision of X"):
        TorchRegressor().fit(X.astype("float32"), y * 1e300)


# Rows for patience.


def test_patience_leaves_the_one_row_of_a_class_to_training():
    labels = np.r_[np.full(100, 1), np.full(49, 2), 3]
    clf = TorchClassifier(patience=3, epochs=5, random_state=0).fit(X, labels)
    assert_array_equal(clf.classes_, [1, 2, 3])
    assert "valid_loss" in clf.history_[0]


def test_patience_speaks_of_its_own_parameters():
    few = np.arange(0, 150, 8)
    message = (
        r"validation_fraction=0.1 of the rows.*here 2 of 19.*one row of each class.*3 at least"
    )
    with pytest.raises(ValueError, match=message):
        TorchClassifier(patience=2).fit(X[few], y[few])
    TorchClassifier(patience=2, validation_fraction=0.2, epochs=2).fit(X[few], y[few])
    with pytest.raises(ValueError, match="of the groups to watch the loss, here 1 of 1"):
        TorchClassifier(patience=2).fit(X, y, groups=np.zeros(150))
    with pytest.raises(ValueError, match="patience sets aside.*here 1 of 1.*patience=None"):
        TorchRegressor(patience=2).fit(X[:1], y[:1])
    with pytest.raises(ValueError, match="patience sets aside.*here 0 of 0"):
        TorchClassifier(patience=2).fit(X[[0, 50, 100]], y[[0, 50, 100]])
    assert TorchRegressor(patience=2, epochs=2).fit(X[:2], y[:2]).n_epochs_ == 2
