"""What changes between epochs or in some batches only, and codes out of range."""

import copy
import threading
import warnings
from contextlib import nullcontext
from functools import partial

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.model_selection import cross_val_score
from torch import nn
from torch.nn import functional as F

from helpers import TorchClassifier, TorchRegressor, fused
from helpers.copies import copy_network
from tests.fusing import Callback

pytestmark = pytest.mark.slow

X, y = make_classification(70, 6, n_informative=4, random_state=0)
CLASSIFIER = TorchClassifier(epochs=3, batch_size=16, random_state=0, module__hidden=4)
# As rows of folds, their numbers are unequal. The last one of each is the same.
SIZES = (0, 39), (20, 44), (30, 30)
FOLDS = [np.r_[np.arange(n, n + size), 69] for n, size in SIZES]


def fit_all(estimator, X, y, grid):
    """Return what each fit ends with: its weights and history, or its error."""

    def fit(rows, settings):
        one = clone(estimator).set_params(**settings)
        try:
            one.fit(X[rows], y[rows])
        except Exception as error:
            return repr(error)
        return [p.tolist() for p in one.module_.parameters()], one.history_

    return Parallel()(delayed(fit)(rows, settings) for settings in grid for rows in FOLDS)


def warnings_of(estimator, X=X, y=y, grid=None, reset=lambda: None):
    """Fit in the loop and under `fused`; return the warnings. What is learned must be the same."""
    grid = grid or [{"lr": 0.01}, {"lr": 0.05}]
    reset()
    plain = fit_all(estimator, X, y, grid)
    reset()
    with warnings.catch_warnings(record=True) as caught, fused():
        warnings.simplefilter("always")
        found = fit_all(estimator, X, y, grid)
    for one, other in zip(plain, found, strict=True):
        assert isinstance(one, str) == isinstance(other, str), (one, other)
        if isinstance(one, str):
            assert one == other
            continue
        for expected, got in zip(one[0], other[0], strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-9)
        assert len(one[1]) == len(other[1])
    reset()
    return " ".join(str(warning.message) for warning in caught)


# Callbacks ---------------------------------------------------------------------------------------

EPOCH = 0


class Shared:
    epoch = 0


SHARED, TABLE = Shared(), {"epoch": 0}


class CountsGlobally(Callback):
    def act(self, estimator, epoch):
        global EPOCH
        EPOCH += 1


class CountsInAnAttribute(Callback):
    def act(self, estimator, epoch):
        SHARED.epoch += 1


class CountsInWhatItHolds(Callback):
    def __init__(self):
        self.held = [SHARED]

    def act(self, estimator, epoch):
        setattr(self.held[0], "ep" + "och", self.held[0].epoch + 1)


class CountsInATable(Callback):
    def act(self, estimator, epoch):
        TABLE["epoch"] += 1


class CountsInTheClass(Callback):
    def act(self, estimator, epoch):
        Scaled.scale += 1


class CountsInTheLoss(Callback):
    def act(self, estimator, epoch):
        estimator.loss.scale += 1


class AdvancesTheLoss(Callback):
    def act(self, estimator, epoch):
        estimator.loss.advance()


class Notes(Callback):
    """Its words are those of many a loss and network."""

    def __init__(self):
        self.log, self.mean, self.training = [], 0.0, True

    def on_fit_task_end(self, estimator, context, **_):
        self.log.append({"mean": context.task_id, "p": 1, "relu": "gather", "scale": 2})


class Stops(Callback):
    """What most callbacks do: they look, keep what they saw, and end a training."""

    def __init__(self):
        self.seen = []

    def on_fit_task_end(self, estimator, context, **_):
        self.seen.append(context.task_id)
        return context.task_name == "epoch" and context.task_id == 1


def cross_entropy(outputs, y):
    return F.cross_entropy(outputs, y, reduction="none")


def by_global(outputs, y):
    return cross_entropy(outputs, y) * (1 + EPOCH)


def by_attribute(outputs, y):
    return cross_entropy(outputs, y) * (1 + SHARED.epoch)


