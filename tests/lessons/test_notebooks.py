"""What every lesson keeps: it was run, it says what it computed, and it is short.

A check is a function that yields one sentence for each fault of a notebook. Each is tried on a
broken notebook as well (`BREAK`), so that none of them can pass by looking at nothing. No lesson
is run here: nbval, which `make test` runs beside this with tests/nbval_pictures.py, runs each and
compares its outputs; it passes a notebook without any.
"""

import base64
import io
import re
import shutil
import statistics
import subprocess
import sys
import tokenize
from decimal import Decimal
from pathlib import Path

import matplotlib.image
import nbformat
import numpy as np
import pytest
from ipykernel.ipkernel import IPythonKernel
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tests import refresh

FOLDER = Path(__file__).parents[2] / "notebooks"
LESSONS = sorted(FOLDER.glob("*.ipynb"))
REFRESH = [sys.executable, refresh.__file__]


# Reading a notebook -----------------------------------------------------------------------------


def code_cells(notebook):
    """(number, cell) of every code cell that is not blank, counting all cells from 1."""
    cells = enumerate(notebook.cells, 1)
    return [(i, c) for i, c in cells if c.cell_type == "code" and c.source.strip()]


def prose(notebook):
    """What the reader reads between the code: markdown without the targets of its links."""
    text = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    return re.sub(r"\]\([^)\s]*\)|(?:href|src)=\"[^\"]*\"|https?://\S+", "] ", text)


def shown(output):
    """The text that an output shows; for a picture or a table, its plain form."""
    if output.output_type == "stream":
        return output.text
    if output.output_type == "error":
        return "\n".join([output.ename, output.evalue, *output.traceback])
    plain = [v for k, v in output.data.items() if k in ("text/plain", "text/markdown")]
    alt = [m.get("alt", "") for m in output.metadata.values() if isinstance(m, dict)]
    return "\n".join(plain + alt)


def pictures(notebook):
    for i, cell in code_cells(notebook):
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                yield i, output


def lines_of_code(cell):
    lines = (line.strip() for line in cell.source.splitlines())
    return sum(1 for line in lines if line and not line.startswith("#"))


def draws(cell):
    """Whether a picture is among what the cell shows."""
    return any("image/png" in output.get("data", {}) for output in cell.outputs)


def is_one_class(cell):
    """Whether the cell defines one class, which a lesson may have to show whole."""
    return len(re.findall(r"(?m)^class ", cell.source)) == 1


# The checks -------------------------------------------------------------------------------------


def was_run(notebook, path):
    cells = code_cells(notebook)
    counts = [cell.execution_count for _, cell in cells]
    if counts != list(range(1, len(cells) + 1)):
        yield f"not run from top to bottom in one go: {counts}"
    for i, cell in cells:
        tagged = "raises-exception" in cell.metadata.get("tags", [])
        raised = [o.ename for o in cell.outputs if o.output_type == "error"]
        if tagged != bool(raised):
            yield f"cell {i}: raised {raised}, {'' if tagged else 'not '}tagged raises-exception"


PATHS = re.compile(
    r"(?<![\w.])(?:~|/(?:tmp|root|home|work|opt|usr|var|mnt|Users|private))/[\w./-]+"
    r"|[A-Z]:\\\w+|ipykernel_\d+|\S*site-packages\S*"
)


def is_quiet(notebook, path):
    for i, cell in code_cells(notebook):
        for output in cell.outputs:
            text = shown(output) + output.get("data", {}).get("text/html", "")
            if output.get("name") == "stderr":
                yield f"cell {i}: stderr: {text[:80]!r}"
            if re.search(r"Warning\b", text):
                yield f"cell {i}: a warning: {text[:80]!r}"
            for hit in PATHS.findall(text):
                yield f"cell {i}: names a place on the author's machine: {hit}"


# Decimal numbers: "2.5x" and a closing "0.49." are some, the version 1.9.1 and the label L1.1 none.
SAID = re.compile(r"(?<![\w.])(\d*\.\d+(?:e[+-]?\d+)?)(?!\.?\d)(\s?\\?%)?")
PRINTED = re.compile(r"(?<![\w.])(?:\d+\.\d*|\.\d+|\d+(?=e[+-]?\d))(?:e[+-]?\d+)?")
VERSION = re.compile(r"(?i)\b(?:python|pytorch|scikit-learn|version) [1-9]\.\d+")


