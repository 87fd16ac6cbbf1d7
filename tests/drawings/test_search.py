"""Drawings of lessons 02, 03 and 07: what they claim in a title is what they draw."""

import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.patches import FancyArrowPatch

from helpers import drawings


@pytest.fixture(autouse=True)
def no_figure_is_left():
    yield
    plt.close("all")


def texts(fig):
    return [text.get_text() for text in fig.axes[0].texts]


def test_old_weights_stand_where_a_leak_ends():
    fig, _ = drawings.search.kept_weights()
    paths = [patch for patch in fig.axes[0].patches if isinstance(patch, FancyArrowPatch)]
    leaks = [path for path in paths if path.get_linewidth() > 2]
    assert len(paths) == 6
    assert texts(fig).count("starts trained") == len(leaks) == 2
    assert texts(fig).count("starts untrained") == 4


def test_each_candidate_stands_in_its_row_and_column_and_ties_are_framed():
    results = pd.DataFrame(
        {
            "param_net__lr": [0.1, 0.1, 0.2, 0.2],
            "param_net__epochs": [10, 30, 10, 30],
            "param_net__module__hidden": [2, 2, 2, 2],
            "mean_test_score": [0.6, 0.9, 0.8, 0.5],
            "s": [0.01, 0.02, 0.03, 0.04],
        }
    )
    columns = ["net__epochs", "net__module__hidden"]
    tied = results.mean_test_score > 0.7
    fig, alt = drawings.search.tied_candidates(results, tied, rows="net__lr", columns=columns)
    ax = fig.axes[0]
    found = {text.get_position(): text.get_text() for text in ax.texts}
    assert found == {
        (0, 0): "0.600\ns = 0.010",
        (1, 0): "0.900\ns = 0.020\ntie",
        (0, 1): "0.800\ns = 0.030\ntie",
        (1, 1): "0.500\ns = 0.040",
    }
    assert [label.get_text() for label in ax.get_xticklabels()] == ["10 / 2", "30 / 2"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["0.1", "0.2"]
    framed = [(round(frame.get_center()[0]), round(frame.get_center()[1])) for frame in ax.patches]
    assert framed == [place for place, text in found.items() if text.endswith("tie")]
    assert fig.get_suptitle() == "2 of 4 candidates tie, the best at 0.900"
    assert alt.count("(tie)") == 2


def test_a_joint_training_is_drawn_only_where_all_wait_for_it():
    plain = [(task, event) for task in "AB" for event in ("begins", "returns", "scored")]
    fused = [("A", "begins"), ("B", "begins")]
    fused += [(task, event) for task in "AB" for event in ("returns", "scored")]
    fig, alt = drawings.search.order_of_tasks({"plain": plain, "fused": fused})
    bars = [[patch.get_label() for patch in ax.patches] for ax in fig.axes]
    assert bars == [[], ["training"]]
    assert 2 < fig.axes[1].patches[0].get_x() < 3  # between the last begin and the first return
    assert alt.endswith("plain: 1b 1r 1s 2b 2r 2s. fused: 1b 2b 1r 1s 2r 2s.")


def order(*tasks, joint=False):
    if joint:
        events = [(task, "begins") for task in tasks]
        return events + [(task, event) for task in tasks for event in ("returns", "scored")]
    return [(task, event) for task in tasks for event in ("begins", "returns", "scored")]


def test_a_task_keeps_its_row_and_number_in_all_panels():
    orders = {"plain": order("A", "B"), "other": order("C", "B")}
    fig, alt = drawings.search.order_of_tasks(orders)
    assert [label.get_text() for label in fig.axes[0].get_yticklabels()] == ["A", "B", "C"]
    begun = [
        {int(line.get_ydata()[0]): int(line.get_xdata()[0]) for line in ax.lines[::3]}
        for ax in fig.axes
    ]
    assert begun == [{0: 1, 1: 4}, {2: 1, 1: 4}]
    assert alt.endswith("plain: 1b 1r 1s 2b 2r 2s. other: 3b 3r 3s 2b 2r 2s.")


@pytest.mark.parametrize("event", ["begins", "returns", "scored"])
def test_a_task_without_an_event_is_refused_by_name(event):
    events = order("A", "B")
    events.remove(("B", event))
    with pytest.raises(ValueError, match=r"panel 'plain' the task 'B' has the events .* needs"):
        drawings.search.order_of_tasks({"plain": events})
    assert not plt.get_fignums()


def test_a_task_that_came_twice_and_a_panel_without_events_are_refused():
    with pytest.raises(ValueError, match="'A' has the events .* each once"):
        drawings.search.order_of_tasks({"plain": order("A", "A")})
    with pytest.raises(ValueError, match="panel 'empty' has no events"):
        drawings.search.order_of_tasks({"empty": []})


def test_the_title_says_what_the_events_show():
    joint, one_by_one = order("A", "B", joint=True), order("A", "B")
    overlap = [("A", "begins"), ("B", "begins"), *order("A")[1:], *order("B")[1:], *order("C")]
    titles = {
        "Plain: one task after the other. Fused: all begin, one training, all go on": {
            "plain": one_by_one,
            "under fused(): 1 training": joint,
        },
        "Fused: one task after the other": {"fused": one_by_one},
        "Workers: tasks overlap": {"workers": overlap},
    }
    for title, orders in titles.items():
        fig, alt = drawings.search.order_of_tasks(orders)
        assert fig.get_suptitle() == title and alt.startswith(f"{title}. ")
    fig, alt = drawings.search.order_of_tasks({"plain": joint}, title="Mine")
    assert fig.get_suptitle() == "Mine" and alt.startswith("Mine. ")


@pytest.mark.slow
def test_the_legend_hides_no_mark_where_the_first_task_ends_last():
    fused = order(*"FEDCBA", joint=True)
    fig, _ = drawings.search.order_of_tasks({"plain": order(*"ABCDEF"), "fused": fused})
    fig.canvas.draw()
    for ax in fig.axes:
        legend = ax.get_legend().get_window_extent()
        for line in ax.lines:
            assert not legend.contains(*ax.transData.transform(line.get_xydata()[0]))
