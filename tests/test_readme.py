"""What the README shows and names is there. Its code runs as a doctest."""

import re

import pytest

from tests.readme_picture import PICTURE, ROOT, lesson_picture
from tests.test_notebooks import headings

README = (ROOT / "README.md").read_text()
LESSON_ROW = re.compile(r"^\| \[.*?\]\((.*?)\) \| (.*?) \| (\d+) \|$", re.MULTILINE)


def test_picture_is_that_of_lesson_04():
    png, alt = lesson_picture()
    assert PICTURE.read_bytes() == png
    assert f"![{alt}]" in README


def test_links_lead_somewhere():
    for target in re.findall(r"\]\((?!https?:)(.*?)\)", README):
        name, _, heading = target.partition("#")
        if name:
            assert (ROOT / name).exists(), target
            assert not heading or heading in headings(ROOT / name), target
        else:
            own = re.findall(r"(?m)^#+ (.*)$", README)
            assert heading in {text.lower().replace(" ", "-") for text in own}, target


def test_all_sixteen_questions_are_answered():
    table = README.partition("## Questions, and where they are answered")[2].partition("## ")[0]
    rows = re.findall(r"(?m)^\| (.*\?.*) \| (.*) \|$", table)
    assert len(rows) == 16
    assert all("](" in where for _, where in rows)


def test_commands_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"\bmake (\w+)(?=`|\s+#)", README)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("path, question, minutes", LESSON_ROW.findall(README))
def test_course_map_says_what_the_lessons_say(path, question, minutes):
    lesson = (ROOT / path).read_text()
    assert f'"# {question}' in lesson
    assert f"**{minutes} minutes" in lesson


def test_course_map_is_complete():
    mapped = {path for path, _, _ in LESSON_ROW.findall(README)}
    assert mapped == {f"notebooks/{path.name}" for path in ROOT.glob("notebooks/*.ipynb")}
