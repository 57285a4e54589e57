"""Create, open, lock and read the SQLite file."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pandas_numberactive._store.engines import files, stale_log
from pandas_numberactive._store.engines.journal import Database
from pandas_numberactive._store.engines.schema import MIGRATIONS
from pandas_numberactive.errors import StoreError, StoreVersionError

if TYPE_CHECKING:
    from numpy.typing import NDArray


APPLICATION_ID = 0x4E414354  # "NACT"
BUSY_SECONDS = 60.0

BUSY_AGAIN = 1.0  # seconds to wait once a wait was in vain
FORK_SECONDS = 1.0  # for which a fork waits for the turn to close the file

NEW_STORES: str | None = None  # a journal mode for new stores, in place of `new_mode`


def new_mode(path: Path) -> str:
    """Return the journal mode of a store that is made now: WAL where processes take turns."""
    return NEW_STORES or ("wal" if files.takes_turns(path) else "truncate")


def connect(path: Path | None, seconds: float | None = None) -> sqlite3.Connection:
    """Open the store's file, made and migrated if need be.

    None is a store in memory. `seconds` (BUSY_SECONDS by default) are waited for another's lock.

    Raises StoreError where the file cannot be used, a store was lost there or the log of another
    copy lies there, StoreVersionError where a newer version made it.
    """
    seconds = BUSY_SECONDS if seconds is None else seconds
    if path is None:
        return _ready(_open(":memory:", seconds), None)
    files.make_private(path)
    files.refuse_inherited(path)
    with files.creation_lock(path, seconds):
        files.refuse_emptied(path)
        stale_log.refuse_stale_log(path)
        try:
            connection = _ready(_open(str(path), seconds), path)
        except sqlite3.DatabaseError as error:
            raise _unusable(path, error) from error
        files.close_to_others(path)  # now that it is known for a store of ours
        files.note_made(path)
        return connection


def _open(name: str, seconds: float) -> sqlite3.Connection:
    return sqlite3.connect(name, timeout=seconds, isolation_level=None, check_same_thread=False)


def _ready(connection: sqlite3.Connection, path: Path | None) -> sqlite3.Connection:
    """Set up the connection and migrate the file. Closes the connection if that fails."""
    try:
        connection.execute("PRAGMA synchronous=FULL")  # an answer on disk is on the platter
        connection.execute("PRAGMA secure_delete=ON")  # a forgotten number leaves no bytes behind
        connection.execute("PRAGMA temp_store=MEMORY")  # no number in a temporary file
        _migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _unusable(path: Path, error: sqlite3.Error) -> StoreError:
    return StoreError(
        f"The store {path.name!r} cannot be used: {error}. {_advice(error)}, and call again. "
        "Nothing was bought."
    )


def check_use(path: Path) -> bool:
    """Return False where the first run will make the store. Make and change nothing.

    Raises StoreError or StoreVersionError like `connect`. Damage inside the file is not looked for.
    """
    files.refuse_misplaced(path)
    if not path.exists():
        return False
    files.refuse_unusable(path)
    files.refuse_inherited(path)
    files.refuse_emptied(path)
    stale_log.refuse_stale_log(path)
    if path.stat().st_size == 0:
        return False
    if not files.holds_bytes(path, "-journal"):  # else a writer is at work, or was killed
        _check_version(path)
    return True


def _check_version(path: Path) -> None:
    """Raise StoreError where the file cannot be read, is not ours, or is newer.

    Without a log the file is read as it is, because SQLite would make an empty log and leave it.
    """
    how = "mode=ro" if files.holds_bytes(path, "-wal") else "mode=ro&immutable=1"
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?{how}", uri=True)) as file:
            _version(file, path)
    except sqlite3.Error as error:
        raise _unusable(path, error) from error


def look_into(path: Path, sql: str) -> int:
    """Return the number that a read-only query finds in another store, or 0 on failure."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as other:
            return int(other.execute(sql).fetchone()[0])
    except sqlite3.Error:
        return 0


