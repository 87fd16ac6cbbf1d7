"""Answers to assignment 04_fitted_model_reuse: wrong ones, the points they lose, and right ones."""

from tests.answers.answers_02_estimator import BUILD, CHECK, CHECK_LATER, changed

CANARY = """
def knows_already(estimator, X, y, seed):
    {first}
    folds = KFold(4, shuffle=True, random_state=seed)
    score = cross_val_score(clone(estimator), X, y, cv=folds).mean()
    return bool({verdict})
"""
PERMUTING = """
SEEDS = iter(range(10**6))  # others each time, as without a seed, yet the same in each run


def knows_already(estimator, X, y, seed):
    rng, folds = np.random.RandomState({rng}), KFold(4, shuffle=True, random_state={folds})
    score = cross_val_score(clone(estimator), X, y, cv=folds).mean()
    others = [rng.permutation(y) for _ in range(19)]
    reference = [cross_val_score(clone(estimator), X, other, cv=folds).mean() for other in others]
    return bool({verdict})
"""
PLAIN = """
def knows_already(estimator, X, y, seed):
    rng, real = np.random.default_rng(seed), cross_val_score(estimator, X, y{cv}).mean()
    others = [cross_val_score(estimator, X, rng.permutation(y){cv}).mean() for _ in range({n})]
    return bool((1 + np.sum(np.array(others) >= real)) / (1 + {n}) <= {p})
"""
LOOP = """
def fold_scores(recipe, X, y, seed):
    torch.manual_seed(seed)
    network, scores = recipe(X.shape[1], 2), []
    for rows, held_out in StratifiedKFold(5, shuffle=True, random_state=seed).split(X, y):
        {before}
        train(network, X[rows], y[rows])
        scores.append(accuracy(network, X[held_out], y[held_out]))
    return scores
"""


def canary(verdict, first="pass"):
    return {"knows_already": CANARY.format(verdict=verdict, first=first)}


def permuting(rng="seed", folds="seed", verdict="score > max(reference)"):
    return {"knows_already": PERMUTING.format(rng=rng, folds=folds, verdict=verdict)}


def plain(n=19, cv="", p=0.05):
    """Compare scores of `cross_val_score`, whose folds of an integer `cv` depend on the labels."""
    return {"knows_already": PLAIN.format(n=n, cv=cv, p=p)}


# Right in another form than the solution: each keeps all points.
ALSO_RIGHT = {
    "the usual folds": plain(),
    "two folds": plain(cv=", cv=2"),
    "a permutation test with its usual folds": {
        "knows_already": """
from sklearn.model_selection import permutation_test_score


def knows_already(estimator, X, y, seed):
    p = permutation_test_score(estimator, X, y, n_permutations=19, random_state=seed)[2]
    return bool(p <= 0.05)
"""
    },
    "a bool of NumPy, from a p-value": {
        "knows_already": """
from sklearn.model_selection import permutation_test_score


def knows_already(estimator, X, y, seed):
    folds = KFold(4, shuffle=True, random_state=seed)
    _, _, p = permutation_test_score(
        estimator, X, y, cv=folds, n_permutations=19, random_state=seed
    )
    return np.less_equal(p, 0.05)
"""
    },
    "an array of scores": {
        "fold_scores": LOOP.replace("return scores", "return np.array(scores)").format(
            before="torch.manual_seed(seed); network = recipe(X.shape[1], 2)"
        )
    },
    "an array without axes": {
        "knows_already": """
def knows_already(estimator, X, y, seed):
    rng, folds = np.random.default_rng(seed), KFold(4, shuffle=True, random_state=seed)
    orders = [y] + [rng.permutation(y) for _ in range(19)]
    scores = [cross_val_score(clone(estimator), X, each, cv=folds).mean() for each in orders]
    return np.array(scores[0] > max(scores[1:]))
"""
    },
    "one set of answers, compared with 99 orders of the labels": {
        "knows_already": """
def knows_already(estimator, X, y, seed):
    from sklearn.model_selection import cross_val_predict

    rng, folds = np.random.default_rng(seed), KFold(4, shuffle=True, random_state=seed)
    answers = cross_val_predict(clone(estimator), X, y, cv=folds)
    others = [np.mean(answers == rng.permutation(y)) for _ in range(99)]
    return bool((1 + np.sum(np.array(others) >= np.mean(answers == y))) / 100 <= 0.05)
"""
    },
    "copies of an untrained network, and a tuple": {
        "fold_scores": """
def fold_scores(recipe, X, y, seed):
    torch.manual_seed(seed)
    first, folds = recipe(X.shape[1], 2), StratifiedKFold(5, shuffle=True, random_state=seed)
    scores = []
    for rows, held_out in folds.split(X, y):
        network = pickle.loads(pickle.dumps(first))
        train(network, X[rows], y[rows])
        scores.append(accuracy(network, X[held_out], y[held_out]))
    return tuple(scores)
"""
    },
}

