"""Networks that were trained before: FrozenFeatures, and recipes with frozen parts."""

import copy
import gc
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from torch import nn

from helpers import (
    MLP,
    FrozenFeatures,
    TorchClassifier,
    batch_mates,
    carried_weights,
    carry_over,
    fused,
    purity,
    refit,
)

X, y = load_digits(n_class=5, return_X_y=True)
X, y = X[:200] / 16, y[:200]
IMAGES = X.reshape(-1, 1, 8, 8)


def backbone(seed=0):
    """A small network with all that acts while training, left in training mode."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = nn.Sequential(
            *(nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 6))
        )
        for _ in range(20):  # so that BatchNorm has statistics
            network(torch.from_numpy(X).float())
    return network


def convolutional():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())


def state(network):
    tensors = {name: t.clone() for name, t in network.state_dict(keep_vars=False).items()}
    modes = [part.training for part in network.modules()]
    return tensors, modes, [p.requires_grad for p in network.parameters()]


def assert_unchanged(network, before):
    tensors, modes, trained = before
    for name, tensor in network.state_dict().items():
        assert tensor.dtype == tensors[name].dtype
        assert_array_equal(tensor, tensors[name])
    assert [part.training for part in network.modules()] == modes
    assert [p.requires_grad for p in network.parameters()] == trained


def expected(network, X):
    with torch.no_grad():
        return copy.deepcopy(network).eval()(torch.from_numpy(X).float()).numpy()


# FrozenFeatures


@pytest.mark.parametrize("rows, network", [(X, backbone()), (IMAGES, convolutional())])
def test_outputs_are_those_in_evaluation_mode_and_the_network_stays_as_it_is(rows, network):
    before, given = state(network), rows.copy()
    frozen = FrozenFeatures(network)
    features = frozen.fit_transform(rows)
    assert type(features) is np.ndarray
    assert features.dtype == np.float32
    assert_array_equal(features, expected(network, rows))
    assert_array_equal(frozen.transform(rows), features)  # running statistics did not move
    frozen.network_.train()
    assert_array_equal(frozen.transform(rows), features)
    assert_unchanged(network, before)
    assert_array_equal(rows, given)
    assert not any(p.requires_grad for p in frozen.network_.parameters())
    assert frozen.network_ is not network
    assert frozen.row_shape_ == rows.shape[1:]


def test_precision_is_that_of_the_network():
    features = FrozenFeatures(backbone().double()).fit_transform(X.astype(np.float32))
    assert features.dtype == np.float64
    assert FrozenFeatures(backbone().bfloat16()).fit_transform(X).dtype == np.float32
    whole = (X * 16).astype(np.uint8)
    from_whole = FrozenFeatures(backbone()).fit_transform(whole)
    assert_array_equal(from_whole, expected(backbone(), whole.astype(float)))


def test_settings_of_the_caller_do_not_matter():
    frozen = FrozenFeatures(backbone())
    features = frozen.fit_transform(X)
    generator = torch.get_rng_state()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert_array_equal(frozen.fit_transform(X), features)
    assert torch.equal(torch.get_rng_state(), generator)


def test_rows_are_taken_in_chunks(monkeypatch):
    seen = []

    class Watching(MLP):
        def forward(self, X):
            seen.append(len(X))
            return super().forward(X.flatten(1))

    frozen = FrozenFeatures(Watching(64, 3)).fit(IMAGES)
    whole = frozen.transform(IMAGES)
    monkeypatch.setattr("helpers.frozen.MOST_NUMBERS", 64 * 70)
    seen.clear()
    assert_allclose(frozen.transform(IMAGES), whole, rtol=1e-5, atol=1e-6)
    assert seen == [70, 70, 60]
    monkeypatch.setattr("helpers.frozen.MOST_NUMBERS", 1)
    assert len(frozen.transform(IMAGES[:3])) == 3


def test_rows_may_lie_in_memory_in_any_order():
    frozen = FrozenFeatures(convolutional()).fit(IMAGES)
    due = frozen.transform(IMAGES)
    assert_array_equal(frozen.transform(IMAGES[::-1]), due[::-1])
    mirrored = np.ascontiguousarray(IMAGES[..., ::-1])[..., ::-1]
    assert_array_equal(frozen.transform(mirrored), due)
    assert_array_equal(frozen.transform(np.asfortranarray(IMAGES)), due)
    locked = IMAGES.copy()
    locked.flags.writeable = False
    assert_array_equal(frozen.transform(locked), due)


def test_a_file_of_images_is_never_read_as_a_whole(tmp_path):
    path = tmp_path / "images.npy"
    np.save(path, (IMAGES * 16).astype(np.uint8))
    images = np.load(path, mmap_mode="r")
    frozen = FrozenFeatures(convolutional()).fit(images)
    rows = frozen._rows(images, reset=False)
    assert rows.dtype == np.uint8 and np.shares_memory(rows, images)
    assert_array_equal(frozen.transform(images), expected(convolutional(), IMAGES * 16))


def test_what_a_network_returns_or_writes_to_is_no_memory_of_the_user():
    class Writing(nn.Module):
        def forward(self, X):
            return X.mul_(2)

    rows = X.astype(np.float32)
    features = FrozenFeatures(Writing()).fit_transform(rows)
    assert_array_equal(features, rows * 2)
    assert_array_equal(rows, X.astype(np.float32))
    features[:] = 0
    same = FrozenFeatures(nn.Identity()).fit_transform(rows)
    same[:] = 0
    assert rows.any()


def test_it_is_cloned_by_content_pickled_and_gives_tables_with_names():
    network = backbone()
    frozen = FrozenFeatures(network)
    copied = clone(frozen)
    assert copied.network is not network
    features = frozen.fit_transform(X)
    assert_array_equal(copied.fit_transform(X), features)
    for other in (pickle.loads(pickle.dumps(frozen)), copy.deepcopy(frozen)):
        assert_array_equal(other.transform(X), features)
    names = [f"frozenfeatures{i}" for i in range(6)]
    assert list(frozen.get_feature_names_out()) == names
    columns = [f"pixel{i}" for i in range(64)]
    table = (
        FrozenFeatures(network)
        .set_output(transform="pandas")
        .fit_transform(pd.DataFrame(X, columns=columns))
    )
    assert list(table.columns) == names
    assert_array_equal(table, features)
    with pytest.raises(ValueError, match="feature names"):
        FrozenFeatures(network).fit(pd.DataFrame(X, columns=columns)).transform(
            pd.DataFrame(X, columns=columns[::-1])
        )


@pytest.mark.slow
def test_in_a_search_with_processes():
    model = make_pipeline(FrozenFeatures(backbone()), PCA(2), LogisticRegression())
    grid = {
        "frozenfeatures__network": [backbone(), backbone(1), nn.Identity()],
        "pca__n_components": [2, 3],
    }
    one, two = (GridSearchCV(model, grid, cv=3, n_jobs=n).fit(X, y) for n in (None, 2))
    assert_array_equal(one.cv_results_["mean_test_score"], two.cv_results_["mean_test_score"])


@pytest.mark.slow
def test_in_a_search_in_threads():
    clf = TorchClassifier(epochs=5, random_state=0)
    model = make_pipeline(FrozenFeatures(backbone().double()), clf)
    plain = cross_val_score(model, X, y, scoring="neg_log_loss")
    with fused():
        assert_allclose(cross_val_score(model, X, y, scoring="neg_log_loss"), plain, rtol=1e-10)


def test_a_refused_fit_leaves_what_was_fitted():
    frozen = FrozenFeatures(backbone()).fit(X)
    features = frozen.transform(X)
    with pytest.raises(ValueError, match="cannot take rows"):
        frozen.fit(X[:, :7])
    assert_array_equal(frozen.transform(X), features)


def test_a_column_of_text_is_refused_with_the_cure():
    table = np.array([["1", "red"], ["2", "blue"]], dtype=object)
    with pytest.raises(ValueError, match="X must hold numbers: .*'red'.* Encode columns of text"):
        FrozenFeatures(nn.Linear(2, 2)).fit(table)


def test_transform_wants_the_rows_it_was_fitted_with():
    with pytest.raises(ValueError, match="64 features"):
        FrozenFeatures(backbone()).fit(X).transform(X[:, :7])
    frozen = FrozenFeatures(convolutional()).fit(IMAGES)
    for wrong in (X, IMAGES[:, :, :4], IMAGES[:, 0], IMAGES[:, :, :4].tolist()):
        with pytest.raises(ValueError, match=r"rows of shape .* fitted on rows .*\(1, 8, 8\)"):
            frozen.transform(wrong)
    assert_array_equal(frozen.transform(IMAGES.tolist()), frozen.transform(IMAGES))


class Answering(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.linear, self.how = nn.Linear(64, 3), how

    def forward(self, X):
        return self.how(self.linear(X))


@pytest.mark.parametrize(
    "network, error, message",
    [
        (None, TypeError, r"got None. Give FrozenFeatures\(network\)"),
        ("resnet18", TypeError, "got 'resnet18'"),
        (MLP, TypeError, r"the class MLP.*TorchClassifier\(MLP\).*FrozenFeatures\(trained\)"),
        (backbone, TypeError, r"the function backbone.*goes to TorchClassifier\(backbone\)"),
        (backbone().state_dict(), TypeError, r"a dict.*network.load_state_dict\(weights\)"),
        (TorchClassifier(), TypeError, r"a TorchClassifier.*FrozenFeatures\(fitted.module_\)"),
        (nn.LazyLinear(3), ValueError, "lazy layers.*never trained"),
        (nn.BatchNorm1d(64, track_running_stats=False), ValueError, "the rows beside it"),
        (nn.Linear(7, 3), ValueError, r"Linear cannot take rows of shape \(64,\): .*shape that"),
        (nn.Embedding(9, 3), ValueError, "Embedding cannot take rows.*in its forward"),
        (Answering(lambda o: (o, o)), ValueError, "got a tuple. Return the one tensor"),
        (Answering(lambda o: None), ValueError, "got a NoneType"),
        (Answering(lambda o: o.argmax(1)), ValueError, "got torch.int64.*without argmax"),
        (Answering(lambda o: o[:, 0]), ValueError, r"got shape \(2,\). Do not squeeze"),
        (Answering(lambda o: o.mean(0)), ValueError, r"got shape \(3,\)"),
        (Answering(lambda o: o.T), ValueError, r"got shape \(3, 2\)"),
        (Answering(lambda o: o[..., None, None]), ValueError, r"Sequential\(network, nn.Flatten"),
    ],
)
def test_what_is_no_frozen_network_is_refused_with_the_cure(network, error, message):
    with pytest.raises(error, match=message):
        FrozenFeatures(network).fit(X)


def test_the_cure_for_feature_maps_works():
    with pytest.raises(ValueError, match="nn.Flatten"):
        FrozenFeatures(convolutional()[:3]).fit(IMAGES)
    flat = nn.Sequential(convolutional()[:3], nn.Flatten())
    assert FrozenFeatures(flat).fit_transform(IMAGES).shape == (200, 16)


@pytest.mark.slow
def test_canaries_see_a_network_that_knows_the_labels_and_no_other():
    def answers(trained_on):
        labels = np.random.RandomState(0).randint(5, size=len(X))
        others = np.random.RandomState(1).randint(5, size=len(X))
        known = TorchClassifier(module__hidden=64, epochs=150, lr=0.02, random_state=0)
        known.fit(X, labels if trained_on == "these labels" else others)
        head = TorchClassifier(epochs=10, random_state=0)
        model = make_pipeline(FrozenFeatures(known.module_), head)
        return model, labels, carried_weights(model, X, labels)

    model, labels, finding = answers("these labels")
    assert finding.leaked
    assert cross_val_score(model, X, labels).mean() > 0.5  # and chance is 0.2
    _, _, finding = answers("other labels")
    assert not finding.leaked
    assert all(look(model, X, labels).leaked is False for look in (purity, refit, batch_mates))
    assert carry_over(model, X, labels, cv=3).leaked is False


# Recipes with frozen parts.


def sharing(n_features, n_outputs, encoder):
    return nn.Sequential(encoder, nn.ReLU(), nn.Linear(6, n_outputs))


def copying(n_features, n_outputs, encoder):
    return sharing(n_features, n_outputs, copy.deepcopy(encoder))


class OwnClass(nn.Module):
    def __init__(self, n_features, n_outputs, encoder):
        super().__init__()
        self.encoder, self.head = encoder, nn.Linear(6, n_outputs)

    def forward(self, X):
        return self.head(self.encoder(X).relu())


def frozen_backbone(seed=0):
    return backbone(seed).requires_grad_(False)


def classifier(recipe, encoder, **parameters):
    settings = {"epochs": 10, "lr": 0.05, "random_state": 0} | parameters
    return TorchClassifier(recipe, module__encoder=encoder, **settings)


RECIPES = [sharing, copying, OwnClass]
SETTINGS = [
    {},
    pytest.param({"batch_size": 32}, marks=pytest.mark.slow),
    pytest.param({"patience": 3}, marks=pytest.mark.slow),
]


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("settings", SETTINGS)
def test_a_frozen_part_is_accepted_and_does_not_drift(recipe, settings):
    encoder = frozen_backbone()
    before = state(encoder)
    clf = classifier(recipe, encoder, **settings).fit(X, y)
    assert_unchanged(encoder, before)  # neither moved to float64 nor put into another mode
    part = clf.module_.encoder if recipe is OwnClass else clf.module_[0]
    assert part is not encoder
    for name, tensor in part.state_dict().items():
        assert_array_equal(tensor.to(before[0][name].dtype), before[0][name])
    assert (
        clf.set_params(epochs=100, lr=0.2, patience=None).fit(X, y).score(X, y) > 0.4
    )  # chance 0.2
    clf.set_params(epochs=10)  # as many show whether anything is left of the fit before
    assert_array_equal(clf.fit(X, y).predict_proba(X), clone(clf).fit(X, y).predict_proba(X))


def test_a_frozen_part_is_trained_on_as_its_features_are():
    encoder = frozen_backbone().double()
    together = classifier(sharing, encoder).fit(X, y)
    features = FrozenFeatures(encoder).fit_transform(X)

    def head(n_features, n_outputs):
        backbone()  # draws nothing from the generator that seeds the head
        return nn.Sequential(nn.ReLU(), nn.Linear(n_features, n_outputs))

    alone = TorchClassifier(head, epochs=10, lr=0.05, random_state=0).fit(features, y)
    assert_allclose(together.predict_proba(X), alone.predict_proba(features), rtol=1e-9)


def test_frozen_parts_keep_what_partial_fit_began():
    encoder = frozen_backbone()
    once = classifier(sharing, encoder).fit(X, y)
    split = classifier(sharing, encoder)
    for _ in range(10):
        split.partial_fit(X, y)
    assert_allclose(split.predict_proba(X), once.predict_proba(X), rtol=1e-9)
    assert_array_equal(split.module_[0][1].running_mean, encoder[1].running_mean)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("settings", SETTINGS)
def test_under_fused_as_plain(recipe, settings):
    clf = classifier(recipe, frozen_backbone(), **settings)
    grid = {"lr": [0.01, 0.05], "module__encoder": [frozen_backbone(), frozen_backbone(1)]}

    def fit():
        return GridSearchCV(clf, grid, cv=3, scoring="neg_log_loss").fit(X, y)

    plain = fit()
    with warnings.catch_warnings(record=True), fused() as context:
        together = fit()
    assert_allclose(
        together.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"], rtol=1e-9
    )
    assert max(context.batches) > 1
    frozen = [dict(search.best_estimator_.module_.named_buffers()) for search in (plain, together)]
    for name, buffer in frozen[0].items():
        assert_array_equal(buffer, frozen[1][name])


@pytest.mark.parametrize("recipe", [sharing, OwnClass])
def test_a_fit_does_not_search_all_memory_for_a_frozen_part_that_is_kept(monkeypatch, recipe):
    monkeypatch.setattr(gc, "collect", lambda *_: pytest.fail("which takes longer than the fit"))
    classifier(recipe, frozen_backbone()).fit(X, y)


class Moody(nn.Module):
    """Answers otherwise while training, and has a parameter."""

    def __init__(self):
        super().__init__()
        self.layers = backbone().requires_grad_(False)

    def forward(self, X):
        return self.layers(X) * (2 if self.training else 1)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_frozen_part_of_a_class_of_its_own_answers_under_fused_as_plain(recipe):
    clf = classifier(recipe, Moody())
    plain = cross_val_score(clf, X, y, scoring="neg_log_loss")
    with warnings.catch_warnings(), fused() as context:
        warnings.simplefilter("error")
        together = cross_val_score(clf, X, y, scoring="neg_log_loss")
    assert_allclose(together, plain, rtol=1e-9)
    assert max(context.batches) > 1


def half_frozen(n_features, n_outputs, encoder):
    encoder[0].requires_grad_(True)
    return sharing(n_features, n_outputs, encoder)


def shared_statistics(n_features, n_outputs, encoder):
    norm = nn.BatchNorm1d(6, affine=False)
    norm.running_mean = encoder[1].running_mean[:6]
    return nn.Sequential(nn.Linear(n_features, 6), norm, nn.Linear(6, n_outputs))


@pytest.mark.parametrize("recipe", [half_frozen, shared_statistics])
def test_what_training_would_change_is_not_shared(recipe):
    with pytest.raises(TypeError, match="the same weights twice"):
        classifier(recipe, frozen_backbone()).fit(X, y)


def test_a_frozen_part_is_not_touched_where_outputs_look_like_probabilities():
    def recipe(n_features, n_outputs, encoder):
        return nn.Sequential(sharing(n_features, n_outputs, encoder), nn.Softmax(1))

    encoder = frozen_backbone()
    before = state(encoder)
    with pytest.warns(UserWarning, match="Softmax"):
        classifier(recipe, encoder).fit(X, y)
    assert_unchanged(encoder, before)


def test_parts_that_are_trained_keep_their_dropout_and_statistics():
    def recipe(n_features, n_outputs, encoder):
        norm = nn.BatchNorm1d(6, affine=False)
        return nn.Sequential(encoder, norm, nn.Dropout(0.5), nn.Linear(6, n_outputs))

    clf = classifier(recipe, frozen_backbone()).fit(X, y)
    assert clf.module_[1].num_batches_tracked == 10


def test_a_network_that_is_frozen_as_a_whole_is_refused():
    with pytest.raises(TypeError, match="All that it has are frozen: add a layer to train"):
        classifier(lambda n_features, n_outputs, encoder: encoder, frozen_backbone()).fit(X, y)


class OtherRows(nn.Module):
    """Answers for a row by the rows beside it."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 4)

    def forward(self, X):
        outputs = self.layer(X)
        return outputs - outputs.mean(0)


class Dropping(OtherRows):
    """Drops some of its features whenever it is asked."""

    def forward(self, X):
        return nn.functional.dropout(self.layer(X), 0.5)


@pytest.mark.parametrize("network, said", [(OtherRows, "other rows"), (Dropping, "draws random")])
def test_a_network_whose_answers_depend_on_more_than_a_row_is_told_of(network, said):
    before = torch.get_rng_state()
    frozen = FrozenFeatures(network())
    drawn = torch.get_rng_state()
    with pytest.warns(UserWarning, match=f"{network.__name__} .*{said}"):
        frozen.fit(X)
    assert not torch.equal(before, drawn) and torch.equal(torch.get_rng_state(), drawn)


def test_other_networks_are_frozen_without_a_word():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FrozenFeatures(backbone()).fit(X)
        FrozenFeatures(backbone().bfloat16()).fit(X)
        FrozenFeatures(convolutional()).fit(IMAGES)
