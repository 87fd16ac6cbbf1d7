"""A class that attacks, and one that is only clumsy: what was found when both were tried."""

import asyncio
import csv
import gc
import hmac
import importlib
import io
import json
import os
import random
import subprocess
import sys
import zipfile
from types import ModuleType, SimpleNamespace
from unittest import mock

import bs4
import nbconvert.exporters.html
import nbformat
import numpy
import pytest
import torch
from nbformat.v4 import new_code_cell
from nbgrader.apps import NbGraderAPI
from sqlalchemy.exc import DatabaseError
from traitlets.config import PyFileConfigLoader

from tests import classroom
from tests.classroom import answered, cell, grader, marked, right, write
from tests.classroom.test_points import run_in_a_kernel

# isort: split
from grading import (
    clean,
    feedback,
    files,
    gradebook,
    inside,
    intake,
    launch,
    one,
    run,
    unpack,
    untouched,
    walls,
)
from grading.digs import digs
from grading.places import defined_in, words_in
from grading.records import Outcome, Task
from grading.watch import Limits

pytestmark = pytest.mark.timeout(classroom.HANG)

TWICE = "def double(x):\n    return 2 * x\n"


@pytest.fixture(scope="module")
def release():
    return classroom.small_release()


# Names


@pytest.mark.parametrize(
    "name, student, number",
    [
        ("Ida Lang_12345_assignsubmission_file", "Ida Lang", "12345"),
        ("Ida Lang_12345_assignsubmission_onlinetext_.html", "Ida Lang", "12345"),
        ("langida_LATE_123456_7890123_01_split-2.ipynb", "langida", "123456"),
        ("01_split_ab12_attempt_2026-11-27-10-11-12_my work.ipynb", "ab12", "01_split"),
        ("Week 1_ab12_attempt_2026-11-27-10-11-12.txt", "ab12", "Week 1"),
        ("01_anna_smith_attempt_2026-11-27-10-11-12_a.ipynb", "smith", "01_anna"),
        ("ab12_attempt_2026-11-27-10-11-12_a.ipynb", "ab12", ""),
        ("12345-67 - Ida Lang - Nov 27, 2026 1011 AM - 01_split.ipynb", "Ida Lang", "12345"),
        ("12345-67 - Ida Lang - 27 November, 2026 1011", "Ida Lang", "12345"),
        ("ida+01_split+2026-11-27 10:11:12 UTC+x7s.zip", "ida", ""),
        ("Ida Lang - Copy of 01_split.ipynb", "Ida Lang", ""),
        ("Copy of Copy of 01_split - Ida Lang.ipynb", "Ida Lang", ""),
        ("Copy (2) of Ida.ipynb", "Ida", ""),
        ("Ida (Kopie).ipynb", "Ida", ""),
        ("Ida_01_split_copy_2.ipynb", "Ida", ""),
        ("Cópia de 01_split - Ana.ipynb", "Ana", ""),
        ("Ana - Co\u0301pia de 01_split.ipynb", "Ana", ""),
        ("Copia de 01_split José.ipynb", "José", ""),
        ("Copie de 01_split_Zoé.ipynb", "Zoé", ""),
        ("Kopie van 01_split Jan.ipynb", "Jan", ""),
        ("Kopie_von_01_split_Ida.ipynb", "Ida", ""),
        ("Kopi av 01_split Nils.ipynb", "Nils", ""),
        ("Nils - Kopi (2).ipynb", "Nils", ""),
        ("Kopia av Åsa.ipynb", "Åsa", ""),
        ("Kopia 01_split Ola.ipynb", "Ola", ""),
        ("Ola — kopia.ipynb", "Ola", ""),
        ("Kópia Ďuro.ipynb", "Ďuro", ""),
        ("Копия 01_split - Аня.ipynb", "Аня", ""),
        ("Аня — копия (2).ipynb", "Аня", ""),
        ("01_split のコピー - 花子.ipynb", "花子", ""),
        ("花子 - コピー.ipynb", "花子", ""),
        ("花子のコピー.ipynb", "花子", ""),
        ("01_split의 사본 - 지우.ipynb", "지우", ""),
        ("지우 - 복사본.ipynb", "지우", ""),
        ("李伟的副本.ipynb", "李伟", ""),
        ("Copy of 01_split.ipynb", "Copy of 01_split", ""),
        ("Anna Kopi.ipynb", "Anna Kopi", ""),
        ("Copeland.ipynb", "Copeland", ""),
        ("Kopia de Vries.ipynb", "de Vries", ""),
        ("01-split-idalang-main.zip", "idalang", ""),
        ("01-split-idalang-master", "idalang", ""),
        ("01-split-idalang-main (1).zip", "idalang", ""),
        ("jo-main.ipynb", "jo-main", ""),
        ("01_split_Ida Lang.ipynb", "Ida Lang", ""),
        ("Ida\u00a0 Lang.ipynb", "Ida Lang", ""),
        # Numbers that are a part of the name: many students would become one.
        ("2026_11_27_anna.ipynb", "2026_11_27_anna", ""),
        ("class_2026_2027_anna.ipynb", "class_2026_2027_anna", ""),
        ("group_1_2_01_split.ipynb", "group_1_2", ""),
        ("ML_101_2026_anna.ipynb", "ML_101_2026_anna", ""),
        ("hw_20261127_153000_anna.ipynb", "hw_20261127_153000_anna", ""),
        ("hw_101_20261127_anna.ipynb", "hw_101_20261127_anna", ""),
        ("langida_20265_20269999_01_split.ipynb", "langida", "20265"),
        ("group-101-split.ipynb", "group-101-split", ""),
        ("s101_split.ipynb", "s101_split", ""),
        ("Lang, Ida(12345)", "Lang, Ida(12345)", ""),
    ],
)
def test_how_systems_name_what_they_collect(name, student, number):
    assert files.whose(name, "." not in name, "01_split") == (student, number)


