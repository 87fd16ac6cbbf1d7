"""Which words of a student's cells reach into Python, its libraries or the shell.

No answer needs them, but a program that sets out to fool the tests while they run needs some. What
a cell says is looked at, comments apart, and not what it does: somebody who hides the words is not
seen.
"""

import ast
import re

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
HARMLESS = {"sys.stdout", "sys.stderr", "sys.stdin", "sys.excepthook", "warnings.showwarning"}
LONG = 100_000  # characters; of a longer cell, only the words are looked at


def digs(sources):
    """Return the words in these cells, and the functions of libraries that they replace, in order.

    Parameters
    ----------
    sources : list of str
        A student's cells of code.
    """
    trees = list(map(parsed, sources))
    nodes = [node for tree in trees for node in ast.walk(tree)]
    modules = {name for node in nodes for name in imported_as(node)}
    found = [word for node in nodes for word in words_of(node) if word in WORDS]
    found += [node.func.id for node in nodes if is_call(node) and node.func.id in ("eval", "exec")]
    for source, tree in zip(sources, trees, strict=True):
        if not tree.body:  # too long, or no Python
            found += [word for word in re.findall(r"\w+", source) if word in WORDS]
    found += replaced(nodes, modules)
    return list(dict.fromkeys(found))


def parsed(source):
    lines = [line for line in source.splitlines() if line.lstrip()[:1] not in ("%", "!")]
    try:
        return ast.parse("\n".join(lines) if len(source) <= LONG else "")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])


def is_call(node):
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)


def words_of(node):
    """Return the names that a part of a program uses."""
    if isinstance(node, ast.Constant):  # a text may be code; "monitoring" in a title is none
        text = node.value if isinstance(node.value, str) else ""
        return [word for word in re.findall(r"\w+", text) if "_" in word or word == text]
    if isinstance(node, ast.Import):
        return [word for each in node.names for word in each.name.split(".")]
    if isinstance(node, ast.ImportFrom):
        return [*(node.module or "").split("."), *(each.name for each in node.names)]
    return [getattr(node, "id", None) or getattr(node, "attr", None)]


def imported_as(node):
    """Return the names that stand for modules, or for what was imported from them."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return [each.asname or each.name.split(".")[0] for each in node.names]
    return []


def replaced(nodes, modules):
    """Return which attributes of modules are set; a setting such as `x.y = True` is none."""
    settings = [node.targets for node in nodes if is_setting(node)]
    settings = {id(target) for targets in settings for target in targets}
    found = [node for node in nodes if isinstance(getattr(node, "ctx", None), (ast.Store, ast.Del))]
    found = [node for node in found if id(node) not in settings]
    for node in nodes:
        if is_call(node) and node.args and node.func.id in ("setattr", "delattr"):
            owner, name, *_ = [*node.args, ast.Constant("")]
            found.append(ast.Attribute(owner, str(getattr(name, "value", "..."))))
    found = [in_words(each) for each in found if belongs_to(each, modules)]
    return [name for name in found if name not in HARMLESS]


def is_setting(node):
    return isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)


def in_words(target):
    try:
        return ast.unparse(target)
    except RecursionError:
        return "a function of a module"


def belongs_to(target, modules):
    """Return whether a target lies in a module: `np.abs`, `vars(np)["abs"]`."""
    if isinstance(target, ast.Subscript):
        inner = target.value
        if isinstance(inner, ast.Call) and getattr(inner.func, "id", "") == "vars" and inner.args:
            target = ast.Attribute(inner.args[0], "")
        elif isinstance(inner, ast.Attribute) and inner.attr == "__dict__":
            target = inner
    if not isinstance(target, ast.Attribute):
        return False
    while isinstance(target, ast.Attribute):
        target = target.value
    return isinstance(target, ast.Name) and target.id in modules
