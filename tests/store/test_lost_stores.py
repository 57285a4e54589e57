"""A store that is not there any more, or not ours: nothing is bought into another one."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive._config import used_stores
from pandas_numberactive._purchase.purchase import LookupState, Purchase
from pandas_numberactive._run.buyer import Buyer
from pandas_numberactive._store import claims, saves, workers
from pandas_numberactive._store.engines import sqlite
from pandas_numberactive._store.store import LookupStore
from pandas_numberactive._testing import journal_mode, patience
from pandas_numberactive.errors import ConfigurationError, NumberActiveError, StoreError
from pandas_numberactive.simulator import Faults, Simulator

KEYS = {"app_key": "made-up-key", "secret": "made-up-secret"}
GOOD = ["answered", "no_data"]
pytestmark = pytest.mark.filterwarnings("ignore::pandas_numberactive.errors.IncompleteRunWarning")


@pytest.fixture(params=["truncate", "wal"])
def path(request, tmp_path):
    """A place for a store, in each journal mode of SQLite."""
    with journal_mode(request.param):
        yield tmp_path / "s.sqlite3"


def book(count: int) -> pd.DataFrame:
    return pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(count)]})


def use(vendor: Simulator, store: object, **options: object):
    given = {"max_concurrency": 4, "progress": False, **options}
    return pna.override(
        environment="sandbox", base_url=vendor.base_url, store=str(store), **KEYS, **given
    )


def move(path: Path, away: Path) -> None:
    for end in ("", "-wal", "-shm", "-journal"):
        side = path.with_name(path.name + end)
        if side.exists():
            side.rename(away.with_name(away.name + end))


def replace(path: Path, away: Path) -> None:
    shutil.copy(path, away.with_name("fresh"))
    move(path, away)
    away.with_name("fresh").rename(path)


@pytest.mark.parametrize("lose", [move, replace])
def test_a_store_moved_while_buying_stops_the_run(path, lose, tmp_path):
    """Nothing goes into a file that nobody will find; put back, the store has it all."""
    away = tmp_path / "away.sqlite3"
    with Simulator(stand_in=True, latency=0.01, **KEYS) as vendor, use(vendor, path):
        job = book(150).numberactive.start("phone")
        while vendor.ledger.total < 20:
            assert not job.done()
        lose(path, away)
        with pytest.raises(StoreError, match="moved, removed or replaced"):
            job.result(60)
        assert vendor.ledger.total < 150
        move(away, path)
        out = book(150).numberactive.enrich("phone")
        assert out["phone_lookup_status"].isin(GOOD).all()
        assert vendor.ledger.total == 150
        assert vendor.ledger.double_charged() == []


@pytest.mark.parametrize("lose", [move, replace])
def test_a_store_moved_inside_a_write_is_named(path, lose, tmp_path):
    """SQLite itself says "readonly database" then, in the mode that keeps a rollback journal."""

    def write(db):
        lose(path, tmp_path / "away.sqlite3")
        db.execute("INSERT INTO meta VALUES ('mine', '1')")

    with LookupStore(path) as store, pytest.raises(StoreError, match="moved, removed or replaced"):
        store.do(write)


def remove(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("lose", [remove, empty])
def test_a_lost_store_is_not_made_anew(path, vendor, lose):
    """What lies beside it says that it was there."""
    with use(vendor, path):
        book(3).numberactive.enrich("phone")
        lose(path)
        calls = len(vendor.calls)
        with pytest.raises(StoreError, match="held look-ups") as caught:
            book(3).numberactive.enrich("phone")
        assert "Nothing was bought" in str(caught.value)
        assert len(vendor.calls) == calls
        for beside in path.parent.glob("s.sqlite3?*"):
            shutil.rmtree(beside) if beside.is_dir() else beside.unlink()
        with pytest.raises(StoreError, match=REFUSED):
            book(3).numberactive.enrich("phone")
        pna.configure(store=str(path))
        book(3).numberactive.enrich("phone")
        assert vendor.ledger.total == 6


def test_a_lost_store_names_the_answers_that_wait(path, vendor):
    """Paid answers beside a store that is gone must not be thrown away with its lock."""
    path.with_name("s.sqlite3.rescue").mkdir()
    with use(vendor, path), pytest.raises(StoreError, match=r"Paid answers wait in s.sqlite3.resc"):
        book(3).numberactive.enrich("phone")
    assert vendor.calls == []
    assert not path.exists()


@pytest.mark.skipif(os.name == "nt", reason="a link needs rights there")
def test_a_link_to_nothing_makes_no_store(path, vendor, tmp_path):
    """The disk behind it is not mounted, say."""
    path.symlink_to(tmp_path / "disk.sqlite3")
    with use(vendor, path), pytest.raises(StoreError, match="is a link to"):
        book(3).numberactive.enrich("phone")
    assert vendor.calls == []


def test_a_store_begun_by_a_process_that_died_is_made(path, vendor):
    """An empty file and an empty lock are all that it left."""
    path.touch()
    path.with_name("s.sqlite3.lock").touch()
    with use(vendor, path):
        assert book(3).numberactive.enrich("phone")["phone_lookup_status"].isin(GOOD).all()


def test_a_store_with_two_names_is_refused(path, vendor):
    """Two runs, one under each name, would see neither each other's locks nor answers."""
    with use(vendor, path):
        book(1).numberactive.enrich("phone")
    other = path.with_name("other.sqlite3")
    os.link(path, other)
    for name in (path, other):
        with pytest.raises(StoreError, match="hard link"), use(vendor, name):
            book(3).numberactive.enrich("phone")
    assert vendor.ledger.total == 1
    other.unlink()
    with use(vendor, path):
        book(3).numberactive.enrich("phone")
    assert vendor.ledger.total == 3