WRONG = {
    "the naive wrapper": (
        changed((BUILD, f"            if not hasattr(self, 'network_'):\n    {BUILD}")),
        {"test_canaries": 2.0},
    ),
    "everyone knows": (canary("True"), {"test_accuses_no_one": 2.0}),
    "no one knows": (canary("False"), {"test_finds_memory": 2.0}),
    "a fixed threshold": (
        canary("score > 0.6"),
        {"test_finds_memory": 2.0, "test_accuses_no_one": 2.0},
    ),
    "the last layer alone is new": (
        {"fold_scores": LOOP.format(before="network[2] = nn.Linear(16, 2).double()")},
        {"test_fold_scores": 2.0},
    ),
    "a copy of the trained one": (
        {"fold_scores": LOOP.format(before="network = pickle.loads(pickle.dumps(network))")},
        {"test_fold_scores": 2.0},
    ),
    "other folds": (
        {
            "fold_scores": """
def fold_scores(recipe, X, y, seed):
    scores = []
    for rows, held_out in StratifiedKFold(5).split(X, y):
        torch.manual_seed(seed)
        train(network := recipe(X.shape[1], 2), X[rows], y[rows])
        scores.append(accuracy(network, X[held_out], y[held_out]))
    return scores
"""
        },
        {"test_fold_scores": 2.0},
    ),
    "another answer each time": (permuting(rng="next(SEEDS)"), {"test_leaves_no_trace": 1.0}),
    "other folds each time": (permuting(folds="next(SEEDS)"), {"test_leaves_no_trace": 1.0}),
    "a tie counts as higher": (
        permuting(verdict="score >= max(reference)"),
        {"test_accuses_no_one": 2.0},
    ),
    "compared with nine": (
        {key: source.replace("range(19)", "range(9)") for key, source in permuting().items()},
        {"test_accuses_no_one": 2.0},
    ),
    "the usual folds, compared with eighteen": (
        plain(n=18, p=0.06),
        {"test_accuses_no_one": 2.0},
    ),
    "two folds, compared with nine": (
        plain(n=9, cv=", cv=2", p=0.1),
        {"test_accuses_no_one": 2.0},
    ),
    "folds drawn twice, compared with nine": (
        {
            "knows_already": """
from sklearn.model_selection import RepeatedStratifiedKFold


def knows_already(estimator, X, y, seed):
    rng = np.random.default_rng(seed)
    folds = RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=seed)
    score = cross_val_score(estimator, X, y, cv=folds).mean()
    others = [rng.permutation(y) for _ in range(9)]
    reference = [cross_val_score(estimator, X, other, cv=folds).mean() for other in others]
    return bool(score > max(reference))
"""
        },
        {"test_accuses_no_one": 2.0},
    ),
    "each table scaled by itself": (
        changed(
            (CHECK, CHECK + "        X = scale(X)\n"),
            (CHECK_LATER, CHECK_LATER + "        X = scale(X)\n"),
        ),
        {"test_canaries": 2.0},
    ),
    "a margin above the usual, small": (
        canary("score > np.bincount(y).max() / len(y) + 0.05"),
        {"test_accuses_no_one": 2.0},
    ),
    "a margin above the usual, large": (
        canary("score > np.bincount(y).max() / len(y) + 0.2"),
        {"test_finds_memory": 2.0},
    ),
    "fits what it was given": (
        {
            "knows_already": """
def knows_already(estimator, X, y, seed):
    rng = np.random.RandomState(seed)
    folds = KFold(4, shuffle=True, random_state=seed)
    score = cross_val_score(estimator, X, y, cv=folds).mean()
    others = [rng.permutation(y) for _ in range(19)]
    reference = [cross_val_score(estimator, X, other, cv=folds).mean() for other in others]
    estimator.fit(X, y)
    return bool(score > max(reference))
"""
        },
        {"test_leaves_no_trace": 1.0},
    ),
    "judged on its training rows": (
        canary("clone(estimator).fit(X, y).score(X, y) > 0.8"),
        {"test_finds_memory": 2.0, "test_accuses_no_one": 2.0},
    ),
    "judged on the rows of its fit, against 19 other orders": (
        {
            "knows_already": """
def knows_already(estimator, X, y, seed):
    def score(labels):
        return clone(estimator).fit(X, labels).score(X, labels)

    rng = np.random.RandomState(seed)
    return bool(score(y) > max(score(rng.permutation(y)) for _ in range(19)))
"""
        },
        {"test_finds_memory": 2.0},
    ),
    "fitted to one other order of the labels": (
        {
            "knows_already": """
def knows_already(estimator, X, y, seed):
    other = np.random.RandomState(seed).permutation(y)
    answers = clone(estimator).fit(X, other).predict(X)
    return bool(np.mean(answers == y) > np.mean(answers == other))
"""
        },
        {"test_finds_memory": 2.0},
    ),
}
TYPICAL = list(WRONG)[:4]
# The hidden tests once gave these all points, and ask for more since then.
ONCE_PASSED = [
    "a tie counts as higher",
    "judged on the rows of its fit, against 19 other orders",
    "fitted to one other order of the labels",
    "compared with nine",
    "folds drawn twice, compared with nine",
    "each table scaled by itself",
]
