"""What the README shows and names is there. Its code runs as a doctest."""

import re

import pytest

from tests.lessons.test_notebooks import headings
from tests.readme_picture import PICTURE, ROOT, lesson_picture

README = (ROOT / "README.md").read_text("utf-8")
PAGES = [
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "notebooks/questions.md"),
    *("helpers/README.md", "tests/benchmarks/README.md"),
]
LESSON_ROW = re.compile(r"^\| \[.*?\]\((.*?)\) \| (.*?) \| (\d+) \|$", re.MULTILINE)


def test_picture_is_that_of_lesson_04():
    png, alt = lesson_picture()
    assert PICTURE.read_bytes() == png
    assert f"![{alt}]" in README


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name):
    page = ROOT / name
    text = page.read_text("utf-8")
    for target in re.findall(r"\]\((?!https?:)(.*?)\)", text):
        target_name, _, heading = target.partition("#")
        if target_name:
            path = page.parent / target_name
            assert path.exists(), target
            assert not heading or heading in headings(path), target
        else:
            own = re.findall(r"(?m)^#+ (.*)$", text)
            assert heading in {title.lower().replace(" ", "-") for title in own}, target


def test_commands_exist():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in set(re.findall(r"\bmake (\w+)(?=`|\s+#)", README)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("path, question, minutes", LESSON_ROW.findall(README))
def test_course_map_says_what_the_lessons_say(path, question, minutes):
    lesson = (ROOT / path).read_text("utf-8")
    assert f'"# {question}' in lesson
    assert f"**{minutes} minutes" in lesson


def test_course_map_is_complete():
    mapped = {path for path, _, _ in LESSON_ROW.findall(README)}
    assert mapped == {f"notebooks/{path.name}" for path in ROOT.glob("notebooks/*.ipynb")}
