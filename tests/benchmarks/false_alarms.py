"""False alarms of the canaries: 20 seeds x 6 data sets x 11 honest estimators.

What looks at rows alone is tried on 100 seeds x 6 data sets, and on 20 seeds x 26 honest tables
with strong columns, few values or long tails; blind_test and time_order also on series that honest
work looks back at; alike_rows and carry_over also on persons whom the split keeps apart.
`python -m tests.benchmarks.false_alarms 2` takes two seeds in place of twenty. A run that is
stopped by Ctrl-C shows what it has tried.
"""

import itertools
import sys
import warnings
from collections import Counter

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine, make_blobs
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    TimeSeriesSplit,
    cross_val_score,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from skorch import NeuralNetClassifier

from helpers import (
    MLP,
    TorchClassifier,
    alike_rows,
    batch_mates,
    blind_test,
    carried_weights,
    carry_over,
    held_rows,
    null_labels,
    purity,
    refit,
    same_answer,
    shared_rows,
    shift,
    time_order,
    too_good_feature,
)
from helpers.data import coin_flips
from tests.leakage.test_alike_rows import HONEST as DRAWN_ONE_BY_ONE
from tests.leakage.test_too_good_feature import HONEST as PREDICTABLE
from tests.networks import NaiveClassifier

N_SEEDS, N_ROWS = 20, 120
TABLES = {
    "coin flips": lambda seed: coin_flips(200, random_state=seed),
    "blobs": lambda seed: make_blobs(200, n_features=5, cluster_std=4, random_state=seed),
    "breast cancer": lambda seed: load_breast_cancer(return_X_y=True),
    "digits": lambda seed: load_digits(return_X_y=True),
    "iris": lambda seed: load_iris(return_X_y=True),
    "wine": lambda seed: load_wine(return_X_y=True),
}

STRONG = {f"{name}, drawn one by one": draw for name, draw in DRAWN_ONE_BY_ONE.items()}
STRONG |= PREDICTABLE


class Unseeded(ClassifierMixin, BaseEstimator):
    """An honest network that nobody can seed."""

    def fit(self, X, y):
        seed = np.random.default_rng().integers(2**31)
        self.net_ = TorchClassifier(epochs=10, random_state=int(seed)).fit(X, y)
        self.classes_ = self.net_.classes_
        return self

    def predict_proba(self, X):
        return self.net_.predict_proba(X)

    def predict(self, X):
        return self.net_.predict(X)


class UnseededForest(ClassifierMixin, BaseEstimator):
    """Five trees that nobody can seed, and that say labels alone."""

    def fit(self, X, y):
        seed = int(np.random.default_rng().integers(2**31))
        self.forest_ = RandomForestClassifier(5, random_state=seed).fit(X, y)
        self.classes_ = self.forest_.classes_
        return self

    def predict(self, X):
        return self.forest_.predict(X)


def estimators(n_features, n_classes):
    """Return eleven honest estimators; the first five are fast."""
    skorch = NeuralNetClassifier(
        MLP,
        module__n_features=n_features,
        module__n_outputs=n_classes,
        criterion=torch.nn.CrossEntropyLoss,
        max_epochs=5,
        train_split=None,
        verbose=0,
    )
    return [
        make_pipeline(StandardScaler(), LogisticRegression()),
        DecisionTreeClassifier(),
        GaussianNB(),
        KNeighborsClassifier(),
        RandomForestClassifier(10),
        BaggingClassifier(n_estimators=5),
        MLPClassifier(max_iter=10),
        make_pipeline(StandardScaler(), TorchClassifier(epochs=10)),
        skorch,
        Unseeded(),
        UnseededForest(),
    ]


def table(name, seed):
    """Return some rows of a data set, each seed others."""
    X, y = TABLES[name](seed)
    rows = np.random.RandomState(seed).permutation(len(y))[:N_ROWS]
    return X[rows].astype("float32"), y[rows].astype("int64")


def findings(name, seed):
    """Yield what every canary says where there is no leak."""
    X, y = table(name, seed)
    X = X / np.abs(X).max(axis=0).clip(1e-9)
    honest = estimators(X.shape[1], len(np.unique(TABLES[name](seed)[1])))
    for estimator in honest:
        for canary in (purity, refit, carried_weights, carry_over, batch_mates, same_answer):
            yield canary(estimator, X, y, random_state=seed)
        yield held_rows(estimator, X, y, cv=5, random_state=seed)
    torch.manual_seed(seed)
    network = MLP(X.shape[1], y.max() + 1)
    yield carried_weights(NaiveClassifier(network), X, y, random_state=seed)
    fast = honest[seed % 5]
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    yield null_labels(
        lambda X, y: cross_val_score(fast, X, y, cv=folds).mean(), X, y, random_state=seed
    )
    yield blind_test(
        lambda X, y, train, test: fast.fit(X[train], y[train]), X, y, random_state=seed
    )


