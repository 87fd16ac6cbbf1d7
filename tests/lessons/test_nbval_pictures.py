"""The plugin that compares pictures and bounds memory finds what nbval alone would pass."""

import base64
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tests.nbval_pictures import PNG, WIDGET, differences

ROOT = Path(__file__).parents[2]
# Without numpy and matplotlib, whose import takes longer than all else that the kernel does.
SHOW = """data = {{"image/png": "{png}", "text/plain": ""}}
display(data, metadata={{"image/png": {{"alt": "{alt}"}}}}, raw=True)"""


def grey(shade=0.5, side=4):
    buffer = io.BytesIO()
    matplotlib.image.imsave(buffer, np.full((side, side, 3), shade))
    return base64.b64encode(buffer.getvalue()).decode()


def output(shade=0.5, side=4, alt="Grey."):
    data = {PNG: grey(shade, side), "text/plain": ""}
    return new_output("display_data", data, metadata={PNG: {"alt": alt}})


def stored(path, tags=(), shade=0.5, alt="Grey."):
    """Write a notebook whose stored output is a grey picture and whose code may show another."""
    source = SHOW.format(png=grey(shade), alt=alt)
    cell = new_code_cell(source, execution_count=1, outputs=[output()])
    cell.metadata["tags"] = list(tags)
    hog = new_code_cell("block = bytearray(300_000_000)", execution_count=2)
    nbformat.write(new_notebook(cells=[cell, hog]), path)


def short(path, source="one = 1"):
    nbformat.write(new_notebook(cells=[new_code_cell(source, execution_count=1)]), path)


def nbval(*paths, megabytes=9999, options=()):
    """Run the plugin on notebooks, with a limit of its own, which takes no fit to measure."""
    command = [sys.executable, "-m", "pytest", "-p", "tests.nbval_pictures", "--nbval"]
    command += ["--nbval-kernel-startup-timeout", "1200"]
    return subprocess.run(
        [*command, "--nbval-current-env", "-q", "-c", os.devnull, *options, *map(str, paths)],
        cwd=ROOT,
        env=os.environ | {"MOST_MEGABYTES": str(megabytes)},
        capture_output=True,
        text=True,
    )


CHANGES = {
    "same": ({}, ""),
    "a_shade": ({"shade": 0.51}, ""),
    "another": ({"shade": 0.6}, "picture 1 differs. Run `make refresh`"),
    "ignored": ({"shade": 0.6, "tags": ["nbval-ignore-output"]}, ""),
    "assignments/handed_out": ({"shade": 0.6}, ""),
    "the_text": ({"alt": "Gray."}, "the text of picture 1 differs"),
}


ENDS = {"dies": "import os\nos._exit(1)", "hangs": "import time\ntime.sleep(9999)"}
# A limit for what hangs alone, so that a busy machine fails no other. The tests themselves would
# not survive the limit of what dies.
LIMIT = """def pytest_runtest_setup(item):
    item.config.option.nbval_cell_timeout = 1 if "hangs.ipynb" in item.nodeid else 1200
"""
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What one run of the plugin says of all these notebooks, and of a modest one at the end."""
    folder = tmp_path_factory.mktemp("told")
    (folder / "assignments").mkdir()
    for name, (changes, _) in CHANGES.items():
        stored(folder / f"{name}.ipynb", **changes)
    for name, source in ENDS.items():
        short(folder / f"{name}.ipynb", source)
    short(folder / "z_modest.ipynb")
    (folder / "conftest.py").write_text(LIMIT)
    return nbval(folder, megabytes=300, options=["-rA"]).stdout


def of_cell(name, told):
    """Return what is told of the first cell of a notebook."""
    (line,) = re.findall(rf"(?m)^(?:PASSED|FAILED|ERROR) .*\b{name}\.ipynb::Cell 0.*$", told)
    return line


@pytest.mark.parametrize("name", CHANGES)
def test_pictures_are_compared_as_an_eye_would(name, told):
    found = CHANGES[name][1]
    assert of_cell(name, told).startswith("FAILED" if found else "PASSED") and found in told


def text(said, kind="display_data", **more):
    return new_output(kind, {"text/plain": said}, **more)


def printed(said):
    return new_output("stream", name="stdout", text=said)


def error(line):
    return new_output("error", ename="E", evalue="no", traceback=[line, "E: no"])


VIEW = new_output("display_data", {WIDGET: {"model_id": "1"}, "text/plain": "Slider()"})
OVERLOOKS = "what nbval overlooks"
PAIRS = {
    "the same": ([output(), text("1")], [output(), text("1")], ""),
    "no picture": ([output()], [], "pictures: 0 instead of 1"),
    "one picture more": ([output()], [output(), output()], "pictures: 2 instead of 1"),
    "a larger picture": ([output()], [output(side=5)], "picture 1 differs"),
    "the second picture": ([output(), output()], [output(), output(0.6)], "picture 2 differs"),
    "a clock": ([printed("2.1 s")], [printed("2.2 s")], OVERLOOKS),
    "an address": ([text("<f at 0x7f0000>")], [text("<f at 0x7f0001>")], OVERLOOKS),
    "the order": ([printed("1"), output()], [output(), printed("1")], OVERLOOKS),
    "the kind": ([text("1")], [text("1", "execute_result")], OVERLOOKS),
    "metadata": ([text("1")], [text("1", metadata={"isolated": True})], OVERLOOKS),
    "a traceback": ([error("In[3], line 1")], [error("In[3], line 2")], OVERLOOKS),
    "a count": ([error("In[3], line 1")], [error("In[1], line 1")], ""),
    "another count": (
        [text("1", "execute_result", execution_count=3)],
        [text("1", "execute_result", execution_count=1)],
        "",
    ),
    "a widget, never stored": ([text("1")], [VIEW, text("1")], ""),
}


@pytest.mark.parametrize("before, after, found", PAIRS.values(), ids=PAIRS)
def test_what_nbval_overlooks_is_found(before, after, found):
    faults = differences(before, after)
    assert len(faults) == bool(found) and found in "".join(faults)


def named(name, told):
    return re.search(rf"The kernel of {name}\.ipynb took \d+ MB .* do with 300\.", told)


has_memory = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="the system does not say"
)


@has_memory
def test_each_kernel_that_takes_too_much_is_named(told):
    assert all(named(Path(name).name, told) for name in CHANGES)
    assert f"{len(CHANGES)} errors" in told and not named("z_modest", told)


@has_memory
def test_each_kernel_that_takes_too_much_is_named_by_two_processes(tmp_path):
    for name in ("first", "second"):
        stored(tmp_path / f"{name}.ipynb")
    short(tmp_path / "modest.ipynb")
    paths = [tmp_path / f"{name}.ipynb" for name in ("first", "modest", "second")]
    done = nbval(*paths, megabytes=300, options=["-n", "2", "--dist", "loadfile"])
    assert done.returncode == 1 and "5 passed, 2 errors" in done.stdout, done.stdout
    assert named("first", done.stdout) and named("second", done.stdout)


def test_a_kernel_that_ends_early_fails_its_own_cell_only(told):
    assert all(of_cell(name, told).startswith("FAILED") for name in ENDS)
    assert of_cell("z_modest", told).startswith("PASSED")
    wrong = [name for name, (_, found) in CHANGES.items() if found]
    assert f"{len(ENDS) + len(wrong)} failed" in told.rstrip().split("\n")[-1]
