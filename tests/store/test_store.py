"""The journal on disk: private, durable, fenced; and what it refuses."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from pandas_numberactive._purchase.purchase import LookupState, unpack
from pandas_numberactive._store import ledger, runs, saves, workers
from pandas_numberactive._store import store as store_module
from pandas_numberactive._store.claims import Work, claim
from pandas_numberactive._store.rows import in_order
from pandas_numberactive._store.store import LookupStore
from pandas_numberactive._testing import set_clock
from pandas_numberactive._vendor.protocol import Answer
from pandas_numberactive.errors import StoreError, StoreVersionError

NUMBER = 8118899532
DAY = 24 * 3600


class Clock:
    def __init__(self):
        self.time = 1_800_000_000.0

    def __call__(self):
        return self.time


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def file_store(tmp_path, clock):
    (tmp_path / "own").mkdir(mode=0o700)
    with LookupStore(tmp_path / "own" / "s.sqlite3", clock=clock) as opened:
        yield opened


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request, clock):
    if request.param == "sqlite":
        yield request.getfixturevalue("file_store")
        return
    with LookupStore.open(request.getfixturevalue("dsn")) as opened:
        set_clock(opened, clock)  # in place of the server's
        yield opened


def run(work):
    return asyncio.run(work)


async def begin(store, cap=None, key="k", lease=60.0):
    row = await store.write(
        runs.begin_run,
        key=key,
        environment="sandbox",
        now=store.now(),
        cap=cap,
        price=None,
        currency="IDR",
    )
    worker = workers.new_worker()
    await store.write(workers.join, store.engine, worker, run=row.run, lease=lease)
    return row, worker


async def save(store, lookup, worker, run):
    return await store.write(saves.save, lookup, worker=worker, run=run, now=store.now())


async def leave(store, worker, run, finished):
    await store.write(workers.leave, store.engine, worker=worker, run=run, finished=finished)


def terms(store, row, worker, cap=None, since=0, **changes):
    base = Work(
        environment="sandbox",
        run=row.run,
        worker=worker,
        cap=cap,
        since=since,
        called_at=store.now(),
        retry_failed=True,
        host="h",
        key="f",
        max_id_age=DAY * 10**6,
        alive=store.alive,
    )
    return replace(base, **changes)


def opened(lookup, clock, request_id="r1"):
    return lookup._replace(
        state=LookupState.PENDING,
        request_id=request_id,
        opened_at=clock(),
        host="h",
        key="f",
    )


def answered(lookup, clock, charged=True):
    return lookup._replace(
        state=LookupState.ANSWERED,
        answer=Answer(1, 3, 2),
        charged=charged,
        bought_at=clock(),
        code="200",
        raw=b"{}",
    )


async def buy(store, clock, number=NUMBER, request_id="r1", key="k"):
    row, worker = await begin(store, key=key)
    claims = await store.write(claim, terms(store, row, worker), [number])
    lookup = opened(claims.mine[0][0], clock, request_id)
    assert await save(store, lookup, worker, row.run) == "kept"
    assert await save(store, answered(lookup, clock), worker, row.run) == "kept"
    await leave(store, worker, row.run, finished=True)
    return row


def state_of(store, number=NUMBER):
    async def read():
        return (await store.details("sandbox", [number])).get(number)

    return run(read())


def test_the_file_is_for_its_owner_only(file_store):
    store = file_store
    mode = stat.S_IMODE(os.stat(store.path).st_mode)
    folder = stat.S_IMODE(os.stat(store.path.parent).st_mode)
    assert (mode, folder) == (0o600, 0o700)
    run(buy(store, Clock()))
    for entry in store.path.parent.iterdir():
        assert stat.S_IMODE(entry.stat().st_mode) & 0o077 == 0, entry.name


def test_what_is_saved_is_on_disk_for_others_before_it_is_acted_on(file_store, clock):
    store = file_store

    async def work():
        row, worker = await begin(store)
        claims = await store.write(claim, terms(store, row, worker), [NUMBER])
        await save(store, opened(claims.mine[0][0], clock), worker, row.run)
        other = sqlite3.connect(store.path)
        try:
            return other.execute("SELECT request_id FROM lookups").fetchall()
        finally:
            other.close()

    assert run(work()) == [("r1",)]


def test_an_answer_is_found_again_whole(store, clock):
    run(buy(store, clock))
    found = state_of(store)
    assert (found.state, found.answer, found.charged, found.request_id) == (
        LookupState.ANSWERED,
        Answer(1, 3, 2),
        True,
        "r1",
    )


def test_a_living_workers_claim_is_respected_and_a_dead_ones_is_taken_over(store, clock, tmp_path):
    async def work():
        row, first = await begin(store)
        await store.write(claim, terms(store, row, first), [NUMBER])
        row2, second = await begin(store, key="other")
        busy = await store.write(claim, terms(store, row2, second), [NUMBER])
        clock.time += 61  # the first worker's lease ends
        taken = await store.write(claim, terms(store, row2, second), [NUMBER])
        return busy, taken

    busy, taken = run(work())
    assert busy.busy == [NUMBER]
    lookup, lost = taken.mine[0]
    assert (lookup.epoch, lost.reason) == (2, "lost_reply")


def test_a_late_worker_may_not_open_a_request_but_its_paid_answer_is_kept(store, clock):
    async def work():
        row, first = await begin(store)
        mine = (await store.write(claim, terms(store, row, first), [NUMBER])).mine[0][0]
        clock.time += 61
        row2, second = await begin(store, key="other")
        theirs = (await store.write(claim, terms(store, row2, second), [NUMBER])).mine[0][0]
        late = await save(store, opened(mine, clock, "late"), first, row.run)
        kept = await save(store, opened(theirs, clock, "r2"), second, row2.run)
        stale_answer = answered(opened(mine, clock, "r2"), clock)
        stored = await save(store, stale_answer, first, row.run)
        return late, kept, stored

    assert run(work()) == ("fenced", "kept", "fenced")
    assert state_of(store).state is LookupState.ANSWERED


async def opened_and_lapsed(store, clock):
    """Open a look-up, and let the lease of its worker end. Return the run, the worker and it."""
    row, first = await begin(store)
    mine = (await store.write(claim, terms(store, row, first), [NUMBER])).mine[0][0]
    lookup = opened(mine, clock)
    await save(store, lookup, first, row.run)
    clock.time += 61
    return row, first, lookup


def test_a_late_answer_leaves_a_forgotten_number_forgotten(store, clock):
    """A paused worker still holds the answer of a number that was settled and then forgotten."""

    async def work():
        row, first, lookup = await opened_and_lapsed(store, clock)
        row2, second = await begin(store, key="other")
        theirs = (await store.write(claim, terms(store, row2, second), [NUMBER])).mine[0][0]
        await save(store, answered(theirs, clock), second, row2.run)
        await store.write(ledger.forget, [NUMBER], store.now())
        return await save(store, answered(lookup, clock), first, row.run)

    assert run(work()) == "fenced"
    assert state_of(store) is None
    found = store.do(lambda db: db.execute("SELECT number, body FROM events").fetchall())
    assert set(found) == {(None, None)}


def test_a_late_answer_counts_for_the_run_that_took_over(store, clock):
    """It is paid once, under the cap of the run that has the row, even when it is forgotten."""

    async def work():
        row, first, lookup = await opened_and_lapsed(store, clock)
        capped, second = await begin(store, cap=1, key="other")
        await store.write(claim, terms(store, capped, second, cap=1), [NUMBER])
        await save(store, answered(lookup, clock), first, row.run)
        kept = await store.write(runs.charged, capped.run)
        await store.write(ledger.forget, [NUMBER], store.now())
        return kept, await store.write(runs.charged, capped.run)

    assert run(work()) == (1, 1)


def test_a_charge_after_a_free_failure_counts_under_both_caps(store, clock):
    """A run's cap leaves out what another run found to be free, unless a charge of it comes late."""

    async def work():
        row, first, lookup = await opened_and_lapsed(store, clock)
        other, second = await begin(store, key="other")
        theirs = (await store.write(claim, terms(store, other, second), [NUMBER])).mine[0][0]
        counts = [await store.write(runs.charged, row.run)]
        free = theirs._replace(state=LookupState.FAILED, charged=False)
        await save(store, free, second, other.run)
        counts.append(await store.write(runs.charged, row.run))
        await save(store, answered(lookup, clock), first, row.run)
        return [*counts, await store.write(runs.charged, row.run)]

    assert run(work()) == [1, 0, 1]


