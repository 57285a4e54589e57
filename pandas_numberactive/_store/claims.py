"""Who may ask for which number: claims in chunks, in sorted order, their money reserved in the same
transaction.

Plain SQL on any engine; times are microseconds since 1970, UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial

from pandas_numberactive._purchase.purchase import OPEN, SETTLED, LookupState, Purchase, pack
from pandas_numberactive._store.engines.journal import Database
from pandas_numberactive._store.rows import AT_ONCE, ENVIRONMENTS, Row, newest, to_lookup
from pandas_numberactive._store.runs import Alive, get_flag, handle_flag, spent
from pandas_numberactive._vendor.verdicts import went_unheard

MOST_AHEAD = 4096  # numbers claimed at once: what Stop has to give back


def claim_size(least: int, spent: int, left: int) -> int:
    """How many numbers to claim at once.

    Under a cap each claim counts the run's rows (half a second a million): so the more are spent,
    the more at once. Few again towards the end, so that processes that share a store end together.
    """
    return max(least, min(spent // 64, left // 8, MOST_AHEAD))


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
    alive: Alive

    @property
    def code(self) -> int:
        """The environment's number on disk."""
        return ENVIRONMENTS[self.environment]


@dataclass(slots=True)
class Claims:
    """What became of the numbers asked for."""

    mine: list[tuple[Purchase, bool]] = field(
        default_factory=list
    )  # with: may another call have begun it?
    busy: list[int] = field(default_factory=list)  # another live worker has them
    over: list[int] = field(default_factory=list)  # the cap is reached
    settled: list[int] = field(default_factory=list)  # nothing to do
    spent: int = 0  # of the run, before these; counted under a cap only
    handle_can_charge: bool = False  # the vendor was seen to answer, and charge, at handle


def claim(db: Database, work: Work, numbers: Sequence[int]) -> Claims:
    """Claim what needs buying or finishing, reserving its money in the same transaction.

    Room under the cap goes to the numbers in the order given; rows are written in sorted order.
    """
    claims = Claims(
        spent=0 if work.cap is None else spent(db, work.run),
        handle_can_charge=get_flag(db, handle_flag(work.environment)),
    )
    known = newest(db, work.code, numbers)
    alive = cache(partial(work.alive, db))  # one look at each worker
    kinds = {number: _kind(db, known.get(number), work, alive) for number in numbers}
    claims.settled = [number for number in numbers if kinds[number] == "settled"]
    claims.busy = [number for number in numbers if kinds[number] == "busy"]
    wanted = [number for number in numbers if kinds[number] not in ("settled", "busy")]
    taken = (
        wanted
        if work.cap is None
        else _affordable(wanted, kinds, known, work, work.cap - claims.spent)
    )
    claims.over = [] if taken is wanted else sorted(set(wanted).difference(taken))
    claims.mine = [
        (
            _lookup(work, number, known.get(number), kinds[number]),
            _begun(kinds[number], known.get(number)),
        )
        for number in taken
    ]
    _write(db, work, known, {number: kinds[number] for number in sorted(taken)})
    return claims


def _begun(kind: str, row: Row | None) -> bool:
    """Whether a handle may have been sent for it whose reply nobody read."""
    if row is None or kind != "reuse":
        return kind == "resume"
    return row.state is LookupState.FAILED and went_unheard(row.reason)


def _affordable(
    numbers: Sequence[int], kinds: dict[int, str], known: dict[int, Row], work: Work, room: int
) -> list[int]:
    """Those for which the cap has room; what this run has reserved or paid already needs none."""
    taken = []
    for number in numbers:
        row = known.get(number)
        held = row is not None and kinds[number] != "again" and row.run == work.run and row.spend
        if held or room > 0:
            taken.append(number)
            room -= not held
    return taken


