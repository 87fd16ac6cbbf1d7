"""The data of the kinds: drawn from a seed, and with a truth that is known."""

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import train_test_split

from helpers.data import coin_flips


def noise(n_rows, n_features):
    """Labels are coin flips: 0.5 is all that anyone can know."""
    return lambda seed: coin_flips(n_rows, n_features, random_state=seed)


def rare_noise(seed):
    """One row in ten is positive, which ones is chance."""
    X, _ = coin_flips(200, 20, random_state=seed)
    return X, np.random.RandomState(seed).permutation(np.arange(200) < 20).astype(int)


def noise_with_copies(seed):
    """Coin flips of which half the rows are in the table twice."""
    X, y = coin_flips(200, 10, random_state=seed)
    rows = np.random.RandomState(seed).permutation(np.r_[:200, :100])
    return X[rows], y[rows]


def noise_with_proxy(seed):
    """Coin flips and, last, a column that was written down when the outcome was known."""
    X, y = coin_flips(200, 10, random_state=seed)
    return np.c_[X, y + 0.2 * np.random.RandomState(seed).normal(size=200)], y


def noise_with_categories(seed):
    """Coin flips and one column, in which of 250 places."""
    rng = np.random.RandomState(seed)
    return rng.randint(250, size=(1000, 1)).astype(float), rng.randint(2, size=1000)


def random_walk(seed):
    """No one knows where it goes: a guess from the past has an R² of 0 at best."""
    y = np.random.RandomState(seed).normal(size=500).cumsum()
    time = np.arange(500)
    return time[:, None] / 500, y, {"time": time}


def measured_subjects(seed):
    """Forty persons measured ten times; whether one is ill is a coin flip."""
    rng = np.random.RandomState(seed)
    groups = np.repeat(np.arange(40), 10)
    X = rng.normal(size=(40, 10))[groups] + 0.5 * rng.normal(size=(400, 10))
    return X, rng.permutation(np.arange(40) % 2)[groups], {"groups": groups}


def hospital_visits(n_patients, random_state):
    """Five visits of each patient: `sugar` knows a part of who is ill; `ward_days` come later."""
    rng = np.random.RandomState(random_state)
    groups = rng.permutation(np.repeat(np.arange(n_patients), 5))
    y = rng.permutation(np.arange(n_patients) % 2)[groups]
    values = rng.normal(size=(n_patients, 5))[groups] + 0.4 * rng.normal(size=(len(y), 5))
    X = pd.DataFrame(values, columns=["age", "pulse", "pressure", "sugar", "weight"])
    X["sugar"] += 2 * y
    X.insert(4, "ward_days", 5 * y + rng.normal(size=len(y)))
    return X, y, groups


def half_known(seed):
    """A sum of two numbers of which one is seen: its sign can be known 3 times in 4."""
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(2000, 5))
    return X, (X[:, 0] + rng.normal(size=2000) > 0).astype(int)


def few_rows_many_columns(seed):
    """Each of 300 columns knows a little."""
    rng = np.random.RandomState(seed)
    y = rng.permutation(np.arange(80) % 2)
    return rng.normal(size=(80, 300)) + 0.12 * (2 * y[:, None] - 1), y


def cancer(seed):
    """A hundred patients of the breast cancer data."""
    X, y = load_breast_cancer(return_X_y=True)
    X, _, y, _ = train_test_split(X, y, train_size=100, stratify=y, random_state=seed)
    return X, y


def relabelled_digits(seed):
    """Two hundred images, labelled by a coin."""
    rng = np.random.RandomState(seed)
    X = load_digits().data / 16
    return X[rng.choice(len(X), 200, replace=False)], rng.permutation(np.arange(200) % 2)


