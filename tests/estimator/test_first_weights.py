"""First weights are torch's own up to the last bit, and the generator moves as torch moves it."""

import pytest
import torch
from torch import nn

from helpers import MLP
from helpers.first_weights import SameEverywhere


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