def test_a_relative_store_stays_where_it_was_configured(path, vendor, tmp_path, monkeypatch):
    """A notebook that changes its folder goes on with the same file."""
    monkeypatch.chdir(tmp_path)
    with use(vendor, path.name):
        book(3).numberactive.enrich("phone")
        (tmp_path / "other").mkdir()
        monkeypatch.chdir(tmp_path / "other")
        book(3).numberactive.enrich("phone")
    assert vendor.ledger.total == 3


@pytest.mark.parametrize("mode", ["truncate", "wal"])
def test_a_store_keeps_its_journal_mode(tmp_path, mode):
    """Another SQLite may have it open: its mode is never changed under it."""
    path = tmp_path / "s.sqlite3"
    with journal_mode(mode):
        pna.LookupStore(path).close()
    with journal_mode("truncate" if mode == "wal" else "wal"):
        pna.LookupStore(path).close()
    with closing(sqlite3.connect(path)) as db:
        found = db.execute("PRAGMA journal_mode").fetchone()[0]
    assert (found == "wal") == (mode == "wal")


def log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def begin_new_log(path: Path) -> None:
    """Have the next transaction begin a new log, as each full one does."""
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA wal_checkpoint").fetchone()


@pytest.fixture
def killed(tmp_path, vendor):
    """Yield a place, a backup with 2 answers, and the file and the log of a killed run with 9."""
    path = tmp_path / "s.sqlite3"
    with journal_mode("wal"), use(vendor, path):
        book(2).numberactive.enrich("phone")
        backup = path.read_bytes()
        with LookupStore(path):  # it keeps the log that a killed run leaves
            book(6).numberactive.enrich("phone")
            begin_new_log(path)
            book(9).numberactive.enrich("phone")
            left = path.read_bytes(), log_of(path).read_bytes()
        used_stores.forget_used()  # as a new process
        yield path, backup, *left


def test_a_backup_beside_the_log_of_a_killed_run_is_refused(killed, vendor):
    """SQLite merged the two: 25,675 charges for 19,500 numbers, and a damaged file."""
    path, backup, _, log = killed
    path.write_bytes(backup)
    log_of(path).write_bytes(log)
    for _ in range(2):
        with pytest.raises(StoreError, match="in the place of another copy") as caught:
            book(12).numberactive.enrich("phone")
    assert "Nothing was bought" in str(caught.value)
    assert vendor.ledger.total == 9
    assert path.read_bytes() == backup
    assert log_of(path).read_bytes() == log


def test_a_backup_serves_once_the_log_is_moved_away(killed, vendor):
    path, backup, _, _ = killed
    path.write_bytes(backup)
    out = book(9).numberactive.enrich("phone")
    assert out["phone_lookup_status"].isin(GOOD).all()
    assert vendor.ledger.total == 9 + 7


def test_the_log_of_a_killed_run_opens_with_its_own_file(killed, vendor):
    path, _, file, log = killed
    path.write_bytes(file)
    log_of(path).write_bytes(log)
    out = book(9).numberactive.enrich("phone")
    assert out["phone_lookup_status"].isin(GOOD).all()
    assert vendor.ledger.total == 9
    assert vendor.ledger.double_charged() == []


def note(name: str):
    def write(db):
        db.execute("INSERT INTO meta VALUES (?, '1')", (name,))

    return write


def test_a_backup_of_before_a_compaction_is_refused(tmp_path):
    """A compaction moves all pages, and the log behind it names the new ones."""
    path = tmp_path / "s.sqlite3"
    with journal_mode("wal"):
        with LookupStore(path) as store:
            store.do(note("one"))
        backup = path.read_bytes()
        with LookupStore(path) as store:
            store.compact()
            store.do(note("two"))
            log = log_of(path).read_bytes()
    path.write_bytes(backup)
    log_of(path).write_bytes(log)
    with pytest.raises(StoreError, match="in the place of another copy"):
        LookupStore(path)


def test_what_a_kill_leaves_always_opens(tmp_path):
    """After each commit, checkpoint and compaction, in the middle of them, and beside another."""
    path = tmp_path / "s.sqlite3"
    left: list[tuple[bytes, bytes]] = []
    with journal_mode("wal"), LookupStore(path) as store:
        steps = [
            lambda: store.do(note("one")),
            lambda: begin_new_log(path),
            lambda: store.do(note("two")),
            lambda: store.do(note("three")),
            store.compact,
            lambda: store.do(note("four")),
            lambda: another_program_writes(path),
            lambda: begin_new_log(path),
            lambda: another_program_writes(path),
            lambda: store.do(note("five")),
        ]
        left.append((path.read_bytes(), log_of(path).read_bytes()))
        for step in steps:
            file, log = left[-1]
            step()
            new_file, new_log = path.read_bytes(), log_of(path).read_bytes()
            half = len(new_log) // 2
            if new_log != log:
                left.append((file, new_log[:half] + log[half:]))
            left.append((new_file, new_log))
    for number, (file, log) in enumerate(left):
        place = tmp_path / f"{number}.sqlite3"
        place.write_bytes(file)
        log_of(place).write_bytes(log)
        with LookupStore(place) as store:
            assert store.count() == 0


