"""What the figures of several lessons share: roles, a blank figure, and its text in words.

The colours are those of Okabe and Ito (2008), Color Universal Design; each role has a marker
and a line of its own too, so that a figure can be read without colour.
"""

import base64
import io

from IPython.display import display
from matplotlib import pyplot as plt
from PIL import Image

ROLES = {
    "training": {"color": "#0072B2", "marker": "o", "linestyle": "-"},
    "validation": {"color": "#E69F00", "marker": "s", "linestyle": "--"},
    "test": {"color": "#009E73", "marker": "^", "linestyle": "-."},
    "leaky": {"color": "#D55E00", "marker": "X", "linestyle": ":"},
    "chance": {"color": "#666666", "linestyle": (0, (1, 1)), "linewidth": 1},
}


def blank(width=6.4, height=3.6, *, title, xlabel, ylabel, columns=1):
    """Return a figure and its axes, on white so that it reads in a dark theme.

    Parameters
    ----------
    width, height : float
        Inches, at 100 dots each.
    title : str
        What the figure says.
    xlabel, ylabel : str
        Names of the axes, with units.
    columns : int, default=1
        Axes side by side, sharing the y-axis; `title` then stands above them all.

    Returns
    -------
    fig : matplotlib.figure.Figure
    axes : matplotlib.axes.Axes, or an array of them if `columns` > 1
    """
    fig, axes = plt.subplots(
        1, columns, figsize=(width, height), dpi=100, sharey=True, layout="constrained"
    )
    fig.set_facecolor("white")
    fig.suptitle(title, fontsize=12)
    for ax in fig.axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.set_xlabel(xlabel)
    fig.axes[0].set_ylabel(ylabel)
    return fig, axes


def chance_line(ax, value=0.5, label="chance"):
    """Draw the score that guessing reaches."""
    ax.axhline(value, label=label, **ROLES["chance"])


def show(fig, alt):
    """Display a figure with its alternative text, and close it.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
    alt : str
        What the figure shows, its numbers included, for a reader who cannot see it.
    """
    drawn, png = io.BytesIO(), io.BytesIO()
    fig.savefig(drawn, format="png", dpi=100)
    plt.close(fig)
    # 128 colours are enough for a diagram, and take a quarter of the bytes.
    Image.open(drawn).convert("RGB").quantize(128).save(png, format="png", optimize=True)
    data = {"image/png": base64.b64encode(png.getvalue()).decode(), "text/plain": alt}
    display(data, raw=True, metadata={"image/png": {"alt": alt}})
