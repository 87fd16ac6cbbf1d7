"""validation_fraction= also takes a splitter, or row numbers of one's own."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    PredefinedSplit,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    TimeSeriesSplit,
    cross_val_score,
)

from helpers import TorchClassifier, TorchRegressor, fused
from helpers.training import train

X, y = load_iris(return_X_y=True)
CLF = TorchClassifier(epochs=3, patience=9, random_state=0)
OWN = [(np.arange(30, 150), np.arange(20))]
GROUPS = np.arange(150) // 7


@pytest.fixture
def parts(monkeypatch):
    """Return a function that fits, and tells which rows were trained on and which watched."""
    jobs = []
    monkeypatch.setattr("helpers.base.train", lambda job: (jobs.append(job), train(job)))

    def of(how, model=CLF, target=y, **options):
        clone(model).set_params(validation_fraction=how).fit(X, target, **options)
        return jobs[-1].rows.numpy(), jobs[-1].valid_rows.numpy()

    return of


def test_the_first_split_of_a_splitter(parts):
    for splitter in (KFold(5), ShuffleSplit(3, test_size=0.3, random_state=1), StratifiedKFold(3)):
        expected = next(splitter.split(X, y))
        for found, rows in zip(parts(splitter), expected, strict=True):
            assert_array_equal(found, rows)


def test_of_a_time_series_all_rows_are_used_and_the_last_are_watched(parts):
    rows, valid_rows = parts(TimeSeriesSplit(4), TorchRegressor(epochs=2, patience=2))
    assert_array_equal(rows, np.arange(120))
    assert_array_equal(valid_rows, np.arange(120, 150))
    rows, valid_rows = parts(TimeSeriesSplit(3, gap=5, test_size=20))
    assert_array_equal(rows, np.arange(125))
    assert_array_equal(valid_rows, np.arange(130, 150))


def test_groups_are_given_to_the_splitter(parts):
    for splitter in (GroupKFold(5), LeaveOneGroupOut()):
        rows, valid_rows = parts(splitter, groups=GROUPS)
        assert not set(GROUPS[rows]) & set(GROUPS[valid_rows])
        assert sorted([*rows, *valid_rows]) == list(range(150))
    with pytest.raises(ValueError, match="needs groups: call fit") as error:
        parts(GroupKFold(5))
    assert "fit(X, y, groups=groups)" in error.value.__notes__[0]
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[150, 149\]"):
        parts(KFold(5), groups=GROUPS[:-1])


def test_rows_of_ones_own(parts):
    for own in (OWN, tuple(OWN), [tuple(map(list, OWN[0]))]):
        rows, valid_rows = parts(own)
        assert_array_equal(rows, OWN[0][0])
        assert_array_equal(valid_rows, OWN[0][1])
    masks = [(np.arange(150) >= 30, np.arange(150) < 20)]
    assert_array_equal(parts(masks)[0], OWN[0][0])
    test_fold = np.where(np.arange(150) < 20, 0, -1)
    assert_array_equal(parts(PredefinedSplit(test_fold))[1], np.arange(20))


def test_rows_of_weight_0_are_left_out_of_both(parts):
    weight = np.ones(150)
    weight[[0, 100]] = 0
    for how in (OWN, PredefinedSplit(np.where(np.arange(150) < 20, 0, -1))):
        rows, valid_rows = parts(how, sample_weight=weight)
        assert_array_equal(valid_rows, np.arange(1, 20))
        assert 100 not in rows
        assert 99 in rows


def test_the_loss_that_is_watched_is_that_of_these_rows():
    clf = clone(CLF).set_params(validation_fraction=OWN, epochs=1).fit(X, y)
    losses = -clf.predict_log_proba(X)[np.arange(150), y]
    assert clf.history_[0]["valid_loss"] == pytest.approx(losses[OWN[0][1]].mean(), rel=1e-12)
    early = TorchClassifier(lr=0.0, patience=2, validation_fraction=OWN).fit(X, y)
    assert early.n_epochs_ == 3


def test_a_splitter_without_a_seed_has_that_of_the_network(parts):
    state = np.random.get_state()[1].tolist()
    splitter = ShuffleSplit(test_size=0.2)
    one, again = parts(splitter)[1], parts(splitter)[1]
    assert splitter.random_state is None
    assert_array_equal(one, again)
    other = parts(splitter, clone(CLF).set_params(random_state=1))[1]
    assert set(one) != set(other)
    assert np.random.get_state()[1].tolist() == state
    drawing = KFold(5, shuffle=True, random_state=np.random.RandomState(0))
    assert_array_equal(parts(drawing)[1], parts(drawing)[1])  # not changed by fit


def test_without_patience_it_is_not_asked():
    clf = TorchClassifier(epochs=1, validation_fraction=[(np.arange(500), [])]).fit(X, y)
    assert "valid_loss" not in clf.history_[0]


@pytest.mark.slow
@pytest.mark.parametrize("how", [TimeSeriesSplit(4), GroupKFold(3), StratifiedKFold(4)])
def test_in_a_search_each_fold_is_split_anew_and_fused_is_plain(how):
    shuffled = np.random.default_rng(0).permutation(150)
    clf = clone(CLF).set_params(validation_fraction=how, epochs=30, patience=3, lr=0.05)
    rows, labels = X[shuffled], y[shuffled]

    def run():
        if isinstance(how, GroupKFold):
            fits = (clone(clf).fit(rows, labels, groups=GROUPS) for _ in range(2))
            return [clf.history_[-1]["valid_loss"] for clf in fits]
        search = GridSearchCV(clf, {"lr": [0.01, 0.1]}, scoring="neg_log_loss", cv=3)
        return search.fit(rows, labels).cv_results_["mean_test_score"]

    plain = run()
    with fused():
        np.testing.assert_allclose(run(), plain, rtol=0, atol=1e-12)


def test_splitters_in_a_grid():
    grid = {"validation_fraction": [0.1, KFold(3), TimeSeriesSplit(3)]}
    search = GridSearchCV(CLF, grid, cv=StratifiedKFold(3, shuffle=True, random_state=0)).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


WRONG = {
    "a class": (KFold, "validation_fraction=KFold is a class"),
    "no pair": ((np.arange(100), np.arange(100, 150)), r"\[\(train, validation\)\]; got array"),
    "one array": ([np.arange(3)], r"\[\(train, validation\)\]"),
    "three": ([(np.arange(3),) * 3], r"\[\(train, validation\)\]"),
    "no numbers": ([(["a"], [1])], r"\[\(train, validation\)\]"),
    "short mask": ([([True, False], [False, True])], r"\[\(train, validation\)\]"),
    "empty": ([], r"validation_fraction=\[\] makes no split of the 150 rows"),
    "nothing to watch": ([(np.arange(100), [])], "leaves no row to watch, of the 150"),
    "nothing to train on": ([([], np.arange(100))], "leaves no row to train on"),
    "too large": ([([0], [150])], "names row 150, but fit was given 150 rows, 0 to 149"),
    "negative": ([([0], [-1])], "names row -1"),
    "in both": ([([0, 7, 8], [8])], "has row 8 in both parts"),
    "text": ("time", r"'validation_fraction'.*float in the range.*'split'.*Got 'time'"),
    "generator": (KFold(3).split(X), r"'validation_fraction'.*'list'.*Got <generator"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_split_is_refused(case):
    how, words = WRONG[case]
    clf = TorchClassifier(epochs=1, patience=1).fit(X, y)
    network = clf.module_
    clf.validation_fraction = how
    with pytest.raises(ValueError, match=words):
        clf.fit(X, y)
    assert clf.module_ is network


def test_rows_of_ones_own_in_a_fold_are_refused():
    with pytest.raises(ValueError, match="these are the rows of one fold.*TimeSeriesSplit"):
        cross_val_score(clone(CLF).set_params(validation_fraction=OWN), X, y, error_score="raise")


def test_lists_are_split_as_arrays_are():
    clf = clone(CLF).set_params(validation_fraction=KFold(5)).fit(X.tolist(), y.tolist())
    assert_array_equal(clf.predict(X), clone(clf).fit(X, y).predict(X))


def test_patience_says_how_many_groups_each_part_needs():
    X, y = np.ones((40, 2)), np.arange(40) % 2
    with pytest.raises(ValueError, match="here 1 of 1; it needs one .*, 1 at least in each"):
        TorchClassifier(patience=2).fit(X, y, groups=np.zeros(40))


@pytest.mark.parametrize("splitter", [GroupKFold(3), StratifiedGroupKFold(3), LeaveOneGroupOut()])
def test_a_splitter_that_needs_groups_asks_for_them(splitter):
    clf = TorchClassifier(epochs=1, patience=2, validation_fraction=splitter, random_state=0)
    said = rf"^validation_fraction={type(splitter).__name__}\(...\) needs groups: call fit\(X, y, "
    with pytest.raises(ValueError, match=said + "groups=...") as error:
        clf.fit(X, y)
    assert "A search does not hand on its own groups" in error.value.__notes__[0]
    clf.fit(X, y, groups=np.arange(len(X)) % 5)


def test_a_splitter_without_groups_is_not_told_of_them():
    clf = TorchClassifier(epochs=1, patience=2, validation_fraction=StratifiedKFold(len(X)))
    with pytest.raises(ValueError, match="n_splits") as error:
        clf.fit(X, y)
    assert error.value.__notes__ == [
        f"validation_fraction=StratifiedKFold(...) was to split the {len(X)} rows given to fit."
    ]


@pytest.mark.parametrize(
    "how, said",
    [
        (KFold(3), r"KFold\(...\) leaves no row of class 'setosa' to train on"),
        (KFold(5), r"KFold\(...\) has patience watch rows of class 'setosa' alone"),
        ([(range(100), range(100, 150))], r"\[.*\] leaves no row of class 'virginica' to train"),
        (0.1, "0.1 has patience watch rows of class '.*' alone"),
    ],
)
def test_sorted_rows_of_which_a_class_is_not_trained_or_watched_alone(how, said):
    names = np.array(["setosa", "versicolor", "virginica"], dtype=object)[y]
    with pytest.warns(UserWarning, match=f"validation_fraction={said}.*Stratified"):
        clone(CLF).set_params(validation_fraction=how).fit(X, names, groups=np.arange(150) // 25)


@pytest.mark.parametrize(
    "n_of_class, how, said",
    [
        ([5, 85], 0.1, "0.1 has patience watch rows of class 0 alone. Give another share.$"),
        ([1, 89], StratifiedKFold(5), "leaves no row of class 1 to train on. A share, such as"),
    ],
)
def test_the_cure_for_classes_of_few_rows_works(n_of_class, how, said, recwarn):
    target = np.repeat([1, 0], n_of_class)
    clf = clone(CLF).set_params(validation_fraction=how)
    with pytest.warns(UserWarning, match=said):
        clf.fit(X[:90], target)
    recwarn.clear()  # StratifiedKFold has warned, too
    clf.set_params(validation_fraction=0.2 if how == 0.1 else 0.1).fit(X[:90], target)
    assert not recwarn


def test_one_class_alone_is_watched_where_others_have_no_two_rows(recwarn):
    clf = clone(CLF).set_params(validation_fraction=KFold(5, shuffle=True))
    clf.fit(X[:100], y[:100], sample_weight=np.repeat([0, 1], 50))  # of weight 0 are left out
    clf.set_params(validation_fraction=0.1).fit(X[:51], y[:51])  # one of 51 is of another class
    assert not recwarn


def test_splits_that_mix_classes_are_not_accused(recwarn):
    for how in (0.1, StratifiedKFold(10), KFold(10, shuffle=True), GroupKFold(5)):
        groups = np.arange(150) % 10 if isinstance(how, GroupKFold) else None
        clone(CLF).set_params(validation_fraction=how).fit(X, y, groups=groups)
    TorchRegressor(epochs=1, patience=1, validation_fraction=KFold(3)).fit(X, y)
    assert not recwarn
