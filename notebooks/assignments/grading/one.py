"""Grade one student's submission with nbgrader, in a process of its own."""

import functools
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
import nbgrader.api
import nbgrader.dbutil
from alembic.script import ScriptDirectory
from nbclient.exceptions import DeadKernelError
from nbformat.v4 import new_output
from nbgrader.apps import NbGraderAPI
from nbgrader.converters import Autograde, GenerateFeedback
from nbgrader.converters.base import NbGraderException
from nbgrader.preprocessors import Execute
from nbgrader.utils import capture_log, is_grade, temp_attrs
from traitlets.config import PyFileConfigLoader

from grading import intake, sandbox
from grading.watch import Limits, Watch

ENDED = "Python ended before the notebook did: an exit, a crash, or no memory left on the machine."
CURE = "Mend a copy, or ask for another, and run again."
STOPPED = "Stopped"  # the name of the error that a cell shows when it has met a limit of time
HANG = 3600  # seconds in which a kernel starts and answers, on however busy a machine


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
    limited: list = field(default_factory=list)  # the bounds, where they may have decided
    held_up: bool = False  # a limit was met while others used the processors
    final: bool = True  # False: the next run tries again
    seconds: float = 0.0
    processor: float = 0.0  # seconds that all cells used
    cell_limit: float = 0.0  # and that one cell could have used

    def save(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(path.name + ".new")
        new.write_text(json.dumps(asdict(self), indent=1), "utf-8")
        new.replace(path)


class GuardedExecute(Execute):
    """nbgrader's execution, with a bound on what is shown and no points for cells never run."""

    shown = 0
    ended = ""  # why it could not go on to the last cell
    limits = watch = None
    stops = ()  # what is said of each cell that met a limit of time

    def process_message(self, msg, cell, cell_index):
        if msg["msg_type"] in ("stream", "display_data"):
            self.shown += sum(map(len, map(str, msg["content"].values())))
            if self.shown > sandbox.OUTPUT_BYTES:
                return None
        return super().process_message(msg, cell, cell_index)

    def preprocess(self, nb, resources):
        try:
            return super().preprocess(nb, resources)
        except DeadKernelError:
            self.ended = where_it_ended(nb, (self.watch and self.watch.ended) or ENDED)
            raise

    def preprocess_cell(self, cell, resources, index):
        if cell.cell_type != "code":
            return cell, resources
        self.watch = self.watch or Watch(self.km.provisioner.pid, self.limits)
        with self.watch.over_a_cell() as said:
            done = super().preprocess_cell(cell, resources, index)
        for why in said:
            self.stops += (f"Cell {name_of(cell)} {why} and was stopped.",)
            text = f"{STOPPED}: the cell {why}."
            error = new_output("error", ename=STOPPED, evalue=f"the cell {why}.", traceback=[text])
            cell.outputs.insert(0, error)  # even where it has caught the interrupt and gone on
        return done


def name_of(cell):
    return intake.mark_of(cell) or "added by the student"


def where_it_ended(notebook, reason):
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    last = [cell for cell in code if cell.execution_count or cell.outputs] or code[:1]
    return f"{reason} It was cell {name_of(last[-1])} or the one after it. {CURE}"


def work(task, digest, folder, pipe):
    """Grade in this process and send the `Outcome`."""
    pipe.send(grade(task, digest, folder))


def grade(task, digest, folder):
    """Grade with `folder` for what is needed meanwhile, and return the `Outcome`."""
    start, outcome = time.monotonic(), Outcome(task.student, digest)
    outcome.cell_limit = task.limits.cell
    outcome.remarks = [task.before] if task.before else []
    guarded = None
    try:
        guarded = executor(task, Path(folder))
        release_file = task.course / "release" / task.assignment / f"{task.assignment}.ipynb"
        release = nbformat.read(release_file, as_version=4)
        file, notebook, said = intake.choose(task.files, release)
        outcome.file = file.name
        mended, remarks = intake.mend(notebook, release)
        outcome.remarks += said + remarks
        place = task.course / "submitted" / task.student / task.assignment
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        nbformat.write(mended, place / release_file.name)
        seen, limited = look(run_nbgrader(task, guarded))
        outcome.remarks += [*guarded.stops, *seen]
        outcome.limited = task.bounds if limited else []
        outcome.graded = True
    except intake.NotGraded as error:
        outcome.reason = str(error)
        outcome.limited = task.bounds  # others are worth another try
    except Exception:
        outcome.reason = "The grader itself failed: run again. " + traceback.format_exc()[-2000:]
        outcome.final = False
    if guarded and guarded.watch:
        outcome.held_up, outcome.processor = guarded.watch.held_up, guarded.watch.used
    outcome.seconds = time.monotonic() - start
    return outcome


@functools.cache
def gradebook_version():
    """Return what `alembic heads` prints.

    For each new gradebook nbgrader starts that command, which takes seconds, and by its bare name,
    which need not be on the path.
    """
    return ScriptDirectory(nbgrader.dbutil.ALEMBIC_DIR).get_current_head()


nbgrader.api.get_alembic_version = gradebook_version


def config(course):
    """Return nbgrader's settings for the course in the folder `course`."""
    return PyFileConfigLoader("nbgrader_config.py", path=str(course)).load_config()


def release(course, assignment):
    """Write the students' version; return nbgrader's answer, whether it could and its log."""
    api = NbGraderAPI(config=config(course))
    api.log.propagate = False
    return api.generate_assignment(assignment)


def executor(task, folder):
    """Return what runs the notebook, in a kernel with limits whose files are in `folder`."""
    settings = config(task.course)
    use_kernel(settings, task, folder)
    guarded = GuardedExecute(config=settings)
    guarded.limits = task.limits
    return guarded


def run_nbgrader(task, guarded):
    """Autograde, write the feedback, and return the graded notebook."""
    api = NbGraderAPI(config=guarded.config)
    with temp_attrs(api.coursedir, assignment_id=task.assignment, student_id=task.student):
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
        "seconds": 2 * int(task.limits.notebook) + 60,  # should nobody watch any more
        "megabytes": task.megabytes,
        "protected": task.protected,
    }
    line = [sys.executable, sandbox.__file__, "{connection_file}", json.dumps(told)]
    spec = {"argv": line, "display_name": "limited", "language": "python"}
    (kernels / "kernel.json").write_text(json.dumps(spec), "utf-8")
    os.environ["JUPYTER_PATH"] = str(folder)
    # Sockets in the scratch folder instead of ports: the kernel needs no network.
    settings.KernelManager.transport = "ipc"
    settings.KernelManager.ip = str(scratch / "kernel")
    settings.KernelManager.connection_file = str(scratch / "kernel.json")
    settings.GuardedExecute.kernel_name = "limited"
    # Time is limited by the processor's clock, in `watch`; by that on the wall only what hangs.
    settings.GuardedExecute.timeout = None
    settings.GuardedExecute.startup_timeout = settings.GuardedExecute.iopub_timeout = HANG
    settings.GuardedExecute.shutdown_kernel = "immediate"  # there is nothing to be saved


def look(notebook):
    """Return remarks on what happened in a graded notebook, and whether it met a limit."""
    remarks, limited, passed, failures = [], False, False, []
    for cell in notebook.cells:
        errors = [output for output in cell.get("outputs", []) if output.output_type == "error"]
        names = {error.ename for error in errors}
        if "MemoryError" in names:
            remarks.append(f"Cell {name_of(cell)} met the limit of memory and was stopped.")
        limited |= bool(names & {STOPPED, "MemoryError"})
        passed |= is_grade(cell) and cell.cell_type == "code" and not errors
        failures += [f"{error.ename}: {error.evalue[:200]}" for error in errors]
    if not passed:
        first = failures[0] if failures else "none"
        remarks.append(f"No test passed. The first error in the notebook: {first}")
    return remarks, limited
