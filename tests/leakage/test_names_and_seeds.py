"""Names of groups, forms of random_state and data sets: honest work is not accused."""

import tracemalloc
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    RandomizedSearchCV,
    TimeSeriesSplit,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from torch.utils.data import Subset, TensorDataset

from helpers import (
    TorchClassifier,
    alike_rows,
    audit,
    batch_mates,
    blind_test,
    carried_weights,
    carry_over,
    held_rows,
    null_labels,
    purity,
    refit,
    same_answer,
    shared_groups,
    shared_rows,
    shift,
    time_order,
    too_good_feature,
)
from helpers.data import coin_flips
from helpers.leakage.codes import codes_of
from helpers.leakage.probes import global_seed, seed_of, seeded_clone

pytestmark = pytest.mark.slow


class Doubles:
    """Has a method that leaves it alone, and one that counts its calls."""

    def __init__(self):
        self.n_calls = 0

    def honest(self, X):
        return X * 2

    def counting(self, X):
        self.n_calls += 1
        return X + self.n_calls

    __call__ = honest


def after(function):
    return make_pipeline(FunctionTransformer(function), LogisticRegression())


@pytest.mark.parametrize(
    "wrapped, leaked",
    [
        (Doubles().honest, False),
        (Doubles().counting, True),
        (Doubles().__call__, False),
        (partial(Doubles().honest), False),
        (partial(Doubles().counting), True),
    ],
)
def test_a_method_is_altered_only_with_its_object(wrapped, leaked):
    assert purity(after(wrapped), *coin_flips(40, 3)).leaked is leaked


def test_a_random_search_over_distributions_is_pure():
    drawn = {"C": stats.loguniform(0.1, 1), "max_iter": stats.randint(50, 90)}
    search = RandomizedSearchCV(LogisticRegression(), drawn, n_iter=1, cv=2)
    assert purity(search, *coin_flips(40, 3)).leaked is False


X, Y = coin_flips(40, 30)
FOREST, BEST = RandomForestClassifier(5, random_state=0).fit(X, Y), SelectKBest(k=5).fit(X, Y)


@pytest.mark.parametrize(
    "estimator, name",
    [
        (FrozenEstimator(FOREST), "RandomForestClassifier"),
        (make_pipeline(FrozenEstimator(BEST), LogisticRegression()), "SelectKBest"),
        (after(lambda rows: BEST.transform(rows)), "SelectKBest"),
        (after(FOREST.predict_proba), "RandomForestClassifier"),
        (after(partial(lambda rows, model: model.transform(rows), model=BEST)), "SelectKBest"),
    ],
)
def test_an_estimator_that_was_fitted_before_is_named(estimator, name):
    finding = carried_weights(estimator, X, Y)
    assert finding.leaked is None and f"fitted before: {name}." in finding.evidence


def test_an_estimator_that_is_fitted_anew_is_not():
    fitted = make_pipeline(SelectKBest(k=5), LogisticRegression()).fit(X, Y)
    for estimator in (fitted, after(lambda rows: rows[:, :5])):
        assert "fitted before" not in carried_weights(estimator, X, Y).evidence


PERSON = np.repeat(np.arange(20), 2)
MIXED = KFold(2, shuffle=True, random_state=0)


@pytest.mark.parametrize(
    "other", ["P{} ".format, "p{}".format, "\uff30{}".format, " P{}".format, "P{}\n".format]
)
def test_names_that_may_be_one_group_are_refused(other):
    groups = [other(n) if row % 2 else f"P{n}" for row, n in enumerate(PERSON)]
    with pytest.raises(ValueError, match="may be one group"):
        shared_groups(X, groups=groups, cv=MIXED)


@pytest.mark.parametrize("other", ["{:03d}", "{}.0", "{}."])
def test_numbers_written_in_two_ways_are_refused(other):
    groups = [other.format(n) if row % 2 else str(n) for row, n in enumerate(PERSON)]
    with pytest.raises(ValueError, match="may be one group"):
        shared_groups(X, groups=groups, cv=MIXED)


