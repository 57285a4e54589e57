"""The team's store: the same statements on PostgreSQL (extra `postgres`, psycopg 3), for many machines at once.

Every write transaction takes one advisory lock first, as SQLite's BEGIN IMMEDIATE does: claims and caps are decided
one after the other, so no deadlock is possible; group commit makes up for it. Times are by the server's clock.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from pandas_numberactive._io.store import LookupStore
from pandas_numberactive._io.store_journal import Database, Engine
from pandas_numberactive._io.store_schema import MIGRATIONS
from pandas_numberactive.errors import StoreError, StoreVersionError, missing_extra

if TYPE_CHECKING:
    import psycopg
    from numpy.typing import NDArray

SCHEMA = "numberactive"
WRITE_LOCK, MIGRATION_LOCK = 0x4E414354, 0x4E414355
GONE_FOR = 20.0  # seconds that the server may be away before a run gives up
_SESSION = (
    "SET synchronous_commit = on",
    # A paused client must not hold everybody up: the server ends its transaction, the epochs keep it harmless.
    "SET idle_in_transaction_session_timeout = '15s'",
    "SET lock_timeout = '60s'",
    f"SET search_path = {SCHEMA}",
)


class _Dsn:
    """Holds the address with its password out of every repr."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return masked_dsn(self._text)

    def reveal(self) -> str:
        return self._text


def masked_dsn(dsn: str) -> str:
    """The address without its password."""
    hidden = re.sub(r"(://[^/?#@:]*):[^/?#]*@", r"\1:***@", dsn)
    return re.sub(r"(?i)(password=)[^&\s]*", r"\1***", hidden)


class _Translated:
    """Runs `?` statements on psycopg."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        return self._connection.execute(_percent(sql), parameters)

    def copy_in(self, table: str, columns: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Insert many rows that are not there yet, as a stream."""
        with self._connection.cursor() as cursor, cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as stream:  # type: ignore[arg-type, unused-ignore]
            for row in rows:
                stream.write_row(row)


def _percent(sql: str) -> Any:
    return sql.replace("%", "%%").replace("?", "%s")


class PostgresEngine:
    """One connection, made again when the server was away; begins with the lock that orders all writers."""

    def __init__(self, dsn: _Dsn, on_connect: Callable[[float], None]) -> None:
        try:
            import psycopg
        except ImportError as error:
            raise missing_extra("postgres", "psycopg") from error
        self._psycopg = psycopg
        self.errors: tuple[type[Exception], ...] = (psycopg.Error,)
        self._dsn = dsn
        self._on_connect = on_connect
        self.tokens: set[str] = set()
        self._connection: psycopg.Connection[Any] | None = None
        self._connect()
        try:
            self._migrate()
        except BaseException:
            self.close()
            raise

    def _connect(self) -> psycopg.Connection[Any]:
        try:
            connection = self._psycopg.connect(self._dsn.reveal(), autocommit=True, connect_timeout=10)
        except self._psycopg.Error as error:
            said = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
            raise StoreError(
                f"The store {self._dsn!r} cannot be reached: {said}. Check NUMBERACTIVE_STORE and the role's rights; "
                "nothing was bought."
            ) from None
        for statement in _SESSION:
            connection.execute(statement)
        row = connection.execute("SELECT extract(epoch FROM clock_timestamp())").fetchone()
        self._on_connect(float(row[0]) - time.time() if row else 0.0)
        for token in self.tokens:
            connection.execute("SELECT pg_try_advisory_lock(%s)", (token_key(token),))
        self._connection = connection
        return connection

    def _ready(self) -> psycopg.Connection[Any]:
        """The connection, after a wait where the server has gone."""
        if self._connection is not None and not (self._connection.closed or self._connection.broken):
            return self._connection
        deadline = time.monotonic() + GONE_FOR
        while True:
            try:
                return self._connect()
            except (StoreError, self._psycopg.Error):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def begin(self) -> Database:
        """Start a transaction and wait for our turn among all writers."""
        connection = self._ready()
        connection.execute("BEGIN")
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (WRITE_LOCK,))
        return _Translated(connection)

    def commit(self) -> None:
        """Put the group on the server's disk."""
        assert self._connection is not None
        self._connection.execute("COMMIT")

    def rollback(self) -> None:
        """Undo the group; a lost connection has undone it."""
        if self._connection is None or self._connection.closed or self._connection.broken:
            return
        self._connection.execute("ROLLBACK")

    def compact(self) -> None:
        """Let the server reuse what was deleted; its log and backups are its owner's to clean."""
        with contextlib.suppress(self._psycopg.errors.InsufficientPrivilege):
            self._ready().execute("VACUUM lookups, bodies, events")

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()

    def _migrate(self) -> None:
        connection = self._ready()
        connection.execute("SELECT pg_advisory_lock(%s)", (MIGRATION_LOCK,))
        try:
            version = self._version(connection)
            if version > len(MIGRATIONS):
                raise StoreVersionError(
                    f"The store {self._dsn!r} was made by a newer pandas-numberactive (version {version}, this one "
                    f"knows {len(MIGRATIONS)}). Upgrade the package; nothing was bought."
                )
            if version < len(MIGRATIONS):
                self._upgrade(connection, version)
        except self._psycopg.errors.InsufficientPrivilege as error:
            raise StoreError(
                f"The role may not use the store {self._dsn!r} ({error.diag.message_primary}). Let its owner run "
                "`python -m pandas_numberactive store init` once and grant the rights that the README lists."
            ) from None
        finally:
            if not connection.closed:
                connection.execute("SELECT pg_advisory_unlock(%s)", (MIGRATION_LOCK,))

    def _version(self, connection: psycopg.Connection[Any]) -> int:
        row = connection.execute("SELECT to_regclass(%s)", (f"{SCHEMA}.meta",)).fetchone()
        if row is None or row[0] is None:
            return 0
        found = connection.execute("SELECT value FROM meta WHERE name = 'schema_version'").fetchone()
        return int(found[0]) if found else 0

    def _upgrade(self, connection: psycopg.Connection[Any], version: int) -> None:
        with connection.transaction():
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
            for step in MIGRATIONS[version:]:
                step(lambda sql: connection.execute(_dialect(sql)))
            connection.execute(
                "INSERT INTO meta (name, value) VALUES ('schema_version', %s) "
                "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                (str(len(MIGRATIONS)),),
            )


