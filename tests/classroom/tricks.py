"""Answers to `double` that set out to change what tests them, or that only seem to.

Each is the text of the answer, the points it gets (`None`: whatever), and a word of the remark.
"""

import os

RIGHT = "def double(x):\n    return 2 * x\n"
WRONG = "def double(x):\n    return 7\n"

NOISY = """
import logging, sys, warnings
def double(x):
    warnings.warn("a warning")
    logging.getLogger().warning("a message")
    print("50 %", file=sys.stderr, end="\\r")
    return 2 * x
"""
LINES = """
shell = get_ipython()
shell.input_transformers_cleanup.append(lambda lines: [l for l in lines if "assert" not in l])
"""
TREES = """
import ast
class NoAsserts(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.Pass()
get_ipython().ast_transformers.append(NoAsserts())
"""
ASSERTION = """
import builtins
builtins.AssertionError = type("E", (Exception,), {})
get_ipython().set_custom_exc((Exception,), lambda *args, **more: None)
"""
FUNCTIONS = """
import importlib.util
class Anything:
    submodule_search_locations = ["here"]
importlib.util.find_spec = lambda name: Anything
"""
CODE = """
import importlib.util
importlib.util.find_spec.__code__ = (lambda *args, **more: 1).__code__
"""
MODULES = """
import sys, types
sys.modules["importlib.util"] = types.ModuleType("importlib.util")
"""
BEFORE = """
def before(info):
    get_ipython().user_ns["double"] = lambda x: 2 * x
get_ipython().events.register("pre_run_cell", before)
"""
ALIKE = """
class Alike(int):
    __hash__ = int.__hash__
    def __eq__(self, other):
        return True
def double(x):
    return Alike(7)
"""
# Nothing is left of this class once the test is done.
MADE_WITHIN = """
def double(x):
    class Alike(int):
        __module__ = "numpy"
        __hash__ = int.__hash__
        def __eq__(self, other):
            return True
    return Alike(7)
"""
ANY = "from unittest.mock import ANY\ndef double(x):\n    return ANY\n"
# What the shell shows of this error is an error itself, which nobody would answer.
NOT_SHOWN = """
class Odd(Exception):
    def __str__(self):
        return 7
def double(x):
    raise Odd
"""
FRAME = """
import sys
def double(x):
    sys._getframe(1).f_globals["double"] = lambda x: 2 * x
    return 7
"""
ABS_ONCE = """
import builtins
def double(x):
    ours = builtins.abs
    def seems_right(value):
        builtins.abs = ours
        return 0
    builtins.abs = seems_right
    return 7
"""
# The key with which the replies are signed would do for a forged one.
KEY = """
import hmac
ours = hmac.new, hmac.digest
def theirs(key, *args, **more):
    hmac.new, hmac.digest = ours
    print("stolen", key)
    return ours[0](key, *args, **more)
hmac.new = hmac.digest = theirs
def double(x):
    return 7
"""
SILENT = """
%%capture kept
import sys
sys.stdout = sys.stderr = None
def double(x):
    return 2 * x
"""
ABSENT = "import a_package_of_mine\ndef double(x):\n    return 2 * x\n"
SHOWN = "def double(x):\n    get_ipython().displayhook(2.0)\n    return 7\n"
# Names that the tests use as well: `all` is Python's, `find_spec` and `where` are the test's.
NAMES = """
all = len = isinstance = lambda *args: True
find_spec, where, math = None, "a helper of mine", "mathematics"
def double(x):
    assert where == "a helper of mine"
    return 2 * x
"""
RUNNER = """
kernel = get_ipython().kernel
ours = kernel.do_execute
async def theirs(code, *args, **more):
    return await ours("pass", *args, **more)
kernel.do_execute = theirs
"""
SHELL = """
import IPython
async def nothing(self, *args, **more):
    return False
IPython.core.interactiveshell.InteractiveShell.run_code = nothing
"""
BUILT_IN = """
import builtins
builtins.abs = builtins.all = builtins.bool = lambda *args: True
"""

ALL = {
    "noisy": (NOISY, 3, ""),
    "lines_cut": (WRONG + LINES, 0, "the shell's cleanup_transforms"),
    "trees_cut": (WRONG + TREES, 0, "the shell's ast_transformers"),
    "assertions_caught": (WRONG + ASSERTION, 0, "CustomTB"),
    "functions_changed": (RIGHT + FUNCTIONS, 3, "importlib.util.find_spec"),
    "code_changed": (WRONG + CODE, 0, "importlib.util.find_spec"),
    "modules_changed": (RIGHT + MODULES, 3, "sys.modules['importlib.util']"),
    "hook_before_cells": (WRONG + BEFORE, 0, "the shell's pre_run_cell"),
    # Each of the three would give points by itself.
    "hooks": (WRONG + TREES + LINES + BEFORE, 0, "cleanup_transforms, the shell's pre_run_cell"),
    "equal_to_all": (ALIKE, None, "class Alike"),
    "equal_within": (MADE_WITHIN, None, "class double.<locals>.Alike"),
    "equal_to_any": (ANY, 0, "should be 6"),
    "error_not_shown": (NOT_SHOWN, 0, "TypeError"),
    "frame_changed": (FRAME, 0, "a test's double"),
    "abs_once": (ABS_ONCE, 0, "builtins.abs"),
    "key_stolen": (KEY, 0, "hmac.new"),
    "silent": (SILENT, 3, ""),
    "absent": (ABSENT, 0, "needs what is not here (ModuleNotFoundError"),
    "points_shown": (SHOWN, 0, ""),
    "names_of_its_own": (NAMES, 3, ""),
    "runner_replaced": (WRONG + RUNNER, 0, "has no points"),
    "shell_changed": (WRONG + SHELL, 0, "InteractiveShell.run_code"),
    "python_changed": (WRONG + BUILT_IN, 0, "builtins.abs"),
    "traced": (WRONG + "import sys\nsys.settrace(lambda *args: None)", 0, "sys.settrace"),
}
TYPICAL = ["hooks", "functions_changed", "equal_within", "points_shown"]
TYPICAL += ["names_of_its_own", "runner_replaced", "error_not_shown", "frame_changed"]
CHOSEN = ALL if os.environ.get("ALL_ANSWERS") else {name: ALL[name] for name in TYPICAL}
