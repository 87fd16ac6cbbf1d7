"""What a user may hand over by mistake, and the sentence that says so in the user's words."""

import dataclasses
import functools
import warnings
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from torch import nn

from helpers import MLP, FrozenFeatures, TorchClassifier, TorchRegressor, rows_of

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
    with pytest.warns(UserWarning) as told:
        classifier(answering(lambda outputs: 0 * outputs)).fit(X, y)
    assert [str(one.message)[:40] for one in told] == ["Network has the same answer for all rows"]


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


@pytest.mark.parametrize(
    "labels, said",
    [
        ([0.0, 1.0], r"holds float\. .*y\.astype\(float\)"),
        ([0, "a"], "holds several types: int, str"),
        (["a", None], "NaN or another missing value: None in row 1"),
    ],
)
def test_a_column_of_objects_is_refused_as_a_row_of_them_is(labels, said):
    labels = np.array(labels * 10, dtype=object)
    for given in (labels, labels[:, np.newaxis]):
        with pytest.raises(ValueError, match=said):
            classifier().fit(X, given)


def test_text_in_X():
    with pytest.raises(ValueError, match="^X must hold numbers: .*'red'"):
        classifier().fit([["red", 1.0]] * 20, y)
    with pytest.raises(ValueError, match=r"whole texts with TfidfVectorizer\(\)"):
        classifier().fit(["a good film", "a bad film"] * 10, y)


@pytest.mark.parametrize("beside", [[], ["yes"], ["number"], ["yes", "number"]], ids=str)
@pytest.mark.parametrize("kind", ["category", "string", object])
def test_columns_of_words_in_a_table(kind, beside):
    words = pd.Series(["red", "blue"] * 10, dtype=kind)
    table = pd.DataFrame({"word": words, "yes": [True, False] * 10, "number": np.arange(20.0)})
    with pytest.raises(ValueError, match="^X must hold numbers: .*Encode columns of text"):
        classifier().fit(table[["word", *beside]], y)


def masked():
    return np.ma.masked_greater(X, 0.5)


def dates():
    return pd.DataFrame({"day": pd.date_range("2020-01-01", periods=20)})


def nested():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a prototype, torch says
        return torch.nested.nested_tensor([torch.zeros(2 + i % 2) for i in range(20)])


NO_ROWS = {
    "nothing": (lambda: None, "None. Give an array"),
    "a path": (lambda: "iris.csv", "'iris.csv'. Read the file first"),
    "a generator": (lambda: (row for row in X), "<generator.*Give an array"),
    "a dict": (lambda: {"a": 1}, "{'a': 1}"),
    "masked numbers": (masked, "a masked array.*SimpleImputer"),
    "dates": (lambda: X.astype("datetime64[s]"), "dates or times.*for instance days"),
    "a column of dates": (dates, "dates or times.*for instance days"),
    "unequal rows": (nested, "rows of unequal lengths.*to_padded_tensor"),
    "a sparse tensor": (lambda: torch.tensor(X).to_sparse(), "X.to_dense"),
    "no memory": (lambda: torch.tensor(X, device="meta"), "on the device 'meta'"),
}


@pytest.mark.parametrize("name", NO_ROWS)
def test_rows_that_are_none(name):
    given, sentence = NO_ROWS[name]
    fitted = classifier().fit(X, y)
    for call in (lambda: classifier().fit(given(), y), lambda: fitted.predict(given())):
        with pytest.raises(ValueError, match=f"X must hold rows of numbers; got .*{sentence}"):
            call()
    with pytest.raises(ValueError, match="X must hold rows of numbers"):
        FrozenFeatures(nn.Linear(2, 1)).fit(given())


def test_a_column_of_what_is_no_number_is_named():
    table = pd.DataFrame(X, columns=["a", "b"]).assign(
        month=pd.period_range("2020-01", periods=20, freq="M")
    )
    for column in (table["month"], pd.cut(X[:, 0], 3)):
        with pytest.raises(TypeError, match=r"X must hold numbers: .*of X\['month'\], as Ordinal"):
            classifier().fit(table.assign(month=column), y)


def test_layers_that_write_over_what_gradients_need():
    def net(n_features, n_outputs):
        within = nn.ReLU(inplace=True), nn.Dropout(0.4, inplace=True)
        return nn.Sequential(nn.Linear(n_features, 6), *within, nn.Linear(6, n_outputs))

    with pytest.raises(RuntimeError, match="inplace operation") as error:
        classifier(net).fit(X, y)
    assert "Sequential, or the loss, writes over" in error.value.__notes__[0]
    assert "leave out inplace=True" in error.value.__notes__[0]


def test_text_in_y_is_not_said_to_be_in_X():
    with pytest.raises(ValueError, match="^y must hold numbers: .*'a'"):
        TorchRegressor(epochs=1).fit(X, pd.DataFrame({"one": y, "two": ["a"] * 20}))


def test_groups_of_several_types():
    with pytest.raises(ValueError, match=r"^groups must be labels of one type.*str\(group\)"):
        classifier(patience=1).fit(X, y, groups=np.array([1, "a"] * 10, dtype=object))


@pytest.mark.parametrize("kind", [list, pd.Series, lambda labels: np.array(labels, dtype=object)])
@pytest.mark.parametrize("missing", [None, np.nan])
def test_groups_some_of_which_are_missing(kind, missing):
    with pytest.raises(ValueError, match="^groups contains NaN or another missing.* in row 1"):
        classifier(patience=1).fit(X, y, groups=kind(["a", missing] * 10))


