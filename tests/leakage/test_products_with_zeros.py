"""Products are seen where most are 0, as claims are, if a factor tells which."""

import numpy as np
import pandas as pd
import pytest

from helpers import too_good_feature

pytestmark = pytest.mark.slow


def policies(seed, share):
    """Return a generator, a table of drivers, which of them had a claim, and how many."""
    rng = np.random.RandomState(seed)
    table = pd.DataFrame(
        {"age": rng.randint(18, 90, size=500), "density": rng.lognormal(5, 1.5, size=500).round()}
    )
    has_claim = rng.uniform(size=500) < share
    return rng, table, has_claim, has_claim * rng.randint(1, 4, size=500)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.7])
@pytest.mark.parametrize("no_claim", [0.0, np.nan])
def test_the_number_of_claims_times_their_mean_is_seen(share, no_claim):
    rng, table, has_claim, number = policies(0, share)
    mean = rng.gamma(1, 1500, size=500).round(2)
    y = number * mean
    table = table.assign(number=number, mean=np.where(has_claim, mean, no_claim))
    finding = too_good_feature(table, y, task="regression")
    assert finding.leaked and "'number'" in finding.evidence and "'mean'" in finding.evidence


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_offers_that_few_take_and_claims_nobody_foresees_are_left_alone(share):
    rng, table, has_claim, _ = policies(1, share)
    price, units = rng.lognormal(3, 1, size=500).round(2), rng.randint(1, 9, size=500)
    offers = table.assign(price=price, units=units)
    assert too_good_feature(offers, has_claim * price * units, task="regression").leaked is False
    claims = has_claim * table["density"] ** 0.5 * rng.lognormal(3, 0.5, size=500)
    assert too_good_feature(table, claims.round(2), task="regression").leaked is False
