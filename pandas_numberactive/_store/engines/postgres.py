"""The team's store: the same statements on PostgreSQL (extra `postgres`, psycopg 3), for many
machines at once.

Every write transaction takes one advisory lock first, as SQLite's BEGIN IMMEDIATE does: claims and
caps are decided one after the other, so no deadlock is possible; group commit makes up for it.
Times are by the server's clock.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from pandas_numberactive._config.credentials import Address, masked_url
from pandas_numberactive._store.engines.connection import SCHEMA, Connection, Translated
from pandas_numberactive._store.engines.journal import TRIES, Database, Engine
from pandas_numberactive._store.engines.schema import MIGRATIONS
from pandas_numberactive._store.rescue import Rescue
from pandas_numberactive._store.store import LookupStore
from pandas_numberactive.errors import StoreError, StoreVersionError

if TYPE_CHECKING:
    from numpy.typing import NDArray

AT_ONCE = 200_000  # numbers in one statement of a bulk read: bounds its text
LEASE_ONLY = "lease-"  # how the token of a worker begins whose session may be another's at any time
# What a run does to each table. A right that is missing must be seen before a number is paid for.
_NEEDED = {
    "lookups": "SELECT INSERT UPDATE",
    "events": "SELECT INSERT",
    "runs": "SELECT INSERT UPDATE",
    "workers": "SELECT INSERT UPDATE DELETE",
    "bodies": "INSERT",
    "meta": "SELECT INSERT",
}


class PostgresEngine(Connection):
    """The engine of a journal on a server: migrations, and the locks that show workers alive."""

    def __init__(self, address: Address, on_clock: Callable[[float], None]) -> None:
        super().__init__(address, on_clock)
        self.errors: tuple[type[Exception], ...] = (self._psycopg.Error,)
        self.tokens: set[str] = set()
        self._unheld: set[str] = set()
        self.on_connect = self._hold_again
        try:
            self._migrate()
        except BaseException:
            self.close()
            raise

    def compact(self) -> None:
        """Let the server reuse what was deleted; its log, free pages and backups are its owner's to
        clean.
        """
        with contextlib.suppress(self._psycopg.errors.InsufficientPrivilege):
            self.ready().execute(
                "VACUUM numberactive.lookups, numberactive.bodies, numberactive.events"
            )

    def hold(self, db: Database, token: str) -> None:
        """Show a worker alive for as long as this session lives."""
        if token.startswith(LEASE_ONLY):
            return
        self.tokens.add(token)
        db.execute("SELECT pg_try_advisory_lock(?)", (token_key(token),))

    def hold_missing(self, db: Database) -> None:
        """Take the locks that a lost session had kept when this one was made."""
        for token in list(self._unheld):
            if db.execute("SELECT pg_try_advisory_lock(?)", (token_key(token),)).fetchone()[0]:
                self._unheld.discard(token)

    def _hold_again(self, connection: Any) -> None:
        self._unheld = set(self.tokens)
        self.hold_missing(Translated(connection))

    def release(self, db: Database) -> None:
        """Hold nothing any more."""
        for token in self.tokens:
            db.execute("SELECT pg_advisory_unlock(?)", (token_key(token),))
        self.tokens.clear()

    def _migrate(self) -> None:
        refused: StoreError | None = None
        try:
            if self._version(Translated(self.ready())) < len(MIGRATIONS):
                self._upgrade()
        except self._psycopg.errors.InsufficientPrivilege as error:
            refused = StoreError(
                f"The role may not use the store {self._address!r} ({self.said(error)}). Let its "
                "owner run "
                "`python -m pandas_numberactive store init` once and grant the rights that the "
                "README lists."
            )
        except self._psycopg.Error as error:
            refused = StoreError(
                f"The store {self._address!r} cannot be used: {self.said(error)}. Nothing was "
                "bought."
            )
        if refused is not None:
            raise refused

    def _version(self, db: Database) -> int:
        (found,) = db.execute("SELECT to_regclass(?)", (f"{SCHEMA}.meta",)).fetchone()
        if found is None:
            return 0
        row = db.execute(
            f"SELECT value FROM {SCHEMA}.meta WHERE name = 'schema_version'"
        ).fetchone()
        if row is None or not str(row[0]).isdigit():
            raise StoreError(
                f"The schema {SCHEMA} of {self._address!r} holds tables of another program. Choose "
                "another database "
                "with store=; nothing was bought."
            )
        version = int(row[0])
        if version > len(MIGRATIONS):
            raise StoreVersionError(
                f"The store {self._address!r} was made by a newer pandas-numberactive (version "
                f"{version}, this one "
                f"knows {len(MIGRATIONS)}). Upgrade the package; nothing was bought."
            )
        return version

    def _upgrade(self) -> None:
        """Bring the tables up to date; who comes at the same time waits for the lock, and finds
        them so.
        """
        for left in reversed(range(TRIES)):
            try:
                db = self.begin()
                version = self._version(db)
                if version < len(MIGRATIONS):
                    self._steps(db, version)
                return self.commit()
            except BaseException as error:
                self.rollback()
                if not (left and self.passing(error)):
                    raise

    def _steps(self, db: Database, version: int) -> None:
        db.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        for step in MIGRATIONS[version:]:
            step(lambda sql: db.execute(_dialect(sql)))
        db.execute(
            "INSERT INTO meta (name, value) VALUES ('schema_version', ?) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (str(len(MIGRATIONS)),),
        )


def _dialect(sql: str) -> str:
    return sql.format(
        tail="", serial="BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", blob="BYTEA"
    )


def token_key(token: str) -> int:
    """A worker's token as the number of an advisory lock."""
    return int.from_bytes(hashlib.sha256(token.encode()).digest()[:8], "big", signed=True)


