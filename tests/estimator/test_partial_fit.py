"""`partial_fit` goes on where the last call stopped, and weighs rows across calls."""

import copy

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris, make_classification
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import scale
from torch import nn

from helpers import MLP, TorchClassifier, TorchRegressor

X, y = load_iris(return_X_y=True)
X = scale(X)
STREAM, LABELS = make_classification(100, 6, weights=[0.9], random_state=0)


def mean_probability(model, weight=None, class_weight=None):
    """Hand over one row at a time; return the mean probability of class 1."""
    model.set_params(class_weight=class_weight)
    for row, label in zip(STREAM, LABELS, strict=True):
        of_row = None if weight is None else [weight if label else 1.0]
        model.partial_fit([row], [label], classes=[0, 1], sample_weight=of_row)
    return model.predict_proba(STREAM)[:, 1].mean()


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [
        pytest.param(TorchClassifier(random_state=0), marks=pytest.mark.slow),
        pytest.param(TorchClassifier(optimizer="sgd", random_state=0), marks=pytest.mark.slow),
        SGDClassifier(loss="log_loss", random_state=0),  # the reference
    ],
)
def test_weights_of_single_rows_act_across_calls(model):
    # A clone would be the same: each stream starts from a new estimator.
    plain, weighted = (mean_probability(copy.deepcopy(model), w) for w in (None, 100.0))
    assert weighted > plain + 0.1
    of_class = mean_probability(copy.deepcopy(model), class_weight={0: 1.0, 1: 100.0})
    assert_allclose(of_class, weighted)


def test_one_step_is_scaled_by_the_weight():
    start = TorchClassifier(optimizer="sgd", epochs=0, random_state=0).fit(X, y)

    def step(weight):
        new = copy.deepcopy(start).partial_fit(X[:1], y[:1], sample_weight=[weight])
        pairs = zip(new.module_.parameters(), start.module_.parameters(), strict=True)
        return torch.cat([(one - other).flatten() for one, other in pairs]).detach()

    assert_allclose(step(8.0), 8 * step(1.0), rtol=1e-6, atol=1e-12)
    assert_allclose(step(1.0), step(1.0))


def test_balanced_is_refused_in_the_words_of_scikit_learn():
    messages = []
    for Model in (TorchClassifier, SGDClassifier):
        with pytest.raises(ValueError, match="'balanced' is not supported for partial_fit") as e:
            Model(class_weight="balanced").partial_fit(X, y, classes=[0, 1, 2])
        messages.append(str(e.value))
    assert messages[0] == messages[1]


def test_other_classes_in_a_later_call_are_refused_in_the_words_of_scikit_learn():
    messages = []
    for Model in (TorchClassifier, SGDClassifier):
        model = Model().partial_fit(X, y, classes=[2, 1, 0])
        model.partial_fit(X, y).partial_fit(X, y, classes=[0, 1, 2])
        with pytest.raises(ValueError, match="not the same as on last call") as error:
            model.partial_fit(X, y, classes=[0, 1, 2, 3])
        messages.append(str(error.value))
    assert messages[0] == messages[1]
    with pytest.raises(ValueError, match="not the same"):
        TorchClassifier(epochs=1).fit(X, y).partial_fit(X, y, classes=[0, 1])


def test_one_class_in_the_first_call():
    with pytest.raises(ValueError, match=r"name all in the first call: classes=\[...\]"):
        TorchClassifier().partial_fit(X[:10], y[:10])
    assert TorchClassifier().partial_fit(X[:10], y[:10], classes=[0, 1, 2]).n_epochs_ == 1
    with pytest.raises(ValueError, match=r"classes is of dtype object.*classes.astype\(int\)"):
        TorchClassifier().partial_fit(X, y, classes=np.array([0, 1, 2], dtype=object))


def test_a_row_of_weight_0_changes_nothing():
    start = TorchClassifier(random_state=0).partial_fit(X, y)
    weight = np.ones(len(y))
    weight[50:] = 0
    masked = copy.deepcopy(start).partial_fit(X, y, sample_weight=weight)
    left_out = copy.deepcopy(start).partial_fit(X[:50], y[:50])
    assert_allclose(masked.predict_proba(X), left_out.predict_proba(X))


# Optimizers that carry a schedule.


class Decayed(torch.optim.SGD):
    """The learning rate falls with each step."""

    def step(self, closure=None):
        super().step(closure)
        for group in self.param_groups:
            group["lr"] *= 0.9


class Counting(torch.optim.Adam):
    """Counts its steps in an attribute, and warms up."""

    def __init__(self, parameters, lr, weight_decay):
        super().__init__(parameters, lr=lr, weight_decay=weight_decay)
        self.first_lr, self.n_steps = lr, 0

    def step(self, closure=None):
        self.n_steps += 1
        for group in self.param_groups:
            group["lr"] = self.first_lr * min(1, self.n_steps / 5)
        super().step(closure)


@pytest.mark.parametrize("optimizer", [Decayed, Counting])
@pytest.mark.parametrize("batch_size", [None, 64])
def test_a_schedule_goes_on(optimizer, batch_size):
    settings = {"lr": 0.1, "batch_size": batch_size, "random_state": 0}
    once = TorchClassifier(optimizer=optimizer, epochs=6, **settings).fit(X, y)
    split = TorchClassifier(optimizer=optimizer, **settings)
    for _ in range(6):
        split = copy.deepcopy(split.partial_fit(X, y))
    assert_allclose(split.predict_proba(X), once.predict_proba(X), rtol=1e-9)


