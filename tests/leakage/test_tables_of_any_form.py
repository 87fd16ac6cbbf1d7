"""Tables, texts, images, groups, times and parameters as they come in practice."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers import (
    audit,
    batch_mates,
    purity,
    shared_groups,
    shared_rows,
    shift,
    time_order,
    too_good_feature,
)
from helpers.leakage.times import as_times

pytestmark = pytest.mark.slow  # some seconds, or many

rng = np.random.RandomState(0)
SHUFFLED = KFold(5, shuffle=True, random_state=0)
X, y = rng.normal(size=(60, 3)), np.arange(60) % 2
who = np.repeat(np.arange(12), 5)
DATES = pd.date_range("2024-01-20", periods=60)


class Holding(ClassifierMixin, BaseEstimator):
    """Holds a parameter of any kind, and may alter it in fit."""

    def __init__(self, held=None, alter=None):
        self.held = held
        self.alter = alter

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        if self.alter is not None:
            self.alter(self.held)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


class Settings:
    """Refers to itself, as objects do that keep a parent; scikit-learn's clone copies it."""

    def __init__(self):
        self.numbers = [1, 2, pd.NA, None, np.nan, {"owner": self}]
        self.itself = self


def set_cell(frame):
    frame.iloc[0, 0] = 9


def set_data(matrix):
    matrix.data[0] = 9


HELD = {
    "frame": (lambda: pd.DataFrame({"a": [1, None], "b": ["x", pd.NA]}), set_cell),
    "column": (lambda: pd.Series([1, 2], dtype="Int64"), lambda c: c.__setitem__(0, 9)),
    "sparse": (lambda: sparse.eye_array(3, format="csr"), set_data),
    "holds itself": (Settings, lambda held: held.numbers.__setitem__(0, 9)),
    "objects": (
        lambda: np.array([1, None, np.nan, pd.NA, "x"], dtype=object),
        lambda array: array.__setitem__(0, 9),
    ),
    "dates": (lambda: np.array(["2024-01-01", "NaT"], "M8[D]"), lambda a: a.__setitem__(0, "NaT")),
    "tensor": (lambda: torch.tensor([1.0, float("nan")]), lambda t: t.fill_(9)),
}


@pytest.mark.parametrize("name", HELD)
def test_purity_compares_parameters_of_any_kind(name):
    make, alter = HELD[name]
    assert purity(Holding(make()), X, y).leaked is False
    assert purity(Holding(make(), alter), X, y).leaked is True


def test_nothing_is_a_parameter_too():
    assert purity(Holding(pd.NA), X, y).leaked is False
    assert not audit(Holding(pd.DataFrame({"a": [pd.NA]})), X, y).leaks


def test_sparse_numbers_that_move_are_altered():
    def move(matrix):
        matrix.indices[:] = matrix.indices[::-1].copy()

    assert purity(Holding(sparse.eye_array(3, format="csr"), move), X, y).leaked is True


# Rows -------------------------------------------------------------------------------------------


def test_images_sequences_and_tensors_are_flattened():
    images = rng.normal(size=(60, 1, 4, 4)).astype("float32")
    twice = np.concatenate([images[:30], images[:30]])
    for rows in (images, torch.tensor(images), list(images)):
        assert shared_rows(rows, cv=SHUFFLED).leaked is False
        assert shift(rows, cv=SHUFFLED).leaked is False
    for rows in (twice, torch.tensor(twice), list(twice)):
        assert shared_rows(rows, cv=SHUFFLED).leaked is True
    images[:, 0, 2, 3] = y
    finding = too_good_feature(images, y)
    assert finding.leaked and "Column (0, 2, 3) alone scores 1.00" in finding.evidence


def test_sequences_of_unequal_length_are_rows_with_gaps():
    ragged = [np.arange(n % 7 + 2.0) + n for n in range(30)]
    assert shared_rows(ragged, cv=SHUFFLED).leaked is False
    assert shared_rows(ragged * 2, cv=SHUFFLED).leaked is True


def sentences(n):
    return [" ".join(rng.choice(list("abcdefgh"), 6)) for _ in range(n)]


def test_equal_texts_are_equal_rows():
    once, twice = sentences(60), sentences(30) * 2
    for shape in (list, np.array, lambda t: np.array(t)[:, None], pd.Series, pd.DataFrame):
        assert shared_rows(shape(once), cv=SHUFFLED).leaked is False
        assert shared_rows(shape(twice), cv=SHUFFLED).leaked is True
    assert shift(twice, cv=SHUFFLED).leaked is None
    assert too_good_feature(twice, y).leaked is None


