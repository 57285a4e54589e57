"""Save many look-ups in few statements, for a server that is a round trip away.

It covers the usual cases: a new requestId, and an answer under our claim. Every other save goes
through `saves.save`, one by one, in the same transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pandas_numberactive._purchase.flow import shows_handle_can_charge
from pandas_numberactive._purchase.purchase import SETTLED, LookupState, Purchase
from pandas_numberactive._store import saves
from pandas_numberactive._store.engines.journal import Database, Together
from pandas_numberactive._store.rows import ENVIRONMENTS, event

Key = tuple[int, int, int]

_TYPES = {
    "app_key": "text",
    "at": "bigint",
    "body": "bytea",
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
    opened = _nobody_has(db, opened)
    kept = _update(db, opened, lambda lookup, _: saves.opened_columns(lookup), "TRUE")
    kept |= _update(db, settled, saves.settled_columns, saves.UNSETTLED)
    written = [step for step in (*opened, *settled) if step.key in kept]
    _log(db, written)
    done = set(map(id, written))
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


def _nobody_has(db: Database, opened: Sequence[Step]) -> list[Step]:
    """Return the steps whose requestId was never opened before."""
    if not opened:
        return []
    rows = [
        {"environment": step.key[0], "request_id": step.lookup.request_id or ""} for step in opened
    ]
    source, values = _rows(rows)
    known = {
        tuple(row)
        for row in db.execute(
            f"SELECT e.environment, e.request_id FROM events e JOIN {source} "
            "ON e.environment = new_environment AND e.request_id = new_request_id "
            "WHERE e.kind = 'opened'",
            values,
        ).fetchall()
    }
    return [step for step in opened if (step.key[0], step.lookup.request_id) not in known]


def _update(
    db: Database,
    steps: Sequence[Step],
    columns: Callable[[Purchase, int], Mapping[str, object]],
    fence: str,
) -> set[Key]:
    """Write columns of many rows under our claims. Return the purchases that the fence let in."""
    if not steps:
        return set()
    changes = [columns(step.lookup, step.now) for step in steps]
    keys = [
        {"environment": key[0], "number": key[1], "generation": key[2]}
        for key in (step.key for step in steps)
    ]
    claims = [{"claimed_by": step.worker, "claimed_at": step.lookup.epoch} for step in steps]
    rows = [
        {**key, **claim, **change} for key, claim, change in zip(keys, claims, changes, strict=True)
    ]
    source, values = _rows(rows)
    assignments = ", ".join(f"{name} = new_{name}" for name in changes[0])
    found = db.execute(
        f"UPDATE lookups SET {assignments} FROM {source} "
        "WHERE environment = new_environment AND number = new_number "
        "AND generation = new_generation AND worker = new_claimed_by AND epoch = new_claimed_at "
        f"AND {fence} RETURNING environment, number, generation",
        values,
    ).fetchall()
    return {(row[0], row[1], row[2]) for row in found}


def _log(db: Database, steps: Sequence[Step]) -> None:
    if steps:
        _insert(db, "events", [_event(step) for step in steps])


def _event(step: Step) -> dict[str, object]:
    opened = step.lookup.state is LookupState.PENDING
    kind = "opened" if opened else step.lookup.state.name.lower()
    return event(step.now, kind, step.lookup, step.key[0], step.run)


def _insert(db: Database, table: str, rows: Sequence[Mapping[str, object]]) -> None:
    source, values = _rows(rows)
    names = list(rows[0])
    db.execute(
        f"INSERT INTO {table} ({', '.join(names)}) "
        f"SELECT {', '.join(f'new_{name}' for name in names)} FROM {source} ON CONFLICT DO NOTHING",
        values,
    )


def _rows(rows: Sequence[Mapping[str, object]]) -> tuple[str, tuple[list[object], ...]]:
    """Return rows as a table of PostgreSQL, its columns `new_...`, and its parameters.

    One array a column: the statement has the same text for any number of rows.
    """
    names = list(rows[0])
    arrays = ", ".join(f"?::{_TYPES.get(name, 'bigint')}[]" for name in names)
    columns = ", ".join(f"new_{name}" for name in names)
    values = tuple([row[name] for row in rows] for name in names)
    return f"unnest({arrays}) AS given ({columns})", values
