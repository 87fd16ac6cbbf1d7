"""Where a student's notebook runs: how its kernel is started, and what is said of its walls."""

import functools
import json
import os
import queue
import shutil
import sys
from contextlib import suppress
from pathlib import Path

import zmq
from jupyter_client.manager import AsyncKernelManager

from grading import cgroup, inside, launch, walls
from grading.room import Room, in_folder, within_walls

FILE_BYTES = 100_000_000  # of one file
MESSAGE_BYTES = 2 * inside.MESSAGE_BYTES  # that the grader accepts at once from a kernel
OUTPUT_BYTES = inside.OUTPUT_BYTES
protection = walls.protection

PROTECTED = (
    "Each notebook ran within bubblewrap, where it saw Python, its packages, the assignment's own "
    "files and the system's programs (all of /usr, and a few files of /etc), and nothing else: no "
    "network, no other process, no other file of this machine."
)
UNPROTECTED = (
    "NOT WALLED: {}. The notebooks could read, change and send away all that you can, the "
    "gradebook and other submissions included. {} Limits of time, memory and output held."
)
CURES = {
    "not installed": "On Linux, install the package bubblewrap and grade again; elsewhere, grade "
    "in a virtual machine with Linux.",
    "": "In a container, allow user namespaces (docker run --security-opt seccomp=unconfined "
    "--security-opt apparmor=unconfined --security-opt systempaths=unconfined); on Ubuntu, allow "
    "them to bwrap in AppArmor; or grade in a virtual machine that holds nothing else.",
}


def refusal():
    """Return why nothing can be graded on this system; an empty text where it can."""
    if launch.resource is None:
        return (
            "grading needs Linux or macOS, for this system has no limits on what a student's code "
            "may use. On Windows, run it within WSL, where the Linux commands of the guide work."
        )
    return ""


def in_words(megabytes):
    """Return what the teacher is told of walls and limits."""
    trouble = walls.trouble()
    cure = next(cure for words, cure in CURES.items() if words in trouble)
    said = UNPROTECTED.format(trouble, cure) if trouble else PROTECTED
    return f"{said} {cgroup.in_words(megabytes)}"


def prepare(task, folder, groups):
    """Write what starts the kernel of `task` into `folder`, and return its sockets' folder."""
    scratch, sockets = folder / "scratch", folder / "sockets"
    kernels = folder / "kernels" / "limited"
    for place in (scratch / ".matplotlib", sockets, kernels):
        place.mkdir(parents=True)
    for font_list in fonts():
        shutil.copy(font_list, scratch / ".matplotlib")
    told = {
        "scratch": str(scratch),
        "home": walls.HOME,
        "groups": [str(group) for group in groups],
        "megabytes": task.megabytes,
        "seconds": 2 * int(task.limits.notebook) + 60,  # should nobody watch any more
        "file_bytes": FILE_BYTES,
        "environment": walls.environment() if task.protected else walls.environment(str(scratch)),
        "kernel": kernel(sockets / "kernel.json"),
        "walls": surrounded(task, folder, sockets) if task.protected else [],
    }
    (folder / "told.json").write_text(json.dumps(told), "utf-8")
    line = [sys.executable, "-I", "-S", launch.__file__, str(folder / "told.json")]
    spec = {"argv": line, "display_name": "limited", "language": "python"}
    (kernels / "kernel.json").write_text(json.dumps(spec), "utf-8")
    return sockets


def room(task, folder, groups):
    """Return what the notebook of `task` may have besides time."""
    files = functools.partial(in_folder, folder / "scratch")
    if task.protected:
        files = None if walls.bounded() else within_walls
    return Room(task.megabytes, groups, files)


class Manager(AsyncKernelManager):
    """Jupyter's, with a line to the kernel that breaks where a message is too long for it."""

    def client(self, **options):
        client = super().client(**options)
        client.context.setsockopt(zmq.MAXMSGSIZE, MESSAGE_BYTES)
        return client


async def take_away(sockets, client):
    """Remove the folder of a kernel's sockets once they are connected.

    It would be the one place on the disk in which a student's code could write.
    """
    while True:  # until an answer has come on the socket for what cells show
        client.kernel_info()
        with suppress(queue.Empty):
            await client.get_iopub_msg(timeout=0.5)
            break
    shutil.rmtree(sockets)


def kernel(connection):
    """Return the command that runs the kernel itself."""
    # -P and ignore_cwd: a helpers.py beside the notebook must not stand in for the package.
    line = [sys.executable, "-P", inside.__file__, "-f", str(connection)]
    return [*line, "--IPKernelApp.ignore_cwd=True", "--HistoryManager.hist_file=:memory:"]


def surrounded(task, folder, sockets):
    """Return the walls, in which the kernel reaches its sockets and nothing else of `folder`."""
    (folder / "passwd").write_text(walls.PASSWD.format(walls.USER), "utf-8")
    return walls.command(
        {
            inside.__file__: ("--ro-bind", inside.__file__),
            str(folder / "passwd"): ("--ro-bind", "/etc/passwd"),
            str(sockets): ("--bind", str(sockets)),
        },
        task.hidden,
    )


def fonts():
    """Return matplotlib's list of the machine's fonts, which takes seconds to make anew."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("MPLCONFIGDIR") or Path(home) / "matplotlib").glob("fontlist-*.json")