def _dialect(sql: str) -> Any:
    return sql.format(tail="", serial="BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", blob="BYTEA")


def token_key(token: str) -> int:
    """A worker's token as the number of an advisory lock."""
    return int.from_bytes(hashlib.sha256(token.encode()).digest()[:8], "big", signed=True)


class PostgresStore(LookupStore):
    """LookupStore on PostgreSQL: `postgresql://user@host/database`; the tables live in the schema `numberactive`."""

    def __init__(self, location: str) -> None:
        self._dsn = _Dsn(location)
        self._offset = 0.0
        super().__init__(":memory:", clock=lambda: time.time() + self._offset)
        self.location = masked_dsn(location)

    def _engine(self) -> Engine:
        self._postgres = PostgresEngine(self._dsn, self._set_offset)
        return self._postgres

    def _set_offset(self, seconds: float) -> None:
        self._offset = seconds

    async def join(self, run: int, *, lease: float) -> int:
        """Register this worker; its session holds a lock that the server drops when the process dies."""
        worker = await super().join(run, lease=lease)

        def hold(db: Database) -> None:
            (token,) = db.execute("SELECT token FROM workers WHERE worker = ?", (worker,)).fetchone()
            db.execute("SELECT pg_try_advisory_lock(?)", (token_key(token),))
            self._postgres.tokens.add(token)

        await self._journal.write(hold)
        return worker

    async def leave(self, worker: int, run: int, *, finished: bool) -> None:
        """Take this worker off and drop its lock."""

        def drop(db: Database) -> None:
            for token in self._postgres.tokens:
                db.execute("SELECT pg_advisory_unlock(?)", (token_key(token),))
            self._postgres.tokens.clear()

        await super().leave(worker, run, finished=finished)
        await self._journal.write(drop)

    def alive(self, db: Database, worker: int) -> bool:
        """Whether a worker holds its lease, and the server still has its session."""
        row = db.execute("SELECT token, lease_until FROM workers WHERE worker = ?", (worker,)).fetchone()
        if row is None or row[1] < self.now():
            return False
        if row[0] in self._postgres.tokens:
            return True
        (free,) = db.execute("SELECT pg_try_advisory_lock(?)", (token_key(row[0]),)).fetchone()
        if free:
            db.execute("SELECT pg_advisory_unlock(?)", (token_key(row[0]),))
        return not free

    def _rows(self, db: Database, code: int, wanted: NDArray[np.int64]) -> NDArray[np.int64]:
        """All generations of the wanted numbers, ordered, as one text: a tuple for each row takes longer."""
        (text,) = db.execute(
            "SELECT string_agg(concat_ws(',', number, packed, bought_at), ',' ORDER BY number, generation) "
            "FROM lookups WHERE environment = ? AND number = ANY(?)",
            (code, wanted.tolist()),
        ).fetchone()
        return np.fromstring(text, np.int64, sep=",").reshape(-1, 3) if text else np.zeros((0, 3), np.int64)
