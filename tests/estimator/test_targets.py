"""Several targets and several labels: y of shape (n, k)."""

import contextlib
import pickle
import warnings

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes, make_multilabel_classification, make_regression
from sklearn.exceptions import DataConversionWarning
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler, scale
from sklearn.utils.estimator_checks import estimator_checks_generator
from torch import nn

from helpers import TorchClassifier, TorchRegressor, fused

X, values = make_regression(120, 6, n_targets=3, noise=5, random_state=0)
values = scale(values)
X_labels, labels = make_multilabel_classification(120, 8, n_classes=4, random_state=0)
X_labels = scale(X_labels)
FAST = {"epochs": 5, "random_state": 0}
TASKS = {"values": (TorchRegressor, X, values), "labels": (TorchClassifier, X_labels, labels)}


def weights(estimator):
    return [p.detach().numpy() for p in estimator.module_.parameters()]


@pytest.mark.slow
def test_several_values_are_scored_as_scikit_learn_averages_them():
    reg = TorchRegressor(random_state=0).fit(X, values)
    theirs = MLPRegressor(
        hidden_layer_sizes=32, learning_rate_init=0.01, max_iter=500, random_state=0
    )
    predicted = reg.predict(X)
    assert predicted.shape == (120, 3)
    assert reg.score(X, values) == r2_score(values, predicted, multioutput="uniform_average")
    ours = cross_val_score(reg, X, values).mean()
    assert ours > cross_val_score(theirs, X, values).mean() - 0.05


@pytest.mark.slow
def test_several_labels_are_scored_as_those_of_mlp_classifier():
    clf = TorchClassifier(random_state=0).fit(X_labels, labels)
    probability = clf.predict_proba(X_labels)
    assert probability.shape == labels.shape and not np.allclose(probability.sum(1), 1)
    assert_allclose(clf.predict_log_proba(X_labels), np.log(probability), atol=1e-12)
    theirs = MLPClassifier(32, learning_rate_init=0.01, max_iter=500, random_state=0)
    theirs.fit(X_labels, labels)
    assert_array_equal(clf.classes_, theirs.classes_)
    predicted = clf.predict(X_labels)
    assert predicted.dtype == theirs.predict(X_labels).dtype
    assert_array_equal(predicted, probability > 0.5)
    assert clf.score(X_labels, labels) == accuracy_score(labels, predicted) > 0.7
    aucs = cross_val_score(clf, X_labels, labels, scoring="roc_auc")
    assert aucs.mean() > cross_val_score(theirs, X_labels, labels, scoring="roc_auc").mean() - 0.05


