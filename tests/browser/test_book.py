"""The site and the slides: built once, and every page opened as a reader opens it.

The browser reaches nothing but the server of this test, as on a train: what a page would fetch from
elsewhere is a fault. axe-core looks at each page in the light theme, and at its contrasts in the
dark one.
"""

import functools
import http.server
import importlib
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup, SoupStrainer
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from sphinx.errors import ConfigError

from tests.browser.test_jupyterlab import BROWSERS, FLAGS, HANGS

ROOT = Path(__file__).parents[2]
NOTEBOOKS, BOOK = ROOT / "notebooks", ROOT / "notebooks" / "book"
LESSONS = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
OTHERS = ["book/glossary", "book/helpers", "book/measured", "book/run"]
OTHERS += ["assignments/README", "field_guide", "questions"]
PAGES = [f"{name}.html" for name in ["index", *LESSONS, *OTHERS]]
# No other name is found. (To hold requests back one by one would empty the cache for each page.)
ONLY_HERE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
WIDE, NARROW = {"width": 1300, "height": 900}, {"width": 390, "height": 800}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site, as `make book` builds it."""
    folder = tmp_path_factory.mktemp("book")
    recipe = re.search(r"^book:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text("utf-8"), re.M)[1]
    options = re.search(r"-m sphinx (-\S+ --keep-going) .*\s+(-c notebooks/book)", recipe)
    command = [sys.executable, "-m", "sphinx", *" ".join(options.groups()).split()]
    done = subprocess.run(
        [*command, "-d", folder / "doctrees", NOTEBOOKS, folder / "html"],
        cwd=ROOT,
        env=environment(REPOSITORY="someone/fork"),
        capture_output=True,
        text=True,
        timeout=HANGS,
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


def environment(**more):
    return os.environ | {"PYTHONUTF8": "1"} | more


@pytest.fixture(scope="module")
def soup(site):
    """Return the parsed page of a name; each is parsed once, and of slides only the links."""

    @functools.cache
    def parsed(name):
        only = SoupStrainer("a") if name.startswith("slides/") else None
        return BeautifulSoup((site / name).read_text("utf-8"), "html.parser", parse_only=only)

    return parsed


@pytest.fixture(scope="module")
def address(site):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def end_headers(self):
            self.send_header("Cache-Control", "max-age=86400")  # else it asks, and hears of a 304
            super().end_headers()

    handler = functools.partial(Quiet, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(HANGS)


@pytest.fixture(scope="module")
def windows(address):
    """Open a page in the light or dark window; both note what went wrong in them."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser is installed: none of {', '.join(BROWSERS)}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=[*FLAGS, ONLY_HERE])
        made = {}
        for name, size in {"light": WIDE, "dark": NARROW}.items():
            page = browser.new_page(viewport=size, color_scheme=name)
            page.set_default_timeout(HANGS * 1000)
            page.faults = watch(page, address)
            made[name] = page
        yield made
        browser.close()


def watch(page, address):
    """Return the list to which errors go, and attempts to fetch anything from elsewhere."""
    faults, here = [], (address, "data:", "blob:")

    def only_here(request):
        if not request.url.startswith(here):
            faults.append(f"fetches {request.url}")

    page.on("request", only_here)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("response", lambda got: got.ok or faults.append(f"{got.status} for {got.url}"))
    return faults


def open_page(page, url):
    page.faults.clear()
    page.goto(url)
    page.wait_for_load_state("load")


# Pictures that are loaded and described, in the article or on the slides.
PICTURES = """() => [...document.querySelectorAll("article img, .slides img")].map(
    image => [image.src, image.alt, image.complete && image.naturalWidth > 0])"""
# What is wider than the window, and would make the page scroll to the side.
TOO_WIDE = """() => document.documentElement.scrollWidth - window.innerWidth"""
TABLES = """() => [...document.querySelectorAll("article table")].filter(table => {
    let place = table;
    while (place && getComputedStyle(place).overflowX === "visible") place = place.parentElement;
    return !place || place.getBoundingClientRect().right > window.innerWidth + 1;
}).map(table => table.innerText.slice(0, 60))"""


PLAIN_CODE = """() => document.querySelectorAll("div.highlight pre").forEach(
    node => { node.textContent = node.textContent; })"""


