"""Weights, targets and labels that are no numbers; functions and classes that cannot be called."""

import functools
from array import array
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from torch import nn

from helpers import MLP, TorchClassifier, TorchRegressor

X, y = np.random.default_rng(0).normal(size=(12, 3)), np.arange(12) % 2
DATES = pd.date_range("2026-01-01", periods=12)


def classifier(*args, **settings):
    return TorchClassifier(*args, **{"epochs": 1, "random_state": 0} | settings)


@pytest.mark.parametrize(
    "weight, said",
    [
        (DATES, "got np.datetime64.*row 0"),
        (list(DATES), "got Timestamp.*row 0"),
        (DATES.to_numpy(), "got np.datetime64.*row 0"),
        (DATES.to_numpy() - DATES.to_numpy()[0], "got np.timedelta64.*row 0"),
        (["1"] * 12, "got '1', of type str, in row 0"),
        (np.array(["1.5"] * 12), "got np.str_"),
        (pd.Series(["1"] * 12, dtype="string"), "got '1', of type str"),
        ([1.0] * 11 + [None], "got None, of type NoneType, in row 11"),
        ([1.0, pd.NA] * 6, "got <NA>"),
        ([[1, 2], [3]] * 6, r"got \[1, 2\], of type list"),
        (np.ones(12) * 1j, "got np.complex128"),
        (np.zeros(12, dtype=[("a", float)]), "of type void"),
    ],
)
def test_weights_that_are_no_numbers(weight, said):
    said = f"^sample_weight must hold a number for each row; .*{said}"
    with pytest.raises(ValueError, match=said):
        classifier().fit(X, y, sample_weight=weight)


@pytest.mark.parametrize(
    "weight, kind",
    [
        ({0: 1.0}, "dict"),
        ({1, 2}, "set"),
        ((1.0 for _ in y), "generator"),
        (map(float, y), "map"),
        ({0: 1.0}.values(), "dict_values"),
        ("balanced", "str"),
        (True, "bool"),
        (len, "builtin_function_or_method"),
    ],
)
def test_weights_that_are_no_list(weight, kind):
    with pytest.raises(ValueError, match=f"^sample_weight must be an array or a list .*{kind}"):
        classifier().fit(X, y, sample_weight=weight)


def test_weights_that_are_missing_in_part():
    weight = np.ma.masked_array(np.ones(12), mask=y == 1)
    with pytest.raises(ValueError, match="sample_weight is a masked array"):
        classifier().fit(X, y, sample_weight=weight)


@pytest.mark.parametrize(
    "weight, said",
    [
        (sparse.csr_matrix(np.ones((12, 1))), "Sparse data was passed for sample_weight"),
        (pd.DataFrame({"w": np.ones(12)}), "Sample weights must be 1D"),
        (np.ones(11), "sample_weight.shape"),
    ],
)
def test_what_scikit_learn_says_of_weights(weight, said):
    with pytest.raises((TypeError, ValueError), match=said):
        classifier().fit(X, y, sample_weight=weight)


@pytest.mark.parametrize(
    "weight",
    [
        list(y == 1),
        range(1, 13),
        pd.Series([2] * 12, dtype="Int64"),
        torch.ones(12),
        3,
        [2**70] * 12,
        Decimal(2),
        [Fraction(1, 2)] * 12,
        array("d", range(12)),
        [np.array(1.0)] * 12,
        [torch.tensor(1.0), 2.0] * 6,
    ],
)
def test_weights_that_are_numbers(weight):
    several = weight if hasattr(weight, "__len__") else [weight]
    plain = np.array([float(one) for one in several]) * np.ones(12)
    expected = classifier().fit(X, y, sample_weight=plain).predict_proba(X)
    found = classifier().fit(X, y, sample_weight=weight).predict_proba(X)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("weight", [np.timedelta64(1, "D"), np.complex64(1), True])
def test_one_weight_that_is_no_number(weight):
    with pytest.raises(ValueError, match="^sample_weight must .* got"):
        classifier().fit(X, y, sample_weight=weight)


def test_missing_targets_are_not_called_rows():
    with pytest.raises((TypeError, ValueError), match="^(?!X must hold)"):
        TorchRegressor(epochs=1).fit(X, np.array([[1.0, None]] * 12, dtype=object))


def scaled(function):
    @functools.wraps(function)
    def with_scale(X):
        return function(X, 2.0)

    return with_scale


@scaled
def larger(X, scale):
    return X * scale


def test_a_decorator_may_give_an_argument():
    classifier(augment=larger).fit(X, y)


def test_a_class_is_told_from_its_objects():
    class Noise:
        def __call__(self, X):
            return X

    with pytest.raises(ValueError, match=r"Noise is a class. .* augment=Noise\(...\)"):
        classifier(augment=Noise).fit(X, y)


def two(step, total):
    return 1.0


class Calling:
    def __call__(self, one, other):
        return 1.0


@pytest.mark.parametrize(
    "parameter, function, said",
    [
        ("schedule", two, r"schedule\(done\), and two\(step, total\) .*'total'.*share of training"),
        ("schedule", lambda: 1.0, "too many positional"),
        ("schedule", lambda *, done: 1.0, "too many positional"),
        ("schedule", Calling(), r"Calling\(one, other\)"),
        ("loss", lambda outputs: outputs.sum(1), r"loss\(outputs, y\).*too many positional"),
        ("loss", lambda outputs, y, X: outputs.sum(1), "missing a required argument: 'X'"),
        ("augment", lambda X, y: X, r"augment\(X\).*missing a required argument: 'y'"),
    ],
)
def test_a_function_that_cannot_be_called_as_it_is(parameter, function, said):
    with pytest.raises(TypeError, match=f"^{parameter} is called as .*{said}"):
        classifier(**{parameter: function}).fit(X, y)


