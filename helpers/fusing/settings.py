"""Settings that networks read outside themselves, as the code that built them had left them.

Under `fused` all networks are built before one is trained. A setting that each of them keeps in a
global variable, or in one of its class, is by then that of the last one built. Two things show it:
the values of the variables that a forward pass may read, and the answers of one network, asked
again as each job comes, wherever it looks them up.
"""

import contextvars
import os
import threading
from dataclasses import dataclass
from functools import cached_property

import torch

from helpers.fusing.callbacks import set_by_callbacks, why_within_reach
from helpers.fusing.content import Incomparable, contents, first_line
from helpers.fusing.own_code import functions_of, has_own_code
from helpers.fusing.places import places_read, values_of
from helpers.fusing.reached import read
from helpers.fusing.trial import OUTSIDE, answers, are_others, depends_on_more
from helpers.global_state import quietly
from helpers.jobs import Job

OF_A_THREAD = contextvars.ContextVar, threading.local, type(os.environ)


class Settings:
    """What networks read outside themselves, noted as each job comes and compared in the end."""

    def __init__(self):
        self._by_key = {}  # a network's `Kind`; and what `places_read` returns, with the functions
        self._noted = {}  # the `id` of a job -> `Noted`

    def note(self, job):
        """Note how things are for a job; return why it must be trained at once, or None."""
        try:
            return self._note(job)
        except Exception as error:  # a proxy, say, raises whatever it is asked until it is bound
            said = f"{type(error).__name__}: {first_line(error)}"
            return f"what it holds or names cannot be looked at ({said})"

    def _note(self, job):
        if reason := why_within_reach(job):
            return reason
        functions = functions_of(job)
        if not functions and not has_own_code(job.network):
            return None
        key = self._key_of(job)
        # Two functions of one code may enclose other variables. They are kept alive, and their ids.
        key_of_places = key and ("places", *key, *map(id, functions))
        _, (places, cache) = self._made(
            key_of_places, lambda: (functions, places_read(job.network, functions))
        )
        if cache:
            return f"it calls `{cache}`, which keeps results where nobody can look at them"
        if name := set_by_callbacks(job, places):
            reads = f"it, or a function given with it, reads `{name}`"
            return f"{reads}, which a callback may change between epochs"
        for holder, name in places:
            if isinstance(read(holder, name), OF_A_THREAD):
                return f"it reads `{name}`, which is another in each thread or fit"
        kind = self._made(key, lambda: Kind(job, depends_on_more(job)))
        if kind.reason and any(told in kind.reason for told in OUTSIDE):  # the order of fits counts
            return kind.reason
        answered = answers_of(kind.first) if key and not kind.reason else None
        self._noted[id(job)] = Noted(places, values_of(places, job.network), kind, answered)
        return None

    def _key_of(self, job):
        """Return what networks of one kind have in common, or None if it cannot be compared."""
        try:
            return frozenset(map(type, job.network.modules())), tuple(contents(job.network).items())
        except Incomparable:  # it will be trained alone
            return None

    def _made(self, key, make):
        """Return what was made for a key, now or before; without a key it is not kept alive."""
        if key is None:
            return make()
        if key not in self._by_key:
            self._by_key[key] = make()
        return self._by_key[key]

    def error_of(self, job):
        """Return an error if something is another than when the job was noted, or None."""
        noted = self._noted.pop(id(job), None)
        if noted is None:
            return None
        name = noted.changed(job.network)
        if not name and not noted.answers_otherwise():
            return None
        cls = type(job.network).__name__
        if functions_of(job):
            cls += ", or a function given with it,"
        what = f"`{name}`, a variable" if name else "something, such as a file or an attribute,"
        return ValueError(
            f"{cls} reads {what} outside of it, which another fit has changed since it was built: "
            f"fused builds all networks first and trains them later. Keep such a setting in the "
            f"network, as in self.{name or 'setting'} = ..., or fit without fused."
        )

    def forget(self):
        """Forget all, so that nothing is kept alive."""
        self._by_key.clear()
        self._noted.clear()


@dataclass(eq=False)
class Kind:
    """Networks with equal attributes. The first is asked again as each other comes."""

    first: Job
    reason: str | None  # what they depend on beside their weights

    @cached_property
    def at_last(self):
        """What the first network answers in the end."""
        return answers_of(self.first)


@dataclass(frozen=True, eq=False)
class Noted:
    """How things were as a job came: `values` of the variables in `places`, and answers."""

    places: list
    values: list
    kind: Kind
    answered: list | None

    def changed(self, network):
        """Return the name of the first variable that has lost a value since, or None."""
        now = values_of(self.places, network)
        pairs = zip(self.places, self.values, now, strict=True)
        return next((name for (_, name), before, after in pairs if before - after), None)

    def answers_otherwise(self):
        """Whether the first network of its kind answers otherwise now, but for rounding."""
        now = self.answered and self.kind.at_last
        return bool(now) and are_others(self.answered, now, 100 * torch.finfo(now[0].dtype).eps)


def answers_of(job):
    """Return what the network of a job answers now, or None if it does not."""
    try:
        with quietly(job.y.device):
            return answers(job.network, job)
    except Exception:  # which its training tells
        return None
