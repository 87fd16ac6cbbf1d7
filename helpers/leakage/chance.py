"""What a procedure scores by guessing: chance, measured for the score at hand."""

import warnings
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from helpers._compat import _num_samples, _safe_indexing
from helpers.leakage.inputs import as_array, targets_of
from helpers.leakage.tables import as_codes

N_GUESSES = 10  # runs of each kind
N_DIFFERENT = (1, 2, 8)  # rows that a table is made of
MOST_LABELS = 20  # that are told by a row each
NOTICED = 1.05  # times the loss, where classes are of one size


@dataclass(frozen=True)
class Guesses:
    """What guesses score, times `sign`, so that more is better."""

    sign: int  # -1 where a lower score is better, as of an error
    blind: float  # the best guess where rows are repeated so often that none can be recognised
    sharp: float  # where rows differ as well, by one number; -inf where rows are no numbers
    told: float  # the score where a row tells its label
    sure: float  # what an honest loss of classes may come to if a model is sure of the larger ones

    @property
    def limit(self):
        """What is surely no guess, if exceeded."""
        return max(min(max(self.blind, self.sharp), (self.blind + self.told) / 2), self.sure)

    def judge(self, mean):
        """Say whether a mean score on permuted labels is no guess: True, False, or None.

        Rows that differ let a procedure guess as freely as on the real ones, but can be
        recognised, too. Between both, only what comes nearer to knowing than to guessing is sure.
        """
        mean = self.sign * mean
        if mean <= self.blind + 1e-9:
            return False
        return True if mean > self.limit + 1e-9 else None


def measure(procedure, X, y, permute, rng):
    """Return `Guesses`, or None if a procedure cannot be asked or does not tell good from bad.

    A procedure cannot know, leaky or not, which label a row has if the features are those of a
    few rows that are repeated: what it scores there is chance.
    """

    def guessed(table):
        return float(procedure(table, permute()))

    # Features that are constant, of which libraries warn, are the point.
    with warnings.catch_warnings(action="ignore"):
        few = [guessed(repeated(X, n, rng)) for n in N_DIFFERENT for _ in range(N_GUESSES)]
        told = float(procedure(_telling(X, y, rng), y))
        lines, values = [], as_array(X)
        if isinstance(values, np.ndarray) and values.dtype.kind == "f":
            lines = [guessed(_on_a_line(X, rng)) for _ in range(N_GUESSES)]
    sign = 1 if told > np.mean(few) else -1
    blind = max(sign * np.array(few))
    if not sign * told > blind:
        return None
    sure = -np.inf
    if sign * told <= 0:  # of a loss, knowing all comes to 0 at best
        sure = blind * _unequal(procedure, X, y, rng, np.mean(few[:N_GUESSES]))
    return Guesses(sign, blind, max(sign * np.array(lines), default=-np.inf), sign * told, sure)


def _unequal(procedure, X, y, rng, own):
    """Return 1, or less where a model that is unsure takes no notice of which class is larger.

    Then it is how often two rows are of other classes, beside classes of one size: so much less a
    loss may be for a model that does take notice, as one that fits noise does.
    """
    labels = targets_of(y, len(y))
    names, first, counts = np.unique(labels, return_index=True, return_counts=True)
    if labels.ndim > 1 or len(names) > MOST_LABELS:
        return 1.0
    even = taken(y, rng.permutation(np.resize(first, len(y))))
    with warnings.catch_warnings(action="ignore"):
        if abs(float(procedure(repeated(X, 1, rng), even))) > NOTICED * abs(own):
            return 1.0
    return (1 - np.sum((counts / len(y)) ** 2)) / (1 - 1 / len(counts))


def repeated(X, n_different, rng):
    """Return a table of as many rows as X, made of a few of them."""
    n = _num_samples(X)
    some = rng.choice(n, min(n_different, n), replace=False)
    return taken(X, some[rng.randint(len(some), size=n)])


def taken(values, rows):
    """Return some rows in the place of all; of pandas, with the index as it was."""
    some = _safe_indexing(values, rows)
    return some.set_axis(values.index) if hasattr(some, "set_axis") else some


def _telling(X, y, rng):
    """Return a table of as many rows as X, made of one for each label: a row tells its label."""
    y = targets_of(y, len(y))
    axis = 0 if y.ndim > 1 else None
    names, numbers = np.unique(y, return_inverse=True, axis=axis)
    if len(names) > MOST_LABELS:
        numbers = (numbers >= np.median(numbers)).astype(int)
    n_names = numbers.max() + 1
    some = rng.choice(len(y), n_names, replace=False)
    with suppress(ValueError):  # there are too few, or X is one column of numbers
        if len(np.unique(as_codes(_safe_indexing(X, some)), axis=0)) < n_names:
            different = np.unique(as_codes(X), axis=0, return_index=True)[1]
            some = rng.choice(different, n_names, replace=False)
    return taken(X, some[numbers.ravel()])


def _on_a_line(X, rng):
    values = as_array(X)
    first, last = values[rng.choice(len(values), 2, replace=False)]
    share = rng.uniform(size=(len(values),) + (1,) * (values.ndim - 1)).astype(values.dtype)
    made = first + share * (last - first)
    if hasattr(X, "iloc"):
        return type(X)(made, index=X.index, columns=X.columns)
    return type(X)(made, schema=X.columns) if hasattr(X, "columns") else made  # of polars
