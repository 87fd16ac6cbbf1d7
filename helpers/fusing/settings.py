"""Settings that networks read outside themselves, as the code that built them had left them.

Under `fused` all networks are built before one is trained. A setting that each of them keeps in a
global variable, or in one of its class, is by then that of the last one built.
"""

import contextvars
import os
import threading

import torch

from helpers.fusing.comparison import has_own_code
from helpers.fusing.content import Incomparable, contents
from helpers.fusing.digests import digest
from helpers.fusing.outside import LARGE, names_in, reached_from, read, size_of
from helpers.fusing.trial import MODES, OUTSIDE, answers, depends_on_more
from helpers.tensors import flushed_denormals, private_rng

# What is called when networks are made or copied, and not by a forward pass.
_NOT_IN_FORWARD = {"__init__", "__new__", "__init_subclass__", "__deepcopy__", "__repr__"}
# What torch calls; what has no name is in a list, or wrapped.
_BEGUN = {"forward", "train", "eval", "backward", "setup_context", "jvp", "vmap", ""}


class Settings:
    """What forward passes may read, and what a network answers, as each job comes.

    Of networks with equal attributes the first is asked again as each other comes, and in the end:
    it shows whether something outside of it has changed, wherever that is.
    """

    def __init__(self):
        self._places = {}  # the classes of a network's modules -> its variables
        self._first = {}  # these, and what a network holds -> the first job, and its answers
        self._reasons = {}  # the same -> what else it depends on
        self._last = {}  # the same -> what the network of that job answers in the end
        self._noted = {}  # the `id` of a job -> its variables, their values, and answers

    def note(self, job):
        """Note how things are for a job; return why it must be trained at once, or None."""
        if not has_own_code(job.network):
            return None
        classes = frozenset(map(type, job.network.modules()))
        if classes not in self._places:
            self._places[classes] = places_read(job.network)
        places = self._places[classes]
        for holder, name in places:
            value = read(holder, name)
            if isinstance(value, contextvars.ContextVar | threading.local):
                return f"it reads `{name}`, which is another in each thread"
            if hasattr(value, "cache_info"):
                return f"it calls `{name}`, which keeps results where nobody can look at them"
        try:
            key = classes, tuple(contents(job.network).items())
        except Incomparable:
            key = None  # no other is alike: it will be trained alone
        if key is None or key not in self._reasons:
            self._reasons[key] = depends_on_more(job)
        reason = self._reasons[key]
        if reason and any(told in reason for told in OUTSIDE):  # the order of fits counts
            return reason
        now = None if reason or key is None else self._answers(job, key)
        values = values_of(places, job.network)
        self._noted[id(job)] = places, values, key, now
        return None

    def _answers(self, job, key):
        """Return what the first network with some attributes answers now in training mode."""
        if key not in self._first:
            self._first[key] = job, answers_of(job, MODES)
        first, answers = self._first[key]
        return answers if first is job or answers is None else answers_of(first, MODES[:1])

    def error_of(self, job):
        """Return an error if something is another than when the job was noted, or None."""
        if id(job) not in self._noted:
            return None
        places, values, key, answered = self._noted.pop(id(job))
        pairs = zip(places, values, values_of(places, job.network), strict=True)
        name = next((place[1] for place, before, now in pairs if before - now), None)
        if name is None and not (answered and self._has_changed(key, answered)):
            return None
        cls = type(job.network).__name__
        what = f"`{name}`, a variable" if name else "something, such as a file or an attribute,"
        return ValueError(
            f"{cls} reads {what} outside of it, which another fit has changed since it was built: "
            f"fused builds all networks first and trains them later. Keep such a setting in the "
            f"network, as in self.{name or 'setting'} = ..., or fit without fused."
        )

    def _has_changed(self, key, answered):
        """Whether the first network with some attributes answers otherwise than it did."""
        first, at_first = self._first[key]
        if key not in self._last:
            self._last[key] = answers_of(first, MODES)
        last = self._last[key]
        if last is None:
            return False
        # Or it is another in evaluation alone.
        in_evaluation = not are_others(at_first[:1], last) and are_others(at_first, last)
        return in_evaluation or are_others(answered[:1], last)

    def forget(self):
        """Forget all, so that nothing is kept alive."""
        for noted in (self._places, self._first, self._reasons, self._last, self._noted):
            noted.clear()


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


def places_read(network):
    """Return (holder, name) of each variable that a forward pass of a network may read."""
    functions, variables = reached_from(network.modules())
    names = names_in_forward(functions)
    found = [place for place in variables if place[1] in names]
    return [*found, (vars(os), "environ")] if "environ" in names else found


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
