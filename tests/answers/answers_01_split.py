"""Answers to assignment 01_split: wrong ones, the points they lose, and right ones."""

SPLIT = """
def split(X, y, seed):
    return train_test_split(X, y, {})
"""

SCALED = """
def scaled(X, train, test):
    {}
"""

ACCURACY = """
def accuracy(network, X, y):
    answers = network(torch.tensor(X, dtype=torch.float32)).argmax(dim=1)
    return {}
"""

EXPERIMENT = """
def experiment(X_train, y_train, X_test, y_test, seed):
    {seeding}
    inputs, labels = torch.tensor(X_train).float(), torch.tensor(y_train).long()
    test_inputs, test_labels = torch.tensor(X_test).float(), torch.tensor(y_test).long()
    {before}
    network = make_network(X_train.shape[1])
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    history, kept = [], []
    for _ in range(100):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(inputs), labels).backward()
        optimizer.step()
        right = network(test_inputs).argmax(dim=1) == test_labels
        history.append(right.double().mean().item())
        kept.append({{name: value.clone() for name, value in network.state_dict().items()}})
    {after}
"""

SPREAD = """
from sklearn.base import clone

SEEDS = iter(range(10**6))  # others each time, as without a seed, yet the same in each run


def spread(clf, X, y, n_splits):
    scores = []
    for i in range(n_splits):
        parts = train_test_split(X, y, test_size=0.2, stratify={stratify}, random_state={seed})
        X_train, X_test, y_train, y_test = parts
        scores.append({clf}.fit(X_train, y_train).score({scored}))
    return np.mean(scores), np.std(scores){divided}
"""


def experiment(seeding="torch.manual_seed(seed)", before="", after="return network, history[-1]"):
    source = EXPERIMENT.format(seeding=seeding, before=before, after=after)
    return {"experiment": source}


def spread(**changes):
    honest = {"clf": "clone(clf)", "stratify": "y", "seed": "i", "scored": "X_test, y_test"}
    return {"spread": SPREAD.format(**honest | {"divided": ""} | changes)}


STEP = """        optimizer.zero_grad()
        nn.functional.cross_entropy(network(inputs), labels).backward()
        optimizer.step()
"""
BATCHES = """        for rows in torch.randperm(len(inputs)).split(32):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(inputs[rows]), labels[rows]).backward()
            optimizer.step()
"""

BEST_EPOCH = """best = int(np.argmax(history))
    network.load_state_dict(kept[best])
    return network, history[best]"""

ALL_ROWS = """inputs, labels = torch.cat([inputs, test_inputs]), torch.cat([labels, test_labels])"""

ON_TRAINING_ROWS = """right = network(inputs).argmax(dim=1) == labels
    return network, right.double().mean().item()"""

BY_HAND = """
def experiment(X_train, y_train, X_test, y_test, seed):
    torch.manual_seed(seed)
    network = make_network(X_train.shape[1])
    inputs, labels = torch.tensor(X_train).float(), torch.tensor(y_train)
    means = [torch.zeros_like(weight) for weight in network.parameters()]
    squares = [torch.zeros_like(weight) for weight in network.parameters()]
    for step in range(1, 101):
        network.zero_grad()
        nn.functional.cross_entropy(network(inputs), labels).backward()
        with torch.no_grad():
            for weight, mean, square in zip(network.parameters(), means, squares):
                mean.mul_(0.9).add_(0.1 * weight.grad)
                square.mul_(0.999).add_(0.001 * weight.grad**2)
                size = (square / (1 - 0.999**step)).sqrt() + 1e-8
                weight -= 0.01 * mean / (1 - 0.9**step) / size
    answers = network(torch.tensor(X_test).float()).argmax(dim=1).numpy()
    return network, float((answers == y_test).mean())
"""

