"""Limits of time: the processor's clock counts, and a busy machine costs nobody a point."""

import functools
import json
import math
import os
import re
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from types import SimpleNamespace

import nbformat
import pytest

from tests import classroom
from tests.classroom import answered, cell, grader, right, write
from tests.processes import running

# isort: split
from grading import cgroup, feedback, gradebook, room, run, walls, watch
from grading.records import Outcome, Task

pytestmark = pytest.mark.timeout(classroom.HANG)

LOOP = "while True: pass"
BURN = "import time\nend = time.process_time() + {}\nwhile time.process_time() < end: pass\n"


def watched(code, limits):
    """Watch Python while it runs some code; return the watch, what it said and the exit code."""
    with running([sys.executable, "-c", code], stderr=subprocess.DEVNULL) as process:
        watcher = watch.Watch(process.pid, limits)
        with watcher.over_a_cell() as said:
            process.wait()
    return watcher, said, process.returncode


@pytest.mark.parametrize(
    "code, limit",
    [
        (LOOP, "limit of processor time (1 s for a cell)"),
        (
            f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {LOOP!r}])",
            "limit of processor time (1 s for a cell)",
        ),
        ("import time\ntime.sleep(10**6)", "limit of waiting (2 s without computing)"),
    ],
    ids=["a loop", "a child that loops", "a sleeper"],
)
def test_a_cell_is_interrupted_once_it_meets_a_limit(code, limit, ctrl_c):
    watcher, said, _ = watched(code, watch.Limits(1))
    assert said == [f"met the {limit}"] and not watcher.ended


def test_what_ends_within_its_limits_is_left_alone():
    assert watched(BURN.format(1), watch.Limits(100))[1:] == ([], 0)


def test_what_does_not_heed_an_interrupt_is_killed(monkeypatch):
    monkeypatch.setattr(watch, "PATIENCE", 0.5)
    deaf = f"import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n{LOOP}"
    watcher, said, code = watched(deaf, watch.Limits(1))
    assert len(said) == 1 and watcher.ended == watch.DEAF and code == -9


def test_a_notebook_that_has_used_up_its_time_is_killed():
    limits = SimpleNamespace(cell=classroom.HANG, waiting=classroom.HANG, notebook=1)
    watcher, said, code = watched(LOOP, limits)
    assert not said and code == -9
    assert watcher.ended.startswith("The notebook has used 1 s of processor time")


@pytest.mark.parametrize(
    "used, free, expected",
    [(10, 0, False), (5.1, 0, False), (2, 0, True), (0, 0, True), (0, 8, False), (2, 4, False)],
)
def test_held_up_is_what_could_not_have_half_a_processor(used, free, expected):
    start = watch.Reading(now=100.0, used=50.0, free=500.0, waiting=False)
    assert watch.shared(start, watch.Reading(110.0, 50 + used, 500 + free, False)) == expected


@pytest.mark.skipif("forkserver" not in run.METHODS, reason="no process is forked here")
def test_who_is_forked_has_imported_all_and_nothing_that_takes_long(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(classroom.ROOT))
    run.start_server()
    assert os.environ["PYTHONPATH"] == str(classroom.ROOT)
    ready = "import sys\nfrom grading import feedback\nat_once = 'grading.warm' in sys.modules\n"
    ready += "at_once &= bool(feedback.COMPILED.known)\n"
    ready += "sys.exit(7 if at_once and not sys.modules.get('rfc3987_syntax') else 8)"
    process = run.PROCESSES.Process(target=exec, args=(ready, {}))
    process.start()
    process.join()
    assert process.exitcode == 7


