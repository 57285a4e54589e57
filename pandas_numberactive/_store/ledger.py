"""The ledger: charges, settling a held look-up by hand, and forgetting a number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pandas_numberactive._purchase.purchase import (
    OPEN,
    SETTLED,
    STATE_SQL,
    LookupState,
    Purchase,
    pack,
    unpack,
)
from pandas_numberactive._store.engines.journal import Database
from pandas_numberactive._store.rows import ENVIRONMENTS, EVENT, latest, log, standing
from pandas_numberactive._store.runs import BOUGHT, RESUMABLE, note_moved
from pandas_numberactive._vendor.protocol import Answer
from pandas_numberactive._vendor.verdicts import UNKNOWN_VALUE, WRONG_REQUEST_ID, Outcome, Verdict
from pandas_numberactive.errors import StoreError

HISTORY_COLUMNS = EVENT[:-1]  # without the body, which holds a person's data


def history(db: Database, since: int, environment: str | None) -> list[Any]:
    """Return every event from a moment on, oldest first. None is all environments."""
    where, code = _within(environment, "environment")
    sql = f"SELECT {', '.join(HISTORY_COLUMNS)} FROM events WHERE at >= ? {where} ORDER BY id"
    return list(db.execute(sql, (since, *code)).fetchall())


def _within(environment: str | None, column: str) -> tuple[str, tuple[int, ...]]:
    if environment is None:
        return "", ()
    return f"AND {column} = ?", (ENVIRONMENTS[environment],)


CHARGE_COLUMNS = (
    "at",
    "environment",
    "number",
    "generation",
    "run",
    "request_id",
    "charged",
    "price",
    "currency",
    "buyer",
)


# One group a requestId, however often its answer came. A person's "not charged" replaces an
# unknown charge, but never the vendor's own isFee.
_CHARGED = (
    "FROM events e LEFT JOIN runs r ON r.run = e.run "
    f"WHERE (e.kind IN ({', '.join(repr(kind) for kind in BOUGHT)}) "
    "OR (e.kind = 'opened' AND e.charged = 1)) "  # before its answer
    "AND (e.charged IS NULL OR e.charged = 1 OR e.reason = 'by_hand') "
)
_ONCE = (
    "GROUP BY e.environment, coalesce(e.request_id, '#' || CAST(e.id AS TEXT)) "
    "HAVING max(e.charged) = 1 OR sum(CASE WHEN e.reason = 'by_hand' AND e.charged = 0 THEN 1 ELSE "
    "0 END) = 0"
)


CHARGED = _CHARGED + _ONCE


def charges(db: Database, environment: str | None) -> list[Any]:
    """Return the charges, one row a requestId. `charged` is 1, or None if unknown."""
    where, code = _within(environment, "e.environment")
    sql = (
        "SELECT min(e.at), e.environment, min(e.number), min(e.generation), min(e.run), "
        "min(e.request_id), max(e.charged), min(r.price), min(r.currency), "
        "min(r.buyer) "
        f"{_CHARGED} {where} {_ONCE} ORDER BY 1"
    )
    return list(db.execute(sql, code).fetchall())


def known_ids(db: Database, environment: str | None) -> set[str]:
    """Return every requestId that this store ever opened or took over."""
    where, code = _within(environment, "environment")
    sql = f"SELECT DISTINCT request_id FROM events WHERE request_id IS NOT NULL {where}"
    return {request_id for (request_id,) in db.execute(sql, code).fetchall()}


HELD_COLUMNS = (
    "environment",
    "number",
    "generation",
    "state",
    "request_id",
    "opened_at",
    "code",
    "msg",
    "reason",
)


def held(db: Database) -> list[Any]:
    """Look-ups that wait for a person: uncertain and quarantined, newest generation only."""
    return list(
        db.execute(
            f"SELECT environment, number, generation, {STATE_SQL}, request_id, opened_at, code, "
            f"msg, reason FROM lookups WHERE {STATE_SQL} IN (?, ?) ORDER BY number, generation",
            (int(LookupState.UNCERTAIN), int(LookupState.QUARANTINED)),
        ).fetchall()
    )


def resolve(
    db: Database,
    store: Any,
    *,
    environment: str,
    number: int,
    release: bool,
    answer: Answer,
    charged: bool | None,
    now: int,
) -> LookupState:
    """Settle or release an open or quarantined look-up by hand.

    Raises StoreError where it needs no decision, or a live worker has it.
    """
    code = ENVIRONMENTS[environment]
    row = latest(db, code, number)
    if row is None or row.state not in _RESOLVABLE:
        stands = "unknown here" if row is None else row.state.name.lower()
        raise StoreError(
            f"This number is {stands}: only reserved, pending, uncertain and quarantined look-ups "
            "can be resolved. Nothing was changed."
        )
    if row.worker is not None and store.alive(db, row.worker):
        raise StoreError("A running call has this number; stop it first, then resolve.")
    state = _resolved_state(release, answer)
    db.execute(
        "UPDATE lookups SET packed = ?, bought_at = ?, reason = 'by_hand', worker = NULL, epoch = "
        "epoch + 1, spend = ? "
        "WHERE environment = ? AND number = ? AND generation = ?",
        (
            pack(state, answer, charged),
            row.bought_at or now,
            int(charged is not False),
            code,
            number,
            row.generation,
        ),
    )
    done = Purchase(
        environment,
        number,
        row.generation,
        state,
        request_id=row.request_id,
        charged=charged,
        reason="by_hand",
    )
    log(db, now, "released_by_hand" if release else state.name.lower(), done, code, row.run)
    return state


_RESOLVABLE = OPEN | {LookupState.QUARANTINED}


def _resolved_state(release: bool, answer: Answer) -> LookupState:
    if release:
        return LookupState.WRITTEN_OFF
    return LookupState.ANSWERED if answer else LookupState.FAILED_CHARGED


@dataclass(frozen=True, slots=True)
class Imported:
    """One answer that was paid for elsewhere, its times in microseconds since 1970."""

    number: int
    answer: Answer
    bought_at: int
    request_id: str | None
    charged: bool | None


_CLOSED_EMPTY = frozenset(
    {LookupState.FAILED, LookupState.RELEASED, LookupState.WRITTEN_OFF}
)  # nothing is open, and there is no answer


def import_answers(
    db: Database,
    environment: str,
    answers: Sequence[Imported],
    now: int,
) -> int:
    """Add answers for numbers that this store lacks, one a number. Return how many.

    A number without any answer, whose last purchase failed free, was given back or written off,
    takes one.
    """
    code = ENVIRONMENTS[environment]
    taken = 0
    known = standing(db, code, [item.number for item in answers], since=0)
    for item in answers:
        row, answered = known.get(item.number, (None, False))
        if answered or (row is not None and row.state not in _CLOSED_EMPTY):
            continue
        generation = 1 if row is None else row.generation + 1
        state = LookupState.ANSWERED if item.answer else LookupState.NO_DATA
        db.execute(
            "INSERT INTO lookups (environment, number, generation, packed, bought_at, request_id, "
            "spend, reason) "
            "VALUES (?, ?, ?, ?, ?, ?, 0, 'imported')",
            (
                code,
                item.number,
                generation,
                pack(state, item.answer, item.charged),
                item.bought_at,
                item.request_id,
            ),
        )
        done = Purchase(
            environment,
            item.number,
            generation,
            request_id=item.request_id,
            charged=item.charged,
            reason="imported",
        )
        log(db, now, "imported", done, code, None)
        taken += 1
    return taken


FORGET_AT_ONCE = 50_000  # numbers written into one statement: SQLite takes a million characters


def forget(db: Database, numbers: Iterable[int], now: int) -> int:
    """Delete numbers in every environment. The ledger keeps their charges without them.

    All or none. It uses few statements, because the ledger has no index by number and each
    statement reads it once.
    """
    wanted = sorted(set(numbers))
    groups = [wanted[at : at + FORGET_AT_ONCE] for at in range(0, len(wanted), FORGET_AT_ONCE)]
    found = sum(_refuse_open(db, group) for group in groups)
    for group in groups:
        here, values = _among(db, group)
        db.execute(f"DELETE FROM lookups WHERE {_EVERYWHERE} AND number {here}", values)
        db.execute(f"UPDATE events SET number = NULL, body = NULL WHERE number {here}", values)
    note_moved(db)  # a forgotten charge still counts under the cap of its run
    # A run's key is a digest of its numbers. That of a single number can be found by trying all.
    db.execute(
        "UPDATE runs SET key = '' WHERE ended_at IS NOT NULL OR seen_at < ?", (now - RESUMABLE,)
    )
    return found


_EVERYWHERE = f"environment IN ({', '.join(str(code) for code in ENVIRONMENTS.values())})"


def _refuse_open(db: Database, numbers: Sequence[int]) -> int:
    """Return how many of the numbers are stored. Raises StoreError if one is open."""
    here, values = _among(db, numbers)
    sql = f"SELECT DISTINCT number, {STATE_SQL} FROM lookups WHERE {_EVERYWHERE} AND number {here}"
    rows = db.execute(sql, values).fetchall()
    if any(LookupState(state) in OPEN for _, state in rows):
        raise StoreError(
            "A number to forget has an open look-up that may have been charged: run it to its "
            "end, or settle it with LookupStore.resolve(), first. Nothing was forgotten."
        )
    return len({number for number, _ in rows})


def _among(db: Database, numbers: Sequence[int]) -> tuple[str, tuple[Any, ...]]:
    """Return a condition for many numbers, and its parameters.

    A server writes statements into its log and its list of activity, so there they are parameters.
    SQLite has no list of them.
    """
    array = getattr(db, "among", None)
    if array is not None:
        condition: tuple[str, tuple[Any, ...]] = array(numbers)
        return condition
    return f"IN ({','.join(str(int(number)) for number in numbers)})", ()


def older_than(db: Database, moment: int) -> list[int]:
    """Numbers whose every look-up is settled or free, and whose newest is older than a moment."""
    open_states = ", ".join(str(int(state)) for state in OPEN)
    rows = db.execute(
        "SELECT number FROM lookups GROUP BY number "
        f"HAVING max(bought_at) < ? AND sum(CASE WHEN {STATE_SQL} IN ({open_states}) THEN 1 ELSE "
        "0 END) = 0",
        (moment,),
    ).fetchall()
    return [number for (number,) in rows]


def summary(db: Database, environment: str | None) -> dict[str, int]:
    """Return how many look-ups stand where."""
    where, code = _within(environment, "environment")
    rows = db.execute(
        f"SELECT {STATE_SQL}, count(*) FROM lookups WHERE 1 = 1 {where} GROUP BY {STATE_SQL}", code
    ).fetchall()
    return {LookupState(state).name.lower(): count for state, count in sorted(rows)}


Judge = Callable[[bytes, int], Verdict]
_ANSWERS = {
    Outcome.ANSWERED: LookupState.ANSWERED,
    Outcome.NO_DATA: LookupState.NO_DATA,
    Outcome.QUARANTINED: LookupState.QUARANTINED,
}


_OPEN_TO_JUDGEMENT = (
    f"AND coalesce(l.reason, '') NOT IN ('by_hand', '{WRONG_REQUEST_ID}') "
    "AND coalesce(e.request_id, '') = coalesce(l.request_id, '')"
)


def reread(db: Database, judge: Judge, now: int) -> tuple[int, int]:
    """Judge every stored body again, and return the counts of rows read and changed.

    Charges stay as they are, and so do answers that today's rules do not accept. What a person has
    settled stands, and a reply to another requestId changes nothing.
    """
    settled = ", ".join(str(int(state)) for state in sorted(SETTLED))
    rows = db.execute(
        "SELECT l.environment, l.number, l.generation, l.packed, e.request_id, e.body "
        "FROM events e JOIN lookups l ON l.environment = e.environment AND l.number = e.number "
        "AND l.generation = e.generation "
        f"WHERE e.body IS NOT NULL AND {STATE_SQL} IN ({settled}) {_OPEN_TO_JUDGEMENT} "
        "ORDER BY e.id"
    ).fetchall()
    changed = 0
    for code, number, generation, old, request_id, body in rows:
        verdict = judge(bytes(body), number)
        state = _ANSWERS.get(verdict.outcome)
        charged = unpack(old)[2]
        if state is None:
            continue
        packed = pack(state, verdict.answer, charged, verdict.reason == UNKNOWN_VALUE)
        if packed == old:
            continue
        db.execute(
            "UPDATE lookups SET packed = ?, reason = ? "
            "WHERE environment = ? AND number = ? AND generation = ?",
            (packed, verdict.reason, code, number, generation),
        )
        done = Purchase(
            "",
            number,
            generation,
            state,
            request_id=request_id,
            reason="reread",
        )
        log(db, now, "reread", done, code, None)
        changed += 1
    return len(rows), changed
