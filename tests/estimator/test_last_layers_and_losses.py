"""Last layers, losses and augmentations that cannot be meant, and those that may be."""

import functools
import re
import threading
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.model_selection import cross_val_score
from torch import nn
from torch.nn import functional as F

from helpers import MLP, TorchClassifier, TorchRegressor, fused

X, y = np.random.default_rng(0).normal(size=(60, 5)), np.arange(60) % 2
values = X[:, 0] - 2
labels = np.column_stack([y, 1 - y, X[:, 0] > 0])


def classifier(*args, **settings):
    return TorchClassifier(*args, **{"epochs": 3, "random_state": 0} | settings)


def regressor(*args, **settings):
    return TorchRegressor(*args, **{"epochs": 3, "random_state": 0} | settings)


# The last layer.


class Ending(nn.Module):
    def __init__(self, n_features, n_outputs, last):
        super().__init__()
        self.linear, self.last = nn.Linear(n_features, n_outputs), last

    def forward(self, X):
        return self.last(self.linear(X))


ENDS = [
    (classifier, y, nn.Tanh(), "tanh.*between -1 and 1.*softmax.*can exceed 0.88"),
    (classifier, y, torch.tanh, "tanh.*between -1 and 1.*softmax.*can exceed 0.88"),
    (classifier, y, F.softsign, "softsign.*between -1 and 1"),
    (classifier, y, nn.Hardtanh(-0.5, 0.5), "hardtanh.*between -0.5 and 0.5.*can exceed 0.73"),
    (classifier, y, lambda outputs: outputs.clamp(-1, 1), "clamp.*between -1 and 1.*exceed 0.88"),
    (classifier, y, lambda outputs: outputs.clamp(min=0), "clamp.*never negative.*have 0 for all"),
    (classifier, labels, nn.LogSigmoid(), "log_sigmoid.*never above 0.*between 0.00 and 0.50"),
    (
        classifier,
        y,
        nn.ReLU(),
        r"relu.*never negative.*[1-9]\d? of 60 training rows have 0 for all",
    ),
    (classifier, y, nn.ReLU(inplace=True), "relu: .*training rows have 0 for all"),
    (classifier, y, torch.relu, "relu.*never negative.*training rows have 0 for all"),
    (classifier, labels, nn.Tanh(), "tanh.*sigmoid.*between 0.27 and 0.73"),
    (classifier, labels, nn.Softplus(), "softplus.*sigmoid.*between 0.50 and 1.00"),
    (regressor, values, nn.ReLU(), r"relu.*never negative. \d\d% of the numbers in y are out"),
    (regressor, 100 * values, nn.ReLU6(), r"relu6.*between 0 and 6. \d+% of the numbers"),
    (regressor, -9 - y, nn.ELU(), r"elu.*never below -1. 100% of the numbers in y are out"),
    (regressor, values, nn.Sigmoid(), "sigmoid.*between 0 and 1.*out of reach"),
    (regressor, 100 * values, torch.tanh, "tanh.*between -1 and 1.*TransformedTargetRegressor"),
]


@pytest.mark.parametrize("make, target, last, said", ENDS)
def test_a_last_layer_whose_outputs_cannot_be_what_is_needed(make, target, last, said):
    with pytest.warns(UserWarning, match=f"Ending ends in {said}"):
        make(Ending, module__last=last).fit(X, target)


HONEST = [
    (classifier, y, lambda outputs: 10 * torch.tanh(outputs / 10)),
    (classifier, y, lambda outputs: torch.relu(outputs) + 1),
    (classifier, y, nn.Softplus()),
    (classifier, y, nn.GELU()),
    (classifier, y, nn.LayerNorm(2, elementwise_affine=False)),
    (classifier, y, lambda outputs: outputs.clamp(-9, 9)),
    (classifier, labels, lambda outputs: outputs.clamp(-900, 900)),
    (classifier, y, nn.LogSigmoid()),
    (regressor, values, nn.Hardtanh(-9, 9)),
    (regressor, np.abs(values), nn.ReLU()),
    (regressor, np.tanh(values), nn.Tanh()),
    (regressor, y, nn.Sigmoid()),
]


