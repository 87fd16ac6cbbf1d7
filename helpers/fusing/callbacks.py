"""Callbacks of the user's: what they may change, and how a stack calls them."""

import weakref

import numpy as np
import torch
from torch import nn

from helpers.copies import all_within
from helpers.digests import attributes_of, checksum
from helpers.fusing.content import own_attributes
from helpers.fusing.own_code import codes_within, given_functions, is_the_users, names_in
from helpers.fusing.places import NOT_IN_FORWARD, assigned_by, vars_of
from helpers.fusing.reached import reached_from, read
from helpers.kinds import FILLED, LOGGERS
from helpers.libraries import is_of_own_class

# How numpy, Python and torch call what draws from their global generators.
_DRAWS = set(
    "rand randn randint randperm rand_like randn_like random random_ randrange getrandbits sample "
    "choice choices shuffle permutation gauss normal normal_ standard_normal uniform uniform_ "
    "bernoulli binomial multinomial poisson exponential_ dropout".split()
)


def code_of(callbacks):
    """Return what callbacks of the user's come to, as `Reached`, and the code that they run."""
    attributes = [value for one in callbacks for _, value in vars_of(one)]
    reached = reached_from([*callbacks, *attributes])
    return reached, [one.__code__ for name, one in reached.functions if name not in NOT_IN_FORWARD]


def get_rows(callbacks):
    """Tell whether callbacks of the user's are given the rows of a fit, as they name them."""
    names = set()
    for code in code_of(callbacks)[1]:
        names.update(code.co_varnames[code.co_argcount :][: code.co_kwonlyargcount])
    return bool(names & {"X", "y", "metadata"})


def why_within_reach(job):
    """Return how a callback of the user's may come to what a job has but in a stack, or None.

    That is the network itself: what scikit-learn gives it is a copy, and a recipe keeps none. In a
    stack it would change what nobody looks at. And the global generators, which each epoch seeds.
    """
    _, codes = code_of(job.callbacks)
    if not codes:
        return None
    if any(_DRAWS & {*code.co_names} for code in codes_within(codes)):
        return "a callback may draw random numbers, whose generators each epoch of a fit seeds"
    references = [ref for part in job.network.modules() for ref in weakref.getweakrefs(part)]
    if not all(map(_is_of_torch, references)):
        return "a callback may come to it by a weak reference, and change it between epochs"
    if job.history and names_in(*codes) & {"module_", "vars", "__dict__"}:
        return "a callback may change `module_`, with which partial_fit goes on"
    return None


def _is_of_torch(reference):
    """Tell whether a weak reference is torch's, which has one to each module once it compiled."""
    return str(getattr(reference.__callback__, "__module__", "")).startswith("torch.")


def set_by_callbacks(job, places):
    """Return the name of what callbacks of the user's may set between epochs, or None.

    In a stack all callbacks are called before the epoch of any network. They may set a variable, or
    an attribute, by its name, or share an object. `places` are those that the job may read.
    """
    reached, codes = code_of(job.callbacks)
    if not codes:
        return None
    own = given_functions(job)
    names = names_in(*codes)
    for name, function in own.items():
        if name in names and is_the_users(function):  # the estimator's, which it may change
            return name
    shared = all_within([job.callbacks, [read(*place) for place in reached.variables]])
    held = list(own.items())
    for one in (*own.values(), *job.network.modules()):
        is_module = isinstance(one, nn.Module)
        held += (own_attributes(one) if is_module else attributes_of(one)).items()
    places = sorted(places, key=lambda place: place[1])  # of several, name the same each time
    outside = [(name, read(holder, name)) for holder, name in places]
    assigned = assigned_by(codes, outside + held)
    for name, value in outside + held:
        if isinstance(value, LOGGERS):  # no result depends on it
            continue
        if name in assigned:
            return name
        if any(can_change(one) for key, one in all_within(value).items() if key in shared):
            return name
    return None


def can_change(value):
    kinds = (*FILLED, bytearray, torch.Tensor, np.ndarray, nn.Module)
    return isinstance(value, kinds) or is_of_own_class(value)


def once_an_epoch(callback, history):
    """Return a callback that stays silent where an epoch is trained a second time.

    `history` and not its job: a cycle would keep the rows of the job alive.
    """
    reached = 0

    def call():
        nonlocal reached
        if len(history) < reached:
            return False
        reached = len(history) + 1
        return callback()

    return call


def not_writing(callback, job):
    """Return a callback that is an error if it changes the rows of a job: a stack has copies."""
    tensors = [t for t in (job.X, job.y, job.weight) if isinstance(t, torch.Tensor)]
    before = list(map(checksum, tensors))

    def call():
        answer = callback()
        if list(map(checksum, tensors)) != before:
            raise ValueError(
                "A callback has written to X, y or sample_weight of a fit, which fused has copied "
                "before its first epoch. Change rows in augment, or fit without fused."
            )
        return answer

    return call
