"""Each lesson as slides, by one rule; Sphinx writes them when it has written the site.

A heading starts a slide. A "Predict" starts one, and its result starts the next. Of a paragraph
the slide shows the first sentence and those with something in bold; all of it, and the folded
answers, stand in the speaker's notes (press S). What does not fit on one slide goes on to another.
The notebooks hold nothing for this.
"""

import ast
import math
import re
import shutil
from pathlib import Path

import nbformat
import sphinx_revealjs
from docutils.utils.math.latex2mathml import tex2mathml
from nbconvert import SlidesExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

HERE = Path(__file__).resolve().parent
REVEAL = Path(sphinx_revealjs.__file__).parent / "_static" / "revealjs"
WIDTH, HEIGHT = 1280, 720  # of a slide, in pixels
ROOM = 620  # what of the height may be filled, by the estimates below

DETAILS = re.compile(r"<details>.*?</details>\s*", re.DOTALL)
FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
SENTENCE_ENDS = re.compile(r"(?:(?<=[.!?])|(?<=[.!?]\*\*))(?<!\d\.)(?<!e\.g\.)\s+(?=[A-Z`(\[*\"])")
PREDICT_CALL = re.compile(r"^(predict\(.*\)|from helpers\.predict import predict)$\n?", re.M)
PREDICT_SAID = re.compile(r"^Your guess, before the next cell: .*\?$\n?", re.M)
LINK = re.compile(r"\[([^][]*)\]\((?!https?:)([^)#\s]+)[^)\s]*\)")
DISPLAYED, INLINE = re.compile(r"\$\$(.+?)\$\$", re.DOTALL), re.compile(r"\$([^$\s][^$]*?)\$")


class Deck:
    """Slides, each a list of cells, filled from top to bottom."""

    def __init__(self):
        self.slides, self.notes, self.filled = [], [], 0
        self.heading = ""

    def start(self):
        """Begin a slide, under the heading that holds."""
        self.slides.append([])
        self.notes.append([])
        self.filled = 0
        if self.heading:
            self.put(new_markdown_cell(self.heading), 75)

    def put(self, cell, height):
        """Add a cell, on a new slide if it does not fit on this one."""
        only_heading = len(self.slides[-1]) <= 1
        if self.filled + height > ROOM and not only_heading:
            self.start()
        self.slides[-1].append(cell)
        self.filled += height

    def as_notebook(self):
        cells = []
        for slide, notes in zip(self.slides, self.notes, strict=True):
            for number, cell in enumerate(slide):
                cell.metadata["slideshow"] = {"slide_type": "-" if number else "slide"}
            cells += slide
            if notes:
                cells.append(new_markdown_cell("\n\n".join(notes)))
                cells[-1].metadata["slideshow"] = {"slide_type": "notes"}
        return new_notebook(cells=cells)


def slides_of(notebook):
    """Return a notebook whose cells say which slide they stand on."""
    deck = Deck()
    result_next = False  # whether the next thing to show is the result of a guess
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            result_next = add_prose(deck, cell.source, result_next)
        elif not PREDICT_CALL.sub("", cell.source).strip():
            result_next = True
        elif only_imports(cell):
            deck.notes[-1].append(f"```python\n{cell.source}\n```")
        elif PREDICT_CALL.search(cell.source):
            add_code(deck, cell)
            result_next = True
        else:
            if result_next:
                deck.start()
            add_code(deck, cell)
            result_next = False
    return deck.as_notebook()


def add_prose(deck, source, result_next):
    """Add Markdown; return whether it ends in a guess, whose result stands on the next slide."""
    folded = DETAILS.findall(source)
    for block in blocks(DETAILS.sub("", source)):
        block = for_slides(block)
        if re.match(r"#+ ", block):
            deck.heading = re.sub(r"^#+", "##" if deck.slides else "#", block)
            deck.start()
            deck.heading = re.sub(r"^#+", "##", block)
            result_next = False
            continue
        if "**Predict" in block:
            if len(deck.slides[-1]) > 1:
                deck.start()
            result_next, short = True, block
        else:
            short = shortened(block)
        deck.put(new_markdown_cell(short), height_of_prose(short))
        if short != block:
            deck.notes[-1].append(block)
    deck.notes[-1] += [for_slides(re.sub(r"</?(?:details|summary)>", "", text)) for text in folded]
    return result_next


