"""Drawings of lessons 06 to 07: how rows, labels, scores and weights flow, from left to right.

Hatches repeat what the colours say, so that a drawing can be read in grey as well.
"""

import numpy as np
from matplotlib.patches import Rectangle

from helpers.plots import HATCHES, ROLES, blank, pale, sheet


def _box(ax, x, y, width, height, text="", role=None, **font):
    """Draw a box, its lower left corner at (x, y), with a text on a plain ground in its middle."""
    fill = {"facecolor": "white", "edgecolor": "#444444"}
    if role:  # the hatch repeats the role without colour
        color = ROLES[role]["color"]
        fill = {"facecolor": pale(role), "hatch": HATCHES[role], "edgecolor": color}
    ax.add_patch(Rectangle((x, y), width, height, linewidth=1, **fill))
    ground = {"facecolor": fill["facecolor"], "edgecolor": "none", "pad": 3}
    style = {"fontsize": 9, "ha": "center", "va": "center"} | font
    ax.text(x + width / 2, y + height / 2, text, bbox=ground if text else None, **style)


def _arrow(ax, start, end, color="#222222"):
    ax.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": color, "linewidth": 1.3})


def tossed_labels():
    """Draw how one set of answers is scored against many sets of labels."""
    fig, ax = sheet(7.4, 2.7, "100 networks, trained once; only the labels are tossed again")
    ax.set_ylim(0.1, 2.35)
    _box(ax, 0.1, 1.45, 1.35, 0.75, "100 rows\nto train on", "training")
    _box(ax, 0.1, 0.35, 1.35, 0.75, "50 rows\nto validate on", "validation")
    _box(ax, 2.0, 1.45, 1.3, 0.75, "100 networks\n(candidates)")
    _box(ax, 2.0, 0.35, 1.3, 0.75, "their answers\n100 × 50")
    for i, text in enumerate(["tossed again, no. 200", "…", "tossed again, no. 1", "labels drawn"]):
        _box(ax, 3.9, 0.2 + 0.55 * i, 1.75, 0.42, text, "validation", fontsize=8)
        _arrow(ax, (3.32, 0.72), (3.88, 0.41 + 0.55 * i))
        _arrow(ax, (5.67, 0.41 + 0.55 * i), (6.03, 0.41 + 0.55 * i))
        best = "…" if text == "…" else "best of 100"
        _box(ax, 6.05, 0.2 + 0.55 * i, 1.15, 0.42, best, fontsize=8)
    _arrow(ax, (1.47, 1.82), (1.98, 1.82))
    _arrow(ax, (1.47, 0.72), (1.98, 0.72))
    _arrow(ax, (2.65, 1.43), (2.65, 1.12))
    alt = (
        "Data flow from left to right: 100 rows train 100 networks, once. Their answers on 50 "
        "validation rows are compared with the labels drawn and with 200 sets of labels tossed "
        "again. Each set of labels has a best of the 100 scores."
    )
    return fig, alt


def nested():
    """Draw nested cross-validation of a search, with three outer folds."""
    fig, ax = sheet(7.4, 4.1, "Nested: the search never sees the fold that scores it")
    heads = ["75 rows in three outer folds", "the search, on 50 rows", "it delivers", "a score"]
    for x, text in zip([1.2, 3.45, 5.3, 6.75], heads, strict=True):
        ax.text(x, 3.87, text, ha="center", fontsize=9, weight="bold")
    for i in range(3):
        y = 2.85 - 1.15 * i
        ax.text(0.1, y + 0.74, f"outer fold {i + 1}", fontsize=8)
        for part in range(3):
            out = part == i
            role = "test" if out else "training"
            _box(ax, 0.1 + 0.75 * part, y, 0.73, 0.6, "25\nheld out" if out else "25", role)
        _arrow(ax, (2.37, y + 0.3), (2.63, y + 0.3))
        _box(ax, 2.65, y, 0.95, 0.6, "35 train\n4 settings", "training", fontsize=8)
        _box(ax, 3.62, y, 0.63, 0.6, "15 to\nchoose", "validation", fontsize=8)
        _arrow(ax, (4.27, y + 0.3), (4.63, y + 0.3))
        _box(ax, 4.65, y, 1.3, 0.6, "best setting,\ntrained on 50", fontsize=8)
        _arrow(ax, (5.97, y + 0.3), (6.28, y + 0.3))
        _box(ax, 6.3, y, 0.9, 0.6, "on the 25\nheld out", "test", fontsize=8)
        # The held-out rows go under everything to the score, and touch nothing on their way.
        below, color = y - 0.16, ROLES["test"]["color"]
        start = 0.1 + 0.75 * i + 0.36
        ax.plot([start, start, 6.75], [y, below, below], color=color, linestyle="-.", linewidth=1.3)
        _arrow(ax, (6.75, below), (6.75, y), color)
    ax.text(7.2, 0.1, "the nested score is the mean of the three scores", ha="right", fontsize=9)
    alt = (
        "Nested cross-validation as boxes: 75 rows are dealt into three outer folds of 25. For "
        "each, the other 50 rows go to a search: 35 train the 4 settings, 15 choose the best, "
        "which is trained again on all 50. The 25 held-out rows bypass the search and score it. "
        "The nested score is the mean of the three scores."
    )
    return fig, alt