def findings_on_data(name, seed):
    """Yield what the canaries say that look at the rows and their split alone."""
    X, y = table(name, seed)
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    yield shared_rows(X, y, cv=folds, random_state=seed)
    yield alike_rows(X, y, cv=folds, random_state=seed)
    yield shift(X, y, cv=folds, random_state=seed)
    yield too_good_feature(X, y, task="classification", random_state=seed)


def findings_on_strong_tables(name, seed):
    """Yield what is said of four fifths of the rows of a table with strong columns."""
    X, y, *task = STRONG[name](seed)
    X, y = np.asarray(X), None if y is None else np.asarray(y)
    rows = np.random.RandomState(seed).permutation(len(X))[: 4 * len(X) // 5]
    X, y, task = X[rows], None if y is None else y[rows], task[0] if task else "regression"
    if name in PREDICTABLE:
        yield too_good_feature(X, y, task=task, random_state=seed)
    folds = KFold(5, shuffle=True, random_state=seed)
    yield alike_rows(X, y, cv=folds, task=task, random_state=seed)
    yield shared_rows(X, cv=folds, random_state=seed)
    yield shift(X, cv=folds, random_state=seed)


def roll(X):
    """Return the four rows before each; the first rows get the last ones."""
    return np.column_stack([np.roll(X[:, 0], k) for k in range(1, 5)])


def past_mean(X):
    """Return the mean of this row and the four before."""
    before = np.r_[np.repeat(X[0, 0], 4), X[:, 0]]
    return np.lib.stride_tricks.sliding_window_view(before, 5).mean(axis=1)[:, None]


class Forecaster:
    """Predicts from what a function makes of the rows."""

    def __init__(self, model, look):
        self.model = model
        self.look = look

    def predict(self, X):
        return self.model.predict(self.look(X))


PERSISTENCE = {"white noise": 0.0, "half": 0.5, "nine tenths": 0.9, "random walk": 1.0}


def findings_on_series(name, seed):
    """Yield what is said of work that looks back alone, and of lags."""
    values = np.random.RandomState(seed).normal(size=300)
    for row in range(1, 300):
        values[row] += PERSISTENCE[name] * values[row - 1]
    X, risen = values[:, None], np.r_[values[1:] > values[:-1], False].astype(int)
    for look, cv in itertools.product((roll, past_mean), (None, TimeSeriesSplit(3))):

        def learn(X, y, train, test, look=look):
            return Forecaster(LogisticRegression().fit(look(X)[train], y[train]), look)

        yield blind_test(learn, X, risen, cv=cv, random_state=seed)
    lags = np.column_stack([roll(X), past_mean(np.roll(X, 1, axis=0))])[10:]
    for y, task in ((values[10:], "regression"), (risen[10:], "classification")):
        time = np.arange(len(y))
        yield time_order(lags, y, time=time, cv=TimeSeriesSplit(3), task=task)
        yield too_good_feature(lags, y, task=task, random_state=seed)


PERSONS = {"pairs": (2, 60, 5, 0.3), "fours": (4, 30, 10, 0.4), "sixes": (6, 20, 4, 0.2)}
PERSONS |= {"a narrow table": (4, 30, 1, 0.2), "two columns": (3, 40, 2, 0.3)}


def findings_on_persons(name, seed):
    """Yield what is said of the records of persons whom the split keeps apart."""
    size, n, n_columns, noise = PERSONS[name]
    rng = np.random.RandomState(seed)
    who = rng.permutation(np.repeat(np.arange(n), size))
    X = rng.normal(size=(n, n_columns))[who] + noise * rng.normal(size=(len(who), n_columns))
    y = (rng.permutation(n) % 2)[who]
    apart = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
    yield alike_rows(X, y, cv=apart, groups=who, random_state=seed)
    for model in (KNeighborsClassifier(1), DecisionTreeClassifier()):
        yield carry_over(model, X, y, cv=apart, groups=who, random_state=seed)


# Canaries without an estimator have a tenth of the trials, so they get five times the seeds.
LOOKS = (
    (findings_on_series, PERSISTENCE, 1),
    (findings_on_data, TABLES, 5),
    (findings_on_strong_tables, STRONG, 1),
    (findings_on_persons, PERSONS, 5),
    (findings, TABLES, 1),
)


def main(n_seeds=N_SEEDS):
    trials, alarms = Counter(), Counter()
    try:
        for part in range(n_seeds):
            for look, tables, times in LOOKS:
                for name, k in itertools.product(tables, range(times)):
                    count(look, name, times * part + k, trials, alarms)
    finally:
        for canary, n in trials.items():
            print(
                f"  {canary:16} {alarms[canary]:3} of {n:5}: {alarms[canary] / n:.1%}", flush=True
            )


def count(look, name, seed, trials, alarms):
    """Add what is said of one table, and show what is accused."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = list(look(name, seed))
    for finding in found:
        trials[finding.name] += 1
        alarms[finding.name] += bool(finding.leaked)
        if finding.leaked:
            print(f"    {name}, seed {seed}: {finding}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
