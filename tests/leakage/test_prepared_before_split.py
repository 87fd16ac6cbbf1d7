"""Steps that were fitted to all rows before the split leave marks that training rows do not."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from helpers import audit
from helpers.leakage.prepared import prepared

X, Y = load_breast_cancer(return_X_y=True)
X = X[:, [0, 1, 4, 8]]
GAPS = np.where(np.random.RandomState(0).uniform(size=X.shape) < 0.1, np.nan, X)
ALL = [0, 1, 2, 3, 0, 1, 2, 3]
AGES = np.where(
    np.random.RandomState(1).uniform(size=X.shape) < 0.2,
    np.nan,
    np.random.RandomState(2).randint(1, 90, size=X.shape),
)
pytestmark = pytest.mark.filterwarnings("ignore:n_quantiles")
STEPS = {
    "mean 0 and standard deviation 1": (StandardScaler(), X),
    "mean 0 and standard deviation 1, with gaps": (StandardScaler(), GAPS),
    "between 0 and 1": (MinMaxScaler(), X),
    "filled in with the mean of the other rows.": (SimpleImputer(), GAPS),
    "filled in with the mean, of whole numbers": (SimpleImputer(), AGES),
    "between -1 and 1": (MinMaxScaler((-1, 1)), X),
    "a largest size of 1": (MaxAbsScaler(), X),
    "middle half of width 1": (RobustScaler(), X),
    "mean 0 and standard deviation 1, by powers": (PowerTransformer(), X),
    "normal by the ranks": (
        QuantileTransformer(output_distribution="normal"),
        np.random.RandomState(3).normal(size=X.shape),
    ),
    "filled in with the median": (
        SimpleImputer(strategy="median"),
        np.where(np.isnan(GAPS), np.nan, np.random.RandomState(3).normal(size=X.shape))[:, ALL],
    ),
    "uncorrelated": (PCA(4), StandardScaler().fit_transform(X)),
    "uncorrelated, and of one spread": (PCA(4, whiten=True), X / X.max(axis=0)),
}


@pytest.mark.parametrize("what", STEPS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_step_that_was_fitted_to_all_rows_is_named(what, dtype):
    step, table = STEPS[what]
    said = prepared(step.fit_transform(table.astype(dtype)))
    assert what.split(", ")[0] in said
    assert "0, 1, 2, 3" in said


@pytest.mark.parametrize("what", STEPS)
def test_a_step_that_was_fitted_to_training_rows_is_not(what):
    step, table = STEPS[what]
    largest = np.nanargmax(table, axis=0)  # which decides how MinMaxScaler scales
    assert prepared(step.fit(np.delete(table, largest, axis=0)).transform(table)) == ""


@pytest.mark.parametrize("what", STEPS)
def test_nor_is_one_fitted_to_the_training_rows_of_a_split_that_hold_the_largest_value(what):
    step, table = STEPS[what]
    rows = np.random.RandomState(0).permutation(len(table))
    ends = {*np.nanargmax(table, axis=0), *np.nanargmin(table, axis=0)}
    rows = np.array([*ends, *(row for row in rows if row not in ends)])
    train, test = rows[:400], rows[400:]
    assert prepared(step.fit(table[train]).transform(table), [(train, test)]) == ""
    folds = list(KFold(5).split(table))
    assert what.split(", ")[0] in prepared(step.fit_transform(table), folds)


def test_two_components_are_seen_and_two_columns_laid_out_so_are_not():
    assert "uncorrelated" in prepared(PCA(2).fit_transform(X))
    angles = np.arange(40) * 2 * np.pi / 40
    circle = np.column_stack([np.cos(angles), 2 * np.sin(angles)]) + 1e-12
    assert prepared(circle) == prepared(np.random.RandomState(0).normal(size=(500, 2))) == ""


@pytest.mark.slow
def test_settings_that_are_kept_in_many_rows_are_no_medians():
    for seed in range(50):
        rng = np.random.RandomState(seed)
        nominal = 200.0 + np.arange(20)
        measured = nominal + rng.normal(size=(300, 20))
        assert prepared(np.where(rng.uniform(size=(300, 20)) < 0.3, nominal, measured)) == ""


def test_what_pandas_users_write_is_seen():
    table = pd.DataFrame(X, columns=list("abcd"))
    assert "'c'" in prepared((table - table.mean()) / table.std())
    assert "filled in" in prepared(pd.DataFrame(GAPS).pipe(lambda gaps: gaps.fillna(gaps.mean())))
    assert "sum of squares of 1" in prepared(load_diabetes().data)  # it comes so


def test_tables_as_they_were_measured_have_no_such_marks():
    for table in (X, GAPS, AGES, load_iris().data, X[:9], np.ones((20, 2))):
        assert prepared(table) == ""
    assert prepared(["one text", "and another"] * 10) == ""
    assert prepared(np.eye(20)) == ""


def test_correlations_rounded_to_two_decimals_have_none_with_or_without_gaps():
    rng = np.random.RandomState(0)
    sizes = np.column_stack([rng.permutation(np.arange(1, 101))[:60] for _ in range(4)])
    sizes[sizes == 100], sizes[0] = 99, 100  # a correlation of 1 stands in the first row alone
    table = np.where(rng.uniform(size=(60, 4)) < 0.5, -sizes, sizes) / 100
    for n_gaps in (0, 3):
        table[1 : 1 + n_gaps] = np.nan
        assert prepared(table) == ""


@pytest.mark.slow
def test_columns_of_few_values_and_shares_have_none():
    for seed in range(100):
        rng = np.random.RandomState(seed)
        n = rng.randint(10, 200)
        table = np.column_stack(
            [
                rng.randint(-3, 4, size=n),
                rng.poisson(2, size=n),
                rng.uniform(size=n).round(2),
                np.where(rng.uniform(size=n) < 0.5, 0, rng.normal(size=n)),
                rng.binomial(10, 0.5, size=n) / 10,
            ]
        )
        assert prepared(table) == "", seed


@pytest.mark.slow
def test_audit_says_so_where_it_asks_for_the_procedure():
    def of_blind_test(table):
        report = audit(LogisticRegression(max_iter=1000), table[:200], Y[:200])
        return next(finding for finding in report if finding.name == "blind_test")

    plain, scaled = of_blind_test(X), of_blind_test(StandardScaler().fit_transform(X[:200]))
    assert plain.leaked is scaled.leaked is None
    assert "scaled" not in plain.evidence
    assert "in each fold, in a pipeline" in scaled.evidence
    assert scaled.evidence.endswith(plain.evidence)
