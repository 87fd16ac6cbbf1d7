"""Answers to assignment 03_grid_search: wrong ones, the points they lose, and right ones."""

SMALLEST = """
def smallest(search):
    results, best = search.cv_results_, search.best_index_
    folds = np.array([results[f"split{{i}}_test_score"][best] for i in range(search.n_splits_)])
    enough = results["mean_test_score"] >= search.best_score_ - {deviation}
    return min(p["module__hidden"] for p, good in zip(results["params"], enough) if good)
"""

SEARCH = """
def make_search(seed):
    clf = {clf}
    grid = {{
        "torchclassifier__lr": [0.0001, 0.03],
        "torchclassifier__module__hidden": [4, 16],
    }}
    return GridSearchCV(clf, grid, cv={cv}{more})
"""
CLF = "make_pipeline(StandardScaler(), TorchClassifier(epochs=20, random_state=seed))"
CV = "StratifiedKFold(3, shuffle=True, random_state=seed)"

STUDY = """
def study(search, X, y, seed):
    {first}
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.25, stratify=y, random_state=seed
    )
    search = {search}.fit({rows})
    {then}
    return {{"params": {params}, "cv": search.best_score_, "test": {test}}}
"""
HONEST = {
    "first": "pass",
    "search": "clone(search)",
    "rows": "X_train, y_train",
    "then": "pass",
    "params": "search.best_params_",
    "test": "search.score(X_test, y_test)",
}
BY_TEST = """candidates = [
        clone(search.estimator).set_params(**params).fit(X_train, y_train)
        for params in search.cv_results_["params"]
    ]
    scores = [candidate.score(X_test, y_test) for candidate in candidates]
    chosen = int(np.argmax(scores))"""
FIRST = "first = clone(search.estimator).set_params(**search.cv_results_['params'][0])"


def search(clf=CLF, cv=CV, more=""):
    return {"make_search": SEARCH.format(clf=clf, cv=cv, more=more)}


def study(**changes):
    return {"study": STUDY.format(**HONEST | changes)}


# Right in another form than the solution: each keeps all points.
ALSO_RIGHT = {
    "a Pipeline with names of its own": {
        "make_search": """
from sklearn.pipeline import Pipeline


def make_search(seed):
    clf = TorchClassifier(epochs=20, random_state=seed)
    steps = [("scale", StandardScaler()), ("network", clf)]
    grid = [{"network__lr": [lr], "network__module__hidden": [4, 16]} for lr in (0.0001, 0.03)]
    folds = StratifiedKFold(3, shuffle=True, random_state=np.random.RandomState(seed))
    return GridSearchCV(Pipeline(steps), grid, cv=folds)
"""
    },
    "the epochs in the grid": {
        key: source.replace(
            '"torchclassifier__lr"',
            '"torchclassifier__epochs": [20],\n        "torchclassifier__lr"',
        )
        for key, source in search(clf=CLF.replace("epochs=20, ", "")).items()
    },
    "whole networks in the grid": {
        "make_search": """
def make_search(seed):
    networks = [
        TorchClassifier(epochs=20, lr=lr, module__hidden=hidden, random_state=seed)
        for lr in (0.0001, 0.03)
        for hidden in (4, 16)
    ]
    model = make_pipeline(StandardScaler(), networks[0])
    folds = StratifiedKFold(3, shuffle=True, random_state=seed)
    return GridSearchCV(model, {"torchclassifier": networks}, cv=folds)
"""
    },
    "the share of right answers in float32": study(
        first="from copy import deepcopy",
        search="deepcopy(search)",
        params='search.cv_results_["params"][search.best_index_]',
        test="torch.tensor(search.predict(X_test) == y_test).float().mean().item()",
    ),
    "folds counted by the splitter": {
        "fold_spread": """
def fold_spread(search):
    numbers = range(search.cv.get_n_splits())
    scores = [search.cv_results_[f"split{i}_test_score"][search.best_index_] for i in numbers]
    return np.array([np.mean(scores), np.std(scores, ddof=1)])
"""
    },
    "the deviation from std_test_score": {
        "smallest": SMALLEST.format(
            deviation="np.sqrt(search.n_splits_ / (search.n_splits_ - 1))"
            ' * results["std_test_score"][best]'
        )
    },
    "predictions compared by accuracy_score": study(
        first="from sklearn.metrics import accuracy_score",
        test="accuracy_score(y_test, search.predict(X_test))",
    ),
    "a number of NumPy": {
        "smallest": """
def smallest(search):
    from sklearn.utils.validation import check_is_fitted

    check_is_fitted(search)
    results, hidden = search.cv_results_, search.cv_results_["param_module__hidden"]
    folds = [results[key] for key in results if key.startswith("split")]
    deviation = np.std(np.array(folds)[:, search.best_index_], ddof=1)
    return hidden[results["mean_test_score"] >= search.best_score_ - deviation].min()
"""
    },
}

