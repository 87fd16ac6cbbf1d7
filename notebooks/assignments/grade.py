"""Grade a folder of submissions with nbgrader, whatever is in it.

    python notebooks/assignments/grade.py SUBMISSIONS ASSIGNMENT

SUBMISSIONS holds a folder or a notebook for each student. What comes of it stands beside this
file: `grades.csv`, `report_ASSIGNMENT.md`, and the students' feedback in `feedback/`. Run it again
after a cure, or after an interruption: it grades what is new or has changed.
"""

import argparse
import errno
import os
import shutil
import signal
import sys
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from sqlalchemy.exc import DatabaseError

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from grading import files, gradebook, intake, report, run, sandbox, watch, wrong_level  # noqa: E402
from grading.aside import left_aside  # noqa: E402
from grading.records import Task, handed_in_as, records, stale, write_grades  # noqa: E402

NBGRADERS = ["source", "release", "selfstudy", "submitted", "autograded", "feedback"]
REHEARSAL = 900  # seconds of processor time for a cell of the model solution
MOST = 20_000  # seconds for a cell, since the system's clocks do not count without an end
UNUSABLE = (
    "the gradebook cannot be used ({}). Close what else is using it, or put back a copy of "
    "gradebook.db, and run again: what was graded is kept."
)
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}
# A notebook also waits: for its kernel to start, to answer, to end. One more uses that time.
JOBS = (os.cpu_count() or 1) + 1


class Refused(Exception):
    """The command cannot do what it was asked for; the message says why and what to do."""


def main(arguments=None):
    with suppress(AttributeError):  # a terminal may lack letters of a student's name
        sys.stdout.reconfigure(errors="backslashreplace")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("submissions", type=Path, help="a folder or a notebook for each student")
    parser.add_argument("assignment", help="its name, such as 01_split")
    parser.add_argument("--course", type=Path, default=HERE, help="where source/ is")
    parser.add_argument("--jobs", type=int, default=JOBS, help="notebooks at a time")
    parser.add_argument(
        "--seconds",
        type=int,
        help="of processor time for one cell, and four times that for all; without it "
        f"{watch.TIMES} times what all cells of the course's own solution take, but at least "
        f"{watch.AT_LEAST}",
    )
    parser.add_argument("--memory", type=int, default=2048, help="MB for one notebook")
    options = parser.parse_args(arguments)
    try:
        outcomes = grade_class(**vars(options))
        return 0 if any(outcome.graded for outcome in outcomes.values()) else 1
    except Refused as error:
        parser.exit(2, f"grade.py: {error}\n")
    except DatabaseError as error:
        parser.exit(1, f"grade.py: {UNUSABLE.format(error.orig)}\n")
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        parser.exit(1, f"grade.py: {error}. See to it, and run again: what was graded is kept.\n")
    except KeyboardInterrupt:
        parser.exit(130, "Interrupted. What was graded is kept; run again for the rest.\n")


def grade_class(submissions, assignment, course, jobs, seconds, memory):
    """Grade `assignment` for all students in `submissions`; return their outcomes."""
    course, submissions = course.resolve(), submissions.resolve()
    refuse_nonsense(submissions, assignment, course, jobs, seconds)
    with alone(course):
        return grade_all(submissions, assignment, course, jobs, seconds, memory)


