"""The databases of the small worlds: SQLite in memory, and a transaction on a server that is never committed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.money.world import Scratch as InMemory


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> Iterator[Callable[[], Any]]:
    """Makes the empty database of a world."""
    if request.param == "sqlite":
        yield InMemory
        return
    dsn = request.getfixturevalue("dsn")
    import psycopg

    from pandas_numberactive._store.engines.connection import Translated
    from pandas_numberactive._store.store import LookupStore

    class Scratch(Translated):
        def close(self) -> None:
            self._connection.execute("ROLLBACK")

    LookupStore.open(dsn).close()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET search_path = numberactive")

        def make() -> Scratch:
            connection.execute("BEGIN")
            return Scratch(connection)

        yield make
