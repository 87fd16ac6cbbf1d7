"""loss=, schedule= and clip= under `fused()`: as alone, whatever is mixed in one search."""

import threading
import warnings
from itertools import cycle, product

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV
from torch import nn
from torch.nn import functional as F

from helpers import TorchClassifier, TorchRegressor, fused
from helpers.fusing.parts import Pace
from helpers.fusing.recovery import train_slots
from tests.fusing.test_fused_augment import both_ways, copies, weights

pytestmark = pytest.mark.slow  # some seconds, or many

X, y = make_classification(90, 5, n_informative=4, n_classes=3, n_redundant=0, random_state=0)
CLF = TorchClassifier(epochs=4, random_state=0, module__hidden=6)
UNEQUAL = [slice(0, 80), slice(0, 73), slice(5, 85)]


def focal(outputs, y, gamma=2.0):
    losses = F.cross_entropy(outputs, y, reduction="none")
    return (1 - torch.exp(-losses)) ** gamma * losses


def absolute(outputs, y):
    return (outputs - y).abs()


def linear(done):
    return 1 - done


def warm(done):
    return 10 * done if done < 0.1 else 1


# Losses


@pytest.mark.parametrize("batch_size", [None, 16])
@pytest.mark.parametrize(
    "model", [CLF, TorchRegressor(epochs=4, random_state=0, module__dropout=0.2)]
)
@pytest.mark.parametrize("patience", [None, 2])
def test_a_loss_is_that_of_each_network(model, batch_size, patience):
    loss = focal if isinstance(model, TorchClassifier) else absolute
    model = clone(model).set_params(loss=loss, batch_size=batch_size, patience=patience)
    for parts in (None, UNEQUAL):
        _, batches, told = both_ways(copies(model, lr=(0.01, 0.02, 0.1)), parts)
        assert batches == [3]
        assert not told


class Focal:
    """What a clone copies: equal by content."""

    def __init__(self, gamma):
        self.gamma = gamma

    def __call__(self, outputs, y):
        return focal(outputs, y, self.gamma)


def test_losses_are_told_apart_by_content():
    module = nn.CrossEntropyLoss(label_smoothing=0.1, reduction="none")
    losses = [Focal(1.0), Focal(1.0), Focal(3.0), Focal(3.0), module, module, None, None]
    losses += [lambda o, y, g=g: focal(o, y, g) for g in (0.5, 0.5, 4.0, 4.0)]
    _, batches, told = both_ways(copies(CLF, loss=losses))
    assert batches == [2] * 6
    assert not told


def test_class_weights_and_weights_of_rows():
    clf = clone(CLF).set_params(loss=focal, class_weight="balanced", batch_size=25)
    weight = np.arange(90) % 3

    def fit(lr):
        return weights(clone(clf).set_params(lr=lr).fit(X, y, sample_weight=weight))

    plain = [fit(lr) for lr in (0.01, 0.1)]
    with fused() as run:
        together = Parallel()(delayed(fit)(lr) for lr in (0.01, 0.1))
    assert run.batches == [2]
    np.testing.assert_allclose(together, plain, rtol=0, atol=1e-10)


def centred(outputs, y):
    losses = F.cross_entropy(outputs, y, reduction="none")
    return losses + (losses - losses.mean()) ** 2


def test_a_loss_that_mixes_rows_is_stacked_where_all_have_as_many():
    fits = copies(clone(CLF).set_params(loss=centred), lr=(0.01, 0.02, 0.03))
    _, batches, told = both_ways(fits)
    assert batches == [3]
    _, batches, told = both_ways(fits, UNEQUAL)
    assert batches == [2, 1]
    assert "its rows depend on each other in training" in told[0]


class Annealed:
    """Keeps a count of its calls, on which the loss depends."""

    def __init__(self):
        self.calls = 0

    def __call__(self, outputs, y):
        self.calls += 1
        return focal(outputs, y) * (1 + self.calls / 10)


def annealed_in_a_closure():
    calls = [0]

    def annealed(outputs, y):
        calls[0] += 1
        return focal(outputs, y) * (1 + calls[0] / 10)

    return annealed


def noisy(outputs, y):
    return focal(outputs, y) * torch.rand(len(y), dtype=outputs.dtype)


def branching(outputs, y):
    return focal(outputs, y) if outputs.max() > 0 else focal(2 * outputs, y)


def through_numpy(outputs, y):
    return focal(outputs, y) * torch.from_numpy(1.0 + y.numpy())


@pytest.mark.parametrize(
    "loss, reason",
    [
        (Annealed(), "its loss keeps something between batches"),
        (noisy, "random"),
        (branching, "vmap"),
        (through_numpy, "vmap|stack of it fails"),
    ],
)
def test_what_cannot_be_stacked_is_alone_and_the_same(loss, reason):
    _, batches, told = both_ways(copies(clone(CLF).set_params(loss=loss), lr=(0.01, 0.02)))
    assert batches == [1, 1]
    assert len(told) == 1
    with pytest.warns(UserWarning, match=reason):
        warnings.warn(told[0], stacklevel=1)


def test_the_look_at_a_loss_leaves_what_it_encloses():
    def fits():
        loss = annealed_in_a_closure()  # one for both, in this order
        return [clone(CLF).set_params(loss=loss, lr=lr) for lr in (0.01, 0.02)]

    plain = [weights(clf.fit(X, y)) for clf in fits()]
    with pytest.warns(UserWarning, match="its loss keeps something"), fused() as run:
        together = Parallel()(delayed(clf.fit)(X, y) for clf in fits())
    assert run.batches == [1, 1]
    np.testing.assert_array_equal([weights(clf) for clf in together], plain)


