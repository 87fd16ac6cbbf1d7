"""A network whose answer for a row depends on the rows beside it is told so, and no other is."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from helpers import MLP, TorchClassifier, TorchRegressor

rng = np.random.RandomState(0)
X = rng.normal(size=(60, 5)).astype(np.float32)
Y = rng.randint(2, size=60)


class Net(nn.Module):
    def __init__(self, n_features, n_outputs, act):
        super().__init__()
        self.own_norm = nn.BatchNorm1d(n_features)
        self.batch_norm = nn.BatchNorm1d(n_features, track_running_stats=False)
        self.linear, self.act = nn.Linear(n_features, n_outputs), act

    def forward(self, X):
        return self.linear(self.act(self, X))


MIXING = {
    "mean": lambda net, X: X - X.mean(0),
    "softmax": lambda net, X: X.softmax(0),
    "batch norm": lambda net, X: net.batch_norm(X),
    "kept in training": lambda net, X: F.batch_norm(X, None, None, training=True),
    "unit length of columns": lambda net, X: F.normalize(X, dim=0),
    "sorted": lambda net, X: X.sort(0)[0],
    "added up": lambda net, X: X.cumsum(0),
    "attention between rows": lambda net, X: (X @ X.T).softmax(-1) @ X,
}
HONEST = {
    "batch norm": lambda net, X: net.own_norm(X),
    "layer norm": lambda net, X: F.layer_norm(X, X.shape[1:]),
    "softmax": lambda net, X: X.softmax(1),
    "unit length of rows": lambda net, X: F.normalize(X),
    "mean of rows that is not used": lambda net, X: X + 0 * X.mean(0),
    "dropout": lambda net, X: F.dropout(X, 0.5, net.training),
}


@pytest.mark.parametrize("act", MIXING)
def test_a_network_that_takes_other_rows_into_account(act):
    with pytest.warns(UserWarning, match="Net has another answer for a row if other rows"):
        TorchClassifier(Net, module__act=MIXING[act], epochs=2).fit(X, Y)
    with pytest.warns(UserWarning, match=r"as X.mean\(0\), softmax\(0\), a view"):
        TorchRegressor(Net, module__act=MIXING[act], epochs=2).fit(X, X[:, 0])


class Centred(MLP):
    def forward(self, X):
        return super().forward(X - X.mean(0))


class Deaf(MLP):
    def forward(self, X):
        return super().forward(0 * X)


@pytest.mark.parametrize("recipe, said", [(Centred, "for a row if other"), (Deaf, "for all rows")])
def test_a_forward_of_ones_own_in_a_network_derived_from_ours(recipe, said):
    with pytest.warns(UserWarning, match=f"{recipe.__name__} has .*answer {said}"):
        TorchClassifier(recipe, epochs=2).fit(X, Y)


@pytest.mark.parametrize("act", HONEST)
def test_a_network_that_answers_row_by_row(act):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TorchClassifier(Net, module__act=HONEST[act], epochs=2).fit(X, Y)
        TorchClassifier(epochs=2).fit(X, Y)


class Tokens(nn.Module):
    """Each number is a token, before which a learned one is put; `answer` returns its states."""

    def __init__(self, n_features, n_outputs, batch_first, answer=lambda net, tokens: tokens[:, 0]):
        super().__init__()
        self.embed, self.last = nn.Linear(1, 8), nn.Linear(8, n_outputs)
        self.first, self.answer = nn.Parameter(torch.randn(8)), answer
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=batch_first)

    def forward(self, X):
        first = self.first.expand(len(X), 1, 8)
        tokens = torch.cat([first, self.embed(X[:, :, None])], 1)
        return self.last(self.answer(self, self.encoder(tokens)))


IGNORING = {
    "attention between the first tokens": (Tokens, {"batch_first": False}),
    "taken before attention": (
        *(Tokens, {"batch_first": True, "answer": lambda net, X: net.first.expand(len(X), 8)}),
    ),
    "times nothing": (Net, {"act": lambda net, X: 0 * X}),
}


@pytest.mark.parametrize("recipe, arguments", IGNORING.values(), ids=IGNORING)
def test_a_network_that_ignores_its_rows(recipe, arguments):
    arguments = {f"module__{name}": value for name, value in arguments.items()}
    with pytest.warns(UserWarning, match="has the same answer for all rows"):
        TorchClassifier(recipe, epochs=2, **arguments).fit(X, Y)


def zero_at_first(n_features, n_outputs):
    network = nn.Sequential(nn.Linear(n_features, 4), nn.Tanh(), nn.Linear(4, n_outputs))
    nn.init.zeros_(network[-1].weight)
    return network


def of_one_code(n_features, n_outputs):
    """Return a network that looks at one column."""

    def look_up(net, X):
        return net.table(abs(X[:, 0]).long().clamp(max=8))

    network = Net(5, n_outputs, look_up)
    network.table = nn.Embedding(9, 5)
    return network


ALIKE = {"as they are": X, "equal": X[:1].repeat(60, 0), "small": 1e-9 * X, "far": X + 1e6}


@pytest.mark.parametrize("rows", ALIKE.values(), ids=ALIKE)
@pytest.mark.parametrize("recipe", [zero_at_first, of_one_code, Tokens])
def test_answers_that_are_the_same_at_first_or_for_rows_that_are_alike(recipe, rows, recwarn):
    arguments = {"module__batch_first": True} if recipe is Tokens else {}
    TorchClassifier(recipe, epochs=1, random_state=0, **arguments).fit(rows, Y)
    assert not recwarn.list


def test_asking_changes_nothing():
    """It is asked in a copy: statistics, counters and generators are what they were."""

    def recipe(n_features, n_outputs):
        return Net(n_features, n_outputs, count)

    def count(net, X):
        net.calls = getattr(net, "calls", 0) + 1
        return net.own_norm(X)

    state = torch.get_rng_state()
    clf = TorchClassifier(recipe, epochs=3, random_state=0).fit(X, Y)
    assert torch.equal(torch.get_rng_state(), state)
    assert clf.module_.calls == 4  # one to see what it returns, and one for each epoch
    assert clf.module_.own_norm.num_batches_tracked == 3


class OfFewRows(nn.Module):
    def __init__(self, n_features, n_outputs, after):
        super().__init__()
        self.linear, self.after = nn.Linear(n_features, n_outputs), after

    def forward(self, X):
        outputs = self.linear(X)
        return outputs if self.training or len(X) == 2 else self.after(outputs)


@pytest.mark.parametrize(
    ("after", "shape"),
    [
        (lambda outputs: outputs[:, :1], r"\(60, 1\)"),
        (lambda outputs: outputs[:1], r"\(1, 2\)"),
        (lambda outputs: outputs[0], r"\(2,\)"),
        (lambda outputs: outputs.mean(), r"\(\)"),
    ],
)
def test_answers_of_another_shape_are_not_spread_over_the_rows(after, shape):
    clf = TorchClassifier(OfFewRows, module__after=after, epochs=1, random_state=0).fit(X, Y)
    with pytest.raises(ValueError, match=rf"shape {shape} for 60 rows.*shape \(60, 2\) is due"):
        clf.predict_proba(X)


def test_a_narrower_network_set_as_module_is_no_answer():
    reg = TorchRegressor(epochs=1, random_state=0).fit(X, X[:, :2])
    reg.module_ = nn.Linear(5, 1)
    with pytest.raises(ValueError, match=r"\(60, 1\) for 60 rows.*If module_ was changed"):
        reg.predict(X)


# Networks that keep something from one prediction to the next.


class Keeping(nn.Module):
    def __init__(self, n_features, n_outputs, keep):
        super().__init__()
        self.linear, self.keep, self.temperature = nn.Linear(n_features, n_outputs), keep, 5.0
        self.gru, self.states = nn.GRU(1, n_features, batch_first=True), None
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("is_set", torch.tensor(False))

    def forward(self, X):
        return self.linear(self.keep(self, X))


def running_mean(net, X, only=True):
    if only:
        net.mean += 0.1 * (X.detach().mean(0) - net.mean)
    return X - net.mean


def cooling(net, X):
    net.temperature *= 0.9
    return X / net.temperature


def last_states(net, X):
    fits = net.states is not None and net.states.shape[1] == len(X)
    outputs, states = net.gru(X[..., None], net.states if fits else None)
    net.states = states.detach()
    return outputs[:, -1]


def set_up(net, X):
    if not net.is_set:
        net.mean, net.is_set = X.detach().mean(0), torch.tensor(True)
    return X - net.mean


def counting(net, X):
    net.temperature += 1
    return X


@pytest.mark.parametrize("keep", [running_mean, cooling, last_states])
def test_a_network_that_changes_while_it_predicts(keep, recwarn):
    TorchClassifier(Keeping, module__keep=keep, epochs=2, random_state=0).fit(X, Y)
    (warned,) = recwarn.list
    assert str(warned.message).startswith("Keeping keeps something from one prediction to the next")
    assert "only if self.training" in str(warned.message)


@pytest.mark.parametrize(
    "keep", [lambda net, X: running_mean(net, X, net.training), set_up, counting]
)
def test_a_network_that_changes_in_training_once_or_without_effect(keep, recwarn):
    TorchClassifier(Keeping, module__keep=keep, epochs=2, random_state=0).fit(X, Y)
    assert not recwarn.list
