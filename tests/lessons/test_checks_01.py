"""The checks under "Your turn" in lessons 01 and 01b: they pass the answer, and no wrong one."""

import contextlib
import io

import nbformat
import pytest

from tests.lessons.test_notebooks import FOLDER

# Cells before "Your turn" that the tasks use.
NEEDED = ("import numpy", "import load_", "def complaint", "rows = np.arange")


@pytest.fixture(scope="module")
def lessons():
    """What the code of each lesson defines that its checks need, by the lesson's name."""
    found = {}
    for name in ("01_split", "01b_tensors"):
        notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
        found[name] = {}
        tasks = False
        for cell in notebook.cells:
            tasks = tasks or "## Your turn" in cell.source
            needed = tasks or any(text in cell.source for text in NEEDED)
            if cell.cell_type == "code" and needed:
                with contextlib.redirect_stdout(io.StringIO()):
                    exec(cell.source, found[name])
        text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
        found[name]["answers"] = [
            part.partition("```")[0] for part in text.split("```python\n")[1:]
        ]
    return found


def said(namespace, name, code):
    """Return what the check of a task says of some code that defines it."""
    exec(code, namespace)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        returned = namespace[f"check_{name}"](namespace[name])
    return returned or printed.getvalue()


LOADERS = {
    "no generator to test": (", generator=of_test", "", "global generator"),
    "no generator to train": (", generator=order", "", "same seed"),
    "the global seed": (
        "    rows =",
        "    torch.manual_seed(seed)\n    rows =",
        "global generator",
    ),
    "not stratified": ("stratify=y, ", "", "18 eights"),
    "not shuffled": ("shuffle=True, ", "", "a new order"),
    "one split for all seeds": ("random_state=seed", "random_state=0", "other seed"),
    "test rows shuffled": ("generator=of_test", "generator=of_test, shuffle=True", "in one order"),
    "trained on all rows": ("Subset(rows, train)", "rows", "none twice"),
    "rows lost": ("shuffle=True", "shuffle=True, drop_last=True", "no row lost"),
}


@pytest.mark.parametrize("old, new, broken", LOADERS.values(), ids=LOADERS)
def test_loaders(old, new, broken, lessons):
    namespace = lessons["01b_tensors"]
    right = namespace["answers"][1]
    assert "broken" not in said(namespace, "loaders", right)
    assert old in right
    lines = said(namespace, "loaders", right.replace(old, new, 1)).splitlines()
    assert any(line.startswith("broken") and broken in line for line in lines)


def test_tensors(lessons):
    namespace = lessons["01b_tensors"]
    right = namespace["answers"][0]
    assert said(namespace, "tensors", right.replace("to_tensors", "tensors")) == "They fit."
    for old, new, found in (
        (".float()", "", "Double and Float"),
        (".long()", "", "got Double"),
        ("-1]).long", "-1:]).long", "multi-target"),
        (":-1]", ":]", "cannot be multiplied"),
        (".float()", ".float() * 0", "no longer those"),
        (", -1]", ", 0]", "no longer those"),
    ):
        assert old in right
        wrong = right.replace("to_tensors", "tensors").replace(old, new, 1)
        assert found in said(namespace, "tensors", wrong)


@pytest.mark.parametrize(
    "formula, broken",
    [
        ("int(np.ceil(p * (1 - p) / deviation**2))", "nothing"),
        ("int(p * (1 - p) / deviation**2)", "enough"),
        ("int(np.ceil(p * (1 - p) / deviation**2)) + 1", "the smallest"),
        ("p * (1 - p) / deviation**2", "a whole number"),
    ],
)
def test_rows_needed(formula, broken, lessons):
    code = f"def rows_needed(p, deviation):\n    return {formula}\n"
    lines = said(lessons["01_split"], "rows_needed", code).splitlines()
    assert lines and all(line.endswith(f"broken: {broken}") for line in lines)


def test_a_three_way_split(lessons):
    assert "broken" not in said(lessons["01_split"], "three_way", lessons["01_split"]["answers"][0])
