"""augment= changes the rows of training steps, each time anew, and no others."""

import copy
import pickle
import random
import traceback

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import cross_val_score
from sklearn.preprocessing import scale

from helpers import TorchClassifier
from helpers.augmentation import Augmentation
from helpers.training import train

X, y = load_iris(return_X_y=True)
X = scale(X)
X_32 = X.astype(np.float32)
CLF = TorchClassifier(epochs=3, batch_size=32, random_state=0)
GENERATORS = np.random.default_rng(0), torch.Generator()


def noisy(X):
    return X + 0.1 * torch.randn_like(X)


def weights(clf):
    return torch.cat([p.detach().flatten() for p in clf.module_.parameters()]).numpy()


class Shown:
    """Notes the rows that it is shown, and what it makes of them; does so in place."""

    def __init__(self):
        self.rows, self.made = [], []

    def __call__(self, X):
        self.rows.append(X.clone())
        X += 0.1 * torch.randn_like(X)
        self.made.append(X.clone())
        return X

    def numbers(self, X):
        """Return the numbers, in `X`, of the rows shown in each call."""
        place = {tuple(row): number for number, row in enumerate(X.tolist())}
        return [[place[tuple(row)] for row in rows.tolist()] for rows in self.rows]


# What it is shown


@pytest.mark.parametrize("batch_size", [None, 32, 40])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_is_shown_each_training_row_once_an_epoch(batch_size, dtype):
    rows, shown = np.unique(X.astype(dtype), axis=0), Shown()
    labels = np.arange(len(rows)) % 3
    given = rows.copy()
    clf = clone(CLF).set_params(batch_size=batch_size)
    clf.augment = shown  # not a copy of it
    clf.fit(rows, labels)
    clf.predict(rows), clf.predict_proba(rows), clf.score(rows, labels)
    assert_array_equal(rows, given)
    numbers = shown.numbers(rows)
    assert numbers[0] == numbers[1]  # the first step asks twice
    del numbers[0]
    sizes = {None: [149], 32: [32, 32, 32, 32, 21], 40: [40, 40, 40, 29]}[batch_size]
    assert len(rows) == sum(sizes)
    assert [len(step) for step in numbers] == 3 * sizes
    for epoch in range(3):
        steps = numbers[epoch * len(sizes) : (epoch + 1) * len(sizes)]
        assert sorted(sum(steps, [])) == list(range(len(rows)))
    assert all(one.dtype == getattr(torch, np.dtype(dtype).name) for one in shown.rows)
    pairs = zip(shown.made, shown.rows, strict=True)
    noise = {str((made - rows)[0].mul(1e4).round().tolist()) for made, rows in pairs}
    assert len(noise) == len(shown.made) - 1  # always anew


def test_it_is_never_shown_a_row_that_is_validated_or_left_out(monkeypatch):
    jobs, rows, shown = [], np.unique(X, axis=0), Shown()
    labels, weight = np.arange(len(rows)) % 3, np.ones(len(rows))
    weight[:20] = 0
    monkeypatch.setattr("helpers.base.train", lambda job: (jobs.append(job), train(job)))
    clf = TorchClassifier(epochs=4, patience=9, augment=shown, random_state=0)
    clf.fit(rows, labels, sample_weight=weight)
    seen = set(sum(shown.numbers(rows), []))
    assert seen == set(jobs[0].rows.tolist())
    assert not seen & set(jobs[0].valid_rows.tolist())
    assert min(seen) >= 20
    assert not torch.equal(shown.made[0], shown.rows[0])


def test_the_rows_of_any_rank_are_handed_over_as_they_are():
    images = torch.rand(5, 1, 8, 8)
    flipped = Augmentation(lambda X: X.flip(-1))(images, seed=0, epoch=1, step=0)
    assert torch.equal(flipped, images.flip(-1))


# The same numbers


def test_no_augmentation_and_one_that_changes_nothing_are_the_same():
    options = {"module__dropout": 0.3, "batch_size": 32}
    plain = clone(CLF).set_params(**options).fit(X, y)
    for idle in (lambda X: X, lambda X: X + 0 * torch.rand_like(X)):
        same = clone(CLF).set_params(augment=idle, **options).fit(X, y)
        assert_array_equal(weights(same), weights(plain))
        assert same.history_ == plain.history_


