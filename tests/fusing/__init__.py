"""Tests of the engine of `fused`, a file for each of its rooms."""

import threading

from helpers.fusing.tasks import Task


def no_task_is_left():
    return not any(isinstance(thread, Task) for thread in threading.enumerate())
