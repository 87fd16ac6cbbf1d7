"""Tables of very many numbers, as texts in TF-IDF and images: seen in little memory."""

import tracemalloc

import numpy as np
import pytest
from scipy import sparse
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import OneHotEncoder

from helpers.leakage import (
    Finding,
    alike_rows,
    held_rows,
    shared_rows,
    shift,
    too_good_feature,
    wide,
)
from helpers.leakage.prepared import prepared

pytestmark = pytest.mark.slow


def of_texts(n=300, copied=0, changed=0.0):
    """Return labels and texts as TF-IDF; so many of the last are the first ones, shuffled."""
    rng = np.random.default_rng(0)
    often = 1 / np.arange(1, 4001)
    often /= often.sum()
    draw = lambda size: rng.choice(4000, size=size, p=often)  # noqa: E731
    texts, y = [draw(rng.integers(40, 150)) for _ in range(n)], rng.integers(0, 2, n)
    for row in range(copied):
        text = texts[row].copy()
        is_new = rng.random(len(text)) < changed
        text[is_new] = draw(is_new.sum())
        texts[n - 1 - row], y[n - 1 - row] = text, y[row]
    return TfidfVectorizer().fit_transform(" ".join(f"w{i}" for i in t) for t in texts), y == 1


@pytest.mark.parametrize("changed", [0, 0.2])
def test_copied_texts_are_seen_in_tf_idf(changed):
    X, y = of_texts(copied=100, changed=changed)
    assert alike_rows(X, y).leaked
    found = shared_rows(X, y)
    assert found.leaked is bool(not changed), found
    assert f"Its {X.shape[1]} columns were compared as 1000 sums" in found.evidence


def test_texts_that_nobody_copied_are_left_alone():
    X, y = of_texts()
    assert X.shape[1] > wide.MOST_SUMS
    for canary in (alike_rows, shared_rows, shift, too_good_feature):
        assert canary(X, y).leaked is False, canary(X, y)


def test_copies_in_many_dimensions_do_not_follow_from_one_number():
    X = np.random.default_rng(0).normal(size=(200, 1500))
    X[150:] = X[:50]
    assert shared_rows(X).leaked and alike_rows(X).leaked


def one_hot(n=400):
    rng = np.random.default_rng(0)
    columns = [rng.choice(400, size=n, p=(p := 1 / np.arange(1, 401)) / p.sum()) for _ in "123"]
    return OneHotEncoder(categories=[np.arange(400)] * 3).fit_transform(np.column_stack(columns))


@pytest.mark.parametrize("most", [wide.MOST_NUMBERS, 400_000])
def test_categories_that_meet_by_chance_are_no_copies(monkeypatch, most):
    monkeypatch.setattr(wide, "MOST_NUMBERS", most)
    X = one_hot()
    assert len(np.unique(X.toarray(), axis=0)) < X.shape[0]
    found = shared_rows(X)
    assert not found.leaked, found
    assert ("1200 columns" in found.evidence) is (X.shape[0] * X.shape[1] > most)


def test_what_meets_among_nearly_empty_rows_is_asked_about(monkeypatch):
    monkeypatch.setattr(wide, "MOST_NUMBERS", 400_000)
    for name, leaked in {"shared_rows": None, "alike_rows": None, "shift": True}.items():
        finding = Finding(name, True, "They meet.")
        found = wide.of_smaller(lambda X, y, found=finding: found, one_hot(), None)
        assert found.leaked is leaked
        assert ("by chance" in found.evidence) is (leaked is None)


@pytest.mark.parametrize("shape", [(1, 32, 32), (32, 32, 3), (32, 32), (2, 3, 16, 16)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_images_are_halved_and_copies_are_still_copies(monkeypatch, shape, dtype):
    monkeypatch.setattr(wide, "MOST_NUMBERS", 60_000)
    X = np.random.default_rng(0).uniform(0, 255, size=(100, *shape)).astype(dtype)
    smaller, said = wide.made_smaller(X)
    assert smaller.size <= 60_000 and "pixels" in said
    last = X.ndim - 2 if shape[-1] == 3 else X.ndim - 1
    assert shared_rows(X).leaked is False
    if len(shape) < 4:
        for turned in (X, np.flip(X, last), np.rot90(X, axes=(last - 1, last))):
            both = np.concatenate([X, turned[:30]])
            assert shared_rows(both).leaked, shared_rows(both)
            assert turned is not X or alike_rows(both).leaked


def test_images_of_odd_sides_stay_as_they_are(monkeypatch):
    monkeypatch.setattr(wide, "MOST_NUMBERS", 1000)
    images = np.zeros((10, 15, 16))
    assert wide.made_smaller(images)[0] is images


def test_a_word_that_tells_the_class_is_named():
    X, y = of_texts()
    word = X.shape[1]
    X = sparse.hstack([X, sparse.csr_array(y[:, None].astype(float))]).tocsr()
    found = too_good_feature(X, y)
    assert found.leaked and f"{word}" in found.evidence, found
    assert "columns in which hardly a row holds a number" in found.evidence


def test_an_array_of_very_many_numbers_is_asked_about_some_rows(monkeypatch):
    monkeypatch.setattr(wide, "MOST_NUMBERS", 10_000)
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(2000, 6)), rng.permutation(np.arange(2000) < 12)
    assert too_good_feature(X, y).leaked is False
    for form in (X, sparse.coo_array(X)):
        some, labels, said = wide.fewer_rows(form, y, True, 0)
        assert 1000 <= len(labels) < 1030 and labels.sum() == 12
        assert (
            some.shape == (len(labels), 6)
            and said == f" Of 2000 rows {len(labels)} were looked at."
        )
    assert too_good_feature(sparse.coo_array(X), y).evidence.endswith(said)
    X[:, 4] = y
    assert "4" in too_good_feature(X, y).evidence and too_good_feature(X, y).leaked


def test_little_memory_is_taken_for_what_is_large_as_an_array():
    X = sparse.random(300, 50_000, 0.002, format="csr", random_state=0)
    y, full = np.arange(300) % 2 == 0, 8 * 300 * 50_000
    tracemalloc.start()
    try:
        held_rows(LogisticRegression(), X, y)
        for canary in (shared_rows, too_good_feature):
            canary(X, y)
        prepared(X)
        assert tracemalloc.get_traced_memory()[1] < full / 3
    finally:
        tracemalloc.stop()


def test_letters_that_differ_in_two_words_are_no_twins():
    letters = [f"dear customer{i} of town{i} we thank you for the order" for i in range(60)]
    X = HashingVectorizer().fit_transform(" ".join([letter, "a b c d e f g"]) for letter in letters)
    assert shared_rows(X).evidence.startswith("0 of 60")
    X = sparse.vstack([X, X[:10]]).tocsc()
    assert shared_rows(X).evidence.startswith("20 of 70")


@pytest.mark.parametrize("form", ["csr_array", "csc_matrix", "coo_array"])
def test_wide_sparse_tables_of_any_form_and_with_gaps(form):
    X = sparse.random(120, 1300, 0.05, random_state=0).tolil()
    for fill in (None, np.nan):
        if fill is not None:
            X[3, 5] = fill
        table = getattr(sparse, form)(X)
        assert shared_rows(table).leaked is False and alike_rows(table).leaked is False


def test_a_sparse_table_without_numbers():
    assert not shared_rows(sparse.csr_array((40, 5000))).leaked
