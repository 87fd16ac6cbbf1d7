"""What the estimator says at its door: rows by number, the precision of tables, kept state."""

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal

from helpers import TorchClassifier, rows_of, y_of

X, y = np.random.default_rng(0).normal(size=(60, 5)), np.arange(60) % 2


def classifier(*args, **settings):
    return TorchClassifier(*args, **{"epochs": 3, "random_state": 0} | settings)


# Datasets whose rows are asked for by number.


class Listed:
    """A Dataset that gives what it was given."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.items[i]


def test_a_shuffled_column_gives_its_rows_in_their_order(tmp_path):
    for number, row in enumerate(X):
        np.save(tmp_path / f"{number}.npy", row)
    order = np.random.default_rng(1).permutation(60)
    paths = pd.Series([str(tmp_path / f"{number}.npy") for number in range(60)])
    assert_array_equal(np.asarray(rows_of(paths[order], load=np.load)), X[order])
    assert_array_equal(np.asarray(rows_of(paths[order[:9]], load=np.load)), X[order[:9]])
    assert_array_equal(rows_of(pd.Series(list(X))[order]), X[order])
    pairs = pd.Series([(row, number) for number, row in enumerate(X)])[order]
    assert_array_equal(y_of(pairs), order)


def test_a_table_is_no_dataset():
    for table in (pd.DataFrame(X), pd.DataFrame(X, columns=list("abcde"))):
        with pytest.raises(TypeError, match="a DataFrame is a table, which an estimator takes"):
            rows_of(table)


OTHERS = {
    "floats": X[7],
    "whole numbers": np.full(5, 300),
    "huge": np.full(5, 1e300),
}


@pytest.mark.parametrize("row", OTHERS.values(), ids=OTHERS)
def test_rows_that_would_become_other_numbers(row):
    first = np.zeros(5, np.float32 if row[0] > 1e99 else np.uint8)
    rows = rows_of(Listed([*[first] * 30, row, *[first] * 29]))
    with pytest.raises(ValueError, match=f"^Item 30 .* is a row of .*, others are {first.dtype}"):
        classifier().fit(rows, y)


def test_rows_that_stay_the_numbers_they_are():
    items = [X[0].astype(np.float32), X[1], np.arange(5), np.uint8([1, 2, 3, 4, 200])]
    found = np.asarray(rows_of(Listed(items)))
    assert found.dtype == np.float32
    assert_array_equal(found, np.array(items).astype(np.float32))


def test_labels_of_a_dataset_are_not_changed():
    assert y_of(Listed([(X[0], 1), (X[1], "a")])).tolist() == [1, "a"]
    assert y_of(Listed([(X[0], [1]), (X[1], [1, 2])])).tolist() == [[1], [1, 2]]
    half = torch.tensor(1.5, dtype=torch.bfloat16, requires_grad=True)
    assert y_of(Listed([(X[0], half), (X[1], half)])).tolist() == [1.5, 1.5]
    assert rows_of(Listed([half.detach().expand(3)])).dtype == np.float32
