"""FROM names a folder one level too deep or too high: nobody is made up, and nobody is refused."""

import shutil
import zipfile

import pytest

from tests import classroom
from tests.classroom import right, write

# isort: split
from grading import files, wrong_level

NAME = "01_split"


@pytest.fixture
def course(tmp_path):
    for name in (NAME, "02_estimator"):
        write(tmp_path / "course" / "source" / name / f"{name}.ipynb", classroom.small_source())
    shutil.copy(classroom.ASSIGNMENTS / "nbgrader_config.py", tmp_path / "course")
    return tmp_path / "course"


def made(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")
    return folder


def said(submissions, course):
    found = files.find(submissions, NAME)[0], submissions, NAME
    return wrong_level.refusal(*found, course), wrong_level.doubt(*found)


@pytest.mark.parametrize(
    "inner, names",
    [
        ("Anna", ["01_split.ipynb"]),
        ("Anna", ["01_split (1).ipynb", "notes.txt", "other.ipynb"]),
        ("Anna", ["01_split/01_split.ipynb"]),
        ("Anna/01_split", ["01_split.ipynb"]),
        ("Anna", ["01-split/01_split.ipynb"]),
    ],
)
def test_a_folder_of_one_student_is_refused(tmp_path, course, inner, names):
    handed_in = tmp_path / "handed_in"
    refused, _ = said(made(handed_in / inner, *names), course)
    assert "has the assignment's name and no student's" in refused
    assert f'FROM="{handed_in}"' in refused


@pytest.mark.parametrize(
    "names",
    [
        ["in/Anna/01_split.ipynb", "in/Ben/01_split.ipynb"],
        ["in/Anna/01_split.zip", "in/Ben/01_split/01_split.ipynb", "roster.csv", "in/list.txt"],
        ["01_split/in/Anna/a.ipynb", "01_split/in/Ben/b.ipynb"],
    ],
)
def test_a_folder_that_holds_that_of_the_class_is_refused(tmp_path, course, names):
    top = made(tmp_path / "class of 2027", *names)
    refused, _ = said(top, course)
    assert "in one folder only, in, and there in several folders: Anna, Ben." in refused
    inner = top / "01_split" / "in" if names[0].startswith(NAME) else top / "in"
    assert f'FROM="{inner}"' in refused and said(inner, course) == ("", "")


@pytest.mark.parametrize(
    "names, doubt",
    [
        (["Anna.ipynb"], ""),
        (["Anna/01_split.ipynb", "Ben/01_split.ipynb"], ""),
        (["Anna/old/01_split.ipynb", "Anna/new/01_split.ipynb", "Ben.ipynb"], ""),
        (["Anna/01_split/01_split.ipynb", "Anna/data/a.csv"], ""),
        (["Anna/01_split.ipynb", "Anna/old/01_split.ipynb"], "ONLY ONE STUDENT, Anna, with 2"),
        (["Anna/01_split/a.ipynb", "Anna/02_estimator/b.ipynb"], "ONLY ONE STUDENT, Anna, with 2"),
        (["in/Anna.ipynb", "in/Ben.ipynb", "in/Jon.ipynb"], "ONLY ONE STUDENT, in, with 3"),
        (["Anna.ipynb", "Anna (1).ipynb"], ""),
        (["A (1).ipynb", "A (2).ipynb", "A (3).ipynb"], "ONLY ONE STUDENT, A, with 3"),
        (["readme.txt"], ""),
        ([".hidden"], ""),
    ],
)
def test_what_may_be_meant_is_not_refused(tmp_path, course, names, doubt):
    refused, doubted = said(made(tmp_path / "in", *names), course)
    assert refused == "" and doubted.startswith(doubt) and bool(doubted) == bool(doubt)


@pytest.mark.parametrize(
    "inner, shown",
    [
        (["Anna_7_assignsubmission_file_/a.ipynb", "Ben_8_assignsubmission_file_/a.ipynb"], "Anna"),
        (["Anna/a.ipynb", "Anna/b.ipynb", "a.ipynb"], ""),
        (["01_split/a.ipynb", "02_estimator/a.ipynb"], ""),
    ],
)
@pytest.mark.parametrize("place", ["in", "in/week 1"])
def test_the_zip_file_of_a_class_is_refused(tmp_path, course, inner, shown, place):
    (tmp_path / place).mkdir(parents=True)
    with zipfile.ZipFile(tmp_path / place / "all.zip", "w") as archive:
        for name in inner:
            archive.writestr(name, "{}")
    refused, _ = said(tmp_path / "in", course)
    assert bool(refused) == bool(shown) and shown in refused
    assert not shown or "all.zip" in refused and "unpack it" in refused


def test_nothing_is_graded_where_it_is_refused(tmp_path, course):
    write(tmp_path / "in" / "Anna" / f"{NAME}.ipynb", right(classroom.small_release()))
    done = classroom.grade_here(tmp_path / "in" / "Anna", NAME, course)
    assert done.returncode == 2 and f'FROM="{tmp_path / "in"}"' in done.stderr
    assert not (course / "grades.csv").exists() and not (course / ".graded").exists()
