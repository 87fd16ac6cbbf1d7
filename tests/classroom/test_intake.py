"""From files of all kinds to one notebook for each student, or a reason and a cure."""

import json
import os
import socket
import unicodedata
import zipfile

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_raw_cell
from nbgrader.utils import compute_checksum, determine_grade

from tests import classroom
from tests.classroom import answered, cell, dumps, right, write

# isort: split
from grading import files, given_out, intake, records, unpack

NAME = "double"


@pytest.fixture(scope="module")
def release():
    return classroom.small_release()


def chosen(release, *handed_in):
    name, _, notebook, remarks = intake.choose(list(handed_in), release)
    mended, more = intake.mend(notebook, release)
    return name, mended, remarks + more


def mended(release, notebook):
    """Return what is graded of a notebook, and the remarks."""
    read, said = unpack.read(dumps(notebook).encode())
    found, more = intake.mend(read, release)
    nbformat.validate(found)
    return found, " ".join(said + more)


@pytest.mark.parametrize(
    "name, student",
    [
        ("anna.ipynb", "anna"),
        ("anna_double.ipynb", "anna"),
        ("anna.muster_Double (2).ipynb", "anna.muster"),
        ("Fritz(1).ipynb", "Fritz"),
        ("Gerd copy.ipynb", "Gerd"),
        ("Gerd copy 2.ipynb", "Gerd"),
        ("Gerd_double-Copy1.ipynb", "Gerd"),
        ("Kopie von Gerd.ipynb", "Gerd"),
        ("Gerd - Kopie (2).ipynb", "Gerd"),
        ("Copy of Gerd.ipynb", "Gerd"),
        ("Gerd - Copy (2).ipynb", "Gerd"),
        ("Ida Lang_12345_assignsubmission_file_", "Ida Lang"),
        ("Ida Lang_12345_assignsubmission_file_double.ipynb", "Ida Lang"),
        ("langida_LATE_123_456_double.ipynb", "langida"),
        ("langida_123_456_double-1.ipynb", "langida"),
        ("anna.lang.ipynb", "anna.lang"),
        ("group.1.ipynb", "group.1"),
        ("anna.ipynb.1", "anna"),
        ("anna.odt", "anna"),
        ("anna.tiff", "anna"),
        ("anna.ipynb.txt", "anna"),
        ("anna.IPYNB", "anna"),
        ("anna.zip", "anna"),
        ("anna_double.html", "anna"),
        ("anna.ipynb.download", "anna"),
        ("हिन्दी.ipynb", "हिन्दी"),
        ("double.ipynb", "double"),
        ("student_001.ipynb", "student_001"),
    ],
)
def test_the_student_in_a_name(tmp_path, name, student):
    if "." in name:
        (tmp_path / name).write_text("{}")
    else:
        (tmp_path / name).mkdir()
    students, _ = files.find(tmp_path, NAME)
    assert list(students) == [unicodedata.normalize("NFC", student)]


def test_one_name_however_it_is_written(tmp_path):
    for form in ("NFC", "NFD"):
        (tmp_path / form).mkdir()
        name = unicodedata.normalize(form, "José")
        (tmp_path / form / f"{name}.ipynb").write_text("{}")
        assert list(files.find(tmp_path / form, NAME)[0]) == ["José"]


def test_copies_are_one_student_and_two_of_a_name_are_two(tmp_path):
    for name in [
        "Fritz.ipynb",
        "Fritz(1).ipynb",
        "Ida_11_assignsubmission_file_/a.ipynb",
        "Ida_22_assignsubmission_file_/a.ipynb",
        "f*/deep/x.ipynb",
        "f?.ipynb",
        "d/.ipynb_checkpoints/x.ipynb",
        "__MACOSX/e.ipynb",
        "double/kim.ipynb",
        "double/lee/lee.ipynb",
    ]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    students, _ = files.find(tmp_path, NAME)
    counts = {student: len(found) for student, found in students.items()}
    (other,) = (student for student in students if student.startswith("f-"))
    assert counts == {
        **{"Fritz": 2, "Ida 11": 1, "Ida 22": 1, "f": 1, other: 1, "d": 0},
        **{"kim": 1, "lee": 1},
    }


