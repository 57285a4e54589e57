"""The team's server cut off at every kind of moment, away for long, of another clock, with odd defaults, behind a pooler."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing

import pandas as pd
import pytest

pytest.importorskip(
    "psycopg", reason='psycopg is missing: pip install "pandas-numberactive[postgres]"'
)

import psycopg

import pandas_numberactive as pna
from pandas_numberactive._config.credentials import Address
from pandas_numberactive._store import claims, runs, workers
from pandas_numberactive._store.engines import connection as store_connection
from pandas_numberactive._store.engines import postgres as store_postgres
from pandas_numberactive._store.engines.postgres import PostgresEngine
from pandas_numberactive._store.store import LookupStore
from pandas_numberactive.errors import StoreError, VendorError
from pandas_numberactive.simulator import Faults, Simulator
from tests.cutting import Cut, Proxy

pytestmark = pytest.mark.postgres

KEYS = {"app_key": "made-up-key", "secret": "made-up-secret"}
FRAME = pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(40)]})
GOOD = ["answered", "no_data"]


def configure(vendor: Simulator, store: str, **options: object) -> None:
    pna.configure(
        environment="production",
        base_url=vendor.base_url,
        store=store,
        **{**KEYS, "max_concurrency": 4, **options},
    )


def through(proxy: Proxy, dsn: str) -> str:
    return dsn.replace(dsn.rsplit(":", 1)[1].split("/")[0], str(proxy.port))


def every(nth: int, word: bytes, side: Cut) -> Callable[[bytes], Cut | None]:
    """Cut at every nth message that holds a word, whole runs long."""
    seen = 0

    def when(data: bytes) -> Cut | None:
        nonlocal seen
        seen += word in data
        return side if word in data and seen % nth == 0 else None

    return when


def books_of(dsn: str) -> tuple[int, ...]:
    """Events of each kind that counts, workers left, runs not ended."""
    counts = (
        "events WHERE kind = 'opened'",
        "events WHERE kind <> 'opened'",
        "workers",
        "runs WHERE ended_at IS NULL",
    )
    with LookupStore.open(dsn) as store:
        return store.do(
            lambda db: tuple(
                db.execute(f"SELECT count(*) FROM {what}").fetchone()[0] for what in counts
            )
        )


async def begin_run(store: LookupStore, cap: int | None = None) -> runs.RunRow:
    terms = {"key": "k", "environment": "sandbox", "price": None, "currency": "IDR"}
    return await store.write(runs.begin_run, now=store.now(), cap=cap, **terms)


async def join(store: LookupStore, run: int) -> int:
    worker = workers.new_worker()
    await store.write(workers.join, store.engine, worker, run=run, lease=60.0)
    return worker


async def renew(store: LookupStore, worker: int, run: int) -> None:
    await store.write(workers.renew, store.engine, worker=worker, run=run, lease=60.0)


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize(
    ("nth", "word"),
    [(2, b"COMMIT\0"), (3, b"BEGIN"), (5, b"lookups")],
    ids=["commit", "begin", "middle"],
)
def test_a_connection_lost_at_any_message_is_not_seen_by_the_user(dsn, nth, word, side):
    """A COMMIT whose reply is lost is looked up before anything is done again: no event stands twice."""
    with (
        Simulator(stand_in=True, **KEYS) as vendor,
        Proxy(int(dsn.rsplit(":", 1)[1].split("/")[0])) as proxy,
    ):
        configure(vendor, through(proxy, dsn))
        proxy.when = every(nth, word, side)
        out = FRAME.numberactive.enrich("phone", max_charges=40)
        proxy.when = lambda _: None
        assert proxy.cuts > 5
        assert out["phone_lookup_status"].isin(GOOD).all()
        assert vendor.ledger.charged_phones() == {phone[1:]: 1 for phone in FRAME["phone"]}
        assert pna.last_run().charged == 40
        assert pna.spend("run")["charged"].tolist() == [40]
        assert books_of(dsn) == (40, 40, 0, 0)


def test_where_nobody_knows_whether_a_commit_went_through_each_write_knows_itself(dsn, monkeypatch):
    """A server that took over may not know the transaction: all is done again, and stands once all the same."""
    monkeypatch.setattr(store_connection.Connection, "_went_through", lambda *_: False)
    with (
        Simulator(stand_in=True, **KEYS) as vendor,
        Proxy(int(dsn.rsplit(":", 1)[1].split("/")[0])) as proxy,
    ):
        configure(vendor, through(proxy, dsn))
        proxy.when = every(2, b"COMMIT\0", "after")
        out = FRAME.numberactive.enrich("phone", max_charges=40)
        proxy.when = lambda _: None
        assert proxy.cuts > 5
        assert out["phone_lookup_status"].isin(GOOD).all()
        assert vendor.ledger.charged_phones() == {phone[1:]: 1 for phone in FRAME["phone"]}
        assert books_of(dsn) == (40, 40, 0, 0)


def test_a_commit_lost_in_a_crash_is_never_anothers(postgres, dsn):
    """A crashed server gives the number of a lost transaction to the next one, which commits."""
    with (
        closing(PostgresEngine(Address(dsn))) as lost,
        closing(PostgresEngine(Address(dsn))) as next_,
    ):
        lost.begin()
        number = lost._transaction
        postgres.stop("immediate")
        postgres.start()
        while (next_.begin(), next_._transaction)[1] < number:
            next_.commit()
        assert next_._transaction == number  # the case that is meant
        next_.commit()
        with pytest.raises(psycopg.Error) as caught:
            lost.commit()
        assert lost.passing(caught.value)  # done again, and each write recognises itself


def test_a_server_that_stays_away_ends_the_run_once_for_all_and_the_next_one_has_every_answer(
    postgres, dsn, monkeypatch, tmp_path
):
    monkeypatch.setattr(store_connection, "GONE_FOR", 1.0)
    monkeypatch.setattr(
        tempfile, "tempdir", str(tmp_path)
    )  # where answers wait that no store takes
    with Simulator(stand_in=True, latency=0.02, **KEYS) as vendor:
        configure(vendor, dsn, max_concurrency=32)
        frame = pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(400)]})
        job = frame.numberactive.start("phone")
        while vendor.ledger.total < 60:
            assert not job.done()
        postgres.stop("immediate")
        stopped = time.monotonic()
        try:
            with pytest.raises(StoreError) as caught:
                job.result(60)
            waited = time.monotonic() - stopped
        finally:
            postgres.start()
        assert waited < 15  # not a second for each of the writes that stood in line
        assert "made-up-password" not in str(caught.value)
        paid = vendor.ledger.total
        out = frame.numberactive.enrich("phone")
        assert out["phone_lookup_status"].isin(GOOD).all()
        assert 60 <= paid < 400 == vendor.ledger.total
        assert vendor.ledger.double_charged() == []


@pytest.mark.parametrize("ahead", [3600.0, -3600.0], ids=["an hour ahead", "an hour behind"])
def test_a_clock_that_differs_from_the_servers_buys_nothing_twice(dsn, monkeypatch, ahead):
    """What is bought under a refresh is newer than the refresh, whatever this machine's clock says."""
    note = store_connection.Connection._set_clock
    with Simulator(stand_in=True, **KEYS) as vendor:
        configure(vendor, dsn)
        monkeypatch.setattr(
            store_connection.Connection, "_set_clock", lambda self, by: note(self, by + ahead)
        )
        FRAME.numberactive.enrich("phone")
        vendor.faults = Faults(script={"query": ["ok"] * 10 + ["redirect"]})
        with pytest.raises(VendorError):
            FRAME.numberactive.enrich("phone", refresh=True)
        assert 40 < vendor.ledger.total < 80
        out = FRAME.numberactive.enrich("phone", refresh=True)
        assert out["phone_lookup_status"].isin(GOOD).all()
        assert vendor.ledger.total == 80


