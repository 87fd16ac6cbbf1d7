"""What only a browser can show: lessons drawn by JupyterLab, sliders, buttons, links.

Each lesson is opened as a learner opens it: no error, and every stored picture is drawn. That its
cells compute what is stored is for nbval, which `make test` runs beside this. What is stored
nowhere is what a slider shows, so the lessons with widgets of their own are run here as well, up to
the last of them.
"""

import json
import os
import shutil
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tests.processes import free_port, running

FOLDER = Path(__file__).parents[2] / "notebooks"
LESSONS = sorted(path.name for path in FOLDER.glob("*.ipynb"))
WITH_WIDGETS = [name for name in LESSONS if "ipywidgets" in (FOLDER / name).read_text()]
BROWSERS = ["chromium", "chromium-browser", "google-chrome"]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TOKEN = "lesson"
POLLING = 250  # milliseconds from look to look at what runs long; else each frame drawn is one
HANGS = 1200  # seconds for one event to come: no busy machine needs them, only a hang

# What a learner sees of the lesson that is open: whether the kernel is idle and, for each cell of
# code that is not blank, its count, whether it may raise, and what is shown in red (errors, those
# of a slider's function included, and warnings).
LESSON = """() => {
    const panel = window.jupyterapp.shell.currentWidget;
    const cells = panel.content.widgets.filter(
        cell => cell.model.type === "code" && cell.model.sharedModel.getSource().trim());
    return {
        idle: panel.sessionContext.session?.kernel?.status === "idle",
        cells: cells.map(cell => ({
            count: cell.model.executionCount,
            waiting: cell.node.querySelector(".jp-InputPrompt").innerText.includes("*"),
            mayRaise: (cell.model.getMetadata("tags") ?? []).includes("raises-exception"),
            red: [...cell.node.querySelectorAll("[data-mime-type*=err]")]
                .map(node => node.innerText),
        })),
    };
}"""
# Asked for each frame that is drawn, so it looks at no cell.
READY = """() => window.jupyterapp?.shell?.currentWidget
    ?.sessionContext?.session?.kernel?.status === "idle"
"""
AT = "path => window.jupyterapp.shell.currentWidget?.context?.path === path"
OPEN = "async path => { await window.jupyterapp.commands.execute('docmanager:open', { path }); }"
CLOSE = """async () => {
    const main = [...window.jupyterapp.shell.widgets("main")];
    main.forEach(widget => widget.dispose());  // not close(), which asks whether to save
    await window.jupyterapp.serviceManager.sessions.shutdownAll();
}"""
DONE = f"""() => {{
    const lesson = ({LESSON})();
    const broken = cell => cell.red.length && !cell.mayRaise;
    return lesson.idle && !lesson.cells.some(cell => cell.waiting)
        && (lesson.cells.every(cell => cell.count) || lesson.cells.some(broken));
}}"""
# What the outputs around a slider show, the slider's own label left out.
SHOWN = """slider => [...slider.closest(".jp-OutputArea").querySelectorAll("img, pre")]
    .map(node => node.src ?? node.textContent).join()"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A copy of the lessons, which JupyterLab may change."""
    return shutil.copytree(FOLDER, tmp_path_factory.mktemp("lab") / "notebooks")


@pytest.fixture(scope="module")
def server(folder):
    """The address of a JupyterLab that knows nothing of the user's settings."""
    home = folder.parent
    settings = {
        # All cells are drawn, not only those on the screen.
        "notebook-extension/tracker": {"windowingMode": "none"},
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    }
    for name, value in settings.items():
        file = home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(value))
    places = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    port = free_port()
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"),
        *(f"--port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}"),
        *(f"--ServerApp.root_dir={folder}", "--LabApp.expose_app_in_browser=True"),
    ]
    address = f"http://127.0.0.1:{port}"
    environment = os.environ | {name: str(home / place) for name, place in places.items()}
    with open(home / "log", "w") as log:
        with running(command, env=environment, stdout=log, stderr=log) as lab:
            wait_for(f"{address}/api/status?token={TOKEN}", lab, home / "log")
            yield address


def wait_for(url, process, log):
    deadline = time.monotonic() + HANGS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            return urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()}")


