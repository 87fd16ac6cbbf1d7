"""What is not shown to be the same in a stack is trained alone, and the warning says why."""

import copy
import random
import warnings
from itertools import pairwise

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.datasets import make_classification
from torch import nn
from torch.nn import functional as F

from helpers import MLP, TorchClassifier, fused
from helpers.fusing import comparison
from helpers.fusing.comparison import ROWS_DEPEND
from helpers.fusing.trial import trial_step
from helpers.jobs import Job
from tests.fusing import zoo

X, y = make_classification(60, 6, n_informative=4, n_classes=3, random_state=0)
PARTS = [slice(0, 40), slice(0, 41), slice(5, 47), slice(17, 60)]


def fit_all(recipe, seeds=(0, 0, 1, 2), **settings):
    """Fit a network on four parts of the rows; return what each fit, or its error, left."""
    zoo.reset()
    clf = TorchClassifier(recipe, epochs=4, lr=0.02, **settings)

    def fit(seed, part):
        try:
            return clone(clf).set_params(random_state=seed).fit(X[part], y[part])
        except Exception as error:
            return str(error)

    fits = Parallel()(delayed(fit)(*one) for one in zip(seeds, PARTS, strict=True))
    return fits, (zoo.CALLS, len(zoo.SEEN), zoo.CountingOnTheClass.calls)


def state(fitted):
    return [t.detach().clone() for t in fitted.module_.state_dict().values()]


of_settings = pytest.mark.parametrize(
    "settings",
    [
        pytest.param({}, id="full"),
        pytest.param({"batch_size": 8}, id="batches", marks=pytest.mark.slow),
        pytest.param({"patience": 2}, id="patience", marks=pytest.mark.slow),
    ],
)


@pytest.mark.slow
@of_settings
@pytest.mark.parametrize("name", zoo.STACKED)
def test_what_is_stacked_agrees_with_the_loop(name, settings):
    plain, _ = fit_all(zoo.STACKED[name], **settings)
    with fused() as run:
        together, _ = fit_all(zoo.STACKED[name], **settings)
    assert max(run.batches) > 1
    for one, other in zip(plain, together, strict=True):
        for expected, found in zip(state(one), state(other), strict=True):
            # Adam turns rounding into a step where a gradient is 0, as attention's are.
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)


@pytest.mark.slow
@of_settings
@pytest.mark.parametrize("name", zoo.ALONE)
@pytest.mark.filterwarnings("ignore")  # torch's own, about hooks and scripts
def test_what_is_not_stacked_says_why(name, settings):
    recipe, reason = zoo.ALONE[name]
    plain, counted = fit_all(recipe, **settings)
    with fused() as run, pytest.warns(UserWarning, match="cannot be stacked") as record:
        together, counted_together = fit_all(recipe, **settings)
    told = [str(w.message) for w in record if "cannot be stacked" in str(w.message)]
    assert len(told) == 1
    assert reason in told[0]
    assert run.batches == [1] * 4
    assert counted == counted_together
    for one, other in zip(plain, together, strict=True):
        if isinstance(one, str):
            assert one == other
        else:
            assert all(map(torch.equal, state(one), state(other)))


def make_jobs(recipe, n_rows=(20, 19), **settings):
    jobs = []
    for i, n in enumerate(n_rows):
        torch.manual_seed(i)
        jobs.append(
            Job(
                network=recipe(6, 3).double(),
                X=torch.from_numpy(X[i : i + n]),
                y=torch.from_numpy(y[i : i + n]),
                rows=torch.arange(n),
                loss=F.cross_entropy,
                **{"weight": None, "optimizer": "adam", "lr": 0.01, "epochs": 1},
                **({"batch_size": None, "weight_decay": 0.0, "n_outputs": 3} | settings),
            )
        )
    return jobs


class ClosureOverItself(zoo.Base):
    def prepare(self, n_features):
        self.encoder = lambda X: torch.tanh(self.one(X))

    def forward(self, X):
        return self.two(self.encoder(X))


class ClosureOverAWeight(zoo.Base):
    def prepare(self, n_features):
        weight = self.one.weight
        self.encoder = lambda X: torch.tanh(X @ weight.T)

    def forward(self, X):
        return self.two(self.encoder(X))


@pytest.mark.parametrize("recipe", [ClosureOverItself, ClosureOverAWeight])
def test_a_function_over_the_network_itself(recipe):
    assert "`encoder` is another in a copy" in trial_step(make_jobs(recipe))


def test_time_is_no_weight():
    assert "two equal training steps" in trial_step(make_jobs(zoo.Timed))


def test_an_error_of_the_network_itself_is_named():
    class Failing(zoo.Base):
        def forward(self, X):
            return super().forward(X) if not self.training else X[:, 99]

    reason = trial_step(make_jobs(Failing))
    assert reason.startswith("a training step of it fails: index 99")


@pytest.mark.slow
def test_rows_that_depend_are_stacked_where_none_is_padded():
    assert trial_step(make_jobs(zoo.CentredInTraining, (20, 20))) is None
    assert trial_step(make_jobs(zoo.CentredInTraining, (20, 19))) == ROWS_DEPEND
    parts = [slice(0, 40), slice(0, 41), slice(10, 50), slice(19, 60)]
    clf = TorchClassifier(zoo.CentredInTraining, epochs=4, random_state=0)

    def fit(part):
        return clone(clf).fit(X[part], y[part])

    plain = [fit(part) for part in parts]
    with fused() as run:
        together = Parallel()(delayed(fit)(part) for part in parts)
    assert run.batches == [2, 2]
    for one, other in zip(plain, together, strict=True):
        for expected, found in zip(state(one), state(other), strict=True):
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