class PostgresStore(LookupStore):
    """LookupStore on PostgreSQL: `postgresql://user@host/database`; the tables live in the schema
    `numberactive`.
    """

    def __init__(self, location: str) -> None:
        self._address = Address(location)
        self._ahead = 0.0
        super().__init__(":memory:", clock=lambda: time.time() + self._ahead)
        self.location = masked_url(location) or ""

    def _engine(self) -> Engine:
        self._postgres = PostgresEngine(self._address, self._set_clock)
        return self._postgres

    def _set_clock(self, ahead: float) -> None:
        """At each transaction: a laptop that slept, or was put right, must not misjudge a lease."""
        self._ahead = ahead

    async def recover(self) -> Rescue:
        """See first that the role may do all that a run does; then as on a file."""
        await self._journal.write(self._check_rights)
        return await super().recover()

    def _check_rights(self, db: Database) -> None:
        rights = [
            (f"{SCHEMA}.{table}", right)
            for table, some in _NEEDED.items()
            for right in some.split()
        ]
        rows = db.execute(
            "SELECT t, r FROM unnest(?::text[], ?::text[]) AS needed (t, r) WHERE NOT "
            "has_table_privilege(t, r)",
            ([table for table, _ in rights], [right for _, right in rights]),
        ).fetchall()
        if rows:
            missing = ", ".join(f"{right} on {table}" for table, right in rows)
            raise StoreError(
                f"The role may not buy with the store {self.location!r}: it lacks {missing}. Let "
                "the owner grant the "
                "rights that the README lists; nothing was bought."
            )

    def _token(self) -> str:
        return (LEASE_ONLY if self._postgres.pooled else "") + super()._token()

    async def join(self, run: int, *, lease: float) -> int:
        """Register this worker; its session holds a lock that the server drops when the process
        dies.
        """
        worker = await super().join(run, lease=lease)

        def hold(db: Database) -> None:
            (token,) = db.execute(
                "SELECT token FROM workers WHERE worker = ?", (worker,)
            ).fetchone()
            self._postgres.hold(db, token)

        await self._journal.write(hold)
        return worker

    async def renew(self, worker: int, run: int, *, lease: float) -> None:
        """Prolong the lease, and hold again what a lost session still held."""
        await super().renew(worker, run, lease=lease)
        await self._journal.write(self._postgres.hold_missing)

    async def leave(self, worker: int, run: int, *, finished: bool) -> None:
        """Take this worker off and drop its lock."""
        await super().leave(worker, run, finished=finished)
        await self._journal.write(self._postgres.release)

    def alive(self, db: Database, worker: int) -> bool:
        """Whether a worker holds its lease, and the server still has its session."""
        row = db.execute(
            "SELECT token, lease_until FROM workers WHERE worker = ?", (worker,)
        ).fetchone()
        if row is None or row[1] < self.now():
            return False
        if row[0] in self._postgres.tokens or row[0].startswith(LEASE_ONLY):
            return True
        (free,) = db.execute("SELECT pg_try_advisory_lock(?)", (token_key(row[0]),)).fetchone()
        if free:
            db.execute("SELECT pg_advisory_unlock(?)", (token_key(row[0]),))
        return not free

    def _rows(self, db: Database, code: int, wanted: NDArray[np.int64]) -> NDArray[np.int64]:
        """All generations of the wanted numbers, ordered, as one text for many: a tuple for each
        row takes longer.
        """
        parts = [np.zeros((0, 3), np.int64)]
        for some in np.array_split(wanted, max(1, -(-len(wanted) // AT_ONCE))):
            (text,) = db.execute(
                "SELECT string_agg(concat_ws(',', number, packed, bought_at), ',' ORDER BY number, "
                "generation) "
                "FROM lookups WHERE environment = ? AND number = ANY(?)",
                (code, some.tolist()),
            ).fetchone()
            if text:
                parts.append(np.fromstring(text, np.int64, sep=",").reshape(-1, 3))
        return np.concatenate(parts)
