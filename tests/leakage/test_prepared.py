"""Steps that were fitted to all rows before the split leave marks that training rows do not."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from helpers import audit
from helpers.leakage.prepared import prepared

X, Y = load_breast_cancer(return_X_y=True)
X = X[:, [0, 1, 4, 8]]
GAPS = np.where(np.random.RandomState(0).uniform(size=X.shape) < 0.1, np.nan, X)
AGES = np.where(
    np.random.RandomState(1).uniform(size=X.shape) < 0.2,
    np.nan,
    np.random.RandomState(2).randint(1, 90, size=X.shape),
)
STEPS = {
    "mean 0 and standard deviation 1": (StandardScaler(), X),
    "mean 0 and standard deviation 1, with gaps": (StandardScaler(), GAPS),
    "between 0 and 1": (MinMaxScaler(), X),
    "filled in with the mean": (SimpleImputer(), GAPS),
    "filled in with the mean, of whole numbers": (SimpleImputer(), AGES),
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