def test_one_request_id_for_two_numbers_holds_both(store, clock):
    async def work():
        row, worker = await begin(store)
        both = (await store.write(claim, terms(store, row, worker), [NUMBER, NUMBER + 1])).mine
        first = await save(store, opened(both[0][0], clock, "same"), worker, row.run)
        second = await save(store, opened(both[1][0], clock, "same"), worker, row.run)
        again = await store.write(claim, terms(store, row, worker), [NUMBER, NUMBER + 1])
        return first, second, again

    first, second, again = run(work())
    assert (first, second) == ("kept", "collision")
    assert again.settled == [NUMBER, NUMBER + 1]
    assert {state_of(store, n).state for n in (NUMBER, NUMBER + 1)} == {LookupState.UNCERTAIN}


def test_many_saves_at_once_end_as_one_by_one(store, clock):
    """Sharing a requestId, fenced out, or neither: on a server they go in few statements."""

    async def work():
        row, worker = await begin(store)
        numbers = list(range(8_118_000_000, 8_118_000_008))
        mine = [
            one for one, _ in (await store.write(claim, terms(store, row, worker), numbers)).mine
        ]
        ids = ["r0", "r1", "r2", "same", "same", "r5", "r6", "r7"]
        open_ = [opened(one, clock, name) for one, name in zip(mine, ids, strict=True)]
        open_[7] = open_[7]._replace(epoch=9)  # another worker's by now
        first = await asyncio.gather(*(save(store, one, worker, row.run) for one in open_))
        done = [
            answered(one, clock, charged) for one, charged in zip(open_[:3], CHARGES, strict=True)
        ]
        second = await asyncio.gather(*(save(store, one, worker, row.run) for one in done))
        again = await asyncio.gather(*(save(store, one, worker, row.run) for one in done))
        found = await store.details("sandbox", numbers)
        return first, second, again, [found[number].state.name for number in numbers]

    first, second, again, states = run(work())
    assert sorted(first) == ["collision", "fenced", *["kept"] * 6]
    assert (second, again) == (["kept"] * 3, ["kept"] * 3)
    assert states == [*["ANSWERED"] * 3, *["UNCERTAIN"] * 2, *["PENDING"] * 2, "RESERVED"]
    kinds = [row[0] for row in store.do(lambda db: db.execute(KINDS).fetchall())]
    assert sorted(kinds) == sorted([*["opened"] * 6, *["answered"] * 3, "collision", "orphaned"])
    bodies = store.do(lambda db: db.execute("SELECT count(body) FROM events").fetchone()[0])
    assert bodies == 3


