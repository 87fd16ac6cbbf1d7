"""The gaps between honest and leaky claims that lesson 06 shows, on other draws than the lesson's.

Each margin lies some standard errors from what was seen, so that a change which closes or opens
a gap is noticed, and another processor is not.
"""

import numpy as np
import pytest
from joblib import Parallel, delayed
from scipy import stats
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    cross_val_score,
    cross_validate,
    permutation_test_score,
)

from helpers import TorchClassifier, fused
from helpers.data import coin_flips

CLF = TorchClassifier(module__hidden=8, epochs=20, lr=0.05, random_state=0)
ONE_SPLIT = ShuffleSplit(1, test_size=50, random_state=0)
THIRD = ShuffleSplit(1, test_size=0.3, random_state=0)


def side_by_side(function, draws):
    with fused():
        return np.array(Parallel(n_jobs=-1)(delayed(function)(*draw) for draw in draws))


def coins(n_rows, seeds):
    return [coin_flips(n_rows, random_state=seed) for seed in seeds]


def tune(grid, cv, **options):
    return GridSearchCV(CLF, grid, cv=cv, **options)


def test_best_score_is_optimistic_on_coin_flips_and_nested_is_not():
    search = tune({"lr": [0.01, 0.1], "epochs": [10, 20]}, THIRD)

    def study(X, y):
        outer = cross_validate(search, X, y, cv=KFold(3), return_estimator=True)
        return np.mean([s.best_score_ for s in outer["estimator"]]), outer["test_score"].mean()

    best, nested = side_by_side(study, coins(75, range(100, 120))).T
    assert best.mean() > 0.54
    assert nested.mean() == pytest.approx(0.5, abs=0.04)
    assert (best - nested).mean() > 0.03


def test_best_of_many_seeds_is_what_the_formula_says_and_their_mean_is_chance():
    seeds = ShuffleSplit(40, train_size=100, test_size=50, random_state=0)
    scores = side_by_side(
        lambda X, y: cross_val_score(CLF, X, y, cv=seeds), coins(1500, range(100, 104))
    )
    expected = (1 - stats.binom.cdf(range(50), 50, 0.5) ** 40).sum() / 50
    assert scores.mean() == pytest.approx(0.5, abs=0.03)
    assert scores.max(axis=1).mean() == pytest.approx(expected, abs=0.05)


def test_a_permutation_test_needs_the_search_inside():
    grid = {"lr": [0.03, 0.1, 0.3], "random_state": range(3)}
    outside, inside = [], []
    for X, y in coins(150, [100, 101]):
        rng = np.random.default_rng(0)
        labels = [(X, rng.permutation(y)) for _ in range(20)]
        table = side_by_side(
            lambda X, y: (
                tune(grid, ONE_SPLIT, refit=False).fit(X, y).cv_results_["mean_test_score"]
            ),
            labels,
        )
        best = table.max(axis=1)
        outside += [(table[:, row.argmax()] >= row.max()).mean() for row in table]
        inside += [(best >= b).mean() for b in best]
    assert np.mean(np.array(outside) <= 0.1) > 0.15
    assert np.mean(np.array(inside) <= 0.1) <= 0.1
    assert np.mean(inside) - np.mean(outside) > 0.1


def test_permutation_test_score_repeats_the_search_it_is_given():
    search = tune({"lr": [0.01, 0.1], "epochs": [10, 20]}, ONE_SPLIT)
    X, _ = coin_flips(150)
    settings = {"cv": THIRD, "n_permutations": 9, "random_state": 0}
    with fused() as run:
        p = permutation_test_score(search, 10 * X, X[:, 0] > 0.5, **settings)[2]
    assert sum(run.batches) == 10 * (4 + 1)
    assert p == 1 / 10


def test_repeats_do_not_make_more_rows():
    folds = RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0)
    scores = side_by_side(
        lambda X, y: cross_val_score(CLF, X, y, cv=folds), coins(100, range(100, 140))
    )
    off, sd = np.abs(scores.mean(axis=1) - 0.5), scores.std(axis=1, ddof=1)
    real, fold = np.sqrt((off**2).mean()), sd.mean()
    assert real > 1.2 * fold * np.sqrt(1 / 6)
    assert real == pytest.approx(fold * np.sqrt(1 / 6 + 1 / 2), rel=0.5)
