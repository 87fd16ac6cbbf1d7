"""What a network may use and change outside itself: the variables of its code."""

import types
from collections.abc import Iterator
from typing import Any, NamedTuple

from torch import nn

from helpers.fusing.reached import LARGE, MISSING, reached_from, read, size_of, write
from helpers.kept import Kept, Part, digest_or_none
from helpers.kinds import CODE, LOGGERS


class Variable(NamedTuple):
    """A variable as it was: where it stands, its name in messages, and its value.

    `before` is a digest of the value. Without one it has changed if one of its `parts` has: what
    is in its value, and its place. A default of a function has no place: its holder is None.
    """

    holder: Any
    name: Any
    label: str
    value: Any
    size: int
    before: bytes | None
    parts: list

    def now(self):
        return self.value if self.holder is None else read(self.holder, self.name)

    def has_changed(self):
        if self.before is None:
            return any(part.has_changed() for part in self.parts)
        return digest_or_none(self.now()) != self.before

    def is_longer(self):
        """Tell whether it is a list to which something was added."""
        return isinstance(self.value, list) and len(self.value) > self.size


class Variables:
    """Some variables with all that is in them, to be put back.

    Parameters
    ----------
    but : iterable of object, default=()
        What is not looked into.

    Attributes
    ----------
    iterator : str or None
        The name of a variable that is used up as it is read, and whose place cannot be told.
    """

    def __init__(self, but=()):
        self._kept, self._all, self.iterator = Kept(but), [], None

    def keep(self, holder, name, label, value, within=True):
        """Keep a variable and, where `within`, what is in its value."""
        n_left, before, parts = len(self._kept.left), None, []
        if within:
            before = digest_or_none(value)
            parts = self._kept.add(value, is_pickled=before is not None)
        if left := self._kept.left[n_left:]:  # a lock: the digest may lack what stands beside it
            before = None
        if any(isinstance(one, Iterator) for one in left):
            self.iterator = label
        if holder is not None:
            place = Part((holder, name), read_place, fill_place)
            parts.append(place)
            self._kept.parts.append(place)
        size = len(value) if isinstance(value, list) else 0
        self._all.append(Variable(holder, name, label, value, size, before, parts))

    def changes(self):
        """Yield each `Variable` that is another than at first."""
        return (one for one in self._all if one.has_changed())

    def restore(self):
        """Put back what has changed."""
        self._kept.put_back()


class Outside(Variables):
    """The variables that the code of a network names: enclosed, global, or of classes.

    At the end of a `with` block they are put back. A logger is not looked at.

    Parameters
    ----------
    network : nn.Module
        What it holds itself is not looked at.
    but : dict of int to object, default=()
        What has variables that are not looked at either, by its `id`.

    Examples
    --------
    >>> from helpers import MLP
    >>> Outside(MLP(4, 2)).changed() is None
    True
    """

    def __init__(self, network, but=()):
        super().__init__([*network.modules(), *network.parameters(), *network.buffers()])
        for holder, name in reached_from(network.modules()).variables:
            value = read(holder, name)
            is_code = value is MISSING or isinstance(value, (*CODE, *LOGGERS))
            if not is_code and id(holder) not in but and size_of(value) <= LARGE:
                is_default = isinstance(holder, types.FunctionType)
                label = f"{holder.__name__}.{name}" if is_default else str(name)
                self.keep(holder, name, label, value)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.restore()

    def changed(self):
        """Return the name of a variable that is another than at first, or None."""
        return next((one.label for one in self.changes()), None)


def read_place(place):
    return [read(*place)]


def fill_place(place, content):
    (holder, name), (value,) = place, content
    if value is MISSING:  # a global that there was not
        del holder[name]
    else:
        write(holder, name, value)


def outside_of(function):
    """Return the variables that a function of the user's may use outside itself."""
    holder = nn.Module()
    holder.own = function
    return Outside(holder)
