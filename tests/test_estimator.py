"""What TorchClassifier and TorchRegressor promise; each test is named after the promise."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.datasets import load_breast_cancer, load_iris, make_regression
from sklearn.ensemble import BaggingClassifier, BaggingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale
from torch import nn

from helpers import MLP, TorchClassifier, TorchRegressor
from helpers.data import coin_flips
from helpers.training import train
from tests.networks import NaiveClassifier, Overwriting, Tempered, alternating

X, y = load_iris(return_X_y=True)
FAST = {"epochs": 5, "random_state": 0}


def weights(estimator):
    return torch.cat([p.detach().flatten() for p in estimator.module_.parameters()]).numpy()


def logits(clf, X):
    with torch.no_grad():
        return clf.module_(torch.as_tensor(X))


# The article's failure, and why it cannot happen here.


@pytest.mark.slow
def test_reusing_a_fitted_estimator_scores_chance_where_the_naive_wrapper_scores_one():
    X, y = coin_flips()
    torch.manual_seed(0)
    naive = NaiveClassifier(MLP(10, 2, hidden=128).double(), epochs=300).fit(X, y)
    assert cross_val_score(naive, X, y).mean() > 0.95
    clf = TorchClassifier(epochs=300, module__hidden=128, random_state=0)
    fresh = cross_val_score(clf, X, y)
    assert_array_equal(cross_val_score(clf.fit(X, y), X, y), fresh)
    assert 0.3 < fresh.mean() < 0.7


def test_recipe_that_hands_out_old_networks_gets_them_back_untrained():
    clf = TorchClassifier(alternating, epochs=50, random_state=0)
    clf.fit(X, y)
    untrained = clone(clf).set_params(epochs=0)
    # All three networks of the recipe have been handed out by now; none has learned.
    assert max(untrained.fit(X, y).score(X, y) for _ in range(3)) < clf.score(X, y) - 0.2


# The behaviours that teaching needs.


def test_clone_of_fitted_has_no_weights_and_no_history():
    fitted = TorchClassifier(**FAST).fit(X, y)
    assert not [name for name in vars(clone(fitted)) if name.endswith("_")]


def test_clone_keeps_every_constructor_parameter():
    clf = TorchClassifier(Tempered, epochs=3, lr=0.2, patience=2, class_weight="balanced")
    clf.set_params(module__hidden=3)
    assert clone(clf).get_params() == clf.get_params()


def test_get_params_never_returns_learned_attributes():
    fitted = TorchClassifier(**FAST, module__hidden=3).fit(X, y)
    assert not [name for name in fitted.get_params() if name.endswith("_")]
    assert fitted.get_params()["module__hidden"] == 3
    assert "module__hidden=3" in repr(fitted)
    assert "module__hidden" in fitted._repr_html_()


def test_second_fit_reinitialises():
    clf = TorchClassifier(**FAST)
    first = weights(clf.fit(X, y))
    assert_array_equal(weights(clf.fit(X, y)), first)


@pytest.mark.parametrize("batch_size", [None, 32])
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "rmsprop", "sgd"])
def test_partial_fit_continues_where_fit_stopped(optimizer, batch_size):
    settings = {"optimizer": optimizer, "batch_size": batch_size, "random_state": 0}
    once = TorchClassifier(epochs=5, module__dropout=0.2, **settings).fit(X, y)
    split = TorchClassifier(epochs=3, module__dropout=0.2, **settings).fit(X, y)
    split.partial_fit(X, y).partial_fit(X, y)
    assert_allclose(weights(split), weights(once), rtol=1e-12)
    assert split.history_ == once.history_
    assert split.n_epochs_ == 5


def test_partial_fit_works_as_first_call():
    clf = TorchClassifier(random_state=0)
    for _ in range(3):
        clf.partial_fit(X, y)
    assert_array_equal(weights(clf), weights(TorchClassifier(epochs=3, random_state=0).fit(X, y)))
    assert weights(TorchRegressor().partial_fit(X, y)).size


def test_partial_fit_refuses_labels_that_were_not_announced():
    clf = TorchClassifier().partial_fit(X[:100], y[:100], classes=[0, 1, 2])
    assert clf.partial_fit(X, y).n_epochs_ == 2
    with pytest.raises(ValueError, match=r"y holds \[2\], not among the classes \[0, 1\]"):
        TorchClassifier().partial_fit(X[:100], y[:100]).partial_fit(X, y)


def test_set_params_of_the_module_changes_the_layer():
    clf = TorchClassifier(**FAST).set_params(module__hidden=20).fit(X, y)
    assert clf.module_.layers[0].out_features == 20


def test_set_params_before_fit_builds_nothing():
    clf = TorchClassifier(**FAST)
    before = set(vars(clf))
    assert set(vars(clf.set_params(module__hidden=20))) == before


def test_new_lr_reaches_the_optimizer():
    clf = TorchClassifier(**FAST).fit(X, y)
    before = weights(clf)
    assert_array_equal(weights(clf.set_params(lr=0.0).partial_fit(X, y)), before)


def test_replaced_module_is_what_fit_trains_and_partial_fit_refuses():
    clf = TorchClassifier(**FAST).fit(X, y).set_params(module=Tempered)
    with pytest.raises(ValueError, match="call fit to start anew"):
        clf.partial_fit(X, y)
    assert clf.fit(X, y).module_.temperature != 1


def test_unknown_or_misspelt_argument_raises_naming_it():
    with pytest.raises(TypeError, match="no argument 'epoch'. Give epochs. Its arguments are"):
        TorchClassifier(epoch=3)
    with pytest.raises(ValueError, match="Invalid parameter 'epoch'"):
        TorchClassifier().set_params(epoch=3)
    with pytest.raises(TypeError, match="no argument 'hiden'.*hidden, dropout"):
        TorchClassifier(module__hiden=3).fit(X, y)


def test_unfitted_raises_not_fitted_error():
    for call in (TorchClassifier().predict, TorchClassifier().predict_proba):
        with pytest.raises(NotFittedError):
            call(X)


def test_pickle_round_trip_keeps_the_score():
    clf = TorchClassifier(**FAST).fit(X, y)
    copy = pickle.loads(pickle.dumps(clf))
    assert_array_equal(copy.predict_proba(X), clf.predict_proba(X))


def test_unpickled_network_still_trains():
    clf = TorchClassifier(**FAST).fit(X, y)
    copy = pickle.loads(pickle.dumps(clf))
    assert_array_equal(weights(copy.partial_fit(X, y)), weights(clf.partial_fit(X, y)))


def test_weights_can_be_saved_and_loaded_as_state_dict(tmp_path):
    clf = TorchClassifier(**FAST).fit(X, y)
    torch.save(clf.module_.state_dict(), tmp_path / "weights.pt")
    other = clone(clf).set_params(random_state=1).fit(X, y)
    other.module_.load_state_dict(torch.load(tmp_path / "weights.pt"))
    assert_array_equal(other.predict_proba(X), clf.predict_proba(X))


def test_dropout_is_off_at_predict():
    clf = TorchClassifier(**FAST, module__dropout=0.5).fit(X, y)
    clf.module_.train()
    assert_array_equal(clf.predict_proba(X), clf.predict_proba(X))


def test_no_gradient_in_validation_and_prediction():
    clf = TorchClassifier(Tempered, patience=2, **FAST).fit(X, y)
    clf.predict(X)
    assert set(clf.module_.modes) == {(True, True), (False, False)}


def test_runs_in_a_pipeline_with_settable_module_arguments():
    pipe = make_pipeline(StandardScaler(), TorchClassifier(**FAST))
    pipe.set_params(torchclassifier__module__hidden=7).fit(X, y)
    assert pipe[-1].module_.layers[0].out_features == 7


@pytest.mark.slow
def test_grid_search_over_lr_epochs_and_module_arguments():
    grid = {"lr": [0.01, 0.1], "epochs": [1, 2], "module__hidden": [3, (4, 4)]}
    search = GridSearchCV(TorchClassifier(random_state=0), grid, cv=2).fit(X, y)
    assert len(search.cv_results_["params"]) == 8
    assert search.best_estimator_.get_params()["module__hidden"] in (3, (4, 4))


def test_grid_search_with_roc_auc():
    X, y = load_breast_cancer(return_X_y=True)
    search = GridSearchCV(TorchClassifier(**FAST), {"lr": [0.01]}, scoring="roc_auc", cv=2)
    assert search.fit(scale(X), y).best_score_ > 0.9


@pytest.mark.slow
def test_works_in_meta_estimators():
    clf = TorchClassifier(epochs=50, random_state=0)
    for meta in (
        CalibratedClassifierCV(clf, cv=2),
        BaggingClassifier(clf, n_estimators=2),
        OneVsRestClassifier(clf),
    ):
        assert meta.fit(scale(X), y).score(scale(X), y) > 0.8
    bagging = BaggingRegressor(TorchRegressor(epochs=50), n_estimators=2).fit(scale(X), y)
    assert bagging.score(scale(X), y) > 0.5


def test_predict_proba_rows_sum_to_one_and_predict_is_the_argmax():
    clf = TorchClassifier(**FAST).fit(X, y)
    assert_allclose(clf.predict_proba(X).sum(axis=1), 1)
    assert_array_equal(clf.predict(X), clf.classes_[clf.predict_proba(X).argmax(axis=1)])


def test_classes_are_sorted_and_gaps_allowed():
    clf = TorchClassifier(**FAST).fit(X, np.array([7, -1, 30])[y])
    assert_array_equal(clf.classes_, [-1, 7, 30])
    assert set(clf.predict(X)) <= {-1, 7, 30}


def test_string_labels():
    labels = load_iris().target_names[y]
    clf = TorchClassifier(epochs=50, random_state=0).fit(scale(X), labels)
    assert clf.score(scale(X), labels) > 0.8


def test_softmax_is_applied_exactly_once():
    clf = TorchClassifier(**FAST).fit(X, y)
    assert_allclose(clf.predict_proba(X), logits(clf, X).softmax(dim=1).numpy())


def test_regressor_of_wrong_shape_is_refused():
    with pytest.raises(ValueError, match=r"1 outputs for each row.*got shape \(2, 4\)"):
        TorchRegressor(lambda n_features, n_outputs: MLP(n_features, 4)).fit(X, y)


def test_inner_split_is_stratified_reproducible_and_respects_groups(monkeypatch):
    jobs = []
    monkeypatch.setattr("helpers.base.train", lambda job: (jobs.append(job), train(job)))
    clf = TorchClassifier(patience=2, validation_fraction=0.2, **FAST)
    groups = np.arange(len(y)) // 10
    for options in ({}, {}, {"groups": groups}):
        clf.fit(X, y, **options)
    plain, again, grouped = [(job.rows.numpy(), job.valid_rows.numpy()) for job in jobs]
    assert_array_equal(np.bincount(y[plain[1]]), [10, 10, 10])
    assert_array_equal(plain[1], again[1])
    for rows, valid_rows in (plain, grouped):
        assert sorted([*rows, *valid_rows]) == list(range(len(y)))
    assert not set(groups[grouped[0]]) & set(groups[grouped[1]])


def test_early_stopping_after_patience_plus_one_epochs():
    clf = TorchClassifier(lr=0.0, patience=4, random_state=0).fit(X, y)
    assert clf.n_epochs_ == len(clf.history_) == 5


def test_patience_keeps_the_weights_of_the_best_epoch():
    X, y = coin_flips()
    clf = TorchClassifier(epochs=200, lr=0.05, patience=5, random_state=0).fit(X, y)
    best = min(clf.history_, key=lambda row: row["valid_loss"])["epoch"]
    assert best < clf.n_epochs_ < 200
    retrained = clone(clf).set_params(epochs=best).fit(X, y)
    assert_array_equal(weights(clf), weights(retrained))


def test_batch_size_none_is_the_full_set():
    one_step = TorchClassifier(epochs=1, random_state=0)
    full = clone(one_step).set_params(batch_size=len(y))
    assert_array_equal(weights(one_step.fit(X, y)), weights(full.fit(X, y)))


def test_history_has_one_row_an_epoch():
    clf = TorchClassifier(**FAST).fit(X, y)
    assert [row["epoch"] for row in clf.history_] == [1, 2, 3, 4, 5]
    assert set(clf.history_[0]) == {"epoch", "train_loss"}
    assert set(clone(clf).set_params(patience=9).fit(X, y).history_[0]) == {
        "epoch",
        "train_loss",
        "valid_loss",
    }


def test_parameters_of_the_loss_live_in_the_module_and_are_optimised():
    assert TorchClassifier(Tempered, **FAST).fit(X, y).module_.temperature != 1


def test_high_lr_does_not_end_in_a_silent_nan():
    with pytest.raises(ValueError, match=r"diverged.*epoch \d+.*lr=1e\+300.*largest input is 7.9"):
        TorchClassifier(lr=1e300, optimizer="sgd").fit(X, y)


# Weights of rows and classes.


@pytest.mark.parametrize("Estimator", [TorchClassifier, TorchRegressor])
def test_sample_weight_equals_repetition(Estimator):
    times = np.random.RandomState(0).randint(0, 3, len(y))
    repeated = Estimator(**FAST).fit(X.repeat(times, axis=0), y.repeat(times))
    weighted = Estimator(**FAST).fit(X, y, sample_weight=times)
    assert_allclose(weights(weighted), weights(repeated), rtol=1e-9, atol=1e-12)


def test_class_weight_equals_sample_weight():
    clf = TorchClassifier(**FAST, class_weight={0: 1, 1: 3, 2: 1}).fit(X, y)
    other = TorchClassifier(**FAST).fit(X, y, sample_weight=np.array([1, 3, 1])[y])
    assert_array_equal(weights(clf), weights(other))
    balanced = TorchClassifier(**FAST, class_weight="balanced").fit(X, y)
    assert_allclose(weights(balanced), weights(TorchClassifier(**FAST).fit(X, y)))


# Data.


@pytest.mark.parametrize(
    "given, trained",
    [("float64", "float64"), ("float32", "float32"), ("int64", "float32"), ("bool", "float32")],
)
def test_training_runs_in_the_precision_of_X(given, trained):
    clf = TorchClassifier(**FAST).fit(X.astype(given), y)
    assert next(clf.module_.parameters()).dtype == getattr(torch, trained)
    assert clf.predict_proba(X).dtype == trained


def test_sparse_input_equals_dense():
    for batch_size in (None, 32):
        clf = TorchClassifier(**FAST, batch_size=batch_size)
        dense = clf.fit(X, y).predict_proba(X)
        assert_array_equal(
            clf.fit(sparse.csr_array(X), y).predict_proba(sparse.coo_array(X)), dense
        )


def test_feature_names_are_kept():
    frame = load_iris(as_frame=True).data
    clf = TorchClassifier(**FAST).fit(frame, y)
    assert list(clf.feature_names_in_) == list(frame.columns)
    with pytest.raises(ValueError, match="feature names"):
        clf.predict(frame.rename(columns=str.upper))


def test_user_data_are_never_modified():
    before = X.copy()
    for batch_size in (None, 32):
        clf = TorchClassifier(Overwriting, batch_size=batch_size, **FAST)
        clf.fit(X, y).predict(X)
        assert_array_equal(X, before)


def test_memory_mapped_read_only_input(tmp_path):
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    clf = TorchClassifier(Overwriting, batch_size=32, **FAST)
    assert_array_equal(clf.fit(mapped, y).predict(mapped), clf.fit(X, y).predict(X))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_memory_mapped_input_is_not_copied(tmp_path, monkeypatch, dtype):
    X, y = coin_flips(200, 10)
    mapped = np.memmap(tmp_path / "X", dtype=dtype, mode="w+", shape=X.shape)
    mapped[:] = X
    mapped = np.memmap(tmp_path / "X", dtype=dtype, mode="r", shape=X.shape)
    jobs = []
    monkeypatch.setattr("helpers.base.train", lambda job: (jobs.append(job), train(job)))
    clf = TorchClassifier(epochs=2, batch_size=50, random_state=0).fit(mapped, y)
    assert jobs[0].X.data_ptr() == mapped.ctypes.data
    assert_array_equal(clf.predict_proba(mapped), clf.fit(np.array(mapped), y).predict_proba(X))


def test_weights_of_zero_and_one_make_a_fold_without_copying_its_rows():
    X, y = coin_flips(60, 4)
    train_rows = np.arange(60) % 3 > 0
    clf = TorchClassifier(epochs=5, batch_size=16, random_state=0)
    of_weights = clf.fit(X, y, sample_weight=train_rows.astype(float)).predict_proba(X)
    assert_array_equal(of_weights, clf.fit(X[train_rows], y[train_rows]).predict_proba(X))


# Randomness.


@pytest.mark.slow
def test_random_state_is_exact_across_n_jobs_and_thread_order():
    clf = TorchClassifier(random_state=0, batch_size=32, module__dropout=0.3, epochs=10)
    alone = cross_val_score(clf, X, y)
    for backend in ("threading", "loky"):
        with parallel_config(backend=backend, n_jobs=2):
            assert_array_equal(cross_val_score(clf, X, y), alone)


def test_global_generators_are_left_as_they_were():
    torch.manual_seed(1)
    np.random.seed(1)
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    for random_state in (0, None):
        clf = TorchClassifier(epochs=2, module__dropout=0.5, random_state=random_state)
        clf.fit(X, y).predict(X)
    assert_array_equal(torch.get_rng_state(), torch_before)
    assert_array_equal(np.random.get_state()[1], numpy_before)


def test_random_state_none_differs_from_fit_to_fit():
    clf = TorchClassifier(epochs=1)
    assert np.abs(weights(clf.fit(X, y)) - weights(clf.fit(X, y))).max() > 0


# Failure and interruption.


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_interrupt_propagates_and_nothing_is_lost(error):
    class Interrupted(MLP):
        def forward(self, X):
            if self.training:
                raise error
            return super().forward(X)

    clf = TorchClassifier(**FAST).fit(X, y)
    before = weights(clf)
    state = torch.get_rng_state()
    with pytest.raises(error):
        clf.set_params(module=Interrupted).fit(X[:, :2], y)
    assert_array_equal(torch.get_rng_state(), state)
    assert clf.n_features_in_ == 4
    assert_array_equal(weights(clf), before)


def test_interrupt_ends_a_cross_validation():
    class Interrupted(MLP):
        def forward(self, X):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cross_val_score(TorchClassifier(Interrupted), X, y)


# scikit-learn's callbacks.


@pytest.mark.parametrize("name", ["fit", "search", "pipeline"])
def test_callbacks_see_every_epoch(name, capsys):
    clf = TorchClassifier(epochs=3, random_state=0)
    monitor = ScoringMonitor(scoring="accuracy")
    if name == "fit":
        clf.set_callbacks(monitor, ProgressBar()).fit(X, y)
        fits = 1
    elif name == "search":
        clf.set_callbacks(monitor)
        search = GridSearchCV(clf, {"lr": [0.01, 0.1]}, cv=2).set_callbacks(ProgressBar())
        search.fit(X, y)
        fits = 5
    else:
        pipe = make_pipeline(StandardScaler(), clf.set_callbacks(monitor))
        pipe.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(X, y)
        fits = 1
    log = pd.concat([log.data_as_pandas for log in monitor.get_logs(select="all")])
    epochs = log[log["task_name"] == "epoch"]
    assert len(epochs) == 3 * fits
    assert epochs["accuracy"].between(0, 1).all()
    assert "TorchClassifier - fit" in capsys.readouterr().out


def test_callbacks_do_not_change_what_is_learned():
    plain = TorchClassifier(**FAST, module__dropout=0.2).fit(X, y)
    watched = clone(plain).set_callbacks(ScoringMonitor(scoring="accuracy")).fit(X, y)
    assert_array_equal(weights(watched), weights(plain))


def test_last_epoch_seen_by_a_callback_is_the_fitted_estimator():
    monitor = ScoringMonitor(scoring="neg_log_loss")
    clf = TorchClassifier(**FAST).set_callbacks(monitor).fit(X, y)
    log = monitor.get_logs().data_as_pandas
    last = log[log["task_name"] == "epoch"]["neg_log_loss"].iloc[-1]
    losses = -np.log(clf.predict_proba(X)[np.arange(len(y)), y])
    assert_allclose(-last, losses.mean())


# The regressor.


def test_regressor_learns_and_reports_squared_error():
    X, y = make_regression(200, 5, noise=5, random_state=0)
    regressor = TorchRegressor(epochs=200, random_state=0).fit(X, scale(y))
    assert regressor.score(X, scale(y)) > 0.95
    assert regressor.history_[-1]["train_loss"] < 0.05
    assert regressor.predict(X).shape == (200,)


def test_lazy_layers_are_built():
    def lazy(n_features, n_outputs):
        return nn.Sequential(nn.Linear(n_features, 8), nn.ReLU(), nn.LazyLinear(n_outputs))

    assert TorchClassifier(lazy, **FAST).fit(X, y).predict(X).shape == y.shape
