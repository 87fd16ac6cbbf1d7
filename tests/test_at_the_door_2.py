"""What the estimator says at its door: more inputs of users."""

import numpy as np
import pytest

from helpers import TorchClassifier


def test_patience_says_how_many_groups_each_part_needs():
    X, y = np.ones((40, 2)), np.arange(40) % 2
    with pytest.raises(ValueError, match="here 1 of 1; it needs one .*, 1 at least in each"):
        TorchClassifier(patience=2).fit(X, y, groups=np.zeros(40))