def test_names_that_differ_in_capitals_only_are_two_and_named(tmp_path):
    for name in ("ANNA", "Anna", "anna", "ben"):
        (tmp_path / f"{name}.ipynb").write_text("{}")
    students, notes = files.find(tmp_path, "double")
    assert list(students) == ["ANNA", "Anna", "anna", "ben"] and "ben" not in notes
    assert [len(notes[name]) for name in ("ANNA", "Anna", "anna")] == [2, 2, 2]
    assert "ANNA differs from this name in capitals only" in notes["anna"][0]


def test_two_students_of_one_name_from_blackboard(tmp_path):
    for name in ("01_anna_smith", "01_ben_smith"):
        (tmp_path / f"{name}_attempt_2026-11-27-10-11-12_a.ipynb").write_text("{}")
    assert list(files.find(tmp_path, "double")[0]) == ["smith 01_anna", "smith 01_ben"]


def test_a_notebook_whose_name_begins_with_a_dot_is_some_students(tmp_path):
    for name in (".anna.ipynb", "._anna.ipynb", ".DS_Store", ".ipynb_checkpoints"):
        (tmp_path / name).write_text("{}")
    assert list(files.find(tmp_path, "double")[0]) == ["anna"]
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for name in ("in\\.b.ipynb", "in\\._b.ipynb", ".ipynb_checkpoints/c.ipynb"):
            archive.writestr(name, "{}")
    assert [found.inner for found in unpack.unpack(tmp_path / "b.zip")] == ["in\\.b.ipynb"]


def test_a_folder_that_cannot_be_opened_is_named_even_if_it_is_the_assignments(
    tmp_path, monkeypatch
):
    (tmp_path / "double").mkdir()
    (tmp_path / "anna.ipynb").write_text("{}")
    scan = os.scandir

    def refuses(place):
        if str(place).endswith("double"):
            raise PermissionError(13, "Permission denied")
        return scan(place)

    monkeypatch.setattr(os, "scandir", refuses)
    students, notes = files.find(tmp_path, "double")
    assert list(students) == ["anna", "double"]
    assert notes["double"] == ["double cannot be opened (Permission denied). Ask for it again."]


# Files


def as_bytes(notebook, **more):
    return json.dumps({**notebook, **more}).encode()


def test_a_notebook_without_a_version_and_a_picture_in_lines(release):
    notebook = right(release)
    cell(notebook, "why").attachments = {
        "a.png": {"image/png": ["iVBO\n", "Rw0K"]},
        "b.svg": {"image/svg+xml": "PHN2Zy8+"},
    }
    told = json.loads(as_bytes(notebook))
    del told["nbformat"], told["nbformat_minor"]
    found, said = unpack.read(json.dumps(told).encode())
    assert said == [] and cell(found, "why").attachments == {
        "a.png": {"image/png": "iVBO\nRw0K"},
        "b.svg": {"image/svg+xml": "PHN2Zy8+"},
    }
    answer = nbformat.v4.new_markdown_cell(
        "![b](attachment:b.svg)", attachments=found.cells[4].attachments
    )
    page = clean.markdown2html({"cell": answer}, answer.source)
    assert 'src="data:image/svg+xml;base64,PHN2Zy8+"' in page


def test_a_file_that_would_fill_the_memory_is_not_read(monkeypatch):
    monkeypatch.setattr(unpack, "VALUES", 1000)
    with pytest.raises(unpack.NotGraded, match="more than 1,000 values. Ask for it again"):
        unpack.read(b'{"cells": [' + b"{}," * 1000 + b"{}]}")


ODD = [None, True, -1, 10**20, "", "\ud800", [], [None], [["a"]], {}, {"a": {"b": []}}, "double"]


def places(thing, way=()):
    yield way
    inner = enumerate(thing) if isinstance(thing, list) else ()
    for key, value in thing.items() if isinstance(thing, dict) else inner:
        yield from places(value, (*way, key))


def test_no_odd_value_at_any_place_of_a_notebook_leaves_its_guard(release):
    whole = json.loads(as_bytes(right(release)))
    draw, ways = random.Random(0), [way for way in places(whole) if way]
    counts = {"graded": 0, "named": 0}
    for way in ways:
        changed = json.loads(json.dumps(whole))
        inner = changed
        for key in way[:-1]:
            inner = inner[key]
        inner[way[-1]] = draw.choice(ODD)
        try:
            found, _ = unpack.read(json.dumps(changed).encode())
            intake.is_this(found, release)
            mended, _ = intake.mend(found, release)
            nbformat.validate(mended)
            counts["graded"] += 1
        except unpack.NotGraded:
            counts["named"] += 1
    assert counts["graded"] > 50 and counts["named"] > 0


# Places of cells


