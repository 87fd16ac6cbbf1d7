"""Drawings of lessons 02 and 03: what fits begin with, and which candidates of a search tie.

Each function returns a figure and its alternative text, for `plots.show(*drawing())`.
"""

import numpy as np
from matplotlib.patches import Rectangle

from helpers import drawings
from helpers.plots import ROLES, blank

_FRAME = {"fill": False, "edgecolor": ROLES["validation"]["color"], "linewidth": 2.5}


def kept_weights():
    """Draw three fits of an object that stores a network, and of one that stores a recipe.

    Examples
    --------
    >>> fig, alt = kept_weights()
    >>> alt.split(":")[0]
    'A stored network keeps its weights from fit to fit, a stored recipe does not'
    """
    old, new = "trained weights", "untrained weights"
    # A blank at the end of a name makes another box that shows the same name.
    boxes = {
        "a network": (0, 0, ""),
        "fit 1": (1, 0, new),
        "fit 2": (2, 0, old),
        "fit 3": (3, 0, old),
        "a recipe": (0, 2, ""),
        "fit 1 ": (1, 1.3, new),
        "fit 2 ": (2, 2, new),
        "fit 3 ": (3, 2.9, new),
    }
    arrows = [("a network", "fit 1")]
    arrows += [("a recipe", "fit 1 "), ("a recipe", "fit 2 "), ("a recipe", "fit 3 ")]
    leaks = [("fit 1", "fit 2"), ("fit 2", "fit 3")]
    title = "A stored network keeps its weights from fit to fit, a stored recipe does not"
    alt = (
        f"{title}: above, a network goes into fit 1, and a leak from each fit to the next; below, "
        "an arrow from a recipe to each of three fits, which begin with untrained weights."
    )
    return drawings.flow(boxes, arrows, leaks, title=title, row_height=0.7), alt


def tied_candidates(results, tied, *, rows, columns):
    """Draw the mean scores of a search as a table, and frame the candidates that tie.

    Parameters
    ----------
    results : pandas.DataFrame
        The `cv_results_` of a search.
    tied : Series of bool
        For each candidate, whether it is tied.
    rows, columns : str or list of str
        Names of the parameters that the rows and the columns of the table stand for.

    Examples
    --------
    >>> import pandas as pd
    >>> results = pd.DataFrame({"param_a": [1, 2], "param_b": [3, 3]})
    >>> results[["mean_test_score", "std_test_score"]] = [[0.9, 0.02], [0.5, 0.01]]
    >>> fig, alt = tied_candidates(results, results.mean_test_score > 0.8, rows="a", columns="b")
    >>> alt
    '1 of 2 candidates tie, the best at 0.900. Mean and s: 0.900, 0.020 (tie); 0.500, 0.010.'
    """
    names = [f"param_{name}" for name in np.atleast_1d(columns)]
    results = results.assign(tied=np.asarray(tied))
    kinds = ("mean_test_score", "std_test_score", "tied")
    mean, s, ties = (
        results.pivot(index=f"param_{rows}", columns=names, values=kind) for kind in kinds
    )
    title = f"{sum(tied)} of {len(results)} candidates tie, the best at {mean.max(axis=None):.3f}"
    labels = [name.rpartition("__")[2] for name in [rows, *np.atleast_1d(columns)]]
    fig, ax = blank(title=title, xlabel=" / ".join(labels[1:]), ylabel=labels[0])
    ax.imshow(mean, cmap="Greys", vmin=0.3, vmax=1.05, aspect="auto")
    for (row, column), score in np.ndenumerate(mean):
        text = f"{score:.3f}\ns = {s.iloc[row, column]:.3f}"
        if ties.iloc[row, column]:
            text += "\ntie"
            ax.add_patch(Rectangle((column - 0.47, row - 0.46), 0.94, 0.92, **_FRAME))
        color = "white" if score > 0.7 else "black"
        ax.text(column, row, text, color=color, ha="center", va="center")
    ax.set_xticks(
        range(mean.shape[1]), [" / ".join(map(str, np.atleast_1d(c))) for c in mean.columns]
    )
    ax.set_yticks(range(mean.shape[0]), mean.index)
    lines = zip(results.mean_test_score, results.std_test_score, results.tied, strict=True)
    said = [f"{mean:.3f}, {s:.3f}{' (tie)' if tie else ''}" for mean, s, tie in lines]
    return fig, f"{title}. Mean and s: {'; '.join(said)}."


def one_look():
    """Draw that the test score is the end of a search, and the leak if something is chosen by it.

    Examples
    --------
    >>> fig, alt = one_look()
    >>> alt.split(":")[0]
    'The test set is used once, at the end'
    """
    boxes = {
        "training set": (0, 0.5, ""),
        "search": (1, 0.5, "by folds"),
        "winner": (2, 0.5, ""),
        "test set": (2, 1.3, ""),
        "test score": (3, 0.5, "to report"),
    }
    arrows = [("training set", "search"), ("search", "winner"), ("winner", "test score")]
    arrows += [("test set", "test score")]
    leaks = [("test score", "search", "choose again")]
    title = "The test set is used once, at the end"
    alt = f"{title}: training set, search, winner, test score; a leak leads back to the search."
    return drawings.flow(boxes, arrows, leaks, title=title), alt
