"""Runs, their caps and their workers, and the marks that a store keeps for good.

Each function runs inside one write transaction; times are microseconds since 1970, UTC.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pandas_numberactive._store.engines.journal import Database
from pandas_numberactive._store.rows import ENVIRONMENTS

Alive = Callable[[Database, int], bool]  # whether a worker holds its lease and its process lives
RESUMABLE = 24 * 3600 * 1_000_000  # an unfinished run is the same run for a day


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run: its caps and its start outlive the process that began it."""

    run: int
    started_at: int
    resumed: bool


def begin_run(
    db: Database,
    *,
    key: str,
    environment: str,
    now: int,
    cap: int | None,
    price: float | None,
    currency: str,
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
        "SELECT run, started_at FROM runs WHERE key = ? AND ended_at IS NULL AND seen_at > ? ORDER "
        "BY run DESC LIMIT 1",
        (key, now - RESUMABLE),
    ).fetchone()


def unfinished(db: Database, key: str, now: int) -> int | None:
    """When the unfinished run of this key began."""
    row = _unfinished(db, key, now)
    return int(row[1]) if row else None


def join(db: Database, *, run: int, pid: int, host: str, token: str, lease_until: int) -> int:
    """Register a worker, once for its token; its lease covers all its claims."""
    row = (
        db.execute("SELECT worker FROM workers WHERE token = ?", (token,)).fetchone()
        or db.execute(
            "INSERT INTO workers (run, pid, host, token, lease_until) VALUES (?, ?, ?, ?, ?) "
            "RETURNING worker",
            (run, pid, host, token, lease_until),
        ).fetchone()
    )
    db.execute(
        "UPDATE runs SET ended_at = NULL WHERE run = ?", (run,)
    )  # its last worker may have left since we began
    worker: int = row[0]
    return worker


def renew(db: Database, *, worker: int, run: int, now: int, lease_until: int) -> None:
    """Prolong a worker's lease."""
    db.execute("UPDATE workers SET lease_until = ? WHERE worker = ?", (lease_until, worker))
    db.execute("UPDATE runs SET seen_at = ? WHERE run = ?", (now, run))


def leave(db: Database, *, worker: int, run: int, now: int, finished: bool, alive: Alive) -> None:
    """Take a worker off; a finished run ends with its last living worker, an interrupted one stays
    resumable.
    """
    db.execute("DELETE FROM workers WHERE worker = ?", (worker,))
    others = (
        db.execute("SELECT worker FROM workers WHERE run = ?", (run,)).fetchall()
        if finished
        else []
    )
    if finished and not any(alive(db, other) for (other,) in others):
        db.execute("UPDATE runs SET ended_at = ?, seen_at = ? WHERE run = ?", (now, now, run))


def spent(db: Database, run: int) -> int:
    """Charges made plus money reserved by a run: a count over rows, never a counter beside them."""
    row = db.execute("SELECT count(*) FROM lookups WHERE run = ? AND spend = 1", (run,)).fetchone()
    return int(row[0])


def store_id(db: Database, fresh: str) -> str:
    """The store's own name, given once."""
    db.execute(
        "INSERT INTO meta (name, value) VALUES ('store_id', ?) ON CONFLICT DO NOTHING", (fresh,)
    )
    return str(db.execute("SELECT value FROM meta WHERE name = 'store_id'").fetchone()[0])


def handle_flag(environment: str) -> str:
    """The mark of a vendor that was seen to answer, and charge, at handle."""
    return f"handle_can_charge:{environment}"


def get_flag(db: Database, name: str) -> bool:
    """Whether a mark was set for good in this store."""
    return db.execute("SELECT 1 FROM meta WHERE name = ?", (name,)).fetchone() is not None


def set_flag(db: Database, name: str) -> None:
    """Set a mark for good."""
    db.execute("INSERT INTO meta (name, value) VALUES (?, '1') ON CONFLICT DO NOTHING", (name,))
