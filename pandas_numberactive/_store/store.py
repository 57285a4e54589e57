"""LookupStore: every answer, every open requestId and the ledger, in one private SQLite file."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from pandas_numberactive._config.checks import CHECKS
from pandas_numberactive._config.credentials import Address
from pandas_numberactive._purchase.purchase import Purchase
from pandas_numberactive._store import claims, runs, saves
from pandas_numberactive._store.engines.journal import Database, Engine, Journal
from pandas_numberactive._store.engines.sqlite import Liveness, SQLiteEngine, connect, read_rows
from pandas_numberactive._store.rescue import Rescue
from pandas_numberactive._store.rows import (
    ENVIRONMENTS,
    in_order,
    newest_serving,
    serving,
    to_lookup,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

T = TypeVar("T")
READ, DETAILED = 1_000_000, 5000  # numbers read in one transaction, without and with their details
_MEMORY: dict[str, LookupStore] = {}


@dataclass(frozen=True, slots=True)
class Stored:
    """What the store holds of the numbers asked for, in their order; zeros where it holds
    nothing.
    """

    packed: NDArray[np.int32]  # see _purchase.purchase.pack
    bought_at: NDArray[np.int64]  # microseconds since 1970, UTC


class LookupStore:
    """The journal of paid look-ups: answers, open requestIds, claims and the ledger of charges.

    `location` is a path, `sqlite:PATH`, or `":memory:"`. The file is 0600 in a folder of 0700,
    written with fsync before anything is acted on, and may be used by many processes of one machine
    at once. Opening it charges nothing. Raises StoreError where it cannot be used.

    >>> with LookupStore(":memory:") as store:
    ...     store.count()
    0
    """

    def __init__(
        self, location: str | os.PathLike[str], *, clock: Callable[[], float] = time.time
    ) -> None:
        self.location = os.fspath(location).removeprefix("sqlite:")
        self.path = (
            None if self.location == ":memory:" else Path(self.location).expanduser().resolve()
        )
        self._clock = clock
        self._pid = os.getpid()
        self._alive = Liveness(self.path)
        self._journal = Journal(self._engine())

    def _engine(self) -> Engine:
        return SQLiteEngine(connect(self.path))

    @classmethod
    def open(cls, location: str | os.PathLike[str]) -> LookupStore:
        """Open a store, the one in memory being the same one for the whole process.

        Raises ConfigurationError where `location` is neither a path nor a postgresql:// URL,
        StoreError where the store cannot be used.
        """
        location = CHECKS["store"]("store", location)
        if isinstance(location, Address):
            from pandas_numberactive._store.engines.postgres import PostgresStore

            return PostgresStore(location)
        if location != ":memory:":
            return cls(location)
        kept = _MEMORY.get(":memory:")
        if kept is None or kept._pid != os.getpid():
            kept = _MEMORY[":memory:"] = cls(":memory:")
        return kept

    def __enter__(self) -> LookupStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"LookupStore({self.location!r})"

    def close(self) -> None:
        """Finish what is queued and close the file; the shared store in memory stays open."""
        if _MEMORY.get(":memory:") is not self:
            self._journal.close()
            self._alive.close()

    def now(self) -> int:
        """The store's clock, microseconds since 1970, UTC: on a server the server's, so that a team
        has one.
        """
        return round(self._clock() * 1e6)

    def do(self, work: Callable[[Database], T]) -> T:
        """Run statements in one transaction and wait for its fsync; not from an event loop."""
        return self._journal.do(work)

    def compact(self) -> None:
        """Rewrite the file so that nothing deleted is left in it."""
        self._journal.compact()

    def count(self) -> int:
        """How many purchases, open or done, the store holds."""
        return self.do(lambda db: int(db.execute("SELECT count(*) FROM lookups").fetchone()[0]))

    # What a run needs, awaited on the bridge's loop.

    async def begin_run(
        self, *, key: str, environment: str, cap: int | None, price: float | None, currency: str
    ) -> runs.RunRow:
        """Begin a run or go on with an unfinished one of the same key."""
        return await self._journal.write(
            lambda db: runs.begin_run(
                db,
                key=key,
                environment=environment,
                now=self.now(),
                cap=cap,
                price=price,
                currency=currency,
            )
        )

    async def unfinished(self, key: str) -> int | None:
        """When the unfinished run of this key began, if there is one."""
        now = self.now()
        return await self._journal.write(lambda db: runs.unfinished(db, key, now))

    async def join(self, run: int, *, lease: float) -> int:
        """Register this worker with a lease in seconds."""
        token = self._token()
        self._alive.hold(token)
        host = socket.gethostname()

        def work(db: Database) -> int:  # a transaction knows the time best
            until = self.now() + round(lease * 1e6)
            return runs.join(
                db, run=run, pid=os.getpid(), host=host, token=token, lease_until=until
            )

        return await self._journal.write(work)

    def _token(self) -> str:
        return secrets.token_hex(8)

    async def renew(self, worker: int, run: int, *, lease: float) -> None:
        """Prolong the lease."""

        def work(db: Database) -> None:
            now = self.now()
            runs.renew(db, worker=worker, run=run, now=now, lease_until=now + round(lease * 1e6))

        await self._journal.write(work)

    async def leave(self, worker: int, run: int, *, finished: bool) -> None:
        """Take this worker off."""
        await self._journal.write(
            lambda db: runs.leave(
                db, worker=worker, run=run, now=self.now(), finished=finished, alive=self.alive
            )
        )
        self._alive.release()

    async def claim(self, work: claims.Work, numbers: Sequence[int]) -> claims.Claims:
        """Claim numbers in sorted order, reserving their money."""
        return await self._journal.write(lambda db: claims.claim(db, work, numbers))

    async def save(self, lookup: Purchase, *, worker: int, run: int) -> saves.Saved:
        """Have a step on disk."""
        now = self.now()
        return await self._journal.write(
            lambda db: saves.save(db, lookup, worker=worker, run=run, now=now)
        )

    async def recover(self) -> Rescue:
        """Read back what an earlier run had to keep aside; returns where to keep more."""
        fresh = secrets.token_hex(16)
        store_id = await self._journal.write(lambda db: runs.store_id(db, fresh))
        rescue = Rescue(store_id, self.path)
        left: list[str] = []
        for path, lookup in rescue.waiting():
            try:
                if await self._journal.write(partial(saves.restore, lookup=lookup, now=self.now())):
                    path.unlink(missing_ok=True)
            except Exception as error:  # one bad file must not stop every run to come
                left.append(f"{type(error).__name__} in {path.parent}")
        if left:
            log.warning(
                "%d paid answers could not be read back into the store and stay where they are: %s",
                len(left),
                left[0],
            )
        return rescue

    async def unclaim(self, lookup: Purchase, *, worker: int) -> None:
        """Leave an open look-up for the next run."""
        await self._journal.write(lambda db: saves.unclaim(db, lookup, worker=worker))

    def alive(self, db: Database, worker: int) -> bool:
        """Whether a worker still holds its lease and its process lives."""
        row = db.execute(
            "SELECT token, lease_until FROM workers WHERE worker = ?", (worker,)
        ).fetchone()
        if row is None or row[1] < self.now():
            return False
        return self._alive.lives(row[0])

    async def read(self, environment: str, numbers: NDArray[np.int64], *, since: int = 0) -> Stored:
        """Read what is known of distinct numbers.

        The newest answer bought at or after `since` serves; where there is none, the newest
        look-up's state stands.
        """
        packed, bought = np.zeros(len(numbers), np.int32), np.zeros(len(numbers), np.int64)
        wanted, order = in_order(numbers)
        for at in range(0, len(wanted), READ):  # others may write in between
            some = wanted[at : at + READ]
            rows = await self._journal.write(
                partial(self._rows, code=ENVIRONMENTS[environment], wanted=some)
            )
            found, row_packed, row_bought = newest_serving(rows, since)
            place = order[at : at + READ]
            if len(found) < len(some):
                place = place[np.searchsorted(some, found)]
            packed[place] = row_packed
            bought[place] = row_bought
        return Stored(packed, bought)

    def _rows(self, db: Database, code: int, wanted: NDArray[np.int64]) -> NDArray[np.int64]:
        """All generations of the wanted numbers, ordered: columns number, packed, bought_at."""
        return read_rows(db, code, wanted)

    async def details(
        self, environment: str, numbers: Sequence[int], *, since: int = 0
    ) -> dict[int, Purchase]:
        """The look-up behind what `read` says of each number that has one, whole."""
        found: dict[int, Purchase] = {}
        wanted = sorted(numbers)
        for at in range(0, len(wanted), DETAILED):  # others may write in between
            work = partial(
                _details, environment=environment, numbers=wanted[at : at + DETAILED], since=since
            )
            found |= await self._journal.write(work)
        return found

    async def spent(self, run: int) -> int:
        """Charges made and reserved by a run."""
        return await self._journal.write(lambda db: runs.spent(db, run))


def _details(
    db: Database, environment: str, numbers: Sequence[int], since: int
) -> dict[int, Purchase]:
    rows = serving(db, ENVIRONMENTS[environment], numbers, since)
    return {number: to_lookup(row, environment) for number, row in rows.items()}
