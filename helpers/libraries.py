"""Which code is that of a library, wherever it is installed, and which is the user's."""

import os
import site
import sys
import sysconfig
from functools import cache

# This package, and those that it computes with, wherever they stand.
LIBRARIES = {"helpers", "torch", "functorch", "numpy", "scipy", "sklearn", "joblib"}
# Parts of the paths of what is installed: for all, for a user, by a system, beside an environment.
_INSTALLED = {"site-packages", "dist-packages"}


@cache
def is_of_a_library(module):
    """Tell whether a module, by its name, is Python's, ours or an installed one."""
    root = (module or "").partition(".")[0]
    if root in LIBRARIES or root in sys.stdlib_module_names - {"__main__"}:
        return True
    package = sys.modules.get(root)
    file = getattr(package, "__file__", None) or next(iter(getattr(package, "__path__", ())), "")
    return bool(_INSTALLED.intersection(file.split(os.sep))) or file.startswith(
        _folders_of_libraries()
    )


@cache
def _folders_of_libraries():
    """Return where Python, and what is installed for it, may stand."""
    folders = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    folders += [site.getusersitepackages(), *site.getsitepackages()]
    return tuple(os.path.join(folder, "") for folder in folders if folder)


def is_of_own_class(value):
    """Tell whether the class of an object is the user's."""
    return not is_of_a_library(type(value).__module__)


def stands_in_a_library(function):
    """Tell whether a function is what its library calls so, not a user's wrapper around it."""
    home = sys.modules.get(function.__module__)
    name = getattr(function, "__name__", "")  # a `partial` has none
    return is_of_a_library(function.__module__) and getattr(home, name, None) is function
