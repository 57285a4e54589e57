"""Store requestIds and answers under a claim, fenced by epochs. A paid answer is never dropped.

Each function runs inside one write transaction. Times are microseconds since 1970, UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Literal

from pandas_numberactive._purchase.flow import CHARGED_AT_QUERY, shows_handle_can_charge
from pandas_numberactive._purchase.purchase import (
    OPEN,
    SETTLED,
    STATE_SQL,
    LookupState,
    Purchase,
    charge_codes,
    pack,
)
from pandas_numberactive._store.engines.journal import Database
from pandas_numberactive._store.rows import ENVIRONMENTS, log, packed
from pandas_numberactive._store.runs import BOUGHT, handle_flag, set_flag
from pandas_numberactive._vendor.protocol import NO_ANSWER
from pandas_numberactive._vendor.verdicts import WRONG_REQUEST_ID

Saved = Literal["kept", "fenced", "collision"]

UNSETTLED = f"{STATE_SQL} NOT IN ({', '.join(str(int(state)) for state in sorted(SETTLED))})"
_OURS = "worker = ? AND epoch = ?"  # the fence: the claim, and no later one


def save(db: Database, lookup: Purchase, *, worker: int, run: int, now: int) -> Saved:
    """Store one step. Return "fenced" if another worker owns the look-up now.

    A requestId needs our claim. A paid answer is stored with or without it.
    """
    code = ENVIRONMENTS[lookup.environment]
    if lookup.state is LookupState.PENDING:
        return _save_opened(db, lookup, code, worker, run, now)
    if lookup.state in SETTLED:
        return _save_settled(db, lookup, code, worker, run, now)
    outcome = {
        "packed": packed(lookup),
        "bought_at": now,
        "code": lookup.code,
        "msg": lookup.msg,
        "reason": lookup.reason,
        "spend": int(lookup.state in OPEN),
        "worker": None,
    }
    kept = _update(db, lookup, outcome, _OURS, worker, lookup.epoch)
    if kept:
        log(db, now, lookup.state.name.lower(), lookup, code, run)
    return "kept" if kept else "fenced"


def _save_opened(
    db: Database, lookup: Purchase, code: int, worker: int, run: int, now: int
) -> Saved:
    others = _holders(db, lookup, code)
    if any(number != lookup.number for number, _ in others):
        _hold_collision(db, lookup, code, others, worker, run, now)
        return "collision"
    if shows_handle_can_charge(lookup):
        set_flag(db, handle_flag(lookup.environment))
    kept = _update(db, lookup, opened_columns(lookup), _OURS, worker, lookup.epoch)
    again = (lookup.number, lookup.generation) in others
    if not (kept and again) or lookup.reason == CHARGED_AT_QUERY:  # the bill counts the event
        log(db, now, "opened" if kept or again else "orphaned", lookup, code, run)
    return "kept" if kept else "fenced"


def opened_columns(lookup: Purchase) -> dict[str, object]:
    """Return the columns of a row that holds this requestId."""
    return {
        "packed": packed(lookup),
        "request_id": lookup.request_id,
        "opened_at": round((lookup.opened_at or 0) * 1e6),
        "host": lookup.host,
        "app_key": lookup.key,
        "reason": lookup.reason,
    }


def _holders(db: Database, lookup: Purchase, code: int) -> list[tuple[int, int]]:
    """Return the purchases, number and generation, that opened this requestId before.

    A forgotten number has no row, so another number with its requestId is no collision.
    """
    rows = db.execute(
        "SELECT number, generation FROM events "
        "WHERE environment = ? AND request_id = ? AND kind = 'opened'",
        (code, lookup.request_id),
    ).fetchall()
    return [(number, generation) for number, generation in rows if number is not None]


def _hold_collision(
    db: Database, lookup: Purchase, code: int, others: list[Any], worker: int, run: int, now: int
) -> None:
    """Hold both look-ups of a requestId that two numbers have. Neither is queried."""
    held = pack(LookupState.UNCERTAIN)
    sql = (
        "UPDATE lookups SET packed = ?, reason = 'request_id_collision', epoch = epoch + 1, worker "
        f"= NULL, request_id = ? WHERE environment = ? AND number = ? AND generation = ? "
        f"AND {STATE_SQL} IN (?, ?, ?)"
    )
    states = (int(LookupState.RESERVED), int(LookupState.PENDING), int(LookupState.UNCERTAIN))
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
    """Store a paid answer. Nearly always the claim is still ours, and one statement confirms it.

    An answer at handle with the requestId of another number may be about that one. It is kept as
    paid and unusable, without the requestId, because the ledger counts one charge a requestId.
    """
    if _is_anothers(db, lookup, code):
        _save_settled(db, _quarantined(lookup), code, worker, run, now)
        return "collision"
    if shows_handle_can_charge(lookup):
        set_flag(db, handle_flag(lookup.environment))
    columns = settled_columns(lookup, now)
    ours = f"{_OURS} AND {UNSETTLED}"
    if columns["spend"]:  # as it was reserved: writing it again moves the row in its index
        del columns["spend"]
        ours = f"{ours} AND spend = 1"
    if _update(db, lookup, columns, ours, worker, lookup.epoch):
        if lookup.opened_at is None and lookup.request_id:  # answered at handle
            log(db, now, "opened", lookup._replace(charged=None), code, run)
        log(db, now, lookup.state.name.lower(), lookup, code, run)
        return "kept"
    return _save_late(db, lookup, code, run, now)


def _quarantined(lookup: Purchase) -> Purchase:
    return lookup._replace(
        state=LookupState.QUARANTINED,
        request_id=None,
        answer=NO_ANSWER,
        reason=WRONG_REQUEST_ID,
    )


def _is_anothers(db: Database, lookup: Purchase, code: int) -> bool:
    """Return True if an answer at handle came with the requestId of another number."""
    if lookup.opened_at is not None or lookup.request_id is None:
        return False
    return any(number != lookup.number for number, _ in _holders(db, lookup, code))


def settled_columns(lookup: Purchase, now: int) -> dict[str, object]:
    """Return the columns of a row that holds this answer."""
    return {
        "packed": packed(lookup),
        "bought_at": round((lookup.bought_at or now / 1e6) * 1e6),
        "request_id": lookup.request_id,
        "code": lookup.code,
        "msg": lookup.msg,
        "reason": lookup.reason,
        "worker": None,
        "spend": int(lookup.charged is not False),
    }


def _save_late(db: Database, lookup: Purchase, code: int, run: int, now: int) -> Saved:
    """Store a paid answer whose claim was lost.

    If its requestId is still open, settle that look-up. Otherwise keep the answer as a "late"
    event, without number and body where the number was forgotten since. A store that was restored
    from an older copy gets its row again.

    A charge belongs to the run that has the row: its cap must still count it when it is forgotten.
    """
    row = db.execute(
        "SELECT packed, request_id, epoch, worker, bought_at, run FROM lookups "
        "WHERE environment = ? AND number = ? AND generation = ?",
        (code, lookup.number, lookup.generation),
    ).fetchone()
    lookup = _with_known_charge(row, lookup)
    if row is not None and _is_replay(row, lookup):
        return "kept"
    if row is None and _is_forgotten(db, lookup, code):
        log(db, now, "late", lookup, code, run)
        db.execute(
            "UPDATE events SET number = NULL, body = NULL "
            "WHERE environment = ? AND request_id = ? AND number = ?",
            (code, lookup.request_id, lookup.number),
        )
        return "fenced"
    if row is None:
        _insert_late(db, lookup, code, run, now)
    elif not _fills(db, row, lookup, now):
        log(db, now, "late", lookup, code, run)
        return "fenced"
    owner = run if row is None or row[5] is None else row[5]
    log(db, now, lookup.state.name.lower(), lookup, code, owner)
    return "kept" if row is None else "fenced"


def _with_known_charge(row: Any, lookup: Purchase) -> Purchase:
    """Keep the isFee 1 that the worker which has the claim by now has heard of its requestId."""
    if row is None or row[1] != lookup.request_id or charge_codes(row[0]) != 1:
        return lookup
    return lookup._replace(charged=True)


def _fills(db: Database, row: Any, lookup: Purchase, now: int) -> bool:
    """Write an answer into the row of its own requestId, or of the handle that gave it."""
    at_handle = lookup.opened_at is None and row[1] is None
    if not (at_handle or row[1] == lookup.request_id):
        return False
    return _update(db, lookup, settled_columns(lookup, now), UNSETTLED)


def _insert_late(db: Database, lookup: Purchase, code: int, run: int, now: int) -> None:
    """Write the row of an answer, and the requestId by which the session knows its store."""
    _insert(db, lookup, run, now)
    if lookup.request_id:
        log(db, now, "opened", lookup._replace(charged=None), code, run)


def _insert(db: Database, lookup: Purchase, run: int, now: int) -> None:
    """Write the row of an answer that the store has lost."""
    columns = {
        "environment": ENVIRONMENTS[lookup.environment],
        "number": lookup.number,
        "generation": lookup.generation,
        "epoch": lookup.epoch,
        "run": run,
        "opened_at": None if lookup.opened_at is None else round(lookup.opened_at * 1e6),
        "host": lookup.host,
        "app_key": lookup.key,
    } | settled_columns(lookup, now)
    marks = ", ".join("?" * len(columns))
    db.execute(
        f"INSERT INTO lookups ({', '.join(columns)}) VALUES ({marks})", tuple(columns.values())
    )


def keep_again(db: Database, saved: Sequence[Purchase], *, run: int, now: int) -> int:
    """Store again the purchases of this process that the store lost, and return their number.

    A number that was forgotten since stays forgotten.
    """
    left = [lookup for lookup in saved if not _keep_again(db, lookup, run, now)]
    bought = [lookup for lookup in left if lookup.state in SETTLED]
    return len(saved) - len(left) + _keep_charges(db, bought, run, now)


def _keep_again(db: Database, lookup: Purchase, run: int, now: int) -> bool:
    code = ENVIRONMENTS[lookup.environment]
    if _is_forgotten(db, lookup, code):
        return False
    row = db.execute(
        "SELECT packed FROM lookups WHERE environment = ? AND number = ? AND generation = ?",
        (code, lookup.number, lookup.generation),
    ).fetchone()
    if row is None:
        _insert(db, lookup, run, now)
    elif lookup.state in OPEN or not _update(db, lookup, settled_columns(lookup, now), UNSETTLED):
        return False
    if lookup.state in OPEN and lookup.request_id:  # known by it where its answer comes late
        log(db, now, "opened", lookup, code, run)
    log(db, now, lookup.state.name.lower(), lookup, code, run)
    return True


def _keep_charges(db: Database, bought: Sequence[Purchase], run: int, now: int) -> int:
    """Keep answers as "late" events where the numbers were bought again, and return their number.

    The charges of their requestIds were lost with the older rows.
    """
    if not bought:
        return 0
    code = ENVIRONMENTS[bought[0].environment]
    known = _charged_ids(db, code)
    lost = [
        lookup
        for lookup in bought
        if lookup.request_id not in known and not _is_forgotten(db, lookup, code)
    ]
    for lookup in lost:
        log(db, now, "late", lookup, code, run)
    return len(lost)


def _charged_ids(db: Database, code: int) -> set[str | None]:
    """Return the requestIds with an answer in the ledger: one pass, for no index holds them."""
    kinds = ", ".join(f"'{kind}'" for kind in BOUGHT)
    rows = db.execute(
        f"SELECT request_id FROM events WHERE environment = ? AND kind IN ({kinds})", (code,)
    ).fetchall()
    return {None, *(request_id for (request_id,) in rows)}


def _is_forgotten(db: Database, lookup: Purchase, code: int) -> bool:
    """Return True if the number of this requestId was forgotten since it was opened."""
    opened = db.execute(
        "SELECT number FROM events WHERE environment = ? AND request_id = ? AND kind = 'opened'",
        (code, lookup.request_id),
    ).fetchall()
    return any(number is None for (number,) in opened)


def _is_replay(row: Any, lookup: Purchase) -> bool:
    """Return True if the same write is already stored.

    Its COMMIT went through, but the connection was lost before the reply came.
    """
    mine = (packed(lookup), lookup.request_id, lookup.epoch, round((lookup.bought_at or 0) * 1e6))
    return (row[0], row[1], row[2], row[4]) == mine


def restore(db: Database, lookup: Purchase, *, now: int) -> bool:
    """Store a rescued answer in any state of its look-up.

    Return False if it belongs to no requestId of ours.
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
    if row is None:
        return not opened and _restore_lost(db, lookup, code, now)
    at_handle = lookup.opened_at is None  # no requestId was opened for it
    if lookup.state is LookupState.PENDING:  # charged at handle
        return _restore_opened(db, lookup, code, row[1] or 0, now)
    if not (at_handle or (lookup.number,) in opened):
        return False
    _save_settled(db, lookup, code, row[0] or 0, row[1] or 0, now)
    return True