def test_history_is_the_mean_over_rows_and_columns():
    reg = TorchRegressor(epochs=1, random_state=0).fit(X, values)
    untrained = TorchRegressor(epochs=0, random_state=0).fit(X, values)
    expected = ((untrained.predict(X) - values) ** 2).mean()
    assert_allclose(reg.history_[0]["train_loss"], expected)
    clf = TorchClassifier(epochs=1, random_state=0).fit(X_labels, labels)
    untrained = TorchClassifier(epochs=0, random_state=0).fit(X_labels, labels)
    right = np.abs(untrained.predict_proba(X_labels) - (1 - labels))
    assert_allclose(clf.history_[0]["train_loss"], -np.log(right).mean())


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {},
        pytest.param({"batch_size": 16}, marks=pytest.mark.slow),
        pytest.param({"batch_size": 16, "patience": 2}, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("task", TASKS)
def test_fused_equals_plain(task, settings):
    Estimator, X, y = TASKS[task]
    search = GridSearchCV(Estimator(**FAST, **settings), {"lr": [0.01, 0.03]}, cv=3, refit=False)
    plain = cross_validate(search.estimator, X, y, return_estimator=True)
    scores = clone(search).fit(X, y).cv_results_["mean_test_score"]
    with fused() as run:
        together = cross_validate(search.estimator, X, y, return_estimator=True)
        assert_array_equal(search.fit(X, y).cv_results_["mean_test_score"], scores)
    assert max(run.batches) >= 5
    for one, other in zip(plain["estimator"], together["estimator"], strict=True):
        for weight, of_fused in zip(weights(one), weights(other), strict=True):
            assert_allclose(of_fused, weight, rtol=0, atol=1e-12)


@pytest.mark.parametrize("task", TASKS)
def test_weights_partial_fit_pickle_and_other_forms_of_y(task):
    Estimator, X, y = TASKS[task]
    model = Estimator(**FAST)
    often = 1 + np.arange(len(X)) % 2
    repeated = np.repeat(np.arange(len(X)), often)
    expected = clone(model).fit(X[repeated], y[repeated])
    weighted = clone(model).fit(X, y, sample_weight=often)
    for weight, of_other in zip(weights(expected), weights(weighted), strict=True):
        assert_allclose(of_other, weight, atol=1e-9)
    fitted = model.fit(X, y)
    step_by_step = clone(model)
    for _ in range(5):
        step_by_step.partial_fit(X, y)
    for other in (
        step_by_step,
        pickle.loads(pickle.dumps(fitted)),
        clone(model).fit(X, y.tolist()),
    ):
        assert_array_equal(other.predict(X), fitted.predict(X))
    if Estimator is TorchClassifier:
        for form in (sparse.csr_array(y), y.astype(bool), y.astype(float)):
            assert_array_equal(clone(model).fit(X, form).predict(X), fitted.predict(X))


@pytest.mark.parametrize("task", TASKS)
def test_one_column_is_a_column_as_for_scikit_learn(task):
    Estimator, X, y = TASKS[task]
    expected = Estimator(**FAST).fit(X, y[:, 0]).predict(X)
    with pytest.warns(DataConversionWarning, match="column-vector y was passed"):
        assert_array_equal(Estimator(**FAST).fit(X, y[:, :1]).predict(X), expected)
    assert expected.shape == (120,)


REFUSED = {
    "two": (labels * 2, {}, "must hold 0 and 1; got 2.*MultiOutputClassifier"),
    "continuous": (labels + 0.5, {}, "Unknown label type.*must hold 0 and 1"),
    "classes": (labels.astype(str), {}, "must hold 0 and 1; got '1'"),
    "class_weight": (labels, {"class_weight": "balanced"}, r"has several; use .*\(pos_weight="),
}


@pytest.mark.parametrize("case", REFUSED)
def test_labels_that_are_none(case):
    y, arguments, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        TorchClassifier(epochs=1, **arguments).fit(X_labels, y)


@pytest.mark.parametrize("task", TASKS)
def test_another_number_of_columns_is_refused(task):
    Estimator, X, y = TASKS[task]
    for first, later, message in (
        (y, y[:, :2], "columns of y is 2, but was [34]"),
        (y, y[:, 0], "columns of y is 1, but was [34]"),
        (y[:, 0], y, "but was 1 in the first"),
    ):
        model = Estimator().partial_fit(X, first)
        before = model.predict(X)
        with pytest.raises(ValueError, match=message):
            model.partial_fit(X, later)
        assert_array_equal(model.predict(X), before)


def test_classes_of_several_labels_are_the_numbers_of_the_columns():
    TorchClassifier().partial_fit(X_labels, labels, classes=range(4))
    with pytest.raises(ValueError, match="classes are their numbers, 0 to 3; leave classes="):
        TorchClassifier().partial_fit(X_labels, labels, classes=[0, 1])


def test_a_recipe_that_ends_in_sigmoid_is_warned_of():
    def recipe(n_features, n_outputs):
        return nn.Sequential(nn.Linear(n_features, n_outputs), nn.Sigmoid())

    with pytest.warns(UserWarning, match=r"ends in Sigmoid\(\).*applies sigmoid to each itself"):
        TorchClassifier(recipe, epochs=1).fit(X_labels, labels)


def test_tags_and_the_number_of_checks_are_those_of_scikit_learns_networks():
    assert TorchClassifier().__sklearn_tags__().classifier_tags.multi_label
    assert TorchRegressor().__sklearn_tags__().target_tags.multi_output
    # That ours pass is tested in test_check_estimator.
    for ours, theirs in ((TorchClassifier(), MLPClassifier()), (TorchRegressor(), MLPRegressor())):
        n_ours, n_theirs = (len(list(estimator_checks_generator(e))) for e in (ours, theirs))
        assert n_ours >= n_theirs


class Scaled(nn.Linear):
    def forward(self, X):
        return 1e6 + 1e5 * super().forward(X)


@pytest.mark.slow
@pytest.mark.parametrize("inside", [contextlib.nullcontext, fused])
def test_values_that_training_does_not_reach_are_warned_of(inside):
    far, reg = 1e6 + 1e5 * values[:, 0], TorchRegressor(epochs=60, random_state=0)
    for y in (far, 1e4 * values, np.column_stack([values[:, 0], far])):
        with inside(), pytest.warns(UserWarning, match="Scale y: TransformedTargetRegressor"):
            cross_val_score(reg, X, y, cv=2)
    scaled = TransformedTargetRegressor(reg, transformer=StandardScaler())
    absolute = clone(reg).set_params(loss=lambda outputs, y: (outputs - y).abs())
    inner = clone(reg).set_params(module=Scaled, lr=0.1)
    for model, y in ((scaled, far), (absolute, far), (inner, far), (reg, 100 * values)):
        with inside(), warnings.catch_warnings():
            warnings.filterwarnings("error", "y has a mean")
            cross_val_score(model, X, y, cv=2, error_score="raise")


@pytest.mark.parametrize("inside", [contextlib.nullcontext, fused])
def test_a_network_that_errs_more_than_the_mean_would_is_warned_of(inside):
    X, y = load_diabetes(return_X_y=True)  # a mean of 152, a standard deviation of 77
    with inside(), pytest.warns(UserWarning, match=r"y has a mean of about 1\d\d and a standard"):
        cross_val_score(TorchRegressor(epochs=20, random_state=0), scale(X), y, cv=2)


@pytest.mark.slow
def test_weights_count_in_what_the_mean_would_lose():
    rng = np.random.RandomState(0)
    X, y, weight = np.eye(300)[:, :2], 20 + 0.1 * rng.normal(size=300), np.ones(300)
    y[-10:], weight[-10:] = 100 + 50 * rng.normal(size=10), 50  # few rows that weigh much
    for target in (y, np.c_[y, y]):
        reg = TorchRegressor(epochs=200, lr=0.3, random_state=0)
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "y has a mean")
            reg.fit(X, target, sample_weight=weight)
        assert reg.history_[-1]["train_loss"] > target.var()


@pytest.mark.parametrize(
    "y",
    [2**24 + np.arange(60), 1.7e9 + values[:60, 0], np.c_[values[:60], 1e9 + values[:60]]],
    ids=["whole numbers", "seconds", "one of two columns"],
)
def test_values_that_the_precision_of_X_rounds_away_are_refused(y):
    X, reg = np.random.RandomState(0).normal(size=(60, 2)), TorchRegressor(epochs=1)
    with pytest.raises(ValueError, match="differs too little from row to row for float32"):
        reg.fit(X.astype(np.float32), y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that y is far from 0
        reg.fit(X, y)  # float64 can hold them
        reg.fit(X.astype(np.float32), np.full(60, 2**24 + 1))
        reg.fit(X.astype(np.float32), 20_000_001 + 1000 * np.arange(60))


def test_a_fit_on_the_cpu_seeds_no_gpu(monkeypatch):
    def spreading(outputs, y):  # the loss of a row depends on the others, which is looked into
        errors = (outputs - y).abs()
        return (errors[:, None] + errors).mean(1)

    seeded = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    TorchRegressor(epochs=2, loss=spreading).fit(X, values[:, 0])
    assert seeded == []
