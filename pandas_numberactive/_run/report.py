"""The plan, the progress and the bill of a run as values, each with a text and an HTML form."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pandas_numberactive._display.html import (
    bar,
    folded,
    html_lines,
    html_table,
    invalid_html,
    text_table,
)
from pandas_numberactive._display.text import duration, money, numbers


@dataclass(frozen=True, slots=True)
class Shape:
    """Counts of the frame's cells before anything was looked up."""

    rows: int
    missing: int = 0
    invalid: Mapping[str, int] = field(default_factory=dict)  # reason: cells
    valid_rows: int = 0
    warnings: tuple[str, ...] = ()
    examples: Mapping[str, str] = field(default_factory=dict)  # reason: a masked cell

    def count_into(self, report: RunReport) -> None:
        """Write the counts of the cells into a bill."""
        report.rows = self.rows
        report.missing_rows = self.missing
        report.valid_rows = self.valid_rows
        report.invalid = dict(self.invalid)
        report.examples = dict(self.examples)


@dataclass(frozen=True, slots=True)
class Progress:
    """A snapshot of a run.

    Attributes
    ----------
    total, done, bought, stored, failed, uncertain : int
        Distinct numbers.
    spent : float or None
        The cost so far, in `currency`. None without a unit price.
    currency : str
        The currency of the settings.
    rate : float
        Numbers per second.
    seconds_left : float or None
        A guess.

    Examples
    --------
    >>> import pandas_numberactive as pna
    >>> pna.Progress(total=500, done=100).done
    100
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


def books_line(price: str) -> list[tuple[str, str]]:
    """Return the line that tells the price of a run in the books, where it is another one."""
    return [("price in the books", f"{price} a charge, as the run was begun")] * bool(price)


# Counts that the bill shows only where they are not 0.
RARE = ("uncertain", "quarantined", "pending", "not_bought", "requeried", "orphaned_handles")


@dataclass(slots=True, repr=False)
class RunReport:
    """The bill of one call. Counts are distinct numbers unless their name says rows.

    Attributes
    ----------
    rows, missing_rows, valid_rows : int
        Cells in all, blank cells, and cells with a readable number.
    distinct, bought, stored, failed, uncertain, quarantined, pending, not_bought : int
        Distinct numbers, and how each of them ended.
    open, behind : int
        The numbers that are pending, held or failed without a charge, and those of them that an
        older answer serves meanwhile: they count as stored, too.
    goes_on_with : int
        The numbers that the same call would ask for, as far as its cap has room.
    charged, charge_unknown, free : int
        The charges of this call, those of them where the vendor did not say isFee, and the answers
        without charge.
    run, run_charged : int
        The run that the call belongs to, and the charges of all calls of that run.
    handles, queries, requeried, orphaned_handles : int
        The calls that were sent, the queries of a requestId that was asked before, and the calls of
        handle whose reply was lost. The vendor may know a requestId for these that we do not.
    unit_price, currency : float or None, str
        The price of a charge.
    price_in_books : str
        The price at which `spend` counts the run, where it was begun at another one.
    wall_seconds : float
        The time that the call took.
    stopped_by : str or None
        The reason why the run stopped early.
    problems : pandas.DataFrame
        The cells that were not asked, masked, each with its reason.

    Examples
    --------
    >>> import pandas as pd, pandas_numberactive as pna
    >>> with pna.override(environment="simulator", store=":memory:", unit_price=500):
    ...     out = pna.enrich(pd.DataFrame({"phone": ["0811 8899 532", "x"]}), "phone")
    >>> bill = pna.last_run()
    >>> bill.rows, bill.distinct, bill.charged, bill.cost
    (2, 1, 1, 500)
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
    price_in_books: str = ""  # of the whole run, where it was begun at another price
    resumed: bool = False
    run_charged: int = 0  # by all calls of the run
    open: int = 0  # pending, held or failed free: what the same call goes on with, or a person
    behind: int = 0  # of these: an older answer serves meanwhile
    goes_on_with: int = 0  # what the same call would ask for, within its cap
    stopped_by: str | None = None
    capped: bool = False  # `max_charges` or `budget` ended it: a higher cap goes on
    at_budget: bool = False  # of the two it was `budget`
    failures: Mapping[str, int] = field(default_factory=dict)  # code and message: numbers
    problems: Any = None
    examples: Mapping[str, str] = field(default_factory=dict)  # reason: a masked cell

    @property
    def complete(self) -> bool:
        """Return True if every valid number has its final outcome, and no error ended the run."""
        return ending_of(self) is Ending.COMPLETE

    @property
    def left(self) -> int:
        """Numbers without a final outcome: open, or not bought."""
        return self.open + self.not_bought

    @property
    def cost(self) -> float | None:
        """The amount that this call spent, in `currency`. None without a unit price."""
        return None if self.unit_price is None else self.charged * self.unit_price

    @property
    def rate(self) -> float:
        """Numbers bought per second."""
        return self.bought / self.wall_seconds if self.wall_seconds > 0 else 0.0

    def lines(self) -> list[tuple[str, str]]:
        """Return the bill as pairs of label and text.

        Returns
        -------
        list of tuple of str
            The lines, in the order in which they are printed.

        Examples
        --------
        >>> import pandas_numberactive as pna
        >>> pna.RunReport(rows=3, missing_rows=1).lines()[0]
        ('rows', '3 (1 blank)')
        """
        out = [("rows", f"{self.rows:,} ({self.missing_rows:,} blank)")]
        out += [(f"invalid: {why}", f"{count:,}") for why, count in self.invalid.items() if count]
        out += [
            ("distinct numbers", f"{self.distinct:,}"),
            ("bought", f"{self.bought:,}"),
            ("stored", self._stored()),
            ("failed", f"{self.failed:,}"),
        ]
        rare = {name: int(getattr(self, name)) for name in RARE}
        out += [(name.replace("_", " "), f"{count:,}") for name, count in rare.items() if count]
        out += [(f"  {why}", f"{count:,}") for why, count in self.failures.items()]
        if self.open:
            out.append(("open", self._open()))
        return out + self._money_lines()

    def _open(self) -> str:
        behind = f" ({self.behind:,} behind an older answer)" if self.behind else ""
        person = ", or settle what is held" if self.uncertain else ""
        return f"{self.open:,}{behind}: call again{person}"

    def _money_lines(self) -> list[tuple[str, str]]:
        unknown = f" ({self.charge_unknown:,} without isFee)" if self.charge_unknown else ""
        out = [
            ("charged", f"{self.charged:,}{unknown}"),
            ("cost", money(self.cost, self.currency)),
        ]
        out += books_line(self.price_in_books)
        if self.run_charged != self.charged:
            out.append(("charged by the whole run", f"{self.run_charged:,}"))
        out.append(("time", f"{self.wall_seconds:.1f} s"))
        if self.stopped_by and not self.complete:
            out.append(("stopped by", self.stopped_by))
        return out

    def _stored(self) -> str:
        if not self.stored or self.stored_oldest is None:
            return f"{self.stored:,}"
        return f"{self.stored:,} (oldest of {self.stored_oldest:%Y-%m-%d})"

    def to_dict(self) -> dict[str, Any]:
        """Return all counts as plain values, without the problems.

        Returns
        -------
        dict
            The attributes by name, with complete, cost and rate.

        Examples
        --------
        >>> import pandas_numberactive as pna
        >>> pna.RunReport(charged=2, unit_price=500).to_dict()["cost"]
        1000
        """
        names = [name for name in self.__dataclass_fields__ if name != "problems"]
        derived = {"complete": self.complete, "cost": self.cost, "rate": self.rate}
        return {name: getattr(self, name) for name in names} | derived

    def _title(self) -> str:
        return f"Run {self.run or '-'} ({self.environment}): {verdict(self)}"

    def __repr__(self) -> str:
        return text_table(self._title(), self.lines())

    def _repr_html_(self) -> str:
        return html_table(
            self._headline(),
            self._html_lines(),
            picture=self._picture(),
            under=self._title(),
            below=invalid_html(self.invalid, self.examples),
        )

    def _html_lines(self) -> list[tuple[str, str]]:
        return [line for line in self.lines() if not line[0].startswith("invalid: ")]

    def _headline(self) -> str:
        """Return the price first: it is what a reader looks for."""
        if not self.charged:
            return "Nothing was charged"
        return f"{money(self.cost, self.currency)} for {numbers(self.charged)}"

    def _picture(self) -> str:
        """Render the distinct numbers as a bar: bought, stored, and the rest."""
        parts = [
            ("bought", self.bought),
            ("stored", self.stored),
            ("failed", self.failed),
            ("held or pending", self.uncertain + self.quarantined + self.pending),
            ("not bought", self.not_bought),
        ]
        return bar(parts, f"{self.distinct:,} distinct numbers")


