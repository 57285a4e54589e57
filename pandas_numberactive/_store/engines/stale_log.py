"""Recognise the -wal file of another copy of the store, before SQLite merges the two.

SQLite applies any -wal that lies beside a file, so that a backup put in the place of a killed run's
file is damaged by that run's log. Each transaction counts itself in the store. The file must hold
the count that stood there when its log began.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
from pathlib import Path

from pandas_numberactive._store.engines.journal import Database
from pandas_numberactive.errors import StoreError

_COUNT = "commit_count"
_DIGITS = 20  # always as many, so that the count is found in the bytes of a log
_IN_LOG = re.compile(rb"%s(\d{%d})" % (_COUNT.encode(), _DIGITS))
_CHUNK = 1 << 20


def count_commit(db: Database) -> None:
    """Count a transaction that has written something, as its last statement."""
    db.execute(
        f"INSERT INTO meta (name, value) VALUES ('{_COUNT}', printf('%0{_DIGITS}d', 1)) "
        "ON CONFLICT (name) DO UPDATE "
        f"SET value = printf('%0{_DIGITS}d', CAST(meta.value AS INTEGER) + 1)"
    )


def refuse_stale_log(path: Path) -> None:
    """Raise StoreError where the log beside the file belongs to another copy of it.

    The log is read first: others may go on writing, and the count in the file only grows. Call it
    before SQLite opens the file, because to close it again would merge them.
    """
    first = _first_in_log(path.with_name(path.name + "-wal"))
    if first is None:
        return
    held = _count_in_file(path)
    if held is not None and held < first - 1:
        raise StoreError(
            f"The store {path} was put in the place of another copy, whose log {path.name}-wal "
            "still lies beside it, as after a killed run. Together they would be damaged. Put the "
            f"other copy back: with its log it holds all that was bought. To use this older one, "
            f"move {path.name}-wal and {path.name}-shm away together: what was bought since it was "
            "made is bought again then. Nothing was bought or changed."
        )


def _first_in_log(log: Path) -> int | None:
    """Return the first count in a log, or None. At most the last log's are found behind a torn one.

    The first transaction of a log has counted one more than the file held when the log began.
    """
    tail = b""
    with contextlib.suppress(OSError), log.open("rb") as file:
        while chunk := file.read(_CHUNK):
            found = _IN_LOG.search(tail + chunk)
            if found is not None:
                return int(found[1])
            tail = chunk[-len(_COUNT) - _DIGITS :]
    return None


def _count_in_file(path: Path) -> int | None:
    """Return the count in the file itself, without its log, or None where it cannot be read.

    A checkpoint that was killed leaves the file half written, to be mended from the log.
    """
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)
        ) as file:
            if not file.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
                return 0
            row = file.execute("SELECT value FROM meta WHERE name = ?", (_COUNT,)).fetchone()
            return 0 if row is None else int(row[0])
    except (sqlite3.Error, ValueError):
        return None
