"""What a run will cost, how it is going, and what it did: plain values with a text and a small HTML
face.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from pandas_numberactive._display.html import bar, html_table, text_table
from pandas_numberactive._display.text import duration, money


@dataclass(frozen=True, slots=True)
class Shape:
    """What the frame looked like before anything was looked up; counts are cells."""

    rows: int
    missing: int = 0
    invalid: Mapping[str, int] = field(default_factory=dict)  # reason: cells
    valid_rows: int = 0
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Plan:
    """What `enrich` would do, and cost; making it spends nothing.

    `rows` to `valid_rows` count cells, `distinct` to `to_buy` count numbers; `cost` is in
    `currency`, None without a unit price; `seconds` is a guess at 0.25 s a call.
    """

    environment: str
    rows: int
    missing: int
    invalid: Mapping[str, int]
    valid_rows: int
    distinct: int
    stored: int
    stored_oldest: datetime | None
    stored_newest: datetime | None
    outdated: int
    failed_before: int
    open: int
    held: int
    to_buy: int
    unit_price: float | None
    currency: str
    seconds: float | None
    max_charges: int | None = None
    warnings: tuple[str, ...] = ()
    store: str = ""  # where it looked; a password masked

    @property
    def duplicates(self) -> int:
        """Cells that repeat a number of another cell."""
        return self.valid_rows - self.distinct

    @property
    def purchases(self) -> int:
        """Numbers that would be bought or finished, the cap applied."""
        wanted = self.to_buy + self.open
        return wanted if self.max_charges is None else min(wanted, self.max_charges)

    @property
    def cost(self) -> float | None:
        """The most it can cost, in `currency`; None without a unit price."""
        return None if self.unit_price is None else self.purchases * self.unit_price

    def lines(self) -> list[tuple[str, str]]:
        """The plan as pairs of label and text."""
        out = [("rows", f"{self.rows:,}"), ("blank", f"{self.missing:,}")]
        out += [
            (f"invalid: {reason}", f"{count:,}") for reason, count in self.invalid.items() if count
        ]
        out += [
            ("distinct numbers", f"{self.distinct:,} ({self.duplicates:,} repeats)"),
            ("stored, free", self._ages()),
        ]
        if self.outdated:
            out.append(("stored, bought again", f"{self.outdated:,} (older than you asked for)"))
        if self.open:
            out.append(("begun earlier, to finish", f"{self.open:,}"))
        if self.held:
            out.append(("held (uncertain)", f"{self.held:,}"))
        if self.failed_before:
            out.append(("failed earlier, free", f"{self.failed_before:,} (asked again)"))
        cap = "" if self.max_charges is None else f", at most {self.max_charges:,} charges"
        out += [
            ("to buy", f"{self.to_buy:,}{cap}"),
            ("cost at most", money(self.cost, self.currency)),
        ]
        if self.seconds is not None:
            out.append(("likely time", f"about {duration(self.seconds)}"))
        return out + [("store", self.store)] * bool(self.store)

    def _ages(self) -> str:
        if not self.stored or self.stored_oldest is None or self.stored_newest is None:
            return f"{self.stored:,}"
        return (
            f"{self.stored:,} (bought {self.stored_oldest:%Y-%m-%d} to "
            f"{self.stored_newest:%Y-%m-%d})"
        )

    def to_dict(self) -> dict[str, Any]:
        """All counts as plain values."""
        return asdict(self) | {
            "duplicates": self.duplicates,
            "purchases": self.purchases,
            "cost": self.cost,
        }

    def __repr__(self) -> str:
        return text_table(f"Plan ({self.environment})", self.lines(), "; ".join(self.warnings))

    def _repr_html_(self) -> str:
        return html_table(
            f"Plan ({self.environment})", self.lines(), "; ".join(self.warnings), self.picture()
        )

    def picture(self) -> str:
        """The rows as a bar: blank, invalid, repeats, stored, to buy."""
        parts = [
            ("blank", self.missing, "#9e9e9e"),
            ("invalid", sum(self.invalid.values()), "#c62828"),
            ("repeats", self.duplicates, "#b39ddb"),
            ("stored", self.stored, "#2e7d32"),
            ("begun or held", self.open + self.held, "#00838f"),
            ("to buy", self.to_buy, "#1565c0"),
        ]
        return bar(parts, f"{self.rows:,} rows")


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
    stopped_by: str | None = None
    # `max_charges` or `budget` ended it: the next call is a new run, with the whole cap again
    capped: bool = False
    failures: Mapping[str, int] = field(default_factory=dict)  # code and message: numbers
    problems: Any = None

    @property
    def complete(self) -> bool:
        """Whether every valid number has its final outcome."""
        return not (self.pending or self.not_bought or self.stopped_by)

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
            ("bought", self.bought, "#1565c0"),
            ("stored", self.stored, "#2e7d32"),
            ("failed", self.failed, "#c62828"),
            ("held or pending", self.uncertain + self.quarantined + self.pending, "#00838f"),
            ("not bought", self.not_bought, "#9e9e9e"),
        ]
        return bar(parts, f"{self.distinct:,} distinct numbers")
