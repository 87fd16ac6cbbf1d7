"""Under `fused`, searches give the answers of the plain loop, whatever is mixed."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joblib import Parallel, delayed, parallel_config
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.datasets import load_digits, make_classification
from sklearn.ensemble import BaggingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    RandomizedSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
    validation_curve,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from helpers import TorchClassifier, TorchRegressor, fused
from helpers.fusing.stack import Stack
from tests.fusing import no_task_is_left

X, y = make_classification(90, 6, n_informative=4, n_classes=3, random_state=0)
WEIGHT = np.random.default_rng(0).integers(0, 3, len(y)).astype(float)


def fit(estimator, rows, weighted):
    weight = WEIGHT[rows] if weighted else None
    return clone(estimator).fit(X[rows], y[rows], sample_weight=weight)


def weights(estimator):
    return torch.cat([p.detach().flatten() for p in estimator.module_.parameters()])


def assert_alike(one, other, atol=1e-10):
    assert one.n_epochs_ == other.n_epochs_
    torch.testing.assert_close(weights(one), weights(other), rtol=0, atol=atol)
    for name in one.history_[-1] if one.history_ else ():
        losses = [[row[name] for row in fitted.history_] for fitted in (one, other)]
        np.testing.assert_allclose(*losses, rtol=0, atol=atol)


estimators = st.builds(
    lambda kind, class_weight, **settings: (
        TorchClassifier(class_weight=class_weight, **settings)
        if kind == "classifier"
        else TorchRegressor(**settings)
    ),
    kind=st.sampled_from(["classifier", "classifier", "regressor"]),
    class_weight=st.sampled_from([None, "balanced"]),
    epochs=st.sampled_from([0, 1, 5, 20]),
    lr=st.sampled_from([0.001, 0.01, 0.02]),
    batch_size=st.sampled_from([None, 7, 32, 1000]),
    weight_decay=st.sampled_from([0.0, 0.01, 0.1]),
    patience=st.sampled_from([None, None, 2]),
    random_state=st.sampled_from([0, 1]),
    module__hidden=st.sampled_from([3, (4, 3), ()]),
)
parts = st.sampled_from([slice(0, 60), slice(30, 90), slice(0, 61), slice(5, 40), slice(0, 60)])


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "rmsprop", "sgd"])
@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(fits=st.lists(st.tuples(estimators, parts, st.booleans()), min_size=2, max_size=8))
def test_any_mixture_gives_the_weights_of_the_loop(optimizer, fits):
    fits = [(clone(e).set_params(optimizer=optimizer), *rest) for e, *rest in fits]
    alone = [fit(*one) for one in fits]
    with fused() as run:
        together = Parallel()(delayed(fit)(*one) for one in fits)
    assert sum(run.batches) == len(fits)
    for one, other in zip(alone, together, strict=True):
        assert_alike(one, other)


CLASSIFIER = TorchClassifier(epochs=5, batch_size=16, random_state=0, module__hidden=4)
PIPELINE = make_pipeline(StandardScaler(), CLASSIFIER)
RATES = {"torchclassifier__lr": [0.001, 0.01, 0.05]}


@pytest.mark.slow
@pytest.mark.parametrize(
    "procedure",
    [
        lambda: GridSearchCV(PIPELINE, RATES).fit(X, y).cv_results_["mean_test_score"],
        lambda: GridSearchCV(PIPELINE, RATES, n_jobs=2).fit(X, y).best_score_,
        lambda: (
            RandomizedSearchCV(PIPELINE, RATES, n_iter=2, random_state=0)
            .fit(X, y)
            .cv_results_["mean_test_score"]
        ),
        lambda: cross_validate(PIPELINE, X, y, scoring=["accuracy", "neg_log_loss"])[
            "test_neg_log_loss"
        ],
        lambda: cross_val_predict(PIPELINE, X, y, method="predict_proba"),
        lambda: permutation_test_score(PIPELINE, X, y, n_permutations=5, random_state=0)[1],
        lambda: learning_curve(PIPELINE, X, y)[2],
        lambda: learning_curve(CLASSIFIER, X, y, exploit_incremental_learning=True)[2],
        lambda: validation_curve(
            PIPELINE, X, y, param_name="torchclassifier__lr", param_range=[0.001, 0.1]
        )[1],
        lambda: BaggingClassifier(CLASSIFIER, 6, random_state=0).fit(X, y).predict_proba(X),
        lambda: cross_val_score(GridSearchCV(PIPELINE, RATES, cv=3), X, y, cv=3),
        lambda: cross_val_score(
            GridSearchCV(
                BaggingClassifier(CLASSIFIER, 3, random_state=0), {"max_samples": [0.5, 1.0]}, cv=2
            ),
            X,
            y,
            cv=2,
        ),
    ],
)
def test_procedures_of_scikit_learn(procedure):
    with parallel_config("threading"):  # processes would take long to start, for n_jobs=2
        plain = procedure()
    with fused() as run:
        together = procedure()
    np.testing.assert_allclose(plain, together, rtol=0, atol=1e-10)
    assert max(run.batches) > 1


@pytest.mark.slow
def test_nested_searches_meet_in_one_batch():
    with fused() as run:
        cross_val_score(
            GridSearchCV(PIPELINE, RATES, cv=3, refit=False, scoring="accuracy"),
            X,
            y,
            cv=2,
            scoring=lambda *_: 0.0,
        )
    assert run.batches == [18]


@pytest.mark.slow
def test_float32_agrees_where_it_is_not_chaotic():
    digits, labels = load_digits(return_X_y=True)
    digits = (digits[:600] / 16).astype(np.float32)
    clf = TorchClassifier(epochs=3, batch_size=32, lr=0.01, random_state=0)
    plain = cross_val_predict(clf, digits, labels[:600], method="predict_proba")
    with fused():
        together = cross_val_predict(clf, digits, labels[:600], method="predict_proba")
    np.testing.assert_allclose(plain, together, atol=1e-4)


@pytest.mark.slow
def test_float32_mean_score_of_a_grid():
    digits, labels = load_digits(return_X_y=True)
    digits = (digits / 16).astype(np.float32)
    clf = TorchClassifier(epochs=20, batch_size=128, random_state=0)
    search = GridSearchCV(clf, {"lr": [0.003, 0.01, 0.03]}, cv=5, refit=False)
    plain = search.fit(digits, labels).cv_results_["mean_test_score"].mean()
    with fused():
        together = search.fit(digits, labels).cv_results_["mean_test_score"].mean()
    assert abs(plain - together) < 0.005


@pytest.mark.slow
def test_a_grid_over_epochs_is_one_training(monkeypatch):
    steps, train_epoch = [], Stack.train_epoch

    def counted(stack):
        steps.append(len(stack.active()))
        train_epoch(stack)

    monkeypatch.setattr(Stack, "train_epoch", counted)
    grid = {"torchclassifier__epochs": [2, 4, 6]}
    search = GridSearchCV(PIPELINE, grid, cv=5, refit=False)
    plain = search.fit(X, y).cv_results_["mean_test_score"]
    with fused() as run:
        together = search.fit(X, y).cv_results_["mean_test_score"]
    np.testing.assert_array_equal(plain, together)
    assert run.batches == [15]
    assert steps == [5] * 6  # five folds, as long as the longest


class Normed(nn.Sequential):
    def __init__(self, n_features, n_outputs):
        super().__init__(nn.Linear(n_features, 4), nn.BatchNorm1d(4), nn.Linear(4, n_outputs))


class Branching(nn.Sequential):
    """Python decides by the data, which vmap refuses."""

    def __init__(self, n_features, n_outputs):
        super().__init__(nn.Linear(n_features, n_outputs))

    def forward(self, X):
        return super().forward(X if X.sum() > 0 else -X)


class Gated(nn.Module):
    """No layer of it is in the list of those that stack as they are."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_features, n_outputs))
        self.gate = nn.Linear(n_features, n_outputs, bias=False)
        self.normal = nn.LayerNorm(n_outputs)

    def forward(self, X):
        return self.normal(X @ self.weight) * self.gate(X).sigmoid()


