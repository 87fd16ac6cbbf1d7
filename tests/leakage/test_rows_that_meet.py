"""What is said of rows that are equal by chance, because columns follow from each other."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits, load_wine
from sklearn.model_selection import GroupKFold, KFold

from helpers import shared_rows
from helpers.leakage.chance import _telling, measure
from helpers.leakage.mirrored import exchanged, moved_copies

CV = KFold(5, shuffle=True, random_state=0)
N = 300
rng = np.random.RandomState(0)
age, sex = rng.randint(18, 90, N), rng.randint(2, size=N)
tests = pd.DataFrame(rng.normal(size=(N, 4))).add_prefix("test")
tests[rng.rand(N) < 0.3] = np.nan  # nobody took a sample: all are missing
minutes, calls = rng.exponential(30, N).round(), rng.poisson(2, N)
height, weight = rng.normal(170, 10, N).round(), rng.normal(70, 12, N).round()
baskets = np.where(rng.rand(N, 12) < 0.85, 0.0, rng.poisson(2, (N, 12)))
baskets[rng.rand(N) < 0.2] = 0
baskets[:, 0] = baskets.any(axis=1) * rng.lognormal(size=N)  # what was paid
HONEST = {
    "gaps that come together": tests.assign(age=age, sex=sex),
    "a column twice": tests[["test0"]].assign(age=age, sex=sex, years=age),
    "a column in another unit": pd.DataFrame({"age": age, "sex": sex, "born": 2020 - age}),
    "a price": pd.DataFrame({"minutes": minutes, "calls": calls}).assign(
        price=0.2 * minutes + 1.5 * calls, tax=0.19 * (0.2 * minutes + 1.5 * calls)
    ),
    "an index": pd.DataFrame({"h": height, "w": weight, "bmi": weight / height**2, "s": sex}),
    "empty baskets": baskets,
    "nobody took a sample, nor gave an age": tests,
}


@pytest.mark.parametrize("name", HONEST)
def test_rows_that_meet_because_columns_follow_from_each_other_are_not_accused(name):
    finding = shared_rows(HONEST[name], cv=CV)
    assert finding.leaked is None and "by chance" in finding.evidence


def questionnaire(n_items, strength, liked, n_levels=5, n_moods=1):
    """Return a function that draws answers, each of which depends on one of the moods."""

    def draw(rng, n):
        moods = rng.normal(size=(n, n_moods))[:, np.arange(n_items) % n_moods]
        own = rng.normal(size=(n, n_items))
        felt = strength * moods + np.sqrt(1 - strength**2) * own
        return np.clip(np.round(1.1 * felt * n_levels / 5 + liked), 1, n_levels)

    return draw


QUESTIONNAIRES = {
    "eight items": questionnaire(8, 0.95, 4),
    "that most like": questionnaire(10, 0.85, 4.5),
    "three answers": questionnaire(10, 0.9, 2.5, n_levels=3),
    "seven answers": questionnaire(6, 0.95, 5.5, n_levels=7),
    "two moods": questionnaire(10, 0.95, 4, n_moods=2),
    "yes or no": lambda rng, n: questionnaire(12, 0.85, 4.5)(rng, n) == 5,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", QUESTIONNAIRES)
def test_answers_that_depend_on_one_thing_are_asked_about(name):
    found = []
    for seed, n in enumerate((100, 200, 400, 1000)):
        answers = QUESTIONNAIRES[name](np.random.RandomState(seed), n)
        found.append(shared_rows(answers, cv=CV))
    # One in 40 is accused by chance.
    assert sum(finding.leaked is True for finding in found) <= 1, found
    assert any("rows have exchanged values" in finding.evidence for finding in found), found


@pytest.mark.slow
def test_persons_who_tick_one_answer_throughout_are_no_copies():
    rng = np.random.RandomState(0)
    answers = questionnaire(8, 0.7, 3)(rng, 200)
    ticked = np.where(np.arange(200)[:, None] < 30, answers[:, :1], answers)
    assert shared_rows(ticked, cv=CV).leaked is None
    ticked[30:50] = ticked[50:70]
    assert shared_rows(ticked, cv=CV).leaked is True


@pytest.mark.slow
@pytest.mark.parametrize("times", [2, 5, 10])
def test_copies_of_answers_and_of_measurements_are_seen(times):
    rng = np.random.RandomState(0)
    for rows in questionnaire(12, 0.8, 3)(rng, 300 // times), rng.normal(size=(300 // times, 2)):
        copies = rng.permutation(np.repeat(rows, times, axis=0))
        assert shared_rows(copies, cv=CV).leaked is True
        resampled = rows[rng.randint(len(rows), size=300)]
        assert shared_rows(resampled, cv=CV).leaked is True


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tests", "wine", "bits"])
def test_copies_are_seen_beside_them(name):
    rows = {
        "tests": HONEST["gaps that come together"].dropna().to_numpy(),
        "wine": load_wine().data,
        "bits": np.random.RandomState(0).rand(N, 30) < 0.3,
    }[name]
    copied = np.random.RandomState(0).permutation(np.vstack([rows, rows[-20:]]))
    assert shared_rows(copied, cv=CV).leaked is True


@pytest.mark.slow
def test_a_chance_is_measured_with_rows_that_differ_for_each_label():
    def told(X, y):
        """Return how well the mean label of a row's value tells the label."""
        means = pd.Series(y).groupby(np.asarray(X)[:, 0]).transform("mean")
        return float(np.mean((means > 0.5) == y))

    few, labels = rng.randint(3, size=(90, 1)), np.arange(90) % 2
    chances = [measure(told, few, labels, lambda: rng.permutation(labels), rng) for _ in 10 * [0]]
    assert [chance.told for chance in chances] == [1.0] * 10
    texts = ["some words", "other words"] * 45
    assert len(set(_telling(texts, labels, rng))) == 2
    permuted = rng.permutation(labels)
    assert measure(told, np.zeros((90, 1)), labels, lambda: permuted, rng) is None


