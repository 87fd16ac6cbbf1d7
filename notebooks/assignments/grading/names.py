"""What names mean while a cell of the assignment runs; like `pristine`, run in the kernel."""

import builtins
import re
import symtable
import sys
import types


class Names:
    """What names mean to the assignment's own cells, and to the student's.

    A test runs in a space of its own: the student's names, but for those that the assignment has
    defined, and for names of Python such as `all`. So a test neither meets a student's `all` nor
    takes away a helper of the student's that has the name of one of its own variables.
    """

    def __init__(self, shell):
        self.shell, self.main, self.space = shell, shell.user_module, shell.user_ns
        self.builtins, self.words = set(vars(builtins)), set()
        self.given, self.tests, self.left = {}, {}, {}

    def enter(self, kind, source):
        if kind == "given":
            self.words |= self.builtins & set(re.findall(r"\w+", source))
        own = {n: v for n, v in self.given.items() if callable(v) or type(v) is types.ModuleType}
        own["__builtins__"] = builtins
        self.theirs = {n: self.space[n] for n in [*own, *self.words] if n in self.space}
        for name in self.words & self.space.keys():
            del self.space[name]
        self.space.update(own)
        if kind == "test":
            module = types.ModuleType("__main__")
            names = {n: v for n, v in self.space.items() if n not in self.builtins}
            vars(module).update(names | self.given | self.tests, __builtins__=builtins)
            self.use(module, vars(module))

    def leave(self, kind, source):
        space = self.shell.user_ns
        bound = {name: space[name] for name in names_bound(source) if name in space}
        self.use(self.main, self.space)
        self.space.update(self.theirs)
        if kind == "given":
            self.space.update(bound)
            self.given |= bound
            return
        self.tests |= bound
        for name, value in bound.items():  # as if it had run among the student's cells
            if self.space.get(name) is self.left.get(name):
                self.space[name] = self.left[name] = value

    def use(self, module, space):
        self.shell.user_module, self.shell.user_ns = module, space
        sys.modules["__main__"] = module


def names_bound(source):
    """Return the names that the lines of a cell bind, outside of functions and classes."""
    try:
        symbols = symtable.symtable(source, "cell", "exec").get_symbols()
    except SyntaxError:
        return []
    return [each.get_name() for each in symbols if each.is_assigned() or each.is_imported()]
