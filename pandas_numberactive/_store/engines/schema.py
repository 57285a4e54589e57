"""Create and migrate the tables, on either engine."""

from __future__ import annotations

from collections.abc import Callable


def first_schema(run: Callable[[str], object]) -> None:
    """Create version 1 of the tables.

    lookups (one row a purchase), events (append-only ledger), runs, workers, bodies, meta.
    """
    for statement in _FIRST:
        run(statement)


# number and packed are integers, and the key is the table's order: a bulk read is one ordered scan.
_FIRST = (
    """CREATE TABLE lookups (
        environment INTEGER NOT NULL, number BIGINT NOT NULL, generation INTEGER NOT NULL,
        packed INTEGER NOT NULL, bought_at BIGINT NOT NULL DEFAULT 0,
        request_id TEXT, opened_at BIGINT, host TEXT, app_key TEXT,
        worker BIGINT, epoch INTEGER NOT NULL DEFAULT 0, run BIGINT,
        spend INTEGER NOT NULL DEFAULT 1,
        code TEXT, msg TEXT, reason TEXT,
        PRIMARY KEY (environment, number, generation)) {tail}""",
    "CREATE INDEX lookups_spend ON lookups (run) WHERE spend = 1",
    """CREATE TABLE events (
        id {serial}, at BIGINT NOT NULL, kind TEXT NOT NULL, environment INTEGER NOT NULL,
        number BIGINT, generation INTEGER, run BIGINT, request_id TEXT, charged INTEGER,
        code TEXT, reason TEXT)""",
    "CREATE INDEX events_opened ON events (environment, request_id) WHERE kind = 'opened'",
    """CREATE TABLE runs (
        run {serial}, key TEXT NOT NULL, environment INTEGER NOT NULL, started_at BIGINT NOT NULL,
        seen_at BIGINT NOT NULL, ended_at BIGINT, cap BIGINT, price DOUBLE PRECISION,
        currency TEXT)""",
    "CREATE INDEX runs_open ON runs (key) WHERE ended_at IS NULL",
    """CREATE TABLE workers (
        worker {serial}, run BIGINT NOT NULL, pid INTEGER NOT NULL, host TEXT NOT NULL,
        token TEXT NOT NULL, lease_until BIGINT NOT NULL)""",
    """CREATE TABLE bodies (
        environment INTEGER NOT NULL, number BIGINT NOT NULL, generation INTEGER NOT NULL,
        at BIGINT NOT NULL, request_id TEXT, body {blob} NOT NULL,
        PRIMARY KEY (environment, number, generation, at)) {tail}""",
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
)


def bodies_to_events(run: Callable[[str], object]) -> None:
    """Version 2: the body of an answer belongs to its event."""
    for statement in _SECOND:
        run(statement)


_BODY_OF_EVENT = (
    "FROM bodies b WHERE b.environment = events.environment AND b.number = events.number "
    "AND b.generation = events.generation AND b.at = events.at"
)
# A body was written with its event, so that both bear the same moment.
_SECOND = (
    "ALTER TABLE events ADD COLUMN body {blob}",
    f"UPDATE events SET body = (SELECT b.body {_BODY_OF_EVENT}) "
    f"WHERE kind <> 'opened' AND EXISTS (SELECT 1 {_BODY_OF_EVENT})",
    "DROP TABLE bodies",
)


def buyer_of_runs(run: Callable[[str], object]) -> None:
    """Version 3: a run names the users who bought."""
    run("ALTER TABLE runs ADD COLUMN buyer TEXT")


MIGRATIONS: tuple[Callable[[Callable[[str], object]], None], ...] = (
    first_schema,
    bodies_to_events,
    buyer_of_runs,
)
