"""Each assignment, handed in by students who are right, in one form or another, wrong, or idle."""

import builtins
import contextlib
import copy
import importlib
import itertools
import json
import math
import os
import re
import shutil
import symtable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from tests import classroom
from tests.classroom import answered, cell, grader, write

# isort: split
from grading import gradebook, intake, sandbox, watch
from grading.records import Task
from grading.unpack import NotGraded
from release import AGAIN, ALONE, ALONE_IN, MORE, RIGHT, for_selfstudy

pytestmark = pytest.mark.timeout(classroom.HANG)

SOURCES = sorted((classroom.ASSIGNMENTS / "source").glob("*/*.ipynb"))
LESSONS = sorted(path.stem for path in (classroom.ROOT / "notebooks").glob("??_*.ipynb"))
SLOWEST = "04_fitted_model_reuse"
SCREEN = 40  # lines
OF_A_CLASS = ["hand in", "your work is graded", "by machine", "teacher", "see only", "the points"]
NUMBERS = {"five": 5, "six": 6, "seven": 7, "eight": 8}
COLOURS = re.compile(r"\x1b\[[\d;]*m")


def answers(name):
    """Return typical wrong answers; all of them, each by itself, where ALL_ANSWERS is set.

    Each is a pair of the cells replaced and the points lost.
    """
    module = importlib.import_module(f"tests.answers.answers_{name}")
    assert len(module.TYPICAL) >= 4
    if os.environ.get("ALL_ANSWERS"):
        return module.WRONG
    return together({who: module.WRONG[who] for who in module.TYPICAL})


def together(handed_in):
    """Let answers share a notebook that replace different cells and lose points in other tests."""
    notebooks = {}
    for who, (replaced, lost) in handed_in.items():
        for others, (cells, tests) in notebooks.items():
            if not (cells.keys() & replaced.keys() or tests.keys() & lost.keys()):
                notebooks[f"{others}, {who}"] = cells | replaced, tests | lost
                del notebooks[others]
                break
        else:
            notebooks[who] = replaced, lost
    return notebooks


def also_right(name):
    """Return right answers of another form than the solution: of another type, or another way."""
    module = importlib.import_module(f"tests.answers.answers_{name}")
    assert module.ALSO_RIGHT
    return together({who: (cells, {}) for who, cells in module.ALSO_RIGHT.items()})


def file_of(student):
    return re.sub(r"[^\w .-]", "_", student)[:60].strip(" _")


def course_of(path, root):
    """Set up a course of one assignment; return it, the source, the release and the solution."""
    name, course = path.stem, root / "course"
    shutil.copytree(path.parent, course / "source" / name)
    shutil.copy(classroom.ASSIGNMENTS / "nbgrader_config.py", course)
    assert gradebook.release(course, name)["success"]
    source = nbformat.read(path, as_version=4)
    release = nbformat.read(course / "release" / name / f"{name}.ipynb", as_version=4)
    marks = {mark: cells[0] for mark, cells in intake.marks(source).items()}
    solution = {
        mark: each.source for mark, each in marks.items() if each.metadata.nbgrader.solution
    }
    classroom.already_tried(course, name)  # it is among those handed in
    return course, source, release, solution


@pytest.fixture(scope="module")
def all_graded(tmp_path_factory):
    """Hand in the solution, the untouched version and the answers of all seven assignments.

    The solutions are graded beside six busy loops. The limit is the one that a teacher's run gives
    04, whose cells come closest to theirs. No tighter one would do: where others use a processor
    as well, its clock says more for the same work, and four times as much has been seen.
    """
    folder = Path.cwd()
    courses = {path.stem: course_of(path, tmp_path_factory.mktemp(path.stem)) for path in SOURCES}
    with classroom.as_a_command():
        used = processor_time_of(SLOWEST, courses[SLOWEST][0])
        seconds = math.ceil(watch.Limits.measured(used).cell)
        with classroom.busy_loops(6):
            grade_all(courses, seconds, {"right"})
        grade_all(courses, seconds)  # the others: what has not changed is not graded again
    assert Path.cwd() == folder  # which nbgrader changes, and threads share
    return courses


