"""The store's money statements: runs and caps, claims with fencing epochs, and what may be written under them.

Plain SQL on any engine. Each function runs inside one write transaction; times are microseconds since 1970, UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pandas_numberactive._core.lookup import OPEN, SETTLED, Lookup, LookupState, pack, unpack
from pandas_numberactive._io.store_journal import Database

ENVIRONMENTS = {"simulator": 0, "sandbox": 1, "production": 2}
RESUMABLE = 24 * 3600 * 1_000_000  # an unfinished run is the same run for a day
MAX_KEPT_BODY = 4096
AT_ONCE = 100  # numbers in one statement; SQLite before 3.32 takes 999 parameters

_COLUMNS = (
    "number, generation, packed, bought_at, request_id, opened_at, host, app_key, worker, epoch, run, spend, code, "
    "msg, reason"
)


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run: its caps and its start outlive the process that began it."""

    run: int
    started_at: int
    resumed: bool


@dataclass(frozen=True, slots=True)
class Work:
    """Who claims, and on what terms."""

    environment: str
    run: int
    worker: int
    cap: int | None  # charges this run may hold or have made
    since: int  # an answer bought before this is bought again
    called_at: int  # a free failure after this is not asked again
    retry_failed: bool
    host: str
    key: str
    max_id_age: int
    alive: Callable[[Database, int], bool]

    @property
    def code(self) -> int:
        """The environment's number on disk."""
        return ENVIRONMENTS[self.environment]


@dataclass(slots=True)
class Claims:
    """What became of the numbers asked for."""

    mine: list[tuple[Lookup, bool]] = field(default_factory=list)  # with: may another call have begun it?
    busy: list[int] = field(default_factory=list)  # another live worker has them
    over: list[int] = field(default_factory=list)  # the cap is reached
    settled: list[int] = field(default_factory=list)  # nothing to do


def begin_run(
    db: Database, *, key: str, environment: str, now: int, cap: int | None, price: float | None, currency: str
) -> RunRow:
    """Begin a run, or go on with the one of the same key that never ended."""
    row = _unfinished(db, key, now)
    if row:
        db.execute("UPDATE runs SET seen_at = ? WHERE run = ?", (now, row[0]))
        return RunRow(row[0], row[1], True)
    row = db.execute(
        "INSERT INTO runs (key, environment, started_at, seen_at, cap, price, currency) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING run",
        (key, ENVIRONMENTS[environment], now, now, cap, price, currency),
    ).fetchone()
    return RunRow(row[0], now, False)


def _unfinished(db: Database, key: str, now: int) -> Any:
    return db.execute(
        "SELECT run, started_at FROM runs WHERE key = ? AND ended_at IS NULL AND seen_at > ? ORDER BY run DESC LIMIT 1",
        (key, now - RESUMABLE),
    ).fetchone()


def unfinished(db: Database, key: str, now: int) -> int | None:
    """When the unfinished run of this key began."""
    row = _unfinished(db, key, now)
    return int(row[1]) if row else None


def join(db: Database, *, run: int, pid: int, host: str, token: str, lease_until: int) -> int:
    """Register a worker; its lease covers all its claims."""
    row = db.execute(
        "INSERT INTO workers (run, pid, host, token, lease_until) VALUES (?, ?, ?, ?, ?) RETURNING worker",
        (run, pid, host, token, lease_until),
    ).fetchone()
    worker: int = row[0]
    return worker


def renew(db: Database, *, worker: int, run: int, now: int, lease_until: int) -> None:
    """Prolong a worker's lease."""
    db.execute("UPDATE workers SET lease_until = ? WHERE worker = ?", (lease_until, worker))
    db.execute("UPDATE runs SET seen_at = ? WHERE run = ?", (now, run))


