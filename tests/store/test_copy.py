"""Copying a journal between SQLite and PostgreSQL: nothing lost, nothing twice, the source as it was."""

from __future__ import annotations

import warnings
from typing import Any

import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive.__main__ import main
from pandas_numberactive._purchase.purchase import LookupState, pack
from pandas_numberactive._store import copy as store_copy
from pandas_numberactive._store.copy import copy
from pandas_numberactive._store.store import LookupStore
from pandas_numberactive.errors import ConfigurationError, StoreError
from pandas_numberactive.simulator import Simulator

KEYS = {"app_key": "made-up-key", "secret": "made-up-secret"}
PHONES = [f"0811{i:07d}" for i in range(40)]
FRAME = pd.DataFrame({"phone": PHONES})


@pytest.fixture(
    params=[
        "file to file",
        pytest.param("file to server", marks=pytest.mark.postgres),
        pytest.param("server to file", marks=pytest.mark.postgres),
    ]
)
def places(request, tmp_path) -> tuple[str, str]:
    """Source and target."""
    here, there = str(tmp_path / "here.sqlite3"), str(tmp_path / "there.sqlite3")
    if request.param == "file to server":
        there = request.getfixturevalue("dsn")
    if request.param == "server to file":
        here = request.getfixturevalue("dsn")
    return here, there


def use(store: str, vendor: Simulator, **options: Any) -> Any:
    given = {"unit_price": 450.25, "max_concurrency": 1, **options}
    return pna.override(
        environment="production", base_url=vendor.base_url, store=store, **KEYS, **given
    )


def enrich(frame: pd.DataFrame = FRAME, **options: Any) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pna.errors.IncompleteRunWarning)
        return frame.numberactive.enrich("phone", **options)


def dump(location: str, *, keys: bool = False) -> dict[str, list[Any]]:
    """A store's rows without what each store numbers for itself."""
    with LookupStore.open(location) as store:
        return store.do(
            lambda db: {
                "lookups": sorted(
                    db.execute(
                        "SELECT l.environment, l.number, l.generation, l.packed, l.bought_at, l.request_id, l.opened_at, l.app_key, "
                        "l.spend, l.code, l.msg, r.key, r.started_at FROM lookups l LEFT JOIN runs r ON r.run = l.run"
                    ).fetchall(),
                    key=repr,
                ),
                "events": sorted(
                    db.execute(
                        "SELECT e.at, e.kind, e.environment, e.number, e.generation, e.request_id, e.charged, e.code, e.reason, r.key "
                        "FROM events e LEFT JOIN runs r ON r.run = e.run"
                    ).fetchall(),
                    key=repr,
                ),
                "runs": sorted(
                    db.execute(
                        "SELECT key, environment, started_at, cap, price, currency, buyer FROM runs"
                    ).fetchall(),
                    key=repr,
                ),
                "bodies": sorted(
                    db.execute(
                        "SELECT environment, number, generation, at, request_id, body FROM events "
                        "WHERE body IS NOT NULL"
                    ).fetchall()
                ),
                "flags": sorted(
                    db.execute(
                        "SELECT name FROM meta WHERE name LIKE 'handle_can_charge%'"
                    ).fetchall()
                ),
                "workers": db.execute("SELECT worker FROM workers").fetchall(),
            }
        )