CHARGES = (True, False, None)
KINDS = "SELECT kind FROM events"


@pytest.mark.postgres
def test_a_group_of_saves_is_few_round_trips(dsn, monkeypatch):
    """A server that is 1 ms away would else allow some 70 look-ups a second."""
    psycopg = pytest.importorskip("psycopg")
    clock = Clock()
    with LookupStore.open(dsn) as store:
        set_clock(store, clock)

        async def work():
            row, worker = await begin(store)
            numbers = list(range(8_118_000_000, 8_118_000_100))
            mine = (await store.write(claim, terms(store, row, worker), numbers)).mine
            open_ = [opened(one, clock, f"r{one.number}") for one, _ in mine]
            trips = []
            execute = psycopg.Connection.execute

            def counted(self, *args, **options):
                trips.append(1)
                return execute(self, *args, **options)

            monkeypatch.setattr(psycopg.Connection, "execute", counted)
            for steps in (open_, [answered(one, clock) for one in open_]):
                saved = await asyncio.gather(*(save(store, one, worker, row.run) for one in steps))
                assert set(saved) == {"kept"}
            return len(trips)

        assert run(work()) <= 24


def test_a_forgotten_numbers_request_id_collides_with_none(store, clock):
    """A vendor that repeats requestIds does not stop every run after a number was forgotten."""
    run(buy(store, clock, number=NUMBER, request_id="same"))
    assert store.do(ledger.forget, [NUMBER], store.now()) == 1

    async def work():
        row, worker = await begin(store, key="other")
        mine = (await store.write(claim, terms(store, row, worker), [NUMBER + 1])).mine[0][0]
        return await save(store, opened(mine, clock, "same"), worker, row.run)

    assert run(work()) == "kept"


