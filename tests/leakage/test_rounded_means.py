"""Mean labels are seen in percent and rounded; what only goes with the label is left alone."""

import numpy as np
import pytest

from tests.leakage.test_mean_labels import by_pandas, found


@pytest.mark.parametrize("seed", range(3))
def test_means_in_percent_or_rounded_as_people_print_them_are_seen(seed):
    rng = np.random.RandomState(seed)
    city = rng.randint(35, size=900)
    has_left, kind = (rng.uniform(size=900) < 0.3).astype(int), rng.randint(4, size=900)
    share, n = by_pandas(city, has_left), np.bincount(city)[city]
    for decimals in (0, 1, 2):
        assert found((100 * share).round(decimals), has_left, "two classes") == [0]
    for smooth in (1, 10):
        drawn_to_all = (n * share + smooth * has_left.mean()) / (n + smooth)
        for column in (drawn_to_all.round(3), (100 * drawn_to_all).round(1)):
            assert found(column, has_left, "two classes") == [0]
    standardised = (share - share.mean()) / share.std()
    assert found(standardised.round(2), has_left, "two classes") == [0]
    pay = rng.lognormal(10.5, 0.5, size=900).round()
    for column in (by_pandas(city, pay).round(-2), (by_pandas(city, pay) / 1000).round(1)):
        assert found(column, pay, "values") == [0]
    for y in (kind, np.array(list("abcd"))[kind]):
        assert found(by_pandas(city, kind).round(2), y, "four classes") == [0]


@pytest.mark.parametrize("seed", range(10))
def test_rounded_columns_that_go_with_the_label_are_left_alone(seed):
    """Chances that come true, last year's shares, pay grades, and marks of last year."""
    rng = np.random.RandomState(seed)
    city, chances = rng.randint(20, size=600), rng.beta(2, 3, size=20)
    percent = (100 * chances).round(seed % 2)[city]
    is_ill = (rng.uniform(size=600) < percent / 100).astype(int)
    before = by_pandas(city, (rng.uniform(size=600) < percent / 100).astype(int))
    for column in (percent, percent.round(-1), (100 * before).round(1), before.round(2)):
        assert found(column, is_ill, "two classes") == []
    for zeros in (2, 3):
        grade = (40_000 * np.exp(0.3 * rng.normal(size=20))).round(-zeros)[city]
        for spread in (200, 2000):
            pay = (grade + spread * rng.standard_t(3, size=600)).round()
            assert found(grade, pay, "values") == []
    mark = np.clip((60 + 15 * rng.normal(size=600)).round(), 0, 100)
    again = np.clip((mark + 8 * rng.normal(size=600)).round(), 0, 100)
    assert found(mark, again, "values") == found(mark.round(-1), again, "values") == []
