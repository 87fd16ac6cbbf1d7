"""Rows that know each other without being equal, and honest tables that look like them."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
    make_blobs,
    make_classification,
    make_friedman1,
    make_moons,
    make_swiss_roll,
)
from sklearn.model_selection import GroupKFold, KFold, TimeSeriesSplit

from helpers import alike_rows, shared_rows

pytestmark = pytest.mark.slow  # some seconds, or many

SHUFFLED = KFold(5, shuffle=True, random_state=0)


def persons(rng, n=40, sizes=(6,), n_columns=20, noise=0.5):
    """Return records of persons, and whose they are; in no order."""
    who = rng.permutation(np.repeat(np.arange(n), np.resize(sizes, n)))
    return rng.normal(size=(n, n_columns))[who] + noise * rng.normal(
        size=(len(who), n_columns)
    ), who


def near_copies(rng, share=1.0):
    X = rng.normal(size=(150, 10))
    who = np.r_[np.arange(150), np.arange(int(150 * share))]
    return X[who] + 0.05 * rng.normal(size=(len(who), 10)) * (np.arange(len(who)) >= 150)[
        :, None
    ], who


def almost_equal_images(rng):
    who = np.tile(np.arange(150), 2)
    changed = rng.randint(-1, 2, size=(300, 64)) * (np.arange(300) >= 150)[:, None] / 255
    return (load_digits().data[:150][who] + changed).reshape(300, 1, 8, 8), who


def copies_with_a_running_number(rng):
    who = rng.permutation(np.tile(np.arange(150), 2))
    return np.column_stack([np.arange(300) / 300, rng.normal(size=(150, 10))[who]]), who


ALIKE = {
    "persons": persons,
    "persons with few and many records": lambda rng: persons(rng, sizes=(2, 4, 9), noise=0.3),
    "near copies": near_copies,
    "a few near copies": lambda rng: near_copies(rng, share=0.1),
    "the same image saved twice": almost_equal_images,
    "copies with a running number": copies_with_a_running_number,
}


@pytest.mark.parametrize("name", ALIKE)
def test_alike_rows_are_seen_unless_the_split_keeps_them_together(name):
    for seed in range(3):
        X, who = ALIKE[name](np.random.RandomState(seed))
        finding = alike_rows(X, cv=SHUFFLED, random_state=seed)
        assert finding.leaked is True and "clearly nearer than all others" in finding.evidence
        assert "the split hardly keeps them together" in finding.evidence
        apart = alike_rows(X, cv=GroupKFold(5), groups=who, random_state=seed)
        assert apart.leaked is False, apart


def blobs(rng, n):
    """Return images of clouds that are brighter in places."""
    images = np.real(np.fft.ifft2(np.fft.fft2(rng.normal(size=(n, 20, 20))) * CLOUDS))
    return images / images.std()


SCALE = np.fft.fftfreq(20)
CLOUDS = np.exp(-30 * (SCALE[:, None] ** 2 + SCALE**2))
CHANGED = {
    "mirrored, and brighter": lambda image, rng: 1.3 * image[:, ::-1] + rng.uniform(-1, 1),
    "turned, with noise": lambda image, rng: np.rot90(image) + rng.normal(0, 0.05, (20, 20)),
    "moved far": lambda image, rng: np.roll(image, rng.randint(5, 15, 2), (0, 1)) * 0.8,
}


@pytest.mark.parametrize("name", CHANGED)
def test_images_that_were_turned_or_moved_and_changed_are_seen(name):
    rng = np.random.RandomState(0)
    images = blobs(rng, 150)
    copies = np.array([CHANGED[name](image, rng) for image in images])
    both = np.concatenate([images, copies])
    finding = alike_rows(both, cv=SHUFFLED)
    assert finding.leaked is True, finding
    who = np.tile(np.arange(150), 2)
    assert alike_rows(both, cv=GroupKFold(5), groups=who).leaked is False


@pytest.mark.parametrize("name", CHANGED)
def test_pixels_laid_end_to_end_are_images(name):
    rng = np.random.RandomState(0)
    images = blobs(rng, 150)
    both = np.concatenate([images, [CHANGED[name](image, rng) for image in images]])
    pixels = np.round(255 * (both - both.min()) / np.ptp(both)).reshape(300, -1)
    for rows in (pixels.astype(np.uint8), pd.DataFrame(pixels / 255)):
        assert alike_rows(rows, cv=SHUFFLED).leaked is True


def test_whole_numbers_that_fill_a_square_are_not_accused():
    for seed in range(3):
        rng = np.random.RandomState(seed)
        for rows in (
            rng.poisson(0.3, size=(200, 64)),
            rng.multinomial(30, np.full(100, 0.01), size=200),
            np.hstack([np.eye(4)[rng.randint(4, size=200)] for _ in range(16)]),
        ):
            assert alike_rows(rows, cv=SHUFFLED, random_state=seed).leaked is not True
            assert shared_rows(rows, cv=SHUFFLED, random_state=seed).leaked is not True


def test_images_of_one_colour_are_no_copies():
    for seed in range(3):
        rng = np.random.RandomState(seed)
        images = blobs(rng, 150)
        images[:8] = rng.rand(8, 1, 1)
        finding = alike_rows(images, cv=SHUFFLED)
        assert finding.leaked is False, finding


def windows(rng, step=1):
    values = rng.normal(size=600).cumsum()
    return np.lib.stride_tricks.sliding_window_view(values, 20)[::step]


@pytest.mark.parametrize("step", [1, 5])
def test_windows_of_one_series_are_seen_unless_split_in_order_of_time(step):
    X = windows(np.random.RandomState(0), step)
    label = np.repeat(np.random.RandomState(1).randint(2, size=len(X)), 12)[: len(X)]
    for y in (None, label):
        finding = alike_rows(X, y, cv=SHUFFLED)
        assert finding.leaked is True and "windows of one series" in finding.evidence
        finding = alike_rows(X, y, cv=TimeSeriesSplit(4))
        assert finding.leaked is not True, finding
    sequences = X.reshape(len(X), -1, 1)
    assert alike_rows(sequences, cv=SHUFFLED).leaked is True


def test_lags_are_windows_whose_labels_owe_nothing_to_the_row_before():
    rng = np.random.RandomState(0)
    values = rng.normal(size=400)
    for row in range(1, 400):
        values[row] += 0.5 * values[row - 1]
    X = np.lib.stride_tricks.sliding_window_view(values[:-1], 6)
    assert alike_rows(X, values[6:], cv=SHUFFLED, task="regression").leaked is False


def test_neighbours_in_space_are_asked_about():
    rng = np.random.RandomState(0)
    place = rng.uniform(size=(600, 2))
    sea = (np.sin(9 * place[:, 0]) * np.cos(9 * place[:, 1]) > 0).astype(int)
    finding = alike_rows(place, sea, cv=SHUFFLED)
    assert finding.leaked is None and finding.evidence.endswith("Hand over groups or time.")


def codes_for_gaps(rng):
    return np.where(rng.uniform(size=(400, 6)) < 0.2, -999, rng.normal(size=(400, 6)))


def shops(rng):
    """Return baskets, with what is known of the shop."""
    shop = rng.randint(80, size=800)
    of_shop = np.column_stack([rng.randint(50, 2000, size=80), rng.normal(30, 6, size=80).round(1)])
    place = rng.uniform(size=(80, 2))
    basket = rng.lognormal(3, 0.5, size=800).round(2)
    return np.column_stack([of_shop[shop], place[shop], basket, rng.randint(8, 20, size=800)])


def visits(rng):
    """Return what was measured at five visits of each person, and what is known of the person."""
    of_person = np.column_stack([rng.randint(20, 90, size=70), rng.normal(25, 4, size=70).round(1)])
    return np.column_stack([np.repeat(of_person, 5, axis=0), rng.normal(size=350)])


@pytest.mark.parametrize("draw", [codes_for_gaps, shops, visits])
def test_rows_that_share_what_many_share_are_asked_about(draw):
    answers = {None: 0, True: 0, False: 0}
    for seed in range(8):
        table = draw(np.random.RandomState(seed))
        finding = alike_rows(table, cv=SHUFFLED)
        answers[finding.leaked] += 1
        if draw is visits:
            groups = np.arange(350) // 5
            apart = alike_rows(table, cv=GroupKFold(5), groups=groups)
            answers[True] += apart.leaked is True
    assert answers[True] == 0 and answers[None] > 0, answers


def drawn(make, **settings):
    return lambda seed: make(random_state=seed, **settings)


def some_of(load):
    def draw(seed):
        X, y = load(return_X_y=True)
        rows = np.random.RandomState(seed).permutation(len(y))[:200]
        return X[rows], y[rows]

    return draw


def numbers(draw):
    return lambda seed: (draw(np.random.RandomState(seed)), None)


HONEST = {
    "iris": some_of(load_iris),
    "wine": some_of(load_wine),
    "breast cancer": some_of(load_breast_cancer),
    "digits": some_of(load_digits),
    "diabetes": some_of(load_diabetes),
    "blobs": drawn(make_blobs, n_samples=200, n_features=5),
    "many columns": drawn(make_classification, n_samples=200),
    "friedman": drawn(make_friedman1, n_samples=200),
    "a rolled sheet": drawn(make_swiss_roll, n_samples=200, noise=0.1),
    "moons": drawn(make_moons, n_samples=200, noise=0.2),
    "few values": numbers(lambda rng: rng.randint(5, size=(200, 4))),
    "some yes and no": numbers(
        lambda rng: np.c_[rng.normal(size=(200, 4)), rng.randint(2, size=(200, 4))]
    ),
    "long tails": numbers(lambda rng: np.exp(1.5 * rng.normal(size=(200, 6)))),
    "some far away": numbers(lambda rng: rng.standard_cauchy(size=(200, 4))),
}


@pytest.mark.parametrize("name", HONEST)
def test_rows_drawn_one_by_one_are_not_accused(name):
    for seed in range(5):
        X, y = HONEST[name](seed)
        finding = alike_rows(X, y, cv=SHUFFLED, task="regression", random_state=seed)
        assert finding.leaked is not True, finding


def test_the_few_rows_of_a_class_are_a_cluster_and_no_copies():
    X, y = load_digits(return_X_y=True)
    for seed in (1, 7):
        rows = np.random.RandomState(seed).permutation(len(y))[:120]
        cv = KFold(5, shuffle=True, random_state=seed)
        finding = alike_rows(X[rows], y[rows], cv=cv, random_state=seed)
        assert finding.leaked is not True, finding


@pytest.mark.parametrize(("scale", "decimals"), [(1, 2), (100, 0)])
def test_rows_that_meet_in_the_one_column_there_is_are_not_accused(scale, decimals):
    draw = np.random.RandomState(0)
    for _ in range(5):
        column = np.round(scale * draw.normal(size=(200, 1)), decimals)
        assert alike_rows(column, draw.randint(2, size=200), cv=SHUFFLED).leaked is not True
        with_constant = np.hstack([column, np.ones_like(column)])
        assert alike_rows(with_constant, cv=SHUFFLED).leaked is not True
    assert alike_rows(np.repeat(draw.normal(size=(60, 2)), 3, axis=0), cv=SHUFFLED).leaked


def test_one_group_of_far_out_rows_is_asked_about():
    answers = []
    for n_columns, noise in ((5, 0.1), (5, 0.3), (10, 0.1), (10, 0.6)):
        rng = np.random.RandomState(0)
        shared = rng.lognormal(size=(150, 1))  # ten rows of it happen to lie far out
        rows = np.round(shared + noise * rng.normal(size=(150, n_columns)), 1)
        answers.append(alike_rows(rows, cv=SHUFFLED))
    assert not any(finding.leaked for finding in answers), answers
    assert any("one group of rows" in finding.evidence for finding in answers), answers


def test_it_says_what_it_needs():
    X = np.random.RandomState(0).normal(size=(100, 3))
    assert "It needs 60 rows" in alike_rows(X[:50]).evidence
    assert "Rows are texts" in alike_rows(["one two", "three four"] * 40).evidence
    assert alike_rows(np.arange(100.0)[:, None]).leaked is None


@pytest.mark.parametrize("n, periods", [(400, [52, 26, 52 / 3]), (180, [12, 6]), (720, [24, 168])])
def test_seasons_that_come_again_are_known_in_order_of_time(n, periods):
    steps = np.arange(n)
    X = np.column_stack([f(2 * np.pi * steps / p) for p in periods for f in (np.sin, np.cos)])
    y = X.sum(axis=1) + np.random.RandomState(0).normal(size=n)
    finding = alike_rows(X, y, cv=TimeSeriesSplit(4), task="regression")
    assert finding.leaked is None and "come after their training rows" in finding.evidence


@pytest.mark.parametrize("periods", [[24, 168], [365]])
def test_rows_at_even_steps_are_asked_about(periods):
    steps = np.arange(max(periods))
    X = np.column_stack([f(2 * np.pi * steps / p) for p in periods for f in (np.sin, np.cos)])
    finding = alike_rows(X, X[:, 0], cv=KFold(5, shuffle=True, random_state=0), task="regression")
    assert finding.leaked is None and "at even steps" in finding.evidence


def test_three_noisy_copies_of_long_rows_are_not_said_to_lie_at_even_steps():
    rng = np.random.RandomState(0)
    X = np.repeat(rng.normal(size=(40, 9000)), 3, axis=0)
    X += 0.1 * rng.normal(size=X.shape)
    assert alike_rows(X, cv=KFold(5, shuffle=True, random_state=0)).leaked is True


def test_copies_in_a_test_set_that_is_laid_below_its_training_set():
    X = np.random.RandomState(0).normal(size=(160, 5))
    table = np.vstack([X, X[:40] + 1e-3])
    assert alike_rows(table, cv=[(np.arange(160), np.arange(160, 200))]).leaked is True