@pytest.mark.parametrize("gap", ["", " ", "nan", "None", "NaT"])
def test_a_text_that_stands_for_nothing_is_no_group(gap):
    groups = [gap if n < 3 else f"P{n}" for n in PERSON]
    finding = shared_groups(X, groups=groups, cv=[(np.arange(4, 40), np.arange(4))])
    assert finding.leaked is None and "6 of 40 rows have no group" in finding.evidence


@pytest.mark.parametrize("name", ["P{}", "P.{}", "1.{}", "{:03d}", "{}-7", "nan{}"])
def test_names_spelled_in_one_way_are_groups(name):
    groups = [name.format(n) for n in PERSON]
    assert shared_groups(X, groups=groups, cv=GroupKFold(5)).leaked is False
    assert shared_groups(X, groups=groups, cv=MIXED).leaked is True


WALK = pd.Series(np.random.RandomState(0).normal(size=200).cumsum())
LAGS = pd.DataFrame({f"lag{k}": WALK.shift(k) for k in (1, 2)})[2:]


def answers(*args, **kwargs):
    return {finding.name: finding for finding in audit(*args, **kwargs)}


@pytest.mark.slow
def test_a_split_in_order_of_time_is_not_to_be_shuffled():
    found = answers(Ridge(), LAGS, WALK[2:], cv=TimeSeriesSplit(3))["shift"]
    assert found.leaked is None and "hand over time" in found.evidence
    by_size = np.argsort(LAGS["lag1"].to_numpy())
    found = answers(Ridge(), LAGS, WALK[2:], cv=[(by_size[:150], by_size[150:])])["shift"]
    assert found.leaked is True
    order = np.random.RandomState(0).permutation(len(LAGS))
    found = answers(Ridge(), LAGS.iloc[order], WALK[2:].iloc[order], cv=TimeSeriesSplit(3))
    assert found["shift"].leaked is False


def test_a_split_that_keeps_persons_apart_is_not_to_be_shuffled():
    rng, person = np.random.RandomState(0), np.repeat(np.arange(12), 10)
    rows = 3 * rng.normal(size=(12, 5))[person] + rng.normal(size=(120, 5))
    for folds in (list(GroupKFold(4).split(rows, groups=person)), [(person < 9, person >= 9)]):
        found = answers(Ridge(), rows, person % 2, cv=folds)["shift"]
        assert "hand over groups" in found.evidence and "independent" in found.evidence
        assert answers(Ridge(), rows, person % 2, cv=folds, groups=person)["shift"].leaked is None


class Filled:
    """Fills gaps in a whole table before it takes the rows that it is fitted on."""

    def __init__(self, fill):
        self.fill = fill

    def fit(self, X, y, rows):
        self.model = Ridge().fit(self.fill(X).iloc[rows], y[rows])
        return self

    def predict(self, X):
        return self.model.predict(self.fill(X))


@pytest.mark.slow
@pytest.mark.parametrize("dtype, size", [("float64", 1), ("float64", 1e-6), ("float32", 1e3)])
def test_sums_that_are_rounded_otherwise_are_no_leak(dtype, size):
    gaps = np.random.RandomState(1).uniform(size=LAGS.shape) < 0.15
    rows, y = size * LAGS.mask(gaps).astype(dtype), size * WALK[2:].to_numpy(dtype)

    def found(fill):
        def procedure(X, y, train, test):
            return Filled(fill).fit(X, y, train)

        return blind_test(procedure, rows, y, cv=TimeSeriesSplit(3), task="regression").leaked

    assert found(lambda X: X.fillna(X.expanding().mean()).fillna(0)) is False
    assert found(lambda X: X.fillna(X.mean())) is True
    assert found(lambda X: X.fillna(X.mean() * 1e-3)) is True


