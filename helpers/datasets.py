"""Datasets of torch as rows that scikit-learn can split, loaded when a batch asks for them."""

import copy

import numpy as np
import torch

from helpers.checks.datasets import by_number, cure_of, refuse_other_dtype, together
from helpers.global_state import generators_put_back, seeded_globally
from helpers.tensors import as_numpy

LOOKED_AT = 8  # rows that are loaded twice, to see whether they stay what they are


def rows_of(dataset, load=None):
    """Return the rows of a Dataset as an array that loads them only when they are needed.

    scikit-learn can split it by row numbers, as any array: in `train_test_split`, in a
    cross-validation, in a search with processes. `TorchClassifier` and `TorchRegressor` load the
    rows of one batch at a time, where `batch_size` is set.

    Parameters
    ----------
    dataset : torch.utils.data.Dataset, or any object with ``len`` and ``dataset[i]``
        If an item is a tuple, such as (image, label), its first part is the row. A list of paths
        and a memory-mapped array will do as well.
    load : callable, default=None
        Makes an array of what the dataset holds as a row: ``rows_of(paths, load=np.load)``.

    Returns
    -------
    Rows
        Has `len`, `shape`, `dtype` and `ndim`; ``rows[numbers]`` is a part of it, where nothing
        is loaded yet; ``np.asarray(rows)`` loads all.

    Raises
    ------
    TypeError, ValueError
        If rows are no arrays of numbers, or are others each time, as with random augmentation:
        it would change the rows of a test set, too.

    See Also
    --------
    y_of : The labels.

    Examples
    --------
    >>> import torch
    >>> from torch.utils.data import TensorDataset
    >>> from helpers import rows_of, y_of
    >>> dataset = TensorDataset(torch.zeros(6, 1, 8, 8), torch.arange(6) % 2)
    >>> rows_of(dataset)[:4]
    Rows(TensorDataset, shape=(4, 1, 8, 8), dtype=float32)
    >>> y_of(dataset)
    array([0, 1, 0, 1, 0, 1])
    """
    dataset = by_number(dataset)
    if load is not None and not callable(load):
        raise TypeError(f"load must be a function that makes an array of a row; got {load!r}.")
    if len(dataset) == 0:
        raise ValueError(f"The {type(dataset).__name__} is empty: it has no rows.")
    with seeded_globally(0):
        rows = Rows(dataset, load, np.arange(len(dataset)))
        rows._look_twice()
    return rows


@generators_put_back()  # a Dataset may draw from them for each row
def y_of(dataset):
    """Return the labels of a Dataset, the second part of each item, as an array.

    Every item is loaded once. Where the Dataset has its labels at hand, ``np.asarray`` of them is
    faster, as in ``np.asarray(dataset.targets)`` with those of torchvision.

    Parameters
    ----------
    dataset : torch.utils.data.Dataset

    Returns
    -------
    ndarray of shape (n_rows,) or (n_rows, n_targets)
    """
    dataset = by_number(dataset)
    labels = []
    for i in range(len(dataset)):
        item = dataset[i]
        if not isinstance(item, (tuple, list)) or len(item) < 2:
            raise TypeError(
                f"Item {i} of the {type(dataset).__name__} is no pair (row, label), so that it "
                f"holds no label; give y as an array of your own."
            )
        labels.append(copy.copy(as_numpy(item[1])))  # the next item may overwrite it
    return together(labels)


class Rows:
    """What `rows_of` returns: rows of a Dataset, by their numbers.

    Attributes
    ----------
    shape : tuple of int
        (n_rows, *shape of a row)
    ndim : int
    dtype : numpy.dtype
        float32, float64 or uint8.
    """

    def __init__(self, dataset, load, numbers, first=None):
        self.dataset, self.load, self.numbers = dataset, load, numbers
        self._first = self._row(numbers[0]) if first is None else first

    @property
    def shape(self):
        return len(self.numbers), *self._first.shape

    @property
    def ndim(self):
        return len(self.shape)

    @property
    def dtype(self):
        return self._first.dtype

    def __len__(self):
        return len(self.numbers)

    def __getitem__(self, key):
        if isinstance(key, tuple) and len(key) == 2 and key[1] is Ellipsis:
            key = key[0]  # as scikit-learn asks for rows
        numbers = self.numbers[key]
        if np.ndim(numbers) == 0:
            return self._row(numbers)
        return Rows(self.dataset, self.load, numbers, self._first)

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError("Rows of a Dataset are loaded into a new array; leave out copy=False.")
        return self.loaded(slice(None)).astype(dtype or self.dtype, copy=False)

    def __repr__(self):
        name = type(self.dataset).__name__
        return f"Rows({name}, shape={self.shape}, dtype={self.dtype})"

    @generators_put_back()  # a Dataset may seed them for each row
    def loaded(self, rows):
        """Load some rows: an array of shape (n, *shape of a row)."""
        loaded = np.empty((len(self.numbers[rows]), *self._first.shape), self.dtype)
        for place, number in zip(loaded, self.numbers[rows], strict=True):
            row = self._row(number)
            if row.shape != self._first.shape:
                raise ValueError(
                    f"{self._where(number)} is a row of shape {row.shape}, others have "
                    f"{self._first.shape}; bring all to one shape in the Dataset, for instance by "
                    f"Resize, or by padding."
                )
            if row.dtype != self.dtype:
                refuse_other_dtype(row, self.dtype, self._where(number))
            place[...] = row
        return loaded

    def _row(self, number):
        """Load one row as an array of float32, float64 or uint8."""
        item = self.dataset[int(number)]
        row = item[0] if isinstance(item, (tuple, list)) else item
        row = row if self.load is None else self.load(row)
        where = self._where(number)
        if not isinstance(row, (np.ndarray, np.number, torch.Tensor)):
            raise TypeError(f"{where} is no array of numbers but {cure_of(row)}")
        row = np.asarray(as_numpy(row))
        if row.dtype.kind not in "biuf":
            raise TypeError(f"{where} is no array of numbers; its dtype is {row.dtype}.")
        if row.ndim == 0:
            raise ValueError(f"{where} is a single number; a row needs one axis at least.")
        if row.dtype.kind == "f" and not np.isfinite(row).all():
            raise ValueError(f"{where} contains NaN or infinity.")
        if row.dtype.kind in "iu" and row.size and abs(row).max() >= 2**24:
            raise ValueError(
                f"{where} holds whole numbers of 16,777,216 or more, which float32 would round; "
                f"let the Dataset return float64."
            )
        kept = row.dtype in (np.uint8, np.float32, np.float64)
        return row if kept else row.astype(np.float32)

    def _where(self, number):
        return f"Item {number} of the {type(self.dataset).__name__}"

    def _look_twice(self):
        """Raise a ValueError if the Dataset changes its rows at random."""
        some = np.linspace(0, len(self.numbers) - 1, min(LOOKED_AT, len(self.numbers)))
        for number in self.numbers[some.astype(int)]:  # from all over it: rows may be sorted
            if not np.array_equal(self._row(number).copy(), self._row(number)):
                raise ValueError(
                    f"{self._where(number)} is another row each time it is loaded: its transform "
                    f"draws at random, and would change test rows as well. Take that out of the "
                    f"Dataset; what changes training rows alone belongs into the estimator "
                    f"(augment=...)."
                )


def joined(sets):
    """Return tensors, or `Rows` of one Dataset, one after the other."""
    if not isinstance(sets[0], Rows):
        return torch.cat(sets)
    first = sets[0]
    return Rows(first.dataset, first.load, np.concatenate([s.numbers for s in sets]), first._first)