NAMED = "TWO = 2\n_twice = lambda x: TWO * x\ndouble = _twice"
LATER = "import math\nTWO = math.floor(2.5)"  # a line that needs what the given cell imports
LEANS = "def double(x):\n    return TWO * x"


def ran(notebook, release):
    """Return which tests of a mended notebook fail when its cells run one after the other."""
    mended, remarks = intake.mend(notebook, release)
    nbformat.validate(mended)
    space, failed = {}, []
    for each in mended.cells:
        try:
            exec(each.source if each.cell_type == "code" else "", space)
        except Exception:
            failed.append(intake.mark_of(each))
    return [name for name in failed if name], " ".join(remarks)


def moved(notebook, name, place):
    one = cell(notebook, name)
    notebook.cells.remove(one)
    notebook.cells.insert(place, one)
    return notebook


def beside(notebook, release, place, keep="{}", answer=TWICE):
    """The answer is in a new cell, and the one for it holds what was given out, or less or more."""
    cell(notebook, "double").source = keep.format(cell(release, "double").source)
    if keep == "gone":
        notebook.cells.remove(cell(notebook, "double"))
    notebook.cells.insert(place, new_code_cell(answer))
    return notebook


def merged(notebook):
    """The answer stands in the cell of the test, and the cell for answers is gone."""
    cell(notebook, "test_double").source = TWICE + cell(notebook, "test_double").source
    notebook.cells.remove(cell(notebook, "double"))
    return notebook


def wrong_later(notebook):
    notebook.cells.append(nbformat.from_dict(json.loads(json.dumps(cell(notebook, "double")))))
    notebook.cells[-1].update(source="def double(x):\n    return 7", id="later")
    return notebook


def tried_later(notebook):
    notebook.cells.append(new_code_cell("def double(x):\n    return 7"))
    return notebook


@pytest.mark.parametrize(
    "change, remark",
    [
        (lambda n, r: moved(n, "double", 5), "moved were test_double, test_helpers, so that each"),
        (lambda n, r: moved(n, "setup", 5), "moved were setup"),
        (lambda n, r: moved(n, "test_double", 0), "moved were test_double"),
        (lambda n, r: moved(n, "why", 0), ""),
        (lambda n, r: beside(n, r, 0), "which does, was taken for it"),
        (lambda n, r: beside(n, r, 3), "which does, was taken for it"),
        (lambda n, r: beside(n, r, 6), "which does, was taken for it"),
        (lambda n, r: beside(n, r, 5, "gone"), "which does, was taken for it"),
        (lambda n, r: beside(n, r, 6, ""), "does not define double: another cell, which does"),
        (lambda n, r: beside(n, r, 6, "# see below\n"), "was taken for it"),
        (lambda n, r: beside(n, r, 6, "{}  # see below"), "was taken for it"),
        (lambda n, r: beside(n, r, 6, "import math\nTWO = 2", NAMED), "was taken for it"),
        (lambda n, r: beside(n, r, 6, answer=NAMED), "was taken for it"),
        (lambda n, r: answered(n, setup=LATER, double=LEANS), "restored, and run before the"),
        (lambda n, r: tried_later(beside(n, r, 3)), "which does, was taken for it"),
        (lambda n, r: tried_later(beside(n, r, 3, "gone")), "which does, was taken for it"),
        (lambda n, r: merged(n), "run after the lines that were written into it"),
        (lambda n, r: wrong_later(n), "what was filled in runs, in its order"),
        (lambda n, r: n, ""),
    ],
)
def test_a_right_answer_at_another_place_loses_nothing(release, change, remark):
    failed, said = ran(change(right(release), release), release)
    assert failed == [] and remark in said and bool(remark) == bool(said)
    assert "nothing stands in for it" not in said


@pytest.mark.parametrize(
    "line", ["%time 1", "double?", "?double  # how?", "a, b = !ls", "x = %who", "if 1:\n    !ls"]
)
def test_a_line_for_ipython_hides_no_answer_and_is_none(line):
    own = new_code_cell(f"{line}\n{TWICE}")
    assert defined_in(own.source) == {"double"}
    assert words_in(own).strip() in ("", "how?")


def test_an_answer_that_is_wrong_stays_wrong_wherever_it_stands(release):
    notebook = answered(right(release), double="def double(x):\n    return 7")
    assert "test_double" in ran(moved(notebook, "double", 5), release)[0]
    assert "test_double" in ran(answered(right(release), double=""), release)[0]


BOTH = f"{TWICE}\n\ndef half(x):\n    return x / 2\n"


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("within", [True, False])
def test_one_cell_can_hold_several_answers(release, keep, within):
    empty = new_code_cell("def half(x):\n    raise NotImplementedError()")
    asserts = marked(new_code_cell("assert half(6) == 3"), "test_half", grade=True, locked=True)
    asserts.metadata.nbgrader.points = 1
    asked = answered(release)
    asked.cells += [marked(empty, "half", solution=True), asserts]
    notebook = right(asked)
    cell(notebook, "double").source = BOTH if within else cell(asked, "double").source
    if not within:
        notebook.cells.insert(1, new_code_cell(BOTH))
    if not keep:
        notebook.cells.remove(cell(notebook, "half"))
    failed, said = ran(notebook, asked)
    assert failed == [] and "nothing stands in" not in said
    assert "Answer cell half is empty or gone, or does not define half: another cell, which" in said


# What decides the points


