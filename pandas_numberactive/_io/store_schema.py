"""How the SQLite file is made and opened: permissions, pragmas, migrations."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from pandas_numberactive._config.readiness import data_folder
from pandas_numberactive.errors import StoreError, StoreVersionError

APPLICATION_ID = 0x4E414354  # "NACT"
BUSY_SECONDS = 60.0

# SQLite before 3.51.3 can corrupt a file when two processes reset its WAL at once.
WAL_IS_SAFE = sqlite3.sqlite_version_info >= (3, 51, 3)


def first_schema(run: Callable[[str], object]) -> None:
    """Version 1: lookups (one row a purchase), events (append-only ledger), runs, workers, bodies,
    meta.
    """
    for statement in _FIRST:
        run(statement)


# number and packed are integers, and the key is the table's order: a bulk read is one ordered scan.
_FIRST = (
    """CREATE TABLE lookups (
        environment INTEGER NOT NULL, number BIGINT NOT NULL, generation INTEGER NOT NULL,
        packed INTEGER NOT NULL, bought_at BIGINT NOT NULL DEFAULT 0,
        request_id TEXT, opened_at BIGINT, host TEXT, app_key TEXT,
        worker BIGINT, epoch INTEGER NOT NULL DEFAULT 0, run BIGINT,
        spend INTEGER NOT NULL DEFAULT 1,
        code TEXT, msg TEXT, reason TEXT,
        PRIMARY KEY (environment, number, generation)) {tail}""",
    "CREATE INDEX lookups_spend ON lookups (run) WHERE spend = 1",
    """CREATE TABLE events (
        id {serial}, at BIGINT NOT NULL, kind TEXT NOT NULL, environment INTEGER NOT NULL,
        number BIGINT, generation INTEGER, run BIGINT, request_id TEXT, charged INTEGER,
        code TEXT, reason TEXT)""",
    "CREATE INDEX events_opened ON events (environment, request_id) WHERE kind = 'opened'",
    """CREATE TABLE runs (
        run {serial}, key TEXT NOT NULL, environment INTEGER NOT NULL, started_at BIGINT NOT NULL,
        seen_at BIGINT NOT NULL, ended_at BIGINT, cap BIGINT, price DOUBLE PRECISION,
        currency TEXT)""",
    "CREATE INDEX runs_open ON runs (key) WHERE ended_at IS NULL",
    """CREATE TABLE workers (
        worker {serial}, run BIGINT NOT NULL, pid INTEGER NOT NULL, host TEXT NOT NULL,
        token TEXT NOT NULL, lease_until BIGINT NOT NULL)""",
    """CREATE TABLE bodies (
        environment INTEGER NOT NULL, number BIGINT NOT NULL, generation INTEGER NOT NULL,
        at BIGINT NOT NULL, request_id TEXT, body {blob} NOT NULL,
        PRIMARY KEY (environment, number, generation, at)) {tail}""",
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
)

MIGRATIONS: tuple[Callable[[Callable[[str], object]], None], ...] = (first_schema,)


def connect(path: Path | None) -> sqlite3.Connection:
    """Open the store's file, made and migrated if need be; None is a store in memory.

    Raises StoreError where the file cannot be used, StoreVersionError where a newer version made
    it.
    """
    if path is None:
        return _ready(_open(":memory:"), ":memory:")
    _make_private(path)
    with _creation_lock(path):
        try:
            connection = _ready(_open(str(path)), str(path))
            _close_to_others(path)  # now that it is known for a store of ours
            return connection
        except sqlite3.DatabaseError as error:
            raise StoreError(
                f"The store {path.name!r} cannot be used: {error}. Choose another with store=."
            ) from error


def _open(name: str) -> sqlite3.Connection:
    return sqlite3.connect(
        name, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )


def _ready(connection: sqlite3.Connection, name: str) -> sqlite3.Connection:
    """Set the connection up and migrate the file; closes the connection where that fails."""
    try:
        connection.execute("PRAGMA synchronous=FULL")  # an answer on disk is on the platter
        connection.execute("PRAGMA secure_delete=ON")  # a forgotten number leaves no bytes behind
        connection.execute("PRAGMA temp_store=MEMORY")  # no number in a temporary file
        if name != ":memory:":
            _set_journal(connection)
        _migrate(connection, name)
    except BaseException:
        connection.close()
        raise
    return connection


def _set_journal(connection: sqlite3.Connection) -> None:
    """WAL where SQLite's is sound; setting it where it is set already would ask for a lock."""
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    wanted = "wal" if WAL_IS_SAFE else "truncate"
    if mode != wanted:
        connection.execute(f"PRAGMA journal_mode={wanted}").fetchone()


def _make_private(path: Path) -> None:
    """Create the folder 0700 and the file 0600 before SQLite does, so that its side files
    follow.
    """
    # A slip of the pen would buy everything again.
    if path.parent != data_folder().resolve() and not path.parent.is_dir():
        raise StoreError(
            f"There is no folder {path.parent.name!r} for the store {path.name!r}: correct store=, "
            "or make the folder "
            "where a new store is meant. Nothing was bought."
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        raise StoreError(
            f"The store {path.name!r} cannot be created ({error.strerror}). Name a writable place "
            "with store=."
        ) from error
    if not os.access(path, os.W_OK):
        raise StoreError(
            f"The store {path.name!r} is read-only; nothing was bought. Name a writable one with "
            "store=."
        )


def _close_to_others(path: Path) -> None:
    """A file of ours that was copied here may be readable by others: it holds numbers."""
    found = path.stat()
    if hasattr(os, "getuid") and found.st_uid == os.getuid() and found.st_mode & 0o077:
        for one in (
            path,
            *(path.with_name(path.name + end) for end in ("-wal", "-shm", "-journal")),
        ):
            with contextlib.suppress(FileNotFoundError):
                one.chmod(0o600)


@contextlib.contextmanager
def _creation_lock(path: Path) -> Iterator[None]:
    """Only one process at a time creates, switches or migrates."""
    try:
        import fcntl
    except ImportError:  # Windows: SQLite's own locks serve
        yield
        return
    with open(os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR, 0o600), "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _migrate(connection: sqlite3.Connection, name: str) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application != APPLICATION_ID and tables:
        raise StoreError(
            f"{name} is a database of another program. Choose another file with store=."
        )
    if version > len(MIGRATIONS):
        raise StoreVersionError(
            f"{name} was made by a newer pandas-numberactive (store version {version}, this one "
            "knows "
            f"{len(MIGRATIONS)}). Upgrade the package; nothing was bought and nothing was changed."
        )
    if version == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in MIGRATIONS[version:]:
            step(lambda sql: connection.execute(_dialect(sql)))
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={len(MIGRATIONS)}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _dialect(sql: str) -> str:
    return sql.format(tail="WITHOUT ROWID", serial="INTEGER PRIMARY KEY", blob="BLOB")
