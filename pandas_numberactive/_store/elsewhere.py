"""Paid answers in another default store: a new base_url must not buy them again in silence."""

from __future__ import annotations

import re
from pathlib import Path

from pandas_numberactive._config.readiness import data_folder
from pandas_numberactive._purchase.purchase import SETTLED, STATE_SQL
from pandas_numberactive._store.engines.journal import Database
from pandas_numberactive._store.engines.sqlite import look_into
from pandas_numberactive._store.rows import ENVIRONMENTS
from pandas_numberactive._store.store import LookupStore
from pandas_numberactive.errors import ConfigurationError

_DEFAULTS = re.compile(r"lookups(-[a-z0-9-]+)?\.sqlite3")
_STATES = ", ".join(str(int(state)) for state in sorted(SETTLED))
_PAID = (
    f"FROM lookups WHERE environment = {ENVIRONMENTS['production']} AND {STATE_SQL} IN ({_STATES})"
)


async def refuse_paid_elsewhere(store: LookupStore, environment: str) -> None:
    """Raise ConfigurationError if the default store of production is empty and another one is not.

    Its message names both files and the `store=` to paste. Nothing was sent.
    """
    if environment != "production" or not _is_default(store.path):
        return
    if await store.fetch(_has_paid):
        return
    others = [(count, path) for path in _others(store.path) if (count := _count(path))]
    if others:
        count, path = max(others)
        raise ConfigurationError(
            f"The store {store.path} is empty, but {path} holds {count:,} paid answers of "
            "production: base_url was changed, and with it the default store. To go on with "
            f'them, add store="{path}" to configure(). If they came from a test server, or to buy '
            "everything again, name a new file with store=. Nothing was sent."
        )


def _is_default(path: Path | None) -> bool:
    if path is None or path.parent != data_folder().resolve():
        return False
    return _DEFAULTS.fullmatch(path.name) is not None


def _has_paid(db: Database) -> bool:
    return db.execute(f"SELECT 1 {_PAID} LIMIT 1").fetchone() is not None


def _others(path: Path | None) -> list[Path]:
    if path is None:
        return []
    found = path.parent.glob("lookups*.sqlite3")
    return [other for other in found if other != path and _is_default(other)]


def _count(path: Path) -> int:
    return look_into(path, f"SELECT count(*) {_PAID}")
