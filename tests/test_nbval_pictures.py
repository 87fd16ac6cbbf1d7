"""The plugin that compares pictures and bounds memory finds what nbval alone would pass."""

import base64
import io
import os
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook

ROOT = Path(__file__).parents[1]
SHOW = """import base64, io
import matplotlib.image, numpy as np
from IPython.display import display

buffer = io.BytesIO()
matplotlib.image.imsave(buffer, np.full((4, 4, 3), {shade}))
png = base64.b64encode(buffer.getvalue()).decode()
data, metadata = {{"image/png": png, "text/plain": ""}}, {{"image/png": {{"alt": "{alt}"}}}}
for _ in range({times}):
    display(data, metadata=metadata, raw=True)"""
TOY = {"shade": 0.5, "alt": "Grey.", "times": 1}


def stored(path, tags=(), **changes):
    """Write a notebook whose stored outputs are those of TOY and whose code may do otherwise."""
    shade = np.full((4, 4, 3), TOY["shade"])
    buffer = io.BytesIO()
    matplotlib.image.imsave(buffer, shade)
    data = {"image/png": base64.b64encode(buffer.getvalue()).decode(), "text/plain": ""}
    alt = {"image/png": {"alt": TOY["alt"]}}
    output = nbformat.v4.new_output("display_data", data, metadata=alt)
    cell = new_code_cell(SHOW.format(**TOY | changes), execution_count=1, outputs=[output])
    cell.metadata["tags"] = list(tags)
    hog = new_code_cell("block = bytearray(300_000_000)", execution_count=2)
    nbformat.write(new_notebook(cells=[cell, hog]), path)


def nbval(path, megabytes=700):
    command = [sys.executable, "-m", "pytest", "-p", "tests.nbval_pictures", "--nbval"]
    return subprocess.run(
        [*command, "--nbval-current-env", "-q", "-c", os.devnull, str(path)],
        cwd=ROOT,
        env=os.environ | {"MOST_MEGABYTES": str(megabytes)},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    "changes, found",
    [
        ({}, ""),
        ({"shade": 0.51}, ""),
        ({"shade": 0.6}, "picture 1 differs"),
        ({"shade": 0.6, "tags": ["nbval-ignore-output"]}, ""),
        ({"alt": "Gray."}, "the text of picture 1 differs"),
    ],
)
def test_pictures_are_compared_as_an_eye_would(changes, found, tmp_path):
    stored(tmp_path / "toy.ipynb", **changes)
    done = nbval(tmp_path / "toy.ipynb")
    assert (done.returncode == 0) == (not found), done.stdout
    assert found in done.stdout


def test_a_kernel_that_takes_too_much_is_named(tmp_path):
    stored(tmp_path / "toy.ipynb")
    done = nbval(tmp_path / "toy.ipynb", megabytes=300)
    assert done.returncode == 1 and "The kernel of toy.ipynb took" in done.stdout