def leave(db: Database, *, worker: int, run: int, now: int, finished: bool) -> None:
    """Take a worker off; a finished run ends with its last worker, an interrupted one stays resumable."""
    db.execute("DELETE FROM workers WHERE worker = ?", (worker,))
    if finished:
        db.execute(
            "UPDATE runs SET ended_at = ?, seen_at = ? WHERE run = ? "
            "AND NOT EXISTS (SELECT 1 FROM workers WHERE workers.run = ? AND lease_until > ?)",
            (now, now, run, run, now),
        )


def spent(db: Database, run: int) -> int:
    """Charges made plus money reserved by a run: a count over rows, never a counter beside them."""
    row = db.execute("SELECT count(*) FROM lookups WHERE run = ? AND spend = 1", (run,)).fetchone()
    return int(row[0])


def claim(db: Database, work: Work, numbers: Sequence[int]) -> Claims:
    """Claim what needs buying or finishing, in sorted order, reserving its money in the same transaction."""
    claims = Claims()
    room = None if work.cap is None else work.cap - spent(db, work.run)
    known = _newest(db, work.code, numbers)
    fresh: list[int] = []
    for number in sorted(numbers):
        row = known.get(number)
        kind = _kind(db, row, work)
        if kind == "settled":
            claims.settled.append(number)
        elif kind == "busy":
            claims.busy.append(number)
        else:
            held = row is not None and kind != "again" and row.run == work.run and row.spend
            if room is not None and not held:
                if room <= 0:
                    claims.over.append(number)
                    continue
                room -= 1
            if row is None:
                fresh.append(number)
                claims.mine.append((Lookup(work.environment, number, epoch=1), False))
            else:
                claims.mine.append((_take(db, work, number, row, kind), kind == "resume"))
    _reserve(db, work, [(number, 1) for number in fresh])
    return claims


@dataclass(frozen=True, slots=True)
class Row:
    """One row of `lookups`."""

    number: int
    generation: int
    packed: int
    bought_at: int
    request_id: str | None
    opened_at: int | None
    host: str | None
    app_key: str | None
    worker: int | None
    epoch: int
    run: int | None
    spend: int
    code: str | None
    msg: str | None
    reason: str | None

    @property
    def state(self) -> LookupState:
        """Where the look-up stands."""
        return LookupState(self.packed & 15)


def latest(db: Database, environment: int, number: int) -> Row | None:
    """The newest generation of one number."""
    row = db.execute(
        f"SELECT {_COLUMNS} FROM lookups WHERE environment = ? AND number = ? ORDER BY generation DESC LIMIT 1",
        (environment, number),
    ).fetchone()
    return Row(*row) if row else None


def _newest(db: Database, environment: int, numbers: Sequence[int]) -> dict[int, Row]:
    """The newest generation of each number that has one, read in one statement."""
    found: dict[int, Row] = {}
    for at in range(0, len(numbers), AT_ONCE):
        some = numbers[at : at + AT_ONCE]
        marks = ",".join("?" * len(some))
        rows = db.execute(
            f"SELECT {_COLUMNS} FROM lookups WHERE environment = ? AND number IN ({marks}) ORDER BY generation",
            (environment, *some),
        ).fetchall()
        found.update((row[0], Row(*row)) for row in rows)
    return found


def _reserve(db: Database, work: Work, numbers: Sequence[tuple[int, int]]) -> None:
    """Begin (number, generation) pairs under our claim, their money reserved, in sorted order, in one statement."""
    for at in range(0, len(numbers), AT_ONCE):
        some = numbers[at : at + AT_ONCE]
        rows = ",".join(["(?, ?, ?, ?, ?, 1, ?, 1)"] * len(some))
        values: list[int] = []
        for number, generation in some:
            values += (work.code, number, generation, pack(LookupState.RESERVED), work.worker, work.run)
        db.execute(
            f"INSERT INTO lookups (environment, number, generation, packed, worker, epoch, run, spend) VALUES {rows}",
            tuple(values),
        )


