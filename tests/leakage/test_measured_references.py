"""What a score, a split and a time are compared with is measured or said, not assumed."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from sklearn.base import ClassifierMixin
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.feature_selection import SelectKBest, f_classif, f_regression
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    FixedThresholdClassifier,
    KFold,
    StratifiedKFold,
    TimeSeriesSplit,
    cross_val_score,
)
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from helpers import audit, blind_test, null_labels, time_order

pytestmark = pytest.mark.slow  # some seconds, or many

rng = np.random.RandomState(0)
X, values = rng.normal(size=(100, 400)), rng.normal(size=100)
rare = rng.permutation(np.arange(100) < 15).astype(int)
STRATIFIED = StratifiedKFold(3, shuffle=True, random_state=0)
SHUFFLED = KFold(3, shuffle=True, random_state=0)


# Chance -----------------------------------------------------------------------------------------


def selecting(scoring, leaky, sign=1, model=None):
    """Choose 10 columns in each fold, or beforehand on all rows."""
    numeric = model is None and "error" in scoring
    select = SelectKBest(f_regression if numeric else f_classif, k=10)
    model = model or (Ridge() if numeric else GaussianNB(priors=[0.5, 0.5]))
    cv = SHUFFLED if numeric else STRATIFIED

    def procedure(X, y):
        rows = select.fit_transform(X, y) if leaky else X
        steps = model if leaky else make_pipeline(select, model)
        return sign * cross_val_score(steps, rows, y, cv=cv, scoring=scoring).mean()

    return procedure


SCORES = [
    ("f1", 1),
    ("average_precision", 1),
    ("matthews_corrcoef", 1),
    ("balanced_accuracy", 1),
    ("neg_root_mean_squared_error", 1),
    ("neg_root_mean_squared_error", -1),  # an error: less is better
]


@pytest.mark.parametrize("scoring, sign", SCORES)
def test_chance_is_measured_for_the_score_at_hand(scoring, sign):
    y = values if "error" in scoring else rare
    honest, leaky = (
        null_labels(selecting(scoring, leaky, sign), X, y, n_permutations=6)
        for leaky in (False, True)
    )
    assert honest.leaked is False, honest
    assert leaky.leaked is True, leaky
    assert ("below" if sign < 0 else "above") in honest.evidence
    quiet = "return minus the loss and hand over chance." if sign < 0 else "classes, 0 for R2."
    assert honest.evidence.endswith(quiet) and quiet not in leaky.evidence


@pytest.mark.parametrize("scoring", ["neg_brier_score", "neg_log_loss"])
def test_a_loss_that_is_less_for_who_is_sure_of_the_larger_class_is_not_judged(scoring):
    y = rng.permutation(np.arange(100) < 5).astype(int)
    evenly = LogisticRegression(class_weight="balanced")
    finding = null_labels(selecting(scoring, False, model=evenly), X, y, n_permutations=6)
    assert finding.leaked is None and "to be sure, say what guessing" in finding.evidence
    for model, labels in ((LogisticRegression(), y), (evenly, rng.permutation(np.arange(100) % 2))):
        for leaky in (False, True):
            procedure = selecting(scoring, leaky, model=model)
            assert null_labels(procedure, X, labels, n_permutations=6).leaked is leaky


@pytest.mark.parametrize("share", [0.1, 0.35])
@pytest.mark.parametrize(
    "model", [DecisionTreeClassifier(random_state=0), KNeighborsClassifier(1), GaussianNB()]
)
def test_predicting_a_class_as_often_as_it_occurs_is_a_guess(model, share):
    y = rng.permutation(np.arange(100) < 100 * share).astype(int)

    def f1(X, y):
        return cross_val_score(model, X, y, cv=STRATIFIED, scoring="f1").mean()

    assert not null_labels(f1, X[:, :4], y, n_permutations=4).leaked


def test_rows_that_are_repeated_before_the_split_are_seen_without_a_chance():
    def oversampled(X, y):
        few = np.flatnonzero(y == 1)
        rows = np.concatenate([np.arange(len(y)), np.repeat(few, 4)])
        return cross_val_score(KNeighborsClassifier(1), X[rows], y[rows], cv=STRATIFIED).mean()

    assert null_labels(oversampled, X[:, :8], rare, n_permutations=5).leaked is True


def test_chance_of_texts_and_frames():
    words = [" ".join(rng.choice(list("abcdefgh"), 6)) for _ in range(60)]
    y = np.arange(60) % 2
    model = make_pipeline(CountVectorizer(analyzer="char"), MultinomialNB())

    def honest(X, y):
        return cross_val_score(model, X, y, cv=STRATIFIED).mean()

    assert null_labels(honest, words, y, n_permutations=5).leaked is False
    frame = pd.DataFrame(X[:60, :3], index=np.arange(60) + 7)
    assert null_labels(honest_table, frame, y, n_permutations=5).leaked is False


def honest_table(X, y):
    return cross_val_score(GaussianNB(), X, y, cv=STRATIFIED).mean()


def test_where_chance_cannot_be_measured_it_is_asked_for():
    def insists(X, y):
        if len(np.unique(X[:, 0])) < 50:
            raise ValueError("rows are repeated")
        return 0.5

    finding = null_labels(insists, X, rare, n_permutations=3)
    assert finding.leaked is None and "rows are repeated" in finding.evidence
    finding = null_labels(lambda X, y: 0.7, X, rare, n_permutations=3)
    assert finding.leaked is None and finding.evidence.endswith("hand over chance.")
    assert null_labels(lambda X, y: 0.7, X, rare, chance=0.5, n_permutations=3).leaked is True


def test_null_labels_says_how_large_a_leak_it_would_have_seen():
    def score(X, y):
        return 0.5 + 0.01 * next(steps)

    steps = iter([-1, 1] * 5)
    finding = null_labels(score, X, rare, chance=0.5, n_permutations=10)
    assert "a mean above 0.51 would be a leak" in finding.evidence and finding.leaked is False
    steps = iter([1, 3] * 5)
    assert null_labels(score, X, rare, chance=0.5, n_permutations=10).leaked is True


def test_one_permutation_has_no_spread():
    with pytest.raises(
        ValueError, match="n_permutations must be a whole number of 2 or more; got 1"
    ):
        null_labels(honest_table, X, rare, n_permutations=1)


# Test rows --------------------------------------------------------------------------------------


def test_a_threshold_chosen_on_test_labels_is_seen():
    def cut_at(labels_of):
        def learn(X, y, train, test):
            clf = GaussianNB().fit(X[train], y[train])
            rows = labels_of(train, test)
            p = clf.predict_proba(X[rows])[:, 1]
            best = max(p, key=lambda cut: ((p >= cut) == y[rows]).mean())
            cut = FixedThresholdClassifier(
                FrozenEstimator(clf), threshold=best, response_method="predict_proba"
            )
            return cut.fit(X[train], y[train])

        return learn

    y = np.arange(100) % 2
    assert blind_test(cut_at(lambda train, test: test), X[:, :8], y).leaked is True
    assert blind_test(cut_at(lambda train, test: train), X[:, :8], y).leaked is False


def test_a_score_of_its_own_is_compared():
    class Optimist(GaussianNB):
        def score(self, X, y):
            return self.best_

    def learn(X, y, train, test):
        clf = Optimist().fit(X[train], y[train])
        clf.best_ = GaussianNB().fit(X[test], y[test]).score(X[test], y[test])
        return clf

    assert blind_test(learn, X[:, :2], np.arange(100) % 2).leaked is True


class Forecaster(ClassifierMixin):
    def __init__(self, clf, look):
        self.clf = clf
        self.look = look

    def predict_proba(self, X):
        return self.clf.predict_proba(self.look(X))


def look_back(X):
    """Mean of this value and the four before."""
    past = np.concatenate([np.repeat(X[:1], 4, axis=0), X])[:, 0]
    return np.convolve(past, np.ones(5) / 5, mode="valid")[:, None]


def look_ahead(X):
    return look_back(X[::-1])[::-1]


def forecasting(look):
    def learn(X, y, train, test):
        features = look(X)
        return Forecaster(GaussianNB().fit(features[train], y[train]), look)

    return learn


def test_a_step_that_looks_back_is_judged_on_the_split_of_the_user():
    series, y = X[:, :1], (X[:, 0] > 0).astype(int)
    in_order = TimeSeriesSplit(3)
    assert blind_test(forecasting(look_back), series, y, cv=in_order).leaked is False
    assert blind_test(forecasting(look_ahead), series, y, cv=in_order).leaked is True
    assert blind_test(forecasting(look_back), series, y, cv=SHUFFLED).leaked is True
    finding = blind_test(forecasting(look_back), series, y)
    assert finding.leaked is None and "Hand over your split as cv" in finding.evidence
    assert blind_test(forecasting(look_ahead), series, y).leaked is True


def rolled(step):
    """Four rows before, or after; numpy.roll fills the ends of the table from the other end."""
    return lambda X: np.column_stack([np.roll(X[:, 0], step * k) for k in range(1, 5)])


def test_rows_that_roll_round_the_end_of_the_table_are_no_look_ahead():
    series, y = X[:, :1], (X[:, 1] > 0).astype(int)
    last = [(np.arange(70), np.arange(70, 100))]
    for cv, back in ((None, None), (last, False), (TimeSeriesSplit(3), False), (SHUFFLED, True)):
        assert blind_test(forecasting(rolled(1)), series, y, cv=cv).leaked is back
        assert blind_test(forecasting(rolled(-1)), series, y, cv=cv).leaked is True


def test_values_of_the_day_before_may_be_those_of_a_test_row():
    """One step ahead: row 80 is predicted from the label of row 79, which is known by then."""

    def one_step(shift):
        def learn(X, y, train, test):
            past = np.roll(y, shift)
            clf = GaussianNB().fit(np.column_stack([past, X[:, 0]])[train], y[train])
            return Forecaster(clf, lambda rows: np.column_stack([past, rows[:, 0]]))

        return learn

    y = np.arange(100) // 3 % 2
    for shift, leaked in ((1, False), (0, True), (-1, True)):
        assert blind_test(one_step(shift), X, y, cv=TimeSeriesSplit(3)).leaked is leaked


def learner(model, scaled_on_all=False, take=lambda values, rows: values[rows]):
    def learn(X, y, train, test):
        rows = np.arange(len(y)) if scaled_on_all else train
        return model.fit(take(X, rows), take(y, rows))

    return learn


def test_blind_test_takes_frames_texts_and_images_as_they_are():
    y = np.arange(100) % 2
    frame = pd.DataFrame(X[:, :2], columns=["a", "b"]).assign(c=list("xy") * 50, d=np.arange(100))
    model = make_pipeline(StandardScaler(), GaussianNB())
    named = make_pipeline(StandardScaler().set_output(transform="pandas"), GaussianNB())
    images = X[:, :16].reshape(100, 1, 4, 4)
    texts = [" ".join(rng.choice(list("abcdefgh"), 6)) for _ in range(100)]
    words = make_pipeline(CountVectorizer(analyzer="char"), MultinomialNB())

    class Flat(GaussianNB):
        def fit(self, X, y):
            return super().fit(X.reshape(len(X), -1), y)

        def predict_proba(self, X):
            return super().predict_proba(X.reshape(len(X), -1))

        def predict(self, X):
            return super().predict(X.reshape(len(X), -1))

    def iloc(values, rows):
        return values.iloc[rows]

    numbers = frame[["a", "b", "d"]]
    cases = [
        (named, numbers, pd.Series(y), iloc),
        (model, X[:, :3], y, lambda values, rows: values[rows]),
        (Flat(), images, y, lambda values, rows: values[rows]),
        (words, texts, y, lambda values, rows: values[rows]),
    ]
    for model, rows, labels, take in cases:
        assert blind_test(learner(model, take=take), rows, labels).leaked is False
        assert blind_test(learner(model, True, take=take), rows, labels).leaked is True

    def of_a_kind(X, y, train, test):
        assert list(X.columns) == list("abcd") and (X.dtypes == frame.dtypes).all()
        assert set(X["c"]) == {"x", "y"}
        return GaussianNB().fit(X.iloc[train][["a"]].to_numpy(), y[train])

    before = frame.copy()
    with pytest.raises(ValueError, match=r"take rows by number, X.iloc\[train\]"):
        blind_test(learner(model), frame, y)
    assert blind_test(lambda *a: Constant(of_a_kind(*a)), frame, y).leaked is False
    pd.testing.assert_frame_equal(frame, before)


class Constant:
    def __init__(self, clf):
        self.clf = clf

    def predict(self, X):
        return self.clf.predict(X[["a"]].to_numpy())


# Time -------------------------------------------------------------------------------------------

DAYS = pd.date_range("2024-01-01", periods=100)


@pytest.mark.parametrize("time, unit", [(np.arange(100), 1), (DAYS, timedelta(days=1))])
def test_a_horizon_and_a_window_need_a_gap_as_long(time, unit):
    for gap, leaked in ((0, True), (9, True), (10, False)):
        cv = TimeSeriesSplit(3, gap=gap)
        for stated in ({"horizon": 10 * unit}, {"window": 10 * unit}):
            finding = time_order(X, time=time, cv=cv, **stated)
            assert finding.leaked is leaked, finding
        both = {"horizon": 10 * unit, "window": 5 * unit}
        assert time_order(X, time=time, cv=cv, **both).leaked is leaked
        report = audit(GaussianNB(), X[:, :3], rare, cv=cv, time=time, **both)
        assert {f.name: f.leaked for f in report}["time_order"] is leaked
    assert time_order(X, time=time, cv=TimeSeriesSplit(3)).leaked is False


def test_what_was_not_stated_is_said():
    finding = time_order(X, time=DAYS, cv=TimeSeriesSplit(3), horizon=timedelta(0))
    assert finding.evidence.endswith("No window was stated.")
    for horizon, time, message in (
        (3, DAYS, "horizon must be a datetime.timedelta, as time is dates"),
        (timedelta(3), np.arange(100), "horizon must be a number, as time is"),
        (-1, np.arange(100), "not negative; got -1"),
    ):
        with pytest.raises(ValueError, match=message):
            time_order(X, time=time, cv=TimeSeriesSplit(3), horizon=horizon)
