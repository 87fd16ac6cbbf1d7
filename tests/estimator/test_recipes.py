"""What a recipe may be, what it must return, and that what it returned is what is trained."""

import copy
import functools
import gc
import pickle

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.callback import ScoringMonitor
from sklearn.datasets import load_iris, make_classification
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import scale
from torch import nn
from torch.nn import functional as F

from helpers import MLP, TorchClassifier, TorchRegressor, fused
from helpers.copies import copy_network
from tests.networks import alternating

X, y = load_iris(return_X_y=True)
X = scale(X)


def fit(recipe, epochs=3, **parameters):
    settings = {"epochs": epochs, "random_state": 0} | parameters
    return TorchClassifier(recipe, **settings).fit(X, y)


def layers(n_features, n_outputs):
    return nn.Sequential(nn.Linear(n_features, 8), nn.ReLU(), nn.Linear(8, n_outputs))


def weights(estimator):
    return [p.detach().numpy().copy() for p in estimator.module_.parameters()]


# How a recipe is called.


class Skorch(nn.Module):
    """Widths inside, hyperparameters outside: the usual form of a module for skorch."""

    def __init__(self, num_units=10, num_layers=1):
        super().__init__()
        self.layers = layers(4, 3)

    def forward(self, X):
        return self.layers(X)


class WithoutDefaults(Skorch):
    def __init__(self, num_units, num_layers):
        super().__init__()


class WidthsLast(Skorch):
    def __init__(self, hidden=8, input_dim=None, output_dim=None):
        super().__init__()
        self.layers = layers(input_dim, output_dim)


class HiddenSecond(WidthsLast):
    def __init__(self, input_dim=4, hidden_dim=8, output_dim=3):
        super().__init__(hidden_dim, input_dim, output_dim)


class NoArguments(Skorch):
    def __init__(self):
        super().__init__()


class NoInit(nn.Module):
    pass


def swapped(n_outputs, n_features):
    return layers(n_features, n_outputs)


def by_name_only(*, n_features, n_outputs):
    return layers(n_features, n_outputs)


@pytest.mark.parametrize(
    "recipe, found, line",
    [
        (Skorch, "num_units=10 and num_layers=1", r"return Skorch\(\*\*arguments\)"),
        (WithoutDefaults, "num_units and num_layers", r"WithoutDefaults\(\*\*arguments\)"),
        (
            WidthsLast,
            "hidden=8 and input_dim=None",
            r"\(input_dim=n_features, output_dim=n_outputs, \*\*arguments\)",
        ),
        (
            HiddenSecond,
            "input_dim=4 and hidden_dim=8",
            r"\(input_dim=n_features, output_dim=n_outputs, \*\*arguments\)",
        ),
        (NoArguments, "takes nothing", r"return NoArguments\(\*\*arguments\)"),
        (NoInit, "takes nothing", r"return NoInit\("),
        (swapped, "n_outputs and n_features", r"n_features=n_features, n_outputs=n_outputs\)"),
        (by_name_only, "takes nothing", r"n_features=n_features, n_outputs=n_outputs\)"),
        (lambda: layers(4, 3), "takes nothing", "return YourNetwork"),
        (lambda n: layers(n, 3), "takes n by position", "return YourNetwork"),
        (functools.partial(layers, 4), "takes n_outputs", "return layers"),
        (functools.partial(MLP, n_outputs=3), "takes n_features", "return MLP"),
    ],
)
def test_a_recipe_that_does_not_take_two_widths_is_refused_with_the_lines_to_write(
    recipe, found, line
):
    with pytest.raises(TypeError, match="called as module") as error:
        fit(recipe)
    assert found in str(error.value)
    assert error.match(line)
    assert error.match(r"def recipe\(n_features, n_outputs, \*\*arguments\)")


def test_the_lines_of_the_error_work():
    def recipe(n_features, n_outputs, **arguments):
        return Skorch(**arguments)

    assert fit(recipe, module__num_units=64).n_epochs_ == 3


class Callable:
    def __call__(self, n_features, n_outputs):
        return layers(n_features, n_outputs)


@pytest.mark.parametrize(
    "recipe",
    [
        layers,
        lambda a, b: layers(a, b),
        lambda hidden, units: layers(hidden, units),
        lambda *sizes: layers(*sizes),
        lambda *sizes, **arguments: layers(*sizes, **arguments),
        functools.partial(MLP, hidden=3),
        Callable(),
        nn.Linear,
        lambda in_channels, num_classes: layers(in_channels, num_classes),
    ],
)
def test_recipes_of_any_kind_that_take_two_widths(recipe):
    assert fit(recipe).n_epochs_ == 3


def test_widths_may_have_defaults_if_their_names_say_so():
    def recipe(n_features=1, n_classes=1):
        return layers(n_features, n_classes)

    assert fit(recipe).module_[0].in_features == 4


