"""How often a team's store waits for its server, and that nobody waits for a reader."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip(
    "psycopg", reason='psycopg is missing: pip install "pandas-numberactive[postgres]"'
)

import psycopg

from pandas_numberactive._purchase.purchase import LookupState, Purchase
from pandas_numberactive._store import claims, ledger, runs, saves, workers
from pandas_numberactive._store.engines import connection
from pandas_numberactive._store.store import LookupStore
from pandas_numberactive._vendor.protocol import Answer

pytestmark = pytest.mark.postgres
NUMBERS = [8_110_000_000 + n for n in range(300)]


@pytest.fixture
def store(dsn: str) -> Iterator[LookupStore]:
    with LookupStore.open(dsn) as store:
        yield store


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements between BEGIN and COMMIT, as they are sent."""
    seen: list[str] = []
    execute = connection.Translated.execute

    def watched(self: Any, sql: str, parameters: Any = (), /) -> Any:
        seen.append(sql)
        return execute(self, sql, parameters)

    monkeypatch.setattr(connection.Translated, "execute", watched)
    return seen


async def work(store: LookupStore) -> claims.Work:
    """A worker that has joined a run."""
    terms = {"key": "k", "environment": "sandbox", "price": None, "currency": "IDR"}
    run = await store.write(runs.begin_run, now=store.now(), cap=None, **terms)
    worker = workers.new_worker()
    await store.write(workers.join, store.engine, worker, run=run.run, lease=60.0)
    return claims.Work(
        "sandbox",
        run.run,
        worker,
        cap=None,
        since=0,
        called_at=store.now(),
        retry_failed=False,
        host="h",
        key="k",
        max_id_age=1,
        alive=store.alive,
    )


async def claimed(store: LookupStore, terms: claims.Work) -> list[Purchase]:
    got = await store.write(claims.claim, terms, NUMBERS)
    return [lookup for lookup, _ in got.mine]


def opened(lookup: Purchase, at: float) -> Purchase:
    return lookup._replace(
        state=LookupState.PENDING, request_id=f"{lookup.number:032x}", opened_at=at
    )


def answered(lookup: Purchase, at: float, raw: bytes = b"{}") -> Purchase:
    answer = Answer(1, 1, 1)
    return lookup._replace(
        state=LookupState.ANSWERED, answer=answer, charged=True, bought_at=at, raw=raw
    )


def saving(store: LookupStore, terms: claims.Work) -> Callable[[list[Purchase]], Any]:
    """Return a function that saves many look-ups at once."""

    async def save(lookups: list[Purchase]) -> list[str]:
        now = store.now()
        by = {"worker": terms.worker, "run": terms.run, "now": now}
        return await asyncio.gather(*(store.write(saves.save, one, **by) for one in lookups))

    return save


def test_a_claim_of_many_is_three_statements(store, statements):
    """It is the mark of charges at handle, the stored rows, and the new rows."""

    async def main() -> None:
        terms = await work(store)
        statements.clear()
        assert len(await claimed(store, terms)) == len(NUMBERS)

    asyncio.run(main())
    assert len(statements) == 3, statements


def test_many_saves_are_a_few_statements(store, statements):
    """Requests and answers that wait together are one statement for each transaction."""

    async def main() -> None:
        terms = await work(store)
        save = saving(store, terms)
        lookups = [opened(lookup, store.now() / 1e6) for lookup in await claimed(store, terms)]
        statements.clear()
        assert set(await save(lookups)) == {"kept"}
        done = [answered(lookup, store.now() / 1e6) for lookup in lookups]
        assert set(await save(done)) == {"kept"}

    asyncio.run(main())
    assert len(statements) <= 6, len(statements)  # 600 saves
    assert len(store.fetch_now(ledger.history, 0, None)) == 2 * len(NUMBERS)


def test_a_body_that_is_no_text_is_kept_as_it_came(store, dsn):
    raw = bytes(range(256))

    async def main() -> None:
        terms = await work(store)
        save = saving(store, terms)
        lookups = [opened(lookup, store.now() / 1e6) for lookup in await claimed(store, terms)]
        await save(lookups)
        await save([answered(lookup, store.now() / 1e6, raw) for lookup in lookups])

    asyncio.run(main())
    with psycopg.connect(dsn) as other:
        bodies = other.execute(
            "SELECT DISTINCT body FROM numberactive.events WHERE kind <> 'opened'"
        )
        assert bodies.fetchall() == [(raw,)]


def test_a_read_waits_for_no_writer(store, dsn):
    """A colleague's transaction holds the lock of all writers meanwhile."""
    asyncio.run(_claim_all(store))
    with psycopg.connect(dsn) as writer:
        writer.execute("SELECT pg_advisory_xact_lock(%s)", (connection.WRITE_LOCK,))
        found = asyncio.run(_read(store))
    assert (found.newest == LookupState.RESERVED).all()


async def _claim_all(store: LookupStore) -> None:
    await claimed(store, await work(store))


async def _read(store: LookupStore) -> Any:
    read = store.read("sandbox", np.array(NUMBERS))
    return await asyncio.wait_for(read, 30.0)
