"""Whether two threads, each with networks of one stack, would be in each other's way."""

import torch

from helpers.fusing.outside import CODE, MISSING, NO_CODE, reached_from, read
from helpers.fusing.own_code import functions_of
from helpers.fusing.places import names_stored, places_read


def may_meet_outside(job):
    """Tell whether a network, or its loss, may change what is outside of it while it is called.

    For example, `forward` may append to a global list and remove the entry in the end. Of two
    threads that call it at once, each would see the entries of the other.
    """
    functions = functions_of(job)
    called = reached_from([*job.network.modules(), *functions]).functions
    codes = [function.__code__ for _, function in called]
    stored = names_stored(codes)
    created = names_stored(codes, {"STORE_GLOBAL"})
    places, _ = places_read(job.network, functions)
    for holder, name in places:
        value = read(holder, name)
        if name in created if value is MISSING else name in stored or not is_fixed(value):
            return True
    return False


def is_fixed(value):
    """Tell whether no code can change a value; under vmap none writes to a tensor outside."""
    if isinstance(value, tuple | frozenset):
        return all(map(is_fixed, value))
    return isinstance(value, (*NO_CODE, *CODE, torch.dtype, torch.device))