class Untold(BaseEstimator):
    """Says neither that it is a classifier nor that it is a regressor."""

    def fit(self, X, y):
        self.model_ = Ridge().fit(X, y)
        return self

    def predict(self, X):
        return self.model_.predict(X)


@pytest.mark.parametrize("cv", [5, np.int64(5), None])
def test_a_number_of_folds_in_any_form_asks_what_whole_numbers_are(cv):
    with pytest.raises(ValueError, match="say task="):
        shared_rows(np.eye(30), np.repeat([0, 1, 2], 10), cv=cv)
    assert (
        shared_rows(np.eye(30), np.repeat([0, 1, 2], 10), cv=cv, task="regression").leaked is False
    )


def test_an_audit_asks_for_nothing_that_it_does_not_take():
    found = answers(Untold(), X, np.arange(40), cv=KFold(4))["too_good_feature"]
    assert found.leaked is None and "too_good_feature(X, y, task=" in found.evidence


def faces(n_persons, n_pictures, n_copies=1):
    """Return pictures of persons, the persons as texts, and folds that mix them."""
    rng = np.random.RandomState(0)
    person = np.repeat(np.arange(n_persons), n_pictures)
    pictures = rng.normal(size=(n_persons, 30))[person] + 0.6 * rng.normal(size=(len(person), 30))
    rows = np.tile(rng.permutation(len(person)), n_copies)
    pictures = pictures[rows] + 0.01 * rng.normal(size=(len(rows), 30))
    return pictures, np.array([f"P{n}" for n in person[rows]], dtype=object)


@pytest.mark.parametrize("size", [(40, 10), (20, 10), (100, 5)])
def test_persons_to_be_recognised_are_classes(size):
    found = alike_rows(*faces(*size), cv=MIXED, task="classification")
    assert found.leaked is False and "may be a whole class" in found.evidence
    assert alike_rows(*faces(*size, n_copies=2), cv=MIXED, task="classification").leaked is True
    pictures, person = faces(*size)
    outcome = np.random.RandomState(1).randint(2, size=len(person))
    assert alike_rows(pictures, outcome, cv=MIXED).leaked is True


@pytest.mark.parametrize("seed", [1, 2])
def test_clusters_within_classes_are_not_told_from_groups(seed):
    kind = {"n_classes": 4, "n_clusters_per_class": 3, "class_sep": 3, "flip_y": 0}
    table, y = make_classification(
        200, 8, n_informative=6, n_redundant=0, **kind, random_state=seed
    )
    mixed = KFold(5, shuffle=True, random_state=0)
    found = alike_rows(table, y, cv=mixed, task="classification")
    assert found.leaked is None and "clusters within classes" in found.evidence


SEEDS = (None, np.int64(3), 2**32 - 1, np.random.RandomState(0), np.random.default_rng(0))


def fitted(X, y, train, test):
    return LogisticRegression().fit(X[train], y[train])


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS, ids=str)
def test_every_form_of_a_random_state_is_taken(seed):
    for finding in audit(LogisticRegression(), X, Y, cv=KFold(4), random_state=seed):
        assert "stopped with" not in finding.evidence
    for canary in (purity, refit, carried_weights, carry_over, held_rows):
        canary(RandomForestClassifier(2), X, Y, random_state=seed)
    for canary in (too_good_feature, shift):
        canary(X, Y, random_state=seed)
    for canary in (shared_rows, alike_rows):
        canary(np.vstack([X, X]), cv=2, random_state=seed)
    assert blind_test(fitted, X, Y, random_state=seed).leaked is False
    found = null_labels(lambda X, y: 0.5, X, Y, n_permutations=2, chance=0.5, random_state=seed)
    assert found.leaked is False


def test_a_seed_stays_what_it_was_and_none_draws():
    assert seed_of(np.int64(7)) == 7 and type(seed_of(np.int64(7))) is int
    assert len({seed_of(None) for _ in range(5)}) > 1
    assert seeded_clone(RandomForestClassifier(), 2**32 + 5).random_state == 5
    with global_seed(2**32 + 5):
        drawn = np.random.uniform()
    assert drawn == np.random.RandomState(5).uniform()


