"""Columns, texts and times of forms that canaries misread, and small tables they passed over."""

import datetime as dt
import uuid
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import make_blobs
from sklearn.model_selection import TimeSeriesSplit

from helpers import shared_rows, shift, time_order, too_good_feature
from helpers.leakage.codes import codes_of
from helpers.leakage.times import as_times

pytestmark = pytest.mark.slow

rng = np.random.RandomState(0)
PRICE = np.round(rng.lognormal(6, 1, size=100), 2)
INVOICE = np.round(1.19 * PRICE, 2)


def objects(values):
    """Return a column of whatever is in a list, arrays included."""
    column = np.empty(len(values), dtype=object)
    for row, value in enumerate(values):
        column[row] = value
    return pd.Series(column, dtype=object)


# Numbers and dates, by value --------------------------------------------------------------------

DAY = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.randint(730, size=100), unit="D")
NUMBERS = {
    "Decimal": objects([Decimal(str(value)) for value in INVOICE]),
    "Fraction": objects([Fraction(str(value)) for value in INVOICE]),
    "text": objects([str(value) for value in INVOICE]),
    "bytes": objects([str(value).encode() for value in INVOICE]),
    "text with a unit": objects([f"{value:,.2f} EUR" for value in INVOICE]),
    "German": objects([f"{v:,.2f}".translate(str.maketrans(",.", ".,")) for v in INVOICE]),
    "categories": pd.Series(pd.Categorical([str(value) for value in INVOICE])),
    "read in parts": objects([v if n % 2 else str(v) for n, v in enumerate(INVOICE)]),
    "sparse": pd.Series(pd.arrays.SparseArray(INVOICE)),
    "arrays": objects([np.array(value) for value in INVOICE]),
    "tensors": objects([torch.tensor(value) for value in INVOICE]),
}
DATES = {
    "dates": objects(DAY.date),
    "with a zone": DAY.tz_localize("UTC"),
    "periods": DAY.to_period("D"),
    "ISO": DAY.strftime("%Y-%m-%d"),
    "American": DAY.strftime("%m/%d/%Y"),
    "durations": objects((DAY - pd.Timestamp("1970-01-01")).to_pytimedelta()),
}


@pytest.mark.parametrize("form", NUMBERS)
def test_numbers_of_any_type_keep_their_values(form):
    np.testing.assert_allclose(codes_of(NUMBERS[form]), INVOICE)


@pytest.mark.parametrize("form", DATES)
def test_dates_of_any_type_keep_their_distances(form):
    expected = (DAY - pd.Timestamp("1970-01-01")).total_seconds()
    np.testing.assert_allclose(codes_of(DATES[form]), expected)


def test_sparse_whole_numbers_are_numbers():
    counts = np.array([0, 3, 0, 2])
    np.testing.assert_array_equal(codes_of(pd.Series(pd.arrays.SparseArray(counts))), counts)
    dummies = pd.get_dummies(pd.Series(list("abca")), sparse=True)
    np.testing.assert_array_equal(codes_of(dummies["a"]), [1, 0, 0, 1])


@pytest.mark.slow
def test_an_invoice_as_text_is_asked_about():
    draw = np.random.RandomState(1)
    table = pd.DataFrame(draw.normal(size=(100, 2)), columns=list("ab"))
    finding = too_good_feature(table.assign(invoice=NUMBERS["text"]), PRICE)
    assert finding.leaked is True and "Column 2 ('invoice') alone" in finding.evidence


def test_gaps_in_texts_are_gaps_among_numbers_alone():
    np.testing.assert_array_equal(codes_of(["1.5", "nan", "", None, "2"]), [1.5, *[np.nan] * 3, 2])
    np.testing.assert_array_equal(codes_of(np.array(["b", "", "a"])), [2, 0, 1])


def test_long_numbers_in_texts_stay_apart():
    assert len(set(codes_of(np.array(["12345678901234567890", "12345678901234567891"])))) == 2
    huge = objects([10**400, 2.0, Decimal("inf"), Decimal(3)])
    assert len(set(codes_of(huge))) == 4


