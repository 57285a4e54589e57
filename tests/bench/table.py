"""One row of the table that a benchmark prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

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
    low: float | None = None  # of the rounds' ratios
    high: float | None = None

    @property
    def name(self) -> str:
        """What the row is, among all of the table."""
        return f"{self.group}: {self.what}"

    def line(self) -> str:
        """The row as text."""
        times = " | ".join("" if t is None else f"{t:.2f} s" for t in (self.ours, self.baseline))
        return f"| {self.group} | {self.what} | {times} | {self._shown()} | {self._verdict()} | {self.note} |"

    def _shown(self) -> str:
        if np.isnan(self.ratio):
            return ""
        rounds = "" if self.low is None else f" ({_digits(self.low)} to {_digits(self.high)})"
        return f"{_digits(self.ratio)}{rounds}"

    def saved(self) -> dict[str, Any]:
        """Return the row for a file of results."""
        return asdict(self)

    def against(self, before: float | None) -> str:
        """Return what became of the ratio since a saved result."""
        return "" if before is None else f" {self.ratio / before - 1:+.0%} |"

    def without_target(self) -> Row:
        """The same, judged by nothing: fixed costs weigh more in small sizes."""
        return replace(self, at_most=None, at_least=None)

    def _verdict(self) -> str:
        if np.isnan(self.ratio):
            return " | "
        if self.at_most is not None:
            return f"<= {self.at_most} | {'yes' if self.ratio <= self.at_most else '**no**'}"
        if self.at_least is not None:
            return f">= {self.at_least} | {'yes' if self.ratio >= self.at_least else '**no**'}"
        return " | "


def _digits(value: float | None) -> str:
    """Return a ratio with two decimals, a rate without."""
    value = value or 0.0
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def spread(row: Row, each: Mapping[str, np.ndarray[Any, Any]]) -> Row:
    """Return the row with the median, least and largest ratio of the rounds of both sides."""
    ratios = each["ours"] / each["base"]
    return replace(
        row, ratio=float(np.median(ratios)), low=float(ratios.min()), high=float(ratios.max())
    )
