"""A cgroup of Linux for each notebook: its memory and processes, all together, have a limit.

Version 1 (a folder for each controller) and version 2 (one folder for all), where this user may
make a folder. Elsewhere the watchdog alone looks at them; it looks at them here as well.
"""

import functools
import itertools
import os
import signal
import time
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
TASKS = 100 + 8 * (os.cpu_count() or 1)  # processes and threads
SLACK = 512  # megabytes above the limit of each process: the files in memory, and what is shared
COUNT = itertools.count()
CONTROLLERS = {"memory", "pids"}


def in_words(megabytes):
    """Return how memory and processes are held to their limits here."""
    if available():
        return (
            f"A cgroup holds each notebook, with all that it starts, to {megabytes + SLACK} MB and "
            f"{TASKS} processes and threads."
        )
    return (
        "No cgroup may be made here, so a watchdog looks at each notebook's memory and processes "
        "four times a second: for a moment it may have more than its limit."
    )


@functools.cache
def available():
    """Return whether a cgroup with both limits can be made here, by trying it."""
    with group(1024) as folders:
        return bool(folders)


@contextmanager
def group(megabytes):
    """Give the folders of a new cgroup, none where it cannot be made."""
    name, made = f"grading-{os.getpid()}-{next(COUNT)}", []
    try:
        for parent, limits in places(megabytes):
            sweep(parent)
            folder = parent / name
            folder.mkdir()
            made.append(folder)
            for file, value in limits.items():
                (folder / file).write_text(str(value))
    except OSError:
        remove(made)
        made = []
    try:
        yield made
    finally:
        remove(made)


def places(megabytes):
    """Return the folders in which to make one, each with the limits to be written there."""
    memory = (megabytes + SLACK) * 2**20
    own = dict(line.split(":", 2)[1:] for line in read("/proc/self/cgroup").splitlines())
    if own.keys() >= CONTROLLERS:
        return [
            (ROOT / "memory" / own["memory"].lstrip("/"), {"memory.limit_in_bytes": memory}),
            (ROOT / "pids" / own["pids"].lstrip("/"), {"pids.max": TASKS}),
        ]
    limits = {"memory.max": memory, "memory.swap.max": 0, "memory.oom.group": 0, "pids.max": TASKS}
    # Version 2 gives controllers only to groups beside this process's own, so look upwards.
    here = ROOT / own.get("", "/").lstrip("/")
    for parent in [here, *here.parents]:
        if parent.is_relative_to(ROOT) and os.access(parent, os.W_OK):
            if CONTROLLERS <= set(read(parent / "cgroup.subtree_control").split()):
                return [(parent, limits)]
    raise OSError("no cgroup may be made here")


def read(path):
    """Return the text of a file, and none where it cannot be read."""
    with suppress(OSError):
        return Path(path).read_text()
    return ""


def kills(folders):
    """Return how many processes were ended for want of memory."""
    files = [
        folder / name for folder in folders for name in ("memory.oom_control", "memory.events")
    ]
    lines = [line for file in files for line in read(file).splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))


def sweep(parent):
    """Remove the groups of graders that were killed; a group in use cannot be removed."""
    for folder in parent.glob("grading-*-*"):
        if not Path("/proc", folder.name.split("-")[1]).exists():
            with suppress(OSError):
                folder.rmdir()


def remove(folders):
    """End what is left in a cgroup, and remove it."""
    for folder in folders:
        for _ in range(1000):  # what was killed may take a moment to be gone
            for number in read(folder / "cgroup.procs").split():
                if int(number):  # 0 stands for a process that cannot be seen from here
                    with suppress(OSError):
                        os.kill(int(number), signal.SIGKILL)
            with suppress(OSError):
                folder.rmdir()
            if not folder.exists():
                break
            time.sleep(0.01)