def test_a_student_graded_before_a_namesake_came_keeps_the_name(tmp_path):
    def come(*names):
        for name in names:
            path = tmp_path / f"{name}_assignsubmission_file_" / "double.ipynb"
            path.parent.mkdir(parents=True)
            path.write_text("{}")
        students, _ = files.find(tmp_path, NAME, earlier)
        for student, theirs in students.items():
            earlier[student] = records.handed_in_as(theirs, tmp_path, NAME)
        return list(students)

    earlier = {}
    assert come("double/Ida Lang_1002") == ["Ida Lang"]
    assert come("Ida Lang_1044", "Ida Lang_1001") == ["Ida Lang", "Ida Lang 1001", "Ida Lang 1044"]
    assert earlier["Ida Lang"] == ("Ida Lang_1002_assignsubmission_file_",)
    assert earlier["Ida Lang 1044"] == ("Ida Lang_1044_assignsubmission_file_",)
    files.remove(tmp_path / "double")
    assert come() == ["Ida Lang 1001", "Ida Lang 1044"]


def test_names_that_no_file_can_bear(tmp_path):
    long, none = "長" * 83, "!!!"
    for name in (long, none):
        (tmp_path / f"{name}.ipynb").write_text("{}")
    students, notes = files.find(tmp_path, NAME)
    assert all(len(student.encode()) < 140 for student in students) and len(students) == 2
    (short,) = (student for student in students if student.startswith("長"))
    assert f"called {short} here" in notes[short][0]
    (unnamed,) = students.keys() - {short}
    assert unnamed.startswith("unnamed") and "Give the file the student's name" in notes[unnamed][0]


def test_what_is_no_file_is_named(tmp_path):
    folder, outside = tmp_path / "in", tmp_path / "secret.ipynb"
    folder.mkdir()
    outside.write_text("{}")
    os.mkfifo(folder / "pipe.ipynb")
    with socket.socket(socket.AF_UNIX) as listening:
        place = os.getcwd()
        os.chdir(folder)  # the path of a socket may not be long
        listening.bind("socket.ipynb")
        os.chdir(place)
    (folder / "loop.ipynb").symlink_to(folder / "loop.ipynb")
    (folder / "nowhere.ipynb").symlink_to(folder / "none")
    (folder / "out.ipynb").symlink_to(outside)
    (folder / "around").mkdir()
    (folder / "around" / "again").symlink_to(folder, target_is_directory=True)
    (folder / "real.ipynb").write_text("{}")
    (folder / "inner.ipynb").symlink_to(folder / "real.ipynb")
    students, notes = files.find(folder, NAME)
    assert {student for student, found in students.items() if found} == {"real", "inner"}
    for student in ("pipe", "socket"):
        assert "not a file: not opened. Ask for the .ipynb" in notes[student][0]
    (device,) = (entry for entry in os.scandir("/dev") if entry.name == "null")
    found, said = files.content(device, folder)
    assert not found and "null is a pipe, a socket or a device, not a file: not opened" in said[0]
    for student in ("loop", "nowhere", "out", "around"):
        assert "not followed. Ask for the file" in notes[student][0]


def nested(folder, depth):
    """Make so many folders within folders, with a file in the last."""
    top = folder / "top"
    top.mkdir(parents=True)
    for _ in range(depth):  # from within: the path would be too long for the system
        (folder / "new").mkdir()
        top.rename(folder / "new" / "top")
        (folder / "new").rename(top)
    return top


def test_folders_without_end_are_named_and_can_be_removed(tmp_path):
    top = nested(tmp_path / "in", 1500)
    (top / "double.ipynb").write_text("{}")
    students, notes = files.find(tmp_path / "in", NAME)
    assert len(students["top"]) == 1 and "more than 40 deep" in notes["top"][0]
    locked = tmp_path / "in" / "locked"
    locked.mkdir()
    (locked / "file").touch()
    locked.chmod(0)
    files.remove(tmp_path / "in")
    assert not (tmp_path / "in").exists()


