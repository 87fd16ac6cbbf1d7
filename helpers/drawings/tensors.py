"""Drawings of lesson 01b: how rows become batches, and which seed decides what.

Each function returns a figure and its alternative text, for `plots.show(*drawing())`.
"""

import numpy as np

from helpers.plots import ROLES, blank, fields

UPPER = (
    "training rows\nSubset",
    "transform\nseed 2",
    "DataLoader\nseed 3",
    "train network\nseed 4",
)
LOWER = ("test rows\nSubset", "no change", "DataLoader\nin order", "score\nnetwork")


def way_of_rows():
    """Draw how rows get from a table into batches, and where random numbers are drawn.

    Examples
    --------
    >>> fig, alt = way_of_rows()
    >>> alt.split(".")[0]
    'Only the training rows are changed and shuffled'
    """
    title = "Only the training rows are changed and shuffled"
    fig, ax = blank(7.6, 2.3, title=title, xlabel="", ylabel="")
    table = _box(ax, "table\nX, y", (0, 0.5), color="black")
    fork = _box(ax, "split\nseed 1", (1, 0.5), after=table, color="black")
    for lane, texts, role in ((1, UPPER, "training"), (0, LOWER, "test")):
        style = {name: ROLES[role][name] for name in ("color", "linestyle")}
        last = fork
        for column, text in enumerate(texts, 2):
            last = _box(ax, text, (column, lane), after=last, **style)
    ax.set(xlim=(-0.4, 5.5), ylim=(-0.35, 1.35))
    ax.axis("off")
    lanes = f"For the training rows: {'; '.join(UPPER)}. For the test rows: {'; '.join(LOWER)}."
    alt = f"{title}. Table, then split with seed 1, then two lanes. {lanes}"
    return fig, alt.replace("\n", ", ")


def _box(ax, text, place, *, after=None, color, linestyle="-"):
    """Draw a box around a text, and an arrow from the box after which it comes."""
    edge = {"boxstyle": "round", "fc": "white", "ec": color, "ls": linestyle, "lw": 2}
    box = ax.text(*place, text, ha="center", va="center", bbox=edge)
    if after is not None:
        edges = {"patchA": after.get_bbox_patch(), "patchB": box.get_bbox_patch()}
        arrow = {"arrowstyle": "->", "shrinkA": 3, "shrinkB": 3, **edges}
        ax.annotate("", place, after.get_position(), arrowprops=arrow)
    return box


def numbers_of_a_label(at_random, stratified, *, label, n_test):
    """Draw how often a label is in the test sets of random and of stratified splits.

    Parameters
    ----------
    at_random, stratified : list of int
        How often, in each split.
    label : str
        Its name.
    n_test : int
        Rows in a test set.

    Examples
    --------
    >>> fig, alt = numbers_of_a_label([2, 4, 3], [3, 3, 3], label="eights", n_test=30)
    >>> alt
    'Drawn at random: 2 to 4 eights. Stratified: always 3. 3 splits each, 30 test rows.'
    """
    low, high = min(at_random), max(at_random)
    fewest, most = min(stratified), max(stratified)
    of_stratified = f"always {most}" if fewest == most else f"{fewest} to {most}"
    title = f"Drawn at random: {low} to {high} {label}. Stratified: {of_stratified}"
    xlabel, ylabel = f"{label} among {n_test} test rows", f"splits, of {len(at_random)}"
    fig, ax = blank(title=title, xlabel=xlabel, ylabel=ylabel)
    numbers, counts = np.unique(at_random, return_counts=True)
    ax.bar(numbers, counts, color=ROLES["test"]["color"], label="random_split")
    label = f"stratify=y: all {len(stratified)} splits here"
    places = np.unique(stratified)
    ax.plot(places, [1.06 * max(counts)] * len(places), "kv", markersize=11, label=label)
    ax.set_xticks(range(low, high + 1, 2))
    ax.legend(loc="upper right")
    return fig, f"{title}. {len(at_random)} splits each, {n_test} test rows."


