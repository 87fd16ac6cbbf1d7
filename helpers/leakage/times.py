"""When rows were recorded, as numbers that can be compared."""

from datetime import UTC, date, datetime, timedelta

import numpy as np

from helpers.leakage.tables import is_gap

DAYS = ("%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "%d.%m.%Y", "%m-%d-%Y", "%d-%m-%Y", "%m/%d/%y")
DAYS += (
    "%Y-%m",
    "%d/%m/%y",
    "%d.%m.%y",
    "%d %b %Y",
    "%d %B %Y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%b %d %Y",
)
CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p")
ADVICE = "Hand over numbers, or dates as numpy's datetime64 or pandas' Timestamp."


def as_times(values):
    """Return times as numbers: numbers as they are, dates in seconds; texts are read as dates.

    Raises
    ------
    ValueError
        If one is missing, if they are of several kinds, or if texts can be read in several ways.
    """
    values = np.asarray(values)
    n_missing = sum(map(is_gap, values.tolist() if values.dtype.kind in "Of" else ()))
    n_missing += int(np.isnat(values).sum()) if values.dtype.kind in "mM" else 0
    if n_missing:
        raise ValueError(
            f"time is missing for {n_missing} of {len(values)} rows, which may be older or newer "
            "than any other: fill it in, or leave those rows out."
        )
    if values.dtype.kind in "fiub":
        return values.astype(float)
    if values.dtype.kind in "mM":
        return values.astype(f"{values.dtype.str[1]}8[us]").astype("int64") / 1e6
    values = [v.to_timestamp() if hasattr(v, "to_timestamp") else v for v in values.tolist()]
    if all(isinstance(value, str) for value in values):
        return _read(values)
    if all(isinstance(value, int | float | np.number) for value in values):
        return np.array(values, dtype=float)
    if all(isinstance(value, date | np.datetime64) for value in values):
        return _seconds([_as_datetime(value) for value in values])
    kinds = sorted({type(value).__name__ for value in values})
    raise ValueError(f"time must be of one kind; got {', '.join(kinds)}. {ADVICE}")


def as_span(name, value, column):
    """Return a length of time in the unit of `as_times`: numbers of numbers, seconds of dates."""
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, np.timedelta64)
    if value is None or (is_number and value == 0):
        return 0.0
    if isinstance(value, np.timedelta64):
        value = value.astype("timedelta64[us]").item()
    are_numbers = column.dtype.kind not in "mM" and _all_numbers(column)
    if are_numbers and is_number and value > 0:
        return float(value)
    if not are_numbers and isinstance(value, timedelta) and value >= timedelta(0):
        return value.total_seconds()
    expected = "a number, as time is" if are_numbers else "a datetime.timedelta, as time is dates"
    raise ValueError(f"{name} must be {expected}, and not negative; got {value!r}.")


def _all_numbers(values):
    try:
        np.asarray(values).astype(float)
    except (TypeError, ValueError):
        return False
    return True


def _read(texts):
    """Read numbers or dates from texts that are all of one form."""
    if _all_numbers(texts):
        return np.array(texts, dtype=float)
    readings = {}
    for form in ("ISO 8601", *(day + clock for clock in CLOCKS for day in DAYS)):
        try:
            times = _seconds([_parsed(text.strip(), form) for text in texts])
        except ValueError:
            continue
        readings.setdefault(times.tobytes(), (form, times))
    if not readings:
        raise ValueError(
            f"time holds texts that are not all dates of one known form: {texts[0]!r}, "
            f"{texts[-1]!r}. {ADVICE}"
        )
    if len(readings) > 1:
        forms = " or ".join(form for form, _ in readings.values())
        raise ValueError(
            f"time holds texts that can be read in several ways, as {forms}: {texts[0]!r}. {ADVICE}"
        )
    return next(iter(readings.values()))[1]


def _parsed(text, form):
    return datetime.fromisoformat(text) if form == "ISO 8601" else datetime.strptime(text, form)


def _as_datetime(value):
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[us]").item()
    return value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)


def _seconds(moments):
    """Return datetimes in seconds; with a time zone for all of them or for none."""
    zoned = {moment.tzinfo is not None for moment in moments}
    if len(zoned) > 1:
        raise ValueError(f"time has a time zone in some rows only. {ADVICE}")
    if zoned == {False}:
        moments = [moment.replace(tzinfo=UTC) for moment in moments]
    return np.array([moment.timestamp() for moment in moments])
