"""What the looks of `fused` must leave as it is."""

import torch
from sklearn.base import clone

from helpers import TorchClassifier
from tests.fusing.test_hunt_29 import X, assert_equal, both_ways, y
from tests.networks import Net


class ByVersion(Net):
    """Reads how often torch has written to its weights."""

    def forward(self, X):
        scale = 1 + 0.01 * self.hidden.weight._version
        return self.out(torch.tanh(self.hidden(X) * scale))


def test_a_look_at_a_network_does_not_count_as_writing_to_it():
    clf = TorchClassifier(ByVersion, epochs=3, random_state=0)
    fits = [(clone(clf).set_params(lr=lr), X, y) for lr in (0.01, 0.1)]
    plain, found, told, run = both_ways(fits)
    assert_equal(found, plain)
    assert run.batches == [1, 1]
    assert len(told) == 1
    assert "ByVersion cannot be stacked: its outputs in training are others" in told[0]
