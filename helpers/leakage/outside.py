"""What clones share outside themselves: files that parameters name, what functions hold."""

import copy
import functools
import inspect
import os
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from sklearn.base import clone

from helpers.global_state import generators_put_back
from helpers.leakage.fitting import check_is_estimator
from helpers.leakage.memory import MOST_BYTES, Memory, own_functions, values_used_by

MOST_FILES = 1000  # that are read to put them back
TICK = 0.01  # seconds by which a file's time may lag behind the clock
_recording = threading.local()


class SideEffects:
    """What `fit` has done outside the object."""

    def __init__(self):
        self.written = {}  # files and folders, each with the parameter that names it
        self.unnamed = set()  # files that no parameter names: written, or changed since `fit` began
        self.changed = []  # what clones share in memory, such as attributes of their class
        self.held = set()  # what of it held something before, as of earlier fits


@contextmanager
def left_alone(estimator, in_memory=False):
    """Put back, in the end, what clones share: files, networks, global generators, and memory."""
    check_is_estimator(estimator)
    memory = Memory(estimator) if in_memory else None
    paths = {name: os.path.abspath(path) for name, path in _named_files(estimator).items()}
    contents = {name: _content(path) for name, path in paths.items()}
    networks = [(net, copy.deepcopy(net.state_dict())) for net in _shared_networks(estimator)]
    outside, earlier = SideEffects(), getattr(_recording, "paths", None)
    _recording.paths, start = set(), time.time() - TICK
    _listen()
    try:
        with generators_put_back():
            yield outside
    finally:
        outside.changed = memory.put_back() if in_memory else []
        outside.held = memory.held & {*outside.changed} if in_memory else set()
        opened, _recording.paths = _recording.paths, earlier
        named = [path for name, path in paths.items() if contents[name] is not None]
        outside.unnamed = {
            path
            for path, is_written in opened
            if os.path.exists(path)  # else no later fit can read it
            and (is_written or os.path.isfile(path) and os.path.getmtime(path) > start)
            and not any(path == other or path.startswith(other + os.sep) for other in named)
        }
        for name, path in paths.items():
            if contents[name] is not None and (now := _content(path)) != contents[name]:
                outside.written[path] = name
                _put_back(contents[name], now or {})
        for net, state in networks:
            if any(not value.equal(state[name]) for name, value in net.state_dict().items()):
                net.load_state_dict(state)


def networks_in(value):
    """Return the networks in an estimator, in those within it, and in functions that it holds."""
    return list(_found_in(value, _is_network, _parts_of, set()))


def is_training(estimator):
    """Tell whether a network in an estimator is in training mode, as none that predicts should."""
    return any(layer.training for net in networks_in(estimator) for layer in net.modules())


def fitted_in(value):
    """Return the estimators in a clone, and in functions that it holds, that are fitted already.

    Those that hold networks are left out: `networks_in` finds them.
    """
    fitted = _found_in(value, _is_fitted, _more_parts_of, set())
    return [estimator for estimator in fitted if not networks_in(estimator)]


def _found_in(value, is_found, parts_of, seen):
    """Yield what is found in a value, in its parts, and in theirs; not within what is found."""
    if isinstance(value, type) or id(value) in seen:
        return
    seen.add(id(value))
    if is_found(value):
        yield value
        return
    for part in parts_of(value):
        yield from _found_in(part, is_found, parts_of, seen)


def _is_network(value):
    return hasattr(value, "state_dict") and hasattr(value, "modules")


def _is_fitted(value):
    """Say whether an estimator has what `fit` gives it, and a clone of it has not."""
    if not hasattr(value, "get_params") or not hasattr(value, "fit"):
        return False
    learned = {name for name in vars(value) if name.endswith("_") and not name.startswith("__")}
    if not learned:
        return False
    try:
        return not learned <= vars(clone(value)).keys()
    except Exception:  # of one that cannot be cloned
        return True