def _kind(db: Database, row: Row | None, work: Work) -> str:
    """settled | busy | new | reuse (same generation, nothing open) | resume | again (a new generation)."""
    if row is None:
        return "new"
    if row.state in SETTLED:
        return "settled" if row.bought_at >= work.since else "again"
    if row.generation > 1 and row.state not in OPEN and _older_serves(db, row, work):
        return "settled"
    if row.state is LookupState.WRITTEN_OFF:
        return "again"
    if row.worker is not None and row.worker != work.worker and work.alive(db, row.worker):
        return "busy"
    if row.state is LookupState.RELEASED:
        return "reuse"
    if row.state is LookupState.FAILED:
        asked_now = row.bought_at >= work.called_at
        return "settled" if asked_now or not work.retry_failed else "reuse"
    if row.state is LookupState.UNCERTAIN and not _askable(row, work):
        return "settled"
    return "resume"


def _older_serves(db: Database, row: Row, work: Work) -> bool:
    """A refresh that failed leaves the earlier answer good for whoever does not ask for a newer one."""
    older = db.execute(
        "SELECT packed FROM lookups WHERE environment = ? AND number = ? AND generation < ? AND bought_at >= ?",
        (work.code, row.number, row.generation, work.since),
    ).fetchall()
    return any(LookupState(packed & 15) in SETTLED for (packed,) in older)


def _askable(row: Row, work: Work) -> bool:
    """Whether a held look-up's own requestId may still be asked."""
    if row.request_id is None or row.opened_at is None or row.reason == "request_id_collision":
        return False
    fresh = 0 <= work.called_at - row.opened_at < work.max_id_age
    return fresh and row.host == work.host and row.app_key == work.key


def _take(db: Database, work: Work, number: int, row: Row, kind: str) -> Lookup:
    if kind == "again":
        _reserve(db, work, [(number, row.generation + 1)])
        return Lookup(work.environment, number, row.generation + 1, epoch=1)
    epoch = row.epoch + 1
    if kind == "reuse":
        db.execute(
            "UPDATE lookups SET packed = ?, bought_at = 0, request_id = NULL, opened_at = NULL, host = NULL, "
            "app_key = NULL, worker = ?, epoch = ?, run = ?, spend = 1, code = NULL, msg = NULL, reason = NULL "
            "WHERE environment = ? AND number = ? AND generation = ?",
            (pack(LookupState.RESERVED), work.worker, epoch, work.run, work.code, number, row.generation),
        )
        return Lookup(work.environment, number, row.generation, epoch=epoch)
    db.execute(
        "UPDATE lookups SET worker = ?, epoch = ?, run = ? WHERE environment = ? AND number = ? AND generation = ?",
        (work.worker, epoch, work.run, work.code, number, row.generation),
    )
    return to_lookup(row, work.environment, epoch)


def to_lookup(row: Row, environment: str, epoch: int | None = None) -> Lookup:
    """A row as the flow's look-up."""
    state, answer, charged, _ = unpack(row.packed)
    return Lookup(
        environment,
        row.number,
        row.generation,
        state=state,
        epoch=row.epoch if epoch is None else epoch,
        request_id=row.request_id,
        opened_at=None if row.opened_at is None else row.opened_at / 1e6,
        host=row.host,
        key=row.app_key,
        answer=answer,
        charged=charged,
        bought_at=row.bought_at / 1e6 if row.bought_at else None,
        code=row.code,
        msg=row.msg or "",
        reason=row.reason,
    )


Saved = Literal["kept", "fenced", "collision"]


def save(db: Database, lookup: Lookup, *, worker: int, run: int, now: int) -> Saved:
    """Write a step down; "fenced" where another worker owns the look-up now.

    A requestId needs our claim. A paid answer is written by whoever received it, claim or not.
    """
    code = ENVIRONMENTS[lookup.environment]
    if lookup.state is LookupState.PENDING:
        return _save_opened(db, lookup, code, worker, run, now)
    if lookup.state in SETTLED:
        return _save_settled(db, lookup, code, worker, run, now)
    spend = int(lookup.state in OPEN)
    kept = _update(
        db,
        "packed = ?, bought_at = ?, code = ?, msg = ?, reason = ?, spend = ?, worker = NULL",
        (_packed(lookup), now, lookup.code, lookup.msg, lookup.reason, spend),
        lookup,
        code,
        worker,
    )
    if kept:
        log(db, now, lookup.state.name.lower(), lookup, code, run)
    return "kept" if kept else "fenced"


