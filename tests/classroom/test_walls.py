"""Graded code sees nothing of the teacher's machine, and takes no more than its share."""

import contextlib
import ctypes
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import uuid
from multiprocessing import shared_memory
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import nbformat
import psutil
import pytest

from tests import classroom
from tests.classroom import answered, escapes, grader, right, write

# isort: split
from grading import cgroup, gradebook, launch, room, sandbox, walls

pytestmark = pytest.mark.timeout(classroom.HANG)
walled = pytest.mark.skipif(not walls.protection(), reason="bubblewrap does not work here")
TWICE = "def double(x):\n    return 2 * x\n"
LIBC = ctypes.CDLL(None, use_errno=True)
ADD_KEY = {"x86_64": (248, 250), "aarch64": (217, 219)}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    course = tmp_path_factory.mktemp("walls") / "course"
    write(course / "source" / "double" / "double.ipynb", classroom.small_source())
    (course / "source" / "double" / "data").mkdir()
    (course / "source" / "double" / "data" / "numbers.txt").write_text("1 2 3")
    shutil.copy(classroom.ASSIGNMENTS / "nbgrader_config.py", course)
    assert gradebook.release(course, "double")["success"]
    classroom.already_tried(course, "double")
    return course


@pytest.fixture(scope="module")
def release(course):
    return nbformat.read(course / "release" / "double" / "double.ipynb", as_version=4)


def rows(course):
    saved = (course / ".graded" / "double").glob("*.json")
    return {path.stem: json.loads(path.read_text()) for path in saved}


def shown(course, student):
    """Return what a graded notebook shows, as text."""
    path = course / "autograded" / student / "double" / "double.ipynb"
    outputs = [o for c in nbformat.read(path, as_version=4).cells for o in c.get("outputs", [])]
    return "".join(o.get("text", "") + o.get("evalue", "") for o in outputs)


def score(course, student):
    return grader.report.scores(course, "double")[student]["score"]


@pytest.fixture(scope="module")
def precious(course, tmp_path_factory):
    """Things of the teacher that nobody may reach, and by what the attempts know them."""
    token = uuid.uuid4().hex
    with contextlib.ExitStack() as stack:
        home = tmp_path_factory.mktemp("home")
        runtime = tmp_path_factory.mktemp("runtime")
        temporary = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        places = [
            home,
            runtime,
            temporary,
            course.parent / "class of 2025",
            home / "clone" / "source",
        ]
        shared = Path("/dev/shm")
        for place in [*places, *([shared] if shared.is_dir() else [])]:
            place.mkdir(parents=True, exist_ok=True)
            (place / token).write_text("precious")
        for place in (runtime, temporary):  # what leads to a kernel of the teacher's
            (place / "kernel-x.json").write_text('{"shell_port": 1}')
        stack.callback(lambda: (shared / token).unlink(missing_ok=True))
        files = [place / token for place in places]
        files += [course / "source" / "double" / "double.ipynb", course / "nbgrader_config.py"]
        files += [Path(classroom.__file__), classroom.ROOT / "pyproject.toml"]
        assert all(file.exists() for file in files)
        files += [Path("/etc/hostname"), Path("/etc/hosts")]
        lines = [stack.enter_context(socket.socket(family)) for family in (1, 1, 2)]
        (temporary / "s").mkdir()
        addresses = [str(temporary / "s" / "x"), "\0" + token, ("127.0.0.1", 0)]
        for line, at in zip(lines, addresses, strict=True):
            line.bind(at)
            line.listen()
        block = shared_memory.SharedMemory("m" + token, create=True, size=16)
        stack.callback(block.unlink)
        key = int(token[:7], 16)
        number = LIBC.shmget(key, 16, 0o1600)
        stack.callback(lambda: LIBC.shmctl(number, 0, None))
        add_key, keyctl = ADD_KEY.get(os.uname().machine, (None, None))
        if add_key:
            LIBC.syscall(keyctl, 1, None)
            LIBC.syscall(add_key, b"user", token.encode(), b"x", 1, -3)
        given = {"HOME": str(home), "XDG_RUNTIME_DIR": str(runtime), "PRECIOUS": token}
        stack.enter_context(mock.patch.dict(os.environ, given))
        yield SimpleNamespace(
            token=token,
            name=token,
            mark=f"mark-{token}",
            places=quoted(*places, "/tmp", "/run", "/var"),
            secret=quoted(*files),
            path=files[0],
            folder=home,
            folders=quoted(*places, classroom.ROOT, course),
            # Low ones are those of other processes inside the walls.
            pids=[pid for pid in (os.getpid(), os.getppid()) if pid > 300],
            socket=temporary / "s" / "x",
            abstract=token,
            port=lines[2].getsockname()[1],
            memory="m" + token,
            key=key,
            writable=[classroom.ROOT, Path(sys.prefix), Path(sys.base_prefix), course, *places],
        )


