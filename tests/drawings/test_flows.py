"""Drawings of boxes, arrows and parts: what must be told apart is, in grey too."""

import pytest
from matplotlib import pyplot as plt
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from helpers import plots
from helpers.drawings import flows

BOXES = {"a": (0, 0, "one"), "b": (1, 0, ""), "b ": (1, 1, "two\nlines")}


def parts_of(fig, kind):
    return [patch for patch in fig.axes[0].patches if isinstance(patch, kind)]


def texts(fig):
    return [text.get_text() for text in fig.axes[0].texts if text.get_text()]


@pytest.fixture(autouse=True)
def no_figure_is_left():
    yield
    plt.close("all")


def test_flow_draws_each_box_and_path_once_from_left_to_right():
    fig = flows.flow(BOXES, [("a", "b", "way")], [("a", "b ")], title="Flow")
    boxes = parts_of(fig, FancyBboxPatch)
    assert len(boxes) == 3 and len(parts_of(fig, FancyArrowPatch)) == 2
    assert boxes[0].get_x() < boxes[1].get_x() and boxes[2].get_y() < boxes[1].get_y()
    assert texts(fig) == ["a", "one", "b", "b", "two\nlines", "way"]
    assert fig.get_suptitle() == "Flow" and fig.get_facecolor() == (1, 1, 1, 1)


def test_a_leak_differs_from_an_arrow_without_colour_and_is_named():
    fig = flows.flow(BOXES, [("a", "b")], [("a", "b ")], title="Leak")
    arrow, leak = parts_of(fig, FancyArrowPatch)
    assert leak.get_linestyle() != arrow.get_linestyle()
    assert leak.get_linewidth() > 2 * arrow.get_linewidth()
    assert [text.get_text() for text in fig.axes[0].get_legend().get_texts()] == ["leak"]


def test_no_legend_where_nothing_leaks():
    assert flows.flow(BOXES, [("a", "b")], title="Clean").axes[0].get_legend() is None


def test_an_arrow_to_no_box_is_refused():
    with pytest.raises(ValueError, match=r"'c', which is no box; boxes are \['a', 'b', 'b '\]"):
        flows.flow(BOXES, [("a", "c")], title="x")


@pytest.mark.parametrize("box", [("n" * 50, (0, 0, "")), ("a", (0, 0, "t" * 60))])
def test_text_too_wide_for_its_column_is_refused(box):
    with pytest.raises(ValueError, match=r"break its lines with \\n, or give a larger width"):
        flows.flow(dict([box, ("b", (1, 0, ""))]), title="x")


def test_boxes_stay_inside_and_apart():
    fig = flows.flow(BOXES, title="x")
    boxes = parts_of(fig, FancyBboxPatch)
    left, right = fig.axes[0].get_xlim()
    assert all(left <= box.get_x() and box.get_x() + box.get_width() <= right for box in boxes)
    assert boxes[0].get_x() + boxes[0].get_width() < boxes[1].get_x()


def test_a_box_with_a_role_has_its_colour_and_its_line():
    fig = flows.flow({"a": (0, 0, ""), "b": (1, 0, "", "test")}, title="Roles")
    without, of_test = parts_of(fig, FancyBboxPatch)
    assert plt.matplotlib.colors.to_hex(of_test.get_edgecolor()) == "#009e73"
    assert of_test.get_linestyle() != without.get_linestyle()


def test_chain_joins_neighbours():
    fig = flows.chain(["a", "b", "c"], ["", "", ""], title="Time")
    assert len(parts_of(fig, FancyArrowPatch)) == 2


def test_folds_cover_the_training_set_once_and_never_the_test_set():
    fig = flows.folds(4, test=0.2, title="Folds")
    validation = plots.ROLES["validation"]["color"]
    scored = []
    for bar in parts_of(fig, Rectangle):
        if bar.get_hatch() == plots.HATCHES["validation"]:
            assert plt.matplotlib.colors.to_hex(bar.get_facecolor()) == validation.lower()
            scored.append((bar.get_x(), bar.get_x() + bar.get_width()))
    assert len(scored) == 4
    ends = [0, *(end for _, end in scored)]
    assert [start for start, _ in scored] == pytest.approx(ends[:-1])
    assert ends[-1] == pytest.approx(0.8)
    assert texts(fig).count("not used") == 4


def test_folds_without_a_test_set():
    assert "test set" not in texts(flows.folds(3, test=0, title="Folds"))
