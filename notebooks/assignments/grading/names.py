"""What names mean while a cell of the assignment runs; like `pristine`, run in the kernel."""

import ast
import builtins
import re
import symtable
import sys
import types

from IPython.display import display

IPYTHONS = {"In", "Out", "exit", "quit", "get_ipython"}
GLOBAL = re.compile(r"\bglobal (\w+)").findall
POINTS = "_points"  # holds the value of a test's last line, whatever the shell would show of it
MADE_IN_PYTHON = 1 << 9  # the flag of a class whose attributes can be set


class Names:
    """What names mean to the assignment's own cells, and to the student's.

    What is given runs in a space of its own, a test in another: the student's names, but for those
    that the assignment has defined, and for names of Python such as `all`. So neither meets a
    student's `all`, and a test takes away no helper of the student's that has the name of one of
    its own variables. Answers see the student's names, as in Jupyter: also one that was given, and
    that the student has given another meaning.
    """

    def __init__(self, shell):
        self.shell, self.main, self.space = shell, shell.user_module, shell.user_ns
        self.builtins, self.course = set(vars(builtins)), types.ModuleType("__main__")
        self.given, self.tests, self.left = {}, {}, {}

    def enter(self, kind, source):
        self.space["__builtins__"] = builtins
        names = {name: v for name, v in self.space.items() if name not in self.builtins}
        # The assignment has its own of Python's functions, which no answer can change.
        shown = {"display": display, "get_ipython": self.shell.get_ipython}
        self.functions = vars(builtins) | shown
        vars(self.course).update(names | self.given, __builtins__=dict(self.functions))
        module = self.course
        if kind == "test":
            module = types.ModuleType("__main__")
            vars(module).update(names | self.given | self.tests)
            vars(module)["__builtins__"] = dict(self.functions)
            vars(module).pop(POINTS, None)
        self.use(module, vars(module))
        self.before = dict(vars(module))

    def points(self, kind, source):
        """Return the number that a test has given as its last value, as a text; or an empty one."""
        if kind != "test" or keeping(source) == source:
            return ""
        return as_number(self.shell.user_ns.get(POINTS, 0))  # 0 where it did not get so far

    def leave(self, kind, source):
        """Go back to the student's names; return what has been changed in a test while it ran."""
        space = self.shell.user_ns
        bound = {name: space[name] for name in names_bound(source) if name in space}
        new = self.new_in(space, bound)  # of a test by what it has called; or by a magic, or a star
        self.use(self.main, self.space)
        if kind == "given":
            bound |= {name: space[name] for name in new if name in space}
            self.space.update(bound)
            self.given |= bound
            return set()
        changed = {f"a test's {name}" for name in new - set(GLOBAL(source))}
        self.tests |= bound
        for name, value in bound.items():  # as if it had run among the student's cells
            if self.space.get(name) is self.left.get(name):
                self.space[name] = self.left[name] = value
        return changed

    def new_in(self, space, bound):
        """Return the names that mean something else after a cell, and that it has not bound."""
        now = {**space, **space["__builtins__"]} if "__builtins__" in space else dict(space)
        before = self.before | self.functions
        return {
            name
            for name, value in now.items()
            if name not in bound
            and name.isidentifier()
            and before.get(name) is not value
            and not name.startswith("_")
            and name not in IPYTHONS
        }

    def use(self, module, space):
        self.shell.user_module, self.shell.user_ns = module, space
        sys.modules["__main__"] = module


def keeping(source):
    """Return the text of a test so that it keeps the value of its last line, if it has one."""
    try:
        last = ast.parse(source).body[-1]
    except (SyntaxError, IndexError):  # with a magic, or without a line
        return source
    if not isinstance(last, ast.Expr):
        return source
    lines = source.split("\n")
    line = lines[last.lineno - 1].encode()
    before, after = line[: last.col_offset].decode(), line[last.col_offset :].decode()
    lines[last.lineno - 1] = f"{before}{POINTS} = {after}"
    return "\n".join([*lines, POINTS])


def as_number(value):
    """Return a value as a text, where it is a number."""
    numpys = type(value).__module__ == "numpy" and not type(value).__flags__ & MADE_IN_PYTHON
    try:
        return str(float(value)) if numpys or type(value) in (int, float, bool) else ""
    except (TypeError, ValueError):  # an array of numpy
        return ""


def names_bound(source):
    """Return the names that the lines of a cell bind, outside of functions and classes."""
    try:
        symbols = symtable.symtable(source, "cell", "exec").get_symbols()
    except SyntaxError:
        return []
    return [each.get_name() for each in symbols if each.is_assigned() or each.is_imported()]
