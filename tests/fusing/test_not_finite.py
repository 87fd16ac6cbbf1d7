"""What is not finite stays so and is told as in the loop; draws are those of each fit."""

import contextlib
import warnings

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.datasets import make_classification, make_regression
from torch import nn

from helpers import TorchClassifier, TorchRegressor, fused
from tests.fusing import Callback
from tests.networks import Net

pytestmark = pytest.mark.slow

X, y = make_classification(70, 6, n_informative=4, n_classes=3, random_state=0)
X_numbers, y_numbers = make_regression(70, 6, n_informative=4, random_state=0)
y_numbers /= y_numbers.std()


def fit(clf, X, y):
    """Return the weights and losses of a fit, or its error as a text."""
    try:
        clf = clone(clf).fit(X, y)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return [p.tolist() for p in clf.module_.state_dict().values()], clf.history_


def both_ways(fits):
    """Run fits, each (estimator, X, y), in the loop and under `fused`.

    Returns
    -------
    plain, found : list
        What `fit` returns.
    told : list of str
        The warnings under `fused`.
    run : helpers.fusing.Run
    """
    outcomes = []
    for block in (contextlib.nullcontext, fused):
        with warnings.catch_warnings(record=True) as caught, block() as run:
            warnings.simplefilter("always")
            outcomes.append(Parallel()(delayed(fit)(*one) for one in fits))
    return *outcomes, [str(one.message) for one in caught], run


def assert_equal(found, plain):
    for one, other in zip(found, plain, strict=True):
        if isinstance(other, str):
            assert one == other
            continue
        for weight, expected in zip(one[0], other[0], strict=True):
            np.testing.assert_allclose(weight, expected, rtol=1e-9, atol=1e-9)
        for row, expected in zip(one[1], other[1], strict=True):
            assert row == pytest.approx(expected, rel=1e-10, abs=1e-10, nan_ok=True)


def assert_stacked(fits):
    plain, found, told, run = both_ways(fits)
    assert_equal(found, plain)
    assert told == [] and run.batches == [len(fits)]
    return plain


# What is not finite -------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [None, 16])
@pytest.mark.parametrize("factors", [(1e200, 1), (1, 1e200)])
def test_a_loss_that_is_infinite_at_once_is_told_as_in_the_loop(batch_size, factors):
    """The fits that have it are none of those that a trial looks at."""
    reg = TorchRegressor(epochs=3, batch_size=batch_size, random_state=0)
    of_X, of_y = factors
    large = X_numbers * of_X, y_numbers * of_y
    data = [large if i in (2, 5) else (X_numbers, y_numbers) for i in range(8)]
    plain = assert_stacked([(reg, *one) for one in data])
    assert "before the first step" in plain[2] and isinstance(plain[0], tuple)


