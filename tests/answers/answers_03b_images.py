"""Answers to assignment 03b_images: wrong ones, the points they lose, and right ones."""

DIM = """
def dim(pictures):
    {draw}
    return {returned}
"""
UNIFORM = "rand(len(pictures), 1, 1, 1, dtype=pictures.dtype)"
NORMAL = UNIFORM.replace("rand", "randn")
OWN = "numbers = 0.5 + 0.5 * torch.rand(len(pictures), 1, 1, 1, dtype=pictures.dtype)"

TRAIN = """
def train(pictures, labels, change, seed):
    {before}
    training, test, training_labels, test_labels = train_test_split(
        pictures, labels, test_size=0.25, stratify=labels, random_state=seed
    )
    {after}
    clf = {clf}
    clf.fit({fitted})
    return clf, {score}
"""
CLF = """TorchClassifier(
        cnn, epochs=8, lr=0.01, patience=8, validation_fraction=0.25{}, random_state=seed
    )"""
HONEST = {
    "before": "pass",
    "after": "pass",
    "clf": CLF.format(", augment=change"),
    "fitted": "training, training_labels",
    "score": "clf.score(test, test_labels)",
}
STEP = """make_pipeline(
        __import__("sklearn").preprocessing.FunctionTransformer(
            lambda rows: change(torch.tensor(rows)).numpy()
        ),
        {},
    )"""
COPIES = """changed = change(torch.tensor(training)).numpy()
    training = np.concatenate([training, changed])
    training_labels = np.tile(training_labels, 2)"""
CHANGED = "change(torch.tensor({0})).numpy()"

FOLDS = """
from sklearn.model_selection import GroupKFold, KFold


def fair_folds(original, is_copy):
    folds = []
    for train, test in {split}:
        folds.append(({train}, {test}))
    return folds
"""
GROUPED = "GroupKFold(5).split(original, groups=original)"
DEALT = "KFold(5, shuffle=True, random_state=0).split({})"

MINUS_MEAN = """
class MinusMean(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.mean_ = {mean}
        return self

    def transform(self, X):
        {transform}
"""

SEARCH = """
from sklearn.preprocessing import FunctionTransformer


def flat(n_features, n_outputs, channels=4):
    hidden = nn.Linear(64, 16 * channels)
    return nn.Sequential(hidden, nn.ReLU(), nn.Linear(16 * channels, n_outputs))


def make_search(seed):
    model = make_pipeline({steps}, TorchClassifier({module}, epochs=15, random_state=seed))
    grid = {{
        "torchclassifier__lr": [0.001, 0.01],
        "torchclassifier__module__channels": [2, 4],
    }}
    return GridSearchCV(model, grid, cv=3)
"""

BACKBONE = """
def with_backbone(pictures, labels, train, test):
    {before}
    others = {others}
    backbone = TorchClassifier(cnn, epochs=20, lr=0.01, random_state=0)
    backbone.fit(pictures[others], labels[others])
    head = TorchClassifier(module__hidden=(), epochs=50, lr=0.03, random_state=0)
    model = {model}
    return model.fit(pictures[{rows}], labels[{rows}])
"""
FROZEN = "make_pipeline(FrozenFeatures(backbone.module_[:-1]), head)"
OTHERS = "np.setdiff1d(np.arange(len(labels)), np.concatenate([train, test]))"


def dim(draw=OWN, returned="numbers * pictures"):
    return {"dim": DIM.format(draw=draw, returned=returned)}


def train(**changes):
    return {"train": TRAIN.format(**HONEST | changes)}


def folds(split=GROUPED, train="train", test="test[~is_copy[test]]"):
    return {"fair_folds": FOLDS.format(split=split, train=train, test=test)}


def minus_mean(mean="X.mean(axis=0)", transform="return X - self.mean_"):
    return {"minus_mean": MINUS_MEAN.format(mean=mean, transform=transform)}


def search(steps="MinusMean()", module="cnn"):
    return {"make_search": SEARCH.format(steps=steps, module=module)}


def backbone(before="pass", others=OTHERS, model=FROZEN, rows="train"):
    parts = {"before": before, "others": others, "model": model, "rows": rows}
    return {"with_backbone": BACKBONE.format(**parts)}


# Right in another form than the solution: each keeps all points.
ALSO_RIGHT = {
    "numbers drawn in place": dim(
        draw="numbers = torch.empty(len(pictures)).uniform_(0.5, 1).to(pictures.dtype)",
        returned="torch.einsum('i,ichw->ichw', numbers, pictures)",
    ),
    "the share of right answers in float32": train(
        score="torch.tensor(clf.predict(test) == test_labels).float().mean().item()"
    ),
    "lists of rows, in a tuple": {
        "fair_folds": """
def fair_folds(original, is_copy):
    names = np.unique(original)
    parts = [np.isin(original, names[i::5]) for i in range(5)]
    return tuple(
        (np.flatnonzero(~part).tolist(), np.flatnonzero(part & ~is_copy).tolist())
        for part in parts
    )
"""
    },
    "epochs and seed in the grid": {
        key: source.replace("epochs=15, random_state=seed", "").replace(
            "grid = {",
            'grid = {\n        "torchclassifier__epochs": [15],'
            '\n        "torchclassifier__random_state": [seed],',
        )
        for key, source in search().items()
    },
    "a mean image in float32": minus_mean(
        mean="np.asarray(X, dtype='float32').mean(axis=0)",
        transform="return np.asarray(X, dtype='float32') - self.mean_",
    ),
}