@pytest.fixture(scope="module")
def browser():
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser is installed: none of {', '.join(BROWSERS)}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=found, args=FLAGS, timeout=HANGS * 1000)


@pytest.fixture(scope="module")
def lab(server, browser):
    """JupyterLab in a window of the browser."""
    page = browser.new_page()
    page.set_default_timeout(HANGS * 1000)
    page.goto(f"{server}/lab?token={TOKEN}&reset")
    page.wait_for_function("() => window.jupyterapp?.shell")
    page.evaluate("async () => { await window.jupyterapp.restored; }")
    return page


@pytest.fixture
def page(lab):
    """The same, and in the end nothing open and no kernel left to take memory from the next."""
    yield lab
    lab.evaluate(CLOSE)


@pytest.mark.parametrize("name", LESSONS)
def test_lesson_is_drawn_in_jupyterlab(name, page):
    open_notebook(page, name)
    look_at_what_is_stored(page, FOLDER / name)


def open_notebook(page, name):
    page.evaluate(OPEN, name)
    page.wait_for_function(AT, arg=name)
    page.wait_for_function(READY)


def look_at_what_is_stored(page, path):
    assert red(page) == []
    assert len(drawn_pictures(page)) == stored_pictures(path)


@pytest.mark.parametrize("name", WITH_WIDGETS)
def test_lesson_with_widgets_runs_and_its_sliders_move(name, folder, page):
    up_to_the_sliders = folder / f"sliders_of_{name}"
    notebook = nbformat.read(FOLDER / name, as_version=4)
    last = max(i for i, cell in enumerate(notebook.cells) if "ipywidgets" in cell.source)
    notebook.cells = notebook.cells[: last + 1]
    nbformat.write(notebook, up_to_the_sliders)
    run_all_cells(page, up_to_the_sliders.name)
    assert len(drawn_pictures(page)) >= stored_pictures(up_to_the_sliders)
    assert page.locator(".jp-NotebookPanel:visible .widget-slider").count()
    move_sliders(page)


def run_all_cells(page, name):
    open_notebook(page, name)
    press_run_all(page)
    assert red(page) == []


def press_run_all(page):
    # The stored outputs go first, so that what is looked at below was made here.
    menu(page, "Edit", "Clear Outputs of All Cells")
    menu(page, "Run", "Run All Cells")
    page.wait_for_function(DONE, polling=POLLING)


# A solution other than the one that unfolds.
SPLIT = """from sklearn.model_selection import StratifiedShuffleSplit

def split(X, y, seed):
    shuffled = StratifiedShuffleSplit(n_splits=1, test_size=0.2, random_state=seed)
    train, test = next(shuffled.split(X, y))
    return X[train], X[test], y[train], y[test]"""


def test_a_visitor_goes_from_the_lesson_to_the_next_and_solves_a_question(page):
    open_notebook(page, "01_split.ipynb")
    follow(page, "What must a network promise", "02_estimator.ipynb")
    page.get_by_role("tab", name="01_split.ipynb").click()
    page.wait_for_function(AT, arg="01_split.ipynb")
    follow(page, "Split, scale, train", "assignments/selfstudy/01_split/01_split.ipynb")
    page.wait_for_function(READY)
    press_run_all(page)  # it ends at the first check that fails
    unsolved, said = the_one_that_fails(page)
    assert "Replace this line with your answer." in said
    notebook = page.locator(".jp-NotebookPanel:visible")
    notebook.locator(".cm-content", has_text="def split(").first.click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(SPLIT)
    press_run_all(page)
    next_unsolved, said = the_one_that_fails(page)
    assert next_unsolved > unsolved + 2, "the three checks of the first question have turned"
    assert "Replace this line with your answer." in said
    solution = notebook.locator("details", has_text="def split(").first
    assert not solution.locator("pre").first.is_visible()
    solution.locator("summary").click()
    assert solution.locator("pre").first.is_visible()


def follow(page, link, path):
    page.locator(".jp-NotebookPanel:visible").get_by_role("link", name=link).last.click()
    page.wait_for_function(AT, arg=path)