def test_set_params_tells_how_arguments_of_the_module_are_written():
    with pytest.raises(ValueError, match="Invalid parameter 'hidden'.*written module__<name>"):
        classifier().set_params(hidden=3)


@pytest.mark.parametrize("widths, name", [((2.0, 3), "n_features"), ((2, 0), "n_outputs")])
def test_widths_of_an_mlp(widths, name):
    with pytest.raises(ValueError, match=f"{name} must be a positive integer"):
        MLP(*widths)


@pytest.mark.parametrize("is_trained", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_made_in_inference_mode(dtype, is_trained):
    def inferred(n_features, n_outputs):
        with torch.inference_mode():
            first = nn.Linear(n_features, 3).requires_grad_(is_trained)
        return nn.Sequential(first, nn.Linear(3, n_outputs))

    with pytest.raises(TypeError, match=r"inferred makes weights under torch.inference_mode\(\)"):
        classifier(inferred).fit(X.astype(dtype), y)


@dataclasses.dataclass
class ComparedByContent(nn.Module):
    n_features: int
    n_outputs: int

    def __post_init__(self):
        super().__init__()
        self.layer = nn.Linear(self.n_features, self.n_outputs)


@pytest.mark.parametrize(
    "module", [ComparedByContent, lambda *widths: nn.Sequential(ComparedByContent(*widths))]
)
def test_a_dataclass_that_torch_cannot_tell_apart(module):
    with pytest.raises(TypeError, match="unhashable type: 'ComparedByContent'") as raised:
        classifier(module).fit(X, y)
    assert raised.value.__notes__[0].endswith("write @dataclass(eq=False).")


def test_a_network_without_memory():
    with pytest.raises(TypeError, match="on device 'meta'; leave device out"):
        classifier(lambda n_features, n_outputs: nn.Linear(2, 2, device="meta")).fit(X, y)


class Turning(nn.Module):
    """Multiplies by complex numbers, as rotary embeddings do."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.register_buffer("angles", torch.exp(1j * torch.arange(n_features)))
        self.weight = nn.Parameter(torch.ones(n_features, n_features, dtype=torch.complex64))
        self.last = nn.Linear(n_features, n_outputs)

    def forward(self, X):
        return self.last(((X * self.angles) @ self.weight).abs())


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "rmsprop", "sgd"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_complex_numbers_of_a_network_stay_complex(optimizer, dtype):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf = classifier(Turning, optimizer=optimizer, epochs=3).fit(X.astype(dtype), y)
    precision = torch.complex64 if dtype == np.float32 else torch.complex128
    assert clf.module_.angles.dtype == clf.module_.weight.dtype == precision
    assert clf.module_.weight.imag.abs().max() > 0


@pytest.mark.parametrize("settings", [{}, {"optimizer": "sgd"}, {"clip": 1.0}])
def test_a_sparse_embedding(settings):
    class Embedding(nn.Module):
        def __init__(self, n_features, n_outputs):
            super().__init__()
            self.layer = nn.Embedding(2, n_outputs, sparse=True)

        def forward(self, X):
            return self.layer((X[:, 0] > 0).long())

    with pytest.raises(ValueError, match="sparse=True"):
        classifier(Embedding, **settings).fit(X, y)
    classifier(Embedding, optimizer=torch.optim.Adagrad).fit(X, y)  # which takes them


def test_a_loss_of_logarithms():
    loss = nn.NLLLoss(reduction="none")
    with pytest.warns(UserWarning, match="NLLLoss takes logarithms of probabilities"):
        classifier(loss=loss).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classifier(answering(lambda outputs: outputs.log_softmax(1)), loss=loss).fit(X, y)


class Remembering(nn.Module):
    """Keeps a buffer that it renews, and a list; fails on demand."""

    fails = False

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.linear, self.calls = nn.Linear(n_features, n_outputs), [0]
        self.register_buffer("mean", torch.zeros(n_features))

    def forward(self, X):
        if self.training:
            self.mean, self.calls[0] = 0.9 * self.mean + X.mean(0), self.calls[0] + 1
        if self.fails and self.training:
            raise KeyboardInterrupt
        return self.linear(X - self.mean) * (1 + self.calls[0])


def test_partial_fit_that_fails_leaves_all_that_a_network_keeps(monkeypatch):
    clf = classifier(Remembering).fit(X, y)
    before = clf.predict_proba(X)
    monkeypatch.setattr(Remembering, "fails", True)
    with pytest.raises(KeyboardInterrupt):
        clf.partial_fit(X, y)
    np.testing.assert_array_equal(clf.predict_proba(X), before)


@pytest.mark.parametrize(
    "dataset, load, sentence",
    [
        ({"a": 1}, None, r"dataset\[0\].*got a dict"),
        (sparse.csr_array(X), None, r"dataset\[0\].*got a csr_array"),
        (X, "np.load", "load must be a function .*; got 'np.load'"),
    ],
)
def test_what_rows_of_does_not_take(dataset, load, sentence):
    with pytest.raises(TypeError, match=sentence):
        rows_of(dataset, load=load)


@pytest.mark.parametrize(
    "network, error, sentence",
    [
        ("model.pt", TypeError, r"'model.pt'. Load it first"),
        (nn.Linear(2, 1, device="meta"), ValueError, "'meta'.*never trained"),
    ],
)
def test_what_cannot_be_frozen(network, error, sentence):
    with pytest.raises(error, match=sentence):
        FrozenFeatures(network).fit(X)


@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_a_scripted_network_is_frozen():
    network = nn.Linear(2, 1)
    expected = FrozenFeatures(network).fit_transform(X)
    np.testing.assert_allclose(FrozenFeatures(torch.jit.script(network)).fit_transform(X), expected)