def test_a_lease_is_by_the_servers_clock_also_when_ours_is_put_right_meanwhile(dsn, monkeypatch):
    import asyncio

    real = time.time
    with LookupStore.open(dsn) as store:
        monkeypatch.setattr(store_connection.time, "time", lambda: real() + 7200)

        async def work() -> tuple[int, bool]:
            row = await begin_run(store, cap=None)
            worker = await join(store, row.run)
            until = await store.write(
                lambda db: db.execute("SELECT lease_until FROM workers").fetchone()[0]
            )
            monkeypatch.setattr(store_connection.time, "time", lambda: real() - 7200)
            await renew(store, worker, row.run)
            renewed = await store.write(
                lambda db: db.execute("SELECT lease_until FROM workers").fetchone()[0]
            )
            return until, renewed

        for until in asyncio.run(work()):
            assert until / 1e6 == pytest.approx(real() + 60, abs=10)


ODD = {
    "synchronous_commit": "off",
    "default_transaction_isolation": "'repeatable read'",
    "default_transaction_read_only": "on",
    "statement_timeout": "'150ms'",
    "lock_timeout": "'100ms'",
    "timezone": "'Asia/Kolkata'",
    "datestyle": "'German, DMY'",
    "extra_float_digits": "'-15'",
    "bytea_output": "escape",
    "search_path": "public",
}


# Longer than the role's own time-outs.
WAITS_FOR_LONG = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND clock_timestamp() - query_start > '300ms'"


