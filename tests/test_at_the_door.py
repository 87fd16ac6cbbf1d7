"""What a user may hand over by mistake, and the sentence that says so in the user's words."""

import functools
import warnings
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

from helpers import MLP, TorchClassifier, TorchRegressor

X = np.linspace(-1, 1, 40, dtype=np.float32).reshape(20, 2)
y = np.arange(20) % 2


def classifier(*args, **settings):
    return TorchClassifier(*args, **{"epochs": 1, "random_state": 0} | settings)


def answering(change):
    class Network(nn.Module):
        def __init__(self, n_features, n_outputs):
            super().__init__()
            self.linear = nn.Linear(n_features, n_outputs)

        def forward(self, X):
            return change(self.linear(X))

    return Network


@pytest.mark.parametrize(
    "change, sentence",
    [
        (lambda outputs: outputs[:1], r"got shape \(1, 2\). Answer each row by itself"),
        (lambda outputs: outputs.mean(), r"got shape \(\). Answer each row by itself"),
        (lambda outputs: outputs.to_sparse(), "got a sparse tensor. Return outputs.to_dense()"),
        (lambda outputs: outputs.repeat(1, 2), r"got shape \(2, 4\). Use the recipe's second"),
    ],
)
def test_outputs_that_are_not_one_row_for_each(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        classifier(answering(change)).fit(X, y)


def test_outputs_of_zero_are_not_taken_for_probabilities():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classifier(answering(lambda outputs: 0 * outputs)).fit(X, y)


def test_a_recipe_that_returns_a_class():
    with pytest.raises(TypeError, match="must return a torch.nn.Module; got the class MLP"):
        classifier(lambda n_features, n_outputs: MLP).fit(X, y)


@pytest.mark.parametrize("name", ["lr", "weight_decay"])
def test_a_partial_that_sets_what_the_estimator_sets(name):
    optimizer = functools.partial(torch.optim.SGD, **{name: 0.1})
    with pytest.raises(
        TypeError, match=rf"{name} is an argument of TorchClassifier .* {name}=\.\.\."
    ):
        classifier(optimizer=optimizer).fit(X, y)


def test_an_argument_of_the_optimizer_that_is_no_truth():
    with pytest.raises(ValueError, match="optimizer__amsgrad must be True or False; got 'no'"):
        classifier(optimizer__amsgrad="no").fit(X, y)


@pytest.mark.parametrize(
    "plain, other",
    [
        ({"amsgrad": True}, {"amsgrad": 1}),
        ({"betas": (0.5, 0.75)}, {"betas": torch.tensor([0.5, 0.75])}),
        ({"betas": (0.5, 0.75)}, {"betas": (Fraction(1, 2), Fraction(3, 4))}),
    ],
)
def test_arguments_of_the_optimizer_in_other_types(plain, other):
    one, another = (
        classifier(**{f"optimizer__{name}": value for name, value in arguments.items()}).fit(X, y)
        for arguments in (plain, other)
    )
    np.testing.assert_array_equal(one.predict_proba(X), another.predict_proba(X))


@pytest.mark.parametrize("target", [3, np.array(3), torch.tensor(3), "abc", {0: 1}, iter([0, 1])])
@pytest.mark.parametrize("estimator", [classifier(), TorchRegressor(epochs=1)])
def test_a_target_without_rows(estimator, target):
    with pytest.raises(ValueError, match="^y must be an array or a list; got"):
        estimator.fit(X, target)


def test_classes_that_are_no_list():
    with pytest.raises(ValueError, match="^classes must be an array or a list; got 2"):
        classifier().partial_fit(X, y, classes=2)


def test_a_list_of_labels_that_numpy_has_no_type_for():
    with pytest.raises(ValueError, match="holds float. Give labels a dtype of their own"):
        classifier().fit(X, [Fraction(int(label)) for label in y])


def test_text_in_X_and_in_weights():
    with pytest.raises(ValueError, match="^X must hold numbers: .*'red'"):
        classifier().fit([["red", 1.0]] * 20, y)
    with pytest.raises(ValueError, match="^sample_weight must hold a number for each row: .*'a'"):
        classifier().fit(X, y, sample_weight=["a"] * 20)
    with pytest.raises(ValueError, match="^sample_weight must hold a number for each row: "):
        classifier().fit(X, y, sample_weight={0: 1})