def test_arguments_that_are_missing_or_given_twice():
    def deep(n_features, n_outputs, depth):
        return layers(n_features, n_outputs)

    with pytest.raises(TypeError, match="deep needs a value for depth: give it as module__depth"):
        fit(deep)
    assert fit(deep, module__depth=2).n_epochs_ == 3
    with pytest.raises(TypeError, match="n_features from the data.*leave module__n_features out"):
        fit(MLP, module__n_features=4)


def test_an_error_inside_a_recipe_says_how_it_was_called():
    def failing(n_features, n_outputs, depth=1):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as error:
        fit(failing, module__depth=2)
    assert error.value.__notes__ == ["TorchClassifier called the recipe as failing(4, 3, depth=2)."]


# Weights that were trained before.


encoder = nn.Linear(4, 4)


def shared(n_features, n_outputs, encoder):
    return nn.Sequential(encoder, nn.ReLU(), nn.Linear(4, n_outputs))


def copied(n_features, n_outputs, encoder):
    return nn.Sequential(copy.deepcopy(encoder), nn.ReLU(), nn.Linear(4, n_outputs))


def test_the_error_for_shared_weights_shows_how_to_copy_them():
    with pytest.raises(TypeError, match="the same weights twice") as error:
        fit(shared, module__encoder=encoder)
    assert error.match(r"copy.deepcopy\(encoder\)")
    assert error.match("load_state_dict")
    assert error.match(r"make_pipeline\(FrozenFeatures\(encoder\), ...\)")
    assert error.match(r"encoder.requires_grad_\(False\)")
    clf = fit(copied, module__encoder=encoder)
    assert not (clf.module_[0].weight == encoder.weight).all()


# What forward returns.


class Answering(nn.Module):
    def __init__(self, n_features, n_outputs, how=None):
        super().__init__()
        self.linear = nn.Linear(n_features, n_outputs)
        self.how = how

    def forward(self, X):
        return self.how(self.linear(X))


@pytest.mark.parametrize(
    "how, message",
    [
        (lambda o: (o, o), r"a tuple \(Tensor of shape \(2, 3\), Tensor.*outputs, _ = "),
        (lambda o: [o], r"a list \(Tensor of shape \(2, 3\)\)"),
        (lambda o: {"logits": o}, "a dict with the keys 'logits'. Return the one tensor"),
        (lambda o: None, "got None. Its forward lacks a return"),
        (lambda o: o.detach().numpy(), "of type ndarray. Return a torch tensor"),
        (lambda o: o[:, 0], r"got shape \(2,\). Do not squeeze"),
        (lambda o: o[:, None], r"got shape \(2, 1, 3\).*outputs\[:, -1\]"),
        (lambda o: o.T, r"got shape \(3, 2\). Use the recipe's second argument"),
        (lambda o: o.half(), "got torch.float16"),
        (lambda o: o.argmax(1), "got torch.int64.*without argmax"),
        (lambda o: o + 0j, "got torch.complex128"),
        (lambda o: o.detach(), "depends on none of its parameters"),
        (lambda o: torch.from_numpy(o.detach().numpy()) * 2, "computes in numpy"),
    ],
)
def test_outputs_that_cannot_be_used_are_named(how, message):
    with pytest.raises(ValueError, match=f"Answering .*{message}"):
        fit(Answering, module__how=how)


def test_outputs_of_another_form_in_training_only():
    class Auxiliary(MLP):
        def forward(self, X):
            outputs = super().forward(X)
            return (outputs, outputs) if self.training else outputs

    with pytest.raises(ValueError, match="Auxiliary must return 3 outputs.*got a tuple"):
        fit(Auxiliary)


def test_rows_that_a_network_cannot_take():
    class Casting(MLP):
        def forward(self, X):
            return super().forward(X.float())

    with pytest.raises(ValueError, match="Casting cannot take rows of 4 numbers.*do not cast"):
        fit(Casting)

    class Holding(MLP):
        def __init__(self, n_features, n_outputs):
            super().__init__(n_features, n_outputs)
            self.turned = torch.eye(n_features)

        def forward(self, X):
            return super().forward(X @ self.turned)

    with pytest.raises(ValueError, match=r"Holding cannot take rows.*self.register_buffer\('name'"):
        fit(Holding)
    with pytest.raises(ValueError, match="cannot take rows of 4 numbers.*as wide as"):
        fit(lambda n_features, n_outputs: nn.Linear(20, n_outputs))

    def laid(n_features, n_outputs):
        return nn.Sequential(nn.Linear(n_features, 8), nn.LayerNorm(5), nn.Linear(8, n_outputs))

    with pytest.raises(ValueError, match=r"LayerNorm\(5\) gets 8 numbers: make it as wide"):
        fit(laid)

    def alone(n_features, n_outputs):
        to_channels = nn.Unflatten(1, (n_features, 1))
        norm = nn.InstanceNorm1d(n_features)
        return nn.Sequential(to_channels, norm, nn.Flatten(), nn.Linear(n_features, n_outputs))

    with pytest.raises(ValueError, match="InstanceNorm needs two steps or pixels of a channel"):
        fit(alone)