class Masked(nn.Module):
    """Attention that does not look ahead."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.into, self.out = nn.Linear(1, 4), nn.Linear(4, n_outputs)
        self.register_buffer("mask", torch.full((n_features, n_features), -torch.inf).triu(1))

    def forward(self, X):
        hidden = self.into(X.unsqueeze(-1))
        attention = (hidden @ hidden.mT + self.mask).softmax(-1)
        return self.out((attention @ hidden)[:, -1])


class NotYetKnown(Net):
    def __init__(self, n_features, n_outputs):
        super().__init__(n_features, n_outputs)
        self.register_buffer("mean", torch.full((n_features,), torch.nan))

    def forward(self, X):
        return super().forward(torch.where(self.mean.isnan(), X, X - self.mean))


class NotEverywhere(Net):
    def forward(self, X):
        outputs = super().forward(X)
        return outputs if self.training else torch.where(X[:, :1] > 1, torch.nan, outputs)


@pytest.mark.parametrize("module", [Masked, NotYetKnown, NotEverywhere])
def test_what_is_not_finite_stays_so(module):
    clf = TorchClassifier(module, epochs=3, batch_size=16, random_state=0)
    assert_stacked(
        [(clone(clf).set_params(lr=lr), X[:n], y[:n]) for lr in (0.01, 0.1) for n in (67, 70)]
    )


class Last:
    """Validates on the last rows."""

    def __init__(self, n):
        self.n = n

    def get_n_splits(self, X=None, y=None, groups=None):
        return 1

    def split(self, X, y=None, groups=None):
        numbers = np.arange(len(X))
        yield numbers[: -self.n], numbers[-self.n :]


def of_logarithms(outputs, y):
    return (outputs - y.log()).square()


def test_an_infinite_loss_of_validation_rows_is_told_as_in_the_loop():
    values = abs(y_numbers) + 0.1
    values[-1] = 0
    reg = TorchRegressor(epochs=3, patience=3, loss=of_logarithms, random_state=0)
    fits = [
        (clone(reg).set_params(validation_fraction=Last(n)), X_numbers, values) for n in (10, 12)
    ]
    plain = assert_stacked(fits)
    assert all("No epoch can be chosen" in told and "was inf" in told for told in plain)


# What torch has compiled --------------------------------------------------------------------------


@torch.compile(backend="eager")
def doubled(X):
    return 2 * torch.tanh(X)


class Compiled(Net):
    def forward(self, X):
        return self.out(doubled(self.hidden(X)))


@torch.compile(backend="eager")
def cross_entropy(outputs, y):
    return nn.functional.cross_entropy(outputs, y, reduction="none")


@pytest.mark.parametrize("settings", [{"module": Compiled}, {"module": Net, "loss": cross_entropy}])
def test_the_variables_of_torchs_compiler_are_not_the_users(settings):
    clf = TorchClassifier(epochs=3, batch_size=16, random_state=0, **settings)
    assert_stacked([(clone(clf).set_params(lr=lr), X, y) for lr in (0.01, 0.1)])


# Warnings -----------------------------------------------------------------------------------------


class Warns(Net):
    def forward(self, X):
        if not self.training:
            warnings.warn("evaluation", stacklevel=2)
        return super().forward(X)


def test_a_network_that_is_only_looked_at_warns_of_nothing():
    clf = TorchClassifier(Warns, epochs=3, random_state=0)
    fits = [(clone(clf).set_params(lr=lr), X, y) for lr in (0.01, 0.1)]
    *_, told, run = both_ways(fits)
    assert run.batches == [2]
    assert told.count("evaluation") == 2  # one for each fit, when its outputs are checked


# Generators ---------------------------------------------------------------------------------------


def by_numpy(X):
    return X + torch.from_numpy(np.random.normal(size=X.shape))


def test_an_augmentation_that_draws_from_numpy_leaves_its_generator_as_in_the_loop():
    clf = TorchClassifier(epochs=2, augment=by_numpy, random_state=0)
    np.random.seed(0)
    plain, found, *_ = both_ways([(clone(clf).set_params(lr=lr), X, y) for lr in (0.01, 0.1)])
    drawn = np.random.rand()
    np.random.seed(0)
    assert found == plain and "same rows" in plain[0]
    assert drawn == np.random.rand()


class StopsByChance(Callback):
    def on_fit_task_end(self, estimator, context, **_):
        return context.task_name == "epoch" and np.random.rand() < 0.3


class StopsByAnotherName(Callback):
    def on_fit_task_end(self, estimator, context, **_):
        return context.task_name == "epoch" and torch.normal(0.0, 1.0, (1,)).item() > 1


class StopsInAGenerator(Callback):
    def on_fit_task_end(self, estimator, context, **_):
        draws = (np.random.rand() for _ in range(2))
        return context.task_name == "epoch" and max(draws) < 0.5


@pytest.mark.parametrize("callback", [StopsByChance, StopsByAnotherName, StopsInAGenerator])
def test_what_a_callback_draws_is_that_of_its_fit(callback):
    clf = TorchClassifier(epochs=20, random_state=0).set_callbacks(callback())
    plain, found, told, run = both_ways(
        [(clone(clf).set_params(lr=lr), X, y) for lr in (0.01, 0.1)]
    )
    assert_equal(found, plain)
    assert len(plain[0][1]) < 20 and run.batches == [1, 1]
    assert ["a callback may draw random numbers" in text for text in told] == [True]


# Rows that are padding ----------------------------------------------------------------------------


class CentresLate(Net):
    """Centres the rows of a batch from its 31st on."""

    def __init__(self, n_features, n_outputs):
        super().__init__(n_features, n_outputs)
        self.register_buffer("n", torch.tensor(0))

    def forward(self, X):
        if self.training:
            self.n += 1
        hidden = torch.tanh(self.hidden(X))
        return self.out(torch.where(self.n > 30, hidden - hidden.mean(0), hidden))


class CentresLarge(Net):
    def forward(self, X):
        hidden = self.hidden(X)
        return self.out(torch.where(hidden.abs().mean() > 1.2, torch.tanh(hidden), hidden))


class KeepsLate(CentresLate):
    def __init__(self, n_features, n_outputs):
        super().__init__(n_features, n_outputs)
        self.register_buffer("mean", torch.zeros(5))

    def forward(self, X):
        hidden = torch.tanh(self.hidden(X))
        if self.training:
            self.n += 1
            self.mean.copy_(torch.where(self.n > 30, hidden.detach().mean(0), self.mean))
        return self.out(hidden - self.mean)


def doubled_late(outputs, y):
    losses = nn.functional.cross_entropy(outputs, y, reduction="none")
    return torch.where(losses.mean() < 0.5, losses * 2, losses)


class CentresLateBesideNan(CentresLate):
    def __init__(self, n_features, n_outputs):
        super().__init__(n_features, n_outputs)
        self.register_buffer("unused", torch.full((3,), torch.nan))


def by_accuracy(outputs, y):
    """What is compared with something is no number that could be nan."""
    losses = nn.functional.cross_entropy(outputs, y, reduction="none")
    is_right = outputs.argmax(1) == y
    return torch.where(is_right.double().mean() > 0.6, losses * 0.1, losses)


@pytest.mark.parametrize(
    "settings",
    [{"module": CentresLate}, {"module": CentresLarge}, {"module": KeepsLate}]
    + [{"module": CentresLateBesideNan}, {"loss": doubled_late}, {"loss": by_accuracy}],
)
def test_rows_that_act_on_each_other_late_are_not_padded(settings):
    clf = TorchClassifier(epochs=15, batch_size=16, lr=0.1, random_state=0, **settings)
    fits = [(clone(clf).set_params(lr=lr), X[:n], y[:n]) for lr in (0.01, 0.1) for n in (70, 67)]
    plain, found, _, run = both_ways(fits)
    assert_equal(found, plain)
    assert run.batches == [2, 2]


class TimeFirst(nn.Module):
    """Attention along a row, with the rows as the second axis."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.into, self.attention = nn.Linear(1, 4), nn.MultiheadAttention(4, 2)
        self.out = nn.Linear(4, n_outputs)

    def forward(self, X):
        hidden = self.into(X.T.unsqueeze(-1))
        return self.out(self.attention(hidden, hidden, hidden)[0].mean(0))


class RowsBetween(TimeFirst):
    """Flattens axes before and after that of the rows."""

    def forward(self, X):
        return self.out(self.into(X.T[:, :, None, None].repeat(1, 1, 2, 1)).mean((0, 2)))


@pytest.mark.parametrize("module", [TimeFirst, RowsBetween])
def test_rows_on_any_axis_are_padded(module):
    clf = TorchClassifier(module, epochs=2, batch_size=16, random_state=0)
    assert_stacked([(clf, X[:n], y[:n]) for n in (70, 67)])
