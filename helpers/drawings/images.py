"""Drawings of lesson 03b: which images are changed, and what it does to a score."""

from itertools import pairwise

import numpy as np

from helpers.drawings.flows import flow
from helpers.plots import ROLES, alarms, blank, chance_line, fields, filled


def way_of_images():
    """Draw the way of training and test images, and three places where they could be changed."""
    title = "Three places where a program can change images"
    boxes = {
        "images": (0, 0.5, "X, y"),
        "place 1": (1, 0.5, "change?"),
        "split": (2, 0.5, ""),
        "training\nimages": (3, 0, "", "training"),
        "place 2": (4, 0, "change?"),
        "train\nCNN": (5, 0, "", "training"),
        "test\nimages": (3, 1, "", "test"),
        "place 3": (4, 1, "change?"),
        "score\nCNN": (5, 1, "", "test"),
    }
    upper, lower = list(boxes)[:6], ["split", *list(boxes)[6:]]
    arrows = [*pairwise(upper), *pairwise(lower), (upper[-1], lower[-1], "trained CNN")]
    return flow(boxes, arrows, title=title, row_height=1.1), (
        f"{title}. Images, place 1, split, then two lanes. Training images, place 2, train CNN. "
        "Test images, place 3, score CNN. The trained CNN goes to the score."
    )


def versions(pictures, original, cv, of):
    """Draw the versions of one image, and on which side of the first split each lies.

    Parameters
    ----------
    pictures : array-like of shape (n, 1, height, width)
        All versions of all images, the originals first.
    original : array-like of shape (n,)
        For each version the number of its original.
    cv : cross-validation splitter
    of : int
        The number of the original to draw.

    Examples
    --------
    >>> from sklearn.model_selection import KFold
    >>> fig, alt = versions(np.zeros((4, 1, 8, 8)), [0, 1, 0, 1], KFold(2), of=1)
    >>> alt.partition(". ")[2]
    'From left to right: original, test; copy 1, training.'
    """
    rows = np.flatnonzero(np.asarray(original) == of)
    _, test_rows = next(cv.split(original))
    title = f"One image in {len(rows)} versions, and where the first split puts them"
    fig, axes = blank(7.6, 2.3, title=title, xlabel="", ylabel="", columns=len(rows))
    said = []
    for i, (ax, row) in enumerate(zip(axes, rows, strict=True)):
        name, side = f"copy {i}" if i else "original", "test" if row in test_rows else "training"
        ax.imshow(pictures[row][0], cmap="Greys")
        ax.spines[:].set_visible(True)
        ax.set(xticks=[], yticks=[])
        ax.set_title(name, fontsize=10)
        weight = "bold" if side == "test" else "normal"
        ax.set_xlabel(side, color=ROLES[side]["color"], weight=weight)
        said.append(f"{name}, {side}")
    return fig, f"{title}. From left to right: {'; '.join(said)}."


def with_and_without(results):
    """Draw the scores of two networks on the same splits, without and with augmentation.

    Parameters
    ----------
    results : dict of str to list of dict
        By network: what `cross_validate` returned without augmentation, and with it.

    Examples
    --------
    >>> low, high = {"test_score": [0.7, 0.8]}, {"test_score": [0.8, 0.9]}
    >>> fig, alt = with_and_without({"MLP": [high, low], "CNN": [low, high]})
    >>> alt
    'Shifted training images: MLP 0.85 to 0.75 (worse), CNN 0.75 to 0.85 (better). 2 splits.'
    """
    scores = {name: [one["test_score"] for one in pair] for name, pair in results.items()}
    said = []
    for name, (before, after) in scores.items():
        word = "better" if np.mean(after) > np.mean(before) else "worse"
        said.append(f"{name} {np.mean(before):.2f} to {np.mean(after):.2f} ({word})")
    title = f"Shifted training images: {', '.join(said)}"
    fig, axes = blank(7.0, 3.2, title=title, xlabel="", ylabel="test accuracy", columns=len(scores))
    for ax, (name, pair) in zip(axes, scores.items(), strict=True):
        for one in zip(*pair, strict=True):
            ax.plot([0, 1], one, color="#999999", linewidth=1)
        for x, values in enumerate(pair):
            marks = ROLES["test"] | {"linestyle": "", "label": "a split" if x == 0 else None}
            ax.plot([x] * len(values), values, **marks)
            name_of_bar = "mean" if x == 0 else None
            ax.hlines(np.mean(values), x - 0.15, x + 0.15, lw=3, color="black", label=name_of_bar)
        ax.set_xticks([0, 1], ["as they are", "augment=shift"])
        ax.set_xlim(-0.4, 1.4)
        ax.set_xlabel(f"{name}: training images")
    axes[0].legend(loc="upper right")
    return fig, f"{title}. {len(pair[0])} splits."


