"""What the figures of several lessons share: roles, a blank figure, and its text in words.

A colour has the same meaning in all figures. Rows train (training), choose (validation) or only
score (test). A procedure is honest or leaky, and networks are trained one by one (plain) or fused.
What has none of these roles is grey or black. The colours are those of Okabe and Ito (2008), Color
Universal Design; each role has a marker, a line and a hatch of its own too, so that a figure can be
read without colour.
"""

import base64
import io

import numpy as np
from IPython.display import display
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle
from PIL import Image

ROLES = {
    "training": {"color": "#0072B2", "marker": "o", "linestyle": "-"},
    "validation": {"color": "#E69F00", "marker": "s", "linestyle": "--"},
    "test": {"color": "#009E73", "marker": "^", "linestyle": "-."},
    "honest": {"color": "#CC79A7", "marker": "D", "linestyle": "-"},
    "leaky": {"color": "#D55E00", "marker": "X", "linestyle": ":"},
    "plain": {"color": "#555555", "marker": "v", "linestyle": "-"},
    "fused": {"color": "#56B4E9", "marker": "P", "linestyle": "--"},
    "chance": {"color": "#666666", "linestyle": (0, (1, 1)), "linewidth": 1},
}
HATCHES = {
    "training": "",
    "validation": "//",
    "test": "..",
    "honest": "\\\\",
    "leaky": "xx",
    "plain": "--",
    "fused": "++",
}
GROUND = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # of a text on a colour


def filled(role):
    """Return how a bar or a field of a role is filled: with its colour and its hatch."""
    return {"facecolor": ROLES[role]["color"], "hatch": HATCHES[role], "edgecolor": "white"}


def pale(role):
    """Return a light tint of a role's colour, on which black text can be read."""
    return tuple(0.8 + 0.2 * part for part in to_rgb(ROLES[role]["color"]))


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


def sheet(width, height, title):
    """Return a white figure whose axes, unseen, count in inches from the lower left corner."""
    fig, ax = blank(width, height, title=title, xlabel="", ylabel="")
    ax.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    ax.axis("off")
    return fig, ax


def legend_below(fig, **settings):
    """Name below the axes, at the right, what is drawn."""
    handles = fig.axes[0].get_legend_handles_labels()
    fig.legend(*handles, loc="outside lower right", frameon=False, **settings)


def fields(ax, values, texts, rows, columns, size=None, **shades):
    """Draw a table: a field for each value, the higher the darker, and a text in its middle.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    values, texts : array-like of shape (n_rows, n_columns)
    rows, columns : sequence
        Their names.
    size : float, default=None
        Points of the texts.
    **shades
        `vmin` and `vmax`, the values that are white and black.
    """
    image = ax.imshow(values, cmap="Greys", aspect="auto", **shades)
    for (row, column), text in np.ndenumerate(np.array(texts)):
        is_dark = image.norm(image.get_array()[row, column]) > 0.55
        style = {"ha": "center", "va": "center", "size": size}
        ax.text(column, row, str(text), color="white" if is_dark else "black", **style)
    ax.set_xticks(range(len(columns)), columns)
    ax.set_yticks(range(len(rows)), rows)


def alarms(ax, table, columns):
    """Draw a table of alarms: a field with an alarm has the colour of a leak, and says so.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    table : dict of str to sequence of (bool or None)
        By line: whether each check raised an alarm; None where it did not look.
    columns : list of str
        Names of the checks.
    """
    words = {True: "ALARM", False: "quiet", None: "did not look"}
    for row, found in enumerate(table.values()):
        for column, alarm in enumerate(found):
            fill = filled("leaky") if alarm else {"facecolor": "white", "edgecolor": "black"}
            ax.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, **fill))
            style = {"ha": "center", "va": "center", "bbox": GROUND}
            ax.text(column, row, words[alarm], style="italic" if alarm is None else None, **style)
    ax.set_xticks(range(len(columns)), columns)
    ax.set_yticks(range(len(table)), table)
    ax.set(xlim=(-0.5, len(columns) - 0.48), ylim=(len(table) - 0.5, -0.52))
    ax.tick_params(length=0)


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


def claim_errors(errors, roles, title):
    """Draw by how much claims miss the truth, one mark a study and a bar for their mean.

    Parameters
    ----------
    errors : dict of dicts, or of tables
        For each source of rows and each claim: the errors, one a study.
    roles : list of str
        For each claim its role in `plots.ROLES`.
    title : str

    Examples
    --------
    >>> from helpers.plots import claim_errors, plt
    >>> fig, alt = claim_errors({"coins": {"best": [0.1, 0.2]}}, ["leaky"], "Too high")
    >>> alt
    'Errors of claims, mean over 2 studies: coins, best +0.150.'
    >>> plt.close(fig)
    """
    fig, axes = blank(title=title, xlabel="claim", ylabel="claim - truth", columns=len(errors))
    said = []
    for ax, (source, claims) in zip(np.atleast_1d(axes), errors.items(), strict=True):
        for place, ((name, values), role) in enumerate(zip(claims.items(), roles, strict=True)):
            name, style = name.removesuffix(" - truth"), ROLES[role]
            x = place + np.linspace(-0.25, 0.25, len(values))
            ax.plot(x, values, style["marker"], color=style["color"])
            ends = [place - 0.35, place + 0.35]
            (bar,) = ax.plot(ends, [np.mean(values)] * 2, color="black", linewidth=2)
            said.append(f"{source}, {name} {np.mean(values):+.3f}")
        names = [name.removesuffix(" - truth").replace(" ", "\n", 1) for name in claims]
        ax.set_xticks(range(len(names)), names, fontsize=9)
        ax.set_title(f"{source}, {len(values)} studies", fontsize=10)
        chance_line(ax, 0, label="truth")
    bar.set_label("mean of the studies (a mark is one study)")
    fig.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8)
    return fig, f"Errors of claims, mean over {len(values)} studies: {'; '.join(said)}."


def pairs_of_bars(shares, title, ylabel):
    """Draw two bars for each line of a table of shares.

    Parameters
    ----------
    shares : pandas.DataFrame
        Two columns; their names are the legend.
    title, ylabel : str

    Examples
    --------
    >>> import pandas as pd
    >>> from helpers.plots import pairs_of_bars, plt
    >>> fig, alt = pairs_of_bars(pd.DataFrame({"a": [0.5], "b": [0.1]}, ["x"]), "Two", "share")
    >>> alt
    'share. a: x 0.50; b: x 0.10.'
    >>> plt.close(fig)
    """
    fig, ax = blank(title=title, xlabel="", ylabel=ylabel)
    places = np.arange(len(shares))
    for i, (color, hatch) in enumerate([("#BBBBBB", ""), ("#555555", "|")]):
        style = {"color": color, "hatch": hatch, "label": shares.columns[i]}
        bars = ax.bar(places + 0.4 * i - 0.2, shares.iloc[:, i], 0.36, edgecolor="white", **style)
        ax.bar_label(bars, fmt="%.2f", fontsize=8)
    ax.set_xticks(places, shares.index)
    ax.legend(loc="upper left", fontsize=8)
    texts = (
        f"{name}: " + ", ".join(f"{line} {share:.2f}" for line, share in column.items())
        for name, column in shares.items()
    )
    return fig, f"{ylabel}. {'; '.join(texts)}."
