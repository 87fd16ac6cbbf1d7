"""Grade many submissions at a time, each in a process of its own that may fail or hang."""

import multiprocessing
import os
import tempfile
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from grading import cgroup, feedback, files, one
from grading.records import Outcome

METHODS = multiprocessing.get_all_start_methods()
PROCESSES = multiprocessing.get_context("forkserver" if "forkserver" in METHODS else "spawn")
PROCESSES.set_forkserver_preload(["grading.warm"])
STARTING = threading.Lock()
AGAIN = {
    True: "It met a limit while other programs used the processors, so it was run again, alone. "
    "The points are those of the second run.",
    False: "The grader itself failed, so it was run again, alone.",
}


def run_all(tasks, jobs):
    """Grade in `jobs` processes at a time, then alone what others may have held up.

    Yield each outcome once it is on disk.
    """
    alone = []
    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(guard, *each): each for each in tasks}
        try:
            for number, future in enumerate(as_completed(futures), 1):
                outcome, (task, digest) = future.result(), futures[future]
                if outcome.held_up or not outcome.final:
                    outcome.final = False  # should this run be interrupted, the next tries again
                    alone.append((replace(task, before=AGAIN[outcome.held_up]), digest))
                keep(task, outcome, f"{number}/{len(tasks)}")
                yield outcome
            for number, (task, digest) in enumerate(alone, 1):
                outcome = guard(task, digest)
                keep(task, outcome, f"again, alone, {number}/{len(alone)}")
                yield outcome
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.kill()
            raise


def keep(task, outcome, number):
    outcome.save(record(task.course, task.assignment, outcome.student))
    feedback.say_why(task.course, task.assignment, outcome)
    said = "graded" if outcome.graded else "NOT GRADED"
    said += ", with remarks" if outcome.graded and outcome.remarks else ""
    print(f"{number} {outcome.student}: {said}, {outcome.seconds:.0f} s", flush=True)


def record(course, assignment, student):
    return course / ".graded" / assignment / f"{student}.json"


@contextmanager
def folder():
    """Give a folder for what is needed while one is graded, and remove it afterwards."""
    made = tempfile.mkdtemp(prefix="grade")
    try:
        yield made
    finally:
        files.remove(made)


def guard(task, digest):
    """Grade one student in a process that may fail or hang without harm; return the outcome."""
    start, outcome = time.monotonic(), Outcome(task.student, digest, remarks=list(task.notes))
    outcome.handed_in_as = list(task.handed_in_as)
    try:
        return in_a_process(task, digest)
    except EOFError:
        outcome.reason = "The grading process ended: run again."
    except TimeoutError:
        outcome.reason = f"The grading process hung, and was stopped. {one.CURE}"
    except Exception:
        outcome.reason = one.FAILED + traceback.format_exc()[-2000:]
    outcome.seconds, outcome.final = time.monotonic() - start, False
    return outcome


def start_server():
    """Start the process from which all others are forked; PYTHONPATH says where `grading` is."""
    from multiprocessing import forkserver  # not on Windows

    with STARTING:
        before = os.environ.get("PYTHONPATH")
        paths = [str(Path(__file__).parents[1]), *([before] if before else [])]
        os.environ["PYTHONPATH"] = os.pathsep.join(paths)
        try:
            forkserver.ensure_running()
        finally:
            del os.environ["PYTHONPATH"]
            os.environ |= {} if before is None else {"PYTHONPATH": before}


def in_a_process(task, digest):
    if PROCESSES.get_start_method() == "forkserver":
        start_server()
    ours, theirs = PROCESSES.Pipe(duplex=False)
    with folder() as place, cgroup.group(task.megabytes) as groups:
        process = PROCESSES.Process(target=one.work, args=(task, digest, place, groups, theirs))
        process.start()
        theirs.close()
        try:
            if ours.poll(one.HANG + 20 * task.limits.notebook):
                return ours.recv()
            raise TimeoutError
        finally:
            process.kill()
            process.join()
