"""How much memory, how many processes and how many bytes of files a notebook has, all together."""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from grading import cgroup, walls

PROCESSES = 64 + 2 * (os.cpu_count() or 1)
LIBRARIES = 256  # megabytes of programs and libraries in memory, which the limit does not mean
MEMORY = "met the limit of memory ({} MB for the notebook and all that it starts)"
CROWD = "met the limit of processes ({} for the notebook and all that it starts)"
FILES = "met the limit of files ({:.0f} MB, all of them together)"
# What Python says where a wall stands, in the errors of cells.
SAID = {
    "MemoryError": "met the limit of memory",
    "No space left on device": FILES.format(walls.FILES / 1e6),
    "File too large": "met the limit of files (100 MB for one)",
    "Resource temporarily unavailable": CROWD.format(PROCESSES),
    "can't start new thread": CROWD.format(PROCESSES),
}


@dataclass
class Room:
    """What one notebook may have. Each limit holds for the kernel and all that it has started.

    Parameters
    ----------
    megabytes : int
    groups : list of pathlib.Path
        The folders of its cgroup, where there is one.
    files : callable or None
        Gives the bytes of all its files, where its folders do not bound them; is called with the
        kernel's family.
    """

    megabytes: int
    groups: list = field(default_factory=list)
    files: Callable | None = None
    killed: int = 0  # processes that the cgroup has ended

    def too_much(self, family):
        """Return which limit these processes have met; an empty text where none."""
        if len(family) > PROCESSES and living(family) > PROCESSES:
            return CROWD.format(PROCESSES)
        if self.was_killed() or memory(family, "rss") > self.bytes and memory(family) > self.bytes:
            return self.of_memory
        if self.files and self.files(family) > walls.FILES:
            return FILES.format(walls.FILES / 1e6)
        return ""

    @property
    def of_memory(self):
        """What is said of a notebook that has met the limit of memory."""
        return MEMORY.format(self.megabytes)

    @property
    def bytes(self):
        return (self.megabytes + LIBRARIES) * 2**20

    def why_it_died(self):
        """Return the limit that has ended the kernel itself; an empty text where none has."""
        killed = cgroup.kills(self.groups)
        return f"The notebook {self.of_memory} and was stopped." if killed else ""

    def was_killed(self):
        """Return whether the cgroup has ended a process since this was last asked."""
        before, self.killed = self.killed, cgroup.kills(self.groups)
        return self.killed > before


def met(error):
    """Return which limit the error of a cell stands for; an empty text where none."""
    said = f"{error.ename}: {error.evalue[:1000]}"
    return next((limit for words, limit in SAID.items() if words in said), "")


def living(family):
    """Return how many of these processes have not ended: who has waits for its parent's look."""
    count = 0
    for process in family:
        with suppress(psutil.Error):
            count += process.status() != psutil.STATUS_ZOMBIE
    return count


def memory(family, kind=None):
    """Return the bytes of memory in use; `kind` "rss" is quick, but counts twice what is shared."""
    total = 0
    for process in family:
        with suppress(psutil.Error):
            if kind:
                total += getattr(process.memory_info(), kind)
            else:
                full = process.memory_full_info()
                total += getattr(full, "pss", full.uss)
    return total


def in_folder(folder, family=()):
    """Return the bytes of the files in a folder that others are writing into."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_blocks * 512
    return total


def within_walls(family):
    """Return the bytes of the files that a kernel has, where bubblewrap cannot bound them."""
    total = 0
    for place in ("tmp", "dev/shm"):
        with suppress(OSError):
            disk = os.statvfs(f"/proc/{family[-1].pid}/root/{place}")
            total += (disk.f_blocks - disk.f_bfree) * disk.f_frsize
    return total