def test_games_noted_from_both_sides_are_seen_unless_the_split_keeps_them_together():
    rng = np.random.RandomState(0)
    home, guest = rng.normal(size=(2, 100, 3))
    ground = np.tile(rng.randint(3, size=100), 2)
    rows = np.column_stack([np.vstack([home, guest]), np.vstack([guest, home]), ground])
    game = np.tile(np.arange(100), 2)
    finding = shared_rows(rows, cv=KFold(5, shuffle=True, random_state=0))
    assert finding.leaked is True and "in other columns" in finding.evidence
    assert shared_rows(rows, groups=game, cv=GroupKFold(5)).leaked is False


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["team by team", "column by column"])
def test_games_of_a_few_teams_are_asked_about_if_they_are_noted_from_both_sides(layout):
    rng = np.random.RandomState(0)
    games = rng.permutation(list(combinations(range(20), 2)))
    teams = rng.normal(size=(20, 3)).round(2)
    order = [0, 1, 2, 3, 4, 5] if layout == "team by team" else [0, 3, 1, 4, 2, 5]
    rows = np.vstack([teams[games].reshape(-1, 6), teams[games[:, ::-1]].reshape(-1, 6)])[:, order]
    rows = np.column_stack([rows, rng.randint(3, size=len(rows))])  # where they play
    finding = shared_rows(rows, cv=KFold(5, shuffle=True, random_state=0))
    assert finding.leaked is None and "with their halves exchanged" in finding.evidence
    game = np.tile(np.arange(len(games)), 2)
    assert shared_rows(rows, groups=game, cv=GroupKFold(5)).leaked is False
    assert shared_rows(rows[: len(games)], cv=KFold(5, shuffle=True)).leaked is False


