"""What the teacher reads: grades.csv, and a report that names all that was not as expected."""

import csv

from nbgrader.api import Gradebook

from grading.one import config
from grading.watch import AT_LEAST, TIMES

COLUMNS = ["assignment", "student", "status", "score", "max_score", "by_hand", "file", "remarks"]


def scores(course, assignment):
    """Return what nbgrader's gradebook says of each student's submission."""
    with Gradebook(config(course).CourseDirectory.db_url) as gradebook:
        return {row["student"]: row for row in gradebook.submission_dicts(assignment)}


def write_grades(course, outcomes):
    """Write grades.csv: for each assignment and student the score, empty where not graded.

    Parameters
    ----------
    course : pathlib.Path
    outcomes : dict of str to dict of str to Outcome
        For each assignment, for each student.
    """
    new = course / "grades.csv.new"
    with open(new, "w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        for assignment, students in outcomes.items():
            known = scores(course, assignment)
            for student, outcome in sorted(students.items()):
                table.writerow(row_of(assignment, outcome, known.get(student)))
    new.replace(course / "grades.csv")


def row_of(assignment, outcome, scores):
    row = {
        "assignment": assignment,
        "student": outcome.student,
        "status": "not graded",
        "file": outcome.file,
        "remarks": " ".join([*outcome.remarks, outcome.reason]).strip(),
    }
    if outcome.graded:
        row |= {key: scores[key] for key in ("score", "max_score")}
        row["status"] = "graded"
        row["by_hand"] = "waiting" if scores["needs_manual_grade"] else ""
    return row


def write_report(path, assignment, outcomes, strays, protected):
    """Write the report on one assignment, as Markdown."""
    by_name = sorted(outcomes, key=lambda outcome: outcome.student)
    failed = [outcome for outcome in by_name if not outcome.graded]
    odd = [outcome for outcome in by_name if outcome.graded and outcome.remarks]
    lines = [
        f"# {assignment}: {len(by_name) - len(failed)} of {len(by_name)} graded",
        "",
        protected,
        "",
        of_limits(outcomes),
    ]
    if failed:
        lines += ["", "## Not graded: no score stands for them in grades.csv", ""]
        lines += [entry(outcome, [*outcome.remarks, outcome.reason]) for outcome in failed]
    if odd:
        lines += ["", "## Graded, but not as expected", ""]
        lines += [entry(outcome, outcome.remarks) for outcome in odd]
    if strays:
        lines += ["", "## Files that nobody read", ""]
        lines += [f"- {stray}" for stray in strays]
    # The name of a file need not be one that can be written.
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="backslashreplace")


def of_limits(outcomes):
    """Return what is said of the limits of time, which are measured anew in each run."""
    seconds = sorted({round(outcome.cell_limit) for outcome in outcomes} - {0})
    if not seconds:
        return "No notebook was run."
    cells = " to ".join(str(each) for each in dict.fromkeys([seconds[0], seconds[-1]]))
    return (
        f"Limits of time: {cells} s of processor time for a cell ({TIMES} times what the course's "
        f"own solution used for its whole notebook, and at least {AT_LEAST} s, where SECONDS did "
        "not set another limit). All cells of a notebook together have four times that. A cell "
        "may wait, computing nothing, for twice its limit. How busy the machine was does not count."
    )


def entry(outcome, sentences):
    file = f" ({outcome.file})" if outcome.file else ""
    return "\n".join([f"- **{outcome.student}**{file}", *(f"  - {line}" for line in sentences)])