@pytest.mark.parametrize("make, target, last", HONEST)
def test_a_last_layer_that_may_be_meant(make, target, last, recwarn):
    make(Ending, module__last=last).fit(X, target)
    assert not recwarn.list


def test_a_bounded_last_layer_with_a_loss_of_ones_own(recwarn):
    loss = lambda outputs, y: (1 - (2 * y - 1) * outputs.diff()[:, 0]).relu()  # noqa: E731
    classifier(Ending, module__last=nn.Tanh(), loss=loss).fit(X, y)
    assert not recwarn.list


def test_relu_where_no_row_has_only_zeros(recwarn):
    def recipe(n_features, n_outputs):
        network = Ending(n_features, n_outputs, nn.ReLU())
        nn.init.constant_(network.linear.bias, 50.0)
        return network

    classifier(recipe).fit(X, y)
    assert not recwarn.list


def nll(outputs, y):
    return F.nll_loss(outputs, y, reduction="none")


@pytest.mark.parametrize("loss", [nll, functools.partial(F.nll_loss, reduction="none")])
def test_log_softmax_is_not_called_needless_where_a_loss_may_need_it(loss, recwarn):
    clf = classifier(Ending, module__last=nn.LogSoftmax(dim=1), loss=loss).fit(X, y)
    assert not recwarn.list
    logits = clf.module_.linear(torch.tensor(X))
    np.testing.assert_allclose(clf.predict_proba(X), logits.softmax(1).detach(), rtol=1e-12)


def test_probabilities_with_a_loss_of_ones_own():
    loss = lambda outputs, y: nll(outputs.log(), y)  # noqa: E731
    with pytest.warns(UserWarning, match="predict_proba.*applies softmax to them again.*have loss"):
        classifier(Ending, module__last=nn.Softmax(dim=1), loss=loss).fit(X, y)


# Losses without a lowest value, or without a target for each row.


def test_a_partial_of_nll_loss_is_known():
    with pytest.warns(UserWarning, match="nll_loss takes logarithms.*outputs of module are none"):
        classifier(loss=functools.partial(F.nll_loss, reduction="none")).fit(X, y)


BELOW = [
    (classifier, y, nll),
    (classifier, y, lambda outputs, y: -F.cross_entropy(outputs, y, reduction="none")),
    (regressor, values, lambda outputs, y: -((outputs - y) ** 2)),
    (regressor, values, nn.BCEWithLogitsLoss(reduction="none")),  # of values beyond 0 and 1
]


@pytest.mark.parametrize("make, target, loss", BELOW)
def test_a_loss_that_falls_without_end_is_warned_of(make, target, loss):
    with pytest.warns(UserWarning, match="loss seems to have no lowest value: with a thousand"):
        make(loss=loss, epochs=50).fit(X, target)


BOUNDED = [
    (classifier, y, lambda outputs, y: -outputs.softmax(1).gather(1, y[:, None])[:, 0]),
    (regressor, values, lambda outputs, y: outputs**2 - 2 * outputs * y),
    (regressor, 9 - values, nn.PoissonNLLLoss(reduction="none")),
    (regressor, labels, lambda outputs, y: -F.cosine_similarity(outputs, y)),
]


@pytest.mark.parametrize("make, target, loss", BOUNDED)
def test_a_loss_below_0_that_has_an_end(make, target, loss, recwarn):
    assert make(loss=loss, epochs=50).fit(X, target).history_[-1]["train_loss"] < 0
    assert not recwarn.list


def test_a_loss_below_0_of_a_bounded_network(recwarn):
    loss = lambda outputs, y: -outputs * y  # noqa: E731
    model = regressor(Ending, module__last=nn.Tanh(), loss=loss, epochs=50).fit(X, values)
    assert model.history_[-1]["train_loss"] < 0
    assert not recwarn.list


