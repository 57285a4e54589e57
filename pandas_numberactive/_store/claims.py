"""Claim numbers for one worker in chunks, and reserve their money in the same transaction.

Numbers are claimed in sorted order. The SQL is plain, for any engine. Times are microseconds since
1970, UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import cache, partial

from pandas_numberactive._purchase.flow import LostHandle
from pandas_numberactive._purchase.purchase import LookupState, Purchase, Todo, pack, todo
from pandas_numberactive._store.engines.journal import Database
from pandas_numberactive._store.rows import (
    ENVIRONMENTS,
    Asker,
    Row,
    chunks,
    pairs,
    reserved,
    standing,
    to_lookup,
)
from pandas_numberactive._store.runs import Alive, Spending, handle_can_charge, keep_spent

AHEAD = 512  # numbers claimed at once where more than eight times as many are left
MOST_AHEAD = 4096  # what Stop has to give back


def claim_size(least: int, spent: int, left: int) -> int:
    """Return the number of look-ups to claim at once.

    With a cap, each claim counts the run's rows, which takes half a second a million. So claim more
    at a time as the run grows. Claim few again towards the end, so that processes that share a
    store end together.
    """
    return max(least, min(max(AHEAD, spent // 64), left // 8, MOST_AHEAD))


@dataclass(frozen=True, slots=True)
class Work:
    """The claiming worker and its terms."""

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
    alive: Alive
    spending: Spending | None = None  # keeps a count that is costly; made anew where it is None

    @property
    def asker(self) -> Asker:
        """The account that would ask."""
        return Asker(self.host, self.key, self.max_id_age)

    @property
    def code(self) -> int:
        """The environment's number on disk."""
        return ENVIRONMENTS[self.environment]


@dataclass(slots=True)
class Claims:
    """The result of one claim, by number."""

    mine: list[tuple[Purchase, LostHandle]] = field(default_factory=list)
    busy: list[int] = field(default_factory=list)  # another live worker has claimed them
    over: list[int] = field(default_factory=list)  # the cap is reached
    settled: list[int] = field(default_factory=list)  # nothing to do
    spent: int = 0  # of the run, before these; counted under a cap only
    handle_can_charge: bool = False  # the vendor has answered, and charged, at handle


@dataclass(frozen=True, slots=True)
class _Found:
    """The stored state of one number and its next step."""

    row: Row | None  # its newest generation
    todo: Todo
    busy: bool  # another live worker has it


def claim(db: Database, work: Work, numbers: Sequence[int]) -> Claims:
    """Claim what needs buying or finishing, reserving its money in the same transaction.

    Room under the cap goes to the numbers in the order given; rows are written in sorted order.
    Raises StoreError where the store does not know the worker any more.
    """
    charges = handle_can_charge(db, work.environment, work.worker)
    claims = Claims(handle_can_charge=charges)
    spending = work.spending or Spending(work.run)
    if work.cap is not None:
        claims.spent = spending.count(db)
    found = _look(db, work, numbers)
    claims.settled, claims.busy, wanted = _sort(numbers, found)
    taken = wanted
    if work.cap is not None:
        room = work.cap - claims.spent
        begun = frozenset(number for number in wanted if _reserved(found[number], work))
        if room < 0:
            begun &= _within(db, work, spending, room)
        taken, claims.over = _affordable(wanted, begun, room)
        spending.taken.update(taken)
    claims.mine = [(_lookup(work, number, found[number]), _lost(found[number])) for number in taken]
    _write(db, work, {number: found[number] for number in sorted(taken)}, charges)
    return claims


def _sort(
    numbers: Sequence[int], found: dict[int, _Found]
) -> tuple[list[int], list[int], list[int]]:
    """Return the numbers with nothing to do, those of other workers, and those to claim."""
    settled: list[int] = []
    busy: list[int] = []
    wanted: list[int] = []
    for number in numbers:
        if found[number].todo < Todo.RESUME:
            settled.append(number)
        elif found[number].busy:
            busy.append(number)
        else:
            wanted.append(number)
    return settled, busy, wanted


def _look(db: Database, work: Work, numbers: Sequence[int]) -> dict[int, _Found]:
    known = standing(db, work.code, numbers, work.since)
    alive = cache(partial(work.alive, db))  # one look at each worker
    found = {}
    for number in numbers:
        row, serves = known.get(number, (None, False))
        next_step = _todo(row, serves, work)
        found[number] = _Found(row, next_step, next_step >= Todo.RESUME and _busy(row, work, alive))
    return found


def _todo(row: Row | None, serves: bool, work: Work) -> Todo:
    if row is None:
        return Todo.BUY
    failed_now = row.state is LookupState.FAILED and row.bought_at >= work.called_at
    return todo(
        row.state,
        serves=serves,
        askable=row.state is LookupState.UNCERTAIN and work.asker.may_ask(row, work.called_at),
        retry=work.retry_failed and not failed_now,
    )