# --- in words: the one text that bar, bill, job, panel and command line show

STOP = "stop"  # the value of RunReport.stopped_by after Job.stop() or an interrupt


class Ending(enum.Enum):
    """The ways in which a run can end."""

    COMPLETE = "Complete"
    CAPPED = "Stopped at your cap"
    SPENT = "Stopped at your budget"
    STOPPED = "Stopped by you"
    BROKEN = "Stopped by an error"
    OPEN = "Not finished"

    @property
    def meant(self) -> bool:
        """Return True where the user has asked for this end."""
        return self in (Ending.COMPLETE, Ending.CAPPED, Ending.SPENT, Ending.STOPPED)


def ending_of(report: RunReport) -> Ending:
    """Return how a run ended. A cap or Stop ends nothing where no number is left."""
    meant = report.capped or report.stopped_by == STOP
    if report.stopped_by and not meant:
        return Ending.BROKEN
    if not report.left:
        return Ending.COMPLETE
    if report.stopped_by == STOP:
        return Ending.STOPPED
    if report.capped:
        return Ending.SPENT if report.at_budget else Ending.CAPPED
    return Ending.OPEN


def verdict(report: RunReport) -> str:
    """Return how a run ended, in one sentence without a full stop."""
    ending = ending_of(report)
    wanted = report.distinct - report.stored
    if ending is Ending.COMPLETE:
        bought = f"{report.bought:,} bought" if wanted else "nothing to buy"
        return _with_problems(f"{ending.value}: {bought}", report)
    parts = [f"{report.bought:,} of {wanted:,} bought"] if wanted or not report.behind else []
    if report.pending:
        parts.append(f"{report.pending:,} pending")
    if report.behind:
        parts.append(f"{report.behind:,} open behind an older answer")
    if report.not_bought:
        parts.append(f"{report.not_bought:,} left")
    return _with_problems(f"{ending.value}: {'; '.join(parts)}", report)