def digits_of_two_sensors(seed):
    """Six hundred images; the second half comes from a sensor that is brighter and duller."""
    X, y = load_digits(return_X_y=True)
    rows = np.random.RandomState(seed).choice(len(X), 600, replace=False)
    sensor = np.repeat([0, 1], 300)
    X = np.where(sensor[:, None] == 1, 0.3 * X[rows] / 16 + 2, X[rows] / 16)
    return X, y[rows], {"sensor": sensor}


def cancer_with_gaps(seed):
    """A hundred patients, each value missing once in ten times."""
    X, y = cancer(seed)
    X = X / X.max(axis=0)
    X[np.random.RandomState(seed).uniform(size=X.shape) < 0.1] = np.nan
    return X, y


def noise_with_gaps(seed):
    """Coin flips of which three values in ten are missing."""
    X, y = coin_flips(200, 10, random_state=seed)
    X[np.random.RandomState(seed).uniform(size=X.shape) < 0.3] = np.nan
    return X, y


def images_saved_twice(seed):
    """A hundred and fifty images, labelled by a coin; the second time a little other."""
    rng = np.random.RandomState(seed)
    image = np.tile(np.arange(150), 2)
    X = load_digits().data[rng.choice(1797, 150, replace=False)][image] / 16
    X[150:] += rng.randint(-1, 2, size=(150, 64)) / 255
    return X, rng.permutation(np.arange(150) % 2)[image], {"image": image}


def windows(seed):
    """Eight hundred windows of ten values, one value further each; a coin for each forty."""
    rng = np.random.RandomState(seed)
    values = rng.normal(size=809).cumsum()
    groups = np.arange(800) // 40
    X = np.lib.stride_tricks.sliding_window_view(values, 10)
    return X, rng.permutation(np.arange(20) % 2)[groups], {"groups": groups}


def places(seed):
    """Eight hundred places, measured eight times, smoothly; a coin for each tile."""
    rng = np.random.RandomState(seed)
    place = rng.uniform(size=(800, 2))
    groups = (8 * place[:, 0]).astype(int) * 8 + (8 * place[:, 1]).astype(int)
    X = np.sin(4 * place @ rng.normal(size=(2, 8)))
    return X, rng.permutation(np.arange(64) % 2)[groups], {"groups": groups}


def prices(seed):
    """A random walk; has it risen twenty days later? Nobody knows in time."""
    price = np.random.RandomState(seed).normal(size=540).cumsum()
    day = np.arange(20, 520)
    X = np.column_stack([price[day], price[day] - price[day - 5], price[day] - price[day - 20]])
    return X, (price[day + 20] > price[day]).astype(int), {"time": day, "horizon": 20}


def noise_with_body(seed):
    """Coin flips and, last, a number that was noted of one class alone."""
    X, y = coin_flips(200, 10, random_state=seed)
    body = np.random.RandomState(seed).uniform(1, 330, size=200)
    return np.c_[X, np.where(y == 1, np.nan, body)], y


def noise_by_label(seed):
    """Coin flips in the order of their labels and, first, the number of the row."""
    X, y = coin_flips(200, 10, random_state=seed)
    order = np.argsort(y, kind="stable")
    return np.c_[np.arange(200), X[order]], y[order]


def noise_with_margins(seed):
    """Coin flips and the margins of images: of one source, which sent 95 % of one class."""
    X, y = coin_flips(200, 20, random_state=seed)
    rng = np.random.RandomState(seed)
    source = np.where(rng.uniform(size=200) < 0.95, y, 1 - y)
    return np.c_[X, 0.3 * source[:, None] + 0.1 * rng.normal(size=(200, 28))], y


def white_noise(seed):
    """Each value is drawn by itself: of the past nothing can be learned."""
    values = np.random.RandomState(seed).normal(size=400)
    return values[:, None], values


def some_digits(seed):
    """Three hundred images of digits."""
    X, y = load_digits(return_X_y=True)
    rows = np.random.RandomState(seed).choice(len(X), 300, replace=False)
    return X[rows] / 16, y[rows]
