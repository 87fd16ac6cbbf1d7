"""What happened to people who used `helpers` on tables of their own."""

import copy

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers import TorchClassifier, carried_weights

X, y = make_classification(120, 6, n_informative=4, random_state=0)


def voting(frozen):
    return VotingClassifier([("frozen", frozen), ("line", LogisticRegression())], voting="soft")


# A canary initialises networks anew, and a clone of a FrozenEstimator is the object itself.
FREEZERS = {
    "alone": lambda frozen: frozen,
    "in a Pipeline": lambda frozen: make_pipeline(StandardScaler(), frozen),
    "calibrated": CalibratedClassifierCV,
    "in a vote": voting,
}


@pytest.mark.slow  # some seconds
@pytest.mark.parametrize("name", FREEZERS)
def test_a_frozen_network_is_put_back(name):
    fitted = TorchClassifier(epochs=40, random_state=0, module__hidden=8).fit(X, y)
    before = copy.deepcopy(fitted.module_.state_dict())
    carried_weights(FREEZERS[name](FrozenEstimator(fitted)), X, y)
    for weight, value in fitted.module_.state_dict().items():
        np.testing.assert_array_equal(value, before[weight], err_msg=weight)
