"""Drawings of lesson 03b: what a title claims holds for the numbers that are drawn."""

import pytest
from matplotlib import pyplot as plt

from helpers import drawings


@pytest.fixture(autouse=True)
def no_figure_is_left():
    yield
    plt.close("all")


@pytest.mark.parametrize(
    "table, best",
    [
        ({"never": (0.8, 0.4), "anew": (0.9, 0.7)}, "anew, test images not at all (0.90)"),
        ({"anew": (0.9, 0.7), "never": (0.8, 0.4)}, "anew, test images not at all (0.90)"),
        ({"never": (0.5, 0.4), "anew": (0.6, 0.7)}, "anew, test images too (0.70)"),
    ],
)
def test_the_best_change_is_the_one_with_the_highest_accuracy(table, best):
    fig, alt = drawings.images.changed_where(table)
    assert fig.get_suptitle() == f"Best: change training images {best}"
    assert alt.startswith(f"Best: change training images {best}. ")