def smoothed(outputs, y):
    return F.cross_entropy(outputs, y, reduction="none", label_smoothing=smoothed.share)


def test_the_look_at_a_loss_leaves_its_attributes():
    smoothed.share = 0.3
    _, batches, told = both_ways(copies(clone(CLF).set_params(loss=smoothed), lr=(0.01, 0.02)))
    assert batches == [2]
    assert not told
    assert smoothed.share == 0.3


def test_one_that_cannot_be_compared_is_alone():
    lock = threading.Lock()
    loss = lambda outputs, y: focal(outputs, y) if lock else None  # noqa: E731
    _, batches, told = both_ways(copies(clone(CLF).set_params(loss=loss), lr=(0.01, 0.02)))
    assert batches == [1, 1]
    assert "its loss cannot be compared with that of another fit (TypeError" in told[0]


@pytest.mark.parametrize("loss", [F.cross_entropy, lambda outputs, y: outputs.no_such_method()])
def test_an_error_reaches_each_task_as_it_is(loss):
    def fit(clf):
        try:
            return clf.fit(X, y)
        except Exception as error:
            return f"{type(error).__name__}: {error} {getattr(error, '__notes__', '')}"

    fits = copies(CLF, loss=(loss, focal, loss))
    plain = [fit(clone(clf)) for clf in fits]
    with warnings.catch_warnings(), fused():
        warnings.simplefilter("ignore")
        together = Parallel()(delayed(fit)(clf) for clf in fits)
    assert together[0] == plain[0] == plain[2] == together[2]
    np.testing.assert_array_equal(weights(together[1]), weights(plain[1]))


# Schedules and clipping


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "rmsprop", "sgd"])
@pytest.mark.parametrize("batch_size", [None, 30])
def test_schedules_and_clips_are_mixed_in_one_stack(optimizer, batch_size):
    clf = clone(CLF).set_params(optimizer=optimizer, batch_size=batch_size, weight_decay=0.01)
    schedules = [None, linear, warm, lambda done: float(done > 0.5)]
    rates = cycle([0.01, 0.02, 0.05, 0.1, 0.2])  # five, so that each rate meets each other value
    grid = [
        {"schedule": [schedule], "clip": [clip], "epochs": [epochs], "patience": [patience]}
        | {"lr": [next(rates)]}
        for schedule, clip, epochs, patience in product(
            schedules, [None, 0.01, 0.5], [3, 5], [None, 2]
        )
    ]
    search = GridSearchCV(clf, grid, cv=2, scoring="neg_log_loss", refit=False)
    plain = search.fit(X, y).cv_results_["mean_test_score"]
    with fused() as run:
        found = search.fit(X, y).cv_results_["mean_test_score"]
    np.testing.assert_allclose(found, plain, rtol=0, atol=1e-10)
    assert run.batches == [48, 48]


def test_a_grid_over_epochs_is_one_training_only_without_a_schedule(monkeypatch):
    slots = []
    monkeypatch.setattr(
        "helpers.fusing.grouping.train_slots",
        lambda found, *rest: (slots.append(len(found)), train_slots(found, *rest)),
    )
    for schedule, n_slots in ((None, 1), (linear, 4), (lambda done: 0.5, 4)):
        clf = clone(CLF).set_params(schedule=schedule, batch_size=30)
        _, batches, _ = both_ways(copies(clf, epochs=(0, 1, 2, 5)))
        assert batches == [4]
        assert slots.pop() == n_slots
    _, batches, _ = both_ways(copies(CLF, clip=(None, 0.1, 0.1, 0.2)))
    assert slots.pop() == 3


def test_tied_and_lonely_parameters_are_clipped_once():
    class Tied(nn.Module):
        def __init__(self, n_features, n_outputs):
            super().__init__()
            self.one, self.two = nn.Linear(n_features, 6), nn.Linear(6, 6)
            self.three, self.last = nn.Linear(6, 6), nn.Linear(6, n_outputs)
            self.three.weight = self.two.weight
            self.gate, self.unused = nn.Parameter(torch.ones(())), nn.Parameter(torch.ones(2))

        def forward(self, X):
            hidden = torch.relu(self.two(self.one(X)))
            return self.last(self.three(hidden) * self.gate)

    clf = TorchClassifier(Tied, epochs=4, random_state=0)
    _, batches, told = both_ways(copies(clf, clip=(0.05, 0.5, None)))
    assert batches == [3]
    assert not told


def test_a_stack_in_parts(monkeypatch):
    monkeypatch.setattr(Pace, "note", lambda pace, wall, cpu: [32])
    grid = {"lr": np.geomspace(0.01, 0.1, 4), "clip": [None, 0.1], "schedule": [None, linear, warm]}
    clf = clone(CLF).set_params(loss=focal, batch_size=30)
    search = GridSearchCV(clf, grid, cv=3, scoring="neg_log_loss", refit=False)
    plain = search.fit(X, y).cv_results_["mean_test_score"]
    with fused() as run:
        found = search.fit(X, y).cv_results_["mean_test_score"]
    assert run.batches == [72]
    np.testing.assert_allclose(found, plain, rtol=0, atol=1e-10)


def test_a_wrong_schedule_fails_alone():
    wrong = lambda done: done - 1  # noqa: E731
    search = GridSearchCV(CLF, {"schedule": [None, linear, wrong]}, cv=3, refit=False)
    with pytest.warns(Warning, match="3 fits failed"), fused():
        warnings.filterwarnings("ignore", "One or more of the test scores")
        search.fit(X, y)
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [False, False, True]