def test_what_was_held_up_is_run_again_when_nobody_else_is(tmp_path, monkeypatch):
    task = Task(tmp_path, "double", "", [], [], watch.Limits(30), None, 2048, False)
    tasks = [(replace(task, student=student), "digest") for student in ("a", "b", "c", "d")]
    held_up, running, calls = threading.Event(), [], []

    def guard(task, digest):
        calls.append(task.student)
        running.append(task.student)
        if task.before:
            assert running == [task.student]
            saved = json.loads(run.record(tmp_path, "double", task.student).read_text())
            assert not saved["final"]  # an interrupted run would try again
        elif task.student != "a":
            held_up.wait(classroom.HANG)
        running.remove(task.student)
        outcome = Outcome(task.student, digest, graded=True, remarks=[task.before])
        if task.student == "a" and not task.before:
            outcome.held_up = True
            held_up.set()
        if task.student == "b" and not task.before:
            outcome.graded = outcome.final = False
        return outcome

    monkeypatch.setattr(run, "guard", guard)
    outcomes = {outcome.student: outcome for outcome in run.run_all(tasks, jobs=4)}
    assert sorted(calls[:4]) == ["a", "b", "c", "d"] and sorted(calls[4:]) == ["a", "b"]
    assert "was run again, alone" in outcomes["a"].remarks[0]
    assert outcomes["a"].remarks[0].startswith("It met a limit while other programs")
    assert outcomes["b"].remarks[0].startswith("The grader itself failed")
    for student in "abcd":
        saved = json.loads(run.record(tmp_path, "double", student).read_text())
        assert saved["final"] and saved["graded"]


@pytest.fixture
def course(tmp_path):
    """A course whose solution uses half a second of processor time, if no test runs twice."""
    source = classroom.small_source()
    cell(source, "setup").source += "\n" + BURN.format(0.5)
    once = "import sys\nassert 'tested' not in sys.argv\nsys.argv.append('tested')\n"
    tested = cell(source, "test_double")
    tested.source = tested.source.replace("assert double(-1)", once + "assert double(-1)")
    write(tmp_path / "course" / "source" / "double" / "double.ipynb", source)
    shutil.copy(classroom.ASSIGNMENTS / "nbgrader_config.py", tmp_path / "course")
    return tmp_path / "course"


def test_the_limit_is_some_times_what_the_solution_takes(course, monkeypatch):
    monkeypatch.setattr(watch, "AT_LEAST", 1)
    assert gradebook.release(course, "double")["success"]
    release = nbformat.read(course / "release" / "double" / "double.ipynb", as_version=4)
    slow = BURN.format(1.5) + "def double(x):\n    return 2 * x"
    write(course.parent / "in" / "anna.ipynb", answered(right(release), double=slow))
    done = classroom.grade_here(course.parent / "in", "double", course)
    assert done.returncode == 0, done.stdout + done.stderr
    limit = int(re.search(r"a cell may use (\d+) s", done.stdout)[1])
    assert limit >= watch.TIMES / 2
    report = (course / "report_double.md").read_text()
    assert f"Limits of time: {limit} s of processor time for a cell" in report
    outcome = json.loads(run.record(course, "double", "anna").read_text())
    assert outcome["remarks"] == [] and outcome["processor"] >= 2


def test_a_limit_set_by_hand_is_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(grader, "rehearse", lambda task: 100.0)
    monkeypatch.setattr(grader, "release", lambda course, assignment: None)
    task = Task(tmp_path, "double", "", [], [], watch.Limits(7), 7, 2048, False)
    assert grader.prepare(task, "source", needed=True) == watch.Limits(7)
    assert grader.prepare(replace(task, asked=None), "source", needed=True) == watch.Limits(600)


def test_a_second_try_says_that_it_is_one(course):
    assert gradebook.release(course, "double")["success"]
    task = Task(course, "double", "anna", [], [], watch.Limits(30), None, 2048, False, "Again.")
    with classroom.as_a_command():
        outcome = run.guard(task, "digest")
    assert outcome.remarks == ["Again."] and "No notebook was handed in" in outcome.reason