@pytest.mark.parametrize(
    "source, value",
    [
        ("assert True\nmax(0.0, 1.5)  # points", 1.5),
        ("x = 1; é = 2; (0.5 +\n 1);", 1.5),
        ("'''a\nb'''; f'{1}'; 1.5\n\n# the end", 1.5),
    ],
)
def test_the_value_of_a_tests_last_line_is_kept(source, value):
    names = run_in_a_kernel("names.py")
    text, space = names["keeping"](source), {}
    exec(text, space)
    assert space["_points"] == value and text.splitlines()[-1] == "_points"
    told = SimpleNamespace(shell=SimpleNamespace(user_ns=space))
    assert names["Names"].points(told, "test", source) == "1.5"
    assert names["Names"].points(told, "given", source) == ""
    told.shell.user_ns = {}  # a test that was left without an error before its last line
    assert float(names["Names"].points(told, "test", source)) == 0


@pytest.mark.parametrize("source", ["x = 1", "", "%time 1\n2.0", "def f(:"])
def test_a_test_without_a_last_value_runs_as_it_is(source):
    assert run_in_a_kernel("names.py")["keeping"](source) == source


class Base:
    def __call__(self):
        return "right"


class Part(Base):
    pass


PARTS = ["kernel", "events", "displayhook", "display_formatter", "display_pub"]
PARTS += ["input_transformer_manager", "compile"]


@pytest.fixture(scope="module")
def snapshot():
    shell = Part()
    vars(shell).update({name: Part() for name in PARTS})
    return run_in_a_kernel("pristine.py")["Snapshot"](shell, ["numpy"], [])


def test_a_default_dtype_is_no_trick():
    shell = Part()
    vars(shell).update({name: Part() for name in PARTS})
    kept = run_in_a_kernel("pristine.py")["Snapshot"](shell, ["torch"], [])
    torch.set_default_dtype(torch.float64)  # which also gives `torch.Storage` another meaning
    try:
        assert kept.put_back() == set() and torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_what_hides_a_function_without_replacing_it_is_put_back(snapshot):
    class Module(type(numpy)):
        allclose = staticmethod(lambda *args: True)

    class Other(Part):
        def __call__(self):
            return "wrong"

    assert snapshot.put_back() == set()
    inner = numpy.allclose.__wrapped__
    numpy.__class__, snapshot.shell.__class__ = Module, Other
    inner.__defaults__ = (1e9, 1e9, True)
    Part.__call__ = Other.__call__
    Part.of_my_own = print
    named = {f"{Part.__module__}.Part.__call__", "numpy._core.numeric.allclose"}
    named |= {"the class of numpy", "the class of Part"}
    assert snapshot.put_back() == named
    assert type(numpy) is not Module and not numpy.allclose(1, 2)
    assert type(snapshot.shell) is Part and snapshot.shell() == "right"
    assert Part.of_my_own is print
    del Part.of_my_own


def nothing(*args):
    """Stand in for a part of what looks after the cells."""
    empty = {"points": "", "leave": set(), "odd": set(), "set_by_students": set()}
    told = {name: lambda *args, value=value: value for name, value in empty.items()}
    return SimpleNamespace(
        **told, names=[], given={}, ours=None, enter=lambda *args: None, swap=lambda hooks: hooks
    )


def test_what_an_answer_changes_while_a_test_runs_is_put_back_at_once():
    shell, space, key = Part(), {}, b"key"
    vars(shell).update({name: Part() for name in PARTS})

    async def execute(source):
        exec(source, space)
        return {"status": "ok"}

    shell.kernel.do_execute = execute
    nothing.names = []
    install = run_in_a_kernel("pristine.py")["install"]
    try:
        install(shell, key, ["numpy"], nothing, str, nothing, nothing)
    finally:
        gc.unfreeze()

    def signed(kind, source):
        sign = hmac.digest(key, f"{kind}\0001\0{source}".encode(), "sha256").hex()
        return asyncio.run(shell.kernel.do_execute(f"# {kind} 1 {sign}\n{source}"))

    kept, kept_all = numpy.allclose, all
    try:
        assert signed("given", "import numpy, builtins")["changed"] == ""
        reply = signed("test", "numpy.allclose = builtins.all = print")
        assert reply["changed"] == "builtins.all, numpy.allclose"
        assert numpy.allclose is kept and all is kept_all
    finally:
        numpy.allclose, space["builtins"].all = kept, kept_all


def test_what_stands_in_for_torchs_compiler_leaves_its_place():
    def step():
        return "as it is"

    unused, made = inside.Unused("torch._dynamo"), lambda: "compiled"
    called = unused.disable(step, wrapping=False)
    assert called() == "as it is"
    unused.__class__ = ModuleType  # something else of the module was used
    unused.disable = lambda fn, recursive, **more: made
    assert called() == "compiled"
    assert vars(step) == {"__dynamo_disable": made}


def test_pages_are_completed_by_nbconvert():
    """It gives what scrolls a place for the keyboard, and each picture a description."""
    assert nbconvert.exporters.html.BeautifulSoup is bs4.BeautifulSoup
    assert feedback.Feedback().environment.bytecode_cache is feedback.COMPILED


