"""The checks of the tasks in lessons 06 and 06b pass the right answer, and no wrong one.

The cells that define a check are taken from the lesson itself and run with what they need.
"""

from pathlib import Path

import nbformat
import numpy as np
import pytest
from scipy import stats
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, RepeatedKFold, cross_val_score

from helpers import data, drawings, plots

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def with_cells(lesson, *definitions, **names):
    """Return the names after the cells of a lesson were run that define what is named."""
    cells = nbformat.read(NOTEBOOKS / lesson, as_version=4).cells
    sources = [cell.source for cell in cells if cell.cell_type == "code"]
    for definition in definitions:
        (source,) = [source for source in sources if f"\n{definition}(" in f"\n{source}"]
        exec(source, names)
    return names


# 06, task 1: the chance of a best score ----------------------------------------------------------


@pytest.fixture(scope="module")
def check_chance():
    return with_cells("06_honest_estimates.ipynb", "def chance_of", np=np)["check_chance"]


def chance_of(best, k, n_rows):
    return 1 - stats.binom.cdf(round(best * n_rows) - 1, n_rows, 0.5) ** k


def without_the_tie(best, k, n_rows):
    return 1 - stats.binom.cdf(round(best * n_rows), n_rows, 0.5) ** k


def of_one_run(best, k, n_rows):
    return chance_of(best, 1, n_rows)


def k_times_the_chance_of_one(best, k, n_rows):
    return min(1, k * chance_of(best, 1, n_rows))


def of_all_runs(best, k, n_rows):
    return chance_of(best, 1, n_rows) ** k


def of_a_normal_distribution(best, k, n_rows):
    return 1 - stats.norm.cdf(best, 0.5, 0.5 / np.sqrt(n_rows)) ** k


def test_chance_passes_the_right_answer(check_chance):
    assert check_chance(chance_of).startswith("passed")


@pytest.mark.parametrize(
    "wrong",
    [
        without_the_tie,
        of_one_run,
        k_times_the_chance_of_one,
        of_all_runs,
        of_a_normal_distribution,
        lambda best, k, n_rows: None,
    ],
)
def test_chance_finds_the_wrong_answer(check_chance, wrong):
    assert "the coins say" in check_chance(wrong)


# 06, task 2: a network and its number ------------------------------------------------------------


@pytest.fixture(scope="module")
def check_delivery():
    names = {"np": np, "data": data, "GridSearchCV": GridSearchCV}
    lesson = "06_honest_estimates.ipynb"
    return with_cells(lesson, "class Column", "def deliver", **names)["check_delivery"]


SCORES, FITTED = {}, {}


def scores_of(search, X, y):
    """Cross-validate a search on a table once, though several answers do so."""
    table = X.tobytes(), y.tobytes()
    if table not in SCORES:
        SCORES[table] = cross_val_score(search, X, y)
    return SCORES[table]


def fitted(search, X, y):
    """Fit a search to a table once, though most answers do so."""
    table = X.tobytes(), y.tobytes()
    if table not in FITTED:
        FITTED[table] = clone(search).fit(X, y)
    return FITTED[table]


def number_of(search, X, y):
    return scores_of(search, X, y).mean()


def best_score(search, X, y):
    model = fitted(search, X, y)
    return model, model.best_score_


def training_score(search, X, y):
    model = fitted(search, X, y)
    return model, model.score(X, y)


def chosen_before_the_folds(search, X, y):
    model = fitted(search, X, y)
    return model, cross_val_score(model.best_estimator_, X, y).mean()


def best_fold(search, X, y):
    return fitted(search, X, y), scores_of(search, X, y).max()


def fitted_on_a_part(search, X, y):
    return search.fit(X[:48], y[:48]), number_of(search, X, y)


def not_searched(search, X, y):
    return search.estimator.fit(X, y), number_of(search, X, y)


def not_fitted(search, X, y):
    return search, number_of(search, X, y)


def always_chance(search, X, y):
    return fitted(search, X, y), 0.5


def no_number(search, X, y):
    return fitted(search, X, y), None


def test_delivery_passes_the_right_answer(check_delivery):
    def search_or_network(search, X, y):
        return fitted(search, X, y).best_estimator_, number_of(search, X, y)

    assert check_delivery(lambda *given: (fitted(*given), number_of(*given))) == "passed"
    assert check_delivery(search_or_network) == "passed"


@pytest.mark.parametrize(
    "wrong, said",
    [
        (best_score, "the truth 0.50"),
        (training_score, "the truth 0.50"),
        (chosen_before_the_folds, "the truth 0.50"),
        (best_fold, "the truth 0.50"),
        (fitted_on_a_part, "48 of the 60 rows"),
        (not_searched, "column 7 is the label"),
        (not_fitted, "0 of the 60 rows"),
        (always_chance, "report 0.5"),
        (no_number, "there is no number"),
    ],
)
def test_delivery_finds_the_wrong_answer(check_delivery, wrong, said):
    assert said in check_delivery(wrong)


# 06b, task 1: may I claim it? --------------------------------------------------------------------