SPREAD = [
    (regressor, values, lambda outputs, y: ((outputs[:, None] - y) ** 2).mean(1)),
    (regressor, values, lambda outputs, y: ((outputs[:, None] - y) ** 2).mean(0)),
    (classifier, y, lambda outputs, y: ((outputs[:, 1:] - y) ** 2).mean(1)),
]


@pytest.mark.parametrize("batch_size", [None, 7])
@pytest.mark.parametrize("make, target, loss", SPREAD)
def test_a_loss_that_compares_each_row_with_all_is_refused(make, target, loss, batch_size):
    model = make(loss=loss, batch_size=batch_size)
    with pytest.raises(ValueError, match=r"each row with its own target.*\(n, n\).* they come as"):
        model.fit(X, target)
    with fused(), pytest.raises(ValueError, match="each row with its own target"):
        with pytest.warns(UserWarning, match="cannot be stacked"):
            cross_val_score(model, X, target, error_score="raise")


def test_losses_of_each_row_with_each_are_told_to_have_one_shape():
    loss = lambda outputs, y: (outputs[:, None] * 0 + y * 0 + outputs.sum()) ** 2  # noqa: E731
    with pytest.raises(ValueError, match=r"returned shape \(60, 60\). Shapes such as \(n, 1\)"):
        regressor(loss=loss).fit(X, values)


def contrastive(outputs, y):
    logits = outputs @ outputs.T - 1e9 * torch.eye(len(y))
    alike = (y[:, None] == y) & ~torch.eye(len(y), dtype=torch.bool)
    return -(logits.log_softmax(1) * alike).sum(1) / alike.sum(1).clamp(min=1)


def far(outputs, y):
    """Of targets that lie all on one side, L1 does not see the order."""
    return (outputs - y).abs() + 0.1 * (outputs[:, None] - outputs).abs().mean(1)


@pytest.mark.parametrize("batch_size", [None, 8, 16])
@pytest.mark.parametrize(
    "make, target, loss",
    [
        (classifier, np.arange(60) % 2, contrastive),
        (classifier, np.arange(60) % 3, contrastive),
        (regressor, np.linspace(5, 9, 480).reshape(60, 8), lambda o, y: (o - y).abs().mean(1)),
        (regressor, 1000 + values[:, None] * np.ones(8), lambda o, y: ((o - y) ** 2).mean(1)),
        (regressor, 100 + values, far),
    ],
)
def test_what_only_looks_spread_is_not_refused(make, target, loss, batch_size):
    make(loss=loss, batch_size=batch_size).fit(X, target)


def test_a_loss_that_cannot_be_copied_is_not_asked():
    class Locked:
        def __init__(self):
            self.lock = threading.Lock()

        def __call__(self, outputs, y):
            return ((outputs[:, None] - outputs) ** 2).mean(1) + (outputs - y) ** 2

    regressor(loss=functools.partial(Locked().__call__)).fit(X, values)


def test_equal_logits_of_as_many_rows_as_classes():
    def zero(n_features, n_outputs):
        return nn.init.zeros_((layer := nn.Linear(n_features, n_outputs)).weight) is None or layer

    def focal(outputs, y):
        logs = F.log_softmax(outputs, 1).gather(1, y[:, None])[:, 0]
        return -((1 - logs.exp()) ** 2) * logs

    classifier(zero, loss=focal, batch_size=10).fit(X, np.arange(60) % 10)


PAIRS = [
    lambda outputs, y: F.softplus((outputs - outputs[:, None]) * (y[:, None] - y).sign()).mean(1),
    lambda outputs, y: ((outputs - y) ** 2)[:, None].expand(-1, len(y)).mean(1),
    lambda outputs, y: (outputs[:, None] - outputs).square().mean(1),  # without a target
]