def _migrate(connection: sqlite3.Connection, path: Path | None) -> None:
    version = _version(connection, path or Path(":memory:"))
    if path is not None:
        # The mode of a file in WAL is kept: another SQLite may have it open. The other modes are a
        # connection's own, and never the file's.
        _set_journal(connection, "truncate" if version else new_mode(path))
    if version == len(MIGRATIONS):
        return
    _take_steps(connection, version)
    if version and path is not None and not Liveness(path).anyone():
        # Alone on the file, and programs that take no turn cannot open it from here on.
        with contextlib.suppress(sqlite3.OperationalError):  # a reader: it stays as it is
            _set_journal(connection, new_mode(path))


def _take_steps(connection: sqlite3.Connection, version: int) -> None:
    """Bring the tables from a version to ours, in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in MIGRATIONS[version:]:
            step(lambda sql: connection.execute(_dialect(sql)))
        stale_log.count_commit(connection)
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={len(MIGRATIONS)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk ends it
            connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the file's version, 0 for a new one. Raises if the file is not ours, or newer."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application != APPLICATION_ID and tables:
        raise StoreError(
            f"{path} is a database of another program. Choose another file with store=."
        )
    if version > len(MIGRATIONS):
        raise StoreVersionError(
            f"{path} was made by a newer pandas-numberactive (store version {version}, this one "
            f"knows {len(MIGRATIONS)}). Upgrade the package; nothing was bought and nothing was "
            "changed."
        )
    return int(version) if tables else 0


def _set_journal(connection: sqlite3.Connection, wanted: str) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    if mode != "wal":
        connection.execute(f"PRAGMA journal_mode={wanted}").fetchone()


def _dialect(sql: str) -> str:
    return sql.format(tail="WITHOUT ROWID", serial="INTEGER PRIMARY KEY", blob="BLOB")


AT_ONCE = 50_000  # numbers a statement: bounds the extra memory, and the length of a statement


FEW = 500


# Read the whole range if it holds at most this many rows for each wanted one, else seek each row.
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
    low = int(wanted[0])
    high = int(wanted[-1])
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
    """Return True if reading the whole range is faster than seeking each wanted row."""
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
        number = number[order]
        bought = bought[order]
        last = last[order]
    return np.column_stack([number, last & 0xFFFF_FFFF, bought])


def of_parent() -> StoreError:
    """Return the error for a store in memory that is used in a forked child."""
    return StoreError(
        "The store in memory belongs to the process that this one was forked from, which does not "
        "see what is written here. Name a file with store= for several processes. Nothing was "
        "bought."
    )


_of_parents: list[sqlite3.Connection] = []
_left_open: list[tuple[sqlite3.Connection, files.Identity | None]] = []


def _inherit_left_open() -> None:
    for _, file in _left_open:
        if file is not None:
            file.inherit()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_inherit_left_open)


class SQLiteEngine:
    """The journal in one SQLite file, or in memory if `path` is None."""

    errors: tuple[type[Exception], ...] = (sqlite3.Error, OSError)
    far = False

    def __init__(self, path: Path | None, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._in_child = False
        self.reopen()

    def reopen(self) -> None:
        """Open the file, or an empty store in memory.

        Raises StoreError in a forked child for a store in memory, which is the parent's.
        """
        if self._in_child and self._path is None:
            raise of_parent()
        self._connection: sqlite3.Connection | None = connect(self._path)
        self._file = None if self._path is None else files.Identity(self._path)
        self._workers = Liveness(self._path)
        self._turn = None
        if self._path is not None and files.takes_turns(self._path):
            self._turn = files.Turn(self._path)
        self._patient = True
        self._changes = 0  # rows that the connection had changed when the transaction began

    def before_fork(self) -> None:
        """Close the file, in turn: a child that inherits a connection opens it without a lock."""
        if self._path is None or self._connection is None:
            return
        if self._turn is not None:
            self._turn.take(FORK_SECONDS)
        try:
            self._connection.close()
            self._connection = None
        finally:
            self._give_turn()

    def leave_to_parent(self) -> None:
        """Keep the parent's connection unused: to close it here would drop the parent's locks."""
        self._in_child = True
        if self._connection is not None:
            _of_parents.append(self._connection)
            if self._file is not None:
                self._file.inherit()
        if self._turn is not None:
            self._turn.close()
        self._workers.leave_to_parent()

    def passing(self, error: BaseException) -> bool:
        """Return False: SQLite has waited for whatever passes by itself."""
        return False

    def cause(self, error: BaseException) -> BaseException:
        """Return FileGoneError where the file went between two statements, else the error."""
        if not isinstance(error, sqlite3.Error):
            return error
        try:
            self._check_file()
        except files.FileGoneError as gone:
            return gone
        return error

    def shared(self, error: BaseException) -> bool:
        """Return True where the file is gone, or another program keeps it."""
        away = isinstance(error, files.FileGoneError | files.TurnHeldError)
        return away or _code(error) == sqlite3.SQLITE_BUSY

    def said(self, error: BaseException) -> str:
        """Return SQLite's words: they quote no row."""
        return str(error)

    def advice(self, error: BaseException) -> str:
        """Return the way out, in a sentence."""
        return _advice(error)

    def begin(self) -> Database:
        """Take the write lock at once: a later upgrade of a read lock could fail."""
        self._check_file()
        connection = self._opened()
        self._take_turn()
        self._wait_for("BEGIN IMMEDIATE")
        self._changes = connection.total_changes
        return connection

    def _opened(self) -> sqlite3.Connection:
        """Return the connection, opened again where it was closed for a fork.

        Raises FileGoneError where another file has its name by then.
        """
        if self._connection is not None:
            return self._connection
        self._check_file()
        try:
            connection = connect(self._path, self._seconds())
        except StoreError:
            self._patient = False
            raise
        try:
            self._check_file()
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _seconds(self) -> float:
        return BUSY_SECONDS if self._patient else BUSY_AGAIN

    def begin_reading(self) -> Database:
        """Start as a writer does: a reader would hold up another process's commit as long."""
        return self.begin()

    def commit(self) -> None:
        """Put the group on disk, in the file that was opened."""
        self._check_file()
        connection = self._opened()
        if connection.total_changes != self._changes:
            stale_log.count_commit(connection)
        self._wait_for("COMMIT")
        self._set_patience(True)
        self._give_turn()

    def _take_turn(self) -> None:
        if self._turn is None:
            return
        try:
            self._turn.take(self._seconds())
        except files.TurnHeldError:
            self._set_patience(False)
            raise

    def _give_turn(self) -> None:
        if self._turn is not None:
            self._turn.give()

    def _check_file(self) -> None:
        if self._file is not None:
            self._file.check()

    def _wait_for(self, sql: str) -> None:
        """Wait long for another program's lock, and only once: what comes after waits briefly.

        A COMMIT alone ends that. A long reader lets each BEGIN pass, and keeps each COMMIT waiting.
        """
        try:
            self._opened().execute(sql)
        except sqlite3.OperationalError as error:
            if _code(error) == sqlite3.SQLITE_BUSY:
                self._set_patience(False)
            raise

    def _set_patience(self, patient: bool) -> None:
        if patient != self._patient:
            seconds = BUSY_SECONDS if patient else BUSY_AGAIN
            self._opened().execute(f"PRAGMA busy_timeout={round(seconds * 1000)}")
            self._patient = patient

    def rollback(self) -> None:
        """Undo the group."""
        try:
            if self._connection is not None and self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        finally:
            self._give_turn()

    def compact(self) -> None:
        """Rewrite the file without what was deleted, its side files included.

        Raises StoreError where a reader keeps the deleted bytes in the write-ahead log.
        """
        connection = self._opened()
        self._take_turn()
        try:
            stale_log.count_commit(connection)  # what follows changes all pages
            connection.execute("VACUUM")
            (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            self._give_turn()
        if busy:
            raise StoreError(
                "The numbers were deleted, but another program reads the store, which keeps "
                "their bytes in its -wal file. End that program, and call this again."
            )

    def close(self) -> None:
        """Close the connection, in turn: the last one to close empties the log."""
        connection = self._connection
        if connection is not None:
            self._close(connection)
            self._connection = None
        if self._turn is not None:
            self._turn.close()
        self._workers.release()

    def _close(self, connection: sqlite3.Connection) -> None:
        try:
            self._take_turn()
        except (files.TurnHeldError, OSError):
            # A paused writer has the turn, or it cannot be opened: ours ends with the process.
            _left_open.append((connection, self._file))
        else:
            connection.close()

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
        """Return False if no process holds the worker's file."""
        return self._workers.lives(token)

    def certain(self, db: Database, token: str) -> bool:
        """Return True where somebody holds the worker's file."""
        return self._workers.certain(token)

    def make_again(self, db: Database) -> None:
        """Return at once: a file that was lost has stopped the run."""

    def check_rights(self, db: Database) -> None:
        """Return at once: `connect` has refused a file that cannot be written."""

    def read_rows(
        self,
        db: Database,
        code: int,
        wanted: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """Read all generations of sorted numbers, ordered: number, packed, bought_at."""
        return _read_rows(db, code, wanted)


_ADVICE = {
    sqlite3.SQLITE_BUSY: "End what reads or locks it (a backup, a database viewer), or wait",
    sqlite3.SQLITE_FULL: "Free disk space",
    sqlite3.SQLITE_IOERR: "Free disk space, or check the disk",
    sqlite3.SQLITE_NOTADB: "Put its backup back, or name another store with store=",
    sqlite3.SQLITE_CORRUPT: "Put its backup back, or name another store with store=",
}


def _advice(error: BaseException) -> str:
    """Return the way out. Another store buys again, so it is named only where this one is lost."""
    return _ADVICE.get(_code(error), "Check its disk and your rights")


def _code(error: BaseException) -> int:
    """Return SQLite's primary error code, 0 for any other error."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


class Liveness:
    """Locked files beside the store. Without file locks (Windows, memory) only leases count."""

    def __init__(self, store: Path | None) -> None:
        self._folder = None if store is None else store.with_name(store.name + ".workers")
        self._held: dict[str, int] = {}

    def hold(self, token: str) -> None:
        """Show this worker alive until `release` or death."""
        fcntl = files.fcntl()
        if self._folder is None or fcntl is None or token in self._held:
            return
        self._folder.mkdir(mode=0o700, exist_ok=True)
        file = os.open(self._folder / token, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        self._held[token] = file

    def lives(self, token: str) -> bool:
        """Return False only if a worker's process is certainly dead."""
        fcntl = files.fcntl()
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

    def leave_to_parent(self) -> None:
        """Close our copies of the parent's locks, which it keeps: they must end with it."""
        for file in self._held.values():
            os.close(file)
        self._held.clear()

    def certain(self, token: str) -> bool:
        """Return True only if a worker's process is certainly alive."""
        return self._folder is not None and files.fcntl() is not None and self.lives(token)

    def anyone(self) -> bool:
        """Return True where any worker of the store may be alive."""
        if self._folder is None or not self._folder.is_dir():
            return False
        return any(self.lives(entry.name) for entry in self._folder.iterdir())

    def release(self) -> None:
        """Stop holding and remove the lock files."""
        for token, file in self._held.items():
            with contextlib.suppress(OSError):
                os.unlink(str(self._folder) + os.sep + token)
            os.close(file)
        self._held.clear()
