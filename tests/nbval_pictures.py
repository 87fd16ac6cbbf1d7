"""A plugin for pytest that adds to nbval what it leaves out, so that each lesson is run once less.

    python -m pytest -p tests.nbval_pictures --nbval notebooks/01_split.ipynb

nbval compares stored and new outputs, but for pictures, tracebacks, metadata, the order of outputs
and what tests/sanitize.cfg replaces. Here those are compared as well: pictures up to what an eye
could see, all else to the byte, save where a cell is tagged nbval-ignore-output. And each
notebook's kernel must stay below MOST_MEGABYTES.
"""

import base64
import io
import os
import re

import matplotlib.image
import numpy as np
import pytest
from nbval.plugin import IPyNbCell

from tests.memory import megabytes

MOST_MEGABYTES = float(os.environ.get("MOST_MEGABYTES", 700))
PNG = "image/png"
WIDGET = "application/vnd.jupyter.widget-view+json"
CURE = "Run `make refresh` and look at what changed."


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
    result = yield
    if isinstance(item, IPyNbCell):
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
    if taken > MOST_MEGABYTES:
        pytest.fail(
            f"The kernel of {item.parent.path.name} took {taken:.0f} MB at its peak; a lesson "
            f"must do with {MOST_MEGABYTES:.0f}.",
            pytrace=False,
        )
    return result


def peak(kernel):
    """Return the megabytes of a running kernel at its peak, 0 where none runs or /proc is none."""
    if kernel is None or not kernel.is_alive():
        return 0
    return megabytes(kernel.km.provisioner.pid)
