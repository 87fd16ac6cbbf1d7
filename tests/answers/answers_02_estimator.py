"""Answers to assignment 02_estimator: wrong ones, the points they lose, and right ones."""

RIGHT = """
from sklearn.utils.validation import check_is_fitted, validate_data


class MyClassifier(ClassifierMixin, BaseEstimator):
    def __init__(self, module, epochs=30, lr=0.01, random_state=None):
        self.module = module
        self.epochs = epochs
        self.lr = lr
        self.random_state = random_state

    def fit(self, X, y):
        X, y = validate_data(self, X, y, dtype=np.float64)
        self.classes_, y = np.unique(y, return_inverse=True)
        seed = int(np.random.default_rng(self.random_state).integers(2**31))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network_ = self.module(X.shape[1], len(self.classes_))
            self._train(torch.as_tensor(X), torch.as_tensor(y))
        return self

    def _train(self, X, y):
        optimizer = torch.optim.Adam(self.network_.parameters(), lr=self.lr)
        for _ in range(self.epochs):
            optimizer.zero_grad()
            nn.functional.cross_entropy(self.network_(X), y).backward()
            optimizer.step()

    def predict_proba(self, X):
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        logits = self.network_.eval()(torch.as_tensor(X))
        return logits.softmax(dim=1).detach().numpy()

    def predict(self, X):
        P = self.predict_proba(X)
        return self.classes_[P.argmax(axis=1)]
"""
BUILD = "            self.network_ = self.module(X.shape[1], len(self.classes_))\n"
NAMES = "        self.classes_, y = np.unique(y, return_inverse=True)\n"
FORK = "with torch.random.fork_rng(devices=[]):"
TRAIN = "            self._train(torch.as_tensor(X), torch.as_tensor(y))\n"
CHECK = "        X, y = validate_data(self, X, y, dtype=np.float64)\n"
CHECK_LATER = "        X = validate_data(self, X, reset=False, dtype=np.float64)\n"
NO_HOLES = "        if np.isnan(X).any():\n            raise ValueError('a missing value')\n"
SEED = "        seed = int(np.random.default_rng(self.random_state).integers(2**31))\n"
GLOBAL_SEED = """
        from sklearn.utils import check_random_state

        seed = check_random_state(self.random_state).randint(2**31 - 1)
"""
WITH_DROPOUT = """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        P = self.network_(torch.as_tensor(X)).detach().numpy()
"""
STEP = """            optimizer.zero_grad()
            nn.functional.cross_entropy(self.network_(X), y).backward()
            optimizer.step()
"""
BATCHES = """            for rows in torch.randperm(len(X)).split(32):
                optimizer.zero_grad()
                nn.functional.cross_entropy(self.network_(X[rows]), y[rows]).backward()
                optimizer.step()
"""


def changed(*pairs):
    """Return the right class with some of its lines replaced."""
    source = RIGHT
    for old, new in pairs:
        assert old in source, old
        source = source.replace(old, new)
    return {"my_classifier": source}


# Right in another form than the solution: each keeps all points.
ALSO_RIGHT = {
    "no training without steps, or at the rate 0": changed(
        (
            CHECK,
            "        if self.epochs < 1 or self.lr <= 0:\n"
            "            raise ValueError('epochs and lr should be above 0')\n" + CHECK,
        )
    ),
    "scaled as the rows of fit are": changed(
        (
            CHECK,
            CHECK + "        self.mean_, self.deviation_ = X.mean(axis=0), X.std(axis=0) + 1e-12\n"
            "        X = (X - self.mean_) / self.deviation_\n",
        ),
        (CHECK_LATER, CHECK_LATER + "        X = (X - self.mean_) / self.deviation_\n"),
    ),
    "labels as a list": changed(
        (
            "        return self.classes_[P.argmax(axis=1)]\n",
            "        return [self.classes_[number] for number in P.argmax(axis=1)]\n",
        )
    ),
}

