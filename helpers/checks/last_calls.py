"""What a network calls: can it return every output that is needed, row by row?"""

import copy
import math
import warnings
from contextlib import contextmanager, suppress

import torch
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from helpers.checks.outputs import answer_with_random_weights
from helpers.global_state import states_of_generators
from helpers.modules import MLP
from helpers.tensors import chunks

# Functions of torch that bound what they return, by their names.
BOUNDED = set("tanh softsign sigmoid hardsigmoid relu softplus elu celu selu log_sigmoid".split())
BOUNDED |= set("hardtanh relu6 clamp clip clamp_min clamp_max".split())
PLACES = (
    "its forward takes the number of a row for the number of a step, as X + pe[:X.size(0)] does, "
    "which is written for steps on axis 0. Here axis 0 has the rows, and steps are on axis 1."
)
PRIMES = 7, 11, 13, 17, 19, 23  # numbers of rows of which one is no multiple in a row's shape
STATES = 4  # random weights with which equal answers are looked at again
MANY = 0.5  # share of targets out of reach from which on that cannot be meant
CLOSE = 0.05  # how near to 0 and 1 probabilities must come


class LastCall(TorchFunctionMode):
    """Within it, notes the name of the last function that returned a tensor, and that tensor.

    It sees layers and functions alike: `nn.Tanh` calls `torch.tanh`. It also notes whether numbers
    were dropped.
    """

    name = result = None
    call = None, (), {}
    drops = False

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if function is F.dropout:
            given = dict(zip(("input", "p", "training"), args, strict=False)) | (kwargs or {})
            self.drops |= bool(given.get("training", True) and given.get("p", 0.5))
        if isinstance(result, torch.Tensor):
            self.name, self.result = getattr(function, "__name__", None), result
            self.call = function, args[1:], kwargs or {}
        return result

    def bounds(self):
        """Return the last function's name, and its least and largest value; None if it has none."""
        function, args, kwargs = self.call
        is_tensor = any(isinstance(one, torch.Tensor) for one in (*args, *kwargs.values()))
        name = str(self.name).rstrip("_")
        if name not in BOUNDED or is_tensor:
            return None
        ends = function(self.result.new_tensor([-1e30, 1e30]), *args, **kwargs).tolist()
        low, high = (end if abs(end) < 1e29 else math.copysign(math.inf, end) for end in ends)
        return "relu6" if (name, low, high) == ("hardtanh", 0, 6) else name, low, high


def warn_of_dropout(network, last):
    """Warn if a network in evaluation mode has dropped numbers, as `LastCall` saw."""
    if not last.drops:
        return
    named = network.named_modules()
    kept = next((name for name, one in named if isinstance(one, nn.Dropout) and one.training), None)
    what = "calls F.dropout while it predicts, with training=True, its default,"
    cure = "Write F.dropout(X, p, self.training), or hold nn.Dropout(p)."
    if kept:  # on purpose perhaps, as Monte Carlo dropout is
        what = f"keeps its layer {kept!r} in training mode while it predicts,"
        cure = "If that is not meant, have its train() and forward() leave the layer's mode alone."
    warnings.warn(
        f"{type(network).__name__} {what} so that its answers differ each time. {cure}",
        stacklevel=2,
    )


@contextmanager
def _asking():
    """Ask a copy of a network; one that cannot be asked in this way is not accused."""
    # What the network itself warns of came when its outputs were checked.
    with suppress(Exception), torch.no_grad(), warnings.catch_warnings(action="ignore"):
        yield


def warn_of_changes(network, X, outputs, generators):
    """Warn if a network in evaluation mode has other answers when asked for the same rows again.

    A copy of it is asked. It draws, where the states of the global `generators` were others before
    its `outputs`, or else it keeps something from call to call. Returns whether it has: first
    weights that are drawn as late as that, as by nn.LazyLinear, stay the same, and so does what is
    set up in the first call.
    """
    if type(network) is MLP:
        return False
    draws, differs = states_of_generators(X.device) != generators, False
    with _asking():
        own = copy.deepcopy(network)
        first, second = own(X.clone()), own(X.clone())
        changes = [abs(second - first).max()] + [abs(first - outputs).max()] * draws
        differs = bool(max(changes) > 1e-3 * abs(outputs).max())
    if differs:
        what = "draws random numbers while it predicts"
        cure = "draw only if self.training, as F.dropout2d(X, p, self.training) does,"
        if not draws:
            what = "keeps something from one prediction to the next"
            cure = "change what it keeps, as a running mean, only if self.training,"
        warnings.warn(
            f"{type(network).__name__} {what}, so that its answers differ each time. If that is "
            f"not meant, {cure} and begin states with zeros.",
            stacklevel=2,
        )
    return differs


