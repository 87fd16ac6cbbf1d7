"""Drawings of lesson 03c: what a title or a legend claims holds for the numbers that are drawn."""

import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex

from helpers import drawings


@pytest.fixture(autouse=True)
def no_figure_is_left():
    yield
    plt.close("all")


@pytest.mark.filterwarnings("error")
def test_only_a_mean_below_0_is_marked_as_worse_than_the_mean():
    fig, _ = drawings.numbers.bars_of_r2({"a": [0.2, 0.4], "b": [0.6, 0.8]})
    (ax,) = fig.axes
    assert ax.get_legend() is None
    assert [to_hex(bar.get_facecolor()) for bar in ax.patches] == ["#009e73", "#009e73"]
    fig, _ = drawings.numbers.bars_of_r2({"a": [-0.2, -0.4], "b": [0.6, 0.8]})
    (ax,) = fig.axes
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["worse than the mean"]
    assert [to_hex(bar.get_facecolor()) for bar in ax.patches] == ["#ffffff", "#009e73"]


def test_the_title_names_the_worst_model_and_the_two_best():
    scores = {"network": [-3.0], "mean": [0.0], "Ridge": [0.5], "network, y scaled": [0.4]}
    fig, _ = drawings.numbers.bars_of_r2(scores)
    assert fig.get_suptitle() == "R²: network -3.00; network, y scaled 0.40; Ridge 0.50"
    fig, _ = drawings.numbers.bars_of_r2({"network": [-3.0], "Ridge": [0.5]})
    assert fig.get_suptitle() == "R²: network -3.00; Ridge 0.50"


def test_the_best_loss_is_the_one_with_the_lowest_mean_error():
    errors = {"absolute": [45, 47], "middle": [60, 60], "squared": [80, 90]}
    fig, alt = drawings.numbers.errors_by_loss(errors, {})
    assert fig.get_suptitle() == "3 % wrong y: error 46 with absolute, 60 or more with the others"


def test_one_loss_alone_is_drawn_under_the_condition_of_the_caller():
    fig, alt = drawings.numbers.errors_by_loss({"absolute": [46]}, {}, condition="Clean y")
    assert fig.get_suptitle() == "Clean y: error 46 with absolute"
    assert alt.startswith("Clean y: error 46 with absolute. ")


def test_each_rival_has_a_line_of_its_own():
    rivals = {"mean": 77.0, "median": 60.0, "clean": 44.0}
    fig, _ = drawings.numbers.errors_by_loss({"absolute": [46]}, rivals)
    lines = [line for line in fig.axes[0].lines if line.get_linestyle() != "None"]
    assert [line.get_ydata()[0] for line in lines] == list(rivals.values())
    assert len({line.get_linestyle() for line in lines}) == 3
