"""Grade one student's submission with nbgrader, in a process of its own."""

import os
import re
import shutil
import signal
import time
import traceback
from pathlib import Path

import nbformat
from nbclient.exceptions import DeadKernelError
from nbformat.v4 import new_output
from nbformat.validator import ValidationError
from nbgrader.apps import NbGraderAPI
from nbgrader.converters import Autograde
from nbgrader.converters.base import NbGraderException
from nbgrader.preprocessors import Execute
from nbgrader.utils import is_grade, temp_attrs

from grading import clean, feedback, files, gradebook, intake, room, sandbox
from grading.lacking import ABSENT, errors_of, may_come, most, name_of, needs
from grading.records import Outcome, Task
from grading.unpack import NotGraded
from grading.untouched import Untouched
from grading.watch import Watch

ENDED = "Python ended before the notebook did: an exit, a crash, or no memory left on the machine."
CURE = "Mend a copy, or ask for another, and run again."
FAILED = "The grader itself failed: run again; if it fails again, grade this one by hand. "
STOPPED = "Stopped"  # the name of the error that a cell shows when it has met a limit of time
NAMED = {*ABSENT, STOPPED}  # in remarks of their own
TYPED = "StdinNotImplementedError"  # what input() raises where nobody sits at the keyboard
# The file that a cell becomes: its name says nothing.
TEMPORARY = re.compile(r"\(\d+\.py, (?=line \d+\)$)")
HANG = 3600  # seconds in which a kernel starts and answers, on however busy a machine

SHOWN = {"stream", "display_data", "execute_result", "update_display_data", "error"}
# What nbclient raises at messages that no kernel sends, but a student's code may.
FORGED = (ValidationError, KeyError, TypeError, ValueError, AttributeError, AssertionError)


class GuardedExecute(Untouched, Execute):
    """nbgrader's execution, with a bound on what is shown and no points for cells never run."""

    shown = 0
    ended = ""  # why it could not go on to the last cell
    limits = watch = room = None
    stops = ()  # what is said of each cell that met a limit of time

    def process_message(self, msg, cell, cell_index):
        if msg["msg_type"] in SHOWN:
            self.shown += sum(map(len, map(str, msg["content"].values())))
            if self.shown > sandbox.OUTPUT_BYTES:
                return None
        if not isinstance(msg["content"].get("execution_count"), int):
            msg["content"].pop("execution_count", None)
        try:
            return super().process_message(msg, cell, cell_index)
        except FORGED:
            return None

    def preprocess(self, nb, resources):
        try:
            return super().preprocess(nb, resources)
        except DeadKernelError:
            why = self.watch.ended if self.watch else ""
            self.ended = where_it_ended(nb, why or self.room.why_it_died() or ENDED)
            raise

    def preprocess_cell(self, cell, resources, index):
        if cell.cell_type != "code":
            return cell, resources
        self.watch = self.watch or Watch(self.km.provisioner.pid, self.limits, self.room)
        with self.watch.over_a_cell() as said:
            done = super().preprocess_cell(cell, resources, index)
        for why in said:
            self.stops += (f"Cell {name_of(cell)} {why} and was stopped.",)
            text = f"{STOPPED}: the cell {why}."
            error = new_output("error", ename=STOPPED, evalue=f"the cell {why}.", traceback=[text])
            cell.outputs.insert(0, error)  # even where it has caught the interrupt and gone on
        return done


def where_it_ended(notebook, reason):
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    last = [cell for cell in code if cell.execution_count or cell.outputs] or code[:1]
    return f"{reason} It was cell {name_of(last[-1])} or the one after it. {CURE}"


