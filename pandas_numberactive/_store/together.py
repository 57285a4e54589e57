"""Save many look-ups in one statement, for a server that is a round trip away.

It covers the usual cases: a new requestId, and an answer under our claim. Every other save goes
through `saves.save`, one by one, in the same transaction.
"""

from __future__ import annotations

import json
from binascii import b2a_base64
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pandas_numberactive._purchase.flow import shows_handle_can_charge
from pandas_numberactive._purchase.purchase import SETTLED, LookupState, Purchase
from pandas_numberactive._store import saves
from pandas_numberactive._store.engines.journal import Database, Together
from pandas_numberactive._store.rows import ENVIRONMENTS, event

Key = tuple[int, int, int]
Columns = dict[str, object]

_TYPES = {
    "app_key": "text",
    "at": "bigint",
    "body": "text",  # base64
    "bought_at": "bigint",
    "charged": "int",
    "code": "text",
    "environment": "int",
    "epoch": "int",
    "generation": "int",
    "host": "text",
    "kind": "text",
    "msg": "text",
    "number": "bigint",
    "opened_at": "bigint",
    "packed": "int",
    "reason": "text",
    "request_id": "text",
    "run": "bigint",
    "spend": "int",
    "worker": "bigint",
}
_KEY = ("environment", "number", "generation")
_NEVER_OPENED = (
    "NOT EXISTS (SELECT 1 FROM events e WHERE e.kind = 'opened' "
    "AND e.environment = row_environment AND e.request_id = new_request_id)"
)


@dataclass(frozen=True, slots=True)
class Step(Together):
    """One call of `saves.save`."""

    lookup: Purchase
    worker: int
    run: int
    now: int

    @property
    def key(self) -> Key:
        """Return the purchase that it is."""
        return ENVIRONMENTS[self.lookup.environment], self.lookup.number, self.lookup.generation

    def __call__(self, db: Database) -> saves.Saved:
        """Save it by itself."""
        return saves.save(db, self.lookup, worker=self.worker, run=self.run, now=self.now)

    def many(self, db: Database, steps: Sequence[Any]) -> list[Any]:
        """Save all of them."""
        return save_many(db, steps)


def save_many(db: Database, steps: Sequence[Step]) -> list[saves.Saved]:
    """Store steps, each as `saves.save` would. Return the result of each."""
    opened, settled = _sorted(steps)
    kept = _save(db, opened, settled)
    done = {id(step) for step in (*opened, *settled) if step.key in kept}
    return ["kept" if id(step) in done else step(db) for step in steps]


def _sorted(steps: Sequence[Step]) -> tuple[list[Step], list[Step]]:
    """Return the steps that can be done together: new requestIds, and answers."""
    usual = [step for step in _unshared(steps) if _usual(step)]
    opened = [step for step in usual if step.lookup.state is LookupState.PENDING]
    settled = [step for step in usual if step.lookup.state in SETTLED]
    return opened, settled


def _unshared(steps: Sequence[Step]) -> list[Step]:
    """Return the steps whose purchase and requestId stand here once."""
    times = Counter(step.key for step in steps)
    ids = Counter(_request(step) for step in steps)
    return [step for step in steps if times[step.key] == 1 and ids[_request(step)] == 1]


def _request(step: Step) -> tuple[int, str | None]:
    return step.key[0], step.lookup.request_id


def _usual(step: Step) -> bool:
    """Return True for a requestId, or an answer to one, that marks nothing for good."""
    lookup = step.lookup
    named = lookup.request_id is not None and lookup.opened_at is not None
    return named and not shows_handle_can_charge(lookup)


def _save(db: Database, opened: Sequence[Step], settled: Sequence[Step]) -> set[Key]:
    """Write the rows under our claims with their events. Return the purchases that were let in."""
    parts: list[str] = []
    rows: list[list[Columns]] = []
    for name, steps, fence in (
        ("opened", opened, _NEVER_OPENED),
        ("settled", settled, saves.UNSETTLED),
    ):
        if steps:
            rows.append([_row(step) for step in steps])
            parts.append(_update(name, rows[-1][0], fence))
            parts.append(_insert(name, rows[-1][0]))
    if not rows:
        return set()
    names = [name for name, steps in (("opened", opened), ("settled", settled)) if steps]
    kept = " UNION ALL ".join(f"SELECT {', '.join(_KEY)} FROM {name}" for name in names)
    values = tuple(json.dumps(some) for some in rows)
    found = db.execute(f"WITH {', '.join(parts)} {kept}", values).fetchall()
    return {(row[0], row[1], row[2]) for row in found}


def _row(step: Step) -> Columns:
    """Return the key and the claim of a row, its new columns, and the columns of its event."""
    lookup = step.lookup
    line = event(step.now, _kind(lookup), lookup, step.key[0], step.run)
    body = line["body"]
    if isinstance(body, bytes):
        line["body"] = b2a_base64(body, newline=False).decode()
    return {
        **{f"row_{name}": value for name, value in zip(_KEY, step.key, strict=True)},
        "claim_worker": step.worker,
        "claim_epoch": lookup.epoch,
        **{f"new_{name}": value for name, value in _columns(step).items()},
        **{f"event_{name}": value for name, value in line.items()},
    }


def _kind(lookup: Purchase) -> str:
    return "opened" if lookup.state is LookupState.PENDING else lookup.state.name.lower()


def _columns(step: Step) -> Mapping[str, object]:
    if step.lookup.state is LookupState.PENDING:
        return saves.opened_columns(step.lookup)
    return saves.settled_columns(step.lookup, step.now)


def _update(name: str, row: Columns, fence: str) -> str:
    """Return the update of the rows of one kind, which names what it let in."""
    types = ", ".join(f"{column} {_TYPES[column.partition('_')[2]]}" for column in row)
    news = [column for column in row if column.startswith("new_")]
    lines = [column for column in row if column.startswith("event_")]
    assignments = ", ".join(f"{column[4:]} = {column}" for column in news)
    keys = " AND ".join(f"lookups.{column} = row_{column}" for column in _KEY)
    return (
        f"{name} AS (UPDATE lookups SET {assignments} "
        f"FROM json_to_recordset(?::json) AS given ({types}) "
        f"WHERE {keys} AND worker = claim_worker AND epoch = claim_epoch AND {fence} "
        f"RETURNING {', '.join((*_KEY, *lines))})"
    )


def _insert(name: str, row: Columns) -> str:
    """Return the insert of the events of the rows that an update let in."""
    lines = [column for column in row if column.startswith("event_")]
    values = ", ".join(
        f"decode({column}, 'base64')" if column == "event_body" else column for column in lines
    )
    return (
        f"{name}_events AS (INSERT INTO events ({', '.join(column[6:] for column in lines)}) "
        f"SELECT {values} FROM {name})"
    )
