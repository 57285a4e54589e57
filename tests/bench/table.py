"""One row of the table that a benchmark prints."""

from __future__ import annotations

from dataclasses import dataclass, replace

HEAD = (
    "| | compared | ours | baseline | ratio | target | met | |\n|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True)
class Row:
    """What was compared, the medians of both in seconds, the ratio, its target, and what stands behind it."""

    group: str
    what: str
    ratio: float
    note: str = ""
    ours: float | None = None
    baseline: float | None = None
    at_most: float | None = None
    at_least: float | None = None

    def line(self) -> str:
        """The row as text."""
        times = " | ".join("" if t is None else f"{t:.2f} s" for t in (self.ours, self.baseline))
        return f"| {self.group} | {self.what} | {times} | {self.ratio:.2f} | {self._verdict()} | {self.note} |"

    def without_target(self) -> Row:
        """The same, judged by nothing: fixed costs weigh more in small sizes."""
        return replace(self, at_most=None, at_least=None)

    def _verdict(self) -> str:
        if self.at_most is not None:
            return f"<= {self.at_most} | {'yes' if self.ratio <= self.at_most else '**no**'}"
        if self.at_least is not None:
            return f">= {self.at_least} | {'yes' if self.ratio >= self.at_least else '**no**'}"
        return " | "
