"""LookupStore: every answer, every open requestId and the ledger, in one private SQLite file."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from pandas_numberactive._config.checks import CHECKS
from pandas_numberactive._config.credentials import Address, masked_url
from pandas_numberactive._config.used_stores import another_store, last_use
from pandas_numberactive._purchase.purchase import OPEN, SETTLED, LookupState, Purchase
from pandas_numberactive._store import runs, saves, workers
from pandas_numberactive._store.engines.files import refuse_emptied, refuse_misplaced, resolved
from pandas_numberactive._store.engines.journal import Database, Engine, Journal, Reading
from pandas_numberactive._store.engines.postgres import PostgresEngine
from pandas_numberactive._store.engines.sqlite import SQLiteEngine, of_parent
from pandas_numberactive._store.engines.sqlite import check_use as check_file
from pandas_numberactive._store.rescue import Rescue
from pandas_numberactive._store.rows import (
    ENVIRONMENTS,
    Asker,
    Row,
    in_order,
    newest,
    newest_serving,
    serving,
    to_lookup,
)
from pandas_numberactive._store.together import Step

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")
READ = 1_000_000
DETAILED = 5000  # numbers read in one transaction, without and with their details
_MEMORY: dict[str, LookupStore] = {}


@dataclass(frozen=True, slots=True)
class Stored:
    """The stored state of the numbers asked for, in their order, zeros if unknown."""

    packed: NDArray[np.int32]  # see _purchase.purchase.pack
    bought_at: NDArray[np.int64]  # microseconds since 1970, UTC
    newest: NDArray[np.int8]  # LookupState of the newest generation
    askable: NDArray[np.bool_]  # held, and its requestId may still be asked


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
        self,
        location: str | os.PathLike[str],
        *,
        clock: Callable[[], float] = time.time,
        make: bool = True,
    ) -> None:
        self.path: Path | None = None
        opened: Callable[[], Engine]
        if isinstance(location, Address):
            self.location = masked_url(location) or ""
            opened = partial(PostgresEngine, location, migrate=make)
        else:
            self.location = os.fspath(location).removeprefix("sqlite:")
            if self.location != ":memory:":
                self.path = resolved(self.location)
            opened = partial(SQLiteEngine, self.path, clock)
        self._pid = os.getpid()
        self._journal = Journal(opened)
        self.engine = self._journal.engine

    @classmethod
    def open(cls, location: str | os.PathLike[str], *, make: bool = True) -> LookupStore:
        """Open a store, the one in memory being the same one for the whole process.

        Where it was used before, `make=False` makes none in the place of one that is gone.

        Raises ConfigurationError where `location` is neither a path nor a postgresql:// URL,
        StoreError where the store cannot be used.
        """
        location = CHECKS["store"]("store", location)
        if location != ":memory:":
            if not (make or cls._is_filled(location)):
                raise another_store(location)
            store = cls(location, make=make)
            if isinstance(store.engine, PostgresEngine) and not store.engine.is_made:
                store.close()
                raise another_store(location)
            return store
        kept = _MEMORY.get(":memory:")
        if kept is not None and kept._pid != os.getpid():
            raise of_parent()  # an empty one would buy again
        if kept is None:
            kept = _MEMORY[":memory:"] = cls(":memory:")
        return kept

    @classmethod
    async def open_used(cls, location: str | os.PathLike[str]) -> LookupStore:
        """Open a store that a run may buy into.

        Raises StoreError like `open`, and where this process used another store in that place:
        nothing is made or written there.
        """
        before = last_use(location)
        store = cls.open(location, make=before is None)
        try:
            if before is not None and not await store.fetch(runs.is_as_used, before):
                raise another_store(location)
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def _is_filled(cls, location: str | os.PathLike[str]) -> bool:
        """Return False where a store's file is not there, or empty."""
        if not cls.is_made(location):
            return False
        if isinstance(location, Address):
            return True
        path = resolved(os.fspath(location))
        refuse_emptied(path)
        return path.stat().st_size > 0

    @staticmethod
    def is_made(location: str | os.PathLike[str]) -> bool:
        """Return False where the store is a file that was never made. Make no file.

        Raises StoreError where the file is gone, or its folder is not there.
        """
        checked = CHECKS["store"]("store", location)
        if isinstance(checked, Address) or checked == ":memory:":
            return True
        path = resolved(os.fspath(checked).removeprefix("sqlite:"))
        refuse_misplaced(path)
        return path.exists()

    @staticmethod
    def check_use(location: str | os.PathLike[str]) -> bool:
        """Return False where the first run will make the store. Make and change nothing.

        Raises StoreError where no run could use the store. Damage inside a file is not looked for.
        """
        checked = CHECKS["store"]("store", location)
        if checked == ":memory:":
            return True
        if not isinstance(checked, Address):
            return check_file(resolved(os.fspath(checked).removeprefix("sqlite:")))
        engine = PostgresEngine(checked, migrate=False)
        engine.close()
        return engine.is_made

    def __enter__(self) -> LookupStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"LookupStore({self.location!r})"

    def close(self) -> None:
        """Finish queued work and close the file. The shared store in memory stays open."""
        if _MEMORY.get(":memory:") is not self:
            self._journal.close()

    def reopen(self) -> None:
        """Open again what `close` has closed, or was closing when an interrupt came."""
        if _MEMORY.get(":memory:") is not self:
            self._journal.reopen()

    def now(self) -> int:
        """Return the store's time in microseconds since 1970, UTC: the server's, on a server."""
        return self.engine.now()

    def write(
        self, work: Callable[Concatenate[Database, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[T]:
        """Run a function of this room in one transaction.

        Awaited after its fsync.

        >>> import asyncio
        >>> async def run() -> int:
        ...     with LookupStore(":memory:") as store:
        ...         return await store.write(runs.charged, 1)
        >>> asyncio.run(run())
        0
        """
        return self._journal.write(self._job(work, args, kwargs))

    def do(
        self, work: Callable[Concatenate[Database, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run like `write` and wait for it. Call it outside an event loop."""
        return self._journal.do(partial(_work, work, args, kwargs))

    def fetch(
        self, work: Callable[Concatenate[Database, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[T]:
        """Run like `write` a function that only reads. On a server it waits for no writer."""
        return self._journal.write(Reading(partial(_work, work, args, kwargs)))

    def fetch_now(
        self, work: Callable[Concatenate[Database, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run like `fetch` and wait for it. Call it outside an event loop."""
        found: T = self._journal.do(Reading(partial(_work, work, args, kwargs)))
        return found

    def _job(
        self, work: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Callable[[Database], Any]:
        """Bind the arguments. Saves are grouped on engines where each statement is a round trip."""
        if self.engine.far and work is saves.save:
            return Step(*args, **kwargs)
        return partial(_work, work, args, kwargs)

    def compact(self) -> None:
        """Rewrite the file so that nothing deleted is left in it."""
        self._journal.compact()

    def count(self) -> int:
        """Return the number of purchases, open or done."""
        return self.fetch_now(_count)

    async def recover(self) -> Rescue:
        """Read back the emergency files of earlier runs, and return the place for more.

        Raises StoreError if a run could not write all that it must.
        """
        await self.fetch(self.engine.check_rights)
        store_id = await self.write(runs.store_id, secrets.token_hex(16))
        rescue = Rescue(store_id, self.path)
        left: list[str] = []
        for path, lookup in rescue.waiting():
            try:
                if await self.write(saves.restore, lookup, now=self.now()):
                    path.unlink(missing_ok=True)
                else:
                    left.append(f"no look-up of its own for a file in {path.parent}")
            except Exception as error:  # one bad file must not stop every run to come
                left.append(f"{type(error).__name__} in {path.parent}")
        if left:
            log.warning(
                "%d paid answers are still in emergency files because the store refused them (%s). "
                "They are safe, and the next run tries again.",
                len(left),
                left[0],
            )
        return rescue

    async def make_again(self, store_id: str) -> None:
        """Make a server's tables again where it has lost them all, with the id of the store.

        Emergency files are found by the id.
        """
        if self.engine.far:
            await self.write(_make_again, self.engine, store_id)

    async def keep_again(
        self,
        environment: str,
        saved: Sequence[Purchase],
        run: int,
        *,
        every: bool = False,
    ) -> int:
        """Store again the purchases of this call that the store has lost, and return their number.

        A server or a file that was restored from an older copy has lost them. There others may have
        bought the same numbers since: `every` looks for the charge of each purchase.
        """
        gone = list(saved) if every else await self._missing(environment, saved)
        kept = 0
        for at in range(0, len(gone), DETAILED):  # others may write in between
            some = gone[at : at + DETAILED]
            kept += await self.write(saves.keep_again, some, run=run, now=self.now())
        return kept

    async def _missing(self, environment: str, saved: Sequence[Purchase]) -> list[Purchase]:
        """Return the purchases without an answer as new as theirs, and those without an answer."""
        bought = [lookup for lookup in saved if lookup.state in SETTLED]
        numbers = np.array([lookup.number for lookup in bought], np.int64)
        there = (await self.read(environment, numbers)).bought_at.tolist()
        gone = [
            lookup
            for lookup, bought_at in zip(bought, there, strict=True)
            if bought_at < round((lookup.bought_at or 0) * 1e6)
        ]
        return gone + [lookup for lookup in saved if lookup.state in OPEN]

    def alive(self, db: Database, worker: int) -> bool:
        """Return True while a worker holds its lease and its process lives."""
        return workers.alive(db, self.engine, worker)

    def lives(self, db: Database, worker: int) -> bool:
        """Return True while a worker's process lives for certain, its lease aside."""
        return workers.lives(db, self.engine, worker)

    async def read(
        self,
        environment: str,
        numbers: NDArray[np.int64],
        *,
        since: int = 0,
        asker: Asker | None = None,
    ) -> Stored:
        """Read the state of distinct numbers.

        The newest answer bought at or after `since` serves. Without one, the state of the newest
        look-up counts. A held look-up is askable if `asker` may query it.
        """
        packed = np.zeros(len(numbers), np.int32)
        bought = np.zeros(len(numbers), np.int64)
        states = np.zeros(len(numbers), np.int8)
        wanted, order = in_order(numbers)
        for at in range(0, len(wanted), READ):  # others may write in between
            some = wanted[at : at + READ]
            rows = await self.fetch(self.engine.read_rows, ENVIRONMENTS[environment], some)
            found = newest_serving(rows, since)
            place = order[at : at + READ]
            if len(found.number) < len(some):
                place = place[np.searchsorted(some, found.number)]
            packed[place] = found.packed
            bought[place] = found.bought_at
            states[place] = found.newest
        askable = np.zeros(len(numbers), bool)
        if asker is not None:
            held = np.flatnonzero(states == LookupState.UNCERTAIN)
            askable[held] = await self._askable(environment, numbers[held].tolist(), asker)
        return Stored(packed, bought, states, askable)

    async def _askable(
        self,
        environment: str,
        numbers: list[int],
        asker: Asker,
    ) -> list[bool]:
        """Return those held look-ups whose own requestIds may still be asked."""
        rows: dict[int, Row] = {}
        for at in range(0, len(numbers), DETAILED):  # others may write in between
            some = numbers[at : at + DETAILED]
            rows |= await self.fetch(newest, ENVIRONMENTS[environment], some)
        now = self.now()
        return [number in rows and asker.may_ask(rows[number], now) for number in numbers]

    async def details(
        self, environment: str, numbers: Sequence[int], *, since: int = 0
    ) -> dict[int, Purchase]:
        """Return the whole look-up of each number that `read` finds."""
        found: dict[int, Purchase] = {}
        wanted = sorted(numbers)
        for at in range(0, len(wanted), DETAILED):  # others may write in between
            some = wanted[at : at + DETAILED]
            found |= await self.fetch(_details, environment, some, since)
        return found


def _work(
    work: Callable[..., T],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    db: Database,
) -> T:
    return work(db, *args, **kwargs)


def _make_again(db: Database, engine: Engine, store_id: str) -> None:
    engine.make_again(db)
    runs.store_id(db, store_id)


def _count(db: Database) -> int:
    return int(db.execute("SELECT count(*) FROM lookups").fetchone()[0])


def _details(
    db: Database, environment: str, numbers: Sequence[int], since: int
) -> dict[int, Purchase]:
    rows = serving(db, ENVIRONMENTS[environment], numbers, since)
    return {number: to_lookup(row, environment) for number, row in rows.items()}
