"""Drawings of lesson 01b: how rows become batches, and which seed decides what."""

from itertools import pairwise

import numpy as np

from helpers.drawings.flows import flow
from helpers.plots import blank, fields, filled


def way_of_rows():
    """Draw how rows get from a table into batches, and where random numbers are drawn."""
    title = "Only the training rows are changed and shuffled"
    boxes = {
        "table": (0, 0.5, "X, y"),
        "split": (1, 0.5, "seed 1"),
        "training\nrows": (2, 0, "Subset", "training"),
        "transform": (3, 0, "seed 2", "training"),
        "DataLoader": (4, 0, "seed 3", "training"),
        "train\nnetwork": (5, 0, "seed 4", "training"),
        "test\nrows": (2, 1, "Subset", "test"),
        "no\nchange": (3, 1, "", "test"),
        "DataLoader ": (4, 1, "in order", "test"),
        "score\nnetwork": (5, 1, "", "test"),
    }
    upper, lower = list(boxes)[:6], ["split", *list(boxes)[6:]]
    arrows = [*pairwise(upper), *pairwise(lower), (upper[-1], lower[-1])]
    fig = flow(boxes, arrows, title=title, row_height=1.05)
    return fig, (
        f"{title}. Table, then split with seed 1, then two lanes. For the training rows: Subset; "
        "transform, seed 2; DataLoader, seed 3; train network, seed 4. For the test rows: Subset; "
        "no change; DataLoader, in order; score network, the one that was trained."
    )


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
    ax.bar(numbers, counts, label="random_split", **filled("test"))
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
        ax.spines[:].set_visible(True)
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
    title = "One seed each: at most one thing changes. One seed for all: nearly everything"
    fig, ax = blank(7.0, 3.2, title=title, xlabel="what comes out", ylabel="what we changed")
    table = list(changed.values())
    texts = [["changed" if value else "same" for value in line] for line in table]
    fields(ax, np.array(table, dtype=float), texts, changed, columns, vmax=1.3)
    ax.axhline(len(table) - 1.5, color="black", linewidth=3)
    said = [
        f"{name}: {', '.join(np.array(columns)[np.array(line, dtype=bool)]) or 'nothing'}"
        for name, line in changed.items()
    ]
    return fig, f"{title}. What each changes: " + ". ".join(said) + "."
