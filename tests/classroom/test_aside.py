"""What lies in a class's folder and is no student's work for this assignment makes up nobody."""

import zipfile

import pytest

from tests import classroom
from tests.classroom import write

# isort: split
from grading import files
from grading.aside import left_aside

NAME = "02_estimator"


@pytest.fixture
def course(tmp_path):
    for name in ("01_split", NAME, "02_estimator_again", "max"):
        write(tmp_path / "course" / "source" / name / f"{name}.ipynb", classroom.small_source())
    return tmp_path / "course"


def found(folder, course, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")
    aside, lines = left_aside(folder, NAME, course)
    return list(files.find(folder, NAME, aside=aside)[0]), " ".join(lines)


@pytest.mark.parametrize(
    "names, students, aside",
    [
        (["01_split/Ida.ipynb", f"{NAME}/Ida.ipynb", f"{NAME}/Jo/a.ipynb"], "Ida Jo", "01_split"),
        (["01-split (1)/Ida.ipynb", f"{NAME}/Ida.ipynb"], "Ida", "01-split (1)"),
        (["Ida_01_split.ipynb", f"Ida_{NAME}.ipynb"], "Ida", "Ida_01_split.ipynb"),
        (["01-split-ida/01_split.ipynb", "02-estimator-ida/a.ipynb"], "ida", "01-split-ida"),
        (["02_estimator_again/Ida.ipynb", f"{NAME}/Ida.ipynb"], "Ida", "02_estimator_again"),
        (
            [f"{a}_ab12_attempt_2026-11-27-10-11-12_a.ipynb" for a in ("01_split", NAME)],
            "ab12",
            "01_split_ab12_attempt_2026-11-27-10-11-12_a.ipynb",
        ),
        # A name without an assignment's, with both, or in which only a file's says another.
        (["Ida.ipynb", "Maximilian.ipynb", "Ida Split.ipynb"], "Ida,Ida Split,Maximilian", ""),
        ([f"Ida_01_split_{NAME}.ipynb"], "Ida_01_split", ""),
        (["Ida_7_assignsubmission_file_01_split.ipynb", "Jo/01_split.ipynb"], "Ida Jo", ""),
        (["langida_123_456_01_split.ipynb", "Jo/01_split/a.ipynb"], "Jo langida", ""),
    ],
)
def test_what_is_named_after_another_assignment(tmp_path, course, names, students, aside):
    who, said = found(tmp_path / "in", course, *names)
    assert who == students.split("," if "," in students else None)
    line = (
        f"Left aside, as named after another assignment (rename what is for {NAME}, and run again)"
    )
    assert said == (aside and f"{line}: {aside}")


@pytest.mark.parametrize(
    "name", ["index.html", "README.txt", "ReadMe.md", "classlist.csv", "Class List.xlsx"]
)
def test_a_file_that_can_be_no_hand_in_is_named_and_is_nobody(tmp_path, course, name):
    who, said = found(tmp_path / "in", course, "Ida.ipynb", name)
    assert who == ["Ida"] and said.startswith("Left aside, as no student's work")
    assert said.endswith(f"and run again): {name}")


@pytest.mark.parametrize(
    "text, listed",
    [
        ("Lang, Ida\nMÜLLER Jo\n", True),
        ("Ida Lang\n", False),
        ("I asked Ida. Lang is a name.", False),
        ('{"cells": ["Ida Lang", "Jo Müller"]}', False),  # a notebook of both
    ],
)
def test_a_text_that_lists_students_is_nobodys(tmp_path, course, text, listed):
    found(tmp_path / "in", course, "Ida Lang.ipynb", "Jo Mu\u0308ller/a.ipynb")
    (tmp_path / "in" / "names.txt").write_text(text, encoding="utf-8")
    aside, lines = left_aside(tmp_path / "in", NAME, course)
    assert [path.endswith("names.txt") for path in aside] == [True] * listed == [True] * len(lines)


@pytest.mark.parametrize(
    "inside, whole",
    [
        (["Ida_7_assignsubmission_file_/a.ipynb", "Jo_8_assignsubmission_file_/a.ipynb"], True),
        (["ida_123_456_a.ipynb", "Ida_123_456_a.ipynb", "Jo_78_9876_a.ipynb"], False),
        (["Ida.ipynb", "Jo.ipynb"], True),
        (["Ida/a.ipynb", "notebooks/a.ipynb"], False),
    ],
)
def test_a_zip_file_of_the_class_beside_its_folders_is_nobodys(tmp_path, course, inside, whole):
    found(tmp_path / "in", course, "Ida/a.ipynb", "Jo.ipynb")
    with zipfile.ZipFile(tmp_path / "in" / f"class_{NAME}.zip", "w") as archive:
        for name in inside:
            archive.writestr(name, "{}")
    assert len(left_aside(tmp_path / "in", NAME, course)[0]) == whole


@pytest.mark.parametrize("name", ["Icon\r", ".DS_Store", "Thumbs.db", "Desktop.ini", "__MACOSX/a"])
def test_what_systems_leave_behind_is_passed_over(tmp_path, course, name):
    assert found(tmp_path / "in", course, "Ida.ipynb", name) == (["Ida"], "")


@pytest.mark.parametrize(
    "name",
    [
        "Ida.html",
        f"Ida_{NAME}.html",
        "Ida.pdf",
        "Ida.txt",
        f"Ida_{NAME}.csv",
        "Ida_7_assignsubmission_file_results.csv",
        "Ida/index.html",
        "Ida/classlist.csv",
        "readme.ipynb",
    ],
)
def test_what_may_be_a_hand_in_goes_on_being_somebodys(tmp_path, course, name):
    who, said = found(tmp_path / "in", course, name)
    assert who == ["readme" if name.startswith("readme") else "Ida"] and said == ""


def test_a_table_beside_a_students_notebook_is_that_students(tmp_path, course):
    assert found(tmp_path / "in", course, "Ida.ipynb", "Ida.csv") == (["Ida"], "")


def test_where_all_is_left_aside_it_is_said_and_nothing_is_graded(tmp_path, course):
    found(tmp_path / "in", course, "01_split/Ida.ipynb", "classlist.csv")
    done = classroom.grade_here(tmp_path / "in", NAME, course)
    assert done.returncode == 2 and "holds no student's work. Name the folder" in done.stderr
    assert done.stdout.count("Left aside") == 2 and "run again): 01_split\n" in done.stdout
