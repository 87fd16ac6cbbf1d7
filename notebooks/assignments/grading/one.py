"""Grade one student's submission with nbgrader, in a process of its own."""

import json
import os
import shutil
import sys
import time
import traceback
import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path

import nbformat
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbgrader.apps import NbGraderAPI
from nbgrader.converters import Autograde, GenerateFeedback
from nbgrader.converters.base import NbGraderException
from nbgrader.preprocessors import Execute
from nbgrader.utils import capture_log, is_grade, temp_attrs
from traitlets.config import PyFileConfigLoader

from grading import intake, sandbox

ENDED = "Python ended before the notebook did: an exit, a crash or the limit of processor time."
DEAF = "A cell cannot be interrupted: an endless loop that catches everything."
CURE = "Mend a copy, or ask for another, and run again."
PATIENCE = 20  # seconds in which a cell must heed an interrupt; a busy machine needs some
LIMITS = {"CellTimeoutError": "time", "MemoryError": "memory"}


@dataclass(frozen=True)
class Task:
    """What a process is told: whose files to grade, where, and within which limits."""

    course: Path
    assignment: str
    student: str
    files: list
    hidden: list
    seconds: int
    megabytes: int
    protected: bool


@dataclass
class Outcome:
    """What became of a submission: the record that makes a second run skip it."""

    student: str
    digest: str
    graded: bool = False
    file: str = ""
    remarks: list = field(default_factory=list)
    reason: str = ""  # why it was not graded, and the cure
    limited: list = field(default_factory=list)  # the limits, where they may have decided
    final: bool = True  # False: the next run tries again
    seconds: float = 0.0

    def save(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(path.name + ".new")
        new.write_text(json.dumps(asdict(self), indent=1))
        new.replace(path)


class GuardedExecute(Execute):
    """nbgrader's execution, with a bound on what is shown and no points for cells never run."""

    shown = 0
    ended = ""  # why it could not go on to the last cell

    def process_message(self, msg, cell, cell_index):
        if msg["msg_type"] in ("stream", "display_data"):
            self.shown += sum(map(len, map(str, msg["content"].values())))
            if self.shown > sandbox.OUTPUT_BYTES:
                return None
        return super().process_message(msg, cell, cell_index)

    def preprocess(self, nb, resources):
        try:
            return super().preprocess(nb, resources)
        except (DeadKernelError, CellTimeoutError) as error:
            dead = isinstance(error, DeadKernelError)
            self.ended = where_it_ended(nb, ENDED if dead else DEAF)
            raise


def where_it_ended(notebook, reason):
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    last = [cell for cell in code if cell.execution_count or cell.outputs] or code[:1]
    name = intake.mark_of(last[-1]) or "added by the student"
    return f"{reason} It was cell {name} or the one after it. {CURE}"


def work(task, digest, folder, pipe):
    """Grade in this process and send the `Outcome`."""
    pipe.send(grade(task, digest, folder))


def grade(task, digest, folder):
    """Grade with `folder` for what is needed meanwhile, and return the `Outcome`."""
    start, outcome = time.monotonic(), Outcome(task.student, digest)
    try:
        release_file = task.course / "release" / task.assignment / f"{task.assignment}.ipynb"
        release = nbformat.read(release_file, as_version=4)
        file, notebook, outcome.remarks = intake.choose(task.files, release)
        outcome.file = file.name
        mended, remarks = intake.mend(notebook, release)
        outcome.remarks += remarks
        place = task.course / "submitted" / task.student / task.assignment
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        nbformat.write(mended, place / release_file.name)
        seen, limited = look(run_nbgrader(task, folder))
        outcome.remarks += seen
        outcome.limited = [task.seconds, task.megabytes] if limited else []
        outcome.graded = True
    except intake.NotGraded as error:
        outcome.reason = str(error)
        outcome.limited = [task.seconds, task.megabytes]  # other limits are worth another try
    except Exception:
        outcome.reason = "The grader itself failed: run again. " + traceback.format_exc()[-2000:]
        outcome.final = False
    outcome.seconds = time.monotonic() - start
    return outcome


def config(course):
    """Return nbgrader's settings for the course in the folder `course`."""
    return PyFileConfigLoader("nbgrader_config.py", path=str(course)).load_config()


def release(course, assignment):
    """Write the students' version; return nbgrader's answer, whether it could and its log."""
    # A new gradebook calls alembic by name, which need not be on the path of who calls this.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    api = NbGraderAPI(config=config(course))
    api.log.propagate = False
    return api.generate_assignment(assignment)


def run_nbgrader(task, folder):
    """Autograde, write the feedback, and return the graded notebook."""
    settings = config(task.course)
    use_kernel(settings, task, Path(folder))
    api = NbGraderAPI(config=settings)
    with temp_attrs(api.coursedir, assignment_id=task.assignment, student_id=task.student):
        guarded = GuardedExecute(config=settings)
        autograde = Autograde(coursedir=api.coursedir, parent=api, force=True)
        autograde.autograde_preprocessors = [
            guarded if step is Execute else step for step in autograde.autograde_preprocessors
        ]
        try:
            run(autograde)
        except NbGraderException:
            if guarded.ended:
                raise intake.NotGraded(guarded.ended) from None
            raise
        run(GenerateFeedback(coursedir=api.coursedir, parent=api, force=True))
    place = task.course / "autograded" / task.student / task.assignment
    return nbformat.read(place / f"{task.assignment}.ipynb", as_version=4)


def run(app):
    """Run a part of nbgrader in silence; raise an error that holds its log where it fails."""
    app.log.propagate = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nbgrader uses what SQLAlchemy 2.1 discourages
        done = capture_log(app)
    if not done["success"]:
        raise NbGraderException(done.get("log", "") + done.get("error", ""))


def use_kernel(settings, task, folder):
    """Make nbgrader run the notebook in a kernel with limits, whose files are in `folder`."""
    scratch, kernels = folder / "scratch", folder / "kernels" / "limited"
    scratch.mkdir()
    kernels.mkdir(parents=True)
    told = {
        "scratch": str(scratch),
        "hidden": task.hidden,
        "seconds": total_seconds(task),
        "megabytes": task.megabytes,
        "protected": task.protected,
    }
    line = [sys.executable, sandbox.__file__, "{connection_file}", json.dumps(told)]
    spec = {"argv": line, "display_name": "limited", "language": "python"}
    (kernels / "kernel.json").write_text(json.dumps(spec))
    os.environ["JUPYTER_PATH"] = str(folder)
    # Sockets in the scratch folder instead of ports: the kernel needs no network.
    settings.KernelManager.transport = "ipc"
    settings.KernelManager.ip = str(scratch / "kernel")
    settings.KernelManager.connection_file = str(scratch / "kernel.json")
    settings.GuardedExecute.kernel_name = "limited"
    settings.GuardedExecute.timeout = task.seconds
    settings.GuardedExecute.iopub_timeout = PATIENCE
    settings.GuardedExecute.shutdown_kernel = "immediate"  # there is nothing to be saved


def total_seconds(task):
    """Return what all cells together may take."""
    return 4 * task.seconds


def look(notebook):
    """Return remarks on what happened in a graded notebook, and whether it met a limit."""
    remarks, limited, passed, failures = [], False, False, []
    for cell in notebook.cells:
        errors = [output for output in cell.get("outputs", []) if output.output_type == "error"]
        name = intake.mark_of(cell) or "added by the student"
        for what in {error.ename for error in errors} & LIMITS.keys():
            remarks.append(f"Cell {name} met the limit of {LIMITS[what]} and was stopped.")
            limited = True
        passed |= is_grade(cell) and cell.cell_type == "code" and not errors
        failures += [f"{error.ename}: {error.evalue[:200]}" for error in errors]
    if not passed:
        first = failures[0] if failures else "none"
        remarks.append(f"No test passed. The first error in the notebook: {first}")
    return remarks, limited