@pytest.mark.parametrize("loss", PAIRS)
def test_a_loss_of_pairs_of_rows_is_not_refused(loss):
    for target in (values, np.ones(60)):
        regressor(loss=loss).fit(X, target)


def test_equal_outputs_of_all_rows_are_no_reason_to_refuse_a_loss():
    def zero(n_features, n_outputs):
        return nn.init.zeros_((layer := nn.Linear(n_features, n_outputs)).weight) is None or layer

    loss = lambda outputs, y: (torch.eye(len(y)) * (outputs - y) ** 2).sum(1)  # noqa: E731
    regressor(zero, loss=loss).fit(X, values)


LOSSES_OF_TORCH = [
    (regressor, values, nn.CrossEntropyLoss(reduction="none"), "no loss for outputs and y of the"),
    (classifier, y, nn.BCEWithLogitsLoss(reduction="none"), r"F.one_hot\(y, 2\).to\(outputs\)"),
    (classifier, labels, nn.BCELoss(reduction="none"), "BCEWithLogitsLoss takes them as they are"),
]


@pytest.mark.parametrize("make, target, loss, said", LOSSES_OF_TORCH)
def test_losses_of_torch_that_take_something_else(make, target, loss, said):
    with pytest.raises((ValueError, RuntimeError)) as raised:
        make(loss=loss).fit(X, target)
    told = str(raised.value) + "".join(getattr(raised.value, "__notes__", []))
    assert re.search(said, told)


@pytest.mark.parametrize("n_classes", [3, 10])
@pytest.mark.parametrize(
    "loss", [lambda o, y: ((o - y) ** 2).mean(1), nn.MSELoss(reduction="none")]
)
def test_outputs_are_not_spread_over_the_rows_where_there_are_as_many(loss, n_classes):
    with pytest.raises(ValueError, match=rf"own target; .*F.one_hot\(y, {n_classes}\)"):
        classifier(loss=loss, batch_size=n_classes).fit(X, np.arange(60) % n_classes)


def test_a_loss_that_reduces_over_the_rows_where_there_are_as_many_targets():
    weight = np.linspace(0.1, 1, 60)
    for loss in (lambda o, y: ((o - y) ** 2).mean(0), lambda o, y: (o - y).abs().sum(0)):
        with pytest.raises(ValueError, match="one number for each row"):
            regressor(loss=loss, batch_size=4).fit(X, X[:, [0, 1, 0, 1]], sample_weight=weight)


def test_what_comes_after_the_first_call_is_looked_at_as_well():
    mean = lambda o, y: nn.functional.cross_entropy(o, y).expand(len(y))  # noqa: E731
    clf = classifier(loss=mean).partial_fit(X, y)
    with pytest.raises(ValueError, match="same number for all rows"):
        clf.partial_fit(X, y, sample_weight=np.linspace(0.1, 1, 60))
    clf = classifier().fit(X, y).set_params(augment=lambda X: X.flip(0))
    with pytest.raises(ValueError, match="augment must leave each row in its place"):
        clf.partial_fit(X, y)


# Rows that augment moves.

MOVING = [
    lambda X: X.flip(0),
    lambda X: X.roll(1, 0),
    lambda X: X[torch.randperm(len(X))],
    lambda X: X.flip(0) if torch.rand(()) < 0.5 else X,
]


@pytest.mark.parametrize("batch_size", [None, 8])
@pytest.mark.parametrize("augment", MOVING)
def test_augment_may_not_put_rows_into_the_place_of_others(augment, batch_size):
    clf = classifier(augment=augment, batch_size=batch_size, epochs=20)
    with pytest.raises(ValueError, match=r"augment must leave each row in its place.*X.flip\(-1\)"):
        clf.fit(X, y)


@pytest.mark.parametrize("augment", [lambda X: X.flip(-1), lambda X: 1 - X, lambda X: 0 * X])
def test_rows_that_become_like_others_are_not_moved(augment):
    for rows in ((X > 0).astype(float), (X[:, :1] > 0).astype(float), np.ones((60, 2))):
        classifier(augment=augment).fit(rows, y)