@pytest.fixture(scope="module")
def check_claims():
    """The check, with scores of nearest means: they vary as a network's, and take no training.

    On the lesson's own scores its cells count the same false claims, which nbval compares.
    """
    folds = list(RepeatedKFold(n_splits=3, n_repeats=5, random_state=0).split(range(100)))
    tables = [data.coin_flips(100, 10, random_state=seed) for seed in range(100)]
    scores = np.array([[nearest_means(X, y, *fold) for fold in folds] for X, y in tables])
    return with_cells("06b_honest_claims.ipynb", "def can_claim", scores=scores)["check_claims"]


def nearest_means(X, y, train, test):
    """Return the share of test rows that lie nearer to the mean of their own label's rows."""
    zero, one = (X[train][y[train] == label].mean(axis=0) for label in (0, 1))
    is_one = ((X[test] - one) ** 2).sum(axis=1) < ((X[test] - zero) ** 2).sum(axis=1)
    return (is_one == y[test]).mean()


def claim(share, two_sided=True):
    """Return an answer with this share beside 1/J under the root."""

    def can_claim(differences, n_train, n_test):
        J, mean = len(differences), differences.mean()
        error = differences.std(ddof=1) * np.sqrt(1 / J + share(n_train, n_test))
        return (abs(mean) if two_sided else mean) > stats.t.ppf(0.975, J - 1) * error

    return can_claim


def ratio(n_train, n_test):
    return n_test / n_train


def test_claims_pass_the_right_answer(check_claims):
    assert check_claims(claim(ratio)).startswith("passed: false claims 2 of 100")


@pytest.mark.parametrize(
    "wrong, said",
    [
        (claim(lambda n_train, n_test: 0), "false claims 42 of 100"),
        (claim(lambda n_train, n_test: n_train / n_test), "not yet: false claims 0"),
        (claim(ratio, two_sided=False), "and 0 of 100"),
        (lambda *given: True, "false claims 100"),
        (lambda *given: False, "true claims 0"),
        (lambda differences, *sizes: abs(differences.mean()) > differences.std(), "not yet"),
        (lambda *given: None, "it returns nothing"),
    ],
)
def test_claims_find_the_wrong_answer(check_claims, wrong, said):
    message = check_claims(wrong)
    assert message.startswith("not yet") and said in message


# 06b, task 2: is hers better? --------------------------------------------------------------------


@pytest.fixture(scope="module")
def check_better():
    return with_cells("06b_honest_claims.ipynb", "def is_better", np=np)["check_better"]


def counts(hers, yours):
    return np.sum(hers & ~yours), np.sum(yours & ~hers), len(hers)


def is_better(hers, yours, errors=2):
    b, c, n = counts(hers, yours)
    difference = (b - c) / n
    return difference > errors * np.sqrt((b + c) / n - difference**2) / np.sqrt(n)


def by_any_difference(hers, yours):
    return hers.mean() > yours.mean()


def by_the_unpaired_error(hers, yours):
    p, q, n = hers.mean(), yours.mean(), len(hers)
    return p - q > 2 * np.sqrt((p * (1 - p) + q * (1 - q)) / n)


def by_intervals(hers, yours):
    half = [2 * np.sqrt(x.mean() * (1 - x.mean()) / len(x)) for x in (hers, yours)]
    return hers.mean() - half[0] > yours.mean() + half[1]


def the_wrong_way_round(hers, yours):
    return is_better(yours, hers)


def test_better_passes_the_right_answer(check_better):
    assert check_better(is_better).startswith("passed")


@pytest.mark.parametrize(
    "wrong",
    [
        by_any_difference,
        by_the_unpaired_error,
        by_intervals,
        the_wrong_way_round,
        lambda hers, yours: True,
        lambda hers, yours: is_better(hers, yours, errors=1),
        lambda hers, yours: None,
    ],
)
def test_better_finds_the_wrong_answer(check_better, wrong):
    assert check_better(wrong).startswith("not yet")


# The drawings ------------------------------------------------------------------------------------


def test_each_drawing_is_white_and_described():
    scores = np.random.default_rng(0).random((30, 12))
    for fig, alt in (
        drawings.estimates.tossed_labels(),
        drawings.estimates.nested(),
        drawings.estimates.repeated_folds(),
        drawings.estimates.permuted_scores(scores),
        plots.claim_errors({"coins": {"best": [0.1, 0.2]}}, ["leaky"], "Too high"),
    ):
        assert fig.get_facecolor() == (1, 1, 1, 1)
        assert fig.get_suptitle() and len(alt) > 40
        plots.plt.close(fig)


def test_the_drawing_of_shuffles_marks_the_candidate_that_the_real_labels_chose():
    scores = np.array([[0.5, 0.7, 0.6], [0.9, 0.4, 0.6], [0.1, 0.8, 0.2]])
    fig, alt = drawings.estimates.permuted_scores(scores)
    assert fig.get_suptitle().endswith("real labels, 0.70?")
    assert alt.endswith("By shuffle, its candidate and the best: 0.40 and 0.90, 0.80 and 0.80.")
    lines = {line.get_label(): line.get_ydata() for line in fig.axes[0].lines}
    assert list(lines["inside: the best candidate"]) == [0.9, 0.8]
    assert list(lines["outside: the candidate of the real best"]) == [0.4, 0.8]
