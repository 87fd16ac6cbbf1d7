"""Each layer under fused(): digits, 4 candidates x 5 folds, 2 epochs, batches of 32, Adam."""

import statistics
import warnings

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from torch import nn

from helpers import TorchClassifier, fused
from tests.benchmarks.race import seconds

ROUNDS, EPOCHS = 3, 2


def between(*layers, n_out=32):
    """Return a recipe: a layer of 32 units, the layers, and one that answers."""

    def recipe(n_features, n_outputs):
        made = [make() for make in layers]
        return nn.Sequential(nn.Linear(n_features, 32), *made, nn.Linear(n_out, n_outputs))

    return recipe


def on_images(*layers, n_out):
    """Return a recipe: digits as images, the layers, and a linear one that answers."""

    def recipe(n_features, n_outputs):
        made = [make() for make in layers]
        images = nn.Unflatten(1, (1, 8, 8))
        return nn.Sequential(images, *made, nn.Flatten(), nn.Linear(n_out, n_outputs))

    return recipe


class OwnForward(nn.Module):
    """A network with a forward pass of its own: all of it runs by vmap."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.first, self.last = nn.Linear(n_features, 32), nn.Linear(32, n_outputs)

    def forward(self, X):
        return self.last(self.first(X).relu())


class Sequence(nn.Module):
    """Digits as 8 steps of 8 numbers."""

    kind = nn.LSTM

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.recurrent = self.kind(8, 16, batch_first=True)
        self.last = nn.Linear(16, n_outputs)

    def forward(self, X):
        outputs, _ = self.recurrent(X.unflatten(1, (8, 8)))
        return self.last(outputs[:, -1])


class SequenceGRU(Sequence):
    kind = nn.GRU


class Embedded(nn.Module):
    """The grey of each pixel as a word."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.words, self.last = nn.Embedding(17, 4), nn.Linear(4 * n_features, n_outputs)

    def forward(self, X):
        return self.last(self.words(X.long()).flatten(1))


NETWORKS = {
    "Linear, ReLU": between(nn.ReLU),
    "the same, own forward": OwnForward,
    "Dropout": between(nn.ReLU, nn.Dropout),
    "BatchNorm1d": between(lambda: nn.BatchNorm1d(32), nn.ReLU),
    "LayerNorm": between(lambda: nn.LayerNorm(32), nn.ReLU),
    "GroupNorm": between(lambda: nn.GroupNorm(4, 32), nn.ReLU),
    "PReLU": between(nn.PReLU),
    "Conv1d": between(
        *(lambda: nn.Unflatten(1, (1, 32)), lambda: nn.Conv1d(1, 8, 3), nn.ReLU, nn.Flatten),
        n_out=240,
    ),
    "Conv2d": on_images(lambda: nn.Conv2d(1, 8, 3), nn.ReLU, n_out=288),
    "Conv2d, MaxPool2d": on_images(
        lambda: nn.Conv2d(1, 8, 3), nn.ReLU, lambda: nn.MaxPool2d(2), n_out=72
    ),
    "Conv2d, AvgPool2d": on_images(
        lambda: nn.Conv2d(1, 8, 3), nn.ReLU, lambda: nn.AvgPool2d(2), n_out=72
    ),
    "Conv2d, BatchNorm2d": on_images(
        lambda: nn.Conv2d(1, 8, 3), lambda: nn.BatchNorm2d(8), nn.ReLU, n_out=288
    ),
    "Embedding": Embedded,
    "LSTM": Sequence,
    "GRU": SequenceGRU,
}


def main():
    X, y = load_digits(return_X_y=True)
    X = X.astype(np.float32)
    for name, recipe in NETWORKS.items():
        clf = TorchClassifier(recipe, epochs=EPOCHS, batch_size=32, random_state=0)
        search = GridSearchCV(clf, {"lr": [0.001, 0.003, 0.01, 0.03]}, cv=5, refit=False)
        runs, ratios = [], []

        def together(search=search, runs=runs):
            with fused() as run, warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what is trained alone, which the table says
                search.fit(X, y)
            runs.append(max(run.batches))

        for _ in range(ROUNDS):
            ratios.append(seconds(search.fit, X, y) / seconds(together))
        how = "fused" if max(runs) > 1 else "alone"
        print(f"  {name:24} {how}  {statistics.median(ratios):5.1f} x as fast", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