WITHOUT_NUMBERS = {
    "uuid": [uuid.UUID(int=int(k)) for k in rng.permutation(1 << 20)[:200]],
    "clock": [dt.time(k // 60, k % 60) for k in rng.permutation(1440)[:200]],
    "vectors": list(rng.normal(size=(200, 3))),
    "tuples": [tuple(row) for row in rng.normal(size=(200, 3))],
    "dicts": [{"a": float(value)} for value in rng.normal(size=200)],
    "mixed": [value if n % 2 else f"x{value}" for n, value in enumerate(rng.permutation(200))],
}


@pytest.mark.parametrize("form", WITHOUT_NUMBERS)
def test_no_code_depends_on_the_place_of_a_row(form):
    draw = np.random.RandomState(1)
    column, order = objects(WITHOUT_NUMBERS[form]), draw.permutation(200)
    np.testing.assert_array_equal(codes_of(column[order]), codes_of(column)[order])
    table = pd.DataFrame(draw.normal(size=(200, 2)), columns=list("ab")).assign(c=column)
    assert not shift(table, cv=5).leaked
    assert shared_rows(table, cv=5).leaked is False
    twice = pd.concat([table[:100], table[:100]])
    assert shared_rows(twice, cv=2).leaked is True


# Small tables, and rare classes ----------------------------------------------------------------


def rare(n_rows, n_of_one):
    """Return noise, and a label that few rows have."""
    draw = np.random.RandomState(0)
    return draw.normal(size=(n_rows, 4)), draw.permutation(np.arange(n_rows) < n_of_one).astype(int)


@pytest.mark.slow
@pytest.mark.parametrize("n_rows, n_of_one", [(30, 15), (40, 10), (300, 9), (5000, 50)])
def test_the_label_itself_is_seen_where_it_is_rare_or_rows_are_few(n_rows, n_of_one):
    X, y = rare(n_rows, n_of_one)
    finding = too_good_feature(np.column_stack([X, y]), y)
    assert finding.leaked is True and "Column 4 alone" in finding.evidence
    assert too_good_feature(X, y).leaked is False


@pytest.mark.slow
def test_two_copies_of_a_rare_label_are_seen():
    X, y = rare(40, 10)
    assert too_good_feature(np.column_stack([X, y, 1 - y]), y).leaked is True


@pytest.mark.slow
def test_columns_that_happen_to_divide_few_rows_are_no_copies():
    X, y = make_blobs(80, 4, centers=2, random_state=4)
    assert too_good_feature(X, y).leaked is False


@pytest.mark.parametrize("n_rows, n_of_one", [(100, 1), (100, 2), (6, 3), (3, 1)])
def test_where_too_few_rows_could_tell_it_says_so(n_rows, n_of_one):
    finding = too_good_feature(*rare(n_rows, n_of_one))
    assert finding.leaked is None
    assert f"gets {n_of_one} of {n_rows} rows wrong: too few" in finding.evidence


def test_many_columns_of_noise_may_tell_few_rows_by_chance():
    table = np.random.RandomState(0).normal(size=(12, 150))
    assert "by chance" in too_good_feature(table, np.arange(12) % 2).evidence
    four = too_good_feature(table[:4], np.arange(4) + 0.5)
    assert four.leaked is None and "There are 4 rows" in four.evidence


# Dummies of the label ---------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("n_left_out", [0, 1])
def test_dummies_of_many_classes_are_named(n_left_out):
    y = np.random.RandomState(0).randint(8, size=200)
    dummies = np.eye(8)[y][:, n_left_out:]
    table = np.column_stack([np.random.RandomState(1).normal(size=(200, 2)), dummies])
    finding = too_good_feature(table, y, task="classification")
    assert finding.leaked is True and "Columns 2, 3, 4" in finding.evidence
    lone = too_good_feature(table[:, :4], y, task="classification")  # may be honest, as feathers
    assert lone.leaked is None and "Columns 2, 3 are each one value in all rows" in lone.evidence
    almost = np.where(np.arange(200)[:, None] == 7, 1 - table[:, 2:4], table[:, 2:4])
    assert too_good_feature(almost, y, task="classification").leaked is False


# Columns that are no numbers ---------------------------------------------------------------------


def notes(y):
    words = np.random.RandomState(0).choice(["fever", "cough", "pain", "rash"], size=(len(y), 6))
    return [
        " ".join([*row, "deceased" if dead else "home"]) for row, dead in zip(words, y, strict=True)
    ]


UNSEEN = {
    "note": (notes, "texts of several words"),
    "vector": (lambda y: list(np.eye(2)[y]), "values of type ndarray"),
    "codes": (lambda y: [[3, 99] if dead else [3] for dead in y], "values of type list"),
    "record": (lambda y: [{"died": int(dead)} for dead in y], "values of type dict"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", UNSEEN)
def test_a_column_that_is_no_number_is_named(name):
    y = np.random.RandomState(0).randint(2, size=100)
    make, what = UNSEEN[name]
    table = pd.DataFrame({"a": np.random.RandomState(1).normal(size=100), name: objects(make(y))})
    finding = too_good_feature(table, y)
    assert finding.leaked is None
    assert finding.evidence.startswith(f"Not looked into: column 1 ('{name}'), {what}.")
    leaky = too_good_feature(table.assign(died=y), y)
    assert leaky.leaked is True and "('died') alone" in leaky.evidence and what in leaky.evidence
    gaps = too_good_feature(table.assign(**{name: table[name].where(y > 0)}), y)
    assert gaps.leaked is True  # whether there is a note is seen


@pytest.mark.slow
def test_names_of_a_few_kinds_are_looked_into():
    y = np.random.RandomState(0).randint(2, size=100)
    town = np.random.RandomState(1).choice(["New York", "Los Angeles", "Santa Fe"], size=100)
    table = pd.DataFrame({"a": np.random.RandomState(2).normal(size=100), "town": town})
    assert too_good_feature(table, y).leaked is False
    assert too_good_feature(table.assign(end=np.where(y, "died at home", "well again")), y).leaked


@pytest.mark.slow
def test_two_columns_of_texts_are_not_looked_at():
    y = np.random.RandomState(0).randint(2, size=100)
    table = pd.DataFrame({"note": notes(y), "title": notes(y)})
    finding = too_good_feature(table, y)
    assert finding.leaked is None and "columns 0 ('note')" in finding.evidence
    assert shift(table, cv=5).leaked is None


# Times that are digits alone ---------------------------------------------------------------------

DAYS = pd.date_range("2019-11-01", periods=100)


@pytest.mark.parametrize("form", ["%d%m%Y", "%m%d%Y", "%Y%m%d", "%d%m%y", "%m%d%y", "%y%m%d"])
def test_digits_are_read_as_the_day_that_they_can_only_be(form):
    texts = DAYS.strftime(form)
    try:
        assert (np.diff(as_times(texts)) == 86400).all()
    except ValueError as refused:  # of two digits a year, 200120 may be in 2020 or in 2001
        assert "can be read in several ways" in str(refused) and "y" in form


def test_the_order_of_numbers_that_are_days_is_not_taken_for_time():
    texts = DAYS.strftime("%d%m%Y")
    split = list(TimeSeriesSplit(4).split(DAYS))
    X = np.zeros((100, 2))
    assert time_order(X, time=texts, cv=split).leaked is False
    by_number = np.argsort(texts.astype(int))
    assert time_order(X, time=texts[by_number], cv=split).leaked is True
    with pytest.raises(ValueError, match="written as %d%m%Y: 01112019. As numbers they are not"):
        time_order(X, time=texts.astype(int), cv=split)
    month = dt.timedelta(days=30)
    assert time_order(X, time=texts, cv=split, horizon=month).leaked is True


@pytest.mark.parametrize("first", [0, 1, 99_950, 201_900, 1_234_567, 99_999_900, 1_572_566_400])
def test_numbers_that_count_stay_numbers(first):
    numbers = np.arange(first, first + 100)
    np.testing.assert_array_equal(as_times(numbers), numbers)
    np.testing.assert_array_equal(as_times([str(number) for number in numbers]), numbers)


def test_digits_that_may_be_two_days_are_refused():
    with pytest.raises(ValueError, match="read in several ways, as %d%m%Y or %m%d%Y: '03042024'"):
        as_times(["03042024", "05062024"] * 10)


# Slow series ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_what_includes_today_is_named_beside_honest_lags():
    draw = np.random.RandomState(0)
    close = pd.Series(100 * np.exp(np.cumsum(0.03 * draw.normal(size=600))))
    lags = pd.DataFrame({f"lag{k}": close.shift(k) for k in range(1, 6)})
    assert too_good_feature(lags[30:], close[30:], task="regression").leaked is False
    high = close * (1 + 0.001 * np.abs(draw.normal(size=600)))
    finding = too_good_feature(lags.assign(high=high)[30:], close[30:], task="regression")
    assert finding.leaked is None
    assert finding.evidence.startswith("Column 5 ('high') alone scores 1.00, the other 5 0.99")
    assert "holds today's value" in finding.evidence