def test_rows_of_one_column_meet_by_chance():
    assert shared_rows(np.array(list("abcdef") * 10)[:, None], cv=SHUFFLED).leaked is None
    assert shared_rows(X[:, :1], cv=SHUFFLED).leaked is False


def test_a_text_in_other_capitals_and_stops_is_a_copy():
    rng = np.random.RandomState(0)
    words = np.array(["good", "bad", "hotel", "room", "bed", "sea", "food", "bar", "loud", "cheap"])
    texts = [" ".join(rng.choice(words, 8)) for _ in range(60)]
    assert shared_rows(texts, cv=SHUFFLED).leaked is False
    copies = [text.capitalize() + "." for text in texts]
    finding = shared_rows(texts + copies, cv=SHUFFLED)
    assert finding.leaked is True, finding


def test_copies_of_texts_and_of_categories_that_an_id_tells_apart_are_not_passed_over():
    rng = np.random.RandomState(0)
    texts = pd.Series([" ".join(rng.choice(list("abcdefghij"), 8)) for _ in range(60)])
    categories = pd.DataFrame(rng.randint(4, size=(60, 8)))
    for table, found in ((texts.to_frame("review"), None), (categories, True)):
        for n_copies, answer in ((0, False), (20, found)):
            copies = table[:n_copies].replace(r"$", ".", regex=True)  # of texts
            both = pd.concat([table, copies], ignore_index=True)
            both.insert(0, "id", 1000 + rng.permutation(len(both)))
            finding = shared_rows(both, cv=SHUFFLED)
            assert finding.leaked is answer, finding


def test_audit_takes_images_and_texts():
    words = make_pipeline(CountVectorizer(analyzer="char"), LogisticRegression())
    report = audit(words, sentences(60), y, cv=SHUFFLED)
    needs = {f.name: f.evidence for f in report.not_looked_at}
    assert "Rows are texts" in needs["shift"] and "Rows are texts" in needs["too_good_feature"]
    assert not report.leaks and not any("stopped" in evidence for evidence in needs.values())


def test_gaps_nullable_columns_dates_and_categories():
    frame = pd.DataFrame(X, columns=list("abc"))
    frame["n"] = pd.array(rng.randint(5, size=60), dtype="Int64")
    frame.loc[::7, "n"] = pd.NA
    frame["yes"] = pd.array(rng.randint(2, size=60).astype(bool), dtype="boolean")
    report = audit(HistGradientBoostingClassifier(max_iter=3), frame, y, cv=SHUFFLED)
    assert not report.leaks
    assert not any("stopped" in finding.evidence for finding in report)
    frame["day"], frame["place"] = DATES, pd.Categorical(list("ab") * 30)
    frame.loc[3, "day"], frame.loc[4, "place"] = pd.NaT, None
    frame["mixed"] = pd.Series([1, "x", None, pd.NA] * 15, dtype=object)
    assert shared_rows(frame, cv=SHUFFLED).leaked is False
    twice = pd.concat([frame[:30], frame[:30]])
    assert shared_rows(twice, cv=SHUFFLED).leaked is True  # a gap is equal to a gap
    assert shift(frame.sample(frac=1, random_state=0), cv=SHUFFLED).leaked is False


def test_a_feature_is_named_as_well_as_numbered():
    frame = pd.DataFrame({"age": X[:, 0], "died": y + 0.1 * X[:, 1], "size": X[:, 2]})
    assert "Column 1 ('died') alone scores" in too_good_feature(frame, y).evidence
    assert "Column 1 alone scores" in too_good_feature(frame.to_numpy(), y).evidence


# Groups -----------------------------------------------------------------------------------------


def test_rows_without_a_group_are_not_passed_over():
    names = pd.Series([f"P{k:02d}" for k in who], dtype=object)
    names[:5] = None
    numbers = pd.Series(who, dtype=float)
    numbers[:5] = np.nan
    nullable = pd.Series(who, dtype="Int64")
    nullable[:5] = pd.NA
    for groups in (names, numbers, nullable):
        finding = shared_groups(X, groups=groups, cv=GroupKFold(3))
        assert finding.leaked is None and "5 of 60 rows have no group" in finding.evidence
        finding = shared_groups(X, groups=groups, cv=SHUFFLED)
        assert finding.leaked is True and "11 of 11 groups" in finding.evidence
        answers = {f.name: f.leaked for f in audit(LogisticRegression(), X, y, groups=groups)}
        assert answers["shared_groups"] is True and answers["refit"] is False


