"""Several targets, odd rows, procedures, files and generators, each with an honest twin."""

import functools
import os
import random

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    TimeSeriesSplit,
)
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from helpers import (
    alike_rows,
    audit,
    batch_mates,
    blind_test,
    carry_over,
    held_rows,
    null_labels,
    purity,
    refit,
    shared_groups,
    shared_rows,
    shift,
    time_order,
    too_good_feature,
)
from helpers.data import coin_flips

pytestmark = pytest.mark.slow

rng = np.random.RandomState(0)
X = rng.normal(size=(120, 5))
y = (X[:, 0] + rng.normal(size=120) > 0).astype(int)
TWO_LABELS = np.column_stack([y, X[:, 1] + rng.normal(size=120) > 0]).astype(int)
TWO_VALUES = X[:, :2] + rng.normal(size=(120, 2))
SHUFFLED = KFold(3, shuffle=True, random_state=0)
BY_RIGHT = {"carried_weights", "shared_groups", "time_order", "null_labels", "blind_test"}


def not_looked(report):
    return {finding.name for finding in report.not_looked_at} - BY_RIGHT


# Several targets --------------------------------------------------------------------------------

SEVERAL = {
    "labels, by a tree": (DecisionTreeClassifier(max_depth=3), TWO_LABELS, "classification"),
    "labels, one model each": (MultiOutputClassifier(GaussianNB()), TWO_LABELS, "classification"),
    "values": (Ridge(), TWO_VALUES, "regression"),
    "values in a frame": (Ridge(), pd.DataFrame(TWO_VALUES), "regression"),
    "a single column": (Ridge(), TWO_VALUES[:, :1], "regression"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SEVERAL)
def test_several_targets_are_looked_at(name):
    model, targets, task = SEVERAL[name]
    report = audit(model, X, targets, cv=SHUFFLED)
    assert not report.leaks and not not_looked(report), report


@pytest.mark.slow
def test_each_of_several_targets_is_asked_about():
    for targets, task in ((TWO_LABELS, "classification"), (TWO_VALUES, "regression")):
        proxy = targets[:, 1] + 0.01 * rng.normal(size=120)
        finding = too_good_feature(np.column_stack([X, proxy]), targets, task=task)
        assert finding.leaked is True
        assert finding.evidence.startswith("Of target 1: Column 5 alone scores")
    many = too_good_feature(X, rng.normal(size=(120, 20)))
    assert many.leaked is None and "hand over one of them" in many.evidence


def test_blind_test_and_null_labels_take_several_targets():
    def honest(X, y, train, test):
        return DecisionTreeClassifier(max_depth=3, random_state=0).fit(X[train], y[train])

    def leaky(X, y, train, test):
        return DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, y)

    assert blind_test(honest, X, TWO_LABELS).leaked is False
    assert blind_test(leaky, X, TWO_LABELS).leaked is True

    def of_itself(X, y):
        return Ridge(0.01).fit(X, y).score(X, y)

    def of_others(X, y):
        return Ridge().fit(X[::2], y[::2]).score(X[1::2], y[1::2])

    wide, noise = rng.normal(size=(60, 50)), rng.normal(size=(60, 2))
    assert null_labels(of_itself, wide, noise).leaked is True
    assert null_labels(of_others, wide, noise).leaked is False


def test_too_many_or_too_few_targets_are_refused_in_the_users_words():
    with pytest.raises(ValueError, match=r"y must hold one value for each of the 120 rows"):
        audit(Ridge(), X, TWO_VALUES[:100])


# What is left as it was -------------------------------------------------------------------------


def test_a_split_that_draws_moves_no_generator_on():
    mine = np.random.RandomState(3)
    before = mine.get_state()[1].copy(), np.random.get_state()[1].copy(), random.getstate()
    positions = mine.get_state()[2], np.random.get_state()[2]
    for seed in (mine, None):
        shared_rows(X, cv=KFold(3, shuffle=True, random_state=seed))
        carry_over(GaussianNB(), X, y, cv=KFold(3, shuffle=True, random_state=seed))
    assert_array_equal(mine.get_state()[1], before[0])
    assert_array_equal(np.random.get_state()[1], before[1])
    assert (mine.get_state()[2], np.random.get_state()[2]) == positions


