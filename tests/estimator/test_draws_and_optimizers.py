"""Draws of random numbers, optimizers, losses and schedules that are refused, or are not."""

import functools
import random
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV, cross_val_predict
from torch import nn
from torch.nn import functional as F

from helpers import TorchClassifier, TorchRegressor, fused
from helpers.checks.arguments import unwrapped
from helpers.optimizers import DEFAULTS, OPTIMIZERS
from helpers.tensors import has_gaps

X, y = np.random.default_rng(0).normal(size=(12, 3)), np.arange(12) % 2


def classifier(*args, **settings):
    return TorchClassifier(*args, **{"epochs": 2, "random_state": 0} | settings)


def drawn_weights(n_features, n_outputs):
    """Make a network whose first weights are drawn from numpy and from Python."""
    layer = nn.Linear(n_features, n_outputs)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(np.random.normal(size=(n_outputs, n_features))))
        layer.bias.fill_(random.random())
    return layer


class Noisy(nn.Module):
    """Adds noise from numpy to its input while it is trained."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.layer = nn.Linear(n_features, n_outputs)

    def forward(self, X):
        if self.training:
            X = X + random.random() + torch.tensor(np.random.normal(size=X.shape), dtype=X.dtype)
        return self.layer(X)


def drawn_loss(outputs, y):
    return F.cross_entropy(outputs, y, reduction="none") * np.random.uniform(0.5, 1.5)


DRAWING = [{"module": drawn_weights}, {"module": Noisy}, {"loss": drawn_loss}]


def states():
    of_numpy = np.random.get_state()
    return random.getstate(), of_numpy[1].tolist(), of_numpy[2:]


@pytest.mark.parametrize("settings", DRAWING)
def test_draws_from_numpy_follow_the_seed_and_leave_its_generator_alone(settings):
    before = states()
    one, again = (classifier(**settings).fit(X, y).predict_proba(X) for _ in range(2))
    assert states() == before
    np.testing.assert_array_equal(one, again)
    other = classifier(**settings, random_state=1).fit(X, y).predict_proba(X)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("settings", DRAWING[:2])
def test_calls_of_partial_fit_draw_as_the_epochs_of_fit(settings):
    fitted, continued = classifier(**settings, epochs=3), classifier(**settings)
    for _ in range(3):
        continued.partial_fit(X, y)
    np.testing.assert_array_equal(fitted.fit(X, y).predict_proba(X), continued.predict_proba(X))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*one by one|.*trained alone")
@pytest.mark.parametrize("settings", DRAWING)
def test_draws_from_numpy_under_fused_are_those_of_the_loop(settings):
    search = GridSearchCV(classifier(**settings), {"lr": [0.01, 0.1]}, cv=2)
    alone = cross_val_predict(search, X, y, cv=2, method="predict_proba")
    with fused():
        together = cross_val_predict(search, X, y, cv=2, method="predict_proba")
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-10)


def test_balanced_weights_do_not_count_rows_in_neither_part():
    X, y = make_classification(80, 5, weights=[0.7], flip_y=0.1, random_state=0)
    y[70:] = 1
    clf = classifier(
        patience=9,
        validation_fraction=[(np.arange(40), np.arange(40, 70))],
        optimizer="sgd",
        class_weight="balanced",
    )
    whole = clf.fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(whole, clf.fit(X[:70], y[:70]).predict_proba(X))


@pytest.mark.parametrize("part", [slice(0, 40), slice(40, 70), slice(70, 80)])
def test_weights_of_one_part_scale_no_step_and_no_loss(part):
    X, y = make_classification(80, 5, random_state=0)
    clf = classifier(
        patience=9,
        validation_fraction=[(np.arange(40), np.arange(40, 70))],
        optimizer="sgd",
        lr=0.5,
    )
    weight = np.ones(80)
    weight[part] = 8
    history = clf.fit(X, y).history_
    for row, expected in zip(clf.fit(X, y, weight).history_, history, strict=True):
        assert row == pytest.approx(expected)


def squares(outputs, y):
    return (outputs - y) ** 2


class Reversed(nn.Module):
    def forward(self, y_true, y_pred):
        return squares(y_pred, y_true)


REVERSED = [
    lambda y_true, y_pred: squares(y_pred, y_true),
    lambda y, y_hat: squares(y_hat, y),
    lambda target, x: squares(x, target),
    lambda labels, logits: squares(logits, labels),
    functools.partial(lambda q, yTrue, yPred: squares(yPred, yTrue), 0.5),
    Reversed(),
]
IN_ORDER = [
    lambda outputs, y: squares(outputs, y),
    lambda y, t: squares(y, t),  # as Bishop's book has it
    lambda y, target: squares(y, target),
    lambda y_pred, y_true: squares(y_pred, y_true),
    lambda target_hat, target: squares(target_hat, target),
    lambda a, b: squares(a, b),
    nn.MSELoss(reduction="none"),
    functools.partial(F.mse_loss, reduction="none"),
    lambda *both: squares(*both),
]


@pytest.mark.parametrize("loss", REVERSED)
def test_a_loss_that_takes_the_truth_first_is_refused(loss):
    with pytest.raises(ValueError, match=r"loss\(outputs, y\).*the truth first.*Turn them round"):
        TorchRegressor(loss=loss, epochs=1).fit(X, X[:, 0])


@pytest.mark.parametrize("loss", IN_ORDER)
def test_a_loss_that_takes_the_outputs_first_is_not_refused(loss):
    TorchRegressor(loss=loss, epochs=1).fit(X, X[:, 0])


@pytest.mark.parametrize(
    "schedule",
    [
        lambda epoch: 0.1 ** (epoch // 30),
        lambda step: min(1, (step + 1) / 500),
        lambda n_iter, base=0.5: base**n_iter,
        lambda global_step: 1 / (1 + global_step),
    ],
)
def test_a_schedule_of_the_number_of_epochs_is_refused(schedule):
    with pytest.raises(ValueError, match="share of training that is done.*LambdaLR"):
        classifier(schedule=schedule).fit(X, y)


@pytest.mark.parametrize(
    "schedule",
    [lambda done: 1 - done, lambda t: 1 - t, lambda step: 1 - step, lambda epochs_share: 0.5],
)
def test_a_schedule_of_the_share_is_not_refused(schedule):
    classifier(schedule=schedule).fit(X, y)


class Inner(nn.Module):
    """A network of its own widths, 3 and 2, that takes the sizes of its inner layers."""

    def __init__(self, h1, h2):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(3, h1), nn.ReLU(), nn.Linear(h1, h2), nn.Linear(h2, 2)
        )

    def forward(self, X):
        return self.layers(X)


def with_rate(width, p):
    return nn.Sequential(nn.Linear(3, width), nn.Dropout(p / 10), nn.Linear(width, 2))


class Plain(nn.Module):
    """A network whose widths have names that say nothing."""

    def __init__(self, a, b):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(a, 2 * a + b), nn.Linear(2 * a + b, b))

    def forward(self, X):
        return self.layers(X)


SIZES = [
    Inner,
    with_rate,
    lambda d_model, nhead: nn.Sequential(
        nn.Linear(3, d_model * nhead), nn.Linear(d_model * nhead, 2)
    ),
    lambda hidden, depth: nn.Sequential(
        nn.Linear(3, hidden), *[nn.ReLU()] * depth, nn.Linear(hidden, 2)
    ),
]
WIDTHS = [
    Plain,
    lambda n, k: nn.Linear(n, k),
    lambda hidden, units: nn.Linear(hidden, units),
    lambda a, b: nn.Linear(3, 2),
    lambda a, b: nn.Sequential(nn.LazyLinear(4), nn.Linear(4, b)),
    lambda a, b: nn.Sequential(nn.BatchNorm1d(a), nn.Linear(a, 2)),
    lambda *both: nn.Linear(*both),
]


@pytest.mark.parametrize("recipe", SIZES)
def test_sizes_of_inner_layers_are_no_widths(recipe):
    with pytest.raises(TypeError, match="begins with (h1 and h2|width and p|d_m|hidden).*sizes of"):
        classifier(recipe).fit(X, y)


@pytest.mark.parametrize("recipe", WIDTHS)
def test_widths_of_any_name_are_taken(recipe):
    classifier(recipe).fit(X, y)


def deaf(parameters, **arguments):
    return torch.optim.SGD(parameters, lr=0.05)


def half_deaf(parameters, lr, weight_decay):
    return torch.optim.SGD(parameters, lr=lr)


def halved(parameters, lr, weight_decay):
    return torch.optim.SGD(parameters, lr=lr / 2, weight_decay=2 * weight_decay)


def warming(parameters, lr, weight_decay):
    optimizer = torch.optim.AdamW(parameters, lr=lr, weight_decay=weight_decay)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=3)
    optimizer.register_step_post_hook(lambda *_: scheduler.step())
    return optimizer


@pytest.mark.parametrize(
    "optimizer, settings, said",
    [
        (deaf, {"lr": 0.1}, r"deaf.*lr=0\.1 changes nothing"),
        (deaf, {"lr": 0.0}, r"lr=0\.0 changes nothing"),
        (half_deaf, {"weight_decay": 0.1}, r"weight_decay=0\.1 changes nothing"),
    ],
)
def test_an_optimizer_that_a_given_number_does_not_change(optimizer, settings, said):
    with pytest.raises(ValueError, match=said):
        classifier(optimizer=optimizer, **settings).fit(X, y)


@pytest.mark.parametrize(
    "optimizer, settings",
    [
        (deaf, {}),
        (half_deaf, {"lr": 0.1}),
        (halved, {"lr": 0.1, "weight_decay": 0.2}),
        (warming, {"lr": 0.1, "weight_decay": 0.2}),
    ],
)
def test_an_optimizer_of_ones_own_that_uses_what_is_given(optimizer, settings):
    classifier(optimizer=optimizer, **settings).fit(X, y)


def test_the_defaults_that_an_optimizer_may_leave_out_are_those_of_the_estimator():
    own = TorchClassifier().get_params()
    assert {name: own[name] for name in DEFAULTS} == DEFAULTS


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"optimizer": "rmsprop", "optimizer__capturable": True}, "'rmsprop' .*capturable=True: "),
        ({"optimizer": torch.optim.SparseAdam}, "SparseAdam cannot take a step here: "),
        ({"optimizer__differentiable": True}, "'adam' .*differentiable=True: a leaf"),
    ],
)
def test_an_optimizer_that_refuses_its_first_step(settings, said):
    with pytest.raises(ValueError, match=said):
        classifier(**settings).fit(X, y)


def test_foreach_takes_the_place_of_fused():
    fitted = classifier(optimizer__foreach=True).fit(X, y)
    expected = classifier().fit(X, y).predict_proba(X)
    np.testing.assert_allclose(fitted.predict_proba(X), expected, rtol=1e-6)


def part_of_a_larger(n_features, n_outputs):
    """Make a layer whose weight is every third column of a larger one, as of one trained before."""
    layer = nn.Linear(n_features, n_outputs)
    layer.weight = nn.Parameter(torch.rand(n_outputs, 3 * n_features)[:, ::3])
    return layer


@pytest.mark.parametrize(
    "name, of_torch",
    [(name, getattr(torch.optim, unwrapped(make).__name__)) for name, make in OPTIMIZERS.items()],
)
def test_a_weight_with_gaps_in_memory_is_trained_as_by_torch(name, of_torch):
    rows, settings = X.astype(np.float32), {"lr": 0.1, "random_state": 0}  # in the recipe's memory
    found, due = (
        TorchClassifier(part_of_a_larger, optimizer=one, **settings).fit(rows, y)
        for one in (name, of_torch)
    )
    np.testing.assert_allclose(found.predict_proba(rows), due.predict_proba(rows), atol=1e-4)


def test_fused_by_hand_of_a_weight_with_gaps_in_memory():
    by_hand = partial(torch.optim.SGD, fused=True)
    with pytest.raises(ValueError, match="fused=True, and `weight` has gaps in memory, .*contiguo"):
        TorchClassifier(part_of_a_larger, optimizer=by_hand).fit(X.astype(np.float32), y)
    classifier(optimizer=by_hand).fit(X, y)


LARGE = torch.arange(24.0).reshape(4, 6)


@pytest.mark.parametrize(
    "weight, due",
    [
        (LARGE, False),
        (LARGE.t(), False),
        (LARGE[:2], False),
        (torch.zeros(2, 3, 4, 5).to(memory_format=torch.channels_last), False),
        (LARGE[:, ::2], True),
        (LARGE[:, :3], True),
        (LARGE[:1].expand(3, 6), True),
        (LARGE.to_sparse(), False),
        (torch.tensor(1.0), False),
        (torch.zeros(0, 3), False),
        (torch.zeros(3, 0), False),
    ],
)
def test_gaps_in_memory(weight, due):
    assert has_gaps(weight) is due


class Settable:
    def __init__(self):
        self.power = 1

    def set_params(self, power):
        self.power = power

    def get_params(self, deep=True):
        return {"power": self.power}

    def __call__(self, done):
        return (1 - done) ** self.power


@pytest.mark.parametrize(
    "name",
    [
        *("loss__label_smoothing", "augment__s", "validation_fraction__test_size", "lr__min"),
        *("schedule__gamma", "class_weight__0", "device__index", "random_state__seed"),
    ],
)
def test_a_part_of_a_parameter_cannot_be_set(name):
    clf = classifier(loss=nn.CrossEntropyLoss(reduction="none"))
    own = name.partition("__")[0]
    with pytest.raises(ValueError, match=rf"{name}.*{own} .*has no parameters.*\[\.\.\., \.\.\.\]"):
        clf.set_params(**{name: 1, "epochs": 5})
    assert clf.epochs == 2


def test_a_parameter_with_parameters_of_its_own_can_be_set_in_part():
    clf = classifier(schedule=Settable()).set_params(schedule__power=2)
    assert clf.schedule.power == 2


def test_no_classes_at_all():
    with pytest.raises(ValueError, match="at least two classes; got none"):
        classifier().partial_fit(X, y, classes=[])


def test_whole_numbers_of_other_libraries():
    sympy = pytest.importorskip("sympy")
    fitted = classifier(batch_size=sympy.Integer(4), epochs=sympy.Integer(2)).fit(X, y)
    expected = classifier(batch_size=4).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(fitted.predict_proba(X), expected)


def test_patience_counts_rows_before_those_of_single_classes_are_taken_out():
    clf = classifier(patience=2)
    with pytest.raises(
        ValueError, match="here 0 of 0, without 3 that are the only.*1 at least in each"
    ):
        clf.fit(X[:3], [0, 1, 2])
    with pytest.raises(ValueError, match="here 1 of 4, without 1 that are the only"):
        clf.fit(X[:5], [0, 0, 1, 1, 2])


VECTORS = pd.Series(list(X), name="embedding")


@pytest.mark.parametrize(
    "rows, said",
    [
        (VECTORS, r"np\.stack\(X\)\."),
        (VECTORS.map(torch.tensor), r"np\.stack\(X\)\."),
        (np.array([*X, None], dtype=object)[:-1], r"np\.stack\(X\)\."),
        (VECTORS.to_frame(), r"np\.stack\(X\['embedding'\]\)\."),
        (VECTORS.to_frame().assign(age=1), r"np\.stack\(X\['embedding'\]\), beside the other"),
    ],
)
def test_a_column_of_vectors(rows, said):
    with pytest.raises(ValueError, match=f"a vector for each row.*{said}"):
        classifier().fit(rows, y)


def test_a_column_of_vectors_that_is_predicted():
    with pytest.raises(ValueError, match="a vector for each row"):
        classifier().fit(X, y).predict(VECTORS)


@pytest.mark.filterwarnings("ignore:Sparse CSR")
def test_a_sparse_tensor_of_any_layout():
    with pytest.raises(ValueError, match="quantized or sparse.*to_dense"):
        classifier().fit(torch.tensor(X).to_sparse_csr(), y)


class Named(nn.Module):
    def __init__(self, n_in, n_out, hidden=4):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(n_in, hidden), nn.Linear(hidden, n_out))

    def forward(self, X):
        return self.layers(X)


def test_the_lines_told_for_a_partial_can_be_written():
    with pytest.raises(TypeError) as told:
        classifier(functools.partial(Named, 3, 2, hidden=5)).fit(X, y)
    lines = str(told.value).splitlines()[1:3]
    names = {"Named": Named}
    exec("\n".join(line.removeprefix("    ") for line in lines), names)
    fitted = classifier(names["recipe"]).fit(X, y)
    assert fitted.module_.layers[0].out_features == 5


def with_layer(n_features, n_outputs, layer):
    return nn.Sequential(nn.Linear(n_features, 4), layer, nn.Linear(4, n_outputs))


def test_a_new_layer_that_is_handed_over():
    with pytest.raises(TypeError, match=r"new\nlayer that is handed over.*nn\.PReLU\(\)"):
        classifier(with_layer, module__layer=nn.PReLU()).fit(X, y)


def test_a_fitted_estimator_that_is_handed_over():
    fitted = classifier().fit(X, y)
    with pytest.raises(TypeError) as raised:
        classifier(with_layer, module__layer=fitted).fit(X, y)
    assert "copy.deepcopy(layer.module_)" in raised.value.__notes__[-1]


class Logarithm(nn.Module):
    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.layer = nn.Linear(n_features, n_outputs)

    def forward(self, X):
        return self.layer(X.log())


def test_a_loss_that_is_no_number_before_training_is_not_blamed_on_lr():
    with pytest.raises(ValueError, match="nan before the first step.*Logarithm is finite") as told:
        classifier(Logarithm).fit(X, y)
    assert "lr" not in str(told.value)