def quoted(*paths):
    return ", ".join(repr(str(path)) for path in paths)


@pytest.fixture(scope="module")
def graded(course, release, precious):
    """Grade all attempts at once, two at a time; return what was printed."""
    folder = course.parent / "in"
    attempts = "".join(
        f"print('BEGIN {name}')\n{code.format(**vars(precious))}\nprint('END {name}')\n"
        for name, code in escapes.READING.items()
    )
    write(folder / "spy.ipynb", answered(right(release), double=TWICE + attempts))
    for student, (code, *_) in escapes.GREED.items():
        write(folder / f"{student}.ipynb", answered(right(release), double=TWICE + code))
    reads = (
        TWICE + "print(open('data/numbers.txt').read())\nopen('data/numbers.txt', 'w').write('4')"
    )
    write(folder / "reads data.ipynb", answered(right(release), double=reads))
    write(folder / "link" / "double.ipynb", right(release))
    (folder / "link" / "source").symlink_to(course / "source")
    done = classroom.grade(folder, "double", course, "--seconds", "20", "--jobs", "2")
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    return done


@walled
@pytest.mark.parametrize("name", [name for name in escapes.READING if name not in escapes.QUIET])
def test_nothing_of_the_machine_is_reached(name, course, graded, precious):
    said = re.search(f"BEGIN {name}\n(.*)END {name}\n", shown(course, "spy"), re.DOTALL)[1]
    assert "ESCAPED" not in said and precious.token not in said.replace(precious.mark, "")


@walled
def test_an_attempt_costs_no_point(course, graded):
    assert score(course, "spy") == 3 and rows(course)["spy"]["remarks"] == []


@walled
def test_nothing_of_the_machine_is_written(graded, precious):
    for place in precious.writable:
        assert not list(place.glob(precious.mark)) and not list(place.glob(f"*/{precious.mark}"))


@walled
def test_no_process_outlives_its_notebook(graded, precious):
    alive = [process.info["cmdline"] for process in psutil.process_iter(["cmdline"])]
    assert not [line for line in alive if precious.mark in (line or [])]


@walled
@pytest.mark.parametrize("student", escapes.GREED)
def test_greed_costs_what_it_must_and_is_named(student, course, graded):
    _, points, remark = escapes.GREED[student]
    row = rows(course)[student]
    if points != escapes.EITHER:
        assert row["graded"] == (points is not None), row
    assert remark in " ".join([*row["remarks"], row["reason"]])
    assert not row["remarks"] or remark
    if isinstance(points, int):
        assert score(course, student) == points


@pytest.mark.parametrize("student", [name for name, what in escapes.GREED.items() if what[1] == 3])
def test_no_page_is_larger_than_2_mb(student, course, graded):
    page = course / "feedback" / student / "double" / "double.html"
    assert page.stat().st_size < 2_000_000
    autograded = course / "autograded" / student / "double" / "double.ipynb"
    if student != "a long cell":
        assert autograded.stat().st_size < 2_000_000
    if student in ("a repr", "an error", "pictures", "a long cell"):
        assert " were cut" in page.read_text() or "are shown]" in page.read_text()


def test_the_assignment_brings_its_files_along(course, graded):
    assert shown(course, "reads data") == "1 2 3\n" and rows(course)["reads data"]["remarks"] == []
    assert (course / "source" / "double" / "data" / "numbers.txt").read_text() == "1 2 3"


def test_no_link_of_a_submission_is_followed(course, graded):
    assert score(course, "link") == 3 and "solution" not in rows(course)["link"]["file"]


def test_links_are_not_copied_into_the_walls(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "about").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert [name for _, name in launch.files_in(tmp_path)] == ["file"]


def test_the_teacher_is_told_what_held(course, graded):
    report = (course / "report_double.md").read_text()
    assert sandbox.in_words(2048) in graded.stdout and sandbox.in_words(2048) in report


@pytest.mark.parametrize(
    "available, words",
    [
        (True, f"A cgroup holds each notebook, with all that it starts, to {2048 + 512} MB and"),
        (False, "a watchdog looks at each notebook's memory and processes four times a second"),
    ],
)
def test_what_holds_memory_is_said_as_it_is(available, words, monkeypatch):
    monkeypatch.setattr(cgroup, "available", lambda: available)
    said = sandbox.in_words(2048)
    assert words in said and ("No cgroup may be made here" in said) != available


@pytest.mark.parametrize(
    "trouble, cure",
    [
        ("bubblewrap is not installed", "install the package bubblewrap"),
        ("bwrap: setting up uid map: Permission denied", "docker run --security-opt"),
    ],
)
def test_without_walls_it_is_said_what_does_not_hold_and_what_to_do(trouble, cure, monkeypatch):
    monkeypatch.setattr(walls, "trouble", lambda: trouble)
    said = sandbox.in_words(2048)
    assert said.startswith(f"NOT WALLED: {trouble}.") and cure in said
    assert "could read, change and send away all that you can" in said


