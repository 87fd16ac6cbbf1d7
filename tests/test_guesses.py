"""A guess has buttons and an answer, and no letter is right much more often than the others."""

import re
from collections import Counter
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
LESSONS = ["04_fitted_model_reuse", "05_leakage_gallery", "05b_leakage_catalogue"]
QUESTION, BUTTONS = r"\*\*Predict", r"^predict\("
ANSWER = r"The answer is \(([a-d])\)"


def text_of(name):
    cells = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4).cells
    return "\n".join(cell.source for cell in cells)


@pytest.mark.parametrize("name", LESSONS)
def test_buttons_follow_each_question_and_an_answer_follows_them(name):
    found = re.findall(f"(?m)({QUESTION})|({BUTTONS})|({ANSWER})", text_of(name))
    kinds = [[bool(part) for part in parts[:3]].index(True) for parts in found]
    assert kinds == [0, 1, 2] * (len(kinds) // 3)
    assert len(kinds) >= 9


@pytest.mark.parametrize("name", LESSONS)
def test_each_answer_says_what_most_readers_guess(name):
    answers = re.split(ANSWER, text_of(name))[2::2]
    assert all("tempting" in answer.partition("\n\n")[0] for answer in answers)


@pytest.mark.parametrize("name", LESSONS)
def test_each_letter_is_right_about_equally_often(name):
    letters = Counter(re.findall(ANSWER, text_of(name)))
    often = [letters[letter] for letter in "abc"]
    assert max(often) - min(often) <= 1