@pytest.fixture
def odd_role(dsn):
    """The owner, with defaults that an administrator may have set, each of which could spoil something."""
    LookupStore.open(dsn).close()
    with psycopg.connect(dsn, autocommit=True) as admin:
        for name, value in ODD.items():
            admin.execute(f"ALTER ROLE owner SET {name} = {value}")
        yield dsn
        admin.execute("ALTER ROLE owner RESET ALL")


def test_the_roles_own_defaults_change_nothing(odd_role):
    with LookupStore.open(odd_role) as store:
        said = store.do(
            lambda db: [
                db.execute(f"SHOW {name}").fetchone()[0]
                for name in ("synchronous_commit", "transaction_isolation")
            ]
        )
        assert said == ["on", "read committed"]
    before = pd.Timestamp.now("UTC")
    with Simulator(stand_in=True, **KEYS) as vendor:
        configure(vendor, odd_role, unit_price=450.25)
        out = FRAME.numberactive.enrich("phone", details=True)
        assert (
            out["phone_looked_up_at"]
            .between(before - pd.Timedelta("5s"), pd.Timestamp.now("UTC") + pd.Timedelta("5s"))
            .all()
        )
        with pna.LookupStore() as books:
            assert books.spend("environment")["cost"].tolist() == [40 * 450.25]


def test_a_cap_counts_what_was_committed_while_one_waited(odd_role):
    """Under the role's default isolation the waiting claim would count what there was before its wait."""
    import asyncio

    from pandas_numberactive._store.claims import Claims, Work

    def work(run: int, worker: int, store: LookupStore) -> Work:
        return Work("sandbox", run, worker, 10, 0, store.now(), True, "h", "f", 10**12, store.alive)

    with LookupStore.open(odd_role) as store, psycopg.connect(odd_role) as other:

        async def begin() -> tuple[int, int]:
            row = await begin_run(store, cap=10)
            return row.run, await join(store, row.run)

        run, worker = asyncio.run(begin())
        other.execute("SET TRANSACTION READ WRITE")
        other.execute("SELECT pg_advisory_xact_lock(%s)", (store_connection.WRITE_LOCK,))
        got: list[Claims] = []

        async def claim() -> None:
            got.append(
                await store.write(
                    claims.claim,
                    work(run, worker, store),
                    list(range(8_118_000_000, 8_118_000_010)),
                )
            )

        waiting = threading.Thread(target=lambda: asyncio.run(claim()))
        waiting.start()
        with psycopg.connect(odd_role, autocommit=True) as eye:
            while eye.execute(WAITS_FOR_LONG).fetchone() == (0,):
                assert waiting.is_alive()
        other.execute(
            "INSERT INTO numberactive.lookups (environment, number, generation, packed, run, spend) "
            "SELECT 1, 8118999000 + i, 1, 3, %s, 1 FROM generate_series(1, 8) AS i",
            (run,),
        )
        other.commit()
        waiting.join(30)
    assert (len(got[0].mine), len(got[0].over)) == (2, 8)


def test_a_pooler_that_gives_each_transaction_another_session_is_noticed_and_works(
    dsn, monkeypatch
):
    """DISCARD ALL is what a session of somebody else's looks like: nothing set, nothing prepared, no lock held."""
    commit = store_postgres.PostgresEngine.commit

    def and_forget(self: store_postgres.PostgresEngine) -> None:
        commit(self)
        self._open.execute("DISCARD ALL", prepare=False)

    monkeypatch.setattr(store_postgres.PostgresEngine, "commit", and_forget)
    port = int(dsn.rsplit(":", 1)[1].split("/")[0])
    with (
        Simulator(stand_in=True, latency=0.01, **KEYS) as vendor,
        Proxy(port, pooler=True) as proxy,
    ):
        configure(vendor, through(proxy, dsn))
        job = FRAME.numberactive.start("phone")
        while vendor.ledger.total < 10:
            assert not job.done()
        with LookupStore.open(dsn) as direct:  # a colleague without the pooler waits for the lease
            assert not direct.engine.pooled
            assert direct.do(
                lambda db: direct.alive(db, db.execute("SELECT worker FROM workers").fetchone()[0])
            )
        assert job.result(60)["phone_lookup_status"].isin(GOOD).all()
        again = FRAME.numberactive.enrich("phone", refresh=True, details=True)
        assert again["phone_lookup_status"].isin(GOOD).all()
        assert vendor.ledger.charged_phones() == {phone[1:]: 2 for phone in FRAME["phone"]}
        with LookupStore.open(through(proxy, dsn)) as pooled:
            assert pooled.engine.pooled


