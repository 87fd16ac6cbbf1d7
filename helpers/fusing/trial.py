"""The trial step: nothing is stacked on a guess.

Before the jobs of a group are trained, three of them are copied, that with the fewest and that with
the most rows among them. The copies, each with other weights, train two short epochs in a stack and
alone. What a fit leaves behind must agree: losses, weights and buffers. Before that, a copy shows
that its network depends on nothing but weights, rows and seed.
"""

import copy
import functools
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import nn

from helpers.copies import way_back
from helpers.fusing.chance import NOTHING, without_dropout
from helpers.fusing.comparison import NOT_FINITE, ROWS_DEPEND, failure_of, why_different
from helpers.fusing.content import contents, exact_copy, first_change, memory_within
from helpers.fusing.functions import copy_of
from helpers.fusing.outside import Outside, outside_of
from helpers.fusing.own_code import given_functions
from helpers.fusing.trial_jobs import moderate_rate, n_of
from helpers.fusing.writes import WRITES, mixes_rows, writes_by_row, written_by
from helpers.global_state import quietly, seed_generators, states_of_generators
from helpers.modules import training_mode

# What is outside of a network has been changed by it, or may be by others.
OUTSIDE = (
    "a variable outside of it, between batches",
    "of which nobody can tell how far it has come",
    "it opens files while training",
    "which copies of it share, between batches",
)


