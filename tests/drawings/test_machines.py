"""Drawings of lessons 08 and 08b: what must be told apart is, and the alternative text says it."""

import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from helpers import drawings

DRAWINGS = {
    name: getattr(drawings.machines, name)
    for name in ("engines", "cores", "way_of_a_task", "folds_to_workers", "gpu_memory")
}
DRAWINGS["tools"] = drawings.tools.tools


@pytest.fixture(autouse=True)
def no_figure_is_left():
    yield
    plt.close("all")


def texts(fig):
    return [text.get_text() for text in fig.axes[0].texts]


def grey(color):
    red, green, blue = to_rgb(color)
    return 0.299 * red + 0.587 * green + 0.114 * blue


@pytest.mark.parametrize("name", DRAWINGS)
def test_the_title_is_the_takeaway_and_begins_the_alternative_text(name):
    fig, alt = DRAWINGS[name]()
    title = fig.get_suptitle()
    assert alt.startswith(f"{title}. ") and len(title.split()) >= 5
    assert fig.get_facecolor() == (1, 1, 1, 1)


@pytest.mark.parametrize("name", ["engines", "way_of_a_task", "folds_to_workers", "tools"])
def test_each_box_between_the_first_and_the_last_is_entered_and_left(name):
    fig, _ = DRAWINGS[name]()
    boxes = [patch for patch in fig.axes[0].patches if isinstance(patch, FancyBboxPatch)]
    arrows = [patch for patch in fig.axes[0].patches if isinstance(patch, FancyArrowPatch)]
    starts, ends = {arrow.patchA for arrow in arrows}, {arrow.patchB for arrow in arrows}
    assert len(set(boxes) - ends) == 1 and len(set(boxes) - starts) == 1


def test_both_processes_do_the_same_work_in_each_case_on_no_more_cores():
    for turns in drawings.machines.TURNS.values():
        work = "".join(turns.values())
        assert work.count("A") == work.count("B") == 4
    at_once = list(
        zip(*drawings.machines.TURNS["two cores, one thread each"].values(), strict=True)
    )
    assert at_once == [("A", "B")] * 4


def test_a_product_of_two_threads_is_ready_when_both_halves_are():
    cores = drawings.machines.TURNS["two cores, two threads each"].values()
    for letter in "AB":
        one, other = ([i for i, who in enumerate(core) if who == letter] for core in cores)
        assert max(one[0], other[0]) < min(one[1], other[1])  # product 1 before product 2
        for core in cores:  # who waits on a core has computed there before
            waits = core.find(letter.lower())
            assert waits == -1 or letter in core[:waits]


def test_processes_differ_in_grey_too():
    a, b = (drawings.machines.PROCESSES[name] for name in "AB")
    assert a["hatch"] != b["hatch"]
    assert abs(grey(a["facecolor"]) - grey(b["facecolor"])) > 0.2


@pytest.mark.parametrize("n_processes", [2, 4])
def test_each_process_needs_the_memory_of_one(n_processes):
    fig, alt = drawings.machines.gpu_memory(n_processes)
    widths = {}
    for bar in fig.axes[0].patches:
        widths[bar.get_y()] = widths.get(bar.get_y(), 0) + bar.get_width()
    one, several, fused = widths.values()
    assert several == pytest.approx(n_processes * one)
    assert one < fused < several
    assert texts(fig).count("CUDA") == n_processes + 2
    assert f"n_jobs={n_processes}" in alt


def test_alarms_are_written_not_only_coloured():
    answers = {
        "class": {"purity": False, "refit": False},
        "instance": {"purity": True, "refit": False},
    }
    fig, alt = drawings.tools.found_by(answers, "One alarm")
    assert texts(fig) == ["quiet", "quiet", "ALARM", "quiet"]
    assert fig.get_suptitle() == "One alarm"
    assert alt == "One alarm. class: none. instance: purity."


def test_bars_say_their_numbers():
    fig, alt = drawings.machines.bars({"a": 1.04, "b": 0.0}, title="Two", xlabel="share")
    assert texts(fig) == [" 1.0", " 0.0"]
    assert alt == "Two. share: a 1.0, b 0.0."


def test_a_line_stands_over_the_bars_and_is_named():
    line = (1.0, "no gain")
    fig, alt = drawings.machines.bars({"a": 3.0}, title="Three", xlabel="gain", line=line)
    (drawn,) = fig.axes[0].lines
    assert drawn.get_xdata() == [1.0, 1.0]
    assert drawn.zorder > max(bar.zorder for bar in fig.axes[0].patches)
    assert [text.get_text() for text in fig.legends[0].texts] == ["no gain"]
    assert alt == "Three. gain: a 3.0; the line at 1.0 is no gain."


def test_steps_and_waits_are_counted_where_they_are_drawn(monkeypatch):
    turns = [
        {"core 1": "AA", "core 2": "BB"},
        {"core 1": "AABBB"},
        {"core 1": "AaaaB", "core 2": "BbbAaaAAB"},
    ]
    cases = dict(zip(drawings.machines.TURNS, turns, strict=True))
    monkeypatch.setattr(drawings.machines, "TURNS", cases)
    fig, alt = drawings.machines.cores()
    headings = [text.rpartition(": ")[2] for text in texts(fig) if ": " in text]
    assert headings == [f"ready after {n} steps" for n in (2, 5, 9)]
    assert all(heading in alt for heading in headings)
    assert "a core waits in 3 or 4 of 9 steps" in alt
    assert fig.axes[0].get_xlim()[1] > 9
