"""hypothesis drives calls, deaths, pauses, forgetting and time over the real flow and store, and shrinks what breaks.

The world compares each charge with what was asked (tests/money/asked.py), and the books at its end.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.money.world import (
    FIRST,
    Bounds,
    Call,
    CrashError,
    Drawn,
    Scratch,
    Variant,
    Vendor,
    World,
)


class Money(RuleBasedStateMachine):
    """Up to three workers on two numbers; whatever order the rules come in, the money rules hold."""

    database: Callable[[], Any] = Scratch

    @initialize(seed=st.integers(0, 1000), free=st.integers(0, 2))
    def begin(self, seed: int, free: int) -> None:
        self.world = World(
            Drawn(seed, 0.5),
            Variant(),
            Bounds(faults=6, switches=0, restarts=0, forgets=3),
            numbers=2,
            workers=0,
            vendor=Vendor(free),
            database=self.database,
        )
        self.workers = []

    @precondition(lambda self: len(self.workers) < 3)
    @rule(
        refresh=st.booleans(),
        max_age=st.sampled_from([None, None, 0.0, 120.0]),
        cap=st.sampled_from([None, None, 1, 2]),
        count=st.integers(1, 2),
    )
    def a_worker_starts(
        self, refresh: bool, max_age: float | None, cap: int | None, count: int
    ) -> None:
        numbers = tuple(range(FIRST, FIRST + count))
        self.workers.append(self.world.worker(Call(numbers, refresh, max_age, cap)))

    @rule(number=st.integers(FIRST, FIRST + 1))
    def a_number_is_forgotten(self, number: int) -> None:
        if self.world.bounds.forgets:
            self.world.forget(number)

    @precondition(lambda self: self.workers)
    @rule(which=st.integers(0, 2), steps=st.integers(1, 6))
    def a_worker_moves(self, which: int, steps: int) -> None:
        worker = self.workers[which % len(self.workers)]
        try:
            for _ in range(steps):
                next(worker)
                self.world.time += 0.01
        except (StopIteration, CrashError):
            self.workers.remove(worker)

    @precondition(lambda self: self.workers)
    @rule(which=st.integers(0, 2))
    def a_worker_vanishes(self, which: int) -> None:
        self.workers.pop(which % len(self.workers)).close()

    @rule(seconds=st.sampled_from([1.0, 61.0, 3600.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.time += seconds

    @invariant()
    def what_is_reserved_or_spent_is_on_the_books(self) -> None:
        """Each charge is a row that spends, or an event of a number that was forgotten."""
        if hasattr(self, "world"):
            rows = "SELECT request_id FROM lookups WHERE spend = 1"
            events = "SELECT request_id FROM events WHERE number IS NULL"
            known = {row[0] for sql in (rows, events) for row in self.world.db.execute(sql)}
            assert set(self.world.vendor.charged) <= known

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.time += 61
            with contextlib.closing(self.world.db):
                self.world.finish()


def test_money_in_whatever_order(database):
    """On a server with fewer examples: a statement takes longer there."""
    here = database is Scratch

    class Here(Money):
        pass

    Here.database = staticmethod(database)
    run_state_machine_as_test(
        Here,
        settings=settings(max_examples=150 if here else 25, stateful_step_count=25, deadline=None),
    )
