"""The store's rows: what a look-up is on disk, how it is read, and the ledger's one way to append.

Plain SQL on any engine; times are microseconds since 1970, UTC.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from pandas_numberactive._purchase.flow import unsafe_to_resume
from pandas_numberactive._purchase.purchase import (
    OPEN,
    SETTLED,
    STATE_SQL,
    LookupState,
    Purchase,
    pack,
    state_codes,
    state_of,
    unpack,
)
from pandas_numberactive._store.engines.journal import Database

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T")
ENVIRONMENTS = {"simulator": 0, "sandbox": 1, "production": 2}

MAX_KEPT_BODY = 4096  # bytes

AT_ONCE = 100  # numbers in one statement; SQLite before 3.32 takes 999 parameters


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
        """The state of the look-up."""
        return state_of(self.packed)

    def serves(self, since: int) -> bool:
        """Return True if the row holds an answer bought at or after `since`."""
        return self.state in SETTLED and self.bought_at >= since


_COLUMNS = ", ".join(one.name for one in fields(Row))


def latest(db: Database, environment: int, number: int) -> Row | None:
    """Return the newest generation of one number."""
    row = db.execute(
        f"SELECT {_COLUMNS} FROM lookups WHERE environment = ? AND number = ? ORDER BY generation "
        "DESC LIMIT 1",
        (environment, number),
    ).fetchone()
    return Row(*row) if row else None


def reserved(db: Database, run: int) -> list[Row]:
    """Return what a run has reserved and not settled: held rows, then those with a requestId."""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM lookups WHERE run = ? AND spend = 1 "
        f"AND {STATE_SQL} IN ({', '.join(str(int(state)) for state in sorted(OPEN))}) "
        f"ORDER BY {STATE_SQL} DESC, number",
        (run,),
    ).fetchall()
    return [Row(*row) for row in rows]


def newest(db: Database, environment: int, numbers: Sequence[int]) -> dict[int, Row]:
    """Return the newest generation of each number that has one."""
    return {row.number: row for row in _generations(db, environment, numbers)}


def standing(
    db: Database, environment: int, numbers: Sequence[int], since: int
) -> dict[int, tuple[Row, bool]]:
    """Return the newest generation of each number, and whether any generation serves."""
    found: dict[int, tuple[Row, bool]] = {}
    for row in _generations(db, environment, numbers):
        served = row.number in found and found[row.number][1]
        found[row.number] = (row, served or row.serves(since))
    return found


def serving(
    db: Database,
    environment: int,
    numbers: Sequence[int],
    since: int,
) -> dict[int, Row]:
    """Of each number the newest answer bought at or after `since`, else its newest generation."""
    found: dict[int, Row] = {}
    for row in _generations(db, environment, numbers):
        kept = found.get(row.number)
        if kept is None or row.serves(since) or not kept.serves(since):
            found[row.number] = row
    return found


def chunks(db: Database, items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield the items, as many at a time as the engine takes in one statement."""
    most: int = getattr(db, "at_once", AT_ONCE)
    for at in range(0, len(items), most):
        yield items[at : at + most]


def pairs(db: Database, items: Sequence[tuple[int, int]]) -> tuple[str, tuple[Any, ...]]:
    """Return a table of pairs as SQL, and its parameters."""
    table = getattr(db, "table", None)
    if table is not None:
        found: tuple[str, tuple[Any, ...]] = table(items)
        return found
    marks = ", ".join(["(?, ?)"] * len(items))
    return f"VALUES {marks}", tuple(chain.from_iterable(items))


def _generations(db: Database, environment: int, numbers: Sequence[int]) -> Iterator[Row]:
    """All rows of some numbers, older generations first, read in few statements."""
    for some in chunks(db, numbers):
        here, values = _marked(db, some)
        rows = db.execute(
            f"SELECT {_COLUMNS} FROM lookups WHERE environment = ? AND number {here} ORDER "
            "BY generation",
            (environment, *values),
        ).fetchall()
        yield from (Row(*row) for row in rows)


def _marked(db: Database, numbers: Sequence[int]) -> tuple[str, tuple[Any, ...]]:
    among = getattr(db, "among", None)
    if among is not None:
        found: tuple[str, tuple[Any, ...]] = among(numbers)
        return found
    return f"IN ({','.join('?' * len(numbers))})", tuple(numbers)