def test_a_cap_counts_rows_of_the_run_reserved_and_bought(store, clock):
    async def work():
        row, worker = await begin(store, cap=3)
        first = await store.write(claim, terms(store, row, worker, cap=3), [1, 2])
        lookup = opened(first.mine[0][0], clock)
        await save(store, lookup, worker, row.run)
        await save(store, answered(lookup, clock), worker, row.run)
        second = await store.write(claim, terms(store, row, worker, cap=3), [3, 4])
        free = first.mine[1][0]._replace(state=LookupState.FAILED, charged=False)
        await save(store, free, worker, row.run)
        third = await store.write(claim, terms(store, row, worker, cap=3), [4, 5])
        return second, third, await store.write(runs.Spending(row.run).count)

    second, third, spent = run(work())
    assert (len(second.mine), second.over) == (1, [4])
    assert (len(third.mine), third.over) == (1, [5])
    assert spent == 3


@pytest.mark.parametrize("size", [2, 3, 8])
def test_a_lowered_cap_holds_over_claims_of_any_size(store, clock, size):
    """An uncapped call died; the same call with a cap finishes that many, the opened ones first."""

    async def claims_of(row, worker, cap, numbers):
        work = terms(store, row, worker, cap=cap, spending=runs.Spending(row.run))
        mine, over = [], []
        for at in range(0, len(numbers), size):
            got = await store.write(claim, work, numbers[at : at + size])
            mine += [lookup.number for lookup, _ in got.mine]
            over += got.over
            for lookup, _ in got.mine:  # its reply was lost, so it stays as it was
                done = opened(lookup, clock, f"r{lookup.number}")
                await save(store, done, worker, row.run)
                await store.write(saves.unclaim, done, worker=worker)
        return sorted(mine), len(over)

    async def work():
        row, dead = await begin(store)
        first = await store.write(claim, terms(store, row, dead), list(range(8)))
        for lookup, _ in first.mine[5:7]:
            await save(store, opened(lookup, clock, f"r{lookup.number}"), dead, row.run)
        clock.time += 61
        row, worker = await begin(store, cap=3)
        return [
            await claims_of(row, worker, 3, numbers)
            for numbers in (list(range(10)), list(range(9, -1, -1)))
        ]

    assert run(work()) == [([0, 5, 6], 7)] * 2


def test_a_lowered_cap_counts_what_another_call_has_in_flight(store, clock):
    async def work():
        row, dead = await begin(store)
        await store.write(claim, terms(store, row, dead), [1, 2, 3, 4])
        clock.time += 61
        row, living = await begin(store)
        await store.write(claim, terms(store, row, living), [3])
        row, worker = await begin(store, cap=2)
        return await store.write(claim, terms(store, row, worker, cap=2), [4, 3, 2, 1, 5])

    found = run(work())
    assert [lookup.number for lookup, _ in found.mine] == [1]
    assert (found.busy, found.over) == ([3], [4, 2, 5])


