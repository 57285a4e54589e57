"""A store in sums: what a copy of it must agree with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pandas_numberactive._display.html import text_table
from pandas_numberactive._io import store_ledger
from pandas_numberactive._io.store_journal import Database
from pandas_numberactive._purchase.purchase import SETTLED
from pandas_numberactive.errors import StoreError

Row = tuple[Any, ...]


@dataclass(slots=True)
class Books:
    """What a store holds, in sums that can be compared."""

    lookups: int
    answers: int
    events: int
    charges: dict[int, tuple[int, float]]  # environment: charges, cost where a price was known


@dataclass(slots=True)
class Copied:
    """What a copy did; `differ` counts purchases that the target had made, or had open, on its own:
    it kept those.
    """

    before: Books
    source: Books
    target: Books
    lookups: int = 0
    events: int = 0
    handed_over: int = 0
    differ: int = 0
    left: list[Row] = field(default_factory=list, repr=False)  # keys begun in the source since
    delivered: list[Row] = field(default_factory=list, repr=False)  # keys of the open ones

    def __str__(self) -> str:
        lines = [("", "source | target before | target now")]
        three = (self.source, self.before, self.target)
        lines += [
            (name, " | ".join(f"{getattr(one, name):,}" for one in three))
            for name in ("lookups", "answers", "events")
        ]
        for books, title in ((self.source, "charges, source"), (self.target, "charges, target")):
            total = (
                sum(count for count, _ in books.charges.values()),
                sum(cost for _, cost in books.charges.values()),
            )
            lines.append((title, f"{total[0]:,}, worth {total[1]:,.0f}"))
        lines += [("copied now", f"{self.lookups:,} look-ups, {self.events:,} events")]
        lines += [
            ("open, handed over", f"{self.handed_over:,}"),
            ("target kept its own", f"{self.differ:,}"),
        ]
        return text_table("Store copy", lines)


def books(db: Database) -> Books:
    """Count a store's rows and sum its charges: one a requestId, as `spend` does."""
    settled = ", ".join(str(int(state)) for state in SETTLED)
    charges = db.execute(
        "SELECT environment, count(*), coalesce(sum(price), 0) FROM "
        f"(SELECT e.environment, min(r.price) AS price {store_ledger.CHARGED}) AS c GROUP BY "
        "environment"
    ).fetchall()

    def count(what: str) -> int:
        return int(db.execute(f"SELECT count(*) FROM {what}").fetchone()[0])

    return Books(
        count("lookups"),
        count(f"lookups WHERE (packed & 15) IN ({settled})"),
        count("events"),
        {environment: (int(number), float(cost)) for environment, number, cost in charges},
    )


def check(done: Copied) -> None:
    """Nothing of the source may be missing; a target that was empty must agree with it to the
    rupiah.
    """
    source, target = done.source, done.target
    wanted = source.lookups - len(done.left)
    less = target.lookups < wanted or target.events < done.before.events + done.events
    for environment, (charges, cost) in source.charges.items():
        there = target.charges.get(environment, (0, 0.0))
        less |= not done.left and (there[0] < charges or there[1] < cost - 0.005)
        if not (done.before.events or done.before.lookups or done.left):
            less |= (
                there[0] > charges or there[1] > cost + 0.005 or source.answers != target.answers
            )
    if less:
        raise StoreError(
            f"The books do not agree: the source changed meanwhile? Copy again.\n{done}"
        )
