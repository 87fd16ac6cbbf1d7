"""The field guide says what canaries take and answer; its glossary has the words of the lessons."""

import doctest
import inspect
import re
from functools import cache
from pathlib import Path

import nbformat
import pytest
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier

from helpers import leakage
from tests.lessons.test_notebooks import headings, prose

FOLDER = Path(__file__).parents[2] / "notebooks"
GUIDE = (FOLDER / "field_guide.md").read_text()
CODE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((.*?)\)")
CANARIES = set(leakage.__all__) - {"Finding", "Report", "audit"}


def table(section):
    """The rows of the last table of a section, without its heading."""
    text = GUIDE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"(?m)^\| (.*) \|$", text)
    return [row.split(" | ") for row in rows[1:]]


def parameters(name):
    return inspect.signature(getattr(leakage, name)).parameters


def plain(text):
    """Text without emphasis, on one line, in small letters."""
    return " ".join(text.replace("*", "").lower().split())


@cache
def lesson_text(name):
    return prose(nbformat.read(FOLDER / name, as_version=4))


CANARY_ROWS = table("What each canary sees, and what it cannot see")
ALARM_ROWS = table("Which alarms may be ignored, and why")
TERM_ROWS = table("Glossary")


def code(text):
    """All code blocks in order, as one doctest, since later ones use the names of earlier ones."""
    source = "\n".join(CODE.findall(text))
    return doctest.DocTestParser().get_doctest(source, {}, "field_guide.md", None, 0)


def run(test):
    """Run a doctest; return how many examples failed, and what was said of them."""
    said = []
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    failed, _ = doctest.DocTestRunner(optionflags=flags, verbose=False).run(test, out=said.append)
    return failed, "".join(said)


@pytest.mark.slow
def test_every_code_block_does_what_the_page_shows():
    assert all(">>>" in block for block in CODE.findall(GUIDE))
    failed, said = run(code(GUIDE))
    assert not failed, said


@pytest.mark.slow
def test_the_leaky_scaler_that_the_page_describes_is_a_leak():
    assert "With `fit(X)` in place of `fit(X[train])` the answer is LEAK." in GUIDE
    loop = GUIDE.partition("\n## A training loop")[2].partition("\n## ")[0]
    assert loop.count(".fit(X[train])") == 1
    test = code(loop.replace(".fit(X[train])", ".fit(X)"))
    test.examples = [e for e in test.examples if not e.source.startswith("null_labels(")]
    failed, said = run(test)
    assert failed == 1 and "blind_test: LEAK" in said


def test_every_canary_has_its_row_and_nothing_else_has():
    assert sorted(row[0].strip("`") for row in CANARY_ROWS) == sorted(CANARIES)


@pytest.mark.slow
def test_rows_stand_in_the_order_of_an_audit():
    names = [row[0].strip("`") for row in CANARY_ROWS]
    X, y = load_iris(return_X_y=True)
    assert names == [f.name for f in leakage.audit(DecisionTreeClassifier(), X, y)]


@pytest.mark.parametrize("row", CANARY_ROWS, ids=lambda row: row[0])
def test_what_a_row_says_to_hand_over_is_what_the_function_takes(row):
    name, hand_over, sees, misses = row
    takes = parameters(name.strip("`"))
    needed, _, also = hand_over.partition("; also ")
    needed, also = set(re.findall(r"`(\w+)`", needed)), set(re.findall(r"`(\w+)`", also))
    assert needed == {p for p, v in takes.items() if v.default is v.empty}
    assert needed | also | {"random_state"} == set(takes) | {"random_state"}
    assert sees and misses


def test_random_state_is_taken_by_all_but_those_that_are_named():
    without = {name for name in CANARIES if "random_state" not in parameters(name)}
    assert without == {"shared_groups", "time_order"}
    assert "except `shared_groups` and\n`time_order`" in GUIDE


def test_each_name_in_the_prose_is_a_canary_or_known():
    text = CODE.sub("", GUIDE)
    named = set(re.findall(r"`([a-z]+_[a-z_]+)`", text))
    known = {p for name in CANARIES for p in parameters(name)}
    known |= {"carried_weights", "decision_function", "reset_parameters", "random_state"}
    assert named <= CANARIES | known
    assert {row[0].strip("`") for row in ALARM_ROWS[:-1]} <= CANARIES


def test_the_three_answers_are_those_of_a_finding():
    rows = {row[0]: row[1].strip("`") for row in table("Start with one call")}
    answers = (leakage.Finding("", leaked, "") for leaked in (True, False, None))
    assert rows == {finding.answer: str(finding.leaked) for finding in answers}


def test_there_are_ten_questions_and_the_page_is_short():
    asked = re.findall(r"(?m)^(\d+)\. \*\*(?:[^*]|\n)*\?\*\*", GUIDE)
    assert [int(number) for number in asked] == list(range(1, 11))
    before_glossary = CODE.sub("", GUIDE.partition("\n## Glossary\n")[0])
    assert len(before_glossary.replace("|", " ").split()) <= 1800


def test_links_lead_to_lessons_and_their_headings():
    links = LINK.findall(CODE.sub("", GUIDE))
    assert links
    for target in links:
        name, _, heading = target.partition("#")
        assert (FOLDER / name).is_file(), target
        assert not heading or heading in headings(FOLDER / name), target


@pytest.mark.parametrize("row", TERM_ROWS, ids=lambda row: row[0])
def test_a_term_is_used_in_the_lesson_that_its_link_names(row):
    term, meaning, link = row
    (target,) = LINK.findall(link)
    name, _, heading = target.partition("#")
    lesson = lesson_text(name)
    if heading:  # the part below that heading, as far as the next one
        parts = re.split(r"(?m)^#+ +", lesson)
        lesson = next(p for p in parts if p.partition("\n")[0].strip().replace(" ", "-") == heading)
    assert re.search(rf"\b{re.escape(plain(term))}", plain(lesson)), target
    assert name.startswith(link[1:].partition("]")[0] + "_")
    assert meaning.endswith(".") and meaning.count(". ") == 0, "one plain sentence"


def test_terms_are_in_order_and_every_bold_one_of_the_page_is_there():
    terms = [row[0].strip("*") for row in TERM_ROWS]
    assert terms == sorted(set(terms), key=lambda term: term.lower().replace("-", " "))
    text = CODE.sub("", GUIDE.partition("\n## Glossary\n")[0])
    assert set(re.findall(r"\*\*([a-z][a-z -]*)\*\*", text)) <= set(terms)