def test_a_new_lr_counts_whatever_the_schedule_made_of_the_old():
    clf = TorchClassifier(optimizer=Decayed, lr=0.1, epochs=3, random_state=0).fit(X, y)
    before = clf.predict_proba(X)
    clf.set_params(lr=0.0).partial_fit(X, y)
    assert_array_equal(clf.predict_proba(X), before)


def with_scheduler(parameters, lr, weight_decay):
    optimizer = torch.optim.SGD(parameters, lr=lr, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 2)
    optimizer.register_step_post_hook(lambda *_: schedule.step())
    return optimizer


def with_hook(parameters, lr, weight_decay):
    optimizer, steps = torch.optim.SGD(parameters, lr=lr), []

    def slow_down(*_):
        steps.append(1)
        optimizer.param_groups[0]["lr"] = lr / len(steps)

    optimizer.register_step_post_hook(slow_down)
    return optimizer


@pytest.mark.parametrize("optimizer", [with_scheduler, with_hook])
def test_a_schedule_that_would_begin_anew_is_refused(optimizer):
    clf = TorchClassifier(optimizer=optimizer, epochs=2, random_state=0).fit(X, y)
    before = clf.predict_proba(X)
    with pytest.raises(ValueError, match=f"{optimizer.__name__} carries a schedule.*Use fit"):
        clf.partial_fit(X, y)
    assert_array_equal(clf.predict_proba(X), before)


def test_other_arguments_of_the_optimizer_are_refused():
    clf = TorchClassifier(optimizer="sgd", optimizer__momentum=0.9).partial_fit(X, y)
    with pytest.raises(ValueError, match="their arguments were changed since; call fit"):
        clf.set_params(optimizer__momentum=0.5).partial_fit(X, y)


@pytest.mark.parametrize("hidden", [np.array([4, 3]), [4, 3], (np.int64(4), 3)])
def test_arguments_that_are_arrays_are_compared(hidden):
    clf = TorchClassifier(module__hidden=hidden).partial_fit(X, y)
    assert clf.set_params(module__hidden=copy.deepcopy(hidden)).partial_fit(X, y).n_epochs_ == 2
    with pytest.raises(ValueError, match="call fit to start anew"):
        clf.set_params(module__hidden=np.array([4, 4])).partial_fit(X, y)


# Failure.


class Failing(MLP):
    """Raises an error in the middle of an epoch, once it is told to."""

    error, steps = None, 0

    def forward(self, X):
        self.steps += 1
        if self.training and self.error and self.steps > 6:
            raise self.error
        return super().forward(X)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_a_failure_leaves_network_optimizer_and_history(error):
    clf = TorchClassifier(Failing, batch_size=32, random_state=0).partial_fit(X, y)
    twin = copy.deepcopy(clf)
    before, steps = clf.predict_proba(X), clf.module_.steps
    clf.module_.error = error
    with pytest.raises(error):
        clf.partial_fit(X, y)
    clf.module_.error = None
    assert clf.module_.steps == steps
    assert_array_equal(clf.predict_proba(X), before)
    assert clf.history_ == twin.history_
    clf.module_.steps = twin.module_.steps
    assert_array_equal(
        clf.partial_fit(X, y).predict_proba(X), twin.partial_fit(X, y).predict_proba(X)
    )


def test_divergence_leaves_the_network():
    regressor = TorchRegressor(optimizer="sgd", random_state=0).partial_fit(X, y)
    before = regressor.predict(X)
    with pytest.raises(ValueError, match="diverged"):
        regressor.partial_fit(X, y * 1e200)
    assert_array_equal(regressor.predict(X), before)


def scripted(n_features, n_outputs):
    return torch.jit.script(nn.Sequential(nn.Linear(n_features, n_outputs)))


def test_divergence_leaves_a_scripted_network():
    regressor = TorchRegressor(scripted, optimizer="sgd", random_state=0).partial_fit(X, y)
    before = regressor.predict(X)
    with pytest.raises(ValueError, match="diverged"):
        regressor.partial_fit(X, y * 1e200)
    assert_array_equal(regressor.predict(X), before)


def test_a_layer_that_was_frozen_does_not_count_where_gradients_are_clipped():
    """It keeps the gradient of its last step."""
    clf = TorchClassifier(clip=0.1, optimizer="sgd", epochs=3, random_state=0).partial_fit(X, y)
    next(clf.module_.parameters()).requires_grad_(False)
    without_gradients = copy.deepcopy(clf)
    without_gradients.module_.zero_grad()
    for weight, expected in zip(
        clf.partial_fit(X, y).module_.parameters(),
        without_gradients.partial_fit(X, y).module_.parameters(),
        strict=True,
    ):
        assert_array_equal(weight.detach(), expected.detach())


@pytest.mark.parametrize("use", ["predict", "predict_proba", "partial_fit", "score"])
def test_a_network_set_from_outside_is_not_fitted_and_a_fit_without_epochs_lets_it_in(use):
    trained = TorchClassifier(epochs=3, random_state=0).fit(X, y)
    data = (X, y) if use in ("partial_fit", "score") else (X,)
    new = TorchClassifier(epochs=0)
    new.module_ = trained.module_
    with pytest.raises(
        NotFittedError, match="has a module_, but no fit.*with epochs=0.*load_state"
    ):
        getattr(new, use)(*data)
    new.fit(X[::20], y[::20]).module_.load_state_dict(trained.module_.state_dict())
    assert_array_equal(new.predict_proba(X), trained.predict_proba(X))
    getattr(new, use)(*data)