# Outputs that are no logits.


@pytest.mark.parametrize(
    "last, name, message",
    [
        (nn.Softmax(dim=1), r"Softmax\(dim=1\)", "probabilities and no logits.*exceed 0.58"),
        (nn.LogSoftmax(dim=1), r"LogSoftmax\(dim=1\)", "logarithms of probabilities"),
        (nn.Sigmoid(), r"Sigmoid\(\)", "between 0 and 1"),
        (nn.Hardsigmoid(), r"Hardsigmoid\(\)", "between 0 and 1"),
    ],
)
def test_a_last_layer_that_makes_probabilities_is_warned_of(last, name, message):
    def recipe(n_features, n_outputs):
        return nn.Sequential(*layers(n_features, n_outputs), copy.deepcopy(last))

    with pytest.warns(UserWarning, match=f"Sequential ends in {name}: its outputs.*{message}"):
        fit(recipe)


@pytest.mark.parametrize("how", [lambda o: o.softmax(1), torch.sigmoid])
def test_a_function_that_makes_probabilities_is_warned_of(how):
    with pytest.warns(UserWarning, match="Answering ends in a (softmax|sigmoid), or a function"):
        fit(Answering, module__how=how)


@pytest.mark.parametrize("how", [torch.relu, torch.tanh, F.relu6, F.softplus, torch.abs, F.gelu])
@pytest.mark.parametrize("seed", range(10))
def test_outputs_that_happen_to_lie_between_0_and_1_are_not_accused(how, seed, recwarn):
    TorchClassifier(Answering, module__how=how, epochs=0, random_state=seed).fit(
        X[:100] / 100, y[:100]
    )
    assert not recwarn.list


def test_a_network_that_starts_with_rows_of_sum_1_is_not_accused(recwarn):
    def recipe(n_features, n_outputs):
        network = nn.Sequential(nn.Linear(n_features, n_outputs), nn.ReLU())
        with torch.no_grad():
            network[0].weight.zero_()
            network[0].bias.fill_(1 / n_outputs)
        return network

    fit(recipe)
    TorchRegressor(Answering, module__how=torch.sigmoid, epochs=1).fit(X, y)  # may be meant
    assert not recwarn.list


def test_looking_at_outputs_again_changes_no_weights():
    def softmax(n_features, n_outputs):
        return nn.Sequential(nn.Linear(n_features, n_outputs), nn.Softmax(1))

    def hidden(n_features, n_outputs):
        class Scaled(nn.Sequential):  # the same network, but its outputs do not look alike
            def forward(self, X):
                outputs = super().forward(X)
                return outputs if self.training else outputs * 3 - 5

        return Scaled(nn.Linear(n_features, n_outputs), nn.Softmax(1))

    with pytest.warns(UserWarning, match="Softmax"):
        looked_at = fit(softmax)
    for one, other in zip(weights(looked_at), weights(fit(hidden)), strict=True):
        assert_array_equal(one, other)


# The network that a recipe returned is the one that is trained.

calls = []


def count(gradient):
    calls.append(1)
    return gradient.clamp(-1e-3, 1e-3)


def count_accumulated(parameter):
    calls.append(1)


class Clipped(MLP):
    """Clips gradients by hooks on its parameters."""

    def __init__(self, n_features, n_outputs):
        super().__init__(n_features, n_outputs)
        for parameter in self.parameters():
            parameter.register_hook(count)


class Watched(MLP):
    def __init__(self, n_features, n_outputs):
        super().__init__(n_features, n_outputs)
        for parameter in self.parameters():
            parameter.register_post_accumulate_grad_hook(count_accumulated)


class OwnFunction(nn.Module):
    """What it computes stands in a function that uses `self`."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.layers = layers(n_features, n_outputs)
        self.scale = nn.Parameter(torch.ones(()))
        self.act = lambda X: self.layers(X) * self.scale

    def forward(self, X):
        return self.act(X)


class OwnHook(MLP):
    def __init__(self, n_features, n_outputs):
        super().__init__(n_features, n_outputs)
        self.scale = nn.Parameter(torch.ones(()))
        self.layers.register_forward_hook(lambda layer, inputs, outputs: outputs * self.scale)


class Keeping(MLP):
    """Keeps its activations."""

    def forward(self, X):
        self.hidden = self.layers[0](X)
        self.all = {"hidden": [self.hidden]}
        return self.layers[1:](self.hidden)


class ByList(nn.Module):
    """Uses its parameters through a list."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        shapes = (n_features, 8), (8, n_outputs)
        self.list = [nn.Parameter(torch.randn(*shape) / 3) for shape in shapes]
        for number, parameter in enumerate(self.list):
            self.register_parameter(f"weight{number}", parameter)

    def forward(self, X):
        return (X @ self.list[0]).relu() @ self.list[1]


