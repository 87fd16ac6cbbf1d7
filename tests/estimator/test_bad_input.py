"""Bad input gets an error that says what was expected and what came; nothing is changed."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from torch import nn

from helpers import MLP, TorchClassifier, TorchRegressor
from tests.networks import cached, shared_backbone

X, y = load_iris(return_X_y=True)


def spoilt(value):
    bad = X.astype(type(value)) if isinstance(value, complex) else X.copy()
    bad[0, 0] = value
    return bad


def wrong_width(n_features, n_outputs):
    return MLP(n_features, n_outputs + 2)


def no_module(n_features, n_outputs):
    return "a network"


def nothing_to_train(n_features, n_outputs):
    return nn.Identity()


DATA = {
    "NaN": (spoilt(np.nan), y, "X contains NaN"),
    "inf": (spoilt(np.inf), y, "X contains infinity"),
    "strings": (np.full((150, 4), "a"), y, "could not convert string to float"),
    "complex": (spoilt(1j), y, "Complex data not supported"),
    "1-D": (X[:, 0], y, "Expected 2D array, got 1D array"),
    "empty": (X[:0], y[:0], "Found array with 0 sample"),
    "no features": (X[:, :0], y, r"0 feature\(s\)"),
    "one class": (X[:50], y[:50], r"needs at least two classes; got one class, 0\."),
    "continuous target": (X, y + 0.5, "Unknown label type: continuous"),
    "NaN target": (X, np.where(y == 0, np.nan, y), "y contains NaN"),
    "unequal lengths": (X, y[:-1], r"inconsistent numbers of samples: \[150, 149\]"),
}

KNOWN_OPTIMIZERS = "".join(f"(?=.*'{name}')" for name in ("adam", "adamw", "rmsprop", "sgd"))
PARAMETERS = {
    "negative epochs": ({"epochs": -1}, ValueError, r"'epochs'.*int in the range \[0.*Got -1"),
    "lr no number": ({"lr": "fast"}, ValueError, "'lr'.*float in the range.*Got 'fast'"),
    "batch_size 0": ({"batch_size": 0}, ValueError, "'batch_size'.*Got 0"),
    "patience 0": ({"patience": 0}, ValueError, "'patience'.*Got 0"),
    "fraction 1": ({"validation_fraction": 1.0}, ValueError, "'validation_fraction'.*Got 1.0"),
    "unknown optimizer": ({"optimizer": "adm"}, ValueError, KNOWN_OPTIMIZERS),
    "unknown device": ({"device": "gpu"}, ValueError, "must be 'cpu' or 'cuda'.*got 'gpu'"),
    "seed no number": ({"random_state": "x"}, ValueError, "'random_state'.*Got 'x'"),
    "instance": (
        {"module": MLP(4, 3)},
        TypeError,
        r"instance of MLP.*every fold.*Write TorchClassifier\(MLP\) instead",
    ),
    "layers": (
        {"module": nn.Sequential(nn.Linear(4, 3))},
        TypeError,
        r"def recipe\(n_features, n_outputs\): return Sequential\(...\), and write",
    ),
    "cached recipe": ({"module": cached}, TypeError, "cached returned the same weights twice"),
    "shared layer": ({"module": shared_backbone}, TypeError, "the same weights twice"),
    "not callable": ({"module": "MLP"}, TypeError, "must be a recipe.*got 'MLP'"),
    "no module": ({"module": no_module}, TypeError, "no_module must return a torch.nn.Module"),
    "no parameters": ({"module": nothing_to_train}, TypeError, "parameters to train"),
    "wrong width": ({"module": wrong_width}, ValueError, "must return 3 outputs.*(2, 5)"),
    "module argument": ({"module__hiden": 3}, TypeError, "'MLP' has no argument 'hiden'"),
    "no class has weight": (
        {"class_weight": {0: 0, 1: 0, 2: 0}},
        ValueError,
        "Every row has weight 0",
    ),
    "divergence": (
        {"lr": 1e300, "optimizer": "sgd"},
        ValueError,
        r"diverged: the loss was \w+ in epoch \d+, with lr=1e\+300; the largest input is 7.9",
    ),
}

WEIGHTS = {
    "negative": (-np.ones(150), "Negative values"),
    "too few": (np.ones(149), r"sample_weight.shape == \(149,\), expected \(150,\)"),
    "all zero": (np.zeros(150), "zero"),
}


def state(clf):
    learned = {name: value for name, value in vars(clf).items() if name != "module_"}
    return repr(learned), [p.tolist() for p in clf.module_.parameters()]


@pytest.mark.parametrize("case", DATA)
def test_data(case):
    X_bad, y_bad, message = DATA[case]
    clf = TorchClassifier(epochs=1, random_state=0).fit(X[:, :3], y)
    before = state(clf)
    with pytest.raises(ValueError, match=message):
        clf.fit(X_bad, y_bad)
    assert state(clf) == before


@pytest.mark.parametrize("case", PARAMETERS)
def test_parameters(case):
    parameters, error, message = PARAMETERS[case]
    clf = TorchClassifier(epochs=3, random_state=0).fit(X, y)
    learned = state(clf)[1]
    with pytest.raises(error, match=message):
        clf.set_params(**parameters).fit(X[:, :3], y)
    assert clf.n_features_in_ == 4
    assert state(clf)[1] == learned


@pytest.mark.parametrize("case", WEIGHTS)
def test_sample_weight(case):
    sample_weight, message = WEIGHTS[case]
    with pytest.raises(ValueError, match=message):
        TorchClassifier(epochs=1).fit(X, y, sample_weight=sample_weight)


def test_wrong_width_at_predict():
    for estimator in (TorchClassifier(epochs=1), TorchRegressor(epochs=1)):
        with pytest.raises(ValueError, match="X has 3 features, but Torch.* is expecting 4"):
            estimator.fit(X, y).predict(X[:, :3])


def test_groups_of_wrong_length():
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[150, 149\]"):
        TorchClassifier(epochs=1, patience=1).fit(X, y, groups=np.arange(149))


def test_cuda_where_there_is_none(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ValueError, match="finds no CUDA device; use device='cpu'"):
        TorchClassifier(device="cuda").fit(X, y)


def test_columns_of_one_name():
    table = pd.DataFrame(X, columns=["width", "length", "width", "length"])
    said = r"{} has 2 columns of the name 'width'. Give each a name.*{}.to_numpy\(\)"
    fitted = TorchRegressor(epochs=1).fit(X, y)
    for call, what in (
        (lambda: TorchClassifier(epochs=1).fit(table, y), "X"),
        (lambda: TorchClassifier(epochs=1).partial_fit(table, y), "X"),
        (lambda: TorchRegressor(epochs=1).fit(X, table), "y"),
        (lambda: fitted.predict(table), "X"),
    ):
        with pytest.raises(ValueError, match=said.format(what, what)):
            call()


def test_a_missing_number_gets_no_label():
    with pytest.raises(ValueError, match=r"None in row 0. Leave such rows out\.$"):
        TorchRegressor(epochs=1).fit(X, np.where(y, y, None))