WRONG = {
    # The naive wrapper: the network is made once and trained on and on.
    "the network is kept": (
        changed((BUILD, f"            if not hasattr(self, 'network_'):\n    {BUILD}")),
        {"test_starts_anew": 2.0},
    ),
    "the rate is frozen in the constructor": (
        changed(
            ("        self.lr = lr\n", "        self.lr = lr\n        self._rate = lr\n"),
            ("lr=self.lr)", "lr=self._rate)"),
        ),
        {"test_parameters": 2.0},
    ),
    "labels are class numbers": (
        changed((NAMES, "        self.classes_ = np.arange(int(y.max()) + 1)\n")),
        {"test_labels": 1.0},
    ),
    "random_state is ignored": (
        changed(
            ("class MyClassifier", "SEEDS = iter(range(10**6))\n\n\nclass MyClassifier"),
            ("default_rng(self.random_state)", "default_rng(next(SEEDS))"),
        ),
        {"test_random_state": 1.0},
    ),
    "the generator is not put back": (
        changed((FORK, "with torch.enable_grad():")),
        {"test_generators": 1.0},
    ),
    "trained after the generator is put back": (
        changed((TRAIN, TRAIN[4:])),
        {"test_generators": 1.0, "test_random_state": 1.0},
    ),
    "None is always 0": (
        changed(("default_rng(self.random_state)", "default_rng(self.random_state or 0)")),
        {"test_random_state": 1.0},
    ),
    "dropout while predicting": (changed((".eval()", "")), {"test_random_state": 1.0}),
    "dropout in predict alone": (
        changed(("        P = self.predict_proba(X)\n", WITH_DROPOUT)),
        {"test_random_state": 1.0},
    ),
    "the input is not checked": (
        changed(
            ("        X, y = validate_data(self, X, y, dtype=np.float64)\n", ""),
            ("        X = validate_data(self, X, reset=False, dtype=np.float64)\n", ""),
        ),
        {"test_input": 1.0},
    ),
    "logits for probabilities": (
        changed((".softmax(dim=1)", "")),
        {"test_probabilities": 1.0, "test_learns": 1.0},
    ),
    "softmax before the cross-entropy": (
        changed(
            ("cross_entropy(self.network_(X), y)", "cross_entropy(self.network_(X).softmax(1), y)")
        ),
        {"test_learns": 1.0},
    ),
    "batches of 32": (changed((STEP, BATCHES)), {"test_learns": 1.0}),
    "trained in float32": (
        changed(
            (TRAIN, TRAIN.replace("torch.as_tensor(X)", "torch.as_tensor(X).float()")),
            (BUILD, BUILD.rstrip() + ".float()\n"),
            (
                "self.network_.eval()(torch.as_tensor(X))",
                "self.network_.eval()(torch.as_tensor(X).float())",
            ),
        ),
        {"test_learns": 1.0},
    ),
    "infinite values are accepted": (
        changed(
            (CHECK, CHECK.replace("dtype", "ensure_all_finite=False, dtype") + NO_HOLES),
            (
                CHECK_LATER,
                CHECK_LATER.replace("dtype", "ensure_all_finite=False, dtype") + NO_HOLES,
            ),
        ),
        {"test_input": 1.0},
    ),
    "only fewer columns are refused": (
        changed(
            (CHECK, CHECK + "        self.columns_ = X.shape[1]\n"),
            (
                CHECK_LATER,
                "        X = check_array(X, dtype=np.float64)\n"
                "        if X.shape[1] < self.columns_:\n"
                "            raise ValueError('fewer columns')\n",
            ),
            ("import check_is_fitted", "import check_array, check_is_fitted"),
        ),
        {"test_input": 1.0},
    ),
    "more labels are cut off": (
        changed((CHECK, CHECK.replace("X, y, dtype", "X, y[: len(X)], dtype"))),
        {"test_input": 1.0},
    ),
    "other defaults": (
        changed(("epochs=30, lr=0.01", "epochs=100, lr=0.05")),
        {"test_parameters": 2.0},
    ),
    "an AttributeError before fit": (
        changed(
            ("        check_is_fitted(self)\n", ""),
            ("        P = self", "        check_is_fitted(self)\n        P = self"),
        ),
        {"test_input": 1.0},
    ),
    "each table scaled by itself": (
        changed(
            (CHECK, CHECK + "        X = scale(X)\n"),
            (CHECK_LATER, CHECK_LATER + "        X = scale(X)\n"),
        ),
        {"test_probabilities": 1.0},
    ),
    "None draws from the generator of numpy": (
        changed((SEED, GLOBAL_SEED)),
        {"test_random_state": 1.0, "test_generators": 1.0},
    ),
}
TYPICAL = list(WRONG)[:4]
# The hidden tests once gave these all points, and ask for more since then.
ONCE_PASSED = [
    "softmax before the cross-entropy",
    "batches of 32",
    "trained in float32",
    "infinite values are accepted",
    "only fewer columns are refused",
    "more labels are cut off",
    "other defaults",
    "an AttributeError before fit",
    "None draws from the generator of numpy",
    "dropout in predict alone",
    "each table scaled by itself",
]
