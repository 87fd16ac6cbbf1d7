"""Which code is the user's, wherever the libraries are installed."""

import os
import site
import subprocess
import sys
import sysconfig
import types
from pathlib import Path

import pytest
import torch

from helpers.libraries import is_of_a_library

ROOT = Path(__file__).parents[1]
SEARCH = """
import sysconfig, torch
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from torch import nn
from helpers import TorchClassifier, fused
from helpers.libraries import is_of_a_library

class Net(nn.Module):
    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.layer = nn.Linear(n_features, n_outputs)

    def forward(self, X):
        return torch.tanh(self.layer(X))

assert not torch.__file__.startswith(sysconfig.get_path("purelib")), torch.__file__
assert not is_of_a_library(Net.__module__)
for settings in ({}, {"module": Net}):
    clf = TorchClassifier(**settings, epochs=2, random_state=0)
    search = GridSearchCV(clf, {"lr": [0.01, 0.1]}, cv=2, error_score="raise")
    with fused() as run:
        search.fit(*load_iris(return_X_y=True))
    assert run.batches == [4, 1], run.batches
print("as it should be")
"""


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["libraries", "dist-packages"])
def test_fused_trains_together_wherever_torch_stands(tmp_path, folder):
    installed = tmp_path / "lib" / folder
    installed.mkdir(parents=True)
    for one in Path(torch.__file__).parents[1].iterdir():
        try:
            (installed / one.name).symlink_to(one, one.is_dir())
        except OSError:
            pytest.skip("this system lets nobody make links")
    path = os.pathsep.join([str(installed), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-S", "-c", SEARCH],  # -S: no folder of installed packages but this one
        env=os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "as it should be", done.stderr


def in_packages(folder):
    return Path(folder) / "one" / "__init__.py"


USER = site.getusersitepackages()
OF_LIBRARIES = [
    in_packages(sysconfig.get_path("purelib")),
    in_packages(sysconfig.get_path("stdlib")),
    in_packages(USER),
    Path("home", "lib", "python3", "dist-packages", "one.py"),
    Path("env", "Lib", "site-packages", "one.py"),
]
OF_USERS = [
    Path("home", "my-site-packages", "one.py"),
    Path(f"{sysconfig.get_path('stdlib')}-mine", "one.py"),
    Path("one.py"),
]


@pytest.fixture
def module(monkeypatch):
    """Return a function that makes a module, which stands in a file, and returns its name."""

    def made(file, **attributes):
        name = "package_of_a_test"
        one = types.ModuleType(name)
        vars(one).update({"__file__": file} | attributes)
        monkeypatch.setitem(sys.modules, name, one)
        return name

    is_of_a_library.cache_clear()
    yield made
    is_of_a_library.cache_clear()


@pytest.mark.parametrize("file", OF_LIBRARIES, ids=str)
def test_what_is_installed_is_of_a_library(module, file):
    assert is_of_a_library(module(str(file)) + ".part")


@pytest.mark.parametrize("file", OF_USERS, ids=str)
def test_what_stands_elsewhere_is_the_users(module, file):
    assert not is_of_a_library(module(str(file)))


def test_a_package_without_a_file_of_its_own_stands_where_its_parts_are(module):
    installed = str(Path(USER, "one"))
    assert is_of_a_library(module(None, __path__=[installed]))
    is_of_a_library.cache_clear()
    assert not is_of_a_library(module(None, __path__=[str(ROOT / "one")]))
    is_of_a_library.cache_clear()
    assert not is_of_a_library(module(None))


@pytest.mark.parametrize("name", ["torch.nn", "numpy", "sklearn.svm", "joblib", "helpers.fusing"])
def test_what_helpers_computes_with_is_a_library_wherever_it_stands(monkeypatch, name):
    is_of_a_library.cache_clear()
    monkeypatch.setattr(sys.modules[name.partition(".")[0]], "__file__", "/opt/mine/__init__.py")
    assert is_of_a_library(name)
    is_of_a_library.cache_clear()
