"""Private names of other libraries stand in `_compat.py`, and are there; modules are short."""

import ast
import functools
import pkgutil
import re
import subprocess
import sys
from numbers import Integral
from pathlib import Path

import ipywidgets  # noqa: F401  (looked up by its name)
import pytest
import sklearn.callback  # noqa: F401
import torch
from sklearn.callback import ProgressBar

from helpers import TorchClassifier, _compat, checks

ROOT = Path(_compat.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
# Documented: two of sys, _abc_impl, the names of a recurrent layer's weights
# (weight_ih_l0_reverse) and those of a compiled network (_orig_mod). The hooks of all modules are
# written as "_global" and the name of the hook; _init_flat_weights, which is listed, makes two.
PUBLIC = {"_getframe", "_current_frames", "_abc_impl", "_l", "_reverse", "_orig_mod", "_global"} | {
    *("_flat_weights", "_flat_weight_refs"),
}


NAMES = [name for name in vars(_compat) if name[:2] != "__" and name != "ATTRIBUTES"]


def owner_of(name):
    """Return what a dotted name stands for; a name in () is called."""
    found = pkgutil.resolve_name(name.removesuffix("()"))
    return found() if name.endswith("()") else found


@pytest.mark.parametrize("name", NAMES)
def test_a_private_name_that_is_imported_is_used(name):
    uses = re.compile(rf"\b{name}\b")
    own = Path(_compat.__file__)
    assert any(uses.search(path.read_text("utf-8")) for path in MODULES if path != own)


@pytest.mark.parametrize(
    "owner, name", [(owner, name) for owner, names in _compat.ATTRIBUTES.items() for name in names]
)
def test_a_private_attribute_is_there(owner, name):
    found = owner_of(owner)
    assert hasattr(found, name) or name in found.__annotations__  # which instances alone have


def test_what_the_names_do():
    assert _compat._num_samples([1, 2]) == 2
    assert _compat._safe_indexing([3, 4, 5], [0, 2]) == [3, 5]
    assert _compat._check_sample_weight(None, [[1], [2]]).tolist() == [1, 1]
    assert _compat.is_lazy(torch.nn.LazyLinear(2).weight)
    assert not _compat.is_lazy(torch.nn.Linear(2, 2).weight)
    bar = ProgressBar()
    assert _compat.callbacks_of(TorchClassifier().set_callbacks(bar)) == (bar,)
    assert _compat.callbacks_of(TorchClassifier()) == ()
    assert isinstance(_compat.as_parameter(torch.ones(2)), torch.nn.Parameter)
    backend = object()
    assert _compat.FallbackToBackend(backend).backend is backend
    assert _compat.StrOptions({"a"}).is_satisfied_by("a")
    assert not _compat.Interval(Integral, 0, 1, closed="both").is_satisfied_by(2)


WHAT_IS_LOADED = """
import sys
import numpy as np
from sklearn.model_selection import cross_val_score
from helpers import TorchClassifier, fused

assert not {"ipywidgets", "IPython"} & sys.modules.keys()
X, y = np.random.RandomState(0).normal(size=(20, 2)), np.arange(20) % 2
for optimizer in ("adam", "adamw", "rmsprop", "sgd"):
    clf = TorchClassifier(epochs=2, optimizer=optimizer, clip=1.0, batch_size=8)
    clf.fit(X, y).partial_fit(X, y)
    with fused() as run:
        cross_val_score(clf, X, y, cv=2)
    assert run.batches == [2]
assert not {"torch._dynamo", "sympy"} & sys.modules.keys()
"""


@pytest.mark.slow
def test_helpers_load_neither_widgets_nor_torchs_compiler():
    subprocess.run([sys.executable, "-W", "ignore", "-c", WHAT_IS_LOADED], check=True)


def is_private(name):
    return name.startswith("_") and not name.endswith("__")


@functools.cache
def own_names():
    """Return the private names that `helpers` itself defines: they are no business of others."""
    names = set()
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(getattr(node, "attr", None) or getattr(node, "id", None))
    return names


def private_names_used(module):
    """Return the private names in a module: those it imports, its attributes, its strings."""
    used = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            path = (getattr(node, "module", None) or "").split(".")
            names = path + [part for alias in node.names for part in alias.name.split(".")]
            used |= set(names) if "helpers" not in path else set()
        elif isinstance(node, ast.Attribute):
            used.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            used |= {node.value} if node.value.isidentifier() else set()
    return {name for name in used if is_private(name)}


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(ROOT)))
def test_no_other_private_name_is_used(module):
    if module.name == "_compat.py":
        return
    known = {name for names in _compat.ATTRIBUTES.values() for name in names}
    assert private_names_used(module) - own_names() - known - PUBLIC == set()


def test_a_private_name_would_be_seen(tmp_path):
    module = tmp_path / "module.py"
    module.write_text(
        "from sklearn.utils._x import y\nimport torch._dynamo\nnet._own_hooks\n"
        "getattr(net, '_other_hooks')\nfrom helpers._compat import _num_samples\n"
    )
    assert private_names_used(module) == {"_x", "_dynamo", "_own_hooks", "_other_hooks"}


def test_readers_are_told_where_each_module_stands():
    path_of_a_fit = (ROOT / "README.md").read_text("utf-8")
    for folder, text in ((ROOT, path_of_a_fit), (ROOT / "checks", checks.__doc__)):
        for module in folder.glob("[a-z_]*.py"):
            if not module.stem.startswith("__"):
                assert f"`{module.stem}`" in text, module.name


def test_each_module_is_short_enough_to_read():
    assert len(MODULES) > 80
    long = [path.name for path in MODULES if len(path.read_text("utf-8").splitlines()) >= 250]
    assert not long