def by_table(outputs, y):
    return cross_entropy(outputs, y) * (1 + TABLE["epoch"])


def scaled_rows(X):
    return X * (1 + 0.1 * EPOCH)


class ScaledLoss:
    scale = 1

    def __call__(self, outputs, y):
        return cross_entropy(outputs, y) * self.scale

    def advance(self):
        self.scale = self.scale + 1


class Scaled(nn.Module):
    scale = 1

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.layer = nn.Linear(n_features, n_outputs)

    def forward(self, X):
        return self.layer(X) * self.scale


SET_BETWEEN = {
    "global": (CountsGlobally(), {"loss": by_global}, "EPOCH"),
    "augment": (CountsGlobally(), {"augment": scaled_rows}, "EPOCH"),
    "attribute": (CountsInAnAttribute(), {"loss": by_attribute}, "SHARED"),
    "held": (CountsInWhatItHolds(), {"loss": by_attribute}, "SHARED"),
    "table": (CountsInATable(), {"loss": by_table}, "TABLE"),
    "class": (CountsInTheClass(), {"module": Scaled}, "scale"),
    "loss": (CountsInTheLoss(), {"loss": ScaledLoss()}, "loss"),
    "method of the loss": (AdvancesTheLoss(), {"loss": ScaledLoss()}, "loss"),
}


def reset():
    global EPOCH
    EPOCH = SHARED.epoch = TABLE["epoch"] = 0
    Scaled.scale = 1


@pytest.mark.parametrize("case", SET_BETWEEN)
def test_what_a_callback_sets_between_epochs_is_its_own_fits(case):
    callback, settings, name = SET_BETWEEN[case]
    clf = TorchClassifier(epochs=3, batch_size=16, random_state=0)
    clf = clf.set_params(**settings).set_callbacks(callback)
    grid = [{"epochs": 2}, {"epochs": 4}]
    told = warnings_of(clf, grid=grid, reset=reset)
    assert f"reads `{name}`, which a callback may change between epochs" in told


def by_logarithm(outputs, y):
    return -torch.log(outputs.softmax(1).gather(1, y[:, None])).mean(1)


@pytest.mark.parametrize("settings", [{"loss": by_global}, {"module": Scaled}])
@pytest.mark.parametrize("callback", [Stops(), Notes()])
def test_a_callback_that_only_looks_is_stacked(settings, callback):
    clf = TorchClassifier(epochs=3, random_state=0).set_params(**settings).set_callbacks(callback)
    with fused() as run:
        assert warnings_of(clf) == ""
        cross_val_score(clf, X, y, cv=3)
    assert run.batches[-1] == 3


def test_words_that_a_callback_and_a_loss_have_in_common_say_nothing():
    clf = TorchClassifier(epochs=3, random_state=0, loss=by_logarithm).set_callbacks(Notes())
    with fused() as run:
        cross_val_score(clf, X, y, cv=3)
    assert run.batches == [3]


# Functions that keep something in some batches only -----------------------------------------------

RARE = {"seen": 0}


class Seldom:
    seen = 0

    def __call__(self, X):
        if (X[1:] > 8).any():
            self.seen += 1
        return X * (1 + 0.1 * self.seen)


class LastBatch:
    """A loss that keeps something in the last batch of an epoch of 45 rows only."""

    seen = 0

    def __call__(self, outputs, y):
        if len(y) == 13 and outputs.requires_grad:
            self.seen += 1
        return cross_entropy(outputs, y) * (1 + self.seen)


def test_an_augmentation_that_keeps_something_in_some_batches_is_alone():
    few = X.copy()
    few[69] = 9.0
    clf = TorchClassifier(epochs=4, batch_size=8, random_state=3, augment=Seldom())
    told = warnings_of(clf, few, grid=[{"epochs": 2}, {"epochs": 3}, {"epochs": 5}])
    assert "its augment keeps something between batches" in told


