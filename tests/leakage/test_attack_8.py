"""Folders, classes of one's own, gaps and columns of objects, as practitioners have them."""

import tempfile
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from helpers import purity

RNG = np.random.RandomState(0)
ROWS, FLIPS = RNG.normal(size=(60, 4)), RNG.permutation(np.arange(60) % 2)


class Logging(ClassifierMixin, BaseEstimator):
    """Names a folder of its own, while another program writes beside it."""

    def __init__(self, folder):
        self.folder = folder

    def fit(self, X, y):
        (Path(self.folder) / "of_another_program").write_text("kept")
        self.classes_ = np.unique(y)
        return self


def test_nothing_is_put_back_in_the_folder_for_temporary_files(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    purity(Logging(str(tmp_path)), ROWS, FLIPS)
    assert (tmp_path / "of_another_program").read_text() == "kept"