class Drawing(GaussianNB):
    """Draws from Python's own generator, as some code does."""

    def fit(self, X, y):
        rows = random.sample(range(len(y)), len(y) // 2)
        return super().fit(X[rows], y[rows])


def test_pythons_own_generator_is_seeded_and_put_back():
    before = random.getstate()
    assert "repeated, by 0." in refit(Drawing(), X, y).evidence
    assert random.getstate() == before


class Noisy(GaussianNB):
    """Draws from numpy's global generator while it predicts."""

    def predict_proba(self, X):
        return super().predict_proba(X + np.random.normal(scale=0.1, size=X.shape))


def test_the_global_generator_is_put_back_after_predictions_that_draw():
    for canary in (batch_mates, refit, carry_over):
        before = np.random.get_state()
        assert canary(Noisy(), X, y).leaked is False
        after = np.random.get_state()
        assert_array_equal(after[1], before[1])
        assert after[2] == before[2]


# Tables of other kinds --------------------------------------------------------------------------


def tokens(n):
    return [list(rng.choice(list("abcdefgh"), rng.randint(3, 8))) for _ in range(n)]


def test_rows_of_unequal_length_are_texts_or_sequences():
    words = make_pipeline(CountVectorizer(analyzer=lambda row: row), LogisticRegression())
    report = {f.name: f for f in audit(words, tokens(90), y[:90], cv=SHUFFLED)}
    assert report["shared_rows"].leaked is False and report["refit"].leaked is False
    for name in ("held_rows", "alike_rows", "shift", "too_good_feature"):
        assert "Rows are of unequal length" in report[name].evidence
    sequences = [rng.normal(size=2 + n % 5) for n in range(40)]
    assert shared_rows(sequences, cv=SHUFFLED).leaked is False
    assert shared_rows(sequences * 2, cv=SHUFFLED).leaked is True
    assert shared_rows([torch.tensor(row) for row in sequences * 2], cv=SHUFFLED).leaked is True
    objects = [{"a": a, "b": b} for a, b in X[:, :2]]
    assert "Rows are objects" in alike_rows(objects, cv=SHUFFLED).evidence


@pytest.mark.slow
@pytest.mark.parametrize("form", ["coo", "csc", "lil", "csr"])
def test_sparse_rows_of_any_form(form):
    rows = sparse.coo_array(X * (X > 0)).asformat(form)
    report = audit(GaussianLike(), rows, y, cv=SHUFFLED)
    assert not report.leaks and not not_looked(report), report

    def honest(X, y, train, test):
        return GaussianLike().fit(X[train], y[train])

    assert blind_test(honest, rows, y).leaked is False


class GaussianLike(LogisticRegression):
    """A quick model of sparse rows."""


@pytest.mark.slow
def test_infinite_values_are_gaps():
    rows = X.copy()
    rows[3, 1], rows[4, 2] = np.inf, -np.inf
    assert alike_rows(rows, cv=SHUFFLED).leaked is False
    assert shift(rows, cv=SHUFFLED).leaked is False
    assert too_good_feature(rows, y).leaked is False
    assert np.isinf(rows[3, 1])


class Duck:
    """An estimator that is derived from nothing."""

    def __init__(self, k=1):
        self.k = k

    def get_params(self, deep=True):
        return {"k": self.k}

    def set_params(self, **params):
        vars(self).update(params)
        return self

    def fit(self, X, y):
        self.model_ = LogisticRegression().fit(X, y)
        return self

    def predict(self, X):
        return self.model_.predict(X)


@pytest.mark.slow
def test_an_estimator_that_is_derived_from_nothing_is_looked_at():
    names = np.array(["ill", "well"])[y]
    report = audit(Duck(), X, names, cv=SHUFFLED)
    assert not report.leaks and not not_looked(report), report


# Procedures that return something else ----------------------------------------------------------

RETURNED = {
    "predictions": lambda model, X, y: model.predict(X),
    "a score": lambda model, X, y: model.score(X, y),
    "nothing": lambda model, X, y: None,
    "a network": lambda model, X, y: torch.nn.Linear(5, 2),
    "a class": lambda model, X, y: GaussianNB,
}


@pytest.mark.parametrize("name", RETURNED)
def test_blind_test_says_what_a_procedure_must_return(name):
    def procedure(X, y, train, test):
        return RETURNED[name](GaussianNB().fit(X[train], y[train]), X, y)

    with pytest.raises(TypeError, match=r"must return a fitted predictor, .*; got "):
        blind_test(procedure, X, y)


def test_null_labels_says_what_a_procedure_must_return():
    scores = [0.5, 0.6], np.array([0.5]), (0.5, 0.1), {"test_f1": 0.5}, None, GaussianNB(), "high"
    for score in scores:
        with pytest.raises(TypeError, match=r"must return one number, .*; got "):
            null_labels(lambda X, y, score=score: score, X, y)
    assert null_labels(lambda X, y: np.float32(0.5), X, y, chance=0.5).leaked is False
    finding = null_labels(lambda X, y: float("nan"), X, y)
    assert finding.leaked is None and "20 of 20 permutations of the labels" in finding.evidence


def score_of(X, y):
    return len(0.5)


def predictor_of(X, y, train, test):
    return len(0.5)


NO_PROCEDURES = {
    "for the other canary": (predictor_of, score_of, r"which is for (blind_test|null_labels)"),
    "an estimator": (GaussianNB(), GaussianNB(), "an estimator, GaussianNB: write a function"),
    "a class": (GaussianNB, GaussianNB, r"got GaussianNB\("),
    "nothing": (None, None, "got None"),
}


@pytest.mark.parametrize("name", NO_PROCEDURES)
def test_a_procedure_that_cannot_be_called_so_is_told_what_is_wanted(name):
    for_scores, for_predictors, got = NO_PROCEDURES[name]
    with pytest.raises(TypeError, match=r"function procedure\(X, y\) that returns .*" + got):
        null_labels(for_scores, X, y)
    with pytest.raises(TypeError, match=r"procedure\(X, y, train, test\) that returns .*" + got):
        blind_test(for_predictors, X, y)


def test_a_decorator_may_hand_over_more():
    @functools.wraps(seeded_score)
    def seeded(*args):
        return seeded_score(*args, seed=0)

    assert null_labels(seeded, X, y, chance=0.5).leaked is False


def seeded_score(X, y, seed):
    return 0.5


def test_errors_within_a_procedure_come_out_as_they_are():
    for canary, procedure in ((null_labels, score_of), (blind_test, predictor_of)):
        with pytest.raises(TypeError, match="^object of type 'float' has no len()"):
            canary(procedure, X, y)


@pytest.mark.slow
def test_an_audit_says_what_function_each_canary_wants():
    needs = {f.name: f.evidence for f in audit(GaussianNB(), X, y)}
    assert "procedure(X, y) that returns the score" in needs["null_labels"]
    assert "procedure(X, y, train, test) that returns a fitted" in needs["blind_test"]


def test_what_a_procedure_keeps_from_run_to_run_is_mentioned():
    kept = []

    def remembering(X, y, train, test):
        kept.append(kept[-1] if kept else MLPClassifier((8,), random_state=0))
        return kept[-1].partial_fit(X[train], y[train], classes=[0, 1])

    assert "keeps something from run to run" in blind_test(remembering, X, y).evidence


# Columns ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_all_dummies_of_an_outcome_are_named():
    three = rng.randint(3, size=300)
    rows = rng.normal(size=(300, 5))
    rows[:, 0] += three  # the others know something, too
    dummies = np.eye(3)[three]
    finding = too_good_feature(np.column_stack([rows, dummies]), three, task="classification")
    assert finding.leaked is True and "score 1.00" in finding.evidence
    assert too_good_feature(rows, three, task="classification").leaked is False


ORDERED = {
    "logarithm": lambda target: np.log(target - target.min() + 0.1),
    "rank": lambda target: pd.Series(target).rank().to_numpy(),
    "exponential, falling": lambda target: -np.exp(target),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ORDERED)
def test_a_column_in_the_order_of_the_target_is_asked_about(name):
    rows = rng.normal(size=(300, 4))
    target = rows.sum(axis=1) + rng.normal(size=300)
    finding = too_good_feature(np.column_stack([rows, ORDERED[name](target)]), target)
    assert finding.leaked is True and "is it known at the time of prediction" in finding.evidence
    nearly = ORDERED[name](target + 0.3 * rng.normal(size=300))
    assert too_good_feature(np.column_stack([rows, nearly]), target).leaked is False


PAST = {
    "a sum so far": lambda s: s.cumsum(),
    "a mean so far": lambda s: s.expanding().mean(),
    "a fading mean": lambda s: s.ewm(span=5).mean(),
    "a slowly fading mean": lambda s: s.ewm(span=40).mean(),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PAST)
def test_what_is_made_of_all_labels_so_far_includes_today_or_not(name):
    for persistence in (0, 1):
        series = pd.Series(np.random.RandomState(1).normal(size=300))
        series = series.cumsum() if persistence else series
        lags = {f"lag{k}": series.shift(k) for k in (1, 2)}
        for made, leaked in ((PAST[name](series), True), (PAST[name](series).shift(1), False)):
            table = pd.DataFrame({**lags, "made": made})[20:]
            time = np.arange(len(table))
            finding = time_order(table, series[20:], time=time, cv=TimeSeriesSplit(3))
            assert finding.leaked is leaked and ("columns 2 ('made')" in finding.evidence) is leaked
            assert too_good_feature(table, series[20:]).leaked is leaked


# Equal rows -------------------------------------------------------------------------------------


def answers(rng):
    mood = 1.2 * rng.normal(size=(300, 1))  # which all eight answers depend on
    return np.clip(np.round(mood + rng.normal(size=(300, 8)) + 3), 1, 5)


def categories(rng):
    return np.eye(6)[rng.randint(6, size=300)]


def counts(rng):
    return rng.poisson(np.exp(rng.normal(size=(300, 1))), size=(300, 4))


@pytest.mark.parametrize("draw", [answers, categories, counts])
def test_rows_of_few_values_that_depend_on_each_other_are_asked_about(draw):
    rows = draw(np.random.RandomState(0))
    finding = shared_rows(rows, cv=SHUFFLED)
    assert finding.leaked is None and "Hand over whose row it is" in finding.evidence
    finer = np.column_stack([rows, np.random.RandomState(0).normal(size=300)])
    assert shared_rows(finer, cv=SHUFFLED).leaked is False
    assert shared_rows(np.vstack([finer[:270], finer[:30]]), cv=SHUFFLED).leaked is True


def test_constant_columns_do_not_hide_copies():
    twice = [f"patient {number} seen" for number in range(60)] * 2
    assert shared_rows(twice[:60], cv=SHUFFLED).leaked is False
    assert shared_rows(twice, cv=SHUFFLED).leaked is None  # a single word differs
    rows = np.column_stack([np.ones(120), np.tile(X[:60, :2], (2, 1))])
    assert shared_rows(rows, cv=SHUFFLED).leaked is True


# What else is handed over -----------------------------------------------------------------------


def test_rows_in_lists_are_held_too():
    split = [(np.arange(90), np.arange(90, 120))]
    for held, leaked in ((X[90:], True), (X[:20], False)):
        holder = FunctionTransformer(kw_args={"valid": (held.tolist(), [0] * len(held))})
        assert held_rows(holder, X, cv=split).leaked is leaked


def test_groups_in_a_frame():
    who = pd.DataFrame({"who": np.repeat(np.arange(24), 5)})
    assert shared_groups(X, groups=who, cv=GroupKFold(4)).leaked is False
    assert shared_groups(X, groups=who, cv=SHUFFLED).leaked is True
    with pytest.raises(ValueError, match="splits by one group a row, and groups holds two"):
        shared_groups(X, groups=who.assign(other=1), cv=GroupKFold(4))


def test_months_are_times():
    months = pd.date_range("2000", periods=120, freq="MS").strftime("%Y-%m")
    assert time_order(X, time=months, cv=TimeSeriesSplit(3)).leaked is False
    assert time_order(X, time=months, cv=SHUFFLED).leaked is True


# Files ------------------------------------------------------------------------------------------

flips, coins = coin_flips(90, 6)


class Resumed(ClassifierMixin, BaseEstimator):
    """Goes on with the model it finds in a directory, or only leaves a copy of each there."""

    def __init__(self, folder, resume=True, save=joblib.dump, load=joblib.load):
        self.folder = folder
        self.resume = resume
        self.save = save
        self.load = load

    def fit(self, X, y):
        path = os.path.join(self.folder, "runs", "last.ckpt")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        model = GaussianNB()
        if self.resume and os.path.exists(path):
            model = self.load(path)
        self.model_ = model.partial_fit(X, y, classes=np.unique(y))
        self.save(model, path)
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return self.model_.predict_proba(X)

    def predict(self, X):
        return self.model_.predict(X)


def load_by_torch(path):
    return torch.load(path, weights_only=False)


FILES = {"joblib": (joblib.dump, joblib.load), "torch": (torch.save, load_by_torch)}


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_a_directory_that_all_folds_share_is_seen_and_put_back(tmp_path, name):
    kept = tmp_path / "kept.txt"
    kept.write_text("mine")
    for folder in (tmp_path, str(tmp_path), tmp_path / "made_by_fit"):
        finding = refit(Resumed(folder, True, *FILES[name]), flips, coins)
        assert finding.leaked is True and "the one named by 'folder'" in finding.evidence
        assert refit(Resumed(folder, False, *FILES[name]), flips, coins).leaked is False
        assert os.listdir(tmp_path) == ["kept.txt"] and kept.read_text() == "mine"


@pytest.mark.parametrize("inner", [".", "project"])
def test_nothing_is_put_back_where_other_programs_may_be_at_work(tmp_path, monkeypatch, inner):
    (tmp_path / inner).mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / inner)
    written = tmp_path / "by_another_program.txt"

    def save(model, path):
        written.write_text("theirs")
        joblib.dump(model, path)

    finding = refit(Resumed(str(tmp_path), True, save), flips, coins)
    assert written.read_text() == "theirs"
    assert finding.leaked is not False


