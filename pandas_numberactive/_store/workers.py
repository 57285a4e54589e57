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


def new_worker() -> int:
    """Return the number of a worker that is about to join: drawn, so that no other ever has it.

    A store put back to an older copy would count from there again, and give the number of a call
    that has purchases in flight to another one. The claims of both would be one.
    """
    return secrets.randbits(63)


def begin(
    db: Database, /, engine: Engine, worker: int, *, lease: float, **terms: Any
) -> runs.RunRow:
    """Begin a run, or go on with an open one, and join it: in between another call could end it.

    `terms` are those of `runs.begin_run`.
    """
    run = runs.begin_run(db, lives=lambda other_db, one: lives(other_db, engine, one), **terms)
    join(db, engine, worker, run=run.run, lease=lease)
    return run


def join(db: Database, engine: Engine, worker: int, *, run: int, lease: float) -> None:
    """Register this process as a worker of a run, once for a repeated write, and show it alive."""
    runs.join(
        db,
        worker=worker,
        run=run,
        pid=os.getpid(),
        host=socket.gethostname(),
        token=engine.hold(db, f"{worker:016x}"),
        lease_until=engine.now() + round(lease * 1e6),
        alive=lambda other_db, other: _is_waited_for(other_db, engine, other),
    )


_given_up: set[int] = set()  # workers of this process whose callers have gone


def give_up(worker: int) -> None:
    """Let the same call, made again, take the place of this worker while it drains its calls."""
    _given_up.add(worker)


def _is_waited_for(db: Database, engine: Engine, worker: int) -> bool:
    """Return True while a worker lives and somebody waits for its result."""
    return worker not in _given_up and alive(db, engine, worker)


def renew(db: Database, engine: Engine, *, worker: int, run: int, lease: float) -> None:
    """Prolong the lease, and hold again what a lost session held.

    Raises StoreError where the store does not know the worker any more.
    """
    runs.refuse_unknown(db, worker)
    now = engine.now()
    runs.renew(db, worker=worker, run=run, now=now, lease_until=now + round(lease * 1e6))
    row = _worker(db, worker)
    if row is not None:
        engine.hold(db, row[0])


def leave(db: Database, engine: Engine, *, worker: int, run: int, finished: bool) -> None:
    """Remove this worker and stop showing it alive. `finished` marks the end of the call.

    In a store that was put back its run may be another's, which goes on.
    """
    if runs.is_known(db, worker):
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