# Networks.


class Hiding(nn.Module):
    """Keeps the layer in the middle where `how` says."""

    def __init__(self, n_features, n_outputs, how):
        super().__init__()
        self.first, self.last = nn.Linear(n_features, 8), nn.Linear(8, n_outputs)
        self.held = how(self)

    def forward(self, X):
        held = next(iter(self.held.values())) if isinstance(self.held, dict) else self.held
        layer = held[0] if isinstance(held, (list, tuple)) else held
        hidden = self.first(X)
        return self.last(hidden @ layer if isinstance(layer, torch.Tensor) else layer(hidden))


LOST = [
    lambda self: [nn.Linear(8, 8)],
    lambda self: (nn.Linear(8, 8),),
    lambda self: {"layer": nn.Linear(8, 8)},
    lambda self: torch.ones(8, 8, requires_grad=True),
]
FOUND = [
    lambda self: [self.first, nn.Linear(8, 8)][1],
    lambda self: [nn.Linear(8, 8).requires_grad_(False)],
    lambda self: torch.ones(8, 8),
    lambda self: [nn.Identity(), self.first, self.last],
]


@pytest.mark.parametrize("how", LOST)
def test_weights_that_torch_does_not_find_are_warned_of(how):
    with pytest.warns(UserWarning, match="Hiding has weights in its attribute 'held'.*ModuleList"):
        classifier(Hiding, module__how=how).fit(X.astype(np.float32), y)


@pytest.mark.parametrize("how", FOUND)
def test_weights_that_torch_finds_or_that_are_frozen(how, recwarn):
    classifier(Hiding, module__how=how).fit(X.astype(np.float32), y)
    assert not recwarn.list


class Codes(nn.Module):
    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.embedding = nn.Embedding(3, 4)
        self.linear = nn.Linear(4 * n_features, n_outputs)

    def forward(self, X):
        return self.linear(self.embedding(X.long()).flatten(1))


codes = np.arange(180).reshape(60, 3) % 3
beyond = np.where(np.arange(60) == 50, 7, codes.T).T


def test_a_code_beyond_an_embedding_in_a_row_that_is_validated():
    watched = [(np.arange(40), np.arange(40, 60))]
    with pytest.raises(ValueError, match="Codes cannot take some rows.*num_embeddings must exceed"):
        classifier(Codes, patience=2, validation_fraction=watched).fit(beyond, y)


class Forgetful(nn.Module):
    def __init__(self, n_features, n_outputs):
        self.widths = n_features, n_outputs


class Sequences(nn.Linear):
    def forward(self, X, lengths):
        return super().forward(X)


class Viewing(nn.Linear):
    def forward(self, X):
        return super().forward(X.view(60, 5))


@pytest.mark.parametrize(
    "module, error, said",
    [
        (Forgetful, TypeError, r"__init__ of Forgetful must begin with super\(\).__init__\(\)"),
        (Sequences, TypeError, r"forward is called as forward\(X\).*'lengths'"),
        (Viewing, ValueError, "leave the number of rows open"),
    ],
)
def test_networks_that_cannot_be_asked(module, error, said):
    with pytest.raises(error, match=said):
        classifier(module).fit(X, y)


# Names of other libraries.


@pytest.mark.parametrize(
    "name, cure",
    [
        ("max_epochs", "Give epochs"),
        ("criterion", "Give loss"),
        ("train_split", "Give patience, and validation_fraction"),
        ("hidden_layer_sizes", "Give module__hidden"),
        ("learning_rate_init", "Give lr"),
        ("callbacks", "set_callbacks"),
        ("gradient_clip_val", "Give clip"),
        ("metrics", "Give scoring to cross_validate"),
        ("model__hidden", "Give module__hidden"),
    ],
)
def test_parameters_of_other_libraries_are_told_by_their_names_here(name, cure):
    for Model in (TorchClassifier, TorchRegressor):
        with pytest.raises(
            TypeError, match=f"has no argument '{name}'.*{cure}.* Its arguments are"
        ):
            Model(**{name: 1})
        with pytest.raises(ValueError, match=f"Invalid parameter .*{cure}.* Valid parameters are"):
            Model().set_params(**{name: 1})