def _with_problems(text: str, report: RunReport) -> str:
    """Append failed and held counts. A run with failures is not called complete."""
    held = report.uncertain + report.quarantined
    if not report.failed and not held:
        return text
    counts = []
    if report.failed:
        counts.append(f"{report.failed:,} failed")
    if held:
        counts.append(f"{held:,} held")
    text = text.replace(Ending.COMPLETE.value, "Ended", 1)
    return f"{text}; {'; '.join(counts)}"


def brief_html(report: RunReport, under: str) -> str:
    """Render a bill as it stands below a call that has ended, its lines folded."""
    return html_table(
        report._headline(),
        [],
        picture=report._picture(),
        under=under,
        below=folded("The bill", html_lines(report._html_lines()))
        + invalid_html(report.invalid, report.examples),
    )


def progress_html(now: Progress, title: str, under: str = "") -> str:
    """Render how a run is going, or how it ended, as a title and a bar."""
    held = max(0, now.done - now.bought - now.stored - now.failed)
    parts = [
        ("bought", now.bought),
        ("stored", now.stored),
        ("failed", now.failed),
        ("held", held),
        ("to do", now.total - now.done),
    ]
    picture = bar(parts, f"{now.total:,} distinct numbers")
    return html_table(title, [], picture=picture, under=under)


def progress_line(now: Progress) -> str:
    """Return how a run is going in one short line, its cost first.

    >>> progress_line(Progress(total=500, done=100, spent=50_000, rate=12, seconds_left=33))
    'IDR 50,000, 100 of 500, 12/s, 33 s left'
    """
    cost = f"{now.bought:,} bought" if now.spent is None else money(now.spent, now.currency)
    parts = [cost, f"{now.done:,} of {now.total:,}"]
    if now.rate:
        parts.append(f"{now.rate:,.0f}/s" if now.rate >= 10 else f"{now.rate:.1f}/s")
    if now.seconds_left is not None:
        parts.append(f"{duration(now.seconds_left)} left")
    return ", ".join(parts)
