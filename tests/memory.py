"""What a process has taken, by Linux's /proc."""

import re
from pathlib import Path


def megabytes(pid="self", what="VmHWM"):
    """Return a process's memory in MB, 0 where there is no /proc.

    `what` is VmHWM, the peak (as getrusage has it, but that begins with the peak of whoever started
    the process), or RssAnon, what is held now and is no page of a file.
    """
    status = Path(f"/proc/{pid}/status")
    found = status.exists() and re.search(rf"{what}:\s+(\d+) kB", status.read_text())
    return int(found[1]) * 1024 / 1e6 if found else 0
