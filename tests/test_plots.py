"""The shared parts of the figures."""

import base64
import re
from itertools import combinations
from pathlib import Path

import nbformat
import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb

from helpers import plots


def test_show_displays_a_described_picture_and_closes_the_figure(monkeypatch):
    shown = []
    monkeypatch.setattr(plots, "display", lambda data, **options: shown.append((data, options)))
    fig, ax = plots.blank(title="Half: 0.5", xlabel="epoch", ylabel="accuracy")
    plots.chance_line(ax)
    plots.show(fig, alt="A line at 0.5.")
    data, options = shown[0]
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert data["text/plain"] == options["metadata"]["image/png"]["alt"] == "A line at 0.5."
    assert not plt.get_fignums()


def test_blank_names_what_is_drawn():
    fig, axes = plots.blank(title="Both", xlabel="epoch", ylabel="accuracy", columns=2)
    assert fig.get_suptitle() == "Both"
    assert [ax.get_xlabel() for ax in axes] == ["epoch", "epoch"]
    assert axes[0].get_ylabel() == "accuracy"
    plt.close(fig)


def test_every_role_can_be_told_without_colour():
    signs = [(role.get("marker"), str(role["linestyle"])) for role in plots.ROLES.values()]
    assert len(set(signs)) == len(signs)
    assert len(set(plots.HATCHES.values())) == len(plots.HATCHES)


def test_each_role_has_a_colour_of_its_own_and_what_is_compared_differs_in_grey():
    colors = {role: plots.ROLES[role]["color"] for role in plots.HATCHES}
    assert len(set(colors.values())) == len(colors)
    grey = {role: np.dot(to_rgb(color), [0.299, 0.587, 0.114]) for role, color in colors.items()}
    compared = [*combinations(["training", "validation", "test"], 2), ("honest", "leaky")]
    for one, other in [*compared, ("plain", "fused")]:
        assert abs(grey[one] - grey[other]) > 0.07, (one, other)


def colored_lines(path):
    """Return the lines that name a colour which is no grey, and may thus be taken for a role."""
    text = path.read_text("utf-8")
    if path.suffix == ".ipynb":
        cells = nbformat.reads(text, as_version=4).cells
        text = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    found = []
    for line in text.splitlines():
        for color in re.findall("#[0-9A-Fa-f]{6}\\b", line):
            if len(set(to_rgb(color))) > 1:
                found.append(line.strip())
    return found


ROOT = Path(__file__).parents[1]
FIGURES = [*ROOT.glob("helpers/**/*.py"), *ROOT.glob("notebooks/leaks/*.py")]
FIGURES += ROOT.glob("notebooks/*.ipynb")


@pytest.mark.parametrize("path", sorted(FIGURES), ids=lambda path: path.name)
def test_a_colour_that_is_no_grey_is_that_of_a_role(path):
    lines = colored_lines(path)
    if path == Path(plots.__file__):
        assert len(lines) == len(plots.ROLES) - 2  # plain and chance are grey
    else:
        assert not lines


def test_a_field_with_an_alarm_has_the_colour_of_a_leak_and_each_says_what_was_found():
    fig, ax = plots.blank(title="Alarms", xlabel="", ylabel="")
    plots.alarms(ax, {"a": [True, False], "b": [None, True]}, ["one", "two"])
    assert [text.get_text() for text in ax.texts] == ["ALARM", "quiet", "did not look", "ALARM"]
    leaky = (*to_rgb(plots.ROLES["leaky"]["color"]), 1)
    assert [bar.get_facecolor() == leaky for bar in ax.patches] == [True, False, False, True]
    plt.close(fig)


def test_the_text_of_a_field_can_be_read_on_its_shade():
    fig, ax = plots.blank(title="Fields", xlabel="", ylabel="")
    plots.fields(ax, [[0.0, 1.0]], [["low", "high"]], ["a"], ["b", "c"], vmin=0, vmax=1)
    assert [text.get_color() for text in ax.texts] == ["black", "white"]
    plt.close(fig)