def the_one_that_fails(page):
    """Return the number and the error of the one cell of code that shows something in red."""
    cells = enumerate(page.evaluate(LESSON)["cells"])
    failing = [(number, "\n".join(cell["red"])) for number, cell in cells if cell["red"]]
    assert len(failing) == 1, failing
    return failing[0]


def menu(page, name, item):
    page.get_by_role("menuitem", name=name, exact=True).click()
    page.get_by_role("menuitem", name=item, exact=True).click()


def red(page):
    cells = page.evaluate(LESSON)["cells"]
    return [text for cell in cells if not cell["mayRaise"] for text in cell["red"]]


def drawn_pictures(page):
    page.wait_for_function("() => [...document.images].every(image => image.complete)")
    images = page.locator(".jp-NotebookPanel:visible .jp-OutputArea-output img")
    drawn = images.evaluate_all("all => all.map(image => image.complete && image.naturalWidth)")
    assert all(drawn), f"width of each picture drawn: {drawn}"
    return drawn


def stored_pictures(path):
    cells = nbformat.read(path, as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return sum("image/png" in output.get("data", {}) for output in outputs)


def move_sliders(page):
    """One step to the right each: what is shown beside the slider changes, and nothing in red."""
    for slider in page.locator(".jp-NotebookPanel:visible .widget-slider").all():
        before = slider.evaluate(SHOWN)
        slider.locator(".noUi-handle").press("ArrowRight")
        page.wait_for_function(
            f"([slider, before]) => ({SHOWN})(slider) !== before",
            arg=[slider.element_handle(), before],
        )
        page.wait_for_function(READY)
        assert red(page) == []


def write(path, *cells):
    notebook = new_notebook(cells=list(cells))
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, path)


def test_a_guess_is_seen_beside_the_result(folder, page):
    ask = "from helpers.predict import predict\npredict('a', 'b')"
    write(folder / "guess.ipynb", *map(new_code_cell, (ask, "1 + 1", "2 + 2")))
    open_notebook(page, "guess.ipynb")
    cells = page.locator(".jp-NotebookPanel:visible .jp-CodeCell")
    cells.first.click()
    page.keyboard.press("Shift+Enter")
    button = page.get_by_role("button", name="(b)", exact=True)
    button.click()
    # The click has put the selection back: the first cell is run again, and keeps the guess.
    for count in (2, 3, 4):
        page.keyboard.press("Shift+Enter")
        page.wait_for_function(f"() => ({LESSON})().cells.some(cell => cell.count === {count})")
    assert "Your guess was (b)." in cells.nth(1).inner_text()
    assert "guess" not in cells.nth(2).inner_text()
    assert "mod-active" in button.get_attribute("class") and button.is_disabled()


DIVIDES = "import ipywidgets\nipywidgets.interact(lambda n: print(1 / (3 - n)), n=(0, 4))"
BROKEN = {
    "an error": ("1 / 0", "ZeroDivisionError"),
    "a slider that fails when moved": (DIVIDES, "ZeroDivisionError"),
    "a picture": ("from IPython.display import HTML\nHTML('<img src=none.png>')", "drawn"),
}


@pytest.mark.parametrize("source, found", BROKEN.values(), ids=BROKEN)
def test_a_broken_lesson_is_found(source, found, folder, page):
    write(folder / "broken.ipynb", new_code_cell(source), new_code_cell("2"))
    with pytest.raises(AssertionError, match=found):
        run_all_cells(page, "broken.ipynb")
        drawn_pictures(page)
        move_sliders(page)


STORED = {
    "an error": (new_output("error", ename="E", evalue="no", traceback=["E: no"]), "E: no"),
    "a warning": (new_output("stream", name="stderr", text="hm"), "hm"),
    "a picture": (new_output("display_data", {"image/png": "bm9uZQ=="}), "drawn"),
}


@pytest.mark.parametrize("output, found", STORED.values(), ids=STORED)
def test_a_broken_output_is_found(output, found, folder, page):
    path = folder / "stored.ipynb"
    write(path, new_code_cell("1", execution_count=1, outputs=[output]))
    open_notebook(page, path.name)
    with pytest.raises(AssertionError, match=found):
        look_at_what_is_stored(page, path)
