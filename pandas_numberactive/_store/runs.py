"""Runs, their caps and their workers, and the marks that a store keeps for good.

Each function runs inside one write transaction; times are microseconds since 1970, UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pandas_numberactive._config.used_stores import Use
from pandas_numberactive._purchase.purchase import SETTLED, STATE_SQL, LookupState
from pandas_numberactive._store.engines.journal import Database
from pandas_numberactive._store.rows import ENVIRONMENTS, Row
from pandas_numberactive.errors import StoreError

Alive = Callable[[Database, int], bool]  # whether a worker lives; with its lease, or without
RESUMABLE = 24 * 3600 * 1_000_000  # a run that is not over is the same run for a day
PROLONGED = 7 * RESUMABLE  # calls prolong it for a week, or a nightly one would never begin another


# Events that cost money, or may have. A release by hand is among them: what was held may have been
# charged, unless the vendor said that it was not.
BOUGHT = ("answered", "no_data", "failed_charged", "quarantined", "late", "released_by_hand")


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run: its start and its charges outlive the process that began it."""

    run: int
    started_at: int
    resumed: bool
    charged: int = 0  # by earlier calls of the same run
    held: int = 0  # of these calls, perhaps charged: the cap counts them, too
    price: float | None = None  # of one charge, as first named
    currency: str = ""  # of the price


def _unknown(db: Database, worker: int) -> bool:
    return False


def find_run(
    db: Database,
    *,
    key: str,
    now: int,
    lives: Alive = _unknown,
) -> RunRow | None:
    """Return the run of this key that is not over: for a day, and for as long as a worker lives."""
    row = db.execute(
        "SELECT run, started_at, seen_at, price, currency FROM runs "
        "WHERE key = ? AND ended_at IS NULL ORDER BY run DESC LIMIT 1",
        (key,),
    ).fetchone()
    if row is None:
        return None
    run, started_at, seen_at, price, currency = row
    if seen_at <= now - RESUMABLE and not any(lives(db, one) for one in _workers(db, run)):
        return None
    return RunRow(run, started_at, True, charged(db, run), held(db, run), price, currency or "")


def begin_run(
    db: Database,
    *,
    key: str,
    environment: str,
    now: int,
    cap: int | None,
    price: float | None,
    currency: str,
    started_at: int | None = None,
    lives: Alive = _unknown,
    buyer: str | None = None,
) -> RunRow:
    """Begin a run, or go on with an unfinished one of the same key, whose day begins again.

    `started_at` is the moment at which the caller decided which answers are new enough. The default
    is now. `buyer` is the user who calls.
    """
    started_at = now if started_at is None else started_at
    found = find_run(db, key=key, now=now, lives=lives)
    if found is not None:
        db.execute("UPDATE runs SET cap = ? WHERE run = ?", (cap, found.run))
        if cap is None or found.charged + found.held < cap:  # else nothing more is bought
            _prolong(db, found.run, now)
        if found.price is None and price is not None:
            db.execute(
                "UPDATE runs SET price = ?, currency = ? WHERE run = ?",
                (price, currency, found.run),
            )
        _add_buyer(db, found.run, buyer)
        return replace(found, started_at=min(found.started_at, started_at))
    row = db.execute(
        "INSERT INTO runs (key, environment, started_at, seen_at, cap, price, currency, buyer) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING run",
        (key, ENVIRONMENTS[environment], started_at, now, cap, price, currency, buyer),
    ).fetchone()
    return RunRow(row[0], started_at, False)


def begin_again(db: Database, /, *, run: int, **terms: Any) -> RunRow | None:
    """Begin a run again that the store has lost, and return it. None where the store has it.

    `terms` are those of `begin_run`. The rows that the lost run wrote since belong to the new one.
    """
    row = db.execute("SELECT key FROM runs WHERE run = ?", (run,)).fetchone()
    if row is not None and row[0] in (terms["key"], ""):  # "" where numbers were forgotten
        return None
    again = begin_run(db, **terms)
    if row is None:  # else a run of others has its id by now
        for table in ("lookups", "events"):
            db.execute(f"UPDATE {table} SET run = ? WHERE run = ?", (again.run, run))
    return again


def _prolong(db: Database, run: int, now: int) -> None:
    """Let the day of a run count from this call. The heartbeat of a long call does it again."""
    db.execute(
        "UPDATE runs SET seen_at = ? WHERE run = ? AND seen_at < ? AND started_at > ?",
        (now, run, now, now - PROLONGED),
    )


def _add_buyer(db: Database, run: int, buyer: str | None) -> None:
    """Name a second user who goes on with another's run beside the first."""
    (known,) = db.execute("SELECT buyer FROM runs WHERE run = ?", (run,)).fetchone()
    names = known.split(", ") if known else []
    if buyer and buyer not in names:
        text = ", ".join([*names, buyer])
        db.execute("UPDATE runs SET buyer = ? WHERE run = ?", (text, run))