def blocks(source):
    """Return paragraphs, lists, tables and fenced code, in their order."""
    fences = []

    def keep(match):
        fences.append(match[0])
        return f"\0{len(fences) - 1}\0"

    parts = re.split(r"\n\s*\n", FENCED.sub(keep, source).strip())
    return [re.sub(r"\0(\d+)\0", lambda m: fences[int(m[1])], part) for part in parts if part]


def for_slides(text):
    """Return Markdown with links to the pages of the site, and with formulas as MathML."""
    text = LINK.sub(site_link, text)
    text = DISPLAYED.sub(lambda match: tex2mathml(match[1], as_block=True), text)
    return INLINE.sub(lambda match: tex2mathml(match[1]), text)


def site_link(match):
    """Return the link to a page of the site; what is none, such as code, keeps its name only."""
    text, target = match.groups()
    if target.startswith("assignments/selfstudy"):
        return f"[{text}](../book/run.html)"
    stem, _, kind = target.rpartition(".")
    return f"[{text}](../{stem}.html)" if kind in ("ipynb", "md") else text


def shortened(block):
    """Return the first sentence of a paragraph, and those with a word in bold."""
    if re.match(r"\s*([-*|>]|\d+\.|```|<math|\$\$)\s?", block) and not block.startswith("**"):
        return block
    first, *rest = SENTENCE_ENDS.split(block)
    while rest and len(first) < 25:  # "(c)." says nothing alone
        first = f"{first} {rest.pop(0)}"
    return " ".join([first, *(sentence for sentence in rest if "**" in sentence)])


def height_of_prose(text):
    shown = re.sub(r"\]\([^)]*\)|<math.*?</math>", "xxxx", text, flags=re.DOTALL)
    lines = re.split(r"\n(?=\s*[-*|\d(])|<br>", shown)
    return 20 + sum(34 * math.ceil(max(len(line), 1) / 88) for line in lines)


def only_imports(cell):
    """Whether a cell imports and sets threads, and shows nothing: no matter for a slide."""
    kinds = ast.Import | ast.ImportFrom
    body = ast.parse(cell.source).body
    return not cell.outputs and all(
        isinstance(line, kinds) or "set_num_threads" in ast.unparse(line) for line in body
    )


def add_code(deck, cell):
    """Add the code, and then each of its outputs."""
    source = PREDICT_CALL.sub("", cell.source).strip("\n")
    deck.put(new_code_cell(source), 34 + 25 * len(source.splitlines()))
    for output in cell.outputs:
        if output.output_type == "stream":
            output.text = PREDICT_SAID.sub("", output.text)
            if not output.text:
                continue
        shown = new_code_cell("", outputs=[output])
        shown.metadata["transient"] = {"remove_source": True}
        deck.put(shown, height_of_output(output))


def height_of_output(output):
    data = output.get("data", {})
    if "image/png" in data:
        return 430
    if "text/html" in data:
        return 40 + 31 * data["text/html"].count("<tr")
    text = output.get("text") or data.get("text/plain") or "\n".join(output.get("traceback", []))
    return 24 + 25 * sum(math.ceil(max(len(line), 1) / 100) for line in text.splitlines())


def write_all(folder):
    """Write the slides of every lesson, and the copy of reveal.js that they use."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("dist", "plugin/notes"):
        shutil.copytree(REVEAL / part, folder / "reveal" / part, dirs_exist_ok=True)
    shutil.copy(REVEAL / "LICENSE", folder / "reveal")
    exporter = SlidesExporter(
        extra_template_basedirs=[str(HERE)],
        template_name="slides_template",
        reveal_url_prefix="reveal",
        reveal_theme="white",
        reveal_transition="none",
        reveal_number="c/t",
        reveal_width=str(WIDTH),
        reveal_height=str(HEIGHT),
    )
    for path in sorted(HERE.parent.glob("*.ipynb")):
        slides = slides_of(nbformat.read(path, as_version=4))
        slides.metadata["title"] = slides.cells[0].source.lstrip("# ")
        page, _ = exporter.from_notebook_node(slides)
        (folder / f"{path.stem}.html").write_text(page, encoding="utf-8")
