"""Columns, texts and times of forms that canaries misread, and small tables they passed over."""

import datetime as dt
import uuid
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch

from helpers import shared_rows, shift, too_good_feature
from helpers.leakage.codes import codes_of

rng = np.random.RandomState(0)
PRICE = np.round(rng.lognormal(6, 1, size=100), 2)
INVOICE = np.round(1.19 * PRICE, 2)


def objects(values):
    """Return a column of whatever is in a list, arrays included."""
    column = np.empty(len(values), dtype=object)
    column[:] = list(values)
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


def test_an_invoice_as_text_is_asked_about():
    table = pd.DataFrame(rng.normal(size=(100, 2)), columns=list("ab"))
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
    column, order = objects(WITHOUT_NUMBERS[form]), rng.permutation(200)
    np.testing.assert_array_equal(codes_of(column[order]), codes_of(column)[order])
    table = pd.DataFrame(rng.normal(size=(200, 2)), columns=list("ab")).assign(c=column)
    assert not shift(table, cv=5).leaked
    assert shared_rows(table, cv=5).leaked is False
    twice = pd.concat([table[:100], table[:100]])
    assert shared_rows(twice, cv=2).leaked is True