def test_who_cannot_be_graded_has_a_page_that_says_why(tmp_path):
    task = Task(tmp_path, "double", "anna", [], [], watch.Limits(30), None, 2048, False)
    page = tmp_path / "feedback" / "anna" / "double" / "double.html"
    run.keep(task, Outcome("anna", "", reason="The grader itself failed.", final=False), "1/1")
    assert not page.exists()  # the next run tries again
    run.keep(task, Outcome("anna", "", reason="<b>.zip: It holds another zip file."), "1/1")
    assert "&lt;b&gt;.zip: It holds another zip file." in page.read_text()
    page.write_text("an earlier work, and its points")  # as nbgrader writes it
    feedback.say_why_again(tmp_path, "double")
    assert "It holds another zip file." in page.read_text() and "points" not in page.read_text()


def test_make_passes_the_limit_on():
    command = ["make", "-n", "-o", ".venv/stamp", "grade", "FROM=in", "ASSIGNMENT=01_split"]
    for more, expected in ([], False), (["SECONDS=60"], True):
        done = subprocess.run(
            command + more, cwd=classroom.ROOT, capture_output=True, text=True, check=True
        )
        assert ('01_split" --seconds "60"' in done.stdout) == expected


def test_feedback_of_what_nobody_handed_in_is_refused_in_a_sentence():
    command = ["make", "-s", "-o", ".venv/stamp", "feedback", "ASSIGNMENT=01_spilt"]
    done = subprocess.run(command, cwd=classroom.ROOT, capture_output=True, text=True)
    assert done.returncode and done.stderr.startswith("Nobody was graded for '01_spilt'")


HOLD = "import time; x = bytearray(300 * 2**20); time.sleep(10**6)"
START = (
    "import subprocess, sys\nline = [sys.executable, '-c', {!r}]\n"
    "them = [subprocess.Popen(line) for _ in range({})]\n"
)
KEEPS_ON = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"  # as a kernel does
WAIT = "[one.wait() for one in them]"
MAPPED = "import mmap\nm = mmap.mmap(-1, 500 * 2**20)\nm.write(bytes(500 * 2**20))\n"


@pytest.mark.parametrize(
    "code, limit, survives",
    [
        (START.format(HOLD, 2) + WAIT, "memory", True),
        (KEEPS_ON + MAPPED + LOOP, "memory", False),
        (START.format(LOOP, 9) + WAIT, "processes", True),
        (KEEPS_ON + "open('f', 'wb').write(bytes(2_000_000))\n" + LOOP, "files", False),
    ],
    ids=["children", "shared memory", "processes", "files"],
)
def test_what_a_notebook_takes_is_counted_over_all_it_starts(
    code, limit, survives, monkeypatch, tmp_path, ctrl_c
):
    """Without a cgroup: the children go, and the kernel where that makes no room."""
    monkeypatch.setattr(room, "PROCESSES", 5)
    if survives:  # what is ended is given all the time that it needs to be gone
        monkeypatch.setattr(watch, "CROWDED", math.inf)
    monkeypatch.setattr(walls, "FILES", 1_000_000)
    monkeypatch.chdir(tmp_path)
    files = functools.partial(room.in_folder, tmp_path)
    with running([sys.executable, "-c", code], stderr=subprocess.DEVNULL) as process:
        watcher = watch.Watch(process.pid, watch.Limits(classroom.HANG), room.Room(100, [], files))
        with watcher.over_a_cell() as said:
            process.wait()
    assert len(said) == 1 and f"met the limit of {limit}" in said[0]
    assert (said[0] in watcher.ended) == (not survives)
    assert (process.returncode == -9) == (not survives)
    assert not watcher.held_up


