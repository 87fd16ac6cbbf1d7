"""First weights are torch's own up to the last bit, and the generator moves as torch moves it."""

import itertools
import random

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.datasets import make_classification
from torch import nn

from helpers import MLP, TorchClassifier
from helpers.recipes import SameEverywhere

X, y = make_classification(60, 5, random_state=0)


def drawn(draw, dtype=torch.float32):
    torch.manual_seed(0)
    return draw(torch.empty(37, dtype=dtype)), torch.get_rng_state()


@pytest.mark.parametrize("bounds", [(), (0.3,), (-1.0,), (-0.2, 0.2), (-0.3, 1.7), (5.0, 6.0)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_numbers_and_generator_are_those_of_torch(bounds, dtype):
    with torch.random.fork_rng():
        expected, state = drawn(lambda empty: empty.uniform_(*bounds), dtype)
        with SameEverywhere():
            found, after = drawn(lambda empty: empty.uniform_(*bounds), dtype)
    assert torch.equal(after, state)
    atol = 6 * torch.finfo(dtype).eps if dtype == torch.float32 else 0
    torch.testing.assert_close(found, expected, rtol=0, atol=atol)


@pytest.mark.parametrize(
    "make",
    [lambda: nn.Linear(1, 7), lambda: MLP(5, 2), lambda: nn.GRU(3, 4), lambda: nn.Conv2d(1, 2, 3)],
)
def test_layers_can_be_built(make):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        expected = make()
        torch.manual_seed(0)
        with SameEverywhere():
            found = make()
    for one, other in zip(found.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


# Recipes whose first weights do not follow from the seed alone.


def scaled(weights):
    """Return a recipe whose first weights come from ``weights(n_outputs, n_features)``."""

    def recipe(n_features, n_outputs):
        network = nn.Sequential(nn.Linear(n_features, n_outputs), nn.LazyLinear(n_outputs))
        network[0].weight.data = torch.as_tensor(weights(n_outputs, n_features)).float()
        return network

    return recipe


def seeded(n_outputs, n_features):
    torch.manual_seed(3)
    return torch.randn(n_outputs, n_features)


def own_draws():
    own, numbers, calls = torch.Generator(), np.random.default_rng(0), itertools.count(1)
    yield lambda *shape: torch.randn(shape, generator=own)
    yield lambda *shape: numbers.normal(size=shape)
    yield lambda *shape: np.random.default_rng().normal(size=shape)
    yield lambda *shape: np.ones(shape) * next(calls)


@pytest.mark.parametrize("weights", [*own_draws()])
def test_a_recipe_that_draws_by_itself_or_counts_is_told(weights):
    with pytest.warns(UserWarning, match="^recipe returns other first weights.*with the same seed"):
        TorchClassifier(scaled(weights), epochs=1, random_state=0).fit(X, y)


def test_a_recipe_that_makes_another_network_each_time_is_told():
    widths = itertools.count(3)

    def recipe(n_features, n_outputs):
        width = next(widths)
        return nn.Sequential(nn.Linear(n_features, width), nn.Linear(width, n_outputs))

    with pytest.warns(UserWarning, match="^recipe returns other first weights"):
        TorchClassifier(recipe, epochs=1, random_state=0).fit(X, y)


@pytest.mark.parametrize(
    "weights",
    [
        lambda *shape: torch.randn(shape),
        lambda *shape: np.random.normal(size=shape),
        lambda *shape: [[random.random()] * shape[1]] * shape[0],
        lambda *shape: np.random.default_rng(0).normal(size=shape),
        lambda *shape: torch.full(shape, torch.nan).nan_to_num(1.0),
        seeded,
    ],
)
def test_a_recipe_that_draws_as_it_is_seeded_is_not(weights, recwarn):
    first, again = (
        TorchClassifier(scaled(weights), epochs=2, random_state=0).fit(X, y) for _ in range(2)
    )
    assert_array_equal(first.predict_proba(X), again.predict_proba(X))
    assert not recwarn.list