def test_a_loss_that_keeps_something_in_some_batches_is_alone():
    clf = clone(CLASSIFIER).set_params(loss=LastBatch())
    assert "its loss keeps something between batches" in warnings_of(clf)


class Centred:
    """A loss that keeps a running mean of the outputs."""

    def __init__(self):
        self.mean = torch.zeros(2, dtype=torch.float64)

    def __call__(self, outputs, y):
        self.mean.mul_(0.9).add_(0.1 * outputs.detach().mean(0))
        return cross_entropy(outputs - self.mean, y)


def of_negative_outputs(outputs, y):
    if (outputs < 0).any():
        RARE["seen"] += 1
    return cross_entropy(outputs, y) * (1 + RARE["seen"])


def noisy(outputs, y):
    return cross_entropy(outputs + torch.randn_like(outputs), y)


@pytest.mark.parametrize("loss", [Centred(), of_negative_outputs])
def test_a_loss_is_as_it_was_after_it_was_tried(loss):
    clf = clone(CLASSIFIER).set_params(loss=loss)
    told = warnings_of(clf, grid=[{"lr": 0.01}], reset=lambda: RARE.update(seen=0))
    assert "its loss keeps something between batches" in told


def test_a_loss_that_is_tried_draws_for_itself():
    def fit_and_draw():
        clone(CLASSIFIER).set_params(loss=noisy).fit(X, y)
        return torch.rand(1).item(), np.random.rand()

    drawn = []
    for block in (nullcontext, fused):
        torch.manual_seed(0)
        np.random.seed(0)
        with warnings.catch_warnings(action="ignore"), block():
            drawn.append(Parallel()(delayed(fit_and_draw)() for _ in range(3)))
    assert drawn[0] == drawn[1]


# Variables that cannot be compared as a whole, and large ones -------------------------------------

LOCKED = {"lock": threading.Lock(), "scale": 1.0}


class WithLock:
    def __init__(self):
        self.lock, self.scale = LOCKED["lock"], 1.0


WITH_LOCK, COUNTS, NUMBERS = WithLock(), torch.zeros(2**20 + 1), np.zeros(2**20 + 1)


class CountsInTable(Scaled):
    def forward(self, X):
        LOCKED["scale"] += self.training
        return self.layer(X) / LOCKED["scale"]


class CountsInTensor(Scaled):
    def forward(self, X):
        COUNTS[3] += self.training
        return self.layer(X) / (1 + COUNTS[3])


class CountsInArray(Scaled):
    def forward(self, X):
        NUMBERS[3] += self.training
        return self.layer(X) / (1 + NUMBERS[3])


def reset_outside():
    LOCKED["scale"] = WITH_LOCK.scale = 1.0
    COUNTS.zero_()
    NUMBERS[:] = 0


@pytest.mark.parametrize(
    "module, name",
    [(CountsInTable, "LOCKED"), (CountsInTensor, "COUNTS"), (CountsInArray, "NUMBERS")],
)
def test_what_is_counted_outside_is_seen(module, name):
    clf = TorchClassifier(module, epochs=3, random_state=0)
    told = warnings_of(clf, reset=reset_outside)
    assert f"it keeps `{name}`, a variable outside of it" in told


class ReadsTable(Scaled):
    def __init__(self, n_features, n_outputs, scale=1.0):
        super().__init__(n_features, n_outputs)
        LOCKED["scale"] = scale

    def forward(self, X):
        return self.layer(X) * LOCKED["scale"] if X.max() > 9 else self.layer(X)


class ReadsObject(Scaled):
    def __init__(self, n_features, n_outputs, scale=1.0):
        super().__init__(n_features, n_outputs)
        WITH_LOCK.scale = scale

    def forward(self, X):
        return self.layer(X) * WITH_LOCK.scale if X.max() > 9 else self.layer(X)


ONE = OTHER = 1.0


def times_one(outputs, y):
    return cross_entropy(outputs, y) * ONE


def times_other(outputs, y):
    return cross_entropy(outputs, y) * OTHER