def _busy(row: Row | None, work: Work, alive: Callable[[int], bool]) -> bool:
    """Return True if another live worker has claimed the number."""
    if row is None or row.worker is None or row.worker == work.worker:
        return False
    return alive(row.worker)


def _lost(found: _Found) -> LostHandle:
    """Return the handle that an earlier call may have sent without reading its reply."""
    if found.row is None or found.todo is Todo.BUY_AGAIN:
        return LostHandle()
    return LostHandle.read(found.row.state, found.row.reason)


def _affordable(
    numbers: Sequence[int], begun: Collection[int], room: int
) -> tuple[list[int], list[int]]:
    """Return the numbers for which the cap has room, and the others.

    Those of `begun` are counted already.
    """
    taken: list[int] = []
    over: list[int] = []
    for number in numbers:
        if number in begun:
            taken.append(number)
        elif room > 0:
            taken.append(number)
            room -= 1
        else:
            over.append(number)
    return taken, over


def _within(db: Database, work: Work, spending: Spending, room: int) -> frozenset[int]:
    """Return the begun purchases that this call may finish where the run is over its cap.

    The cap was lowered, or another call of the run has a higher one. The same purchases come first
    in each call, those with a requestId before the others: what an earlier call has asked may have
    been charged, so it must not be left for another. They are chosen once a call.
    """
    if spending.within is None:
        alive = cache(partial(work.alive, db))
        idle = [
            row.number
            for row in reserved(db, work.run)
            if row.number not in spending.taken
            and _todo(row, False, work) is Todo.RESUME
            and not _busy(row, work, alive)
        ]
        spending.within = frozenset(idle[: max(0, room + len(idle))])
    return spending.within.union(spending.taken)


def _reserved(found: _Found, work: Work) -> bool:
    """Return True if the cap counts this purchase already."""
    row = found.row
    if row is None or found.todo is Todo.BUY_AGAIN:
        return False
    return row.run == work.run and bool(row.spend)


def _lookup(work: Work, number: int, found: _Found) -> Purchase:
    """Return the look-up under our claim, as it will stand on disk."""
    row = found.row
    if row is None:
        return Purchase(work.environment, number, epoch=1)
    if found.todo is Todo.BUY_AGAIN:
        return Purchase(work.environment, number, row.generation + 1, epoch=1)
    if found.todo is Todo.RETRY:
        return Purchase(work.environment, number, row.generation, epoch=row.epoch + 1)
    return to_lookup(row, work.environment, row.epoch + 1)


def _write(db: Database, work: Work, found: dict[int, _Found], charges: bool) -> None:
    """Store the claims in sorted order, one statement for all of a kind, or several."""
    fresh = [
        (number, one.row.generation + 1 if one.row else 1)
        for number, one in found.items()
        if one.todo in (Todo.BUY, Todo.BUY_AGAIN)
    ]
    _begin(db, work, fresh)
    _retake(db, work, _rows_to(Todo.RETRY, found), _AFRESH)
    resumed = _rows_to(Todo.RESUME, found)
    moved = [row for row in resumed if row.run != work.run]
    keep_spent(db, moved, work.code, work.called_at, unopened=charges)
    _retake(db, work, resumed, "")


def _rows_to(next_step: Todo, found: dict[int, _Found]) -> list[Row]:
    return [one.row for one in found.values() if one.row and one.todo is next_step]


def _begin(db: Database, work: Work, numbers: Sequence[tuple[int, int]]) -> None:
    """Begin (number, generation) pairs under our claim, their money reserved."""
    for some in chunks(db, numbers):
        given, values = pairs(db, some)
        db.execute(
            "INSERT INTO lookups (environment, number, generation, packed, worker, epoch, run, "
            f"spend) WITH given (number, generation) AS ({given}) SELECT CAST(? AS INTEGER), "
            "number, generation, CAST(? AS INTEGER), "
            "CAST(? AS BIGINT), 1, CAST(? AS BIGINT), 1 FROM given",
            (*values, work.code, pack(LookupState.RESERVED), work.worker, work.run),
        )


_AFRESH = (
    f", packed = {pack(LookupState.RESERVED)}, bought_at = 0, request_id = NULL, opened_at = NULL, "
    "host = NULL, "
    "app_key = NULL, spend = 1, code = NULL, msg = NULL, reason = NULL"
)


def _retake(db: Database, work: Work, rows: Sequence[Row], also: str) -> None:
    """Move rows to our claim. Their epochs grow, which fences out their last worker."""
    for some in chunks(db, rows):
        given, values = pairs(db, [(row.number, row.generation) for row in some])
        db.execute(
            f"UPDATE lookups SET worker = ?, epoch = epoch + 1, run = ?{also} "
            f"WHERE environment = ? AND (number, generation) IN ({given})",
            (work.worker, work.run, work.code, *values),
        )