def plain(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {name: [tuple(row) for row in found] for name, found in rows.items()}


def test_a_settled_ledger_arrives_whole_and_a_second_copy_finds_nothing(places, vendor, capsys):
    here, there = places
    with use(here, vendor):
        enrich()
        enrich(refresh=True, frame=FRAME.head(10))
        with LookupStore.open(here) as store:
            store.do(
                lambda db: db.execute(
                    "INSERT INTO meta (name, value) VALUES ('handle_can_charge:production', '1')"
                )
            )
    before = plain(dump(here))
    assert main(["store", "copy", here, there]) == 0
    out = capsys.readouterr().out
    assert "50 look-ups" in out
    assert f"50, worth {50 * 450.25:,.0f}" in out
    assert "made-up-password" not in out
    after = plain(dump(there))
    assert after == before == plain(dump(here))
    done = copy(here, there)
    assert (done.lookups, done.events, done.left, done.differ) == (0, 0, 0, 0)
    assert (
        done.source.charges == done.target.charges == done.before.charges == {2: (50, 50 * 450.25)}
    )
    assert plain(dump(there)) == before
    back = copy(there, here)
    assert (back.lookups, back.events) == (0, 0)
    assert plain(dump(here)) == before
    calls = len(vendor.calls)
    with use(there, vendor):
        again = enrich(details=True)
    assert (again["phone_source"] == "stored").all()
    assert len(vendor.calls) == calls


def test_it_can_be_killed_between_any_two_writes(places, vendor, monkeypatch):
    """Copying again delivers what is left, and the source is as it was."""
    here, there = places
    monkeypatch.setattr(store_copy, "COPY_ROWS", 7)
    monkeypatch.setattr(store_copy, "INSERT_ROWS", 3)
    with use(here, vendor):
        enrich()
    before = plain(dump(here))
    do, left = LookupStore.do, 0

    def failing(self: LookupStore, work: Any, *args: Any) -> Any:
        nonlocal left
        if left == 0:
            raise KeyboardInterrupt
        left -= 1
        return do(self, work, *args)

    tries = 0
    with monkeypatch.context() as patch:
        patch.setattr(LookupStore, "do", failing)
        while True:
            tries += 1
            left = tries
            try:
                copy(here, there)
                break
            except KeyboardInterrupt:
                continue
    assert tries > 15
    assert plain(dump(there)) == before == plain(dump(here))
    with use(there, vendor):
        out = enrich()
    assert out["phone_lookup_status"].isin(["answered", "no_data"]).all()
    assert vendor.ledger.total == len(PHONES)


OPEN_IDS = "SELECT request_id FROM lookups WHERE (packed & 15) IN (1, 2) OR (packed & 15) = 8 ORDER BY number"


def open_ids(location: str) -> list[Any]:
    with LookupStore.open(location) as store:
        return [row[0] for row in store.do(lambda db: db.execute(OPEN_IDS).fetchall())]


@pytest.mark.parametrize("state", [LookupState.RESERVED, LookupState.PENDING])
def test_what_is_under_way_is_not_copied(places, state):
    """Two stores would both finish it."""
    here, there = places
    with LookupStore.open(here) as store:
        store.do(put, state, "r1" if state is LookupState.PENDING else None)
    with pytest.raises(StoreError, match="1 look-ups in the source are under way") as caught:
        copy(here, there)
    assert "Nothing was copied" in str(caught.value)
    with LookupStore.open(there) as store:
        assert store.count() == 0
    with LookupStore.open(here) as store:
        store.do(
            lambda db: db.execute("UPDATE lookups SET packed = ?", (pack(LookupState.FAILED),))
        )
    assert copy(here, there).lookups == 1


def test_what_is_held_is_copied_as_it_is(places):
    """Held by both, it is asked anew by neither."""
    here, there = places
    with LookupStore.open(here) as store:
        store.do(put, LookupState.UNCERTAIN, "r1")
    assert copy(here, there).lookups == 1
    assert open_ids(here) == open_ids(there) == ["r1"]
    assert copy(here, there).lookups == 0


def test_a_cap_goes_with_its_run(places, vendor):
    here, there = places
    vendor.latency = 0.05  # else a fast machine is done before it is stopped
    with use(here, vendor), pna.override(max_concurrency=2):
        job = FRAME.numberactive.start("phone", max_charges=10)
        while job.progress.bought < 4:
            assert not job.done()
        job.stop()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pna.errors.IncompleteRunWarning)
            job.result(60)
        release_open(here)
    copy(here, there)
    unfinished = [
        ask(place, "SELECT count(*) FROM runs WHERE ended_at IS NULL") for place in (here, there)
    ]
    assert unfinished == [[(1,)], [(1,)]]
    with use(there, vendor):
        enrich(max_charges=10)
    assert vendor.ledger.total == 10


def release_open(location: str) -> None:
    """Decide by hand about what Stop left open: none of it was queried."""
    with pna.LookupStore(location) as store:
        sql = "SELECT CAST(number AS TEXT) FROM lookups WHERE (packed & 15) IN (1, 2)"
        for (phone,) in ask(location, sql):
            store.resolve(phone, "release", charged=False)


def ask(location: str, sql: str, *parameters: Any) -> list[Any]:
    with LookupStore.open(location) as store:
        return [tuple(row) for row in store.do(lambda db: db.execute(sql, parameters).fetchall())]


def test_a_run_under_way_is_not_copied(places):
    here, there = places
    with Simulator(stand_in=True, latency=0.1, **KEYS) as slow, use(here, slow):
        job = FRAME.numberactive.start("phone")
        while not slow.ledger.total:
            assert not job.done()
        with pytest.raises(StoreError, match="is buying"):
            copy(here, there)
        job.stop()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pna.errors.IncompleteRunWarning)
            job.result(60)
        release_open(here)
        assert copy(here, there).target.charges[2][0] == slow.ledger.total


