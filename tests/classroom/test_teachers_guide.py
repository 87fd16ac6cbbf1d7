"""The teacher's guide: its numbers are counted again, its commands are run in order."""

import os
import re
import shlex
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from tests import classroom
from tests.classroom import ROOT, answered, right, write
from tests.processes import free_port, running

# isort: split
from grading import cgroup, clean, inside, intake, room, sandbox, unpack, walls

GUIDE = (classroom.ASSIGNMENTS / "README.md").read_text(encoding="utf-8")
NAME = "01_split"
SMILE = "\N{GRINNING FACE}"


def test_words_and_minutes_are_counted():
    rows = re.findall(
        r"^\| \[(\d\db?)\]\(\.\./(\S+)\) \| ([\d,]+) \| (\d+) min \| \[.*\]\(.*\) \| (\d+) min \|$",
        GUIDE,
        flags=re.MULTILINE,
    )
    assert len(rows) == 7
    for _, file, words, reading, assignment in rows:
        lesson = nbformat.read(ROOT / "notebooks" / file, as_version=4)
        prose = "\n".join(c.source for c in lesson.cells if c.cell_type == "markdown")
        counted = len(prose.partition("## Your turn")[0].split())
        assert int(words.replace(",", "")) == pytest.approx(counted, rel=0.02), f"{file}: {counted}"
        assert int(reading) == round(int(words.replace(",", "")) / 200)
        source = classroom.ASSIGNMENTS / "source" / Path(file).stem / file
        first = nbformat.read(source, as_version=4).cells[0].source
        assert f"{assignment} minutes" in first
    total = re.search(r"\| sum \| \| (\d+) min \| \| (\d+) min \|", GUIDE)
    assert int(total[1]) == sum(int(row[3]) for row in rows)
    assert int(total[2]) == sum(int(row[4]) for row in rows)


def test_points_are_those_of_the_assignments():
    said = re.findall(r"\b(0\db?) has\s(\d+) \+ (\d+)", GUIDE)
    assert len(said) == 7
    for number, by_machine, by_hand in said:
        (source,) = (classroom.ASSIGNMENTS / "source").glob(f"{number}_*/*.ipynb")
        first = nbformat.read(source, as_version=4).cells[0].source
        assert re.search(rf"\b{by_machine} points .*\b{by_hand} (for|by)", first), first


def test_links_lead_to_headings():
    for file, anchor in re.findall(r"\]\(\.\./(\w+\.ipynb)#([^|]*?)\) \|", GUIDE):
        lesson = nbformat.read(ROOT / "notebooks" / file, as_version=4)
        prose = "\n".join(c.source for c in lesson.cells if c.cell_type == "markdown")
        headings = [h.replace(" ", "-") for h in re.findall(r"^#+ (.*)$", prose, re.MULTILINE)]
        assert anchor in headings, f"{file}#{anchor}"


def test_the_tests_named_are_tests_of_an_assignment():
    named = set(re.findall(r"`(test_\w+)`", GUIDE))
    sources = [path.read_text() for path in (classroom.ASSIGNMENTS / "source").glob("*/*.ipynb")]
    assert named and [name for name in named if f'"{name}"' not in "".join(sources)] == []


def test_the_limits_are_those_of_the_grader():
    table = GUIDE.partition("| of | limit |")[2].partition("\n\n")[0]
    rows = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", table, re.MULTILINE))
    assert rows.pop("memory") == f"{2048 / 1024:.0f} GB"
    assert f"For a cgroup it names {2048 + cgroup.SLACK:,} MB" in GUIDE
    assert room.PROCESSES == 64 + 2 * (os.cpu_count() or 1)
    assert rows.pop("processes") == "64, and 2 more for each core of the machine"
    files = [sandbox.FILE_BYTES, walls.FILES, walls.SHARED, inside.OUTPUT_BYTES]
    one, in_all, shared, shown = (f"{each / 1e6:.0f} MB" for each in files)
    assert rows.pop("one file that a cell writes") == one
    assert rows.pop("all such files").startswith(f"{in_all}, and with bubblewrap {shared} more")
    assert rows.pop("text and pictures that the cells show").startswith(f"{shown}; ")
    assert list(rows) == ["the student's page"] and rows["the student's page"].startswith("2 MB; ")
    frames = clean.AROUND * unpack.MANY  # where they take more than the sources may
    assert clean.TEXT + clean.RICH + max(clean.SOURCES, frames) < 1_850_000  # and what is around
    assert intake.NAMED == 10 and "`grades.csv` names the first ten" in GUIDE
    assert "/usr" in walls.SYSTEM and "(all of `/usr`, and a few files of `/etc`)" in GUIDE
    assert "(all of /usr, and a few files of /etc)" in sandbox.PROTECTED


