"""nbgrader's part: its settings, the version given out, its gradebook, and points given by hand."""

import functools
import json
import tempfile
import threading
import warnings
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import nbformat
import nbgrader.api
import nbgrader.dbutil
import nbgrader.nbgraderformat.common
from alembic.script import ScriptDirectory
from jsonschema.validators import validator_for
from nbgrader.api import (
    Assignment,
    Grade,
    Gradebook,
    MissingEntry,
    SubmittedAssignment,
    SubmittedNotebook,
)
from nbgrader.apps import NbGraderAPI
from nbgrader.converters.base import NbGraderException
from nbgrader.utils import capture_log
from sqlalchemy import func
from traitlets.config import PyFileConfigLoader

from grading import given_out, intake

CURE = (
    "Undo that and run again: an edit of a test that stays is well. To change which tests there "
    "are, move gradebook.db and .graded away; all are then graded anew, without the points that "
    "you gave by hand."
)
FULL = ["No space left on device", "database or disk is full", "Disk quota exceeded"]
NO_ROOM = "the disk is full. Make room and run again."
ALONE = threading.Lock()  # meanwhile nbgrader changes the working folder of the whole process


@functools.cache
def gradebook_version():
    """Return what `alembic heads` prints.

    For each new gradebook nbgrader starts that command, which takes seconds, and by its bare name,
    which need not be on the path.
    """
    return ScriptDirectory(nbgrader.dbutil.ALEMBIC_DIR).get_current_head()


def validate(content, schema):
    """Do as jsonschema, which looks each time whether the schema itself is one."""
    validator_for(schema)(schema).validate(content)


nbgrader.api.get_alembic_version = gradebook_version
nbgrader.api.create_engine = functools.cache(nbgrader.api.create_engine)
nbgrader.nbgraderformat.common.jsonschema = SimpleNamespace(validate=validate)


def config(course):
    """Return nbgrader's settings for the course in the folder `course`, without the refusals."""
    settings = PyFileConfigLoader("nbgrader_config.py", path=str(course)).load_config()
    for part in ("Autograde", "GenerateAssignment"):
        settings[part].pop("exporter_class", None)
    return settings


def gradebook(course):
    return Gradebook(config(course).CourseDirectory.db_url)


def knows(course, assignment):
    """Return whether the assignment is in the gradebook: not in a copy that was made before."""
    with gradebook(course) as book:
        return any(each.name == assignment for each in book.assignments)


def has_students(course):
    with gradebook(course) as book:
        return bool(book.students)


def by_machine(course, assignment):
    """Return ``{student: points}``: what the tests gave, whatever the teacher has given."""
    with gradebook(course) as book:
        found = book.db.query(SubmittedAssignment.student_id, func.sum(Grade.auto_score))
        found = found.select_from(Grade).join(SubmittedNotebook).join(SubmittedAssignment)
        found = found.join(Assignment).filter(Assignment.name == assignment)
        return {who: points or 0.0 for who, points in found.group_by("student_id").all()}


def as_given_out(course, assignment):
    """Return where the students' version stands as it was written, whoever works in `release/`."""
    return course / ".given_out" / f"{assignment}.ipynb"


def release(course, assignment):
    """Write the students' version; return nbgrader's answer, whether it could and its log.

    nbgrader removes all that is in the folder it writes, so it has one of its own. `kept` names
    the files in `release/` in which somebody has worked. Where nbgrader refuses, `release/` stays
    as it was, and `refused` says why.
    """
    if refused := nonsense(course, assignment):
        return {"success": False, "refused": refused}
    with tempfile.TemporaryDirectory() as folder:
        settings = config(course)
        settings.CourseDirectory.release_directory = folder
        api = NbGraderAPI(config=settings)
        api.log.propagate = False
        with ALONE:
            done = api.generate_assignment(assignment)
        if done["success"]:
            pristine, place = as_given_out(course, assignment), course / "release" / assignment
            done["kept"] = given_out.hand_over(Path(folder) / assignment, place, pristine)
        else:
            full = any(words in f"{done.get('log')}{done.get('error')}" for words in FULL)
            done["refused"] = NO_ROOM if full else why_refused(course, assignment)
    return done


