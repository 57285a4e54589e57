"""What a run will cost, how it is going, and what it did: plain values with a text and a small HTML
face.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pandas_numberactive._display.html import bar, html_table, text_table
from pandas_numberactive._display.text import money


@dataclass(frozen=True, slots=True)
class Shape:
    """What the frame looked like before anything was looked up; counts are cells."""

    rows: int
    missing: int = 0
    invalid: Mapping[str, int] = field(default_factory=dict)  # reason: cells
    valid_rows: int = 0
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """How a run is going; counts are numbers, `spent` is in `currency`, `rate` in numbers per
    second.
    """

    total: int = 0
    done: int = 0
    bought: int = 0
    stored: int = 0
    failed: int = 0
    uncertain: int = 0
    spent: float | None = None
    currency: str = "IDR"
    rate: float = 0.0
    seconds_left: float | None = None


@dataclass(slots=True, repr=False)
class RunReport:
    """The bill and the account of one call; counts are distinct numbers unless they say rows.

    `charged` counts what this call paid for (isFee 1, or unknown: `charge_unknown` of them); `cost`
    is in `currency`, None without a unit price. `problems` is a frame of the cells that were not
    asked.
    """

    run: int | None = None
    environment: str = ""
    started_at: datetime | None = None
    wall_seconds: float = 0.0
    rows: int = 0
    missing_rows: int = 0
    invalid: Mapping[str, int] = field(default_factory=dict)
    valid_rows: int = 0
    distinct: int = 0
    bought: int = 0
    stored: int = 0
    failed: int = 0
    uncertain: int = 0
    quarantined: int = 0
    pending: int = 0
    not_bought: int = 0
    charged: int = 0
    charge_unknown: int = 0
    free: int = 0
    handles: int = 0
    queries: int = 0
    requeried: int = 0
    orphaned_handles: int = 0
    stored_oldest: datetime | None = None
    stored_newest: datetime | None = None
    unit_price: float | None = None
    currency: str = "IDR"
    resumed: bool = False
    run_charged: int = 0  # by all calls of the run
    open: int = 0  # pending, held or failed free: what the same call goes on with, or a person
    stopped_by: str | None = None
    # `max_charges` or `budget` ended it: the same call buys nothing more today, a higher cap does
    capped: bool = False
    failures: Mapping[str, int] = field(default_factory=dict)  # code and message: numbers
    problems: Any = None

    @property
    def complete(self) -> bool:
        """Whether every valid number has its final outcome."""
        return not (self.open or self.not_bought or self.stopped_by)

    @property
    def cost(self) -> float | None:
        """What this call spent, in `currency`; None without a unit price."""
        return None if self.unit_price is None else self.charged * self.unit_price

    @property
    def rate(self) -> float:
        """Numbers bought per second."""
        return self.bought / self.wall_seconds if self.wall_seconds > 0 else 0.0

    def lines(self) -> list[tuple[str, str]]:
        """The bill as pairs of label and text."""
        out = [("rows", f"{self.rows:,} ({self.missing_rows:,} blank)")]
        out += [
            (f"invalid: {reason}", f"{count:,}") for reason, count in self.invalid.items() if count
        ]
        out += [
            ("distinct numbers", f"{self.distinct:,}"),
            ("bought", f"{self.bought:,}"),
            ("stored", self._stored()),
        ]
        rare = (
            "failed",
            "uncertain",
            "quarantined",
            "pending",
            "not_bought",
            "requeried",
            "orphaned_handles",
        )
        shown = [(name.replace("_", " "), int(getattr(self, name))) for name in rare]
        out += [(name, f"{count:,}") for name, count in shown if count or name == "failed"]
        out += [(f"  {why}", f"{count:,}") for why, count in self.failures.items()]
        unknown = f" ({self.charge_unknown:,} without isFee)" if self.charge_unknown else ""
        out += [
            ("charged", f"{self.charged:,}{unknown}"),
            ("cost", money(self.cost, self.currency)),
        ]
        if self.run_charged != self.charged:
            out.append(("charged by the whole run", f"{self.run_charged:,}"))
        out.append(("time", f"{self.wall_seconds:.1f} s"))
        if self.stopped_by:
            out.append(("stopped by", self.stopped_by))
        return out

    def _stored(self) -> str:
        if not self.stored or self.stored_oldest is None:
            return f"{self.stored:,}"
        return f"{self.stored:,} (oldest of {self.stored_oldest:%Y-%m-%d})"

    def to_dict(self) -> dict[str, Any]:
        """All counts as plain values, without the problems."""
        names = [name for name in self.__dataclass_fields__ if name != "problems"]
        derived = {"complete": self.complete, "cost": self.cost, "rate": self.rate}
        return {name: getattr(self, name) for name in names} | derived

    def _title(self) -> str:
        return (
            f"Run {self.run or '-'} ({self.environment}): "
            f"{'complete' if self.complete else 'INCOMPLETE'}"
        )

    def __repr__(self) -> str:
        return text_table(self._title(), self.lines())

    def _repr_html_(self) -> str:
        return html_table(self._title(), self.lines(), picture=self._picture())

    def _picture(self) -> str:
        """The distinct numbers as a bar: bought, stored, and what is not there."""
        parts = [
            ("bought", self.bought),
            ("stored", self.stored),
            ("failed", self.failed),
            ("held or pending", self.uncertain + self.quarantined + self.pending),
            ("not bought", self.not_bought),
        ]
        return bar(parts, f"{self.distinct:,} distinct numbers")