class AddedUp(nn.Module):
    """Its parameters have one gradient, and autograd hands out the same tensor for both."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.one, self.other = (nn.Parameter(torch.randn(n_features, n_outputs)) for _ in range(2))

    def forward(self, X):
        return X @ (self.one + self.other)


@pytest.mark.slow
@pytest.mark.parametrize(
    "module, reason",
    [(Branching, "torch.func.vmap refuses it: vmap: ")],
)
def test_what_cannot_be_stacked_trains_alone_with_one_warning(module, reason):
    clf = TorchClassifier(module, epochs=3, random_state=0)
    plain = cross_val_predict(clf, X, y, method="predict_proba")
    with (
        fused() as run,
        pytest.warns(UserWarning, match=f"{module.__name__} cannot be stacked.*{reason}") as record,
    ):
        together = cross_val_predict(clf, X, y, method="predict_proba")
    assert len(record) == 1
    assert run.batches == [1] * 5
    np.testing.assert_array_equal(plain, together)


@pytest.mark.slow
@pytest.mark.parametrize("module", [Gated, AddedUp, Normed])
def test_a_network_of_any_layers_is_stacked(module):
    clf = TorchClassifier(module, epochs=20, batch_size=16, weight_decay=0.1, random_state=0)
    plain = cross_val_predict(clf, X, y, method="predict_proba")
    with fused() as run:
        together = cross_val_predict(clf, X, y, method="predict_proba")
    assert run.batches == [5]
    np.testing.assert_allclose(plain, together, rtol=0, atol=1e-10)


@pytest.mark.slow
def test_other_estimators_run_beside():
    grid = [
        {"clf": [CLASSIFIER], "clf__lr": [0.01, 0.1], "clf__module__hidden": [3, 5]},
        {"clf": [CLASSIFIER], "clf__optimizer": ["sgd"], "clf__batch_size": [8, None]},
        {"clf": [LogisticRegression()], "clf__C": [0.1, 1.0]},
    ]
    pipeline = Pipeline([("scale", StandardScaler()), ("clf", CLASSIFIER)])
    plain = GridSearchCV(pipeline, grid).fit(X, y)
    with fused() as run:
        together = GridSearchCV(pipeline, grid).fit(X, y)
    assert sorted(n for n in run.batches if n > 1) == [5, 5, 10, 10]
    np.testing.assert_array_equal(
        plain.cv_results_["mean_test_score"], together.cv_results_["mean_test_score"]
    )


@pytest.mark.slow
def test_a_thousand_fits():
    clf = TorchClassifier(epochs=1, random_state=0, module__hidden=2)
    with fused() as run:
        scores = permutation_test_score(clf, X, y, cv=2, n_permutations=499, random_state=0)[1]
    assert len(scores) == 499
    assert sum(run.batches) == 1000
    assert no_task_is_left()


@pytest.mark.slow
def test_callbacks_see_every_epoch():
    grid = {"lr": [0.01, 0.05], "epochs": [2, 5]}
    logs = []
    for block in (fused, nullcontext):
        monitor = ScoringMonitor(scoring="accuracy")
        search = GridSearchCV(clone(CLASSIFIER).set_callbacks(monitor), grid, cv=3, refit=False)
        with block():
            search.fit(X, y)
        log = monitor.get_logs().data_as_pandas
        assert (log.task_name == "epoch").sum() == 2 * 3 * (2 + 5)
        logs.append(log.set_index("task_id_path").accuracy.sort_index())
    assert logs[0].equals(logs[1])


@pytest.mark.slow
def test_a_progress_bar_runs_along(capsys):
    search = GridSearchCV(clone(CLASSIFIER), {"lr": [0.01, 0.05]}, refit=False)
    with fused() as run:
        search.set_callbacks(ProgressBar()).fit(X, y)
    assert run.batches == [10]
    assert "TorchClassifier - fit #9  100%" in capsys.readouterr().out


def test_partial_fit_goes_on_after_a_fused_fit():
    whole = clone(CLASSIFIER).set_params(epochs=7).fit(X, y)
    with fused():
        fitted = Parallel()(delayed(fit)(CLASSIFIER, slice(None), False) for _ in range(2))
    fitted[0].partial_fit(X, y)
    fitted[0].partial_fit(X, y)
    assert_alike(whole, fitted[0])