def _parts_of(value):
    if isinstance(value, list | tuple):
        return list(value)
    if hasattr(value, "get_params"):
        used = [part for function in own_functions(type(value)) for part in _used_by(function)]
        return [*vars(value).values(), *used]
    if hasattr(value, "func") and hasattr(value, "keywords"):  # functools.partial
        return [value.func, *value.args, *value.keywords.values()]
    if inspect.ismethod(value):
        return [value.__self__, value.__func__]
    return _used_by(value) if inspect.isfunction(value) else []


def _more_parts_of(value):
    """Return what a value holds: what is in a dict and beside a method, too."""
    if isinstance(value, dict):
        return list(value.values())
    beside = []
    if inspect.ismethod(value) and not hasattr(value.__self__, "get_params"):
        beside = getattr(value.__self__, "__dict__", {}).values()
    return [*_parts_of(value), *beside]


def _used_by(function):
    """Return the values that a function uses from around it, and the functions of its module."""
    return [
        value
        for value in values_used_by(function)
        if not inspect.isfunction(value) or value.__module__ == function.__module__
    ]


def _shared_networks(estimator):
    """Return the networks that a clone does not copy: in a function, or in a FrozenEstimator."""
    networks = networks_in(estimator)
    try:
        of_clone = {id(network): network for network in networks_in(clone(estimator))}
    except Exception:  # of one that cannot be cloned
        return networks
    return [network for network in networks if id(network) in of_clone]


def _named_files(estimator):
    """Return the parameters that may name a file: name and path."""
    params = estimator.get_params()
    values = {name: getattr(value, "location", value) for name, value in params.items()}  # joblib's
    texts = {name: value for name, value in values.items() if isinstance(value, str | Path)}
    return {n: v for n, v in texts.items() if 0 < len(str(v)) < 4096 and "\0" not in str(v)}


def _content(path):
    """Return files and their bytes, of one path or all within it, folders too.

    None if they are too many, or a folder in which other programs may be at work.
    """
    if not os.path.isdir(path):
        files, folders = [path] if os.path.isfile(path) else [], []
    elif _holds_other_work(path):
        return None
    else:
        files, folders = [], [path]
        for folder, inner, names in os.walk(path):
            folders += [os.path.join(folder, name) for name in inner]
            files += [file for name in names if os.path.isfile(file := os.path.join(folder, name))]
            if len(files) > MOST_FILES:
                return None
    if sum(map(os.path.getsize, files)) > MOST_BYTES:
        return None
    return dict.fromkeys(folders) | {file: Path(file).read_bytes() for file in files}


def _holds_other_work(folder):
    """Tell whether the folder for work, for the home or for temporary files lies within it."""
    places = os.getcwd(), os.path.expanduser("~"), tempfile.gettempdir()
    return any(Path(place).resolve().is_relative_to(Path(folder).resolve()) for place in places)


def _put_back(content, now):
    """Make files and folders what they were, by path; None is the content of a folder."""
    for path in sorted(now.keys() - content.keys(), reverse=True):  # what is within goes first
        os.remove(path) if now[path] is not None else os.rmdir(path)
    for path in sorted(content):
        if content[path] is None:
            os.makedirs(path, exist_ok=True)
        elif now.get(path) != content[path]:
            Path(path).write_bytes(content[path])


@functools.cache
def _listen():
    """Have Python tell which files are opened; a hook cannot be taken off again."""
    sys.addaudithook(_hear)


def _hear(event, arguments):
    paths = getattr(_recording, "paths", None)
    if event not in ("open", "os.rename", "sqlite3.connect") or paths is None:
        return
    if event == "sqlite3.connect":  # a database is opened by no `open`; its file's time tells more
        arguments = arguments[0], "r", 0
    path, mode, flags = arguments[:3] if event != "os.rename" else (arguments[1], "w", 0)
    writes = flags & (os.O_WRONLY | os.O_RDWR) if mode is None else set(mode) & set("wax+")
    if isinstance(path, str | Path) and not _is_nobody_s(str(path)):
        paths.add((os.path.abspath(path), bool(writes)))


def _is_nobody_s(path):
    """Say whether Python, joblib or the system writes a file for itself."""
    parts = (os.devnull, "__pycache__", "joblib_memmapping_folder", "/dev/", "/proc/")
    return any(part in path for part in parts)
