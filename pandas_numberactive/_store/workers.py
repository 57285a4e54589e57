"""Workers of a run by the engine's clock, read inside the transaction that writes the lease.

Each function runs inside one write transaction; leases are in seconds.
"""

from __future__ import annotations

import os
import secrets
import socket
from typing import Any

from pandas_numberactive._store import runs
from pandas_numberactive._store.engines.journal import Database, Engine


def new_token() -> str:
    """Return the name of a worker that is about to join: the same one for a repeated write."""
    return secrets.token_hex(8)


def begin(
    db: Database, /, engine: Engine, token: str, *, lease: float, **terms: Any
) -> tuple[runs.RunRow, int]:
    """Begin a run, or go on with an open one, and join it: in between another call could end it.

    Return the run and the worker. `terms` are those of `runs.begin_run`.
    """
    run = runs.begin_run(db, lives=lambda other_db, one: lives(other_db, engine, one), **terms)
    return run, join(db, engine, token, run=run.run, lease=lease)


def join(db: Database, engine: Engine, token: str, *, run: int, lease: float) -> int:
    """Register this process as a worker of a run and show it alive. Return the worker."""
    held = engine.hold(db, token)
    until = engine.now() + round(lease * 1e6)
    return runs.join(
        db,
        run=run,
        pid=os.getpid(),
        host=socket.gethostname(),
        token=held,
        lease_until=until,
        alive=lambda other_db, other: _is_waited_for(other_db, engine, other),
    )


_given_up: set[str] = set()  # tokens of calls of this process whose callers have gone


def give_up(token: str) -> None:
    """Let the same call, made again, take the place of this worker while it drains its calls."""
    _given_up.add(token)


def _is_waited_for(db: Database, engine: Engine, worker: int) -> bool:
    """Return True while a worker lives and somebody waits for its result."""
    row = _worker(db, worker)
    given_up = row is not None and row[0].rpartition("-")[2] in _given_up
    return alive(db, engine, worker) and not given_up


def renew(
    db: Database, engine: Engine, *, worker: int, run: int, lease: float, token: str = ""
) -> None:
    """Prolong the lease, and hold again what a lost session held.

    Raises StoreError where the store does not know the worker any more.
    """
    runs.refuse_unknown(db, worker, token)
    now = engine.now()
    runs.renew(db, worker=worker, run=run, now=now, lease_until=now + round(lease * 1e6))
    row = _worker(db, worker)
    if row is not None:
        engine.hold(db, row[0])


def leave(
    db: Database, engine: Engine, *, worker: int, run: int, finished: bool, token: str = ""
) -> None:
    """Remove this worker and stop showing it alive. `finished` marks the end of the call.

    In a store that was put back its id may be another's, whose run goes on.
    """
    if not token or runs.is_known(db, worker, token):
        runs.leave(db, worker=worker, run=run, now=engine.now(), finished=finished)
    engine.release(db)


def alive(db: Database, engine: Engine, worker: int) -> bool:
    """Return True while a worker holds its lease and its process lives."""
    row = _worker(db, worker)
    return row is not None and row[1] >= engine.now() and engine.lives(db, row[0])


def lives(db: Database, engine: Engine, worker: int) -> bool:
    """Return True while a worker's process lives for certain, its lease aside."""
    row = _worker(db, worker)
    return row is not None and engine.certain(db, row[0])


def _worker(db: Database, worker: int) -> tuple[str, int] | None:
    row: tuple[str, int] | None = db.execute(
        "SELECT token, lease_until FROM workers WHERE worker = ?", (worker,)
    ).fetchone()
    return row
