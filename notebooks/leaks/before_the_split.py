"""Leaks before the split: what is learned, made or left out of all rows at once."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.ensemble import StackingClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import euclidean_distances
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, TargetEncoder
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from . import draws
from .parts import Resampled, cross_validated, folds, in_learning, in_procedure, in_split


@in_split(
    "no test set",
    "L1.1",
    draws.noise(200, 20),
    lambda seed: DecisionTreeClassifier(random_state=seed),
)
def no_test_set(X, y, seed, leaky):
    rows = np.arange(len(X))
    return [(rows, rows)] if leaky else folds(X, y, seed)


def fit_two(first, second, X, y, seen, train):
    """Fit the first step on the rows `seen`, the second on `train`; they predict together."""
    first.fit(X[seen], y[seen])
    second.fit(first.transform(X[train]), y[train])
    return make_pipeline(first, second)


@in_learning("scaling on all rows", "L1.2", draws.cancer)
def scaling(X, y, train, test, seed, leaky):
    seen = np.union1d(train, test) if leaky else train
    return fit_two(StandardScaler(), LogisticRegression(), X, y, seen, train)


@in_learning("whitening on all rows", "L1.2", draws.few_rows_many_columns)
def whitening(X, y, train, test, seed, leaky):
    seen = np.union1d(train, test) if leaky else train
    return fit_two(PCA(0.97, whiten=True), LogisticRegression(), X, y, seen, train)


def nearer_to_own(step, X, y, seen, train, test):
    """Return for each test row how much nearer it lies to training rows of its own label.

    That is its mean distance to the training rows of the other label, minus that to those of its
    own, after `step`, which is fitted to the rows `seen`.
    """
    stepped = step.fit(X[seen]).transform(X)
    distances = euclidean_distances(stepped[test], stepped[train])
    # one line for each test row, one column for each training row; True counts 1, False 0
    same_label = y[test][:, None] == y[train]
    to_own = np.average(distances, axis=1, weights=same_label)
    to_other = np.average(distances, axis=1, weights=~same_label)
    return to_other - to_own


@in_learning("selection on all rows", "L1.3", draws.noise(100, 5000))
def selection(X, y, train, test, seed, leaky):
    seen = np.union1d(train, test) if leaky else train
    return fit_two(SelectKBest(k=20), LogisticRegression(), X, y, seen, train)


@in_learning("target encoding on all rows", "L1.2", draws.noise_with_categories)
def target_encoding(X, y, train, test, seed, leaky):
    seen = np.union1d(train, test) if leaky else train
    encoder = TargetEncoder(smooth=1)
    # the encoder is fitted to the rows `seen`, the model to those in `train`
    return fit_two(encoder, LogisticRegression(), X, y, seen, train)


def repeat_rare(X, y, seed):
    """Repeat rows of the rarer class until both are equally frequent."""
    rare = np.flatnonzero(y == 1)
    more = np.random.RandomState(seed).choice(rare, np.sum(y == 0) - len(rare))
    return np.r_[X, X[more]], np.r_[y, y[more]]


@in_procedure("oversampling before the split", "L1.2", draws.rare_noise)
def oversampling(X, y, seed, leaky):
    clf = KNeighborsClassifier(1)
    if leaky:
        X, y = repeat_rare(X, y, seed)
    else:
        clf = Resampled(clf, repeat_rare, seed)  # repeats rows of the training part only
    return cross_validated(clf, X, y, folds(X, y, seed))


def interpolate(X, y, seed):
    """Add points between near rows of the rarer class until both are as frequent (SMOTE)."""
    rng, rare = np.random.RandomState(seed), X[y == 1]
    nearest = euclidean_distances(rare).argsort(axis=1)[:, 1:6]
    one = rng.randint(len(rare), size=len(y) - 2 * len(rare))
    other = nearest[one, rng.randint(5, size=len(one))]
    new = rare[one] + rng.uniform(size=(len(one), 1)) * (rare[other] - rare[one])
    return np.r_[X, new], np.r_[y, np.ones(len(new), dtype=int)]


@in_procedure("SMOTE before the split", "L1.2", draws.rare_noise)
def smote(X, y, seed, leaky):
    clf = SVC(C=10)
    if leaky:
        X, y = interpolate(X, y, seed)
    else:
        clf = Resampled(clf, interpolate, seed)
    return cross_validated(clf, X, y, folds(X, y, seed))


def add_noisy_copies(X, y, seed):
    """Add four noisy copies of each image."""
    noisy = [X + 0.1 * np.random.RandomState(seed + i).normal(size=X.shape) for i in range(4)]
    return np.vstack([X, *noisy]), np.tile(y, 5)


@in_procedure("augmentation before the split", "L1.2", draws.relabelled_digits)
def augmentation(X, y, seed, leaky):
    clf = KNeighborsClassifier(1)
    if leaky:
        X, y = add_noisy_copies(X, y, seed)
    else:
        clf = Resampled(clf, add_noisy_copies, seed)
    return cross_validated(clf, X, y, folds(X, y, seed))


def drop_near(X, y, seed):
    """Leave rows of the commoner class out until both are as frequent: those near the rarer."""
    distance = euclidean_distances(X[y == 0], X[y == 1]).min(axis=1)
    common = np.flatnonzero(y == 0)[np.argsort(-distance)[: np.sum(y == 1)]]
    rows = np.sort(np.r_[common, np.flatnonzero(y == 1)])
    return X[rows], y[rows]


@in_procedure("under-sampling before the split", "L3.3", draws.rare_noise)
def undersampling(X, y, seed, leaky):
    """Common: imbalanced-learn lists balancing before the split among the common pitfalls."""
    clf = GaussianNB(priors=[0.5, 0.5])
    if leaky:
        X, y = drop_near(X, y, seed)
    else:
        clf = Resampled(clf, drop_near, seed)
    return cross_validated(clf, X, y, folds(X, y, seed))


def filled(X, by):
    """Fill each gap with the mean of its column, over rows that are equal in `by`."""
    X = X.copy()
    for value in np.unique(by):
        rows = X[by == value]
        X[by == value] = np.where(np.isnan(rows), np.nanmean(rows, axis=0), rows)
    return X


@in_procedure("gaps filled by class", "L1.2", draws.noise_with_gaps)
def gaps_by_class(X, y, seed, leaky):
    """Common: pandas' groupby(label).transform("mean"), in many notebooks on diabetes data."""
    clf = DecisionTreeClassifier(random_state=seed)
    if leaky:
        X = filled(X, by=y)
    else:
        clf = make_pipeline(SimpleImputer(), clf)  # fills with means of the training part
    return cross_validated(clf, X, y, folds(X, y, seed))


@in_procedure("stacking without out-of-fold predictions", "L1.2", draws.noise(100, 10))
def stacking(X, y, seed, leaky):
    """The second model learns from what the first says of rows that it has trained on."""
    first, second = DecisionTreeClassifier(random_state=seed), LogisticRegression()
    if leaky:
        clf, X = second, first.fit(X, y).predict(X)[:, None]
    else:
        clf = StackingClassifier([("first", first)], second, stack_method="predict")
    return cross_validated(clf, X, y, folds(X, y, seed))