@pytest.mark.parametrize("name", PAGES)
def test_page_reads_well_in_a_wide_light_window(name, address, windows):
    page = windows["light"]
    open_page(page, f"{address}/{name}")
    look_at_pictures(page)
    assert page.evaluate(TOO_WIDE) <= 0
    assert serious(page, without_code=name != "04_fitted_model_reuse.html") == []
    assert page.faults == []


@pytest.mark.parametrize("name", PAGES)
def test_page_reads_well_in_a_narrow_dark_window(name, address, windows):
    page = windows["dark"]
    open_page(page, f"{address}/{name}")
    look_at_pictures(page)
    assert page.evaluate("() => document.documentElement.dataset.theme") == "dark"
    assert page.evaluate(TOO_WIDE) <= 0
    assert page.evaluate(TABLES) == []
    code = name != "04_fitted_model_reuse.html"
    assert serious(page, without_code=code, only=["color-contrast"]) == []
    assert page.faults == []


def look_at_pictures(page):
    # The theme lets pictures load when they are scrolled to.
    page.evaluate("() => document.querySelectorAll('img').forEach(i => { i.loading = 'eager'; })")
    page.wait_for_function("() => [...document.images].every(image => image.complete)")
    for address, description, loaded in page.evaluate(PICTURES):
        assert loaded, address
        assert len(description) > 20, address


def serious(page, without_code=True, only=None):
    """Return what axe-core finds serious or worse. The colours of code cost most of its time."""
    from axe_playwright_python.sync_playwright import Axe

    # Without `preload: false` it asks for style sheets anew, at addresses where they are not.
    options = {"resultTypes": ["violations"], "preload": False}
    if only:
        options["runOnly"] = only
    if without_code:  # as one text, for it has more elements than all the rest of a page
        page.evaluate(PLAIN_CODE)
    context = {"exclude": [["div.highlight"]]} if without_code else None
    found = Axe().run(page, context, options).response["violations"]
    return [
        (violation["id"], violation["nodes"][0]["html"])
        for violation in found
        if violation["impact"] in ("serious", "critical")
    ]


def test_a_picture_without_words_or_from_elsewhere_and_grey_on_grey_would_be_found(
    address, windows
):
    page = windows["light"]
    open_page(page, f"{address}/index.html")
    page.evaluate("""() => document.querySelector("article").innerHTML =
        '<img src="http://a.b/c.png"><p style="color: #999; background: #eee">pale</p>'""")
    assert {name for name, _ in serious(page)} >= {"image-alt", "color-contrast"}
    assert page.faults == ["fetches http://a.b/c.png"]


@pytest.mark.parametrize("name", ["index.html", "04_fitted_model_reuse.html"])
def test_the_first_tab_skips_to_the_text(name, address, windows):
    page = windows["light"]
    open_page(page, f"{address}/{name}")
    page.keyboard.press("Tab")
    assert "Skip to main content" in page.evaluate("() => document.activeElement.innerText")
    page.wait_for_function("() => document.activeElement.getBoundingClientRect().top >= 0")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    inside = "() => document.querySelector('main').contains(document.activeElement)"
    assert page.evaluate(inside)


def test_a_folded_answer_opens_by_keyboard(address, windows):
    page = windows["dark"]
    open_page(page, f"{address}/04_fitted_model_reuse.html")
    answer = page.locator("details", has_text="def known_before_training").last
    assert not answer.locator("pre").is_visible()
    answer.locator("summary").focus()
    page.keyboard.press("Enter")
    assert answer.locator("pre").is_visible()


@pytest.mark.parametrize("window", ["light", "dark"])
def test_search_finds_clone_in_lesson_04(window, address, windows):
    page = windows[window]
    open_page(page, f"{address}/index.html")
    if window == "dark":
        page.get_by_role("button", name="Search").first.click()
    else:
        page.keyboard.press("Control+K")
    page.wait_for_function("() => document.activeElement.matches('input[type=search]')")
    page.keyboard.insert_text("clone")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelectorAll('#search-results li').length > 3")
    found = page.locator("#search-results a[href*='04_fitted_model_reuse.html']").first
    found.wait_for()
    found.click()
    page.wait_for_url("**/04_fitted_model_reuse.html*")
    assert page.faults == []


