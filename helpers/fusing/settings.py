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

from helpers.fusing.content import Incomparable, contents
from helpers.fusing.digests import digest
from helpers.fusing.outside import LARGE, is_of_a_library, names_in, reached_from, read, size_of
from helpers.fusing.own_code import has_own_code, held_functions
from helpers.fusing.trial import MODES, OUTSIDE, answers, depends_on_more
from helpers.jobs import Job
from helpers.tensors import flushed_denormals, private_rng

# What is called when networks are made or copied, and not by a forward pass.
_NOT_IN_FORWARD = {"__init__", "__new__", "__init_subclass__", "__deepcopy__", "__repr__"}
# What torch calls; what has no name is in a list, or wrapped.
_BEGUN = {"forward", "train", "eval", "backward", "setup_context", "jvp", "vmap", ""}
UNSEEN = "it calls `{}`, which keeps results where nobody can look at them"
IN_EACH_THREAD = "it reads `{}`, which is another in each thread or fit"
OF_A_THREAD = contextvars.ContextVar, threading.local, type(os.environ)


class Settings:
    """What networks read outside themselves, noted as each job comes and compared in the end."""

    def __init__(self):
        self._places = {}  # the classes of a network's modules -> what `places_read` returns
        self._kinds = {}  # these classes, and what a network holds -> `Kind`
        self._noted = {}  # the `id` of a job -> `Noted`

    def note(self, job):
        """Note how things are for a job; return why it must be trained at once, or None."""
        functions = functions_of(job)
        if not functions and not has_own_code(job.network):
            return None
        places, cache = self._places_of(job.network, functions)
        if cache:
            return UNSEEN.format(cache)
        for holder, name in places:
            if isinstance(read(holder, name), OF_A_THREAD):
                return IN_EACH_THREAD.format(name)
        kind = self._kind_of(job)
        if kind.reason and any(told in kind.reason for told in OUTSIDE):  # the order of fits counts
            return kind.reason
        answered = None if kind.reason or kind.first is None else kind.ask(job)
        self._noted[id(job)] = Noted(places, values_of(places, job.network), kind, answered)
        return None

    def _places_of(self, network, functions):
        codes = (getattr(function, "__code__", type(function)) for function in functions)
        key = frozenset(map(type, network.modules())), *codes
        if key not in self._places:
            self._places[key] = places_read(network, functions)
        return self._places[key]

    def _kind_of(self, job):
        """Return the kind of a job's network; one that cannot be compared has its own."""
        try:
            key = frozenset(map(type, job.network.modules())), tuple(contents(job.network).items())
        except Incomparable:  # it will be trained alone
            return Kind(None, depends_on_more(job))
        if key not in self._kinds:
            self._kinds[key] = Kind(job, depends_on_more(job))
        return self._kinds[key]

    def error_of(self, job):
        """Return an error if something is another than when the job was noted, or None."""
        noted = self._noted.pop(id(job), None)
        if noted is None:
            return None
        name = noted.changed(job.network)
        if name is None and not (noted.answered and noted.kind.has_changed(noted.answered)):
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
        for kept in (self._places, self._kinds, self._noted):
            kept.clear()


@dataclass(eq=False)
class Kind:
    """Networks with equal attributes. The first is asked again as each other comes.

    Attributes
    ----------
    first : Job or None
        None where networks cannot be compared.
    reason : str or None
        What they depend on beside their weights.
    """

    first: Job | None
    reason: str | None

    @cached_property
    def at_first(self):
        """What the first network answered as it came, in training and in evaluation."""
        return answers_of(self.first, MODES)

    @cached_property
    def at_last(self):
        """What it answers in the end."""
        return answers_of(self.first, MODES)

    def ask(self, job):
        """Return what the first network answers now that a job comes, or None if it does not."""
        at_first = self.at_first
        return (
            at_first if self.first is job or at_first is None else answers_of(self.first, MODES[:1])
        )

    def has_changed(self, answered):
        """Tell whether the first network answers otherwise in the end than as a job came."""
        if self.at_last is None:
            return False
        # In evaluation it was asked only once, at first.
        in_training = are_others(self.at_first[:1], self.at_last)
        in_evaluation = not in_training and are_others(self.at_first, self.at_last)
        return in_evaluation or are_others(answered[:1], self.at_last)


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


def answers_of(job, modes):
    """Return what the network of a job answers now in some modes, or None if it does not."""
    try:
        with private_rng(job.y.device), flushed_denormals():
            return answers(job.network, job, modes)
    except Exception:  # which its training tells
        return None


def are_others(answered, now):
    """Whether a network answers otherwise than before, but for rounding."""
    allowed = 100 * torch.finfo(now[0].dtype).eps
    alike = {"rtol": allowed, "atol": allowed, "equal_nan": True}
    pairs = zip(answered, now, strict=False)
    return not all(torch.allclose(one, other, **alike) for one, other in pairs)


def values_of(places, network):
    """Return the value of each variable, as a set of digests.

    A collection has one for each of its elements. What grows, as a cache or a log, has still those
    that it had. In a table of networks by their `id` only those of this one count.
    """
    own = set(map(id, network.modules()))
    return [parts_of(read(holder, name), own) for holder, name in places]


def parts_of(value, own):
    if size_of(value) > LARGE:
        return {id(value)}
    elements = [value]
    if isinstance(value, dict):
        by_id = any(key in own for key in value)
        elements = ((k, v) for k, v in value.items() if not by_id or k in own or type(k) is not int)
    elif isinstance(value, list | set):
        elements = enumerate(value) if isinstance(value, list) else value
    try:
        return set(map(digest, elements))
    except Exception:  # a logger or a lock: no result depends on it
        return set()


def functions_of(job):
    """Return the functions of the user's that training calls: held by layers, loss, augment."""
    own = [one.function for one in (job.loss, job.augment) if hasattr(one, "function")]
    homes = (getattr(one, "__module__", type(one).__module__) for one in own)
    given = [one for one, home in zip(own, homes, strict=True) if not is_of_a_library(home)]
    return held_functions(job.network) + given


def places_read(network, functions=()):
    """Return what a forward pass of a network, and functions beside it, may read outside.

    Returns
    -------
    places : list of (holder, str)
        The variables, with their names.
    cache : str or None
        The name of a function that keeps its results, if one may be called.
    """
    reached = reached_from([*network.modules(), *functions])
    names = names_in_forward(reached.functions)
    places = [place for place in reached.variables if place[1] in names]
    places += [(vars(os), "environ")] if names & {"environ", "getenv"} else []
    caches = [
        getattr(called, "__name__", name or "a function")
        for name, called in reached.caches
        if name in names or not name.isidentifier()
    ]
    return places, caches[0] if caches else None


def names_in_forward(functions):
    """Return the names in the code of the user's that a forward or backward pass may come to.

    `functions` are (name, function), the name being that by which it is called.
    """
    by_name, waiting, names, seen = {}, [], set(), set()
    for name, function in functions:
        by_name.setdefault(name, []).append(function)
        if name in _BEGUN or name.startswith("__") and name not in _NOT_IN_FORWARD:
            waiting.append(function)
    while waiting:
        function = waiting.pop()
        if function in seen:
            continue
        seen.add(function)
        for name in names_in(function.__code__):
            names.add(name)
            waiting += by_name.get(name, ())
    return names
