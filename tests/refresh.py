"""Run one notebook from top to bottom and store its outputs, so that a second run changes no byte.

(Save where a cell shows a clock, and is tagged nbval-ignore-output for it.)

    python tests/refresh.py notebooks/01_split.ipynb

Prints what the run took. `make refresh` does this for every notebook. That nothing has changed
since is for nbval to check, which `make test` runs with tests/nbval_pictures.py.
"""

import resource
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbstripout import strip_output

# Outputs and counts stay, because they are compared. Clocks, widget states and the patch version of
# Python go, because they differ from run to run or from machine to machine; and what a reader has
# folded.
GONE = """
    metadata.language_info.version metadata.signature metadata.widgets cell.metadata.ExecuteTime
    cell.metadata.execution cell.metadata.collapsed cell.metadata.heading_collapsed
    cell.metadata.hidden cell.metadata.scrolled
""".split()
WIDGET = "application/vnd.jupyter.widget-view+json"


def normalise(*paths):
    """Take out of notebooks what changes from run to run."""
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                # A stored slider is dead: it names a model that lived in the kernel of that run.
                cell.outputs = [o for o in cell.outputs if WIDGET not in o.get("data", {})]
        stripped = strip_output(
            notebook, keep_output=True, keep_count=True, keep_id=False, extra_keys=GONE
        )
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            nbformat.write(stripped, file)


def refresh(path):
    """Execute the notebook in place; return seconds, and megabytes at the kernel's peak."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=1200,  # seconds for one cell: only a hang lasts so long
        startup_timeout=1200,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,  # else two prints are one output or two, as the clock has it
        extra_arguments=["--log-level=ERROR"],  # no word about encryption for each kernel
        resources={"metadata": {"path": str(path.parent)}},
    )
    start = time.perf_counter()
    client.execute()
    seconds = time.perf_counter() - start
    nbformat.write(notebook, path)
    # The kernel is the one child so far, and it has ended. macOS counts in bytes, Linux in KiB.
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    megabytes = peak * (1 if sys.platform == "darwin" else 1024) / 1e6
    normalise(path)
    return seconds, megabytes


if __name__ == "__main__":
    path = Path(sys.argv[1])
    seconds, megabytes = refresh(path)
    print(f"{path.name}: {seconds:.1f} s, {megabytes:.0f} MB")
