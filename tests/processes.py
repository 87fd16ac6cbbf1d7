"""Processes that tests start, which end with them whatever happens."""

import os
import signal
import socket
import subprocess
from contextlib import contextmanager, suppress

SOON = 60  # seconds for an answer to SIGTERM, before SIGKILL


@contextmanager
def running(command, **options):
    """Run a process while the block runs; then end it, and what it has started."""
    process = subprocess.Popen(command, start_new_session=True, **options)
    try:
        yield process
    finally:
        for sign in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):  # all have ended
                os.killpg(process.pid, sign)
            with suppress(subprocess.TimeoutExpired):
                process.wait(SOON)


def free_port():
    """Return the number of a free port, below those that are given to whoever asks for any."""
    for port in range(20_000 + os.getpid() % 10_000, 32_768):
        with suppress(OSError), socket.socket() as free:
            free.bind(("127.0.0.1", port))
            return port
    raise OSError("no port is free")