def work(task, digest, folder, groups, pipe):
    """Grade in this process and send the `Outcome`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started it ends it, and quietly
    pipe.send(grade(task, digest, folder, groups))


def grade(task: Task, digest, folder, groups=()):
    """Grade with `folder` and `groups` for what is needed meanwhile, and return the `Outcome`."""
    start, outcome = time.monotonic(), Outcome(task.student, digest)
    outcome.cell_limit, outcome.handed_in_as = task.limits.cell, list(task.handed_in_as)
    outcome.remarks = [*([task.before] if task.before else []), *task.notes]
    guarded = None
    try:
        guarded = executor(task, Path(folder).resolve(), groups)
        release_file = gradebook.as_given_out(task.course, task.assignment)
        release = nbformat.read(release_file, as_version=4)
        outcome.file, outcome.others, notebook, said = intake.choose(task.files, release)
        own = intake.answers(notebook, release)
        outcome.answers = files.digest([], *own) if own else ""
        mended, remarks = intake.mend(notebook, release)
        outcome.remarks += said + remarks
        place = task.course / "submitted" / task.student / task.assignment
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        nbformat.write(mended, place / release_file.name)
        graded = run_nbgrader(task, guarded)
        seen, limited = look(graded)
        outcome.by_machine = gradebook.by_machine(task.course, task.assignment)[task.student]
        outcome.lacking = may_come(graded, task.protected) and outcome.by_machine < most(graded)
        outcome.remarks += dict.fromkeys([*guarded.stops, *seen, *guarded.said()])
        outcome.limited = task.bounds if limited else []
        outcome.graded = True
    except NotGraded as error:
        outcome.reason = str(error)
        outcome.limited = task.bounds  # others are worth another try
    except Exception:
        outcome.reason = FAILED + traceback.format_exc()[-2000:]
        outcome.final = False
    if guarded and guarded.watch:
        outcome.held_up, outcome.processor = guarded.watch.held_up, guarded.watch.used
    outcome.seconds = time.monotonic() - start
    return outcome


def executor(task, folder, groups=()):
    """Return what runs the notebook, in a kernel with limits whose files are in `folder`."""
    settings = gradebook.config(task.course)
    sockets = use_kernel(settings, task, folder, groups)
    guarded = GuardedExecute(config=settings, kernel_manager_class=sandbox.Manager)
    guarded.limits, guarded.room = task.limits, sandbox.room(task, folder, groups)
    guarded.on_notebook_start = lambda notebook: sandbox.take_away(sockets, guarded.kc)
    return guarded


def run_nbgrader(task, guarded):
    """Autograde, write the feedback, and return the graded notebook."""
    api = NbGraderAPI(config=guarded.config)
    with temp_attrs(api.coursedir, assignment_id=task.assignment, student_id=task.student):
        autograde = Autograde(coursedir=api.coursedir, parent=api, force=True)
        autograde.autograde_preprocessors = [
            guarded if step is Execute else step for step in autograde.autograde_preprocessors
        ]
        autograde.autograde_preprocessors += [clean.Outputs]  # in the end: the points are given
        gradebook.remember_judged(task)
        try:
            gradebook.run(autograde)
        except NbGraderException:
            if guarded.ended:
                raise NotGraded(guarded.ended) from None
            raise
        gradebook.keep_judged(task)
        gradebook.run(feedback.generator(coursedir=api.coursedir, parent=api, force=True))
    return gradebook.autograded(task)


def use_kernel(settings, task, folder, groups):
    """Make nbgrader run the notebook in a kernel with limits, whose files are in `folder`."""
    sockets = sandbox.prepare(task, folder, groups)
    os.environ["JUPYTER_PATH"] = str(folder)
    # Sockets in a folder instead of ports: the kernel needs no network.
    settings.KernelManager.transport = "ipc"
    settings.KernelManager.ip = str(sockets / "kernel")
    settings.KernelManager.connection_file = str(sockets / "kernel.json")
    settings.GuardedExecute.kernel_name = "limited"
    # Time is limited by the processor's clock, in `watch`; by that on the wall only what hangs.
    settings.GuardedExecute.timeout = None
    settings.GuardedExecute.startup_timeout = settings.GuardedExecute.iopub_timeout = HANG
    settings.GuardedExecute.shutdown_kernel = "immediate"  # there is nothing to be saved
    return sockets


def look(notebook):
    """Return remarks on what happened in a graded notebook, and whether it met a limit."""
    remarks, limited = needs(notebook), False
    for cell in notebook.cells:
        errors = errors_of(cell)
        names = {error.ename for error in errors}
        met = sorted({room.met(error) for error in errors} - {""})
        remarks += [f"Cell {name_of(cell)} {limit} and was stopped." for limit in met]
        limited |= bool(names & {STOPPED} or met)
    return remarks + first_error(notebook), limited


def first_error(notebook):
    """Return, in a list, a remark on the first error in an answer; an empty list where none is.

    A test that fails says so by its points: its error is named only where no test passes. Cells
    that the student has added count where a test fails; otherwise the answers do not need them.
    """
    answers, own, tests, passed = [], [], [], False  # own: answers and added cells, in order
    for cell in notebook.cells:
        errors = errors_of(cell)
        passed |= is_grade(cell) and cell.cell_type == "code" and not errors
        for error in errors:
            if is_grade(cell) and error.ename != TYPED:  # where it is, an answer has asked
                tests.append((cell, error))
                continue
            if error.ename == "NameError" and cell.metadata.get("written_into") == "test":
                continue  # a print, of what the test has not made yet
            own.append((cell, error))
            if intake.mark_of(cell):
                answers.append((cell, error))
    if not passed:
        return [" ".join(["No test passed.", *(told(*each) for each in (own + tests)[:1])])]
    found = own if tests else answers
    found = [each for each in found if each[1].ename not in NAMED and not room.met(each[1])]
    return [told(*each) for each in found[:1]]


def told(cell, error):
    mark = intake.mark_of(cell)
    where = f"cell `{mark}`" if mark else "a cell added by the student"
    what = f"{error.ename}: {TEMPORARY.sub('(', error.evalue)[:200]}"
    if error.ename == TYPED:
        what = "input() was called, or a debugger, and nobody can type an answer here."
    return f"The first error is in {where}: {what}"