@pytest.mark.parametrize(
    "source, word",
    [
        ("import sys\nsys._getframe(1)", "_getframe"),
        ("%time 1\nk.do_execute.__globals__", "__globals__"),
        ("eval('2')", "eval"),
        ("import numpy as np\ndef double(x):\n    np.allclose = seems", "np.allclose"),
        ("from torch import Tensor\nTensor.item = lambda self: 1", "Tensor.item"),
        ("import numpy as np\nvars(np)['abs'] = f", "vars(np)['abs']"),
        ("import numpy as np\nnp.__dict__['abs'] = f", "np.__dict__['abs']"),
        ("import numpy as np\nsetattr(np, 'abs', f)", "np.abs"),
        ("import numpy as np\nfor np.abs in [f]:\n    pass", "np.abs"),
        ("import numpy as np\n(np.abs, y) = f, 1", "np.abs"),
        ("def f(:\n    sys.settrace(f)", "settrace"),
        ("from unittest import mock", "mock"),
        ("getattr(sys, 'settrace')(f)", "settrace"),
        ("run('import sys; sys._getframe()')", "_getframe"),
        ("import numpy as np\nvars(np).update(abs=f)", "vars(np).update"),
        ("import numpy as np\nnp.__dict__.update({'abs': f})", "np.__dict__.update"),
        ("import numpy as np\nnp.__dict__.__setitem__('abs', f)", "np.__dict__.__setitem__"),
        ("import numpy as np\nnp.__setattr__('abs', f)", "np.abs"),
        ("import numpy as np\ntype(np).__setattr__(np, 'abs', f)", "np.abs"),
        ("import numpy as np\nnp.__delattr__('abs')", "np.abs"),
        ("import numpy as np\nif x:\n    %time 1\n    np.abs = f", "np.abs"),
        ("import numpy as np\nx = !ls\nnp.abs = f", "np.abs"),
        ("import numpy as np\nsetattr(np, *x)", "np...."),
        ("x = 1\n%time sys.settrace(f)", "settrace"),
        ("__import__('builtins')", "builtins"),
        ("getattr(sys, 'monitoring')", "monitoring"),
        ("sys.monitoring", "monitoring"),
        ("class A:\n    def eval(self):\n        eval('2')", "eval"),
    ],
)
def test_what_digs_into_python_is_named(source, word):
    assert word in digs([source])


class Idle:
    """Stands in for what runs a notebook."""

    def preprocess(self, notebook, resources):
        return notebook, resources


class Reader(untouched.Untouched, Idle):
    """Looks at a notebook, and does not run it."""


def test_what_the_assignment_imports_counts():
    source = "def f():\n    np.allclose = lambda *a, **k: True"
    assert digs([source], ["import numpy as np"]) == ["np.allclose"]
    assert digs([source]) == digs([], [f"import numpy as np\n{source}"]) == []
    notebook = classroom.small_source()
    cell(notebook, "double").source = "def double(x):\n    math.fsum = sum"
    reader = Reader()
    reader.preprocess(notebook, {})
    assert reader.digs == ["math.fsum"] and "answers seldom need (math.fsum)" in reader.said()[0]


def test_no_right_answer_digs():
    for path in sorted((classroom.ASSIGNMENTS / "source").glob("*/*.ipynb")):
        source = nbformat.read(path, as_version=4)
        code = {intake.mark_of(c): c for c in source.cells if c.cell_type == "code"}
        given = [each.source for each in code.values() if each.metadata.nbgrader.locked]
        answers = {m: c.source for m, c in code.items() if not c.metadata.nbgrader.locked}
        module = importlib.import_module(f"tests.answers.answers_{path.stem}")
        for replaced in ({}, *module.ALSO_RIGHT.values()):
            texts = {mark: str(text) for mark, text in replaced.items()}
            assert digs(list((answers | texts).values()), given) == [], (path.stem, replaced)


def test_what_answers_need_is_not_named():
    harmless = [
        "import torch\nmodel.eval()\ntorch.backends.cudnn.deterministic = True",
        "import matplotlib.pyplot as plt\nplt.rcParams['font.size'] = 9\nself.scores = [1]",
        "import sys\nsys.stdout = log",
        "# monitoring the builtins\ndef mock():\n    plt.title('After monitoring the marshal')",
        "import os\nos.environ['OMP_NUM_THREADS'] = '1'\nreference = signal = evaluation = 1",
        "class A:\n    def __init__(self):\n        self.np.x = []\nsetattr(A(), 'x', 1)",
        "# mock the builtins, as settrace does",
        "mock = monitoring = 1\nprint(mock, 'monitoring', {'marshal': 2})",
        "def eval(x):\n    return x\neval(2)",
        "x = (7\n    % 2)\n",
    ]
    for source in harmless:
        assert digs([source]) == []


@pytest.mark.parametrize(
    "line",
    [
        "pd.options.display.float_format = '{:.2f}'.format",
        "torch.backends.cudnn.benchmark = not x",
        "torch.a.deterministic, torch.a.benchmark = True, False",
        "torch.y = -1",
        "torch.y = (8, 3)",
        "torch.y += 1",
        "sys.path = [x, *sys.path]",
        "sys.path += [x]",
        "sys.argv = [x]",
        "warnings.warn = f",
        "plt.show = lambda: None",
        "matplotlib.pyplot.show = lambda: None",
        "pyplot.show = lambda: None",
        "setattr(torch.backends.cudnn, 'deterministic', True)",
        "setattr(torch.x, 'y', 3)",
        "torch.nn.Module.__setattr__(self, name, value)",
        "plt.rcParams.update(x)",
        "tree = Tree()\ntree.max_depth = d",
    ],
)
def test_settings_are_not_named(line):
    imports = "import sys, torch, warnings, matplotlib, matplotlib.pyplot as plt\n"
    imports += "import pandas as pd\nfrom matplotlib import pyplot\nfrom sklearn import tree\n"
    assert digs([imports + line]) == digs([line], [imports]) == []


