"""Which student the name of a file or folder tells, whatever systems and desktops have added."""

import re
import unicodedata

KINDS = r"\.(ipynb|json|txt|zip|py|html?|pdf|tar|gz|tgz|7z|rar|docx?|odt|md|csv|png|jpe?g)"
ENDINGS = re.compile(rf"{KINDS}({KINDS}|\.(download|part|\d+))*$", re.I)
NO_DATE = r"(?!(?:19|20)\d\d(?:(?:0[1-9]|1[0-2])[0-3]\d)?_)"
# How the systems that collect work name what they hand on: the student's name, and a number.
SYSTEMS = [
    re.compile(pattern, re.I)
    for pattern in [
        r"(?P<name>.+?)_(?P<number>\d+)_assignsubmission_\w*.*",  # Moodle
        # Canvas; the numbers of 2026_11_27_anna, ML_101_2026_anna and group_1_2_anna are others.
        rf"(?P<name>.+?)_(?:LATE_)?(?P<number>{NO_DATE}\d{{3,}})_{NO_DATE}\d{{3,}}_.+",
        # Blackboard; of a name with a _ in it, what stands before the last tells two apart.
        r"(?P<number>(?:.*_)?)(?P<name>[^_]+)_attempt_\d{4}(?:-\d\d){5}.*",
        r"(?P<number>\d+)-\d+ - (?P<name>.+?) - .*\d{3,4}( [AP]M)?( - .*)?",  # Brightspace
        r"(?P<name>[^+]+)\+[^+]+\+\d{4}-\d\d-\d\d.*",  # nbgrader's exchange
    ]
]
# What browsers and desktops add to the name of a copy.
COPY = (  # also as Polish and Japanese desktops and Google Drive name it; accents do not matter
    r"copy(?: \(\d+\))?(?: ?of)?|kopie(?: v[oa]n)?|copi[ea](?: d[ei])?|kopia(?: av)?|kopi a[vf]"
    r"|(?<=[-–—] )kopi|kopio|копия|копія|の?コピー|의 ?사본|사본|복사본|[的の]?(?:副本|複本)"
).replace(" ", r"[\s_]")
COPIED = re.compile(
    r"\s*\(\d{1,3}\)$"
    rf"|[\s_(–—-]+(?:{COPY})\)?[\s_]*(?:\(?\d+\)?)?$"
    r"|(?:のコピー|의 ?사본|的[副複]本)$"
    rf"|^(?:{COPY})(?:[\s_–—-]+|$)",
    re.I,
)
BRANCH = re.compile(r"-(main|master)$", re.I)  # GitHub adds it to a repository's name


def whose(name, is_folder, assignment):
    """Return the student's name in the name of a file, and a number that tells two apart."""
    text = " ".join(unicodedata.normalize("NFC", name).split())
    of_github = is_folder or re.search(r"\.zip\b", text, re.I)
    if not is_folder:
        known = ENDINGS.sub("", text) or text
        # An ending of another kind; in anna.lang.ipynb, .lang is a part of the name.
        text = known if known != text else re.sub(r"(?<=.)\.[A-Za-z]\w{0,4}$", "", text)
    number = ""
    for match in filter(None, (system.fullmatch(text) for system in SYSTEMS)):
        text, number = match["name"], match.groupdict().get("number", "").strip(" _")
        break
    named, text = text, pattern_of(assignment).sub("", text)
    before = None
    while before != text:
        before, text = text, text.strip(" ._-–—")
        if copied := COPIED.search(without_accents(text)):
            text = text[: copied.start()] + text[copied.end() :]
        text = BRANCH.sub("", text) if of_github else text
    return text or named.strip(" ._-"), number


def pattern_of(assignment):
    """Return the pattern of its name; GitHub writes - for all that is neither letter nor digit."""
    return re.compile(r"(?<!\d)" + r"[\W_]".join(re.split(r"[\W_]+", assignment)), re.I)


def without_accents(text):
    """Return a text as long as this one, in which é is e: each character stands at its place."""
    plain = [(unicodedata.normalize("NFD", c)[0], c) for c in text]
    return "".join(letter if letter.isascii() else c for letter, c in plain)
