"""Make what students wrote and showed safe to look at, and short, before any page is made of it.

`Outputs` goes over a graded notebook; `Page` over what nbgrader makes a page of, for formgrader and
for feedback; `markdown2html` stands in for nbconvert's filter. The sanitiser is bleach, nbconvert's
own: what it does not know as harmless it shows as text.
"""

import base64
import copy
import functools
import html
import itertools
import re

import bleach
from bleach.css_sanitizer import CSSSanitizer
from jinja2 import pass_context
from nbconvert.exporters import HTMLExporter
from nbconvert.filters import Highlight2HTML, ansi2html
from nbconvert.preprocessors import Preprocessor
from nbformat.v4 import new_output
from traitlets import Bool

# Bytes of one page. What nbgrader puts around a notebook takes 130,000.
TEXT, TEXT_OF_A_CELL, RICH, SOURCES = 500_000, 60_000, 700_000, 500_000
AROUND = 300  # bytes around each output, and around each cell
TAGS = {
    *bleach.ALLOWED_TAGS,
    *("p", "br", "hr", "div", "span", "pre", "h1", "h2", "h3", "h4", "h5", "h6", "img", "del", "s"),
    *("table", "thead", "tbody", "tfoot", "tr", "th", "td", "caption", "sub", "sup", "u", "small"),
    *("dl", "dt", "dd", "details", "summary", "kbd", "samp", "var", "mark", "ins", "q"),
}
STYLES = ["text-align", "vertical-align", "color", "background-color", "font-weight", "font-style"]
# Names of pygments and pandas; those of the page's own styles could cover its buttons.
CLASS = re.compile(r"highlight|dataframe|hl-\w+|[a-z][a-z0-9]{0,2}")
LINK = re.compile(r"(https?://|mailto:|#)", re.I)
IMAGE = re.compile(r"data:image/(png|jpeg|gif|webp|svg\+xml);base64,[A-Za-z0-9+/=\s]+")
BESIDE = re.compile(r"(?!files/)(?!.*\.\.)\w[\w.-]*(/\w[\w.-]*)*")  # a file of the assignment
RUNS = re.compile(r"<\s*(script|form|input|iframe|object|embed)\b", re.I)
HIDDEN = re.compile(r"<(style|title)\b.*?</\1\s*>", re.I | re.S)
TAG = re.compile(r"<(/?)(?!br|hr|img)[a-z]", re.I)
TOO_MANY, TOO_DEEP = 20_000, 100  # tags: the parser's time grows with the square of their depth
CHECKBOX = '<input class="task-list-item-checkbox" type="checkbox" disabled{}/>'
BESIDES = 10_000  # characters of what is kept beside what a page shows
BASE64 = re.compile(r"[A-Za-z0-9+/=\s]+")
WORD = re.compile(r"\w+|\s+|[^\w\s]")
PICTURES = "\n\n[pictures of {:.1f} MB: too large for this page, look into the notebook]"
CUT = "\n\n# [{:,} characters, of which the first {:,} are shown]"
NO_ROOM = "# [not shown]"


def allowed(tag, name, value):
    """Return whether bleach may leave an attribute where it is."""
    if name == "href":
        return tag == "a" and bool(LINK.match(value))
    if name == "src":
        return tag == "img" and bool(IMAGE.fullmatch(value) or BESIDE.fullmatch(value))
    if name == "class":
        return all(CLASS.fullmatch(word) for word in value.split())
    if name in ("width", "height", "colspan", "rowspan", "border", "start"):
        return value.isdecimal() and len(value) <= 4
    return name in ("alt", "title", "style", "align", "open", "scope")


def clean(text):
    """Return HTML in which nothing runs and nothing leaves its place."""
    text = HIDDEN.sub("", text)
    for form, sign in (("", "\N{BALLOT BOX}"), (" checked", "\N{BALLOT BOX WITH CHECK}")):
        text = text.replace(CHECKBOX.format(form), sign)
    steps = [-1 if tag[1] else 1 for tag in TAG.finditer(text)]
    if len(steps) > TOO_MANY or max(itertools.accumulate(steps), default=0) > TOO_DEEP:
        return f"<pre>{html.escape(text)}</pre>"
    return bleach.clean(
        text,
        tags=TAGS,
        attributes=allowed,
        protocols={"http", "https", "mailto", "data"},
        css_sanitizer=CSSSanitizer(allowed_css_properties=STYLES),
    )


@functools.cache
def exporter():
    return HTMLExporter()


@pass_context
def markdown2html(context, source):
    """Return Markdown as HTML, cleaned; nbconvert's filter of this name lets everything through."""
    try:
        return clean(exporter().markdown2html(context, source))
    except Exception:  # of a parser, which none of this text may keep from the others
        return f"<pre>{html.escape(source)}</pre>"


def harmless(output):
    """Return a cell's output with nothing in it that could run."""
    if output.output_type == "stream":
        name = "stderr" if output.name == "stderr" else "stdout"
        return new_output("stream", name=name, text=text_of(output.text))
    if output.output_type == "error":
        traceback = [text_of(line) for line in output.traceback]
        names = {"ename": text_of(output.ename), "evalue": text_of(output.evalue)}
        names = {key: name[:BESIDES] for key, name in names.items()}
        return new_output("error", traceback=traceback, **names)
    safe = new_output(output.output_type, data=harmless_data(output.data))
    if output.output_type == "execute_result":
        safe.execution_count = number(output.get("execution_count"))
    return safe