def test_a_claim_is_one_statement_of_each_kind_in_sorted_order(store, clock):
    """Fresh numbers, given back ones, open ones of a dead worker, and answers to be bought again."""

    async def work():
        await buy(store, clock, number=100, request_id="old")
        clock.time += 100
        row, dead = await begin(store)
        claims = await store.write(
            claim, terms(store, row, dead), [*range(30, 20, -1), *range(70, 60, -1)]
        )
        for lookup, _ in claims.mine:
            if lookup.number <= 30:
                back = lookup._replace(state=LookupState.RELEASED, charged=False)
                await save(store, back, dead, row.run)
        clock.time += 61
        row, worker = await begin(store, key="other")
        wanted = [100, *range(90, 80, -1), *range(21, 31), *range(70, 60, -1)]
        said = []

        def watched(db):
            class Watched:
                def execute(self, sql, parameters=()):
                    said.append(
                        (
                            sql.split()[0],
                            [
                                value
                                for value in parameters
                                if isinstance(value, int) and 21 <= value <= 100
                            ],
                        )
                    )
                    return db.execute(sql, parameters)

            return claim(Watched(), terms(store, row, worker, since=store.now()), wanted)

        return await store.write(watched), said

    claims, said = run(work())
    assert [lookup.number for lookup, _ in claims.mine] == [
        100,
        *range(90, 80, -1),
        *range(21, 31),
        *range(70, 60, -1),
    ]
    assert {lookup.number for lookup, lost in claims.mine if lost.reason} == set(range(61, 71))
    assert {
        lookup.number: lookup.epoch for lookup, _ in claims.mine if lookup.number < 80
    } == dict.fromkeys([*range(21, 31), *range(61, 71)], 2)
    writes = [(verb, numbers) for verb, numbers in said if verb != "SELECT"]
    assert writes == [
        ("INSERT", [*range(81, 91), 100]),
        ("UPDATE", list(range(21, 31))),
        ("UPDATE", list(range(61, 71))),
    ]
    assert (
        len(said) - len(writes) < 7
    )  # one look at the numbers, one at the mark of the vendor, one at each worker


def test_an_unfinished_run_is_the_same_run_for_a_day(store, clock):
    async def work():
        first, worker = await begin(store)
        await leave(store, worker, first.run, finished=False)
        clock.time += 3600
        second, worker = await begin(store)
        await leave(store, worker, second.run, finished=False)
        clock.time += DAY + 1
        third, worker = await begin(store)
        await leave(store, worker, third.run, finished=True)
        fourth, _ = await begin(store)
        return [first.run, second.run, third.run, fourth.run], second.started_at == first.started_at

    found, same_start = run(work())
    assert found[0] == found[1] != found[2] != found[3]
    assert same_start


def test_a_refresh_makes_a_new_generation_and_keeps_the_old(store, clock):
    async def work():
        await buy(store, clock)
        old = store.now()
        clock.time += 100
        row, worker = await begin(store, key="refresh")
        since = row.started_at
        claims = await store.write(claim, terms(store, row, worker, since=since), [NUMBER])
        failed = claims.mine[0][0]._replace(state=LookupState.FAILED, charged=False)
        await save(store, failed, worker, row.run)
        plain = await store.read("sandbox", np.array([NUMBER]))
        fresh = await store.read("sandbox", np.array([NUMBER]), since=since)
        again = await store.write(claim, terms(store, row, worker), [NUMBER])
        whole = [(await store.details("sandbox", [NUMBER], since=at))[NUMBER] for at in (0, since)]
        return claims.mine[0][0].generation, plain, fresh, again, old, whole

    generation, plain, fresh, again, old, whole = run(work())
    assert generation == 2
    assert [(found.generation, found.request_id) for found in whole] == [
        (1, "r1"),
        (2, None),
    ]  # as `read` says
    assert unpack(int(plain.packed[0]))[0] is LookupState.ANSWERED
    assert plain.bought_at[0] == old
    assert unpack(int(fresh.packed[0]))[0] is LookupState.FAILED
    assert again.settled == [NUMBER]