@pytest.mark.parametrize("depth", [300, 3000, 40_000])
def test_no_depth_of_a_line_leaves_its_guard(depth):
    lines = ["x" + ".a" * depth + " = f", f"x.a = {'-' * depth}1", f"del {'(' * depth}x.a"]
    for line in lines:
        found = digs([f"import x\n{line}"])
        assert found == [] or found[0].startswith(("x.a", "a function of a module"))
    deep = "x" + ".a" * 300
    assert digs([f"import x\n{deep} = f"]) == [deep]


# The command


def graded_by(course, *more):
    folder = course.parent / "in"
    write(folder / "anna.ipynb", right(classroom.small_source()))
    return classroom.grade_here(folder, "double", course, *more)


@pytest.fixture
def course(tmp_path):
    course = tmp_path / "course"
    write(course / "source" / "double" / "double.ipynb", classroom.small_source())
    (course / "nbgrader_config.py").write_text(
        (classroom.ASSIGNMENTS / "nbgrader_config.py").read_text()
    )
    return course


@pytest.mark.parametrize("seconds", [0, 86_400, 10**20])
def test_seconds_have_an_end(course, seconds):
    done = graded_by(course, "--seconds", str(seconds))
    assert done.returncode == 2 and "at least one second, and has at most 20,000" in done.stderr


def test_only_folders_are_assignments(course):
    (course / "source" / ".DS_Store").touch()
    (course / "source" / "notes.txt").touch()
    for name in ("Double", "double/", ".DS_Store"):
        done = classroom.grade_here(course, name, course)
        assert done.returncode == 2 and f"{name!r}; there are: double.\n" in done.stderr


def test_where_nothing_can_be_written_nothing_is_begun(course, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *args: False)
    done = graded_by(course)
    assert done.returncode == 2 and "Copy it to where you may write" in done.stderr


@pytest.mark.parametrize(
    "error, said",
    [
        (OSError(28, "No space left on device", "x"), "No space left on device: 'x'. See to it"),
        (
            DatabaseError("", {}, Exception("database is locked")),
            "used (database is locked). Close",
        ),
    ],
)
def test_trouble_with_disk_or_gradebook_is_one_sentence(course, monkeypatch, error, said):
    def fails(*args):
        raise error

    monkeypatch.setattr(grader, "grade_class", lambda **options: fails())
    done = graded_by(course)
    assert done.returncode == 1 and said in done.stderr and done.stderr.count("\n") == 1


def test_a_full_disk_is_the_reason_why_nothing_is_given_out(course, monkeypatch):
    told = {"success": False, "log": "OSError: [Errno 28] No space left on device", "error": ""}
    api = SimpleNamespace(log=SimpleNamespace(), generate_assignment=lambda name: dict(told))
    monkeypatch.setattr(gradebook, "NbGraderAPI", lambda config: api)
    assert gradebook.release(course, "double")["refused"].startswith("the disk is full")


def test_a_damaged_record_names_its_student(course):
    folder = course / ".graded" / "double"
    folder.mkdir(parents=True)
    for name, text in [("a", ""), ("b", '{"of_old": 1}'), ("c", "[]")]:
        (folder / f"{name}.json").write_text(text)
    (folder / "d.json").write_text('{"student": "d", "digest": ""}')
    outcomes = grader.records(course, "double")
    assert list(outcomes) == list("abcd") and outcomes["d"].final
    for name in "abc":
        assert not outcomes[name].final and "cannot be read. Put" in outcomes[name].reason


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # of nbgrader's code
@pytest.mark.parametrize("name", ["class [27]", "why?", "Honest%20Splits"])
def test_what_a_folder_is_called_loses_no_gradebook(course, name):
    place = course.rename(course.parent / name)
    done = gradebook.release(place, "double")
    assert done["success"] != ("Take the [ out" in done.get("refused", ""))
    assert (place / "gradebook.db").exists() == done["success"] == ("[" not in name)
    assert [each.name for each in place.parent.iterdir()] == [name]