ODD = [Clipped, Watched, OwnFunction, OwnHook, Keeping, ByList]


@pytest.mark.parametrize("recipe", ODD)
def test_odd_networks_learn_by_fit_by_partial_fit_and_with_patience(recipe):
    settings = {"random_state": 0, "lr": 0.05}
    once = TorchClassifier(recipe, epochs=20, **settings).fit(X, y)
    assert once.score(X, y) > 0.7
    calls_by_fit = len(calls)
    calls.clear()
    split = TorchClassifier(recipe, **settings)
    for _ in range(20):
        split.partial_fit(X, y)
    for one, other in zip(weights(once), weights(split), strict=True):
        assert_allclose(one, other, rtol=1e-12)
    if recipe in (Clipped, Watched):
        assert calls_by_fit == len(calls) == 20 * 4
    calls.clear()
    patient = TorchClassifier(recipe, epochs=20, patience=3, **settings).fit(X, y)
    assert patient.score(X, y) > 0.7
    calls.clear()


@pytest.mark.parametrize("recipe", [Clipped, Watched, Keeping, ByList])
def test_copies_of_odd_networks_are_seen_by_callbacks_and_learn_on(recipe):
    fitted = TorchClassifier(recipe, epochs=20, lr=0.05, random_state=0)
    monitor = ScoringMonitor(scoring="accuracy")
    fitted.set_callbacks(monitor).fit(X, y)
    log = monitor.get_logs().data_as_pandas
    assert log[log["task_name"] == "epoch"]["accuracy"].iloc[-1] == fitted.score(X, y)
    fitted.set_callbacks()
    before = weights(fitted)
    for other in (copy.deepcopy(fitted), pickle.loads(pickle.dumps(fitted))):
        calls.clear()
        other.partial_fit(X, y)
        assert len(calls) == (4 if recipe in (Clipped, Watched) else 0)
        for one, unchanged in zip(before, weights(fitted), strict=True):
            assert_array_equal(one, unchanged)
    again = copy.deepcopy(fitted).partial_fit(X, y)
    for one, other in zip(weights(again), weights(fitted.partial_fit(X, y)), strict=True):
        assert_array_equal(one, other)
    calls.clear()


@pytest.mark.parametrize(
    "recipe, what", [(OwnFunction, "its attribute 'act'"), (OwnHook, "a hook")]
)
def test_a_copy_that_would_use_the_old_network_is_refused(recipe, what):
    fitted = fit(recipe)
    with pytest.raises(TypeError, match=f"{recipe.__name__} cannot be copied: {what} would go on"):
        copy.deepcopy(fitted)
    watched = TorchClassifier(recipe, epochs=1).set_callbacks(ScoringMonitor(scoring="accuracy"))
    with pytest.raises(TypeError, match="A callback gets a copy.*Write that as a method"):
        watched.fit(X, y)


def test_attributes_of_parameters_are_copied():
    network = MLP(3, 2)
    network.layers[0].weight.decay = False
    assert copy_network(network, "this test").layers[0].weight.decay is False


kept = []


def keeping_all(n_features, n_outputs, network=MLP):
    kept.append(network(n_features, n_outputs))
    return kept[-1]


def keeping_every_other(n_features, n_outputs):
    kept.append(None)
    if len(kept) % 2:
        return keeping_every_other.network
    return MLP(n_features, n_outputs)


@pytest.mark.slow
def test_what_a_recipe_keeps_is_never_trained():
    keeping_every_other.network = MLP(4, 3).double()
    for recipe in (keeping_all, keeping_every_other, alternating):
        kept.clear()
        untrained = TorchClassifier(recipe, epochs=0, random_state=0)
        trained = TorchClassifier(recipe, epochs=50, lr=0.05, random_state=0).fit(X, y)
        assert trained.score(X, y) > 0.9
        assert max(untrained.fit(X, y).score(X, y) for _ in range(3)) < 0.8
    kept.clear()
    with pytest.raises(TypeError, match="keeping_all keeps what it returns"):
        fit(keeping_all, module__network=OwnFunction)


def test_a_network_that_refers_to_itself_is_no_network_that_is_kept():
    gc.collect()
    gc.disable()
    try:
        assert fit(OwnFunction, epochs=30, lr=0.05).score(X, y) > 0.7
    finally:
        gc.enable()


# Networks that write to their input.