def test_two_ledgers_become_one_and_each_keeps_what_it_paid(places, vendor):
    """A colleague's file goes into the team's store, which has bought some of the same numbers."""
    here, there = places
    with use(here, vendor):
        enrich(FRAME.head(30))
    with use(there, vendor):
        mine = enrich(FRAME.tail(30), details=True)
    done = copy(here, there)
    assert (done.lookups, done.differ) == (10, 20)
    assert done.target.charges == {2: (60, 60 * 450.25)}
    assert copy(here, there).events == 0
    with use(there, vendor):
        out = enrich(details=True)
    ours = out.loc[mine.index, "phone_request_id"]
    assert ours.tolist() == mine["phone_request_id"].tolist()
    assert vendor.ledger.total == 60


@pytest.mark.parametrize(
    ("theirs", "ours", "kept"),
    [
        (LookupState.ANSWERED, LookupState.FAILED, "theirs"),
        (LookupState.ANSWERED, LookupState.RELEASED, "theirs"),
        (LookupState.ANSWERED, LookupState.RESERVED, "theirs"),
        (LookupState.UNCERTAIN, LookupState.FAILED, "theirs"),
        (LookupState.UNCERTAIN, LookupState.RESERVED, "theirs"),
        (LookupState.ANSWERED, LookupState.PENDING, "ours"),
        (LookupState.ANSWERED, LookupState.WRITTEN_OFF, "ours"),
        (LookupState.UNCERTAIN, LookupState.ANSWERED, "ours"),
        (LookupState.UNCERTAIN, LookupState.PENDING, "ours"),
        (LookupState.UNCERTAIN, LookupState.WRITTEN_OFF, "ours"),
        (LookupState.FAILED, LookupState.PENDING, "ours"),
        (LookupState.RELEASED, LookupState.PENDING, "ours"),
    ],
    ids=lambda v: getattr(v, "name", v),
)
def test_who_wins_where_both_know_a_number(tmp_path, theirs, ours, kept):
    here, there = str(tmp_path / "here.sqlite3"), str(tmp_path / "there.sqlite3")
    for location, state, name in ((here, theirs, "theirs"), (there, ours, "ours")):
        request_id = None if state in (LookupState.RESERVED, LookupState.RELEASED) else name
        with LookupStore(location) as store:
            store.do(lambda db, s=state, r=request_id: put(db, s, r))
    done = copy(here, there)
    with LookupStore(there) as store:
        state, request_id, epoch = store.do(
            lambda db: db.execute("SELECT packed & 15, request_id, epoch FROM lookups").fetchone()
        )
    assert LookupState(state) is (theirs if kept == "theirs" else ours)
    assert (
        epoch > 5 if kept == "theirs" else epoch == 5
    )  # a late worker of the target is fenced out
    assert done.lookups == (kept == "theirs")


def put(db: Any, state: LookupState, request_id: str | None) -> None:
    db.execute(
        "INSERT INTO lookups (environment, number, generation, packed, bought_at, request_id, host, epoch) VALUES (2, 8118899532, 1, ?, 7, ?, 'h', 5)",
        (pack(state, charged=True), request_id),
    )


def test_what_cannot_be_copied_is_said(tmp_path, vendor, capsys):
    here, there = tmp_path / "here.sqlite3", tmp_path / "there.sqlite3"
    assert main(["store", "copy", str(here), str(there)]) == 2
    assert "There is no store 'here.sqlite3'" in capsys.readouterr().err
    assert not here.exists()
    assert not there.exists()
    with use(str(here), vendor):
        enrich(FRAME.head(3))
    with pytest.raises(ConfigurationError, match="same store"):
        copy(str(here), f"sqlite:{here}")


def test_init_makes_a_store(places, capsys):
    for place in places:
        assert main(["store", "init", place]) == 0
        assert main(["store", "init", place]) == 0
    out = capsys.readouterr().out
    assert "is ready: 0 look-ups" in out
    assert "made-up-password" not in out


def test_books_that_do_not_agree_are_an_error(tmp_path, vendor, monkeypatch):
    here, there = str(tmp_path / "here.sqlite3"), str(tmp_path / "there.sqlite3")
    with use(here, vendor):
        enrich(FRAME.head(5))
    insert = store_copy._insert

    def losing(db: Any, table: str, columns: str, rows: list[Any]) -> None:
        insert(db, table, columns, rows[:-1] if table == "events" else rows)

    with monkeypatch.context() as patch:
        patch.setattr(store_copy, "_insert", losing)
        with pytest.raises(StoreError, match="does not match its source"):
            copy(here, there)
    copy(here, there)
    assert plain(dump(there)) == plain(dump(here))
