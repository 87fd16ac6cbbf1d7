"""What a network may use and change outside itself: the variables of its code."""

import copy
import types
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from torch import nn

from helpers.copies import way_back
from helpers.digests import digest
from helpers.fusing.reached import LARGE, MISSING, reached_from, read, size_of, write
from helpers.kinds import CODE, LOGGERS
from helpers.libraries import is_of_own_class
from helpers.whole_copies import full_copy, refilled

MOST_PIECES = 100  # elements of a collection that are kept one by one


class Variable(NamedTuple):
    """A variable as it was: where it stands, its name in messages, and its value.

    `before` is a digest of the value; without one, only another value is a change. `kept` is a copy
    to put back, the `way_back` of a network, or the value itself where there is no copy.
    """

    holder: Any
    name: Any
    label: str
    value: Any
    before: bytes | None
    kept: Any

    def has_changed(self):
        now = read(self.holder, self.name)
        return now is not self.value if self.before is None else digest(now) != self.before

    def put_back(self):
        value = self.value
        if self.kept is not value:
            is_network = isinstance(value, nn.Module)
            value = self.kept() if is_network else refilled(value, copy.deepcopy(self.kept))
        write(self.holder, self.name, value)


class Pieces(NamedTuple):
    """Which elements, or attributes, there were in what cannot be copied as a whole."""

    label: str
    value: dict | list | set | deque
    kept: dict | list | set

    def has_changed(self):
        if isinstance(self.value, dict):
            return self.value.keys() != self.kept.keys()
        if isinstance(self.value, set):
            return self.value != self.kept
        return len(self.value) != len(self.kept) or any(map(_differ, self.value, self.kept))

    def put_back(self):
        if not isinstance(self.value, dict):
            refilled(self.value, self.kept)
            return
        for name in self.value.keys() - self.kept.keys():
            del self.value[name]
        for name in self.kept.keys() - self.value.keys():
            self.value[name] = self.kept[name]


class Outside:
    """The variables that the code of a network names: enclosed, global, or of classes.

    At the end of a `with` block they are put back. What cannot be copied as a whole, as a counter
    with a lock or a singleton, is kept attribute by attribute; a logger is not looked at.

    Parameters
    ----------
    network : nn.Module
        What it holds itself is not looked at.
    but : dict of int to object, default=()
        What has variables that are not looked at either, by its `id`.

    Attributes
    ----------
    iterator : str or None
        The name of a variable that is used up as it is read, and whose place cannot be told.

    Examples
    --------
    >>> from helpers import MLP
    >>> Outside(MLP(4, 2)).changed() is None
    True
    """

    def __init__(self, network, but=()):
        self._variables, self._pieces, self.iterator, met = [], [], None, {}
        waiting = deque()
        for holder, name in reached_from(network.modules()).variables:
            is_default = isinstance(holder, types.FunctionType)
            waiting.append((holder, name, f"{holder.__name__}.{name}" if is_default else str(name)))
        while waiting:
            holder, name, label = waiting.popleft()
            value, before = read(holder, name), None
            is_code = value is MISSING or isinstance(value, (*CODE, *LOGGERS))
            if is_code or id(holder) in but or size_of(value) > LARGE:
                continue
            try:
                before = digest(value)
                is_network = isinstance(value, nn.Module)
                kept = way_back(value) if is_network else full_copy(value)
            except Exception:  # a counter with a lock, or a singleton: what it holds may count
                kept, pieces = value, _pieces_of(value)
                before = before if pieces is None else None
                if pieces is not None and id(value) not in met:
                    met[id(value)] = value
                    waiting += self._take_to_pieces(label, value, pieces)
                elements = value if isinstance(value, list | tuple) else [value]
                if any(isinstance(element, Iterator) for element in elements):
                    self.iterator = label
            self._variables.append(Variable(holder, name, label, value, before, kept))

    def _take_to_pieces(self, label, value, pieces):
        """Keep which pieces there are; return where each stands, to be kept as well."""
        if isinstance(pieces, dict):
            self._pieces.append(Pieces(label, pieces, dict(pieces)))
            return [(pieces, name, str(name)) for name in pieces]
        if isinstance(value, list | set | deque):
            kept = set(value) if isinstance(value, set) else list(value)
            self._pieces.append(Pieces(label, value, kept))
        # Of many, each may lead to all others, and take as long as all of them.
        return [(pieces, one, label) for one in range(len(pieces)) if len(pieces) <= MOST_PIECES]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.restore()

    def changed(self):
        """Return the name of a variable that is another than at first, or None."""
        return next((one.label for one in self.changes()), None)

    def restore(self):
        """Put back what has changed."""
        for one in self.changes():
            one.put_back()

    def changes(self):
        """Yield what is another than at first, as `Pieces` or `Variable`."""
        # Pieces first: a variable may stand in one of them.
        return (one for one in (*self._pieces, *self._variables) if one.has_changed())


def outside_of(function):
    """Return the variables that a function of the user's may use outside itself."""
    holder = nn.Module()
    holder.own = function
    return Outside(holder)


def _pieces_of(value):
    """Return what a value consists of, to be read and written; None if nothing can be told."""
    if isinstance(value, dict | list):
        return value
    if isinstance(value, tuple | set | frozenset | deque):
        return [*value]
    return getattr(value, "__dict__", None) if is_of_own_class(value) else None


def _differ(one, other):
    """Say whether two elements are two objects, and no equal numbers or texts."""
    is_plain = isinstance(one, int | float | str | bytes) and type(one) is type(other)
    return one is not other and not (is_plain and one == other)
