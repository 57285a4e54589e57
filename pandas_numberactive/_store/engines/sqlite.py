"""Create, open, lock and read the SQLite file."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pandas_numberactive._config.readiness import data_folder
from pandas_numberactive._store.engines.journal import Database
from pandas_numberactive._store.engines.schema import MIGRATIONS
from pandas_numberactive.errors import StoreError, StoreVersionError

if TYPE_CHECKING:
    from numpy.typing import NDArray


APPLICATION_ID = 0x4E414354  # "NACT"
BUSY_SECONDS = 60.0

# SQLite before 3.51.3 can corrupt a file when two processes reset its WAL at once.
WAL_IS_SAFE = sqlite3.sqlite_version_info >= (3, 51, 3)


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


AT_ONCE = 50_000  # numbers a statement: bounds the extra memory, and the length of a statement


FEW = 500


# stored rows in the range for each wanted one, up to which reading the whole range is faster than
# seeking
DENSE = 8


_TEXTS = (
    "group_concat(number), group_concat(bought_at), group_concat(generation << 32 | packed), "
    "count(*)"
)


def _read_rows(db: Database, code: int, wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    parts = [
        _part(db, code, some) for some in np.array_split(wanted, max(1, -(-len(wanted) // AT_ONCE)))
    ]
    return np.concatenate(parts)


def _part(db: Database, code: int, wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    low, high = int(wanted[0]), int(wanted[-1])
    where = f"environment = {int(code)} AND number BETWEEN {low} AND {high}"
    if len(wanted) <= FEW or _crowded(db, where, len(wanted)):
        where = f"environment = {int(code)} AND number IN ({','.join(map(str, wanted.tolist()))})"
        return _read(db, where)
    rows = _read(db, where)
    if np.array_equal(rows[:, 0], wanted):  # a book that was bought before
        return rows
    place = np.minimum(np.searchsorted(wanted, rows[:, 0]), len(wanted) - 1)
    asked: NDArray[np.bool_] = wanted[place] == rows[:, 0]
    return rows if asked.all() else np.compress(asked, rows, axis=0)


def _crowded(db: Database, where: str, wanted: int) -> bool:
    """Whether a range holds so many rows beside the wanted ones that seeking each is faster."""
    most = DENSE * wanted
    (found,) = db.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM lookups WHERE {where} LIMIT {most})"
    ).fetchone()
    return bool(found == most)


def _read(db: Database, where: str) -> NDArray[np.int64]:
    """Each column as one text of integers: a fifth of the time that a tuple for each row takes."""
    *texts, count = db.execute(f"SELECT {_TEXTS} FROM lookups WHERE {where}").fetchone()
    if not count:
        return np.zeros((0, 3), np.int64)
    number, bought, last = (np.fromstring(text, np.int64, sep=",") for text in texts)
    if not len(number) == len(bought) == len(last) == count:
        raise StoreError("The store holds a number or a time that is no integer.")
    if not (
        number[1:] > number[:-1]
    ).all():  # several generations, or an order that nobody promised
        order = np.lexsort([last, number])
        number, bought, last = number[order], bought[order], last[order]
    return np.column_stack([number, last & 0xFFFF_FFFF, bought])


class SQLiteEngine:
    """The journal in one SQLite file; `path` None is a store in memory."""

    errors: tuple[type[Exception], ...] = (sqlite3.Error,)

    def __init__(self, path: Path | None, clock: Callable[[], float] = time.time) -> None:
        self._connection = connect(path)
        self._clock = clock
        self._workers = Liveness(path)

    def passing(self, error: BaseException) -> bool:
        """Nothing passes by itself that SQLite has not waited for."""
        return False

    def said(self, error: BaseException) -> str:
        """SQLite's words: they quote no row."""
        return str(error)

    def begin(self) -> Database:
        """Take the write lock at once: a later upgrade of a read lock could fail."""
        self._connection.execute("BEGIN IMMEDIATE")
        return self._connection

    def commit(self) -> None:
        """Put the group on disk."""
        self._connection.execute("COMMIT")

    def rollback(self) -> None:
        """Undo the group."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def compact(self) -> None:
        """Rewrite the file without what was deleted, its side files included."""
        self._connection.execute("VACUUM")
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
        self._workers.release()

    def now(self) -> int:
        """Return this machine's time in microseconds since 1970, UTC."""
        return round(self._clock() * 1e6)

    def hold(self, db: Database, token: str) -> str:
        """Show a worker alive by a locked file beside the store."""
        self._workers.hold(token)
        return token

    def release(self, db: Database) -> None:
        """Unlock and remove our workers' files."""
        self._workers.release()

    def lives(self, db: Database, token: str) -> bool:
        """Return False where nobody holds the worker's file."""
        return self._workers.lives(token)

    def check_rights(self, db: Database) -> None:
        """Return at once: `connect` has refused a file that cannot be written."""

    def read_rows(self, db: Database, code: int, wanted: NDArray[np.int64]) -> NDArray[np.int64]:
        """Read all generations of sorted numbers, ordered: number, packed, bought_at."""
        return _read_rows(db, code, wanted)


class Liveness:
    """Locked files beside the store; without file locks (Windows, memory) only leases count."""

    def __init__(self, store: Path | None) -> None:
        self._folder = None if store is None else store.with_name(store.name + ".workers")
        self._held: dict[str, int] = {}

    def hold(self, token: str) -> None:
        """Show this worker alive until `release` or death."""
        fcntl = _fcntl()
        if self._folder is None or fcntl is None or token in self._held:
            return
        self._folder.mkdir(mode=0o700, exist_ok=True)
        file = os.open(self._folder / token, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        self._held[token] = file

    def lives(self, token: str) -> bool:
        """Whether a worker's process may be alive; True where that cannot be told."""
        fcntl = _fcntl()
        if self._folder is None or fcntl is None or token in self._held:
            return True
        try:
            file = os.open(self._folder / token, os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        else:
            return False
        finally:
            os.close(file)

    def release(self) -> None:
        """Stop holding; the files go with it."""
        for token, file in self._held.items():
            with contextlib.suppress(OSError):
                os.unlink(str(self._folder) + os.sep + token)
            os.close(file)
        self._held.clear()


def _fcntl() -> Any:
    try:
        import fcntl
    except ImportError:
        return None
    return fcntl