def test_twelve_questions_with_folded_answers():
    quiz = GUIDE.partition("## Twelve questions")[2]
    assert len(re.findall(r"^\d+\. .*\?", quiz, re.MULTILINE)) == 12
    assert quiz.count("<details><summary>Answer</summary>") == 12


def commands():
    return re.search(r"```bash\n(.*?)```", GUIDE, flags=re.DOTALL)[1].splitlines()


@pytest.fixture
def school(tmp_path):
    """A repository whose assignment is quick, and what two students have handed in."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    course = tmp_path / "notebooks" / "assignments"
    shutil.copytree(
        classroom.ASSIGNMENTS,
        course,
        ignore=lambda folder, names: [n for n in names if not n.endswith(".py") and n != "grading"],
    )
    write(course / "source" / NAME / f"{NAME}.ipynb", classroom.small_source())
    return tmp_path, course


@pytest.mark.timeout(classroom.HANG)
def test_the_commands_in_order(school):
    if not (ROOT / ".venv" / "stamp").exists():
        pytest.skip("make has not made .venv")
    folder, course = school
    release, grade, by_hand, again, feedback = commands()
    for _ in range(2):  # as where somebody wants a new one
        shutil.rmtree(course / "release", ignore_errors=True)
        run(release, folder)
    given_out = nbformat.read(course / "release" / NAME / f"{NAME}.ipynb", as_version=4)
    assert (course / "selfstudy" / NAME / f"{NAME}.ipynb").exists()
    why = f"<img src=x onerror='alert(1)'> {SMILE * 490_000}"  # two million bytes
    write(folder / "handed_in" / "anna" / f"{NAME}.ipynb", answered(right(given_out), why=why))
    write(folder / "handed_in" / "ben.ipynb", answered(given_out, why="Because two."))
    assert "2 of 2 graded" in run(grade, folder)
    look_at_formgrader(by_hand, folder)
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        point = gradebook.find_grade("why", NAME, NAME, "anna")
        point.manual_score, point.needs_manual_grade = 1, False
        gradebook.find_comment("why", NAME, NAME, "anna").manual_comment = "Well put."
        gradebook.db.commit()
    assert "2 of 2 graded" in run(again, folder)
    table = (course / "grades.csv").read_text()
    assert "anna,graded,4.0,4.0" in table and "ben,graded,0.0,4.0,waiting" in table
    said = run(feedback, folder).splitlines()
    assert len(said) == 1 and said[0].startswith("The pages are written"), said
    page = course / "feedback" / "anna" / NAME / f"{NAME}.html"
    assert "Well put." in page.read_text() and SMILE in page.read_text()
    assert page.stat().st_size < 2_000_000 and "onerror" not in page.read_text()


def make(line):
    """The command as it stands, except that .venv is taken as it is."""
    word, *rest = shlex.split(line)
    assert word == "make"
    return [word, "-o", ".venv/stamp", *rest]


def environment():
    inside_make = ("MAKE", "MFLAGS")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(inside_make)}
    return clean | {"PYTHONPATH": str(ROOT)}


def run(line, folder):
    done = subprocess.run(make(line), cwd=folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def look_at_formgrader(line, folder):
    port = free_port()
    options = f"LAB_ARGS=--no-browser --port={port} --IdentityProvider.token=guide"
    command, log = [*make(line), options], open(folder / "log", "w")
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/formgrader/api/submissions/{NAME}",
        headers={"Authorization": "token guide"},
    )
    with log, running(command, cwd=folder, env=environment(), stdout=log, stderr=log) as lab:
        page = wait_for(request, lab)
    assert "anna" in page and "ben" in page


def wait_for(request, lab):
    """Return the page once the server answers; the test's own limit ends a server that hangs."""
    while lab.poll() is None:
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.read().decode()
        except OSError:
            time.sleep(0.2)
    raise AssertionError("the server has ended")