# Right in another form than the solution: each keeps all points.
ALSO_RIGHT = {
    "a list of parts": {
        "split": """
def split(X, y, seed):
    rng, test = np.random.default_rng(seed), np.zeros(len(y), dtype=bool)
    for label in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == label))
        test[rows[: round(len(rows) / 5)]] = True
    return [X[~test], X[test], y[~test], y[test]]
"""
    },
    "scaled in float32, by the deviation with ddof=1": {
        "scaled": """
def scaled(X, train, test):
    X = X.astype("float32")
    mean, deviation = X[train].mean(axis=0), X[train].std(axis=0, ddof=1)
    return [(X[rows] - mean) / deviation for rows in (train, test)]
"""
    },
    "an array without axes": {
        "accuracy": ACCURACY.format("(answers == torch.tensor(y).view(-1)).float().mean().numpy()")
    },
    "a network in float64": {
        key: source.replace(".float()", "").replace("[1])\n", "[1]).double()\n")
        for key, source in experiment().items()
    },
    "rows in another order in each step, and the sum of the cross-entropy": {
        key: source.replace(
            STEP,
            """        rows = torch.randperm(len(inputs))
        optimizer.zero_grad()
        losses = nn.functional.cross_entropy(network(inputs[rows]), labels[rows], reduction="none")
        losses.sum().backward()
        optimizer.step()
""",
        )
        for key, source in experiment().items()
    },
    "an Adam of one's own": {"experiment": BY_HAND},
    "a splitter of scikit-learn": {
        "spread": """
from sklearn.model_selection import StratifiedShuffleSplit, cross_val_score


def spread(clf, X, y, n_splits):
    cv = StratifiedShuffleSplit(n_splits, test_size=0.2, random_state=0)
    scores = cross_val_score(clf, X, y, cv=cv)
    return np.array([scores.mean(), scores.std(ddof=1)])
"""
    },
}

