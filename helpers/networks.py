"""Where a job gets its network: a new one from the recipe, or the one there is."""

import copy
import warnings
from contextlib import contextmanager

import numpy as np
import torch
from sklearn.base import ClassifierMixin
from sklearn.utils import check_random_state

from helpers._compat import is_lazy
from helpers.checks.arguments import name_of, same
from helpers.checks.last_calls import (
    LastCall,
    warn_of_changes,
    warn_of_dropout,
    warn_of_other_rows,
    warn_of_same_answers,
)
from helpers.checks.outputs import check_outputs, normalised_as, warn_of_probabilities
from helpers.checks.shapes import warn_of_channels_last
from helpers.copies import way_back
from helpers.fusing.content import Incomparable, contents, named_tensors, numbers_within
from helpers.fusing.own_code import has_own_code
from helpers.global_state import private_rng, seed_generators, states_of_generators
from helpers.losses import takes_logarithms
from helpers.modules import MLP, warn_of_lost_weights
from helpers.optimizer_states import still_of_use
from helpers.optimizers import known_name
from helpers.recipes import build
from helpers.tensors import moved, refuse_parted, ties_of


class NetworkMixin:
    """Gives a job the network of an estimator."""

    def _start(self, job, settings):
        """Give the job a new network."""
        seed = settings["random_state"]
        if seed is None:  # fresh entropy, so that numpy's global generator stays as it is
            seed = np.random.SeedSequence().generate_state(1)[0]
        job.seed = self._seed = check_random_state(seed).randint(np.iinfo(np.int32).max)
        self._recipe = self._current_recipe()
        owner = type(self).__name__
        X, *_ = job.take(job.rows[:2])
        shape = self._row_shape
        widths = (shape[0] if len(shape) == 1 else tuple(shape), self._n_outputs)
        arguments = self._arguments_of("module__")
        with private_rng(X.device):
            seed_generators(job.seed, X.device)
            network = build(self.module, *widths, arguments, owner=owner)
            job.network = moved(network, X.device, X.dtype)
            warn_of_channels_last(network, shape)
            warn_of_lost_weights(network)
            last, generators = LastCall(), states_of_generators(X.device)
            with _no_rows_kept(job, generators):
                outputs = check_outputs(job.network, X, self._n_outputs, watch=last)
                warn_of_dropout(network, last)
                if not last.drops and not warn_of_changes(network, X, outputs, generators):
                    warn_of_other_rows(network, X, outputs)
                    warn_of_same_answers(network, X, outputs)
            self._tied = ties_of(job.network)
            ends_in = last.name if last.result is outputs else None
            if self.loss is None and ends_in:
                job.ends_in = last.bounds()
            several, own_loss = job.y.ndim == 2, self.loss is not None
            looks_like = self._looks_like(outputs)
            if looks_like == "log_softmax" and ends_in != looks_like and not several:
                looks_like = None  # a mixture or an ordinal network computes them otherwise
            # Ours, which ends in a linear layer, looks like it by chance alone.
            if looks_like and isinstance(self, ClassifierMixin) and self.module is not MLP:
                X, *_ = job.take(job.rows[:64])
                another = build(self.module, *widths, arguments, owner=owner)
                moved(another, X.device, X.dtype)
                warn_of_probabilities(another, X, looks_like, owner, several, own_loss)

    def _looks_like(self, outputs):
        """Return what to warn of: as what outputs are normalised, None where the loss needs it.

        Warn if the loss needs logarithms of probabilities, and outputs are none.
        """
        looks_like = normalised_as(outputs)
        if self.loss is not None and looks_like == "log_softmax":
            return None  # predict_proba gives the probabilities, whatever the loss needs
        if takes_logarithms(self.loss):
            warnings.warn(
                f"{name_of(self.loss)} takes logarithms of probabilities, and the outputs of "
                f"module are none, so that the loss has no lowest value. Give logits, and "
                f'loss=None or nn.CrossEntropyLoss(reduction="none").',
                stacklevel=2,
            )
            return None
        return looks_like

    def _resume(self, job):
        """Give the job our network and what its optimizer remembers."""
        if not same(self._recipe, self._current_recipe()):
            raise ValueError(
                "partial_fit continues the network it has, but module, optimizer or their "
                "arguments were changed since; call fit to start anew."
            )
        if self._optimizer_state is None:
            raise ValueError(
                "partial_fit cannot go on from what a callback was given within fit: it predicts, "
                "and does not hold what the optimizer remembers. Go on from what fit returns."
            )
        self.module_.to(job.y.device)
        refuse_parted(self.module_, self._tied, "In module_, copied or changed since fit, each has")
        job.network = self.module_
        states = copy.deepcopy(self._optimizer_state)
        is_known = known_name(job.optimizer) is not None
        dampening = job.optimizer_arguments.get("dampening")
        job.optimizer_state = still_of_use(states, job.network, is_known, dampening)
        job.optimizer_settings = self._optimizer_settings
        job.seed, job.history = self._seed, list(self.history_)

    def _current_recipe(self):
        """Return what a network and its optimizer are built from."""
        return self.module, self._arguments, self.optimizer


@contextmanager
def _no_rows_kept(job, generators):
    """Have the new network of a job keep nothing of the rows that it is asked for within.

    As it is asked for the first time, it may make layers, or a mask that it needs again. They stay.
    What depends on the rows, as the mean of the first batch, is for its training to make.
    `generators` are the states of the global generators before.
    """
    network = job.network
    before = _held_by(network)
    go_back = before and way_back(network)
    yield
    after = before and _held_by(network)
    if after == before or not after or after[0].keys() != before[0].keys():
        return
    if states_of_generators(job.y.device) != generators:  # what it has made may differ each time
        return
    go_back()
    _ask(network, job, job.rows[-2:])
    depends_on_rows = _held_by(network) != after
    go_back()
    if not depends_on_rows:
        _ask(network, job, job.rows[:2])


@torch.no_grad()
def _ask(network, job, rows):
    network.eval()
    network(job.take(rows)[0])


def _held_by(network):
    """Return the numbers of a network by name, and what else it holds; None if nobody can tell."""
    if not has_own_code(network) or any(is_lazy(tensor) for _, tensor in named_tensors(network)):
        return None
    try:
        return numbers_within(network), contents(network)
    except (Incomparable, RuntimeError):  # a lock, or a tensor without numbers
        return None