def orders_of_rows(orders, *, batch_size):
    """Draw in which order an epoch takes the rows, one line for each epoch.

    Parameters
    ----------
    orders : list of list of int
        The numbers of the rows, for each epoch.
    batch_size : int

    Examples
    --------
    >>> fig, alt = orders_of_rows([[1, 0, 2, 3], [3, 1, 0, 2]], batch_size=2)
    >>> alt
    'Each epoch takes every row once, in another order. Epoch 1: 1, 0, 2, 3. Epoch 2: 3, 1, 0, 2.'
    """
    title = "Each epoch takes every row once, in another order"
    lines = {"not shuffled": sorted(orders[0])}
    lines |= {f"epoch {i}": order for i, order in enumerate(orders, 1)}
    n = len(orders[0])
    fig, ax = blank(7.0, 2.6, title=title, xlabel="place in the epoch", ylabel="")
    table = list(lines.values())
    fields(ax, table, table, lines, range(1, n + 1), vmax=2 * n)
    for border in range(batch_size, n, batch_size):
        ax.axvline(border - 0.5, color="black", linewidth=3)
    said = [f"Epoch {i}: {', '.join(map(str, order))}." for i, order in enumerate(orders, 1)]
    return fig, f"{title}. {' '.join(said)}"


def pictures_again(training, test):
    """Draw the pictures that a Dataset of each kind gave when it was asked several times.

    Parameters
    ----------
    training, test : list of array-like of shape (height, width)

    Examples
    --------
    >>> fig, alt = pictures_again([np.eye(2), 1 - np.eye(2)], [np.eye(2), np.eye(2)])
    >>> alt.partition("stays. ")[2]
    '2 different pictures of 2, and 1 of 2.'
    """
    title = "Asked again: the training picture moves, the test picture stays"
    n = len(training)
    fig, axes = blank(7.6, 1.8, title=title, xlabel="", ylabel="", columns=n + len(test))
    for i, (ax, picture) in enumerate(zip(axes, [*training, *test], strict=True)):
        ax.imshow(picture, cmap="Greys")
        ax.set(xticks=[], yticks=[])
        for border in range(1, len(picture)):  # between pixels, so that a move can be seen
            ax.axvline(border - 0.5, color="#999999", linewidth=0.5)
            ax.axhline(border - 0.5, color="#999999", linewidth=0.5)
        of_set, time = ("training", i + 1) if i < n else ("test", i - n + 1)
        ax.set_xlabel(f"{of_set},\ntime {time}")
        for spine in ax.spines.values():
            spine.set_visible(True)
    different = [len(np.unique(np.array(some), axis=0)) for some in (training, test)]
    of_each = f"{different[0]} different pictures of {n}, and {different[1]} of {len(test)}."
    return fig, f"{title}. {of_each}"


def changes(changed, columns):
    """Draw what changes with what: a line for each change that was made.

    Parameters
    ----------
    changed : dict of str to list of bool
        By what was changed, the last without a seed of its own.
    columns : list of str
        What may have changed by it.

    Examples
    --------
    >>> fig, alt = changes({"seed of a": [True, False], "size": [True, True]}, ["a", "b"])
    >>> alt.partition("each changes: ")[2]
    'seed of a: a. size: a, b.'
    """
    title = "One seed each: one thing changes. One seed for all: nearly everything"
    fig, ax = blank(7.0, 3.2, title=title, xlabel="what comes out", ylabel="what we changed")
    table = list(changed.values())
    texts = [["changed" if value else "same" for value in line] for line in table]
    fields(ax, np.array(table, dtype=float), texts, changed, columns, vmax=1.3)
    ax.axhline(len(table) - 1.5, color="black", linewidth=3)
    said = [
        f"{name}: {', '.join(np.array(columns)[np.array(line, dtype=bool)])}"
        for name, line in changed.items()
    ]
    return fig, f"{title}. What each changes: " + ". ".join(said) + "."
