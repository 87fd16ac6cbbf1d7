"""What the estimator says at its door and at the end: groups, precision, outputs after a fit."""

import enum
import warnings

import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV
from torch import nn

from helpers import TorchClassifier, fused

X, y = np.random.default_rng(0).normal(size=(60, 5)), np.arange(60) % 2


def classifier(*args, **settings):
    return TorchClassifier(*args, **{"epochs": 3, "random_state": 0} | settings)


@pytest.mark.parametrize("patience", [None, 2])
@pytest.mark.parametrize("groups", [[1, 2, 3], "abc", np.zeros((60, 2))])
def test_groups_are_checked_whether_they_are_used_or_not(groups, patience):
    with pytest.raises(ValueError, match="^groups must be an array or a list with a label for"):
        classifier(patience=patience).fit(X, y, groups=groups)
    classifier(patience=patience).fit(X, y, groups=np.arange(60) // 3)


@pytest.mark.parametrize("precision", ["float", "half", "bfloat16"])
def test_a_network_in_another_precision_than_it_was_trained_in(precision):
    clf = classifier().fit(X, y)
    due = clf.predict_proba(X)
    getattr(clf.module_, precision)()
    match = "^MLP has weights of .*, and fit has trained it in torch.float64: module_ was changed"
    for call in (lambda: clf.predict(X), lambda: clf.partial_fit(X, y)):
        with pytest.raises(ValueError, match=match):
            call()
    clf.module_.double()
    np.testing.assert_allclose(clf.predict_proba(X), due, atol=0.01)


@pytest.mark.parametrize("dtype, lr", [(np.float64, 1e200), (np.float32, 1e25)])
def test_divergence_in_the_last_epoch_is_told_by_fit(dtype, lr):
    clf, match = classifier(epochs=1), "Training diverged: outputs are not finite.* Lower lr."
    with pytest.raises(ValueError, match=match):
        clf.set_params(lr=lr).fit(X.astype(dtype), y)
    search = GridSearchCV(clf, {"lr": [lr, lr * 2]}, cv=2)
    with fused(), pytest.raises(ValueError, match=match):
        search.fit(X.astype(dtype), y)


class Headed(nn.Module):
    """Stores its head alone, and doubles what it loads, as networks that are tuned may."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.body, self.head = nn.Linear(n_features, 4), nn.Linear(4, n_outputs)

    def forward(self, X):
        return self.head(torch.tanh(self.body(X)))

    def train(self, mode=True):
        super().train(mode)

    def to(self, *args, **kwargs):
        super().to(*args, **kwargs)


class Stored(Headed):
    def state_dict(self, *args, **kwargs):
        state = super().state_dict(*args, **kwargs)
        return {name: value for name, value in state.items() if "head" in name}

    def load_state_dict(self, state, strict=True):
        return super().load_state_dict({name: 2 * state[name] for name in state}, strict=False)


class Told(Headed):
    n_steps = 0

    def forward(self, X):
        self.n_steps += self.training
        return super().forward(X)

    def get_extra_state(self):
        return {"n_steps": self.n_steps}

    def set_extra_state(self, state):
        self.n_steps = state["n_steps"]


def test_the_best_weights_do_not_depend_on_what_a_network_stores():
    settings = {"patience": 1, "epochs": 15, "lr": 0.3}
    due = classifier(Headed, **settings).fit(X, y)
    best = np.argmin([row["valid_loss"] for row in due.history_]) + 1
    assert best < due.n_epochs_
    for module in (Stored, Told):
        found = classifier(module, **settings).fit(X, y)
        np.testing.assert_array_equal(found.predict_proba(X), due.predict_proba(X))
        found.partial_fit(X, y)
    assert found.module_.n_steps == best + 1


class Standardised(Headed):
    """Takes mean and spread of the first rows that it sees, as ActNorm does."""

    def __init__(self, n_features, n_outputs):
        super().__init__(n_features, n_outputs)
        self.shift, self.scale = nn.Parameter(torch.zeros(n_features)), None
        self.body.requires_grad_(False)

    def forward(self, X):
        if self.scale is None:
            self.scale = X.std(0)
            with torch.no_grad():
                self.shift.copy_(X.mean(0))
        return super().forward((X - self.shift) / self.scale)


class Positioned(Headed):
    """Makes what does not depend on the rows as it sees the first of them, layers included."""

    def __init__(self, n_features, n_outputs):
        super().__init__(n_features, n_outputs)
        self.n_outputs, self.positions, self.last = n_outputs, None, None

    def forward(self, X):
        if self.positions is None:
            self.positions = torch.arange(X.shape[1]).to(X)
        return super().forward(X + self.positions)


class Grown(Positioned):
    def forward(self, X):
        if self.last is None:
            self.last = nn.Linear(self.n_outputs, self.n_outputs).to(X)
        return self.last(super().forward(X))


@pytest.mark.slow
def test_a_network_keeps_nothing_of_the_rows_it_is_asked_for_before_its_training():
    clf = classifier(Standardised, epochs=1, lr=0.0).fit(3 * X + 5, y)
    np.testing.assert_allclose(clf.module_.shift.detach(), 3 * X.mean(0) + 5)
    np.testing.assert_allclose(clf.module_.scale, 3 * X.std(0, ddof=1))
    assert classifier(Positioned, epochs=0).fit(X, y).module_.positions.tolist() == [*range(5)]
    for module in (Positioned, Grown):
        with warnings.catch_warnings(), fused() as run:
            warnings.simplefilter("error")
            GridSearchCV(classifier(module), {"lr": [0.01, 0.1]}, cv=2, refit=False).fit(X, y)
        assert run.batches == [4]


def test_a_fitted_network_has_no_gradients_left():
    clf = classifier().fit(X, y)
    for fitted in (clf, clf.partial_fit(X, y)):
        assert all(weight.grad is None for weight in fitted.module_.parameters())


# As of a class that is a `str` and an Enum: numpy cuts the texts of its members to the length of
# the longest value.
LEVELS = {"LOW": "low", "HIGH": "high", "HIGHEST": "highest"}
Risk = enum.Enum("Risk", LEVELS, type=str)


@pytest.mark.parametrize("kind", [list, tuple])
def test_members_of_an_enum_that_numpy_would_cut(kind):
    members = [list(Risk)[row % 3] for row in range(60)]
    array, clf = np.array(members, dtype=object), classifier(patience=2)
    made = "is a list, of which numpy makes 'Risk.LO' for <Risk.LOW: 'low'> in row 0"
    with pytest.raises(ValueError, match=f"^y {made}. Give np.array"):
        clf.fit(X, kind(members))
    with pytest.raises(ValueError, match=f"^groups {made}. Give np.array"):
        clf.fit(X, y, groups=kind(members))
    with pytest.raises(ValueError, match=f"^classes {made}. Give np.array"):
        clf.partial_fit(X, array, classes=kind(Risk))
    assert set(clf.fit(X, array, groups=np.arange(60) // 3).predict(X)) <= {*Risk}
    texts = [member.value for member in members]
    assert clf.fit(X, kind(texts)).classes_.tolist() == ["high", "highest", "low"]