@pytest.mark.parametrize("batch_size", [None, 32])
def test_partial_fit_is_fit(batch_size):
    clf = clone(CLF).set_params(augment=noisy, batch_size=batch_size, epochs=4)
    whole = clone(clf).fit(X, y)
    for _ in range(4):
        clf = pickle.loads(pickle.dumps(clf.partial_fit(X, y)))
    assert_array_equal(weights(clf), weights(whole))
    assert clf.history_ == whole.history_


def test_the_draws_depend_on_the_seed_alone():
    clf = clone(CLF).set_params(augment=noisy)
    torch.manual_seed(1)
    state, of_numpy = torch.get_rng_state(), np.random.get_state()[1].tolist()
    one = weights(clone(clf).fit(X, y))
    assert torch.equal(torch.get_rng_state(), state)
    assert np.random.get_state()[1].tolist() == of_numpy
    torch.manual_seed(2)
    assert_array_equal(weights(clone(clf).fit(X, y)), one)
    assert (weights(clone(clf).set_params(random_state=1).fit(X, y)) != one).all()


@pytest.mark.slow
def test_processes_draw_the_same():
    clf = clone(CLF).set_params(augment=noisy)
    options = {"cv": 3, "scoring": "neg_log_loss"}
    assert_array_equal(*(cross_val_score(clf, X, y, n_jobs=n, **options) for n in (None, 2)))


def test_sparse_rows_are_handed_over_dense():
    clf = clone(CLF).set_params(augment=noisy)
    rows = sparse.csr_array(X)
    assert_array_equal(weights(clone(clf).fit(rows, y)), weights(clf.fit(X, y)))


# Wrong functions


def draws_from_numpy(X):
    return X + torch.from_numpy(np.random.normal(size=X.shape))


def flips_by_pythons_coin(X):
    return X.flip(1) if random.random() < 0.5 else X


def flips_by_numpys_coin(X):
    return X.flip(1) if np.random.random() < 0.5 else X


def has_a_generator(X):
    return X + torch.from_numpy(GENERATORS[0].normal(size=X.shape))


def has_torchs_generator(X):
    return X + torch.rand(X.shape, generator=GENERATORS[1], dtype=X.dtype)


def counts(X, calls=[0]):  # noqa: B006
    calls[0] += 1
    return X * calls[0]


@pytest.mark.parametrize(
    "augment",
    [
        *(draws_from_numpy, flips_by_pythons_coin, flips_by_numpys_coin),
        *(has_a_generator, has_torchs_generator, counts),
    ],
)
def test_what_cannot_be_repeated_is_refused(augment):
    clf = clone(CLF).fit(X, y)
    before = weights(clf)
    words = rf"{augment.__name__} returned others.*X \+ 0.1 \* torch.randn_like\(X\)"
    with pytest.raises(ValueError, match=words):
        clf.set_params(augment=augment).fit(X, y)
    assert_array_equal(weights(clf), before)


WRONG = {
    "fewer rows": (lambda X: X[:5], r"shape \(32, 4\).*returned shape \(5, 4\).*keep their labels"),
    "one axis less": (lambda X: X.sum(1), r"returned shape \(32,\)"),
    "nothing": (lambda X: None, "None. It lacks a return"),
    "an array": (lambda X: X.numpy(), "of type ndarray. Compute with torch"),
    "another type": (lambda X: X.double(), r"float32 on cpu; .* returned torch.float64.*\.to\(X\)"),
    "NaN": (lambda X: X.log(), "returned NaN or infinity"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_trained_on_is_refused(case):
    augment, words = WRONG[case]
    with pytest.raises(ValueError, match="augment must return rows like those.*" + words):
        clone(CLF).set_params(augment=augment).fit(X_32, y)


def test_a_later_batch_of_another_shape_is_refused():
    augment = lambda X: X if len(X) == 32 else X[:-1]  # noqa: E731
    with pytest.raises(ValueError, match=r"shape \(22, 4\).*returned shape \(21, 4\)"):
        clone(CLF).set_params(augment=augment).fit(X, y)


def failing(X):
    return X / {}["no such key"]


def test_what_it_raises_is_the_users_own():
    with pytest.raises(KeyError, match="no such key") as error:
        clone(CLF).set_params(augment=failing).fit(X, y)
    assert traceback.extract_tb(error.value.__traceback__)[-1].name == "failing"


def test_it_is_a_plain_parameter():
    augment = Shown()
    clf = TorchClassifier(augment=augment)
    assert clf.get_params()["augment"] is augment
    assert clone(clf).augment is not augment
    assert copy.deepcopy(clf).augment is not augment