def harmless_data(data):
    """Return one form of what was displayed, and its text."""
    data = {kind: text_of(value) for kind, value in data.items()}
    plain = {kind: data[kind][:BESIDES] for kind in ("text/plain",) if kind in data}
    for kind in ("image/png", "image/jpeg"):
        if BASE64.fullmatch(data.get(kind, "")):
            return {kind: data[kind]} | plain
    if "text/html" in data and not (RUNS.search(data["text/html"]) and plain):
        return {"text/html": clean(data["text/html"])} | plain
    if "text/markdown" in data:
        return {"text/html": markdown2html({}, data["text/markdown"])} | plain
    if "image/svg+xml" in data:  # as the source of an image, its scripts do not run
        source = base64.b64encode(data["image/svg+xml"].encode(errors="replace")).decode()
        return {"text/html": f'<img alt="" src="data:image/svg+xml;base64,{source}">'} | plain
    if "text/latex" in data:
        return {"text/latex": data["text/latex"]} | plain
    if plain:
        return {"text/plain": data["text/plain"]}
    return {"text/plain": f"[not shown: {', '.join(map(str, data))}]"}


def number(count):
    return count if isinstance(count, int) else None


def text_of(value):
    """Return text, where the notebook format has text; a message may hold anything."""
    return value if isinstance(value, str) else str(value)


def cost(output):
    """Return the bytes that an output takes on a page: of text, and of pictures."""
    text = output.get("text", "") + "".join(output.get("traceback", []))
    data = output.get("data", {})
    rich = [value for kind, value in data.items() if kind != "text/plain"]
    text += "" if rich else data.get("text/plain", "")
    return AROUND + bytes_of(ansi2html(text)), sum(map(bytes_of, rich))


def bytes_of(text):
    return len(text.encode(errors="replace"))


class Outputs(Preprocessor):
    """Clean and shorten all outputs of a notebook, and say where something was cut."""

    enabled = Bool(True).tag(config=True)

    def preprocess(self, nb, resources):
        nb.metadata.pop("widgets", None)
        self.text, self.rich = TEXT, RICH
        for cell in nb.cells:
            if cell.cell_type == "code":
                cell.execution_count = number(cell.get("execution_count"))
                cell.outputs = self.shown(cell.outputs)
        return nb, resources

    def shown(self, outputs):
        """Return the outputs of one cell, as many of them as there is room for."""
        kept, cut, room = [], 0, min(self.text, TEXT_OF_A_CELL)
        for output in map(harmless, outputs):
            text, rich = cost(output)
            if text > room or rich > self.rich:
                cut += 1
                output = shortened(output, room)
                text, rich = cost(output) if output else (0, 0)
            room, self.text, self.rich = room - text, self.text - text, self.rich - rich
            kept += [output] if output else []
        if cut and self.text > 0:  # in thousands of cells, to say so would itself be too long
            said = f"[{cut} of the {len(outputs)} outputs of this cell were cut or left out here]"
            kept.append(new_output("stream", name="stdout", text=said))
            self.text -= cost(kept[-1])[0]
        return kept


def shortened(output, room):
    """Return the beginning of an output that is text; None where there is no room, or a picture."""
    length = 10 * room
    while length > AROUND:
        length //= 2
        short = copy.deepcopy(output)
        if output.output_type == "stream":
            short.text = output.text[:length]
        elif output.output_type == "error":
            said = f"{output.ename}: {output.evalue[:AROUND]}"
            short.traceback = ["\n".join(output.traceback)[:length], "[...]", said]
        else:
            short.data = {"text/plain": output.data.get("text/plain", "[not shown]")[:length]}
        if cost(short)[0] <= room:
            return short
    return None


class Page(Outputs):
    """The same before a page is made of a notebook: there, long cells are shortened as well."""

    def preprocess(self, nb, resources):
        nb, resources = super().preprocess(nb, resources)
        room = SOURCES - AROUND * len(nb.cells)
        short = sum(map(rendered_at_most, nb.cells)) <= room
        for cell in nb.cells if not short else ():
            if "attachments" in cell and rendered(cell) > room:
                cell.source += PICTURES.format(len(str(cell.pop("attachments"))) / 1e6)
            if rendered(cell) > room:
                beginning = cell.source[: max(room, 0) // 40]
                said = CUT.format(len(cell.source), len(beginning))
                cell.source = beginning + said if room > 0 else NO_ROOM
            room -= rendered(cell)
        return nb, resources


@functools.cache
def highlighter():
    return Highlight2HTML()


def rendered_at_most(cell):
    """Return no less than `rendered`, without making a page: each word in a colour of its own."""
    words = len(WORD.findall(cell.source))
    return bytes_of(cell.source) + 30 * words + bytes_of(str(cell.get("attachments", "")))


def rendered(cell):
    """Return the bytes that a cell takes on a page; coloured code has twenty times its own."""
    pictures = bytes_of(str(cell.get("attachments", "")))
    if len(cell.source) > SOURCES:
        return bytes_of(cell.source) + pictures
    make = highlighter() if cell.cell_type == "code" else functools.partial(markdown2html, {})
    return bytes_of(make(cell.source)) + pictures
