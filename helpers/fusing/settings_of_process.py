"""Settings of the whole process that a fit may change, and take back at its end."""

import logging
import os
import sys
import warnings
from contextlib import suppress

import torch


class OfProcess:
    """What belongs to the whole process, and yet to a fit.

    Its `read` returns what tells one state from another, or None where nobody can; its `write`
    takes what `full` returns.
    """

    in_training = None  # what it is called, if a network may be trained otherwise by it

    def full(self, seen):
        """Return what `write` takes, of the state that was read."""
        return seen

    def left(self, outer, flow):
        """Return the state, read and full, in which a fit with a flow of its own leaves it."""
        return flow.seen, flow.state


class Setting(OfProcess):
    """A setting of the process, which nothing draws from."""

    def __init__(self, read, write, in_training=None):
        self.read, self.write, self.in_training = read, write, in_training


class OfWarnings(OfProcess):
    """Which warnings are shown, and how; scikit-learn sets it for each call of joblib."""

    def read(self):
        shown_by = warnings.showwarning, warnings._showwarnmsg_impl
        return id(warnings.filters), tuple(warnings.filters), shown_by

    def full(self, seen):
        return warnings.filters, *seen[1:]

    def write(self, state):
        warnings.filters, filters, shown_by = state
        warnings.filters[:] = filters
        warnings.showwarning, warnings._showwarnmsg_impl = shown_by
        with warnings.catch_warnings():  # which tells Python that the filters are others
            pass


class OfEnvironment(OfProcess):
    """The variables of the environment. Networks that read them are trained in their fit's turn."""

    def read(self):
        return os.environ._data.copy()

    def write(self, state):
        now = self.read()
        for name in now.keys() - state.keys():
            del os.environ[os.environ.decodekey(name)]
        for name, value in state.items() - now.items():
            os.environ[os.environ.decodekey(name)] = os.environ.decodevalue(value)

    def left(self, outer, flow):
        """As `OfProcess.left`: other fits may have set other variables."""
        gone = flow.found.keys() - flow.seen.keys()
        kept = {name: value for name, value in outer.seen.items() if name not in gone}
        variables = kept | dict(flow.seen.items() - flow.found.items())
        return variables, variables


def current_folder():
    try:
        return os.getcwd()
    except OSError:  # somebody has removed it, or nobody may read it
        return None


def set_folder(path):
    with suppress(OSError):
        os.chdir(path)


def precision_of_products():
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:  # it was set by names that are newer
        return None


def determinism():
    is_set = torch.are_deterministic_algorithms_enabled()
    return is_set, torch.is_deterministic_algorithms_warn_only_enabled()


def set_determinism(state):
    torch.use_deterministic_algorithms(state[0], warn_only=state[1])


SETTINGS = (
    OfWarnings(),
    OfEnvironment(),
    Setting(current_folder, set_folder, "the current folder"),
    Setting(lambda: sys.stdout, lambda stream: setattr(sys, "stdout", stream)),
    Setting(lambda: sys.stderr, lambda stream: setattr(sys, "stderr", stream)),
    Setting(lambda: logging.root.manager.disable, logging.disable),
    Setting(lambda: logging.root.level, logging.root.setLevel),
    Setting(torch.get_default_dtype, torch.set_default_dtype),
    Setting(determinism, set_determinism, "torch.use_deterministic_algorithms"),
    Setting(
        precision_of_products,
        torch.set_float32_matmul_precision,
        "torch.set_float32_matmul_precision",
    ),
)
