"""A PostgreSQL connection that reconnects, and resolves a COMMIT with an unknown outcome.

Behind a pooler each transaction may run in another session. So all settings are part of the message
that begins it. That message also takes the lock that orders all writers, and reads the clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from pandas_numberactive._config.credentials import Address, masked_url
from pandas_numberactive._store.engines.journal import TRIES, Database
from pandas_numberactive.errors import ConfigurationError, StoreError, missing_extra

if TYPE_CHECKING:
    import psycopg

SCHEMA = "numberactive"
WRITE_LOCK = 0x4E414354
GONE_FOR = 20.0  # seconds that the server may be away before a run gives up
OLDEST = 120000  # PostgreSQL 12

_SETTINGS = (
    # A paused client must not hold everybody up: the server ends its transaction, the epochs keep
    # it harmless.
    "SET LOCAL idle_in_transaction_session_timeout = '15s'; "
    "SET LOCAL statement_timeout = 0; "  # waiting for one's turn is no slow query
    "SET LOCAL extra_float_digits = 1; "  # a price to the last digit
    f"SET LOCAL search_path = {SCHEMA}; "
)
_CLOCK = "extract(epoch FROM clock_timestamp())"
_BEGIN: Any = (  # typed as Any: psycopg wants literals
    # A statement sees what was committed before it, whatever the role's default: a cap is counted
    # after the wait.
    "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; "
    "SET LOCAL synchronous_commit = on; "
    f"{_SETTINGS}"
    "SET LOCAL lock_timeout = '60s'; "
    f"SELECT pg_advisory_xact_lock({WRITE_LOCK}); "
    f"SELECT txid_current(), {_CLOCK}"
)
# A server that was started again, or has recovered from a crash, is another one here.
_LIFE: Any = (
    "SELECT pg_backend_pid(), extract(epoch FROM pg_postmaster_start_time()), "
    "pg_last_wal_replay_lsn()"
)
_BEGIN_READING: Any = (
    f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {_SETTINGS} SELECT NULL, {_CLOCK}"
)
# A network that swallows packets must not hold a run up for hours; what the address itself says
# goes before these.
_DEFAULTS = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
    "fallback_application_name": "pandas-numberactive",
}
_AGAIN = (
    "40001",
    "40P01",
)  # serialization failure, deadlock: other programs' locks, for ours come one by one


class Translated:
    """Runs `?` statements on psycopg."""

    at_once = 5000  # rows in one statement, which is a round trip
    numbered = "OVERRIDING SYSTEM VALUE"  # for rows that bring their own id

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        return self._connection.execute(_percent(sql), parameters)

    def among(self, numbers: Iterable[int]) -> tuple[str, tuple[list[int]]]:
        """Return a condition for many numbers that keeps them out of the statement's text."""
        return "= ANY(?)", (list(numbers),)

    def table(self, pairs: Sequence[tuple[int, int]]) -> tuple[str, tuple[list[int], ...]]:
        """Return a table of pairs whose statement has one text for any number of them."""
        columns = ([first for first, _ in pairs], [second for _, second in pairs])
        return "SELECT * FROM unnest(?::bigint[], ?::int[])", columns

    def copy_in(self, table: str, columns: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Insert many rows that are not there yet, as a stream."""
        with (
            self._connection.cursor() as cursor,
            cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as stream,
        ):  # type: ignore[arg-type, unused-ignore]
            for row in rows:
                stream.write_row(row)


def _percent(sql: str) -> Any:
    return sql.replace("%", "%%").replace("?", "%s")


class Connection:
    """One connection to a store's server, whose clock is read at each transaction."""

    def __init__(self, address: Address) -> None:
        try:
            import psycopg
        except ImportError as error:
            raise missing_extra("postgres", "psycopg") from error
        self._psycopg = psycopg
        self._address = address
        if not self._readable():
            raise ConfigurationError(
                f"{self._address!r} is no address of a PostgreSQL store: "
                "postgresql://user@host:5432/database, the "
                "password in ~/.pgpass, or after the user as :password, / ? # @ : % in it as %2F "
                "%3F %23 %40 %3A %25."
            )
        self._ahead = 0.0  # seconds that the server's clock is before ours
        self._lost_at: float | None = None
        self._transaction: int | None = None  # none where it only reads
        self._life = ""  # of the server, from its start or its recovery to its end
        self._undone = False  # the last COMMIT got no reply, and is known not to have gone through
        self._open: psycopg.Connection[Any] | None = None
        self.pooled = False  # sessions are shared: no lock of a session's own
        self.on_connect: Callable[[psycopg.Connection[Any]], None] = lambda _: None
        self._connect()

    def _readable(self) -> bool:
        """Return True if libpq would read the address as meant.

        Its own complaints would quote the password.
        """
        try:
            parts = self._parts()
        except self._psycopg.Error:
            return False
        ports = str(parts.get("port", "")).split(",")
        odd = any("@" in str(parts.get(name, ""))[1:] for name in ("host", "dbname"))
        return not odd and all(port.isdigit() for port in ports if port)

    def _parts(self) -> dict[str, Any]:
        return dict(self._psycopg.conninfo.conninfo_to_dict(str(self._address)))

    def _opened(self) -> psycopg.Connection[Any]:
        """Open a connection in a frame of its own.

        Its parts have no names, because a traceback with locals would show them.
        """
        given = {"autocommit": True, "client_encoding": "UTF8"}
        return self._psycopg.connect("", **{**_DEFAULTS, **self._parts(), **given})

    def _connect(self) -> psycopg.Connection[Any]:
        opened = None
        refused = None
        try:
            opened = self._opened()
            self._look(opened)
            self.on_connect(opened)
        except StoreError as error:
            refused = error
        except Exception as error:
            refused = StoreError(
                f"The store {self._address!r} cannot be reached: {self.said(error)}. Check "
                "NUMBERACTIVE_STORE, the "
                "password (~/.pgpass) and the role's rights; nothing was bought."
            )
        if refused is not None:  # raised outside of `except`: the driver's frames hold the password
            if opened is not None:
                opened.close()
            raise refused
        assert opened is not None
        self._open = opened
        return opened

    def _look(self, connection: psycopg.Connection[Any]) -> None:
        """Read the kind and version of the server."""
        encoding = connection.info.parameter_status("server_encoding")
        if encoding not in ("UTF8", "SQL_ASCII"):  # it could not take every message of the vendor
            raise StoreError(
                f"The store {self._address!r} is in a database of encoding {encoding}: make one "
                "with "
                "`createdb -T template0 -E UTF8`. Nothing was bought."
            )
        if connection.info.server_version < OLDEST:
            raise StoreError(
                f"The store {self._address!r} is on a PostgreSQL older than 12. Nothing was bought."
            )
        row = connection.execute(_LIFE).fetchone()
        pid, self._life = (0, "") if row is None else (row[0], str(row[1:]))
        self.pooled = pid != connection.info.backend_pid  # a pooler makes the session's number up
        # What a pooler prepares for one client another may not have, and a plan made for a small
        # table would read a grown one whole.
        connection.prepare_threshold = None

    def ready(self) -> psycopg.Connection[Any]:
        """Return the connection, after one shared wait if the server has gone."""
        if self._open is not None and not self._broken:
            return self._open
        while True:
            try:
                connection = self._connect()
            except StoreError:
                now = time.monotonic()
                self._lost_at = now if self._lost_at is None else self._lost_at
                if now - self._lost_at > GONE_FOR:
                    raise
                time.sleep(0.2)
            else:
                self._lost_at = None
                return connection

    @property
    def _broken(self) -> bool:
        return self._open is None or self._open.closed or self._open.broken

    def begin(self) -> Database:
        """Start a transaction and wait for our turn. A lost server is waited for."""
        return self._begin(_BEGIN)

    def begin_reading(self) -> Database:
        """Start a transaction that writes nothing and takes no turn."""
        return self._begin(_BEGIN_READING)

    def _begin(self, message: Any) -> Database:
        self._undone = False
        for left in reversed(range(TRIES)):
            connection = self.ready()
            try:
                cursor = connection.execute(message, prepare=False)
                while cursor.nextset():
                    pass
                self._transaction, clock = cursor.fetchone() or (None, 0.0)
                self._set_clock(float(clock) - time.time())
                return Translated(connection)
            except self._psycopg.Error as error:
                self.rollback()
                if not (left and self.passing(error)):
                    raise
        raise AssertionError("unreachable")

    def _set_clock(self, ahead: float) -> None:
        """Note the server's time: a laptop that slept must not misjudge a lease."""
        self._ahead = ahead

    def now(self) -> int:
        """Return the server's time in microseconds since 1970, UTC: a team has one clock."""
        return round((time.time() + self._ahead) * 1e6)

    def commit(self) -> None:
        """Commit the group.

        If the connection is lost before the reply, ask the server for the outcome.
        """
        assert self._open is not None
        try:
            said = self._open.execute("COMMIT", prepare=False).statusmessage
        except self._psycopg.Error:
            if not self._broken:
                raise
            if not self._went_through(self._transaction):
                self._undone = True
                raise
        else:
            if said != "COMMIT":  # a statement had failed, and the server says ROLLBACK
                raise self._psycopg.InternalError("the transaction was rolled back")

    def _went_through(self, transaction: int | None) -> bool:
        """Return True if a transaction is on disk whose COMMIT got no reply.

        Beginning a transaction waits for the lock that it held, so its outcome is known by then. A
        server that does not know it counts as no: each write recognises what it has written before.
        So does a server that has crashed: it may have given the number of a transaction that it
        lost to another one, which was committed.
        """
        if transaction is None:
            return False
        life = self._life
        try:
            row = self.begin().execute("SELECT txid_status(?)", (transaction,)).fetchone()
        except (self._psycopg.Error, StoreError):
            return False
        finally:
            self.rollback()
        return bool(row and row[0] == "committed") and self._life == life

    def rollback(self) -> None:
        """Undo the group. A lost connection has undone it already."""
        if self._open is not None and not self._broken:
            try:
                self._open.execute("ROLLBACK", prepare=False)
            except self._psycopg.Error:
                self._open.close()

    def passing(self, error: BaseException) -> bool:
        """Return True if the same work may be repeated, because it left no trace."""
        lost = self._broken or self._undone
        return isinstance(error, self._psycopg.Error) and (lost or error.sqlstate in _AGAIN)

    def said(self, error: BaseException) -> str:
        """Return the driver's or the server's message, without the lines that quote a row."""
        if not isinstance(error, self._psycopg.Error):
            return type(error).__name__
        text = " ".join(str(error.diag.message_primary or error).split())[:300].rstrip(".?")
        return masked_url(text) or type(error).__name__

    def close(self) -> None:
        """Close the connection."""
        if self._open is not None:
            self._open.close()
