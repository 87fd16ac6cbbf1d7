"""How fast a class is graded: growing classes with the real assignment 01, faults included."""

import copy
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import nbformat

from tests import classroom
from tests.answers.answers_01_split import WRONG
from tests.classroom import answered, cell, write

sys.path.insert(0, str(classroom.ASSIGNMENTS))
from grading import gradebook, intake

NAME = "01_split"
CLASSES = (10, 30, 100, 200)


def kinds(release, solution):
    """Return what students hand in: notebooks, and texts that are none."""
    right, text = answered(release, **solution), classroom.dumps(release)
    twice = copy.deepcopy(right)
    again = copy.deepcopy(cell(twice, "split"))
    again.id = "copy"
    twice.cells.append(again)
    return [
        *[right] * 6,
        *(answered(release, **solution | replaced) for replaced, _ in list(WRONG.values())[:15]),
        release,
        twice,
        answered(right, split="while True: pass"),
        answered(right, split=solution["split"] + "\nhog = bytearray(3 * 2**30)"),
        answered(right, split="import os\nos._exit(0)"),
        text[: len(text) // 2],
        "",
        answered(right, split=solution["split"] + "\nopen('/usr/here', 'w')"),
        answered(right, split=solution["split"] + "\nprint('x' * 50_000_000)"),
    ]


def hand_in(folder, handed_in, students):
    for number in students:
        path = folder / f"student_{number:03}.ipynb"
        work = handed_in[7 * number % len(handed_in)]  # 7 steps on, so that any few are mixed
        if isinstance(work, str):
            path.write_text(work)
        else:
            write(path, work)


def main():
    with tempfile.TemporaryDirectory() as root:
        course, folder = Path(root, "course"), Path(root, "in")
        folder.mkdir()
        shutil.copytree(classroom.ASSIGNMENTS / "source" / NAME, course / "source" / NAME)
        shutil.copy(classroom.ASSIGNMENTS / "nbgrader_config.py", course)
        assert gradebook.release(course, NAME)["success"]
        source = nbformat.read(course / "source" / NAME / f"{NAME}.ipynb", as_version=4)
        release = nbformat.read(course / "release" / NAME / f"{NAME}.ipynb", as_version=4)
        marks = {mark: cells[0] for mark, cells in intake.marks(source).items()}
        solution = {m: c.source for m, c in marks.items() if c.metadata.nbgrader.solution}
        handed_in, before, total = kinds(release, solution), 0, 0.0
        print(f"{len(handed_in)} kinds of submission, {os.cpu_count()} processes")
        for size in CLASSES:
            hand_in(folder, handed_in, range(before, size))
            start = time.perf_counter()
            done = classroom.grade(folder, NAME, course)
            seconds = time.perf_counter() - start
            assert done.returncode in (0, 1), done.stdout + done.stderr
            total += seconds
            print(
                f"{size - before:4} more, {size:4} in all: {seconds:5.0f} s, "
                f"{60 * (size - before) / seconds:4.1f} a minute; {done.stdout.splitlines()[-1]}"
            )
            before = size
        print(f"{CLASSES[-1]} in {total:.0f} s: {60 * CLASSES[-1] / total:.1f} a minute")


if __name__ == "__main__":
    main()
