"""What students write and show can be looked at: it runs nothing and hides nothing."""

import os
import re
import shutil
import sys
import time

import nbformat
import pandas
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from nbgrader.api import Gradebook
from sklearn.linear_model import LogisticRegression

from tests import classroom
from tests.browser.test_jupyterlab import HANGS, TOKEN, browser, wait_for  # noqa: F401 - `browser` is a fixture
from tests.classroom import answered, cell, right, write
from tests.processes import free_port, running

# isort: split
from grading import clean, feedback, gradebook

pytestmark = pytest.mark.timeout(classroom.HANG)

# It says that it ran, and writes a file as whoever has opened the page.
WRITES = (
    "(top.ran = top.ran || []).push(NUMBER); "
    "fetch('/api/contents/owned-NUMBER.txt', {method: 'PUT', headers: "
    "{'X-XSRFToken': (document.cookie.match(/_xsrf=([^;]+)/) || [])[1]}, "
    "body: JSON.stringify({type: 'file', format: 'text', content: 'x'})})"
)
OVER = "position: fixed; top: 0; left: 0; width: 9999px; height: 9999px; z-index: 9"
ATTEMPTS = [
    "<script>RUN</script>",
    '<img src=none onerror="RUN">',
    '<svg onload="RUN"></svg>',
    "<svg><script>RUN</script></svg>",
    '<iframe srcdoc="<script>RUN</script>"></iframe>',
    '<details open ontoggle="RUN"><summary>x</summary>y</details>',
    '<a href="javascript:RUN">click me</a>',
    '<a href="files/javascript:RUN">click me</a>',
    '<a href="java&#10;script:RUN">click me</a>',
    '<form action="javascript:RUN"><button>click me</button></form>',
    '<input autofocus onfocus="RUN">',
    "<scr<style></style>ipt>RUN</script>",
    '<noscript><p title="</noscript><script>RUN</script>">',
    """<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img onerror='RUN'">""",
    f'<div style="{OVER}">over</div>',
    '<div class="navbar-fixed-top" id="statusmessage">over</div>',
    '<base href="https://example.org/"><meta http-equiv="refresh" content="0; url=/logout">',
    '<img src="/logout"><link rel=stylesheet href="/logout"><video src=/logout></video>',
]
MARKDOWN = [
    *ATTEMPTS,
    "[click me](javascript:RUN)",
    "[click me](<javascript:RUN>)",
    "`x<script>RUN</script>",
    '![x](none"onerror="RUN)',
    "$\\href{javascript:RUN}{click me}$",
    "```html\n<b>\n```\n<script>RUN</script>",
]
KINDS = [
    "text/html",
    "image/svg+xml",
    "text/markdown",
    "text/latex",
    "application/javascript",
    "application/vnd.jupyter.widget-view+json",
    "image/png",
    "image/jpeg",
    "text/plain",
]
HARMLESS = """**bold** and *slanted*, `a < b`, $a < b$, 1 < 2 & 3 > 2

> quoted

| left | right |
|------|-------|
| one  | two   |

- [x] done

![a dot](data:image/png;base64,DOT)

[elsewhere](https://example.org/) ```code```
"""
DOT = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "YPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
FIGURE = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\n"


def numbered(attempts):
    """Return the attempts with the script in each; a number says which has run."""
    for number, attempt in enumerate(attempts):
        yield attempt.replace("RUN", WRITES.replace("NUMBER", str(number)))


FORGED = """
bad, kernel = "<script>top.ran = [9]</script>", get_ipython().kernel
result = {"data": {"image/png": '">' + bad}, "metadata": {"image/png": {"width": bad}}}
for kind, content in [
    ("stream", {"name": bad, "text": bad}),
    ("execute_result", result | {"execution_count": bad}),
    ("error", {"ename": bad, "evalue": bad, "traceback": [bad]}),
]:
    kernel.session.send(kernel.iopub_socket, kind, content, parent=kernel.get_parent())
"""