@contextmanager
def alone(course):
    """Keep the course while the block runs: two graders would write the same tables."""
    import fcntl  # not on Windows, where nothing is graded

    folder = os.open(course, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(f"another `make grade` is at work in {course}. Wait for it.") from None
        yield
    finally:
        os.close(folder)


def grade_all(submissions, assignment, course, jobs, seconds, memory):
    protected, said = sandbox.protection(), sandbox.in_words(memory)
    print(said, flush=True)
    unseen, limits = hidden(course, submissions), watch.Limits(seconds or REHEARSAL)
    task = Task(course, assignment, "", [], unseen, limits, seconds, memory, protected)
    source = files.digest(files.inside(course / "source" / assignment))
    outcomes = records(course, assignment)
    earlier = {student: outcome.handed_in_as for student, outcome in outcomes.items()}
    others, lines = left_aside(submissions, assignment, course)
    print(*lines, sep="\n", end="\n" * bool(lines), flush=True)
    handed_in = files.find(submissions, assignment, earlier, others)
    if not handed_in[0] and not outcomes:
        what = "holds no student's work" if others else "is empty"
        raise Refused(f"{submissions} {what}. Name the folder that holds the submissions.")
    if why := wrong_level.refusal(handed_in[0], submissions, assignment, course):
        raise Refused(why)
    if doubt := wrong_level.doubt(handed_in[0], submissions, assignment):
        print(doubt, flush=True)
    waiting = stale(task, source, handed_in, outcomes)
    limits = prepare(task, source, bool(waiting))
    tasks = []
    for more, digest in waiting:
        names = handed_in_as(more["files"], submissions, assignment)
        tasks.append((replace(task, limits=limits, handed_in_as=names, **more), digest))
    for outcome in run.run_all(tasks, jobs):
        outcomes[outcome.student] = outcome
    report_path = course / f"report_{assignment}.md"
    said = "\n\n".join([said, *map(report.as_markdown, lines)])
    report.write_report(report_path, assignment, outcomes, said)
    write_grades(course)
    if not handed_in[0]:
        print(f"No notebooks in {submissions}; the report shows earlier grades.")
    count = sum(outcome.graded for outcome in outcomes.values())
    print(f"{count} of {len(outcomes)} graded. Remarks, reasons and cures: {report_path}")
    return outcomes


def hidden(*folders):
    """Return what a student's code must not read: these, and what the repository says of tests."""
    repository = HERE.parents[1]
    known = [HERE, *folders, repository / ".git", repository / "tests"]
    return sorted({str(folder) for folder in known if folder.is_dir()})


def refuse_nonsense(submissions, assignment, course, jobs, seconds):
    known = sorted(path.name for path in (course / "source").glob("[!._]*") if path.is_dir())
    if sandbox.refusal():
        raise Refused(sandbox.refusal())
    if assignment not in known:
        raise Refused(f"no assignment {assignment!r}; there are: {', '.join(known)}.")
    if not submissions.is_dir():
        raise Refused(
            f"{submissions} is not a folder. Name the one that holds the submissions."
            " Unpack a zip file first."
        )
    if any(submissions.is_relative_to(course / name) for name in NBGRADERS):
        raise Refused(f"{submissions} is nbgrader's own. Keep what comes in another folder.")
    if course.is_relative_to(submissions):
        raise Refused(
            f"{submissions} holds the course as well. Name a folder of submissions alone."
        )
    if jobs < 1:
        raise Refused(f"--jobs {jobs}: at least one process is needed.")
    if seconds is not None and not 1 <= seconds <= MOST:
        raise Refused(
            f"--seconds {seconds}: a cell needs at least one second, and has at most {MOST:,}."
        )
    if not os.access(course, os.W_OK):
        raise Refused(f"nothing can be written into {course}. Copy it to where you may write.")
    gone = (course / ".graded").exists() and not (course / "gradebook.db").exists()
    if gone or any(course.glob(".graded/*/*.judged")) and not gradebook.has_students(course):
        raise Refused(
            f"gradebook.db is gone from {course}, or is a new one, and .graded there says who was "
            "in it. Put the old one back, or remove .graded as well and run again: all are then "
            "graded anew, without the points that you gave by hand."
        )


def prepare(task, source, needed):
    """Tell nbgrader of the assignment as it now is, and return the limits for the students.

    They are some times what the course's own solution uses in this run, for processors differ, and
    that solution must get all points; or what the teacher asks for.
    """
    stamp = task.course / ".graded" / f"{task.assignment}.source"
    given_out = gradebook.as_given_out(task.course, task.assignment)
    new = not given_out.exists() or not stamp.exists() or stamp.read_text("utf-8") != source
    if new or needed or not gradebook.knows(task.course, task.assignment):
        release(task.course, task.assignment)
    if not (new or needed and task.asked is None):
        return task.limits
    used = rehearse(task)
    limits = task.limits if task.asked else watch.Limits.measured(used)
    print(
        f"The course's own solution used {used:.1f} s of processor time; a cell may use "
        f"{limits.cell:.0f} s.",
        flush=True,
    )
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(source, "utf-8")
    return limits


def rehearse(task):
    """Grade the course's own solution, and return the processor time that it used."""
    source = task.course / "source" / task.assignment
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder).resolve()
        shutil.copytree(source, trial / "source" / task.assignment)
        shutil.copy(task.course / "nbgrader_config.py", trial)
        release(trial, task.assignment)
        given_out = gradebook.as_given_out(trial, task.assignment)
        notebook = trial / "solution.ipynb"
        intake.solve(source / given_out.name, given_out, notebook)
        rehearsal = replace(task, course=trial, student="solution", files=[notebook], hidden=[])
        outcome = run.guard(rehearsal, "")
        scores = report.scores(trial, task.assignment).get("solution")
    if not outcome.graded or scores["code_score"] < scores["max_code_score"]:
        raise Refused(
            "the course's own solution does not get all points on this machine, so nobody was "
            f"graded. Is the helpers package installed? {outcome.reason} {outcome.remarks}"
        )
    return outcome.processor


def release(course, assignment):
    """Write the students' version with nbgrader, and enter the assignment in its gradebook."""
    done = gradebook.release(course, assignment)
    if not done["success"]:
        why = done["refused"] or f"{done.get('log')}{done.get('error')}"
        raise Refused(f"{assignment} cannot be given out as it now stands: {why}")


def end_as_after_ctrl_c():
    """Have `kill` and a terminal that is closed end all that was started, as Ctrl-C does.

    What ignores a closed terminal, as with nohup, goes on.
    """
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows lacks the latter
        if number and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


if __name__ == "__main__":
    end_as_after_ctrl_c()
    sys.exit(main())