def nonsense(course, assignment):
    """Return why nbgrader would fail, or count wrong points, without saying so in words."""
    if "[" in str(course):
        return f"nbgrader finds nothing in {course}. Take the [ out of the folder's name."
    found = {path.name for path in (course / "source" / assignment).glob("*.ipynb")}
    if more := sorted(found - {f"{assignment}.ipynb"}):
        return f"{', '.join(more)} in source/{assignment} would count as well: move it away."
    return ""


def why_refused(course, assignment):
    """Return in a sentence which tests and answers were added or removed, and the cure."""
    file = course / "source" / assignment / f"{assignment}.ipynb"
    try:
        notebook = nbformat.read(file, as_version=4)
        now = {m for m, cells in intake.marks(notebook).items() if is_known(cells[0])}
        with gradebook(course) as book:
            known = book.find_notebook(assignment, assignment)
            before = {cell.name for cell in known.source_cells}
    except Exception:
        return ""
    changes = [("added", now - before), ("removed", before - now)]
    said = [f"{', '.join(sorted(names))} {what}" for what, names in changes if names]
    if not said:
        return ""
    return f"notebooks have been graded, and since then cells were {' and '.join(said)}. {CURE}"


def is_known(cell):
    return any(cell.metadata.nbgrader.get(kind) for kind in ("grade", "solution", "locked"))


def run(app):
    """Run a part of nbgrader in silence; raise an error that holds its log where it fails."""
    app.log.propagate = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nbgrader uses what SQLAlchemy 2.1 discourages
        done = capture_log(app)
    if not done["success"]:
        raise NbGraderException(done.get("log", "") + done.get("error", ""))


def autograded(task):
    """Return the notebook as it was graded."""
    place = task.course / "autograded" / task.student / task.assignment
    return nbformat.read(place / f"{task.assignment}.ipynb", as_version=4)


def remember_judged(task):
    """Write down what the teacher has judged: nbgrader's next try may remove what she has seen."""
    seen, judged = remembered(task)
    with suppress(MissingEntry), gradebook(task.course) as book:  # or graded for the first time
        for grade in grades(book, task):
            if is_judged(grade) and not grade.needs_manual_grade and grade.name in seen:
                judged[grade.name] = seen[grade.name]
    remember(task, seen, judged)


def keep_judged(task):
    """Take off the list of what waits for the teacher what she has judged, and has not changed.

    Where the points of a test were lowered since, more than there are now wait for her again.
    """
    _, judged = remembered(task)
    cells = {intake.mark_of(cell): cell.source for cell in autograded(task).cells}
    seen = {}
    with gradebook(task.course) as book:
        for grade in grades(book, task):
            by_hand = grade.auto_score is None
            seen[grade.name] = cells.get(grade.name) if by_hand else grade.auto_score
            same = is_judged(grade) and judged.get(grade.name) == seen[grade.name]
            if same and grade.manual_score <= grade.max_score:
                grade.needs_manual_grade = False
        book.db.commit()
    remember(task, seen, judged)


def grades(book, task):
    notebook = book.find_submission_notebook(task.assignment, task.assignment, task.student)
    return notebook.grades


def is_judged(grade):
    return grade.manual_score is not None


def remembered(task):
    """Return two of ``{test: the answer, or what the machine gave}``: last graded, last judged."""
    with suppress(OSError, ValueError):
        return json.loads(memory(task).read_text("utf-8"))
    return {}, {}


def remember(task, seen, judged):
    memory(task).parent.mkdir(parents=True, exist_ok=True)
    new = memory(task).with_suffix(".new")
    new.write_text(json.dumps([seen, judged]), "utf-8")
    new.replace(memory(task))


def memory(task):
    return task.course / ".graded" / task.assignment / f"{task.student}.judged"
