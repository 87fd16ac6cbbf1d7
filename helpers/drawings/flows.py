"""Drawings of how data flow: boxes and arrows from left to right, rows cut into parts.

Ordinary arrows are solid and black; a leak is a thick orange path, dashed, so that it differs in
grey, too.
Boxes and parts of a bar may have a role of `plots.ROLES`, which a line or a hatch shows as well.
Each function returns a figure. Show it with `plots.show`, which takes its alternative text too.
"""

from itertools import pairwise

from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from helpers.plots import GROUND, ROLES, blank, filled, pale, sheet

FONT = 9  # points
PLAIN, BOLD, LINE = 0.069, 0.08, 0.175  # inches that a character and a line take
GAP = 0.3  # inches left free between two columns, for an arrow


def flow(boxes, arrows=(), leaks=(), *, title, width=7.6, row_height=0.95):
    """Draw boxes on a grid, arrows between them, and leaks as orange dashed paths.

    Parameters
    ----------
    boxes : dict of str to (column, row, text) or (column, row, text, role)
        The key is the box's name, written in bold; `text` stands below it and may be empty. Two
        boxes with one name differ in a blank at its end, which is not drawn. `role` is one of
        `plots.ROLES`, such as "training" or "test".
        Columns count from the left and rows from the top, both from 0; halves are allowed.
    arrows : iterable of (from, to) or (from, to, label)
        Names of two boxes, and what is written beside the arrow.
    leaks : iterable of (from, to) or (from, to, label)
        Likewise, but red, dashed and curved.
    title : str
        What the drawing says.
    width : float, default=7.6
        Inches of the whole drawing.
    row_height : float, default=0.95
        Inches from one row to the next.

    Examples
    --------
    >>> from helpers import drawings
    >>> boxes = {"split": (0, 0, "80 and 20 rows"), "fit": (1, 0, "80 rows")}
    >>> fig = drawings.flow(boxes, [("split", "fit", "train")], title="Split, then fit")
    >>> fig.get_suptitle()
    'Split, then fit'
    """
    arrows, leaks = list(arrows), list(leaks)
    for name in {name for path in arrows + leaks for name in path[:2]} - set(boxes):
        raise ValueError(f"An arrow names {name!r}, which is no box; boxes are {list(boxes)}.")
    columns = max(box[0] for box in boxes.values()) + 1
    rows = max(box[1] for box in boxes.values()) + 1
    pitch = width / columns
    fig, ax = sheet(width, rows * row_height + (0.75 if leaks else 0.4), title)
    drawn = {}
    for name, (column, row, text, *role) in boxes.items():
        at = (column + 0.5) * pitch, -(row + 0.5) * row_height
        drawn[name] = _box(ax, name, text, at, pitch - GAP, *role)
    for start, end, *label in arrows:
        _arrow(ax, drawn[start], drawn[end], "".join(label))
    for start, end, *label in leaks:
        _arrow(ax, drawn[start], drawn[end], "".join(label), leak=True)
    ax.set_ylim(-rows * row_height - (0.35 if leaks else 0), 0)
    if leaks:
        ax.legend(handles=[Line2D([], [], **_LEAK, label="leak")], loc="lower right", frameon=False)
    return fig


def chain(names, texts, *, title, width=7.6):
    """Draw boxes in one row, with an arrow from each to the next: a time line.

    Parameters
    ----------
    names, texts : sequence of str
        What stands in each box, the name in bold; names differ.
    title, width
        As for `flow`.

    Examples
    --------
    >>> from helpers import drawings
    >>> fig = drawings.chain(["split", "fit"], ["80 and 20 rows", "80 rows"], title="Split first")
    """
    boxes = {name: (i, 0, text) for i, (name, text) in enumerate(zip(names, texts, strict=True))}
    return flow(boxes, pairwise(names), title=title, width=width)