def test_the_bytes_of_a_file_without_an_end_are_not_read(tmp_path):
    with open(tmp_path / "disk.img", "wb") as file:
        file.truncate(10**13)
    before = files.digest([tmp_path / "disk.img"])
    assert files.digest([tmp_path / "disk.img"]) == before
    os.truncate(tmp_path / "disk.img", 10**12)
    assert files.digest([tmp_path / "disk.img"]) != before


def test_notebooks_are_found_whatever_holds_them(tmp_path, release):
    text = dumps(right(release))
    for name in ("a.ipynb", "a.IPYNB", "a.json", "a.ipynb.txt", "a.txt", "a"):
        (tmp_path / name).write_text(text)
        assert chosen(release, tmp_path / name)[0] == name
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("__MACOSX/._double.ipynb", "x")
        archive.writestr("in/double.ipynb", text)
        archive.writestr("in/data.csv", "1,2")
    assert chosen(release, tmp_path / "a.zip")[0] == "a.zip: in/double.ipynb"
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo("in/double.ipynb.txt", (2107, 12, 31, 23, 59, 58)), text)
    assert chosen(release, tmp_path / "b.zip")[0] == "b.zip: in/double.ipynb.txt"


def test_every_other_file_is_named_with_what_tells_it_apart(tmp_path, release):
    text = dumps(right(release))
    for name in ("one/double.ipynb", "two/double.ipynb", "two/double"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text if name.endswith("b") else "notes")
        os.utime(tmp_path / name, (1, 1 + name.startswith("two")))
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("in/data.csv", "1,2")
    found = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    name, others, _, remarks = intake.choose(found, release)
    assert name == "two/double.ipynb"
    assert others == ["one/double.ipynb", "two/double", "z.zip"]
    assert "and not one/double.ipynb." in remarks[-1]
    with zipfile.ZipFile(tmp_path / "z.zip", "a") as archive:
        archive.writestr("in/a.ipynb", text)
        archive.writestr("in/.DS_Store", "")
    assert intake.choose([tmp_path / "z.zip"], release)[:2] == (
        "z.zip: in/a.ipynb",
        ["z.zip: in/data.csv"],
    )


def test_a_zip_file_in_a_zip_file_is_named(tmp_path, release):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("in/inner.ZIP", b"PK")
    with pytest.raises(unpack.NotGraded, match="It holds another zip file, which is not opened"):
        intake.choose([tmp_path / "a.zip"], release)


def test_what_a_zip_file_would_become_is_bounded(tmp_path, release, monkeypatch):
    monkeypatch.setattr(unpack, "LARGE", 3_000_000)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(4):
            archive.writestr(f"{number}.ipynb", bytes(1_000_000))
    with pytest.raises(unpack.NotGraded, match="What is in it would have 4 MB, with 3.ipynb"):
        intake.choose([tmp_path / "a.zip"], release)


def test_a_notebook_that_nobody_can_have_written_is_named(release, monkeypatch):
    monkeypatch.setattr(unpack, "MANY", 20)
    monkeypatch.setattr(unpack, "LONG", 10_000)
    many, long = right(release), answered(right(release), why="x" * 10_000)
    many.cells += [new_code_cell("pass") for _ in range(20)]
    for notebook in (many, long):
        with pytest.raises(unpack.NotGraded, match="Ask for a copy without the data"):
            unpack.read(dumps(notebook).encode())


def test_of_many_files_some_are_named(tmp_path, release):
    for number in range(30):
        (tmp_path / f"{number}.json").write_text("{}")
    with pytest.raises(unpack.NotGraded, match=r"9\.json: .* And 20 more\.$"):
        intake.choose(sorted(tmp_path.glob("*.json"), key=lambda file: int(file.stem)), release)


def test_bytes_around_a_notebook_do_no_harm(release):
    data = b"\xef\xbb\xbf" + dumps(right(release)).encode() + b"\0\0\r\n"
    assert unpack.read(data)[1] == []


