"""What nbgrader should know of this course, for its own commands as for `grade.py`."""

from pathlib import Path

c = get_config()  # noqa: F821 - nbgrader defines it
c.CourseDirectory.root = str(Path(__file__).parent)
# Two processes write grades: a writer waits for the other, which on a busy machine may take long.
c.CourseDirectory.db_url = f"sqlite:///{Path(__file__).parent}/gradebook.db?timeout=600"
# What stands in a student's version where the solution was.
c.ClearSolutions.code_stub = {
    "python": 'raise NotImplementedError("Replace this line with your answer.")'
}
c.ClearSolutions.text_stub = "YOUR ANSWER HERE"