def _workers(db: Database, run: int) -> list[int]:
    """Return the calls of a run that have not returned their result yet, the longest dead first."""
    rows = db.execute(
        "SELECT worker FROM workers WHERE run = ? ORDER BY lease_until, worker", (run,)
    ).fetchall()
    return [worker for (worker,) in rows]


def join(
    db: Database,
    *,
    worker: int,
    run: int,
    pid: int,
    host: str,
    token: str,
    lease_until: int,
    alive: Alive,
) -> None:
    """Register a worker of a run that is not over, once, in place of a dead one.

    Its lease covers all its claims.
    """
    if is_known(db, worker):
        return
    _take_place(db, run, alive)
    numbered = getattr(db, "numbered", "")
    db.execute(
        "INSERT INTO workers (worker, run, pid, host, token, lease_until) "
        f"{numbered} VALUES (?, ?, ?, ?, ?, ?)",
        (worker, run, pid, host, token, lease_until),
    )


def _take_place(db: Database, run: int, alive: Alive) -> None:
    """Replace one dead call of the run, because this is that call made again.

    Its row stays without a run, because it may only be asleep and renew its lease.
    """
    dead = next((one for one in _workers(db, run) if not alive(db, one)), None)
    if dead is not None:
        db.execute("UPDATE workers SET run = 0 WHERE worker = ?", (dead,))


def is_known(db: Database, worker: int) -> bool:
    """Return True where the store has the row with which the worker joined."""
    return db.execute("SELECT 1 FROM workers WHERE worker = ?", (worker,)).fetchone() is not None


def refuse_unknown(db: Database, worker: int) -> None:
    """Raise StoreError where the store has lost the worker: it was put back to another copy."""
    if not is_known(db, worker):
        raise _put_back()


def handle_can_charge(db: Database, environment: str, worker: int) -> bool:
    """Return the mark of charges at handle. Raise StoreError like `refuse_unknown`.

    One statement serves both, because a claim reads them and each is a round trip.
    """
    flag, known = db.execute(
        "SELECT (SELECT value FROM meta WHERE name = ?), (SELECT 1 FROM workers WHERE worker = ?)",
        (handle_flag(environment), worker),
    ).fetchone()
    if known is None:
        raise _put_back()
    return flag is not None


def _put_back() -> StoreError:
    return StoreError(
        "The store was put back to another copy while this call used it. See which copy is in its "
        "place, and call again. Nothing more was asked, and what was paid is kept."
    )


def renew(db: Database, *, worker: int, run: int, now: int, lease_until: int) -> None:
    """Prolong a worker's lease."""
    db.execute("UPDATE workers SET lease_until = ? WHERE worker = ?", (lease_until, worker))
    db.execute("UPDATE runs SET seen_at = ? WHERE run = ?", (now, run))


def leave(db: Database, *, worker: int, run: int, now: int, finished: bool) -> None:
    """Remove a worker: the last step of a call.

    A finished call ends the run, unless another call of it, alive or dead, has not returned its
    result yet. An unfinished call gives up its lease and waits to be made again.
    """
    if not finished:
        db.execute("UPDATE workers SET lease_until = 0 WHERE worker = ?", (worker,))
        return
    db.execute("DELETE FROM workers WHERE worker = ?", (worker,))
    if not _workers(db, run):
        db.execute("UPDATE runs SET ended_at = ?, seen_at = ? WHERE run = ?", (now, now, run))


def go_on(db: Database, *, run: int) -> None:
    """Take the end of a run back: its result reached nobody, and the same call goes on with it."""
    db.execute("UPDATE runs SET ended_at = NULL WHERE run = ?", (run,))


def charged(db: Database, run: int) -> int:
    """Charges that a run has made, the possible ones among them: a count over rows and events."""
    states = ", ".join(str(int(state)) for state in sorted(SETTLED))
    row = db.execute(
        f"SELECT count(*) FROM lookups WHERE run = ? AND spend = 1 AND {STATE_SQL} IN ({states})",
        (run,),
    ).fetchone()
    return int(row[0]) + _spent_elsewhere(db, run)


def held(db: Database, run: int) -> int:
    """Count what a run holds or has written off as perhaps charged."""
    states = f"{int(LookupState.UNCERTAIN)}, {int(LookupState.WRITTEN_OFF)}"
    row = db.execute(
        f"SELECT count(*) FROM lookups WHERE run = ? AND spend = 1 AND {STATE_SQL} IN ({states})",
        (run,),
    ).fetchone()
    return int(row[0])


