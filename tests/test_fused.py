"""Under `fused`, searches give the answers of the plain loop, whatever is mixed or fails."""

import _thread
import subprocess
import sys
import threading
import warnings
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joblib import Parallel, delayed
from joblib.parallel import get_active_backend
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.datasets import load_digits, make_classification
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import FitFailedWarning
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
from helpers.fusing import grouping
from helpers.fusing.grouping import train_together
from helpers.fusing.stack import Stack
from helpers.fusing.tasks import Task
from tests.memory import FIRST_FIT

X, y = make_classification(90, 6, n_informative=4, n_classes=3, random_state=0)
WEIGHT = np.random.default_rng(0).integers(0, 3, len(y)).astype(float)


def fit(estimator, rows, weighted):
    weight = WEIGHT[rows] if weighted else None
    return clone(estimator).fit(X[rows], y[rows], sample_weight=weight)


def weights(estimator):
    return torch.cat([p.detach().flatten() for p in estimator.module_.parameters()])


def no_task_is_left():
    return not any(isinstance(thread, Task) for thread in threading.enumerate())


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
    plain = procedure()
    with fused() as run:
        together = procedure()
    np.testing.assert_allclose(plain, together, rtol=0, atol=1e-10)
    assert max(run.batches) > 1


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


def test_float32_agrees_where_it_is_not_chaotic():
    digits, labels = load_digits(return_X_y=True)
    digits = (digits[:600] / 16).astype(np.float32)
    clf = TorchClassifier(epochs=3, batch_size=32, lr=0.01, random_state=0)
    plain = cross_val_predict(clf, digits, labels[:600], method="predict_proba")
    with fused():
        together = cross_val_predict(clf, digits, labels[:600], method="predict_proba")
    np.testing.assert_allclose(plain, together, atol=1e-4)


def test_float32_mean_score_of_a_grid():
    digits, labels = load_digits(return_X_y=True)
    digits = (digits / 16).astype(np.float32)
    clf = TorchClassifier(epochs=20, batch_size=128, random_state=0)
    search = GridSearchCV(clf, {"lr": [0.003, 0.01, 0.03]}, cv=5, refit=False)
    plain = search.fit(digits, labels).cv_results_["mean_test_score"].mean()
    with fused():
        together = search.fit(digits, labels).cv_results_["mean_test_score"].mean()
    assert abs(plain - together) < 0.005


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


def test_generators_and_backend_are_put_back():
    numpy_before, torch_before = np.random.get_state()[1].copy(), torch.get_rng_state()
    backend, filters = type(get_active_backend()[0]), list(warnings.filters)
    with fused():
        cross_val_score(PIPELINE, X, y)
    assert np.array_equal(numpy_before, np.random.get_state()[1])
    assert torch.equal(torch_before, torch.get_rng_state())
    assert type(get_active_backend()[0]) is backend
    assert warnings.filters == filters
    assert no_task_is_left()


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


@pytest.mark.parametrize("module", [Gated, AddedUp, Normed])
def test_a_network_of_any_layers_is_stacked(module):
    clf = TorchClassifier(module, epochs=20, batch_size=16, weight_decay=0.1, random_state=0)
    plain = cross_val_predict(clf, X, y, method="predict_proba")
    with fused() as run:
        together = cross_val_predict(clf, X, y, method="predict_proba")
    assert run.batches == [5]
    np.testing.assert_allclose(plain, together, rtol=0, atol=1e-10)


def test_a_diverging_candidate_fails_alone():
    grid = {"lr": [0.01, 1e300], "optimizer": ["sgd"]}
    search = GridSearchCV(CLASSIFIER, grid, cv=3, error_score=-1.0)
    with fused() as run, pytest.warns(FitFailedWarning, match="Training diverged"):
        search.fit(X, y)
    assert run.batches == [6, 1]
    with pytest.warns(FitFailedWarning, match="Training diverged"):
        plain = clone(search).fit(X, y)
    np.testing.assert_array_equal(
        search.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"]
    )
    with fused(), pytest.raises(ValueError, match="Training diverged"):
        clone(search).set_params(error_score="raise").fit(X, y)
    assert no_task_is_left()


def test_an_error_in_the_trainer_reaches_the_caller(monkeypatch):
    def fail(*_):
        raise RuntimeError("the trainer failed")

    monkeypatch.setattr(Stack, "train_epoch", fail)
    monkeypatch.setattr(grouping, "train_alone", fail)  # which comes after
    with pytest.raises(RuntimeError, match="the trainer failed"), fused():
        cross_val_score(PIPELINE, X, y, error_score="raise")
    assert no_task_is_left()


def _interrupt(stack):
    raise KeyboardInterrupt


@pytest.mark.parametrize("nested", [False, True])
def test_keyboard_interrupt_ends_everything(monkeypatch, nested):
    monkeypatch.setattr(Stack, "train_epoch", _interrupt)
    search = GridSearchCV(PIPELINE, RATES)
    with pytest.raises(KeyboardInterrupt), fused():
        cross_val_score(search, X, y) if nested else search.fit(X, y)
    assert no_task_is_left()
    monkeypatch.undo()
    with fused() as run:
        search.fit(X, y)
    assert run.batches == [15, 1]


def test_a_search_after_an_interrupted_one_in_the_same_block(monkeypatch):
    with fused() as run:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Stack, "train_epoch", _interrupt)
            cross_val_score(GridSearchCV(PIPELINE, RATES), X, y)
        run.batches.clear()
        cross_val_score(PIPELINE, X, y)
        assert run.batches == [5]
    assert no_task_is_left()


