"""Each lesson names the lessons before and after it, by the names and in the order of the site."""

import re
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
NAMES = {
    stem: name
    for name, stem in re.findall(
        r"^(\d\d\w? .+) <(\w+)>$", (FOLDER / "index.md").read_text("utf-8"), re.M
    )
}
OPTIONAL = ["01b_tensors", "03b_images", "03c_regression", "05b_leakage_catalogue"]
PATH = [stem for stem in NAMES if stem not in OPTIONAL]


def link(stem):
    return f"[{NAMES[stem]}]({stem}.ipynb)"


def cells(stem):
    return nbformat.read(FOLDER / f"{stem}.ipynb", as_version=4).cells


def neighbours(stem):
    """Return the lessons before and after one on the path, an empty text where there is none.

    An optional lesson stands between the one that names it and the next on the path.
    """
    ends = ["", *PATH, ""]
    place = ends.index(stem) if stem in PATH else [end[:2] for end in ends].index(stem[:2])
    return ends[place - 1] if stem in PATH else ends[place], ends[place + 1]


@pytest.mark.parametrize("stem", NAMES)
def test_a_lesson_begins_with_its_neighbours(stem):
    before, after = neighbours(stem)
    said = cells(stem)[0].source
    assert f"Before: {link(before) if before else 'nothing'}" in said
    assert (f" · Next: {link(after)}" in said) if after else ("Next" not in said)
    offered = [
        other for other in OPTIONAL if other[:2] == stem[:2] and stem in PATH and stem[2] == "_"
    ]
    assert (
        re.findall(r" · Optional: ([^·\n]*\))", said)
        == [", ".join(map(link, offered))][: len(offered)]
    )


@pytest.mark.parametrize("stem", list(NAMES)[:-1])
def test_a_lesson_ends_with_the_title_of_the_next(stem):
    _, after = neighbours(stem)
    title = cells(after)[0].source.splitlines()[0].removeprefix("# ")
    number = after.partition("_")[0]
    assert f"**Next:** [{number}, {title}]({after}.ipynb)" in cells(stem)[-1].source


def test_the_site_lists_every_lesson_in_order():
    assert list(NAMES) == sorted(path.stem for path in FOLDER.glob("0*.ipynb"))
