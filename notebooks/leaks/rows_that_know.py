"""Leaks between rows: test rows that know training rows, later ones, or easier ones."""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import TimeSeriesSplit
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from . import draws
from .networks import network
from .parts import folds, folds_of, in_split, part_of


@in_split("duplicates", "L1.4", draws.noise_with_copies, lambda seed: KNeighborsClassifier(1))
def duplicates(X, y, seed, leaky):
    _, twins = np.unique(X, axis=0, return_inverse=True)  # equal rows get one number
    # `folds_of` keeps rows with one number in one fold
    return folds(X, y, seed) if leaky else folds_of(twins, X, y, seed)


@in_split("near copies", "L1.4", draws.images_saved_twice, lambda seed: KNeighborsClassifier(1))
def near_copies(X, y, seed, leaky, image):
    """Common: a tenth of the test images of CIFAR-100 (Barz and Denzler, 2020)."""
    return folds(X, y, seed) if leaky else folds_of(image, X, y, seed)


@in_split(
    "subjects on both sides",
    "L3.2",
    draws.measured_subjects,
    lambda seed: network(seed, epochs=15, lr=0.03),
)
def subjects(X, y, seed, leaky, groups):
    return folds(X, y, seed) if leaky else folds_of(groups, X, y, seed)


@in_split("overlapping windows", "L3.2", draws.windows, lambda seed: KNeighborsClassifier(1))
def windows(X, y, seed, leaky, groups):
    """Common: in activity recognition, neighbours in time (Hammerla and Ploetz, UbiComp 2015)."""
    return folds(X, y, seed) if leaky else folds_of(groups, X, y, seed)


@in_split("neighbours in space", "L3.2", draws.places, lambda seed: KNeighborsClassifier(1))
def places(X, y, seed, leaky, groups):
    """Common: in maps of ecology, as of forest biomass (Ploton et al., Nature Comm. 2020)."""
    return folds(X, y, seed) if leaky else folds_of(groups, X, y, seed)


WALK = {"metric": r2_score, "chance": 0.0}


@in_split(
    "future before past", "L3.1", draws.random_walk, lambda seed: KNeighborsRegressor(), **WALK
)
def future(X, y, seed, leaky, time):
    order = np.random.RandomState(seed).permutation(len(time)) if leaky else np.argsort(time)
    cut = 4 * len(time) // 5
    return [(order[:cut], order[cut:])]


# Prices rise more often than they fall, or less often, so nobody knows what a guess scores.
PRICES = {"metric": accuracy_score, "chance": None}


@in_split(
    "labels that look ahead", "L3.1", draws.prices, lambda seed: KNeighborsClassifier(1), **PRICES
)
def look_ahead(X, y, seed, leaky, time, horizon):
    """Common: in finance; leaving such training rows out is purging (Lopez de Prado, 2018)."""
    gap = 0 if leaky else horizon
    return list(TimeSeriesSplit(n_splits=20, test_size=horizon // 2, gap=gap).split(X))


@in_split(
    "only easy cases in the test", "L3.3", draws.half_known, lambda seed: LogisticRegression()
)
def easy_cases(X, y, seed, leaky):
    train, test = part_of(np.arange(len(X)), y, seed)  # three quarters, one quarter
    easy = test[np.abs(X[test, 0]) > 1]
    return [(train, easy if leaky else test)]
