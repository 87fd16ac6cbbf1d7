"""What a canary saw, and what several saw."""

from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Finding:
    """What a canary saw.

    Attributes
    ----------
    name : str
        The canary.
    leaked : bool
        Whether it saw a leak.
    evidence : str
        The numbers that say so and, where it leaked, what to do next.
    """

    name: str
    leaked: bool
    evidence: str

    def __str__(self):
        return f"{self.name}: {'LEAK' if self.leaked else 'no leak'}. {self.evidence}"


class Report(list):
    """A list of `Finding`, shown as a table.

    Attributes
    ----------
    leaks : list of Finding
        Those that saw a leak.

    Examples
    --------
    >>> from helpers.leakage import Finding, Report
    >>> Report([Finding("purity", False, "fit left every constructor argument as it was.")])
    canary | leaked | evidence
    purity | -      | fit left every constructor argument as it was.
    """

    @property
    def leaks(self):
        return [finding for finding in self if finding.leaked]

    def _rows(self):
        return [(f.name, "LEAK" if f.leaked else "-", f.evidence) for f in self]

    def __repr__(self):
        rows = [("canary", "leaked", "evidence"), *self._rows()]
        widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
        return "\n".join(f"{a:{widths[0]}} | {b:{widths[1]}} | {c}" for a, b, c in rows)

    def _repr_html_(self):
        rows = [("th", ("canary", "leaked", "evidence")), *(("td", row) for row in self._rows())]
        lines = (
            "".join(f'<{tag} style="text-align: left">{escape(cell)}</{tag}>' for cell in row)
            for tag, row in rows
        )
        return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"
