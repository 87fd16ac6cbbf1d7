"""Dates of any kind, as seconds."""

from datetime import UTC, datetime

import numpy as np

DAYS = (
    *("%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "%d.%m.%Y", "%m-%d-%Y", "%d-%m-%Y", "%m/%d/%y"),
    *("%Y-%m", "%d/%m/%y", "%d.%m.%y"),
    *("%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y"),
)
CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p")
FORMS = ("ISO 8601", *(day + clock for clock in CLOCKS for day in DAYS))
# Of texts that are digits alone, by their number.
DIGITS = {6: ("%Y%m", "%y%m%d", "%d%m%y", "%m%d%y"), 8: ("%Y%m%d", "%d%m%Y", "%m%d%Y")}
FIRST_YEAR, LAST_YEAR = 1900, 2100  # of digits that are taken for a date
ADVICE = "Hand over numbers, or dates as numpy's datetime64 or pandas' Timestamp."


def readings_of(texts, forms=FORMS):
    """Return how texts can be read as dates: pairs of a form and seconds, no two alike."""
    texts = [text.strip() for text in texts]
    unique = dict.fromkeys(texts)  # the same day is read once
    readings = {}
    for form in forms:
        try:
            times = seconds([_parsed(text, form) for text in unique])
        except ValueError:
            continue
        readings.setdefault(times.tobytes(), (form, times))
    rows = {text: number for number, text in enumerate(unique)}
    rows = [rows[text] for text in texts]
    return [(form, times[rows]) for form, times in readings.values()]


def readings_of_digits(texts):
    """Return `readings_of` texts that are all of 6 or all of 8 digits; none if they are not."""
    texts = [text.strip() for text in texts]
    lengths = {len(text) for text in texts}
    if len(lengths) > 1 or not all(text.isdecimal() for text in texts):
        return []
    first, last = (datetime(year, 1, 1, tzinfo=UTC) for year in (FIRST_YEAR, LAST_YEAR))
    return [
        (form, times)
        for form, times in readings_of(texts, DIGITS.get(lengths.pop(), ()))
        if first.timestamp() <= times.min() and times.max() < last.timestamp()
    ]


def as_datetime(value):
    """Return a date, numpy's or pandas' included, as a datetime."""
    if hasattr(value, "to_timestamp"):  # a period begins with it
        value = value.to_timestamp()
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[us]").item()
    return value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)


def seconds(moments):
    """Return datetimes in seconds; with a time zone for all of them or for none."""
    zoned = {moment.tzinfo is not None for moment in moments}
    if len(zoned) > 1:
        raise ValueError(f"time has a time zone in some rows only. {ADVICE}")
    if zoned == {False}:
        moments = [moment.replace(tzinfo=UTC) for moment in moments]
    return np.array([moment.timestamp() for moment in moments])


def _parsed(text, form):
    return datetime.fromisoformat(text) if form == "ISO 8601" else datetime.strptime(text, form)
