"""Writers of a SQLite store take turns, so that WAL mode is sound on every SQLite."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from pandas_numberactive._store.engines import files
from pandas_numberactive._store.engines.schema import MIGRATIONS
from pandas_numberactive._store.store import LookupStore
from pandas_numberactive._testing import patience
from pandas_numberactive.errors import StoreError

fcntl = pytest.importorskip("fcntl", reason="there are no such locks on Windows")
OLD = (Path(__file__).parent / "data" / "before-sqlite.sql").read_text()


def mode_of(path: Path) -> str:
    with closing(sqlite3.connect(path)) as db:
        return str(db.execute("PRAGMA journal_mode").fetchone()[0])


@contextmanager
def locked(path: Path):
    """A lock as another process holds it."""
    file = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(file)


@pytest.fixture
def old(tmp_path):
    """A store as 0.1.0 left it, in the mode of its SQLite."""
    path = tmp_path / "old.sqlite3"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(OLD)
    return path


def test_a_new_store_is_in_wal_mode(tmp_path):
    """One fsync a commit, in place of five."""
    LookupStore(tmp_path / "s.sqlite3").close()
    assert mode_of(tmp_path / "s.sqlite3") == "wal"


def test_no_write_passes_another_ones_turn(tmp_path):
    """While one process writes, checkpoints or closes, no other does."""
    path = tmp_path / "s.sqlite3"
    with patience(0.3), LookupStore(path) as store:
        with locked(tmp_path / "s.sqlite3.turn"):
            with pytest.raises(StoreError, match="held the store"):
                store.count()
            with pytest.raises(StoreError, match="held the store"):
                store.compact()
        assert store.count() == 0
        store.compact()


def test_a_turn_that_becomes_a_folder_ends_no_thread(tmp_path):
    """Its store's thread died of it, with the connection open and the store never closed."""
    path = tmp_path / "s.sqlite3"
    with LookupStore(path) as store:
        (tmp_path / "s.sqlite3.turn").mkdir()
        with pytest.raises(StoreError, match="could not be read or written"):
            store.count()
    with pytest.raises(StoreError, match="turn beside the store cannot be opened"):
        LookupStore(path)


def test_an_old_store_is_converted_when_alone(old):
    """Its new version keeps out programs that take no turn."""
    with LookupStore(old) as store:
        assert store.count() == 10
    assert mode_of(old) == "wal"
    with closing(sqlite3.connect(old)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)


def test_an_old_store_with_a_living_worker_keeps_its_mode(old):
    """A program of before may be writing without turns."""
    folder = old.with_name("old.sqlite3.workers")
    folder.mkdir()
    with locked(folder / "0123456789abcdef"), LookupStore(old) as store:
        assert store.count() == 10
    assert mode_of(old) != "wal"


def test_a_network_file_system_gets_no_wal(tmp_path, monkeypatch):
    """Its file locks cannot be trusted, and WAL needs memory that is shared."""
    monkeypatch.setattr(files, "file_system", lambda _: "nfs4")
    with LookupStore(tmp_path / "s.sqlite3") as store:
        assert store.count() == 0
    assert mode_of(tmp_path / "s.sqlite3") != "wal"
    assert not (tmp_path / "s.sqlite3.turn").exists()


MOUNTED = r"""
disk / ext4 rw 0 0
server:/team /mnt/Team\040Share nfs4 rw 0 0
systemd-1 /mnt/auto autofs rw 0 0
server:/auto /mnt/auto nfs4 rw 0 0
share /mnt/back\134slash\040 virtiofs rw 0 0
gvfsd-fuse /run/user/1000/gvfs fuse.gvfsd-fuse rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/home/me", "ext4"),
        ("/mnt/Team Share", "nfs4"),
        ("/mnt/Team Share/risk", "nfs4"),
        ("/mnt/Team", "ext4"),
        ("/mnt/auto", "nfs4"),
        ("/mnt/back\\slash /risk", "virtiofs"),
        ("/run/user/1000/gvfs/smb-share", "fuse.gvfsd-fuse"),
    ],
)
def test_a_network_file_system_is_known_by_its_mount(tmp_path, monkeypatch, folder, kind):
    """A blank is written as an octal number, and a later mount lies over an earlier one."""
    monkeypatch.setattr(files, "MOUNTS", tmp_path / "mounts")
    files.MOUNTS.write_text(MOUNTED.lstrip())
    place = Path(folder) / "s.sqlite3"
    assert files.file_system(place) == kind
    assert files.takes_turns(place) == (kind == "ext4")
