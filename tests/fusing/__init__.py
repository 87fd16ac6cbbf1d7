"""Tests of the engine of `fused`, a file for each of its rooms."""

import threading

from helpers.fusing.tasks import Task

HANG = 600  # seconds; what runs so long after its end was asked for will never end


def no_task_is_left():
    """Wait for the tasks that are ending; tell whether all have."""
    tasks = [thread for thread in threading.enumerate() if isinstance(thread, Task)]
    for task in tasks:
        task.join(HANG)
    return not any(task.is_alive() for task in tasks)