def another_program_writes(path: Path) -> None:
    """It does not count its transaction."""
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("INSERT INTO meta VALUES (hex(randomblob(8)), '1')")


def full(*_):
    raise sqlite3.OperationalError("database or disk is full")


def test_a_store_put_back_takes_the_answers_that_wait(path, vendor, tmp_path, monkeypatch):
    """Its older copy knows nothing of the look-ups whose answers lie beside it."""
    with use(vendor, path):
        book(3).numberactive.enrich("phone")
        shutil.copy(path, tmp_path / "backup")
        with monkeypatch.context() as patch:
            patch.setattr(saves, "_save_settled", full)
            with pytest.raises(StoreError, match="is full"):
                book(8).numberactive.enrich("phone")
        waiting = path.with_name("s.sqlite3.rescue")
        assert list(waiting.iterdir())
        shutil.copy(tmp_path / "backup", path)
        with pytest.raises(StoreError, match=REFUSED):
            book(8).numberactive.enrich("phone")
        pna.configure(store=str(path))
        out = book(8).numberactive.enrich("phone")
        assert out["phone_lookup_status"].isin(GOOD).all()
        assert vendor.ledger.total == 8
        assert vendor.ledger.double_charged() == []
        assert list(waiting.iterdir()) == []


def charged_at_handle(request_id: str) -> Purchase:
    return Purchase(
        "sandbox",
        8110000001,
        state=LookupState.PENDING,
        request_id=request_id,
        opened_at=1.0,
        charged=True,
    )


@pytest.mark.parametrize("forgotten", [False, True])
def test_a_paid_request_id_is_restored_unless_forgotten(path, forgotten):
    """The ledger keeps the requestId of a forgotten number, and a lost look-up has none there."""
    lookup = charged_at_handle("made-up-1")
    with LookupStore(path) as store:
        if forgotten:
            store.do(saves.keep_again, [lookup], run=0, now=2)
            store.do(lambda db: db.execute("UPDATE events SET number = NULL"))
            store.do(lambda db: db.execute("DELETE FROM lookups"))
        assert store.do(saves.restore, lookup, now=3) is not forgotten
        assert store.count() == int(not forgotten)


def test_a_file_that_the_store_refuses_is_warned_of(path, vendor, monkeypatch, caplog):
    """A paid answer that lies beside the store must not be passed over in silence."""
    with use(vendor, path):
        with monkeypatch.context() as patch:
            patch.setattr(saves, "_save_settled", full)
            with pytest.raises(StoreError, match="is full"):
                book(1).numberactive.enrich("phone")
        for file in path.with_name("s.sqlite3.rescue").iterdir():
            text = file.read_text()
            file.write_text(text.replace('"request_id": "', '"request_id": "anothers'))
        book(1).numberactive.enrich("phone")
    assert "no look-up of its own" in caplog.text


def reading(path: Path) -> sqlite3.Connection:
    """A program that stays in a read transaction."""
    reader = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM lookups").fetchone()
    return reader


def test_a_long_reader_is_waited_for_once(tmp_path):
    """Not a minute for each of the answers that stood in line; what was paid waits aside."""
    path = tmp_path / "s.sqlite3"
    with (
        journal_mode("truncate"),
        patience(4.0, again=0.05),
        Simulator(stand_in=True, latency=0.05, **KEYS) as vendor,
        use(vendor, path, max_concurrency=16),
    ):
        job = book(200).numberactive.start("phone")
        while vendor.ledger.total < 20:
            assert not job.done()
        with closing(reading(path)):
            began = time.monotonic()
            with pytest.raises(StoreError, match="End what reads or locks it"):
                job.result(110)
            assert time.monotonic() - began < 12
        paid = vendor.ledger.total
        assert paid < 200
        out = book(200).numberactive.enrich("phone")
        assert out["phone_lookup_status"].isin(GOOD).all()
        assert vendor.ledger.total == 200
        assert vendor.ledger.double_charged() == []


def test_forget_says_where_the_bytes_are_kept(tmp_path, vendor):
    """A reader keeps them in the write-ahead log; once it is gone, forgetting again clears it."""
    path = tmp_path / "s.sqlite3"
    with journal_mode("wal"), patience(0.5), use(vendor, path):
        book(3).numberactive.enrich("phone")
        with pna.LookupStore() as store:
            with (
                closing(reading(path)),
                pytest.raises(StoreError, match="keeps their bytes in its -wal"),
            ):
                store.forget("08110000001")
            store.forget("08110000001")
            log = path.with_name("s.sqlite3-wal")
            assert not log.exists() or log.stat().st_size == 0


def lock_is_a_folder(path: Path) -> str:
    path.with_name("s.sqlite3.lock").mkdir()
    path.touch()
    return str(path)


def workers_is_a_file(path: Path) -> str:
    pna.LookupStore(path).close()
    path.with_name("s.sqlite3.workers").touch()
    return str(path)


