"""The page of questions: each leads to a place that exists, and its code does what it shows."""

import doctest
import re

import pytest

from tests.lessons.test_readme import ROOT

PAGE = (ROOT / "notebooks/questions.md").read_text("utf-8")
ROWS = re.findall(r"(?m)^\| (.*\?.*) \| (.*) \|$", PAGE)
CODE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_each_question_has_a_place():
    assert len(ROWS) >= 25
    assert all("](" in where for _, where in ROWS)


def test_no_two_rows_ask_the_same():
    questions = [question for question, _ in ROWS]
    assert len(questions) == len(set(questions))


@pytest.mark.slow
def test_the_code_does_what_the_page_shows():
    assert all(">>>" in block for block in CODE)
    test = doctest.DocTestParser().get_doctest("\n".join(CODE), {}, "questions.md", None, 0)
    said, flags = [], doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    failed, _ = doctest.DocTestRunner(optionflags=flags, verbose=False).run(test, out=said.append)
    assert not failed, "".join(said)
