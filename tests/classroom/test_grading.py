"""The grader with a class of students whose files hold all that can go wrong with them."""

import csv
import hashlib
import html
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile

import nbformat
import psutil
import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager
from nbformat.v4 import new_code_cell
from nbgrader.api import Gradebook

from tests import classroom
from tests.classroom import answered, cell, grader, right, tricks, write
from tests.processes import running

# isort: split
from grading import files, gradebook, inside, sandbox
from grading.report import as_markdown

pytestmark = pytest.mark.timeout(classroom.HANG)

PROTECTED = sandbox.protection()
TWICE = "def double(x):\n    return 2 * x\n"


def course_in(folder):
    course = folder / "course"
    write(course / "source" / "double" / "double.ipynb", classroom.small_source())
    shutil.copy(classroom.ASSIGNMENTS / "nbgrader_config.py", course)
    return course


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """The version given out, which holds neither solution nor hidden test."""
    course = course_in(tmp_path_factory.mktemp("release"))
    assert gradebook.release(course, "double")["success"]
    notebook = nbformat.read(course / "release" / "double" / "double.ipynb", as_version=4)
    text = classroom.dumps(notebook)
    assert "double(-1)" not in text and "2 * x" not in text and "Because" not in text
    return notebook


def many_faults(notebook):
    """What an editor, a copy and a slip may do to a notebook, all at once."""
    notebook.cells.remove(cell(notebook, "setup"))
    again = nbformat.from_dict(json.loads(json.dumps(cell(notebook, "test_double"))))
    again.id = "copy"
    notebook.cells.insert(3, again)
    cell(notebook, "why").update(cell_type="code", outputs=[], execution_count=1)
    cell(notebook, "double").outputs = [nbformat.v4.new_output("stream", text="x" * 20_000_000)]
    notebook.metadata.kernelspec = {"name": "conda-env-uni-py", "display_name": "Uni"}
    notebook.nbformat_minor = 4
    for each in notebook.cells:
        del each["id"]
    return notebook


def without(notebook, name):
    notebook.cells.remove(cell(notebook, name))
    return notebook


def merged(notebook):
    """The answer stands in the cell of the test, and the cell for answers is gone."""
    test = cell(notebook, "test_double").source
    answered(notebook, test_double=tricks.RIGHT + test)
    cell(notebook, "test_double").source = tricks.RIGHT + test
    return without(notebook, "double")


def vandal(outside):
    """An answer that destroys what it can reach, and leaves what could be taken for `helpers`."""
    return (
        "open('helpers.py', 'w').write('x = 1')\n"
        f"import os, shutil\nshutil.rmtree({str(outside)!r}, ignore_errors=True)\n"
        f"for place in [{str(outside / 'mine')!r}, 'here']:\n"
        "    try:\n        open(place, 'w').write('x')\n    except OSError:\n        pass\n" + TWICE
    )


