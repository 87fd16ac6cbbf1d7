"""Drawings of lessons 04, 05 and 05b: what they claim in a title is what they draw."""

import inspect

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.patches import FancyArrowPatch

from helpers import drawings
from helpers.leakage import Finding
from helpers.plots import ROLES
from notebooks.leaks import CANARIES
from notebooks.leaks.figures import draw_gains, draw_groups, draw_matrix
from notebooks.leaks.parts import Kind
from notebooks.leaks.shown import HANDED_OVER, Look

CURVE = pd.DataFrame({0: [0.5, 0.9], 1: [0.4, 1.0]}, index=[0, 200])
ALL = {
    "earlier epochs": lambda: drawings.leaks.earlier_epochs(CURVE),
    "room above": lambda: drawings.leaks.room_above({"coins": ([0.5], [1.0])}),
    "shuffled": lambda: drawings.leaks.shuffled_scores(1.0, [0.7, 0.8]),
    "folds in order": lambda: drawings.leaks.folds_in_order([[0.5, 0.8]], [[0.5, 0.5]]),
    "whitened": lambda: drawings.gallery.nearer_to_own_label([0.1, 0.3], [0.0, -0.1]),
    "days": lambda: drawings.gallery.days_between_days(np.arange(60.0)),
    "easy": lambda: drawings.gallery.easy_cases(np.arange(4.0), np.arange(4) > 0),
}
ALL |= {  # and every drawing of any lesson that needs no data
    name: drawing
    for module in vars(drawings).values()
    for name, drawing in inspect.getmembers(module, inspect.isfunction)
    if drawing.__module__.startswith("helpers.drawings.") and not name.startswith("_")
    if all(p.default is not p.empty for p in inspect.signature(drawing).parameters.values())
}


@pytest.fixture(autouse=True)
def no_figure_is_left():
    yield
    plt.close("all")


@pytest.mark.slow
@pytest.mark.parametrize("draw", ALL.values(), ids=ALL)
def test_a_drawing_is_white_has_a_title_that_says_something_and_fits_its_figure(draw):
    fig, alt = draw()
    assert fig.get_facecolor() == (1, 1, 1, 1)
    assert len(fig.get_suptitle().split()) >= 5 and len(alt) > 40 and alt.endswith(".")
    fig.canvas.draw()
    width, height = fig.canvas.get_width_height()
    for part in [fig._suptitle, *fig.axes]:
        box = part.get_tightbbox(fig.canvas.get_renderer())
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height


