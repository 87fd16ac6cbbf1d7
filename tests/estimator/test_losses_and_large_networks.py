"""Losses of one's own, groups in a search, and networks that are too large for a stack."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    GroupShuffleSplit,
    StratifiedGroupKFold,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.nn import functional as F

from helpers import TorchClassifier, TorchRegressor, fused

X, y = load_iris(return_X_y=True)
X = (X - X.mean(0)) / X.std(0)
GROUPS = np.arange(150) // 5


def both_ways(estimator, X=X, y=y):
    """Return the scores without `fused`, those within it, and what `fused` warned of."""
    plain = cross_val_score(estimator, X, y, cv=3)
    with fused() as run, pytest.warns(UserWarning) as warned:
        scores = cross_val_score(estimator, X, y, cv=3)
    return plain, scores, [str(one.message) for one in warned], run.batches


# Outputs that are logarithms of probabilities, right as they are.


class Ordinal(nn.Module):
    """One number for each row, and thresholds between the classes."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.linear = nn.Linear(n_features, 1, bias=False)
        self.steps = nn.Parameter(torch.ones(n_outputs - 1))

    def forward(self, X):
        below = torch.sigmoid(self.steps.exp().cumsum(0) - 4 - self.linear(X))
        ends = torch.zeros_like(below[:, :1]), torch.ones_like(below[:, :1])
        return (torch.cat([ends[0], below, ends[1]], 1).diff(dim=1) + 1e-9).log()


class Mixture(nn.Module):
    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.gate = nn.Linear(n_features, 2)
        self.experts = nn.ModuleList(nn.Linear(n_features, n_outputs) for _ in range(2))

    def forward(self, X):
        logs = torch.stack([expert(X).log_softmax(1) for expert in self.experts], 1)
        return (logs + self.gate(X).log_softmax(1)[:, :, None]).logsumexp(1)


@pytest.mark.parametrize("recipe", [Ordinal, Mixture])
def test_logarithms_of_probabilities_that_are_needed_are_not_called_needless(recipe, recwarn):
    clf = TorchClassifier(recipe, epochs=50, lr=0.05, random_state=0).fit(X, y)
    assert not recwarn.list
    with torch.no_grad():
        expected = clf.module_(torch.tensor(X)).exp()
    np.testing.assert_allclose(clf.predict_proba(X), expected, atol=1e-8)
    assert clf.score(X, y) > 0.8


def test_a_log_softmax_is_called_needless_as_a_function_too():
    class Ending(nn.Linear):
        def forward(self, X):
            return F.log_softmax(super().forward(X), dim=1)

    with pytest.warns(UserWarning, match="changes nothing and costs time"):
        TorchClassifier(Ending, epochs=1).fit(X, y)


def test_logarithms_of_probabilities_are_no_logits_of_several_labels():
    labels = np.column_stack([y == 1, y > 0, y == 0]).astype(int)
    with pytest.warns(UserWarning, match="Mixture ends in .*applies sigmoid to each"):
        TorchClassifier(Mixture, epochs=1).fit(X, labels)


# A loss that needs more outputs than there are targets.


def gaussian(outputs, y):
    mean, log_deviation = outputs.unbind(1)
    return log_deviation + 0.5 * ((y[:, 0] - mean) / log_deviation.exp()) ** 2


def two(n_features, n_outputs):
    return nn.Linear(n_features, 2)


def test_a_loss_of_more_outputs_is_told_how():
    model = TorchRegressor(two, loss=gaussian, epochs=200, lr=0.05, random_state=0)
    with pytest.raises(ValueError, match=r"got shape \(2, 2\)\..* a y of as many columns"):
        model.fit(X[:, :3], X[:, 3])
    target = np.column_stack([X[:, 3], X[:, 3]])
    mean, log_deviation = model.fit(X[:, :3], target).predict(X[:, :3]).T
    residuals = X[:, 3] - mean
    assert np.exp(log_deviation).mean() == pytest.approx(residuals.std(), rel=0.1)


# Groups that `patience` needs, in a search.


