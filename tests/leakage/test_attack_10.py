"""Tables and estimators that a tenth attack on the canaries found misjudged."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from helpers.leakage.prepared import prepared

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