class Spending:
    """The charges made plus the money reserved by a run, counted over rows and events.

    The events are read again only after one of them lost its row, because that reads the whole
    ledger.
    """

    def __init__(self, run: int) -> None:
        self.least = 0  # what the caller knows of: a store put back to an older copy counts less
        self.taken: set[int] = set()  # numbers that the caller has claimed under its cap
        self.within: frozenset[int] | None = None  # what it may finish where the run is over it
        self._run = run
        self._mark: object = self  # unlike any mark of a store
        self._elsewhere = 0

    def count(self, db: Database) -> int:
        """Count them now."""
        mark = db.execute("SELECT value FROM meta WHERE name = ?", (MOVED,)).fetchone()
        if mark != self._mark:
            self._elsewhere = _spent_elsewhere(db, self._run)
            self._mark = mark
        row = db.execute(
            "SELECT count(*) FROM lookups WHERE run = ? AND spend = 1", (self._run,)
        ).fetchone()
        return max(int(row[0]) + self._elsewhere, self.least)


MOVED = "charges_moved"  # grows whenever a charge of a run leaves the run's rows


def note_moved(db: Database) -> None:
    """Have every run count its events again."""
    db.execute(
        "INSERT INTO meta (name, value) VALUES (?, '1') ON CONFLICT (name) DO UPDATE "
        "SET value = CAST(CAST(meta.value AS BIGINT) + 1 AS TEXT)",
        (MOVED,),
    )


def _spent_elsewhere(db: Database, run: int) -> int:
    """Count what a run spent on numbers that were forgotten, or that another run went on with.

    What has come back is counted as a row, and what is known to be free is no charge.
    """
    row = db.execute(
        "SELECT count(DISTINCT coalesce(request_id, CAST(id AS TEXT))) FROM events "
        f"WHERE run = ? AND number IS NULL AND (kind IN ({_BOUGHT}) OR (kind = 'moved' "
        f"AND coalesce(request_id, '') NOT IN ({_CAME_BACK} UNION {_KNOWN_AS_FREE}))) "
        "AND (charged IS NULL OR charged = 1)",
        (run, run, run),
    ).fetchone()
    return int(row[0])


_BOUGHT = ", ".join(f"'{kind}'" for kind in BOUGHT)
_CAME_BACK = "SELECT request_id FROM lookups WHERE run = ? AND spend = 1 AND request_id IS NOT NULL"
_KNOWN_AS_FREE = (
    "SELECT request_id FROM events WHERE (environment, request_id) IN "
    "(SELECT environment, request_id FROM events WHERE run = ? AND kind = 'moved') "
    "GROUP BY request_id "
    f"HAVING max(CASE WHEN kind = 'failed' OR (kind IN ({_BOUGHT}) AND charged = 0) "
    "THEN 1 ELSE 0 END) = 1 AND "
    f"max(CASE WHEN charged = 1 OR (kind IN ({_BOUGHT}) AND charged IS NULL) "
    "THEN 1 ELSE 0 END) = 0"
)


def keep_spent(
    db: Database, rows: Sequence[Row], environment: int, now: int, *, unopened: bool
) -> None:
    """Keep these look-ups in the account of the runs that opened them.

    Another run finishes them. `unopened` keeps those without a requestId, too: a vendor that
    charges at handle may have charged them.
    """
    moved = [
        row for row in rows if row.spend and row.run is not None and (row.request_id or unopened)
    ]
    for row in moved:
        db.execute(
            "INSERT INTO events (at, kind, environment, generation, run, request_id) "
            "VALUES (?, 'moved', ?, ?, ?, ?)",
            (now, environment, row.generation, row.run, row.request_id),
        )
    if moved:
        note_moved(db)


def store_id(db: Database, fresh: str) -> str:
    """Return the id of the store, made once."""
    db.execute(
        "INSERT INTO meta (name, value) VALUES ('store_id', ?) ON CONFLICT DO NOTHING", (fresh,)
    )
    return str(db.execute("SELECT value FROM meta WHERE name = 'store_id'").fetchone()[0])


def is_as_used(db: Database, use: Use) -> bool:
    """Return True in the store that this process used, with its newest purchase."""
    row = db.execute("SELECT value FROM meta WHERE name = 'store_id'").fetchone()
    if row is None or row[0] != use.store_id:
        return False
    if not use.request_id:
        return True
    found = db.execute(
        "SELECT 1 FROM events WHERE environment = ? AND request_id = ? AND kind = 'opened'",
        (ENVIRONMENTS[use.environment], use.request_id),
    ).fetchone()
    return found is not None


def handle_flag(environment: str) -> str:
    """Return the key of the mark that this vendor answered, and charged, at handle."""
    return f"handle_can_charge:{environment}"


def get_flag(db: Database, name: str) -> bool:
    """Return True if a permanent mark was set in this store."""
    return db.execute("SELECT 1 FROM meta WHERE name = ?", (name,)).fetchone() is not None


def set_flag(db: Database, name: str) -> None:
    """Set a mark for good."""
    db.execute("INSERT INTO meta (name, value) VALUES (?, '1') ON CONFLICT DO NOTHING", (name,))