def repeated_folds():
    """Draw the same rows dealt into three folds five times."""
    n_rows = 24
    fig, ax = sheet(7.4, 3.0, "Three folds, dealt 5 times: 15 scores")
    ax.set_ylim(0, 2.75)
    rng, colors = np.random.default_rng(0), ("#777777", "#CCCCCC", "white")
    for i in range(5):
        y = 2.15 - 0.42 * i
        ax.text(1.0, y + 0.15, f"repeat {i + 1}", ha="right", va="center", fontsize=9)
        for place, fold in enumerate(rng.permutation(np.arange(n_rows) % 3)):
            style = {"facecolor": colors[fold], "edgecolor": "#444444"}
            ax.add_patch(Rectangle((1.1 + 0.17 * place, y), 0.16, 0.3, linewidth=0.6, **style))
        _arrow(ax, (1.16 + 0.17 * n_rows, y + 0.15), (5.7, y + 0.15))
        _box(ax, 5.72, y, 1.5, 0.3, "3 fold scores", fontsize=8)
    said = f"always the same rows ({n_rows} of them are shown)"
    ax.text(1.1 + 0.085 * n_rows, 2.6, said, ha="center", fontsize=9)
    ax.text(1.1, 0.13, "rows of one shade are one fold: they are tested together", fontsize=8)
    alt = (
        "Five repeats of three folds: the same rows stand in each line, dealt into other folds. "
        "Each line gives 3 fold scores, 15 in all."
    )
    return fig, alt


def permuted_scores(scores):
    """Draw the scores of all candidates on shuffled labels, beside the best one on the real labels.

    Parameters
    ----------
    scores : array of shape (n_labelings, n_candidates)
        The first row belongs to the real labels; of the others, 19 are drawn.

    Examples
    --------
    >>> import numpy as np
    >>> fig, alt = permuted_scores(np.array([[0.5, 0.7], [0.9, 0.4]]))
    >>> alt
    'Which shuffles reach ... labels, 0.70? By shuffle, its candidate and the best: 0.40 and 0.90.'
    """
    real, shuffled = scores[0], scores[1:20]
    best, numbers = real.max(), np.arange(1, len(shuffled) + 1)
    one, highest = shuffled[:, real.argmax()], shuffled.max(axis=1)
    # A question: the guess after this drawing asks for the answer.
    title = f"Which shuffles reach the best score on the real labels, {best:.2f}?"
    xlabel, ylabel = "number of the shuffle", "score on the validation rows"
    fig, ax = blank(7.4, 3.9, title=title, xlabel=xlabel, ylabel=ylabel)
    ax.plot(numbers, shuffled, ".", color="#aaaaaa", markersize=5, zorder=1)
    ax.axhline(best, color="black", label="best score on the real labels")
    inside = ROLES["honest"] | {"linestyle": "", "label": "inside: the best candidate"}
    inside["markersize"] = 11  # it shows behind the cross of the same score
    ax.plot(numbers, highest, **inside)
    outside = ROLES["leaky"] | {"linestyle": "", "label": "outside: the candidate of the real best"}
    ax.plot(numbers, one, **outside)
    ax.plot([], [], ".", color="#aaaaaa", markersize=5, label="the other candidates")
    ax.set_xticks(numbers)
    fig.legend(loc="outside lower center", ncols=2, fontsize=8)
    marks = ", ".join(f"{a:.2f} and {b:.2f}" for a, b in zip(one, highest, strict=True))
    return fig, f"{title} By shuffle, its candidate and the best: {marks}."


def stack_of_weights():
    """Draw how the weight matrices of many networks become one stack with three axes."""
    fig, ax = sheet(7.4, 3.0, "A hundred matrices become one stack; each network keeps its slice")
    for i, text in enumerate(["network 1", "network 2", "network 100"]):
        x = 0.2 + 0.95 * i + (0.35 if i == 2 else 0)
        _box(ax, x, 0.7, 0.5, 1.4, "16\n×\n4")
        ax.text(x + 0.25, 2.2, text, ha="center", fontsize=8)
    ax.text(2.0, 1.4, "…", ha="center", fontsize=14)
    _arrow(ax, (3.2, 1.4), (4.05, 1.4))
    ax.text(3.6, 1.5, "stack", ha="center", fontsize=9)
    for i in range(9, -1, -1):  # the last network lies at the back
        fill = {"facecolor": "#999999" if i == 2 else "white", "edgecolor": "#444444"}
        ax.add_patch(Rectangle((4.5 + 0.16 * i, 0.5 + 0.09 * i), 0.6, 1.4, **fill))
    ax.text(4.4, 1.2, "16 units", rotation=90, ha="right", va="center", fontsize=9)
    ax.text(4.8, 0.3, "4 inputs", ha="center", fontsize=9)
    _arrow(ax, (5.3, 0.45), (6.75, 1.25))
    ax.text(6.1, 0.6, "100 networks", fontsize=9)
    ax.text(3.9, 2.5, "the slice of network 3,\nits own weights", fontsize=8, ha="center")
    _arrow(ax, (4.6, 2.45), (5.0, 2.02))
    alt = (
        "Weights, from left to right: 100 separate matrices of 16 units by 4 inputs are stacked "
        "into one with the axes network, unit and input. One slice of the stack is marked: "
        "it is the weight matrix of network 3, in the same memory."
    )
    return fig, alt