WRONG = {
    "changed before the split": (
        train(before=f"pictures = {CHANGED.format('pictures')}", clf=CLF.format("")),
        {"test_train_test_images": 1.0, "test_train_anew": 1.0, "test_train_score": 1.0},
    ),
    "the batch changed in place": (
        dim(returned="pictures.mul_(numbers)"),
        {"test_dim_input": 1.0},
    ),
    "versions dealt at random": (
        folds(split=DEALT.format("original"), test="test"),
        {"test_folds_apart": 1.0, "test_folds_rows": 1.0},
    ),
    "the mean of all images": (
        minus_mean(mean="images.mean(axis=0)"),
        {"test_minus_mean": 1.0, "test_search_mean": 1.0},
    ),
    "test rows in the training of the backbone": (
        backbone(others="np.setdiff1d(np.arange(len(labels)), train)"),
        {"test_backbone_rows": 1.0},
    ),
    "a step of a Pipeline": (
        train(clf=STEP.format(CLF.format(""))),
        {"test_train_test_images": 1.0, "test_train_anew": 1.0},
    ),
    "copies made before the validation images are set aside": (
        train(after=COPIES, clf=CLF.format("")),
        {"test_train_anew": 1.0},
    ),
    "no validation images, all others changed": (
        train(clf="TorchClassifier(cnn, epochs=8, lr=0.01, augment=change, random_state=seed)"),
        {"test_train_anew": 1.0},
    ),
    "changed once, after the split": (
        train(after=f"training = {CHANGED.format('training')}", clf=CLF.format("")),
        {"test_train_anew": 1.0},
    ),
    "test images changed as well": (
        train(after=f"test = {CHANGED.format('test')}"),
        {"test_train_test_images": 1.0, "test_train_score": 1.0},
    ),
    "right if one of two versions is right": (
        train(
            score="np.mean((clf.predict(test) == test_labels)"
            " | (clf.predict(1 - test) == test_labels))"
        ),
        {"test_train_score": 1.0},
    ),
    "trained on all images": (
        train(fitted="pictures, labels"),
        {"test_train_test_images": 1.0, "test_train_anew": 1.0},
    ),
    "accuracy on the training images": (
        train(score="clf.score(training, training_labels)"),
        {"test_train_score": 1.0},
    ),
    "no change at all": (
        train(clf=CLF.format("")),
        {"test_train_test_images": 1.0, "test_train_anew": 1.0},
    ),
    "one number for the whole batch": (
        dim(draw="numbers = 0.5 + 0.5 * torch.rand(1, dtype=pictures.dtype)"),
        {"test_dim": 1.0},
    ),
    "a number for each pixel": (
        dim(draw="numbers = 0.5 + 0.5 * torch.rand_like(pictures)"),
        {"test_dim": 1.0},
    ),
    "drawn by numpy": (
        dim(
            draw="numbers = torch.tensor(np.random.uniform(0.5, 1, size=(len(pictures), 1, 1, 1)),"
            " dtype=pictures.dtype)"
        ),
        {"test_dim": 1.0},
    ),
    "drawn from a generator of its own": (
        dim(
            draw=f"own = torch.Generator()\n    own.seed()\n    {OWN}".replace(
                "dtype=", "generator=own, dtype="
            )
        ),
        {"test_dim": 1.0},
    ),
    **{
        who: (
            dim(draw="u = torch.{}\n    numbers = {}".format(*draw)),
            {"test_dim": 1.0},
        )
        for who, draw in {
            "normal numbers": (NORMAL, "0.75 + 0.05 * u"),
            "normal numbers, cut off": (NORMAL, "(0.75 + 0.1 * u).clamp(0.5, 1)"),
            "numbers from too small a range": (UNIFORM, "0.6 + 0.3 * u"),
            "numbers from too large a range": (UNIFORM, "0.49 + 0.52 * u"),
        }.items()
    },
    "copies tested as well": (folds(test="test"), {"test_folds_rows": 1.0}),
    "copies left out of the training": (
        folds(train="train[~is_copy[train]]"),
        {"test_folds_rows": 1.0},
    ),
    "all copies in the training": (
        folds(
            split=DEALT.format("np.flatnonzero(~is_copy)"),
            train="np.concatenate([np.flatnonzero(~is_copy)[train], np.flatnonzero(is_copy)])",
            test="np.flatnonzero(~is_copy)[test]",
        ),
        {"test_folds_apart": 1.0},
    ),
    "the mean of the images at hand": (
        minus_mean(transform="return X - X.mean(axis=0)"),
        {"test_minus_mean": 1.0, "test_search_mean": 1.0},
    ),
    "one mean for all pixels": (
        minus_mean(mean="X.mean()"),
        {"test_minus_mean": 1.0, "test_search_mean": 1.0},
    ),
    "the mean image under another name": (
        {key: source.replace("mean_", "average") for key, source in minus_mean().items()},
        {"test_minus_mean": 1.0},
    ),
    "the images given to transform are changed": (
        minus_mean(transform="X -= self.mean_; return X"),
        {"test_minus_mean": 1.0},
    ),
    "one network instead of a recipe": (
        search(module="cnn((1, 8, 8), 10)"),
        {"test_search": 1.0, "test_search_mean": 1.0},
    ),
    "images flattened": (
        search(
            steps="MinusMean(), FunctionTransformer(lambda X: X.reshape(len(X), -1))",
            module="flat",
        ),
        {"test_search": 1.0},
    ),
    "no mean image in the search": (
        search(steps="FunctionTransformer()"),
        {"test_search_mean": 1.0},
    ),
    "another number of channels": (
        {key: source.replace("[2, 4]", "[4, 8]") for key, source in search().items()},
        {"test_search": 1.0},
    ),
    "another learning rate": (
        train(clf=CLF.format(", augment=change").replace("0.01", "0.03")),
        {"test_train_anew": 1.0},
    ),
    "another seed of the network": (
        train(clf=CLF.format(", augment=change").replace("seed", "0")),
        {"test_train_anew": 1.0},
    ),
    "the mean of the images beside an image": (
        search(steps="FunctionTransformer(lambda X: X - X.mean(axis=0))"),
        {"test_search_mean": 1.0},
    ),
    "the mean image of the first rows, in all folds": (
        search(steps="FunctionTransformer(lambda X: X - images[:150].mean(axis=0))"),
        {"test_search_mean": 1.0},
    ),
    "the mean image of test rows subtracted": (
        backbone(
            model='make_pipeline(__import__("sklearn").preprocessing.FunctionTransformer('
            "lambda X: X - pictures[test].mean(axis=0)), "
            "FrozenFeatures(backbone.module_[:-1]), head)"
        ),
        {"test_backbone_rows": 1.0},
    ),
    "the head trained on test rows, too": (
        backbone(rows="np.concatenate([train, test])"),
        {"test_backbone_rows": 1.0},
    ),
    "no backbone": (
        backbone(model="TorchClassifier(cnn, epochs=200, random_state=0)"),
        {"test_backbone_rows": 1.0, "test_backbone_frozen": 1.0},
    ),
    "the backbone alone": (
        backbone(model="backbone", rows="others"),
        {"test_backbone_rows": 1.0, "test_backbone_frozen": 1.0},
    ),
    "a backbone trained for half as long": (
        {key: source.replace("epochs=20", "epochs=10") for key, source in backbone().items()},
        {"test_backbone_rows": 1.0},
    ),
    "a new last layer trained for half as long": (
        {key: source.replace("epochs=50", "epochs=25") for key, source in backbone().items()},
        {"test_backbone_rows": 1.0},
    ),
    "the last layer of the backbone kept": (
        backbone(model=FROZEN.replace("[:-1]", "")),
        {"test_backbone_rows": 1.0, "test_backbone_frozen": 1.0},
    ),
    "networks without a seed": (
        {key: source.replace("=seed", "=None") for key, source in search().items()},
        {"test_search": 1.0},
    ),
    "folds without a seed": (
        {
            key: "from sklearn.model_selection import StratifiedKFold\n"
            + source.replace("cv=3", "cv=StratifiedKFold(3, shuffle=True)")
            for key, source in search().items()
        },
        {"test_search": 1.0},
    ),
    "random parts in place of folds": (
        {
            key: "from sklearn.model_selection import StratifiedShuffleSplit\n"
            + source.replace("cv=3", "cv=StratifiedShuffleSplit(3, test_size=1/3, random_state=0)")
            for key, source in search().items()
        },
        {"test_search": 1.0},
    ),
    "folds as True and False": (
        folds(
            train="np.isin(np.arange(len(original)), train)",
            test="np.isin(np.arange(len(original)), test[~is_copy[test]])",
        ),
        {"test_folds_rows": 1.0},
    ),
}
TYPICAL = list(WRONG)[:6]
# The hidden tests once gave these all points, and ask for more since then.
ONCE_PASSED = [
    "the mean of the images beside an image",
    "another number of channels",
    "another learning rate",
    "another seed of the network",
    "a backbone trained for half as long",
    "networks without a seed",
    "folds without a seed",
    "random parts in place of folds",
    "normal numbers",
    "normal numbers, cut off",
    "numbers from too small a range",
    "the mean image under another name",
]
# Words that each of these is told in one of its tests.
SAID = {
    "drawn from a generator of its own": "draw them from torch's global generator",
    "a backbone trained for half as long": "differ in the backbone",
    "the last layer of the backbone kept": "differ in the backbone",
    "a new last layer trained for half as long": "differ in the new last layer",
}
# The check itself, without what is hidden, finds these in the test named.
SEEN = {
    "the batch changed in place": "test_dim_input",
    "no mean image in the search": "test_search_mean",
}
