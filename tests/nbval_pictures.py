"""A plugin for pytest that adds to nbval what it leaves out, so that each lesson is run once less.

    python -m pytest -p tests.nbval_pictures --nbval notebooks/01_split.ipynb

nbval compares stored and new outputs, but for pictures, tracebacks, metadata, the order of outputs
and what tests/sanitize.cfg replaces. Here those are compared as well: pictures up to what an eye
could see, all else to the byte, save where a cell is tagged nbval-ignore-output. Each notebook's
kernel must stay below `most_megabytes`. And a kernel that has died is noticed at once, so that
nbval's limits of time can be as long as only a hang would need.
"""

import base64
import functools
import io
import os
import re
import time
from queue import Empty

import matplotlib.image
import numpy as np
import pytest
from nbval.kernel import RunningKernel
from nbval.plugin import IPyNbCell

from tests.memory import least_megabytes, megabytes

# What a kernel may take beyond torch and a first fit. With a torch for CPUs that makes 700 MB; one
# for CUDA takes more than that by itself, which is not for a lesson to answer for.
ABOVE_LEAST = 255
PNG = "image/png"
WIDGET = "application/vnd.jupyter.widget-view+json"
CURE = "Run `make refresh` and look at what changed."


@functools.cache
def most_megabytes():
    """Return what a kernel may take at its peak; the variable MOST_MEGABYTES has another limit."""
    if "MOST_MEGABYTES" in os.environ:
        return float(os.environ["MOST_MEGABYTES"])
    return least_megabytes() + ABOVE_LEAST


def pixels(png):
    return matplotlib.image.imread(io.BytesIO(base64.b64decode(png)))


def alike(one, other):
    """Whether two pictures look the same.

    Another processor moves a curve by some 1e-8, which may turn a pixel by a shade.
    """
    one, other = pixels(one), pixels(other)
    return one.shape == other.shape and np.abs(one - other).max() <= 0.05


def pictures(outputs):
    return [output for output in outputs if PNG in output.get("data", {})]


def others(outputs):
    """The outputs without pixels, and without what is another in each run or is not stored."""
    kept = []
    for output in outputs:
        data = output.get("data", {})
        if WIDGET in data:
            continue
        plain = {key: value for key, value in output.items() if key != "execution_count"}
        if PNG in data:
            plain["data"] = {kind: value for kind, value in data.items() if kind != PNG}
            del plain["metadata"]  # compared beside the picture
        if "traceback" in output:  # nbval does not count what it executes
            plain["traceback"] = [re.sub(r"In\[\d+\]", "In[]", t) for t in output["traceback"]]
        kept.append(plain)
    return kept


def differences(stored, new):
    """Return what differs between two lists of outputs."""
    before, after = pictures(stored), pictures(new)
    if len(before) != len(after):
        return [f"pictures: {len(after)} instead of {len(before)}"]
    faults = []
    for number, (one, other) in enumerate(zip(before, after, strict=True), 1):
        if not alike(one["data"][PNG], other["data"][PNG]):
            faults.append(f"picture {number} differs")
        if one["metadata"] != other["metadata"]:
            faults.append(f"the text of picture {number} differs")
    if others(stored) != others(new):
        faults.append("the outputs differ in what nbval overlooks, such as a clock or their order")
    return faults


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    if isinstance(item, IPyNbCell):
        # For its last messages, too, nbval waits until the end (5 s are short on a busy machine).
        item.output_timeout = item.config.option.nbval_cell_timeout
    result = yield
    # Assignments are stored without outputs, as students get them: only their tests count.
    if isinstance(item, IPyNbCell) and "assignments" not in item.path.parts:
        tags = item.cell.metadata.get("tags", [])
        faults = differences(item.cell.outputs, item.test_outputs or [])
        if faults and "nbval-ignore-output" not in tags:
            pytest.fail(f"{'; '.join(faults)}. {CURE}", pytrace=False)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item, nextitem):
    last = isinstance(item, IPyNbCell) and (nextitem is None or nextitem.parent is not item.parent)
    taken = peak(item.parent.kernel) if last else 0
    result = yield
    if taken and taken > most_megabytes():
        pytest.fail(
            f"The kernel of {item.parent.path.name} took {taken:.0f} MB at its peak; a lesson "
            f"must do with {most_megabytes():.0f}.",
            pytrace=False,
        )
    return result


def peak(kernel):
    """Return the megabytes of a running kernel at its peak, 0 where none runs or /proc is none."""
    if kernel is None or not kernel.is_alive():
        return 0
    return megabytes(kernel.km.provisioner.pid)


def wait_while_alive(get_message):
    """Let a kernel's `get_message` wait no longer than the kernel lives."""

    @functools.wraps(get_message)
    def get(kernel, stream, timeout=None):
        end = time.monotonic() + (float("inf") if timeout is None else timeout)
        while True:
            alive = kernel.is_alive()  # before the look, lest a last message be missed
            try:
                return get_message(kernel, stream, min(1, max(0, end - time.monotonic())))
            except Empty:
                if not alive or time.monotonic() >= end:
                    raise

    return get


RunningKernel.get_message = wait_while_alive(RunningKernel.get_message)