def trial_step(jobs):
    """Return why jobs that are alike cannot be trained as one stack, or None where they can.

    Nothing is changed by it: not the networks, nor what their code uses outside them, nor the
    global generators of torch, numpy and Python.
    """
    first = jobs[0]
    unequal = len({len(job.rows) for job in jobs}) > 1
    padded = unequal or len({n_of(job.valid_rows) for job in jobs}) > 1
    with nothing_changed(first) as outside:
        try:
            network = exact_copy(first.network)
            if reason := why_impure(replace(first, loss=copy_of(first.loss)), network, outside):
                return reason
            by_size = sorted(jobs, key=lambda job: -len(job.rows))
            some = [by_size[0], by_size[len(jobs) // 2], by_size[-1]]
            if reason := why_different(some, moderate_rate(network), unequal):
                return reason
            # A step of four rows need not show it: some code acts on whole batches only.
            if reason := why_kept(outside):
                return reason
            if any(map(copy_differs, some)):
                return "a copy of it gives other outputs, as if its settings were kept elsewhere"
            if padded and writes_by_row(first):
                return WRITES
            return ROWS_DEPEND if padded and mixes_rows(first) else None
        except Exception as error:
            return failure_of(error)


def depends_on_more(job):
    """Return what a network depends on, or changes, beside its weights; None for nothing.

    The loss of its job is not called: one of the user's may count its calls.
    """
    job = replace(job, loss=lambda outputs, y: outputs.square().mean(), weight=None)
    with nothing_changed(job) as outside:
        try:
            return why_impure(job, exact_copy(job.network), outside)
        except Exception as error:
            return failure_of(error)


@contextmanager
def nothing_changed(job):
    """Put back what a copy of a job's network may change while it is trained."""
    of_loss = outside_of(given_functions(job).get("loss"))
    go_back = way_back(job.network)  # which may share a singleton with its copies
    try:
        with Outside(job.network) as outside, of_loss, quietly(job.y.device):
            yield outside
    finally:
        go_back()


def why_impure(job, network, outside):
    """Return what a network depends on, or changes, beside its weights; None for nothing.

    `network`, a copy of the job's, takes a training step, which leaves its gradients.
    """
    if {*map(id, network.parameters())} != {id(p) for _, p in network.named_parameters()}:
        return "its `parameters()` are not those that it has by name"
    if memory_within(job.network) & memory_within(network):
        return "a copy of it has the same weights in memory, and would learn with it"
    held = contents(job.network)
    if name := first_change(held, network):
        return (
            f"its attribute `{name}` is another in a copy, as a function that uses the network is"
        )
    dropouts = without_dropout(network)
    attributes, parameters = contents(network), [*network.parameters()]  # alive, with their ids
    X, y, weight = job.take(job.rows[:4])
    given = X.clone()
    seed_generators(job.seed + 1, job.y.device)
    states = [states_of_generators(job.y.device)]
    training_mode(network)

    def noted(*args, **keywords):
        states.append(states_of_generators(job.y.device))
        losses = job.loss(*args, **keywords)
        states.append(states_of_generators(job.y.device))
        return losses

    with files_opened() as opened:
        loss = replace(job, network=network, loss=noted).mean_loss(X, y, weight)
        loss.backward()
    drawn = states_of_generators(job.y.device) != states[0]
    network.eval()
    written = written_by(network, X)
    if not loss.isfinite():
        return NOT_FINITE
    if any(p.grad is not None and p.grad.is_sparse for p in network.parameters()):
        return "its gradients are sparse, as those of an embedding with sparse=True"
    if [*map(id, network.parameters())] != [*map(id, parameters)]:
        return "it makes parameters while it is trained"
    if not torch.equal(X, given):
        return "it changes its input in place"
    if name := first_change(held, job.network):
        return f"it keeps `{name}`, {OUTSIDE[3]}"
    if name := first_change(attributes, network):
        return f"it keeps `{name}` between batches"
    if name := next((name for name in dropouts if dropouts[name].p is not NOTHING), None):
        return f"it keeps `{name}.p` between batches"
    if written and job.valid_rows is not None:  # a stack may look at them in smaller parts
        return f"it changes `{written}` while it is asked for its validation rows"
    if reason := why_kept(outside):
        return reason
    if opened:
        return f"{OUTSIDE[2]}, such as {sorted(opened)[0]!r}"
    if states[0] == states[1] != states[2]:
        return "its loss draws random numbers"
    if drawn:
        return (
            "it draws random numbers while training other than by layers such as nn.Dropout: by "
            "F.dropout or torch.randn, say, or by the dropout within an LSTM or an attention"
        )
    return None


def why_kept(outside):
    """Return what training has changed outside of a network, or None."""
    if name := outside.changed():
        return f"it keeps `{name}`, {OUTSIDE[0]}"
    if outside.iterator:
        return f"it uses `{outside.iterator}`, {OUTSIDE[1]}"
    return None


def copy_differs(job):
    """Whether a copy of a network answers otherwise, as one whose settings are kept by its `id`."""
    return are_others(answers(copy.deepcopy(job.network), job), answers(job.network, job), 0)


def are_others(answered, now, tolerance):
    """Whether a network answers otherwise than before."""
    alike = {"rtol": tolerance, "atol": tolerance, "equal_nan": True}
    pairs = zip(answered, now, strict=True)
    return not all(torch.allclose(one, other, **alike) for one, other in pairs)


@torch.no_grad()
def answers(network, job):
    """Return what a network answers to a few rows in each mode; it stays as it is."""
    X, go_back = job.take(job.rows[:4])[0], way_back(network)
    outputs = []
    try:
        for set_mode in (training_mode, nn.Module.eval):
            set_mode(network)
            seed_generators(job.seed, job.y.device)
            outputs.append(network(X.clone()))
    finally:  # it may refuse, as code does that asks for a gradient
        go_back()
    return outputs


_opened = threading.local()


@contextmanager
def files_opened():
    """Note the files that this thread opens, but for code that it imports."""
    _listen()
    _opened.paths = paths = set()
    try:
        yield paths
    finally:
        _opened.paths = None


@functools.cache
def _listen():
    """Have Python tell of each file that is opened: once in a process, for ever."""

    def hear(event, arguments):
        if event == "open" and (paths := getattr(_opened, "paths", None)) is not None:
            path = str(arguments[0])
            if not path.endswith((".py", ".pyc", ".so")):
                paths.add(path)

    sys.addaudithook(hear)
