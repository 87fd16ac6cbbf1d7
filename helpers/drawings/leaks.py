"""Drawings of lesson 04: where weights travel, and what they do to scores."""

import numpy as np

from helpers import drawings
from helpers.plots import GROUND, ROLES, blank, chance_line, filled, legend_below


def weights_travel():
    """Draw how the weights of an earlier fit reach every fold."""
    boxes = {
        "100 rows": (0, 0, "and their\nlabels"),
        "fit": (1, 0, "yesterday,\non all rows"),
        "the object": (2, 0, "holds trained\nweights"),
    }
    leaks = [("100 rows", "fit"), ("fit", "the object")]
    trained_on = {"1": "folds 2-5", "2": "folds 1, 3-5", "5": "folds 1-4"}
    for row, (fold, others) in enumerate(trained_on.items()):
        boxes[f"clone {fold}"] = (3, row, f"trains on\n{others}")
        boxes[f"score {fold}"] = (4, row, f"on fold {fold}")
        leaks += [("the object", f"clone {fold}"), (f"clone {fold}", f"score {fold}")]
    title = "The weights of yesterday's fit reach every fold (1, 2 and 5 are drawn)"
    alt = (
        f"{title}: from left to right, an orange path goes from 100 rows through yesterday's "
        "fit into the object, from there into the clones, and with each clone to its fold."
    )
    return drawings.flow(boxes, leaks=leaks, title=title), alt


def earlier_epochs(curve):
    """Draw the cross-validated score against the epochs of an earlier fit.

    Parameters
    ----------
    curve : pandas.DataFrame
        Scores; its index are epochs, and each column is one network.

    Examples
    --------
    >>> import pandas as pd
    >>> fig, alt = earlier_epochs(pd.DataFrame({0: [0.5, 0.9], 1: [0.4, 1.0]}, index=[0, 200]))
    >>> alt.partition("epochs: ")[2]
    '0.45 after 0, 0.95 after 200.'
    """
    mean = curve.mean(axis=1)
    first, last = mean.index[[0, -1]]
    title = "Earlier epochs lift the score on coin flips "
    title += f"from {mean[first]:.2f} to {mean[last]:.2f}"
    fig, ax = blank(title=title, xlabel="epochs of the earlier fit", ylabel="accuracy, 5 folds")
    low, high = curve.min(axis=1), curve.max(axis=1)
    ax.fill_between(curve.index, low, high, color=ROLES["leaky"]["color"], alpha=0.2)
    label = f"mean of {curve.shape[1]} networks; band: lowest to highest"
    ax.plot(mean, label=label, **ROLES["leaky"])
    write_values(ax, mean.index, mean, offset=(9, -11), ha="left")
    chance_line(ax)
    ax.legend(loc="center right")
    points = ", ".join(f"{score:.2f} after {epochs}" for epochs, score in mean.items())
    return fig, f"Cross-validated accuracy on coin flips against earlier epochs: {points}."


def room_above(pairs):
    """Draw an honest score for each source of rows, and what a leak adds on top.

    Parameters
    ----------
    pairs : dict of str to pair of array-like
        By source: the scores of honest folds, and of leaky ones.

    Examples
    --------
    >>> fig, alt = room_above({"coins": ([0.4, 0.6], [1.0, 1.0]), "digits": ([0.93], [0.95])})
    >>> alt.partition(". ")[2]
    'coins: honest 0.500, with the leak 1.000. digits: honest 0.930, with the leak 0.950.'
    """
    means = {name: np.mean(scores, axis=1) for name, scores in pairs.items()}
    gains = [f"{leaky - honest:.3f} on {name}" for name, (honest, leaky) in means.items()]
    title = f"The earlier fit adds {', '.join(gains)}"
    fig, ax = blank(height=3.0, title=title, xlabel="accuracy, mean of 5 folds", ylabel="")
    said = []
    for row, (name, (honest, leaky)) in enumerate(means.items()):
        labels = ("", "") if row else ("honest", "the leak adds")
        ax.barh(row, honest, label=labels[0], **filled("honest"))
        ax.barh(row, leaky - honest, left=honest, label=labels[1], **filled("leaky"))
        ax.text(honest / 2, row, f"{honest:.3f}", ha="center", va="center", bbox=GROUND)
        ax.text(leaky + 0.01, row, f"{leaky:.3f}", va="center")
        said.append(f"{name}: honest {honest:.3f}, with the leak {leaky:.3f}")
    ax.set(xlim=(0, 1.1), yticks=range(len(pairs)), yticklabels=pairs)
    ax.invert_yaxis()
    legend_below(fig, ncols=2)
    return fig, f"{title}. {'. '.join(said)}."