def test_a_cache_of_a_pipeline_is_no_leak_and_is_put_back(tmp_path):
    for memory in (str(tmp_path / "new"), joblib.Memory(tmp_path / "old", verbose=0)):
        before = list(os.walk(tmp_path))
        cached = make_pipeline(StandardScaler(), GaussianNB(), memory=memory)
        assert refit(cached, flips, coins).leaked is False
        assert purity(cached, flips, coins).leaked is False
        assert list(os.walk(tmp_path)) == before


def test_a_file_that_torch_wrote_and_no_parameter_names_is_not_passed_over(tmp_path):
    class Secretive(DummyClassifier):
        def fit(self, X, y):
            path = str(tmp_path / "kept.pt")  # which torch writes without telling Python
            if os.path.exists(path):
                torch.load(path)
            torch.save(torch.tensor(len(y)), path)
            return super().fit(X, y)

    finding = refit(Secretive(), X, y)
    assert finding.leaked is None and "kept.pt, which no parameter names" in finding.evidence


# Rows of persons whom the split keeps apart ------------------------------------------------------


def persons(seed, size, n, n_columns, noise):
    rng = np.random.RandomState(seed)
    who = rng.permutation(np.repeat(np.arange(n), size))
    rows = rng.normal(size=(n, n_columns))[who]
    rows += noise * rng.normal(size=rows.shape)
    return rows, (rng.permutation(n) % 2)[who], who


APART = {
    "stratified": lambda seed: StratifiedGroupKFold(5, shuffle=True, random_state=seed),
    "in order": lambda seed: GroupKFold(5),
    "at random": lambda seed: GroupShuffleSplit(3, random_state=seed),
}


@pytest.mark.parametrize("name", APART)
def test_persons_kept_apart_are_not_accused_where_others_lie_near(name):
    for seed, form in ((107, (2, 60, 5, 0.3)), (210, (6, 20, 4, 0.2))):
        rows, label, who = persons(seed, *form)
        finding = alike_rows(rows, label, cv=APART[name](seed), groups=who, random_state=seed % 100)
        assert finding.leaked is False, finding
    dealt = StratifiedKFold(5, shuffle=True, random_state=seed)
    assert alike_rows(rows, label, cv=dealt).leaked is True