def shows():
    """Return an answer that shows each attempt in each kind of output."""
    bundles = [{kind: attempt} for kind in KINDS for attempt in numbered(ATTEMPTS)]
    bundles += [{"text/html": "<script>top.ran = 1</script>", "text/plain": "in its place"}]
    return (
        f"def double(x):\n    return 2 * x\n{FIGURE}from IPython.display import display\n"
        f"for one in {bundles!r}:\n    display(one, raw=True)\n{FORGED}"
    )


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course in which somebody has handed in all that should not run."""
    course = tmp_path_factory.mktemp("cleaning") / "course"
    write(course / "source" / "double" / "double.ipynb", classroom.small_source())
    shutil.copy(classroom.ASSIGNMENTS / "nbgrader_config.py", course)
    assert gradebook.release(course, "double")["success"]
    release = nbformat.read(course / "release" / "double" / "double.ipynb", as_version=4)
    texts = {"bad": "\n\n".join(numbered(MARKDOWN)), "good": HARMLESS.replace("DOT", DOT)}
    for name, why in texts.items():
        answer = shows() if name == "bad" else "def double(x):\n    return 2 * x\n" + FIGURE
        notebook = answered(right(release), why=why, double=answer)
        notebook.cells.append(new_markdown_cell(why))
        write(course.parent / "in" / f"{name}.ipynb", notebook)
    classroom.already_tried(course, "double")
    done = classroom.grade_here(course.parent / "in", "double", course, "--seconds", "30")
    assert done.returncode == 0, done.stdout + done.stderr
    return course


@pytest.fixture(scope="module")
def server(course):
    """The address of the server that `make formgrader` starts, for this course."""
    port = free_port()
    line = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"),
        *(f"--port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}"),
        *(f"--ServerApp.root_dir={course}", "--LabApp.default_url=/formgrader"),
    ]
    home = course.parent / "home"
    places = {name: str(home / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "HOME")}
    environment = classroom.environment() | places
    environment["PYTHONPATH"] += os.pathsep + str(classroom.ASSIGNMENTS)
    address = f"http://127.0.0.1:{port}"
    with open(course.parent / "log", "w") as log:
        with running(line, cwd=course, env=environment, stdout=log, stderr=log) as process:
            wait_for(f"{address}/api/status?token={TOKEN}", process, course.parent / "log")
            yield address


@pytest.fixture(scope="module")
def page(server, browser):  # noqa: F811
    """A window of the browser, logged in."""
    page = browser.new_page()
    page.set_default_timeout(HANGS * 1000)
    page.goto(f"{server}/formgrader?token={TOKEN}")
    yield page
    page.close()


def in_formgrader(page, server, course, student):
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        submission = gradebook.find_submission_notebook("double", "double", student).id
    page.goto(f"{server}/formgrader/submissions/{submission}/?index=0")
    page.wait_for_selector("input.score")


def as_feedback(page, server, course, student):
    page.goto((course / "feedback" / student / "double" / "double.html").as_uri())


# What a page has begun comes before what is begun after it: a picture that fails, twice drawn.
SETTLED = """async () => {
    await new Promise(failed => {
        const picture = new Image();
        picture.onerror = failed;
        picture.src = "none-" + Date.now();
    });
    for (const _ of [1, 2]) await new Promise(requestAnimationFrame);
}"""


def ran(page):
    """Do what a curious teacher does, and return what has run."""
    for each in page.get_by_text("click me").all():
        if each.evaluate("node => ['A', 'BUTTON'].includes(node.tagName)"):
            each.click(no_wait_after=True)
    page.evaluate(SETTLED)
    return page.evaluate("() => top.ran")


VIEWS = pytest.mark.parametrize("view", [in_formgrader, as_feedback])


@VIEWS
def test_nothing_runs_on_a_page_that_a_teacher_opens(view, page, server, course):
    view(page, server, course, "bad")
    address = page.url
    assert ran(page) is None
    assert page.url.split("#")[0] == address
    assert page.get_by_text("in its place").count()
    if view is in_formgrader:  # from here a script could write
        assert page.evaluate(f"async () => (await {WRITES.split('; ')[1]}).status") == 201
        written = sorted(path.name for path in course.glob("owned*"))
        assert written == ["owned-NUMBER.txt"]
        (course / "owned-NUMBER.txt").unlink()


@VIEWS
def test_what_is_harmless_still_shows(view, page, server, course):
    view(page, server, course, "good")
    answer = page.locator(".text_cell_render").last
    text = answer.inner_text()
    assert "1 < 2 & 3 > 2" in text and "\N{BALLOT BOX WITH CHECK}" in text
    assert answer.locator("strong").inner_text() == "bold"
    assert answer.locator("code").first.inner_text() == "a < b"
    assert answer.locator("td").all_inner_texts() == ["one", "two"]
    assert answer.locator("blockquote").inner_text().strip() == "quoted"
    link = answer.get_by_role("link", name="elsewhere")
    assert link.get_attribute("href") == "https://example.org/"
    widths = page.locator("img").evaluate_all("all => all.map(image => image.naturalWidth)")
    assert len(widths) >= 3 and all(widths)  # two dots and a figure
    assert all(page.locator("img").evaluate_all("all => all.map(image => image.alt)"))


def test_the_graded_notebook_itself_is_clean(course):
    path = course / "autograded" / "bad" / "double" / "double.ipynb"
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    outputs = cell(notebook, "double").outputs
    kinds = {kind for output in outputs for kind in output.get("data", {})}
    assert kinds <= {"text/html", "text/plain", "text/latex", "image/png"}
    pages = "".join(output.data.get("text/html", "") for output in outputs if "data" in output)
    assert not re.search(r"<(script|svg|iframe|form|input|style)|<[^>]* (on\w+|id)=", pages)
    assert "widgets" not in notebook.metadata


def test_cleaning_twice_changes_nothing():
    table = pandas.DataFrame({"a": [1, 2]})
    outputs = [
        new_output("display_data", {"text/html": table._repr_html_(), "text/plain": "a\n1"}),
        new_output("display_data", {"image/svg+xml": "<svg onload='x'/>", "text/plain": "svg"}),
        new_output("stream", text="\x1b[31mred\x1b[0m < " * 40_000),
        new_output("error", ename="E", evalue="v" * 100_000, traceback=["t" * 100_000]),
    ]
    cells = [new_code_cell(str(number), outputs=[each]) for number, each in enumerate(outputs)]
    notebook = new_notebook(cells=cells)
    once, _ = clean.Outputs().preprocess(notebook, {})
    before = nbformat.writes(once)
    again, _ = clean.Page().preprocess(once, {})
    assert nbformat.writes(again) == before and len(before) < 500_000
    assert "<td>1</td>" in before and "data:image/svg+xml" in before
    assert before.count("were cut or left out") == 2


def test_a_picture_pasted_into_a_text_is_shown_if_it_is_small():
    answer = new_markdown_cell("![image.png](attachment:image.png)")
    answer.attachments = {"image.png": {"image/png": DOT}}
    assert f"data:image/png;base64,{DOT}" in clean.markdown2html({"cell": answer}, answer.source)
    answer.attachments["image.png"]["image/png"] = "A" * 800_000
    notebook, _ = clean.Page().preprocess(new_notebook(cells=[answer]), {})
    assert "pictures of 0.8 MB: too large" in notebook.cells[0].source
    assert "attachments" not in notebook.cells[0]


def test_what_a_cell_takes_on_a_page_is_not_underrated():
    for text in (
        *("a<b&c" * 100, "x = [1, 'two', f'{x}']\n" * 50, "# a\n" * 100, "word " * 100),
        "\N{GRINNING FACE}" * 100,
    ):
        for each in (new_code_cell(text), new_markdown_cell(text)):
            assert clean.rendered(each) <= clean.rendered_at_most(each), each


SMILE = "\N{GRINNING FACE}"  # four bytes
SAID = [new_output("stream", text="&" * 200)]
LARGE = [new_output("display_data", {"text/html": SMILE * 170_000})]


@pytest.mark.parametrize(
    "cells",
    [
        [new_markdown_cell(SMILE * 490_000)],
        [new_code_cell("x = [1]", outputs=out) for out in [LARGE, LARGE] + [SAID] * 1998],
    ],
    ids=["four bytes a character", "as many cells as are read"],
)
def test_no_page_is_larger_than_2_mb_whatever_its_cells_are(cells):
    settings = feedback.generator(config=gradebook.config(classroom.ASSIGNMENTS)).config
    told = {"assignment": "a", "student": "s", "first_name": "", "last_name": "", "notebook": "n"}
    told |= {"score": 0, "max_score": 0, "late_penalty": 0, "total": 0, "timestamp": ""}
    notebook = new_notebook(cells=cells)
    resources = {"metadata": {"name": "n"}, "nbgrader": told}
    page, _ = feedback.Feedback(config=settings).from_notebook_node(notebook, resources)
    assert 150_000 < len(page.encode()) < 2_000_000


def test_what_needs_a_script_is_shown_as_text():
    model = LogisticRegression()
    data = {"text/html": model._repr_html_(), "text/plain": repr(model)}
    assert clean.harmless_data(data) == {"text/plain": "LogisticRegression()"}


def test_deep_or_broken_text_is_escaped_soon():
    for text in ["<b>" * 19_000, "<div>" * 19_000 + "</div>" * 19_000, "<table><tr><td>" * 9000]:
        start = time.process_time()
        assert clean.clean(text).startswith("<pre>&lt;")
        assert time.process_time() - start < HANGS