@pytest.mark.parametrize(
    "schedule", [functools.partial(two, total=3), lambda done, power=2: 1 - done**power, np.cos]
)
def test_a_schedule_of_one_argument_that_needs_a_value(schedule):
    classifier(schedule=schedule).fit(X, y)


@pytest.mark.parametrize(
    "module", [nn.Sequential, nn.ModuleList, nn.ReLU, nn.Identity, nn.LazyLinear, nn.Embedding]
)
@pytest.mark.parametrize("wrap", [lambda module: module, functools.partial])
def test_a_class_of_torch_that_takes_no_widths(module, wrap):
    said = f"{module.__name__} of torch does not take them.*nn.Sequential.*TorchClassifier.recipe"
    with pytest.raises(TypeError, match=f"(?s){said}"):
        classifier(wrap(module)).fit(X, y)


@pytest.mark.parametrize("module", [int, dict, torch.optim.SGD, TorchClassifier])
def test_a_class_that_makes_no_network(module):
    with pytest.raises(TypeError, match=f"got the class {module.__name__}, which makes none"):
        classifier(module).fit(X, y)


class Making:
    """A class whose objects are networks of another class."""

    def __new__(cls, n_features, n_outputs):
        return MLP(n_features, n_outputs)


def test_a_class_may_make_networks_of_another():
    expected = classifier().fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(classifier(Making).fit(X, y).predict_proba(X), expected)


class Wide(nn.Module):
    def __init__(self, out_features, depth):
        super().__init__()


def test_the_recipe_that_is_proposed_names_no_argument_twice():
    with pytest.raises(TypeError, match=r"return Wide\(out_features=n_outputs, \*\*arguments\)"):
        classifier(Wide).fit(X, y)


STEP = torch.optim.lr_scheduler.StepLR
SGD = torch.optim.SGD([torch.ones(1, requires_grad=True)])


@pytest.mark.parametrize("optimizer", [STEP, functools.partial(STEP, step_size=2), STEP(SGD, 2)])
def test_a_scheduler_is_no_optimizer(optimizer):
    with pytest.raises(ValueError, match="StepLR of torch changes .* Give it as schedule"):
        classifier(optimizer=optimizer).fit(X, y)


@pytest.mark.parametrize("optimizer", [nn.Linear, int, MLP, torch.optim.Optimizer])
def test_a_class_that_makes_no_optimizer(optimizer):
    said = f"got the class {optimizer.__name__}, which makes no optimizer"
    with pytest.raises(ValueError, match=said):
        classifier(optimizer=optimizer).fit(X, y)


def test_a_function_that_makes_an_optimizer_is_told_how_it_is_called():
    with pytest.raises(ValueError, match=r"called as optimizer\(parameters, lr=\.\.\., and what"):
        classifier(optimizer=lambda parameters: SGD).fit(X, y)


DAY = np.timedelta64(1, "D")  # which numpy has for an integer


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"epochs": DAY}, "The 'epochs' parameter of TorchClassifier must be a number"),
        ({"lr": DAY}, "The 'lr' parameter"),
        ({"random_state": DAY}, "The 'random_state' parameter"),
        (
            {"class_weight": {0: DAY, 1: 1}},
            "class_weight gives the label 0 the weight np.timedelta",
        ),
        ({"optimizer": "sgd", "optimizer__momentum": DAY}, "optimizer__momentum must be a finite"),
        ({"module__hidden": DAY}, "hidden must be a positive integer"),
        ({"module__dropout": DAY}, "dropout must be a number between 0 and 1"),
    ],
)
def test_a_time_is_no_number(settings, said):
    with pytest.raises(ValueError, match=said):
        classifier(**settings).fit(X, y)


@pytest.mark.parametrize(
    "rows, said",
    [
        ([[date] for date in DATES], "X must hold numbers: .*'Timestamp'"),
        (np.zeros(12, dtype=[("a", float)]), "got a structured array"),
        (dict(enumerate(X)).values(), "got dict_values"),
    ],
)
def test_rows_that_are_no_numbers(rows, said):
    with pytest.raises((TypeError, ValueError), match=said):
        classifier().fit(rows, y)


@pytest.mark.parametrize(
    "target, said",
    [
        ([DAY] * 12, "got .*timedelta"),
        (np.full((12, 2), DAY), "got values of dtype timedelta64"),
        (np.full((12, 2), "1"), "got values of dtype <U1"),
    ],
)
def test_targets_that_are_no_numbers(target, said):
    with pytest.raises(ValueError, match=f"TorchRegressor needs numbers in y; {said}"):
        TorchRegressor(epochs=1).fit(X, target)


def test_labels_that_are_no_list():
    with pytest.raises(ValueError, match="y must be an array or a list; got dict_values"):
        classifier().fit(X, dict(enumerate(y)).values())


@pytest.mark.parametrize("groups", [{1: 2}, (i for i in y), [1, 2]])
def test_groups_that_are_not_one_for_each_row(groups):
    with pytest.raises(ValueError, match="groups must be an array or a list with a label for each"):
        classifier(patience=1).fit(X, y, groups=groups)