def test_the_theme_can_be_switched_by_keyboard(address, windows):
    page = windows["light"]
    page.bring_to_front()  # a page behind another one may not answer keys
    open_page(page, f"{address}/index.html")
    button = page.locator(".bd-header-article .theme-switch-button")
    for mode in ("dark", "light", "auto"):
        button.focus()
        for _ in range(5):  # the first opens the list
            page.keyboard.press("ArrowDown")
            if page.evaluate("() => document.activeElement.dataset.mode") == mode:
                break
        page.keyboard.press("Enter")
        assert page.evaluate("() => document.documentElement.dataset.mode") == mode
        shown = page.evaluate("() => document.documentElement.dataset.theme")
        assert shown == ("dark" if mode == "dark" else "light")


# Without a browser -----------------------------------------------------------------------------


def test_every_link_leads_somewhere(site, soup):
    ids = functools.cache(lambda page: {tag["id"] for tag in soup(page).find_all(id=True)})
    lost = []
    for name in [*PAGES, *(f"slides/{lesson}.html" for lesson in LESSONS)]:
        for link in soup(name).find_all("a", href=True):
            target = urlsplit(link["href"])
            if target.scheme or (name.startswith("slides/") and not target.path):
                continue
            path = (site / name).parent / unquote(target.path) if target.path else site / name
            path = path.resolve()
            if not path.is_file():
                lost.append((name, link["href"]))
            elif target.fragment and path.suffix == ".html":
                if unquote(target.fragment) not in ids(path.relative_to(site).as_posix()):
                    lost.append((name, link["href"]))
    assert lost == []


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_page_is_the_lesson(name, site, soup):
    """Its pictures, answers and outputs are there, and what leads on from it."""
    notebook = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text("utf-8"))
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    described = [
        o["metadata"]["image/png"]["alt"] for o in outputs if "image/png" in o.get("data", {})
    ]
    article = soup(f"{name}.html").find("article")
    assert [image["alt"] for image in article.find_all("img")] == described
    prose = "".join("".join(cell["source"]) for cell in notebook["cells"])
    assert len(article.find_all("details")) == prose.count("<details>")
    assert len(article.select("div.cell_output")) == sum(
        bool(c.get("outputs")) for c in notebook["cells"]
    )
    doors = {link.text: link["href"] for link in article.select("nav.doors a")}
    path = f"notebooks/{name}.ipynb"
    assert doors == {
        "Binder": f"https://mybinder.org/v2/gh/someone/fork/HEAD?urlpath=lab/tree/{path}",
        "Colab": f"https://colab.research.google.com/github/someone/fork/blob/HEAD/{path}",
        "Slides": f"slides/{name}.html",
        "Notebook": f"_sources/{name}.ipynb",
    }
    assert (site / doors["Notebook"]).read_bytes() == (ROOT / path).read_bytes()
    place = LESSONS.index(name)
    if place:
        before = soup(f"{name}.html").select_one("a.left-prev")
        assert before["href"] == f"{LESSONS[place - 1]}.html"
    if place < len(LESSONS) - 1:
        after = soup(f"{name}.html").select_one("a.right-next")
        assert after["href"] == f"{LESSONS[place + 1]}.html"


def test_a_slider_is_replaced_by_words(soup):
    article = soup("04_fitted_model_reuse.html").find("article")
    said = article.find("em", string=re.compile("a slider stands here"))
    assert said or "a slider stands here" in article.text


def test_the_reference_names_every_public_name(soup):
    import helpers

    page = soup("book/helpers.html")
    assert [name for name in helpers.__all__ if not page.find(id=f"helpers.{name}")] == []


@pytest.fixture(scope="module")
def book_module():
    """Import a module of the site's configuration by its name."""
    sys.path.insert(0, str(BOOK))
    yield importlib.import_module
    sys.path.remove(str(BOOK))


def test_without_an_address_the_doors_lead_to_the_page_that_says_how(book_module, monkeypatch):
    conf = book_module("conf")
    monkeypatch.setattr(conf, "REPOSITORY", "")
    context = {"pathto": lambda name, resource=False: f"to/{name}", "body": "<h1>T</h1><p>x</p>"}
    conf.add_doors(None, "01_split", "page.html", context, None)
    body = BeautifulSoup(context["body"], "html.parser")
    doors = {link.text: link["href"] for link in body.select("nav.doors a")}
    assert doors["Binder"] == "to/book/run#binder"
    assert doors["Colab"] == "to/book/run#colab-and-kaggle"


