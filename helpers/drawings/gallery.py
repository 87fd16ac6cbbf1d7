"""Drawings of lessons 05 and 05b: how test rows get into training, and which canary takes what."""

import numpy as np
from sklearn.neighbors import KNeighborsRegressor

from helpers import drawings
from helpers.plots import ROLES, blank, legend_below

TRAINING = ROLES["training"] | {"linestyle": ""}
TEST = ROLES["test"] | {"linestyle": ""}


def step_before_split():
    """Draw how test rows reach the training rows through a step before the split."""
    boxes = {
        "all rows": (0, 0.5, ""),
        "a step": (1, 0.5, "is fitted to\nall rows"),
        "split": (2, 0.5, ""),
        "training rows": (3, 1, "as the step\nleft them", "training"),
        "test rows": (3, 0, "", "test"),
        "model": (4, 1, ""),
        "score": (4, 0, ""),
    }
    arrows = [("split", "test rows"), ("test rows", "score"), ("model", "score")]
    leaks = [("all rows", "a step"), ("a step", "split"), ("split", "training rows")]
    leaks += [("training rows", "model")]
    title = "A step before the split takes test rows into training"
    alt = (
        f"{title}: from left to right, all rows, a step fitted to them, the split. An orange "
        "path goes on to training rows and model, black arrows to test rows and score."
    )
    return drawings.flow(boxes, arrows, leaks, title=title), alt


def persons_in_two_sets():
    """Draw visits of persons, split at random and split by whole persons."""
    n_persons = n_visits = 10
    person, visit = np.divmod(np.arange(n_persons * n_visits), n_visits)
    drawn = np.random.RandomState(0).permutation(len(person)) < len(person) // 5
    last = person >= n_persons - n_persons // 5
    title = "Split by visits, the model knows every test person; split by persons, none"
    fig, axes = blank(7.4, 3.3, title=title, xlabel="visit", ylabel="person", columns=2)
    ways = {"visits split at random": drawn, "whole persons split": last}
    for ax, (name, test) in zip(axes, ways.items(), strict=True):
        ax.plot(visit[~test] + 1, person[~test] + 1, label="training", **TRAINING)
        ax.plot(visit[test] + 1, person[test] + 1, label="test", **(TEST | {"markersize": 9}))
        ax.set_title(name, fontsize=10)
        ax.set(xticks=[1, 5, 10], yticks=range(1, n_persons + 1))
    axes[0].invert_yaxis()
    legend_below(fig, ncols=2, fontsize=9)
    alt = (
        f"{title}: {n_persons} persons with {n_visits} visits each. Left, test visits are spread "
        "over all persons. Right, all visits of the last persons are test visits."
    )
    return fig, alt


def point_between_parents():
    """Draw rows that were made between two near rows, on both sides of a split."""
    rng = np.random.RandomState(3)
    title = "A made row lies between its parents, and they are in training"
    fig, ax = blank(6.4, 3.4, title=title, xlabel="column 1", ylabel="column 2")
    ax.plot(*rng.normal(size=(2, 40)), "o", color="#BBBBBB", label="frequent label")
    parents = np.array([[-1.6, -0.9], [1.2, 1.3]])
    made = parents[0] + np.array([0.2, 0.35, 0.7, 0.85])[:, None] * (parents[1] - parents[0])
    new = parents[0] + 0.53 * (parents[1] - parents[0])
    between = {"color": "black", "linestyle": "--", "linewidth": 1.5}
    ax.plot(*parents.T, label="the line between the parents", **between)
    large = {"markersize": 13, "markeredgecolor": "black"}
    ax.plot(*parents.T, label="parents (rare label, in training)", **(TRAINING | large))
    ax.plot(*made.T, label="made between them, in training", **TRAINING)
    ax.plot(*new, label="made between them, in the test", **(TEST | large))
    legend_below(fig, ncols=2, fontsize=9)
    alt = (
        f"{title}: on a line between two rows of the rare label lie five rows that were made from "
        "them. Four are training rows; the test row lies in the middle of all."
    )
    return fig, alt