@pytest.mark.parametrize(
    "name, data, sentence",
    [
        ("a.html", b"<html>", "a web page, which shows a notebook"),
        ("a.py", b"print(1)", "a script made from a notebook"),
        ("a.pdf", b"%PDF", "a text made from a notebook"),
        ("a.ipynb - Colab.pdf", b"%PDF", "a text made from a notebook"),
        ("a.rar", b"Rar!", "an archive that is not opened"),
        ("a.png", b"\x89PNG", "no notebook"),
        ("a.zip", b"PK\x03\x04 and no more", "no notebook"),
        ("a.ipynb", b"<!DOCTYPE html>", "a web page, saved under a notebook's name"),
        ("a.ipynb", b" \n", "The file is empty"),
        ("a.ipynb", b'{"cells": [', "JSON breaks off"),
        ("a.ipynb", b'{"a": 1}', "JSON, but not a notebook"),
        ("a.ipynb", b"[" * 100_000, "JSON, but not a notebook (RecursionError"),
        (
            "a.ipynb",
            b'{"nbformat": "4", "metadata": [], "cells": [7]}',
            "No cell of this assignment",
        ),
        ("a.ipynb", b'{"nbformat": "x", "cells": 7}', "JSON, but not a notebook"),
        ("a.ipynb", b"<<<<<<< HEAD", "JSON breaks off"),
        ("a.ipynb", b"\xff\xfe\x00", "Not a notebook"),
        ("a.ipynb", bytes(1000), "The file is empty"),
    ],
)
def test_what_is_no_notebook_is_named_with_the_cure(tmp_path, release, name, data, sentence):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(unpack.NotGraded) as error:
        intake.choose([tmp_path / name], release)
    assert sentence in str(error.value) and "sk for" in str(error.value)


def test_a_file_of_a_gigabyte_is_not_read(tmp_path, release):
    with open(tmp_path / "a.ipynb", "wb") as file:
        file.truncate(10**9)
    with pytest.raises(unpack.NotGraded, match="It has 1000 MB. Ask for it again, saved after"):
        intake.choose([tmp_path / "a.ipynb"], release)


def test_another_assignment_is_not_graded_and_the_best_match_is(tmp_path, release):
    other = right(release)
    other.cells = [cell(other, "setup"), new_code_cell("another = 1")]
    write(tmp_path / "other.ipynb", other)
    with pytest.raises(unpack.NotGraded, match="Only 1 of the 5 marked cells"):
        intake.choose([tmp_path / "other.ipynb"], release)
    write(tmp_path / "old.ipynb", right(release))
    write(tmp_path / "new.ipynb", right(release))
    part = right(release)
    part.cells.remove(cell(part, "why"))
    write(tmp_path / "part.ipynb", part)
    write(tmp_path / "untouched.ipynb", release)
    for number, name in enumerate(["old", "new", "part", "untouched", "other"]):
        os.utime(tmp_path / f"{name}.ipynb", (number, number))
    name, _, remarks = chosen(release, *sorted(tmp_path.glob("*.ipynb")))
    assert name == "new.ipynb"
    assert "4 submissions: graded was new.ipynb (one with answers comes first" in " ".join(remarks)
    assert "Passed over: other.ipynb: Only 1 of the 5" in " ".join(remarks)
    assert "Ask for" not in " ".join(remarks)


def test_an_older_version_that_nobody_has_filled_in_has_no_answers(release, tmp_path):
    older = answered(release, why="How?\n\nYOUR ANSWER HERE")
    for name in ("untouched", "filled"):
        given_out.write(older, tmp_path / f"{name}.ipynb")
    notebook = nbformat.read(tmp_path / "filled.ipynb", as_version=4)
    cell(notebook, "double").source = "def double(x):\n    return 2 * x"
    write(tmp_path / "filled.ipynb", notebook)
    os.utime(tmp_path / "filled.ipynb", (1, 1))
    assert chosen(release, *sorted(tmp_path.iterdir()))[0] == "filled.ipynb"
    notebook, _ = unpack.read((tmp_path / "untouched.ipynb").read_bytes())
    assert intake.answers(notebook, release) == []