def to_lookup(row: Row, environment: str, epoch: int | None = None) -> Purchase:
    """Return a row as the flow's purchase."""
    state, answer, charged, _ = unpack(row.packed)
    return Purchase(
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


@dataclass(frozen=True, slots=True)
class Asker:
    """The account that would ask: a requestId is valid at one host, for one app key, for a day."""

    host: str = ""
    key: str = ""  # the app key's fingerprint
    max_id_age: int = 0  # microseconds

    def may_ask(self, row: Row, now: int) -> bool:
        """Return True if the requestId of a held look-up may still be asked."""
        if row.request_id is None:
            return False
        unsafe = unsafe_to_resume(
            to_lookup(row, ""),
            now=now / 1e6,
            host=self.host,
            key=self.key,
            max_age=self.max_id_age / 1e6,
        )
        return unsafe is None


def packed(lookup: Purchase) -> int:
    """Pack the part of a look-up that a warm run needs into the integer on disk."""
    return pack(lookup.state, lookup.answer, lookup.charged, lookup.reason == "unknown_value")


EVENT = (
    "at",
    "kind",
    "environment",
    "number",
    "generation",
    "run",
    "request_id",
    "charged",
    "code",
    "reason",
    "body",
)
_LOG = f"INSERT INTO events ({', '.join(EVENT)}) VALUES ({', '.join('?' * len(EVENT))})"


def event(
    now: int,
    kind: str,
    lookup: Purchase,
    code: int,
    run: int | None,
) -> dict[str, object]:
    """Return the columns of one line of the ledger, in the order of `EVENT`."""
    return {
        "at": now,
        "kind": kind,
        "environment": code,
        "number": lookup.number,
        "generation": lookup.generation,
        "run": run,
        "request_id": lookup.request_id,
        "charged": None if lookup.charged is None else int(lookup.charged),
        "code": lookup.code,
        "reason": lookup.reason,
        "body": (lookup.raw[:MAX_KEPT_BODY] or None) if lookup.state in SETTLED else None,
    }


def log(
    db: Database,
    now: int,
    kind: str,
    lookup: Purchase,
    code: int,
    run: int | None,
) -> None:
    """Append to the ledger."""
    db.execute(_LOG, tuple(event(now, kind, lookup, code, run).values()))


_SETTLED_CODES = np.array(sorted(SETTLED))


def in_order(numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the numbers sorted, and the place where each of them stood.

    It is argsort, in two thirds of the time where both fit into 63 bits.
    """
    bits = len(numbers).bit_length()
    if len(numbers) == 0 or int(numbers.max()) >= 1 << 63 - bits or int(numbers.min()) < 0:
        order = np.argsort(numbers, kind="stable")
        return numbers[order], order
    keys = numbers << bits
    keys |= np.arange(len(numbers))
    keys.sort()
    return keys >> bits, keys & (1 << bits) - 1


class Serving(NamedTuple):
    """The bulk view of some numbers, an entry each: the newest good answer, else the newest row."""

    number: NDArray[np.int64]
    packed: NDArray[np.int32]
    bought_at: NDArray[np.int64]
    newest: NDArray[np.int8]  # LookupState of the newest generation


def newest_serving(rows: NDArray[np.int64], since: int) -> Serving:
    """Choose from rows ordered by number and generation: columns number, packed, bought_at."""
    number = rows[:, 0]
    packed = rows[:, 1]
    bought = rows[:, 2]
    if (number[1:] > number[:-1]).all():  # one row a number: nothing to choose
        return Serving(number, packed.astype(np.int32), bought, state_codes(packed).astype(np.int8))
    last = (
        np.flatnonzero(np.append(number[1:] != number[:-1], True))
        if len(number)
        else np.zeros(0, np.int64)
    )
    serves = np.isin(state_codes(packed), _SETTLED_CODES) & (bought >= since)
    newest_good = np.maximum.accumulate(np.where(serves, np.arange(len(number)), -1))[last]
    first = np.append(0, last[:-1] + 1) if len(last) else last
    pick = np.where(newest_good >= first, newest_good, last)
    newest = state_codes(packed[last]).astype(np.int8)
    return Serving(number[last], packed[pick].astype(np.int32), bought[pick], newest)