def _save_opened(db: Database, lookup: Lookup, code: int, worker: int, run: int, now: int) -> Saved:
    others = db.execute(
        "SELECT number, generation FROM events WHERE environment = ? AND request_id = ? AND kind = 'opened'",
        (code, lookup.request_id),
    ).fetchall()
    if any(number != lookup.number for number, _ in others):
        _hold_collision(db, lookup, code, others, worker, run, now)
        return "collision"
    opened_at = round((lookup.opened_at or 0) * 1e6)
    kept = _update(
        db,
        "packed = ?, request_id = ?, opened_at = ?, host = ?, app_key = ?, reason = NULL",
        (_packed(lookup), lookup.request_id, opened_at, lookup.host, lookup.key),
        lookup,
        code,
        worker,
    )
    log(db, now, "opened" if kept else "orphaned", lookup, code, run)
    return "kept" if kept else "fenced"


def _hold_collision(
    db: Database, lookup: Lookup, code: int, others: list[Any], worker: int, run: int, now: int
) -> None:
    """One requestId for two numbers: query neither, whoever holds it."""
    held = pack(LookupState.UNCERTAIN)
    sql = (
        "UPDATE lookups SET packed = ?, reason = 'request_id_collision', epoch = epoch + 1, worker = NULL, "
        "request_id = ? WHERE environment = ? AND number = ? AND generation = ? AND packed IN (?, ?, ?)"
    )
    states = (pack(LookupState.RESERVED), pack(LookupState.PENDING), pack(LookupState.UNCERTAIN))
    for number, generation in [(lookup.number, lookup.generation), *others]:
        db.execute(sql, (held, lookup.request_id, code, number, generation, *states))
    log(db, now, "collision", lookup, code, run)


def _save_settled(db: Database, lookup: Lookup, code: int, worker: int, run: int, now: int) -> Saved:
    """Write a paid answer; nearly always the claim is still ours, and one statement says so."""
    if _settle(db, lookup, code, now, f"AND worker = ? AND epoch = ? AND {_UNSETTLED}", (worker, lookup.epoch)):
        _keep_body(db, lookup, code, now)
        log(db, now, lookup.state.name.lower(), lookup, code, run)
        return "kept"
    return _save_late(db, lookup, code, run, now)


_UNSETTLED = f"(packed & 15) NOT IN ({', '.join(str(int(state)) for state in sorted(SETTLED))})"


def _settle(db: Database, lookup: Lookup, code: int, now: int, fence: str, values: tuple[int, ...]) -> bool:
    """Whether the row was there, as the fence wants it, and holds the answer now."""
    cursor = db.execute(
        "UPDATE lookups SET packed = ?, bought_at = ?, request_id = ?, code = ?, msg = ?, reason = ?, worker = NULL, "
        f"spend = ? WHERE environment = ? AND number = ? AND generation = ? {fence}",
        (
            _packed(lookup),
            round((lookup.bought_at or now / 1e6) * 1e6),
            lookup.request_id,
            lookup.code,
            lookup.msg,
            lookup.reason,
            int(lookup.charged is not False),
            code,
            lookup.number,
            lookup.generation,
            *values,
        ),
    )
    return bool(cursor.rowcount == 1)


