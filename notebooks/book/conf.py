"""The site: Sphinx reads the lessons as they are stored, and runs none. `make book` builds it.

Nothing is fetched, neither while it is built nor when it is read: the theme brings its own fonts
and icons, and formulas are written as MathML, which browsers draw themselves.
"""

import os
import re
import sys
from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.errors import ConfigError

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]  # for lessons.py, and for helpers

import slides  # noqa: E402
from lessons import mend_links  # noqa: E402

# The one setting: where the notebooks lie on GitHub, as OWNER/REPOSITORY. Without it the buttons
# for Binder and Colab lead to the page that says how to make them work.
REPOSITORY = os.environ.get("REPOSITORY", "").strip()
if REPOSITORY and not re.fullmatch(r"[\w.-]+/[\w.-]+", REPOSITORY):
    raise ConfigError(
        f"REPOSITORY must be OWNER/REPOSITORY, as in the address on GitHub; got {REPOSITORY!r}."
    )

project = "Honest Splits"
author = "The Honest Splits authors"
language = "en"

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
root_doc = "index"
include_patterns = ["index.md", "*.ipynb", "*.md", "assignments/README.md", "book/*.md"]
html_static_path = ["_static"]
nitpicky = True
default_role = "literal"

nb_execution_mode = "off"
nb_custom_formats = {".ipynb": ["lessons.read", {}, False]}
nb_merge_streams = True
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
myst_heading_slug_func = "lessons.slug"
copybutton_exclude = ".linenos, .gp, .go"

numpydoc_show_class_members = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_inherit_docstrings = False

html_theme = "sphinx_book_theme"
html_title = "Honest Splits"
html_css_files = ["book.css"]
html_favicon = "_static/icon.svg"
html_context = {"default_mode": "auto"}
html_sourcelink_suffix = ""
html_copy_source = True
html_show_sphinx = False
html_use_index = False
html_domain_indices = False
html_theme_options = {
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "home_page_in_toc": False,
    "use_download_button": True,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}


def visit_formula(translator, node):
    translator.body.append(f'<span class="math">{tex2mathml(node.astext())}</span>')
    raise nodes.SkipNode


def visit_displayed_formula(translator, node):
    translator.body.append(f'<div class="math">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise nodes.SkipNode


def add_doors(app, pagename, templatename, context, doctree):
    """Put what can be opened from a lesson under its title: a kernel, slides, the notebook."""
    if not (HERE.parent / f"{pagename}.ipynb").exists():
        return
    path, pathto = f"notebooks/{pagename}.ipynb", context["pathto"]
    doors = {
        "Binder": f"https://mybinder.org/v2/gh/{REPOSITORY}/HEAD?urlpath=lab/tree/{path}",
        "Colab": f"https://colab.research.google.com/github/{REPOSITORY}/blob/HEAD/{path}",
        "Slides": pathto(f"slides/{pagename}.html", resource=True),
        "Notebook": pathto(f"_sources/{pagename}.ipynb", resource=True),
    }
    if not REPOSITORY:
        doors["Binder"] = f"{pathto('book/run')}#binder"
        doors["Colab"] = f"{pathto('book/run')}#colab-and-kaggle"
    links = " ".join(f'<a href="{doors[name]}">{name}</a>' for name in doors)
    nav = f'<nav class="doors" aria-label="Open this lesson">{links}</nav>'
    context["body"] = context["body"].replace("</h1>", f"</h1>{nav}", 1)


def mend_source(app, docname, source):
    if app.env.doc2path(docname).suffix == ".md":
        source[0] = mend_links(source[0])


def skip_what_is_not_ours(app, what, name, member, skip, options):
    """Leave out what scikit-learn adds to each estimator, such as set_fit_request."""
    return True if re.fullmatch(r"set_\w+_request", name) else None


def escape_marks(app, what, name, obj, options, lines):
    """Escape classes_ and *args in prose: reStructuredText takes them for a link and for stress."""
    for number, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            line = re.sub(r"(?<=\w)_(?![\w`])", r"\_", line)
            lines[number] = re.sub(r"(?<![*\w])\*(?=\w[^*]*$)", r"\*", line)


def write_slides(app, exception):
    if exception is None and app.builder.name == "html":
        slides.write_all(Path(app.outdir) / "slides")


def setup(app):
    app.add_html_math_renderer("mathml", (visit_formula, None), (visit_displayed_formula, None))
    app.config.html_math_renderer = "mathml"
    app.connect("source-read", mend_source)
    app.connect("autodoc-skip-member", skip_what_is_not_ours)
    app.connect("autodoc-process-docstring", escape_marks, priority=900)  # after numpydoc
    app.connect("build-finished", write_slides)
    app.connect("html-page-context", add_doors)
