"""One column of a table as numbers: its values where it has any, else an order of its own."""

import re
from datetime import date, timedelta
from decimal import Decimal
from hashlib import sha256
from numbers import Number

import numpy as np

from helpers.leakage.dates import as_datetime, readings_of, seconds
from helpers.tensors import as_numpy

# A number beside what is no digit, such as a currency.
IN_TEXT = re.compile(r"([^\d.+-]*)([-+]?[\d.,]+(?:[eE][-+]?\d+)?)(\D*)")
PLAIN = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
THOUSANDS = re.compile(r"[-+]?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?")
HAVE_PARTS = list | tuple | set | frozenset | dict | np.ndarray
TEXTS, TWO_WAYS = "texts of several words", "dates that can be read in several ways"
GAPS = {"", "nan", "nat", "none", "null", "na", "n/a", "<na>"}  # among numbers and dates


def is_gap(value):
    """Say whether a value is missing: None, nan, NaT or pandas' NA."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, Decimal):
        return value.is_nan()
    kinds = float | np.floating | np.datetime64 | np.timedelta64
    return isinstance(value, kinds) and bool(value != value)


def codes_of(column):
    """Return one column as floats: numbers and dates as they are, all else numbered; nan for a gap.

    Equal values are equal numbers, and others are others. No number depends on where its row is.
    """
    return _coded(column)[0]


def why_without_order(column):
    """Return what a column holds whose numbers mean nothing, or ''."""
    return _coded(column)[1]


def may_be_keys(column):
    """Say whether a column may hold keys: numbers, or words of one length that hold digits.

    Other texts may be what the row is, although each is there once: molecules are, and sequences.
    """
    texts = np.asarray(column).tolist()
    if why_without_order(column):
        return False
    if not all(isinstance(text, str) for text in texts) or _in_texts(texts)[0] is not None:
        return True
    n_with_digits = sum(any(map(str.isdigit, text)) for text in texts)
    are_words = all(len(text.split()) == 1 for text in texts)
    return are_words and len(set(map(len, texts))) == 1 and 2 * n_with_digits > len(texts)


def _coded(column):
    """Return the codes of a column, and what it holds if they mean nothing."""
    dtype = getattr(column, "dtype", None)
    if hasattr(column, "to_numpy") and getattr(dtype, "kind", "O") in "fiub":
        floats = column.to_numpy(dtype=float, na_value=np.nan)  # pandas' nullable numbers, too
        if not are_too_large(floats, dtype):
            return floats, ""
    values = np.asarray(column)
    if values.dtype.kind in "fiub":
        floats = values.astype(float)
        if not are_too_large(floats, values.dtype):
            return floats, ""
    if values.dtype.kind in "mM":
        return np.where(np.isnat(values), np.nan, values.astype("int64").astype(float)), ""
    values = [_scalar(value) for value in values.tolist()]
    filled = [row for row, value in enumerate(values) if not is_gap(value)]
    numbers, why = _numbered([values[row] for row in filled])
    codes = np.full(len(values), np.nan)
    codes[filled] = numbers
    return codes, why


def are_too_large(floats, dtype):
    """Say whether whole numbers were too large for floats, which make neighbours one."""
    is_short = getattr(dtype, "itemsize", 8) < 8  # which pandas' sparse numbers do not say
    return dtype.kind in "iu" and not is_short and bool((np.abs(floats) >= 2.0**53).any())


def _scalar(value):
    """Return the one value of an array or tensor without axes, and bytes as text."""
    if isinstance(value, bytes):
        return value.decode(errors="surrogateescape")
    has_axes = not (isinstance(value, np.ndarray) or hasattr(value, "detach")) or value.ndim
    return value if has_axes else value.item()


def _numbered(values):
    """Return a number for each value, none of them a gap, and what they are if it means nothing."""
    if all(isinstance(value, str) for value in values):
        return _texts(values)
    if all(isinstance(value, timedelta) for value in values):
        return np.array([value.total_seconds() for value in values]), ""
    if all(isinstance(v, date | np.datetime64) or hasattr(v, "to_timestamp") for v in values):
        try:
            return seconds([as_datetime(value) for value in values]), ""
        except ValueError:  # a time zone in some rows only
            return _by_content(values), TWO_WAYS
    if all(_is_number(value) for value in values):
        try:
            return _without_merging(values), ""
        except (OverflowError, TypeError):  # types that cannot be compared with each other
            return _by_content(values), "numbers of several types"
    if all(_is_number(value) or isinstance(value, str) for value in values):
        numbers = _in_texts([str(value) for value in values])[0]  # as a file read in parts has them
        if numbers is not None:
            return numbers, ""
    return _sorted(values)


def _is_number(value):
    is_number = isinstance(value, Number | np.bool_)
    return is_number and not isinstance(value, complex | np.complexfloating | np.timedelta64)


def _texts(texts):
    """Number texts: by the number or the date in each, else in the order of the alphabet."""
    numbers, why = _in_texts(texts)
    if numbers is not None:
        return numbers, ""
    are_sentences = sum(len(text.split()) > 1 for text in texts) > len(texts) / 2
    # Names of few kinds have spaces, too; notes are hardly ever the same twice.
    if not why and are_sentences and 2 * len(set(texts)) > len(texts):
        why = TEXTS
        texts = [" ".join(words_of(text)) for text in texts]
    return _ranks(texts), why


def words_of(text):
    """Return the words of a text, whatever its capitals and stops."""
    return [word.strip(".,;:!?") for word in text.casefold().split()]


def _in_texts(texts):
    """Return the number or the date in each text, nan for 'nan', or None; and why not."""
    texts = [text.strip() for text in texts]
    rows = [row for row, text in enumerate(texts) if text.lower() not in GAPS]
    filled = [texts[row] for row in rows]
    if not filled or not any(character.isdigit() for character in filled[0]):
        return None, ""
    found = _numbers_in(filled)
    if found is None:
        readings = readings_of(filled)
        if len(readings) != 1:
            return None, TWO_WAYS if readings else ""
        found = readings[0][1]
    numbers = np.full(len(texts), np.nan)
    numbers[rows] = found
    return numbers, ""


def _numbers_in(texts):
    """Return the number that each text holds, beside the same unit in all of them; or None."""
    found = [IN_TEXT.fullmatch(text) for text in texts]
    if not all(found) or len({(match[1], match[3]) for match in found}) > 1:
        return None
    written = [match[2] for match in found]
    exchanged = [text.translate(str.maketrans(",.", ".,")) for text in written]
    for texts in (written, exchanged):
        for form in (PLAIN, THOUSANDS):
            if all(map(form.fullmatch, texts)):
                return _without_merging([Decimal(text.replace(",", "")) for text in texts])
    return None


def _without_merging(numbers):
    """Return numbers as floats; their ranks where floats are too coarse to keep them apart."""
    try:
        floats = np.array([float(number) for number in numbers])
    except OverflowError:
        return _ranks(numbers)
    return floats if len(set(floats)) == len(set(numbers)) else _ranks(numbers)


def _sorted(values):
    """Number values of any type, type by type and sorted, if that can be done."""
    names = ["number" if _is_number(v) else type(v).__name__ for v in values]
    if not any(isinstance(v, HAVE_PARTS) or hasattr(v, "detach") for v in values):
        try:
            return _ranks(list(zip(names, values, strict=True))), ""
        except TypeError:  # they have no order
            pass
    return _by_content(values), f"values of type {', '.join(sorted(set(names)))}"


def _ranks(values):
    order = {value: number for number, value in enumerate(sorted(set(values)))}
    return np.array([order[value] for value in values], dtype=float)


def _by_content(values):
    """Number values by what they hold: equal ones are equal, and their order means nothing."""
    contents = [repr(_key_of(value)).encode(errors="surrogateescape") for value in values]
    return _ranks([sha256(content).hexdigest() for content in contents])


def _key_of(value):
    """Return something that is written alike where values are equal."""
    if hasattr(value, "detach"):
        value = as_numpy(value)
    if isinstance(value, np.ndarray):
        return value.tolist()  # repr would leave out the middle of a long array
    if isinstance(value, dict):
        return {key: _key_of(part) for key, part in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(map(repr, value))
    if isinstance(value, list | tuple):
        return type(value).__name__, [_key_of(part) for part in value]
    return value