def shuffled_scores(score, shuffled):
    """Draw the score of the labels, and the scores of shuffled ones, against chance.

    Examples
    --------
    >>> fig, alt = shuffled_scores(1.0, [0.7, 0.8])
    >>> alt
    'Shuffled coin flips score 0.75 on average: 0.70 to 0.80. The real labels score 1.00.'
    """
    mean = np.mean(shuffled)
    title = f"Real labels score {score:.2f}, shuffled ones {mean:.2f} on average; chance is 0.50"
    fig, ax = blank(height=2.8, title=title, xlabel="accuracy, 5 folds", ylabel="sets of labels")
    below = max(0, int(np.ceil((0.295 - min(shuffled)) / 0.02)))  # bins for scores below 0.295
    bins = 0.295 + 0.02 * np.arange(-below, 38)  # no score of 100 rows lies on an edge
    ax.hist(shuffled, bins=bins, color="#999999", label=f"{len(shuffled)} times shuffled")
    ax.axvline(mean, color="black", linestyle="--", label="their mean")
    ax.bar(score, 1, width=0.02, label="real labels", **filled("leaky"))
    ax.axvline(0.5, label="chance", **ROLES["chance"])
    legend_below(fig, ncols=4)
    of_shuffled = f"{min(shuffled):.2f} to {max(shuffled):.2f}"
    alt = f"Shuffled coin flips score {mean:.2f} on average: {of_shuffled}."
    return fig, f"{alt} The real labels score {score:.2f}."


def folds_in_order(reused, cloned):
    """Draw the mean score of each fold, of one object that is reused and of clones.

    Parameters
    ----------
    reused, cloned : array-like of shape (n_networks, n_folds)

    Examples
    --------
    >>> fig, alt = folds_in_order([[0.5, 0.8], [0.4, 1.0]], [[0.5, 0.4], [0.5, 0.6]])
    >>> alt
    'Accuracy, folds 1 to 2. Reused: 0.45 0.90. Cloned: 0.50 0.50.'
    """
    of_reused, of_cloned = np.mean(reused, axis=0), np.mean(cloned, axis=0)
    folds = range(1, len(of_reused) + 1)
    title = f"One object in all folds: from {of_reused[0]:.2f} in the first fold "
    title += f"to {of_reused[-1]:.2f} in the last"
    fig, ax = blank(title=title, xlabel="fold", ylabel=f"accuracy, mean of {len(reused)} networks")
    ax.plot(folds, of_reused, label="one object, reused", **ROLES["leaky"])
    ax.plot(folds, of_cloned, label="a new clone each fold", **ROLES["honest"])
    write_values(ax, folds[1:], of_reused[1:], offset=(0, 8))  # the first is that of the clone
    write_values(ax, folds, of_cloned, offset=(0, -15))
    ax.margins(y=0.12)
    chance_line(ax)
    ax.set_xticks(folds)
    ax.legend(loc="center right")
    texts = [" ".join(f"{score:.2f}" for score in scores) for scores in (of_reused, of_cloned)]
    return fig, f"Accuracy, folds 1 to {len(folds)}. Reused: {texts[0]}. Cloned: {texts[1]}."


def write_values(ax, x, y, offset, ha="center"):
    """Write each value of `y` beside its point, `offset` points away."""
    style = {"textcoords": "offset points", "ha": ha, "fontsize": 9}
    for at in zip(x, y, strict=True):
        ax.annotate(f"{at[1]:.2f}", at, offset, bbox=GROUND | {"pad": 0.5}, **style)
