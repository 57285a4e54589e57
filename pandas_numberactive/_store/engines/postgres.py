"""The engine of a team's store: the same statements on PostgreSQL, for many machines at once.

It needs the extra `postgres` (psycopg 3). Every write transaction takes one advisory lock first, as
SQLite's BEGIN IMMEDIATE does. Claims and caps are decided one after the other, so no deadlock is
possible. Group commit makes up for it. Times are by the server's clock.
"""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from pandas_numberactive._config.credentials import Address
from pandas_numberactive._store.engines.connection import SCHEMA, Connection, Translated
from pandas_numberactive._store.engines.journal import TRIES, Database
from pandas_numberactive._store.engines.schema import MIGRATIONS
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
    "meta": "SELECT INSERT",
}


_of_parents: list[Any] = []


class PostgresEngine(Connection):
    """The engine of a journal on a server: migrations, and the locks that show workers alive."""

    def __init__(self, address: Address, *, migrate: bool = True) -> None:
        super().__init__(address)
        self.errors: tuple[type[Exception], ...] = (self._psycopg.Error,)
        self.far = True
        self.is_made = True  # its tables are of this version
        self.tokens: set[str] = set()
        self._unheld: set[str] = set()
        self.on_connect = self._hold_again
        try:
            self._open_store(migrate)
        except BaseException:
            self.close()
            raise

    def cause(self, error: BaseException) -> BaseException:
        """Return the error: the driver's own says enough."""
        return error

    def shared(self, error: BaseException) -> bool:
        """Return True where another program kept a table for longer than our wait.

        Where the server is away nothing begins, so one wait is enough.
        """
        return isinstance(error, self._psycopg.errors.LockNotAvailable)

    def advice(self, error: BaseException) -> str:
        """Return the way out, in a sentence."""
        if isinstance(error, self._psycopg.errors.LockNotAvailable):
            return "End what locks its tables (a long index or VACUUM FULL), or wait"
        return "See whether the server is up and has disk space"

    def compact(self) -> None:
        """Let the server reuse deleted space.

        Its log, free pages and backups remain its owner's task.
        """
        with contextlib.suppress(self._psycopg.errors.InsufficientPrivilege):
            self.ready().execute("VACUUM numberactive.lookups, numberactive.events")

    def before_fork(self) -> None:
        """Leave the session open: a child makes one of its own."""

    def leave_to_parent(self) -> None:
        """Keep the parent's session unused: to close it here would end it for the parent."""
        _of_parents.append(self._open)
        self._open = None
        self.tokens.clear()
        self._unheld.clear()

    def reopen(self) -> None:
        """Connect, as a session of our own."""
        self.ready()

    def hold(self, db: Database, token: str) -> str:
        """Show that a worker lives by a lock that the server drops with our session.

        The lock only lets another process take over sooner. Correctness rests on the fencing tokens
        of the claims. Behind a pooler the session is shared, so the worker's token says that the
        lease alone counts.
        """
        if token.startswith(LEASE_ONLY):
            return token
        if self.pooled and token not in self.tokens:
            return LEASE_ONLY + token
        if token not in self.tokens or token in self._unheld:
            self._lock(db, token)
        return token

    def _lock(self, db: Database, token: str) -> None:
        self.tokens.add(token)
        self._unheld.add(token)
        if db.execute("SELECT pg_try_advisory_lock(?)", (token_key(token),)).fetchone()[0]:
            self._unheld.discard(token)

    def _hold_again(self, connection: Any) -> None:
        """Take the locks of a lost session. One that the server still has is tried again later."""
        self._unheld = set(self.tokens)
        for token in tuple(self.tokens):
            self._lock(Translated(connection), token)

    def release(self, db: Database) -> None:
        """Hold nothing any more."""
        for token in self.tokens - self._unheld:
            db.execute("SELECT pg_advisory_unlock(?)", (token_key(token),))
        self.tokens.clear()
        self._unheld.clear()

    def lives(self, db: Database, token: str) -> bool:
        """Return False where the server has no session that holds the worker's lock."""
        if token in self.tokens or token.startswith(LEASE_ONLY):
            return True
        (free,) = db.execute("SELECT pg_try_advisory_lock(?)", (token_key(token),)).fetchone()
        if free:
            db.execute("SELECT pg_advisory_unlock(?)", (token_key(token),))
        return not free

    def certain(self, db: Database, token: str) -> bool:
        """Return True where the server has a session that holds the worker's lock."""
        return not token.startswith(LEASE_ONLY) and self.lives(db, token)

    def make_again(self, db: Database) -> None:
        """Make the tables again in an empty database that stands in the place of ours."""
        if not self._version(db):
            self._steps(db, 0)

    def check_rights(self, db: Database) -> None:
        """Raise StoreError where the role lacks a right that a run needs, or on a standby."""
        if db.execute("SELECT pg_is_in_recovery()").fetchone()[0]:
            raise StoreError(
                f"The store {self._address!r} is on a standby server, which takes no writes. Name "
                "the primary server with store=. Nothing was bought."
            )
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
                f"The role may not buy with the store {self._address!r}: it lacks {missing}. Let "
                "the owner grant the rights that the guide team-store.md lists. Nothing was bought."
            )

    def read_rows(
        self,
        db: Database,
        code: int,
        wanted: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """Read all generations of sorted numbers, as one text for many of them.

        A tuple for each row takes longer.
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

    def _open_store(self, migrate: bool) -> None:
        refused: StoreError | None = None
        try:
            if migrate:
                self._migrate()
            else:
                self.is_made = self._check_use(Translated(self.ready()))
        except self._psycopg.errors.InsufficientPrivilege as error:
            refused = StoreError(
                f"The role may not use the store {self._address!r} ({self.said(error)}). Let its "
                "owner run "
                "`python -m pandas_numberactive store init` once and grant the rights that the "
                "guide team-store.md lists. Nothing was bought."
            )
        except self._psycopg.Error as error:
            refused = StoreError(
                f"The store {self._address!r} cannot be used: {self.said(error)}. Nothing was "
                "bought."
            )
        if refused is not None:
            raise refused

    def _migrate(self) -> None:
        if self._version(Translated(self.ready())) < len(MIGRATIONS):
            self._upgrade()

    def _check_use(self, db: Database) -> bool:
        """Return False where the first run will make the tables. Make and change nothing.

        Raises StoreError where no run could use the store.
        """
        if self._version(db) == len(MIGRATIONS):
            self.check_rights(db)
            return True
        (may_make,) = db.execute(
            "SELECT has_database_privilege(current_database(), 'CREATE')"
        ).fetchone()
        if not may_make:
            raise StoreError(
                f"The role may not use the store {self._address!r}: it has no tables of this "
                "version, and the role may not make them. Let its owner run "
                "`python -m pandas_numberactive store init` once. Nothing was bought."
            )
        return False

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
        """Migrate the tables. A concurrent caller waits for the lock and finds them done."""
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
    """Return a worker's token as the number of an advisory lock."""
    return int.from_bytes(hashlib.sha256(token.encode()).digest()[:8], "big", signed=True)