def _restore_lost(db: Database, lookup: Purchase, code: int, now: int) -> bool:
    """Store a rescued purchase whose row is lost: the store was put back to an older copy.

    A forgotten number is known by its requestId, which the ledger keeps.
    """
    if lookup.state in OPEN:  # charged at handle
        set_flag(db, handle_flag(lookup.environment))
        return _keep_again(db, lookup, 0, now)
    _save_settled(db, lookup, code, 0, 0, now)
    return True


def _restore_opened(db: Database, lookup: Purchase, code: int, run: int, now: int) -> bool:
    """Put a paid requestId on the row that was reserved for it. Return True if it needs no file."""
    set_flag(db, handle_flag(lookup.environment))
    reserved = f"request_id IS NULL AND {STATE_SQL} = {int(LookupState.RESERVED)}"
    if _update(db, lookup, opened_columns(lookup), reserved):
        log(db, now, "opened", lookup, code, run)
    else:
        log(db, now, "orphaned", lookup, code, run)
    return True


def unclaim(db: Database, lookup: Purchase, *, worker: int) -> None:
    """Leave an open look-up for the next run. Its money stays reserved."""
    _update(db, lookup, {"worker": None}, _OURS, worker, lookup.epoch)


def _update(
    db: Database, lookup: Purchase, columns: Mapping[str, object], fence: str, *by: int
) -> bool:
    """Write columns of a look-up's row. Return False if the fence refuses."""
    key = (ENVIRONMENTS[lookup.environment], lookup.number, lookup.generation)
    sql = _update_sql(tuple(columns), fence)
    return bool(db.execute(sql, (*columns.values(), *key, *by)).rowcount == 1)


@cache
def _update_sql(columns: tuple[str, ...], fence: str) -> str:
    """Return the statement for some columns and a fence, of which there are few."""
    assignments = ", ".join(f"{name} = ?" for name in columns)
    return (
        f"UPDATE lookups SET {assignments} "
        f"WHERE environment = ? AND number = ? AND generation = ? AND {fence}"
    )