def settings(cell):
    """The decimal numbers in a cell of code, without those in its comments and strings."""
    source = re.sub(r"(?m)^\s*[%!].*", "", cell.source)
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    numbers = (t.string for t in tokens if t.type == tokenize.NUMBER)
    return {Decimal(n) for n in numbers if PRINTED.fullmatch(n)}


def rounds_to(computed, said):
    """Whether a computed number, rounded to as many digits as were said, is what was said."""
    return abs(computed - said) <= Decimal(5).scaleb(said.as_tuple().exponent - 1)


def says_what_it_computed(notebook, path):
    """Each decimal number in prose, spans of code included, was shown by an output.

    The output may have more digits, and a percentage may be shown as a fraction. A number that
    code sets, such as a learning rate, may be named as well, but not rounded. Signs are not
    compared ("a drop of 0.45" is shown as -0.45).
    """
    chosen, computed = set(), set()
    for _, cell in code_cells(notebook):
        chosen |= settings(cell)
        for output in cell.outputs:
            computed |= {Decimal(n) for n in PRINTED.findall(shown(output))}
    for number, percent in sorted(set(SAID.findall(VERSION.sub("", prose(notebook))))):
        said = Decimal(number)
        known = computed | {c * 100 for c in computed if percent}
        if said not in chosen and not any(rounds_to(c, said) for c in known):
            yield f"prose says {number}, no output does"


LINK = re.compile(r"\]\(([^)\s]+)[^)]*\)|(?:href|src)=\"([^\"]+)\"")


def links_resolve(notebook, path):
    for cell in notebook.cells:
        for target in filter(None, sum(LINK.findall(cell.source), ())):
            if cell.cell_type != "markdown" or re.match(r"\w+:", target):
                continue
            name, _, heading = target.partition("#")
            there = path.parent / name if name else path
            if not there.exists():
                yield f"links to {target}, which does not exist"
            elif heading and heading not in headings(there):
                yield f"links to {target}, a heading that does not exist"


def headings(path):
    """The anchors that Jupyter gives to the headings of a notebook, or of a page of markdown."""
    is_page = path.suffix == ".md"
    text = path.read_text() if is_page else prose(nbformat.read(path, as_version=4))
    found = re.findall(r"(?m)^#+ +(.*?) *$", text)
    return {heading.replace(" ", "-") for heading in found}


def pictures_are_described_and_small(notebook, path):
    for i, output in pictures(notebook):
        if not output.metadata.get("image/png", {}).get("alt"):
            yield f"cell {i}: a picture without alternative text"
        kilobytes = len(base64.b64decode(output.data["image/png"])) / 1000
        if kilobytes > 60:
            yield f"cell {i}: a picture of {kilobytes:.0f} kB"


def is_short(notebook, path):
    lines = [lines_of_code(cell) for _, cell in code_cells(notebook)]
    read = [lines_of_code(cell) for _, cell in code_cells(notebook) if not draws(cell)]
    words = len(prose(notebook).split())
    kinds = "".join(cell.cell_type[0] for cell in notebook.cells)
    if statistics.median(lines) > 6:
        yield f"half of the code cells have more than {statistics.median(lines)} lines"
    long = [lines_of_code(c) for _, c in code_cells(notebook) if not is_one_class(c)]
    if max(long, default=0) > 20 or max(lines) > 32:
        yield f"a code cell of {max(lines)} lines"
    if "ccc" in kinds:
        yield f"three code cells in a row, from cell {kinds.index('ccc') + 1}"
    if path.name < "05" and words < 15 * sum(read):
        yield f"{words / sum(read):.1f} words of prose a line of code that draws nothing"


def not_normalised(paths, folder):
    """Return the names of those that `make refresh` would change."""
    copies = [Path(shutil.copy(path, folder)) for path in paths]
    refresh.normalise(*copies)
    pairs = zip(paths, copies, strict=True)
    return [path.name for path, copy in pairs if copy.read_bytes() != path.read_bytes()]


