"""Drawings of lesson 03c: the way of y, and scores of models that predict numbers."""

from itertools import cycle

import numpy as np

from helpers.drawings.flows import flow
from helpers.plots import ROLES, blank, filled


def way_of_y():
    """Draw how y is scaled inside a fold, and in orange the scale that is learned from all rows."""
    title = "The scale of y is learned from training rows, and undone after predicting"
    boxes = {
        "y": (0, 0.5, "all rows"),
        "split": (1, 0.5, ""),
        "test y": (2, 0, "as it is", "test"),
        "training y": (2, 1, "learn and remove\nmean and scale", "training"),
        "network": (3, 1, "trains on\nscaled y"),
        "predictions": (4, 1, "put mean and\nscale back"),
        "score": (4, 0, "compares both"),
    }
    arrows = [("y", "split"), ("split", "training y"), ("split", "test y")]
    arrows += [("training y", "network"), ("network", "predictions")]
    arrows += [("predictions", "score"), ("test y", "score")]
    leaks = [("y", "training y", "scale of all rows")]
    fig = flow(boxes, arrows, leaks, title=title, width=8.0, row_height=1.15)
    return fig, (
        f"{title}. All y, then split. Training y: learn and remove mean and scale. The "
        "network trains on scaled y. Predictions: put mean and scale back. The score compares them "
        "with test y, as it is. Dashed path, the leak: the scale of all rows, before the split."
    )


def bars_of_r2(scores):
    """Draw the mean R² of several models, and a line from the lowest fold to the highest.

    The lowest mean is marked if it is below 0. The title names it, and the two highest.

    Parameters
    ----------
    scores : dict of str to array-like
        By model: R² in each fold.

    Examples
    --------
    >>> fig, alt = bars_of_r2({"mean": [0, 0], "network": [-3, -4]})
    >>> alt
    'R², mean of 2 folds: mean 0.00, network -3.50.'
    """
    means = {name: np.mean(values) for name, values in scores.items()}
    worst, *others = sorted(means, key=means.get)
    named = [worst, *others[-2:]]
    title = f"R²: {'; '.join(f'{name} {means[name]:.2f}' for name in named)}"
    xlabel = "R² on the test rows of the folds (line: lowest to highest fold)"
    fig, ax = blank(7.0, 2.6, title=title, xlabel=xlabel, ylabel="")
    for place, (name, values) in enumerate(scores.items()):
        bar = filled("test")
        if name == worst and means[name] < 0:
            bar |= {"facecolor": "white", "edgecolor": ROLES["test"]["color"]}
            bar["label"] = "worse than the mean"
        ax.barh(place, means[name], 0.6, **bar)
        ax.plot([min(values), max(values)], [place, place], color="black", linewidth=3)
        ax.text(0.75, place, f"{means[name]:.2f}", va="center")
    ax.axvline(0, color="black", linewidth=1)
    ax.set_yticks(range(len(scores)), scores)
    ax.invert_yaxis()
    ax.set_xlim(None, 1.2)
    if means[worst] < 0:
        ax.legend(loc="upper left")
    said = ", ".join(f"{name} {value:.2f}" for name, value in means.items())
    return fig, f"R², mean of {len(values)} folds: {said}."