# Data.


def test_a_sparse_array_that_is_a_dict():
    rows = X * (X > 1)
    given = classifier().fit(sparse.dok_array(rows), y).predict_proba(sparse.dok_array(rows))
    np.testing.assert_allclose(given, classifier().fit(rows, y).predict_proba(rows), rtol=1e-12)


REFUSED = [
    (lambda: classifier().fit(X * 1j, y), r"^X must hold.*complex numbers.*X.real"),
    (lambda: classifier().fit(pd.DataFrame(X).assign(a=1j), y), "^X must hold.*complex numbers"),
    (lambda: regressor().fit(X, values * 1j), "real numbers in y; got complex"),
    (lambda: regressor().fit(X, values[:, None, None]), r"^y must have.*shape is \(60, 1, 1\)"),
    (lambda: classifier().fit(X, y[:, None, None]), r"^y must have.*shape is \(60, 1, 1\)"),
    (lambda: classifier().fit(X, y[:50]), r"^X and y must have the same number of rows.*60, 50"),
    (
        lambda: classifier().fit(X, [{0, 1}, {1}] * 30),
        "y holds sets of labels. MultiLabelBinarizer",
    ),
    (
        lambda: classifier().fit(
            X, pd.Series(pd.PeriodIndex(["2020-01", "2020-02"] * 30, freq="M"))
        ),
        r"y is of dtype period\[M\] and holds Period",
    ),
]


@pytest.mark.parametrize("ask, said", REFUSED)
def test_data_that_cannot_be_used_are_named(ask, said):
    with pytest.raises(ValueError, match=said):
        ask()


def test_the_cure_for_a_structured_target():
    target = np.zeros(60, [("a", int), ("b", float)])
    target["a"] = y
    with pytest.raises(ValueError, match=r"strings: list\(map\(str, y\)\)"):
        classifier().fit(X, target)
    assert len(classifier().fit(X, list(map(str, target))).classes_) == 2


@pytest.mark.parametrize("weights", ["Int64", "Float64"])
def test_missing_weights_of_pandas_are_not_called_masked(weights):
    with pytest.raises(ValueError, match="sample_weight contains NaN"):
        classifier().fit(X, y, sample_weight=pd.array([None] + [1] * 59, dtype=weights))