def test_both_names_of_a_pair_are_looked_at():
    train, test = np.arange(40), np.arange(40, 60)
    left, right = [f"a{k}" for k in range(60)], [f"b{k}" for k in range(60)]
    pairs = np.column_stack([left, right])
    assert shared_groups(X, groups=pairs, cv=[(train, test)]).leaked is False
    pairs[50, 0] = pairs[3, 1]  # first in one pair, second in another
    finding = shared_groups(X, groups=pairs, cv=[(train, test)])
    assert finding.leaked is True and finding.evidence.startswith("1 of 119 groups")
    report = audit(LogisticRegression(), X, y, groups=pairs, cv=[(train, test)])
    assert [f.name for f in report.leaks] == ["shared_groups"]


def test_a_search_within_gets_the_groups():
    search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, cv=GroupKFold(3))
    for estimator in (search, make_pipeline(StandardScaler(), search)):
        report = audit(estimator, X, y, cv=GroupKFold(4), groups=who)
        answers = {finding.name: finding.leaked for finding in report}
        names = ("purity", "refit", "carry_over", "batch_mates", "shared_groups")
        assert [answers[name] for name in names] == [False] * 5
    without = {f.name: f for f in audit(search, X, y)}
    assert without["refit"].leaked is None and "groups" in without["refit"].evidence


# Times ------------------------------------------------------------------------------------------

FORMS = {
    "dates": DATES,
    "objects": list(DATES.date),
    "with a time zone": DATES.tz_localize("Europe/Berlin"),
    "periods": DATES.to_period("D"),
    "ISO": DATES.strftime("%Y-%m-%d"),
    "American": DATES.strftime("%m/%d/%Y"),
    "German, with a clock": DATES.strftime("%d.%m.%Y %H:%M"),
    "with names": DATES.strftime("%d %b %Y"),
    "numbers as texts": [str(n) for n in range(60)],
    "durations": DATES - DATES[0],
}


@pytest.mark.parametrize("form", FORMS)
def test_times_of_any_form_are_in_order(form):
    assert (np.diff(as_times(FORMS[form])) > 0).all()
    assert time_order(X, time=FORMS[form], cv=TimeSeriesSplit(4)).leaked is False
    assert time_order(X, time=FORMS[form], cv=SHUFFLED).leaked is True


BAD_TIMES = {
    "missing": (pd.Series(DATES).where(np.arange(60) % 5 > 0), "missing for 12 of 60 rows"),
    "missing numbers": ([np.nan, *range(59)], "missing for 1 of 60 rows"),
    "None": ([None, *DATES[1:]], "missing for 1 of 60 rows"),
    "two readings": (["03/04/2024", "05/06/2024"] * 30, "as %m/%d/%Y or %d/%m/%Y: '03/04/2024'"),
    "no date": (["2024-01-01", "soon"] * 30, "not all dates of one known form"),
    "two forms": ([*DATES[:-1].strftime("%m/%d/%Y"), "2024-12-31"], "of one known form"),
    "two kinds": ([date(2024, 1, 1), 5] * 30, "of one kind; got date, int"),
    "half a zone": ([DATES[0], DATES.tz_localize("UTC")[1]] * 30, "time zone in some rows only"),
}


@pytest.mark.parametrize("name", BAD_TIMES)
def test_times_that_cannot_be_ordered_are_refused(name):
    times, message = BAD_TIMES[name]
    with pytest.raises(ValueError, match=message):
        time_order(X, time=times, cv=SHUFFLED)
    found = next(f for f in audit(Holding(), X, y, time=times) if f.name == "time_order")
    assert found.leaked is None
    assert "ValueError: time " in found.evidence


@pytest.mark.parametrize("canary", [shared_rows, shift, too_good_feature])
def test_a_tensor_in_bfloat16_is_as_its_numbers_are(canary):
    rows = torch.tensor(X).bfloat16()
    how = {"task": "classification"} if canary is too_good_feature else {"cv": SHUFFLED}
    assert canary(rows, y, **how) == canary(rows.float().numpy(), y, **how)


# Advice -----------------------------------------------------------------------------------------


class Ranks(LogisticRegression):
    """Scales rows by those that are predicted with them."""

    def predict_proba(self, X):
        return super().predict_proba(StandardScaler().fit_transform(X))


def test_advice_fits_the_estimator():
    finding = batch_mates(Ranks(), X, y)
    assert finding.leaked and "net" not in finding.evidence
    assert "no statistics of the rows it is given" in finding.evidence


def test_a_table_without_columns_is_told_in_one_sentence():
    with pytest.raises(ValueError, match="X has no columns"):
        shared_rows(pd.DataFrame(index=range(50)))
