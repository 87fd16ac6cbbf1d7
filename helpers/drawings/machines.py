"""Drawings of lesson 08: engines, processes, cores, and the way of a task between them.

What is drawn in colour differs in its hatch as well.
"""

from itertools import pairwise

from matplotlib.patches import Rectangle

from helpers import drawings
from helpers.plots import GROUND, blank, filled, legend_below

# Who computes, in a drawing of cores; a wait is blank.
PROCESSES = {
    "A": {"facecolor": "#BBBBBB", "hatch": ""},
    "B": {"facecolor": "#555555", "hatch": "|"},
    "waits": {"facecolor": "white", "hatch": ""},
}
# A box is half a product. A small letter: the core is kept busy by a thread that waits.
TURNS = {
    "two cores, one thread each": {"core 1": "AAAA", "core 2": "BBBB"},
    "one core, one thread each": {"core 1": "ABABABAB"},
    "two cores, two threads each": {"core 1": "AaaBBbA", "core 2": "BbbAAaB"},
}


def engines():
    """Draw an experiment that stays the same on four engines."""
    title = "The engine changes, the experiment does not"
    middle = {
        "this process": "one fit at a time",
        "processes": "of this machine: n_jobs",
        "a cluster": "workers: dask",
        "a GPU": 'device="cuda"',
    }
    before = {"experiment": "rows, split,\nsettings, seeds"}
    fig = fork_and_join(middle, before, {"scores": "compare these first,\nthen the seconds"}, title)
    return fig, (
        f"{title}. From left to right: the experiment (rows, split, settings, seeds) goes to one "
        "of four engines, which are this process, processes of this machine (n_jobs), a cluster "
        "(workers of dask) and a GPU. Each engine gives scores back."
    )


def fork_and_join(middle, before, after, title, row_height=0.68):
    """Draw boxes in a line that forks into several, and joins again in the last.

    Parameters
    ----------
    middle, before, after : dict of str to str
        The text in each box, by its name; `after` has one box.
    title : str
    row_height : float, default=0.68
        Inches from one row to the next.

    Examples
    --------
    >>> fig = fork_and_join({"left": "", "right": ""}, {"start": ""}, {"end": ""}, "Two ways")
    """
    half, column = (len(middle) - 1) / 2, len(before)
    boxes = {name: (i, half, text) for i, (name, text) in enumerate(before.items())}
    boxes |= {name: (column, row, text) for row, (name, text) in enumerate(middle.items())}
    ((last, text),) = after.items()
    arrows = [*pairwise(before), *((list(before)[-1], name) for name in middle)]
    arrows += [(name, last) for name in middle]
    boxes[last] = (column + 1, half, text)
    return drawings.flow(boxes, arrows, title=title, row_height=row_height)


def cores():
    """Draw two processes over time: with a core each, on one core, and with too many threads."""
    title = "Two processes need two cores, and one thread each"
    fig, ax = blank(7.4, 3.7, title=title, xlabel="step of time", ylabel="")
    steps = {case: max(map(len, turns.values())) for case, turns in TURNS.items()}
    place, names = 0, {}
    for case, turns in TURNS.items():
        place += 0.7
        ax.text(0, place - 0.5, f"{case}: ready after {steps[case]} steps")
        for core, boxes in turns.items():
            for start, letter in enumerate(boxes):
                who = letter if letter.isupper() else "waits"
                edge = {"edgecolor": "0.6" if who == "waits" else "white"}
                ax.add_patch(Rectangle((start, place - 0.38), 1, 0.76, **PROCESSES[who], **edge))
                said = who if letter.isupper() else f"{letter.upper()} waits"
                style = {"ha": "center", "va": "center", "fontsize": 8, "bbox": GROUND}
                ax.text(start + 0.5, place, said, **style)
            names[place] = core
            place += 0.85
    ax.set_yticks(list(names), list(names.values()))
    longest = max(steps.values())
    ax.set(xlim=(0, longest + 0.1), ylim=(place - 0.4, -0.2))
    ax.set_xticks([step + 0.5 for step in range(longest)], range(1, longest + 1))
    ax.tick_params(length=0)
    ax.spines[["left", "bottom"]].set_visible(False)
    apart, in_turn, crowded = steps.values()
    waits = {sum(map(str.islower, boxes)) for boxes in turns.values()}  # of the last case
    return fig, (
        f"{title}. Processes A and B over time. Two cores and one thread each: A on one core, B on "
        f"the other, ready after {apart} steps. One core: A and B take turns, ready after "
        f"{in_turn} steps. Two cores and two threads each: a core waits in "
        f"{' or '.join(map(str, sorted(waits)))} of {crowded} steps, ready after {crowded} steps."
    )