# On the lessons ---------------------------------------------------------------------------------

CHECKS = [
    was_run,
    is_quiet,
    says_what_it_computed,
    links_resolve,
    pictures_are_described_and_small,
    is_short,
]


def test_lessons_are_numbered_without_a_gap():
    numbers = [re.match(r"(\d\d)([bc]?)_", path.name).groups() for path in LESSONS]
    lessons = [number for number, companion in numbers if not companion]
    assert lessons == [f"{i:02}" for i in range(1, len(lessons) + 1)]
    assert {number for number, companion in numbers if companion} <= set(lessons)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_lesson(path, check):
    assert list(check(nbformat.read(path, as_version=4), path)) == []


def test_lessons_are_normalised(tmp_path):
    assert not_normalised(LESSONS, tmp_path) == []


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_lesson_names_the_language_that_its_kernel_speaks(path):
    """Else `make refresh` would change it, which is not an output that nbval compares."""
    spoken = {k: v for k, v in IPythonKernel.language_info.items() if k != "version"}
    assert nbformat.read(path, as_version=4).metadata.language_info == spoken


def run_again(path):
    done = subprocess.run([*REFRESH, str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return int(re.search(r"(\d+) MB", done.stdout)[1])


# The checks are checked -------------------------------------------------------------------------


def picture(side=4):
    buffer = io.BytesIO()
    grey = np.random.default_rng(0).random((side, side, 3))
    matplotlib.image.imsave(buffer, grey)
    return base64.b64encode(buffer.getvalue()).decode()


def good_notebook():
    """A notebook without a fault: prose, a result, prose, a picture."""
    result = new_output("execute_result", {"text/plain": "0.4912"}, execution_count=1)
    alt = {"image/png": {"alt": "A curve that ends at 0.7345."}}
    figure = new_output("display_data", {"image/png": picture()}, metadata=alt)
    words = "With lr 0.25 chance is 0.491, or 49.1 %. The [end](02_next.ipynb) is at 0.73. " * 4
    return new_notebook(
        cells=[
            new_markdown_cell(f"# A question\n\n{words}"),
            new_code_cell("lr = 0.25\nf(lr)", execution_count=1, outputs=[result]),
            new_markdown_cell("See [the top](#A-question), in Python 3.11."),
            new_code_cell("plot()", execution_count=2, outputs=[figure]),
        ]
    )


@pytest.fixture
def path(tmp_path):
    """Where a toy notebook lies, with a neighbour to link to."""
    nbformat.write(new_notebook(), tmp_path / "02_next.ipynb")
    nbformat.write(good_notebook(), tmp_path / "01_toy.ipynb")
    return tmp_path / "01_toy.ipynb"


def add_output(notebook, *args, **kwargs):
    notebook.cells[1].outputs.append(new_output(*args, **kwargs))


def add_prose(notebook, text):
    notebook.cells[0].source += text


def add_code(notebook, count, source="f()", prose=""):
    for _ in range(count):
        notebook.cells += [new_code_cell(source), new_markdown_cell(prose)]


ERROR = {"ename": "ValueError", "evalue": "no", "traceback": ["ValueError: no"]}

BREAK = {
    "never run": (was_run, lambda n: n.cells[3].update(execution_count=None)),
    "run out of order": (was_run, lambda n: n.cells[1].update(execution_count=3)),
    "an error": (was_run, lambda n: add_output(n, "error", **ERROR)),
    "no error, though tagged": (
        was_run,
        lambda n: n.cells[1].metadata.update(tags=["raises-exception"]),
    ),
    "stderr": (is_quiet, lambda n: add_output(n, "stream", name="stderr", text="hm")),
    "a warning": (is_quiet, lambda n: add_output(n, "stream", text="UserWarning: hm")),
    "a path": (is_quiet, lambda n: add_output(n, "stream", text="saved to /tmp/model.pt")),
    "a path at home": (is_quiet, lambda n: add_output(n, "stream", text="File ~/course/x.py:3")),
    "an unknown number": (says_what_it_computed, lambda n: add_prose(n, "It is 0.48.")),
    "wrongly rounded": (says_what_it_computed, lambda n: add_prose(n, "It is 0.4.")),
    "more digits": (says_what_it_computed, lambda n: add_prose(n, "It is 0.49123.")),
    "in a span": (says_what_it_computed, lambda n: add_prose(n, "It is `0.48`.")),
    "in the text of a link": (
        says_what_it_computed,
        lambda n: add_prose(n, "[0.48](02_next.ipynb)"),
    ),
    "a factor": (says_what_it_computed, lambda n: add_prose(n, "It is 2.5x faster.")),
    "in a comment only": (
        says_what_it_computed,
        lambda n: (add_prose(n, "0.9"), add_code(n, 1, "f()  # 0.9")),
    ),
    "a fraction of a percentage": (says_what_it_computed, lambda n: add_prose(n, "It is 49.1.")),
    "a setting, rounded": (says_what_it_computed, lambda n: add_prose(n, "It is 0.3.")),
    "no such file": (links_resolve, lambda n: add_prose(n, "[next](03_none.ipynb)")),
    "no such heading": (links_resolve, lambda n: add_prose(n, "[top](#Nowhere)")),
    "no such image": (links_resolve, lambda n: add_prose(n, '<img src="none.png">')),
    "no alternative text": (
        pictures_are_described_and_small,
        lambda n: n.cells[3].outputs[0].metadata.clear(),
    ),
    "a large picture": (
        pictures_are_described_and_small,
        lambda n: n.cells[3].outputs[0].data.update({"image/png": picture(side=200)}),
    ),
    "long cells": (is_short, lambda n: add_code(n, 3, "f()\n" * 7, prose="word " * 105)),
    "a long cell": (is_short, lambda n: add_code(n, 1, "f()\n" * 21, prose="word " * 315)),
    "a long class": (
        is_short,
        lambda n: add_code(n, 1, "class A:\n" + "    f()\n" * 32, prose="word " * 500),
    ),
    "code upon code": (is_short, lambda n: n.cells.extend([new_code_cell("# a thought")] * 2)),
    "little prose": (is_short, lambda n: add_code(n, 1, "f()\n" * 6)),
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_check_passes_a_good_notebook(check, path):
    assert list(check(good_notebook(), path)) == []


@pytest.mark.parametrize("check, break_it", BREAK.values(), ids=BREAK)
def test_check_finds_the_fault(check, break_it, path):
    notebook = good_notebook()
    break_it(notebook)
    assert len(list(check(notebook, path))) == 1


def test_check_finds_what_is_not_normalised(path, tmp_path_factory):
    refresh.normalise(path)
    assert not_normalised([path], tmp_path_factory.mktemp("good")) == []
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].metadata["execution"] = {"shell.execute_reply": "2026-11-01T10:00:00Z"}
    nbformat.write(notebook, path)
    fine = path.with_name("02_next.ipynb")
    assert not_normalised([fine, path], tmp_path_factory.mktemp("bad")) == [path.name]


def test_running_again_finds_a_changing_output_and_measures_memory(path, tmp_path):
    show = "display({'text/plain': ''}, metadata={'image/png': {'alt': 'A line.'}}, raw=True)"
    sources = ["block = bytearray(300_000_000)", "1 / 0", show, "import time\ntime.time()"]
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
    notebook.cells[1].metadata["tags"] = ["raises-exception"]
    nbformat.write(notebook, path)
    assert 300 < run_again(path) < 500
    copy = Path(shutil.copy(path, tmp_path / "copy.ipynb"))
    refresh.refresh(copy)
    assert copy.read_bytes() != path.read_bytes()
    notebook = nbformat.read(path, as_version=4)
    assert notebook.cells[1].metadata.tags == ["raises-exception"]
    assert notebook.cells[2].outputs[0].metadata["image/png"].alt == "A line."


def test_two_prints_are_one_output_whatever_the_clock(path):
    source = "import time\nprint(1, flush=True)\ntime.sleep(0.5)\nprint(2, flush=True)"
    nbformat.write(new_notebook(cells=[new_code_cell(source)]), path)
    refresh.refresh(path)
    (output,) = nbformat.read(path, as_version=4).cells[0].outputs
    assert output.text == "1\n2\n"
