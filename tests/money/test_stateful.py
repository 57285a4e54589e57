"""hypothesis drives workers, deaths, pauses, refreshes and clock jumps over the real flow and store, and shrinks what breaks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
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

from pandas_numberactive._store.engines.sqlite import connect
from tests.money.world import Bounds, CrashError, Drawn, Variant, Vendor, World


class Money(RuleBasedStateMachine):
    """Up to three workers on two numbers; whatever order the rules come in, the money rules hold."""

    database: Callable[[], Any] = staticmethod(partial(connect, None))

    @initialize(seed=st.integers(0, 1000), free=st.integers(0, 2))
    def begin(self, seed: int, free: int) -> None:
        self.world = World(
            Drawn(seed, 0.5),
            Variant(),
            Bounds(faults=6, switches=0, restarts=0),
            numbers=2,
            workers=0,
            vendor=Vendor(free),
            database=self.database,
        )
        self.workers = []

    @precondition(lambda self: len(self.workers) < 3)
    @rule()
    def a_worker_starts(self) -> None:
        self.workers.append(self.world._worker())

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
    def no_number_is_charged_twice(self) -> None:
        if hasattr(self, "world"):
            charged = list(self.world.vendor.charged.values())
            assert len(charged) == len(set(charged))

    @invariant()
    def what_is_reserved_or_spent_is_a_row(self) -> None:
        if hasattr(self, "world"):
            rows = self.world.db.execute("SELECT count(*) FROM lookups WHERE spend = 1").fetchone()[
                0
            ]
            assert rows >= len(self.world.vendor.charged)

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.time += 61
            with contextlib.closing(self.world.db):
                self.world.finish()


def test_money_in_whatever_order(database):
    """On a server with fewer examples: a statement takes longer there."""
    here = isinstance(database, partial)

    class Here(Money):
        pass

    Here.database = staticmethod(database)
    run_state_machine_as_test(
        Here,
        settings=settings(max_examples=150 if here else 25, stateful_step_count=25, deadline=None),
    )
