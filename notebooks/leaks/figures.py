"""The two pictures of the gallery: what each kind adds to a score, and which canary sees it."""

from itertools import pairwise

import numpy as np

from helpers import drawings, plots

LARGEST = 0.85  # gains beyond stand in a part of their own, to the right of a break
LEAKY = plots.ROLES["leaky"]["color"]
MARKS = {
    "caught": {"marker": "X", "color": LEAKY, "s": 60},
    "quiet": {"marker": ".", "color": "#666666", "s": 30},
    "could not look": {"marker": "_", "color": "#666666", "s": 45},
    "alarm on both": {"marker": "x", "color": "#666666", "s": 35},
    "alarm on the honest one only": {
        "marker": "o",
        "facecolor": "none",
        "edgecolor": plots.ROLES["honest"]["color"],
        "s": 150,
        "linewidth": 2,
    },
    "(empty)  was not asked": {"marker": "", "color": "none"},
}


def by_gain(looks):
    """Return looks with the largest gain first: the order of the rows in both pictures."""
    # Two kinds gain the same; without the error of the sum they keep their order.
    return sorted(looks, key=lambda look: -look.gains.mean().round(9))


def _names(looks):
    """Return the names of the kinds; those that are scored by R², where chance is 0, say so."""
    return [look.kind.name + (" (R²)" if look.kind.chance == 0 else "") for look in looks]


def draw_gains(looks, title):
    """Draw the mean and the range of the gains of each kind; return (figure, alternative text)."""
    looks = by_gain(looks)
    beyond = [look.gains.mean() > LARGEST for look in looks]
    xlabel = "leaky minus honest score: mean (cross), range (band)"
    fig, axes = plots.blank(
        *(7.2, 1.3 + 0.24 * len(looks)), title=title, xlabel="", ylabel="", columns=1 + any(beyond)
    )
    axes = np.atleast_1d(axes)
    for row, (look, is_beyond) in enumerate(zip(looks, beyond, strict=True)):
        ax = axes[int(is_beyond)]
        low, mean, high = look.low_mean_high()
        ax.plot([low, high], [row, row], color=LEAKY, linewidth=3, alpha=0.4)
        ax.plot(mean, row, **plots.ROLES["leaky"])
    axes[0].axvline(0, **plots.ROLES["chance"])
    axes[0].set_yticks(range(len(looks)), _names(looks))
    axes[0].set_ylim(len(looks) - 0.5, -0.5)
    axes[0].set_xlabel(xlabel)
    if any(beyond):
        _break(*axes)
    texts = [f"{look.kind.name} {look.gains.mean():+.2f}" for look in looks]
    return fig, "Mean gain by kind of leak: " + ", ".join(texts) + "."


def _answers(look):
    """Return for each mark the canaries that get it; those that were not asked get none."""
    both = look.alarmed_by_both()
    return {
        "caught": look.caught(),
        "quiet": look.missed(),
        "could not look": [name for name in look.not_looked() if name not in look.alarmed()],
        "alarm on both": both,
        "alarm on the honest one only": [name for name in look.alarmed() if name not in both],
    }


def _break(left, right):
    """Show that the axis goes on to the right after a gap."""
    left.get_gridspec().set_width_ratios([5, 1.4])
    right.spines["left"].set_visible(False)
    right.tick_params(axis="y", length=0)
    right.set_xlim(min(LARGEST, right.dataLim.x0), None)  # no second 0
    right.set_xlabel("(R²)")
    slash = {"marker": [(-1, -2), (1, 2)], "markersize": 10, "color": "black", "clip_on": False}
    left.plot(1, 0, transform=left.transAxes, **slash)
    right.plot(0, 0, transform=right.transAxes, **slash)


def draw_matrix(looks, groups, title):
    """Draw which canary sees which kind, and which raises an alarm where nothing leaks.

    A place without a mark: the canary was not asked, as it needs what the kind does not have.

    Parameters
    ----------
    looks : list of Look
    groups : dict of str to sequence of str
        By what is handed over: the names of the canaries.
    title : str

    Returns
    -------
    (figure, alternative text)
    """
    looks, canaries = by_gain(looks), sum(map(list, groups.values()), [])
    fig, ax = plots.blank(7.6, 2.4 + 0.24 * len(looks), title=title, xlabel="", ylabel="")
    places = {name: [] for name in MARKS}
    for row, look in enumerate(looks):
        for column, canary in enumerate(canaries):
            for name, canaries_of in _answers(look).items():
                if canary in canaries_of:
                    places[name].append((column, row))
    for name, points in places.items():
        ax.scatter(*np.reshape(points, (-1, 2)).T, label=name, **MARKS[name])
    ax.set_xticks(range(len(canaries)), canaries, rotation=40, ha="right")
    ax.set_yticks(range(len(looks)), [look.kind.name for look in looks])
    ax.set_ylim(len(looks) - 0.5, -0.5)
    ax.set_xlim(-0.6, len(canaries) - 0.4)
    first = 0
    for handed, names in groups.items():
        middle = first + (len(names) - 1) / 2
        name = handed.replace(", ", ",\n")
        ax.text(middle, -0.75, name, ha="center", va="bottom", fontsize=9, weight="bold")
        first += len(names)
        if first < len(canaries):
            ax.axvline(first - 0.5, color="black", linewidth=1)
    ax.grid(axis="y", color="#EEEEEE")
    ax.set_axisbelow(True)
    plots.legend_below(fig, ncols=3, fontsize=9, columnspacing=1.5)
    said = [f"{look.kind.name}: {', '.join(look.caught()) or 'none'}" for look in looks]
    return fig, "Canaries that caught each kind. " + "; ".join(said) + "."


def draw_groups(handed_over):
    """Draw the way from a raw table to a score, and which canaries look at which part of it.

    Parameters
    ----------
    handed_over : dict of str to sequence of str
        For "an estimator", "a procedure" and "a table, and its split": names of canaries.

    Returns
    -------
    (figure, alternative text)
    """
    boxes = {
        "raw table": (0, 0.65, ""),
        "split": (1, 0.65, "of X and y"),
        "steps": (2, 0.65, "choose, scale,\nbalance"),
        "fit": (3, 0.65, "and predict"),
        "score": (4, 0.65, ""),
    }
    stages = list(boxes)
    arrows = list(pairwise(stages))
    looks_at = {
        "an estimator": [(3, 1.65), "fit"],
        "a procedure": [(2, 0), *stages],
        "a table, and its split": [(1, 1.65), "split"],
    }
    for name, canaries in handed_over.items():
        place, *looked_at = looks_at[name]
        box = name.replace(", ", ",\n") + ":"
        boxes[box] = (*place, "\n".join(canaries))
        arrows += [(box, stage) for stage in looked_at]
    title = "What you hand over decides what a canary can see"
    said = [f"{name}: {', '.join(canaries)}" for name, canaries in handed_over.items()]
    fig = drawings.flow(boxes, arrows, title=title, width=8.0, row_height=1.65)
    return fig, f"{title}. {'. '.join(said)}."
