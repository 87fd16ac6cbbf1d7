"""A folder of submissions that lies one level too deep, or too high: it would make up a student."""

from collections import defaultdict
from pathlib import PurePosixPath

from grading import files
from grading.unpack import called_a_notebook, members
from grading.whose import pattern_of

EXPECTED = "FROM must be a folder with one folder or file for each student, named after the student"
TOO_DEEP = (
    EXPECTED + ". {} in {} has the assignment's name and no student's. If this is the folder of "
    'one student, name the one above it: FROM="{}". Otherwise give the student\'s name to what has '
    "none, or take it out, and run again."
)
TOO_HIGH = (
    EXPECTED + ". In {} notebooks are found in one folder only, {}, and there in several folders: "
    '{}. If these are the students, run again with FROM="{}". If all is the work of one student, '
    "keep only the notebook that should count."
)
IN_ZIP = (
    EXPECTED + ". {} holds one zip file, {}, with notebooks in several folders: {}. If these are "
    "the students, unpack it into a folder of its own, and run again with that folder. If all is "
    "the work of one student, keep only the notebook that should count."
)
IN_DOUBT = (
    'ONLY ONE STUDENT, {}, with {} notebooks. If they are those of a class: FROM="{}", and see '
    "the teacher's guide on how to remove a row from grades.csv."
)
FEW_COPIES = 2  # one student's, handed in twice
COPIES = (
    "ONLY ONE STUDENT, {}, with {} notebooks, which look like copies of one file: {}. If they are "
    "those of a class, give each its student's name, and see the teacher's guide on how to remove "
    "a row from grades.csv."
)


def refusal(students, submissions, assignment, course):
    """Return why `submissions` is not the folder that was meant; an empty text where it may be.

    Parameters
    ----------
    students : dict of str to list of pathlib.Path
        What `files.find` has found.
    submissions : pathlib.Path
    assignment : str
    course : pathlib.Path
        Folders named after one of its assignments are no students'.
    """
    words = pattern_of(assignment)
    if nameless := [name for name, theirs in students.items() if theirs and words.search(name)]:
        inner = files.is_named(submissions.name, assignment)
        above = submissions.parent.parent if inner else submissions.parent
        return TOO_DEEP.format(", ".join(nameless), submissions, above)
    folder, notebooks = the_only_one(students, submissions, assignment)
    if len(inner := folders_of(notebooks, course)) > 1:
        return TOO_HIGH.format(submissions, folder.name, some_of(inner), folder)
    if len(notebooks) == 1:
        file = folder / notebooks[0]  # or `folder` itself, where a file lies in none
        inside = [PurePosixPath(name.replace("\\", "/")) for name in members(file)]
        inner = folders_of([name for name in inside if called_a_notebook(name.name)], course)
        if len(inner) > 1:
            return IN_ZIP.format(submissions, file.name, some_of(inner))
    return ""


def folders_of(notebooks, course):
    """Return the folders in which notebooks lie, but for those named after an assignment."""
    known = {path.name.lower() for path in (course / "source").iterdir()}
    inner = sorted({each.parts[0] for each in notebooks if len(each.parts) > 1})
    return [name for name in inner if name.strip(" ._-").lower() not in known]


def some_of(names):
    return ", ".join(names[:3] + ["..."] * (len(names) > 3))


def doubt(students, submissions, assignment):
    """Return what is said where one student may be a class; an empty text where not."""
    folder, notebooks = the_only_one(students, submissions, assignment)
    if len(notebooks) > 1:
        return IN_DOUBT.format(folder.name, len(notebooks), folder)
    student, theirs = next(iter(students.items()), ("", []))
    names = [file.name for file in theirs if called_a_notebook(file.name)]
    if len(students) > 1 or len(names) <= FEW_COPIES:
        return ""
    return COPIES.format(student, len(names), some_of(names))


def the_only_one(students, submissions, assignment):
    """Return the only folder that holds notebooks, and their paths in it; none where it is none."""
    found = defaultdict(list)
    for file in (file for theirs in students.values() for file in theirs):
        first, *inner = file.relative_to(submissions).parts
        place = submissions / first
        if inner and files.is_named(first, assignment):
            place, inner = place / inner[0], inner[1:]
        if called_a_notebook(file.name) or file.suffix.lower() == ".zip":
            found[place].append(file.relative_to(place))
    return next(iter(found.items())) if len(found) == 1 else (submissions, [])
