"""Masked targets and odd numbers; networks and modules that cannot be called or told apart."""

import copy
import pickle
import re
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_predict, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.utils.validation import check_is_fitted
from torch import nn
from torch.nn import functional as F

from helpers import FrozenFeatures, TorchClassifier, TorchRegressor, fused

X, y = np.random.default_rng(0).normal(size=(60, 5)), np.arange(60) % 2
values = X[:, 0] - 2


def classifier(*args, **settings):
    return TorchClassifier(*args, **{"epochs": 3, "random_state": 0} | settings)


def regressor(*args, **settings):
    return TorchRegressor(*args, **{"epochs": 3, "random_state": 0} | settings)


# Targets and groups that are missing in part.

gaps = np.isin(np.arange(60), [7, 30])
MASKED = [
    lambda: classifier().fit(X, np.ma.array(y, mask=gaps)),
    lambda: classifier().fit(X, np.ma.array(y.astype(str), mask=gaps)),
    lambda: classifier().fit(X, np.ma.array(np.c_[y, y], mask=np.c_[0 * gaps, gaps])),
    lambda: regressor().fit(X, np.ma.array(values, mask=gaps)),
    lambda: regressor().partial_fit(X, np.ma.array(np.c_[y, y], mask=np.c_[gaps, gaps])),
    lambda: classifier(patience=1).fit(X, y, groups=np.ma.array(np.arange(60) // 6, mask=gaps)),
]


@pytest.mark.parametrize("ask", MASKED)
def test_values_under_a_mask_are_not_learned(ask):
    with pytest.raises(ValueError, match="^(y|groups) is a masked array.*the first in row 7"):
        ask()


def test_values_that_are_missing_among_several_targets():
    for target in (np.where(np.c_[gaps, gaps], None, 1.0), [[1.0, 2.0]] * 7 + [[None, 3.0]] * 53):
        with pytest.raises(ValueError, match="^y contains NaN or another missing value in row 7"):
            regressor().fit(X, target)


def test_a_masked_array_without_gaps():
    given = regressor().fit(X, np.ma.array(values)).predict(X)
    np.testing.assert_array_equal(given, regressor().fit(X, values).predict(X))


# Forms of numbers and labels.


@pytest.mark.parametrize("form", [list, np.array, pd.Series])
def test_decimals_are_numbers(form):
    given = regressor().fit(X, form([Decimal(value) for value in values])).predict(X)
    np.testing.assert_array_equal(given, regressor().fit(X, values).predict(X))


@pytest.mark.parametrize("kind", [int, str])
def test_a_list_of_arrays_of_no_dimensions(kind):
    clf = classifier().fit(X, [np.array(kind(label)) for label in y])
    np.testing.assert_array_equal(clf.classes_, [kind(0), kind(1)])


def test_a_column_of_dates_among_several_targets():
    target = pd.DataFrame({"a": values, "b": pd.Timestamp("2020-01-01")})
    with pytest.raises(ValueError, match="needs numbers in y; its column 'b' is of dtype datetime"):
        regressor().fit(X, target)


def test_a_complex_tensor():
    for ask in (lambda rows: classifier().fit(rows, y), classifier().fit(X, y).predict):
        with pytest.raises(ValueError, match="^X must hold rows of numbers.*X.real and X.imag"):
            ask(torch.tensor(X) * 1j)


def test_a_sparse_array_of_one_dimension():
    with pytest.raises(ValueError, match=r"^Expected 2D input, got input with shape \(60,\)"):
        classifier().fit(sparse.coo_array(X[:, 0]), y)


# Rows that come twice in the part to train on, as in a bootstrap of as many rows as there are.


class OutOfBag:
    def split(self, X, y=None, groups=None):
        rows = np.random.default_rng(0).integers(0, len(X), len(X))
        yield rows, np.setdiff1d(np.arange(len(X)), rows)

    def get_n_splits(self, X=None, y=None, groups=None):
        return 1


@pytest.mark.parametrize("batch_size", [None, 7])
def test_a_bootstrap_does_not_train_on_the_rows_that_are_watched(batch_size):
    rows, watched = next(OutOfBag().split(X))
    moved = X.copy()
    moved[watched] += 100
    settings = {"patience": 9, "validation_fraction": OutOfBag(), "batch_size": batch_size}
    for make, target in ((classifier, y), (regressor, values)):
        first, second = (make(**settings).fit(rows, target) for rows in (X, moved))
        losses = [[row["train_loss"] for row in model.history_] for model in (first, second)]
        assert losses[0] == losses[1]
        assert first.history_ != second.history_
    once = classifier(epochs=1, lr=0.0, batch_size=batch_size).fit(X[rows], y[rows])
    twice = classifier(epochs=1, lr=0.0, **settings).fit(X, y)
    assert twice.history_[0]["train_loss"] == pytest.approx(once.history_[0]["train_loss"])


@pytest.mark.slow
def test_a_bootstrap_under_fused_is_that_of_the_loop():
    model = classifier(patience=9, validation_fraction=OutOfBag())
    plain = cross_val_predict(model, X, y, method="predict_proba")
    with fused():
        given = cross_val_predict(model, X, y, method="predict_proba")
    np.testing.assert_allclose(given, plain, rtol=1e-6)


# Numbers so large that nothing is learned, and losses that no epoch can be chosen by.


small = X.astype(np.float32)
missing = np.where(small > 2, np.float32(-3.4e38), small)  # as rasters mark what they lack
LARGE = [
    (classifier, {}, missing, y, r"the largest input is 3.4e\+38. Scale X"),
    (classifier, {"optimizer": "rmsprop"}, missing, y, r"the largest input is 3.4e\+38. Scale X"),
    (classifier, {"optimizer": torch.optim.AdamW}, missing, y, "largest input is .* Scale X"),
    (regressor, {}, 1e17 * small, values, "the largest input is .*e.17, .* Scale X"),
    (classifier, {"weight_decay": 1e30}, small, y, "Lower weight_decay"),
]


@pytest.mark.parametrize("make, settings, rows, target, said", LARGE)
def test_weights_that_are_never_moved_are_not_called_trained(make, settings, rows, target, said):
    model = make().fit(small, target)
    before = model.predict(small)
    with pytest.raises(ValueError, match=f"^Gradients were too large to be squared.*{said}"):
        model.set_params(**settings).fit(rows, target)
    np.testing.assert_array_equal(model.predict(small), before)


def test_a_decay_that_diverges_is_named():
    with pytest.raises(ValueError, match="^Training diverged.* Lower weight_decay"):
        classifier(optimizer="adamw", weight_decay=1e5, epochs=400).fit(small, y)


def only_while_training(outputs, y):
    losses = F.cross_entropy(outputs, y, reduction="none")
    return losses if outputs.requires_grad else losses * np.nan


far = [(np.arange(50), np.arange(50, 60))], np.where(np.arange(60)[:, None] < 50, X, 1e160)


def test_a_loss_that_is_watched_must_be_finite_once():
    with pytest.raises(ValueError, match="^No epoch can be chosen.*watches was nan.*only_while_tr"):
        classifier(patience=2, loss=only_while_training).fit(X, y)
    model = regressor(patience=2, validation_fraction=far[0])
    with pytest.raises(ValueError, match=r"watches was inf in.*largest input is 1e\+160.*Scale X"):
        model.fit(far[1], values)
    with fused(), pytest.raises(ValueError, match="watches was inf"):
        cross_validate(model, far[1], values, cv=[(range(60), range(60))], error_score="raise")


# Networks that cannot be called, and parameters of other libraries.


class Held(nn.Module):
    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.linear = nn.Linear(n_features, n_outputs)


class Misspelt(Held):
    def foward(self, X):
        return self.linear(X)


class Elsewhere(Held):
    def forward(self, X):
        return self.linear(X) + torch.zeros(2, device="meta")


class Away(Held):
    def forward(self, X):
        return self.linear(X).to("meta")


class OwnTrain(Held):
    forward = Misspelt.foward

    def train(self, X, y):
        """Not torch's."""


class OwnEval(OwnTrain):
    train = nn.Module.train

    def eval(self, X):
        """Not torch's."""


class Single(Held):
    def forward(self, X):
        return self.linear(X @ torch.eye(5, dtype=torch.float32))


class WithoutInit(nn.Module):
    def _init_(self, n_features, n_outputs):
        super().__init__()


def listed(n_features, n_outputs):
    return nn.ModuleList([nn.Linear(n_features, n_outputs)])


@pytest.mark.parametrize(
    "module, error, said",
    [
        (Held, TypeError, r"^Held has no method forward.*Define forward\(self, X\)"),
        (Misspelt, TypeError, "^Misspelt has no .*Its method 'foward' must be called forward"),
        (listed, TypeError, r"^ModuleList has no method forward.*nn.Sequential\(\*layers\)"),
        (Elsewhere, ValueError, r"^Elsewhere cannot take rows.*Rows are on cpu.*zeros\(3\).to\(X"),
        (Away, ValueError, r"got one on device meta. Rows are on cpu.*\.to\(X\)"),
        (OwnTrain, TypeError, r"^train is called as train\(mode\).*give yours another name"),
        (OwnEval, TypeError, r"^eval is called as eval\(\).*give yours another name"),
        (Single, ValueError, r"make new tensors like X, as by torch.zeros\(3\).to\(X\)"),
        (WithoutInit, TypeError, "WithoutInit has no __init__ of its own"),
    ],
)
def test_networks_that_cannot_be_called(module, error, said):
    with pytest.raises(error, match=said):
        classifier(module).fit(X, y)


def test_a_list_of_layers_is_not_said_to_need_other_rows():
    with pytest.raises(NotImplementedError, match="ModuleList.*missing the required .forward"):
        FrozenFeatures(listed(5, 2)).fit(X)


@pytest.mark.parametrize(
    "name, cure",
    [
        ("criterion__weight", "Give class_weight"),
        ("iterator_train__shuffle", "Rows are shuffled"),
        ("train_split__cv", "Give patience"),
        ("lr_scheduler", "Give schedule"),
        ("solver", "Give optimizer"),
        ("momentum", "Give optimizer='sgd' and optimizer__momentum"),
        ("loss__reduction", "Set loss as a whole"),
    ],
)
def test_parameters_of_other_libraries_are_told_with_their_parts(name, cure):
    with pytest.raises(TypeError, match=f"has no argument '{name}'.*{cure}"):
        TorchClassifier(**{name: 1})
    with pytest.raises(ValueError, match=cure):
        TorchClassifier().set_params(**{name: 1})


# Networks that draw while they predict.


class Drawing(nn.Module):
    def __init__(self, n_features, n_outputs, draw):
        super().__init__()
        self.linear, self.draw = nn.Linear(n_features, n_outputs), draw
        self.lstm = nn.LSTM(1, 4, batch_first=True)

    def forward(self, X):
        return self.linear(self.draw(self, X))


def noise_of_numpy(self, X):
    return X + torch.from_numpy(np.random.normal(size=tuple(X.shape)))


def states(self, X):
    hidden = torch.randn(2, 1, len(X), 4).to(X)
    return X * self.lstm(X[..., None], tuple(hidden))[0][..., 0]


DRAWS = [
    lambda self, X: F.dropout1d(X[..., None])[..., 0],
    lambda self, X: F.alpha_dropout(X, 0.5, True),
    lambda self, X: X + torch.randn_like(X),
    noise_of_numpy,
    states,
]
QUIET = [
    lambda self, X: F.dropout1d(X[..., None], 0.5, self.training)[..., 0],
    lambda self, X: X + torch.randn_like(X) if self.training else X,
    lambda self, X: [X, torch.randperm(9)][0],
]


@pytest.mark.parametrize("draw", DRAWS)
def test_a_network_that_draws_while_it_predicts(draw, recwarn):
    classifier(Drawing, module__draw=draw).fit(X, y)
    (warned,) = recwarn.list
    assert str(warned.message).startswith("Drawing draws random numbers while it predicts")


@pytest.mark.parametrize("draw", QUIET)
def test_a_network_that_draws_in_training_or_without_effect(draw, recwarn):
    classifier(Drawing, module__draw=draw).fit(X, y)
    assert not recwarn.list


# Losses of tensors of another type.

weight = torch.tensor([1.0, 2.0])
TYPES = [
    (lambda outputs, y: F.cross_entropy(outputs, y, weight, reduction="none"), r"weight.to\(outp"),
    (lambda outputs, y: F.huber_loss(outputs[:, 1], y, reduction="none"), r"y.to\(outputs\)"),
    (
        lambda outputs, y: F.binary_cross_entropy_with_logits(outputs[:, 1], y, reduction="none"),
        r"y.to\(outputs\)",
    ),
    (lambda y, x: F.cross_entropy(x, y, reduction="none"), "outputs come first and y second"),
    (lambda outputs, y: abs(outputs[:, 1].numpy() - y.numpy()), "Compute with torch"),
]


@pytest.mark.parametrize("loss, said", TYPES)
def test_losses_of_tensors_of_another_type_are_told_how(loss, said):
    with pytest.raises((RuntimeError, TypeError)) as raised:
        classifier(loss=loss).fit(X, y)
    (note,) = raised.value.__notes__
    assert re.search(said, note)
    assert "one_hot" not in note


def test_a_loss_of_whole_numbers_is_not_told_to_take_floats():
    with pytest.raises(RuntimeError, match="scalar type Long") as raised:
        classifier(loss=nn.MultiLabelMarginLoss(reduction="none")).fit(X, np.c_[y, 1 - y, y])
    assert "to(outputs)" not in raised.value.__notes__[0]


def test_weights_of_a_loss_of_torch_may_be_whole_numbers():
    losses = [
        nn.CrossEntropyLoss(weight=torch.tensor(weight), reduction="none")
        for weight in ([1, 2], [1.0, 2.0])
    ]
    first, second = (classifier(loss=loss).fit(X, y).predict_proba(X) for loss in losses)
    np.testing.assert_array_equal(first, second)
    assert losses[0].weight.dtype == torch.int64


# Answers that are no predictions.


class Logarithm(Held):
    def forward(self, X):
        return self.linear(X.log1p())


class Standardised(Held):
    def forward(self, X):
        return self.linear((X - X.mean(0)) / X.std(0, correction=0))


class Normalised(Held):
    def __init__(self, n_features, n_outputs):
        super().__init__(n_features, n_outputs)
        self.norm = nn.BatchNorm1d(n_features, track_running_stats=False)

    def forward(self, X):
        return self.linear(self.norm(X))


beyond = np.where(np.arange(60)[:, None] == 7, -2.0, abs(X))


@pytest.mark.parametrize(
    "make, target", [(classifier, y), (classifier, np.c_[y, y]), (regressor, y)]
)
def test_nan_is_no_prediction(make, target):
    model = make(Logarithm).fit(abs(X), target)
    with pytest.raises(ValueError, match=r"^Logarithm cannot answer for row 7 of X.*\[nan"):
        model.predict(beyond)


def test_a_row_that_a_network_cannot_answer_for_alone():
    with pytest.raises(ValueError, match=r"cannot answer for row 0.*\[nan, nan\].*one row alone"):
        classifier(Standardised).fit(X, y).predict(X[:1])
    with pytest.raises(ValueError, match="^Normalised normalises.*track_running_stats=True"):
        classifier(Normalised).fit(X, y).predict(X[:1])


class Masked(Held):
    def forward(self, X):
        return self.linear(X).masked_fill(torch.tensor([False, False, True]), -np.inf)


def test_an_impossible_class_is_none_of_these():
    given = classifier(Masked).partial_fit(X, y, classes=[0, 1, 2]).predict_proba(X)
    np.testing.assert_array_equal(given[:, 2], 0)
    np.testing.assert_allclose(given.sum(1), 1)


# Arguments of a recipe that it changes, or that are set as attributes, and those of fit.


def stacked(n_features, n_outputs, config, sizes=()):
    widths = config["widths"]
    widths.insert(0, n_features)
    if len(sizes):
        sizes *= 2
    widths += [*sizes, n_outputs]
    return nn.Sequential(*[nn.Linear(*pair) for pair in pairwise(widths)])


def test_a_recipe_may_change_what_it_is_given():
    config, sizes = {"widths": [4]}, np.array([3])
    model = classifier(stacked, module__config=config, module__sizes=sizes)
    for _ in range(2):
        model.fit(X, y)
        assert [layer.out_features for layer in model.module_] == [4, 6, 2]
    assert config == {"widths": [4]}
    assert sizes.tolist() == [3]


def test_arguments_of_the_module_are_attributes_as_other_parameters_are():
    model = classifier(module__hidden=4, optimizer="sgd", optimizer__momentum=0.5)
    assert (model.module__hidden, model.optimizer__momentum) == (4, 0.5)
    model.module__hidden = 7
    assert model.get_params()["module__hidden"] == clone(model).module__hidden == 7
    assert model.fit(X, y).module_.layers[0].out_features == 7
    for copied in (copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        copied.module__hidden = 8
        assert (copied.module__hidden, model.module__hidden) == (8, 7)
    with pytest.raises(
        AttributeError, match="'TorchClassifier' object has no attribute 'module__b"
    ):
        model.module__bias  # noqa: B018
    assert not hasattr(TorchClassifier(), "module__hidden")


@pytest.mark.parametrize(
    "name, cure",
    [
        ("epochs", r"Set it before, TorchClassifier\(epochs=...\)"),
        ("eval_set", "Give patience, and validation_fraction"),
        ("verbose", r"history_\. set_callbacks\(ProgressBar\(\)\)"),
        ("sample_weights", r"Give sample_weight\.$"),
        ("nonsense", "$"),
    ],
)
def test_arguments_that_fit_does_not_have(name, cure):
    with pytest.raises(
        TypeError, match=f"^fit of TorchClassifier has no argument '{name}'.*{cure}"
    ):
        classifier().fit(X, y, **{name: 1})
    with pytest.raises(TypeError, match=f"^fit of TorchClassifier has no argument '{name}'"):
        make_pipeline(classifier()).fit(X, y, **{f"torchclassifier__{name}": 1})


# Optimizers that train something else, and weights and labels of other kinds.

stranger = nn.Linear(5, 2)
OPTIMIZERS = [
    (lambda given, **settings: torch.optim.SGD(stranger.parameters(), **settings), "of others"),
    (
        lambda network, **settings: torch.optim.SGD(network.parameters(), **settings),
        "no attribute 'parameters'. It is called as .* with a list of parameters",
    ),
]


@pytest.mark.parametrize("optimizer, said", OPTIMIZERS)
def test_an_optimizer_of_other_parameters(optimizer, said):
    with pytest.raises(ValueError, match=f"<lambda> .*{said}"):
        classifier(optimizer=optimizer).fit(X, y)


@pytest.mark.parametrize("kind", [torch.tensor, np.array])
def test_weights_of_classes_without_dimensions(kind):
    first, second = (
        classifier(class_weight={0: one, 1: two}).fit(X, y).predict_proba(X)
        for one, two in ((1.0, 2.5), (kind(1.0), kind(2.5)))
    )
    np.testing.assert_array_equal(first, second)


def test_the_cure_for_labels_works():
    for labels, said in (
        ([10**30 + int(label) for label in y], r"holds int.*np.array\(y\).astype\(str\)"),
        (pd.Series([(int(label), 1) for label in y]), r"holds tuple.*y.astype\(str\)"),
    ):
        with pytest.raises(ValueError, match=said):
            classifier().fit(X, labels)
        as_told = labels if isinstance(labels, pd.Series) else np.array(labels)
        assert len(classifier().fit(X, as_told.astype(str)).classes_) == 2


class Lazy(nn.Module):
    """Draws its first weights as it is first asked, and takes rows for the steps of a sequence."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.into, self.lstm, self.out = nn.LazyLinear(6), nn.LSTM(6, 4), nn.Linear(4, n_outputs)

    def forward(self, X):
        return self.out(self.lstm(self.into(X))[0])


def test_first_weights_that_are_drawn_late_hide_no_other_warning():
    with pytest.warns(UserWarning, match="batch_first") as caught:
        classifier(Lazy).fit(X, y)
    assert len(caught) == 1


class Impossible(nn.Module):
    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.linear = nn.Linear(n_features, n_outputs)

    def forward(self, X):
        outputs = self.linear(X)
        return outputs if self.training else outputs.masked_fill(X[:, :1] > 1, -torch.inf)


def test_one_class_at_least_is_possible():
    model = classifier(Impossible).fit(X[X[:, 0] < 1], y[X[:, 0] < 1])
    first = np.flatnonzero(X[:, 0] > 1)[0]
    for ask in (model.predict, model.predict_proba):
        with pytest.raises(ValueError, match=f"cannot answer for row {first} of X"):
            ask(X)


class Named(TorchClassifier):
    def __init__(self, module__hidden=4):
        self.module__hidden = module__hidden
        super().__init__()

    @property
    def asks(self):
        return check_is_fitted(self)


def test_a_subclass_may_set_arguments_of_the_module_and_have_properties():
    assert clone(Named(module__hidden=7)).get_params()["module__hidden"] == 7
    with pytest.raises(NotFittedError, match="not fitted yet"):
        _ = Named().asks


def test_arguments_of_the_module_are_not_said_to_belong_elsewhere():
    with pytest.raises(TypeError, match=r"Set it before, TorchClassifier\(module__hidden=\.\.\.\)"):
        classifier().fit(X, y, module__hidden=4)
    with pytest.raises(ValueError, match=r"TorchClassifier\(.*\)\. Give epochs\. Valid"):
        classifier().set_params(module__hidden=4, max_epochs=3)


def test_large_tables_that_cannot_be_written_to_reach_a_recipe_as_they_are():
    table, given = np.ones((3, 2)), []
    table.flags.writeable = False

    def recipe(n_features, n_outputs, table):
        given.append(table)
        return nn.Linear(n_features, n_outputs)

    classifier(recipe, module__table=table).fit(X, y)
    assert all(one is table for one in given)


# Parameters that are made while a network is trained, of which the optimizer knows nothing.


class Decaying(nn.Module):
    """Puts a new parameter in the place of a weight; what it tells of it may be trained or not."""

    trained = True

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.last = nn.Linear(n_features, n_outputs)
        self.factor = nn.Parameter(torch.ones(n_features), requires_grad=self.trained)

    def forward(self, X):
        if self.training:
            self.factor = nn.Parameter(self.factor.detach() * 0.9, self.trained)
        return self.last(X * self.factor)


class Masking(Decaying):
    trained = False


class Noting(Decaying):
    """Puts a parameter in place of another that gets no gradient: nothing is lost of it."""

    def forward(self, X):
        return super().forward(X) if not self.training else self.noted(X)

    def noted(self, X):
        self.factor = nn.Parameter(self.factor.detach() * 0.9)
        return self.last(X * self.factor.detach())


class Renewing(Decaying):
    """Has a parameter anew in each pass, which may stand where the last one was in memory."""

    def forward(self, X):
        numbers = self.factor.detach().clone()
        del self.factor
        self.factor = nn.Parameter(numbers)
        return self.last(X * numbers)


class AddingALayer(Decaying):
    def forward(self, X):
        if self.training and not hasattr(self, "first"):
            self.first = nn.Linear(X.shape[1], X.shape[1]).to(X)
        return self.last(self.first(X) if hasattr(self, "first") else X)


@pytest.mark.parametrize(
    "module, name",
    [
        (Decaying, "factor"),
        (AddingALayer, r"first\.weight"),
        (Masking, None),
        (Noting, None),
        (Renewing, None),
    ],
)
def test_parameters_that_are_made_in_training(module, name):
    clf = classifier(module, epochs=1)
    said = f"{module.__name__} makes the parameter `{name}` while it is"

    def fit():
        if name:
            with pytest.raises(ValueError, match=f"{said} trained.*in __init__"):
                cross_validate(clf, X, y, error_score="raise")
            return []
        return cross_validate(clf, X, y, error_score="raise")["test_score"]

    plain = fit()
    with fused(), pytest.warns(UserWarning, match="it makes parameters while it is trained"):
        np.testing.assert_array_equal(fit(), plain)