FLOOD = "while True:\n    print('x' * 10_000)\n"
DEAF = (
    "import time\nwhile True:\n    try:\n        time.sleep(9)\n    except KeyboardInterrupt:\n"
    "        pass"
)
# The kernel of IPython ends a tenth of a second after exit(), unless it is kept.
EXIT = TWICE + "exit()\nimport time\ntime.sleep(0.2)"
DEEP = TWICE + "import os\nfor _ in range(1500):\n    os.mkdir('d')\n    os.chdir('d')\n"
# Student: what is made of the right answers, points, and a word of the remark. None: no score.
FAULTS = {
    "many_faults": (lambda n, _: many_faults(n), 3, "kernel 'conda-env-uni-py'"),
    "merged_cells": (lambda n, _: merged(n), 3, "run after the lines that were written into it"),
    "edited_test": (
        lambda n, _: answered(n, double="def double(x):\n    return 7", test_double="pass"),
        0,
        "test_double was edited",
    ),
    "endless_loop": (
        lambda n, _: answered(n, double="while True: pass"),
        0,
        "Cell double met the limit of processor time (2 s for a cell) and was stopped.",
    ),
    "deaf_loop": (lambda n, _: answered(n, double=DEAF), None, "cannot be interrupted"),
    "flood": (lambda n, _: answered(n, double=FLOOD + TWICE), 0, "limit of processor time"),
    "memory_hog": (
        lambda n, _: answered(n, double=TWICE + "hog = bytearray(3 * 2**30)"),
        3,
        "limit of memory",
    ),
    "vandal": (lambda n, outside: answered(n, double=vandal(outside)), 3, ""),
    "hard_exit": (
        lambda n, _: answered(n, double="import os\nos._exit(0)"),
        None,
        "Python ended before",
    ),
    "untouched": (None, 0, "Replace this line with your answer."),
}
LONG = "長" * 40 + "-" + hashlib.sha256(("長" * 83).encode()).hexdigest()[:6]
BYTES = {
    "corrupt": (lambda text: text[: len(text) // 2], None, "JSON breaks off"),
    "empty": (lambda text: "", None, "The file is empty"),
    "not_a_notebook": (lambda text: '{"a": 1}', None, "not a notebook"),
    "no_marks": (
        lambda text: text.replace('"grade_id"', '"x"'),
        None,
        "No cell of this assignment",
    ),
}


@pytest.fixture(scope="module")
def class_of_students(tmp_path_factory, release):
    """Grade the class; return its folders, what was printed, and the rows of grades.csv."""
    root = tmp_path_factory.mktemp("class")
    course, folder, outside = course_in(root), root / "handed in", root / "precious"
    outside.mkdir()
    (outside / "file").write_text("keep me")
    if not PROTECTED:
        outside = root / "absent"  # nothing would hold the vandal back
    for student, (change, *_) in FAULTS.items():
        notebook = change(right(release, student), outside) if change else release
        write(folder / student / "double.ipynb", notebook)
    for student, (answer, *_) in tricks.CHOSEN.items():
        notebook = answered(right(release, student), double=answer)
        write(folder / f"{student}.ipynb", notebook)
    text = classroom.dumps(right(release, "somebody"))
    for student, (change, *_) in BYTES.items():
        (folder / f"{student}_double.ipynb").write_text(change(text))
    write(folder / "anna" / "double.ipynb", right(release, "anna"))
    write(folder / "renamed" / "deep" / "Double final (1).ipynb", right(release, "renamed"))
    moodle = folder / "Ida Lang_12345_assignsubmission_file_"
    moodle.mkdir()
    with zipfile.ZipFile(moodle / "work.zip", "w") as archive:
        archive.writestr("double.ipynb", classroom.dumps(right(release, "renamed")))
    os.mkfifo(folder / "pipe.ipynb")
    # What costs no point and draws no remark is handed in under names that are odd themselves.
    text = classroom.dumps(answered(right(release, "long"), double=EXIT))
    (folder / f"{'長' * 83}.ipynb").write_text(text)
    (folder / "page.html").write_text("<html></html>")
    noisy = answered(right(release), why="Größer.", double=tricks.NOISY)
    accents = classroom.dumps(noisy).replace("\\u00f6", "ö")
    (folder / "Zoë Müller.ipynb").write_bytes(accents.replace("\\u00df", "ß").encode("cp1252"))
    (folder / "vandal" / "helpers.py").write_text("raise SystemExit")
    write(folder / "two.ipynb", release)
    write(folder / "two (1).ipynb", right(release, "two"))
    os.utime(folder / "two.ipynb", (1, 1))
    (folder / "nothing").mkdir()
    (folder / "notes.txt").write_text("by the way")
    for name in ("readme.txt", "index.html", "class list.csv"):
        (folder / name).write_text("nobody's")
    (folder / os.fsdecode(b"p\xe8re.txt")).write_text("a name that is not UTF-8")
    text = classroom.dumps(answered(right(release, "juerg"), double=DEEP))
    (folder / os.fsdecode(b"J\xfcrg.ipynb")).write_text(text)
    (folder / "dangling.ipynb").symlink_to(root / "nowhere")
    done = classroom.grade(folder, "double", course, "--seconds", "2")
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    return root, done, grades(course)


def grades(course):
    with open(course / "grades.csv", encoding="utf-8", newline="") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


EXPECTED = {name: what[1:] for name, what in (FAULTS | BYTES | tricks.CHOSEN).items()} | {
    "anna": (3, ""),
    "renamed": (3, "word by word, those of Ida Lang"),
    "Zoë Müller": (3, "read as Windows-1252"),
    "two": (3, "2 submissions"),
    "nothing": (None, "No notebook was handed in"),
    "J_rg": (3, ""),
    "dangling": (None, "a link that leads out of the submissions"),
    "Ida Lang": (3, "word by word, those of renamed"),
    "pipe": (None, "not a file: not opened"),
    LONG: (3, f"called {LONG} here"),
    "page": (None, "a web page, which shows a notebook and is none"),
    "notes": (None, "It is no notebook"),
    "p_re": (None, "It is no notebook"),
}


@pytest.mark.parametrize("student", EXPECTED)
def test_each_student_is_graded_or_named_with_reason_and_cure(student, class_of_students):
    root, done, rows = class_of_students
    points, remark = EXPECTED[student]
    row, report = rows[student], (root / "course" / "report_double.md").read_text()
    graded = points is not None or student in tricks.ALL
    assert row["status"] == ("graded" if graded else "not graded"), row
    if points is not None or not graded:
        assert row["score"] == ("" if points is None else f"{float(points)}"), row
    assert remark in row["remarks"]
    assert (f"**{student}**" in report) == bool(row["remarks"])
    assert as_markdown(remark) in report
    page = root / "course" / "feedback" / student / "double" / "double.html"
    assert page.exists()
    said = "The grader wrote to the teacher" in page.read_text()
    assert said != graded and (graded or html.escape(remark) in page.read_text())


def test_nobody_else_is_in_the_table(class_of_students):
    root, done, rows = class_of_students
    assert rows.keys() == EXPECTED.keys()
    report = (root / "course" / "report_double.md").read_text()
    assert "vandal: helpers.py" in report and rows["vandal"]["other_files"] == "helpers.py"
    assert "and run again): class list.csv, index.html, readme.txt\n" in report
    assert f" of {len(EXPECTED)} graded" in done.stdout and "Traceback" not in report


@pytest.mark.skipif(not PROTECTED, reason="bubblewrap does not work here")
def test_nothing_outside_is_touched(class_of_students):
    root, *_ = class_of_students
    assert (root / "precious" / "file").read_text() == "keep me"
    assert [path.name for path in (root / "precious").iterdir()] == ["file"]


def test_the_report_says_whether_files_were_protected(class_of_students):
    root, done, _ = class_of_students
    report = (root / "course" / "report_double.md").read_text()
    assert ("ran within bubblewrap" in report) == PROTECTED
    assert ("NOT WALLED" in report) == (not PROTECTED)


def test_again_grades_only_what_has_changed_and_keeps_what_was_given_by_hand(
    class_of_students, release
):
    root, *_ = class_of_students
    course = root / "course"
    with Gradebook(f"sqlite:///{course}/gradebook.db") as book:  # the teacher's own points
        for student in ("anna", "renamed"):
            grade = book.find_grade("why", "double", "double", student)
            grade.manual_score, grade.needs_manual_grade = 1, False
        grade = book.find_grade("test_double", "double", "double", "anna")
        grade.manual_score, grade.needs_manual_grade = 1.5, False  # instead of the machine's 2
        book.remove_submission("double", "Ida Lang")  # as in an older copy of the gradebook
        book.db.commit()
    write(root / "handed in" / "corrupt_double.ipynb", right(release, "corrupt"))
    done = classroom.grade_here(root / "handed in", "double", course, "--seconds", "2")
    said = sorted(re.findall(r"^\d/2 (.*): graded", done.stdout, re.MULTILINE))
    assert said == ["Ida Lang", "corrupt"], done.stdout + done.stderr
    rows = grades(course)
    assert rows["corrupt"]["score"] == "3.0" and rows["corrupt"]["by_hand"] == "waiting"
    assert rows["anna"]["score"] == "3.5" and rows["anna"]["by_hand"] == ""
    assert rows["Ida Lang"]["score"] == "3.0"


def test_a_hidden_test_is_mended_and_another_is_not_taken_away(class_of_students, release):
    root, *_ = class_of_students
    course, few = root / "course", root / "few"
    path = course / "source" / "double" / "double.ipynb"
    write(few / "anna" / "double.ipynb", right(release, "anna"))
    write(few / "renamed" / "Double.ipynb", answered(right(release, "renamed"), why="Another."))
    given_out = course / "release" / "double" / "double.ipynb"
    before = given_out.read_text()

    refused = classroom.small_source()
    refused.cells.append(
        classroom.marked(new_code_cell("pass"), "test_new", locked=True, grade=True, points=1)
    )
    refused.cells.remove(cell(refused, "test_helpers"))
    write(path, refused)
    done = classroom.grade_here(few, "double", course, "--seconds", "60")
    assert done.returncode == 2
    first = done.stderr.splitlines()[0]
    assert "cells were test_new added and test_helpers removed. Undo that and run again" in first
    assert "Traceback" not in done.stderr and given_out.read_text() == before

    mended = classroom.small_source()
    cell(mended, "test_double").source += "\n# mended"
    write(path, mended)
    shutil.rmtree(course / "release")  # it is written again
    files.remove(course / "autograded")  # as a try does that is then interrupted
    write(few / "new.ipynb", right(release, "new"))
    done = classroom.grade_here(few, "double", course, "--seconds", "60")
    assert "3/3" in done.stdout and done.returncode == 0, done.stdout + done.stderr
    rows = grades(course)
    assert rows["anna"]["score"] == "3.5" and rows["anna"]["by_hand"] == ""
    assert rows["renamed"]["score"] == "4.0" and rows["renamed"]["by_hand"] == "waiting"
    assert rows["new"]["score"] == "3.0"


@pytest.mark.parametrize("sign", ["SIGINT", "SIGTERM"])
def test_an_interrupted_run_is_resumed(tmp_path, release, ctrl_c, sign):
    course, folder = course_in(tmp_path), tmp_path / "in"
    for number in range(2):
        write(folder / f"s{number}.ipynb", right(release))
    slow = answered(right(release), double=f"import time\ntime.sleep({classroom.HANG})\n" + TWICE)
    write(folder / "slow.ipynb", slow)
    patient = "--seconds", str(classroom.HANG), "--jobs", "2"
    saved = course / ".graded" / "double"
    with running(
        classroom.command(folder, "double", course, *patient),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=classroom.environment(),
    ) as process:
        while len(list(saved.glob("s?.json"))) < 2 and process.poll() is None:
            time.sleep(0.1)
        started = psutil.Process(process.pid).children(recursive=True)
        # Ctrl-C comes to all that the terminal runs, kill to the one that is named.
        os.killpg(process.pid, signal.SIGINT) if sign == "SIGINT" else process.terminate()
        said, _ = process.communicate()
        assert psutil.wait_procs(started, timeout=classroom.HANG)[1] == []
    assert process.returncode == 130 and "What was graded is kept" in said
    assert "Traceback" not in said
    before = {path.name: path.stat().st_mtime for path in saved.glob("*.json")}
    assert sorted(before) == ["s0.json", "s1.json"]
    write(folder / "slow.ipynb", right(release))
    done = classroom.grade_here(folder, "double", course, "--seconds", "30")
    assert done.returncode == 0 and "1/1 slow: graded" in done.stdout, done.stdout + done.stderr
    assert {row["score"] for row in grades(course).values()} == {"3.0"}
    report = (course / "report_double.md").read_text()
    assert f"Limits of time: 30 to {classroom.HANG} s of processor time for a cell" in report


@pytest.mark.parametrize(
    "folder, assignment, sentence",
    [
        ("in", "treble", "no assignment 'treble'; there are: double."),
        ("out", "double", "is not a folder. Name the one that holds the submissions."),
        ("empty", "double", "is empty. Name the folder that holds the submissions."),
        ("course/submitted", "double", "is nbgrader's own. Keep what comes in another folder."),
        ("course/source/double", "double", "is nbgrader's own. Keep what comes in another folder."),
        (".", "double", "holds the course"),
    ],
)
def test_a_wrong_command_says_what_to_do(tmp_path, folder, assignment, sentence):
    course = course_in(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "empty").mkdir()
    (course / "submitted").mkdir()
    done = classroom.grade_here(tmp_path / folder, assignment, course)
    assert done.returncode == 2 and sentence in done.stderr
    assert not (course / "grades.csv").exists()


def test_neither_no_process_nor_a_lost_gradebook(tmp_path):
    course, folder = course_in(tmp_path), tmp_path / "in"
    folder.mkdir()
    done = classroom.grade_here(folder, "double", course, "--jobs", "0")
    assert done.returncode == 2 and "--jobs 0: at least one" in done.stderr
    done = classroom.grade_here(folder, "double", course, "--seconds", "0")
    assert done.returncode == 2 and "--seconds 0: a cell needs at least one" in done.stderr
    (course / ".graded").mkdir()
    done = classroom.grade_here(folder, "double", course)
    assert done.returncode == 2 and "gradebook.db is gone" in done.stderr


def test_two_graders_do_not_write_the_same_tables(tmp_path):
    course, folder = course_in(tmp_path), tmp_path / "in"
    folder.mkdir()
    with grader.alone(course):
        done = classroom.grade_here(folder, "double", course)
    assert done.returncode == 2 and "another `make grade` is at work" in done.stderr


def test_nobody_is_graded_where_the_solution_itself_fails(tmp_path, release):
    course, folder = course_in(tmp_path), tmp_path / "in"
    source = classroom.small_source()
    cell(source, "test_helpers").source += "\nimport a_package_that_is_missing"
    write(course / "source" / "double" / "double.ipynb", source)
    write(folder / "anna.ipynb", right(release))
    done = classroom.grade_here(folder, "double", course)
    assert done.returncode == 2 and "own solution does not get all points" in done.stderr
    assert not (course / "grades.csv").exists()


def test_a_kernel_sends_no_more_than_can_be_looked_at():
    """What the grader itself drops would else wait in its memory, where it reads too slowly."""
    kernel, said = KernelManager(), []
    line = [sys.executable, "-P", inside.__file__, "-f", "{connection_file}"]
    kernel._kernel_spec = KernelSpec(argv=line, language="python")
    kernel.start_kernel()
    client = kernel.blocking_client()
    try:
        client.start_channels()
        client.wait_for_ready()
        flood = "for _ in range(1200): print('x' * 10_000, flush=True)"
        client.execute_interactive(flood, output_hook=said.append)
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)
    texts = [each["content"]["text"] for each in said if each["msg_type"] == "stream"]
    assert 4_900_000 < sum(map(len, texts)) < 5_100_000


TRAINS = """
import os, sys
sys.path.insert(0, {folder!r})
import inside
sys.meta_path.insert(0, inside.Lazily)
import torch

def trained():
    torch.manual_seed(0)
    network = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(network.parameters())
    for _ in range(3):
        optimizer.zero_grad()
        network(torch.ones(1, 3)).sum().backward()
        optimizer.step()
    return network.weight.sum().item()

before, module = trained(), sys.modules["torch._dynamo"]
assert "sympy" not in sys.modules
for use in {uses!r}:
    if os.fork():
        assert os.wait()[1] == 0, use
    else:
        exec(use)
        assert "sympy" in sys.modules and type(module) is type(sys)
        assert callable(module.utils.counters.clear) and module.__file__.endswith(".py")
        assert trained() == before
        os._exit(0)
"""
USES = [
    "import torch._dynamo.utils",
    "assert torch.compile(lambda x: 2 * x, backend='eager')(torch.ones(1)) == 2",
    "assert torch.compiler.disable(trained) is not trained",
]


@pytest.mark.slow
def test_what_compiles_is_imported_once_it_is_used():
    code = TRAINS.format(folder=str(classroom.ASSIGNMENTS / "grading"), uses=USES)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert not done.stderr and done.returncode == 0, done.stderr
