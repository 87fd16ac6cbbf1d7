"""Honest work that canaries accused, and leaks that they passed over without a word."""

from functools import partial

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from helpers import purity
from helpers.data import coin_flips


class Doubles:
    """Has a method that leaves it alone, and one that counts its calls."""

    def __init__(self):
        self.n_calls = 0

    def honest(self, X):
        return X * 2

    def counting(self, X):
        self.n_calls += 1
        return X + self.n_calls

    __call__ = honest


def after(function):
    return make_pipeline(FunctionTransformer(function), LogisticRegression())


@pytest.mark.parametrize(
    "wrapped, leaked",
    [
        (Doubles().honest, False),
        (Doubles().counting, True),
        (Doubles().__call__, False),
        (partial(Doubles().honest), False),
        (partial(Doubles().counting), True),
    ],
)
def test_a_method_is_altered_only_with_its_object(wrapped, leaked):
    assert purity(after(wrapped), *coin_flips(40, 3)).leaked is leaked


def test_a_random_search_over_distributions_is_pure():
    drawn = {"C": stats.loguniform(0.1, 1), "max_iter": stats.randint(50, 90)}
    search = RandomizedSearchCV(LogisticRegression(), drawn, n_iter=1, cv=2)
    assert purity(search, *coin_flips(40, 3)).leaked is False
