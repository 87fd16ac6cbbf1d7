"""See to it that the assignment's tests decide the points, and nothing that a cell has set."""

import ast
import hmac
import secrets
from contextlib import suppress
from pathlib import Path

from nbformat.v4 import new_code_cell, new_output
from nbgrader.utils import is_grade, is_locked

from grading.digs import digs

HERE = Path(__file__).parent
TEXTS = [HERE / f"{name}.py" for name in ("pristine", "names", "seeming", "hooks")]
# Each in a space of its own, so that nothing of it stands among the student's names.
START = """
(lambda run: run({pristine!r})['install'](
    get_ipython(), {key!r}, {modules!r}, *map(run({names!r}).get, ['Names', 'keeping']),
    run({seeming!r})['Comparisons'], run({hooks!r})['Hooks']
))(lambda text: ((space := {{'__name__': 'grading'}}), exec(text, space))[0])
"""
NAMED = 6  # names in a remark
NOT_RUN = "What runs the tests was replaced by another cell, so this test was not run."


class Untouched:
    """A part of nbgrader's Execute: the assignment's own cells run as they stand.

    Attributes
    ----------
    changed : list of str
        What the student's cells had changed, and what was put back before a test ran.
    not_run : bool
        Whether a test did not run as it stands.
    digs : list of str
        What in the student's cells reaches into Python itself.
    """

    key = None
    points = ""  # the last value of a test, as the kernel has signed it

    def preprocess(self, nb, resources):
        self.modules, self.changed, self.not_run = imported(nb), [], False
        code = [cell for cell in nb.cells if cell.cell_type == "code"]
        theirs = [cell.source for cell in code if not is_locked(cell)]
        self.digs = digs(theirs, [cell.source for cell in code if is_locked(cell)])
        end = new_code_cell("None")  # has the last test changed anything?
        end.metadata.nbgrader = {"locked": True, "grade": False, "solution": False}
        nb.cells.append(end)
        try:
            return super().preprocess(nb, resources)
        finally:
            nb.cells.pop()

    def preprocess_cell(self, cell, resources, index):
        if self.key is None:
            self.key = secrets.token_bytes(32)
            texts = {file.stem: file.read_text(encoding="utf-8") for file in TEXTS}
            text = START.format(**texts, key=self.key, modules=self.modules)
            self._check_assign_resources(resources)
            self.execute_cell(new_code_cell(text), index, store_history=False)
        if not is_locked(cell):
            done = super().preprocess_cell(cell, resources, index)
        else:
            done = self.run_signed(cell, resources, index)
        settle(cell, self.points)
        return done

    def run_signed(self, cell, resources, index):
        """Run a cell of the assignment: the kernel sees by the signature that it is one."""
        source, number, self.reply, self.points = cell.source, secrets.token_hex(16), {}, ""
        kind = "test" if is_grade(cell) else "given"
        cell.source = f"# {kind} {number} {self.sign(kind, number, source)}\n{source}"
        try:
            done = super().preprocess_cell(cell, resources, index)
        finally:
            cell.source = source
        told = [str(self.reply.get(each, "")) for each in ("status", "changed", "points")]
        signed = self.sign(number, *told)
        if hmac.compare_digest(signed, str(self.reply.get("signed", ""))):
            _, changed, self.points = told
            new = [name for name in changed.split(", ") if name and name not in self.changed]
            self.changed += new
        else:
            self.not_run = True
            error = new_output("error", ename="NotRun", evalue=NOT_RUN, traceback=[NOT_RUN])
            cell.outputs.append(error)
        return done

    def on_cell_executed(self, **what):
        self.reply = what["execute_reply"]["content"]
        super().on_cell_executed(**what)

    def sign(self, *texts):
        return hmac.new(self.key, "\0".join(texts).encode(), "sha256").hexdigest()

    def said(self):
        """Return remarks on what was tried."""
        said = []
        classes = [name for name in self.changed if name.startswith("class ")]
        changed = [name for name in self.changed if name not in classes]
        if changed:
            said.append(
                f"It has changed what tests are made of ({short(changed)}). The tests ran without "
                "these changes, as far as they can be undone: read it before you trust its points."
            )
        if classes:
            said.append(
                f"It defines how its own objects compare ({short(classes)}), and may so seem right "
                "to a test: read it before you trust its points."
            )
        if self.digs:
            said.append(
                f"It uses what answers seldom need ({short(self.digs)}). Most of it is harmless, "
                "but it can reach the tests while they run: read it before you trust its points."
            )
        if self.not_run:
            said.append(f"{NOT_RUN[:-1]} and has no points. Read the notebook.")
        return said


def short(names):
    return ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")


def imported(notebook):
    """Return the modules that an assignment's own cells import."""
    names = set()
    for cell in notebook.cells:
        with suppress(SyntaxError):
            tree = ast.parse(cell.source if is_locked(cell) and cell.cell_type == "code" else "")
            for node in ast.walk(tree):
                if isinstance(node, ast.Import):
                    names |= {each.name for each in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module:
                    names |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
    return sorted(names)


def settle(cell, points=""):
    """Let an error, or the value of a test's last line, decide its points, and nothing else.

    nbgrader takes away all points of a cell that has written to stderr, as warnings and progress
    bars do, and counts the first value shown even where an error follows.

    Parameters
    ----------
    cell : nbformat.NotebookNode
    points : str
        The value of the last line, where it is a number; what is shown, a thread may have sent.
    """
    for output in cell.outputs:
        if output.output_type == "stream":
            output.name = "stdout"
    if not (is_grade(cell) and is_locked(cell)):
        return
    for output in cell.outputs:
        if output.output_type == "execute_result":
            output.output_type = "display_data"
            output.pop("execution_count", None)
    failed = any(output.output_type == "error" for output in cell.outputs)
    if not failed and is_number_of_points(cell, points):
        # What is no number, or below 0, is 0 points; and none has more than there are.
        number = min(float(points), cell.metadata.nbgrader.points) if float(points) >= 0 else 0
        cell.outputs.append(new_output("execute_result", {"text/plain": str(float(number))}))


def is_number_of_points(cell, points):
    last = ast.parse(cell.source).body[-1:]
    return bool(last) and isinstance(last[0], ast.Expr) and points != ""