@pytest.mark.parametrize(
    "groups, said",
    [
        (np.arange(120).reshape(60, 2), r"a label for each row; got shape \(60, 2\) for 60 rows"),
        ("a" * 60, "a label for each row"),
        (
            np.where(np.arange(60) < 5, np.nan, np.arange(60) // 4),
            "groups contains NaN.*nan in row 0",
        ),
        (
            pd.array([None] * 5 + [1] * 30 + [2] * 25, dtype="Int64"),
            "groups contains NaN.*in row 0",
        ),
    ],
)
def test_groups_that_are_none(groups, said):
    with pytest.raises(ValueError, match=said):
        classifier(patience=2).fit(X, y, groups=groups)


# Rows that are taken for steps, dropout that is never off, learning rates in place of factors.


class Sequence(nn.Module):
    def __init__(self, n_features, n_outputs, layer, last=lambda answers: answers[0][:, -1]):
        super().__init__()
        self.layer, self.last, self.linear = layer(n_features[-1]), last, nn.Linear(4, n_outputs)

    def forward(self, X):
        return self.linear(self.last(self.layer(X)))


class Attention(nn.MultiheadAttention):
    def forward(self, X):
        return super().forward(X, X, X)


sequences = np.random.default_rng(0).normal(size=(60, 7, 4))
STEPS = [
    lambda n: nn.LSTM(n, 4),
    lambda n: nn.GRU(n, 4),
    lambda n: Attention(n, 1),
]


@pytest.mark.parametrize("layer", STEPS)
def test_rows_of_a_batch_that_are_taken_for_steps(layer):
    with pytest.warns(UserWarning, match="Sequence has another answer.*batch_first=True"):
        classifier(Sequence, module__layer=layer).fit(sequences, y)


def test_rows_that_are_alike_and_taken_for_steps():
    rows = 1 + 1e-4 * sequences
    with pytest.warns(UserWarning, match="its LSTM takes the rows of a batch for the steps"):
        classifier(Sequence, module__layer=STEPS[0]).fit(rows, y)


def test_a_table_as_one_sequence():
    def recipe(n_features, n_outputs):
        layer = lambda n: nn.LSTM(n, 4, batch_first=True)  # noqa: E731
        return Sequence((n_features,), n_outputs, layer, last=lambda answers: answers[0])

    with pytest.warns(UserWarning, match="its LSTM takes the rows of a batch for the steps"):
        classifier(recipe).fit(X, y)


@pytest.mark.parametrize(
    "layer",
    [
        lambda n: nn.LSTM(n, 4, batch_first=True),
        lambda n: nn.RNN(n, 4, batch_first=True, bidirectional=False),
        lambda n: Attention(n, 1, batch_first=True),
    ],
)
def test_steps_that_are_steps(layer, recwarn):
    clf = classifier(Sequence, module__layer=layer).fit(sequences, y)
    turned = classifier(Turned).fit(sequences, y)  # by hand
    assert not recwarn.list
    for one in (clf, turned):
        np.testing.assert_allclose(
            one.predict_proba(sequences[:1]), one.predict_proba(sequences)[:1]
        )


class Turned(nn.Module):
    def __init__(self, shape, n_outputs):
        super().__init__()
        self.layer, self.linear = nn.LSTM(shape[1], 4), nn.Linear(4, n_outputs)

    def forward(self, X):
        return self.linear(self.layer(X.transpose(0, 1))[0][-1])


class Dropping(nn.Linear):
    def __init__(self, n_features, n_outputs, **given):
        super().__init__(n_features, n_outputs)
        self.given = given

    def forward(self, X):
        training = {"training": self.training} if self.given.get("training") else {}
        return F.dropout(super().forward(X), **self.given | training)


@pytest.mark.parametrize("p", [{}, {"p": 0.2}])
def test_dropout_that_is_never_off(p):
    given = {f"module__{name}": value for name, value in p.items()}
    with pytest.warns(UserWarning, match=r"Dropping calls F.dropout while it predicts.*training\)"):
        classifier(Dropping, **given).fit(X, y)


@pytest.mark.parametrize("given", [{"training": True}, {"p": 0.2, "training": True}, {"p": 0.0}])
def test_dropout_that_is_off(given, recwarn):
    classifier(Dropping, **{f"module__{name}": value for name, value in given.items()}).fit(X, y)
    assert not recwarn.list


def test_a_schedule_that_returns_learning_rates():
    with pytest.warns(
        UserWarning, match="<lambda> returns 0.01 at most.*taken with 0.0001 at most"
    ):
        classifier(schedule=lambda done: 0.01 * (1 - done)).fit(X, y)


@pytest.mark.parametrize(
    "settings",
    [
        {"schedule": lambda done: min(1.0, 0.001 + 2 * done)},
        {"schedule": lambda done: 0.2},
        {"schedule": lambda done: 1 - done, "lr": 1.0, "optimizer": "sgd"},
    ],
)
def test_a_schedule_that_returns_factors(settings, recwarn):
    classifier(**settings).fit(X, y)
    assert not recwarn.list


class Squeezed(nn.Module):
    """Returns (n_outputs,) for a row alone, as many networks do that squeeze."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.lstm = nn.LSTM(n_features[1], 4, batch_first=True)
        self.last = nn.Linear(4, n_outputs)

    def forward(self, X):
        return self.last(self.lstm(X)[1][0].squeeze())


class Counting(nn.Module):
    """Counts its calls, and keeps a mean of its outputs, in buffers."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.lstm = nn.LSTM(n_features[1], 4)
        self.last = nn.Linear(4, n_outputs)
        self.register_buffer("n_calls", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, X):
        self.n_calls += 1
        outputs = self.last(self.lstm(X.transpose(0, 1))[0][-1])
        self.mean = 0.9 * self.mean + 0.1 * outputs.detach().mean()
        return outputs


SERIES = np.random.default_rng(0).normal(size=(60, 3, 2))


def test_a_network_that_squeezes_is_not_accused(recwarn):
    classifier(Squeezed).fit(SERIES, y)
    assert not recwarn.list


def test_no_question_is_left_in_the_network():
    endless = lambda outputs, y: -((outputs - y) ** 2)  # noqa: E731
    with pytest.warns(UserWarning, match="no lowest value"):
        model = regressor(Counting, loss=endless, epochs=4, batch_size=None).fit(SERIES, values)
    assert model.module_.n_calls == 4  # it keeps nothing of the rows it is asked for before
    assert abs(model.module_.mean) < 1e3


FAR = [
    (regressor, 3e4 + values, nn.PoissonNLLLoss(reduction="none")),
    (regressor, 200 + 50 * values, lambda outputs, y: 0.5 * outputs**2 - outputs * y),
]


@pytest.mark.parametrize("module", [nn.Linear, MLP])
@pytest.mark.parametrize("make, target, loss", FAR)
def test_a_loss_whose_lowest_value_is_far_away(module, make, target, loss, recwarn):
    model = make(module, loss=loss, epochs=3).fit(X, target)
    assert model.history_[-1]["train_loss"] < 0
    assert not recwarn.list


def test_a_warning_that_is_an_error_leaves_the_estimator_as_it_was():
    model = regressor(loss=lambda outputs, y: -((outputs - y) ** 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(3):
            model.partial_fit(X, values)
    before = model.predict(X)
    with warnings.catch_warnings(), pytest.raises(UserWarning, match="no lowest value"):
        warnings.simplefilter("error")
        model.partial_fit(X, values)
    np.testing.assert_array_equal(model.predict(X), before)
    assert len(model.history_) == 3


class Centred(Turned):
    """Its steps are steps, whatever is done beside."""

    def __init__(self, shape, n_outputs):
        super().__init__((1, 1), n_outputs)

    def forward(self, X):
        X = X - X.mean(0)
        return super().forward(X[..., :1] if X.ndim == 3 else X.unsqueeze(-1))


@pytest.mark.parametrize("rows", [X, sequences])
def test_a_layer_of_steps_is_not_blamed_for_another(rows):
    with pytest.warns(UserWarning, match=r"Centred has another answer.* its forward takes them"):
        classifier(Centred).fit(rows, y)


class Encoding(nn.Module):
    """Marks the steps of sequences, which come first as in torch's tutorial, or on axis 1."""

    def __init__(self, shape, n_outputs, axis=0):
        super().__init__()
        self.axis, self.linear = axis, nn.Linear(shape[1], n_outputs)
        marks = torch.linspace(0, 9, 100).view(100, 1, 1)
        self.register_buffer("marks", marks if axis == 0 else marks.transpose(0, 1))

    def forward(self, X):
        marks = self.marks[: len(X)] if self.axis == 0 else self.marks[:, : X.shape[1]]
        return self.linear((X + marks).mean(1))


def test_a_place_that_counts(recwarn):
    classifier(Encoding, module__axis=1).fit(sequences, y)
    assert not recwarn.list
    with pytest.warns(UserWarning, match="Encoding has .* in another place: .* steps are on axis"):
        clf = classifier(Encoding).fit(sequences, y)
    there, back = clf.predict_proba(sequences), clf.predict_proba(sequences[::-1])[::-1]
    assert not np.allclose(there, back)
