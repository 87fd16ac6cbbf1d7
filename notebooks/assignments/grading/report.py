"""What the teacher reads: grades.csv, and a report that names all that was not as expected."""

import csv
import re
from collections import defaultdict
from dataclasses import replace

from grading.gradebook import gradebook
from grading.intake import first
from grading.watch import AT_LEAST, TIMES

COLUMNS = ["assignment", "student", "status", "score", "max_score", "by_hand", "file"]
COLUMNS += ["other_files", "handed_in_as", "remarks"]


def scores(course, assignment):
    """Return what nbgrader's gradebook says of each student's submission."""
    with gradebook(course) as book:
        return {row["student"]: row for row in book.submission_dicts(assignment)}


def with_twins(outcomes):
    """Return the outcomes, with a remark for those whose answers another has handed in as well."""
    groups = defaultdict(list)
    for outcome in outcomes.values():
        if outcome.answers and outcome.graded:
            groups[outcome.answers].append(outcome.student)
    found = {}
    for student, outcome in outcomes.items():
        others = sorted(set(groups[outcome.answers]) - {student}) if outcome.graded else []
        if others:
            said = f"All its answers are, word by word, those of {', '.join(others)}."
            outcome = replace(outcome, remarks=[*outcome.remarks, said])
        found[student] = outcome
    return found


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
            for student, outcome in sorted(with_twins(students).items()):
                table.writerow(row_of(assignment, outcome, known.get(student)))
    new.replace(course / "grades.csv")


def row_of(assignment, outcome, scores):
    row = {
        "assignment": assignment,
        "student": as_text(outcome.student),
        "status": "not graded",
        "file": as_text(outcome.file),
        "other_files": as_text(", ".join(first(outcome.others))),
        "handed_in_as": as_text(", ".join(first(outcome.handed_in_as))),
        "remarks": as_text(" ".join([*outcome.remarks, outcome.reason])),
    }
    if outcome.graded:
        row |= {key: scores[key] for key in ("score", "max_score")}
        row["status"] = "graded"
        row["by_hand"] = "waiting" if scores["needs_manual_grade"] else ""
    return row


def one_line(said):
    """Return a text without line ends: what a student has named could look like a line of ours."""
    return " ".join(said.split())


def as_markdown(said):
    """Return a text in which no picture, link or tag is read: a file may be called ![](http...)."""
    return re.sub(r"([\\<\[!])", r"\\\1", one_line(said))


def as_text(said):
    """Return a text that a spreadsheet takes for no formula; a file may be called =HYPERLINK."""
    line = one_line(said)
    return f"'{line}" if line.startswith(("=", "+", "-", "@")) else line


def write_report(path, assignment, outcomes, protected):
    """Write the report on one assignment, as Markdown."""
    by_name = [outcome for _, outcome in sorted(with_twins(outcomes).items())]
    failed = [outcome for outcome in by_name if not outcome.graded]
    odd = [outcome for outcome in by_name if outcome.graded and outcome.remarks]
    lines = [
        f"# {assignment}: {len(by_name) - len(failed)} of {len(by_name)} graded",
        "",
        protected,
        "",
        of_limits(by_name),
    ]
    if failed:
        lines += ["", "## Not graded: no score stands for them in grades.csv", ""]
        lines += [entry(outcome, [*outcome.remarks, outcome.reason]) for outcome in failed]
    if odd:
        lines += ["", "## Graded, but not as expected", ""]
        lines += [entry(outcome, outcome.remarks) for outcome in odd]
    beside = [
        f"- {outcome.student}: {as_markdown(name)}"
        for outcome in by_name
        for name in first(outcome.others)
    ]
    if beside:
        lines += ["", "## Files beside the notebooks, which nobody read", "", *beside]
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
    file = f" ({as_markdown(outcome.file)})" if outcome.file else ""
    lines = [f"  - {as_markdown(said)}" for said in sentences]
    return "\n".join([f"- **{outcome.student}**{file}", *lines])