def test_windows_line_ends_and_layout_are_no_edit(release):
    notebook = right(release)
    for each in notebook.cells:
        each.source = each.source.replace("\n", "\r\n")
    test = cell(notebook, "test_double")
    test.source = '%%time\r\n# my comment\r\nassert double( 3 ) == 6, "double(3) should be 6"  \r\n'
    found, said = mended(release, notebook)
    assert said == "" and "\r" not in dumps(found)
    assert cell(found, "test_double").source == cell(release, "test_double").source


@pytest.mark.parametrize(
    "edited, own",
    [
        ("def double(x):\n    return x + x\n\n{}", "def double(x):\n    return x + x"),
        ("{}\nprint(double(3))", "print(double(3))"),
        ("pass", "pass"),
        ("double = 7 if (\n{}", "double = 7 if (\n{}"),
        (f"x = {'-' * 100_000}1\n{{}}", f"x = {'-' * 100_000}1\n{{}}"),
    ],
)
def test_lines_written_into_a_test_run_before_it(release, edited, own):
    test = cell(release, "test_double").source
    found, said = mended(release, answered(right(release), test_double=edited.format(test)))
    (place,) = (i for i, c in enumerate(found.cells) if intake.mark_of(c) == "test_double")
    assert found.cells[place].source == test
    assert found.cells[place - 1].source.strip() == own.format(test)
    assert "test_double was edited: restored, and run after the lines" in said


@pytest.mark.parametrize(
    "edited, own",
    [
        ("{}\nTWO = math.floor(2.5)", "TWO = math.floor(2.5)"),
        ("import math as m", "import math as m"),
        ("if True:\n    import math\n    x = 1", "if True:\n    import math\n    x = 1"),
    ],
)
def test_lines_written_into_what_is_given_run_after_it(release, edited, own):
    setup = cell(release, "setup").source
    found, said = mended(release, answered(right(release), setup=edited.format(setup)))
    (place,) = (i for i, c in enumerate(found.cells) if intake.mark_of(c) == "setup")
    assert [c.source for c in found.cells[place : place + 2]] == [setup, own]
    assert "setup was edited: restored, and run before the lines" in said


def test_the_courses_own_solution_is_not_taken_for_a_students(release, tmp_path):
    write(tmp_path / "mine.ipynb", release)  # not answered
    write(tmp_path / "source.ipynb", classroom.small_source())
    os.utime(tmp_path / "mine.ipynb", (1, 1))
    name, _, remarks = chosen(release, *sorted(tmp_path.glob("*.ipynb")))
    assert name == "mine.ipynb" and "not source.ipynb" in " ".join(remarks)
    name, _, remarks = chosen(release, tmp_path / "source.ipynb")
    assert name == "source.ipynb" and remarks[0].startswith("It holds hidden tests")


def without(notebook, name):
    notebook.cells.remove(cell(notebook, name))
    return notebook


def copied(notebook, name):
    again = nbformat.from_dict(json.loads(json.dumps(cell(notebook, name))))
    again.id = "copy"
    notebook.cells.insert(3, again)
    return notebook


def metadata(notebook, name, value):
    if name:
        cell(notebook, name).metadata = value
    else:
        notebook.metadata = value
    return notebook


def other_kernel(notebook, spec):
    notebook.metadata.kernelspec = spec
    return notebook


def as_code(notebook):
    cell(notebook, "why").update(cell_type="code", outputs=[], execution_count=1)
    return notebook


def old_format(notebook):
    notebook.nbformat_minor = 4
    for each in notebook.cells:
        del each["id"]
    return notebook


def pasted(notebook):
    """A picture is pasted into the answer in words, and what is none."""
    cell(notebook, "why").attachments = {
        "image.png": {"image/png": "iVBORw0KGgo=", "text/html": "<script>"},
        "page": {"text/html": "<script>"},
        "odd": {"image/png": '"><script>'},
    }
    return notebook


def test_a_picture_in_an_answer_stays(release):
    found, said = mended(release, pasted(right(release)))
    assert cell(found, "why").attachments == {"image.png": {"image/png": "iVBORw0KGgo="}}
    assert said == ""