def way_of_a_task():
    """Draw how one fit of a search gets to a worker, and its score back."""
    title = "A task takes its code and its rows along, and returns a score"
    before = {
        "this page": "GridSearchCV",
        "task": "code of Net,\nsettings, rows",
        "scheduler": "hands out\ntasks",
    }
    workers = dict.fromkeys(("worker 1", "worker 2"), "fit, score")
    fig = fork_and_join(workers, before, {"scores": "back to\nthis page"}, title, row_height=0.95)
    return fig, (
        f"{title}. From left to right: GridSearchCV on this page makes a task for each fit, with "
        "the code of Net, the settings and the rows. The scheduler hands the tasks to two workers. "
        "A worker fits and scores, and the scores come back to this page."
    )


def folds_to_workers():
    """Draw a nested search whose outer folds go to workers, and are fused there."""
    title = "Outer folds are divided among workers, candidates are fused within"
    boxes = {
        "nested search": (0, 0.5, "3 outer folds"),
        "worker 1": (1, 0, "folds 1 and 3"),
        "worker 2": (1, 1, "fold 2"),
        "fused ": (2, 0, "12 fits of a fold,\nin one stack"),
        "fused": (2, 1, "12 fits of a fold,\nin one stack"),
        "scores": (3, 0.5, "of 3 folds"),
    }
    arrows = [("nested search", "worker 1"), ("nested search", "worker 2")]
    arrows += [("worker 1", "fused "), ("worker 2", "fused")]
    arrows += [("fused ", "scores"), ("fused", "scores")]
    fig = drawings.flow(boxes, arrows, title=title)
    return fig, (
        f"{title}. From left to right: three outer folds are divided between two workers. Each "
        "worker trains the 12 fits of a fold, 6 candidates on 2 inner folds, in one stack. The "
        "scores of three folds come back."
    )


def gpu_memory(n_processes=4):
    """Draw what the memory of a GPU holds when several processes use it, and when one does."""
    title = "Each process needs GPU memory of its own; fused networks share one process"
    own = [("CUDA", 0.9), ("rows", 0.9), ("network", 1.0)]
    fig, ax = blank(7.4, 2.6, title=title, xlabel="GPU memory (not to scale)", ylabel="")
    bars = {
        "one process": own,
        f"n_jobs={n_processes}": own * n_processes,
        "one process, fused": [*own[:2], (f"{n_processes} networks", 2.6)],
    }
    colors = {"CUDA": "#999999", "rows": "#CCCCCC"}
    for place, parts in enumerate(bars.values()):
        left = 0
        for name, width in parts:
            color = colors.get(name, "white")
            ax.barh(place, width, left=left, color=color, edgecolor="0.3")
            style = {"ha": "center", "va": "center", "fontsize": 7.5, "bbox": GROUND}
            ax.text(left + width / 2, place, name, **style)
            left += width
    ax.axvline(8, color="black", linewidth=2, linestyle="--")
    ax.text(8.1, -0.62, "the GPU is full", fontsize=8, va="bottom")
    ax.set_yticks(range(len(bars)), list(bars))
    ax.set(ylim=(2.5, -0.75), xlim=(0, 11.6), xticks=[])
    return fig, (
        f"{title}. Not to scale. One process holds CUDA, its rows and its network. With n_jobs="
        f"{n_processes} all three are there {n_processes} times, and the GPU is full. One process "
        f"that is fused holds CUDA and the rows once, and {n_processes} networks."
    )


def bars(values, *, title, xlabel, digits=1, roles=(), line=None):
    """Draw a bar for each of some numbers, with the number at its end.

    Parameters
    ----------
    values : dict of str to float
    title, xlabel : str
    digits : int, default=1
        Digits after the point of each number.
    roles : sequence of str, default=()
        For each bar its role in `plots.ROLES`, such as "plain" and "fused"; else all are grey.
    line : tuple of (float, str), default=None
        Where a thin line stands, to compare the bars with, and what it means.

    Examples
    --------
    >>> fig, alt = bars({"here": 1.52, "there": 0.8}, title="Quick", xlabel="seconds")
    >>> alt
    'Quick. seconds: here 1.5, there 0.8.'
    """
    fig, ax = blank(7.4, 1.2 + 0.3 * len(values), title=title, xlabel=xlabel, ylabel="")
    drawn = ax.barh(list(values), list(values.values()), color="#999999")
    for bar, role in zip(drawn, roles, strict=bool(roles)):
        bar.set(**filled(role))
    ax.bar_label(drawn, fmt=f" %.{digits}f")
    ax.margins(x=0.1)
    ax.invert_yaxis()
    said = ", ".join(f"{name} {value:.{digits}f}" for name, value in values.items())
    if line:
        place, meaning = line
        ax.axvline(place, color="black", linewidth=1, linestyle="--", label=meaning)
        legend_below(fig)
        said += f"; the line at {place:.{digits}f} is {meaning}"
    return fig, f"{title}. {xlabel}: {said}."
