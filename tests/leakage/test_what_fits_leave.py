"""What one fit or prediction leaves for the next, in files and in the object."""

import os
import sqlite3
from contextlib import closing, nullcontext
from functools import partial
from tempfile import TemporaryDirectory

import joblib
import numpy as np
import pytest
from sklearn.model_selection import KFold
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier

from helpers import audit, carry_over, refit
from helpers.data import coin_flips

X, y = coin_flips(90, 6)


class Dumping(GaussianNB):
    """Writes itself to a file, and reads it again."""

    def __init__(self, open_folder=TemporaryDirectory):
        super().__init__()
        self.open_folder = open_folder

    def fit(self, X, y):
        super().fit(X, y)
        with self.open_folder() as folder:
            part, whole = os.path.join(folder, "part"), os.path.join(folder, "whole")
            joblib.dump(vars(self), part)
            os.replace(part, whole)  # so that nobody reads half a file
            vars(self).update(joblib.load(whole))
        return self


def test_a_file_that_fit_removes_is_none_that_a_later_fit_reads(tmp_path):
    assert refit(Dumping(), X, y).leaked is False
    finding = refit(Dumping(partial(nullcontext, tmp_path)), X, y)
    assert finding.leaked is None and f"fit left {tmp_path / 'whole'}" in finding.evidence


class Stored(KNeighborsClassifier):
    """Keeps the rows of every fit in a database that no parameter names, or only reads one."""

    path, reads_only = None, False

    def fit(self, X, y):
        with closing(sqlite3.connect(self.path)) as database, database:
            if not self.reads_only:
                database.execute("create table if not exists rows (row, label)")
                rows = [(row.tobytes(), int(label)) for row, label in zip(X, y, strict=True)]
                database.executemany("insert into rows values (?, ?)", rows)
            kept = database.execute("select * from rows").fetchall()
        rows, labels = zip(*kept, strict=True)
        return super().fit([np.frombuffer(row) for row in rows], labels)


@pytest.mark.slow
def test_a_database_that_fit_fills_is_a_file_that_it_leaves(tmp_path, monkeypatch):
    monkeypatch.setattr(Stored, "path", str(tmp_path / "rows.db"))
    finding = refit(Stored(1), X, y)
    assert finding.leaked is None and f"fit left {Stored.path}" in finding.evidence
    monkeypatch.setattr(Stored, "reads_only", True)
    os.utime(Stored.path, (0, 0))
    assert refit(Stored(1), X, y).leaked is False


class KeptForAll(GaussianNB):
    """Is fitted once for all, and read from a file from then on."""

    path = None

    def fit(self, X, y):
        super().fit(X, y)
        if not os.path.exists(self.path):
            joblib.dump(vars(self), self.path)
        vars(self).update(joblib.load(self.path))
        return self


@pytest.mark.slow
def test_no_canary_of_an_audit_leaves_a_file_that_refit_then_finds(tmp_path, monkeypatch):
    monkeypatch.setattr(KeptForAll, "path", tmp_path / "model")
    report = audit(KeptForAll(), X, y)
    assert [finding.name for finding in report[:2]] == ["purity", "refit"]
    assert report[1].leaked is None and f"fit left {KeptForAll.path}" in report[1].evidence


class Best(KNeighborsClassifier):
    """Goes on with the best of all fits."""

    def fit(self, X, y, best={"score": -1}):  # noqa: B006
        score = GaussianNB().fit(X, y).score(X, y)
        if score > best["score"]:
            best.update(score=score, rows=X, labels=y)
        return super().fit(best["rows"], best["labels"])


@pytest.mark.slow
def test_the_best_of_several_fits_is_seen_in_memory_as_in_files():
    found = [refit(Best(1), X, y, random_state=seed).leaked for seed in range(6)]
    assert found.count(True) >= 5 and False not in found


class Remembering(GaussianNB):
    """Predicts a row only once, as `functools.cache` on a method does."""

    def __init__(self, forgets=False):
        super().__init__()
        self.forgets = forgets
        self.known = {}

    def fit(self, X, y):
        if self.forgets:
            self.known = {}
        return super().fit(X, y)

    def predict_proba(self, X):
        new = super().predict_proba(X)
        pairs = zip(X, new, strict=True)
        return np.array([self.known.setdefault(row.tobytes(), shares) for row, shares in pairs])


def test_predictions_that_outlive_a_fit_are_seen():
    assert refit(Remembering(), X, y).leaked is True
    assert refit(Remembering(forgets=True), X, y).leaked is False


class Hoarding(KNeighborsClassifier):
    """Keeps the rows of every fit."""

    def fit(self, X, y):
        self.rows = np.vstack([getattr(self, "rows", X[:0]), X])
        self.labels = np.concatenate([getattr(self, "labels", y[:0]), y])
        return super().fit(self.rows, self.labels)


def test_an_honest_score_above_chance_is_asked_for_again():
    cv = KFold(5, shuffle=True, random_state=0)
    rows, coins = np.random.RandomState(3).normal(size=(100, 4)), np.arange(100) % 2
    for seed in (133, 232):  # of 250, with which the labels agree with the rows by chance
        for folds in (cv, cv.split(rows)):  # an iterator gives them once
            found = carry_over(GaussianNB(), rows, coins, cv=folds, random_state=seed)
            assert found.leaked is False
    assert carry_over(Hoarding(1), rows, coins, cv=cv).leaked is True