def test_an_answer_cell_that_was_split_runs_as_a_whole(release):
    """JupyterLab gives both halves the mark."""
    notebook = copied(right(release), "double")
    first, second = [each for each in notebook.cells if intake.mark_of(each) == "double"]
    first.source, second.source = "two = 2", "def double(x):\n    return two * x"
    found, _ = mended(release, notebook)
    code = [each.source for each in found.cells if each.cell_type == "code"]
    assert code.index(first.source) + 1 == code.index(second.source)


def test_an_empty_copy_undoes_no_answer(release):
    notebook = copied(right(release), "double")
    copies = [each for each in notebook.cells if intake.mark_of(each) == "double"]
    copies[1].source = cell(release, "double").source
    found, said = mended(release, notebook)
    assert "double stands there 2 times" in said
    assert "NotImplementedError" not in dumps(found)


NOT_THERE = "Written answer `why` is empty; the student wrote text in cells of their own: read it."


@pytest.mark.parametrize("gone", [False, True])
@pytest.mark.parametrize(
    "own, waits",
    [
        (new_markdown_cell("Because x + x is twice x."), True),
        (new_markdown_cell("Why?\n\nBecause x + x is twice x."), True),
        (new_raw_cell("Because x + x is twice x."), True),
        (new_code_cell("# Because x + x is twice x."), True),
        (new_code_cell("print(double(3))  # Because x + x is twice x."), True),
        (new_code_cell("print('Because x + x is twice x.')"), True),
        (new_code_cell("Because x + x is twice x."), True),
        (new_code_cell("%%markdown\nBecause x + x is twice x."), True),
        (new_code_cell("print('double of 3:', double(3))"), False),
        (new_markdown_cell("# Double"), False),
        (new_markdown_cell(""), False),
    ],
)
def test_a_written_answer_in_another_cell_waits_for_the_teacher(release, own, waits, gone):
    release = nbformat.from_dict(json.loads(dumps(release)))
    why = cell(release, "why")
    why.metadata.nbgrader.checksum = compute_checksum(why)
    notebook = answered(release, double="def double(x):\n    # as it is meant\n    return 2 * x")
    notebook = without(notebook, "why") if gone else notebook
    notebook.cells.append(own)
    found, said = mended(release, notebook)
    assert determine_grade(cell(found, "why"))[0] is (None if waits else 0)
    assert (NOT_THERE in said) == waits
    assert ("Because x + x is twice x." in cell(found, "why").source) == waits
    notebook = right(release)
    notebook.cells.append(own)
    assert NOT_THERE not in mended(release, notebook)[1]


ODD = {"nbgrader": {"grade_id": ["a", "list"]}}


@pytest.mark.parametrize(
    "change, remark",
    [
        (lambda n: copied(n, "test_double"), "test_double stands there 2 times: one copy counts"),
        (lambda n: copied(n, "double"), "double stands there 2 times: what was filled in runs"),
        (lambda n: without(n, "test_double"), "test_double was deleted: put back"),
        (lambda n: without(n, "setup"), "setup was deleted: put back"),
        (lambda n: without(n, "double"), "double was deleted: nothing stands in for it"),
        (lambda n: other_kernel(n, {"name": "uni-py"}), "Made for the kernel 'uni-py'"),
        (lambda n: other_kernel(n, "python3"), ""),
        (lambda n: other_kernel(n, ["a"]), "Made for the kernel \"['a']\""),
        (lambda n: metadata(n, None, {}), ""),
        (lambda n: metadata(n, "setup", ODD), "setup was deleted: put back"),
        (lambda n: metadata(n, "setup", {"nbgrader": "text"}), "setup was deleted: put back"),
        (as_code, "why had become a code cell: changed back"),
        (old_format, "An older notebook format, 4.4"),
        (lambda n: answered(n, why="lone \ud800 surrogate"), "characters that cannot be written"),
    ],
)
def test_what_is_mended_is_said(release, change, remark):
    found, said = mended(release, change(right(release)))
    assert remark in said
    assert bool(remark) == bool(said)
    wanted = set(intake.marks(release)) - ({"double"} if "nothing stands in" in said else set())
    assert set(intake.marks(found)) == wanted
