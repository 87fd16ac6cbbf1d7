"""Start the kernel of one notebook: `python launch.py SETTINGS`, which Jupyter calls.

Outside of the walls: limit this process, join the notebook's cgroup, copy what the assignment
brings along, then become bubblewrap, or the kernel itself where there are no walls.
"""

import contextlib
import ctypes
import json
import os
import shutil
import signal
import sys

try:
    import resource
except ImportError:  # Windows, where `sandbox.refusal` says what to do
    resource = None


def limit(megabytes, seconds, file_bytes):
    """Limit this process, and each of those that it starts."""
    for what, most in [
        (resource.RLIMIT_DATA, megabytes * 2**20),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_CORE, 0),
    ]:
        _, ceiling = resource.getrlimit(what)
        most = most if ceiling == resource.RLIM_INFINITY else min(most, ceiling)
        resource.setrlimit(what, (most, most))


def forget_keys():
    """Leave the session's kernel keyring, in which a login may keep Kerberos tickets."""
    call = {"x86_64": 250, "aarch64": 219}.get(os.uname().machine)  # keyctl
    if sys.platform == "linux" and call:
        ctypes.CDLL(None).syscall(call, 1, None)  # join a new, empty one


def join(groups):
    """Enter the cgroups whose folders are given."""
    for group in groups:
        with open(os.path.join(group, "cgroup.procs"), "w") as file:
            file.write(str(os.getpid()))


def files_in(folder):
    """Yield the regular files in `folder` and below; no link is followed."""
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            if os.path.isfile(path) and not os.path.islink(path):
                yield path, os.path.relpath(path, folder)


def copied_in(scratch, home):
    """Return bubblewrap's options that put copies of the files in `scratch` into `home`."""
    options = []
    for path, name in files_in(scratch):
        number = os.open(path, os.O_RDONLY)
        os.set_inheritable(number, True)  # bubblewrap reads and closes it
        options += ["--file", str(number), os.path.join(home, name)]
    return options


def main(settings):
    with open(settings) as file:
        told = json.load(file)
    for path, name in files_in("."):  # where nbgrader has put what the assignment brings along
        if not name.endswith(".ipynb"):  # the notebook, with its tests, stays away
            target = os.path.join(told["scratch"], name)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copyfile(path, target)
    os.chdir(told["scratch"])
    forget_keys()
    join(told["groups"])
    limit(told["megabytes"], told["seconds"], told["file_bytes"])
    # What the kernel itself says is for nobody; what the cells print reaches nbgrader by itself.
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nowhere, number)
    line = told["kernel"]
    if not told["walls"]:  # the kernel ends with the grader; within walls bubblewrap sees to that
        told["environment"]["JPY_PARENT_PID"] = os.environ["JPY_PARENT_PID"]
    else:
        # An interrupt is for the kernel, which listens to it while a cell runs, not for bubblewrap.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        line = [*told["walls"], *copied_in(told["scratch"], told["home"]), *line]
    os.execvpe(line[0], line, told["environment"])


if __name__ == "__main__":
    with contextlib.suppress(FileNotFoundError):  # who was interrupted has cleared all away
        main(sys.argv[1])