class Interrupting(LogisticRegression):
    """The user presses Ctrl-C while it runs."""

    def fit(self, X, y):
        _thread.interrupt_main()
        return super().fit(X, y)


def test_keyboard_interrupt_within_a_task(ctrl_c):
    grid = {"logisticregression": [LogisticRegression(), Interrupting(), PIPELINE[-1]]}
    search = GridSearchCV(make_pipeline(StandardScaler(), LogisticRegression()), grid)
    with pytest.raises(KeyboardInterrupt), fused():
        cross_val_score(search, X, y)
    assert no_task_is_left()


class Failing(ClassifierMixin, BaseEstimator):
    """Fails before, at or after the meeting, on every other fit."""

    def __init__(self, when="before", random_state=0):
        self.when, self.random_state = when, random_state

    def fit(self, X, y):
        fails = int(abs(X).sum() * 1e6) % 2
        if fails and self.when == "before":
            raise ValueError("before")
        lr = 1e300 if fails and self.when == "at" else 0.01
        self.clf_ = TorchClassifier(epochs=2, lr=lr, optimizer="sgd", random_state=0).fit(X, y)
        self.classes_ = self.clf_.classes_
        if fails and self.when == "after":
            raise ValueError("after")
        return self

    def predict(self, X):
        return self.clf_.predict(X)


DEADLOCK = """
import threading, warnings
from contextlib import nullcontext
from itertools import product
from sklearn.model_selection import GridSearchCV, cross_val_score
from helpers import fused
from tests.test_fused import Failing, X, y
warnings.simplefilter("ignore")
seen = set()
scoring = {1: "accuracy", 2: lambda *_: 0.5, 3: lambda *_: 0.5}
for when, depth, error_score in product(("before", "at", "after"), (1, 2, 3), (0.0, "raise")):
    options = {"cv": 2, "error_score": error_score, "refit": False, "scoring": "accuracy"}
    estimator = Failing(when)
    if depth > 1:
        estimator = GridSearchCV(estimator, {"random_state": [0, 1]}, **options)
    if depth > 2:
        options["scoring"] = scoring[depth]
        estimator = GridSearchCV(estimator, {"cv": [2, 3]}, **options)
    outcomes = []
    for block in (fused, nullcontext):
        try:
            with block():
                cross_val_score(
                    estimator, X, y, cv=4, error_score=error_score, scoring=scoring[depth]
                )
            outcomes.append("scores")
        except ValueError as error:
            outcomes.append("error")
    assert outcomes[0] == outcomes[1], (when, depth, error_score, outcomes)
    seen.update(outcomes)
    assert threading.active_count() == 1
assert seen == {"scores", "error"}, seen
print("no deadlock")
"""


def test_no_deadlock_whoever_raises():
    command = [sys.executable, "-c", DEADLOCK]
    run = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    assert run.stdout.strip() == "no deadlock", run.stderr


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


def test_a_thousand_fits():
    clf = TorchClassifier(epochs=1, random_state=0, module__hidden=2)
    with fused() as run:
        scores = permutation_test_score(clf, X, y, cv=2, n_permutations=499, random_state=0)[1]
    assert len(scores) == 499
    assert sum(run.batches) == 1000
    assert no_task_is_left()


def test_max_models_bounds_the_batch():
    with fused(max_models=4) as run:
        cross_val_score(PIPELINE, X, y, cv=10)
    assert run.batches == [4, 4, 2]
    for bad in (0, 2.5, "many"):
        with pytest.raises(ValueError, match="max_models must be a positive integer"), fused(bad):
            pass


def test_a_batch_too_large_is_split(monkeypatch):
    init = Stack.__init__

    def fail(self, slots, sets):
        if len(slots) > 3:
            raise MemoryError
        init(self, slots, sets)

    monkeypatch.setattr(Stack, "__init__", fail)
    plain = cross_val_score(PIPELINE, X, y)
    with fused() as run, pytest.warns(UserWarning, match="5 networks do not fit"):
        together = cross_val_score(PIPELINE, X, y)
    assert run.batches == [2, 3]
    np.testing.assert_array_equal(plain, together)


def test_run_can_be_read():
    with fused() as run:
        cross_val_score(PIPELINE, X, y)
    assert repr(run) == f"<5 fits in 1 batch, {run.seconds:.1f} s>"
    assert run.seconds == run.seconds > 0


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


def test_train_together_takes_an_empty_list():
    train_together([], [])


MEMORY = """
import numpy as np
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
least = megabytes()
X, y = load_digits(return_X_y=True)
pipeline = make_pipeline(
    StandardScaler(), TorchClassifier(epochs=2, batch_size=128, random_state=0)
)
grid = {"torchclassifier__lr": np.geomspace(1e-4, 1e-1, 60)}
with fused() as run:
    GridSearchCV(pipeline, grid, cv=5, refit=False).fit(X, y)
assert sum(run.batches) == 300 and min(run.batches) > 1, run.batches
print(megabytes() - least)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_three_hundred_networks_fit_into_285_megabytes():
    """Beyond torch itself, which takes 440 MB when built for CPUs and 830 MB for CUDA."""
    command = [sys.executable, "-c", FIRST_FIT + MEMORY]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(run.stdout) < 285