@pytest.mark.parametrize(
    "draw", [drawings.leaks.weights_travel, drawings.gallery.step_before_split]
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
    fig, _ = drawings.gallery.persons_in_two_sets()
    known = []
    for ax in fig.axes:
        training, test = marks(ax, "training"), marks(ax, "test")
        assert len(training | test) == 100 and not training & test
        persons = [{person for _, person in some} for some in (training, test)]
        known.append(persons[1] & persons[0])
        assert len(test) == 20
    assert len(known[0]) == 10 and not known[1]


def test_the_made_test_row_lies_between_rows_in_training():
    fig, _ = drawings.gallery.point_between_parents()
    ((new, _),) = marks(fig.axes[0], "made between them, in the test")
    of_training = [x for x, _ in marks(fig.axes[0], "made between them, in training")]
    assert min(of_training) < new < max(of_training)
    ends = [x for x, _ in marks(fig.axes[0], "parents (rare label, in training)")]
    assert min(ends) < min(of_training) and max(of_training) < max(ends)


def test_days_are_split_both_ways_into_the_same_numbers():
    fig, _ = drawings.gallery.days_between_days(np.arange(60.0))
    at_random, later = ({day for day, _ in marks(ax, "test")} for ax in fig.axes)
    assert len(at_random) == len(later) == 12
    assert min(later) == 48 and min(at_random) < 48


@pytest.mark.parametrize("lowest", [0.1, 0.29, 0.3])
def test_each_shuffled_score_lies_in_the_middle_half_of_a_drawn_bin(lowest):
    fig, _ = drawings.leaks.shuffled_scores(1.0, [lowest, 0.5, 0.98])
    (ax,) = fig.axes
    *bins, _ = ax.patches  # the last bar is that of the real labels
    assert sum(bar.get_height() for bar in bins) == 3
    filled = [bar.get_x() for bar in bins if bar.get_height()]
    for score, left in zip([lowest, 0.5, 0.98], filled, strict=True):
        assert left + 0.004 < score < left + 0.016


# The pictures of the gallery ---------------------------------------------------------------------


def look(name, gain, chance=0.5, **leaked):
    kind = Kind(name, "-", data=None, score=None, leak=None, chance=chance)
    leaky = {canary: Finding(canary, answer, "") for canary, answer in leaked.items()}
    honest = dict.fromkeys(leaky, Finding("", False, ""))
    return Look(kind, np.array([[0.5, 0.4 + gain], [0.5, 0.6 + gain]]), honest, leaky)


SMALL = look("small", 0.1, purity=True, shift=False, time_order=None)
LARGE = look("large", 2.0, chance=0.0, shift=True)
BELOW = look("below", -0.3, null_labels=True)


def row_names(ax):
    return [text.get_text() for text in ax.get_yticklabels()]


def test_both_pictures_have_the_largest_gain_first():
    gains, alt = draw_gains([SMALL, LARGE, BELOW], "Gains")
    matrix, _ = draw_matrix([BELOW, SMALL, LARGE], HANDED_OVER, "Matrix")
    assert row_names(gains.axes[0]) == ["large (R²)", "small", "below"]
    assert row_names(matrix.axes[0]) == ["large", "small", "below"]
    assert alt == "Mean gain by kind of leak: large +2.00, small +0.10, below -0.30."


def test_a_gain_beyond_stands_behind_a_break_and_not_at_the_edge():
    fig, _ = draw_gains([SMALL, LARGE], "Gains")
    left, right = fig.axes
    assert left.get_xlim()[1] < 1 < right.get_xlim()[1]
    assert right.get_xlim()[0] > 0.5, "behind the break the axis goes on, it does not begin anew"
    assert max(line.get_xdata().max() for line in right.lines if len(line.get_xdata()) == 2) > 2
    assert len(draw_gains([SMALL, BELOW], "Gains")[0].axes) == 1


def test_the_matrix_marks_what_was_caught_and_leaves_blank_what_was_not_looked_at():
    fig, alt = draw_matrix([SMALL, LARGE], HANDED_OVER, "Matrix")
    (ax,) = fig.axes
    columns = [text.get_text() for text in ax.get_xticklabels()]
    marked = {}
    for points in ax.collections[:3]:
        places = points.get_offsets().astype(int)
        marked[points.get_label()] = [(columns[column], row) for column, row in places]
    assert marked["caught"] == [("shift", 0), ("purity", 1)]
    assert marked["quiet"] == [("shift", 1)]
    assert alt == "Canaries that caught each kind. large: shift; small: purity."


def test_an_alarm_on_both_is_neither_shown_as_caught_nor_said_to_be():
    either = look("either", 0.1, purity=True, refit=True, shift=False)
    either.honest.update(refit=Finding("", True, ""), shift=Finding("", True, ""))
    assert either.caught() == ["purity"] and either.alarmed_by_both() == ["refit"]
    said = repr(either).splitlines()
    assert said[-2:] == ["alarm on both  refit", "alarm on the honest one only  shift"]
    fig, _ = draw_matrix([either], HANDED_OVER, "Matrix")
    numbers = {points.get_label(): len(points.get_offsets()) for points in fig.axes[0].collections}
    expected = {"caught": 1, "quiet": 0, "alarm on both": 1, "alarm on the honest one only": 1}
    assert expected.items() <= numbers.items()


def test_every_canary_stands_in_one_group():
    assert sorted(sum(map(list, HANDED_OVER.values()), [])) == sorted(CANARIES)
    fig, alt = draw_groups(HANDED_OVER)
    assert all(canary in alt for canary in CANARIES)