def test_many_numbers_are_read_as_they_were_written(store, clock, monkeypatch):
    rng = np.random.default_rng(0)
    numbers = rng.choice(np.arange(8_110_000_000, 8_110_300_000), 120_000, replace=False)
    half = numbers[::2]
    rows = [f"(1, {n}, 1, {n % 7 + (1 << 4)}, {n})" for n in half.tolist()]

    def fill(db):
        for at in range(0, len(rows), 500):
            db.execute(
                "INSERT INTO lookups (environment, number, generation, packed, bought_at) VALUES "
                + ", ".join(rows[at : at + 500])
            )

    store.do(fill)

    async def read(wanted):
        return await store.read("sandbox", wanted)

    found = run(read(numbers))
    assert np.array_equal(found.packed[::2], half % 7 + 16)
    assert np.array_equal(found.bought_at[::2], half)
    assert not found.packed[1::2].any()
    few = run(read(numbers[:10]))
    assert np.array_equal(few.packed, found.packed[:10])
    monkeypatch.setattr(store_module, "READ", 7000)  # so that others may write in between
    parts = run(read(numbers))
    assert np.array_equal(parts.packed, found.packed)
    assert np.array_equal(parts.bought_at, found.bought_at)


def test_the_details_of_many_numbers_hold_no_other_writer_up(store, clock, monkeypatch):
    monkeypatch.setattr(store_module, "DETAILED", 3)
    numbers = [NUMBER + i for i in range(10)]

    async def work():
        for at, number in enumerate(numbers):
            await buy(store, clock, number, f"r{at}", key=f"k{at}")
        reading = asyncio.ensure_future(store.details("sandbox", numbers))
        writing = asyncio.ensure_future(store.write(runs.find_run, key="k0", now=store.now()))
        done, _ = await asyncio.wait([reading, writing], return_when=asyncio.FIRST_COMPLETED)
        return done == {writing}, await reading

    between, found = run(work())
    assert between
    assert {number: lookup.request_id for number, lookup in found.items()} == {
        n: f"r{i}" for i, n in enumerate(numbers)
    }


def test_a_foreign_or_newer_file_is_refused_and_left_alone(tmp_path):
    foreign = tmp_path / "foreign.sqlite3"
    other = sqlite3.connect(foreign)
    other.execute("CREATE TABLE t (x)")
    other.close()
    with pytest.raises(StoreError, match="another program"):
        LookupStore(foreign)
    newer = tmp_path / "newer.sqlite3"
    LookupStore(newer).close()
    other = sqlite3.connect(newer)
    other.execute("PRAGMA user_version=99")
    other.close()
    with pytest.raises(StoreVersionError, match="Upgrade"):
        LookupStore(newer)
    text = tmp_path / "text.sqlite3"
    text.write_text("not a database, only text that is long enough to be looked at" * 20)
    with pytest.raises(StoreError, match="cannot be used"):
        LookupStore(text)


def test_a_closed_store_says_so(tmp_path):
    store = LookupStore(tmp_path / "s.sqlite3")
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.count()


def test_one_bad_write_in_a_group_costs_the_others_nothing(store):
    async def work():
        good = store.write(lambda db: db.execute("INSERT INTO meta VALUES ('a', '1')"))
        bad = store.write(lambda db: db.execute("INSERT INTO nowhere VALUES (1)"))
        other = store.write(lambda db: db.execute("INSERT INTO meta VALUES ('b', '1')"))
        return await asyncio.gather(good, bad, other, return_exceptions=True)

    results = run(work())
    assert isinstance(results[1], StoreError)
    assert (
        store.do(
            lambda db: db.execute("SELECT count(*) FROM meta WHERE name IN ('a', 'b')").fetchone()[
                0
            ]
        )
        == 2
    )


OPENER = """
import sys
from pandas_numberactive._store.store import LookupStore
sys.stdin.readline()
with LookupStore(sys.argv[1]) as store:
    print(store.count())
"""


