"""Move a ledger from one store to another, SQLite or PostgreSQL: answers, events, runs, bodies; as
often as you like.

Two stores must never both finish an open look-up. So the source gives it up first, in one
transaction, and only then does the target get it: killed in between, the next copy delivers it.
What was given up stays in the source as uncertain ("moved"), which is never asked. Leases and
workers are not copied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pandas_numberactive import _bridge as bridge
from pandas_numberactive._config.checks import CHECKS
from pandas_numberactive._config.credentials import Address
from pandas_numberactive._display.html import text_table
from pandas_numberactive._purchase.purchase import OPEN, SETTLED, LookupState, pack
from pandas_numberactive._store import ledger as store_ledger
from pandas_numberactive._store.engines.journal import Database
from pandas_numberactive._store.store import LookupStore
from pandas_numberactive.errors import ConfigurationError, StoreError

CHUNK = 20_000  # rows a transaction
AT_ONCE = 1_000  # rows a statement
GIVEN, GONE = (
    "moved:",
    "moved away:",
)  # how the reason of a look-up begins that was given up; that was delivered

_LOOKUP = (
    "environment, number, generation, packed, bought_at, request_id, opened_at, host, app_key, "
    "worker, epoch, run, "
    "spend, code, msg, reason"
)
_AT = {name: place for place, name in enumerate(_LOOKUP.split(", "))}
_KEY = 3  # the first columns of a look-up, and of a body, are its key
_PACKED, _ID, _HOST, _WORKER, _EPOCH, _RUN, _REASON = (
    _AT[name] for name in ("packed", "request_id", "host", "worker", "epoch", "run", "reason")
)
_RUN_COLUMNS = "key, environment, started_at, seen_at, ended_at, cap, price, currency"
_BODY = "environment, number, generation, at, request_id, body"
_EVENT = "at, kind, environment, number, generation, run, request_id, charged, code, reason"
_EVENT_NUMBER, _EVENT_RUN = 4, 6  # with the id in front
_THIS = "WHERE environment = ? AND number = ? AND generation = ?"
_SPAN = (
    "WHERE (environment, number, generation) >= (?, ?, ?) AND (environment, number, "
    "generation) <= (?, ?, ?)"
)
_FLAGS = "SELECT name, value FROM meta WHERE name LIKE 'handle_can_charge:%'"

Runs = dict[int | None, int | None]  # run in the source: run in the target


def copy(source: str, target: str) -> Copied:
    """Copy what `source` holds and `target` lacks; run again, it finds nothing to do. Sends and
    charges nothing.

    Both are locations of stores: a path, `sqlite:PATH` or `postgresql://...`. Open look-ups change
    hands (see the module). Raises StoreError where a run is buying in the source, or where the
    books do not agree afterwards.
    """
    source, target = CHECKS["store"]("source", source), CHECKS["store"]("target", target)
    if not isinstance(source, Address) and not Path(source).expanduser().is_file():
        raise ConfigurationError(f"There is no store {Path(source).name!r} to copy from.")
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
    source.do(lambda db: _refuse_busy(source, db))
    before = target.do(books)
    runs = _copy_runs(source, target)
    done = Copied(before, before, before)
    done.handed_over = source.do(lambda db: _hand_over(source, db, runs))
    for rows in _chunks(source, "lookups", _LOOKUP, _KEY):
        verdicts = target.do(partial(_take_lookups, rows=rows, runs=runs))
        _count(done, rows, verdicts)
    source.do(lambda db: _confirm(db, done))
    for rows in _chunks(source, "bodies", _BODY, _KEY + 1):
        target.do(partial(_take_bodies, rows=rows))
    done.events = _copy_events(source, target, runs)
    flags = source.do(lambda db: list(db.execute(_FLAGS).fetchall()))
    target.do(lambda db: _insert(db, "meta", "name, value", flags))
    done.source, done.target = source.do(books), target.do(books)
    check(done)
    return done


def _refuse_busy(store: LookupStore, db: Database) -> None:
    workers = db.execute("SELECT worker FROM workers").fetchall()
    if any(store.alive(db, worker) for (worker,) in workers):
        raise StoreError(
            "A run is buying in the source: stop it, or wait for its end. Nothing was handed over."
        )


def _copy_runs(source: LookupStore, target: LookupStore) -> Runs:
    """Runs keep their key, caps and start, so that an unfinished one goes on in the target under
    its cap.
    """
    rows = source.do(
        lambda db: list(db.execute(f"SELECT run, {_RUN_COLUMNS} FROM runs ORDER BY run").fetchall())
    )

    def work(db: Database) -> Runs:
        found = db.execute("SELECT run, key, environment, started_at FROM runs").fetchall()
        there = {tuple(row[1:]): row[0] for row in found}
        _insert(db, "runs", _RUN_COLUMNS, [row[1:] for row in rows if tuple(row[1:4]) not in there])
        found = db.execute("SELECT run, key, environment, started_at FROM runs").fetchall()
        there = {tuple(row[1:]): row[0] for row in found}
        return {None: None} | {row[0]: there[tuple(row[1:4])] for row in rows}

    return target.do(work)


def _hand_over(store: LookupStore, db: Database, runs: Runs) -> int:
    """Give every open look-up up, and end the runs that go on elsewhere; all or nothing."""
    _refuse_busy(store, db)
    states = ", ".join(str(int(state)) for state in OPEN)
    rows = db.execute(f"SELECT {_LOOKUP} FROM lookups WHERE (packed & 15) IN ({states})").fetchall()
    mine = [row for row in rows if not _marked(row) and row[_RUN] in runs]
    for row in mine:
        db.execute(
            "UPDATE lookups SET packed = ?, host = ?, worker = NULL, epoch = epoch + 1, reason = "
            f"? {_THIS}",
            (
                pack(LookupState.UNCERTAIN),
                None
                if row[_HOST] is None
                else GIVEN + row[_HOST],  # a host that no run has: never asked here
                f"{GIVEN}{row[_PACKED]}:{row[_REASON] or ''}",
                *row[:_KEY],
            ),
        )
    for run in [run for run in runs if run is not None]:
        db.execute("UPDATE runs SET ended_at = seen_at WHERE run = ? AND ended_at IS NULL", (run,))
    return len(mine)


def _confirm(db: Database, done: Copied) -> None:
    """What has arrived is not delivered again: it may be settled there by then."""
    for key in done.delivered:
        db.execute(
            f"UPDATE lookups SET reason = ? || substr(reason, {len(GIVEN) + 1}) {_THIS}",
            (GONE, *key),
        )


def _marked(row: Row, *marks: str) -> bool:
    return _state(row) is LookupState.UNCERTAIN and str(row[_REASON] or "").startswith(
        marks or (GIVEN, GONE)
    )


def _state(row: Row) -> LookupState:
    return LookupState(row[_PACKED] & 15)


def _restored(row: Row) -> Row:
    """A look-up as it was before it was given up; its epoch grows, which keeps late workers out."""
    out = list(row)
    _, packed, reason = str(row[_REASON]).split(":", 2)
    out[_PACKED], out[_REASON], out[_EPOCH] = int(packed), reason or None, row[_EPOCH] + 1
    out[_HOST] = None if row[_HOST] is None else row[_HOST].removeprefix(GIVEN)
    return tuple(out)


def _take_lookups(db: Database, *, rows: list[Row], runs: Runs) -> list[str]:
    """Insert what the target lacks, replace what the source knows better, keep the rest; may be
    done again.
    """
    span = (*rows[0][:_KEY], *rows[-1][:_KEY])
    there = {
        tuple(row[:_KEY]): row
        for row in db.execute(f"SELECT {_LOOKUP} FROM lookups {_SPAN}", span).fetchall()
    }
    verdicts = [_verdict(row, there.get(tuple(row[:_KEY])), runs) for row in rows]
    new = []
    for row, verdict in zip(rows, verdicts, strict=True):
        if verdict == "take":
            held = there.get(tuple(row[:_KEY]))
            if held is not None:
                db.execute(f"DELETE FROM lookups {_THIS}", row[:_KEY])
            new.append(_arriving(row, runs, held[_EPOCH] if held else 0))
    _insert(db, "lookups", _LOOKUP, new)
    return verdicts


def _count(done: Copied, rows: list[Row], verdicts: list[str]) -> None:
    for row, verdict in zip(rows, verdicts, strict=True):
        if verdict in ("take", "known") and _marked(row):
            done.delivered.append(row[:_KEY])
        done.left += [row[:_KEY]] * (verdict == "later")
    done.differ += verdicts.count("own")
    done.lookups += verdicts.count("take")


def _take_bodies(db: Database, *, rows: list[Row]) -> None:
    sql = f"SELECT environment, number, generation, at FROM bodies {_SPAN}"
    there = {tuple(row) for row in db.execute(sql, (*rows[0][:_KEY], *rows[-1][:_KEY])).fetchall()}
    _insert(db, "bodies", _BODY, [row for row in rows if row[: _KEY + 1] not in there])


def _verdict(row: Row, held: Row | None, runs: Runs) -> str:
    """take | known: the target has it | own: it has another purchase; kept | later | gone: given up
    before.
    """
    if _marked(row, GONE):
        return "gone"
    if row[_RUN] not in runs or (_state(row) in OPEN and not _marked(row)):
        return "later"  # begun in the source since: the next copy's business
    if held is None or _better(row, held):
        return "take"
    paid = _state(row) in SETTLED or (_marked(row) and row[_ID] is not None)
    return "own" if paid and row[_ID] != held[_ID] else "known"


def _arriving(row: Row, runs: Runs, epoch: int) -> Row:
    out = list(_restored(row) if _marked(row) else row)
    out[_WORKER], out[_RUN] = None, runs[row[_RUN]]
    out[_EPOCH] = max(out[_EPOCH], epoch + 1)
    return tuple(out)


def _better(row: Row, held: Row) -> bool:
    """Whether the source's row replaces the target's: the same purchase, further on, or one where
    nothing was paid.
    """
    if _marked(held):
        return _marked(held, GONE) or row[_ID] == held[_ID]
    free = _state(held) in (LookupState.FAILED, LookupState.RELEASED, LookupState.RESERVED)
    if _marked(row):
        return free and row[_ID] is not None and row[_ID] != held[_ID]
    return (
        _state(row) in SETTLED and _state(held) not in SETTLED and (free or row[_ID] == held[_ID])
    )


def _copy_events(source: LookupStore, target: LookupStore, runs: Runs) -> int:
    """Append what the target's ledger lacks. A number does not count: it may have been forgotten on
    one side.
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
        target.do(partial(_insert, table="events", columns=_EVENT, rows=new))
        copied += len(new)
    return copied