class Shifting(nn.Module):
    """Subtracts 1 from its input, in one of the ways in which that can be done."""

    def __init__(self, n_features, n_outputs, way=None):
        super().__init__()
        self.layers, self.way = layers(n_features, n_outputs), way

    def forward(self, X):
        if self.way == "operator":
            X -= 1.0
        elif self.way == "data":
            X.data.sub_(1.0)
        elif self.way == "numpy":
            array = X.detach().numpy()
            array -= 1.0
        elif self.way == "late" and len(X) and self.training:
            self.calls = getattr(self, "calls", 0) + 1
            X = X.sub_(1.0) if self.calls > 3 else X - 1.0
        elif self.way == "gradient":
            X.requires_grad_(True)
            X = X - 1.0
        else:
            X = X - 1.0
        return self.layers(X)


@pytest.mark.parametrize("way", ["operator", "data", "numpy", "late", "gradient"])
@pytest.mark.parametrize("batch_size", [None, 32])
@pytest.mark.parametrize("patience", [None, 3])
def test_each_step_gets_its_rows_as_they_were_given(way, batch_size, patience):
    settings = {"batch_size": batch_size, "patience": patience, "epochs": 10}
    writing, reading = (fit(Shifting, module__way=one, **settings) for one in (way, None))
    before = X.copy()
    assert_array_equal(writing.predict_proba(X), reading.predict_proba(X))
    assert writing.history_ == reading.history_
    assert_array_equal(X, before)


def test_hooks_that_write_to_the_input():
    def recipe(n_features, n_outputs, way):
        network = layers(n_features, n_outputs)
        if way == "hook":
            network[0].register_forward_pre_hook(lambda layer, inputs: (inputs[0].sub_(1.0),))
        elif way == "hook of all":
            network.register_forward_pre_hook(lambda layer, inputs: (inputs[0].sub_(1.0),))
        elif way == "forward":
            plain = network.forward
            network.forward = lambda X: plain(X.sub_(1.0))
        else:
            network.insert(0, Minus())
        return network

    class Minus(nn.Module):
        def forward(self, X):
            return X - 1.0

    expected = fit(recipe, module__way="no", epochs=10).predict_proba(X)
    for way in ("hook", "hook of all", "forward"):
        assert_array_equal(fit(recipe, module__way=way, epochs=10).predict_proba(X), expected)


def test_dropout_in_place_in_front_learns_as_dropout_does():
    X, y = make_classification(200, 8, n_informative=6, random_state=0)

    def recipe(n_features, n_outputs, inplace):
        return nn.Sequential(nn.Dropout(0.2, inplace=inplace), *layers(n_features, n_outputs))

    fits = [
        TorchClassifier(recipe, module__inplace=inplace, epochs=20, random_state=0).fit(X, y)
        for inplace in (True, False)
    ]
    assert_array_equal(*(clf.predict_proba(X) for clf in fits))


# A batch of one row.


def normed(n_features, n_outputs):
    return nn.Sequential(nn.Linear(n_features, 4), nn.BatchNorm1d(4), nn.Linear(4, n_outputs))


def test_batch_norm_on_a_last_batch_of_one_row():
    message = "Sequential normalises.*149 training rows, with batch_size=37, has one.*such as 38"
    with pytest.raises(ValueError, match=message):
        TorchClassifier(normed, epochs=1, batch_size=37).fit(X[:149], y[:149])
    TorchClassifier(normed, epochs=1, batch_size=38).fit(X[:149], y[:149])
    with pytest.raises(ValueError, match="batch_size=1, has one"):
        fit(normed, batch_size=1)
    with pytest.raises(ValueError, match="of the 1 training rows"):
        TorchClassifier(normed).partial_fit(X[:1], y[:1], classes=[0, 1, 2])


# Arguments of the optimizer.


def test_arguments_of_the_optimizer_are_parameters():
    clf = TorchClassifier(optimizer="sgd", optimizer__momentum=0.9, epochs=5, random_state=0)
    assert clf.get_params()["optimizer__momentum"] == 0.9
    assert "optimizer__momentum=0.9" in repr(clf)
    by_hand = TorchClassifier(
        optimizer=functools.partial(torch.optim.SGD, momentum=0.9, fused=True),
        epochs=5,
        random_state=0,
    )
    assert_array_equal(clf.fit(X, y).predict_proba(X), by_hand.fit(X, y).predict_proba(X))
    assert clf.set_params(optimizer__momentum=0.0).get_params()["optimizer__momentum"] == 0.0
    plain = TorchClassifier(optimizer="sgd", epochs=5, random_state=0).fit(X, y)
    assert_array_equal(clf.fit(X, y).predict_proba(X), plain.predict_proba(X))


@pytest.mark.parametrize("optimizer", ["sgd", torch.optim.SGD])
def test_arguments_of_the_optimizer_in_a_grid(optimizer):
    clf = TorchClassifier(optimizer=optimizer, epochs=20, random_state=0)
    grid = {"optimizer__momentum": np.array([0.0, 0.9]), "optimizer__nesterov": [False]}
    search = GridSearchCV(clf, grid, cv=2, scoring="neg_log_loss").fit(X, y)
    assert search.best_params_["optimizer__momentum"] == 0.9