def test_many_processes_may_make_one_file_at_once(tmp_path):
    path = str(tmp_path / "shared.sqlite3")
    children = [
        subprocess.Popen(
            [sys.executable, "-c", OPENER, path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    assert [child.communicate(timeout=60)[0].strip() for child in children] == ["0"] * 4


def fill(store, rows):
    """Rows of number, generation, packed, bought_at, straight into the table."""

    def work(db):
        for at in range(0, len(rows), 100):
            some = rows[at : at + 100]
            marks = ",".join(["(1, ?, ?, ?, ?)"] * len(some))
            db.execute(
                f"INSERT INTO lookups (environment, number, generation, packed, bought_at) VALUES {marks}",
                tuple(value for row in some for value in row),
            )

    store.do(work)


def obvious(rows, number, since):
    """What a bulk read must say of a number, the slow way."""
    mine = sorted(row for row in rows if row[0] == number)
    good = [row for row in mine if (row[2] & 15) in (3, 4, 5, 6) and row[3] >= since]
    newest = good[-1] if good else mine[-1] if mine else (number, 0, 0, 0)
    return newest[2], newest[3]


def test_a_bulk_read_says_what_a_slow_one_says(store, monkeypatch):
    monkeypatch.setattr("pandas_numberactive._store.engines.postgres.AT_ONCE", 700)
    rng = np.random.default_rng(5)
    numbers = 8_110_000_000 + np.sort(rng.choice(40_000, 3_000, replace=False))
    states = [3, 3, 3, 4, 5, 6, 7, 8, 9, 10]
    rows = [
        (
            int(number),
            generation,
            int(rng.choice(states)) | int(rng.integers(0, 256)) << 4,
            int(rng.integers(1, 10**16)),
        )
        for number in numbers
        for generation in range(1, 1 + int(rng.choice([1, 1, 1, 3])))
    ]
    fill(store, rows)
    by_number = {}
    for row in rows:
        by_number.setdefault(row[0], []).append(row)
    wanted = {
        "few": rng.permutation(numbers[:40]),
        "dense": rng.permutation(numbers),
        "sparse": np.append(numbers[::50][:700], np.arange(8_200_000_000, 8_200_000_600)),
        "absent": np.arange(8_300_000_000, 8_300_001_000),
        "half": 8_110_000_000 + rng.permutation(40_000)[:20_000],
        "none": np.zeros(0, np.int64),
    }
    for since in (0, 5 * 10**15):
        for name, some in wanted.items():
            found = run(read(store, some, since))
            expected = [obvious(by_number.get(int(n), []), int(n), since) for n in some]
            assert (
                list(zip(found.packed.tolist(), found.bought_at.tolist(), strict=True)) == expected
            ), (name, since)


@pytest.mark.parametrize("most", [10**13, 1 << 61, (1 << 63) - 1])
@pytest.mark.parametrize("count", [0, 1, 5, 4096])
def test_numbers_are_put_in_order_as_argsort_does(most, count):
    numbers = np.random.default_rng(count).integers(0, most, count, endpoint=True)
    numbers[:1] = most
    wanted, order = in_order(numbers)
    assert wanted.tolist() == np.sort(numbers).tolist()
    assert numbers[order].tolist() == wanted.tolist()
    assert sorted(order.tolist()) == list(range(count))


def test_a_bulk_read_takes_values_wider_than_their_place(file_store):
    fill(file_store, [(8110000000 + i, 1, 3 + (1 << 20) * (i == 7), 10**15) for i in range(600)])
    found = run(read(file_store, np.arange(8110000000, 8110000600), 0))
    assert found.packed[7] == 3 + (1 << 20)
    assert (np.delete(found.packed, 7) == 3).all()


async def read(store, numbers, since):
    return await store.read("sandbox", np.asarray(numbers, np.int64), since=since)


@pytest.mark.skipif(os.name == "nt", reason="rights are others there")
def test_what_is_no_store_of_ours_keeps_its_rights(tmp_path):
    folder, table = tmp_path / "folder", tmp_path / "table.csv"
    folder.mkdir()
    table.write_text("phone\n")
    for place, mode in ((folder, 0o755), (table, 0o644)):
        place.chmod(mode)
        with pytest.raises(StoreError):
            LookupStore(place)
        assert place.stat().st_mode & 0o777 == mode