def changed_where(table):
    """Draw the test accuracy by how training images are changed (lines), and test images.

    Parameters
    ----------
    table : dict of str to pair of float
        By training: the accuracy on test images as they are, and on shifted ones.

    Examples
    --------
    >>> fig, alt = changed_where({"never": (0.8, 0.4), "anew": (0.9, 0.8)})
    >>> alt.partition(". ")[0]
    'Best: change training images anew, test images not at all (0.90)'
    """
    values = np.array(list(table.values()))
    line, column = np.unravel_index(values.argmax(), values.shape)
    best = f"training images {list(table)[line]}, test images {('not at all', 'too')[column]}"
    title = f"Best: change {best} ({values.max():.2f})"
    fig, ax = blank(7.0, 2.8, title=title, xlabel="test images", ylabel="training images changed")
    texts = [[f"{value:.2f}" for value in pair] for pair in values]
    fields(ax, values, texts, table, ["as they are", "shifted"], size=14, vmin=0.2, vmax=1.1)
    said = [f"{name}: {a:.2f} and {b:.2f}" for name, (a, b) in table.items()]
    return fig, f"{title}. Test images as they are, and shifted. {'; '.join(said)}."


def ways_to_split(coins, true, names):
    """Draw mean scores of several ways to split and augment, on random labels and on true ones.

    Parameters
    ----------
    coins, true : array-like of shape (n_seeds, n_ways)
        The first way is the leaky one.
    names : list of str

    Examples
    --------
    >>> fig, alt = ways_to_split([[0.4, 0.1]], [[0.9, 0.7]], ["mixed", "kept"])
    >>> alt.partition("honest. ")[2]
    'mixed: 0.40 on random labels, 0.90 on true. kept: 0.10 on random labels, 0.70 on true.'
    """
    means = np.mean(coins, axis=0), np.mean(true, axis=0)
    title = f"Copies on both sides score {means[0][0]:.2f} where chance is 0.10, "
    title += f"and {means[1][0]:.2f} where {max(means[1][1:]):.2f} is honest"
    fig, axes = blank(7.6, 3.6, title=title, xlabel="", ylabel="accuracy", columns=2)
    for ax, scores, label in zip(axes, (coins, true), ("random", "true"), strict=True):
        for way, values in enumerate(np.transpose(scores)):
            name = {0: "mean, leaky", 1: "mean, honest"}.get(way)
            ax.bar(way, np.mean(values), label=name, **filled("honest" if way else "leaky"))
            above = max(values) + 0.03
            ax.text(way, above, f"{np.mean(values):.2f}", ha="center", va="bottom")
            mark = "one draw" if way == 1 else None
            ax.plot([way] * len(values), values, "k.", markersize=9, label=mark)
        ax.set_xticks(range(len(names)), names, fontsize=9)
        ax.set_xlabel(f"{label} labels")
    axes[0].set_ylim(0, 1.05)
    for ax in axes:
        chance_line(ax, 0.1)
    axes[0].legend(loc="upper right")
    ways = zip(names, *means, strict=True)
    said = [f"{name}: {a:.2f} on random labels, {b:.2f} on true" for name, a, b in ways]
    return fig, f"{title}. {'. '.join(said).replace(chr(10), ' ')}."


def who_sees(table, columns):
    """Draw which check raises an alarm at which procedure.

    Parameters
    ----------
    table : dict of str to list of (bool or None)
        By procedure, "wrong: ..." if it has a mistake: the alarms; None where a check did not look.
    columns : list of str

    Examples
    --------
    >>> fig, alt = who_sees({"wrong: a step": [True, False], "honest": [False, None]}, ["a", "b"])
    >>> alt.split(". ")[0]
    'Each check sees at most 1 of 1 wrong procedures'
    """
    wrong = {name: found for name, found in table.items() if name.startswith("wrong")}
    most = max(sum(map(bool, found)) for found in zip(*wrong.values(), strict=True))
    missed = [name.removeprefix("wrong: ") for name, found in wrong.items() if not any(found)]
    title = f"Each check sees at most {most} of {len(wrong)} wrong procedures"
    title += "".join(f'; none sees "{name}"' for name in missed)
    fig, ax = blank(8.0, 3.2, title=title, xlabel="check", ylabel="")
    alarms(ax, table, columns)
    raised = [[c for c, a in zip(columns, found, strict=True) if a] for found in table.values()]
    said = [f"{name}: {', '.join(r) or 'none'}" for name, r in zip(table, raised, strict=True)]
    return fig, f"{title}. {'. '.join(said)}.".replace("\n", " ")