@pytest.mark.parametrize(
    "optimizer, arguments, error, message",
    [
        ("adam", {"momentum": 0.9}, TypeError, "'adam' has no argument 'momentum'.*betas, eps"),
        (torch.optim.SGD, {"betas": 1}, TypeError, "SGD has no argument 'betas'.*momentum"),
        ("sgd", {"lr": 0.1}, TypeError, "lr is an argument of TorchClassifier itself.*write lr="),
        ("sgd", {"weight_decay": 0.1}, TypeError, "write weight_decay="),
        ("sgd", {"momentum": np.nan}, ValueError, "optimizer__momentum must be a finite number"),
        ("sgd", {"momentum": "high"}, ValueError, "optimizer__momentum.*got 'high'"),
        ("sgd", {"momentum": True}, ValueError, "optimizer__momentum.*got True"),
        ("sgd", {"momentum": -1.0}, ValueError, "does not take.*optimizer__momentum=-1.0"),
        ("sgd", {"nesterov": True}, ValueError, "optimizer__nesterov=True: Nesterov"),
        ("adam", {"betas": 0.9}, ValueError, "optimizer__betas must be 2 numbers; got 0.9"),
        (torch.optim.LBFGS, {}, ValueError, "LBFGS asks for the loss several times"),
        (lambda p, lr, weight_decay: p, {}, TypeError, "must return a torch optimizer.*got list"),
    ],
)
def test_arguments_that_an_optimizer_does_not_take(optimizer, arguments, error, message):
    arguments = {f"optimizer__{name}": value for name, value in arguments.items()}
    with pytest.raises(error, match=message):
        fit(MLP, optimizer=optimizer, **arguments)


def test_an_optimizer_without_weight_decay():
    class Plain(torch.optim.SGD):
        def __init__(self, parameters, lr):
            super().__init__(parameters, lr=lr)

    assert fit(MLP, optimizer=Plain).n_epochs_ == 3
    with pytest.raises(ValueError, match="Plain does not take.*weight_decay=0.1"):
        fit(MLP, optimizer=Plain, weight_decay=0.1)


class Scaled(MLP):
    """Has a parameter of no dimensions."""

    def __init__(self, n_features, n_outputs):
        super().__init__(n_features, n_outputs)
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, X):
        return super().forward(X) * self.scale


@pytest.mark.slow
@pytest.mark.parametrize(
    "optimizer, arguments",
    [
        ("sgd", {"momentum": 0.9, "nesterov": True}),
        ("sgd", {"momentum": 0.9, "dampening": 0.5}),
        (torch.optim.SGD, {"momentum": 0.9}),
        ("adam", {"betas": [0.5, 0.9], "eps": 1e-3}),
        ("adamw", {"amsgrad": True}),
        ("rmsprop", {"momentum": 0.5, "centered": True, "alpha": 0.9}),
    ],
)
def test_networks_of_equal_optimizers_are_stacked(optimizer, arguments):
    arguments = {f"optimizer__{name}": value for name, value in arguments.items()}
    clf = TorchClassifier(Scaled, optimizer=optimizer, batch_size=32, **arguments)

    def outcome(lr, weight_decay):
        new = clone(clf).set_params(lr=lr, weight_decay=weight_decay, random_state=0, epochs=2)
        new.fit(X, y).partial_fit(X, y)
        return np.concatenate([weight.ravel() for weight in weights(new)])

    settings = [(lr, weight_decay) for lr in (0.01, 0.02) for weight_decay in (0.0, 0.1)]
    plain = [outcome(*one) for one in settings]
    with fused() as run:
        together = Parallel()(delayed(outcome)(*one) for one in settings)
    assert run.batches == [4, 4]
    assert_allclose(together, plain, rtol=0, atol=1e-10)


@pytest.mark.slow
def test_networks_of_other_optimizers_are_not_stacked():
    clf = TorchClassifier(optimizer="sgd", epochs=2, random_state=0)
    search = GridSearchCV(clf, {"optimizer__momentum": [0.5, 0.9]}, cv=3, refit=False)
    plain = search.fit(X, y).cv_results_["mean_test_score"]
    with fused() as run:
        assert_array_equal(search.fit(X, y).cv_results_["mean_test_score"], plain)
    assert run.batches == [3, 3]
    search = GridSearchCV(clf, {"optimizer__maximize": [True]}, cv=3, refit=False)
    with fused() as run, pytest.warns(UserWarning, match="optimizer__maximize is set"):
        search.fit(X, y)
    assert run.batches == [1, 1, 1]


# Numbers.

