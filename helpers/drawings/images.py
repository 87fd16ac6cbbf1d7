"""Drawings of lesson 03b: which images are changed, and what it does to a score.

Each function returns a figure and its alternative text, for `plots.show(*drawing())`.
"""

import numpy as np

from helpers.plots import ROLES, blank, chance_line, fields

BOXES = {
    "images\nX, y": (0, 0.5, "black"),
    "1": (0.9, 0.5, "change"),
    "split": (1.75, 0.5, "black"),
    "training\nimages": (2.65, 1, "training"),
    "2": (3.7, 1, "change"),
    "train\nCNN": (4.7, 1, "training"),
    "test\nimages": (2.65, 0, "test"),
    "3": (3.7, 0, "change"),
    "score\nCNN": (4.7, 0, "test"),
}
WAYS = {
    "black": [("images\nX, y", "1"), ("1", "split"), ("train\nCNN", "score\nCNN")],
    "training": [("split", "training\nimages"), ("training\nimages", "2"), ("2", "train\nCNN")],
    "test": [("split", "test\nimages"), ("test\nimages", "3"), ("3", "score\nCNN")],
}


def way_of_images():
    """Draw the way of training and test images, and three places where they could be changed.

    Examples
    --------
    >>> fig, alt = way_of_images()
    >>> alt.split(".")[0]
    'Three places where a program can change images'
    """
    title = "Three places where a program can change images"
    fig, ax = blank(7.6, 2.7, title=title, xlabel="", ylabel="")
    for text, (x, y, role) in BOXES.items():
        _box(ax, f"{text}: change?" if role == "change" else text, (x, y), **_style(role))
    for role, arrows in WAYS.items():
        for start, end in arrows:
            _arrow(ax, BOXES[start][:2], BOXES[end][:2], **_style(role))
    ax.text(4.77, 0.42, "the trained CNN", ha="left", fontsize=9)
    ax.set(xlim=(-0.4, 5.75), ylim=(-0.3, 1.3))
    ax.axis("off")
    return fig, (
        f"{title}. Images, place 1, split, then two lanes. Training images, place 2, train CNN. "
        "Test images, place 3, score CNN. The trained CNN goes to the score."
    )


def _style(role):
    if role in ("black", "change"):
        return {"color": "black", "linestyle": "-" if role == "black" else ":"}
    return {name: ROLES[role][name] for name in ("color", "linestyle")}


def _box(ax, text, place, *, color, linestyle):
    edge = {"boxstyle": "round,pad=0.45", "fc": "white", "ec": color, "ls": linestyle, "lw": 2}
    ax.text(*place, text, ha="center", va="center", bbox=edge, zorder=3)


def _arrow(ax, start, end, *, color, linestyle):
    """Draw an arrow from one box to the next; the boxes cover what is too long of it."""
    middle = np.array(start) + 0.62 * (np.array(end) - start)
    line = {"color": color, "ls": linestyle, "lw": 2, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", end, start, arrowprops={"arrowstyle": "-", **line}, zorder=1)
    before = np.array(start) + 0.6 * (np.array(end) - start)
    ax.annotate("", middle, before, arrowprops={**line, "arrowstyle": "-|>", "ls": "-"}, zorder=1)


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
    >>> alt.partition("0.10. ")[2]
    'mixed: 0.40 on random labels, 0.90 on true. kept: 0.10 on random labels, 0.70 on true.'
    """
    means = np.mean(coins, axis=0), np.mean(true, axis=0)
    title = f"Copies on both sides: {means[0][0]:.2f} on random labels, where chance is 0.10"
    fig, axes = blank(7.6, 3.6, title=title, xlabel="", ylabel="accuracy", columns=2)
    for ax, scores, label in zip(axes, (coins, true), ("random", "true"), strict=True):
        for way, values in enumerate(np.transpose(scores)):
            role = ROLES["leaky" if way == 0 else "test"]
            hatch = "//" if way == 0 else None
            name = {0: "mean, with a leak", 1: "mean, no leak"}.get(way)
            style = {"edgecolor": role["color"], "hatch": hatch, "label": name}
            ax.bar(way, np.mean(values), color="white", **style)
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
    >>> alt
    'Each check sees at most 1 of 1 mistakes; seen by none: 0. wrong: a step: a. honest: none.'
    """
    wrong = [alarms for name, alarms in table.items() if name.startswith("wrong")]
    most = max(sum(map(bool, alarms)) for alarms in zip(*wrong, strict=True))
    missed = len(wrong) - sum(map(any, wrong))
    title = f"Each check sees at most {most} of {len(wrong)} mistakes; seen by none: {missed}"
    fig, ax = blank(8.2, 3.2, title=title, xlabel="check", ylabel="")
    values = [[1.0 if alarm else 0.0 for alarm in line] for line in table.values()]
    ax.imshow(values, cmap="Greys", vmax=1.3, aspect="auto")
    words = {True: ("alarm", "white"), False: ("quiet", "black"), None: ("did not look", "#767676")}
    for line, alarms in enumerate(table.values()):
        for column, alarm in enumerate(alarms):
            text, color = words[alarm]
            style = "italic" if alarm is None else "normal"
            ax.text(column, line, text, ha="center", va="center", color=color, style=style)
    ax.set_xticks(range(len(columns)), columns)
    ax.set_yticks(range(len(table)), table)
    raised = [[c for c, a in zip(columns, alarms, strict=True) if a] for alarms in table.values()]
    said = [f"{name}: {', '.join(r) or 'none'}" for name, r in zip(table, raised, strict=True)]
    return fig, f"{title}. {'. '.join(said)}.".replace("\n", " ")
