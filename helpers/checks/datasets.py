"""What `rows_of` and `y_of` take, and sentences for what they do not."""

import os

import numpy as np
from scipy import sparse
from torch.utils.data import DataLoader, IterableDataset


def by_number(dataset):
    """Return what is asked for its rows by number; raise a TypeError if there is no such thing.

    A column of pandas is made a list: of its rows, ``column[3]`` is the one that is labelled 3.
    """
    name = type(dataset).__name__
    if isinstance(dataset, DataLoader):
        raise TypeError(
            f"A {name} has no rows to split; hand over its Dataset, loader.dataset, and set "
            f"batch_size in the estimator."
        )
    if isinstance(dataset, IterableDataset):
        raise TypeError(
            f"{name} gives its rows one after the other, so that no split can ask for some of "
            f"them; hand over a Dataset with __len__ and __getitem__."
        )
    if isinstance(dataset, str):
        raise TypeError(
            f"rows_of and y_of need a Dataset, or a list of paths; got the one path {dataset!r}. "
            f"For a folder, give sorted(Path(folder).iterdir()) and load=..., what reads a file."
        )
    if isinstance(dataset, dict) or sparse.issparse(dataset):
        raise TypeError(
            f"rows_of and y_of need a Dataset, whose rows are dataset[0], dataset[1], ...; got a "
            f"{name}. Give the array or list that holds the rows."
        )
    if hasattr(dataset, "iloc") and getattr(dataset, "ndim", 1) == 2:
        raise TypeError(
            f"rows_of and y_of need a Dataset; a {name} is a table, which an estimator takes. "
            f"Of a column of paths, give that column: rows_of(table['path'], load=np.load)."
        )
    if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
        raise TypeError(
            f"rows_of and y_of need a Dataset, an object with __len__ and __getitem__; {name} "
            f"lacks one."
        )
    return list(dataset) if hasattr(dataset, "iloc") else dataset


def cure_of(row):
    """Return what a row is instead of an array, and what to do."""
    kind = type(row)
    if isinstance(row, dict):
        keys = ", ".join(map(repr, row))
        key = next(iter(row), "image")
        return f"a dict with the keys {keys}: rows_of(dataset, load=lambda item: item[{key!r}])."
    if isinstance(row, (str, os.PathLike)):
        return f"the path or text {str(row)!r}: rows_of(paths, load=np.load), or what reads it."
    if kind.__module__.split(".")[0] == "PIL":
        return (
            "a PIL image: give the Dataset a transform that makes an array of one shape, such as "
            "torchvision's PILToTensor(), or write rows_of(dataset, load=np.asarray), which puts "
            "the channels last."
        )
    return f"of type {kind.__name__}: rows_of(dataset, load=...) takes what makes an array of it."


def refuse_other_dtype(row, dtype, where):
    """Raise a ValueError if a row would become other numbers among rows of another dtype."""
    with np.errstate(over="ignore"):
        kept = np.can_cast(row.dtype, dtype, "same_kind") and np.isfinite(row.astype(dtype)).all()
    if not kept:
        raise ValueError(
            f"{where} is a row of {row.dtype}, others are {dtype}, which cannot hold its numbers; "
            f"let the Dataset return all rows in one dtype, for instance by row.astype(np.float32)."
        )


def together(labels):
    """Return a list of labels as an array: as they are, where numpy would turn some into text."""
    try:
        found = np.asarray(labels)
    except ValueError:  # of unequal lengths
        found = None
    all_text = found is not None and found.dtype.kind in "US"
    if found is None or all_text and not all(isinstance(one, (str, bytes)) for one in labels):
        return np.fromiter(labels, dtype=object, count=len(labels))
    return found
