"""One row of the table that a benchmark prints."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """What was compared, the ratio, and what stands behind it."""

    group: str
    what: str
    ratio: float
    note: str = ""

    def line(self) -> str:
        """The row as text."""
        return f"| {self.group} | {self.what} | {self.ratio:.2f} | {self.note} |"