def grade_all(courses, seconds, students=None):
    """Hand in the notebooks of these students, or of all, and grade all assignments at once."""
    for name, (course, _, release, solution) in courses.items():
        for student, notebook in handed_in(name, release, solution).items():
            path = course.parent / "in" / f"{student}.ipynb"
            if not path.exists() and (students is None or student in students):
                write(path, notebook)
    with ThreadPoolExecutor(len(courses)) as pool:
        runs = [
            pool.submit(grader.grade_class, course.parent / "in", name, course, 1, seconds, 2048)
            for name, (course, *_) in courses.items()
        ]
    for run in runs:
        assert all(outcome.graded for outcome in run.result().values())


def handed_in(name, release, solution):
    """Return what each student hands in, a dict of student to notebook."""
    notebooks = {"right": answered(release, **solution), "idle": release}
    for student, (replaced, _) in (answers(name) | also_right(name)).items():
        assert replaced.keys() <= solution.keys(), f"{student}: no such answers"
        notebooks[file_of(student)] = answered(release, **solution | replaced)
    return notebooks


def processor_time_of(name, course):
    limits = watch.Limits(grader.REHEARSAL)
    task = Task(course, name, "", [], [], limits, None, 2048, sandbox.protection())
    return grader.rehearse(task)


@pytest.fixture(scope="module", params=SOURCES, ids=lambda path: path.stem)
def graded(request, all_graded):
    """Return what there is of one assignment."""
    name = request.param.stem
    course, source, release, _ = all_graded[name]
    return name, course, source, release


def points(course, name, student):
    """Return the points lost by machine, and those that wait for the teacher, by test."""
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        (notebook,) = gradebook.find_submission(name, student).notebooks
        lost = {
            g.name: g.max_score - g.auto_score for g in notebook.grades if g.auto_score is not None
        }
        waiting = {g.name: g.max_score for g in notebook.grades if g.auto_score is None}
        top = {g.name: g.max_score for g in notebook.grades}
    return {test: lost[test] for test in lost if lost[test]}, waiting, top


def test_the_solution_gets_all_points_and_leaves_the_words_to_the_teacher(graded):
    name, course, source, _ = graded
    lost, waiting, top = points(course, name, "right")
    assert lost == {}
    written = {
        mark
        for mark, cells in intake.marks(source).items()
        if cells[0].cell_type == "markdown" and cells[0].metadata.nbgrader.grade
    }
    assert waiting.keys() == written and written
    for mark in written:
        text = cell(source, mark).source
        assert re.search(r"\d points? for", text), f"{mark} has no rubric"


def test_the_untouched_version_gets_nothing_and_says_what_to_do(graded):
    name, course, source, release = graded
    lost, waiting, top = points(course, name, "idle")
    assert lost == top and waiting == {}
    notebook = nbformat.read(course / "autograded" / "idle" / name / f"{name}.ipynb", as_version=4)
    tests = [c for c in notebook.cells if (intake.mark_of(c) or "").startswith("test_")]
    for test in tests:
        (error,) = (o for o in test.outputs if o.output_type == "error")
        assert len(error.evalue.split()) >= 4, f"{intake.mark_of(test)}: {error.evalue!r}"
        lines = COLOURS.sub("", "\n".join(error.traceback)).splitlines()
        assert len(lines) <= SCREEN, f"{intake.mark_of(test)}: {len(lines)} lines"


def test_each_wrong_answer_loses_exactly_its_points(graded):
    name, course, *_ = graded
    wrong = answers(name)
    found = {who: points(course, name, file_of(who))[0] for who in wrong}
    assert found == {who: pytest.approx(lost) for who, (_, lost) in wrong.items()}
    assert all(lost for _, lost in wrong.values())


def test_no_right_answer_of_another_form_loses_a_point(graded):
    name, course, *_ = graded
    found = {who: points(course, name, file_of(who))[0] for who in also_right(name)}
    assert found == {who: {} for who in found}


