"""The shared parts of the figures."""

import base64

from matplotlib import pyplot as plt

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
