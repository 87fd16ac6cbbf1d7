"""Answers to assignment 06_honest_estimates: wrong ones, the points they lose, and right ones."""

PERMUTE = """
def permutation_p(score, X, y, n, seed):
    rng, real = np.random.default_rng({seed}), score(X, y)
    {first}
    as_high = sum(score(X, {labels}) {at_least} real for _ in range(n))
    return {p}
"""
HONEST = {"seed": "seed", "first": "pass", "labels": "rng.permutation(y)", "at_least": ">="}


def permute(p="(1 + as_high) / (1 + n)", **changes):
    return {"permutation_p": PERMUTE.format(p=p, **HONEST | changes)}


SEARCH_P = """
def search_p(estimator, grid, X, y, n, seed):
    def best(labels):
        search = GridSearchCV(estimator, grid, cv={cv}).fit(X, labels)
        return search.{score}

    real, rng = best(y), np.random.default_rng({seed})
    return (1 + sum(best(rng.permutation(y)) >= real for _ in range(n))) / (1 + n)
"""


def search_p(cv="3", score="best_score_", seed="seed"):
    return {"search_p": SEARCH_P.format(cv=cv, score=score, seed=seed)}


NESTED = {"outer": "StratifiedKFold(5, shuffle=True, random_state=seed)", "inner": "3"}
RANDOM_PARTS = """
def nested(estimator, grid, X, y, seed):
    from sklearn.model_selection import StratifiedShuffleSplit

    return cross_val_score(GridSearchCV(estimator, grid, cv={inner}), X, y, cv={outer})
"""

# Right in another form than the solution: each keeps all points.
ALSO_RIGHT = {
    "simulated": {
        "best_of": """
def best_of(k, n, p=0.5):
    return np.random.default_rng(0).binomial(n, p, size=(4000, k)).max(axis=1).mean() / n
"""
    },
    "a loop over the outer folds": {
        "nested": """
def nested(estimator, grid, X, y, seed):
    scores = []
    inner = StratifiedKFold(3, shuffle=True, random_state=seed)
    for rows, fold in StratifiedKFold(5, shuffle=True, random_state=seed).split(X, y):
        search = GridSearchCV(estimator, grid, cv=inner).fit(X[rows], y[rows])
        scores.append(search.score(X[fold], y[fold]))
    return scores
"""
    },
    "an array of two": {
        "over_seeds": """
def over_seeds(make, X, y, seeds):
    folds, scores = StratifiedKFold(5), []
    for seed in seeds:
        clf = make(seed)
        scores.append(np.mean([
            clf.fit(X[rows], y[rows]).score(X[fold], y[fold]) for rows, fold in folds.split(X, y)
        ]))
    return np.array([np.mean(scores), np.std(scores, ddof=1)])
"""
    },
    "the real score asked each time": {
        "permutation_p": """
def permutation_p(score, X, y, n, seed):
    rng = np.random.RandomState(seed)
    labelings = [y] + [y[rng.permutation(len(y))] for _ in range(n)]
    return np.mean([score(X, labels) >= score(X, y) for labels in labelings])
"""
    },
    "by the p-value of the question before": {
        "search_p": """
def search_p(estimator, grid, X, y, n, seed):
    def score(X, y):
        return GridSearchCV(estimator, grid, cv=3).fit(X, y).best_score_

    return np.float32(permutation_p(score, X, y, n, seed))
"""
    },
}

