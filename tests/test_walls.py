"""Graded code sees nothing of the teacher's machine, and takes no more than its share."""

import contextlib
import ctypes
import json
import os
import shutil
import socket
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

from tests import classroom, escapes
from tests.classroom import answered, grader, right, write

# isort: split
from grading import cgroup, inside, launch, one, room, sandbox, walls, watch

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
    assert one.release(course, "double")["success"]
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
        stack.callback(lambda: (shared / token).unlink(missing_ok=True))
        files = [place / token for place in places]
        files += [course / "source" / "double" / "double.ipynb", course / "nbgrader_config.py"]
        files += [classroom.ROOT / "tests" / "classroom.py", classroom.ROOT / "pyproject.toml"]
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
            pids=[os.getpid(), os.getppid()],
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
    for student, code in escapes.READING.items():
        code = TWICE + code.format(**vars(precious))
        write(folder / f"{student}.ipynb", answered(right(release), double=code))
    for student, (code, *_) in escapes.GREED.items():
        write(folder / f"{student}.ipynb", answered(right(release), double=TWICE + code))
    reads = (
        TWICE + "print(open('data/numbers.txt').read())\nopen('data/numbers.txt', 'w').write('4')"
    )
    write(folder / "reads data.ipynb", answered(right(release), double=reads))
    write(folder / "link" / "double.ipynb", right(release))
    (folder / "link" / "source").symlink_to(course / "source")
    done = classroom.grade(folder, "double", course, "--seconds", "10", "--jobs", "2")
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    return done


@walled
@pytest.mark.parametrize("student", escapes.READING)
def test_nothing_of_the_machine_is_reached(student, course, graded, precious):
    said = shown(course, student)
    assert "ESCAPED" not in said and precious.token not in said.replace(precious.mark, "")
    assert score(course, student) == 3
    assert rows(course)[student]["remarks"] == []


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
    assert row["graded"] == (points is not None), row
    assert remark in " ".join([*row["remarks"], row["reason"]])
    assert not row["remarks"] or remark
    if points is not None:
        assert score(course, student) == points


@pytest.mark.parametrize("student", [name for name in escapes.GREED if escapes.GREED[name][1]])
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
