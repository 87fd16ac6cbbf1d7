"""How a lesson is read for the site: the notebook stays as it is, what a page needs is added."""

import re

import nbformat
from nbformat.v4 import new_markdown_cell

NO_SLIDER = (
    "*(Where the lesson runs, a slider stands here. "
    "[Run it yourself](book/run.md) says where it can run.)*"
)
# Written by `make`, not kept in the repository: a page can only say where they are.
ASSIGNMENT = re.compile(r"\]\(assignments/selfstudy/[^)]*\)")


def read(text):
    """Return the notebook that `text` holds, for myst-nb."""
    notebook = nbformat.reads(text, as_version=4)
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        if cell.cell_type == "markdown":
            cell.source = mend_links(cell.source)
            continue
        describe_picture(cell)
        if has_slider(cell):
            cells.append(new_markdown_cell(NO_SLIDER))
    notebook.cells = cells
    keep_one_title(notebook)
    return notebook


def keep_one_title(notebook):
    """Lower the headings that follow a second title: a page of the site has one."""
    titles, fenced = 0, False
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        lines = cell.source.splitlines()
        for number, line in enumerate(lines):
            fenced ^= line.startswith("```")
            titles += line.startswith("# ") and not fenced
            if titles > 1 and re.match("#+ ", line) and not fenced:
                lines[number] = f"#{line}"
        cell.source = "\n".join(lines)


def mend_links(text):
    """Return Markdown whose links lead somewhere on the site as well.

    A heading's anchor has the backticks of its heading in JupyterLab, and none here.
    """
    text = ASSIGNMENT.sub("](book/run.md)", text)
    return re.sub(r"\]\([^)\s]*#[^)\s]*\)", lambda link: link[0].replace("`", ""), text)


def describe_picture(cell):
    """Hand the picture's alternative text to myst-nb, which reads one for each cell."""
    texts = [output.get("metadata", {}).get("image/png", {}).get("alt") for output in cell.outputs]
    texts = [text for text in texts if text]
    if len(texts) > 1:
        raise ValueError(f"A cell shows {len(texts)} pictures; the site can describe one: {texts}")
    if texts:
        cell.metadata["mystnb"] = {"image": {"alt": texts[0]}}


def has_slider(cell):
    return re.search(r"^@?interact\b", cell.source, re.MULTILINE) is not None


def slug(title):
    """Return the anchor of a heading as JupyterLab has it, so that links work in both."""
    return title.replace(" ", "-")