WRONG = {
    "tuned outside the folds": (
        {
            "nested": """
def nested(estimator, grid, X, y, seed):
    outer = StratifiedKFold(5, shuffle=True, random_state=seed)
    chosen = GridSearchCV(estimator, grid, cv=outer).fit(X, y).best_estimator_
    return cross_val_score(chosen, X, y, cv=outer)
"""
        },
        {"test_nested_score": 2.0, "test_nested_rows": 1.0},
    ),
    "unseeded folds": (
        {
            "nested": """
def nested(estimator, grid, X, y, seed):
    search = GridSearchCV(estimator, grid, cv=3)
    return cross_val_score(search, X, y, cv=StratifiedKFold(5, shuffle=True))
"""
        },
        {"test_nested_rows": 1.0},
    ),
    "the best seed": (
        {
            "over_seeds": """
def over_seeds(make, X, y, seeds):
    scores = [cross_val_score(make(seed), X, y, cv=StratifiedKFold(5)) for seed in seeds]
    best = max(scores, key=np.mean)
    return best.mean(), best.std(ddof=1)
"""
        },
        {"test_over_seeds": 1.0},
    ),
    "p can be 0": (permute(p="as_high / n"), {"test_permutation_p": 2.0}),
    "only the winner is permuted": (
        {
            "search_p": """
def search_p(estimator, grid, X, y, n, seed):
    search = GridSearchCV(estimator, grid, cv=3).fit(X, y)
    rng, winner = np.random.default_rng(seed), search.best_estimator_
    others = [cross_val_score(winner, X, rng.permutation(y), cv=3).mean() for _ in range(n)]
    return (1 + sum(np.array(others) >= search.best_score_)) / (1 + n)
"""
        },
        {"test_search_p": 2.0},
    ),
    "one trial for an expectation": (
        {
            "best_of": """
def best_of(k, n, p=0.5):
    return float(np.random.RandomState(0).binomial(n, p, size=k).max() / n)
"""
        },
        {"test_best_of": 2.0},
    ),
    "best_score_ in every fold": (
        {
            "nested": """
def nested(estimator, grid, X, y, seed):
    outer = StratifiedKFold(5, shuffle=True, random_state=seed)
    return np.array([
        GridSearchCV(estimator, grid, cv=3).fit(X[train], y[train]).best_score_
        for train, _ in outer.split(X, y)
    ])
"""
        },
        {"test_nested_score": 2.0},
    ),
    "the search unseeded": (search_p(seed=""), {"test_search_p": 2.0}),
    "the search always seeded alike": (search_p(seed="0"), {"test_search_p": 2.0}),
    "a search of five folds": (search_p(cv="5"), {"test_search_p": 2.0}),
    "the score on the rows trained on": (
        search_p(score="score(X, labels)"),
        {"test_search_p": 2.0},
    ),
    "permutations always seeded alike": (permute(seed="0"), {"test_permutation_p": 2.0}),
    "labels shuffled in place": (
        permute(labels="(rng.shuffle(y), y)[1]"),
        {"test_permutation_p": 2.0},
    ),
    "permuted once": (
        permute(first="other = rng.permutation(y)", labels="other"),
        {"test_permutation_p": 2.0},
    ),
    "unseeded permutations": (permute(seed=""), {"test_permutation_p": 2.0}),
    "ties do not count": (permute(at_least=">"), {"test_permutation_p": 2.0}),
    "chosen before the folds": (
        {
            "nested": """
def nested(estimator, grid, X, y, seed):
    chosen = GridSearchCV(estimator, grid, cv=3).fit(X, y).best_params_
    outer = StratifiedKFold(5, shuffle=True, random_state=seed)
    return cross_val_score(estimator.set_params(**chosen), X, y, cv=outer)
"""
        },
        {"test_nested_score": 2.0, "test_nested_rows": 1.0},
    ),
    "the worst candidate": (
        {
            "nested": """
def nested(estimator, grid, X, y, seed):
    def worst(results):
        return int(np.argmin(results["mean_test_score"]))

    search = GridSearchCV(estimator, grid, cv=3, refit=worst)
    return cross_val_score(search, X, y, cv=StratifiedKFold(5, shuffle=True, random_state=seed))
"""
        },
        {"test_nested_score": 2.0},
    ),
    "no search in the folds": (
        {
            "nested": """
def nested(estimator, grid, X, y, seed):
    outer = StratifiedKFold(5, shuffle=True, random_state=seed)
    return cross_val_score(estimator, X, y, cv=outer)
"""
        },
        {"test_nested_score": 2.0, "test_nested_rows": 1.0},
    ),
    "not stratified": (
        {
            "nested": """
def nested(estimator, grid, X, y, seed):
    from sklearn.model_selection import KFold

    outer = KFold(5, shuffle=True, random_state=seed)
    return cross_val_score(GridSearchCV(estimator, grid, cv=3), X, y, cv=outer)
"""
        },
        {"test_nested_rows": 1.0},
    ),
    **{
        f"random parts for the {which} folds": (
            {"nested": RANDOM_PARTS.format(**NESTED | {which: parts})},
            {"test_nested_rows": 1.0},
        )
        for which, parts in {
            "outer": "StratifiedShuffleSplit(5, test_size=0.2, random_state=seed)",
            "inner": "StratifiedShuffleSplit(3, test_size=1 / 3, random_state=0)",
        }.items()
    },
    "ties do not count in the search": (
        {key: source.replace(">=", ">") for key, source in search_p().items()},
        {"test_search_p": 2.0},
    ),
    "the standard error for the deviation": (
        {
            "over_seeds": """
def over_seeds(make, X, y, seeds):
    scores = [cross_val_score(make(seed), X, y, cv=StratifiedKFold(5)).mean() for seed in seeds]
    return np.mean(scores), stats.sem(scores)
"""
        },
        {"test_over_seeds": 1.0},
    ),
    "the search permuted once": (
        {
            "search_p": """
def search_p(estimator, grid, X, y, n, seed):
    search = GridSearchCV(estimator, grid, cv=3)
    real, other = search.fit(X, y).best_score_, np.random.default_rng(seed).permutation(y)
    return (1 + sum(search.fit(X, other).best_score_ >= real for _ in range(n))) / (1 + n)
"""
        },
        {"test_search_p": 2.0},
    ),
    "only the refit is permuted": (
        {
            "search_p": """
def search_p(estimator, grid, X, y, n, seed):
    search, rng = GridSearchCV(estimator, grid, cv=3), np.random.default_rng(seed)
    real, others = search.fit(X, y).best_score_, []
    for _ in range(n):
        chosen = search.fit(X, y).best_estimator_
        others.append(cross_val_score(chosen, X, rng.permutation(y), cv=3).mean())
    return (1 + sum(np.array(others) >= real)) / (1 + n)
"""
        },
        {"test_search_p": 2.0},
    ),
    "the best of as many normal numbers": (
        {
            "best_of": """
def best_of(k, n, p=0.5):
    deviation = np.sqrt(p * (1 - p) / n)
    return float(p + deviation * stats.norm.ppf((k - 0.375) / (k + 0.25)))
"""
        },
        {"test_best_of": 2.0},
    ),
    "the best of normal numbers, simulated": (
        {
            "best_of": """
def best_of(k, n, p=0.5):
    drawn = np.random.default_rng(0).normal(p, np.sqrt(p * (1 - p) / n), size=(5_000, k))
    return float(drawn.max(axis=1).mean())
"""
        },
        {"test_best_of": 2.0},
    ),
}
TYPICAL = list(WRONG)[:4]
# The hidden tests once gave these all points, and ask for more since then.
ONCE_PASSED = [
    "the search always seeded alike",
    "a search of five folds",
    "the score on the rows trained on",
    "permutations always seeded alike",
    "the best of as many normal numbers",
    "the best of normal numbers, simulated",
    "random parts for the outer folds",
    "random parts for the inner folds",
    "ties do not count in the search",
]