def nearer_to_own_label(apart, together):
    """Draw how much nearer test rows lie to their own label, whitened without them and with them.

    Parameters
    ----------
    apart, together : array-like
        For each test row its mean distance to training rows of the other label, minus that to
        training rows of its own: where whitening was fitted to the training rows, and to all.

    Examples
    --------
    >>> fig, alt = nearer_to_own_label([0.1, 0.2, -0.1], [0.01, -0.02, 0.0])
    >>> alt.partition(". ")[2]
    'Nearer to their own label are 2 of 3 test rows, and 1 of 3; the mean is 0.067, and -0.003.'
    """
    title = "Whitened together, a test row is about as far from both labels"
    xlabel = "distance to the other label minus distance to the own label"
    fig, ax = blank(7.2, 2.4, title=title, xlabel=xlabel, ylabel="whitening fitted to")
    apart, together = np.asarray(apart), np.asarray(together)
    for row, values, role in ((0, apart, "honest"), (1, together, "leaky")):
        style = ROLES[role] | {"linestyle": "", "alpha": 0.6, "markersize": 8}
        beside = 0.12 * (np.arange(len(values)) % 3 - 1)  # so that near marks stand apart
        ax.plot(values, row + beside, **style)
    ax.axvline(0, **ROLES["chance"])
    ax.set_yticks([0, 1], ["training rows", "all rows"])
    ax.set_ylim(1.5, -0.5)
    nearer = [f"{np.sum(values > 0)} of {len(values)}" for values in (apart, together)]
    alt = f"{title}. Nearer to their own label are {nearer[0]} test rows, and {nearer[1]}; the "
    return fig, alt + f"mean is {apart.mean():.3f}, and {together.mean():.3f}."


def days_between_days(values):
    """Draw the first 60 days of a series, with test days between training days, and after them.

    The line is what the five nearest training days predict.

    Examples
    --------
    >>> fig, alt = days_between_days(np.arange(60.0))
    >>> alt.split(":")[0]
    'Between known days a value can be filled in, after them it cannot'
    """
    n_shown = 60
    values, day = np.asarray(values)[:n_shown], np.arange(n_shown)
    drawn = np.random.RandomState(0).permutation(n_shown) < n_shown // 5
    title = "Between known days a value can be filled in, after them it cannot"
    fig, axes = blank(7.6, 3.2, title=title, xlabel="day", ylabel="value", columns=2)
    ways = {"days split at random": drawn, "last days in the test": day >= n_shown - n_shown // 5}
    for ax, (name, test) in zip(axes, ways.items(), strict=True):
        ax.plot(day[~test], values[~test], label="training", **TRAINING)
        ax.plot(day[test], values[test], label="test", **(TEST | {"markersize": 8}))
        model = KNeighborsRegressor().fit(day[~test, None], values[~test])
        ax.plot(day, model.predict(day[:, None]), color="black", label="prediction")
        ax.set_title(name, fontsize=10)
    legend_below(fig, ncols=3, fontsize=9)
    alt = f"{title}: {n_shown} days of a series. Left, test days lie among the training days, near "
    alt += "the line of the predictions. Right, the last fifth of the days is the test, and the "
    return fig, alt + "line stays where the training days end."


def window_across_border():
    """Draw rows that are windows of days, on both sides of a border and across it."""
    bars = {
        "last training row (day 8)": [(4, None, ""), (4, "training", "days 5 to 8")],
        "test row of day 9": [(5, None, ""), (3, "leaky", "6, 7, 8: shared"), (1, "test", "9")],
        "test row of day 10": [(6, None, ""), (2, "leaky", "7, 8"), (2, "test", "9, 10")],
        "test row of day 11": [(7, None, ""), (1, "leaky", "8"), (3, "test", "9, 10, 11")],
        "test row of day 12": [(8, None, ""), (4, "test", "days 9 to 12")],
    }
    title = "Test rows of the three days after the border hold training days"
    fig = drawings.parts(bars, title=title, unit="day (the border lies after day 8)")
    fig.axes[0].axvline(8, color="black", linewidth=2)
    alt = (
        f"{title}: each row holds four days. The last training row ends with day 8. The test row "
        "of day 9 holds days 6 to 9, so three of its days are training days. The test row of day "
        "12 holds days 9 to 12, and none of them is."
    )
    return fig, alt


def easy_cases(values, right):
    """Draw where the right and the wrong answers lie, against the column that decides.

    Examples
    --------
    >>> fig, alt = easy_cases(np.array([0.1, 0.2, 2.0, -3.0]), np.array([False, True, True, True]))
    >>> alt.split(". ")[1]
    'Wrong: 1 of 2 near 0, 0 of 2 far.'
    """
    title = "Most errors lie near 0, and the easy test leaves those rows out"
    fig, ax = blank(7.2, 3.0, title=title, xlabel="first column of a test row", ylabel="rows")
    bins, far = np.linspace(-3.5, 3.5, 29), np.abs(values) > 1
    styles = ({"facecolor": "#BBBBBB"}, {"facecolor": "#555555"})
    ax.hist([values[right], values[~right]], bins, stacked=True, label=["right", "wrong"])
    for bars, style in zip(ax.containers, styles, strict=True):
        for bar in bars:
            bar.set(edgecolor="white", **style)
    for border in (-1, 1):
        label = "the easy test leaves out the rows between" if border < 0 else ""
        ax.axvline(border, color="black", linestyle="--", label=label)
    legend_below(fig, ncols=3, fontsize=9)
    near = f"{np.sum(~right & ~far)} of {np.sum(~far)} near 0"
    return fig, f"{title}. Wrong: {near}, {np.sum(~right & far)} of {np.sum(far)} far."
