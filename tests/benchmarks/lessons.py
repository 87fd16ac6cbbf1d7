"""Lessons: seconds to run all cells on one core, the kernel's peak memory, and the server's."""

import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from tests.memory import megabytes
from tests.processes import running

ROOT = Path(__file__).parents[2]


def main():
    peaks = []
    with tempfile.TemporaryDirectory() as folder:
        lessons = Path(shutil.copytree(ROOT / "notebooks", Path(folder) / "notebooks"))
        for copy in sorted(lessons.glob("*.ipynb")):
            command = [sys.executable, ROOT / "tests" / "refresh.py", copy]
            run = subprocess.run(command, capture_output=True, text=True, check=True)
            print(f"  {run.stdout.strip()}")
            peaks.append(int(re.search(r"(\d+) MB", run.stdout)[1]))
        server = server_megabytes(lessons)
    print(
        f"  JupyterLab's server {server:.0f} MB; with the heaviest lesson {server + max(peaks):.0f}"
    )


def server_megabytes(folder):
    """Return the peak memory of a server that has started and shown its page once (Linux)."""
    with answering([sys.executable, "-m", "jupyterlab"], folder) as server:
        return megabytes(server.pid)


@contextmanager
def answering(command, folder):
    """Start JupyterLab in a folder, and go on when it has shown its page once."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--no-browser", "--allow-root", f"--port={port}", "--IdentityProvider.token=bench"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with running([*command, *options, f"--ServerApp.root_dir={folder}"], **quiet) as server:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/lab?token=bench").read()
                break
            except OSError:
                time.sleep(0.2)
        else:
            raise RuntimeError("JupyterLab's server has not answered within a minute.")
        yield server


if __name__ == "__main__":
    main()
