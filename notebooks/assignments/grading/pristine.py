"""Run an assignment's own cells as they stand, whatever the student's cells have changed.

The text of this file is run in the kernel before a student's first cell (see `untouched`). From
then on each cell of the assignment comes signed. Before it runs, the functions and classes of
Python, of the libraries and of the shell are put back as they were at the start, and the names that
the assignment has defined mean again what they meant. The reply is signed as well, and says what
had been changed. A program in the same process can get around all that if it digs deep enough.
"""

import builtins
import gc
import hmac
import importlib
import operator
import sys
import types

MACHINERY = {"IPython", "ipykernel", "jupyter_client", "numpy", "scipy", "traitlets"}
EACH, IN_ORDER, IS = all, map, operator.is_  # kept here, where no cell can change them
EQUAL, DIGEST = hmac.compare_digest, getattr(hmac._hashopenssl, "hmac_digest", hmac.digest)
made_of = operator.attrgetter("__code__", "__defaults__", "__kwdefaults__")
FUNCTION, MODULE, CLASS = types.FunctionType, types.ModuleType, type
WRAPPED = {"function", "_ArrayFunctionDispatcher"}  # the latter NumPy puts around its functions
MADE_IN_PYTHON = 1 << 9  # the flag of a class whose attributes can be set


def install(shell, key, modules, Names, keeping, Comparisons, Hooks):
    """Import what the assignment needs, and look after its signed cells from now on."""
    gc.disable()  # to look for rubbish among what is imported takes a quarter of the time
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception:  # the cell that imports it will say so
            continue
    gc.freeze()
    gc.enable()
    kernel, state = shell.kernel, []
    execute = kernel.do_execute

    def sign(*texts):
        return DIGEST(key, "\0".join(texts).encode(), "sha256").hex()

    async def do_execute(*args, **more):
        try:
            return await in_its_way(*args, **more)
        except Exception as error:  # not of the cell, but of showing what it has raised or returned
            return cannot_be_shown(error)

    async def in_its_way(code, *args, **more):
        if not state:  # no student's line has run yet
            state.extend([Snapshot(shell, modules, Comparisons.names), Names(shell)])
            state.extend([Comparisons(), Hooks(shell)])
        (before, names, comparisons, hooks), (head, _, source) = state, code.partition("\n")
        _, kind, number, signed, *_ = [*head.split(" "), *" " * 3]
        if not EQUAL(sign(kind, number, source).encode(), signed.encode()):
            return await execute(code, *args, **more)
        changed, theirs = before.put_back(), hooks.swap(hooks.ours)
        changed |= hooks.set_by_students(theirs)
        names.enter(kind, source)
        collects = gc.isenabled()
        gc.disable()  # a class that a function has made is looked at afterwards
        try:
            reply = await execute(keeping(source) if kind == "test" else source, *args, **more)
            points = names.points(kind, source)
        finally:
            # All of it after a test, lest a later cell put it back before it is seen.
            changed |= before.put_back() if kind == "test" else before.put_back_python()
            changed |= names.leave(kind, source)
            hooks.swap(theirs)
            changed |= comparisons.odd() if kind == "test" else set()
            if collects:
                gc.enable()
        if kind == "given":
            before.watch("this assignment", names.given, deep=True)
        told = {"changed": ", ".join(sorted(changed)), "points": points}
        return {**reply, **told, "signed": sign(number, reply["status"], *told.values())}

    kernel.do_execute = do_execute


def cannot_be_shown(error):
    said = f"What this cell has raised or returned cannot be shown: {type(error).__name__}"
    said = {"ename": "NotShown", "evalue": said, "traceback": [said]}
    return {"status": "error", "execution_count": 0, "user_expressions": {}, "payload": [], **said}