def test_an_address_that_is_none_is_refused(book_module, monkeypatch):
    monkeypatch.setenv("REPOSITORY", "https://example.org/x")
    with pytest.raises(ConfigError, match="REPOSITORY must be OWNER/REPOSITORY"):
        runpy.run_path(str(BOOK / "conf.py"))


# Slides ----------------------------------------------------------------------------------------

# For each slide, how far it runs out of the frame, and by how much it was made smaller to fit.
FRAME = """() => [...Array(Reveal.getTotalSlides()).keys()].map(number => {
    Reveal.slide(number);
    const slide = Reveal.getCurrentSlide();
    const places = [...slide.querySelectorAll("p, li, pre, img, table, h1, h2")]
        .filter(node => !node.closest("aside")).map(node => node.getBoundingClientRect());
    const cut = [...slide.querySelectorAll("pre")].filter(
        node => node.scrollWidth > node.clientWidth + 2).length;
    return {
        right: Math.max(...places.map(place => place.right)),
        bottom: Math.max(...places.map(place => place.bottom)),
        share: Number(slide.dataset.share), cut: cut,
    };
})"""


@pytest.mark.parametrize("name", LESSONS)
def test_nothing_runs_out_of_a_slide(name, address, windows):
    page = windows["light"]
    page.set_viewport_size({"width": 1280, "height": 720})
    open_page(page, f"{address}/slides/{name}.html")
    page.wait_for_function("() => window.Reveal && Reveal.isReady()")
    look_at_pictures(page)
    for number, slide in enumerate(page.evaluate(FRAME), 1):
        assert slide["right"] <= 1280 and slide["bottom"] <= 720, (number, slide)
        assert slide["share"] > 0.5 and not slide["cut"], (number, slide)
    assert page.faults == []
    page.set_viewport_size(WIDE)


AFTER = "(a). It was learned before. **So look.**"
GUESS = """The next lines say why it is so. This one is left out.

**Predict.** The score is

(a) 1<br>
(b) 0"""


def test_a_guess_and_its_result_stand_on_two_slides(book_module):
    asks = new_code_cell('predict("a", "b")')
    asks.outputs = [new_output("stream", text="Your guess, before the next cell: (a) or (b)?\n")]
    result = new_code_cell("1 + 1")
    result.outputs = [new_output("stream", text="2\n")]
    cells = [
        new_markdown_cell("# A question\n\nHere the first sentence ends. Not the second."),
        new_markdown_cell(f"## Part\n\n{GUESS}"),
        asks,
        result,
        new_markdown_cell(
            "(a). It was learned before. **So look.** And more.\n\n<details>x</details>"
        ),
    ]
    slides = []
    for cell in book_module("slides").slides_of(new_notebook(cells=cells)).cells:
        kind = cell.metadata.slideshow.slide_type
        if kind == "slide":
            slides.append([])
        shown = cell.source + "".join(output.text for output in cell.get("outputs", []))
        slides[-1].append(f"notes: {shown}" if kind == "notes" else shown)
    assert slides == [
        [
            "# A question",
            "Here the first sentence ends.",
            "notes: Here the first sentence ends. Not the second.",
        ],
        [
            "## Part",
            "The next lines say why it is so.",
            "notes: The next lines say why it is so. This one is left out.",
        ],
        ["## Part", "**Predict.** The score is", "(a) 1<br>\n(b) 0"],
        [
            "## Part",
            "1 + 1",
            "2\n",
            "(a). It was learned before. **So look.**",
            "notes: (a). It was learned before. **So look.** And more.\n\nx",
        ],
    ]


def test_a_page_has_one_title(book_module):
    texts = ["# One\n\n## Two", "# Three\n\n```\n# no heading\n```\n\n## Four"]
    notebook = new_notebook(cells=[new_markdown_cell(text) for text in texts])
    book_module("lessons").keep_one_title(notebook)
    assert notebook.cells[0].source == texts[0]
    assert notebook.cells[1].source == "## Three\n\n```\n# no heading\n```\n\n### Four"