@pytest.mark.slow
def test_groups_for_patience_in_a_search():
    network = TorchClassifier(epochs=5, patience=2, random_state=0)
    network.set_params(validation_fraction=GroupShuffleSplit(1, random_state=0))
    folds = StratifiedGroupKFold(3)
    search = GridSearchCV(network, {"lr": [0.01]}, cv=folds, error_score="raise")
    with pytest.raises(ValueError, match=r"needs groups: call fit\(X, y, groups=") as error:
        search.fit(X, y, groups=GROUPS)
    note = "".join(error.value.__notes__)
    assert "A search does not hand on its own groups" in note
    assert "step__groups=groups" in note
    assert "params={'groups': groups}" in note
    # What the note says, done:
    pipeline = make_pipeline(StandardScaler(), network)
    search = GridSearchCV(pipeline, {"torchclassifier__lr": [0.01]}, cv=folds, error_score="raise")
    search.fit(X, y, groups=GROUPS, torchclassifier__groups=GROUPS)
    settings = {"groups": GROUPS, "params": {"groups": GROUPS}}
    assert len(cross_val_score(network, X, y, cv=GroupKFold(3), **settings)) == 3
    assert "params={'groups': groups, 'step__groups': groups}" in note
    settings["params"] = {"groups": GROUPS, "torchclassifier__groups": GROUPS}
    assert len(cross_val_score(search, X, y, cv=GroupKFold(3), **settings)) == 3


# Why `fused` trains one by one.


class Dropping(nn.Module):
    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.first, self.last = nn.Linear(n_features, 8), nn.Linear(8, n_outputs)

    def forward(self, X):
        return self.last(F.dropout(self.first(X).relu(), 0.2, self.training))


class Recurrent(nn.Module):
    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.lstm = nn.LSTM(1, 4, 2, batch_first=True, dropout=0.2)
        self.last = nn.Linear(4, n_outputs)

    def forward(self, X):
        return self.last(self.lstm(X[:, :, None])[0][:, -1])


@pytest.mark.slow
@pytest.mark.parametrize("recipe, words", [(Dropping, "F.dropout"), (Recurrent, "within an LSTM")])
def test_dropout_that_is_no_layer_is_named(recipe, words):
    plain, scores, told, batches = both_ways(TorchClassifier(recipe, epochs=3, random_state=0))
    np.testing.assert_array_equal(scores, plain)
    assert batches == [1, 1, 1]
    assert len(told) == 1
    assert words in told[0]


class Words(nn.Module):
    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.embedding, self.last = nn.Embedding(70_000, 8), nn.Linear(8, n_outputs)

    def forward(self, X):
        return self.last(self.embedding(X.abs().mul(10).long()).mean(1))


@pytest.mark.slow
def test_large_networks_are_said_to_be_trained_alone_and_not_tried_in_a_stack(monkeypatch):
    tried = []
    monkeypatch.setattr("helpers.fusing.grouping.trial_step", tried.append)
    plain, scores, told, batches = both_ways(TorchClassifier(Words, epochs=2, random_state=0))
    np.testing.assert_array_equal(scores, plain)
    assert batches == [1, 1, 1]
    assert not tried
    assert len(told) == 1
    assert told[0].startswith("Words cannot be stacked: in a step its rows and weights take 2,240,")


@pytest.mark.slow
def test_large_networks_that_differ_in_epochs_alone_are_one_training(recwarn):
    search = GridSearchCV(TorchClassifier(Words, random_state=0), {"epochs": [1, 3]}, cv=3)
    plain = search.fit(X, y).cv_results_["mean_test_score"]
    with fused() as run:
        np.testing.assert_array_equal(search.fit(X, y).cv_results_["mean_test_score"], plain)
    assert run.batches == [2, 2, 2, 1]
    assert not recwarn.list


# Networks whose rows do not depend on each other, in folds of unequal size.


class Circular(nn.Module):
    """Pads images at their borders with what stands at the other ones."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.conv, self.last = nn.Conv2d(1, 3, 3), nn.Linear(12, n_outputs)

    def forward(self, X):
        images = F.pad(X.view(-1, 1, 2, 2), (1, 1, 1, 1), mode="circular")
        return self.last(self.conv(images).relu().flatten(1))


class Filled(nn.Linear):
    """Fills an empty tensor column by column."""

    def forward(self, X):
        columns = torch.empty_like(X)
        for i in range(X.shape[1]):
            columns[:, i] = X[:, i] * X[:, i - 1]
        return super().forward(columns)


class Codes(nn.Linear):
    """Which third of its range is the first feature in?"""

    def forward(self, X):
        third = (X[:, 0] > -0.5).long() + (X[:, 0] > 0.5).long()
        return super().forward(torch.cat([F.one_hot(third, 3).to(X), X[:, 3:]], 1))


class Masked(nn.Module):
    """Attends to the features above -1.4, of which each row has one at least."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.query = nn.Parameter(torch.ones(n_features))
        self.last = nn.Linear(n_features, n_outputs)

    def forward(self, X):
        weights = (X * self.query).masked_fill(X < -1.4, -torch.inf).softmax(1)
        return self.last(weights * X)


class Standardised(nn.Linear):
    """Has no answer for a row of equal numbers, as that of the largest of all columns may be."""

    def forward(self, X):
        X = X.clamp(-1.5, 1.5)
        return super().forward((X - X.mean(1, keepdim=True)) / X.std(1, keepdim=True))


