"""Marks of fitted steps and of mean labels, beside columns and tables that only look like them."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from scipy.special import expit, logit
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from helpers import alike_rows, batch_mates, refit, same_answer, too_good_feature
from helpers.leakage.encoded import mean_labels
from helpers.leakage.prepared import prepared

pytestmark = pytest.mark.slow

CANCER = load_breast_cancer().data[:, [0, 1, 4, 8]]


def planned(rng, n):
    """Return tables of n rows that have marks of steps by plan or by chance."""
    time = np.linspace(0, 1, n)
    turns = 2 * np.pi * np.arange(n) / n
    pairs = np.where(np.arange(n // 2)[:, None] < 2, 0, rng.normal(size=(n // 2, 3)))
    counted = rng.randint(5, 200, size=(5, n))
    images = rng.normal(size=(n, 100))
    low, high = images.min(axis=1, keepdims=True), images.max(axis=1, keepdims=True)
    return {
        "two levels": np.transpose([rng.permutation(np.repeat([-1, 1], n // 2)) for _ in range(3)]),
        "opinions": rng.choice([-2, -1, 0, 1, 2], p=[0.1, 0.2, 0.4, 0.2, 0.1], size=(n, 20)),
        "time": np.column_stack([time, rng.normal(size=n)]),
        "powers of time": np.column_stack([time, time**2, time**3]),
        "waves": np.transpose([wave(k * turns) for k in (1, 2) for wave in (np.sin, np.cos)]),
        "pairs in both orders": np.vstack([pairs, -pairs]),
        "shares": (rng.binomial(counted, rng.beta(0.8, 0.8, size=(5, n))) / counted).T,
        "one share": (rng.binomial(counted[0], rng.beta(0.8, 0.8, size=n)) / counted[0])[:, None],
        "pixels": np.clip(rng.normal(128, 60, size=(n, 400)), 0, 255).round() / 255,
        "images, each from 0 to 1": (images - low) / (high - low),
        "levels around 0": np.linspace(-1, 1, n)[:, None],
    }


@pytest.mark.parametrize("n", [16, 40, 80, 200])
def test_tables_with_marks_by_plan_or_by_chance_are_not_said_to_be_prepared(n):
    for seed in range(4):
        for what, table in planned(np.random.RandomState(seed), n).items():
            assert prepared(table) == "", (what, seed)


def test_steps_are_seen_beside_other_columns_rounded_and_in_large_tables():
    rng = np.random.RandomState(0)
    other = rng.normal(3, 1, size=(len(CANCER), 1))
    scaled = StandardScaler().fit_transform(CANCER)
    large = np.exp(rng.normal(size=(30_000, 2)))
    large[rng.uniform(size=large.shape) < 0.1] = np.nan
    tables = {
        "uncorrelated": np.hstack([PCA(3).fit_transform(scaled), other]),
        "standard deviation 1": scaled.round(3),
        "median 0": RobustScaler().fit_transform(CANCER),
        "between 0 and 1": np.hstack([MinMaxScaler().fit_transform(CANCER[:, :1]), other]),
        "filled in": SimpleImputer().fit_transform(large),
    }
    for what, table in tables.items():
        assert what in prepared(table), what
    train = rng.uniform(size=len(CANCER)) < 0.8
    assert prepared(RobustScaler().fit(CANCER[train]).transform(CANCER)) == ""
    assert prepared(StandardScaler().fit(CANCER[train]).transform(CANCER).round(3)) == ""


def encoded(y, places):
    """Return columns that people make of labels, where each row has a place."""
    by_place = y.groupby(places)
    means, n, of_all = by_place.transform("mean"), by_place.transform("size"), y.mean()
    found = {
        "percent, rounded": (100 * means).round(1),
        "scaled": (means - means.mean()) / means.std(),
        "between 0 and 1": ((means - means.min()) / np.ptp(means)).astype(np.float32),
        "beside the mean of all": means - of_all,
    }
    if set(y) == {0, 1}:
        found["one row more of each class"] = (means * n + 1) / (n + 2)
        found["log-odds"] = logit(means)  # without end where all labels are equal
        found["weight of evidence"] = logit((means * n + 0.5) / (n + 1)) - logit(of_all)
    else:
        found["medians"] = by_place.transform("median")
        found["means of logarithms"] = np.log(y).groupby(places).transform("mean")
        found["means of logarithms and one"] = np.log1p(y).groupby(places).transform("mean")
    return found


@pytest.mark.parametrize("seed", range(3))
def test_mean_labels_in_any_dress_are_seen_and_those_of_training_rows_are_not(seed):
    rng = np.random.RandomState(seed)
    places, is_train = rng.randint(40, size=800), rng.uniform(size=800) < 0.8
    for labels in (rng.randint(2, size=800), np.exp(rng.normal(10, 1, size=800))):
        y, classes = pd.Series(labels.astype(float)), labels.max() == 1
        of_training = encoded(y[is_train], places[is_train])
        for what, column in encoded(y, places).items():
            column = np.where(np.isinf(column), np.nan, column)[:, None]
            assert mean_labels(column, labels, classes) == [0], what
            column = of_training[what].groupby(places[is_train]).first()[places].to_numpy()[:, None]
            assert mean_labels(np.where(np.isinf(column), np.nan, column), labels, classes) == []


def test_columns_that_are_near_to_mean_labels_by_plan_are_left_alone():
    for seed in range(5):
        rng = np.random.RandomState(seed)
        runners = rng.randint(4, 16, size=60)
        place = np.concatenate([rng.permutation(n) + 1.0 for n in runners])
        field = np.repeat(runners, runners)[:, None]  # the mean place is half of it and one
        assert mean_labels(field, place, classes=False) == []
        assert mean_labels(StandardScaler().fit_transform(field), place, classes=False) == []
        asked = np.round(np.exp(rng.normal(12, 0.5, size=600)), -4)
        paid = asked * np.where(rng.uniform(size=600) < 0.5, 1, np.exp(rng.normal(size=600) / 20))
        assert mean_labels(asked[:, None], paid, classes=False) == []
        is_treated = StandardScaler().fit_transform(
            rng.permutation(np.repeat([0, 1, 1], 40))[:, None]
        )
        effect = 20 * is_treated[:, 0] + rng.normal(size=120)
        assert mean_labels(is_treated, effect - effect.mean(), classes=False) == []
        odds = rng.normal(size=12).round(1)[rng.randint(12, size=600), None]
        is_ill = (rng.uniform(size=600) < expit(odds[:, 0])).astype(int)
        assert mean_labels(np.hstack([odds, expit(odds)]), is_ill, classes=True) == []


def test_a_column_that_was_scaled_after_it_was_encoded_is_named():
    rng = np.random.RandomState(0)
    y, table = rng.randint(2, size=600), rng.normal(size=(600, 3))
    table[:, 1] = pd.Series(y).groupby(rng.randint(60, size=600)).transform("mean")
    finding = too_good_feature(StandardScaler().fit_transform(table), y)
    assert finding.leaked
    assert "Column 1 is made of labels" in finding.evidence


LIGHTS = {
    "brighter": lambda image: image + 2,
    "brighter, up to white": lambda image: np.minimum(image + 2.5, 16),
    "of less contrast": lambda image: 8 + (image - 8) * 0.5,
    "as it was": None,
}


@pytest.mark.parametrize("light", LIGHTS)
def test_copies_of_images_in_another_light_are_seen(light):
    rng = np.random.RandomState(0)
    images, y = load_digits().images[:400], load_digits().target[:400]
    images[rng.uniform(size=400) < 0.05] = 0  # plain ones are no copies
    if change := LIGHTS[light]:
        images, y = np.concatenate([images, change(images)]), np.tile(y, 2)
    rows = rng.permutation(len(y))
    finding = alike_rows(images[rows], y[rows], task="classification")
    assert finding.leaked is bool(change), finding


def test_labels_may_be_sparse():
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(60, 3)), csr_matrix(rng.randint(2, size=(60, 3)))
    estimator = OneVsRestClassifier(LogisticRegression())
    for canary in (refit, batch_mates, same_answer):
        assert canary(estimator, X, y).leaked is False


class HalfIll(LogisticRegression):
    """Says of the likelier half of the rows that they are ill."""

    def predict(self, X):
        chances = self.predict_proba(X)[:, 1]
        return (chances > np.median(chances)).astype(int)


class Drawing(LogisticRegression):
    """Draws each label by its probability."""

    def predict(self, X):
        return (np.random.uniform(size=len(X)) < self.predict_proba(X)[:, 1]).astype(int)


def test_labels_are_compared_beside_probabilities():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(100, 3))
    y = (X[:, 0] + rng.normal(size=100) > 0).astype(int)
    assert batch_mates(HalfIll(), X, y).leaked
    assert same_answer(HalfIll(), X, y).leaked
    assert same_answer(Drawing(), X, y).leaked
    assert not batch_mates(Drawing(), X, y).leaked  # it is chance
    for honest in (LogisticRegression(), KNeighborsClassifier(2)):
        assert batch_mates(honest, X, y).leaked is False
        assert same_answer(honest, X, y).leaked is False
    names = np.array(["no", "yes"], dtype=object)[y]
    assert batch_mates(LogisticRegression(), X, names).leaked is False
    assert same_answer(LogisticRegression(), X, names).leaked is False
