"""A guess has buttons and an answer, and no letter is right much more often than the others."""

import re
from collections import Counter
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
ALL = sorted(path.stem for path in FOLDER.glob("*.ipynb"))
# Each answer of these says which option tempts most readers.
TEMPTING = [name for name in ALL if name[:3] in ("01_", "04_", "05_", "05b", "08_", "08b")]
QUESTION, BUTTONS = r"\*\*Predict", r"^predict\("
ANSWER = r"The answer is \(([a-d])\)"


def text_of(name):
    cells = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4).cells
    return "\n".join(cell.source for cell in cells)


@pytest.mark.parametrize("name", ALL)
def test_buttons_follow_each_question_and_an_answer_follows_them(name):
    found = re.findall(f"(?m)({QUESTION})|({BUTTONS})|({ANSWER})", text_of(name))
    kinds = [[bool(part) for part in parts[:3]].index(True) for parts in found]
    assert kinds == [0, 1, 2] * (len(kinds) // 3)
    assert len(kinds) >= 9


@pytest.mark.parametrize("name", ALL)
def test_all_options_give_a_reason_or_none_does(name):
    """Where only some give one, these are the wrong ones, which need to sound right."""
    parts = re.findall(r"\*\*Predict.*?(?=^predict\()", text_of(name), re.DOTALL | re.MULTILINE)
    questions = [re.findall(r"\([a-d]\) [^;\n]*", part) for part in parts]
    assert all(len(options) >= 3 for options in questions)
    for options in questions:
        reasons = [bool(re.search(r"\b(because|since)\b", option)) for option in options]
        assert len(set(reasons)) == 1, options


@pytest.mark.parametrize("name", TEMPTING)
def test_each_answer_says_what_most_readers_guess(name):
    answers = re.split(ANSWER, text_of(name))[2::2]
    assert all("tempting" in answer.partition("\n\n")[0] for answer in answers)


@pytest.mark.parametrize("name", ALL)
def test_each_letter_is_right_about_equally_often(name):
    letters = Counter(re.findall(ANSWER, text_of(name)))
    often = [letters[letter] for letter in "abc"]
    assert max(often) - min(often) <= 1