def test_nothing_is_given_away(graded):
    name, course, source, release = graded
    text = classroom.dumps(release)
    for words in ("BEGIN SOLUTION", "BEGIN HIDDEN", "END HIDDEN"):
        assert words not in text
    given_out = "\n".join(each.source for each in release.cells)
    for cells in intake.marks(source).values():
        for part in re.findall(r"### BEGIN [A-Z ]+\n(.*?)[ ]*### END", cells[0].source, re.DOTALL):
            assert part.strip() not in given_out


def parts(cell, name):
    return re.findall(rf"### BEGIN {name}\n(.*?)[ ]*### END {name}", cell.source, re.DOTALL)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_selfstudy_runs_each_whole_test_in_a_folded_cell(path):
    source = nbformat.read(path, as_version=4)
    notebook = for_selfstudy(source, nbformat.from_dict(copy.deepcopy(source)))
    nbformat.validate(notebook)
    assert not intake.marks(notebook)
    for mark, (original, *_) in intake.marks(source).items():
        hidden = "".join(parts(original, "HIDDEN TESTS")).strip("\n")
        place = [c.source for c in notebook.cells].index(original.source)
        if hidden:
            folded = notebook.cells[place + 2]
            assert folded.metadata.jupyter.source_hidden and folded.cell_type == "code"
            check, _, more = folded.source.partition(f"\n\n{MORE}\n")
            visible = original.source.partition("### BEGIN HIDDEN")[0].rstrip()
            assert check == f"{AGAIN}\n{visible}"
            asked, _, answer = more.rpartition("\n")
            assert hidden.startswith(asked) and answer.startswith("print("), mark
            compile(folded.source, mark, "exec")
    text = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    folded = "\n".join(re.findall(r"<details>.*?</details>", text, re.DOTALL))
    for original, *_ in intake.marks(source).values():
        for part in parts(original, "SOLUTION"):
            assert part.rstrip() in folded
    for words in OF_A_CLASS:
        assert words not in text, f"somebody alone reads of {words!r}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_selfstudy_replaces_what_is_said_to_a_class(path):
    source = nbformat.read(path, as_version=4)
    notebook = for_selfstudy(source, nbformat.from_dict(copy.deepcopy(source)))
    said, text = (
        "\n".join(c.source for c in each.cells if c.cell_type == "markdown")
        for each in (source, notebook)
    )
    for to_a_class, alone in ALONE + ALONE_IN.get(path.stem, []):
        found = list(re.finditer(to_a_class, said))
        assert len(found) == 1, f"{to_a_class!r} stands there {len(found)} times"
        assert found[0][0] not in text and found[0].expand(alone) in text


def test_what_only_one_assignment_says_is_that_of_an_assignment():
    assert ALONE_IN.keys() <= {path.stem for path in SOURCES}


def test_selfstudy_finds_what_the_visible_check_lets_pass(capsys):
    source = classroom.small_source()
    notebook = for_selfstudy(source, nbformat.from_dict(copy.deepcopy(source)))
    folded = [c.source for c in notebook.cells if "cellView" in c.metadata]
    assert len(folded) == 1
    exec(folded[0], {"double": lambda x: 2 * x})
    assert capsys.readouterr().out == f"{RIGHT}\n"
    for wrong in (lambda x: 2 * abs(x), lambda x: min(2 * x, 5)):  # seen by one of the two parts
        with pytest.raises(AssertionError):
            exec(folded[0], {"double": wrong})
    assert RIGHT not in capsys.readouterr().out


def test_selfstudy_tries_a_corrected_answer_in_the_folded_cell_alone(capsys):
    source = classroom.small_source()
    test = classroom.cell(source, "test_double")
    test.source = test.source.replace("assert double(3)", "found = double(-1)\nassert double(3)")
    test.source = test.source.replace("double(-1) == -2", "found == -2")
    notebook = for_selfstudy(source, nbformat.from_dict(copy.deepcopy(source)))
    (folded,) = (c.source for c in notebook.cells if "cellView" in c.metadata)
    visible = test.source.partition("### BEGIN")[0]
    for wrong in (lambda x: 2 * abs(x), None):  # it lets pass, and it stops before it stores it
        learner = {"double": wrong}
        with contextlib.suppress(TypeError):
            exec(visible, learner)
        learner["double"] = lambda x: 2 * x
        exec(folded, learner)
        assert capsys.readouterr().out == f"{RIGHT}\n"