def _save_late(db: Database, lookup: Lookup, code: int, run: int, now: int) -> Saved:
    """A paid answer by whoever has lost the claim: it fills its own open requestId, and is never dropped."""
    row = db.execute(
        "SELECT packed, request_id, epoch, worker, bought_at FROM lookups "
        "WHERE environment = ? AND number = ? AND generation = ?",
        (code, lookup.number, lookup.generation),
    ).fetchone()
    if row is not None and _is_replay(row, lookup):
        return "kept"
    _keep_body(db, lookup, code, now)
    if row is None or row[1] != lookup.request_id or not _settle(db, lookup, code, now, f"AND {_UNSETTLED}", ()):
        log(db, now, "late", lookup, code, run)
    else:
        log(db, now, lookup.state.name.lower(), lookup, code, run)
    return "fenced"


def _is_replay(row: Any, lookup: Lookup) -> bool:
    """The very same write again: its COMMIT went through, but the connection was lost before we heard so."""
    mine = (_packed(lookup), lookup.request_id, lookup.epoch, round((lookup.bought_at or 0) * 1e6))
    return (row[0], row[1], row[2], row[4]) == mine


def restore(db: Database, lookup: Lookup, *, now: int) -> bool:
    """Take a rescued answer in; True where it is on disk by now, False where its look-up is not the open one."""
    code = ENVIRONMENTS[lookup.environment]
    row = latest(db, code, lookup.number)
    if row is None or (row.generation, row.request_id) != (lookup.generation, lookup.request_id):
        return False
    if row.state in OPEN:
        _save_settled(db, lookup, code, row.worker or 0, row.run or 0, now)
    return True


def store_id(db: Database, fresh: str) -> str:
    """The store's own name, given once."""
    db.execute("INSERT INTO meta (name, value) VALUES ('store_id', ?) ON CONFLICT DO NOTHING", (fresh,))
    return str(db.execute("SELECT value FROM meta WHERE name = 'store_id'").fetchone()[0])


def unclaim(db: Database, lookup: Lookup, *, worker: int) -> None:
    """Leave an open look-up for the next run; its money stays reserved."""
    _update(db, "worker = NULL", (), lookup, ENVIRONMENTS[lookup.environment], worker)


def _update(db: Database, assignments: str, values: tuple[Any, ...], lookup: Lookup, code: int, worker: int) -> bool:
    """Write under our claim only: worker and epoch must still be ours (the fence)."""
    cursor = db.execute(
        f"UPDATE lookups SET {assignments} WHERE environment = ? AND number = ? AND generation = ? "
        "AND worker = ? AND epoch = ?",
        (*values, code, lookup.number, lookup.generation, worker, lookup.epoch),
    )
    return bool(cursor.rowcount == 1)


def _packed(lookup: Lookup) -> int:
    return pack(lookup.state, lookup.answer, lookup.charged, lookup.reason == "unknown_value")


def log(db: Database, now: int, kind: str, lookup: Lookup, code: int, run: int | None) -> None:
    """Append to the ledger."""
    charged = None if lookup.charged is None else int(lookup.charged)
    db.execute(
        "INSERT INTO events (at, kind, environment, number, generation, run, request_id, charged, code, reason) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            now,
            kind,
            code,
            lookup.number,
            lookup.generation,
            run,
            lookup.request_id,
            charged,
            lookup.code,
            lookup.reason,
        ),
    )


def _keep_body(db: Database, lookup: Lookup, code: int, now: int) -> None:
    if lookup.raw:
        db.execute(
            "INSERT INTO bodies (environment, number, generation, at, request_id, body) VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT DO NOTHING",
            (code, lookup.number, lookup.generation, now, lookup.request_id, lookup.raw[:MAX_KEPT_BODY]),
        )


def get_flag(db: Database, name: str) -> bool:
    """Whether a mark was set for good in this store."""
    return db.execute("SELECT 1 FROM meta WHERE name = ?", (name,)).fetchone() is not None


def set_flag(db: Database, name: str) -> None:
    """Set a mark for good."""
    db.execute("INSERT INTO meta (name, value) VALUES (?, '1') ON CONFLICT DO NOTHING", (name,))