def warn_of_other_rows(network, X, outputs):
    """Warn if a network has another answer for a row beside other rows, or in another place.

    Then predictions depend on which rows are predicted together. A copy of the network is asked.
    """
    if type(network) is MLP or len(X) < 2:
        return
    is_other, allowed = False, 0
    with _asking():
        own = copy.deepcopy(network)
        # The answer for the last, since the first step of a sequence sees no other.
        answers = own(X.clone())[-1], own(X[[-1] * len(X)])[-1], own(X.flip(0))[0]
        again, beside, moved = (abs(answer - outputs[-1]).max() for answer in answers)
        allowed = 1e-3 * abs(outputs).max()
        is_other = again < allowed < max(beside, moved)  # nor where they are not finite
    if not is_other:
        return
    how = f"it is predicted in another place: {PLACES}"
    layer = _takes_rows_for_steps(copy.deepcopy(network), X)
    if beside > allowed or layer is not None:  # of rows that are alike only the place may show
        how = f"other rows are predicted with it: {_how_rows_meet(layer)}"
    warnings.warn(f"{type(network).__name__} has another answer for a row if {how}", stacklevel=2)


def warn_of_same_answers(network, X, outputs):
    """Warn if a network has the same answer for all rows, as `outputs`, whatever its weights are.

    A copy of it is asked, with random weights, since the last layer of a new one may be zero, and
    about random rows, since those of `X` may be so large or so small that they look alike to it.
    """
    if type(network) is MLP or not torch.allclose(outputs, outputs[:1]):
        return
    depends = True
    with _asking():
        own, X = copy.deepcopy(network), torch.randn(64, *X.shape[1:]).to(X)
        answers = (answer_with_random_weights(own, X, scale) for scale in range(1, STATES + 1))
        depends = any(not torch.allclose(answer, answer[:1]) for answer in answers)
    if depends:
        return
    warnings.warn(
        f"{type(network).__name__} has the same answer for all rows, whatever its weights are, so "
        f"that it learns nothing from X: its forward leaves X out, or takes its answer from the "
        f"wrong axis. Axis 0 has the rows: give nn.MultiheadAttention and "
        f"nn.TransformerEncoderLayer batch_first=True, and have forward keep each row apart.",
        stacklevel=2,
    )


def _how_rows_meet(layer):
    """Return how a network may take rows into account for others, and the cure."""
    if layer is not None:
        return (
            f"its {type(layer).__name__} takes the rows of a batch for the steps of one sequence. "
            f"Give it batch_first=True, and rows of the shape (steps, features)."
        )
    return (
        "its forward takes them into account, as X.mean(0), softmax(0), a view that mixes axes or "
        "BatchNorm without running statistics do. Compute along the other axes, transpose before "
        "a view, and scale X in a pipeline."
    )


def _takes_rows_for_steps(network, X):
    """Return the first layer of sequences to which rows do not come as a batch, or None.

    It is asked about a number of rows that no other axis has, so that their axis can be told.
    """
    n = next((n for n in PRIMES if all(size % n for size in X.shape[1:])), PRIMES[-1])
    found = []

    def note(layer, inputs):
        shape = inputs[0].shape
        if len(shape) == 2 or shape[0 if layer.batch_first else 1] % n:
            found.append(layer)

    for part in network.modules():
        if hasattr(part, "batch_first"):
            part.register_forward_pre_hook(note)
    with _asking():
        network(X[[-1] * n])
        return found[0] if found else None
    return None


def warn_of_range(job, owner, of_classes):
    """Warn of a trained network whose outputs cannot be what the loss of its estimator needs.

    Outputs of classes are logits; others are compared with `y` as they are.
    """
    name, low, high = job.ends_in
    where = f"lie between {low:.3g} and {high:.3g}"
    if high == math.inf:
        where = f"are never below {low:.3g}" if low else "are never negative"
    elif low == -math.inf:
        where = f"are never above {high:.3g}"
    problem, cure = None, "Leave it out; end in a linear layer."
    if not of_classes:
        y = job.y[job.rows]
        share = ((y < low) | (y > high)).double().mean().item()
        if share > MANY:
            problem = f"{share:.0%} of the numbers in y are out of reach."
            cure = "End in a linear layer, or scale y with TransformedTargetRegressor."
    elif (low, high) == (0, 1):
        return  # of which `warn_of_probabilities` knows
    elif job.y.ndim == 2:
        ends = torch.tensor([low, high]).sigmoid().tolist()
        if max(ends[0], 1 - ends[1]) > CLOSE:
            reach = f"are between {ends[0]:.2f} and {ends[1]:.2f}"
            problem = f"{owner} applies sigmoid to them, so that all probabilities {reach}."
    elif (most := 1 / (1 + math.exp(low - high) * (job.n_outputs - 1))) < 1 - CLOSE:
        problem = f"{owner} applies softmax to them, so that no probability can exceed {most:.2f}."
    elif low == 0:
        n_rows, n_zero = _rows_of_zeros(job)
        if n_zero:
            problem = (
                f"{n_zero} of {n_rows} training rows have 0 for all classes: they have no gradient "
                f"and are not learned, and their classes are equally probable."
            )
    if problem:
        warnings.warn(
            f"{type(job.network).__name__} ends in {name}: its outputs {where}. {problem} {cure}",
            stacklevel=2,
        )


@torch.no_grad()
def _rows_of_zeros(job):
    """Return how many training rows were looked at, and how many of them have no output but 0."""
    outputs = job.network(job.take(chunks(job.rows, job.X.shape[1:])[0])[0])
    return len(outputs), (outputs == 0).all(1).sum().item()
