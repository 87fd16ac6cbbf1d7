"""Gaps that were filled in class by class tell the class; those filled in otherwise do not."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine

from helpers import too_good_feature
from helpers.leakage.filled import filled_by_class

Y = load_breast_cancer().target


def with_gaps(seed, missing):
    rng = np.random.RandomState(seed)
    table = pd.DataFrame(rng.normal(size=(len(Y), 3)), columns=list("abc"))
    return table.mask(rng.uniform(size=table.shape) < missing), rng


def filled(table, by, how):
    return table.fillna(table.groupby(by).transform(how)).to_numpy()


@pytest.mark.parametrize("how", ["mean", "median"])
@pytest.mark.parametrize("missing", [0.1, 0.4])
def test_means_and_medians_of_classes_are_seen(how, missing):
    for seed in range(5):
        table, _ = with_gaps(seed, missing)
        assert filled_by_class(filled(table, Y, how), Y) == [0, 1, 2]


def test_means_that_were_rounded_with_their_column_are_seen():
    for seed in range(5):
        table, rng = with_gaps(seed, 0.15)
        assert len(filled_by_class(filled(100 * table, Y, "mean").round(2), Y)) >= 2
        usual = np.where(rng.uniform(size=table.shape) < 0.3, 5.0 * Y[:, None], 30 * table)
        for honest in (filled(100 * table, np.zeros(len(Y)), "mean"), usual):
            for decimals in (0, 1, 2):
                assert filled_by_class(honest.round(decimals), Y) == []


def test_means_of_whole_numbers_are_seen_mostly():
    """A mean may be a whole number by chance, as others are, and then it does not stand out."""
    found = []
    for seed in range(5):
        ages = (40 + 10 * with_gaps(seed, 0.2)[0]).round()
        found += filled_by_class(filled(ages, Y, "mean"), Y)
    assert len(found) >= 12, "of 15"


@pytest.mark.parametrize("how", ["mean", "median"])
def test_those_of_all_rows_or_of_other_groups_are_not(how):
    for seed in range(5):
        table, rng = with_gaps(seed, 0.2)
        assert filled_by_class(filled(table, np.zeros(len(Y)), how), Y) == []
        assert filled_by_class(filled(table, rng.randint(3, size=len(Y)), how), Y) == []
        assert filled_by_class(table.to_numpy(), Y) == []


def test_values_that_come_often_in_one_class_are_left_alone():
    """A usual dose for each illness, a default of each device, and clusters far apart."""
    rng = np.random.RandomState(0)
    steps = rng.choice([-2, -1, 0, 0, 0, 0, 1, 2], size=len(Y))
    dose = np.where(Y, 50 + 10 * steps, 23 + 5 * steps)
    default = np.where(rng.uniform(size=len(Y)) < 0.3, 3.5 + Y, rng.exponential(size=len(Y)))
    far = np.round(rng.normal(size=len(Y)) + 20 * Y, 1)
    assert filled_by_class(np.column_stack([dose, default, far]), Y) == []


@pytest.mark.slow
@pytest.mark.parametrize("decimals", [1, 2, 12])
@pytest.mark.parametrize("n_columns", [1, 4, 30])
def test_settings_of_each_machine_with_deviations_both_ways_are_left_alone(n_columns, decimals):
    """They are medians by chance, once in a while; of many columns, some always are."""
    for seed in range(20):
        rng = np.random.RandomState(seed)
        nominal = np.where(Y[:, None], 200.0, 185.0) + np.arange(n_columns)
        measured = (nominal + 8 * rng.normal(size=nominal.shape)).round(decimals)
        kept = rng.uniform(size=nominal.shape) < 0.4
        assert filled_by_class(np.where(kept, nominal, measured), Y) == []


def test_tables_as_they_were_measured_have_none():
    for load in (load_breast_cancer, load_digits, load_iris, load_wine):
        assert filled_by_class(*load(return_X_y=True)) == []


@pytest.mark.slow
def test_the_canary_says_so():
    table, _ = with_gaps(0, 0.1)
    finding = too_good_feature(filled(table, Y, "mean"), Y)
    assert finding.leaked and "filled in class by class" in finding.evidence
    names = np.array(["ill", "well"])[Y]
    assert too_good_feature(filled(table, names, "median"), names).leaked
    assert too_good_feature(filled(table, np.zeros(len(Y)), "mean"), Y).leaked is False
