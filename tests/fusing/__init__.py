"""What tests of the engine of `fused` share."""

import threading

from helpers.fusing.tasks import Task

HANG = 600  # seconds; what runs so long after its end was asked for will never end


def no_task_is_left():
    """Wait for the tasks that are ending; tell whether all have."""
    tasks = [thread for thread in threading.enumerate() if isinstance(thread, Task)]
    for task in tasks:
        task.join(HANG)
    return not any(task.is_alive() for task in tasks)


class Callback:
    """A callback that acts as each epoch begins; itself it does nothing."""

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context, **_):
        if context.task_name == "epoch":
            self.act(estimator, context.task_id)

    def on_fit_task_end(self, estimator, context, **_):
        return False

    def act(self, estimator, epoch):
        pass
