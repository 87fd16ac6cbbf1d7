"""Which words of a student's cells reach into Python, its libraries or the shell.

No answer needs them, but a program that sets out to fool the tests while they run needs some. What
a cell says is looked at, comments apart, and not what it does: somebody who hides the words is not
seen.
"""

import ast
import re

from grading.places import MAGIC, UNREADABLE, parsed

WORDS = """
_getframe _current_frames currentframe f_back f_builtins f_globals f_lineno f_locals f_trace
tb_frame getouterframes get_objects get_referrers get_referents settrace setprofile
settrace_all_threads addaudithook meta_path path_hooks setitimer pythonapi memmove memset PyDLL
from_address monitoring __closure__ __globals__ __code__ __builtins__ __subclasses__ cell_contents
co_consts co_code builtins mock marshal do_execute execute_request iopub_socket shell_stream
user_ns user_module run_code set_custom_exc ast_transformers input_transformers_cleanup
input_transformers_post displayhook display_trap history_manager last_execution_result
input_hist_parsed
"""
WORDS = set(WORDS.split())
ORDINARY = {"builtins", "marshal", "mock", "monitoring"}  # as a name or a text, they say nothing
HARMLESS = """
sys.stdout sys.stderr sys.stdin sys.excepthook sys.path sys.argv warnings.showwarning warnings.warn
matplotlib.pyplot.show
"""
HARMLESS = set(HARMLESS.split())
SWITCH = re.compile(r"\w+(\.\w+)*\.(options|backends)\.")  # of pandas, and of torch
CHANGING = "update setdefault pop popitem clear __setitem__ __delitem__ __ior__".split()
BY_NAME = ("getattr", "__import__", "import_module")  # use what a text names


def digs(sources, given=()):
    """Return the words in these cells, and the functions of libraries that they replace, in order.

    Parameters
    ----------
    sources : list of str
        A student's cells of code.
    given : list of str
        The assignment's own cells of code: what they import, a student's cell can use.
    """
    trees = list(map(parsed, sources))
    nodes = [node for tree in filter(None, trees) for node in ast.walk(tree)]
    own = [node for tree in filter(None, map(parsed, given)) for node in ast.walk(tree)]
    modules = {name: full for node in [*own, *nodes] for name, full in imported_as(node)}
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            modules.pop(node.id, None)  # it means something else now
    found = [word for node in nodes for word in words_of(node) if word in WORDS]
    runs = {"eval", "exec"} - functions_in(nodes)
    found += [node.func.id for node in nodes if is_call(node) and node.func.id in runs]
    for source, tree in zip(sources, trees, strict=True):
        # Lines for the shell, and the whole where it is too long, or no Python.
        lines = [line for _, line in MAGIC.findall(source)]
        text = "\n".join(lines) if tree else re.sub(r"#.*", "", source)
        found += [word for word in re.findall(r"\w+", text) if word in WORDS]
    found += replaced(nodes, modules)
    return list(dict.fromkeys(found))


def is_call(node):
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)


def functions_in(nodes):
    """Return the names of the functions that are defined, methods apart."""
    methods = {id(each) for node in nodes if isinstance(node, ast.ClassDef) for each in node.body}
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef)]
    return {node.name for node in functions if id(node) not in methods}


def words_of(node):
    """Return the names that a part of a program uses."""
    if isinstance(node, ast.Constant):  # a text may be code; "monitoring" in a title is none
        text = node.value if isinstance(node.value, str) else ""
        words = [word for word in re.findall(r"\w+", text) if "_" in word or word == text]
        return [word for word in words if word not in ORDINARY]
    if isinstance(node, ast.Import):
        return [word for each in node.names for word in each.name.split(".")]
    if isinstance(node, ast.ImportFrom):
        return [*(node.module or "").split("."), *(each.name for each in node.names)]
    if isinstance(node, ast.Name):
        return [node.id] if node.id not in ORDINARY else []
    if isinstance(node, ast.Call) and {*words_of(node.func)} & {*BY_NAME}:
        texts = [each.value for each in node.args if isinstance(each, ast.Constant)]
        return [word for text in texts for word in str(text).split(".")]
    return [getattr(node, "attr", None)]


def imported_as(node):
    """Return the names that stand for modules or what was imported from them, and for which."""
    if isinstance(node, ast.Import):
        names = [(each.asname, each.name, each.name.split(".")[0]) for each in node.names]
        return [(as_, name) if as_ else (first, first) for as_, name, first in names]
    if isinstance(node, ast.ImportFrom):
        return [(each.asname or each.name, f"{node.module}.{each.name}") for each in node.names]
    return []


def replaced(nodes, modules):
    """Return which attributes of modules are set; a setting such as `x.y = True` is none."""
    settings = [target for node in nodes for target in set_by(node)]
    settings = {id(part) for target in settings for part in ast.walk(target)}
    found = [node for node in nodes if isinstance(getattr(node, "ctx", None), (ast.Store, ast.Del))]
    found = [node for node in found if id(node) not in settings]
    found += [target for node in nodes if isinstance(node, ast.Call) for target in changed_by(node)]
    found = [each for each in found if belongs_to(each, modules)]
    return [in_words(each) for each in found if not is_harmless(in_words(each), modules)]


def set_by(node):
    """Return the targets of a line that sets a number, a text or a list of such."""
    assigns = isinstance(node, (ast.Assign, ast.AugAssign)) and is_literal(node.value)
    return getattr(node, "targets", None) or [node.target] if assigns else []


def is_literal(node):
    try:
        ast.literal_eval(node)
        return True
    except (*UNREADABLE, TypeError):
        return False


def changed_by(call):
    """Return what a call sets: `setattr(np, "abs", f)`, `np.__setattr__("abs", f)`, `update`."""
    name = getattr(call.func, "id", None) or getattr(call.func, "attr", "")
    values = call.args
    if isinstance(call.func, ast.Attribute):
        if name in CHANGING:
            return [call.func] if space_of(call.func.value) else []
        if len(values) == (1 if name == "__delattr__" else 2):  # else its first value is the owner
            values = [call.func.value, *values]
    if name.strip("_") not in ("setattr", "delattr") or len(values) < 2:
        return []
    owner, named, *value = values
    if value and is_literal(value[0]):
        return []
    named = named.value if isinstance(named, ast.Constant) else "..."
    return [ast.Attribute(owner, str(named))]


def is_harmless(target, modules):
    first, dot, rest = target.partition(".")
    return modules.get(first, first) + dot + rest in HARMLESS or bool(SWITCH.match(target))


def in_words(target):
    try:
        return ast.unparse(target)
    except RecursionError:
        return "a function of a module"


def space_of(node):
    """Return what a dict holds the names of, None for any other: `vars(np)`, `np.__dict__`."""
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "vars" and node.args:
        return node.args[0]
    return node.value if isinstance(node, ast.Attribute) and node.attr == "__dict__" else None


def belongs_to(target, modules):
    """Return whether a target lies in a module: `np.abs`, `vars(np)["abs"]`."""
    if isinstance(target, (ast.Subscript, ast.Attribute)) and space_of(target.value):
        target = ast.Attribute(space_of(target.value), "")
    if not isinstance(target, ast.Attribute):
        return False
    while isinstance(target, ast.Attribute):
        target = target.value
    return isinstance(target, ast.Name) and target.id in modules
