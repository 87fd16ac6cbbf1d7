"""What the grader is told about a submission, and what it remembers of it."""

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from grading import files, gradebook, report
from grading.watch import Limits

AGAIN = "Put the notebook back into the folder of submissions, and run again."
LOST = f"The gradebook has no points of this student. {AGAIN}"
OTHER = f"The gradebook has points of another run for this student; is it an older copy? {AGAIN}"
DAMAGED = f"What the grader has written down of this student cannot be read. {AGAIN}"
OLDER = f"Graded with an older version of the assignment; tests or points may differ. {AGAIN}"


@dataclass(frozen=True)
class Task:
    """What a process is told: whose files to grade, where, and within which limits."""

    course: Path
    assignment: str
    student: str
    files: list
    hidden: list
    limits: Limits
    asked: int | None  # seconds for one cell that the teacher set by hand
    megabytes: int
    protected: bool
    before: str = ""  # what came of a first try, where this one is the second
    notes: tuple = ()  # what was odd about the files
    handed_in_as: tuple = ()  # the names of the student's folders and files

    @property
    def bounds(self):
        """The limits that the teacher has set: others are worth another try."""
        return [self.asked, self.megabytes]


@dataclass
class Outcome:
    """What became of a submission: the record that makes a second run skip it."""

    student: str
    digest: str
    graded: bool = False
    file: str = ""
    remarks: list = field(default_factory=list)
    reason: str = ""  # why it was not graded, and the cure
    others: list = field(default_factory=list)  # files beside the notebook, which nobody read
    answers: str = ""  # the same text for the same answers, empty where there are none
    handed_in_as: list = field(default_factory=list)  # as for a task
    limited: list = field(default_factory=list)  # the bounds, where they may have decided
    lacking: bool = False  # points were lost as something was not here: the next run tries again
    held_up: bool = False  # a limit was met while others used the processors
    by_machine: float | None = None  # the points of all tests; an older record does not tell them
    final: bool = True  # False: the next run tries again
    seconds: float = 0.0
    processor: float = 0.0  # seconds that all cells used
    cell_limit: float = 0.0  # and that one cell could have used

    def save(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(path.name + ".new")
        new.write_text(json.dumps(asdict(self), indent=1), "utf-8")
        new.replace(path)


def handed_in_as(theirs, submissions, assignment):
    """Return the names that a student's folders and files have in the folder of submissions."""
    found = []
    for file in theirs:
        first, *inner = file.relative_to(submissions).parts
        found.append(inner[0] if inner and files.is_named(first, assignment) else first)
    return tuple(dict.fromkeys(found))


def records(course, assignment):
    """Return the outcomes of earlier runs, for each student.

    Whose record is damaged, or tells of other points than the gradebook that was put back, is to be
    graded again. Who was graded with an older version of the assignment is named.
    """
    outcomes = {}
    for path in sorted((course / ".graded" / assignment).glob("*.json")):
        try:
            outcome = Outcome(**json.loads(path.read_text("utf-8")))
        except (ValueError, TypeError):
            outcome = Outcome(path.stem, "", reason=DAMAGED, final=False)
        outcomes[outcome.student] = outcome
    graded = {student: outcome for student, outcome in outcomes.items() if outcome.graded}
    known = report.scores(course, assignment).keys() if graded else ()
    points = gradebook.by_machine(course, assignment) if graded else {}
    for student, outcome in graded.items():
        now = outcome.by_machine is None or abs(points.get(student, 0) - outcome.by_machine) < 1e-6
        if student not in known or not now:
            reason = LOST if student not in known else OTHER
            outcomes[student] = replace(outcome, graded=False, final=False, reason=reason)
    source = files.digest(files.inside(course / "source" / assignment))
    for student, outcome in outcomes.items():
        if outcome.graded and not outcome.digest.startswith(source):
            outcomes[student] = replace(outcome, remarks=[*outcome.remarks, OLDER])
    return outcomes


def stale(task, source, handed_in, outcomes):
    """Return what is told of who is new, has changed or needs a new try, and a digest."""
    students, all_notes = handed_in
    found = []
    for student, theirs in students.items():
        notes = tuple(all_notes.get(student, ()))
        digest, old = f"{source} {files.digest(theirs, *notes)}", outcomes.get(student)
        tried = old and old.final and old.digest == digest
        if not tried or old.lacking or old.limited not in ([], task.bounds):
            found.append(({"student": student, "files": theirs, "notes": notes}, digest))
    return found


def write_grades(course):
    """Write grades.csv for all assignments graded so far."""
    folders = sorted(path for path in (course / ".graded").glob("*") if path.is_dir())
    report.write_grades(course, {path.name: records(course, path.name) for path in folders})