def errors_by_loss(errors, rivals, condition="3 % wrong y"):
    """Draw the errors of several losses, one dot a draw, and lines of what to compare them with.

    Parameters
    ----------
    errors : dict of str to array-like
        By loss: the mean absolute error in each draw.
    rivals : dict of str to float
        By rival: its mean absolute error.
    condition : str, default="3 % wrong y"
        What all losses met with; the title begins with it.

    Examples
    --------
    >>> fig, alt = errors_by_loss({"squared": [80, 90], "absolute": [45, 47]}, {"mean": 66})
    >>> alt.partition(". ")[2]
    'Mean of 2 draws: squared 85, absolute 46. To compare: mean 66.'
    """
    means = {name: np.mean(values) for name, values in errors.items()}
    best, *others = sorted(means, key=means.get)
    title = f"{condition}: error {means[best]:.0f} with {best}"
    if others:
        title += f", {means[others[0]]:.0f} or more with the others"
    title = title.replace("\n", " ")
    fig, ax = blank(7.0, 3.2, title=title, xlabel="", ylabel="mean absolute error")
    for place, (name, values) in enumerate(errors.items()):
        marks = ROLES["test"] | {"linestyle": "", "markersize": 8}
        beside = place + np.linspace(-0.1, 0.1, len(values))  # else equal ones hide each other
        one = "one draw" if place == 0 else None
        ax.plot(beside, values, label=one, **marks)
        mean = "mean" if place == 0 else None
        ax.hlines(means[name], place - 0.25, place + 0.25, color="black", linewidth=2, label=mean)
        ax.text(place + 0.27, means[name], f"{means[name]:.0f}", va="bottom", weight="bold")
    for (name, value), line in zip(rivals.items(), cycle(("--", ":", "-.")), strict=False):
        ax.axhline(value, color="black", linewidth=1, linestyle=line)
        ax.text(-0.48, value - 1, f"{name}: {value:.0f}", va="top", fontsize=9)
    ax.legend(loc="lower left")
    ax.set_xticks(range(len(errors)), errors)
    ax.set_xlim(-0.5, len(errors) - 0.5)
    ax.set_ylim(0, None)
    said = ", ".join(f"{name} {value:.0f}" for name, value in means.items())
    beside = ", ".join(f"{name} {value:.0f}" for name, value in rivals.items())
    said = f"Mean of {len(values)} draws: {said}. To compare: {beside}."
    return fig, f"{title}. {said}".replace("\n", " ")


def halves(upper, lower):
    """Draw images whose lower halves come from different models, one model a line.

    Parameters
    ----------
    upper : array-like of shape (n_images, rows, columns)
    lower : dict of str to array-like of shape (n_images, rows, columns)
        By model: the lower halves, drawn below a line; the true ones first.

    Examples
    --------
    >>> parts = np.zeros((2, 4, 8))
    >>> fig, alt = halves(parts, {"true": parts, "mean": parts})
    >>> alt
    'The lower half, drawn from the upper half: mean. 2 images; lines: true, mean.'
    """
    names = [name.replace("\n", " ") for name in lower]
    title = "The lower half, drawn from the upper half: " + ", ".join(names[1:])
    fig, _ = blank(7.0, 1.0 + len(lower), title=title, xlabel="", ylabel="")
    fig.clf()
    fig.suptitle(title, fontsize=12)
    axes = fig.subplots(len(lower), len(upper), squeeze=False)
    for line, (name, parts) in zip(axes, lower.items(), strict=True):
        for ax, above, below in zip(line, upper, parts, strict=True):
            ax.imshow(np.concatenate([above, below]), cmap="Greys", vmin=0, vmax=1)
            ax.axhline(len(above) - 0.5, color="black", linewidth=2)
            ax.set(xticks=[], yticks=[])
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
    return fig, f"{title}. {len(upper)} images; lines: {', '.join(names)}."


def rates(constant, falling):
    """Draw the accuracy at several learning rates, held constant and falling.

    Parameters
    ----------
    constant, falling : pandas.DataFrame
        Accuracies; a column for each rate, a line for each fold.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({0.01: [0.9, 0.9], 0.1: [0.8, 0.8]})
    >>> fig, alt = rates(table, table + 0.05)
    >>> alt.partition(". ")[2]
    'Constant and falling: 0.01: 0.90 and 0.95; 0.1: 0.80 and 0.85.'
    """
    gains = falling - constant
    surest = (gains.mean().abs() / gains.std()).idxmax()
    title = f"A falling rate: {gains[surest].mean():+.2f} at lr = {surest} is the surest change"
    fig, ax = blank(6.4, 3.2, title=title, xlabel="lr (logarithmic)", ylabel="accuracy")
    # A little to the left and to the right, else one hides the other.
    open_mark = {"markerfacecolor": "white", "linestyle": ":"}
    for name, table, other, aside in (
        ("constant", constant, open_mark, 0.95),
        ("falling", falling, {"linestyle": "-"}, 1.05),
    ):
        style = ROLES["test"] | {"markersize": 8, "capsize": 4} | other
        ax.errorbar(aside * table.columns, table.mean(), table.std(ddof=1), label=name, **style)
    ax.set_xscale("log")
    ax.set_xticks(list(constant.columns), constant.columns)
    ax.minorticks_off()
    ax.legend(title="learning rate \n(± one standard deviation)")
    pairs = zip(constant.mean().items(), falling.mean(), strict=True)
    said = "; ".join(f"{rate}: {a:.2f} and {b:.2f}" for (rate, a), b in pairs)
    return fig, f"{title}. Constant and falling: {said}."