ODD = {
    "nobody's home": lambda path: "~no-such-user-here/s.sqlite3",
    "folder": lambda path: str(path.parent),
    "lock is a folder": lock_is_a_folder,
    "workers is a file": workers_is_a_file,
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_an_odd_place_is_an_error_of_ours(path, vendor, odd):
    """No RuntimeError, IsADirectoryError or FileExistsError of Python's own."""
    with pytest.raises(NumberActiveError), use(vendor, odd(path)):
        book(3).numberactive.enrich("phone")
    assert vendor.ledger.total == 0


def made(path: Path, *statements: str) -> str:
    """A closed store, changed by another program."""
    LookupStore(path).close()
    with closing(sqlite3.connect(path)) as db, db:
        for statement in statements:
            db.execute(statement)
    return str(path)


def no_database(path: Path) -> str:
    path.write_bytes(b"made up" * 1000)
    return str(path)


def cut_short(path: Path) -> str:
    made(path)
    os.truncate(path, 4096)
    return str(path)


def another_programs(path: Path) -> str:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE theirs (a)")
    return str(path)


def linked(path: Path) -> str:
    os.link(made(path), path.with_name("other.sqlite3"))
    return str(path)


def emptied(path: Path) -> str:
    empty(Path(made(path)))
    return str(path)


def turn_is_a_folder(path: Path) -> str:
    made(path)
    path.with_name("s.sqlite3.turn").unlink(missing_ok=True)
    path.with_name("s.sqlite3.turn").mkdir()
    return str(path)


UNUSABLE = {
    "newer": lambda path: made(path, "PRAGMA user_version=9"),
    "no database": no_database,
    "cut short": cut_short,
    "another program's": another_programs,
    "hard link": linked,
    "folder": ODD["folder"],
    "emptied": emptied,
    "lock is a folder": lock_is_a_folder,
    "turn is a folder": turn_is_a_folder,
}


def beside(path: Path) -> list[tuple[str, int]]:
    """The names of all files in the store's folder, with their sizes."""
    return sorted((one.name, one.stat().st_size) for one in path.parent.iterdir())


@pytest.mark.parametrize("odd", UNUSABLE.values(), ids=UNUSABLE)
def test_doctor_says_what_a_run_would_say(path, vendor, odd):
    """It called each of these ready."""
    with use(vendor, odd(path)):
        before = beside(path)
        found = pna.doctor()
        assert not found.ready
        assert beside(path) == before
        with pytest.raises(NumberActiveError) as caught:
            book(3).numberactive.enrich("phone")
    assert str(caught.value) in found.warnings
    assert vendor.calls == []


def test_doctor_names_the_log_of_another_copy(killed):
    path, backup, _, log = killed
    path.write_bytes(backup)
    log_of(path).write_bytes(log)
    found = pna.doctor()
    assert not found.ready
    assert "in the place of another copy" in repr(found)


def test_doctor_is_ready_and_makes_no_file(path, vendor):
    """Before a store is made, while it is in use, and after."""
    with use(vendor, path):
        assert pna.doctor().ready
        assert beside(path) == []
        with LookupStore(path) as store:
            store.do(note("one"))
            before = beside(path)
            assert pna.doctor().ready
            assert beside(path) == before
        before = beside(path)
        assert pna.doctor().ready
        assert beside(path) == before


def test_doctor_is_ready_after_a_kill(killed):
    path, _, file, log = killed
    path.write_bytes(file)
    log_of(path).write_bytes(log)
    assert pna.doctor().ready


def wipe(db):
    for table in ("lookups", "events"):
        db.execute(f"DELETE FROM {table}")


def test_what_the_store_forgot_is_written_again(place):
    """A server that was put back to an older copy, as if the first answers had never been."""
    with Simulator(stand_in=True, latency=0.02, **KEYS) as vendor, use(vendor, place):
        job = book(120).numberactive.start("phone")
        while vendor.ledger.total < 40:
            assert not job.done()
        with LookupStore.open(place) as store:
            store.do(wipe)
        with pytest.raises(StoreError, match="has lost"):
            job.result(60)
        assert vendor.ledger.double_charged() == []
        total = vendor.ledger.total
        out = book(120).numberactive.enrich("phone", details=True)
        assert vendor.ledger.total == total == 120
        assert out["phone_lookup_status"].isin(GOOD).all()
        assert (out["phone_source"] == "stored").all()
        assert int(pna.spend()["charged"].sum()) == 120


@pytest.mark.postgres
def test_an_emptied_server_takes_what_was_paid(dsn):
    """A server that failed over to an empty database: 62 of 100 were bought twice."""
    psycopg = pytest.importorskip("psycopg")
    with Simulator(stand_in=True, latency=0.02, **KEYS) as vendor, use(vendor, dsn):
        job = book(120).numberactive.start("phone")
        while vendor.ledger.total < 40:
            assert not job.done()
        with psycopg.connect(dsn, autocommit=True) as owner:
            owner.execute("DROP SCHEMA numberactive CASCADE")
        with pytest.raises(StoreError, match="has lost"):
            job.result(60)
        out = book(120).numberactive.enrich("phone")
        assert vendor.ledger.double_charged() == []
        assert vendor.ledger.total == 120
        assert out["phone_lookup_status"].isin(GOOD).all()
        assert int(pna.spend()["charged"].sum()) == 120


def put_back(db):
    """Do what an older copy in the store's place does: it holds nothing of the run."""
    for table in ("lookups", "events", "runs", "workers"):
        db.execute(f"DELETE FROM {table}")


@pytest.fixture
def put_back_at_the_end(monkeypatch):
    """Put the store back once a run has all its answers, and before it is read again."""

    async def buy(buyer, todo):
        error = await real(buyer, todo)
        await buyer._store.write(put_back)
        return error

    real = Buyer.buy
    with monkeypatch.context() as patch:
        patch.setattr(Buyer, "buy", buy)
        yield patch


def test_a_refresh_that_the_store_forgot_goes_on(place, put_back_at_the_end):
    """The run is written again, too, so that the same call is the same run."""
    with Simulator(stand_in=True, **KEYS) as vendor, use(vendor, place):
        with pytest.raises(StoreError, match="has lost 6 of the 6 look-ups"):
            book(6).numberactive.enrich("phone", refresh=True)
        put_back_at_the_end.undo()
        for charged in (6, 12):
            book(6).numberactive.enrich("phone", refresh=True)
            assert vendor.ledger.total == charged
        assert len(pna.spend("run")) == 2


def test_a_held_lookup_that_the_store_forgot_is_kept(place, put_back_at_the_end):
    """Its reply was lost, and charged: its requestId is asked, and no new one is bought."""
    lost = {"query:8110000002": ["drop_after"] * 20}
    with Simulator(stand_in=True, **KEYS) as vendor, use(vendor, place, poll_for=0):
        vendor.faults = Faults(script=lost)
        with pytest.raises(StoreError, match="has lost 4 of the 4 look-ups"):
            book(4).numberactive.enrich("phone")
        put_back_at_the_end.undo()
        vendor.faults = Faults()
        out = book(4).numberactive.enrich("phone")
        assert out["phone_lookup_status"].isin(GOOD).all()
        assert vendor.ledger.total == 4
        assert vendor.ledger.double_charged() == []


def test_a_cap_holds_in_a_store_that_was_put_back(place):
    """The run counts what it has bought itself, and not only what the store knows."""
    with Simulator(stand_in=True, latency=0.02, **KEYS) as vendor, use(vendor, place):
        job = book(200).numberactive.start("phone", max_charges=80)
        while vendor.ledger.total < 40:
            assert not job.done()
        with LookupStore.open(place) as store:
            store.do(put_back)
        with pytest.raises(StoreError, match="has lost"):
            job.result(60)
        assert vendor.ledger.total <= 80
        book(200).numberactive.enrich("phone", max_charges=80)
        assert vendor.ledger.total == 80
        assert vendor.ledger.double_charged() == []


def test_what_was_forgotten_by_hand_stays_forgotten(tmp_path):
    """It is not the store that lost it."""
    path = str(tmp_path / "s.sqlite3")
    with Simulator(stand_in=True, latency=0.02, **KEYS) as vendor, use(vendor, path):
        job = book(60).numberactive.start("phone")
        while job.progress.bought < 10:
            assert not job.done()
        with pna.LookupStore() as store:
            done = store.charges(mask=False)["number"].tolist()
            assert store.forget(done) == len(done)
        job.result(60)
        assert vendor.ledger.total == 60
        with pna.LookupStore() as store:
            assert len(store) == 60 - len(done)


def test_another_default_store_with_paid_answers_is_named(monkeypatch, tmp_path):
    """A new base_url, https or a gateway, must not buy everything again without a word."""
    folder = tmp_path / "data" / "pandas-numberactive"
    production = {"environment": "production", "progress": False, **KEYS}
    with Simulator(stand_in=True, **KEYS) as old, Simulator(stand_in=True, **KEYS) as new:
        with pna.override(base_url=old.base_url, **production):
            book(3).numberactive.enrich("phone")
        (first,) = folder.glob("lookups*.sqlite3")
        with pna.override(base_url=new.base_url, **production):
            for ask in (book(3).numberactive.plan, book(3).numberactive.enrich):
                with pytest.raises(ConfigurationError, match="holds 3 paid answers") as caught:
                    ask("phone")
            assert f'store="{first}"' in str(caught.value)
            assert len(list(folder.glob("lookups*.sqlite3"))) == 2
        assert new.calls == []
        with pna.override(base_url=new.base_url, store=str(first), **production):
            assert book(3).numberactive.plan("phone").to_buy == 0
        with pna.override(base_url=new.base_url, store=str(tmp_path / "n.sqlite3"), **production):
            book(3).numberactive.enrich("phone")
        assert new.ledger.total == 3


@pytest.fixture(params=["truncate", "wal", pytest.param("postgres", marks=pytest.mark.postgres)])
def every_place(request, tmp_path):
    """A place for a store: in each journal mode of SQLite, and on the team's server."""
    if request.param == "postgres":
        yield str(request.getfixturevalue("dsn"))
        return
    with journal_mode(request.param):
        yield str(tmp_path / "s.sqlite3")


def put_back_with_ids(db):
    """Do what an older copy does: the next run and worker get the ids of ours, too."""
    if hasattr(db, "copy_in"):
        db.execute("TRUNCATE lookups, events, runs, workers RESTART IDENTITY")
    else:
        put_back(db)


@pytest.mark.parametrize("rows", [200, 201], ids=["same call", "another call"])
def test_a_store_put_back_under_a_run_stops_it(every_place, rows):
    """Another call has its ids by then: 150 of 400 were paid twice, and both were in order."""
    with Simulator(stand_in=True, latency=0.02, **KEYS) as vendor, use(vendor, every_place):
        ours = book(200).numberactive.start("phone")
        while vendor.ledger.total < 60:
            assert not ours.done()
        with LookupStore.open(every_place) as store:
            store.do(put_back_with_ids)
        theirs = book(rows).numberactive.start("phone")
        assert theirs.result(60)["phone_lookup_status"].isin(GOOD).all()
        with pytest.raises(StoreError, match="has lost"):
            ours.result(60)
        assert int(pna.spend()["charged"].sum()) == vendor.ledger.total
        assert len(vendor.ledger.double_charged()) < 20
        total = vendor.ledger.total
        book(200).numberactive.enrich("phone")
        assert vendor.ledger.total == total


def test_a_claim_in_a_store_put_back_is_another_calls(every_place):
    """Behind the last claim it was looked at no more: 22 of the 26 left were paid twice."""
    with Simulator(stand_in=True, latency=0.05, **KEYS) as vendor, use(vendor, every_place):
        with pna.override(max_concurrency=4):
            ours = book(30).numberactive.start("phone")
            while vendor.ledger.total < 4:
                assert not ours.done()
            with LookupStore.open(every_place) as store:
                store.do(put_back_with_ids)
            theirs = book(30).numberactive.start("phone")
            assert theirs.result(60)["phone_lookup_status"].isin(GOOD).all()
        with pytest.raises(StoreError, match="has lost"):
            ours.result(60)
        assert len(vendor.ledger.double_charged()) <= 12  # asked before the store was put back
        assert int(pna.spend()["charged"].sum()) == vendor.ledger.total


def claims_one(db, store: LookupStore) -> tuple[Purchase, int, int]:
    """Join as a worker and claim one number. Return its look-up, the worker and the run."""
    terms = {"key": "k", "environment": "sandbox", "cap": None, "price": None, "currency": "IDR"}
    worker = workers.new_worker()
    now = store.now()
    run = workers.begin(db, store.engine, worker, lease=60.0, now=now, **terms).run
    asker = {"host": "h", "key": "f", "max_id_age": 9, "alive": store.alive}
    work = claims.Work("sandbox", run, worker, None, 0, now, retry_failed=True, **asker)
    ((lookup, _),) = claims.claim(db, work, [8110000000]).mine
    return lookup, worker, run


def test_a_lost_worker_saves_nothing_under_the_claim_of_another(every_place):
    """Both have the first claim on the number, and the first run's id."""
    with LookupStore.open(every_place) as store:
        ours, our_worker, our_run = store.do(claims_one, store)
        store.do(put_back_with_ids)
        theirs, their_worker, their_run = store.do(claims_one, store)
        assert (ours.epoch, our_run) == (theirs.epoch, their_run)
        saved = [
            store.do(
                saves.save,
                lookup._replace(state=LookupState.PENDING, request_id=name, opened_at=1.0),
                worker=worker,
                run=our_run,
                now=store.now(),
            )
            for lookup, name, worker in (
                (ours, "made-up-1", our_worker),
                (theirs, "made-up-2", their_worker),
            )
        ]
    assert saved == ["fenced", "kept"]


def test_what_was_bought_again_meanwhile_is_counted(every_place, monkeypatch):
    """The store is put back after our last claim, and another call buys all before we look."""
    real = Buyer.buy
    others = []

    def buy_all():
        others.append(book(9).numberactive.start("phone"))
        others[0].result(60)

    async def buy(buyer, todo):
        error = await real(buyer, todo)
        if not others:
            await buyer._store.write(put_back_with_ids)
            await asyncio.to_thread(buy_all)
        return error

    monkeypatch.setattr(Buyer, "buy", buy)
    with Simulator(stand_in=True, **KEYS) as vendor, use(vendor, every_place):
        with pytest.raises(StoreError, match="has lost 9 of the 9 look-ups"):
            book(9).numberactive.enrich("phone")
        assert vendor.ledger.total == 18
        assert int(pna.spend()["charged"].sum()) == 18


def test_the_end_of_a_lost_worker_leaves_others_alone(every_place):
    """Its run's id is another call's in a store that was put back: that call stays in its run."""
    terms = {"key": "k", "environment": "sandbox", "cap": None, "price": None, "currency": "IDR"}

    def begin(db, worker):
        return workers.begin(db, store.engine, worker, lease=60.0, now=store.now(), **terms)

    with LookupStore.open(every_place) as store:
        run = store.do(begin, 7)
        store.do(put_back_with_ids)
        assert store.do(begin, 8).run == run.run
        place = {"worker": 7, "run": run.run}
        for finished in (False, True):
            store.do(workers.leave, store.engine, finished=finished, **place)
        with pytest.raises(StoreError, match="put back"):
            store.do(workers.renew, store.engine, lease=60.0, **place)
        kept = store.do(
            lambda db: db.execute("SELECT worker, lease_until > 0 FROM workers").fetchall()
        )
        ended = store.do(lambda db: db.execute("SELECT ended_at FROM runs").fetchall())
    assert [(worker, bool(leased)) for worker, leased in kept] == [(8, True)]
    assert ended == [(None,)]


REFUSED = r"not the one that this session used.*Nothing was bought"


@pytest.fixture
def emptied_between(dsn, vendor):
    """A team's store with 6 answers that is emptied between two calls of one process."""
    psycopg = pytest.importorskip("psycopg")
    pna.configure(environment="sandbox", base_url=vendor.base_url, store=dsn, **KEYS)
    book(6).numberactive.enrich("phone")
    with psycopg.connect(dsn, autocommit=True) as owner:
        owner.execute("DROP SCHEMA numberactive CASCADE")
        yield dsn, owner


@pytest.mark.postgres
def test_a_server_emptied_between_calls_is_not_bought_anew(emptied_between, vendor):
    """Its tables were made again without a word: 200 charges for 100 numbers."""
    _, owner = emptied_between
    for _ in range(2):
        with pytest.raises(StoreError, match=REFUSED) as caught:
            book(6).numberactive.enrich("phone")
    assert "owner:***@" in str(caught.value)
    assert vendor.ledger.total == 6
    assert owner.execute("SELECT to_regnamespace('numberactive')").fetchone() == (None,)


@pytest.mark.postgres
def test_a_store_that_is_named_again_is_meant(emptied_between, vendor):
    dsn, _ = emptied_between
    with pytest.raises(StoreError, match=REFUSED):
        book(6).numberactive.enrich("phone")
    pna.configure(store=dsn)
    book(6).numberactive.enrich("phone")
    assert vendor.ledger.total == 12


def remove_all(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def link_elsewhere(folder: Path) -> None:
    folder.rename(folder.with_name("away"))
    folder.with_name("other").mkdir()
    folder.symlink_to(folder.with_name("other"))


def put_copy_back(folder: Path) -> None:
    """Do it at once: a call that fails meanwhile makes the folder for the answers that wait."""
    shutil.copytree(folder.with_name("copy"), folder.with_name("next"))
    folder.rename(folder.with_name("gone"))
    folder.with_name("next").rename(folder)
    shutil.rmtree(folder.with_name("gone"))


OTHERS = """
import sys
import pandas as pd
import pandas_numberactive as pna

_, store, url, key, secret = sys.argv
book = pd.DataFrame({"phone": [f"0812{i:07d}" for i in range(20)]})
with pna.override(
    environment="sandbox", store=store, base_url=url, app_key=key, secret=secret, progress=False
):
    pna.enrich(book, "phone")
"""


def put_copy_back_and_go_on(folder: Path) -> None:
    """Another process buys so much in the copy that its ledger is the longer one."""
    put_copy_back(folder)
    settings = pna.settings()
    given = [str(folder / "s.sqlite3"), str(settings.base_url), *KEYS.values()]
    subprocess.run([sys.executable, "-c", OTHERS, *given], check=True, timeout=60)


@pytest.fixture(params=["truncate", "wal"])
def folder(request, tmp_path):
    """A folder of its own for a store, in each journal mode of SQLite."""
    with journal_mode(request.param):
        (tmp_path / "folder").mkdir()
        yield tmp_path / "folder"


@pytest.mark.parametrize(
    ("happens", "meant"),
    [(remove_all, 6), (link_elsewhere, 6), (put_copy_back, 4), (put_copy_back_and_go_on, 4)],
)
def test_a_file_that_is_another_one_now_is_not_bought_into(folder, vendor, happens, meant):
    """Nothing lies beside it that would show it: 50 were bought again without a word."""
    place = folder / "s.sqlite3"
    with use(vendor, place):
        book(2).numberactive.enrich("phone")
        shutil.copytree(folder, folder.with_name("copy"))
        book(6).numberactive.enrich("phone")
        happens(folder)
        total = vendor.ledger.total
        for again in (use(vendor, place), use(vendor, place)):
            with again, pytest.raises(StoreError, match=REFUSED):
                book(6).numberactive.enrich("phone")
        assert vendor.ledger.total == total
        pna.configure(store=str(place))
        book(6).numberactive.enrich("phone")
        assert vendor.ledger.total == total + meant


def test_another_store_that_is_named_makes_no_other_forgotten(folder, vendor):
    place = folder / "s.sqlite3"
    with use(vendor, place):
        book(6).numberactive.enrich("phone")
    with use(vendor, ":memory:"):
        book(2).numberactive.enrich("phone")
    pna.configure(store=":memory:")
    remove_all(folder)
    with use(vendor, place), pytest.raises(StoreError, match=REFUSED):
        book(6).numberactive.enrich("phone")
    assert list(folder.iterdir()) == []
    assert vendor.ledger.total == 8


def test_the_newest_purchase_of_two_runs_is_the_one_that_is_known(folder):
    """A slow run that began before ends behind the other one."""
    place = folder / "s.sqlite3"
    used_stores.note_purchase(place, used_stores.Use("id", "sandbox", "made-up-5", 5.0))
    used_stores.note_purchase(str(place), used_stores.Use("id", "sandbox", "made-up-3", 3.0))
    assert used_stores.last_use(f"sqlite:{place}").request_id == "made-up-5"
    used_stores.note_purchase(place, used_stores.Use("other", "sandbox", "made-up-1", 1.0))
    assert used_stores.last_use(place).request_id == "made-up-1"


def test_two_databases_of_one_server_are_two_places():
    """Whatever a masked address hides of them."""
    one, two = (f"postgresql://127.0.0.1:1/{name}?user=me@bank" for name in ("one", "two"))
    used_stores.note_use(one, used_stores.Use("id"))
    assert used_stores.last_use(two) is None


def test_an_empty_file_in_its_place_stays_empty(folder, vendor):
    place = folder / "s.sqlite3"
    with use(vendor, place):
        book(2).numberactive.enrich("phone")
        remove_all(folder)
        place.touch()
        for call in (book(2).numberactive.plan, book(2).numberactive.enrich):
            with pytest.raises(StoreError, match=REFUSED):
                call("phone")
    assert [(path.name, path.stat().st_size) for path in folder.iterdir()] == [("s.sqlite3", 0)]


def test_a_copy_put_back_under_a_failing_call_is_not_bought_into(folder, vendor):
    """The call fails rightly, and made again bought 58 of 202 twice."""
    place = folder / "s.sqlite3"
    with use(vendor, place):
        book(2).numberactive.enrich("phone")
        shutil.copytree(folder, folder.with_name("copy"))
        vendor.latency = 0.02
        job = book(200).numberactive.start("phone")
        while vendor.ledger.total < 60:
            assert not job.done()
        put_copy_back(folder)
        with pytest.raises(StoreError, match="moved, removed or replaced"):
            job.result(60)
        total = vendor.ledger.total
        with pytest.raises(StoreError, match=REFUSED):
            book(200).numberactive.enrich("phone")
    assert vendor.ledger.total == total < 100


def test_a_store_whose_losses_cannot_be_seen_is_not_bought_into(
    every_place, vendor, monkeypatch, put_back_at_the_end
):
    """It fails where the call looks for what it has lost."""

    async def fails(*_, **__):
        raise OSError("gone")

    with use(vendor, every_place):
        with monkeypatch.context() as patch:
            patch.setattr(LookupStore, "keep_again", fails)
            book(6).numberactive.enrich("phone")
        put_back_at_the_end.undo()
        with pytest.raises(StoreError, match=REFUSED):
            book(6).numberactive.enrich("phone")
    assert vendor.ledger.total == 6


def test_a_refused_store_takes_no_answers_that_wait(path, vendor, tmp_path, monkeypatch):
    """They went into the older copy, and were gone when the right one was put back."""
    with use(vendor, path):
        book(2).numberactive.enrich("phone")
        shutil.copy(path, tmp_path / "older")
        book(3).numberactive.enrich("phone")
        with monkeypatch.context() as patch:
            patch.setattr(saves, "_save_settled", full)
            with pytest.raises(StoreError, match="is full"):
                book(8).numberactive.enrich("phone")
        shutil.copy(path, tmp_path / "newest")
        waiting = set(path.with_name("s.sqlite3.rescue").iterdir())
        assert waiting
        shutil.copy(tmp_path / "older", path)
        with pytest.raises(StoreError, match=REFUSED):
            book(8).numberactive.enrich("phone")
        assert set(path.with_name("s.sqlite3.rescue").iterdir()) == waiting
        shutil.copy(tmp_path / "newest", path)
        out = book(8).numberactive.enrich("phone")
    assert out["phone_lookup_status"].isin(GOOD).all()
    assert vendor.ledger.total == 8


def test_another_run_of_the_session_loses_nothing(path, vendor, monkeypatch):
    """It ends while the first one looks at the store."""
    real = LookupStore.recover
    callers = []

    def buy_other() -> None:
        book(6).numberactive.start("phone").result(60)

    async def recover(store):
        found = await real(store)
        callers.append(store)
        if len(callers) == 1:  # of the other run, too, it is called
            await asyncio.to_thread(buy_other)
        return found

    with use(vendor, path):
        book(2).numberactive.enrich("phone")
        monkeypatch.setattr(LookupStore, "recover", recover)
        book(8).numberactive.enrich("phone")
    assert vendor.ledger.total == 8


@pytest.mark.postgres
def test_a_server_whose_rows_are_gone_between_calls_is_not_bought_anew(dsn, vendor):
    """Its id is still there."""
    psycopg = pytest.importorskip("psycopg")
    with use(vendor, dsn):
        book(6).numberactive.enrich("phone")
        with psycopg.connect(dsn, autocommit=True) as owner:
            owner.execute("TRUNCATE numberactive.lookups, numberactive.events")
        for _ in range(2):
            with pytest.raises(StoreError, match=REFUSED):
                book(6).numberactive.enrich("phone")
    assert vendor.ledger.total == 6


def disk_is_full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


class FullDisk:
    """A connection to a file on a full disk: a statement fails, and ends its transaction."""

    def __init__(self, connection: sqlite3.Connection, fails: str) -> None:
        self._connection = connection
        self._fails = fails

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)

    def execute(self, sql: str) -> sqlite3.Cursor:
        if not sql.startswith(self._fails):
            return self._connection.execute(sql)
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error


@pytest.mark.parametrize(
    ("made", "fails"), [(True, "PRAGMA user_version"), (False, "PRAGMA application_id=")]
)
def test_a_full_disk_at_opening_names_no_other_store(path, vendor, monkeypatch, made, fails):
    """Another store would buy everything again, where room on the disk is all that is missing."""
    if made:
        LookupStore(path).close()
    real = sqlite._open
    monkeypatch.setattr(sqlite, "_open", lambda *given: FullDisk(real(*given), fails))
    with use(vendor, path), pytest.raises(StoreError, match="Free disk space") as caught:
        book(1).numberactive.enrich("phone")
    assert "store=" not in str(caught.value)
    assert "Nothing was bought" in str(caught.value)
    assert vendor.calls == []


def test_a_lock_file_on_a_full_disk_is_still_a_lock(path, vendor, monkeypatch):
    """Its holder's name has no room there, which only a message needs."""
    pytest.importorskip("fcntl")
    monkeypatch.setattr(os, "pwrite", disk_is_full)
    with use(vendor, path):
        out = book(3).numberactive.enrich("phone")
    assert out["phone_lookup_status"].isin(GOOD).all()


def test_a_machine_without_a_temporary_folder_can_buy(path, vendor, monkeypatch):
    """A paid answer that the store refuses still has the folder beside it."""

    def nowhere():
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    with use(vendor, path):
        with monkeypatch.context() as patch:
            patch.setattr(saves, "_save_settled", full)
            with pytest.raises(StoreError, match="is full"):
                book(2).numberactive.enrich("phone")
        out = book(2).numberactive.enrich("phone")
    assert out["phone_lookup_status"].isin(GOOD).all()
    assert vendor.ledger.double_charged() == []
    assert vendor.ledger.total == 2