def _print(row: Row) -> int:
    """An event with its id in front, as 64 bits."""
    return hash(row[1:_EVENT_NUMBER] + row[_EVENT_NUMBER + 1 :])


def _used_up(known: Any, counts: Any, wanted: int) -> bool:
    """Whether the target has one more of these events; takes it off."""
    place = int(np.searchsorted(known, wanted))
    if place == len(known) or known[place] != wanted or counts[place] == 0:
        return False
    counts[place] -= 1
    return True


def _chunks(store: LookupStore, table: str, columns: str, key: int) -> Iterator[list[Row]]:
    """A table in the order of its key, a bounded transaction at a time."""
    names = ", ".join(columns.split(", ")[:key])
    marks = ", ".join("?" * key)

    def work(after: Row | None) -> Callable[[Database], list[Row]]:
        where = "" if after is None else f"WHERE ({names}) > ({marks})"
        sql = f"SELECT {columns} FROM {table} {where} ORDER BY {names} LIMIT {CHUNK}"
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
    for start in range(0, len(rows), AT_ONCE):
        part = rows[start : start + AT_ONCE]
        sql = (
            f"INSERT INTO {table} ({columns}) VALUES {', '.join([one] * len(part))} ON CONFLICT "
            "DO NOTHING"
        )
        db.execute(sql, [value for row in part for value in row])


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