def test_the_right_answer_draws_no_remark_on_a_busy_machine(graded):
    name, course, *_ = graded
    outcome = json.loads((course / ".graded" / name / "right.json").read_text())
    assert outcome["graded"] and outcome["remarks"] == []


def test_every_lesson_up_to_06_has_one_and_the_one_on_images():
    names = {path.stem for path in SOURCES}
    assert names == {name for name in LESSONS if name < "07"} | {"03b_images"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_sources_are_stored_without_outputs_and_say_how_long_they_take(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.nbformat_minor >= 5 and notebook.metadata.kernelspec.name == "python3"
    for each in notebook.cells:
        assert not each.get("outputs") and each.get("execution_count") is None
    first = notebook.cells[0].source
    minutes = int(re.search(r"(\d+) minutes", first)[1])
    assert 20 <= minutes <= 90
    assert f"](../../../{path.stem}.ipynb)" in first
    by_machine, by_hand = 0, 0
    for cells in intake.marks(notebook).values():
        mark = cells[0].metadata.nbgrader
        if mark.grade and cells[0].cell_type == "code":
            by_machine += mark.points
        elif mark.grade:
            by_hand += mark.points
    assert f"{by_machine:g} points" in first and by_hand >= 2
    assert re.search(rf"\b{by_hand:g} ", first)


def names_in(code):
    """Return the global names that a cell binds, and those that it takes from other cells."""
    top = symtable.symtable(code, "cell", "exec")
    bound = {each.get_name() for each in top.get_symbols() if each.is_assigned()}
    bound |= {each.get_name() for each in top.get_symbols() if each.is_imported()}
    used, tables = set(), [top]
    for table in tables:
        tables += table.get_children()
        known = [each for each in table.get_symbols() if table is top or each.is_global()]
        used |= {each.get_name() for each in known if each.is_referenced()}
    return bound, used - bound


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_sources_take_each_name_from_one_cell_so_that_a_learner_may_go_back(path):
    cells = [each for each in nbformat.read(path, as_version=4).cells if each.cell_type == "code"]
    names = [names_in(each.source) for each in cells]
    taken = set().union(*(taken for _, taken in names)) - set(dir(builtins))
    makers = {
        name: [each.id for each, (bound, _) in zip(cells, names, strict=True) if name in bound]
        for name in taken
    }
    assert makers and {name: ids for name, ids in makers.items() if len(ids) != 1} == {}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_sources_state_the_limit_of_processor_time_that_the_grader_sets(path):
    first = " ".join(nbformat.read(path, as_version=4).cells[0].source.split())
    seconds, times = re.search(
        r"each cell may use (\d+) seconds of processor time, or more: (\w+) times what the "
        r"course's own solution needs for the whole notebook, where that is longer",
        first,
    ).groups()
    assert (int(seconds), NUMBERS[times]) == (watch.AT_LEAST, watch.TIMES)
    for used in (0.1, 4.9, 5.1, 100):
        limit = watch.Limits.measured(used).cell
        assert limit == pytest.approx(max(int(seconds), NUMBERS[times] * used))


def test_no_assignment_is_taken_for_another():
    sources = {path.stem: nbformat.read(path, as_version=4) for path in SOURCES}
    for (one, notebook), (other, release) in itertools.permutations(sources.items(), 2):
        shared, wanted = (set(intake.marks(each)) for each in (notebook, release))
        shared &= wanted
        assert len(shared) < len(wanted) / 2, f"{one} has {sorted(shared)} of {other}"
        with pytest.raises(NotGraded, match="another assignment"):
            intake.is_this(notebook, release)
