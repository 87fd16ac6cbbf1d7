"""The students' pages: nbconvert's exporter, without what takes it long; and what else is said."""

import html
import sys
from pathlib import Path

from jinja2 import BytecodeCache
from nbconvert.exporters import HTMLExporter
from nbgrader.converters import GenerateFeedback

from grading import files, records

NOT_GRADED = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title></head>
<body><h1>{title}</h1><p>The grader wrote to the teacher:</p><p>{reason}</p></body>
</html>
"""


class Compiled(BytecodeCache):
    """Templates that this process has compiled, or the one from which it was forked (`warm`)."""

    def __init__(self):
        self.known = {}

    def load_bytecode(self, bucket):
        if bucket.key in self.known:
            bucket.bytecode_from_string(self.known[bucket.key])

    def dump_bytecode(self, bucket):
        self.known[bucket.key] = bucket.bytecode_to_string()


COMPILED = Compiled()


class Feedback(HTMLExporter):
    """nbconvert's exporter, which does not compile its templates for each page."""

    def _create_environment(self):
        environment = super()._create_environment()
        environment.bytecode_cache = COMPILED
        return environment


def generator(**told):
    """Return nbgrader's part that writes the pages."""
    return GenerateFeedback(exporter_class=Feedback, **told)


def say_why(course, assignment, outcome):
    """Write the page of a student who could not be graded: why, and nothing of an earlier page.

    Where the next run tries again, nothing is written. Remarks that name another student are left
    out.
    """
    if outcome.graded or not outcome.final:
        return
    page = course / "feedback" / outcome.student / assignment / f"{assignment}.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    named_others = files.ALIKE.partition("{}")[2]
    remarks = [remark for remark in outcome.remarks if named_others not in remark]
    title, reason = f"{assignment}: not graded", " ".join([*remarks, outcome.reason])
    text = NOT_GRADED.format(title=html.escape(title), reason=html.escape(reason))
    page.write_text(text, encoding="utf-8", errors="backslashreplace")


def say_why_again(course, assignment):
    """Write these pages again: nbgrader has just written those of earlier works in their place."""
    for outcome in records.records(course, assignment).values():
        say_why(course, assignment, outcome)


if __name__ == "__main__":
    say_why_again(Path.cwd(), sys.argv[1])
