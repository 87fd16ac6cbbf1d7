"""The checks under "Your turn" in lesson 03b: they pass the answers, and no wrong one."""

import contextlib
import io
from types import SimpleNamespace

import nbformat
import pytest

from tests.lessons.test_checks_01 import said
from tests.lessons.test_notebooks import FOLDER

# Cells before "Your turn" that the tasks use; the others train networks that no task needs.
NEEDED = (
    *(
        "import numpy",
        "load_digits(",
        "def cnn(",
        "cross_validate",
        "def shift(",
        "Pipeline, make_",
    ),
    *("quick_cnn =", "on_others =", "on_coins ="),
)
# Of those cells, what no task needs: a network, two of three draws, and the scores.
LEFT_OUT = {
    "on_all = clone(quick_cnn).fit(task_images, task_labels)\n": "",
    "for seed in range(3):\n    coin_labels": "for seed in [2]:\n    coin_labels",
    "    honest.append(": "    continue\n    honest.append(",
    '\nprint(f"trained on 0 to 4': '\n0 and print(f"trained on 0 to 4',
}


@pytest.fixture(scope="module")
def lesson():
    """What the code of the lesson defines that its checks need."""
    notebook = nbformat.read(FOLDER / "03b_images.ipynb", as_version=4)
    namespace, tasks, left_out = {}, False, set()
    for cell in notebook.cells:
        tasks = tasks or "## Your turn" in cell.source
        if cell.cell_type == "code" and (tasks or any(text in cell.source for text in NEEDED)):
            source = cell.source.partition("\nplots.show")[0]
            for text in LEFT_OUT:
                left_out |= {text} if text in source else set()
                source = source.replace(text, LEFT_OUT[text])
            with contextlib.redirect_stdout(io.StringIO()):
                exec(source, namespace)
    assert left_out == set(LEFT_OUT)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    namespace["answers"] = [part.partition("```")[0] for part in text.split("```python\n")[1:]]
    return namespace


FIT = "    return model.fit(training, training_labels), test, test_labels\n"
FIRST = "def train(pictures, labels, change):\n"
COPIES = (
    "    changed = change(torch.tensor(pictures)).numpy()\n"
    "    pictures, labels = np.concatenate([pictures, changed]), np.tile(labels, 2)\n"
)
ONCE = "    training = change(torch.tensor(training)).numpy()\n"
STEP = (
    "    step = FunctionTransformer(lambda rows: change(torch.tensor(rows)).numpy())\n"
    "    model = make_pipeline(step, model.set_params(augment=None))\n"
)
TRAIN = {
    "copies before the split": (FIRST, FIRST + COPIES, "none twice"),
    "changed before the split": (
        FIRST,
        FIRST + "    pictures = change(torch.tensor(pictures)).numpy()\n",
        "no test image",
    ),
    "changed once, after the split": (
        FIT,
        ONCE + "    model.set_params(augment=None)\n" + FIT,
        "anew in each epoch",
    ),
    "a step of a Pipeline": (FIT, STEP + FIT, "never while the model predicts"),
    "trained on all": (
        "model.fit(training, training_labels)",
        "model.fit(pictures, labels)",
        "no test",
    ),
    "test images changed too": (
        FIT,
        "    test = change(torch.tensor(test)).numpy()\n" + FIT,
        "no test image",
    ),
    "no change at all": ("augment=change, ", "", "each training image"),
    "half of the images": ("test_size=0.25", "test_size=0.5", "ten test images"),
    "labels of other images": ("test, test_labels\n", "test, 1 - test_labels\n", "their labels"),
}


@pytest.mark.parametrize("old, new, broken", TRAIN.values(), ids=TRAIN)
def test_train(old, new, broken, lesson):
    right = lesson["answers"][0]
    assert old in right
    lines = said(lesson, "train", right.replace(old, new, 1)).splitlines()
    assert any(line.startswith("broken") and broken in line for line in lines)


def test_train_as_the_lesson_answers(lesson):
    lines = said(lesson, "train", lesson["answers"][0]).splitlines()
    assert lines and all(line.startswith("kept") for line in lines)


ARGUMENTS = "fitted, pictures, labels"
SCORED = "cross_val_score(frozen(fitted), pictures, labels).mean()"
SEEN = {
    "always": ("bool(score > 0.4)", "True"),
    "never": ("bool(score > 0.4)", "False"),
    "chance": ("score > 0.4", "score > 0.1"),
    "scored on the rows of the fit": (
        SCORED,
        "frozen(fitted).fit(pictures, labels).score(pictures, labels)",
    ),
    "always the same labels": (SCORED, SCORED.replace("labels", "coin_labels")),
    "always the same network": (SCORED, SCORED.replace("fitted", "on_coins")),
    "the labels permuted": (SCORED, SCORED.replace("labels", "np.roll(labels, 1)")),
}


def once_fitted(clone):
    """Fit what is cloned once to the same labels, as it would be again for each answer."""
    fitted = {}

    def cloned(estimator):
        def fit(X, y):
            if y.tobytes() not in fitted:
                fitted[y.tobytes()] = clone(estimator).fit(X, y)
            return fitted[y.tobytes()]

        return SimpleNamespace(fit=fit)

    return cloned


def once_scored(cross_val_score):
    """Cross-validate a head on the same network, images and labels once: it has a seed."""
    scores = {}

    def scored(model, pictures, labels):
        weights = [value.numpy().tobytes() for value in model[0].network.state_dict().values()]
        key = *weights, pictures.tobytes(), labels.tobytes()
        if key not in scores:
            scores[key] = cross_val_score(model, pictures, labels)
        return scores[key]

    return scored


def test_has_seen(lesson, monkeypatch):
    monkeypatch.setitem(lesson, "clone", once_fitted(lesson["clone"]))
    monkeypatch.setitem(lesson, "cross_val_score", once_scored(lesson["cross_val_score"]))
    right = lesson["answers"][1]
    assert said(lesson, "has_seen", right) == "All four are right."
    assert "bool(score > 0.4)" in right  # without `bool`, it is one of NumPy's
    of_numpy = right.replace("bool(score > 0.4)", "score > 0.4")
    assert said(lesson, "has_seen", of_numpy) == "All four are right."
    by_canary = (
        f"from helpers import carried_weights\ndef has_seen({ARGUMENTS}):\n"
        f"    return bool(carried_weights(frozen(fitted), pictures, labels).leaked)\n"
    )
    assert said(lesson, "has_seen", by_canary) == "All four are right."
    for old, new in SEEN.values():
        assert old in right
        assert said(lesson, "has_seen", right.replace(old, new, 1)).startswith("Wrong: "), new
