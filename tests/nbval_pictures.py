"""A plugin for pytest that adds to nbval what it leaves out: pictures, and the kernel's memory.

    python -m pytest -p tests.nbval_pictures --nbval notebooks/01_split.ipynb

nbval compares the text of stored and new outputs. Here their pictures are compared as well, up to
what an eye could see, with their alternative texts, and each notebook's kernel must stay below
MOST_MEGABYTES.
"""

import base64
import io
import os
import re
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from nbval.plugin import IPyNbCell

MOST_MEGABYTES = float(os.environ.get("MOST_MEGABYTES", 700))
PNG = "image/png"
CURE = "Run `make refresh` and look at what changed."


def pixels(png):
    return matplotlib.image.imread(io.BytesIO(base64.b64decode(png)))


def alike(one, other):
    """Whether two pictures look the same.

    Another processor moves a curve by some 1e-8, which may turn a pixel by a shade.
    """
    one, other = pixels(one), pixels(other)
    return one.shape == other.shape and np.abs(one - other).max() <= 0.05


def differences(stored, new):
    """Return what differs between the pictures of two lists of outputs."""
    stored, new = (
        [output for output in outputs if PNG in output.get("data", {})] for outputs in (stored, new)
    )
    if len(stored) != len(new):
        return [f"{len(new)} pictures instead of {len(stored)}"]
    faults = []
    for number, (one, other) in enumerate(zip(stored, new, strict=True), 1):
        if not alike(one["data"][PNG], other["data"][PNG]):
            faults.append(f"picture {number} differs")
        if dict(one.get("metadata", {})) != dict(other.get("metadata", {})):
            faults.append(f"the text of picture {number} differs")
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
    megabytes = peak(item.parent.kernel) if last else 0
    result = yield
    if megabytes > MOST_MEGABYTES:
        pytest.fail(
            f"The kernel of {item.parent.path.name} took {megabytes:.0f} MB at its peak; a lesson "
            f"must do with {MOST_MEGABYTES:.0f}.",
            pytrace=False,
        )
    return result


def peak(kernel):
    """Return the megabytes of a running kernel at its peak, 0 where the system does not say."""
    status = Path(f"/proc/{kernel.km.provisioner.pid}/status")
    if not status.exists():
        return 0
    return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) * 1024 / 1e6
