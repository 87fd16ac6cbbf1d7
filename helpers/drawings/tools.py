"""Drawings of lesson 08b: what stays whichever tool trains, and which canary found what."""

from helpers.drawings.machines import fork_and_join
from helpers.plots import alarms, blank


def tools():
    """Draw what stays the same whichever tool trains the network."""
    title = "The tool changes, the split before it and the look after it do not"
    middle = {
        "helpers": "small networks",
        "skorch": "data loaders",
        "Optuna": "chooses settings",
        "Lightning": "one large network",
    }
    before = {"table": "all rows", "split": "before\neverything"}
    fig = fork_and_join(middle, before, {"test rows": "one look"}, title)
    return fig, (
        f"{title}. From left to right: the table is split before everything. The training rows go "
        "to a tool: helpers for small networks, skorch for data loaders, Optuna "
        "to choose settings, Lightning for one large network. Then comes one look at the test rows."
    )


def found_by(answers, title):
    """Draw which canary raised an alarm at which estimator.

    Parameters
    ----------
    answers : dict of str to dict of str to bool
        By estimator, then by canary: whether it raised an alarm.
    title : str

    Examples
    --------
    >>> answers = {"class": {"purity": False}, "instance": {"purity": True}}
    >>> fig, alt = found_by(answers, "The class raises no alarm")
    >>> alt
    'The class raises no alarm. class: none. instance: purity.'
    """
    canaries = list(next(iter(answers.values())))
    fig, ax = blank(7.4, 1.2 + 0.4 * len(answers), title=title, xlabel="", ylabel="")
    alarms(ax, {name: found.values() for name, found in answers.items()}, canaries)
    said = []
    for name, found in answers.items():
        raised = [canary for canary, leaked in found.items() if leaked]
        said.append(f"{name}: {', '.join(raised) or 'none'}.")
    return fig, f"{title}. {' '.join(said)}"
