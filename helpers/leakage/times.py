"""When rows were recorded, as numbers that can be compared."""

from datetime import date, timedelta

import numpy as np

from helpers._compat import _num_samples
from helpers.checks.rows import holds_numbers
from helpers.leakage.codes import GAPS, is_gap
from helpers.leakage.dates import ADVICE, as_datetime, readings_of, readings_of_digits, seconds
from helpers.leakage.groups import check_is_no_text, without_mask


def check_length(time, X):
    """Raise a ValueError unless there are as many times as rows."""
    check_is_no_text("time", time)
    if time is not None and _num_samples(time) != _num_samples(X):
        raise ValueError(
            f"time must hold one value for each of the {_num_samples(X)} rows; it holds "
            f"{_num_samples(time)}."
        )


def time_column(time, n):
    """Return one value for each of n rows as an array."""
    check_is_no_text("time", time)
    values = np.asarray(without_mask(time))
    if values.shape != (n,):
        raise ValueError(
            f"time must hold one value for each of the {n} rows, shape ({n},); got shape "
            f"{values.shape}."
        )
    return values


def as_times(values):
    """Return times as numbers: numbers as they are, dates in seconds; texts are read as dates.

    Raises
    ------
    ValueError
        If one is missing, if they are of several kinds, or if texts can be read in several ways.
    """
    values = np.asarray(values)
    n_missing = sum(map(_is_missing, values.tolist() if values.dtype.kind in "OfU" else ()))
    n_missing += int(np.isnat(values).sum()) if values.dtype.kind in "mM" else 0
    if n_missing:
        raise ValueError(
            f"time is missing for {n_missing} of {len(values)} rows, which may be older or newer "
            "than any other: fill it in, or leave those rows out."
        )
    if values.dtype.kind in "fiub":
        return _checked(values.astype(float))
    if values.dtype.kind in "mM":
        return values.astype(f"{values.dtype.str[1]}8[us]").astype("int64") / 1e6
    values = [v.to_timestamp() if hasattr(v, "to_timestamp") else v for v in values.tolist()]
    if all(isinstance(value, str) for value in values):
        return _read(values)
    if all(isinstance(value, int | float | np.number) for value in values):
        return _checked(np.array(values, dtype=float))
    if all(isinstance(value, date | np.datetime64) for value in values):
        return seconds([as_datetime(value) for value in values])
    kinds = sorted({type(value).__name__ for value in values})
    raise ValueError(f"time must be of one kind; got {', '.join(kinds)}. {ADVICE}")


def _is_missing(value):
    return is_gap(value) or (isinstance(value, str) and value.strip().lower() in GAPS)


def as_span(name, value, column):
    """Return a length of time in the unit of `as_times`: numbers of numbers, seconds of dates."""
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, np.timedelta64)
    if value is None or (is_number and value == 0):
        return 0.0
    if isinstance(value, np.timedelta64):
        value = value.astype("timedelta64[us]").item()
    are_numbers = column.dtype.kind not in "mM" and holds_numbers(column)
    if are_numbers and all(isinstance(text, str) for text in column.tolist()):
        are_numbers = not readings_of_digits(column.tolist())
    elif are_numbers and column.astype(float).min() >= 1e7:
        if readings_of_digits([f"{number:.0f}" for number in column.astype(float)]):
            raise ValueError(
                f"time holds numbers that are days, such as {column[0]}. The number of days from "
                f"one to another is not their difference, so {name} cannot be counted. {ADVICE}"
            )
    if are_numbers and is_number and value > 0:
        return float(value)
    if not are_numbers and isinstance(value, timedelta) and value >= timedelta(0):
        return value.total_seconds()
    expected = "a number, as time is" if are_numbers else "a datetime.timedelta, as time is dates"
    raise ValueError(f"{name} must be {expected}, and not negative; got {value!r}.")


def _checked(numbers):
    """Return numbers, unless they can only be days whose digits are not in order of time."""
    if len(numbers) and (numbers == np.round(numbers)).all() and 1e6 <= numbers.min():
        if numbers.max() < 1e8:  # a day from 1 to 9 has lost its 0
            forms = [form for form, _ in readings_of_digits([f"{n:08.0f}" for n in numbers])]
            if forms and "%Y%m%d" not in forms:
                raise ValueError(
                    f"time holds numbers that are days, written as {' or '.join(forms)}: "
                    f"{numbers[0]:08.0f}. As numbers they are not in order of time. {ADVICE}"
                )
    return numbers


def _read(texts):
    """Read numbers or dates from texts that are all of one form."""
    readings = readings_of_digits(texts)  # 01112019 is a day before it is a number
    if not readings and holds_numbers(texts):
        return np.array(texts, dtype=float)
    readings = readings or readings_of(texts)
    if not readings:
        raise ValueError(
            f"time holds texts that are not all dates of one known form: {texts[0]!r}, "
            f"{texts[-1]!r}. {ADVICE}"
        )
    if len(readings) > 1:
        forms = " or ".join(form for form, _ in readings)
        raise ValueError(
            f"time holds texts that can be read in several ways, as {forms}: {texts[0]!r}. {ADVICE}"
        )
    return readings[0][1]
