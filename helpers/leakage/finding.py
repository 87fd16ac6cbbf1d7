"""What a canary saw, and what several saw."""

from dataclasses import dataclass
from html import escape

ANSWERS = {True: "LEAK", False: "none seen", None: "not looked at"}


@dataclass(frozen=True)
class Finding:
    """What a canary saw: a leak, none, or nothing, because it could not look.

    Attributes
    ----------
    name : str
        The canary.
    leaked : bool or None
        True for a leak. False if it looked and saw none. None if it did not look.
    evidence : str
        The numbers that say so. Where it leaked, what to do next; where it did not look, what to
        hand over so that it can.

    Notes
    -----
    ``not None`` is true, so ``assert not finding.leaked`` passes where nothing was looked at. To
    ask for a canary that looked and saw none, write ``assert finding.leaked is False, finding``.

    Examples
    --------
    >>> from helpers.leakage import Finding
    >>> finding = Finding("time_order", None, "Hand over time: when each row was recorded.")
    >>> print(finding)
    time_order: not looked at. Hand over time: when each row was recorded.
    >>> finding.leaked is False
    False
    """

    name: str
    leaked: bool | None
    evidence: str

    @property
    def answer(self):
        return ANSWERS[self.leaked]

    def __str__(self):
        return f"{self.name}: {self.answer}. {self.evidence}"


class Report(list):
    """A list of `Finding`, shown as a table.

    Attributes
    ----------
    leaks : list of Finding
        Those that saw a leak.
    not_looked_at : list of Finding
        Those that could not look, and say what they need.

    Examples
    --------
    >>> from helpers.leakage import Finding, Report
    >>> Report([Finding("purity", False, "fit left every constructor argument as it was.")])
    canary | answer    | evidence
    purity | none seen | fit left every constructor argument as it was.
    """

    @property
    def leaks(self):
        return [finding for finding in self if finding.leaked]

    @property
    def not_looked_at(self):
        return [finding for finding in self if finding.leaked is None]

    def _rows(self):
        return [(f.name, f.answer, f.evidence) for f in self]

    def __repr__(self):
        rows = [("canary", "answer", "evidence"), *self._rows()]
        widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
        return "\n".join(f"{a:{widths[0]}} | {b:{widths[1]}} | {c}" for a, b, c in rows)

    def _repr_html_(self):
        rows = [("th", ("canary", "answer", "evidence")), *(("td", row) for row in self._rows())]
        lines = (
            "".join(f'<{tag} style="text-align: left">{escape(cell)}</{tag}>' for cell in row)
            for tag, row in rows
        )
        return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"