WRONG = {
    "scaled before the split": (
        study(first="X = StandardScaler().fit_transform(X)"),
        {"test_study_choice": 2.0},
    ),
    "tuned on the test rows": (
        study(then=BY_TEST, params='search.cv_results_["params"][chosen]', test="max(scores)"),
        {"test_study_choice": 2.0},
    ),
    "best_score_ for the test score": (
        study(test="search.best_score_"),
        {"test_study_look": 2.0},
    ),
    "unseeded folds": (
        search(cv="StratifiedKFold(3, shuffle=True)"),
        {"test_folds": 1.0},
    ),
    "not scaled": (
        search(
            clf='__import__("sklearn").pipeline.Pipeline([("torchclassifier", '
            "TorchClassifier(epochs=20, random_state=seed))])"
        ),
        {"test_search": 2.0},
    ),
    "networks unseeded": (
        search(clf=CLF.replace("random_state=seed", "random_state=None")),
        {"test_network_seed": 1.0},
    ),
    "networks always seeded alike": (
        search(clf=CLF.replace("random_state=seed", "random_state=0")),
        {"test_network_seed": 1.0},
    ),
    "each batch scaled by itself": (
        search(
            clf='make_pipeline(__import__("sklearn").preprocessing.FunctionTransformer('
            '__import__("sklearn").preprocessing.scale), '
            "TorchClassifier(epochs=20, random_state=seed))"
        ),
        {"test_search": 2.0},
    ),
    "searched on all rows": (
        study(
            rows="X, y",
            test="clone(search.best_estimator_).fit(X_train, y_train).score(X_test, y_test)",
        ),
        {"test_study_choice": 2.0},
    ),
    "unshuffled folds": (search(cv="3"), {"test_folds": 1.0}),
    "random parts in place of folds": (
        search(
            cv='__import__("sklearn").model_selection.StratifiedShuffleSplit('
            "3, test_size=1 / 3, random_state=seed)"
        ),
        {"test_folds": 1.0},
    ),
    "another candidate than the one named": (
        study(then=FIRST, test="first.fit(X_train, y_train).score(X_test, y_test)"),
        {"test_study_look": 2.0},
    ),
    "the test rows scored twice": (
        study(
            then="print(search.score(X_train, y_train), search.score(X_test, y_test))",
        ),
        {"test_study_choice": 2.0},
    ),
    "always the first candidate": (
        study(
            then=FIRST,
            params='search.cv_results_["params"][0]',
            test="first.fit(X_train, y_train).score(X_test, y_test)",
        ),
        {"test_study_choice": 2.0},
    ),
    "the score of the worst over the folds": (
        study(then='search.best_score_ = search.cv_results_["mean_test_score"].min()'),
        {"test_study_choice": 2.0},
    ),
    "the search that was handed in is fitted": (
        study(search="search"),
        {"test_study_choice": 2.0},
    ),
    "spread over candidates": (
        {
            "fold_spread": """
def fold_spread(search):
    return search.best_score_, np.std(search.cv_results_["mean_test_score"], ddof=1)
"""
        },
        {"test_spread": 1.0},
    ),
    "the smallest of all": (
        {"smallest": SMALLEST.format(deviation="1")},
        {"test_smallest": 2.0},
    ),
    **{
        who: ({"smallest": SMALLEST.format(deviation=deviation)}, {"test_smallest": 2.0})
        for who, deviation in {
            "within one standard error": "np.std(folds, ddof=1) / len(folds) ** 0.5",
            "within two deviations": "2 * np.std(folds, ddof=1)",
            "the root of the sum of squares": "np.sqrt(np.sum((folds - folds.mean()) ** 2))",
            "the deviation of the first two folds": "np.std(folds[:2], ddof=1)",
            "the deviation of two folds from that of many": (
                'results["std_test_score"][best] * 2**0.5'
            ),
        }.items()
    },
    "closer than one deviation": (
        {"smallest": SMALLEST.format(deviation="np.std(folds, ddof=1)").replace(">=", ">")},
        {"test_smallest": 2.0},
    ),
    "another learning rate": (
        {key: source.replace("0.0001", "0.001") for key, source in search().items()},
        {"test_search": 2.0},
    ),
    "more epochs": (search(clf=CLF.replace("20", "40")), {"test_search": 2.0}),
    **{
        f"scaled by {scaler}": (
            search(
                clf=CLF.replace("StandardScaler", f'__import__("sklearn").preprocessing.{scaler}')
            ),
            {"test_search": 2.0},
        )
        for scaler in ("MinMaxScaler", "MaxAbsScaler", "RobustScaler")
    },
    "the mean is not subtracted": (
        search(clf=CLF.replace("StandardScaler()", "StandardScaler(with_mean=False)")),
        {"test_search": 2.0},
    ),
    **{
        f"with {setting}": (
            search(clf=CLF.replace("epochs=20", f"epochs=20, {setting}")),
            {"test_search": 2.0},
        )
        for setting in ("batch_size=32", "patience=5", "weight_decay=0.01")
    },
    "compared by the area under the curve": (
        search(more=', scoring="roc_auc"'),
        {"test_search": 2.0},
    ),
    "the best": (
        {"smallest": 'def smallest(search):\n    return search.best_params_["module__hidden"]\n'},
        {"test_smallest": 2.0},
    ),
}
TYPICAL = list(WRONG)[:4]
# The hidden tests once gave these all points, and ask for more since then.
ONCE_PASSED = [
    "the test rows scored twice",
    "closer than one deviation",
    "within two deviations",
    "the root of the sum of squares",
    "the deviation of the first two folds",
    "the deviation of two folds from that of many",
    "another learning rate",
    "more epochs",
    "scaled by RobustScaler",
    "the mean is not subtracted",
    "with weight_decay=0.01",
    "compared by the area under the curve",
    "random parts in place of folds",
]