NUMBERS = {
    "epochs": (3, [np.int64(3), np.uint8(3), np.array(3), torch.tensor(3)]),
    "lr": (0.125, [np.float32(0.125), np.float64(0.125), np.array(0.125), np.longdouble(0.125)]),
    "batch_size": (32, [np.int64(32), np.array(32), 2 ** np.arange(5, 6)[0]]),
    "weight_decay": (0.5, [np.float16(0.5), np.array(0.5)]),
    "patience": (2, [np.int8(2), np.array(2)]),
    "validation_fraction": (0.25, [np.float32(0.25), np.array(0.25)]),
    "random_state": (1, [np.int64(1), np.array(1)]),
    "module__hidden": ((4, 3), [np.array([4, 3]), [np.int64(4), 3], (np.array(4), np.int8(3))]),
    "module__dropout": (0.25, [np.float32(0.25), np.array(0.25)]),
    "optimizer__eps": (0.25, [np.float32(0.25), np.array(0.25)]),
    "optimizer__betas": ((0.5, 0.25), [np.array([0.5, 0.25]), (np.float32(0.5), np.array(0.25))]),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_of_numpy_are_numbers(name):
    number, others = NUMBERS[name]
    settings = {"patience": 5} if name == "validation_fraction" else {}
    expected = fit(MLP, **settings | {name: number}).predict_proba(X)
    for other in others:
        clf = TorchClassifier(epochs=3, random_state=0, **settings)
        clf.set_params(**{name: other}).fit(X, y)
        assert_array_equal(clf.predict_proba(X), expected)
        assert clf.get_params()[name] is other


@pytest.mark.parametrize("name", ["epochs", "lr", "batch_size", "weight_decay", "patience"])
@pytest.mark.parametrize("value", [True, np.True_, np.nan, np.inf, np.array([3]), "3"])
def test_what_is_no_number_is_refused(name, value):
    with pytest.raises(ValueError, match=f"{name!r} parameter of TorchClassifier must be"):
        TorchClassifier(**{name: value}).fit(X, y)


@pytest.mark.parametrize("hidden", [0, -1, True, 2.5, "32", None, (8, 0), np.array([2.5])])
def test_widths_that_are_none(hidden):
    with pytest.raises(ValueError, match="hidden must be a positive integer or a sequence"):
        MLP(4, 3, hidden=hidden)


@pytest.mark.parametrize("dropout", [True, np.nan, -0.1, 1.1, "0.5"])
def test_dropout_that_is_none(dropout):
    with pytest.raises(ValueError, match="dropout must be a number between 0 and 1"):
        MLP(4, 3, dropout=dropout)


@pytest.mark.slow
def test_a_grid_of_numpy_integers_names_the_same_winner():
    X, y = make_classification(150, 8, random_state=0)
    clf = TorchClassifier(epochs=3, random_state=0)
    scores = [
        GridSearchCV(clf, {"batch_size": sizes}, refit=False)
        .fit(X, y)
        .cv_results_["mean_test_score"]
        for sizes in (2 ** np.arange(5, 9), [32, 64, 128, 256])
    ]
    assert_array_equal(*scores)


def on_a_table(*layers):
    return lambda i, o: nn.Sequential(
        *(layer() for layer in layers), nn.Flatten(), nn.LazyLinear(o)
    )


TO_ROWS = lambda: nn.Unflatten(1, (1, -1))  # noqa: E731
NO_FIRST_LAYERS = {
    "a convolution of a table": ([lambda: nn.Conv1d(1, 4, 3)], (6,), "no axis for channels"),
    "one of images": ([lambda: nn.Conv2d(1, 4, 3)], (6,), "no axis for channels"),
    "BatchNorm2d of a table": ([lambda: nn.BatchNorm2d(6)], (6,), "no axis for channels"),
    "pooling of a table": ([lambda: nn.MaxPool2d(2)], (6,), "no axis for channels"),
    "adaptive pooling": ([lambda: nn.AdaptiveAvgPool2d(2)], (6,), "no axis for channels"),
    "another": ([lambda: nn.AdaptiveMaxPool2d(2)], (6,), "no axis for channels"),
    "upsampling of a table": ([lambda: nn.Upsample(scale_factor=2)], (6,), "no axis for channels"),
    "pixels of a table": ([lambda: nn.PixelShuffle(2)], (6,), "no axis for channels"),
    "mean pooling of a table": (
        [lambda: nn.AvgPool2d(2)],
        (6,),
        "an axis that is not there. nn.Un",
    ),
    "an axis of three": ([lambda: nn.Softmax(4)], (2, 6), "an axis that is not there.$"),
    "a recurrent layer": ([lambda: nn.GRU(6, 4)], (6,), "Sequential has a tuple where"),
    "two": (
        [lambda: nn.GRU(6, 4), lambda: nn.GRU(4, 4)],
        (6,),
        "has a tuple where a tensor is due",
    ),
    "features last": ([lambda: nn.Conv1d(3, 4, 3)], (9, 3), r"moveaxis\(X, -1, 1\)"),
    "normalised": ([lambda: nn.BatchNorm1d(3)], (9, 3), r"moveaxis\(X, -1, 1\)"),
    "grey images": ([lambda: nn.Conv2d(1, 4, 3)], (8, 8), r"X\[:, np.newaxis\]"),
    "other channels": ([TO_ROWS, lambda: nn.Conv1d(3, 4, 3)], (6,), "of 3 channels gets 1 of"),
    "others to normalise": ([lambda: nn.BatchNorm1d(9)], (6,), "of 9 channels gets 6 of"),
    "other axes": ([TO_ROWS, lambda: nn.BatchNorm2d(1)], (6,), "another number of axes"),
    "all flat": (
        [lambda: nn.Flatten(0), lambda: nn.Linear(54, 2)],
        (9, 6),
        r"X.flatten\(1\) keeps",
    ),
    "a large kernel": ([TO_ROWS, lambda: nn.Conv1d(1, 4, 9)], (6,), "kernels are larger"),
    "a large pool": ([TO_ROWS, lambda: nn.MaxPool1d(9)], (6,), "kernels are larger"),
}


@pytest.mark.parametrize("case", NO_FIRST_LAYERS)
def test_what_does_not_fit_is_named_and_no_width_that_does(case):
    layers, shape, told = NO_FIRST_LAYERS[case]
    rows = np.random.default_rng(0).normal(size=(40, *shape))
    with pytest.raises(ValueError, match=told) as caught:
        TorchClassifier(on_a_table(*layers)).fit(rows, np.arange(40) % 2)
    assert "as wide as the recipe's first argument" not in str(caught.value)


TUPLES = {
    "its last step": lambda answers, rows: answers[:, -1],
    "beside its input": lambda answers, rows: rows + answers,
    "before it": lambda answers, rows: answers + rows,
    "scaled": lambda answers, rows: 0.5 * answers[0] + answers @ rows,
    "the mean of its steps": lambda answers, rows: answers.mean(1),
    "activated": lambda answers, rows: torch.relu(answers),
}


@pytest.mark.parametrize("case", TUPLES)
def test_what_a_recurrent_layer_returns_is_taken_for_a_tensor(case):
    class Recurrent(nn.Module):
        def __init__(self, n_features, n_outputs):
            super().__init__()
            self.layer = nn.GRU(1, n_outputs, batch_first=True)

        def forward(self, X):
            return TUPLES[case](self.layer(X.unsqueeze(2)), X)

    with pytest.raises(ValueError, match="^Recurrent has a tuple where.*outputs, _ = self.layer"):
        fit(Recurrent)


def test_the_state_of_a_recurrent_layer_as_output():
    class Recurrent(nn.Module):
        def __init__(self, n_features, n_outputs):
            super().__init__()
            self.layer = nn.GRU(1, n_outputs, batch_first=True)

        def forward(self, X):
            return self.layer(X.unsqueeze(2))[1]

    with pytest.raises(ValueError, match=r"got shape \(1, 2, 3\).*recurrent layer.*state\[-1\]"):
        fit(Recurrent)


class FromState(nn.Module):
    """A recurrent layer that begins with a state of a shape, or that is too wide."""

    def __init__(self, n_features, n_outputs, shape=None, width=1):
        super().__init__()
        self.layer, self.shape = nn.GRU(width, n_outputs, batch_first=True), shape

    def forward(self, X):
        state = None if self.shape is None else X.new_zeros(self.shape)
        return self.layer(X.unsqueeze(2), state)[0][:, -1]


class Indexing(MLP):
    def forward(self, X):
        return super().forward(X) + [0.0][len(X)]


class FixedRows(MLP):
    def forward(self, X):
        return super().forward(X) + X.new_zeros(32, 1)


@pytest.mark.parametrize(
    "module, arguments, told",
    [
        (FromState, {"shape": (1, 32, 3)}, r"X.new_zeros\(n_layers, len\(X\), n_units\)"),
        (FromState, {"shape": (4, 2, 3)}, r"X.new_zeros\(n_layers, len\(X\), n_units\)"),
        (FromState, {"width": 4}, "of 4 features gets 1 of them in each step"),
        (FixedRows, {}, r"on another number of rows: ask for it, as X.new_zeros\(len\(X\), 3\)"),
        (Indexing, {}, "list index out of range. The line of forward that failed stands in"),
    ],
)
def test_a_forward_that_fails_for_another_reason_than_its_first_layer(module, arguments, told):
    given = {f"module__{name}": value for name, value in arguments.items()}
    with pytest.raises(ValueError, match=f"^{module.__name__} cannot take rows of 4 .*{told}"):
        fit(module, **given)