class SetsOther(Scaled):
    def __init__(self, n_features, n_outputs, scale=1.0):
        global OTHER
        super().__init__(n_features, n_outputs)
        OTHER = scale


def outcomes(clf, grid):
    with fused():
        return fit_all(clf, X, y, grid)


@pytest.mark.parametrize("module, name", [(ReadsTable, "LOCKED"), (ReadsObject, "WITH_LOCK")])
def test_settings_beside_a_lock_are_seen(module, name):
    """The answers do not tell: the rows that a network is asked with are small."""
    clf = TorchClassifier(module, epochs=1, random_state=0)
    found = outcomes(clf, [{"module__scale": 1.0}, {"module__scale": 2.0}])
    reset_outside()
    assert f"reads `{name}`" in found[0]


def test_each_function_has_places_of_its_own():
    clf = TorchClassifier(SetsOther, epochs=1, random_state=0)
    grid = [
        {"loss": partial(times_one)},
        *({"loss": partial(times_other), "module__scale": s} for s in (1.0, 2.0)),
    ]
    found = outcomes(clf, grid)
    assert "reads `OTHER`" in found[3]


# Codes out of range ------------------------------------------------------------------------------


def one_hot(codes):
    return F.one_hot(codes, 5).double()


def filled(codes):
    return torch.ones(len(codes), 5, dtype=torch.float64).index_fill(1, codes.min().view(1), 0.0)


class Coded(nn.Module):
    function = staticmethod(one_hot)

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.layer = nn.Linear(5, n_outputs)

    def forward(self, X):
        return self.layer(type(self).function(X[:, 0].long()))


class Filled(Coded):
    function = staticmethod(filled)


def loss_of_codes(outputs, y):
    return (outputs - one_hot(y.long()).sum(-1)).square()


@pytest.mark.parametrize("code", [7, -1, -6])
@pytest.mark.parametrize("module", [Coded, Filled])
def test_codes_out_of_range_end_a_fit_as_alone(module, code):
    codes = np.tile(np.arange(70.0)[:, None] % 5, 6)
    codes[69, 0] = code
    warnings_of(TorchClassifier(module, epochs=1, batch_size=8, random_state=0), codes, y)


@pytest.mark.parametrize("code", [7, -1])
def test_codes_out_of_range_in_a_loss_end_a_fit_as_alone(code):
    codes = np.arange(70.0) % 5
    codes[69] = code
    reg = TorchRegressor(epochs=1, batch_size=8, random_state=0, loss=loss_of_codes)
    warnings_of(reg, X, codes)


# What vmap hides ---------------------------------------------------------------------------------


def clipped(gradient):
    return gradient.clamp(-0.01, 0.01)