@pytest.mark.parametrize("kills", [0, 3])
def test_what_a_cgroup_ends_between_two_looks_is_said(kills, monkeypatch, tmp_path):
    monkeypatch.setattr(watch, "LOOK", classroom.HANG)
    events = tmp_path / "memory.events"
    events.write_text("oom_kill 2\n")  # of an earlier cell
    with running([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        own = room.Room(100, [tmp_path])
        assert own.was_killed()
        watcher = watch.Watch(process.pid, watch.Limits(classroom.HANG), own)
        with watcher.over_a_cell() as said:
            events.write_text(f"oom_kill {2 + kills}\n")
        with watcher.over_a_cell() as said_of_the_next:
            pass
    assert said == ([own.of_memory] if kills else []) and said_of_the_next == []


ENDED = (
    "import os, time\nfor one in them:\n    os.waitid(os.P_PID, one.pid, os.WEXITED | os.WNOWAIT)\n"
    "print('all have ended', flush=True)\ntime.sleep(1)"
)


def test_what_has_ended_does_not_count(monkeypatch):
    """Children that nobody has waited for are still in the system's table."""
    monkeypatch.setattr(room, "PROCESSES", 5)
    code = START.format("", 20) + ENDED
    with running([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        watcher = watch.Watch(process.pid, watch.Limits(classroom.HANG), room.Room(2048))
        with watcher.over_a_cell() as said:
            process.wait()
    assert not watcher.ended and said == []


@pytest.mark.skipif(not cgroup.available(), reason="no cgroup may be made here")
def test_a_cgroup_holds_memory_and_processes_to_their_limits(monkeypatch):
    monkeypatch.setattr(cgroup, "SLACK", 0)
    monkeypatch.setattr(cgroup, "TASKS", 20)
    hog = f"import sys\nsys.path.insert(0, {str(classroom.ASSIGNMENTS)!r})\n"
    hog += "from grading import launch\n"
    fork = (
        "import os, time\nfor _ in range(50):\n    try:\n        if os.fork() == 0:\n"
        "            time.sleep(10**6)\n    except BlockingIOError:\n        os._exit(7)"
    )
    with cgroup.group(200) as groups:
        left = [group.with_name("grading-999999999-1") for group in groups]
        for group in left:
            group.mkdir()
        with cgroup.group(200):
            assert not [group for group in left if group.exists()]
        hog += f"launch.join({[str(group) for group in groups]!r})\n"
        taken = subprocess.run([sys.executable, "-c", hog + "x = b'x' * (400 * 2**20)"])
        assert taken.returncode == -9 and cgroup.kills(groups) == 1
        assert "met the limit of memory" in room.Room(200, groups).why_it_died()
        assert subprocess.run([sys.executable, "-c", hog + fork]).returncode == 7
    assert not [group for group in groups if group.exists()]  # nor what ran in them


def test_version_2_of_cgroups_is_asked_for_a_group_beside_ones_own(tmp_path, monkeypatch):
    session = tmp_path / "user.slice" / "session.scope"
    session.mkdir(parents=True)
    (session.parent / "cgroup.subtree_control").write_text("cpu memory pids\n")
    (session / "cgroup.subtree_control").write_text("\n")
    monkeypatch.setattr(cgroup, "ROOT", tmp_path)
    told = {"/proc/self/cgroup": "0::/user.slice/session.scope\n"}
    real = cgroup.read
    monkeypatch.setattr(cgroup, "read", lambda path: told.get(str(path)) or real(path))
    ((parent, limits),) = cgroup.places(100)
    assert parent == session.parent and limits["memory.max"] == (100 + cgroup.SLACK) * 2**20
    (session.parent / "cgroup.subtree_control").write_text("cpu\n")
    with pytest.raises(OSError, match="no cgroup may be made here"):
        cgroup.places(100)
    with cgroup.attempt(100) as groups:
        assert groups == []


def test_errors_that_stand_for_a_limit_are_known():
    for error, words in [
        (OSError(28, "No space left on device"), "limit of files"),
        (BlockingIOError(11, "Resource temporarily unavailable"), "limit of processes"),
        (RuntimeError("can't start new thread"), "limit of processes"),
        (MemoryError(), "limit of memory"),
    ]:
        said = SimpleNamespace(ename=type(error).__name__, evalue=str(error))
        assert words in room.met(said)
    assert room.met(SimpleNamespace(ename="ValueError", evalue="no")) == ""