def test_a_deadlock_or_a_conflict_with_another_program_is_tried_again(dsn):
    """Ours come one by one; but anybody may lock a table in the order of his own."""
    failures = [psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure] * 2
    calls = []

    def work(db: object) -> int:
        calls.append(1)
        db.execute("INSERT INTO meta (name, value) VALUES (?, 'x')", (f"n{len(calls)}",))
        if failures:
            raise failures.pop()("made up")
        return 7

    with LookupStore.open(dsn) as store:
        assert store.do(work) == 7
        assert store.do(
            lambda db: db.execute("SELECT count(*) FROM meta WHERE name LIKE 'n%'").fetchone()
        ) == (1,)
        failures[:] = [psycopg.errors.DeadlockDetected] * 50
        with pytest.raises(StoreError, match="DeadlockDetected"):
            store.do(work)


def test_a_client_paused_inside_a_transaction_holds_nobody_up_for_long_and_does_its_work_again(
    dsn, monkeypatch
):
    """The server ends the transaction of a client that says nothing; when it wakes up, nothing of it is there."""
    monkeypatch.setattr(store_connection, "_BEGIN", store_connection._BEGIN.replace("15s", "300ms"))
    tries = []

    def put(name: str) -> Callable[[object], None]:
        return lambda db: db.execute("INSERT INTO meta (name, value) VALUES (?, 'x')", (name,))

    with LookupStore.open(dsn) as paused, LookupStore.open(dsn) as other:

        def work(db: object) -> None:
            put("paused")(db)
            tries.append(1)
            if len(tries) == 1:
                other.do(put("other"))  # has to wait for the lock that this transaction holds

        paused.do(work)
        assert len(tries) == 2
        names = paused.do(
            lambda db: db.execute("SELECT count(*) FROM meta WHERE value = 'x'").fetchone()
        )
        assert names == (2,)


def test_many_clients_may_make_the_tables_at_once(dsn):
    barrier, seen = threading.Barrier(8), []

    def start() -> None:
        barrier.wait()
        try:
            with LookupStore.open(dsn) as store:
                seen.append(store.count())
        except Exception as error:
            seen.append(error)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert seen == [0] * 8


def test_a_worker_holds_its_lock_again_after_a_lost_connection(dsn):
    """Also where the server still has the session that was lost: then when the lease is prolonged."""
    import asyncio

    port = int(dsn.rsplit(":", 1)[1].split("/")[0])

    def alone(db: object) -> int:
        return int(
            db.execute(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND pid = pg_backend_pid()"
            ).fetchone()[0]
        )

    with (
        Proxy(port) as proxy,
        LookupStore.open(through(proxy, dsn)) as store,
        psycopg.connect(dsn) as other,
    ):

        async def work() -> list[int]:
            row = await begin_run(store, cap=None)
            worker = await join(store, row.run)
            held = [await store.write(alone)]
            token = await store.write(
                lambda db: db.execute("SELECT token FROM workers").fetchone()[0]
            )
            proxy.cut_all()
            key = store_postgres.token_key(token)
            while not other.execute("SELECT pg_try_advisory_lock(%s)", (key,)).fetchone()[
                0
            ]:  # the server's lost session
                pass
            held.append(await store.write(alone))
            other.execute("SELECT pg_advisory_unlock(%s)", (key,))
            await renew(store, worker, row.run)
            held.append(await store.write(alone))
            return held

        writers = 1  # the lock that orders all writers is one of them
        assert asyncio.run(work()) == [1 + writers, 0 + writers, 1 + writers]


@pytest.fixture
def waits(monkeypatch):
    """The waits for a table's lock that took too long, each of one second."""
    seen = []
    cause = PostgresEngine.cause

    def noted(engine, error):
        seen.extend([1] * isinstance(error, psycopg.errors.LockNotAvailable))
        return cause(engine, error)

    short = store_connection._BEGIN.replace("'60s'", "'1s'")
    monkeypatch.setattr(store_connection, "_BEGIN", short)
    monkeypatch.setattr(PostgresEngine, "cause", noted)
    return seen


def test_a_locked_table_is_waited_for_once_by_a_group(dsn, waits):
    """A VACUUM FULL, or a long index: 70 waits of a minute each, where each write waited anew."""
    frame = pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(400)]})
    LookupStore.open(dsn).close()
    with Simulator(stand_in=True, latency=0.05, **KEYS) as vendor:
        configure(vendor, dsn, max_concurrency=16)
        job = frame.numberactive.start("phone")
        while vendor.ledger.total < 60:
            assert not job.done()
        with psycopg.connect(dsn) as owner:
            owner.execute("LOCK TABLE numberactive.lookups IN SHARE MODE")
            with pytest.raises(StoreError, match="LockNotAvailable.*End what locks"):
                job.result(60)
        assert len(waits) <= 16  # a group each
        out = frame.numberactive.enrich("phone")
        assert out["phone_lookup_status"].isin(GOOD).all()
        assert vendor.ledger.total == 400
        assert vendor.ledger.double_charged() == []
