"""Networks that clones carry along within an estimator that learns from labels by itself."""

import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier
from torch import manual_seed, nn

from helpers import TorchClassifier, carried_weights
from helpers.data import coin_flips

pytestmark = pytest.mark.slow

X, y = coin_flips(80, 20)
X, y = StandardScaler().fit_transform(X).astype("float32"), y.astype("int64")
LINE = ("line", LogisticRegression())
WHOLES = {
    "calibrated": lambda net: CalibratedClassifierCV(net, cv=2),
    "calibrated Pipeline": lambda net: CalibratedClassifierCV(
        make_pipeline(StandardScaler(), net), cv=2
    ),
    "calibrated in a Pipeline": lambda net: make_pipeline(
        StandardScaler(), CalibratedClassifierCV(net, cv=2)
    ),
    "stacked": lambda net: StackingClassifier([LINE, ("net", net)], cv=2),
    "voting": lambda net: VotingClassifier([LINE, ("net", net)], voting="soft"),
}


def fitted():
    """Return a skorch net that holds a network, fitted to all labels."""
    manual_seed(0)
    module = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 2))
    options = {"criterion": nn.CrossEntropyLoss, "train_split": None, "verbose": 0}
    return NeuralNetClassifier(module, lr=0.5, max_epochs=100, **options).fit(X, y)


@pytest.mark.parametrize("name", WHOLES)
def test_a_fitted_net_is_seen_within(name):
    finding = carried_weights(WHOLES[name](fitted()), X, y)
    assert finding.leaked is True and finding.evidence.startswith("The estimator within, `")


@pytest.mark.parametrize("name", WHOLES)
def test_a_net_that_fit_builds_is_not_accused_within(name):
    finding = carried_weights(WHOLES[name](TorchClassifier()), X, y)
    assert finding.leaked is False and finding.evidence.startswith("The estimator within, `")


def test_a_net_that_cannot_be_asked_is_no_net_that_is_fine():
    class Stubborn(NeuralNetClassifier):
        def score(self, X, y):
            raise RuntimeError("no scores")

    stubborn = Stubborn(**fitted().get_params(deep=False))
    whole = VotingClassifier([("net", TorchClassifier()), ("other", stubborn), LINE])
    assert carried_weights(whole, X, y).leaked is not False


def test_where_nothing_within_is_trained_in_epochs_the_whole_is_told():
    finding = carried_weights(CalibratedClassifierCV(LogisticRegression()), X, y)
    assert finding.leaked is None and finding.evidence.startswith("It needs a number of epochs")