def test_trouble_is_what_bubblewrap_says(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert walls.trouble.__wrapped__() == "bubblewrap is not installed"
    (tmp_path / "bwrap").write_text("#!/bin/sh\necho 'No permissions here' >&2; exit 1")
    (tmp_path / "bwrap").chmod(0o755)
    assert walls.trouble.__wrapped__() == "No permissions here"


def test_a_system_without_limits_is_refused_in_one_sentence(course, monkeypatch):
    monkeypatch.setattr(launch, "resource", None)
    done = classroom.grade_here(course, "double", course)
    assert done.returncode == 2 and "run it within WSL" in done.stderr
    assert done.stderr.count("\n") == 1


@walled
def test_an_old_bubblewrap_is_asked_for_nothing_that_it_does_not_know(monkeypatch):
    monkeypatch.setattr(walls, "known_options", lambda: "--unshare-all")
    line = walls.command({})
    assert not {"--size", "--disable-userns"} & set(line)
    subprocess.run([*line, sys.executable, "-c", ""], check=True, env=walls.environment())
    kernel = SimpleNamespace(pid=os.getpid())
    assert room.within_walls([kernel]) > 0  # the bytes in this machine's own folders


def test_links_on_the_way_stay_links(tmp_path):
    (tmp_path / "real" / "bin").mkdir(parents=True)
    (tmp_path / "real" / "bin" / "python").write_text("")
    (tmp_path / "alias").symlink_to("real")
    (tmp_path / "chain").symlink_to(tmp_path / "alias" / "bin" / "python")
    (tmp_path / "round").symlink_to("round")
    options = walls.show([tmp_path / "chain", tmp_path / "round" / "x", tmp_path / "absent"])
    shown = str(tmp_path / "real" / "bin" / "python")
    assert options[:3] == ["--ro-bind", shown, shown]
    ends = [i for i, word in enumerate(options) if word == "--symlink"]
    links = {options[i + 2]: options[i + 1] for i in ends}
    assert links[str(tmp_path / "alias")] == "real"
    assert links[str(tmp_path / "chain")] == str(tmp_path / "alias" / "bin" / "python")


def test_a_folder_that_is_hidden_is_empty_even_where_all_around_is_shown(tmp_path):
    (tmp_path / "course").mkdir()
    hidden = str(tmp_path / "course")
    options = walls.show([tmp_path], [hidden, "/elsewhere"])
    assert options[3:] == ["--tmpfs", hidden, "--remount-ro", hidden]


@pytest.fixture
def clone(tmp_path):
    """A clone of the repository with a Python of its own, in the temporary folder."""
    clone = tmp_path / "clone"
    shutil.copytree(classroom.ROOT / "helpers", clone / "helpers")
    skip = shutil.ignore_patterns(*"release selfstudy *.db source .graded .given_out".split())
    shutil.copytree(classroom.ASSIGNMENTS, clone / "notebooks" / "assignments", ignore=skip)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", clone / ".venv"], check=True)
    (clone / ".venv" / "share").mkdir(exist_ok=True)
    (clone / ".venv" / "share" / "jupyter").symlink_to(Path(sys.prefix) / "share" / "jupyter")
    (packages,) = (clone / ".venv" / "lib").glob("python*/site-packages")
    (ours,) = {path for path in sys.path if path.endswith("site-packages") and sys.prefix in path}
    (packages / "all.pth").write_text(f"{ours}\n{clone}\n")  # the latter, as an editable install
    return clone


@walled
@pytest.mark.parametrize("at_home", [False, True], ids=["in the temporary folder", "at home"])
def test_a_clone_grades_wherever_it_lies(at_home, clone, release, tmp_path):
    course = clone / "notebooks" / "assignments"
    write(course / "source" / "double" / "double.ipynb", classroom.small_source())
    hidden = str(course / "source")
    seen = f"import os, helpers\nprint(helpers.__path__, os.path.exists({hidden!r}))"
    write(tmp_path / "in" / "anna.ipynb", answered(right(release), double=TWICE + seen))
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "HOME")}
    environment |= {"HOME": str(tmp_path)} if at_home else {"TMPDIR": str(tmp_path)}
    python = clone / ".venv" / "bin" / "python"
    line = [python, course / "grade.py", tmp_path / "in", "double"]
    if at_home:  # the other tries the solution as well
        assert gradebook.release(course, "double")["success"]
        classroom.already_tried(course, "double")
        line += ["--seconds", "30"]
    done = subprocess.run(line, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert score(course, "anna") == 3
    assert shown(course, "anna") == f"{[str(clone / 'helpers')]} False\n"
