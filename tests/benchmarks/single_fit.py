"""One fit: digits, 64-32-10, batches of 32, 20 epochs, Adam, float32; median of 9 rounds."""

import statistics
import time

import torch
from sklearn.datasets import load_digits
from skorch import NeuralNetClassifier
from torch import nn

from helpers import MLP, TorchClassifier

ROUNDS, EPOCHS, BATCH, LR = 9, 20, 32, 0.01


def bare_loop(X, y, **options):
    """Train as a PyTorch tutorial does, without a DataLoader, which would be slower."""
    X, y = torch.from_numpy(X), torch.from_numpy(y)
    network = MLP(64, 10, hidden=32)
    optimizer = torch.optim.Adam(network.parameters(), lr=LR, **options)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(X)).split(BATCH):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(network(X[rows]), y[rows])
            loss.backward()
            optimizer.step()


def main():
    X, y = load_digits(return_X_y=True)
    X = X.astype("float32")
    ours = TorchClassifier(module__hidden=32, epochs=EPOCHS, batch_size=BATCH, lr=LR)
    skorch = NeuralNetClassifier(
        MLP,
        module__n_features=64,
        module__n_outputs=10,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=LR,
        max_epochs=EPOCHS,
        batch_size=BATCH,
        train_split=None,
        verbose=0,
    )
    fits = {
        "TorchClassifier": lambda: ours.fit(X, y),
        "bare loop": lambda: bare_loop(X, y),
        "bare loop, Adam(fused=True)": lambda: bare_loop(X, y, fused=True),
        "skorch": lambda: skorch.fit(X, y),
    }
    seconds = {name: [] for name in fits}
    for _ in range(ROUNDS + 1):
        for name, fit in fits.items():
            start = time.perf_counter()
            fit()
            seconds[name].append(time.perf_counter() - start)
    for name, times in seconds.items():
        # Paired by round, so that a machine that slows down does so for both; the first warms up.
        pairs = zip(seconds["TorchClassifier"][1:], times[1:], strict=True)
        ratio = statistics.median(a / b for a, b in pairs)
        median = statistics.median(times[1:])
        print(f"  {name:28} {median:6.3f} s   TorchClassifier takes {ratio:.2f} x its time")