def _lookup(work: Work, number: int, row: Row | None, kind: str) -> Purchase:
    """The look-up under our claim, as it will stand on disk."""
    if row is None or kind == "again":
        return Purchase(work.environment, number, row.generation + 1 if row else 1, epoch=1)
    if kind == "reuse":
        return Purchase(work.environment, number, row.generation, epoch=row.epoch + 1)
    return to_lookup(row, work.environment, row.epoch + 1)


def _write(db: Database, work: Work, known: dict[int, Row], kinds: dict[int, str]) -> None:
    """Put the claims down, in sorted order: one statement for all of a kind; more than AT_ONCE are
    several.
    """
    fresh = [
        (n, known[n].generation + 1 if kind == "again" else 1)
        for n, kind in kinds.items()
        if kind in ("new", "again")
    ]
    _begin(db, work, fresh)
    _retake(db, work, [known[n] for n, kind in kinds.items() if kind == "reuse"], _AFRESH)
    _retake(db, work, [known[n] for n, kind in kinds.items() if kind == "resume"], "")


def _begin(db: Database, work: Work, numbers: Sequence[tuple[int, int]]) -> None:
    """Begin (number, generation) pairs under our claim, their money reserved."""
    for at in range(0, len(numbers), AT_ONCE):
        some = numbers[at : at + AT_ONCE]
        rows = ",".join(["(?, ?, ?, ?, ?, 1, ?, 1)"] * len(some))
        values: list[int] = []
        for number, generation in some:
            values += (
                work.code,
                number,
                generation,
                pack(LookupState.RESERVED),
                work.worker,
                work.run,
            )
        db.execute(
            "INSERT INTO lookups (environment, number, generation, packed, worker, epoch, run, "
            f"spend) VALUES {rows}",
            tuple(values),
        )


_AFRESH = (
    f", packed = {pack(LookupState.RESERVED)}, bought_at = 0, request_id = NULL, opened_at = NULL, "
    "host = NULL, "
    "app_key = NULL, spend = 1, code = NULL, msg = NULL, reason = NULL"
)


def _retake(db: Database, work: Work, rows: Sequence[Row], also: str) -> None:
    """Put rows under our claim; their epochs grow, which fences their last worker out."""
    for at in range(0, len(rows), AT_ONCE):
        some = rows[at : at + AT_ONCE]
        keys = ",".join(["(?, ?)"] * len(some))
        db.execute(
            f"UPDATE lookups SET worker = ?, epoch = epoch + 1, run = ?{also} "
            f"WHERE environment = ? AND (number, generation) IN (VALUES {keys})",
            (
                work.worker,
                work.run,
                work.code,
                *(value for row in some for value in (row.number, row.generation)),
            ),
        )


def _kind(db: Database, row: Row | None, work: Work, alive: Callable[[int], bool]) -> str:
    """settled | busy | new | reuse (same generation, nothing open) | resume | again (a new
    generation).
    """
    if row is None:
        return "new"
    if row.state in SETTLED:
        return "settled" if row.bought_at >= work.since else "again"
    if row.generation > 1 and row.state not in OPEN and _older_serves(db, row, work):
        return "settled"
    if row.state is LookupState.WRITTEN_OFF:
        return "again"
    if row.worker is not None and row.worker != work.worker and alive(row.worker):
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
    """A refresh that failed leaves the earlier answer good for whoever does not ask for a newer
    one.
    """
    older = db.execute(
        "SELECT packed FROM lookups WHERE environment = ? AND number = ? AND generation < ? AND "
        "bought_at >= ?",
        (work.code, row.number, row.generation, work.since),
    ).fetchall()
    return any(LookupState(packed & 15) in SETTLED for (packed,) in older)


def _askable(row: Row, work: Work) -> bool:
    """Whether a held look-up's own requestId may still be asked."""
    if row.request_id is None or row.opened_at is None or row.reason == "request_id_collision":
        return False
    fresh = 0 <= work.called_at - row.opened_at < work.max_id_age
    return fresh and row.host == work.host and row.app_key == work.key
