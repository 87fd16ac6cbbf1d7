"""Settings of the whole process that a fit may change, and take back at its end."""

import locale
import logging
import os
import sys
import warnings
from functools import partial

import torch


class Setting:
    """A setting of the process, which nothing draws from.

    Parameters
    ----------
    read : callable
        Returns what tells one state from another, or None where nobody can.
    write : callable
        Takes what `full` returns.
    in_training : str, default=None
        What it is called, if a network may be trained otherwise by it.
    """

    def __init__(self, read, write, in_training=None):
        self.read, self.write, self.in_training = read, write, in_training

    def full(self, seen):
        """Return what `write` takes, of the state that was read."""
        return seen


class OfWarnings(Setting):
    """Which warnings are shown, and how; scikit-learn sets it for each call of joblib."""

    def __init__(self):
        self.in_training = None

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


class OfEnvironment(Setting):
    """The variables of the environment. Networks that read them are trained in their fit's turn."""

    def __init__(self):
        self.in_training = None

    def read(self):
        return os.environ._data.copy()

    def full(self, seen):
        return os.environ.copy()

    def write(self, state):
        for name in os.environ.keys() - state.keys():
            del os.environ[name]
        os.environ.update(state)


def current_folder():
    try:
        return os.getcwd()
    except FileNotFoundError:  # somebody has removed it
        return None


def precision_of_products():
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:  # it was set by names that are newer
        return None


def set_streams(streams):
    sys.stdout, sys.stderr = streams


def levels_of_logs():
    return logging.root.manager.disable, logging.root.level


def set_levels_of_logs(levels):
    logging.disable(levels[0])
    logging.root.setLevel(levels[1])


def determinism():
    is_set = torch.are_deterministic_algorithms_enabled()
    return is_set, torch.is_deterministic_algorithms_warn_only_enabled()


def set_determinism(state):
    torch.use_deterministic_algorithms(state[0], warn_only=state[1])


SETTINGS = (
    OfWarnings(),
    OfEnvironment(),
    Setting(current_folder, os.chdir, "the current folder"),
    Setting(lambda: (sys.stdout, sys.stderr), set_streams),
    Setting(levels_of_logs, set_levels_of_logs),
    Setting(partial(locale.setlocale, locale.LC_ALL), partial(locale.setlocale, locale.LC_ALL)),
    Setting(torch.get_default_dtype, torch.set_default_dtype),
    Setting(determinism, set_determinism, "torch.use_deterministic_algorithms"),
    Setting(
        precision_of_products,
        torch.set_float32_matmul_precision,
        "torch.set_float32_matmul_precision",
    ),
)
