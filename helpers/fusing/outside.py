"""What a network may use and change outside itself: the variables of its code."""

import types
from collections.abc import Iterator
from typing import Any, NamedTuple

from torch import nn

from helpers.digests import digest
from helpers.fusing.reached import LARGE, MISSING, reached_from, read, size_of, write
from helpers.kept import Kept, Part
from helpers.kinds import CODE, LOGGERS


class Variable(NamedTuple):
    """A variable as it was: its name in messages, and its value.

    `before` is a digest of the value. Without one it has changed if one of `parts` has: the place
    where it stands, which comes first, and what is in its value.
    """

    label: str
    value: Any
    size: int
    before: bytes | None
    parts: list

    def has_changed(self):
        if self.before is None:
            return any(part.has_changed() for part in self.parts)
        (now,) = self.parts[0].now()
        return digest(now) != self.before

    def is_longer(self):
        """Tell whether it is a list to which something was added."""
        return isinstance(self.value, list) and len(self.value) > self.size


class Outside:
    """The variables that the code of a network names: enclosed, global, or of classes.

    At the end of a `with` block they are put back. A logger is not looked at.

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
        own = *network.modules(), *network.parameters(), *network.buffers()
        self._kept, self._variables, self.iterator = Kept(own), [], None
        for holder, name in reached_from(network.modules()).variables:
            value = read(holder, name)
            is_code = value is MISSING or isinstance(value, (*CODE, *LOGGERS))
            if not is_code and id(holder) not in but and size_of(value) <= LARGE:
                is_default = isinstance(holder, types.FunctionType)
                label = f"{holder.__name__}.{name}" if is_default else str(name)
                self._keep(holder, name, label, value)

    def _keep(self, holder, name, label, value):
        try:
            before = digest(value)
        except Exception:  # as of a lock, beside which there may be a counter
            before = None
        n_left, place = len(self._kept.left), Part((holder, name), read_place, fill_place)
        parts = [place, *self._kept.add(value, is_pickled=before is not None)]
        self._kept.parts.append(place)
        if left := self._kept.left[n_left:]:
            before = None  # which would tell nothing of what stands beside it
        if any(isinstance(one, Iterator) for one in left):
            self.iterator = label
        size = len(value) if isinstance(value, list) else 0
        self._variables.append(Variable(label, value, size, before, parts))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.restore()

    def changed(self):
        """Return the name of a variable that is another than at first, or None."""
        return next((one.label for one in self.changes()), None)

    def changes(self):
        """Yield each `Variable` that is another than at first."""
        return (one for one in self._variables if one.has_changed())

    def restore(self):
        """Put back what has changed."""
        self._kept.put_back()


def read_place(place):
    return [read(*place)]


def fill_place(place, content):
    write(*place, *content)


def outside_of(function):
    """Return the variables that a function of the user's may use outside itself."""
    holder = nn.Module()
    holder.own = function
    return Outside(holder)
