"""What may be written under a claim: requestIds and answers, fenced; a paid answer is never
dropped.

Each function runs inside one write transaction; times are microseconds since 1970, UTC.
"""

from __future__ import annotations

from typing import Any, Literal

from pandas_numberactive._purchase.purchase import OPEN, SETTLED, LookupState, Purchase, pack
from pandas_numberactive._store.engines.journal import Database
from pandas_numberactive._store.rows import ENVIRONMENTS, log, packed
from pandas_numberactive._store.runs import handle_flag, set_flag

MAX_KEPT_BODY = 4096

Saved = Literal["kept", "fenced", "collision"]

_UNSETTLED = f"(packed & 15) NOT IN ({', '.join(str(int(state)) for state in sorted(SETTLED))})"


def save(db: Database, lookup: Purchase, *, worker: int, run: int, now: int) -> Saved:
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
        (packed(lookup), now, lookup.code, lookup.msg, lookup.reason, spend),
        lookup,
        code,
        worker,
    )
    if kept:
        log(db, now, lookup.state.name.lower(), lookup, code, run)
    return "kept" if kept else "fenced"


def _save_opened(
    db: Database, lookup: Purchase, code: int, worker: int, run: int, now: int
) -> Saved:
    others = db.execute(
        "SELECT number, generation FROM events WHERE environment = ? AND request_id = ? AND kind = "
        "'opened'",
        (code, lookup.request_id),
    ).fetchall()
    if any(number != lookup.number for number, _ in others):
        _hold_collision(db, lookup, code, others, worker, run, now)
        return "collision"
    opened_at = round((lookup.opened_at or 0) * 1e6)
    kept = _update(
        db,
        "packed = ?, request_id = ?, opened_at = ?, host = ?, app_key = ?, reason = NULL",
        (packed(lookup), lookup.request_id, opened_at, lookup.host, lookup.key),
        lookup,
        code,
        worker,
    )
    if not (
        kept and any(tuple(other) == (lookup.number, lookup.generation) for other in others)
    ):  # else: again
        log(db, now, "opened" if kept else "orphaned", lookup, code, run)
    return "kept" if kept else "fenced"


def _hold_collision(
    db: Database, lookup: Purchase, code: int, others: list[Any], worker: int, run: int, now: int
) -> None:
    """One requestId for two numbers: query neither, whoever holds it."""
    held = pack(LookupState.UNCERTAIN)
    sql = (
        "UPDATE lookups SET packed = ?, reason = 'request_id_collision', epoch = epoch + 1, worker "
        "= NULL, "
        "request_id = ? WHERE environment = ? AND number = ? AND generation = ? AND packed IN (?, "
        "?, ?)"
    )
    states = (pack(LookupState.RESERVED), pack(LookupState.PENDING), pack(LookupState.UNCERTAIN))
    db.execute(sql, (held, lookup.request_id, code, lookup.number, lookup.generation, *states))
    for number, generation in others:  # one that has another id by now has nothing to do with it
        db.execute(
            f"{sql} AND request_id = ?",
            (held, lookup.request_id, code, number, generation, *states, lookup.request_id),
        )
    log(db, now, "collision", lookup, code, run)


def _save_settled(
    db: Database, lookup: Purchase, code: int, worker: int, run: int, now: int
) -> Saved:
    """Write a paid answer; nearly always the claim is still ours, and one statement says so."""
    if lookup.request_id is None and lookup.charged is not False:
        set_flag(db, handle_flag(lookup.environment))
    if _settle(
        db,
        lookup,
        code,
        now,
        f"AND worker = ? AND epoch = ? AND {_UNSETTLED}",
        (worker, lookup.epoch),
    ):
        _keep_body(db, lookup, code, now)
        log(db, now, lookup.state.name.lower(), lookup, code, run)
        return "kept"
    return _save_late(db, lookup, code, run, now)


def _settle(
    db: Database, lookup: Purchase, code: int, now: int, fence: str, values: tuple[int, ...]
) -> bool:
    """Whether the row was there, as the fence wants it, and holds the answer now."""
    cursor = db.execute(
        "UPDATE lookups SET packed = ?, bought_at = ?, request_id = ?, code = ?, msg = ?, reason = "
        "?, worker = NULL, "
        f"spend = ? WHERE environment = ? AND number = ? AND generation = ? {fence}",
        (
            packed(lookup),
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


def _save_late(db: Database, lookup: Purchase, code: int, run: int, now: int) -> Saved:
    """A paid answer by whoever has lost the claim: it fills its own open requestId, and is never
    dropped.
    """
    row = db.execute(
        "SELECT packed, request_id, epoch, worker, bought_at FROM lookups "
        "WHERE environment = ? AND number = ? AND generation = ?",
        (code, lookup.number, lookup.generation),
    ).fetchone()
    if row is not None and _is_replay(row, lookup):
        return "kept"
    _keep_body(db, lookup, code, now)
    if (
        row is None
        or row[1] != lookup.request_id
        or not _settle(db, lookup, code, now, f"AND {_UNSETTLED}", ())
    ):
        log(db, now, "late", lookup, code, run)
    else:
        log(db, now, lookup.state.name.lower(), lookup, code, run)
    return "fenced"


def _is_replay(row: Any, lookup: Purchase) -> bool:
    """The very same write again: its COMMIT went through, but the connection was lost before we
    heard so.
    """
    mine = (packed(lookup), lookup.request_id, lookup.epoch, round((lookup.bought_at or 0) * 1e6))
    return (row[0], row[1], row[2], row[4]) == mine


def restore(db: Database, lookup: Purchase, *, now: int) -> bool:
    """Take a rescued answer in, whatever has become of its look-up since; False where it answers
    nothing of ours.
    """
    code = ENVIRONMENTS[lookup.environment]
    row = db.execute(
        "SELECT worker, run FROM lookups WHERE environment = ? AND number = ? AND generation = ?",
        (code, lookup.number, lookup.generation),
    ).fetchone()
    opened = db.execute(
        "SELECT number FROM events WHERE environment = ? AND request_id = ? AND kind = 'opened'",
        (code, lookup.request_id),
    ).fetchall()
    if row is None or not (lookup.request_id is None or (lookup.number,) in opened):
        return False
    _save_settled(db, lookup, code, row[0] or 0, row[1] or 0, now)
    return True


def unclaim(db: Database, lookup: Purchase, *, worker: int) -> None:
    """Leave an open look-up for the next run; its money stays reserved."""
    _update(db, "worker = NULL", (), lookup, ENVIRONMENTS[lookup.environment], worker)


def _update(
    db: Database,
    assignments: str,
    values: tuple[Any, ...],
    lookup: Purchase,
    code: int,
    worker: int,
) -> bool:
    """Write under our claim only: worker and epoch must still be ours (the fence)."""
    cursor = db.execute(
        f"UPDATE lookups SET {assignments} WHERE environment = ? AND number = ? AND generation = ? "
        "AND worker = ? AND epoch = ?",
        (*values, code, lookup.number, lookup.generation, worker, lookup.epoch),
    )
    return bool(cursor.rowcount == 1)


def _keep_body(db: Database, lookup: Purchase, code: int, now: int) -> None:
    if lookup.raw:
        db.execute(
            "INSERT INTO bodies (environment, number, generation, at, request_id, body) VALUES (?, "
            "?, ?, ?, ?, ?) "
            "ON CONFLICT DO NOTHING",
            (
                code,
                lookup.number,
                lookup.generation,
                now,
                lookup.request_id,
                lookup.raw[:MAX_KEPT_BODY],
            ),
        )
