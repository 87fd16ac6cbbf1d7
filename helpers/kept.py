"""What objects hold, kept part by part, to be put back into the same objects.

A list is kept as the elements that it has, an object as its attributes, an array as a copy of its
numbers. Each is filled again where it is: no object that a user holds is replaced by a copy.
"""

import copy
from operator import is_

import torch

from helpers.digests import chooses_what_is_pickled, digest
from helpers.kinds import FILLED, PLAIN
from helpers.refilling import Kind, elements_of, held_by

PLAIN_KINDS = frozenset(PLAIN)


class Part:
    """One part of what is kept: how it is read and filled, and what it held."""

    def __init__(self, value, read, fill):
        self.value, self.read, self.fill = value, read, fill
        self.before = read(value)

    def now(self):
        return self.read(self.value)

    def has_changed(self):
        """Tell whether it holds other numbers, or elements that are not equal to those it held."""
        now = self.now()
        if elements_of(now) is None:
            return digest_or_none(now) != digest_or_none(self.before)
        return not alike(now, self.before, is_equal)

    def put_back(self):
        if elements_of(self.before) is None or not alike(self.now(), self.before, is_):
            self.fill(self.value, self.before)


class Pickled:
    """What is compared by what it pickles, as a table that may fill its caches as it is read."""

    def __init__(self, value):
        self.value, self.digest = value, digest(value)

    def has_changed(self):
        return digest_or_none(self.value) != self.digest


class Whole(Pickled):
    """What has no parts, as an iterator: it is copied, and the copy takes its place."""

    def __init__(self, value, memo):
        super().__init__(value)
        self.before = copy.deepcopy(value, dict(memo))

    def renewed(self, memo):
        self.value = copy.deepcopy(self.before, dict(memo))
        return self.value


class Kept:
    """What some values hold, and all that is within it, as it was when they were added.

    Code and loggers are not looked into, nor is an object of a library that cannot be pickled: with
    its lock or its file it works for the whole process.

    Parameters
    ----------
    but : iterable of object, default=()
        What is not looked into either.

    Attributes
    ----------
    parts : list of Part
        All of them, to which others may be added.
    left : list of object
        What stays as it is, since it can be neither read nor copied.

    Examples
    --------
    >>> shared = [1]
    >>> value, kept = {"one": shared, "other": shared}, Kept()
    >>> parts = kept.add(value)
    >>> value["one"] = shared.pop()
    >>> kept.put_back()
    >>> value, value["one"] is value["other"] is shared
    ({'one': [1], 'other': [1]}, True)
    """

    def __init__(self, but=()):
        self._known = {id(one): one for one in but}  # by id: what no copy needs copies of
        self._seen = dict(self._known)  # which keeps all alive, and their ids their own
        self._kinds, self._wholes, self.parts, self.left = {}, [], [], []

    def add(self, value, is_pickled=False):
        """Keep a value as well, of which it may be known that it can be pickled.

        Return what is new and tells whether the value has changed: its parts, and what is copied
        as a whole. An object of a library tells by what it pickles, and no part within it does.
        """
        new, wholes, waiting = [], [], [(value, is_pickled, False)]
        while waiting:
            thing, is_pickled, is_within = waiting.pop()
            kind = self._kind_of(thing)
            if kind.is_left or id(thing) in self._seen:
                continue
            self._seen[id(thing)] = thing
            is_within = is_within and not kind.is_own  # within an object of a library
            try:
                parts = [Part(thing, read, fill) for read, fill in kind.ways]
                if kind.is_closed and parts and not (is_within and is_pickled):
                    as_one = Pickled(thing)
                    new += [] if is_within else [as_one]
                    is_pickled = is_within = True
                held = held_by(thing, parts)
            except Exception:  # it cannot be pickled; or a weight has no shape yet
                self.left += [] if is_within else [thing]
                continue
            if parts:
                self._known[id(thing)] = thing
            elif not kind.is_fixed:
                wholes.append((thing, is_within))
            self.parts += parts
            new += [] if is_within else parts
            is_pickled = is_pickled and not chooses_what_is_pickled(type(thing))
            of_held = is_pickled, is_within
            waiting += [(one, *of_held) for one in held if type(one) not in PLAIN_KINDS]
        return new + [whole for one in wholes for whole in self._wholes_of(*one)]

    def _kind_of(self, thing):
        if type(thing) not in self._kinds:
            self._kinds[type(thing)] = Kind(type(thing))
        return self._kinds[type(thing)]

    def _wholes_of(self, thing, is_within):
        """Return a thing as a list of one `Whole` to be compared, of none where it is not."""
        try:
            whole = Whole(thing, self._known)
        except Exception:
            self.left += [] if is_within else [thing]
            return []
        self._wholes += [] if whole.before is thing else [whole]
        return [] if is_within or whole.before is thing else [whole]

    @torch.no_grad()
    def put_back(self):
        """Fill everything with what it held."""
        for part in self.parts:
            part.put_back()
        changed = [whole for whole in self._wholes if whole.has_changed()]
        copies = {id(whole.value): whole.renewed(self._known) for whole in changed}
        if copies:
            for part in self.parts:
                part.before = with_copies(part.before, copies)
                part.put_back()


def alike(now, before, is_same):
    """Tell whether two contents have the same elements, and in the same order but for sets."""
    if isinstance(before, set):
        return now == before
    some, others = elements_of(now), elements_of(before)
    return len(some) == len(others) and all(map(is_same, some, others))


def is_equal(one, other):
    return one is other or digest_or_none(one) == digest_or_none(other) is not None


def digest_or_none(value):
    """Return the digest of a value, or None where it cannot be pickled, as a lock."""
    try:
        return digest(value)
    except Exception:
        return None


def with_copies(content, copies):
    """Return what a part held, with copies in the place of others, which have these ids."""
    if isinstance(content, dict):
        return {key: of_copies(one, copies) for key, one in content.items()}
    if isinstance(content, FILLED):
        return type(content)(of_copies(one, copies) for one in content)
    return content


def of_copies(one, copies):
    if type(one) is tuple:
        new = tuple(of_copies(element, copies) for element in one)
        return one if all(map(is_, one, new)) else new
    return copies.get(id(one), one)
