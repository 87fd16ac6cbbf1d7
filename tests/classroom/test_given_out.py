"""Assignments are written anew while somebody works in the folders that hold them."""

import contextlib
import itertools
import shutil
from pathlib import Path

import nbformat
import pytest

from tests import classroom
from tests.classroom import cell, write

# isort: split
from grading import given_out, gradebook
from grading.records import records
from release import write_all

NAME = "double"
FOLDERS = ["release", "selfstudy"]


@pytest.fixture
def course(tmp_path):
    shutil.copy(classroom.ASSIGNMENTS / "nbgrader_config.py", tmp_path)
    write(tmp_path / "source" / NAME / f"{NAME}.ipynb", classroom.small_source())
    write_all(tmp_path)
    return tmp_path


def notebook_in(course, folder):
    return course / folder / NAME / f"{NAME}.ipynb"


def work_in(path, answer="my own work"):
    """Answer the first question and add a file; return the bytes of the notebook."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[2].source = f"def double(x):\n    return {answer!r}\n"
    nbformat.write(notebook, path)
    (path.parent / "data.csv").write_text("1,2")
    return path.read_bytes()


def change_source(course):
    changed = classroom.small_source()
    cell(changed, "test_double").source += "\n# mended"
    changed.cells[0].source = "# Double it"
    write(course / "source" / NAME / f"{NAME}.ipynb", changed)


@pytest.mark.parametrize("folder", FOLDERS)
def test_work_on_an_assignment_that_is_the_same_stays(course, folder):
    path = notebook_in(course, folder)
    mine = work_in(path)
    written, kept, refused = write_all(course)
    assert path.read_bytes() == mine and (path.parent / "data.csv").read_text() == "1,2"
    assert written == [notebook_in(course, "selfstudy")] and kept == refused == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_work_on_an_older_version_is_put_beside_the_new_one(course, folder):
    path, beside = notebook_in(course, folder), []
    for number in (1, 2):
        mine = work_in(path)
        change_source(course)
        kept = write_all(course)[1]
        assert kept == [path.with_name(f"{NAME} (your work {number}).ipynb")]
        assert kept[0].read_bytes() == mine and (path.parent / "data.csv").exists()
        assert "my own work" not in path.read_text() and "Double it" in path.read_text()
        beside += kept
        write(course / "source" / NAME / f"{NAME}.ipynb", classroom.small_source())
        assert write_all(course)[1] == []
    assert all(each.exists() for each in beside)


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_cannot_be_read_is_kept_as_well(course, folder):
    path = notebook_in(course, folder)
    path.write_text('{"cells": ')
    kept = write_all(course)[1]
    assert [each.read_text() for each in kept] == ['{"cells": ']
    assert nbformat.read(path, as_version=4)


def test_a_notebook_in_which_nobody_has_worked_is_replaced(course):
    path = notebook_in(course, "selfstudy")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].execution_count = 7  # run, and saved
    nbformat.write(notebook, path)
    change_source(course)
    assert write_all(course)[1] == []
    assert "Double it" in path.read_text() and len(list(path.parent.iterdir())) == 1


def interrupted_after(monkeypatch, count):
    """Let Ctrl-C come after the step of this number, of those that change what is on the disk."""
    steps = itertools.count(1)

    def with_ctrl_c(step):
        def done(*args):
            result = step(*args)
            if next(steps) == count:
                raise KeyboardInterrupt
            return result

        return done

    for owner, name in [
        (gradebook.NbGraderAPI, "generate_assignment"),
        *((Path, name) for name in ("write_bytes", "rename", "replace")),
        *((shutil, name) for name in ("move", "copy2", "copytree")),
    ]:
        monkeypatch.setattr(owner, name, with_ctrl_c(getattr(owner, name)))


def test_no_interruption_loses_work(course, monkeypatch):
    paths = [notebook_in(course, folder) for folder in FOLDERS]
    for count in itertools.count(1):
        mine = {path.parent: work_in(path, f"work {count}") for path in paths}
        change_source(course)
        with monkeypatch.context() as patched, contextlib.suppress(KeyboardInterrupt):
            interrupted_after(patched, count)
            write_all(course)
            break
        for folder, content in mine.items():
            assert content in [path.read_bytes() for path in folder.iterdir()], count
        write(course / "source" / NAME / f"{NAME}.ipynb", classroom.small_source())
        write_all(course)
    assert count > 5


def test_a_notebook_from_a_teacher_stays_before_and_after_the_first_run(course):
    path = notebook_in(course, "release")
    theirs = nbformat.read(path, as_version=4)
    theirs.cells[0].source = "# Another question"
    given_out.write(theirs, path)
    before = path.read_bytes()
    change_source(course)
    for _ in range(2):
        assert write_all(course)[1] == [path] and path.read_bytes() == before
        shutil.rmtree(course / ".given_out")  # as in a new copy of the repository
    mine = work_in(path)
    assert write_all(course)[1] == [path] and path.read_bytes() == mine


def test_an_assignment_that_cannot_be_given_out_holds_up_no_other(course):
    write(course / "source" / "a" / "a.ipynb", classroom.small_source())
    write(course / "source" / "a" / "a-Copy1.ipynb", classroom.small_source())
    written, _, refused = write_all(course)
    assert written == [notebook_in(course, "selfstudy")]
    assert "a-Copy1.ipynb in source/a would count" in refused[0]


def test_a_file_beside_the_notebook_that_was_changed_is_kept(course):
    (course / "source" / NAME / "rows.csv").write_text("1")
    write_all(course)
    path = course / "release" / NAME / "rows.csv"
    path.write_text("2")
    assert write_all(course)[1] == [path.with_name("rows (your work 1).csv")]
    assert path.read_text() == "1" and write_all(course)[1] == []


@pytest.mark.timeout(classroom.HANG)
def test_the_grader_compares_with_what_was_given_out(course, tmp_path):
    write(tmp_path / "in" / "idle.ipynb", nbformat.read(notebook_in(course, "release"), 4))
    work_in(notebook_in(course, "release"))  # the teacher's, say
    classroom.already_tried(course, NAME)
    done = classroom.grade_here(tmp_path / "in", NAME, course, "--seconds", "60")
    (outcome,) = records(course, NAME).values()
    assert outcome.graded and outcome.answers == "", done.stdout + done.stderr