WRONG = {
    "unstratified split": (
        {"split": SPLIT.format("test_size=0.2, random_state=seed")},
        {"test_split_shares": 1.0},
    ),
    "unseeded split": (
        {"split": SPLIT.format("test_size=0.2, stratify=y")},
        {"test_split_seed": 1.0},
    ),
    "seed ignored": (
        {"split": SPLIT.format("test_size=0.2, stratify=y, random_state=42")},
        {"test_split_seed": 1.0},
    ),
    "a quarter put away": (
        {"split": SPLIT.format("stratify=y, random_state=seed")},
        {"test_split_rows": 1.0},
    ),
    "labels shuffled apart": (
        {
            "split": """
def split(X, y, seed):
    X_train, X_test = train_test_split(X, test_size=0.2, stratify=y, random_state=seed)
    y_train, y_test = train_test_split(y, test_size=0.2, stratify=y, random_state=seed + 1)
    return X_train, X_test, y_train, y_test
"""
        },
        {"test_split_rows": 1.0},
    ),
    "scaled before the split": (
        {
            "scaled": SCALED.format(
                "X = StandardScaler().fit_transform(X); return X[train], X[test]"
            )
        },
        {"test_scaled_training": 1.0},
    ),
    "each part scaled by itself": (
        {
            "scaled": SCALED.format(
                "return tuple(StandardScaler().fit_transform(X[rows]) for rows in (train, test))"
            )
        },
        {"test_scaled_test": 1.0},
    ),
    "a deviation that is a little too large": (
        {
            "scaled": SCALED.format(
                "mean, deviation = X[train].mean(axis=0), X[train].std(axis=0) + 1e-3\n"
                "    return (X[train] - mean) / deviation, (X[test] - mean) / deviation"
            )
        },
        {"test_scaled_training": 1.0},
    ),
    "rows sorted": (
        {
            "scaled": SCALED.format(
                "train, test = np.sort(train), np.sort(test)\n"
                "    scaler = StandardScaler().fit(X[train])\n"
                "    return scaler.transform(X[train]), scaler.transform(X[test])"
            )
        },
        {"test_scaled_training": 1.0, "test_scaled_test": 1.0},
    ),
    "accuracy that broadcasts": (
        {"accuracy": ACCURACY.format("(answers == torch.tensor(y)).double().mean().item()")},
        {"test_accuracy_column": 1.0},
    ),
    "accuracy as a tensor": (
        {"accuracy": ACCURACY.format("(answers == torch.tensor(y).view(-1)).double().mean()")},
        {"test_accuracy": 1.0},
    ),
    "best epoch by the test rows": (
        experiment(after=BEST_EPOCH),
        {"test_experiment_blind": 1.0, "test_experiment_learns": 1.0},
    ),
    "best accuracy reported": (
        experiment(after="return network, max(history)"),
        {"test_experiment_accuracy": 1.0},
    ),
    "accuracy on training rows": (
        experiment(after=ON_TRAINING_ROWS),
        {"test_experiment_accuracy": 1.0},
    ),
    "trained on all rows": (
        experiment(before=ALL_ROWS),
        {"test_experiment_blind": 1.0, "test_experiment_learns": 1.0},
    ),
    "unseeded network": (experiment(seeding=""), {"test_experiment_seed": 1.0}),
    "every network the same": (
        experiment(seeding="torch.manual_seed(0)"),
        {"test_experiment_seed": 1.0},
    ),
    **{
        who: (
            {key: source.replace(*change) for key, source in experiment().items()},
            {"test_experiment_learns": 1.0},
        )
        for who, change in {
            "weights drawn towards 0": ("lr=0.01", "lr=0.01, weight_decay=0.2"),
            "half of the epochs": ("range(100)", "range(50)"),
            "three quarters of the epochs": ("range(100)", "range(75)"),
            "AdamW, whose weights decay": ("Adam(", "AdamW("),
            "another optimizer": ("Adam(", "NAdam("),
            "batches of 32": (STEP, BATCHES),
            "half of the epochs, in two batches": (
                f"    for _ in range(100):\n{STEP}",
                f"    for _ in range(50):\n{BATCHES}",
            ),
            "a tenth of the learning rate": ("lr=0.01", "lr=0.001"),
            "three times the epochs": ("range(100)", "range(300)"),
            "ten times the learning rate": ("lr=0.01", "lr=0.1"),
            "probabilities for logits": (
                "network(inputs), labels)",
                "network(inputs).softmax(dim=1), labels)",
            ),
        }.items()
    },
    "the same split repeated": (spread(seed="0"), {"test_spread_splits": 1.0}),
    "unseeded splits": (spread(seed="next(SEEDS)"), {"test_spread_splits": 1.0}),
    "one object through all splits": (spread(clf="clf"), {"test_spread_splits": 1.0}),
    "one copy through all splits": (
        {
            "spread": spread(clf="one")["spread"].replace(
                "scores = []", "scores, one = [], clone(clf)"
            )
        },
        {"test_spread_splits": 1.0},
    ),
    "unstratified splits": (spread(stratify="None"), {"test_spread_splits": 1.0}),
    "spread on training rows": (spread(scored="X_train, y_train"), {"test_spread": 1.0}),
    "the mean over the classes for the accuracy": (
        {
            "spread": """
from sklearn.model_selection import StratifiedShuffleSplit, cross_val_score


def spread(clf, X, y, n_splits):
    cv = StratifiedShuffleSplit(n_splits, test_size=0.2, random_state=0)
    scores = cross_val_score(clf, X, y, cv=cv, scoring="balanced_accuracy")
    return scores.mean(), scores.std()
"""
        },
        {"test_spread": 1.0},
    ),
    "standard error of the mean": (spread(divided=" / n_splits**0.5"), {"test_spread": 1.0}),
}

# Those that `make test` hands in; the others are handed in where ALL_ANSWERS is set.
TYPICAL = [
    "unstratified split",
    "unseeded split",
    "scaled before the split",
    "best epoch by the test rows",
]
# The hidden tests once gave these all points, and ask for more since then.
ONCE_PASSED = [
    "three times the epochs",
    "ten times the learning rate",
    "probabilities for logits",
    "a deviation that is a little too large",
    "the mean over the classes for the accuracy",
    "one copy through all splits",
    "three quarters of the epochs",
    "AdamW, whose weights decay",
    "another optimizer",
    "batches of 32",
]
