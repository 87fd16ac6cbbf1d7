"""Answers to assignment 05_leakage_gallery: wrong ones, the points they lose, and right ones."""

GENES = """
def learn_genes(X, y, train, test, k=20):
    {first}
    clf = make_pipeline(SimpleImputer(), SelectKBest(k=k), LogisticRegression())
    return clf.fit(X[train], y[train])
"""
FIRST_SELECTED = """
def learn_genes(X, y, train, test, k=20):
    keep = SelectKBest(k=k).fit(SimpleImputer().fit_transform(X), y).get_support()
    clf = make_pipeline(SimpleImputer(), Columns(keep), LogisticRegression())
    return clf.fit(X[train], y[train])


from sklearn.base import BaseEstimator, TransformerMixin


class Columns(TransformerMixin, BaseEstimator):
    def __init__(self, keep):
        self.keep = keep

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X[:, self.keep]
"""
IMPUTED = """X = X.copy()
    for label in np.unique(y):
        X[y == label] = SimpleImputer().fit_transform(X[y == label])"""


def genes(steps, rows="train"):
    return {
        "learn_genes": "from sklearn.ensemble import RandomForestClassifier\n"
        "from sklearn.preprocessing import FunctionTransformer\n"
        "from sklearn.svm import SVC\n\n\n"
        "def learn_genes(X, y, train, test, k=20):\n"
        f"    clf = make_pipeline(SimpleImputer(), {steps})\n"
        f"    return clf.fit(X[{rows}], y[{rows}])\n"
    }


SPLITTERS = "from sklearn.model_selection import GroupKFold, TimeSeriesSplit\n\n\n"
MEANS_OF_ALL = """
def learn_genes(X, y, train, test, k=20):
    impute = SimpleImputer().fit(X)
    clf = make_pipeline(SelectKBest(k=k), LogisticRegression())
    return make_pipeline(impute, clf.fit(impute.transform(X[train]), y[train]))
"""
MEANS_BESIDE = """
from sklearn.preprocessing import FunctionTransformer


def learn_genes(X, y, train, test, k=20):
    fill = FunctionTransformer(lambda X: np.where(np.isnan(X), np.nanmean(X, axis=0), X))
    clf = make_pipeline(fill, SelectKBest(k=k), LogisticRegression())
    return clf.fit(X[train], y[train])
"""
FILLED_BY_LABEL = """
def learn_genes(X, y, train, test, k=20):
    impute, filled = SimpleImputer().fit(X[train]), X.copy()
    for label in np.unique(y):
        rows = train[y[train] == label]
        filled[rows] = SimpleImputer(keep_empty_features=True).fit_transform(X[rows])
    clf = make_pipeline(SelectKBest(k=k), LogisticRegression())
    return make_pipeline(impute, clf.fit(filled[train], y[train]))
"""


def clinic(cv):
    return {"clinic_folds": f"{SPLITTERS}def clinic_folds(table):\n    return list({cv})\n"}


def market(body):
    return {"market_folds": f"{SPLITTERS}def market_folds(table):\n    {body}\n"}


def rare(body):
    return {"learn_rare": f"def learn_rare(X, y, train, test, seed):\n    {body}\n"}


# Right in another form than the solution: each keeps all points.
ALSO_RIGHT = {
    "a predictor of one's own, that answers with a list": {
        "learn_genes": """
from sklearn.svm import LinearSVC


class Predictor:
    def __init__(self, model):
        self.model = model

    def predict(self, X):
        return self.model.predict(X).tolist()


def learn_genes(X, y, train, test, k=20):
    steps = SimpleImputer(strategy="median"), StandardScaler(), SelectKBest(k=k)
    return Predictor(make_pipeline(*steps, LinearSVC(C=0.01)).fit(X[train], y[train]))
"""
    },
    "a support vector machine, in which some rows have no weight": genes(
        "SelectKBest(k=k), SVC(kernel='linear')"
    ),
    "persons dealt by hand, one pair after the other": {
        "clinic_folds": """
def clinic_folds(table):
    names = np.unique(table["person"])
    for number in range(5):
        tested = np.isin(table["person"], names[number::5])
        yield np.flatnonzero(~tested), np.flatnonzero(tested).tolist()
"""
    },
    "names in an array": {
        "ward_columns": "def ward_columns():\n"
        '    return np.array(["pulse", "protein", "fever", "age"])\n'
    },
    "days by hand, a week left out": market(
        "day = table['day']\n"
        "    firsts = [len(day) * part // 4 for part in (1, 2, 3)]\n"
        "    return [(np.flatnonzero(day < first - 7),\n"
        "             np.flatnonzero((day >= first) & (day < first + 40))) for first in firsts]"
    ),
    "healthy rows left out": rare(
        "ill = train[y[train] == 1]\n"
        "    rng = np.random.default_rng(seed)\n"
        "    healthy = rng.choice(train[y[train] == 0], len(ill), replace=False)\n"
        "    rows = np.concatenate([ill, healthy])\n"
        "    clf = KNeighborsClassifier(5).fit(X[rows], y[rows])\n"
        "    return [clf, np.float32(y[test][clf.predict(X[test]) == 1].mean())]"
    ),
    "letters in a string": {"too_good": 'def too_good():\n    return "hgdb"\n'},
}