class Snapshot:
    """What functions, classes and the shell are before any student's line has run."""

    def __init__(self, shell, modules, compare):
        self.shell, self.compare = shell, compare
        self.python = vars(builtins), dict(vars(builtins))
        self.modules = dict(sys.modules)
        self.modules.pop("__main__", None)
        self.kinds = [(name, module, type(module)) for name, module in self.modules.items()]
        self.spaces, self.classes, self.functions, self.seen = [], [], [], set()
        trusted = sys.stdlib_module_names | MACHINERY | {name.split(".")[0] for name in modules}
        for name, module in self.modules.items():
            if name.split(".")[0] in trusted and issubclass(type(module), MODULE):
                self.watch(name, vars(module), name in modules)
        parts = [shell, shell.kernel, shell.events, shell.displayhook, shell.display_formatter]
        parts += [shell.display_pub, shell.input_transformer_manager, shell.compile]
        for part in parts:
            self.watch(type(part).__name__, vars(type(part)), deep=False)
            self.watch_class(type(part))
        self.parts = [(part, functions_in(part)) for part in parts]
        self.kinds += [(type(part).__name__, part, type(part)) for part in parts]

    def watch(self, label, space, deep):
        """Remember the functions, classes and modules in a dict, if `deep` with what is in them."""
        kept = {n: v for n, v in space.items() if callable(v) or issubclass(type(v), MODULE)}
        if isinstance(space, dict):
            self.spaces.append((label, space, kept))
        for value in kept.values() if deep else ():
            if issubclass(type(value), CLASS):
                self.watch_class(value)
            self.watch_function(value)

    def watch_class(self, owner):
        if owner not in self.seen and owner.__flags__ & MADE_IN_PYTHON:
            self.seen.add(owner)
            kinds = (property, classmethod, staticmethod)
            own = {n: v for n, v in vars(owner).items() if callable(v) or isinstance(v, kinds)}
            self.classes.append((owner, own, len(vars(owner))))
            for value in own.values():
                self.watch_function(value)
            for base in owner.__bases__:
                self.watch_class(base)

    def watch_function(self, value):
        while type(value).__name__ in WRAPPED:
            if type(value) is FUNCTION:
                self.functions.append((value, made_of(value)))
            value = vars(value).get("__wrapped__")

    def put_back_python(self):
        """Undo changes of Python's own functions: none of them may be called before that."""
        now, kept = self.python
        changed = {f"builtins.{name}" for name in kept if now.get(name) is not kept[name]}
        now.update(kept)
        return changed

    def put_back(self):
        """Undo all that was changed; return its names."""
        changed = self.put_back_python()
        for label, space, kept in self.spaces:
            if EACH(IN_ORDER(IS, IN_ORDER(space.get, kept), kept.values())):
                continue
            for name, value in kept.items():
                now = space.get(name)
                if now is not value and not wraps(now, value):
                    changed |= {f"{label}.{name}"} - {"torch.Storage"}  # which a dtype sets
                    space[name] = value
        for owner, own, length in self.classes:
            now = vars(owner)
            wrong = [n for n, v in own.items() if now.get(n) is not v and not wraps(now.get(n), v)]
            for name in wrong:
                type.__setattr__(owner, name, own[name])
            added = [n for n in self.compare if n in now and n not in own and callable(now[n])]
            if len(now) != length:
                added += [n for n in now if n not in own and hides(owner, n)]
            for name in dict.fromkeys(added):
                type.__delattr__(owner, name)
            changed |= {f"{owner.__module__}.{owner.__qualname__}.{n}" for n in [*wrong, *added]}
        for value, parts in self.functions:
            if made_of(value) != parts:
                changed.add(f"{value.__module__}.{value.__qualname__}")
                value.__code__, value.__defaults__, value.__kwdefaults__ = parts
        for part, kept in self.parts:
            wrong = [n for n, v in functions_in(part).items() if v is not kept.get(n)]
            for name in wrong:
                del vars(part)[name]
            vars(part).update(kept)
            changed |= {f"{type(part).__name__}.{n}" for n in wrong}
        for name, thing, kind in self.kinds:
            if type(thing) is not kind and type(thing) is not MODULE:  # as which it may be loaded
                changed.add(f"the class of {name}")
                object.__setattr__(thing, "__class__", kind)
        for name, module in self.modules.items():
            if sys.modules.get(name) is not module:
                changed.add(f"sys.modules[{name!r}]")
                sys.modules[name] = module
        if sys.gettrace() or sys.getprofile():
            changed.add("sys.settrace")
            sys.settrace(None)
            sys.setprofile(None)
        return changed


def hides(owner, name):
    """Return whether a class has a function, and not of a library, before that of another class."""
    value = vars(owner)[name]
    inherited = any(name in vars(base) for base in owner.__mro__[1:])
    return inherited and callable(value) and not of_a_library(value)


def functions_in(part):
    """Return what can be called in a part of the shell, but for what it sets by itself."""
    its_own = ("sys_excepthook", "pycolorize")
    return {n: v for n, v in vars(part).items() if callable(v) and n not in its_own}


def wraps(now, value):
    """Return whether a library has put something around a function.

    torch does so for the steps of its optimizers and, once it is imported, for `inspect.getfile`,
    in whose place it puts a `_patched_getfile`.
    """
    if not of_a_library(now):
        return False
    name = getattr(value, "__name__", "")
    named = bool(name) and now.__name__ != name and now.__name__.endswith(f"_{name}")
    return vars(now).get("__wrapped__") is value or named


def of_a_library(value):
    """Return whether a function was written in a file of Python's or of its packages."""
    code = value.__code__ if type(value) is FUNCTION else None
    return bool(code) and code.co_filename.startswith((sys.prefix, sys.base_prefix))
