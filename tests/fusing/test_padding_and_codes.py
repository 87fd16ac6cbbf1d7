"""Rows and codes that no network may see, code within torch's layers, and a loss that counts."""

import warnings
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from torch import nn
from torch.nn import functional as F

from helpers import TorchClassifier, TorchRegressor, fused

pytestmark = pytest.mark.slow

DRAW = np.random.default_rng(0)


def cross_validated(clf, X, y, n_folds=4, **settings):
    """Return the scores of plain folds; nan where a fit fails."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(?s).*(fits failed|Scoring failed)")
        return cross_val_score(clf, X, y, cv=KFold(n_folds), error_score=np.nan, **settings)


# Rows that are left out --------------------------------------------------------------------------


def log_loss(outputs, y):
    return (outputs - y.log()).square()


@pytest.mark.parametrize(
    ("n_rows", "settings"), [(38, {}), (38, {"batch_size": 7}), (35, {"patience": 3})], ids=str
)
def test_padding_is_never_a_row_that_is_left_out(n_rows, settings):
    X = DRAW.normal(size=(n_rows, 3))
    y, weight = np.exp(X[:, 0]), np.ones(n_rows)
    y[0], weight[0] = 0, 0  # its loss is infinite, and 0 times infinity nan
    regressor = TorchRegressor(loss=log_loss, epochs=4, random_state=0, **settings)
    scoring = {"params": {"sample_weight": weight}, "scoring": "neg_median_absolute_error"}
    plain = cross_validated(regressor, X, y, **scoring)
    assert np.isfinite(plain).all()
    with fused() as run:
        found = cross_validated(regressor, X, y, **scoring)
    np.testing.assert_allclose(found, plain, rtol=0, atol=1e-10)
    assert run.batches == [4]


# Codes -------------------------------------------------------------------------------------------


class Codes(nn.Module):
    """Looks up vectors for columns of codes from 0 to 5."""

    def __init__(self, n_features, n_outputs, padding_idx=None):
        super().__init__()
        self.codes = nn.Embedding(6, 4, padding_idx)
        self.last = nn.Linear(4, n_outputs)

    def look_up(self, codes):
        return self.codes(codes).sum(1)

    def forward(self, X):
        return self.last(self.look_up(X.long()))


class ByFunction(Codes):
    def look_up(self, codes):
        return F.embedding(codes, self.codes.weight, self.codes.padding_idx).sum(1)


class ByTorch(Codes):
    def look_up(self, codes):
        table, padding_idx = self.codes.weight, self.codes.padding_idx
        return torch.embedding(table, codes, -1 if padding_idx is None else padding_idx).sum(1)


class OneHot(Codes):
    def look_up(self, codes):
        return F.one_hot(codes, 6).to(self.codes.weight).sum(1) @ self.codes.weight


class OfAllNetworks(Codes):
    """Looks up the same codes for each row, which only differ in the vectors of each network."""

    def look_up(self, codes):
        table = self.codes(torch.arange(6)) + F.one_hot(torch.arange(6), 6)[:, :4]
        return F.embedding(codes, table, padding_idx=-1).sum(1)


CODED = DRAW.integers(0, 6, (64, 3)).astype(float)
CLASSES = (CODED[:, 0] > 2).astype(int)
CODER = TorchClassifier(Codes, epochs=3, batch_size=8, lr=0.05, random_state=0)


@pytest.mark.parametrize("padding_idx", [None, 2, -1])
@pytest.mark.parametrize("module", [Codes, ByFunction, ByTorch, OneHot, OfAllNetworks])
def test_each_network_looks_up_in_its_own_table(module, padding_idx):
    clf = CODER.set_params(module=module, module__padding_idx=padding_idx)
    plain = cross_validated(clf, CODED, CLASSES, scoring="neg_log_loss")
    with fused() as run:
        found = cross_validated(clf, CODED, CLASSES, scoring="neg_log_loss")
    np.testing.assert_allclose(found, plain, rtol=0, atol=1e-10)
    assert run.batches == [4]


@pytest.mark.parametrize("code", [6, -1])
@pytest.mark.parametrize("module", [Codes, ByFunction, ByTorch, OneHot])
def test_a_code_that_no_table_has_is_not_found_in_a_neighbours(module, code):
    X = CODED.copy()
    X[40, 1] = code  # in the rows of all folds but the third, none of which the trial looks at
    clf = CODER.set_params(module=module, module__padding_idx=None)
    plain = cross_validated(clf, X, CLASSES, scoring="neg_log_loss")
    assert np.isnan(plain).all()
    with fused(), pytest.warns(UserWarning, match="out of range|Class values must be"):
        np.testing.assert_array_equal(
            cross_validated(clf, X, CLASSES, scoring="neg_log_loss"), plain
        )


class OfAllNumbers(nn.Module):
    """Scales what comes by the largest of some weights, which are all as large at first."""

    def __init__(self, n_features, n_outputs, name="max"):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(n_features))
        self.last, self.name = nn.Linear(n_features, n_outputs), name

    def forward(self, X):
        return self.last(X * self.scale / getattr(self.scale, self.name)())


@pytest.mark.parametrize("name", ["max", "min", "median", "nanmedian"])
def test_numbers_that_are_equally_large_share_the_gradient(name):
    clf = TorchClassifier(OfAllNumbers, module__name=name, epochs=3, lr=0.05, random_state=0)
    plain = cross_validated(clf, CODED, CLASSES, scoring="neg_log_loss")
    with fused() as run:
        found = cross_validated(clf, CODED, CLASSES, scoring="neg_log_loss")
    np.testing.assert_allclose(found, plain, rtol=0, atol=1e-10)
    assert run.batches == [4]


# A loss that counts ------------------------------------------------------------------------------

N_CALLS = [0]


class WarmUp:
    """A loss that is small in its first steps; only whole batches count."""

    def __init__(self):
        self.done = 0

    def count(self, y):
        self.done += len(y) == 8
        return self.done

    def __call__(self, outputs, y):
        factor = 0.1 if self.count(y) < 10 else 1.0
        return factor * F.cross_entropy(outputs, y, reduction="none")


class WarmUpOutside(WarmUp):
    def count(self, y):
        N_CALLS[0] += len(y) == 8
        return N_CALLS[0]


@pytest.mark.parametrize("loss", [WarmUp, WarmUpOutside])
def test_the_trial_does_not_move_a_loss_that_counts_whole_batches(loss):
    settings = {"loss": loss(), "optimizer": "sgd", "lr": 0.5, "epochs": 4, "batch_size": 8}
    clf = TorchClassifier(**settings, random_state=0)
    N_CALLS[0] = 0
    plain = cross_validated(clf, CODED, CLASSES, scoring="neg_log_loss")
    N_CALLS[0] = 0
    with fused() as run, pytest.warns(UserWarning, match="its loss keeps something"):
        found = cross_validated(clf, CODED, CLASSES, scoring="neg_log_loss")
    np.testing.assert_array_equal(found, plain)
    assert run.batches == [1] * 4


# Code within torch's layers ----------------------------------------------------------------------

SLOPES = {"in use": 1.0}


class Activation:
    def __call__(self, X):
        return F.leaky_relu(X, SLOPES["in use"])

    def method(self, X):
        return self(X)


def leaky(X, factor=1.0):
    return factor * F.leaky_relu(X, SLOPES["in use"])


ACTIVATIONS = {
    "object": Activation(),
    "method": Activation().method,
    "partial": partial(leaky, factor=2.0),
}


class Transformer:
    def __init__(self, activation):
        self.activation = activation

    def __call__(self, n_features, n_outputs, slope=1.0):
        SLOPES["in use"] = slope
        layer = nn.TransformerEncoderLayer(
            n_features, 1, 4, dropout=0.0, activation=ACTIVATIONS[self.activation]
        )
        return nn.Sequential(layer, nn.Linear(n_features, n_outputs))


def patched(n_features, n_outputs, slope=0.01):
    nn.LeakyReLU.forward = lambda self, X: F.leaky_relu(X, slope)
    return nn.Sequential(nn.Linear(n_features, 4), nn.LeakyReLU(), nn.Linear(4, n_outputs))


@pytest.mark.parametrize("recipe", [*map(Transformer, ACTIVATIONS), patched])
def test_a_setting_that_a_layer_of_torch_reads_is_not_that_of_the_last(recipe, monkeypatch):
    monkeypatch.setattr(nn.LeakyReLU, "forward", nn.LeakyReLU.forward)
    clf = TorchClassifier(recipe, epochs=2, random_state=0)
    search = GridSearchCV(
        clf, {"module__slope": [0.01, 0.9]}, cv=2, scoring="neg_log_loss", refit=False
    )
    search.set_params(error_score="raise").fit(CODED, CLASSES)
    with fused(), pytest.raises(ValueError, match="outside of it, which another fit has changed"):
        search.fit(CODED, CLASSES)


# Reasons -----------------------------------------------------------------------------------------


class Added(nn.Module):
    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.linear = nn.Linear(n_features, n_outputs)
        self.add(n_features, n_outputs)

    def forward(self, X):
        return self.linear(X) + self.more(X)


class Keywords(Added):
    def add(self, n_features, n_outputs):
        self.recurrent = nn.GRU(1, n_outputs, batch_first=True)
        self.norm = nn.BatchNorm1d(n_outputs)

    def more(self, X):
        self.recurrent.flatten_parameters()
        state = X.new_zeros(1, len(X), self.recurrent.hidden_size)
        return self.norm(input=self.recurrent(input=X.unsqueeze(2), hx=state)[1][0])


class NoWidth(Added):
    def add(self, n_features, n_outputs):
        self.more = nn.Sequential(nn.Linear(n_features, 0), nn.Linear(0, n_outputs))


class Packed(Added):
    def add(self, n_features, n_outputs):
        self.recurrent = nn.GRU(1, n_outputs, batch_first=True)

    def more(self, X):
        lengths = torch.full((len(X),), 2)
        packed = nn.utils.rnn.pack_padded_sequence(X.unsqueeze(2), lengths, batch_first=True)
        return self.recurrent(packed)[1][0]


class Sparse(Added):
    def add(self, n_features, n_outputs):
        self.codes = nn.Embedding(6, n_outputs, sparse=True)

    def more(self, X):
        return self.codes(X[:, 0].long())


def dropped(X):
    torch.manual_seed(0)
    return nn.functional.dropout(X)


# Whether dropout draws in the order of rows, as torch 2.6 does, however they lie in memory.
ONES = torch.ones(8, 8)
BY_ROWS = torch.equal(dropped(ONES.T), dropped(ONES))


class Transposed(Added):
    def add(self, n_features, n_outputs):
        self.drop = nn.Dropout()

    def more(self, X):
        return self.drop(self.linear(X).T).T


class OwnParameters(NoWidth):
    def parameters(self, recurse=True):
        return self.linear.parameters()


@pytest.mark.parametrize("module", [Keywords, NoWidth])
@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_calls_and_widths_that_a_stack_takes(module):
    clf = TorchClassifier(module, epochs=2, random_state=0)
    plain = cross_validated(clf, CODED, CLASSES, scoring="neg_log_loss")
    with fused() as run:
        found = cross_validated(clf, CODED, CLASSES, scoring="neg_log_loss")
    np.testing.assert_allclose(found, plain, rtol=0, atol=1e-10)
    assert run.batches == [4]


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (Packed, "stacked: it gives a layer a PackedSequence, which is no tensor"),
        pytest.param(
            *(Transposed, "stacked: its dropout draws in another order"),
            marks=pytest.mark.skipif(BY_ROWS, reason="this torch draws by rows, as a stack does"),
        ),
        (Sparse, "stacked: its gradients are sparse"),
        (OwnParameters, "stacked: its `parameters.*` are not those that it has by name"),
    ],
)
@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_the_reason_is_the_true_one(module, reason):
    clf = TorchClassifier(module, optimizer=torch.optim.SGD, epochs=2, random_state=0)
    plain = cross_validated(clf, CODED, CLASSES, scoring="neg_log_loss")
    with fused(), pytest.warns(UserWarning, match=reason):
        found = cross_validated(clf, CODED, CLASSES, scoring="neg_log_loss")
    np.testing.assert_array_equal(found, plain)