WRONG = {
    "genes selected on all rows": ({"learn_genes": FIRST_SELECTED}, {"test_genes_many": 1.0}),
    "gaps filled within each class": (
        {"learn_genes": GENES.format(first=IMPUTED)},
        {"test_genes_gaps": 1.0},
    ),
    "visits shuffled": (
        clinic('StratifiedKFold(5, shuffle=True, random_state=1).split(table["X"], table["ill"])'),
        {"test_clinic_folds": 2.0},
    ),
    "days shuffled": (
        market('return list(KFold(5, shuffle=True, random_state=1).split(table["X"]))'),
        {"test_market_order": 1.0, "test_market_known": 1.0},
    ),
    "oversampled before the split": (
        rare(
            "X, y = oversample(X, y, seed)\n"
            "    rows = train_test_split(np.arange(len(y)), test_size=0.3, random_state=seed)\n"
            "    clf = KNeighborsClassifier(5).fit(X[rows[0]], y[rows[0]])\n"
            "    found = precision_score(y[rows[1]], clf.predict(X[rows[1]]), zero_division=0)\n"
            "    return clf, found"
        ),
        {"test_rare_classifier": 1.0, "test_rare_precision": 1.0},
    ),
    "all of them leak": (
        {"too_good": 'def too_good():\n    return set("abcdefgh")\n'},
        {"test_too_good": 2.0},
    ),
    "the test rows oversampled as well": (
        rare(
            "clf = KNeighborsClassifier(5).fit(*oversample(X[train], y[train], seed))\n"
            "    X_test, y_test = oversample(X[test], y[test], seed)\n"
            "    return clf, precision_score(y_test, clf.predict(X_test), zero_division=0)"
        ),
        {"test_rare_precision": 1.0},
    ),
    "in order, but targets not yet known": (
        market(
            'rows = np.argsort(table["day"])\n'
            "    return [(rows[i], rows[j]) for i, j in TimeSeriesSplit(5).split(rows)]"
        ),
        {"test_market_known": 1.0},
    ),
    "grouped by device": (
        clinic('GroupKFold(5).split(table["X"], table["ill"], table["device"])'),
        {"test_clinic_folds": 2.0},
    ),
    "an honest column dropped": (
        {"ward_columns": 'def ward_columns():\n    return ["age", "fever", "pulse"]\n'},
        {"test_ward_columns": 0.5},
    ),
    "every column kept": (
        {"ward_columns": "def ward_columns():\n    return columns\n"},
        {"test_ward_columns": 2.0},
    ),
    "gaps filled with means of all rows": (
        {"learn_genes": MEANS_OF_ALL},
        {"test_genes_gaps": 1.0},
    ),
    "gaps filled with means of the rows beside a row": (
        {"learn_genes": MEANS_BESIDE},
        {"test_genes_gaps": 1.0},
    ),
    "the order of the table taken for that of time": (
        market('return list(TimeSeriesSplit(5, gap=7).split(table["X"]))'),
        {"test_market_order": 1.0, "test_market_known": 1.0},
    ),
    "what predicts best dropped": (
        {
            "ward_columns": "def ward_columns():\n"
            '    return ["age", "fever", "doses", "pulse", "letter"]\n'
        },
        {"test_ward_columns": 1.5},
    ),
    "the ill of all rows copied": (
        rare(
            "ill = np.random.default_rng(seed).choice(np.flatnonzero(y), len(train) * 8 // 10)\n"
            "    rows = np.r_[train, ill]\n"
            "    clf = KNeighborsClassifier(5).fit(X[rows], y[rows])\n"
            "    return clf, precision_score(y[test], clf.predict(X[test]), zero_division=0)"
        ),
        {"test_rare_classifier": 1.0},
    ),
    "not balanced": (
        rare(
            "clf = KNeighborsClassifier(5).fit(X[train], y[train])\n"
            "    return clf, precision_score(y[test], clf.predict(X[test]), zero_division=0)"
        ),
        {"test_rare_classifier": 1.0},
    ),
    "k is ignored": (genes("SelectKBest(k=20), LogisticRegression()"), {"test_genes_many": 1.0}),
    "the first k columns": (
        genes("FunctionTransformer(lambda X: X[:, :k]), LogisticRegression()"),
        {"test_genes_many": 1.0},
    ),
    "a random forest": (
        genes("SelectKBest(k=k), RandomForestClassifier(50, random_state=0)"),
        {"test_genes_many": 1.0},
    ),
    "ten training rows": (
        genes("SelectKBest(k=k), LogisticRegression()", "train[:10]"),
        {"test_genes_many": 1.0},
    ),
    "half of the training rows": (
        genes("SelectKBest(k=k), LogisticRegression()", "train[::2]"),
        {"test_genes_many": 1.0},
    ),
    "probabilities for labels": (
        {
            "learn_genes": """
class Probabilities:
    def __init__(self, model):
        self.model = model

    def predict(self, X):
        return self.model.predict_proba(X)[:, 1]


def learn_genes(X, y, train, test, k=20):
    clf = make_pipeline(SimpleImputer(), SelectKBest(k=k), LogisticRegression())
    return Probabilities(clf.fit(X[train], y[train]))
"""
        },
        {"test_genes_many": 1.0, "test_genes_gaps": 1.0},
    ),
    "the same pair three times": (
        market("pair = np.argsort(table['day'])\n    return [(pair[:100], pair[150:])] * 3"),
        {"test_market_order": 1.0, "test_market_known": 1.0},
    ),
    "ten training visits": (
        clinic('(a[:10], b) for a, b in GroupKFold(5).split(table["X"], groups=table["person"])'),
        {"test_clinic_folds": 2.0},
    ),
    "ten training rows of the rare disease": (
        rare(
            "X_few, y_few = oversample(X[train], y[train], seed)\n"
            "    few = np.r_[:5, -5:0]\n"
            "    clf = KNeighborsClassifier(5).fit(X_few[few], y_few[few])\n"
            "    return clf, precision_score(y[test], clf.predict(X[test]), zero_division=0)"
        ),
        {"test_rare_classifier": 1.0},
    ),
    "gaps of training rows filled within each class": (
        {"learn_genes": FILLED_BY_LABEL},
        {"test_genes_gaps": 1.0},
    ),
    "a Pipeline for the classifier alone": (
        rare(
            "clf = make_pipeline(StandardScaler(), KNeighborsClassifier(5))\n"
            "    clf.fit(*oversample(X[train], y[train], seed))\n"
            "    return clf, precision_score(y[test], clf.predict(X[test]), zero_division=0)"
        ),
        {"test_rare_classifier": 1.0},
    ),
    "each of the ill three more times": (
        rare(
            "ill = train[y[train] == 1]\n"
            "    rows = np.r_[train, np.tile(ill, 3)]\n"
            "    clf = KNeighborsClassifier(5).fit(X[rows], y[rows])\n"
            "    return clf, precision_score(y[test], clf.predict(X[test]), zero_division=0)"
        ),
        {"test_rare_classifier": 1.0},
    ),
    "whatever touches all rows suspected": (
        {"too_good": 'def too_good():\n    return set("abdfgh")\n'},
        {"test_too_good": 1.0},
    ),
}
TYPICAL = list(WRONG)[:4]
# The hidden tests once gave these all points, and ask for more since then.
ONCE_PASSED = [
    "k is ignored",
    "the first k columns",
    "a random forest",
    "the same pair three times",
    "ten training visits",
    "ten training rows of the rare disease",
    "gaps filled with means of the rows beside a row",
    "half of the training rows",
    "gaps of training rows filled within each class",
    "each of the ill three more times",
]
# Words that each of these is told in one of its tests.
SAID = {
    "genes selected on all rows": "labels of test rows were used",
    "probabilities for labels": "does `predict` return labels?",
    "a Pipeline for the classifier alone": "got a Pipeline",
}
