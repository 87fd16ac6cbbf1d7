"""What nbgrader's own commands, and buttons of formgrader, meet before they change anything."""

from nbconvert.exporters import NotebookExporter

REFUSED = (
    "use `make grade`, or `make assignments`, in the terminal. nbgrader alone would run students' "
    "code without protection, count points differently, and overwrite what was graded. Nothing was "
    "changed."
)


class Refusal(NotebookExporter):
    """Stands where nbgrader looks for what writes notebooks."""

    def __init__(self, **told):
        raise PermissionError(REFUSED)
