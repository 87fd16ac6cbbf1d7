"""What nbgrader should know of this course, for its own commands as for `grade.py`."""

import sys
from pathlib import Path
from urllib.parse import quote

if str(Path(__file__).parent) not in sys.path:  # where nbgrader finds `grading`
    sys.path.append(str(Path(__file__).parent))

c = get_config()  # noqa: F821 - nbgrader defines it
c.CourseDirectory.root = str(Path(__file__).parent)
# Two processes write grades: a writer waits for the other, which on a busy machine may take long.
c.CourseDirectory.db_url = f"sqlite:///{quote(str(Path(__file__).parent))}/gradebook.db?timeout=600"
# What stands in a student's version where the solution was.
c.ClearSolutions.code_stub = {
    "python": 'raise NotImplementedError("Replace this line with your answer.")'
}
c.ClearSolutions.text_stub = "YOUR ANSWER HERE"
# What students wrote and showed is cleaned before formgrader or the feedback makes a page of it.
c.HTMLExporter.preprocessors = ["grading.clean.Page"]
c.HTMLExporter.filters = {"markdown2html": "grading.clean.markdown2html"}
# `make grade` and `make assignments` do this, with walls around students' code and other points.
c.Autograde.exporter_class = c.GenerateAssignment.exporter_class = "grading.refusal.Refusal"
