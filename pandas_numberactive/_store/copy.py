"""Copy a journal from one store to another, SQLite or PostgreSQL, as often as you like.

The source is not changed, so nothing of it may be under way: a copy is refused while a look-up is
reserved or pending. Held look-ups are copied as they are. Leases and workers are not copied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from enum import Enum
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np

from pandas_numberactive import _bridge as bridge
from pandas_numberactive._config.checks import CHECKS
from pandas_numberactive._config.credentials import Address
from pandas_numberactive._display.html import text_table
from pandas_numberactive._phones.mask import mask_label
from pandas_numberactive._purchase.purchase import SETTLED, STATE_SQL, LookupState
from pandas_numberactive._store import ledger as store_ledger
from pandas_numberactive._store.engines.journal import Database
from pandas_numberactive._store.rows import EVENT
from pandas_numberactive._store.rows import Row as LookupRow
from pandas_numberactive._store.store import LookupStore
from pandas_numberactive.errors import ConfigurationError, StoreError

COPY_ROWS = 20_000  # rows a transaction
INSERT_ROWS = 1_000  # rows a statement


@dataclass(frozen=True, slots=True)
class Record(LookupRow):
    """One row of `lookups` with its environment."""

    environment: int

    @property
    def key(self) -> Key:
        """Return the purchase that it is."""
        return self.environment, self.number, self.generation


Key = tuple[int, int, int]
_RECORD = ("environment", *(one.name for one in fields(LookupRow)))
_values = attrgetter(*_RECORD)
_LOOKUP = ", ".join(_RECORD)
_KEY = 3  # the first columns of a look-up are its key
_RUN = "key, environment, started_at, seen_at, ended_at, cap, price, currency, buyer"
_EVENT = ", ".join(EVENT)
_EVENT_NUMBER = 4  # with the id in front
_EVENT_RUN = 6
_THIS = "WHERE environment = ? AND number = ? AND generation = ?"
_SPAN = (
    "WHERE (environment, number, generation) >= (?, ?, ?) AND (environment, number, "
    "generation) <= (?, ?, ?)"
)
_FLAGS = "SELECT name, value FROM meta WHERE name LIKE 'handle_can_charge:%'"

Runs = dict[int | None, int | None]  # run in the source: run in the target
Row = tuple[Any, ...]


def copy(source: str, target: str) -> Copied:
    """Copy look-ups and events that `target` lacks from `source`.

    A second copy finds nothing to do.

    Parameters
    ----------
    source, target
        Locations of stores: a path, `sqlite:PATH` or `postgresql://...`.

    Returns
    -------
    Copied
        Counts, and the sums of both stores. Nothing is sent or charged.

    Raises
    ------
    StoreError
        A run is buying in the source, a look-up there is reserved or pending, or the sums do not
        agree afterwards.
    ConfigurationError
        There is no source, or both are the same store.
    """
    source = CHECKS["store"]("source", source)
    target = CHECKS["store"]("target", target)
    if not isinstance(source, Address) and not Path(source).expanduser().is_file():
        raise ConfigurationError(f"There is no store {mask_label(Path(source).name)} to copy from.")
    with LookupStore.open(source) as here, LookupStore.open(target) as there:
        for store in (here, there):  # answers that wait in emergency files
            bridge.call(store.recover, stop=lambda: None, drain=1.0)
        if here.do(_store_id) == there.do(_store_id):
            raise ConfigurationError(
                "Source and target are the same store, or one is a copy of the other's file."
            )
        return _copy(here, there)


def _store_id(db: Database) -> str:
    return str(db.execute("SELECT value FROM meta WHERE name = 'store_id'").fetchone()[0])


def _copy(source: LookupStore, target: LookupStore) -> Copied:
    source.do(_refuse_open, source)
    before = target.do(books)
    runs = _copy_runs(source, target)
    done = Copied(before, before, before)
    for found in _chunks(source, "lookups", _LOOKUP, _KEY):
        done.count(target.do(_take_lookups, [_record(row) for row in found], runs))
    done.events = _copy_events(source, target, runs)
    flags = source.do(lambda db: list(db.execute(_FLAGS).fetchall()))
    target.do(_insert, "meta", "name, value", flags)
    done.source = source.do(books)
    done.target = target.do(books)
    check(done)
    return done


def _refuse_open(db: Database, store: LookupStore) -> None:
    workers = db.execute("SELECT worker FROM workers").fetchall()
    if any(store.alive(db, worker) for (worker,) in workers):
        raise StoreError(
            "A run is buying in the source: stop it, or wait for its end. Nothing was copied."
        )
    states = f"{int(LookupState.RESERVED)}, {int(LookupState.PENDING)}"
    (count,) = db.execute(
        f"SELECT count(*) FROM lookups WHERE {STATE_SQL} IN ({states})"
    ).fetchone()
    if count:
        raise StoreError(
            f"{count:,} look-ups in the source are under way, and two stores must not both finish "
            "them. Run the same call to its end there, or resolve them with "
            "LookupStore.resolve(). Nothing was copied."
        )


def _copy_runs(source: LookupStore, target: LookupStore) -> Runs:
    """Copy the runs with key, caps and start, so that an unfinished one goes on in the target."""
    rows = source.do(
        lambda db: list(db.execute(f"SELECT run, {_RUN} FROM runs ORDER BY run").fetchall())
    )

    def work(db: Database) -> Runs:
        there = _known_runs(db)
        _insert(db, "runs", _RUN, [row[1:] for row in rows if tuple(row[1:4]) not in there])
        there = _known_runs(db)
        return {None: None} | {row[0]: there[tuple(row[1:4])] for row in rows}

    return target.do(work)


def _known_runs(db: Database) -> dict[Row, int]:
    found = db.execute("SELECT run, key, environment, started_at FROM runs").fetchall()
    return {tuple(row[1:]): row[0] for row in found}


class Verdict(Enum):
    """The fate of one row of the source."""

    TAKE = "take"
    KNOWN = "known"  # the target has it
    OWN = "own"  # the target has another purchase, and keeps it
    LATER = "later"  # begun in the source since, for the next copy


def _record(row: Row) -> Record:
    return Record(*row[1:], *row[:1])


def _take_lookups(db: Database, rows: Sequence[Record], runs: Runs) -> list[Verdict]:
    """Insert the rows that the target lacks, replace those that are older there, and keep the rest.

    Doing it again changes nothing.
    """
    span = (*rows[0].key, *rows[-1].key)
    found = db.execute(f"SELECT {_LOOKUP} FROM lookups {_SPAN}", span).fetchall()
    there = {held.key: held for held in map(_record, found)}
    verdicts = [_verdict(row, there.get(row.key), runs) for row in rows]
    taken = [row for row, verdict in zip(rows, verdicts, strict=True) if verdict is Verdict.TAKE]
    for row in taken:
        if row.key in there:
            db.execute(f"DELETE FROM lookups {_THIS}", row.key)
    arriving = [_arriving(row, runs, there.get(row.key)) for row in taken]
    _insert(db, "lookups", _LOOKUP, [_values(row) for row in arriving])
    return verdicts


def _verdict(row: Record, held: Record | None, runs: Runs) -> Verdict:
    if row.run not in runs or row.state in (LookupState.RESERVED, LookupState.PENDING):
        return Verdict.LATER
    if held is None or _better(row, held):
        return Verdict.TAKE
    uncertain = row.state is LookupState.UNCERTAIN and row.request_id is not None
    paid = row.state in SETTLED or uncertain
    return Verdict.OWN if paid and row.request_id != held.request_id else Verdict.KNOWN


def _better(row: Record, held: Record) -> bool:
    """Return True if the source's row replaces the target's.

    It replaces a row without a payment, and the same purchase in an earlier state.
    """
    free = held.state in (LookupState.FAILED, LookupState.RELEASED, LookupState.RESERVED)
    if row.state is LookupState.UNCERTAIN:
        return free and (row.request_id is None or row.request_id != held.request_id)
    if row.state not in SETTLED or held.state in SETTLED:
        return False
    return free or row.request_id == held.request_id


def _arriving(row: Record, runs: Runs, held: Record | None) -> Record:
    """Return a row as the target keeps it. Its epoch fences out a late worker of the target."""
    epoch = row.epoch if held is None else max(row.epoch, held.epoch + 1)
    return replace(row, worker=None, run=runs[row.run], epoch=epoch)


def _copy_events(source: LookupStore, target: LookupStore, runs: Runs) -> int:
    """Append the events that the target lacks.

    Compare them without the phone number, because one side may have forgotten it.
    """
    prints = [_print(row) for rows in _chunks(target, "events", f"id, {_EVENT}", 1) for row in rows]
    known, counts = np.unique(np.array(prints, np.int64), return_counts=True)
    copied = 0
    for rows in _chunks(source, "events", f"id, {_EVENT}", 1):
        ours = [row for row in rows if row[_EVENT_RUN] in runs]  # not of a run that has begun since
        mapped = [
            (*row[:_EVENT_RUN], runs[row[_EVENT_RUN]], *row[_EVENT_RUN + 1 :]) for row in ours
        ]
        new = [row[1:] for row in mapped if not _used_up(known, counts, _print(row))]
        target.do(_insert, "events", _EVENT, new)
        copied += len(new)
    return copied


def _print(row: Row) -> int:
    """Return a fingerprint of an event in 64 bits, its id in front."""
    return hash(row[1:_EVENT_NUMBER] + row[_EVENT_NUMBER + 1 : -1])


def _used_up(known: Any, counts: Any, wanted: int) -> bool:
    """Return True, and take it off, if the target has one more of these events."""
    place = int(np.searchsorted(known, wanted))
    if place == len(known) or known[place] != wanted or counts[place] == 0:
        return False
    counts[place] -= 1
    return True


def _chunks(store: LookupStore, table: str, columns: str, key: int) -> Iterator[list[Row]]:
    """Yield the rows of a table in the order of its key, a bounded number at a time."""
    names = ", ".join(columns.split(", ")[:key])
    marks = ", ".join("?" * key)

    def work(after: Row | None) -> Callable[[Database], list[Row]]:
        where = "" if after is None else f"WHERE ({names}) > ({marks})"
        sql = f"SELECT {columns} FROM {table} {where} ORDER BY {names} LIMIT {COPY_ROWS}"
        return lambda db: [tuple(row) for row in db.execute(sql, after or ()).fetchall()]

    rows = store.do(work(None))
    while rows:
        yield rows
        rows = store.do(work(rows[-1][:key]))


def _insert(db: Database, table: str, columns: str, rows: list[Row]) -> None:
    """Insert rows that the table lacks."""
    stream = getattr(db, "copy_in", None)
    if stream is not None and len(rows) > 10:  # PostgreSQL: five times as fast
        stream(table, columns, rows)
        return
    one = "(" + ", ".join("?" * len(columns.split(", "))) + ")"
    for start in range(0, len(rows), INSERT_ROWS):
        part = rows[start : start + INSERT_ROWS]
        sql = (
            f"INSERT INTO {table} ({columns}) VALUES {', '.join([one] * len(part))} ON CONFLICT "
            "DO NOTHING"
        )
        db.execute(sql, [value for row in part for value in row])


@dataclass(slots=True)
class Books:
    """The sums of a store, for comparison."""

    lookups: int
    answers: int
    events: int
    charges: dict[int, tuple[int, float]]  # environment: charges, cost where a price was known


@dataclass(slots=True)
class Copied:
    """The result of a copy.

    `differ` counts purchases of which the target had one of its own, which it kept. `left` counts
    look-ups begun in the source since the copy began.
    """

    before: Books
    source: Books
    target: Books
    lookups: int = 0
    events: int = 0
    differ: int = 0
    left: int = 0

    def count(self, verdicts: Sequence[Verdict]) -> None:
        """Add the rows of one transaction."""
        self.lookups += verdicts.count(Verdict.TAKE)
        self.differ += verdicts.count(Verdict.OWN)
        self.left += verdicts.count(Verdict.LATER)

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
        lines += [("target kept its own", f"{self.differ:,}")]
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
        count(f"lookups WHERE {STATE_SQL} IN ({settled})"),
        count("events"),
        {environment: (int(number), float(cost)) for environment, number, cost in charges},
    )


def check(done: Copied) -> None:
    """Raise StoreError if rows or charges were lost.

    If the target was empty, its totals must equal the source's.
    """
    if _lacking(done) or (_was_empty(done) and _too_much(done)):
        raise StoreError(
            f"The copy does not match its source, which may have changed. Copy again.\n{done}"
        )


def _lacking(done: Copied) -> bool:
    source = done.source
    target = done.target
    if target.lookups < source.lookups - done.left:
        return True
    if target.events < done.before.events + done.events:
        return True
    return not done.left and any(
        there[0] < here[0] or there[1] < here[1] - 0.005 for here, there in _sums(done)
    )


def _was_empty(done: Copied) -> bool:
    return not (done.before.events or done.before.lookups or done.left)


def _too_much(done: Copied) -> bool:
    if done.source.answers != done.target.answers:
        return True
    return any(there[0] > here[0] or there[1] > here[1] + 0.005 for here, there in _sums(done))


def _sums(done: Copied) -> list[tuple[tuple[int, float], tuple[int, float]]]:
    """Charges and cost of each environment of the source, here and there."""
    target = done.target.charges
    return [(here, target.get(code, (0, 0.0))) for code, here in done.source.charges.items()]