def test_a_copy_beside_a_source_is_refused_since_its_points_would_count(course):
    write(course / "source" / "double" / "double-Copy1.ipynb", classroom.small_source())
    assert "double-Copy1.ipynb in source/double would" in graded_by(course).stderr


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # of nbgrader's code
def test_a_new_gradebook_in_the_place_of_one_with_points_is_refused(course):
    """As where it was lost, and `make assignments` or a look at formgrader has made another."""
    gradebook.remember(Task(course, "double", "anna", [], [], Limits(7), 7, 2048, False), {}, {})
    assert not gradebook.has_students(course)
    done = graded_by(course)
    assert done.returncode == 2 and "or is a new one, and .graded there says" in done.stderr
    enter(course, "anna")
    assert gradebook.has_students(course)


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # of nbgrader's code
def test_points_of_an_older_version_are_named(course):
    enter(course, "anna")
    stored(course, "anna")
    (outcome,) = grader.records(course, "double").values()
    assert outcome.graded and "Graded with an older version" in outcome.remarks[-1]
    source = files.digest(files.inside(course / "source" / "double"))
    stored(course, "anna", digest=f"{source} bytes")
    (outcome,) = grader.records(course, "double").values()
    assert outcome.graded and outcome.remarks == []


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # of nbgrader's code
def test_buttons_of_formgrader_that_would_grade_without_walls_change_nothing(course):
    settings = PyFileConfigLoader("nbgrader_config.py", path=str(course)).load_config()
    api = NbGraderAPI(config=settings)
    for step in ("submitted/anna", "autograded/anna", "release"):
        write(course / step / "double" / "double.ipynb", right(classroom.small_source()))
    before = {path: path.read_bytes() for path in course.rglob("*.ipynb")}
    for done in (api.autograde("double", "anna"), api.generate_assignment("double")):
        assert not done["success"] and "use `make grade`" in done["error"]
    assert {path: path.read_bytes() for path in course.rglob("*.ipynb")} == before


def stored(course, student, **more):
    """Write the record of a student who was graded."""
    Outcome(student, **{"digest": "source bytes", "graded": True, **more}).save(
        run.record(course, "double", student)
    )


def enter(course, student):
    """Enter a student with a submission in the gradebook."""
    with gradebook.gradebook(course) as book:
        book.add_assignment("double")
        book.add_notebook("double", "double")
        for name, kind in (("why", "markdown"), ("test_double", "code")):
            book.add_grade_cell(name, "double", "double", max_score=2, cell_type=kind)
        book.add_student(student)
        book.add_submission("double", student)


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # of nbgrader's code
def test_who_is_not_in_the_gradebook_any_more_is_graded_again(course):
    """As where the teacher has put back an older copy."""
    stored(course, "anna")
    assert not gradebook.knows(course, "double")
    (outcome,) = grader.records(course, "double").values()
    assert not outcome.graded and not outcome.final
    grader.write_grades(course)
    (row,) = csv.DictReader((course / "grades.csv").read_text().splitlines())
    assert row["status"] == "not graded" and row["score"] == ""
    assert "Put the notebook back" in row["remarks"]
    enter(course, "anna")
    assert gradebook.knows(course, "double")
    (outcome,) = grader.records(course, "double").values()
    assert outcome.graded and outcome.final


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # of nbgrader's code
def test_a_folder_that_has_become_empty_is_said(course):
    stored(course, "anna")
    enter(course, "anna")
    write(gradebook.as_given_out(course, "double"), classroom.small_release())
    classroom.already_tried(course, "double")
    (course.parent / "in").mkdir()
    done = classroom.grade_here(course.parent / "in", "double", course)
    assert f"No notebooks in {course.parent / 'in'}; the report shows earlier" in done.stdout
    assert done.returncode == 0 and "1 of 1 graded" in done.stdout


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # of nbgrader's code
def test_who_has_other_points_in_the_gradebook_is_graded_again(course):
    """As where the teacher has put back a copy from before the student's last work was graded."""
    enter(course, "anna")
    stored(course, "anna", by_machine=2.0)
    for points, same in ((1.5, False), (2.0, True)):
        with gradebook.gradebook(course) as book:
            book.find_grade("test_double", "double", "double", "anna").auto_score = points
            judge(book, "why", 1)
            book.db.commit()
        (outcome,) = grader.records(course, "double").values()
        assert outcome.graded == outcome.final == same
        assert same or "is it an older copy? Put the notebook back" in outcome.reason


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # of nbgrader's code
@pytest.mark.parametrize("known", [False, True])
def test_an_assignment_is_entered_again_before_somebody_is_graded(course, monkeypatch, known):
    """The gradebook may be one from before the assignment, or from before its points changed."""
    given_out = []
    if known:
        enter(course, "anna")
    monkeypatch.setattr(grader, "release", lambda *names: given_out.append(names))
    write(gradebook.as_given_out(course, "double"), classroom.small_release())
    classroom.already_tried(course, "double")
    source = (course / ".graded" / "double.source").read_text()
    task = Task(course, "double", "", [], [], Limits(7), 7, 2048, False)
    grader.prepare(task, source, needed=True)
    assert given_out == [(course, "double")]


def test_who_met_another_limit_is_graded_again_and_no_one_else(course, monkeypatch):
    monkeypatch.setattr(files, "digest", lambda theirs, *notes: "bytes")
    task = Task(course, "double", "", [], [], Limits(7), 7, 2048, False)
    limited = {"same": task.bounds, "other": [9, 2048], "none": []}
    outcomes = {
        student: Outcome(student, "source bytes", limited=bounds)
        for student, bounds in limited.items()
    }
    found = grader.stale(task, "source", (dict.fromkeys(limited, []), {}), outcomes)
    assert [told["student"] for told, _ in found] == ["other"]


@pytest.mark.parametrize("graded, code", [([], 1), ([False], 1), ([False, True], 0)])
def test_an_error_is_only_where_nobody_was_graded(course, monkeypatch, graded, code):
    outcomes = {number: Outcome("", "", graded=each) for number, each in enumerate(graded)}
    monkeypatch.setattr(grader, "grade_class", lambda **options: outcomes)
    assert graded_by(course).returncode == code