@pytest.mark.parametrize("recipe", [Circular, Filled, Codes, Masked, Standardised])
def test_rows_that_stand_alone_are_not_said_to_depend_on_each_other(recipe, recwarn):
    clf = TorchClassifier(recipe, epochs=5, random_state=0)
    plain = cross_val_score(clf, X[:-1], y[:-1], cv=3)
    with fused() as run:
        np.testing.assert_array_equal(cross_val_score(clf, X[:-1], y[:-1], cv=3), plain)
    assert run.batches == [3]
    assert not recwarn.list


# What to write where `torch.func.vmap` refuses the code of a network.


def asks(X):
    return X / 2 if X.abs().mean() > 1 else X


def fills(X):
    columns = torch.zeros(len(X), 4, dtype=X.dtype)
    columns[:, :2] = X[:, :2]
    return columns


def picks(X):
    X = X.clone()
    X[X > 2] = 2
    return X


def counts(X):
    return X / X.abs().sum().item()


class Preparing(nn.Linear):
    def __init__(self, n_features, n_outputs, how):
        super().__init__(n_features, n_outputs)
        self.how = how

    def forward(self, X):
        return super().forward(self.how(X * self.weight[0]))


REFUSED = {
    asks: "torch.where in place of `if` can be stacked",
    fills: r"X.new_zeros\(...\) in place of torch.zeros\(...\) can be stacked",
    picks: r"torch.where in place of X\[mask\] can be stacked",
    counts: "tensors in place of the numbers in them can be stacked",
}


@pytest.mark.filterwarnings("ignore:Preparing has another answer for a row")
@pytest.mark.parametrize("how", REFUSED)
def test_what_to_write_where_vmap_refuses(how):
    clf = TorchClassifier(Preparing, module__how=how, epochs=3, random_state=0)
    with fused(), pytest.warns(UserWarning, match=f"refuses it: vmap: .*{REFUSED[how]}"):
        cross_val_score(clf, X, y, cv=3)
    written = {
        asks: lambda X: torch.where(X.abs().mean() > 1, X / 2, X),
        fills: lambda X: _filled(X.new_zeros(len(X), 4), X),
        picks: lambda X: torch.where(X > 2, 2, X),
        counts: lambda X: X / X.abs().sum(),
    }[how]
    with fused() as run:
        cross_val_score(clf.set_params(module__how=written), X, y, cv=3)
    assert run.batches == [3]


def _filled(columns, X):
    columns[:, :2] = X[:, :2]
    return columns


@pytest.mark.parametrize("Estimator", [TorchClassifier, TorchRegressor])
@pytest.mark.parametrize(
    "argument, name, words",
    [
        ("schedule", "cosine", r"called as schedule\(done\).*schedule=lambda done: 1 - done"),
        ("loss", "mse", r'called as loss\(outputs, y\).*nn.MSELoss\(reduction="none"\)'),
        ("loss", "bce", r'called as loss\(outputs, y\).*nn.BCEWithLogitsLoss\(reduction="none"\)'),
        ("loss", "ctc", r"called as loss\(outputs, y\).*and the squared error of values\.$"),
        ("loss", "adam", r"called as loss\(outputs, y\).*and the squared error of values\.$"),
        ("loss", "best", r"called as loss\(outputs, y\).*and the squared error of values\.$"),
        ("augment", "flip", r"called as augment\(X\).*return them, changed"),
    ],
)
def test_a_name_in_the_place_of_a_function_is_told_how_it_is_called(
    Estimator, argument, name, words
):
    called, words = words.split(".*", 1)
    said = f"{argument} must be None or a function, {called}; got '{name}'. .*{words}"
    with pytest.raises(ValueError, match=said):
        Estimator(**{argument: name}).fit(X, y)


@pytest.mark.parametrize(
    "optimizer, words",
    [
        ("Adam", r"got 'Adam'. Give optimizer='adam'.$"),
        ("mse", "got 'mse'.$"),
        ("torch.optim.nadam", r"got 'torch.optim.nadam'. Give optimizer=torch.optim.NAdam.$"),
        ("lbfgs", "got 'lbfgs'.$"),
        (None, "got None.$"),
        (["adam"], r"got \['adam'\].$"),
    ],
)
def test_a_name_that_is_no_optimizers_is_told_what_to_give(optimizer, words):
    said = f"optimizer must be one of 'adam', 'adamw', 'rmsprop', 'sgd', or a class .*; {words}"
    with pytest.raises(ValueError, match=said):
        TorchClassifier(optimizer=optimizer).fit(X, y)