WATCHING = TorchClassifier(epochs=2, patience=2, validation_fraction=GroupShuffleSplit(1))
BY_GROUP = {"cv": GroupKFold(2), "error_score": "raise"}
GROUPED = {
    "search": GridSearchCV(TorchClassifier(epochs=2), {"lr": [0.1]}, **BY_GROUP),
    "search over a Pipeline": GridSearchCV(
        make_pipeline(StandardScaler(), TorchClassifier(epochs=2)),
        {"torchclassifier__lr": [0.1]},
        **BY_GROUP,
    ),
    "rows set aside": WATCHING,
    "rows set aside in a Pipeline": make_pipeline(StandardScaler(), WATCHING),
}


@pytest.mark.parametrize("name", GROUPED)
def test_whoever_splits_by_groups_in_fit_gets_them(name):
    found = purity(GROUPED[name], X, np.arange(40) % 2, groups=PERSON)
    assert found.leaked is False
    assert WATCHING.get_metadata_routing().fit.requests["groups"] is None  # the user's own


class Kept(torch.utils.data.Dataset):
    """Keeps what it is given."""

    def __init__(self, kept, n):
        self.kept, self.names, self.n = kept, ["cat", "dog"], n

    def __len__(self):
        return self.n

    def __getitem__(self, row):
        return self.kept[row]


def tensors_of(images, labels):
    return TensorDataset(torch.tensor(images), torch.tensor(labels))


KEEPING = {
    "arrays": lambda images, labels: Kept(list(images), len(images)),
    "tensors": lambda images, labels: Kept(list(torch.tensor(images)), len(images)),
    "pairs": lambda images, labels: Kept(list(zip(images, labels, strict=True)), len(images)),
    "dicts": lambda images, labels: Kept([{"image": i} for i in images], len(images)),
    "columns": lambda images, labels: Kept({"images": images, "y": labels}, len(images)),
    "a data set": lambda images, labels: Kept(tensors_of(images, labels), len(images)),
    "tensors in one": tensors_of,
}


@pytest.mark.parametrize("shape", [(6,), (4, 4), (1, 4, 4), (3, 4, 4)], ids=str)
@pytest.mark.parametrize("name", KEEPING)
def test_test_rows_in_a_data_set_of_any_form_are_seen(name, shape):
    images = np.random.RandomState(0).normal(size=(40, *shape)).astype("float32")
    keep, train, test = KEEPING[name], np.arange(30), np.arange(30, 40)

    def found(dataset):
        holder = FunctionTransformer(kw_args={"valid": dataset})
        return held_rows(holder, images, cv=[(train, test)])

    def part(*rows):
        return Subset(Subset(keep(images, Y), range(20, 40)), rows)

    for dataset in (
        keep(images[test], Y[test]),
        Subset(keep(images, Y), test),
        part(*range(10, 20)),
    ):
        assert "holds 10 of 10 test rows" in found(dataset).evidence
    for dataset in (keep(images[train], Y[train]), Subset(keep(images, Y), train), part(0, 1, 2)):
        assert found(dataset).leaked is False


def test_a_table_of_columns_is_no_rows():
    """Of three columns, the transformers of a ColumnTransformer look like lists of three values."""
    columns = ColumnTransformer([("a", StandardScaler(), [0, 1]), ("b", StandardScaler(), [2])])
    X3 = np.random.RandomState(0).normal(size=(len(Y), 3))
    assert held_rows(make_pipeline(columns, LogisticRegression()), X3, Y).leaked is False


def test_a_part_of_a_sparse_table_is_looked_into():
    class Rows:
        def __init__(self, X):
            self.X = X

        def __len__(self):
            return self.X.shape[0]

        def __getitem__(self, row):
            return self.X[row].toarray()[0]

    keeping = FunctionTransformer(kw_args={"rows": Subset(Rows(csr_matrix(X)), range(10))})
    assert held_rows(make_pipeline(keeping, LogisticRegression()), X, Y).leaked is not None


