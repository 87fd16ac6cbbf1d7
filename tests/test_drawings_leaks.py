"""Drawings of lessons 04, 05 and 05b: what they claim in a title is what they draw."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.patches import FancyArrowPatch

from helpers import drawings_gallery, drawings_leaks
from helpers.plots import ROLES

CURVE = pd.DataFrame({0: [0.5, 0.9], 1: [0.4, 1.0]}, index=[0, 200])
ALL = {
    "weights travel": lambda: drawings_leaks.weights_travel(),
    "earlier epochs": lambda: drawings_leaks.earlier_epochs(CURVE),
    "room above": lambda: drawings_leaks.room_above({"coins": ([0.5], [1.0])}),
    "shuffled": lambda: drawings_leaks.shuffled_scores(1.0, [0.7, 0.8]),
    "folds in order": lambda: drawings_leaks.folds_in_order([[0.5, 0.8]], [[0.5, 0.5]]),
    "step before split": lambda: drawings_gallery.step_before_split(),
    "persons": lambda: drawings_gallery.persons_in_two_sets(),
    "parents": lambda: drawings_gallery.point_between_parents(),
    "whitened": lambda: drawings_gallery.whitened_distances([1.0, 3.0], [9.0, 9.5]),
    "days": lambda: drawings_gallery.days_between_days(np.arange(60.0)),
    "window": lambda: drawings_gallery.window_across_border(),
    "easy": lambda: drawings_gallery.easy_cases(np.arange(4.0), np.arange(4) > 0),
}


@pytest.fixture(autouse=True)
def no_figure_is_left():
    yield
    plt.close("all")


@pytest.mark.parametrize("draw", ALL.values(), ids=ALL)
def test_a_drawing_is_white_has_a_title_that_says_something_and_fits_its_figure(draw):
    fig, alt = draw()
    assert fig.get_facecolor() == (1, 1, 1, 1)
    assert len(fig.get_suptitle().split()) >= 5 and len(alt) > 40
    fig.canvas.draw()
    width, height = fig.canvas.get_width_height()
    for part in [fig._suptitle, *fig.axes]:
        box = part.get_tightbbox(fig.canvas.get_renderer())
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height


@pytest.mark.parametrize(
    "draw", [drawings_leaks.weights_travel, drawings_gallery.step_before_split]
)
def test_a_leak_is_red_and_goes_from_left_to_right(draw):
    fig, _ = draw()
    leaks = [
        patch
        for patch in fig.axes[0].patches
        if isinstance(patch, FancyArrowPatch) and patch.get_linewidth() > 2
    ]
    assert len(leaks) >= 4
    for leak in leaks:
        assert plt.matplotlib.colors.to_hex(leak.get_edgecolor()) == ROLES["leaky"]["color"].lower()
        (start, _), (end, _) = leak._posA_posB
        assert start < end


def marks(ax, label):
    (line,) = [line for line in ax.lines if line.get_label() == label]
    return set(zip(*line.get_data(), strict=True))


def test_each_visit_is_in_one_set_and_only_at_random_is_a_test_person_known():
    fig, _ = drawings_gallery.persons_in_two_sets()
    known = []
    for ax in fig.axes:
        training, test = marks(ax, "training"), marks(ax, "test")
        assert len(training | test) == 100 and not training & test
        persons = [{person for _, person in some} for some in (training, test)]
        known.append(persons[1] & persons[0])
        assert len(test) == 20
    assert len(known[0]) == 10 and not known[1]


def test_the_made_test_row_lies_between_rows_in_training():
    fig, _ = drawings_gallery.point_between_parents()
    ((new, _),) = marks(fig.axes[0], "made between them, in the test")
    of_training = [x for x, _ in marks(fig.axes[0], "made between them, in training")]
    assert min(of_training) < new < max(of_training)
    ends = [x for x, _ in marks(fig.axes[0], "two rows of the rare label")]
    assert min(ends) < min(of_training) and max(of_training) < max(ends)


def test_days_are_split_both_ways_into_the_same_numbers():
    fig, _ = drawings_gallery.days_between_days(np.arange(60.0))
    at_random, later = ({day for day, _ in marks(ax, "test")} for ax in fig.axes)
    assert len(at_random) == len(later) == 12
    assert min(later) == 48 and min(at_random) < 48
