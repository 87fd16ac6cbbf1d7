"""What clones share outside themselves: files that parameters name, networks in functions."""

import copy
import inspect
import os
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

MOST_BYTES = 2**28  # of a file that is read to put it back
TOO_LARGE = "too large"
_recording = threading.local()
_is_listening = threading.Event()


class Outside:
    """What `fit` has done outside the object.

    Attributes
    ----------
    written : dict
        For each file that a parameter names and that was written: the parameter.
    unnamed : set of str
        Files that were written and that no parameter names.
    """

    def __init__(self):
        self.written = {}
        self.unnamed = set()


@contextmanager
def left_alone(estimator):
    """Put back, in the end, the files and the networks that clones of an estimator share."""
    paths = {name: os.path.abspath(path) for name, path in _named_files(estimator).items()}
    files = {name: _content(path) for name, path in paths.items()}
    networks = [(net, copy.deepcopy(net.state_dict())) for net in _shared_networks(estimator)]
    outside, earlier = Outside(), getattr(_recording, "paths", None)
    _recording.paths = set()
    _listen()
    try:
        yield outside
    finally:
        opened, _recording.paths = _recording.paths, earlier
        outside.unnamed = opened - set(paths.values())
        for name, path in paths.items():
            if files[name] != TOO_LARGE and _content(path) != files[name]:
                outside.written[path] = name
                _put_back(path, files[name])
        for net, state in networks:
            if any(not value.equal(state[name]) for name, value in net.state_dict().items()):
                net.load_state_dict(state)


def networks_in(value, seen=None):
    """Yield the networks in an estimator, in those within it, and in functions that it holds."""
    seen = set() if seen is None else seen
    if isinstance(value, type) or id(value) in seen:
        return
    seen.add(id(value))
    if hasattr(value, "state_dict") and hasattr(value, "modules"):
        yield value
        return
    parts = ()
    if isinstance(value, list | tuple):
        parts = value
    elif hasattr(value, "get_params"):
        parts = vars(value).values()
    elif hasattr(value, "func") and hasattr(value, "keywords"):  # functools.partial
        parts = (value.func, *value.args, *value.keywords.values())
    elif inspect.ismethod(value):
        parts = (value.__self__, value.__func__)
    elif inspect.isfunction(value):
        parts = _used_by(value)
    for part in list(parts):
        yield from networks_in(part, seen)


def _used_by(function):
    """Return the values that a function uses from around it, and the functions of its module."""
    names = set(function.__code__.co_names) & set(function.__globals__)
    values = [function.__globals__[name] for name in sorted(names)]
    values += [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # not filled yet
            values.append(cell.cell_contents)
    return [
        value
        for value in values
        if not inspect.isfunction(value) or value.__module__ == function.__module__
    ]


def _shared_networks(estimator):
    """Return the networks that a clone does not copy: those in functions among the parameters."""
    values = estimator.get_params().values()
    return list(networks_in([v for v in values if callable(v) and not hasattr(v, "state_dict")]))


def _named_files(estimator):
    """Return the parameters that may name a file: name and path."""
    params = estimator.get_params()
    texts = {name: value for name, value in params.items() if isinstance(value, str | Path)}
    return {n: v for n, v in texts.items() if len(str(v)) < 4096 and "\0" not in str(v)}


def _content(path):
    """Return the bytes of a file, None where there is none."""
    if not os.path.isfile(path):
        return None
    return TOO_LARGE if os.path.getsize(path) > MOST_BYTES else Path(path).read_bytes()


def _put_back(path, content):
    if content is None:
        os.remove(path)
    else:
        Path(path).write_bytes(content)


def _listen():
    """Have Python tell which files are opened for writing; a hook cannot be taken off again."""
    if not _is_listening.is_set():
        _is_listening.set()
        sys.addaudithook(_hear)


def _hear(event, arguments):
    paths = getattr(_recording, "paths", None)
    if event != "open" or paths is None:
        return
    path, mode, flags = arguments
    writes = flags & (os.O_WRONLY | os.O_RDWR) if mode is None else set(mode) & set("wax+")
    if writes and isinstance(path, str | Path) and not _is_nobody_s(str(path)):
        paths.add(os.path.abspath(path))


def _is_nobody_s(path):
    """Say whether Python, joblib or the system writes a file for itself."""
    parts = (os.devnull, "__pycache__", "joblib_memmapping_folder", "/dev/", "/proc/")
    return any(part in path for part in parts)
