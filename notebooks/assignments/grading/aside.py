"""What lies in the folder of a class and is no student's work for this assignment."""

import os
import re
import unicodedata
from contextlib import suppress

from grading import files, report
from grading.intake import first
from grading.unpack import members
from grading.whose import SYSTEMS, pattern_of, whose

OTHER = "Left aside, as named after another assignment (rename what is for {}, and run again): {}"
NOBODY = (
    "Left aside, as no student's work for {} (put what is into a folder with the student's name, "
    "and run again): {}"
)
LIST, LONGEST = ".txt", 100_000  # bytes that are read of it
WORD = re.compile(r"\w+")
LETTER = r"[^\W_]"
# Brightspace's page and the teacher's notes. Ida.txt, Ida.html and Ida.pdf are somebody's.
KNOWN = re.compile(r"index\.html?|read[ _-]?me(\.(txt|md|html?|pdf|docx?))?", re.I)
TABLES = (".csv", ".tsv", ".xls", ".xlsx", ".ods", ".numbers")


def left_aside(submissions, assignment, course):
    """Return the paths that stand for no student, and a line for each reason.

    Parameters
    ----------
    submissions : pathlib.Path
    assignment : str
    course : pathlib.Path
        Its folder `source` names the other assignments.
    """
    known = [path.name for path in (course / "source").glob("[!._]*") if path.is_dir()]
    entries = files.entries_of(submissions, assignment)
    others = [entry for entry in entries if is_for_another(entry, assignment, known)]
    paths = {entry.path for entry in others}
    entries = [entry for entry in entries if entry.path not in paths]
    nobodys = [entry for entry in entries if is_nobodys(entry, entries, assignment)]
    lines = [
        said.format(assignment, report.one_line(", ".join(first([each.name for each in found]))))
        for said, found in ((OTHER, others), (NOBODY, nobodys))
        if found
    ]
    return paths | {entry.path for entry in nobodys}, lines


def is_for_another(entry, assignment, known):
    """Return whether a name holds another assignment's, outside of what a system has added."""
    text = " ".join(whose(entry.name, entry.is_dir(follow_symlinks=False), ""))
    found = [
        name
        for name in known
        if re.search(rf"(?<!{LETTER}){pattern_of(name).pattern}(?!{LETTER})", text, re.I)
    ]
    longer = any(assignment in name for name in found if name != assignment)
    return bool(found) and (assignment not in found or longer)


def is_nobodys(entry, entries, assignment):
    """Return whether a file can be no hand-in: by its name, or a table, list or whole class."""
    if not entry.is_file(follow_symlinks=False):
        return False
    stem, ending = os.path.splitext(entry.name)
    others = (each for each in entries if each.path != entry.path)
    names = {whose(each.name, each.is_dir(), assignment)[0] for each in others}
    if ending.lower() == ".zip":
        inside = (name.partition("/") for name in members(entry.path))
        return len(names & {whose(name, bool(sep), assignment)[0] for name, sep, _ in inside}) > 1
    if KNOWN.fullmatch(entry.name) or ending.lower() not in (*TABLES, LIST):
        return bool(KNOWN.fullmatch(entry.name))
    if any(pattern.search(stem) for pattern in (*SYSTEMS, pattern_of(assignment))):
        return False
    return stem not in names and (ending.lower() != LIST or lists(entry, names))


def lists(entry, names):
    """Return whether a text has the names of two students or more, whatever the order of words."""
    with suppress(OSError), open(entry.path, "rb") as file:
        text = unicodedata.normalize("NFC", file.read(LONGEST).decode("utf-8-sig", "replace"))
        if text.lstrip()[:1] == "{":
            return False  # a notebook, under a text's name
        words = set(WORD.findall(text.casefold()))
        return sum(words.issuperset(WORD.findall(name.casefold())) for name in names) > 1
    return False
