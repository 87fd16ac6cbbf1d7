"""Augmentation: the rows of a training step, changed anew each time they are trained on."""

import numpy as np
import torch

from helpers.checks.arguments import name_of
from helpers.global_state import seed_generators, states_of_generators

# Calls that are made to see whether the rows change with numpy's or Python's generator. A coin that
# decides whether all rows are flipped falls on one side in all of them once in a million fits.
N_CALLS = 20


class Augmentation:
    """Calls a user's `augment` on the rows of a training step, with draws of that step's own.

    The draws depend on seed, epoch and step alone, so that they are the same in `partial_fit`,
    in any process, and under `fused()`. Dropout and the order of rows are drawn elsewhere.

    Parameters
    ----------
    function : callable
        ``function(X)`` takes and returns a tensor of shape (n, ...).

    Examples
    --------
    >>> import torch
    >>> from helpers.augmentation import Augmentation
    >>> noisy = Augmentation(lambda X: X + torch.randn_like(X))
    >>> X = torch.zeros(2, 3)
    >>> torch.equal(noisy(X, seed=0, epoch=1, step=0), noisy(X, seed=0, epoch=1, step=0))
    True
    >>> torch.equal(noisy(X, seed=0, epoch=1, step=0), noisy(X, seed=0, epoch=2, step=0))
    False
    """

    def __init__(self, function):
        self.function, self._checked, self._first = function, False, None

    def __call__(self, X, seed, epoch, step):
        """Return the rows to train on in a step; `X` stays as it is.

        Raises
        ------
        ValueError
            If the function returns anything but rows of that shape and type, or, in the first
            step, if it draws from another generator than torch's.
        """
        numbers = np.random.SeedSequence([seed, epoch, step]).generate_state(1)
        seed = int(numbers[0])
        states = None if self._checked else states_of_generators(X.device)
        rows = self._call(X, seed)
        self._check(rows, X)
        self._first = self._first or epoch  # the first of this fit, or of this call of partial_fit
        if epoch == self._first:
            self._refuse_moved(rows, X, seed)
        if not self._checked:
            drawn = states_of_generators(X.device) != states
            self._check_draws(rows.clone(), X, seed, drawn)
            self._checked = True
        return rows

    @torch.no_grad()
    def _call(self, X, seed):
        cuda = [X.device] if X.is_cuda else []
        with torch.random.fork_rng(devices=cuda):  # dropout goes on where it was
            seed_generators(seed, X.device)
            try:
                return self.function(X.clone())  # it may write to its rows
            except Exception as error:
                error.add_note(
                    f"augment was called as {name_of(self.function)}(X) with X of shape "
                    f"{tuple(X.shape)} and {X.dtype}: all rows of a training step, not one of them."
                )
                raise

    def _check(self, rows, X):
        """Raise a ValueError unless `rows` can be trained on in place of `X`."""
        wrong = None
        if rows is None:
            wrong, cure = "None", "It lacks a return."
        elif not isinstance(rows, torch.Tensor):
            wrong = f"an object of type {type(rows).__name__}"
            cure = "Compute with torch, or end in torch.from_numpy(...)."
        elif rows.shape != X.shape:
            wrong = f"shape {tuple(rows.shape)}"
            cure = "Change the numbers in the rows, not how many there are: rows keep their labels."
        elif rows.dtype != X.dtype or rows.device != X.device:
            wrong = f"{rows.dtype} on {rows.device}"
            cure = "Draw with torch.randn_like(X) or torch.rand_like(X), or end in .to(X)."
        elif not self._checked and not rows.isfinite().all():
            wrong = "NaN or infinity among its numbers"
            cure = "Look for a division by 0, or the logarithm of a negative number."
        if wrong:
            raise ValueError(
                f"augment must return rows like those it is given, a tensor of shape "
                f"{tuple(X.shape)} and {X.dtype} on {X.device}; {name_of(self.function)} returned "
                f"{wrong}. {cure}"
            )

    def _refuse_moved(self, rows, X, seed):
        """Raise a ValueError if the rows are those given in another order: labels stay in theirs.

        It is called for rows that are all new where the first row has become another one's like.
        """
        first = (X == rows[0]).flatten(1).all(1)
        if first[0] or not first.any():
            return
        new = torch.arange(1, X.numel() + 1, dtype=torch.float64, device=X.device).sin()
        new = new.reshape(X.shape).to(X.dtype)
        try:
            moved = self._call(new, seed)
            moved = moved[(moved != new).flatten(1).any(1)][:N_CALLS]
            found = [(new == row).flatten(1).all(1).any().item() for row in moved]
        except Exception:  # one that cannot be asked in this way is not accused
            return
        if all(found) and len(moved.unique(dim=0)) > 1:  # and not all the same
            raise ValueError(
                f"augment must leave each row in its place, since labels stay where they are; "
                f"{name_of(self.function)} puts rows into the place of others. The first axis of X "
                f"counts the rows: flip, roll or permute others, as X.flip(-1) does. If it mixes "
                f"rows, each must keep the larger part of itself."
            )

    def _check_draws(self, rows, X, seed, drawn):
        """Raise a ValueError if the function returns other rows when called again."""
        for _ in range(N_CALLS if drawn else 1):
            if not torch.equal(self._call(X, seed), rows):
                raise ValueError(
                    f"augment must return the same rows when torch's generator has the same seed, "
                    f"so that a fit can be repeated; {name_of(self.function)} returned others. It "
                    f"draws from numpy, from Python's random or from a generator of its own, or it "
                    f"counts its calls. Draw with torch alone: X + 0.1 * torch.randn_like(X), or "
                    f"X.flip(-1) if torch.rand(()) < 0.5 else X."
                )