def test_a_letter_that_the_terminal_lacks_ends_nothing(course, monkeypatch):
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(grader, "grade_class", lambda **options: print("長") or {})
    grader.main(["in", "double"])
    terminal.flush()
    assert terminal.buffer.getvalue() == b"\\u9577\n"


def judge(book, name, points):
    grade = book.find_grade(name, "double", "double", "anna")
    grade.manual_score, grade.needs_manual_grade = points, False


def graded_anew(course, task, why, machine):
    """Do with the gradebook what nbgrader does; return which points given by hand wait again."""
    gradebook.remember_judged(task)
    path = course / "autograded" / "anna" / "double" / "double.ipynb"
    write(path, answered(classroom.small_source(), why=why))
    with gradebook.gradebook(course) as book:
        for name, points in (("why", None), ("test_double", machine)):
            grade = book.find_grade(name, "double", "double", "anna")
            grade.auto_score = points
            grade.needs_manual_grade = grade.manual_score is not None or points is None
        book.db.commit()
    gradebook.keep_judged(task)
    files.remove(course / "autograded")  # as where a try is interrupted
    with gradebook.gradebook(course) as book:
        grades = book.find_submission_notebook("double", "double", "anna").grades
        return {grade.name for grade in grades if grade.needs_manual_grade}


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # of nbgrader's code
def test_what_was_judged_waits_again_only_if_it_has_changed(course):
    task = Task(course, "double", "anna", [], [], Limits(7), 7, 2048, False)
    enter(course, "anna")
    assert graded_anew(course, task, "So.", 2.0) == {"why"}
    with gradebook.gradebook(course) as book:
        judge(book, "why", 1)
        judge(book, "test_double", 1)
        book.db.commit()
    assert graded_anew(course, task, "So.", 2.0) == set()
    assert graded_anew(course, task, "So!", 2.0) == {"why"}
    assert graded_anew(course, task, "So.", 0.0) == {"test_double"}
    with gradebook.gradebook(course) as book:
        book.find_grade("why", "double", "double", "anna").manual_score = None
        book.db.commit()
    assert graded_anew(course, task, "So.", 2.0) == {"why"}


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # of nbgrader's code
@pytest.mark.parametrize("name", ["why", "test_double"])
def test_more_points_by_hand_than_there_are_now_wait_again(course, name):
    task = Task(course, "double", "anna", [], [], Limits(7), 7, 2048, False)
    enter(course, "anna")
    graded_anew(course, task, "So.", 0.5)
    with gradebook.gradebook(course) as book:
        judge(book, name, 2)
        book.db.commit()
    waiting = {"why"} - {name}
    for points, more in [(2, set()), (1, {name}), (2, set())]:
        with gradebook.gradebook(course) as book:
            book.find_graded_cell(name, "double", "double").max_score = points
            book.db.commit()
        assert graded_anew(course, task, "So.", 0.5) == waiting | more


def test_a_kernel_that_nobody_waits_for_any_more_says_nothing(tmp_path):
    line = [sys.executable, "-I", "-S", launch.__file__, str(tmp_path / "cleared away.json")]
    done = subprocess.run(line, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0 and done.stderr == ""


# One notebook, in a kernel

CLUMSY = """
%matplotlib widget
%matplotlib notebook
import mine
get_ipython().ast_node_interactivity = "none"
def scaled(x):
    return 2 * x
factor = "mine"
import statistics as stats
def double(x):
    assert stats.mean([1, 3]) == 2 and factor == "mine"
    return scaled(x) if x != 4 else "a frame of sys._getframe"
"""
GIVEN = """
%matplotlib inline
from math import *
from scipy import stats
def factor(x):
    return x
def scaled(x, by):
    return by * factor(x)
class Scaled:
    value = property(lambda self: scaled(2, 3))
"""
THEIRS = "assert scaled(2, 3) == Scaled().value == 6 and stats.norm.cdf(0) == 0.5 and pi > 3\n"


def test_what_works_at_home_works_here_and_the_last_value_counts(course):
    source = classroom.small_source()
    parts = "wrong = [x for x in (1, 2, 3, 4) if double(x) != 2 * x]\nmax(0.0, 2 - len(wrong) / 2)"
    parts = THEIRS + parts
    source.cells.insert(1, marked(new_code_cell(GIVEN), "given", locked=True))
    source.cells.append(marked(new_code_cell(parts), "parts", grade=True, locked=True, points=2))
    write(course / "source" / "double" / "double.ipynb", source)
    assert gradebook.release(course, "double")["success"]
    given = nbformat.read(course / "release" / "double" / "double.ipynb", as_version=4)
    notebook = answered(right(given), double=CLUMSY)
    notebook.cells.insert(0, new_code_cell("%%writefile mine.py\nx = 1"))
    notebook.cells.insert(1, new_code_cell("open('helpers.py', 'w').write('1 / 0')"))
    write(course / "anna.ipynb", notebook)
    limits = Limits(classroom.HANG)
    files = [course / "anna.ipynb"]
    task = Task(course, "double", "anna", files, [], limits, None, 2048, walls.protection())
    with mock.patch.dict(os.environ, classroom.environment()), run.folder() as place:
        outcome = one.grade(task, "", place)
    assert outcome.graded, outcome.reason
    assert grader.report.scores(course, "double")["anna"]["score"] == 3 + 1.5
    assert [said for said in outcome.remarks if "answers seldom need (_getframe)" not in said] == []
    assert len(outcome.remarks) == 1