@pytest.mark.slow
def test_games_at_home_and_away_are_left_alone_unless_labels_tell_each_other():
    rng = np.random.RandomState(0)
    first, second = np.array(list(combinations(range(14), 2))).T
    teams = rng.normal(size=(14, 3))
    rows = np.hstack([teams[first], teams[second]])
    rows = np.vstack([rows, np.roll(rows, 3, axis=1)])
    n, half = len(rows), len(rows) // 2
    results, margins = rng.choice(["win", "draw", "loss"], n), rng.normal(size=n)
    for y, task in ((results, "classification"), (margins, "regression")):
        assert shared_rows(rows, y, cv=CV, task=task).leaked is False
    other_side = {"win": "loss", "draw": "draw", "loss": "win"}
    results = np.append(results[:half], [other_side[one] for one in results[:half]])
    margins, distances = (np.append(margins[:half], sign * margins[:half]) for sign in (-1, 1))
    for y in (results, margins, distances):
        task = "classification" if y is results else "regression"
        assert shared_rows(rows, y, cv=CV, task=task).leaked is None


RANKED = {
    "ranks": lambda rng: rng.permuted(np.tile(np.arange(8), (300, 1)), axis=1),
    "tests": lambda rng: rng.binomial(20, rng.uniform(size=(300, 1)), size=(300, 4)),
    "dice": lambda rng: rng.integers(7, size=(300, 4)),
}


@pytest.mark.parametrize("kind", RANKED)
def test_rows_of_alike_columns_are_no_games(kind):
    rows = RANKED[kind](np.random.default_rng(0)).astype(float)
    assert exchanged(rows, list(KFold(5, shuffle=True, random_state=0).split(rows))) == ""


def test_games_noted_as_differences_from_both_sides_are_seen():
    rng = np.random.RandomState(0)
    for rows in rng.normal(size=(100, 4)), rng.normal(5, 1, size=(100, 4)):
        crowd = np.tile(rng.lognormal(8, 1, size=100), 2)
        both = np.column_stack([np.vstack([rows, -rows]), crowd])
        finding = shared_rows(both, cv=KFold(5, shuffle=True, random_state=0))
        assert finding.leaked is True and "with other signs" in finding.evidence
        game = np.tile(np.arange(100), 2)
        assert shared_rows(both, groups=game, cv=GroupKFold(5)).leaked is False
        assert shared_rows(np.column_stack([rows, rows**2, rows**3]).round(2)).leaked is False


@pytest.mark.parametrize("change", [np.fliplr, np.flipud, np.rot90])
@pytest.mark.parametrize("n_channels", [1, 3])
def test_images_laid_end_to_end_are_seen_if_mirrored_or_turned(change, n_channels):
    rng = np.random.RandomState(0)
    images = rng.randint(256, size=(60, 8, 8, n_channels)).astype(np.uint8)
    both = np.concatenate([images, [change(image) for image in images]])
    for rows in (both, np.moveaxis(both, -1, 1)):
        rows = rows.reshape(120, -1)
        for table in (rows, pd.DataFrame(rows)):
            finding = shared_rows(table, cv=KFold(5, shuffle=True, random_state=0))
            assert finding.leaked is True and "mirrored or turned" in finding.evidence
        halves = GroupKFold(5)
        assert shared_rows(rows, groups=np.tile(np.arange(60), 2), cv=halves).leaked is False


@pytest.mark.slow
def test_small_images_of_two_colours_meet_by_chance():
    rows = load_digits().data > 8
    finding = shared_rows(rows, cv=KFold(5, shuffle=True, random_state=0))
    assert finding.leaked is None and "of the columns" in finding.evidence
    copies = np.vstack([rows[:300], rows[:300]])
    assert shared_rows(copies, cv=KFold(5, shuffle=True, random_state=0)).leaked is True


@pytest.mark.slow
def test_rows_whose_columns_follow_from_each_other_are_not_called_exchanged():
    for seed in range(20):
        rng = np.random.RandomState(seed)
        share = rng.uniform(size=300).round(3)
        a, b = rng.normal(size=(2, 300)).round(2)
        for columns in (
            [share, 1 - share, share * (1 - share)],
            [a, b, a + b, a * b],
            rng.dirichlet([1, 1, 1], size=300).round(3).T,
            np.eye(3)[rng.randint(3, size=300)].T,
        ):
            folds = list(KFold(5, shuffle=True, random_state=seed).split(share))
            assert moved_copies(np.column_stack(columns), (), folds) == ""