class Hooked(nn.Module):
    """Clips gradients, which are too small for it in the first epochs."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.one, self.two = nn.Linear(n_features, 8), nn.Linear(8, n_outputs)
        for parameter in self.two.parameters():
            parameter.data.mul_(0.05)

    def has_gradient(self, hidden):
        return hidden.requires_grad

    def forward(self, X):
        hidden = torch.tanh(self.one(X))
        if self.has_gradient(hidden):
            hidden.register_hook(clipped)
        return self.two(hidden)


class HookedByFunction(Hooked):
    def has_gradient(self, hidden):
        return hidden.grad_fn is not None


class HookedByLeaf(Hooked):
    def has_gradient(self, hidden):
        return not hidden.is_leaf


class Limited(Hooked):
    """Limits weights, which are within the limits at first."""

    def forward(self, X):
        for parameter in vars(self.two)["_parameters"].values():
            if isinstance(parameter, nn.Parameter):
                with torch.no_grad():
                    parameter.clamp_(-0.3, 0.3)
        return self.two(torch.tanh(self.one(X)))


class Penalised(Hooked):
    def forward(self, X):
        trained = [p for p in self.parameters() if p.requires_grad]
        return self.two(torch.tanh(self.one(X))) * sum(p.norm() for p in trained)


@pytest.mark.slow
@pytest.mark.parametrize("module", [Hooked, HookedByFunction, HookedByLeaf, Limited])
def test_what_has_an_effect_late_has_it_in_a_stack(module):
    clf = TorchClassifier(module, optimizer="sgd", epochs=20, batch_size=8, random_state=0)
    told = warnings_of(clf, grid=[{"lr": 0.05}, {"lr": 0.3}])
    assert "register a hook" in told if module is not Limited else told == ""


class Scaling(Hooked):
    """Divides by the spread of the rows as soon as it is large."""

    def forward(self, X):
        hidden = self.one(X)
        return self.two(torch.tanh(hidden / hidden.detach().std(0).clamp(min=4.0)))


class Negating:
    """A loss that turns round, as flooding does, as soon as its mean is small."""

    def __call__(self, outputs, y):
        losses = cross_entropy(outputs, y)
        return losses * (losses.detach().mean() - 0.05).sign()


@pytest.mark.parametrize("settings", [{"module": Scaling}, {"loss": Negating()}])
def test_rows_that_will_depend_on_each_other_are_not_filled_up(settings):
    clf = TorchClassifier(epochs=4, batch_size=16, random_state=0).set_params(**settings)
    told = warnings_of(clf, grid=[{"lr": 0.01}])
    assert "its rows depend on each other in training" in told


def test_code_may_ask_what_is_trained():
    assert warnings_of(TorchClassifier(Penalised, epochs=3, random_state=0)) == ""


# Copies ------------------------------------------------------------------------------------------


def test_a_copy_of_a_network_in_a_stack_has_its_own_buffers_alone():
    network = nn.BatchNorm1d(3)
    network.running_mean.data = torch.arange(300.0).view(100, 3)[7]
    copied = copy_network(network, "")
    assert copied.running_mean.tolist() == [21, 22, 23]
    assert copied.running_mean.untyped_storage().nbytes() == 12
    assert copy.deepcopy(copied).running_mean.tolist() == [21, 22, 23]


class SlottedSeldom:
    __slots__ = ("seen",)

    def __init__(self):
        self.seen = 0

    def __call__(self, X):
        return counted(X, vars_of=self)

    def __deepcopy__(self, memo):
        new = SlottedSeldom()
        new.seen = self.seen
        return new


def counted(X, vars_of):
    if (X[1:] > 4).any():
        vars_of.seen += 1
    return X * (1 + 0.1 * vars_of.seen)


class Bag:
    def __init__(self):
        self.seen = 0

    def call(self, X):
        return counted(X, self)


def in_a_table(X, table):
    if (X[1:] > 4).any():
        table["seen"] += 1
    return X * (1 + 0.1 * table["seen"])


FORMS = {
    "method": lambda: Bag().call,
    "partial": lambda: partial(in_a_table, table={"seen": 0}),
    "slots": SlottedSeldom,
}


@pytest.mark.parametrize("form", FORMS)
def test_what_was_kept_is_put_back_in_any_form(form):
    far = X.copy()
    far[[25, 50]] = 9  # in the first batches of some folds only, and not first in any

    def fit(i):
        one = clone(CLASSIFIER).set_params(augment=FORMS[form](), random_state=i)
        try:
            return one.fit(far, y).history_
        except ValueError as error:
            return str(error)

    plain = [fit(i) for i in range(4)]
    with warnings.catch_warnings(), fused():
        warnings.simplefilter("ignore")
        assert Parallel()(delayed(fit)(i) for i in range(4)) == plain


def test_a_copy_keeps_buffers_that_share_memory():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("stats", torch.zeros(4))
            self.register_buffer("first", self.stats[:2])

    copied = copy_network(Tied(), "")
    copied.stats.add_(1)
    assert copied.first.tolist() == [1, 1]


def test_a_table_of_inference_mode_is_read():
    with torch.inference_mode():
        table = torch.ones(2**20 + 1)

    class Reads(nn.Linear):
        def forward(self, X):
            return super().forward(X) * table[0].item()

    assert "version" not in warnings_of(TorchClassifier(Reads, epochs=2, random_state=0))
