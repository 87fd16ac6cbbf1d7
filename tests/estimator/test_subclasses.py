"""Subclasses keep their parameters, and autocast around a fit changes nothing."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.preprocessing import scale

from helpers import MLP, TorchClassifier, TorchRegressor, fused

X, y = load_iris(return_X_y=True)
X = scale(X).astype(np.float32)  # torch.autocast leaves float64 alone


class Focal(TorchClassifier):
    """Hands on what it does not name."""

    def __init__(self, module=MLP, *, gamma=2.0, **arguments):
        super().__init__(module, **arguments)
        self.gamma = gamma


class FocalWithFewer(Focal):
    """A subclass of a subclass, with another default."""

    def __init__(self, *, epochs=7, **more):
        super().__init__(epochs=epochs, **more)


class Closed(TorchClassifier):
    """Hands on nothing: it has the parameters that it names, and no others."""

    def __init__(self, module=MLP, epochs=3):
        super().__init__(module, epochs=epochs)


def test_a_subclass_that_hands_arguments_on_keeps_them_in_a_clone():
    clf = Focal(gamma=1.0, epochs=3, lr=0.5, class_weight="balanced", module__hidden=4)
    expected = TorchClassifier().get_params().keys() | {"gamma", "module__hidden"}
    assert clf.get_params().keys() == expected
    assert clone(clf).get_params() == clf.get_params()
    assert clone(FocalWithFewer(lr=0.5)).get_params() == FocalWithFewer(lr=0.5).get_params()
    assert FocalWithFewer(lr=0.5).get_params()["epochs"] == 7
    search = GridSearchCV(Focal(random_state=0), {"epochs": [0, 30], "gamma": [1, 2]}, cv=3)
    assert search.fit(X, y).best_params_["epochs"] == 30


def test_a_subclass_that_hands_nothing_on_has_its_own_parameters():
    assert Closed().get_params().keys() == {"module", "epochs"}
    assert clone(Closed(epochs=5)).epochs == 5


def test_our_own_parameters_are_those_of_init():
    assert "class_weight" in TorchClassifier().get_params()
    assert "class_weight" not in TorchRegressor().get_params()
    assert not {"arguments", "module__arguments", "self"} & TorchClassifier().get_params().keys()


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_around_fit_changes_nothing(dtype):
    clf = TorchClassifier(epochs=30, batch_size=32, patience=20, random_state=0)
    expected = clone(clf).fit(X, y)
    scores = cross_val_score(clf, X, y, cv=3)
    assert expected.score(X, y) > 0.9
    with torch.autocast("cpu", dtype=dtype):
        inside = clone(clf).fit(X, y)
        assert_array_equal(inside.predict_proba(X), expected.predict_proba(X))
        with fused():
            assert_array_equal(cross_val_score(clf, X, y, cv=3), scores)
        step_by_step = clone(clf).partial_fit(X, y)
    assert inside.history_ == expected.history_
    assert_array_equal(step_by_step.predict(X), clone(clf).partial_fit(X, y).predict(X))


class WithSize(TorchClassifier):
    def __init__(self, module_size=8, **arguments):
        super().__init__(**arguments)
        self.module_size = module_size


@pytest.mark.parametrize(
    "name, cure",
    [
        ("module_sizes", "Give module_size"),
        ("module_size__x", "Set module_size as a whole"),
        ("module_dropout", "Give module__dropout"),
        ("optimizer_lr", "Give lr"),
        ("optimizer_class", "Give optimizer"),
        ("optimizer_kwargs", "Give optimizer__<name> for each"),
    ],
)
def test_names_with_one_underscore(name, cure):
    with pytest.raises(TypeError, match=f"no argument '{name}'. {cure}. Its"):
        WithSize(**{name: 1})
