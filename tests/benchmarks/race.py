"""A search under fused(): digits, 12 candidates x 5 folds, 20 epochs, Adam, float32."""

import statistics
import time

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier
from torch import nn

from helpers import MLP, TorchClassifier, fused

ROUNDS, EPOCHS, FOLDS = 3, 20, 5
SHAPES = [(128, 32), (32, 32), (32, 128)]  # batch size, hidden units
RATES, DECAYS = [0.001, 0.003, 0.01, 0.03], [0.0, 1e-4, 1e-2]


def search(net, lr, decay, n_jobs=None):
    grid = {f"net__{lr}": RATES, f"net__{decay}": DECAYS}
    pipeline = Pipeline([("scale", StandardScaler()), ("net", net)])
    return GridSearchCV(pipeline, grid, cv=FOLDS, refit=False, n_jobs=n_jobs)


def searches(batch, hidden):
    """Return the same search with each library, by name."""
    ours = TorchClassifier(epochs=EPOCHS, batch_size=batch, module__hidden=hidden, random_state=0)
    skorch = NeuralNetClassifier(
        MLP,
        module__n_features=64,
        module__n_outputs=10,
        module__hidden=hidden,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        max_epochs=EPOCHS,
        batch_size=batch,
        train_split=None,
        verbose=0,
    )
    mlp = MLPClassifier(
        hidden, batch_size=batch, max_iter=EPOCHS, n_iter_no_change=EPOCHS, random_state=0
    )
    plain = search(ours, "lr", "weight_decay")
    entries = {"fused": plain, "plain": plain}
    for n_jobs in (1, 2):
        entries[f"skorch, n_jobs={n_jobs}"] = search(
            skorch, "lr", "optimizer__weight_decay", n_jobs
        )
        entries[f"MLPClassifier, n_jobs={n_jobs}"] = search(
            mlp, "learning_rate_init", "alpha", n_jobs
        )
    return entries


class ConvNet(nn.Sequential):
    """Digits as images."""

    def __init__(self, n_features, n_outputs):
        super().__init__(
            *(nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 8, 3, padding=1), nn.ReLU()),
            *(nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(64, n_outputs)),
        )


class NormedMLP(nn.Sequential):
    """64-32-10 with BatchNorm."""

    def __init__(self, n_features, n_outputs):
        super().__init__(
            *(nn.Linear(n_features, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, n_outputs))
        )


def searches_of(module, batch=32):
    """Return the same search over another network, plain, fused and with skorch."""
    ours = TorchClassifier(module, epochs=EPOCHS, batch_size=batch, random_state=0)
    skorch = NeuralNetClassifier(
        module,
        module__n_features=64,
        module__n_outputs=10,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        max_epochs=EPOCHS,
        batch_size=batch,
        train_split=None,
        verbose=0,
    )
    plain = search(ours, "lr", "weight_decay")
    theirs = search(skorch, "lr", "optimizer__weight_decay")
    return {"fused": plain, "plain": plain, "skorch, n_jobs=1": theirs}


def products(batch, hidden):
    """Take the matrix products of the search alone, all networks side by side."""
    n_networks = len(RATES) * len(DECAYS) * FOLDS
    widths = [64, hidden, 10]
    for n_in, n_out in zip(widths, widths[1:], strict=False):
        X = torch.randn(n_networks, batch, n_in)
        weight = torch.randn(n_networks, n_in, n_out)
        gradient = torch.randn(n_networks, batch, n_out)
        for _ in range(EPOCHS * -(-1437 // batch)):
            torch.bmm(X, weight)
            torch.bmm(X.mT, gradient)
            if n_in == hidden:  # the gradient of the input, where there is a layer before
                torch.bmm(gradient, weight.mT)


def seconds(function, *args):
    start = time.perf_counter()
    function(*args)
    return time.perf_counter() - start


def fit_fused(search, X, y):
    with fused():
        search.fit(X, y)


def race(X, y, batch, hidden):
    times = {"matrix products alone": []}
    for _ in range(ROUNDS):
        time_each(searches(batch, hidden), X, y, times)
        times["matrix products alone"].append(seconds(products, batch, hidden))
    print(f"  batches of {batch}, 64-{hidden}-10:")
    report(times)


def race_of(module, X, y):
    times = {}
    for _ in range(ROUNDS):
        time_each(searches_of(module), X, y, times)
    print(f"  batches of 32, {module.__name__}: {module.__doc__}")
    report(times)


def time_each(entries, X, y, times):
    """Append the seconds of each search to those of its name."""
    for name, entry in entries.items():
        fit = fit_fused if name == "fused" else type(entry).fit
        times.setdefault(name, []).append(seconds(fit, entry, X, y))


def report(times):
    for name, those in times.items():
        ratio = statistics.median(b / a for a, b in zip(times["fused"], those, strict=True))
        print(f"    {name:24} {statistics.median(those):6.2f} s {ratio:6.2f} x fused", flush=True)


def growth(X, y):
    """Print how the time grows with the networks, and with their width."""
    half = [(np.arange(900), np.arange(900, 1797))]
    for hidden, n in [(32, 1), (32, 10), (32, 100), (32, 1000), (256, 10), (1024, 10)]:
        clf = TorchClassifier(epochs=5, batch_size=128, module__hidden=hidden, random_state=0)
        entry = GridSearchCV(clf, {"lr": np.geomspace(1e-4, 1e-2, n)}, cv=half, refit=False)
        times = [(seconds(fit_fused, entry, X, y), seconds(entry.fit, X, y)) for _ in range(ROUNDS)]
        ratio = statistics.median(alone / together for together, alone in times)
        together = statistics.median(together for together, _ in times)
        print(
            f"  {n:4} networks of 64-{hidden}-10, 5 epochs: fused {together:6.2f} s, "
            f"plain {ratio:5.2f} x fused",
            flush=True,
        )


def main():
    X, y = load_digits(return_X_y=True)
    X = X.astype("float32")
    fit_fused(searches(128, 32)["fused"], X, y)  # warms up
    for batch, hidden in SHAPES:
        race(X, y, batch, hidden)
    for module in (ConvNet, NormedMLP):
        race_of(module, X, y)
    growth(X, y)