def test_rows_are_padded_in_the_trial_if_they_are_for_any_fit():
    assert trial_step(make_jobs(zoo.CentredInTraining, (20, 19, 20, 20))) == ROWS_DEPEND


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [None, 1, 2, 8])
@pytest.mark.parametrize(
    "dtype", [torch.float64, pytest.param(torch.float32, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("n_rows", [(1, 1), (4, 3), pytest.param((20, 19), marks=pytest.mark.slow)])
def test_an_honest_network_is_not_refused(batch_size, dtype, n_rows):
    for recipe in (MLP, *map(zoo.STACKED.get, ("Attention", "Convolution", "GateOfZero"))):
        jobs = make_jobs(recipe, n_rows, batch_size=batch_size)
        for job in jobs:
            job.network.to(dtype)
            job.X = 100 * job.X.to(dtype)
        assert trial_step(jobs) is None


@pytest.mark.parametrize("weight", [0.0, 1e-30, 1e30])
def test_weights_of_any_size(weight):
    jobs = make_jobs(MLP)
    for job in jobs:
        for parameter in job.network.parameters():
            nn.init.constant_(parameter, weight)
    assert trial_step(jobs) in (None, "its loss is not a finite number in a trial step")


def test_a_wrong_network_is_seen_in_float32():
    class FirstWeight(zoo.Base):
        """Adds a hundredth of a weight that all networks of a stack would share."""

        def prepare(self, n_features):
            self.ones = [self.one.weight]

        def encode(self, X):
            return torch.tanh(self.one(X) + 0.01 * X @ self.ones[0].detach().T)

    jobs = make_jobs(FirstWeight)
    jobs[1].network.load_state_dict(jobs[0].network.state_dict())  # as one seed gives them
    for job in jobs:
        job.network.float()
        job.X = job.X.float()
    assert "when it is stacked" in trial_step(jobs)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [MLP, *(recipe for recipe, _ in zoo.ALONE.values())])
@pytest.mark.filterwarnings("ignore")
def test_a_trial_changes_nothing(recipe):
    zoo.reset()
    jobs = make_jobs(recipe)
    for job in jobs:
        job.network.eval()
        with torch.no_grad():
            job.network(job.X.clone())
    numbers = [[t.detach().clone() for t in (*j.network.state_dict().values(), j.X)] for j in jobs]
    seen = zoo.CALLS, list(zoo.SEEN), zoo.CountingOnTheClass.calls
    generators = torch.get_rng_state(), copy.deepcopy(np.random.get_state()), random.getstate()
    trial_step(jobs)
    for job, before in zip(jobs, numbers, strict=True):
        assert all(map(torch.equal, before, (*job.network.state_dict().values(), job.X)))
        assert not any(module.training for module in job.network.modules())
        assert all(parameter.grad is None for parameter in job.network.parameters())
    assert seen == (zoo.CALLS, zoo.SEEN, zoo.CountingOnTheClass.calls)
    assert torch.equal(generators[0], torch.get_rng_state())
    assert np.array_equal(generators[1][1], np.random.get_state()[1])
    assert generators[2] == random.getstate()


def four_norms(n_features, n_outputs):
    """BatchNorms, each of which divides by what few rows differ by after the one before."""
    widths = [n_features, 5, 5, n_features, 5, 5]
    layers = [nn.Sequential(nn.Linear(*pair), nn.BatchNorm1d(pair[1])) for pair in pairwise(widths)]
    layers[1].append(nn.ReLU())
    return nn.Sequential(*layers, nn.Tanh(), nn.Linear(5, n_outputs))


def fits_of_four_norms(dtype=np.float32):
    rows = np.random.RandomState(0).normal(size=(36, 1)).astype(dtype)
    clf = TorchClassifier(four_norms, epochs=2, batch_size=4, random_state=0)
    parts = rows[18:], rows[:18]
    fits = [(clone(clf).set_params(lr=lr), part) for lr in (0.01, 0.1) for part in parts]
    return Parallel()(delayed(model.fit)(part, np.arange(18) % 2) for model, part in fits)


@pytest.mark.slow
def test_rounding_that_batch_norm_makes_large_is_no_reason():
    with fused() as run, warnings.catch_warnings():
        warnings.simplefilter("error")
        fits_of_four_norms()
        together = fits_of_four_norms(np.float64)
    assert run.batches == [4, 4]
    for one, other in zip(together, fits_of_four_norms(np.float64), strict=True):
        for found, expected in zip(state(one), state(other), strict=True):
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@pytest.mark.slow
def test_rounding_that_is_too_large_is_told(monkeypatch):
    """How large rounding comes to be depends on the processor: here it always is, in float32."""
    compare_once = comparison._compare

    def rounding(*given):
        return (
            f"its weights are others {comparison.STACKED}"
            if torch.float32 in given
            else compare_once(*given)
        )

    monkeypatch.setattr(comparison, "_compare", rounding)
    with (
        fused() as run,
        pytest.warns(UserWarning, match="float32 would give it other weights"),
    ):
        fits_of_four_norms()
    assert run.batches == [1] * 4
