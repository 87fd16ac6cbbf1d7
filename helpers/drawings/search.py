"""Drawings of lessons 02, 03 and 07: what fits begin with, which candidates tie, who waits."""

import numpy as np
from matplotlib.patches import Rectangle

from helpers import drawings
from helpers.plots import ROLES, blank, fields, filled

_FRAME = {"fill": False, "edgecolor": ROLES["validation"]["color"], "linewidth": 2.5}


def kept_weights():
    """Draw three fits of an object that stores a network, and of one that stores a recipe."""
    old, new = "starts trained", "starts untrained"
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
        The `cv_results_` of a search, and `s`, the standard deviation over folds.
    tied : Series of bool
        For each candidate, whether it is tied.
    rows, columns : str or list of str
        Names of the parameters that the rows and the columns of the table stand for.

    Examples
    --------
    >>> import pandas as pd
    >>> results = pd.DataFrame({"param_a": [1, 2], "param_b": [3, 3]})
    >>> results[["mean_test_score", "s"]] = [[0.9, 0.02], [0.5, 0.01]]
    >>> fig, alt = tied_candidates(results, results.mean_test_score > 0.8, rows="a", columns="b")
    >>> alt
    '1 of 2 candidates tie, the best at 0.900. Mean and s: 0.900, 0.020 (tie); 0.500, 0.010.'
    """
    names = [f"param_{name}" for name in np.atleast_1d(columns)]
    results = results.assign(tied=np.asarray(tied))
    kinds = ("mean_test_score", "s", "tied")
    mean, s, ties = (
        results.pivot(index=f"param_{rows}", columns=names, values=kind) for kind in kinds
    )
    title = f"{sum(tied)} of {len(results)} candidates tie, the best at {mean.max(axis=None):.3f}"
    labels = [name.rpartition("__")[2] for name in [rows, *np.atleast_1d(columns)]]
    fig, ax = blank(title=title, xlabel=" / ".join(labels[1:]), ylabel=labels[0])
    texts = np.empty(mean.shape, object)
    for (row, column), tie in np.ndenumerate(ties):
        texts[row, column] = f"{mean.iloc[row, column]:.3f}\ns = {s.iloc[row, column]:.3f}"
        if tie:
            texts[row, column] += "\ntie"
            ax.add_patch(Rectangle((column - 0.47, row - 0.46), 0.94, 0.92, **_FRAME))
    names = [" / ".join(map(str, np.atleast_1d(column))) for column in mean.columns]
    fields(ax, mean, texts, mean.index, names, vmin=0.3, vmax=1.05)
    lines = zip(results.mean_test_score, results.s, results.tied, strict=True)
    said = [f"{mean:.3f}, {s:.3f}{' (tie)' if tie else ''}" for mean, s, tie in lines]
    return fig, f"{title}. Mean and s: {'; '.join(said)}."


def one_look():
    """Draw that a search ends with the test score, and the leak if something is chosen by it."""
    boxes = {
        "training set": (0, 0.5, "", "training"),
        "search": (1, 0.5, "by folds"),
        "winner": (2, 0.5, ""),
        "test set": (2, 1.3, "", "test"),
        "test score": (3, 0.5, "to report"),
    }
    arrows = [("training set", "search"), ("search", "winner"), ("winner", "test score")]
    arrows += [("test set", "test score")]
    leaks = [("test score", "search", "choose again")]
    title = "The test set is used once, at the end"
    alt = f"{title}: training set, search, winner, test score; a leak leads back to the search."
    return drawings.flow(boxes, arrows, leaks, title=title), alt


def order_of_tasks(orders, title=None):
    """Draw in which order the tasks of a search begin, return from `fit`, and are scored.

    Parameters
    ----------
    orders : dict of str to list of tuple
        By the name of a panel: task and event, as they came. Each task of a panel needs the events
        "begins", "returns" and "scored", in this order and each once. A task keeps its number in
        all panels. Where all begin before the first returns, their joint training is drawn just
        before it.
    title : str, default=None
        What the drawing says; if None, the order that was found in each panel.

    Examples
    --------
    >>> order = [("A", "begins"), ("A", "returns"), ("A", "scored")]
    >>> fig, alt = order_of_tasks({"plain": order})
    >>> alt.partition(". ")[2]
    'Tasks by number; b begins, r returns, s is scored. plain: 1b 1r 1s.'
    """
    _check_events(orders)
    tasks = list(dict.fromkeys(task for order in orders.values() for task, _ in order))
    if title is None:
        title = ". ".join(_found(name, order) for name, order in orders.items())
    labels = {"xlabel": "event (the order, not the time)", "ylabel": "task"}
    fig, axes = blank(7.4, 3.2, title=title, columns=len(orders), **labels)
    said = []
    for ax, (name, order) in zip(np.atleast_1d(axes), orders.items(), strict=True):
        color = ROLES["fused" if "fused" in name.lower() else "plain"]["color"]
        _draw_order(ax, order, tasks, color)
        ax.set_title(name, fontsize=10)
        letters = [f"{tasks.index(task) + 1}{event[0]}" for task, event in order]
        said.append(f"{name}: {' '.join(letters)}")
    key = "Tasks by number; b begins, r returns, s is scored"
    return fig, f"{title}. {key}. {'. '.join(said)}."


def _check_events(orders):
    """Refuse a panel without tasks, and a task that has not each event once."""
    for name, order in orders.items():
        if not order:
            raise ValueError(f"The panel {name!r} has no events: record some, or leave it out.")
        for task in dict.fromkeys(task for task, _ in order):
            events = [event for other, event in order if other == task]
            if events != ["begins", "returns", "scored"]:
                raise ValueError(
                    f"In the panel {name!r} the task {task!r} has the events {events}, but needs "
                    "'begins', 'returns' and 'scored', in this order and each once: record what is "
                    "missing, give another name to a task that came twice, or leave the task out."
                )


def _joint(order):
    """Whether several tasks begin before the first returns."""
    events = [event for _, event in order]
    first = events.index("returns")
    return first > 1 and "begins" not in events[first:]


def _found(name, order):
    """Return the name of a panel and what its order of tasks shows."""
    tasks = [task for task, _ in order]
    way = "tasks overlap"
    if _joint(order):
        way = "all begin, one training, all go on"
    elif tasks[::3] == tasks[1::3] == tasks[2::3]:  # a task has three events
        way = "one task after the other"
    name = "fused" if "fused" in name.lower() else name  # the lesson's is too long for a title
    return f"{name[:1].upper()}{name[1:]}: {way}"


def _draw_order(ax, order, tasks, color):
    """Draw the events of one panel; the rows are the tasks of all panels."""
    for row, task in enumerate(tasks):
        if (task, "begins") not in order:  # a task of another panel
            continue
        start, end, scored = (i for i, (other, _) in enumerate(order, 1) if other == task)
        ax.hlines(row, start, end, color="#999999", linewidth=5, alpha=0.5, label="in fit")
        style = {"color": color, "markeredgecolor": "black"}
        ax.plot(start, row, "o", label="begins", **style)
        ax.plot(end, row, "s", label="returns", **style)
        ax.plot(scored, row, "^", label="scored", **style)
    handles = ax.get_legend_handles_labels()[0][:4]
    if _joint(order):
        first = [event for _, event in order].index("returns")
        handles = [ax.axvspan(first + 0.2, first + 0.8, label="training", **filled("training"))]
    ax.legend(handles=handles)
    ax.set(yticks=range(len(tasks)), yticklabels=tasks, ylim=(len(tasks) - 0.5, -0.5))