def parts(bars, *, title, unit="share of the rows"):
    """Draw bars under each other, each cut into parts of a role.

    Parameters
    ----------
    bars : dict of str to list of (length, role, text)
        The key is written to the left of its bar. `role` is one of "training", "validation",
        "test" and "leaky"; None leaves the part blank.
    title : str
    unit : str
        What the lengths are, written under the bars.

    Examples
    --------
    >>> from helpers import drawings
    >>> bars = {"all rows": [(80, "training", "training"), (20, "test", "test")]}
    >>> fig = drawings.parts(bars, title="A split", unit="rows")
    """
    fig, ax = blank(7.6, 1 + 0.36 * len(bars), title=title, xlabel=unit, ylabel="")
    ax.spines["left"].set_visible(False)
    for place, row in enumerate(bars.values()):
        left = 0
        for length, role, text in row:
            fill = filled(role) if role else {"facecolor": "white", "edgecolor": "0.6"}
            ax.add_patch(Rectangle((left, place - 0.4), length, 0.8, **fill))
            ax.text(left + length / 2, place, text, ha="center", va="center", **_ON_PART)
            left += length
    ax.set_xlim(0, max(sum(length for length, _, _ in row) for row in bars.values()))
    ax.set_ylim(len(bars) - 0.5, -0.5)
    ax.set_yticks(range(len(bars)), list(bars))
    ax.tick_params(axis="y", length=0)
    return fig


def folds(n_folds=5, *, test=0.2, title):
    """Draw a split into training and test set, and the folds of the training set under it.

    Parameters
    ----------
    n_folds : int, default=5
    test : float, default=0.2
        Share of the rows that the test set takes; 0 leaves it out.
    title : str

    Examples
    --------
    >>> from helpers import drawings
    >>> fig = drawings.folds(3, test=0.25, title="A quarter is put away, three folds remain")
    """
    one = (1 - test) / n_folds
    put_away = [(test, "test", "test set")] if test else []
    bars = {"the split": [(1 - test, "training", "training set"), *put_away]}
    for fold in range(n_folds):
        after = n_folds - 1 - fold
        row = [(fold * one, "training", "fit"), (one, "validation", "score")]
        row += [(after * one, "training", "fit"), (test, None, "not used")]
        bars[f"fold {fold + 1}"] = [part for part in row if part[0]]
    return parts(bars, title=title)


_LEAK = {"color": ROLES["leaky"]["color"], "linestyle": (0, (3, 1.2)), "linewidth": 2.5}
_ON_PART = {"fontsize": FONT, "bbox": GROUND | {"pad": 1.5}}


def _box(ax, name, text, at, room, role=None):
    """Draw a box as wide as its longest line."""
    name = name.strip()  # so that two boxes may show one name
    names, lines = name.split("\n"), text.split("\n") if text else []
    width = max([len(line) * BOLD for line in names] + [len(line) * PLAIN for line in lines]) + 0.16
    height = (len(names) + len(lines)) * LINE + 0.14
    if width > room:
        raise ValueError(
            f"The text of the box {name!r} is {width:.1f} inches wide, and its column has room for "
            f"{room:.1f}: break its lines with \\n, or give a larger width."
        )
    corner = at[0] - width / 2, at[1] - height / 2
    style = {"facecolor": "#F2F2F2", "edgecolor": "black"}
    if role:
        line = {"edgecolor": ROLES[role]["color"], "linestyle": ROLES[role]["linestyle"]}
        style = {"facecolor": pale(role), "linewidth": 2, **line}
    box = FancyBboxPatch(corner, width, height, boxstyle="round,pad=0.03", **style)
    ax.add_patch(box)
    top = at[1] + height / 2 - 0.07
    ax.text(at[0], top, name, weight="bold", fontsize=FONT, ha="center", va="top")
    below = top - LINE * len(names)
    ax.text(at[0], below, text, fontsize=FONT, ha="center", va="top")
    return box


def _middle(box):
    return box.get_x() + box.get_width() / 2, box.get_y() + box.get_height() / 2


def _arrow(ax, start, end, label, leak=False):
    """Draw a path from the edge of one box to the edge of another, with its label in the middle."""
    (x0, y0), (x1, y1) = _middle(start), _middle(end)
    bend = 0.45 if leak else 0
    style = _LEAK if leak else {"color": "black", "linewidth": 1.2}
    head = {"arrowstyle": "-|>", "mutation_scale": 14, "connectionstyle": f"arc3,rad={bend}"}
    ends = {"patchA": start, "patchB": end, "shrinkA": 0, "shrinkB": 0}
    ax.add_patch(FancyArrowPatch((x0, y0), (x1, y1), **head, **ends, **style))
    # The middle of the curve that "arc3" draws.
    at = (x0 + x1 + bend * (y1 - y0)) / 2, (y0 + y1 - bend * (x1 - x0)) / 2
    ax.text(*at, label, color=style["color"], ha="center", va="center", **_ON_PART)