def test_numbers_that_are_days_have_no_span():
    days = np.array([20190100 + day for day in range(1, 29)])
    with pytest.raises(ValueError, match="time holds numbers that are days, such as 20190101"):
        time_order(np.zeros((28, 1)), np.zeros(28), time=days, horizon=7, cv=TimeSeriesSplit(3))


def test_long_pictures_in_a_column_of_objects_are_told_apart():
    pictures = np.empty(2, dtype=object)
    pictures[:] = [{"picture": np.arange(2000.0)}, {"picture": np.arange(2000.0)}]
    assert len(set(codes_of(pictures))) == 1
    pictures[1]["picture"][1000] = 0
    assert len(set(codes_of(pictures))) == 2


class Drawing(LogisticRegression):
    def predict_proba(self, X):
        np.random.rand(), torch.rand(3)
        return super().predict_proba(X)


@pytest.mark.parametrize("canary", [refit, batch_mates, carried_weights, same_answer])
def test_a_prediction_that_draws_leaves_the_generators_as_they_were(canary):
    X, y = coin_flips(40, 3)
    of_numpy, of_torch = np.random.get_state()[1].tolist(), torch.get_rng_state()
    canary(Drawing(), X, y)
    assert np.random.get_state()[1].tolist() == of_numpy
    assert torch.equal(torch.get_rng_state(), of_torch)


class Noting(LogisticRegression):
    seeds = []

    def fit(self, X, y):
        self.seeds.append((self.random_state, np.random.get_state()[1][0]))
        return super().fit(X, y)


@pytest.mark.parametrize("canary", [batch_mates, same_answer])
@pytest.mark.parametrize("random_state", [None, np.random.RandomState(0)])
def test_each_call_draws_one_seed_of_its_own(canary, random_state, monkeypatch):
    monkeypatch.setattr(Noting, "seeds", [])
    X, y = coin_flips(40, 3)
    for _ in range(2):
        canary(Noting(), X, y, random_state=random_state)
    assert all(of_clone == of_fit for of_clone, of_fit in Noting.seeds)
    assert len(set(Noting.seeds)) == 2


@pytest.mark.parametrize("chance", [None, 0.5])
def test_a_procedure_that_draws_is_repeated_and_leaves_the_generators_as_they_were(chance):
    def procedure(X, y):
        rows = np.random.permutation(len(y))[torch.randperm(len(y)).numpy()]
        train, test = rows[:30], rows[30:]
        return LogisticRegression().fit(X[train], y[train]).score(X[test], y[test])

    X, y = coin_flips(60, 3)
    of_numpy, of_torch = np.random.get_state()[1].tolist(), torch.get_rng_state()
    findings = {str(null_labels(procedure, X, y, chance=chance)) for _ in range(2)}
    assert len(findings) == 1
    assert np.random.get_state()[1].tolist() == of_numpy
    assert torch.equal(torch.get_rng_state(), of_torch)


def test_groups_of_two_names_tell_the_class_together():
    first, second = np.repeat([0, 1], 20), np.tile([0, 1], 20)
    y = first ^ second  # neither name alone tells it
    folds = KFold(4, shuffle=True, random_state=0)
    finding = shared_groups(np.zeros((40, 1)), y, groups=np.c_[first, second], cv=folds)
    assert "The group alone tells the class of 100% of rows" in finding.evidence


def test_many_groups_of_many_classes_take_little_memory():
    n = 4000
    tracemalloc.start()
    try:
        shared_groups(
            *(np.zeros((2 * n, 1)), np.tile(np.arange(n), 2)),
            groups=np.tile(np.arange(n), 2),
            cv=[(np.arange(n), np.arange(n, 2 * n))],
            task="classification",
        )
        assert tracemalloc.get_traced_memory()[1] < 30e6  # groups times classes would be 128 MB
    finally:
        tracemalloc.stop()
